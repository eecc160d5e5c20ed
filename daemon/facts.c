/* The facts of a move, from what this site has. */

#include "facts.h"

#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "etcd.h"
#include "facts_parts.h"
#include "links.h"
#include "peer.h"

#define OBSERVED_BYTES GUARDS_TEXT_BYTES

static void
say(struct facts_run *f, enum guards_fact_id id, int64_t value, struct utc at,
    const char *source, const char *text)
{
	guards_tell(f->out, id, value, at, source, text);
}

static void
say_here(struct facts_run *f, enum guards_fact_id id, int64_t value,
    const char *source, const char *text)
{
	say(f, id, value, f->out->now, source, text);
}

/* --- G01: other runs --------------------------------------------------------------- */

static void
other_runs(struct facts_run *f)
{
	const char *run = f->of->request != NULL ? f->of->request->run : "";
	const struct policy_service *s = f->of->service;
	char text[OBSERVED_BYTES] = "none", need[OBSERVED_BYTES] = "none";
	const struct request *r = request_book_binds(f->of->book, s->name, run);
	int64_t needed = 0;

	if (r != NULL)
		snprintf(text, sizeof(text), "run %s is %s", r->run, r->phase);
	say_here(f, FACT_OTHER_RUN, r != NULL, "ledgers", text);
	for (size_t i = 0; i < s->depends.count; i++) {
		const char *on = s->depends.items[i];

		r = request_book_binds(f->of->book, on, run);
		if (r == NULL)
			continue;
		needed++;
		snprintf(need, sizeof(need), "run %s of %s is %s", r->run, on,
		    r->phase);
	}
	say_here(f, FACT_NEEDED_RUN, needed, "ledgers", need);
}

/* --- G02: the same policy ------------------------------------------------------------ */

static void
policies(struct facts_run *f)
{
	char text[OBSERVED_BYTES], source[48];
	bool same;

	/* Equal at all that can be reached: in a disaster that is this one. */
	if (f->peer != NULL && f->of->mode == GUARDS_UNPLANNED && !f->answers &&
	    f->peer_policy[0] == '\0') {
		say_here(f, FACT_POLICY_EQUAL, 1, "this site",
		    "no other site can be reached");
		say_here(f, FACT_PLAN_EQUAL, 1, "this site",
		    "no other site can be reached");
		return;
	}
	if (f->peer == NULL || f->heard.ns == 0 || f->peer_policy[0] == '\0')
		return;
	same = strcmp(f->peer_policy, f->d->digest) == 0;
	snprintf(text, sizeof(text), "%.12s here, %.12s at %s", f->d->digest,
	    f->peer_policy, f->peer->site->name);
	snprintf(source, sizeof(source), "bridge to %.36s",
	    f->peer->site->name);
	say(f, FACT_POLICY_EQUAL, same, f->heard, source, text);
	if (same) /* the plan is of the shared policy */
		say(f, FACT_PLAN_EQUAL, 1, f->heard, source,
		    "of the same policy");
}

/* --- G03, G04, G10: people ------------------------------------------------------------- */

static bool
is_approver(const struct request *r, const struct approvals_judgement *j)
{
	for (size_t i = 0; i < r->word_count; i++)
		if (r->words[i].verb == APPROVALS_APPROVE &&
		    j->standing[i] == APPROVALS_COUNTS &&
		    approvals_same_person(&r->words[i].who, &r->requester))
			return true;
	return false;
}

/* The physical method that most people have attested. */
static void
attested(struct facts_run *f, const struct request *r)
{
	const char *method = "nobody attests that it is off";
	struct approvals_word those[APPROVALS_WORDS_MAX];
	size_t count = request_counting(f->d, r, f->of->service->name, those);
	char text[OBSERVED_BYTES];
	unsigned most = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned n;

		if (those[i].verb != APPROVALS_ATTEST)
			continue;
		n = approvals_persons(those, count, APPROVALS_ATTEST,
		    those[i].reason, 0, NULL);
		if (n <= most)
			continue;
		most = n;
		method = those[i].reason;
	}
	snprintf(text, sizeof(text), "%s", method);
	text_mend_end(text);
	say_here(f, FACT_FENCE_ATTESTED, most, "ledgers", text);
}

static void
people(struct facts_run *f)
{
	const struct facts_of *of = f->of;
	const struct policy_approvals *a = &of->service->approvals;
	const struct request *r = of->request;
	struct approvals_judgement j = {0};
	bool needs_change = a->change_reference && of->mode == GUARDS_PLANNED;
	bool has_change = r != NULL ? r->change[0] != '\0' : of->has_change;
	unsigned needed = of->mode == GUARDS_UNPLANNED ? a->unplanned_count
						       : a->planned_count;

	if (r != NULL) {
		if (of->judged != NULL)
			j = *of->judged;
		else
			request_judge(f->d, r,
			    of->seen != NULL ? of->seen : r->seen, &j);
		needed = j.needed;
		attested(f, r);
	}
	if (of->actor != NULL)
		say_here(f, FACT_ROLE,
		    (of->actor->roles & request_roles(of->mode)) != 0, "policy",
		    of->actor->name);
	say_here(f, FACT_ACTOR_APPROVED, r != NULL && is_approver(r, &j),
	    "ledgers", NULL);
	/* One of the wrong council is one that is missing. */
	say_here(f, FACT_APPROVALS,
	    j.counted >= needed && needed > 0 && !j.council_ok ? needed - 1
		: j.refused                                    ? 0
							       : j.counted,
	    "ledgers", r != NULL ? j.text : "nobody was asked yet");
	/* That nobody need approve is not that nobody need have asked. */
	say_here(f, FACT_APPROVALS_NEEDED,
	    r != NULL && !j.is_asked && needed == 0 ? 1 : needed, "policy",
	    NULL);
	say_here(f, FACT_BREAK_GLASS, r != NULL && r->glass_broken, "ledgers",
	    NULL);
	say_here(f, FACT_CHANGE, !needs_change || has_change, "request",
	    !needs_change    ? "none is needed"
		: has_change ? (r != NULL ? r->change : "given")
			     : "none is given");
}

void
facts_approved(struct daemon *d, const struct request *r,
    const struct policy_service *s, struct guards_result *out)
{
	struct guards_result results[GUARDS_COUNT];
	struct guards_facts facts = {.now = now_utc()};
	const struct facts_of of = {.service = s,
	    .from = r->from,
	    .to = r->to,
	    .mode = r->mode,
	    .request = r,
	    .seen = r->seen};
	struct facts_run f = {.d = d, .of = &of, .out = &facts};

	people(&f);
	guards_evaluate(&facts, r->mode, GUARDS_AT_START, results);
	*out = results[G04_APPROVALS - 1];
}

/* --- G05: when -------------------------------------------------------------------------- */

static bool
is_frozen_for(const struct policy_freeze *z, const char *council)
{
	for (size_t i = 0; i < z->councils.count; i++)
		if (strcmp(z->councils.items[i], council) == 0)
			return true;
	return z->councils.count == 0;
}

static void
calendar(struct facts_run *f)
{
	const struct policy_service *s = f->of->service;
	const struct policy_failover *w = &s->failover;
	char text[OBSERVED_BYTES] = "no freeze";
	bool frozen = false, open = true;

	for (size_t i = 0; i < f->d->policy->freeze_count; i++) {
		const struct policy_freeze *z = &f->d->policy->freezes[i];

		if (!is_frozen_for(z, s->owner) ||
		    !window_frozen(z->from_days, z->until_days, z->zone,
			f->out->now))
			continue;
		frozen = true;
		snprintf(text, sizeof(text), "'%s', %s to %s", z->name, z->from,
		    z->until);
	}
	say_here(f, FACT_FROZEN, frozen, "policy", text);
	if (w->during[0] != '\0')
		open = window_contains(&w->window, w->zone, f->out->now);
	say_here(f, FACT_IN_WINDOW, open, "policy",
	    w->during[0] != '\0' ? w->during : "no window: at any time");
}

/* --- G07, G11: the point and its loss ------------------------------------------------------ */

static void
tell_point(struct facts_run *f, const struct request_point *p)
{
	char text[OBSERVED_BYTES];

	f->point = *p;
	f->has_point = true;
	snprintf(text, sizeof(text), "%.16s: %.130s", p->id, p->tags);
	text_mend_end(text);
	say_here(f, FACT_POINT_COMPLETE, p->complete && !p->lacks_dataset,
	    "ledger", text);
	say_here(f, FACT_POINT_SUSPECT, p->suspect, "ledger",
	    p->suspect ? "it is suspect" : "nothing speaks against it");
}

/* What was accepted is what was shown then, whatever the clock says since. */
static void
tell_loss(struct facts_run *f, int64_t loss_ns)
{
	char span[TEXT_UNIT_BYTES];

	text_duration(loss_ns / NS_PER_S * NS_PER_S, span);
	say_here(f, FACT_RPA, loss_ns, "ledger", span);
}

static void
tell_limits(struct facts_run *f)
{
	const struct facts_of *of = f->of;
	const struct policy_service *s = of->service;
	char rpo[TEXT_UNIT_BYTES], most[TEXT_UNIT_BYTES];
	const char *words =
	    of->request != NULL ? of->request->accepted_loss : "";
	bool accepted =
	    of->request != NULL ? words[0] != '\0' : of->loss_accepted;
	char text[OBSERVED_BYTES];

	say_here(f, FACT_RPO, s->rpo_ns, "policy",
	    text_duration(s->rpo_ns, rpo));
	say_here(f, FACT_MAX_LOSS, s->failover.max_loss_ns, "policy",
	    text_duration(s->failover.max_loss_ns, most));
	snprintf(text, sizeof(text), "%.150s", words);
	text_mend_end(text);
	say_here(f, FACT_LOSS_ACCEPTED, accepted, "request",
	    words[0] != '\0' ? text : NULL);
}

static const struct request_service *
asked_for(const struct facts_of *of)
{
	for (size_t i = 0;
	     of->request != NULL && i < of->request->service_count; i++)
		if (strcmp(of->request->services[i].name, of->service->name) ==
		    0)
			return &of->request->services[i];
	return NULL;
}

static enum err_code
points(struct facts_run *f, struct err *e)
{
	OWNED(free_mem) struct request_points *own = NULL;
	const struct request_points *ps = f->of->points;
	const struct request_service *asked = asked_for(f->of);
	const char *id = f->of->point != NULL && *f->of->point != '\0'
	    ? f->of->point
	    : asked != NULL ? asked->point
			    : "";
	const struct request_point *p;
	enum err_code rc = ERR_NONE;

	if (ps == NULL) {
		ps = own = calloc(1, sizeof(*own));
		rc = own == NULL
		    ? err_nomem(e)
		    : request_points_find(f->d, f->of->service->name,
			  f->of->from, f->of->to, own, e);
	}
	if (rc != ERR_NONE)
		return rc;
	p = *id != '\0'              ? request_points_named(ps, id)
	    : ps->chosen < ps->count ? &ps->items[ps->chosen]
				     : NULL;
	tell_limits(f);
	if (p == NULL) {
		say_here(f, FACT_POINT_COMPLETE, 0, "ledger",
		    *id != '\0' ? "that point is not at the target"
				: "there is no complete point at the target");
		return ERR_NONE;
	}
	tell_point(f, p);
	tell_loss(f,
	    asked != NULL && asked->loss_ns >= 0 ? asked->loss_ns : p->loss_ns);
	return ERR_NONE;
}

/* --- G09: is the old site alive? ----------------------------------------------------------- */

static void
evidence(struct facts_run *f)
{
	char text[OBSERVED_BYTES], source[48];
	bool no_link, no_lease, answers;
	int64_t silent_ns;

	if (f->peer == NULL)
		return;
	answers =
	    f->of->lasting ? f->heard.ns != 0 && !f->is_silent : f->answers;
	no_link = links_is_silent(f->d, f->peer->site->name);
	no_lease = etcdmove_lease_is_out(f->d, f->peer->site->name);
	snprintf(source, sizeof(source), "bridge to %.36s",
	    f->peer->site->name);
	silent_ns = f->out->now.ns -
	    (f->heard.ns != 0 ? f->heard.ns : f->peer->watching.ns);
	say_here(f, FACT_PEER_ANSWERS, answers, source,
	    answers ? "it answers" : "it does not answer");
	say(f, FACT_PEER_SILENT, f->answers ? 0 : silent_ns, f->out->now,
	    source, NULL);
	say_here(f, FACT_HOLD_DOWN, f->of->service->failover.hold_down_ns,
	    "policy", NULL);
	/* From the other site's own word, never from its silence. */
	if (f->answers && f->peer_state[0] != '\0')
		say(f, FACT_PEER_HEALTHY, f->peer_active, f->heard, source,
		    f->peer_state);
	else
		say_here(f, FACT_PEER_HEALTHY, 0, source, "nothing is heard");
	snprintf(text, sizeof(text), "bridge %s, %s%s",
	    f->answers ? "answers" : "silent",
	    no_link ? "every link down" : "a link up",
	    no_lease ? ", its lease in etcd has run out" : "");
	say_here(f, FACT_OBSERVERS_DOWN, !f->answers + no_link + no_lease,
	    etcd_is_used(f->d) ? "bridge, link probes, etcd"
			       : "bridge, link probes",
	    text);
}

/* --- G12: the last move ---------------------------------------------------------------------- */

static void
cooldown(struct facts_run *f)
{
	const char *run = f->of->request != NULL ? f->of->request->run : "";
	char text[OBSERVED_BYTES], cool[TEXT_UNIT_BYTES];
	struct utc last = {0};

	snprintf(text, sizeof(text), "no move before");
	for (size_t i = 0; i < f->of->book->count; i++) {
		const struct request *r = &f->of->book->items[i];

		for (size_t k = 0; k < r->service_count; k++) {
			const struct request_service *s = &r->services[k];

			if (strcmp(r->run, run) == 0 || !s->moved || !s->over ||
			    strcmp(s->name, f->of->service->name) != 0 ||
			    s->phase_at.ns <= last.ns)
				continue;
			last = s->phase_at;
			snprintf(text, sizeof(text), "run %s: %s", r->run,
			    s->phase);
		}
	}
	say_here(f, FACT_NO_LAST_RUN, last.ns == 0, "ledgers", text);
	if (last.ns != 0)
		say(f, FACT_LAST_RUN_AGE, f->out->now.ns - last.ns, last,
		    "ledgers", text);
	say_here(f, FACT_COOLDOWN, f->of->service->failover.cooldown_ns,
	    "policy",
	    text_duration(f->of->service->failover.cooldown_ns, cool));
}

/* --- G14: the registers ------------------------------------------------------------------------ */

/*
 * etcd's word, while a majority stands behind it.  What this very run has
 * written there already (and died before it said so) is what is expected.
 */
static void
witness(struct facts_run *f, const struct daemon_service *s)
{
	const char *run = f->of->request != NULL ? f->of->request->run : "";
	const struct etcd_seen *seen = etcd_seen(f->d);
	char text[OBSERVED_BYTES];
	struct authority w;
	uint64_t epoch;

	if (etcdmove_quorum_lost(f->d) ||
	    !etcdmove_heard(f->d, s->policy->name, &w))
		return;
	epoch = w.epoch;
	if (epoch == s->authority.epoch + 1 && *run != '\0' &&
	    strcmp(w.run, run) == 0)
		epoch = s->authority.epoch;
	snprintf(text, sizeof(text), "epoch %" PRIu64 " at %.64s, %s", w.epoch,
	    w.site, authority_state_name(w.state));
	say(f, FACT_EPOCH_WITNESS, (int64_t)epoch, seen->read_at, "etcd", text);
}

static void
epochs(struct facts_run *f)
{
	const struct daemon_service *s =
	    daemon_service(f->d, f->of->service->name);
	bool here_is_target = strcmp(f->of->to, f->d->policy->site) == 0;

	if (s == NULL)
		return;
	say_here(f, FACT_EPOCH_EXPECTED, (int64_t)s->authority.epoch,
	    "register", NULL);
	say_here(f, here_is_target ? FACT_EPOCH_TARGET : FACT_EPOCH_SOURCE,
	    (int64_t)s->authority.epoch, "register", NULL);
	if (f->peer_epoch_known)
		say(f, here_is_target ? FACT_EPOCH_SOURCE : FACT_EPOCH_TARGET,
		    (int64_t)f->peer_epoch, f->peer_epoch_at,
		    "copy of its ledger", NULL);
	say_here(f, FACT_WITNESS_USED, etcd_is_used(f->d), "policy", NULL);
	witness(f, s);
	say_here(f, FACT_REGISTER_HEARD, !s->authority.quarantined, "register",
	    s->authority.quarantined ? "in quarantine since the start" : NULL);
}

/* --- all ------------------------------------------------------------------------------------------ */

enum err_code
facts_gather(struct daemon *d, const struct facts_of *of,
    struct guards_facts *out, struct err *e)
{
	struct facts_run f = {.d = d, .of = of, .out = out};
	enum err_code rc;

	*out = (struct guards_facts){.now = now_utc()};
	snprintf(out->service, sizeof(out->service), "%s", of->service->name);
	if (of->request != NULL)
		snprintf(out->run, sizeof(out->run), "%s", of->request->run);
	rc = facts_peer_read(&f, e);
	if (rc == ERR_NONE)
		rc = points(&f, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "the facts of service '%s'",
		    of->service->name);
	other_runs(&f);
	policies(&f);
	people(&f);
	calendar(&f);
	facts_ready_tell(&f);
	evidence(&f);
	cooldown(&f);
	epochs(&f);
	return ERR_NONE;
}

/* --- what approvals must have seen ---------------------------------------------------- */

/* Of hundreds of services: what was found holds for so long, whatever is recorded
 * of each of them meanwhile. */
#define SEEN_NS (10 * NS_PER_S)

static bool
is_many(const struct request *r)
{
	return r->service_count > DAEMON_SLICE;
}

static bool
is_seen(const struct facts_seen *kept, const struct request *r, uint64_t row)
{
	int64_t age_ns = now_mono().ns - kept->at.ns;

	return strcmp(kept->run, r->run) == 0 &&
	    (is_many(r) ? age_ns < SEEN_NS
			: age_ns <= NS_PER_S && kept->row == row);
}

static void
keep_seen(struct facts_seen *kept, const struct request *r, uint64_t row,
    enum err_code rc)
{
	snprintf(kept->run, sizeof(kept->run), "%s",
	    rc == ERR_NONE ? r->run : "");
	kept->row = row;
	kept->at = now_mono();
}

/* The next services; true: there are no more, or it cannot be made. */
static bool
see_more(struct daemon *d, const struct request_book *b,
    const struct request *r)
{
	struct facts_seen *kept = &d->facts_seen;
	OWNED(buf_fini) struct buf shown = {0};
	struct err e;
	enum err_code rc = ERR_NONE;

	if (kept->showing != NULL && !request_showing_is_of(kept->showing, r))
		request_showing_free(&kept->showing);
	if (kept->showing == NULL)
		rc = request_showing_begin(&kept->showing, d, r, &e);
	if (rc == ERR_NONE)
		rc = request_showing_more(kept->showing, b, r, &e);
	if (rc == ERR_NONE && !request_showing_is_whole(kept->showing))
		return false;
	if (rc == ERR_NONE)
		rc = request_showing_end(kept->showing, r, &shown, kept->seen,
		    &e);
	keep_seen(kept, r, 0, rc);
	request_showing_free(&kept->showing);
	return true;
}

bool
facts_see(struct daemon *d, const char *run)
{
	struct request_book *b = NULL;
	struct request *r = NULL;
	struct err e; /* whoever judges meets it, too */

	return request_find(&b, d, run, &r, &e) != ERR_NONE || !is_many(r) ||
	    is_seen(&d->facts_seen, r, 0) || see_more(d, b, r);
}

/* Where it matters here. */
static enum err_code
seen_now(struct daemon *d, const struct request_book *b,
    const struct request *r, enum guards_phase phase, char seen[ID_HEX_BYTES],
    struct err *e)
{
	OWNED(buf_fini) struct buf shown = {0};
	struct facts_seen *kept = &d->facts_seen;
	uint64_t row = 0;
	enum err_code rc = ERR_NONE;

	snprintf(seen, ID_HEX_BYTES, "%s", r->seen);
	if (!guards_holds(4, r->mode, phase))
		return ERR_NONE;
	rc = ledger_last_row(d->ledger, &row, e);
	if (rc != ERR_NONE)
		return rc;
	if (!is_seen(kept, r, row)) {
		rc = request_shown(d, b, r, &shown, kept->seen, e);
		keep_seen(kept, r, row, rc);
	}
	if (rc == ERR_NONE)
		snprintf(seen, ID_HEX_BYTES, "%s", kept->seen);
	return rc;
}

/* --- a gate ------------------------------------------------------------------------------- */

enum err_code
facts_judge(struct daemon *d, const struct facts_gate *gate,
    struct guards_facts *facts, struct guards_result out[GUARDS_COUNT],
    struct err *e)
{
	struct request_book *b = NULL;
	char seen[ID_HEX_BYTES];
	struct request *r = NULL;
	struct facts_of of = {.seen = gate->seen, .actor = gate->actor};
	enum err_code rc = request_find(&b, d, gate->run, &r, e);

	if (rc != ERR_NONE)
		return rc;
	of.service = policy_find_service(d->policy, gate->service);
	if (of.service == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "the policy has no service '%s' any more", gate->service);
	of.book = b;
	of.request = r;
	of.from = r->from;
	of.to = r->to;
	of.mode = r->mode;
	if (of.seen == NULL) {
		rc = seen_now(d, b, r, gate->phase, seen, e);
		of.seen = seen;
	}
	if (rc == ERR_NONE)
		rc = facts_gather(d, &of, facts, e);
	if (rc == ERR_NONE)
		guards_evaluate(facts, r->mode, gate->phase, out);
	return rc;
}
