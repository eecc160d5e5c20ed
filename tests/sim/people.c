/* People: some know what they do, some do not, some have two accounts. */

#include "sim.h"

#include <stdio.h>
#include <string.h>

#include <bascule/base/role.h>

#define LEAD     ROLE_BIT(ROLE_DR_LEAD)
#define APPROVER ROLE_BIT(ROLE_APPROVER)

const struct account accounts[] = {
    {0, {1000, 1000, "ada", "brent", "brent", "", LEAD | APPROVER, ""}},
    {0,
	{2000, 1000, "svc", "brent", "brent", "", APPROVER,
	    "ada"}}, /* her sudo */
    {0, {1700, 1700, "ada", "southwark", "lewisham", "", APPROVER, ""}},
    {1, {1001, 1001, "bob", "brent", "brent", "", APPROVER, ""}},
    {2,
	{1501, 1501, "cyn", "southwark", "southwark", "SHA256:c", APPROVER,
	    ""}},
    {2, {1008, 1008, "cx", "brent", "brent", "SHA256:c", APPROVER, ""}},
    {3,
	{1502, APPROVALS_NO_UID, "dan", "southwark", "southwark", "",
	    LEAD | APPROVER, ""}},
    {4, {1009, 1009, "eve", "brent", "brent", "", 0, ""}}, /* nobody */
    {5, {1510, 1510, "fay", "southwark", "housing", "", OWNER_ROLE, ""}},
    {5, {1010, 1010, "fay", "brent", "housing", "", OWNER_ROLE, ""}},
};
const int accounts_count = sizeof(accounts) / sizeof(*accounts);

static int
somebody_at(int s, unsigned roles)
{
	unsigned from = below((unsigned)accounts_count);

	for (unsigned i = 0; i < (unsigned)accounts_count; i++) {
		int a = (int)((from + i) % (unsigned)accounts_count);

		if (strcmp(accounts[a].as.site, w.site[s].name) == 0 &&
		    (roles == 0 || (accounts[a].as.roles & roles) != 0))
			return a;
	}
	return -1;
}

/* A site whose daemon answers, or -1. */
static int
some_site(void)
{
	int s = (int)below(SITES);

	return w.site[s].daemon ? s : w.site[1 - s].daemon ? 1 - s : -1;
}

static void
say(int s, int run, enum move_event_kind kind, int account)
{
	struct record r = {.kind = REC_MOVE, .run = run, .account = account};

	r.ev.stage = MOVE_FACT;
	r.ev.kind = kind;
	r.ev.epoch = w.site[s].reg.epoch;
	story("%s: %s: %s says %s", w.site[s].name, w.runs[run].id,
	    accounts[account].as.name, move_event_name(kind));
	if (kind == MOVE_SAY_COMMIT &&
	    (accounts[account].as.roles & OWNER_ROLE) != 0)
		w.runs[run].owner_said = true;
	site_append(s, r);
}

static void
word(int s, int run, enum approvals_verb verb, int account, const char *seen,
    const char *reason)
{
	struct record r = {.kind = REC_WORD, .run = run, .account = account};

	r.word.who = accounts[account].as;
	r.word.verb = verb;
	r.word.at = site_now(s);
	snprintf(r.word.seen, sizeof(r.word.seen), "%s", seen);
	snprintf(r.word.reason, sizeof(r.word.reason), "%s", reason);
	story("%s: %s: %s: %s %s", w.site[s].name, w.runs[run].id,
	    accounts[account].as.name, approvals_verb_name(verb), reason);
	site_append(s, r);
}

/* --- asking for a move ------------------------------------------------------------- */

static void
request(int s, enum guards_mode mode, int account, bool careful)
{
	struct run *r = &w.runs[w.runs_count];
	const struct authority *reg = &w.site[s].reg;
	struct record rec = {.kind = REC_MOVE, .run = w.runs_count};
	char why[100];

	if (w.runs_count == RUNS_MAX || account < 0 || *reg->site == '\0')
		return;
	*r = (struct run){.mode = mode,
	    .asked = s,
	    .requester = account,
	    .epoch = reg->epoch,
	    .point = -1};
	r->from = site_find(reg->site);
	r->to = 1 - r->from;
	if (!careful && one_in(20)) { /* the wrong way round */
		r->to = r->from;
		r->from = 1 - r->to;
	}
	snprintf(r->id, sizeof(r->id), "f%d", w.runs_count + 1);
	if (mode == GUARDS_UNPLANNED) {
		int n = w.site[r->to].points_count;

		if (n == 0 || w.site[r->to].points[n - 1].gone)
			return;
		r->point = n - 1;
		if (!careful && one_in(3))
			r->point = (int)below((unsigned)n);
		if (w.site[r->to].points[r->point].gone)
			r->point = n - 1;
		for (int i = n - 1; careful && i >= 0; i--)
			if (!w.site[r->to].points[i].gone &&
			    w.site[r->to].points[i].whole &&
			    !w.site[r->to].points[i].suspect) {
				r->point = i;
				break;
			}
		r->loss_accepted = careful || one_in(2);
	}
	snprintf(r->seen, sizeof(r->seen), "%s", shell_seen(w.runs_count));
	w.runs_count++;
	if (!shell_guards(s, w.runs_count - 1, GUARDS_AT_REQUEST, why,
		sizeof(why))) {
		w.runs_count--;
		w.done[T_REFUSED]++;
		return;
	}
	rec.ev = (struct move_event){.kind = MOVE_REQUESTED,
	    .run = r->id,
	    .service = "housing",
	    .from = w.site[r->from].name,
	    .to = w.site[r->to].name,
	    .mode = mode,
	    .epoch = r->epoch};
	story("%s: %s requests %s: %s to %s, %s", w.site[s].name,
	    accounts[account].as.name, r->id, w.site[r->from].name,
	    w.site[r->to].name, guards_mode_name(mode));
	site_append(s, rec);
	shell_fold(s);
}

static void
start(int run, bool careful)
{
	struct run *r = &w.runs[run];
	struct site *t = &w.site[r->asked];
	struct record rec = {.kind = REC_MOVE, .run = run};
	unsigned g = below(GUARDS_COUNT) + 1;
	struct isolated next;
	enum isolated_action act;
	char why[100];

	if (!t->daemon)
		return;
	shell_fold(r->asked);
	if (move_phase(&t->moves[run]) != MOVE_REQUESTED ||
	    t->moves[run].a.fact[MOVE_SAY_ABORT] != 0 ||
	    t->moves[run].b.fact[MOVE_SAY_ABORT] != 0)
		return;
	if (careful || one_in(10))
		for (unsigned k = 1; k <= GUARDS_COUNT; k++)
			if ((careful ? k == 5 || k == 8 || k == 6 || k == 12
				     : k == g) &&
			    guards_override_of(k) == GUARDS_BY_LEAD)
				r->overridden[k] = true;
	if (!shell_guards(r->asked, run, GUARDS_AT_START, why, sizeof(why))) {
		story("%s: %s may not start: %s", t->name, r->id, why);
		w.done[T_REFUSED]++;
		return;
	}
	rec.ev.kind = MOVE_STARTED;
	story("%s: %s is started", t->name, r->id);
	/* I8 */
	if (!isolated_next(&w.isolated_test, ISOLATED_PREEMPT, &next, &act))
		violate("I8: a test in %s does not give way",
		    isolated_state_name(w.isolated_test.state));
	w.isolated_test = next;
	w.done[T_STARTED]++;
	site_append(r->asked, rec);
}

/* --- words ---------------------------------------------------------------------------- */

static void
say_something(int s, int run)
{
	static const enum move_event_kind words[] = {MOVE_SAY_ABORT,
	    MOVE_SAY_HOLD, MOVE_SAY_COMMIT, MOVE_SAY_COMMIT, MOVE_SAY_ROLLBACK,
	    MOVE_SAY_REPROTECT, MOVE_SAY_RETRY};
	enum move_event_kind k = words[below(sizeof(words) / sizeof(*words))];
	int account = somebody_at(s, 0);
	struct err e;

	shell_fold(s);
	if (account < 0 || !w.site[s].moves[run].known)
		return;
	w.done[T_STRANGE]++;
	if (k == MOVE_SAY_COMMIT && one_in(2) &&
	    somebody_at(s, OWNER_ROLE) >= 0)
		account = somebody_at(s, OWNER_ROLE);
	if (move_may_say(&w.site[s].moves[run], k, &e) == ERR_NONE)
		say(s, run, k, account);
	else
		w.done[T_DENIED]++;
}

static void
attest_or_release(int s, int run)
{
	const struct move *m = &w.site[s].moves[run];
	int account = somebody_at(s, 0);
	bool is_true = w.site[site_other(s)].safely_off;

	if (account < 0 || !m->known || (!is_true && !one_in(w.honesty)))
		return;
	if (one_in(2) || m->mode == GUARDS_PLANNED)
		word(s, run, APPROVALS_RELEASE, account, "",
		    w.site[one_in(3) ? 1 - s : s].name);
	word(s, run, APPROVALS_ATTEST, account, "", "mains off");
}

static void
release_quarantine(int s, bool knows)
{
	struct site *t = &w.site[s], *o = &w.site[1 - s];
	struct authority_event ev = {.kind = AUTHORITY_RELEASE, .persons = 2};
	struct err e;

	if (!t->daemon || !t->reg.quarantined || t->jobs[JOB_OF_OWN].on)
		return;
	if (!o->safely_off || o->reg.epoch > t->reg.epoch) {
		if (knows)
			return;
		w.lied = true;
		w.done[T_LIED]++;
	}
	story("%s: two people release it from quarantine", t->name);
	if (authority_next(&t->reg, &ev, &t->reg, &e) != ERR_NONE)
		violate("%s", e.text);
	t->safely_off = false;
}

/* --- people who know what they do ------------------------------------------------------ */

static void
approve_well(int run)
{
	static const int able[] = {3, 4, 6}; /* bob, cyn, dan */

	for (size_t i = 0; i < 3; i++) {
		int s = site_find(accounts[able[i]].as.site);

		if (w.site[s].daemon && w.site[s].moves[run].known && one_in(2))
			word(s, run, APPROVALS_APPROVE, able[i],
			    shell_seen(run), "");
	}
}

static void
finish(int run)
{
	int to = w.runs[run].to;
	const struct move *m = &w.site[to].moves[run];
	int owner = somebody_at(to, OWNER_ROLE);
	struct err e;

	if (!w.site[to].daemon || !m->known)
		return;
	if (one_in(5) && move_may_say(m, MOVE_SAY_ROLLBACK, &e) == ERR_NONE)
		say(to, run, MOVE_SAY_ROLLBACK, owner);
	else if (!w.runs[run].owner_said &&
	    move_may_say(m, MOVE_SAY_COMMIT, &e) == ERR_NONE)
		say(to, run, MOVE_SAY_COMMIT, owner);
	else if (m->b.fact[MOVE_SAY_REPROTECT] == 0 &&
	    move_may_say(m, MOVE_SAY_REPROTECT, &e) == ERR_NONE)
		say(to, run, MOVE_SAY_REPROTECT, owner);
	else if (m->b.result[MOVE_PLAN] == MOVE_NOT_DONE &&
	    m->b.fact[MOVE_RAN] == 0 &&
	    move_may_say(m, MOVE_SAY_RETRY, &e) == ERR_NONE)
		say(to, run, MOVE_SAY_RETRY, owner);
}

static bool
is_over_everywhere(int run)
{
	for (int s = 0; s < SITES; s++)
		if (!w.site[s].moves[run].known ||
		    !move_is_over(&w.site[s].moves[run]))
			return false;
	return true;
}

/* The next step of what is afoot, or something new. */
static void
go_on(void)
{
	int run = w.runs_count - 1, s = some_site();
	const struct move *m;

	if (s < 0)
		return;
	/* A request that was forgotten, and comes to mind again. */
	if (run > 0 && one_in(2) && is_over_everywhere(run))
		for (int r = 0; r < run; r++)
			if (move_phase(&w.site[w.runs[r].asked].moves[r]) ==
			    MOVE_REQUESTED) {
				approve_well(r);
				start(r, one_in(2));
				return;
			}
	if (run >= 0 && !(run == 0 && one_in(4))) {
		m = &w.site[w.runs[run].asked].moves[run];
		if (m->known && move_phase(m) == MOVE_REQUESTED) {
			approve_well(run);
			start(run, one_in(3));
			return;
		}
		finish(run);
		if (!w.site[s].moves[run].known ||
		    !move_is_over(&w.site[s].moves[run]))
			return;
	}
	/* Unplanned when the other site is gone, or seems to be. */
	request(s,
	    *w.site[s].reg.site != '\0' &&
		    strcmp(w.site[s].reg.site, w.site[s].name) != 0 &&
		    (w.site[s].answered_ns == 0 || one_in(4))
		? GUARDS_UNPLANNED
		: GUARDS_PLANNED,
	    s == 0 ? 0 : 6, true);
}

/* --- anybody --------------------------------------------------------- */

void
people_act(void)
{
	int s = some_site(), run, account;

	if (s < 0)
		return;
	if (one_in(w.sense)) {
		go_on();
		return;
	}
	if (w.runs_count == 0 || one_in(8)) {
		account = somebody_at(s, one_in(6) ? 0 : LEAD);
		request(s, one_in(2) ? GUARDS_PLANNED : GUARDS_UNPLANNED,
		    account, one_in(2));
		return;
	}
	if (one_in(40)) {
		release_quarantine(s, !one_in(6));
		return;
	}
	/* The newest, mostly. */
	run = one_in(6) ? (int)below((unsigned)w.runs_count) : w.runs_count - 1;
	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		account = somebody_at(s, one_in(5) ? 0 : APPROVER);
		if (account >= 0 && w.site[s].moves[run].known)
			word(s, run,
			    one_in(15)      ? APPROVALS_REFUSE
				: one_in(8) ? APPROVALS_WITHDRAW
					    : APPROVALS_APPROVE,
			    account, one_in(8) ? "v0.0" : shell_seen(run), "");
		return;
	case 3:
	case 4: start(run, false); return;
	case 5:
	case 6: say_something(s, run); return;
	default: attest_or_release(s, run); return;
	}
}

/* --- the end: people who read `status` and type what it says --------------------------- */

static void
accept_or_finish(int run)
{
	int s = w.runs[run].to;
	const struct move *m = &w.site[s].moves[run];
	struct err e;

	if ((!w.runs[run].owner_said ||
		m->b.fact[MOVE_SAY_COMMIT] <= m->b.fact[MOVE_RAN]) &&
	    move_may_say(m, MOVE_SAY_COMMIT, &e) == ERR_NONE)
		say(s, run, MOVE_SAY_COMMIT, somebody_at(s, OWNER_ROLE));
	for (int o = 0; o < SITES; o++) {
		const struct move_side *mine =
		    o == w.runs[run].from ? &m->a : &m->b;

		if (mine->fact[MOVE_SAY_REPROTECT] == 0 &&
		    move_may_say(&w.site[o].moves[run], MOVE_SAY_REPROTECT,
			&e) == ERR_NONE)
			say(o, run, MOVE_SAY_REPROTECT, somebody_at(o, 0));
	}
}

/* Where it can run: at the new site, if what it is to restore is there still. */
static int
fit_to_run(int run)
{
	const struct run *r = &w.runs[run];

	return shell_can_restore(r->to, run) ? r->to : r->from;
}

/* It was given to a site that cannot run it: hold, and give it to the other. */
static bool
is_stuck(int run)
{
	const struct run *r = &w.runs[run];
	const struct move *m = &w.site[r->to].moves[run];

	return move_phase(m) == MOVE_RESOLVED && fit_to_run(run) != r->to &&
	    m->b.fact[MOVE_RAN] == 0 && m->b.result[MOVE_PLAN] == MOVE_NOT_DONE;
}

/* `status` says what to type. */
static void
hold_if_told(int run)
{
	struct move_turn turn;
	struct err e;

	for (int s = 0; s < SITES; s++)
		if (shell_turn(s, run, &turn) &&
		    strncmp(turn.next, "bascule failover hold ", 22) == 0 &&
		    move_may_say(&w.site[s].moves[run], MOVE_SAY_HOLD, &e) ==
			ERR_NONE)
			say(s, run, MOVE_SAY_HOLD, somebody_at(s, 0));
}

static void
mend_run(int run)
{
	struct run *r = &w.runs[run];
	bool held = false;
	struct err e;

	for (int s = 0; s < SITES; s++) {
		const struct move *m = &w.site[s].moves[run];

		held = held || move_phase(m) == MOVE_HELD ||
		    w.site[s].reg.state == AUTHORITY_HELD ||
		    w.site[s].reg.state == AUTHORITY_CONTESTED;
		if (one_in(2) && m->known && !move_is_over(m) &&
		    move_may_say(m, MOVE_SAY_RETRY, &e) == ERR_NONE)
			say(s, run, MOVE_SAY_RETRY, somebody_at(s, 0));
	}
	if (held && one_in(4)) {
		/* Two people, who have inspected: where there is data. */
		int s = fit_to_run(run);

		word(1 - s, run, APPROVALS_RELEASE, somebody_at(1 - s, LEAD),
		    "", w.site[s].name);
		word(1 - s, run, APPROVALS_RELEASE,
		    somebody_at(1 - s, APPROVER | OWNER_ROLE), "",
		    w.site[s].name);
		word(s, run, APPROVALS_RELEASE,
		    somebody_at(s, APPROVER | OWNER_ROLE), "", w.site[s].name);
	}
	if (is_stuck(run) &&
	    move_may_say(&w.site[r->to].moves[run], MOVE_SAY_HOLD, &e) ==
		ERR_NONE)
		say(r->to, run, MOVE_SAY_HOLD, somebody_at(r->to, 0));
	hold_if_told(run);
	accept_or_finish(run);
	if (w.site[r->asked].moves[run].known &&
	    move_phase(&w.site[r->asked].moves[run]) == MOVE_REQUESTED)
		say(r->asked, run, MOVE_SAY_ABORT, somebody_at(r->asked, 0));
}

void
people_mend(void)
{
	for (int run = 0; run < w.runs_count; run++) {
		bool over = true;

		for (int s = 0; s < SITES; s++)
			over = over && move_is_over(&w.site[s].moves[run]) &&
			    !move_binds(&w.site[s].moves[run], w.site[s].name);
		if (!over ||
		    move_phase(&w.site[0].moves[run]) == MOVE_COMMITTED)
			mend_run(run);
	}
}
