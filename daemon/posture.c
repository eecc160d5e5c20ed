/* How well each service is protected, as seen from this site. */

#include "daemon.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "copies.h"
#include "links.h"
#include "moves.h"
#include "posture.h"
#include "ready.h"

#define PROBLEM_BYTES \
	(2 * ERR_TEXT_BYTES) /* a turn's words, and what to type */

/* --- the judgement: pure ---------------------------------------------------- */

enum posture_rpo
posture_judge(const struct posture_input *in, struct utc now,
    struct utc *breaks)
{
	*breaks = (struct utc){0};
	if (!in->readable || in->point.ns == 0)
		return POSTURE_UNKNOWN;
	if (now.ns - in->point.ns > in->rpo_ns)
		return POSTURE_BREACHED;
	breaks->ns = in->point.ns + in->rpo_ns;
	if (in->next.ns != 0 && in->next.ns > breaks->ns)
		return POSTURE_AT_RISK;
	return POSTURE_OK;
}

/*
 * A firing that may still be on its way counts, not the one after it: else
 * every backup under way would be a risk.
 */
struct utc
posture_arrival(const struct due *due, int64_t takes_ns, struct utc point,
    struct utc now)
{
	struct utc after = {now.ns - takes_ns}, fires;

	if (point.ns > after.ns)
		after = point;
	if (!due_next(due, after, &fires))
		return (struct utc){0};
	return (struct utc){fires.ns + takes_ns};
}

const char *
posture_name(enum posture_rpo p)
{
	static const char *const names[] = {"OK", "AT RISK", "BREACHED",
	    "UNKNOWN"};

	return names[p];
}

/* --- what the ledger knows ---------------------------------------------------- */

struct newest {
	struct utc at;
	char id[ID_HEX_BYTES], level[16], sites[512], run[96];
	struct utc verified_at;
	bool suspect;
};

static enum err_code
take_point(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct newest *n = ctx;

	(void)e;
	n->at = p->at;
	n->verified_at = p->verified_at;
	n->suspect = p->suspect;
	snprintf(n->id, sizeof(n->id), "%s", p->id);
	snprintf(n->level, sizeof(n->level), "%s", p->verified_level);
	snprintf(n->sites, sizeof(n->sites), "%s", p->sites);
	snprintf(n->run, sizeof(n->run), "%s", p->tested_run);
	return ERR_NONE;
}

static enum err_code
newest_at(struct daemon *d, const char *service, const char *site,
    struct newest *out, struct err *e)
{
	struct ledger_point_filter f = {.service = service,
	    .at_site = site,
	    .complete = true,
	    .limit = 1};

	*out = (struct newest){0};
	return ledger_points(d->ledger, &f, take_point, out, e);
}

enum err_code
posture_refresh(struct daemon *d, struct daemon_service *s, struct err *e)
{
	struct newest n;
	enum err_code rc =
	    newest_at(d, s->policy->name, d->policy->site, &n, e);

	if (rc != ERR_NONE)
		return rc;
	if (s->good_at.ns == 0 && n.at.ns != 0)
		ready_first_copy(d);
	s->good_at = n.at;
	for (size_t i = 0;
	     rc == ERR_NONE && d->schedule != NULL && i < d->task_count; i++) {
		const struct daemon_task *t = &d->tasks[i];
		struct utc good = n.at;

		if (t->service != s->policy)
			continue;
		/* How urgent a copy is, is how old the one there is. */
		if (t->kind->schedule == SCHEDULE_REPLICATE)
			rc = copies_newest(d, s->policy->name, t->site, &good,
			    e);
		if (rc == ERR_NONE)
			schedule_good(d->schedule, i, good);
	}
	return rc;
}

/* When the next point should be here, at the latest. */
static struct utc
next_point(const struct daemon *d, const struct daemon_service *s,
    struct utc now)
{
	const struct policy_service *p = s->policy;
	const char *peer = policy_find_peer(p, d->policy->site);
	bool active = daemon_is_active(d, s);
	int64_t takes = p->backup.expect_ns;
	struct utc next, ready;

	if (!active)
		takes += p->replicate.within_ns;
	next = posture_arrival(&p->backup.when.due, takes, s->good_at, now);
	if (active || peer == NULL || next.ns == 0)
		return next;
	/* Nothing comes while no link is up. */
	ready = links_ready(d, peer, now);
	return ready.ns > next.ns ? ready : next;
}

enum posture_rpo
posture_now(struct daemon *d, struct daemon_service *s, struct utc *breaks)
{
	struct utc now = now_utc();
	struct posture_input in = {
	    .rpo_ns = s->policy->rpo_ns,
	    .point = s->good_at,
	    .readable = watcher_trouble(d, s->policy->name)[0] == '\0' ||
		(daemon_is_active(d, s) && s->good_at.ns != 0),
	    .next = next_point(d, s, now),
	};

	return posture_judge(&in, now, breaks);
}

/* --- as a message ----------------------------------------------------------- */

static void problem(struct wire_value *list, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
static void
problem(struct wire_value *list, const char *fmt, ...)
{
	char text[PROBLEM_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	wire_add_text(list, NULL, text);
}

static void
add_identity(struct wire_value *v, const struct daemon_service *s)
{
	const struct policy_service *p = s->policy;

	wire_add_text(v, "service", p->name);
	wire_add_text(v, "title", p->title);
	wire_add_text(v, "owner", p->owner);
	wire_add_uint(v, "tier", p->tier);
	wire_add_text(v, "home", p->home);
	wire_add_text(v, "standby", p->standby);
	wire_add_text(v, "active_site", s->authority.site);
	wire_add_text(v, "authority", authority_state_name(s->authority.state));
	wire_add_uint(v, "epoch", s->authority.epoch);
	wire_add_seconds(v, "rpo_seconds", p->rpo_ns);
	wire_add_seconds(v, "rto_seconds", p->rto_ns);
}

static enum err_code
add_point(struct wire_value *v, const struct newest *n, struct err *e)
{
	OWNED(wire_free) struct wire_value *p = NULL;
	enum err_code rc;

	if (n->at.ns == 0)
		return ERR_NONE;
	rc = wire_new(&p, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(p, "point", n->id);
	wire_add_utc(p, "at", n->at);
	wire_add_text(p, "proof", n->level[0] != '\0' ? n->level : "L1");
	if (n->verified_at.ns != 0)
		wire_add_utc(p, "verified", n->verified_at);
	wire_add_text(p, "sites", n->sites);
	if (n->run[0] != '\0')
		wire_add_text(p, "tested_run", n->run);
	wire_add(v, "last_point", &p);
	return ERR_NONE;
}

static enum err_code
take_exercise(void *ctx, const struct ledger_exercise *x, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", x->run);
	wire_add_text(v, "mode", x->mode);
	wire_add_text(v, "state", x->state);
	wire_add_text(v, "result", x->result);
	wire_add_utc(v, "requested", x->requested);
	if (x->ended.ns != 0)
		wire_add_utc(v, "ended", x->ended);
	if (x->rta_ns >= 0)
		wire_add_seconds(v, "rta_seconds", x->rta_ns);
	if (x->rto_ns >= 0)
		wire_add_seconds(v, "rto_seconds", x->rto_ns);
	if (x->rpa_ns >= 0)
		wire_add_seconds(v, "rpa_seconds", x->rpa_ns);
	wire_add(ctx, "last_exercise", &v);
	return ERR_NONE;
}

/* A policy cannot move a service: it only says where it belongs. */
static void
add_place(const struct daemon_service *s, struct wire_value *problems)
{
	const struct authority *a = &s->authority;

	if (a->site[0] != '\0' && strcmp(a->site, s->policy->home) != 0)
		problem(problems,
		    "it runs at '%s', not at its home '%s', until it is moved "
		    "back: bascule failover request %s --to %s --reason WHY",
		    a->site, s->policy->home, s->policy->name, s->policy->home);
}

/* Where it is, too, unless a move that is under way tells. */
static void
add_move(struct daemon *d, const struct daemon_service *s, struct wire_value *v,
    struct wire_value *problems)
{
	const char *hindrance = movesay_hindrance(d, s->policy->name);
	char text[PROBLEM_BYTES];

	if (hindrance[0] != '\0') /* the other site waits for it */
		wire_add_text(v, "hindrance", hindrance);

	movesay_status(d, s, text, sizeof(text));
	if (text[0] != '\0')
		problem(problems, "%s", text);
	else
		add_place(s, problems);
}

static void
add_rpo(struct daemon *d, struct daemon_service *s, struct wire_value *v,
    struct wire_value *problems, bool *behind)
{
	struct utc breaks;
	enum posture_rpo rpo = posture_now(d, s, &breaks);
	const char *trouble = watcher_trouble(d, s->policy->name);
	char text[TEXT_UNIT_BYTES], target[TEXT_UNIT_BYTES];

	wire_add_text(v, "rpo_state", posture_name(rpo));
	if (s->state_since.ns != 0)
		wire_add_utc(v, "since", s->state_since);
	if (s->good_at.ns != 0)
		wire_add_seconds(v, "rpo_now_seconds",
		    now_utc().ns - s->good_at.ns);
	if (breaks.ns != 0)
		wire_add_utc(v, "rpo_breaks", breaks);
	*behind = rpo == POSTURE_BREACHED || rpo == POSTURE_UNKNOWN;
	if (rpo == POSTURE_BREACHED)
		problem(problems, "the newest point is %s old, the RPO is %s",
		    text_duration((now_utc().ns - s->good_at.ns) / NS_PER_S *
			    NS_PER_S,
			text),
		    text_duration(s->policy->rpo_ns, target));
	if (rpo == POSTURE_AT_RISK)
		problem(problems,
		    "the RPO breaks in %s unless a point comes sooner than "
		    "the schedule says",
		    text_duration((breaks.ns - now_utc().ns) / NS_PER_S *
			    NS_PER_S,
			text));
	if (s->good_at.ns == 0 && trouble[0] == '\0')
		problem(problems, "there is no complete recovery point here");
	if (trouble[0] != '\0')
		problem(problems, "%s", trouble);
}

static void
add_silence(const struct job *j, struct wire_value *problems)
{
	struct supervise_silence said;

	supervise_silence(supervise_pid(j->worker), &said);
	problem(problems, "%s: job %s: %s%s%s", j->kind->name, j->id, said.why,
	    said.type[0] != '\0' ? "; type: " : "", said.type);
}

static void
add_jobs(const struct daemon *d, const struct daemon_service *s,
    struct wire_value *problems)
{
	for (const struct job *j = d->jobs; j != NULL; j = j->next) {
		if (j->service == NULL ||
		    strcmp(j->service, s->policy->name) != 0)
			continue;
		if (j->state == JOB_RETRYING)
			problem(problems, "%s failed, attempt %u: %s",
			    j->kind->name, j->attempt, j->reason);
		if (j->state == JOB_WAITING && j->worker == NULL)
			problem(problems, "%s waits: %s", j->kind->name,
			    j->reason);
		if (j->stalled && j->worker != NULL)
			add_silence(j, problems);
	}
}

static void
add_peer(const struct daemon *d, const struct daemon_service *s,
    struct wire_value *problems)
{
	const char *other = policy_find_peer(s->policy, d->policy->site);

	if (other != NULL && links_is_silent(d, other))
		problem(problems, "site '%s' is silent on every link", other);
}

/* Could it come up where it does not run?  And how far is that proved? */
static enum err_code
add_ready(struct daemon *d, const struct daemon_service *s,
    struct wire_value *v, struct err *e)
{
	OWNED(wire_free) struct wire_value *r = NULL;
	OWNED(wire_free) struct wire_value *not = NULL;
	const char *site = daemon_other_site(s);
	struct ready_value one;
	struct ready_proof proof;
	enum err_code rc = wire_new(&r, NULL, e);

	if (rc == ERR_NONE)
		rc = wire_new_list(&not, e);
	if (rc != ERR_NONE || *site == '\0')
		return rc;
	for (int c = 0; c < READY_CHECKS; c++) {
		ready_of(d, s->policy->name, site, (enum ready_check)c, &one);
		if (!ready_passes(&one))
			wire_add_text(not, NULL,
			    ready_check_name((enum ready_check)c));
	}
	ready_proof_of(d, s->policy->name, site, &proof);
	wire_add_text(r, "site", site);
	wire_add_bool(r, "ready", wire_count(not ) == 0);
	wire_add(r, "not_ready", &not );
	wire_add_int(r, "level", proof.level);
	wire_add_text(r, "proof", proof.text);
	wire_add(v, "readiness", &r);
	return ERR_NONE;
}

enum err_code
posture_to_wire(struct daemon *d, struct daemon_service *s,
    struct wire_value **out, bool *behind, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *problems = NULL;
	struct ledger_exercise_filter f = {.service = s->policy->name,
	    .limit = 1};
	struct newest n;
	enum err_code rc = wire_new(&v, "service", e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = wire_new_list(&problems, e);
	if (rc == ERR_NONE)
		rc = newest_at(d, s->policy->name, d->policy->site, &n, e);
	if (rc != ERR_NONE)
		return rc;
	add_identity(v, s);
	wire_add_text(v, "seen_from", d->policy->site);
	add_rpo(d, s, v, problems, behind);
	add_move(d, s, v, problems);
	add_jobs(d, s, problems);
	add_peer(d, s, problems);
	if (n.suspect)
		problem(problems, "the newest point is suspect");
	rc = add_point(v, &n, e);
	if (rc == ERR_NONE)
		rc = ledger_exercises(d->ledger, &f, take_exercise, v, e);
	if (rc == ERR_NONE && daemon_is_active(d, s))
		rc = copies_to_wire(d, s, v, problems, behind, e);
	if (rc == ERR_NONE)
		rc = add_ready(d, s, v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add(v, "problems", &problems);
	*out = TAKE(v);
	return ERR_NONE;
}

/* --- changes ---------------------------------------------------------------- */

static void
note_change(struct daemon *d, struct daemon_service *s, enum posture_rpo was)
{
	OWNED(draft_free) struct draft *draft = NULL;
	struct err e;
	enum err_code rc;

	note_log(s->state > POSTURE_AT_RISK ? NOTE_WARNING : NOTE_INFO,
	    "service '%s': RPO %s (was %s)", s->policy->name,
	    posture_name((enum posture_rpo)s->state), posture_name(was));
	rc = note_draft(&draft, d, s->policy->name, "posture", &e);
	if (rc == ERR_NONE) {
		draft_text(draft, "rpo",
		    posture_name((enum posture_rpo)s->state));
		draft_text(draft, "was", posture_name(was));
		draft_utc(draft, "point_at_ns", s->good_at);
		draft_int(draft, "rpo_ns", s->policy->rpo_ns);
		rc = note_event(d, draft, &e);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

static void
alarm(struct daemon *d, const struct daemon_service *s)
{
	struct alarm_what what = {.on = POLICY_ON_RPO,
	    .level =
		s->state == POSTURE_AT_RISK ? ALARM_WARNING : ALARM_CRITICAL,
	    .service = s->policy->name};
	char text[ERR_TEXT_BYTES], target[TEXT_UNIT_BYTES], at[NOW_TEXT_BYTES];

	text_duration(s->policy->rpo_ns, target);
	if (s->state == POSTURE_OK) {
		snprintf(text, sizeof(text), "RPO OK: a point of %s is here",
		    now_words(s->good_at, at));
		alarm_clear(d, POLICY_ON_RPO, s->policy->name, NULL, text);
		return;
	}
	if (s->good_at.ns == 0) {
		what.level = ALARM_WARNING; /* never yet */
		snprintf(text, sizeof(text),
		    "RPO %s: there is no complete point here",
		    posture_name((enum posture_rpo)s->state));
	} else
		snprintf(text, sizeof(text),
		    "RPO %s: the newest point here is of %s, the target is %s",
		    posture_name((enum posture_rpo)s->state),
		    now_words(s->good_at, at), target);
	what.text = text;
	alarm_raise(d, &what);
}

void
posture_look(struct daemon *d, struct daemon_service *s)
{
	struct utc breaks;
	enum posture_rpo now = posture_now(d, s, &breaks), was;

	copies_look(d, s);
	if (s->state_since.ns != 0 && (enum posture_rpo)s->state == now)
		return;
	was = s->state_since.ns == 0 ? POSTURE_UNKNOWN
				     : (enum posture_rpo)s->state;
	s->state = (int)now;
	s->state_since = now_utc();
	if (was != now)
		note_change(d, s, was);
	alarm(d, s);
}
