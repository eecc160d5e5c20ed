/* The turns of the site that is left. */

#include "leave.h"

#include <string.h>

/* --- planned --------------------------------------------------------------- */

/* Before GRANTED: A is the owner, and nobody else can be. */
static bool
abort_at_a(struct scene *c, const char *why)
{
	if (scene_state_of(c->me, MOVE_QUIESCE) == SCENE_NONE)
		return scene_record(c, MOVE_ABORTED, why);
	if (scene_is_unhearing(c))
		return true;
	if (scene_is_working(c, MOVE_RESUME, 0, why)) {
		if (c->t->act == MOVE_RESUME)
			scene_change(c, AUTHORITY_RESUME_WRITES);
		return true;
	}
	return scene_record(c, MOVE_ABORTED, "it runs here again, read back");
}

/* Why A gives up by itself, or for somebody's word; NULL: it does not. */
static const char *
reason_to_abort(struct scene *c)
{
	if (scene_state_of(c->me, MOVE_RESUME) != SCENE_NONE)
		return "aborting";
	if (scene_either(c, MOVE_SAY_ABORT))
		return "somebody said abort";
	if (scene_side_held(c->m, c->b))
		return "the other site holds, and will not take it";
	if (scene_state_of(c->me, MOVE_QUIESCE) != SCENE_NONE)
		return NULL;
	if (c->f->approvals_void)
		return "refused by an approver";
	if (strcmp(c->f->reg->site, c->site) != 0)
		return "the service is not here";
	return NULL;
}

/* Demotion, with its uncertainties (M4). */
static bool
is_demoting(struct scene *c)
{
	enum scene_state fence = scene_state_of(c->me, MOVE_FENCE);
	enum scene_state prove =
	    scene_state_since(c->me, MOVE_PROVE, c->me->intent[MOVE_FENCE]);
	int64_t pause = c->f->retry_ns == 0 ? SCENE_RETRY_NS : c->f->retry_ns;

	if (fence == SCENE_NONE)
		return scene_act(c, MOVE_FENCE,
		    "the service is stopped here for "
		    "good, and read back");
	if (fence == SCENE_DONE || prove == SCENE_DONE)
		return scene_record(c, MOVE_DEMOTED, "stopped, read back");
	if (fence == SCENE_NOT_DONE || prove == SCENE_NOT_DONE)
		return abort_at_a(c, "read back: the demotion did not happen");
	if (prove == SCENE_UNCERTAIN &&
	    scene_is_too_long(c, c->me->act_at[MOVE_FENCE]))
		return scene_hold(c,
		    "nobody can say whether the service is stopped");
	if (prove == SCENE_UNCERTAIN &&
	    scene_elapsed(c, c->me->act_at[MOVE_PROVE]) < pause) {
		scene_wait_for(c, MOVE_NOBODY, c->me->act_at[MOVE_FENCE]);
		c->t->until.ns = c->me->act_at[MOVE_PROVE].ns + pause;
		return scene_say(c,
		    "the demotion is uncertain: it is read back "
		    "again");
	}
	return scene_act(c, MOVE_PROVE,
	    "the demotion is uncertain: it is read back");
}

/* Until it lets go: each phase has its patience, and then A resumes. */
static bool
leave_until_equal(struct scene *c)
{
	char why[SCENE_WHY_BYTES];

	if (!scene_has(c->b, MOVE_READY)) {
		if (scene_is_too_long(c,
			c->m->a.at[MOVE_STARTED].ns != 0
			    ? c->a->at[MOVE_STARTED]
			    : c->b->at[MOVE_STARTED]))
			return abort_at_a(c,
			    scene_blame_peer(c, "did not become ready in time",
				why));
		return scene_wait_peer(c, c->me->latest,
		    "to say that it is ready");
	}
	if (!scene_has(c->me, MOVE_QUIESCED)) {
		if (scene_state_of(c->me, MOVE_QUIESCE) == SCENE_NONE &&
		    c->f->other_run) {
			if (scene_is_too_long(c, c->b->at[MOVE_READY]))
				return abort_at_a(c, "another run is open");
			scene_wait_for(c, MOVE_NOBODY, c->me->latest);
			return scene_say(c,
			    "another run of the service is open");
		}
		if (scene_state_of(c->me, MOVE_QUIESCE) != SCENE_NONE &&
		    scene_state_of(c->me, MOVE_QUIESCE) != SCENE_DONE &&
		    scene_is_too_long(c, c->b->at[MOVE_READY]))
			return abort_at_a(c, "the writes could not be stopped");
		if (scene_is_working(c, MOVE_QUIESCE, 0,
			"the writes here stop")) {
			if (c->t->act == MOVE_QUIESCE)
				scene_change(c, AUTHORITY_QUIESCE);
			return true;
		}
		return scene_record(c, MOVE_QUIESCED, "the writes are stopped");
	}
	if (!scene_has(c->me, MOVE_SYNCED)) {
		if (scene_state_of(c->me, MOVE_SYNC) != SCENE_DONE &&
		    scene_is_too_long(c, c->me->at[MOVE_QUIESCED]))
			return abort_at_a(c,
			    "the last point did not come over "
			    "in time");
		if (scene_is_working(c, MOVE_SYNC, 0,
			"the last point is made and sent"))
			return true;
		return scene_record(c, MOVE_SYNCED,
		    "the last point has come over");
	}
	if (!scene_has(c->b, MOVE_EQUAL)) {
		if (scene_is_too_long(c, c->me->at[MOVE_SYNCED]))
			return abort_at_a(c,
			    scene_blame_peer(c,
				"did not find the last point whole in time",
				why));
		return scene_wait_peer(c, c->me->at[MOVE_SYNCED],
		    "to find the last point whole");
	}
	if (strcmp(c->me->point, c->b->point) != 0)
		return abort_at_a(c, "the other site speaks of another point");
	return false;
}

bool
leave_planned(struct scene *c)
{
	const struct authority *reg = c->f->reg;
	const char *why;

	if (scene_has(c->me, MOVE_ABORTED) ||
	    (scene_has(c->b, MOVE_ABORTED) &&
		scene_state_of(c->me, MOVE_QUIESCE) == SCENE_NONE))
		return scene_nothing(c, "aborted: the service stays here");
	if (scene_has(c->me, MOVE_GRANTED)) {
		if (scene_has(c->b, MOVE_COMMITTED))
			return scene_nothing(c, "committed at the other site");
		return scene_wait_peer(c, c->me->at[MOVE_GRANTED],
		    scene_has(c->b, MOVE_PROVISIONAL)
			? "where the service runs now, to commit or roll back"
			: "to take the service: it is at no site; if that site "
			  "is lost, hold, and two people resolve");
	}
	/* Its register went first: there is no way back from here (M3). */
	if (scene_is_ahead(c, c->there, c->m->epoch))
		return scene_record(c, MOVE_GRANTED, "the service is let go");
	if (scene_has(c->me, MOVE_DEMOTED)) {
		/* etcd may have been told already. */
		if (scene_is_quorumless(c))
			return true;
		if (scene_is_swapped(c, c->there)) {
			scene_change_owner(c, AUTHORITY_MOVE, c->there,
			    c->f->witness_epoch);
			return scene_record(c, MOVE_GRANTED,
			    "etcd has given it to the other site");
		}
	}
	why = reason_to_abort(c);
	if (why != NULL)
		return abort_at_a(c, why);
	if (scene_is_unhearing(c) || leave_until_equal(c))
		return true;
	if (!scene_has(c->me, MOVE_DEMOTED))
		return is_demoting(c);
	if (scene_is_barred(c, GUARDS_AT_GRANT)) {
		c->t->alarm = scene_is_too_long(c, c->me->at[MOVE_DEMOTED]);
		return true;
	}
	scene_change_owner(c, AUTHORITY_MOVE, c->there, reg->highest_seen + 1);
	return scene_record(c, MOVE_GRANTED, "the service is let go");
}

/* It stopped before it had heard the other site: G14 asks both. */
static bool
is_catching_up(struct scene *c)
{
	return scene_has(c->me, MOVE_DIVERGENCE) &&
	    c->f->reg->epoch < scene_epoch_there(c) && scene_is_behind(c) &&
	    scene_record(c, MOVE_DIVERGENCE,
		"kept; the register is the other site's");
}

/* --- rolled back ----------------------------------------------------------- */
bool
leave_roll_back(struct scene *c)
{
	uint64_t epoch = c->b->epoch_of[MOVE_GRANTED];

	if (scene_has(c->me, MOVE_ROLLED_BACK))
		return scene_nothing(c, "rolled back");
	/* What it came back with is kept before it is given back (G17). */
	if (!scene_has(c->b, MOVE_GRANTED) && c->m->mode == GUARDS_UNPLANNED &&
	    !scene_has(c->me, MOVE_DIVERGENCE))
		return leave_way(c, 0);
	if (!scene_has(c->b, MOVE_GRANTED) && is_catching_up(c))
		return true;
	if (!scene_has(c->b, MOVE_GRANTED))
		return scene_wait_peer(c, c->b->latest,
		    "to keep its writes and let go: the move is rolled back");
	if (scene_is_unhearing(c))
		return true;
	if (c->me->epoch_of[MOVE_TAKEN] < epoch) {
		if (scene_is_quorumless(c))
			return true;
		scene_change_owner(c, AUTHORITY_MOVE, c->site, epoch);
		return scene_record(c, MOVE_TAKEN, "taken back");
	}
	if (c->me->epoch_of[MOVE_PROVISIONAL] < epoch) {
		scene_change(c, AUTHORITY_PROMOTE);
		return scene_record(c, MOVE_PROVISIONAL,
		    "it may run here again");
	}
	if (scene_is_working(c, MOVE_RESUME, c->me->fact[MOVE_PROVISIONAL],
		"the service's own data is taken up again"))
		return true;
	scene_change(c, AUTHORITY_COMMIT);
	return scene_record(c, MOVE_ROLLED_BACK,
	    "it runs here again, read back");
}

/* --- what was taken without being given ------------------------------------ */
/* What the other site took without being given it: fence, keep, wait. */
bool
leave_way(struct scene *c, uint64_t since)
{
	if (c->me->fact[MOVE_STOPPED] <= since) {
		if (scene_is_working(c, MOVE_STOP, since,
			"the service was moved away: this site fences "
			"itself")) {
			/* Nothing starts here from now on, fenced or not. */
			if (c->t->act == MOVE_STOP)
				scene_change_owner(c, AUTHORITY_EPOCH_SEEN,
				    c->there, scene_epoch_there(c));
			return true;
		}
		return scene_record_stopped(c);
	}
	if (c->me->fact[MOVE_DIVERGENCE] <= c->me->fact[MOVE_STOPPED]) {
		if (scene_is_working(c, MOVE_CAPTURE, c->me->fact[MOVE_STOPPED],
			"what was written here after the point is kept"))
			return true;
		return scene_record(c, MOVE_DIVERGENCE, "kept and listed");
	}
	if (is_catching_up(c))
		return true;
	if (scene_has(c->other, MOVE_REPROTECTED))
		return scene_nothing(c, "protected again: the move is done");
	return scene_wait_peer(c, c->me->latest,
	    "where the service is now, to be committed and to send");
}

/* Somebody, etcd as a rule, has named an epoch that no ledger has. */
static bool
is_barred_by_register(struct scene *c)
{
	const struct authority *reg = c->f->reg;

	if (authority_may_write(reg, c->site))
		return false;
	scene_wait_for(c, MOVE_PEOPLE, c->b->at[MOVE_ABORTED]);
	c->t->alarm = true;
	scene_next_is(c, "failover hold", "");
	return scene_say(c,
	    "aborted, but '%s' stays stopped here: its register here is %s at "
	    "epoch %llu, and epoch %llu was named (by etcd, as a rule), so "
	    "that another site may own it; hold the run, then two people say "
	    "where it runs: bascule hold resolve %s --owner SITE",
	    c->m->service, authority_state_name(reg->state),
	    (unsigned long long)reg->epoch,
	    (unsigned long long)reg->highest_seen, c->m->run);
}

bool
leave_unplanned(struct scene *c)
{
	if (scene_is_rolling_back(c))
		return leave_roll_back(c);
	if (scene_has(c->b, MOVE_TAKEN))
		return leave_way(c, 0);
	if (!scene_has(c->b, MOVE_ABORTED) ||
	    scene_state_of(c->b, MOVE_FENCE) == SCENE_NONE ||
	    scene_has(c->me, MOVE_RESUMED) || scene_has(c->me, MOVE_STOPPED)) {
		scene_wait_for(c, MOVE_PEER, c->m->b.latest);
		return scene_say(c,
		    scene_has(c->b, MOVE_ABORTED)
			? "aborted: the service stays here"
			: "%s is about to take the service",
		    c->there);
	}
	if (scene_is_unhearing(c))
		return true;
	if (strcmp(c->f->reg->site, c->site) != 0) {
		if (scene_is_working(c, MOVE_STOP, 0,
			"aborted, and the service is elsewhere by now: this "
			"site stays fenced"))
			return true;
		return scene_record(c, MOVE_STOPPED, "fenced, read back");
	}
	if (is_barred_by_register(c))
		return true;
	if (scene_is_working(c, MOVE_RESUME, 0,
		"the run was given up: this site lets go of the fence"))
		return true;
	return scene_record(c, MOVE_RESUMED, "it runs here again, read back");
}
