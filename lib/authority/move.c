/*
 * The fold of one move: what both sites have recorded of it.  What a site says
 * is held against what it said itself before; what both together mean is for
 * turn.c.
 */

#include <bascule/authority.h>

#include <string.h>

#include "scene.h"
#include "turn.h"

static const char *const event_names[MOVE_EVENTS] = {
    [MOVE_REQUESTED] = "REQUESTED",
    [MOVE_STARTED] = "STARTED",
    [MOVE_READY] = "READY",
    [MOVE_QUIESCED] = "QUIESCED",
    [MOVE_SYNCED] = "SYNCED",
    [MOVE_EQUAL] = "EQUAL",
    [MOVE_DEMOTED] = "DEMOTED",
    [MOVE_GRANTED] = "GRANTED",
    [MOVE_DECLARED] = "DECLARED",
    [MOVE_FENCED] = "FENCED",
    [MOVE_TAKEN] = "TAKEN",
    [MOVE_PROVISIONAL] = "PROVISIONAL",
    [MOVE_RAN] = "RAN",
    [MOVE_COMMITTED] = "COMMITTED",
    [MOVE_REPROTECTED] = "REPROTECTED",
    [MOVE_ABORTED] = "ABORTED",
    [MOVE_EXPIRED] = "EXPIRED",
    [MOVE_WITHDRAWN] = "WITHDRAWN",
    [MOVE_ROLLED_BACK] = "ROLLED_BACK",
    [MOVE_HELD] = "HELD",
    [MOVE_RESOLVED] = "RESOLVED",
    [MOVE_CAPTURED] = "CAPTURED",
    [MOVE_UNDONE] = "UNDONE",
    [MOVE_STOPPED] = "STOPPED",
    [MOVE_DIVERGENCE] = "DIVERGENCE",
    [MOVE_RESUMED] = "RESUMED",
    [MOVE_SAY_ABORT] = "abort",
    [MOVE_SAY_HOLD] = "hold",
    [MOVE_SAY_COMMIT] = "commit",
    [MOVE_SAY_ROLLBACK] = "rollback",
    [MOVE_SAY_REPROTECT] = "reprotect",
    [MOVE_SAY_RETRY] = "retry",
    [MOVE_NOTE] = "note",
};

static const char *const act_names[MOVE_ACTS] = {
    [MOVE_WAIT] = "wait",
    [MOVE_NOTHING] = "nothing",
    [MOVE_RECORD] = "record",
    [MOVE_QUIESCE] = "quiesce",
    [MOVE_SYNC] = "sync",
    [MOVE_COMPARE] = "equal",
    [MOVE_FENCE] = "fence",
    [MOVE_PROVE] = "prove",
    [MOVE_RESUME] = "resume",
    [MOVE_PIN] = "pin",
    [MOVE_PLAN] = "plan",
    [MOVE_CAPTURE] = "capture",
    [MOVE_UNDO] = "undo",
    [MOVE_STOP] = "stop",
};

static const char *const result_names[] = {"done", "not-done", "uncertain"};

/* --- what fits ---------------------------------------------------------------- */

#define BY_A      1u /* the site left */
#define BY_B      2u /* the site taken to */
#define BY_ASKED  4u /* either, but the site asked alone */
#define PLANNED   (1u << GUARDS_PLANNED)
#define UNPLANNED (1u << GUARDS_UNPLANNED)
#define BOTH      (PLANNED | UNPLANNED)
#define NO_EVENT  MOVE_EVENTS

/* M2: whose it is, in which mode, and what that site has said before it. */
static const struct rule {
	enum move_event_kind kind;
	unsigned by, modes;
	size_t after;
} rules[] = {
    {MOVE_STARTED, BY_ASKED, BOTH, NO_EVENT},
    {MOVE_READY, BY_B, PLANNED, NO_EVENT},
    {MOVE_QUIESCED, BY_A, PLANNED, NO_EVENT},
    {MOVE_SYNCED, BY_A, PLANNED, MOVE_QUIESCED},
    {MOVE_EQUAL, BY_B, PLANNED, MOVE_READY},
    {MOVE_DEMOTED, BY_A, PLANNED, MOVE_SYNCED},
    {MOVE_GRANTED, BY_A, PLANNED, MOVE_DEMOTED},
    {MOVE_GRANTED, BY_B, BOTH, MOVE_UNDONE},
    {MOVE_DECLARED, BY_B, UNPLANNED, NO_EVENT},
    {MOVE_FENCED, BY_B, UNPLANNED, MOVE_DECLARED},
    {MOVE_TAKEN, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_PROVISIONAL, BY_A | BY_B, BOTH, MOVE_TAKEN},
    {MOVE_RAN, BY_B, BOTH, MOVE_PROVISIONAL},
    {MOVE_COMMITTED, BY_B, BOTH, MOVE_PROVISIONAL},
    {MOVE_REPROTECTED, BY_B, BOTH, MOVE_COMMITTED},
    {MOVE_REPROTECTED, BY_A, BOTH, MOVE_RESUMED},
    {MOVE_ABORTED, BY_A, PLANNED, NO_EVENT},
    {MOVE_ABORTED, BY_B, BOTH, NO_EVENT},
    {MOVE_EXPIRED, BY_ASKED, BOTH, NO_EVENT},
    {MOVE_WITHDRAWN, BY_ASKED, BOTH, NO_EVENT},
    {MOVE_ROLLED_BACK, BY_A, BOTH, MOVE_PROVISIONAL},
    {MOVE_HELD, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_RESOLVED, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_CAPTURED, BY_B, BOTH, MOVE_PROVISIONAL},
    {MOVE_UNDONE, BY_B, BOTH, MOVE_CAPTURED},
    {MOVE_STOPPED, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_DIVERGENCE, BY_A | BY_B, BOTH, MOVE_STOPPED},
    {MOVE_RESUMED, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_SAY_ABORT, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_SAY_HOLD, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_SAY_COMMIT, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_SAY_ROLLBACK, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_SAY_REPROTECT, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_SAY_RETRY, BY_A | BY_B, BOTH, NO_EVENT},
    {MOVE_NOTE, BY_A | BY_B, BOTH, NO_EVENT},
};

/* What a site does not say any more once it has said the first. */
static const struct {
	enum move_event_kind first, never;
} closed[] = {
    {MOVE_ABORTED, MOVE_READY},
    {MOVE_ABORTED, MOVE_QUIESCED},
    {MOVE_ABORTED, MOVE_GRANTED},
    {MOVE_ABORTED, MOVE_FENCED},
    {MOVE_READY, MOVE_ABORTED}, /* from then on A alone decides */
    {MOVE_GRANTED, MOVE_ABORTED},
    {MOVE_TAKEN, MOVE_ABORTED},
    {MOVE_COMMITTED, MOVE_CAPTURED},
    {MOVE_STARTED, MOVE_EXPIRED},
    {MOVE_STARTED, MOVE_WITHDRAWN},
    {MOVE_EXPIRED, MOVE_STARTED},
    {MOVE_WITHDRAWN, MOVE_STARTED},
};

static struct move_side *
side_of(struct move *m, const char *site)
{
	if (strcmp(site, m->from) == 0)
		return &m->a;
	return strcmp(site, m->to) == 0 ? &m->b : NULL;
}

static const struct rule *
find_rule(const struct move *m, const struct move_event *ev, bool is_a)
{
	unsigned who = is_a ? BY_A : BY_B;

	if (strcmp(ev->site, m->asked_at) == 0)
		who |= BY_ASKED;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].kind == ev->kind && (rules[i].by & who) != 0 &&
		    (rules[i].modes & (1u << m->mode)) != 0)
			return &rules[i];
	return NULL;
}

static enum err_code
misfit(const struct move_event *ev, const char *why, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "record %llu of site '%s', %s: %s",
	    (unsigned long long)ev->row, ev->site,
	    ev->stage == MOVE_FACT ? move_event_name(ev->kind)
				   : move_act_name(ev->act),
	    why);
}

static enum err_code
check_fact(const struct move *m, const struct move_side *s,
    const struct move_event *ev, struct err *e)
{
	const struct rule *r;

	if ((size_t)ev->kind >= MOVE_EVENTS)
		return misfit(ev, "there is no such phase", e);
	r = find_rule(m, ev, s == &m->a);
	if (r == NULL)
		return misfit(ev, "that is not for this site to say", e);
	if (r->after != NO_EVENT && s->fact[r->after] == 0)
		return misfit(ev, "it comes before what leads to it", e);
	for (size_t i = 0; i < sizeof(closed) / sizeof(*closed); i++)
		if (closed[i].never == ev->kind &&
		    s->fact[closed[i].first] != 0)
			return misfit(ev, "this site had decided otherwise", e);
	return ERR_NONE;
}

static enum err_code
check_act(const struct move_side *s, const struct move_event *ev, struct err *e)
{
	if (ev->act < MOVE_QUIESCE || (size_t)ev->act >= MOVE_ACTS ||
	    ev->result > MOVE_UNCERTAIN)
		return misfit(ev, "there is no such act", e);
	if (ev->stage == MOVE_OUTCOME &&
	    s->intent[ev->act] <= s->outcome[ev->act])
		return misfit(ev, "an outcome without an intent", e);
	return ERR_NONE;
}

/* --- taking up ------------------------------------------------------------------ */

static void
copy(char *to, size_t size_bytes, const char *from)
{
	size_t n = from == NULL ? 0 : strnlen(from, size_bytes - 1);

	memset(to, 0, size_bytes);
	if (n != 0)
		memcpy(to, from, n);
}

static bool
is_text(const char *s, size_t size_bytes)
{
	return s != NULL && *s != '\0' && strnlen(s, size_bytes) < size_bytes;
}

static enum err_code
take_request(struct move *m, const struct move_event *ev, struct err *e)
{
	if (!is_text(ev->run, sizeof(m->run)) ||
	    !is_text(ev->service, sizeof(m->service)) ||
	    !is_text(ev->from, sizeof(m->from)) ||
	    !is_text(ev->to, sizeof(m->to)) || strcmp(ev->from, ev->to) == 0 ||
	    (ev->mode != GUARDS_PLANNED && ev->mode != GUARDS_UNPLANNED) ||
	    (strcmp(ev->site, ev->from) != 0 && strcmp(ev->site, ev->to) != 0))
		return misfit(ev,
		    "a request names run, service, mode and two "
		    "sites, one of them the one asked",
		    e);
	copy(m->run, sizeof(m->run), ev->run);
	copy(m->service, sizeof(m->service), ev->service);
	copy(m->from, sizeof(m->from), ev->from);
	copy(m->to, sizeof(m->to), ev->to);
	copy(m->asked_at, sizeof(m->asked_at), ev->site);
	copy(m->point, sizeof(m->point), ev->point);
	m->mode = ev->mode;
	m->epoch = ev->epoch;
	m->known = true;
	return ERR_NONE;
}

static void
take_fact(struct move_side *s, const struct move_event *ev)
{
	s->fact[ev->kind] = ev->row;
	s->at[ev->kind] = ev->at;
	s->epoch_of[ev->kind] = ev->epoch;
	if (ev->kind == MOVE_SYNCED || ev->kind == MOVE_EQUAL)
		copy(s->point, sizeof(s->point), ev->point);
	if (ev->kind == MOVE_CAPTURED || ev->kind == MOVE_DIVERGENCE)
		copy(s->kept, sizeof(s->kept), ev->point);
	if (ev->kind == MOVE_RESOLVED)
		copy(s->owner, sizeof(s->owner), ev->owner);
}

static void
take_act(struct move_side *s, const struct move_event *ev)
{
	s->act_at[ev->act] = ev->at;
	if (ev->stage == MOVE_INTENT) {
		s->intent[ev->act] = ev->row;
		return;
	}
	s->outcome[ev->act] = ev->row;
	s->result[ev->act] = ev->result;
	copy(s->act_reason, sizeof(s->act_reason),
	    ev->reason == NULL ? "" : ev->reason);
	if (ev->result == MOVE_DONE)
		s->tries[ev->act] = 0;
	else
		s->tries[ev->act]++;
}

enum err_code
move_fold(struct move *m, const struct move_event *ev, struct err *e)
{
	struct move_side *s;
	enum err_code rc = ERR_NONE;

	if (!m->known) {
		if (ev->stage != MOVE_FACT || ev->kind != MOVE_REQUESTED)
			return misfit(ev, "nobody has requested it", e);
		rc = take_request(m, ev, e);
		if (rc != ERR_NONE)
			return rc;
	} else if (ev->stage == MOVE_FACT && ev->kind == MOVE_REQUESTED) {
		/* A request is one record; it stands in one ledger. */
		return strcmp(ev->site, m->asked_at) == 0 &&
			ev->row <= side_of(m, ev->site)->row
		    ? ERR_NONE
		    : misfit(ev, "it was requested already", e);
	}
	s = side_of(m, ev->site);
	if (s == NULL)
		return misfit(ev, "that site is none of the two", e);
	if (ev->row <= s->row)
		return ERR_NONE;
	if (ev->stage != MOVE_FACT)
		rc = check_act(s, ev, e);
	else if (ev->kind != MOVE_REQUESTED)
		rc = check_fact(m, s, ev, e);
	if (rc != ERR_NONE)
		return rc;
	s->row = ev->row;
	s->latest = ev->at;
	if (ev->reason != NULL && *ev->reason != '\0')
		copy(s->reason, sizeof(s->reason), ev->reason);
	if (ev->stage == MOVE_FACT)
		take_fact(s, ev);
	else
		take_act(s, ev);
	return ERR_NONE;
}

/* --- asking --------------------------------------------------------------------- */

static bool
has(const struct move_side *s, enum move_event_kind k)
{
	return s->fact[k] != 0;
}

static bool
either(const struct move *m, enum move_event_kind k)
{
	return has(&m->a, k) || has(&m->b, k);
}

enum move_event_kind
move_phase(const struct move *m)
{
	/* From the furthest back to the first. */
	static const enum move_event_kind order[] = {MOVE_REPROTECTED,
	    MOVE_COMMITTED, MOVE_ROLLED_BACK, MOVE_ABORTED, MOVE_WITHDRAWN,
	    MOVE_EXPIRED, MOVE_UNDONE, MOVE_CAPTURED, MOVE_RAN,
	    MOVE_PROVISIONAL, MOVE_TAKEN, MOVE_GRANTED, MOVE_DEMOTED,
	    MOVE_EQUAL, MOVE_SYNCED, MOVE_QUIESCED, MOVE_READY, MOVE_FENCED,
	    MOVE_DECLARED, MOVE_STARTED};

	if (scene_held(m))
		return MOVE_HELD;
	if (scene_resolved(m, NULL) != NULL)
		return either(m, MOVE_REPROTECTED) ? MOVE_REPROTECTED
						   : MOVE_RESOLVED;
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (either(m, order[i]))
			return order[i];
	return MOVE_REQUESTED;
}

static bool
is_resolved_and_runs(const struct move *m)
{
	uint64_t epoch;
	const char *owner = scene_resolved(m, &epoch);
	const struct move_side *s;

	if (owner == NULL)
		return false;
	s = strcmp(owner, m->from) == 0 ? &m->a : &m->b;
	return (has(s, MOVE_RESUMED) && s->epoch_of[MOVE_RESUMED] >= epoch) ||
	    (has(s, MOVE_COMMITTED) && s->epoch_of[MOVE_COMMITTED] >= epoch);
}

/* Ended by a word before it had come past its point of no return. */
static bool
is_given_up(const struct move *m)
{
	if (either(m, MOVE_EXPIRED) || either(m, MOVE_WITHDRAWN) ||
	    has(&m->a, MOVE_ABORTED))
		return true;
	if (!has(&m->b, MOVE_ABORTED))
		return false;
	/* A may be about to let go of the fence that B has put up; or it stays
	 * fenced, for the service is elsewhere by now. */
	return m->mode == GUARDS_PLANNED ||
	    scene_state_of(&m->b, MOVE_FENCE) == SCENE_NONE ||
	    has(&m->a, MOVE_RESUMED) || has(&m->a, MOVE_STOPPED);
}

bool
move_is_over(const struct move *m)
{
	if (!m->known)
		return false;
	if (scene_held(m))
		return false;
	if (scene_resolved(m, NULL) != NULL)
		return is_resolved_and_runs(m);
	return is_given_up(m) || has(&m->a, MOVE_ROLLED_BACK) ||
	    has(&m->b, MOVE_COMMITTED);
}

bool
move_binds(const struct move *m, const char *site)
{
	bool is_a = strcmp(site, m->from) == 0;

	if (!m->known || (!is_a && strcmp(site, m->to) != 0))
		return false;
	if (move_is_over(m)) /* the loser's writes may still be unkept */
		return !is_given_up(m) && !has(&m->a, MOVE_ROLLED_BACK) &&
		    !scene_captured(m);
	if (scene_held(m) || scene_resolved(m, NULL) != NULL)
		return true;
	if (m->mode == GUARDS_PLANNED)
		return is_a ? scene_state_of(&m->a, MOVE_QUIESCE) != SCENE_NONE
			    : has(&m->b, MOVE_READY);
	return has(&m->b, MOVE_DECLARED);
}

bool
move_settles(const struct move *m, const char *site)
{
	bool is_a = strcmp(site, m->from) == 0;
	const char *owner;

	if (!m->known || (!is_a && strcmp(site, m->to) != 0))
		return false;
	if (!move_is_over(m))
		return either(m, MOVE_STARTED);
	if (has(is_a ? &m->a : &m->b, MOVE_STOPPED))
		return false;
	owner = scene_resolved(m, NULL);
	if (owner != NULL)
		return strcmp(owner, site) != 0;
	return is_a && m->mode == GUARDS_UNPLANNED &&
	    has(&m->b, MOVE_COMMITTED);
}

bool
move_takes_from(const struct move *m, const char *site)
{
	return m->mode == GUARDS_UNPLANNED && strcmp(site, m->from) == 0 &&
	    !move_is_over(m) && move_settles(m, site);
}

bool
move_past_return(const struct move *m)
{
	return m->known && !move_is_over(m) &&
	    (either(m, MOVE_GRANTED) || either(m, MOVE_TAKEN));
}

/* instead: a command that takes the run. */
static enum err_code
too_soon(const struct move *m, const char *what, const char *instead,
    struct err *e)
{
	err_set(e, ERR_REFUSED, "%s", what);
	return err_hint(e, "%s %s", instead, m->run);
}

/* May it be given up?  What B has promised A decides: it is a wish there. */
static enum err_code
may_abort(const struct move *m, struct err *e)
{
	if (either(m, MOVE_GRANTED) || either(m, MOVE_TAKEN))
		return too_soon(m,
		    "the point of no return is past: it cannot be "
		    "aborted",
		    "bascule failover commit, or bascule failover rollback,",
		    e);
	return ERR_NONE;
}

enum err_code
move_may_say(const struct move *m, enum move_event_kind word, struct err *e)
{
	if (!m->known || (size_t)word >= MOVE_EVENTS)
		return err_set(e, ERR_NOTFOUND, "there is no such run");
	if (word != MOVE_SAY_REPROTECT && word != MOVE_SAY_RETRY &&
	    move_is_over(m))
		return err_set(e, ERR_REFUSED, "the run is over: %s",
		    move_event_name(move_phase(m)));
	switch (word) {
	case MOVE_SAY_ABORT: return may_abort(m, e);
	case MOVE_SAY_HOLD:
		if (scene_held(m))
			return too_soon(m, "it is held already",
			    "bascule hold inspect", e);
		if (move_binds(m, m->from) || move_binds(m, m->to))
			return ERR_NONE;
		return too_soon(m, "nothing has begun that could be held",
		    "bascule failover abort", e);
	case MOVE_SAY_COMMIT:
		if (has(&m->b, MOVE_RAN) ||
		    (scene_resolved(m, NULL) != NULL &&
			has(&m->b, MOVE_RESUMED)))
			return ERR_NONE;
		return too_soon(m,
		    "the plan has not ended well yet: there is "
		    "nothing to accept",
		    "bascule failover show", e);
	case MOVE_SAY_ROLLBACK:
		if (has(&m->b, MOVE_PROVISIONAL) && !scene_held(m) &&
		    scene_resolved(m, NULL) == NULL)
			return ERR_NONE;
		return too_soon(m,
		    "the service is not at the new site: there is "
		    "nothing to roll back",
		    either(m, MOVE_GRANTED) ? "wait, or bascule hold inspect"
					    : "bascule failover abort",
		    e);
	case MOVE_SAY_REPROTECT:
		if (has(&m->b, MOVE_REPROTECTED))
			return err_set(e, ERR_REFUSED,
			    "it is protected again already");
		if (has(&m->b, MOVE_COMMITTED) || is_resolved_and_runs(m))
			return ERR_NONE;
		return too_soon(m, "it is not committed yet",
		    "bascule failover commit", e);
	case MOVE_SAY_RETRY: return ERR_NONE;
	default:
		return err_set(e, ERR_INPUT, "'%s' is not for people to say",
		    move_event_name(word));
	}
}

enum err_code
move_turn(const struct move *m, const char *my_site,
    const struct move_facts *facts, struct utc now, struct move_turn *turn,
    struct err *e)
{
	*turn = (struct move_turn){.act = MOVE_NOTHING, .event = MOVE_NOTE};
	if (!m->known ||
	    (strcmp(my_site, m->from) != 0 && strcmp(my_site, m->to) != 0))
		return err_set(e, ERR_INPUT,
		    "site '%s' has no part in this move", my_site);
	turn_decide(m, my_site, facts, now, turn);
	return ERR_NONE;
}

bool
move_gate(const struct move *m, const char *my_site,
    const struct move_facts *facts, enum guards_phase *gate)
{
	struct move_facts f = *facts;
	struct move_turn turn;
	struct err e;

	f.gate_passes = false;
	f.patience_ns = 0; /* what would be, if there were time enough */
	if (move_turn(m, my_site, &f, (struct utc){0}, &turn, &e) != ERR_NONE ||
	    !turn.gated)
		return false;
	*gate = turn.gate;
	return true;
}

/* --- names ---------------------------------------------------------------------- */

const char *
move_event_name(enum move_event_kind k)
{
	return (size_t)k < MOVE_EVENTS ? event_names[k] : "unknown";
}

bool
move_event_find(const char *name, enum move_event_kind *k)
{
	for (size_t i = 0; i < MOVE_NOTE; i++)
		if (strcmp(event_names[i], name) == 0) {
			*k = (enum move_event_kind)i;
			return true;
		}
	return false;
}

const char *
move_act_name(enum move_act a)
{
	return (size_t)a < MOVE_ACTS ? act_names[a] : "unknown";
}

bool
move_act_find(const char *name, enum move_act *a)
{
	for (size_t i = MOVE_QUIESCE; i < MOVE_ACTS; i++)
		if (strcmp(act_names[i], name) == 0) {
			*a = (enum move_act)i;
			return true;
		}
	return false;
}

const char *
move_result_name(enum move_result r)
{
	return (unsigned)r <= MOVE_UNCERTAIN ? result_names[r] : "uncertain";
}

bool
move_result_find(const char *name, enum move_result *r)
{
	for (unsigned i = 0; i <= MOVE_UNCERTAIN; i++)
		if (strcmp(result_names[i], name) == 0) {
			*r = (enum move_result)i;
			return true;
		}
	return false;
}
