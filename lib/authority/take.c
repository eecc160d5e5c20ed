/* The turns of the site that takes. */

#include "take.h"

#include <string.h>

/* --- the service is here --------------------------------------------------- */

/* The plan; false: it has ended well and that is recorded. */
bool
take_is_planning(struct scene *c)
{
	/* What it did before the service went away again does not count. */
	uint64_t since = c->me->fact[MOVE_PROVISIONAL];
	enum scene_state st = scene_state_since(c->me, MOVE_PLAN, since);

	if (c->me->fact[MOVE_RAN] > since)
		return false;
	if (st == SCENE_DONE)
		return scene_record(c, MOVE_RAN, "the plan has ended well");
	/* Interrupted, it goes on by itself; how, `on_uncertain` says. */
	if (st == SCENE_NONE || st == SCENE_OPEN ||
	    (st == SCENE_UNCERTAIN &&
		c->me->tries[MOVE_PLAN] < SCENE_TRIES_CALM) ||
	    scene_was_said_since(c, MOVE_SAY_RETRY, MOVE_PLAN))
		return scene_act(c, MOVE_PLAN, "the plan runs");
	scene_wait_for(c, MOVE_PERSON, c->me->act_at[MOVE_PLAN]);
	c->t->alarm = true;
	scene_next_is(c, "failover retry", "");
	/* What two people have given to this site is not rolled back. */
	return scene_say(c,
	    "the plan has stopped: %s; mend it and retry, or %s",
	    *c->me->act_reason != '\0' ? c->me->act_reason : "see its steps",
	    scene_resolved(c->m, NULL) == NULL
		? "roll back"
		: "hold it, and two people give it to the other site");
}

/* The owner's word, and then the register. */
bool
take_is_committing(struct scene *c)
{
	if (scene_has(c->me, MOVE_COMMITTED))
		return false;
	if (!scene_accepted(c->m)) {
		scene_wait_for(c, MOVE_PERSON, c->me->latest);
		scene_next_confirm(c, "failover commit", c->site);
		return scene_say(c,
		    "the service runs at %s: its owner looks at it, "
		    "and commits or rolls back",
		    c->site);
	}
	if (scene_is_barred(c, GUARDS_AT_COMMIT))
		return true;
	scene_change(c, AUTHORITY_COMMIT);
	return scene_record(c, MOVE_COMMITTED, "the owner has accepted");
}

/*
 * Another run came after this one: to where the service went, or came back from,
 * that run says how it is protected; and while it is between, nobody does.
 */
static bool
is_moved_since(struct scene *c)
{
	const struct authority *reg = c->f->reg;

	if (strcmp(reg->site, c->site) != 0)
		return scene_nothing(c, "the service was moved again since");
	if (reg->state == AUTHORITY_PROTECTED ||
	    reg->state == AUTHORITY_UNPROTECTED)
		return false;
	scene_wait_for(c, MOVE_NOBODY, c->me->latest);
	return scene_say(c, "another run has the service: it is %s here",
	    authority_state_name(reg->state));
}

/* loser: whether the other let go of it without having been asked. */
bool
take_is_reprotecting(struct scene *c, bool is_loser_there)
{
	struct utc since = c->me->latest;

	if (scene_has(c->me, MOVE_REPROTECTED))
		return scene_nothing(c, "protected again: the move is done");
	if (is_moved_since(c))
		return true;
	if (is_loser_there && !scene_has(c->other, MOVE_DIVERGENCE))
		return scene_wait_peer(c, since,
		    "to return: its later writes are "
		    "kept before anything is sent there");
	if (is_loser_there && !scene_either(c, MOVE_SAY_REPROTECT)) {
		scene_wait_for(c, MOVE_PERSON, since);
		scene_next_confirm(c, "failover reprotect", c->site);
		return scene_say(c,
		    "what was written at %s after the point is kept: the owner "
		    "looks at it and lets it be overwritten",
		    c->there);
	}
	if (!c->f->protected_there) {
		scene_wait_for(c, MOVE_WORK, since);
		c->t->alarm = scene_is_too_long(c, since);
		return scene_say(c,
		    "unprotected until a first point is whole and "
		    "verified at %s",
		    c->there);
	}
	if (scene_is_barred(c, GUARDS_AT_REPROTECT))
		return true;
	scene_change(c, AUTHORITY_REPROTECTED);
	return scene_record(c, MOVE_REPROTECTED,
	    "a point is whole and verified at the other site");
}

/* --- back ------------------------------------------------------------------ */

/* Who holds takes nothing: what runs here is not stopped for that. */
static bool
is_held_there(struct scene *c)
{
	if (!scene_held(c->m) || !scene_side_held(c->m, c->other))
		return false;
	scene_wait_for(c, MOVE_PEOPLE, c->other->at[MOVE_HELD]);
	c->t->alarm = true;
	scene_next_is(c, "hold inspect", "");
	return scene_say(c,
	    "%s holds, and nothing is given back to it until two people say "
	    "where the service is to be; it stays here meanwhile",
	    c->there);
}

bool
take_roll_back(struct scene *c)
{
	uint64_t begun = c->b->fact[MOVE_PROVISIONAL];

	if (scene_has(c->me, MOVE_GRANTED)) {
		if (scene_has(c->other, MOVE_ROLLED_BACK))
			return scene_nothing(c, "rolled back");
		return scene_wait_peer(c, c->me->at[MOVE_GRANTED],
		    "to take its own data up again");
	}
	if (!scene_has(c->me, MOVE_CAPTURED)) {
		if (scene_state_since(c->me, MOVE_QUIESCE, begun) ==
			SCENE_NONE &&
		    (is_held_there(c) ||
			scene_is_barred(c, GUARDS_AT_ROLLBACK)))
			return true;
		if (scene_is_working(c, MOVE_QUIESCE, begun,
			"rollback: the writes here stop")) {
			if (c->t->act == MOVE_QUIESCE)
				scene_change(c, AUTHORITY_QUIESCE);
			return true;
		}
		if (scene_is_working(c, MOVE_CAPTURE, begun,
			"rollback: what was written here is kept"))
			return true;
		return scene_record(c, MOVE_CAPTURED,
		    "what was written is kept");
	}
	if (!scene_has(c->me, MOVE_UNDONE)) {
		if (scene_is_working(c, MOVE_UNDO, begun,
			"rollback: the plan is undone, this site fenced"))
			return true;
		return scene_record(c, MOVE_UNDONE, "undone and read back");
	}
	if (scene_is_ahead(c, c->there, c->me->epoch_of[MOVE_TAKEN]))
		return scene_record(c, MOVE_GRANTED,
		    "the service is given back");
	if (scene_is_quorumless(c) || scene_is_barred(c, GUARDS_AT_ROLLBACK))
		return true;
	scene_change_owner(c, AUTHORITY_MOVE, c->there,
	    c->f->reg->highest_seen + 1);
	return scene_record(c, MOVE_GRANTED, "the service is given back");
}

/* --- planned --------------------------------------------------------------- */

/* By another run: the register does not move until people have decided. */
static bool
is_frozen(struct scene *c)
{
	enum authority_state st = c->f->reg->state;

	if (st != AUTHORITY_HELD && st != AUTHORITY_CONTESTED)
		return false;
	scene_wait_for(c, MOVE_PEOPLE, c->me->latest);
	c->t->alarm = true;
	scene_next_is(c, "hold inspect", "");
	return scene_say(c, "the service is %s: two people say where it is",
	    authority_state_name(st));
}

/* Pin, then the register; epoch: what it is to be. */
static bool
is_taking(struct scene *c, uint64_t epoch)
{
	if (!scene_has(c->me, MOVE_TAKEN)) {
		/* The guards passed before the pin, and the register followed:
		 * a death must not have them judge what they let through. */
		if (scene_is_ahead(c, c->site, c->m->epoch) &&
		    scene_state_of(c->me, MOVE_PIN) == SCENE_DONE)
			return scene_record(c, MOVE_TAKEN,
			    "the service is taken");
		if (scene_is_unhearing(c) || is_frozen(c) ||
		    scene_is_quorumless(c) ||
		    scene_is_barred(c, GUARDS_AT_TAKE))
			return true;
		if (scene_is_working(c, MOVE_PIN, 0, "the point is pinned"))
			return true;
		scene_change_owner(c, AUTHORITY_MOVE, c->site, epoch);
		return scene_record(c, MOVE_TAKEN, "the service is taken");
	}
	if (scene_has(c->me, MOVE_PROVISIONAL))
		return false;
	if (scene_is_unhearing(c))
		return true;
	scene_change(c, AUTHORITY_PROMOTE);
	return scene_record(c, MOVE_PROVISIONAL, "it may run here");
}

static bool
run_here(struct scene *c)
{
	if (scene_is_rolling_back(c))
		return take_roll_back(c);
	return take_is_planning(c) || take_is_committing(c) ||
	    take_is_reprotecting(c, c->m->mode == GUARDS_UNPLANNED);
}

/* Why B, which has promised nothing yet, will have no part in it. */
static const char *
reason_to_decline(struct scene *c, struct utc since)
{
	if (scene_either(c, MOVE_SAY_ABORT))
		return "somebody said abort";
	if (c->f->approvals_void)
		return "refused by an approver";
	if (strcmp(c->f->reg->site, c->site) == 0)
		return "the service is here already";
	return scene_is_too_long(c, since) ? "not ready in time" : NULL;
}

static struct utc
started_at(const struct scene *c)
{
	return scene_has(c->a, MOVE_STARTED) ? c->a->at[MOVE_STARTED]
					     : c->b->at[MOVE_STARTED];
}

static bool
is_crossed(struct scene *c)
{
	if (!c->f->other_run)
		return false;
	scene_wait_for(c, MOVE_NOBODY, c->me->latest);
	return scene_say(c, "another run of the service is open");
}

static bool
become_ready(struct scene *c)
{
	const char *why = reason_to_decline(c, started_at(c));

	if (why != NULL)
		return scene_record(c, MOVE_ABORTED, why);
	if (is_crossed(c) || scene_is_unhearing(c) ||
	    scene_is_barred(c, GUARDS_AT_READY))
		return true;
	return scene_record(c, MOVE_READY, "it will be taken if it is let go");
}

bool
take_planned(struct scene *c)
{
	if (scene_has(c->me, MOVE_ABORTED) || scene_has(c->a, MOVE_ABORTED))
		return scene_nothing(c,
		    "aborted: the service stays where it was");
	if (!scene_has(c->me, MOVE_READY))
		return become_ready(c);
	if (!scene_has(c->a, MOVE_SYNCED))
		return scene_wait_peer(c, c->me->latest,
		    scene_has(c->a, MOVE_QUIESCED) ? "to send the last point"
						   : "to stop the writes");
	if (!scene_has(c->me, MOVE_EQUAL)) {
		if (scene_either(c, MOVE_SAY_ABORT))
			return scene_wait_peer(c, c->me->latest, "to abort");
		if (scene_is_working(c, MOVE_COMPARE, c->me->fact[MOVE_READY],
			"the last point is opened here"))
			return true;
		return scene_record(c, MOVE_EQUAL,
		    "the last point is whole here");
	}
	if (!scene_has(c->a, MOVE_GRANTED)) {
		scene_next_is(c, "hold inspect", "");
		return scene_wait_peer(c, c->me->at[MOVE_EQUAL],
		    "to let go of the service; if that site is lost, hold, "
		    "and two people resolve");
	}
	return is_taking(c, c->a->epoch_of[MOVE_GRANTED]) || run_here(c);
}

/* --- unplanned ------------------------------------------------------------- */

/* Read back, or attested by two and not long ago. */
static bool
is_fence_sound(const struct scene *c)
{
	return scene_state_of(c->me, MOVE_FENCE) == SCENE_DONE ||
	    c->f->attested >= 2;
}

/*
 * Until it is sound, and on record.  What people attested is true of that hour:
 * whoever comes to take it later reads it back, or asks them again.
 */
static bool
is_fencing(struct scene *c)
{
	if (is_fence_sound(c))
		return scene_record(c, MOVE_FENCED,
		    scene_state_of(c->me, MOVE_FENCE) == SCENE_DONE
			? "the old site is fenced, read back"
			: "two people attest that the old site is off");
	scene_is_working(c, MOVE_FENCE, 0, "the old site is being fenced");
	if (c->t->act != MOVE_FENCE) {
		c->t->whom = MOVE_PEOPLE;
		c->t->alarm = true;
		scene_next_is(c, "approve", "--attest METHOD");
		scene_say(c,
		    "the fence could not be proved: %s; two people may "
		    "attest how %s was switched off",
		    *c->me->act_reason != '\0' ? c->me->act_reason
					       : "no reason was given",
		    c->there);
	}
	return true;
}

/* Another run gave it away since it was asked for (G14 never passes again). */
static bool
is_stale(const struct scene *c)
{
	return c->m->epoch != 0 && c->f->reg->epoch > c->m->epoch;
}

static bool
declare(struct scene *c)
{
	if (scene_either(c, MOVE_SAY_ABORT) || c->f->approvals_void)
		return scene_record(c, MOVE_ABORTED,
		    c->f->approvals_void ? "refused by an approver"
					 : "somebody said abort");
	if (strcmp(c->f->reg->site, c->site) == 0)
		return scene_record(c, MOVE_ABORTED,
		    "the service is here already");
	if (c->f->peer_healthy)
		return scene_record(c, MOVE_ABORTED,
		    "the old site answers and the service is well there: ask "
		    "for a planned move");
	if (is_crossed(c) || scene_is_unhearing(c) ||
	    scene_is_barred(c, GUARDS_AT_FENCE))
		return true;
	return scene_record(c, MOVE_DECLARED, "the evidence is frozen");
}

/* Nothing is B's yet: it may be given up, and the fence must stand. */
static bool
is_before_taking(struct scene *c)
{
	bool is_swapped = scene_is_swapped(c, c->site);
	bool was_fenced = scene_has(c->me, MOVE_FENCED);

	if (scene_either(c, MOVE_SAY_ABORT) && !scene_is_quorumless(c) &&
	    !is_swapped)
		return scene_record(c, MOVE_ABORTED, "somebody said abort");
	if (is_stale(c) && !c->f->reg->quarantined && !scene_is_quorumless(c) &&
	    !is_swapped)
		return scene_record(c, MOVE_ABORTED,
		    "the service was moved since by another run: ask anew");
	if (was_fenced && is_fence_sound(c))
		return false;
	/* A fence under way may be what it answers about; and since FENCED
	 * etcd may have been asked, by a daemon that has died since. */
	if (c->f->peer_healthy && !is_swapped &&
	    (was_fenced || scene_state_of(c->me, MOVE_FENCE) == SCENE_NONE)) {
		if (was_fenced && scene_is_quorumless(c))
			return true;
		return scene_record(c, MOVE_ABORTED,
		    "the old site answers and the service is well there: ask "
		    "for a planned move");
	}
	return is_fencing(c);
}

bool
take_unplanned(struct scene *c)
{
	uint64_t epoch;

	if (scene_has(c->me, MOVE_ABORTED)) {
		if (scene_state_of(c->me, MOVE_FENCE) == SCENE_NONE ||
		    scene_has(c->a, MOVE_RESUMED))
			return scene_nothing(c,
			    "aborted: the service stays there");
		return scene_wait_peer(c, c->me->at[MOVE_ABORTED],
		    "to let go of the fence and run again");
	}
	if (!scene_has(c->me, MOVE_DECLARED))
		return declare(c);
	if (!scene_has(c->me, MOVE_TAKEN) &&
	    !scene_is_ahead(c, c->site, c->m->epoch) && is_before_taking(c))
		return true;
	if (scene_is_ahead(c, c->site, c->m->epoch))
		epoch = c->f->reg->epoch;
	else /* a swap whose maker died may have come round as an epoch seen */
		epoch = scene_is_swapped(c, c->site)
		    ? c->f->witness_epoch
		    : c->f->reg->highest_seen + 1;
	return is_taking(c, epoch) || run_here(c);
}
