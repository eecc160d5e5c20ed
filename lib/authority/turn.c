/*
 * What a site does next in a move.  Every function here either settles the
 * turn and returns true, or has nothing to say and returns false; so each list
 * of steps reads in the order in which they are taken.
 */

#include "turn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RETRY_NS   (10 * NS_PER_S)
#define TRIES_CALM 3u /* outcomes other than done before people are told */

struct scene {
	const struct move *m;
	const struct move_side *me, *other, *a, *b;
	const char *site, *there;
	bool is_a;
	const struct move_facts *f;
	struct utc now;
	struct move_turn *t;
};

/* --- what is recorded ------------------------------------------------------------ */

static bool
has(const struct move_side *s, enum move_event_kind k)
{
	return s->fact[k] != 0;
}

static bool
either(const struct scene *c, enum move_event_kind k)
{
	return has(c->a, k) || has(c->b, k);
}

enum turn_act
turn_act_of(const struct move_side *s, enum move_act act)
{
	static const enum turn_act by[] = {TURN_DONE, TURN_NOT_DONE,
	    TURN_UNCERTAIN};

	if (s->intent[act] == 0)
		return TURN_NONE;
	return s->intent[act] > s->outcome[act] ? TURN_OPEN
						: by[s->result[act]];
}

/* As turn_act_of, of what was begun after that row. */
static enum turn_act
act_since(const struct move_side *s, enum move_act act, uint64_t row)
{
	return s->intent[act] > row ? turn_act_of(s, act) : TURN_NONE;
}

static const struct move_side *
resolver(const struct move *m)
{
	const struct move_side *a = &m->a, *b = &m->b;

	if (!has(a, MOVE_RESOLVED) && !has(b, MOVE_RESOLVED))
		return NULL;
	return a->epoch_of[MOVE_RESOLVED] >= b->epoch_of[MOVE_RESOLVED] ? a : b;
}

static bool
side_held(const struct move *m, const struct move_side *s)
{
	const struct move_side *r = resolver(m);

	return has(s, MOVE_HELD) &&
	    (r == NULL || s->epoch_of[MOVE_HELD] >= r->epoch_of[MOVE_RESOLVED]);
}

/* The other site's decision ends what only this one was unsure about. */
bool
turn_held(const struct move *m)
{
	bool is_a = side_held(m, &m->a), is_b = side_held(m, &m->b);

	if (resolver(m) == NULL) {
		is_a = is_a && !has(&m->b, MOVE_COMMITTED) &&
		    !has(&m->a, MOVE_ROLLED_BACK);
		is_b = is_b && !has(&m->a, MOVE_ABORTED) &&
		    !has(&m->a, MOVE_ROLLED_BACK) && !has(&m->b, MOVE_ABORTED);
	}
	return is_a || is_b;
}

const char *
turn_resolved(const struct move *m, uint64_t *epoch)
{
	const struct move_side *r = resolver(m);

	if (r == NULL || turn_held(m))
		return NULL;
	if (epoch != NULL)
		*epoch = r->epoch_of[MOVE_RESOLVED];
	return r->owner;
}

/* --- settling --------------------------------------------------------------------- */

static bool PRINTF_LIKE(2, 3) say(struct scene *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->t->why, sizeof(c->t->why), fmt, ap);
	va_end(ap);
	return true;
}

static void
next_is(struct scene *c, const char *command, const char *option)
{
	snprintf(c->t->next, sizeof(c->t->next), "bascule %s %s%s%s", command,
	    c->m->run, *option != '\0' ? " " : "", option);
}

/* The site to type: --confirm. */
static void
next_confirm(struct scene *c, const char *command, const char *site)
{
	snprintf(c->t->next, sizeof(c->t->next), "bascule %s %s --confirm %s",
	    command, c->m->run, site);
}

static void
wait_for(struct scene *c, enum move_whom whom, struct utc since)
{
	c->t->act = MOVE_WAIT;
	c->t->whom = whom;
	c->t->since = since;
}

static bool
nothing(struct scene *c, const char *why)
{
	c->t->act = MOVE_NOTHING;
	return say(c, "%s", why);
}

static bool
act(struct scene *c, enum move_act a, const char *why)
{
	c->t->act = a;
	c->t->whom = MOVE_WORK;
	c->t->since = c->now;
	return say(c, "%s", why);
}

static bool
record(struct scene *c, enum move_event_kind k, const char *why)
{
	c->t->act = MOVE_RECORD;
	c->t->event = k;
	c->t->since = c->now;
	return say(c, "%s", why);
}

static void
change(struct scene *c, enum authority_event_kind kind)
{
	c->t->changes_register = true;
	c->t->reg = (struct authority_event){.kind = kind,
	    .here = c->site,
	    .run = c->m->run};
}

static void
change_owner(struct scene *c, enum authority_event_kind kind, const char *site,
    uint64_t epoch)
{
	change(c, kind);
	c->t->reg.site = site;
	c->t->reg.epoch = epoch;
	c->t->reg.persons = c->f->release_persons;
}

static int64_t
elapsed(const struct scene *c, struct utc since)
{
	return c->now.ns > since.ns ? c->now.ns - since.ns : 0;
}

/* Longer than people are to wait without a word, or this site at all. */
static bool
is_too_long(struct scene *c, struct utc since)
{
	if (c->f->patience_ns == 0)
		return false;
	if (elapsed(c, since) >= c->f->patience_ns)
		return true;
	c->t->until.ns = since.ns + c->f->patience_ns;
	return false;
}

/* The other site's turn; people are told when it takes too long. */
static bool
wait_peer(struct scene *c, struct utc since, const char *what)
{
	wait_for(c, MOVE_PEER, since);
	c->t->alarm = is_too_long(c, since);
	return say(c, "waiting for %s %s%s", c->there, what,
	    c->f->peer_answers ? "" : "; it does not answer");
}

/* True: the turn is settled, for the guards do not let through. */
static bool
is_barred(struct scene *c, enum guards_phase gate)
{
	c->t->gated = true;
	c->t->gate = gate;
	if (c->f->gate_passes)
		return false;
	wait_for(c, MOVE_PERSON, c->me->latest);
	next_is(c, "failover show", "");
	say(c, "a guard does not let through: %s",
	    c->f->gate_text == NULL ? "" : c->f->gate_text);
	return true;
}

static bool
is_unhearing(struct scene *c)
{
	if (!c->f->reg->quarantined)
		return false;
	wait_for(c, MOVE_PEER, c->me->latest);
	c->t->alarm = true;
	snprintf(c->t->next, sizeof(c->t->next),
	    "bascule hold resolve %s --owner %s", c->m->service,
	    c->f->reg->site);
	return say(c,
	    "quarantined: since this daemon's start %s has not said where the "
	    "service is; it is heard, or two people release it",
	    c->there);
}

static bool
is_quorumless(struct scene *c)
{
	if (!c->f->quorum_lost)
		return false;
	wait_for(c, MOVE_NOBODY, c->me->latest);
	c->t->alarm = true;
	return say(c,
	    "etcd has no quorum: no move is decided without it, and "
	    "what runs goes on running");
}

/*
 * Do it until it is done: after an outcome that is not, again after a pause.
 * False: it is done.
 */
static bool
is_working(struct scene *c, enum move_act a, uint64_t since, const char *why)
{
	enum turn_act st = act_since(c->me, a, since);
	int64_t pause = c->f->retry_ns == 0 ? RETRY_NS : c->f->retry_ns;

	if (st == TURN_DONE)
		return false;
	act(c, a, why);
	if (st != TURN_NOT_DONE && st != TURN_UNCERTAIN)
		return true;
	c->t->alarm = c->me->tries[a] >= TRIES_CALM;
	if (elapsed(c, c->me->act_at[a]) >= pause)
		return true;
	wait_for(c, MOVE_NOBODY, c->me->act_at[a]);
	c->t->until.ns = c->me->act_at[a].ns + pause;
	next_is(c, "failover show", "");
	return say(c, "%s: %s; it is tried again", move_act_name(a),
	    *c->me->reason != '\0' ? c->me->reason : "not done");
}

/* Somebody's word, at either site, that is younger than that. */
static bool
was_said_since(const struct scene *c, enum move_event_kind word, struct utc t)
{
	return (has(c->a, word) && c->a->at[word].ns > t.ns) ||
	    (has(c->b, word) && c->b->at[word].ns > t.ns);
}

/* --- the service at the new site ---------------------------------------------------- */

/* The plan; false: it has ended well and that is recorded. */
static bool
is_planning(struct scene *c)
{
	enum turn_act st = turn_act_of(c->me, MOVE_PLAN);

	if (has(c->me, MOVE_RAN))
		return false;
	if (st == TURN_DONE)
		return record(c, MOVE_RAN, "the plan has ended well");
	/* Interrupted, it goes on by itself; how, `on_uncertain` says. */
	if (st == TURN_NONE || st == TURN_OPEN ||
	    (st == TURN_UNCERTAIN && c->me->tries[MOVE_PLAN] < TRIES_CALM) ||
	    was_said_since(c, MOVE_SAY_RETRY, c->me->act_at[MOVE_PLAN]))
		return act(c, MOVE_PLAN, "the plan runs");
	wait_for(c, MOVE_PERSON, c->me->act_at[MOVE_PLAN]);
	c->t->alarm = true;
	next_is(c, "failover retry", "");
	return say(c,
	    "the plan has stopped: %s; mend it and retry, or roll back",
	    *c->me->reason != '\0' ? c->me->reason : "see its steps");
}

static bool
is_accepted(const struct scene *c)
{
	enum move_event_kind ran =
	    has(c->me, MOVE_RAN) ? MOVE_RAN : MOVE_RESUMED;

	/* A word given here before the plan had ended is about nothing. */
	return c->me->fact[MOVE_SAY_COMMIT] > c->me->fact[ran] ||
	    has(c->other, MOVE_SAY_COMMIT);
}

/* The owner's word, and then the register. */
static bool
is_committing(struct scene *c)
{
	if (has(c->me, MOVE_COMMITTED))
		return false;
	if (!is_accepted(c)) {
		wait_for(c, MOVE_PERSON, c->me->latest);
		next_confirm(c, "failover commit", c->site);
		return say(c,
		    "the service runs at %s: its owner looks at it, "
		    "and commits or rolls back",
		    c->site);
	}
	if (is_barred(c, GUARDS_AT_COMMIT))
		return true;
	change(c, AUTHORITY_COMMIT);
	return record(c, MOVE_COMMITTED, "the owner has accepted");
}

/* loser: whether the other let go of it without having been asked. */
static bool
is_reprotecting(struct scene *c, bool is_loser_there)
{
	struct utc since = c->me->latest;

	if (has(c->me, MOVE_REPROTECTED))
		return nothing(c, "protected again: the move is done");
	if (is_loser_there && !has(c->other, MOVE_DIVERGENCE))
		return wait_peer(c, since,
		    "to return: its later writes are "
		    "kept before anything is sent there");
	if (is_loser_there && !either(c, MOVE_SAY_REPROTECT)) {
		wait_for(c, MOVE_PERSON, since);
		next_confirm(c, "failover reprotect", c->site);
		return say(c,
		    "what was written at %s after the point is kept: the owner "
		    "looks at it and lets it be overwritten",
		    c->there);
	}
	if (!c->f->protected_there) {
		wait_for(c, MOVE_WORK, since);
		c->t->alarm = is_too_long(c, since);
		return say(c,
		    "unprotected until a first point is whole and "
		    "verified at %s",
		    c->there);
	}
	if (is_barred(c, GUARDS_AT_REPROTECT))
		return true;
	change(c, AUTHORITY_REPROTECTED);
	return record(c, MOVE_REPROTECTED,
	    "a point is whole and verified at the other site");
}

/* --- back ------------------------------------------------------------------------------ */

static bool
is_rolling_back(const struct scene *c)
{
	return has(c->b, MOVE_PROVISIONAL) && !has(c->b, MOVE_COMMITTED) &&
	    (either(c, MOVE_SAY_ROLLBACK) || has(c->b, MOVE_CAPTURED));
}

static bool
roll_back_at_b(struct scene *c)
{
	uint64_t begun = c->b->fact[MOVE_PROVISIONAL];

	if (has(c->me, MOVE_GRANTED)) {
		if (has(c->other, MOVE_ROLLED_BACK))
			return nothing(c, "rolled back");
		return wait_peer(c, c->me->at[MOVE_GRANTED],
		    "to take its own data up again");
	}
	if (!has(c->me, MOVE_CAPTURED)) {
		if (act_since(c->me, MOVE_QUIESCE, begun) == TURN_NONE &&
		    is_barred(c, GUARDS_AT_ROLLBACK))
			return true;
		if (is_working(c, MOVE_QUIESCE, begun,
			"rollback: the writes here stop")) {
			if (c->t->act == MOVE_QUIESCE)
				change(c, AUTHORITY_QUIESCE);
			return true;
		}
		if (is_working(c, MOVE_CAPTURE, begun,
			"rollback: what was written here is kept"))
			return true;
		return record(c, MOVE_CAPTURED, "what was written is kept");
	}
	if (!has(c->me, MOVE_UNDONE)) {
		if (is_working(c, MOVE_UNDO, begun,
			"rollback: the plan is undone, this site fenced"))
			return true;
		return record(c, MOVE_UNDONE, "undone and read back");
	}
	if (is_quorumless(c) || is_barred(c, GUARDS_AT_ROLLBACK))
		return true;
	change_owner(c, AUTHORITY_MOVE, c->there, c->f->reg->highest_seen + 1);
	return record(c, MOVE_GRANTED, "the service is given back");
}

static bool
roll_back_at_a(struct scene *c)
{
	uint64_t epoch = c->b->epoch_of[MOVE_GRANTED];

	if (has(c->me, MOVE_ROLLED_BACK))
		return nothing(c, "rolled back");
	if (!has(c->b, MOVE_GRANTED))
		return wait_peer(c, c->b->latest,
		    "to keep its writes and let go: the move is rolled back");
	if (is_unhearing(c))
		return true;
	if (c->me->epoch_of[MOVE_TAKEN] < epoch) {
		if (is_quorumless(c))
			return true;
		change_owner(c, AUTHORITY_MOVE, c->site, epoch);
		return record(c, MOVE_TAKEN, "taken back");
	}
	if (c->me->epoch_of[MOVE_PROVISIONAL] < epoch) {
		change(c, AUTHORITY_PROMOTE);
		return record(c, MOVE_PROVISIONAL, "it may run here again");
	}
	if (is_working(c, MOVE_RESUME, c->me->fact[MOVE_PROVISIONAL],
		"the service's own data is taken up again"))
		return true;
	change(c, AUTHORITY_COMMIT);
	return record(c, MOVE_ROLLED_BACK, "it runs here again, read back");
}

/* --- planned, at the site left ------------------------------------------------------------ */

/* Before GRANTED: A is the owner, and nobody else can be. */
static bool
abort_at_a(struct scene *c, const char *why)
{
	if (turn_act_of(c->me, MOVE_QUIESCE) == TURN_NONE)
		return record(c, MOVE_ABORTED, why);
	if (is_unhearing(c))
		return true;
	if (is_working(c, MOVE_RESUME, 0, why)) {
		if (c->t->act == MOVE_RESUME)
			change(c, AUTHORITY_RESUME_WRITES);
		return true;
	}
	return record(c, MOVE_ABORTED, "it runs here again, read back");
}

static bool
hold(struct scene *c, const char *why)
{
	c->t->alarm = true;
	if (c->f->reg->state != AUTHORITY_CONTESTED)
		change(c, AUTHORITY_HOLD);
	return record(c, MOVE_HELD, why);
}

/* Why A gives up by itself, or for somebody's word; NULL: it does not. */
static const char *
reason_to_abort(struct scene *c)
{
	if (turn_act_of(c->me, MOVE_RESUME) != TURN_NONE)
		return "aborting";
	if (either(c, MOVE_SAY_ABORT))
		return "somebody said abort";
	if (side_held(c->m, c->b))
		return "the other site holds, and will not take it";
	if (turn_act_of(c->me, MOVE_QUIESCE) != TURN_NONE)
		return NULL;
	if (c->f->approvals_void)
		return "what was approved is no more";
	if (strcmp(c->f->reg->site, c->site) != 0)
		return "the service is not here";
	return NULL;
}

/* Demotion, with its uncertainties (M4). */
static bool
is_demoting(struct scene *c)
{
	enum turn_act fence = turn_act_of(c->me, MOVE_FENCE);
	enum turn_act prove =
	    act_since(c->me, MOVE_PROVE, c->me->intent[MOVE_FENCE]);
	int64_t pause = c->f->retry_ns == 0 ? RETRY_NS : c->f->retry_ns;

	if (fence == TURN_NONE)
		return act(c, MOVE_FENCE,
		    "the service is stopped here for "
		    "good, and read back");
	if (fence == TURN_DONE || prove == TURN_DONE)
		return record(c, MOVE_DEMOTED, "stopped, read back");
	if (fence == TURN_NOT_DONE || prove == TURN_NOT_DONE)
		return abort_at_a(c, "read back: the demotion did not happen");
	if (prove == TURN_UNCERTAIN &&
	    is_too_long(c, c->me->act_at[MOVE_FENCE]))
		return hold(c, "nobody can say whether the service is stopped");
	if (prove == TURN_UNCERTAIN &&
	    elapsed(c, c->me->act_at[MOVE_PROVE]) < pause) {
		wait_for(c, MOVE_NOBODY, c->me->act_at[MOVE_FENCE]);
		c->t->until.ns = c->me->act_at[MOVE_PROVE].ns + pause;
		return say(c,
		    "the demotion is uncertain: it is read back "
		    "again");
	}
	return act(c, MOVE_PROVE, "the demotion is uncertain: it is read back");
}

/* Until it lets go: each phase has its patience, and then A resumes. */
static bool
leave_until_equal(struct scene *c)
{
	if (!has(c->b, MOVE_READY)) {
		if (is_too_long(c,
			c->m->a.at[MOVE_STARTED].ns != 0
			    ? c->a->at[MOVE_STARTED]
			    : c->b->at[MOVE_STARTED]))
			return abort_at_a(c,
			    "the other site did not become "
			    "ready in time");
		return wait_peer(c, c->me->latest, "to say that it is ready");
	}
	if (!has(c->me, MOVE_QUIESCED)) {
		if (turn_act_of(c->me, MOVE_QUIESCE) == TURN_NONE &&
		    c->f->other_run) {
			if (is_too_long(c, c->b->at[MOVE_READY]))
				return abort_at_a(c, "another run is open");
			wait_for(c, MOVE_NOBODY, c->me->latest);
			return say(c, "another run of the service is open");
		}
		if (turn_act_of(c->me, MOVE_QUIESCE) != TURN_NONE &&
		    turn_act_of(c->me, MOVE_QUIESCE) != TURN_DONE &&
		    is_too_long(c, c->b->at[MOVE_READY]))
			return abort_at_a(c, "the writes could not be stopped");
		if (is_working(c, MOVE_QUIESCE, 0, "the writes here stop")) {
			if (c->t->act == MOVE_QUIESCE)
				change(c, AUTHORITY_QUIESCE);
			return true;
		}
		return record(c, MOVE_QUIESCED, "the writes are stopped");
	}
	if (!has(c->me, MOVE_SYNCED)) {
		if (turn_act_of(c->me, MOVE_SYNC) != TURN_DONE &&
		    is_too_long(c, c->me->at[MOVE_QUIESCED]))
			return abort_at_a(c,
			    "the last point did not come over "
			    "in time");
		if (is_working(c, MOVE_SYNC, 0,
			"the last point is made and sent"))
			return true;
		return record(c, MOVE_SYNCED, "the last point has come over");
	}
	if (!has(c->b, MOVE_EQUAL)) {
		if (is_too_long(c, c->me->at[MOVE_SYNCED]))
			return abort_at_a(c,
			    "the other site did not find the "
			    "last point whole in time");
		return wait_peer(c, c->me->at[MOVE_SYNCED],
		    "to find the last point whole");
	}
	if (strcmp(c->me->point, c->b->point) != 0)
		return abort_at_a(c, "the other site speaks of another point");
	return false;
}

static bool
leave(struct scene *c)
{
	const struct authority *reg = c->f->reg;
	const char *why;

	if (has(c->me, MOVE_ABORTED) ||
	    (has(c->b, MOVE_ABORTED) &&
		turn_act_of(c->me, MOVE_QUIESCE) == TURN_NONE))
		return nothing(c, "aborted: the service stays here");
	if (has(c->me, MOVE_GRANTED)) {
		if (has(c->b, MOVE_COMMITTED))
			return nothing(c, "committed at the other site");
		return wait_peer(c, c->me->at[MOVE_GRANTED],
		    has(c->b, MOVE_PROVISIONAL)
			? "where the service runs now, to commit or roll back"
			: "to take the service: it is at no site; if that site "
			  "is lost, hold, and two people resolve");
	}
	/* Its register went first: there is no way back from here (M3). */
	if (reg->state == AUTHORITY_MOVING && reg->epoch > c->m->epoch &&
	    strcmp(reg->run, c->m->run) == 0 &&
	    strcmp(reg->site, c->there) == 0)
		return record(c, MOVE_GRANTED, "the service is let go");
	why = reason_to_abort(c);
	if (why != NULL)
		return abort_at_a(c, why);
	if (is_unhearing(c) || leave_until_equal(c))
		return true;
	if (!has(c->me, MOVE_DEMOTED))
		return is_demoting(c);
	if (is_quorumless(c) || is_barred(c, GUARDS_AT_GRANT)) {
		c->t->alarm = is_too_long(c, c->me->at[MOVE_DEMOTED]);
		return true;
	}
	change_owner(c, AUTHORITY_MOVE, c->there, reg->highest_seen + 1);
	return record(c, MOVE_GRANTED, "the service is let go");
}

/* --- at the site taken to --------------------------------------------------------------------- */

/* Pin, then the register; epoch: what it is to be. */
static bool
is_taking(struct scene *c, uint64_t epoch)
{
	if (!has(c->me, MOVE_TAKEN)) {
		if (is_unhearing(c) || is_quorumless(c) ||
		    is_barred(c, GUARDS_AT_TAKE))
			return true;
		if (is_working(c, MOVE_PIN, 0, "the point is pinned"))
			return true;
		change_owner(c, AUTHORITY_MOVE, c->site, epoch);
		return record(c, MOVE_TAKEN, "the service is taken");
	}
	if (has(c->me, MOVE_PROVISIONAL))
		return false;
	if (is_unhearing(c))
		return true;
	change(c, AUTHORITY_PROMOTE);
	return record(c, MOVE_PROVISIONAL, "it may run here");
}

static bool
run_here(struct scene *c)
{
	if (is_rolling_back(c))
		return roll_back_at_b(c);
	return is_planning(c) || is_committing(c) ||
	    is_reprotecting(c, c->m->mode == GUARDS_UNPLANNED);
}

/* Why B, which has promised nothing yet, will have no part in it. */
static const char *
reason_to_decline(struct scene *c, struct utc since)
{
	if (either(c, MOVE_SAY_ABORT))
		return "somebody said abort";
	if (c->f->approvals_void)
		return "what was approved is no more";
	if (strcmp(c->f->reg->site, c->site) == 0)
		return "the service is here already";
	return is_too_long(c, since) ? "not ready in time" : NULL;
}

static struct utc
started_at(const struct scene *c)
{
	return has(c->a, MOVE_STARTED) ? c->a->at[MOVE_STARTED]
				       : c->b->at[MOVE_STARTED];
}

static bool
is_crossed(struct scene *c)
{
	if (!c->f->other_run)
		return false;
	wait_for(c, MOVE_NOBODY, c->me->latest);
	return say(c, "another run of the service is open");
}

static bool
become_ready(struct scene *c)
{
	const char *why = reason_to_decline(c, started_at(c));

	if (why != NULL)
		return record(c, MOVE_ABORTED, why);
	if (is_crossed(c) || is_unhearing(c) || is_barred(c, GUARDS_AT_READY))
		return true;
	return record(c, MOVE_READY, "it will be taken if it is let go");
}

static bool
take(struct scene *c)
{
	if (has(c->me, MOVE_ABORTED) || has(c->a, MOVE_ABORTED))
		return nothing(c, "aborted: the service stays where it was");
	if (!has(c->me, MOVE_READY))
		return become_ready(c);
	if (!has(c->a, MOVE_SYNCED))
		return wait_peer(c, c->me->latest,
		    has(c->a, MOVE_QUIESCED) ? "to send the last point"
					     : "to stop the writes");
	if (!has(c->me, MOVE_EQUAL)) {
		if (either(c, MOVE_SAY_ABORT))
			return wait_peer(c, c->me->latest, "to abort");
		if (is_working(c, MOVE_COMPARE, c->me->fact[MOVE_READY],
			"the last point is opened here"))
			return true;
		return record(c, MOVE_EQUAL, "the last point is whole here");
	}
	if (!has(c->a, MOVE_GRANTED)) {
		next_is(c, "hold inspect", "");
		return wait_peer(c, c->me->at[MOVE_EQUAL],
		    "to let go of the service; if that site is lost, hold, "
		    "and two people resolve");
	}
	return is_taking(c, c->a->epoch_of[MOVE_GRANTED]) || run_here(c);
}

/* --- unplanned ----------------------------------------------------------------------------------- */

static bool
is_fencing(struct scene *c)
{
	enum turn_act fence = turn_act_of(c->me, MOVE_FENCE);

	if (fence == TURN_DONE)
		return record(c, MOVE_FENCED,
		    "the old site is fenced, read "
		    "back");
	if (c->f->attested >= 2)
		return record(c, MOVE_FENCED,
		    "two people attest that the old "
		    "site is off");
	is_working(c, MOVE_FENCE, 0, "the old site is fenced");
	if (c->t->act != MOVE_FENCE) {
		c->t->whom = MOVE_PEOPLE;
		c->t->alarm = true;
		next_is(c, "approve", "--attest METHOD");
		say(c,
		    "the fence could not be proved: %s; two people may "
		    "attest how %s was switched off",
		    c->me->reason, c->there);
	}
	return true;
}

static bool
declare(struct scene *c)
{
	if (either(c, MOVE_SAY_ABORT) || c->f->approvals_void)
		return record(c, MOVE_ABORTED,
		    c->f->approvals_void ? "what was approved is no more"
					 : "somebody said abort");
	if (strcmp(c->f->reg->site, c->site) == 0)
		return record(c, MOVE_ABORTED, "the service is here already");
	if (c->f->peer_healthy)
		return record(c, MOVE_ABORTED,
		    "the old site answers and the service is well there: ask "
		    "for a planned move");
	if (is_crossed(c) || is_unhearing(c) || is_barred(c, GUARDS_AT_FENCE))
		return true;
	return record(c, MOVE_DECLARED, "the evidence is frozen");
}

static bool
seize(struct scene *c)
{
	if (has(c->me, MOVE_ABORTED)) {
		if (turn_act_of(c->me, MOVE_FENCE) == TURN_NONE ||
		    has(c->a, MOVE_RESUMED))
			return nothing(c, "aborted: the service stays there");
		return wait_peer(c, c->me->at[MOVE_ABORTED],
		    "to let go of the fence and run again");
	}
	if (!has(c->me, MOVE_DECLARED))
		return declare(c);
	if (!has(c->me, MOVE_TAKEN)) {
		if (either(c, MOVE_SAY_ABORT))
			return record(c, MOVE_ABORTED, "somebody said abort");
		if (!has(c->me, MOVE_FENCED) && c->f->peer_healthy &&
		    turn_act_of(c->me, MOVE_FENCE) == TURN_NONE)
			return record(c, MOVE_ABORTED,
			    "the old site answers and the service is well "
			    "there: ask for a planned move");
		if (!has(c->me, MOVE_FENCED))
			return is_fencing(c);
	}
	return is_taking(c, c->f->reg->highest_seen + 1) || run_here(c);
}

/* What the other site took without being given it: fence, keep, wait. */
static bool
give_way(struct scene *c, uint64_t since)
{
	if (c->me->fact[MOVE_STOPPED] <= since) {
		if (is_working(c, MOVE_STOP, since,
			"the service was moved away: this site fences itself"))
			return true;
		return record(c, MOVE_STOPPED, "fenced, read back");
	}
	if (c->me->fact[MOVE_DIVERGENCE] <= c->me->fact[MOVE_STOPPED]) {
		if (is_working(c, MOVE_CAPTURE, c->me->fact[MOVE_STOPPED],
			"what was written here after the point is kept"))
			return true;
		return record(c, MOVE_DIVERGENCE, "kept and listed");
	}
	if (has(c->other, MOVE_REPROTECTED))
		return nothing(c, "protected again: the move is done");
	return wait_peer(c, c->me->latest,
	    "where the service is now, to be committed and to send");
}

static bool
lose(struct scene *c)
{
	if (is_rolling_back(c))
		return roll_back_at_a(c);
	if (has(c->b, MOVE_TAKEN))
		return give_way(c, 0);
	if (!has(c->b, MOVE_ABORTED) ||
	    turn_act_of(c->b, MOVE_FENCE) == TURN_NONE ||
	    has(c->me, MOVE_RESUMED)) {
		wait_for(c, MOVE_PEER, c->m->b.latest);
		return say(c,
		    has(c->b, MOVE_ABORTED) ? "aborted: the service stays here"
					    : "%s is about to take the service",
		    c->there);
	}
	if (is_unhearing(c))
		return true;
	if (!authority_may_write(c->f->reg, c->site))
		return nothing(c, "aborted; the service is not here any more");
	if (is_working(c, MOVE_RESUME, 0,
		"the run was given up: this site lets go of the fence"))
		return true;
	return record(c, MOVE_RESUMED, "it runs here again, read back");
}

/* --- held, resolved ---------------------------------------------------------------------------------- */

/* What a site has stopped since it last could have been running. */
static bool
is_stopped(const struct scene *c)
{
	const uint64_t *f = c->me->fact;

	if (f[MOVE_STOPPED] > f[MOVE_HELD] && f[MOVE_STOPPED] != 0)
		return true;
	return c->is_a && f[MOVE_GRANTED] != 0 && f[MOVE_TAKEN] == 0;
}

/*
 * I3.  A site that has stopped may give it to the other: that is a grant.
 * Taking it needs the word of two that the other is off, for the other may be
 * giving itself the same at this moment.
 */
static bool
is_resolving(struct scene *c)
{
	const char *owner = c->f->release_owner;
	bool is_mine;

	if (owner == NULL || c->f->release_persons < 2)
		return false;
	is_mine = strcmp(owner, c->site) == 0;
	if (!is_mine && (strcmp(owner, c->there) != 0 || !is_stopped(c)))
		return false;
	if (is_mine && (!side_held(c->m, c->me) || c->f->attested < 2))
		return false;
	if (is_quorumless(c) || is_barred(c, GUARDS_AT_RESOLVE))
		return true;
	change_owner(c, AUTHORITY_RESOLVE, is_mine ? c->site : c->there,
	    c->f->reg->highest_seen + 1);
	return record(c, MOVE_RESOLVED,
	    is_mine ? "two people: it is here, the other site is off"
		    : "two people: it is at the other site, this one is "
		      "stopped");
}

static bool
held_here(struct scene *c)
{
	if (c->me->fact[MOVE_STOPPED] <= c->me->fact[MOVE_HELD]) {
		if (is_working(c, MOVE_STOP, c->me->fact[MOVE_HELD],
			"held: this site fences itself and reads it back")) {
			c->t->alarm = true;
			return true;
		}
		return record(c, MOVE_STOPPED, "fenced, read back");
	}
	wait_for(c, MOVE_PEOPLE, c->me->at[MOVE_HELD]);
	c->t->alarm = true;
	next_is(c, "hold inspect", "");
	return say(c,
	    "held since then: %s; nothing runs until two people say where "
	    "(to have it here, they attest that %s is off, or %s lets go)",
	    *c->me->reason != '\0' ? c->me->reason : "uncertain", c->there,
	    c->there);
}

static bool
is_held(struct scene *c)
{
	const struct authority *reg = c->f->reg;

	if (!turn_held(c->m) || !side_held(c->m, c->me)) {
		if (reg->state == AUTHORITY_CONTESTED)
			return hold(c, "contested: two sites own one epoch");
		if (c->me->fact[MOVE_SAY_HOLD] > c->me->fact[MOVE_HELD] &&
		    c->me->fact[MOVE_SAY_HOLD] > c->me->fact[MOVE_RESOLVED] &&
		    move_binds(c->m, c->site))
			return hold(c, "somebody said hold");
		return turn_held(c->m) && is_resolving(c);
	}
	return is_resolving(c) || held_here(c);
}

/* The register moved on without this run. */
static bool
is_overtaken(const struct scene *c, uint64_t epoch)
{
	return c->f->reg->epoch > epoch;
}

static bool
run_resolved(struct scene *c, uint64_t epoch)
{
	if (c->me->epoch_of[MOVE_TAKEN] < epoch) {
		if (c->f->reg->epoch < epoch || is_unhearing(c))
			return wait_peer(c, c->other->latest,
			    "to say its register again");
		return record(c, MOVE_TAKEN, "resolved: the service is here");
	}
	if (c->me->epoch_of[MOVE_PROVISIONAL] < epoch) {
		if (is_unhearing(c))
			return true;
		change(c, AUTHORITY_PROMOTE);
		return record(c, MOVE_PROVISIONAL, "it may run here");
	}
	if (!c->is_a && !has(c->me, MOVE_RAN))
		return is_planning(c);
	if (c->me->fact[MOVE_RESUMED] < c->me->fact[MOVE_PROVISIONAL] &&
	    (c->is_a ||
		c->me->fact[MOVE_RAN] < c->me->fact[MOVE_PROVISIONAL])) {
		if (is_working(c, MOVE_RESUME, c->me->fact[MOVE_PROVISIONAL],
			"resolved: the service runs here again"))
			return true;
		if (c->is_a)
			change(c, AUTHORITY_COMMIT);
		return record(c, MOVE_RESUMED, "it runs here, read back");
	}
	return (!c->is_a && is_committing(c)) || is_reprotecting(c, true);
}

static bool
resolved(struct scene *c)
{
	uint64_t epoch = 0;
	const char *owner = turn_resolved(c->m, &epoch);

	if (owner == NULL)
		return false;
	if (strcmp(owner, c->site) != 0)
		return give_way(c,
		    c->me->fact[MOVE_PROVISIONAL] > c->me->fact[MOVE_RESUMED]
			? c->me->fact[MOVE_PROVISIONAL]
			: c->me->fact[MOVE_RESUMED]);
	if (is_overtaken(c, epoch))
		return nothing(c, "the service was moved again since");
	return run_resolved(c, epoch);
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static bool
is_not_begun(struct scene *c)
{
	if (either(c, MOVE_EXPIRED) || either(c, MOVE_WITHDRAWN))
		return nothing(c, "never started");
	if (either(c, MOVE_STARTED))
		return false;
	if (c->f->approvals_void && strcmp(c->m->asked_at, c->site) == 0 &&
	    either(c, MOVE_SAY_ABORT))
		return record(c, MOVE_WITHDRAWN, "somebody said abort");
	if (either(c, MOVE_SAY_ABORT) && strcmp(c->m->asked_at, c->site) == 0)
		return record(c, MOVE_WITHDRAWN, "somebody said abort");
	wait_for(c, MOVE_PERSON, c->me->latest);
	next_confirm(c, "failover start", c->m->to);
	return say(c, "requested: to be approved and started");
}

void
turn_decide(const struct move *m, const char *my_site,
    const struct move_facts *facts, struct utc now, struct move_turn *turn)
{
	bool is_a = strcmp(my_site, m->from) == 0;
	struct scene c = {.m = m,
	    .me = is_a ? &m->a : &m->b,
	    .other = is_a ? &m->b : &m->a,
	    .a = &m->a,
	    .b = &m->b,
	    .site = my_site,
	    .there = is_a ? m->to : m->from,
	    .is_a = is_a,
	    .f = facts,
	    .now = now,
	    .t = turn};

	if (facts->works) {
		wait_for(&c, MOVE_WORK, c.me->latest);
		say(&c, "a job of this move is under way here");
		return;
	}
	if (is_not_begun(&c) || is_held(&c) || resolved(&c))
		return;
	if (is_rolling_back(&c))
		(void)(is_a ? roll_back_at_a(&c) : roll_back_at_b(&c));
	else if (m->mode == GUARDS_PLANNED)
		(void)(is_a ? leave(&c) : take(&c));
	else
		(void)(is_a ? lose(&c) : seize(&c));
}
