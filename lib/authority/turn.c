/*
 * What a site does next in a move.  Every function of the turns either settles
 * the turn and returns true, or has nothing to say and returns false; so each
 * list of steps reads in the order in which they are taken.
 */

#include "turn.h"

#include <string.h>

#include "leave.h"
#include "scene.h"
#include "take.h"

/* --- held, resolved -------------------------------------------------------- */

/* The newest of what may have let something run here, or put it in doubt. */
static uint64_t
in_doubt_since(const struct scene *c)
{
	static const enum move_event_kind doubts[] = {MOVE_HELD,
	    MOVE_PROVISIONAL, MOVE_RESUMED};
	uint64_t row = 0;

	for (size_t i = 0; i < sizeof(doubts) / sizeof(*doubts); i++)
		if (c->me->fact[doubts[i]] > row)
			row = c->me->fact[doubts[i]];
	return row;
}

static bool
is_stopped(const struct scene *c)
{
	return c->me->fact[MOVE_STOPPED] > in_doubt_since(c);
}

/* Fence ourselves and read it back.  False: that is done. */
static bool
is_stopping(struct scene *c, const char *why)
{
	if (is_stopped(c))
		return false;
	if (scene_is_working(c, MOVE_STOP, in_doubt_since(c), why))
		return true;
	return scene_record_stopped(c);
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
	if (!is_mine && strcmp(owner, c->there) != 0)
		return false;
	if (!is_mine && !scene_side_held(c->m, c->me))
		return scene_hold(c, "two people give it to the other site");
	if (!is_mine &&
	    is_stopping(c,
		"two people give it to the other site: this one "
		"fences itself"))
		return true;
	if (is_mine && (!scene_side_held(c->m, c->me) || c->f->attested < 2))
		return false;
	/* The plan begins anew, over what an earlier walk of it let run. */
	if (is_mine && c->me->intent[MOVE_PLAN] != 0 &&
	    is_stopping(c,
		"two people give it to this site: what ran here "
		"stops before the plan begins anew"))
		return true;
	if (scene_is_quorumless(c) || scene_is_barred(c, GUARDS_AT_RESOLVE))
		return true;
	/* The owner's word has ended the hold of the register already (A5). */
	if (!is_mine && authority_is_active(c->f->reg, c->there)) {
		c->t->reg.site = c->there;
		return scene_record(c, MOVE_RESOLVED,
		    "two people: it is at the other site, which has it");
	}
	scene_change_owner(c, AUTHORITY_RESOLVE, is_mine ? c->site : c->there,
	    scene_next_epoch(c));
	return scene_record(c, MOVE_RESOLVED,
	    is_mine ? "two people: it is here, the other site is off"
		    : "two people: it is at the other site, this one is "
		      "stopped");
}

/*
 * It is held, and the other site has it meanwhile (it took it, and was not
 * heard then).  G14 asks for both registers, and this one is not fenced by
 * hearing: the move sees to that (H3), and has stopped.
 */
static bool
is_catching_up(struct scene *c)
{
	return is_stopped(c) && c->f->reg->epoch < scene_epoch_there(c) &&
	    scene_is_behind(c) &&
	    scene_record(c, MOVE_STOPPED,
		"held; the register is the other site's");
}

static bool
held_here(struct scene *c)
{
	if (is_stopping(c, "held: this site fences itself and reads it back")) {
		c->t->alarm = true;
		return true;
	}
	scene_wait_for(c, MOVE_PEOPLE, c->me->at[MOVE_HELD]);
	c->t->alarm = true;
	scene_next_is(c, "hold inspect", "");
	return scene_say(c,
	    "held since then: %s; nothing runs until two people say where "
	    "(to have it here, they attest that %s is off, or %s lets go)",
	    *c->me->reason != '\0' ? c->me->reason : "uncertain", c->there,
	    c->there);
}

/* By a word that no hold and no resolution has followed. */
static bool
is_told_to_hold(const struct scene *c)
{
	uint64_t said = c->me->fact[MOVE_SAY_HOLD], epoch = 0;
	const char *owner = scene_resolved(c->m, &epoch);

	if (owner != NULL && strcmp(owner, c->site) != 0)
		return false; /* it has let go: there is nothing to hold */
	return said > c->me->fact[MOVE_HELD] &&
	    said > c->me->fact[MOVE_RESOLVED] &&
	    (owner == NULL || c->me->epoch_of[MOVE_SAY_HOLD] >= epoch) &&
	    move_binds(c->m, c->site);
}

static bool
is_held(struct scene *c)
{
	const struct authority *reg = c->f->reg;

	if (!scene_held(c->m) || !scene_side_held(c->m, c->me)) {
		if (!move_is_over(c->m) &&
		    (reg->state == AUTHORITY_CONTESTED ||
			(c->f->peer_reg != NULL &&
			    authority_hear(reg, c->f->peer_reg, c->site) ==
				AUTHORITY_FREEZE))) {
			scene_hold(c, "contested: two sites own one epoch");
			scene_change(c, AUTHORITY_CONTEST);
			return true;
		}
		if (is_told_to_hold(c))
			return scene_hold(c, "somebody said hold");
		return scene_held(c->m) && is_resolving(c);
	}
	return is_catching_up(c) || is_resolving(c) || held_here(c);
}

/* The register moved on without this run. */
static bool
is_overtaken(const struct scene *c, uint64_t epoch)
{
	return c->f->reg->epoch > epoch;
}

/* At B: the plan, unless what it did still stands and only was stopped. */
static bool
is_to_plan(const struct scene *c)
{
	uint64_t ran = c->me->fact[MOVE_RAN];

	return !c->is_a && ran < c->me->fact[MOVE_PROVISIONAL] &&
	    (ran == 0 || c->me->intent[MOVE_UNDO] > ran);
}

/* The plan begins anew: what an earlier walk of it let be written is kept. */
static bool
is_keeping(struct scene *c)
{
	uint64_t since = c->me->fact[MOVE_PROVISIONAL];

	return c->me->intent[MOVE_PLAN] != 0 &&
	    scene_state_since(c->me, MOVE_PLAN, since) == SCENE_NONE &&
	    scene_is_working(c, MOVE_CAPTURE, since,
		"what was written here before is kept");
}

static bool
run_resolved(struct scene *c, uint64_t epoch)
{
	if (c->me->epoch_of[MOVE_TAKEN] < epoch) {
		if (c->f->reg->epoch < epoch || scene_is_unhearing(c))
			return scene_wait_peer(c, c->other->latest,
			    "to say its register again");
		return scene_record(c, MOVE_TAKEN,
		    "resolved: the service is here");
	}
	if (c->me->epoch_of[MOVE_PROVISIONAL] < epoch) {
		if (scene_is_unhearing(c))
			return true;
		/* What never left is only to run again. */
		if (c->f->reg->state == AUTHORITY_MOVING)
			scene_change(c, AUTHORITY_PROMOTE);
		else if (c->f->reg->state == AUTHORITY_QUIESCED)
			scene_change(c, AUTHORITY_RESUME_WRITES);
		return scene_record(c, MOVE_PROVISIONAL, "it may run here");
	}
	if (is_to_plan(c))
		return is_keeping(c) || take_is_planning(c);
	if (c->me->fact[MOVE_RESUMED] < c->me->fact[MOVE_PROVISIONAL] &&
	    (c->is_a ||
		c->me->fact[MOVE_RAN] < c->me->fact[MOVE_PROVISIONAL])) {
		if (scene_is_working(c, MOVE_RESUME,
			c->me->fact[MOVE_PROVISIONAL],
			"resolved: the service runs here again"))
			return true;
		if (c->is_a)
			scene_change(c, AUTHORITY_COMMIT);
		return scene_record(c, MOVE_RESUMED, "it runs here, read back");
	}
	return (!c->is_a && take_is_committing(c)) ||
	    take_is_reprotecting(c, true);
}

static bool
resolved(struct scene *c)
{
	uint64_t epoch = 0;
	const char *owner = scene_resolved(c->m, &epoch);

	if (owner == NULL)
		return false;
	if (strcmp(owner, c->site) != 0)
		return leave_way(c,
		    c->me->fact[MOVE_PROVISIONAL] > c->me->fact[MOVE_RESUMED]
			? c->me->fact[MOVE_PROVISIONAL]
			: c->me->fact[MOVE_RESUMED]);
	if (is_overtaken(c, epoch))
		return scene_nothing(c, "the service was moved again since");
	return run_resolved(c, epoch);
}

/* --- the whole ------------------------------------------------------------- */

static bool
is_not_begun(struct scene *c)
{
	if (scene_either(c, MOVE_EXPIRED) || scene_either(c, MOVE_WITHDRAWN))
		return scene_nothing(c, "never started");
	if (scene_either(c, MOVE_STARTED))
		return false;
	if (scene_either(c, MOVE_SAY_ABORT) &&
	    strcmp(c->m->asked_at, c->site) == 0)
		return scene_record(c, MOVE_WITHDRAWN, "somebody said abort");
	scene_wait_for(c, MOVE_PERSON, c->me->latest);
	scene_next_confirm(c, "failover start", c->m->to);
	return scene_say(c, "requested: to be approved and started");
}

static void
decide(struct scene *c)
{
	if (is_not_begun(c) || is_held(c) || resolved(c))
		return;
	if (scene_is_rolling_back(c))
		(void)(c->is_a ? leave_roll_back(c) : take_roll_back(c));
	else if (c->m->mode == GUARDS_PLANNED)
		(void)(c->is_a ? leave_planned(c) : take_planned(c));
	else
		(void)(c->is_a ? leave_unplanned(c) : take_unplanned(c));
}

/*
 * In quarantine: what only stops or keeps.  Whatever starts or promises waits
 * until the other site is heard.
 */
static bool
is_harmless(const struct move_turn *t)
{
	return t->act == MOVE_WAIT || t->act == MOVE_NOTHING ||
	    t->act == MOVE_STOP || t->act == MOVE_CAPTURE ||
	    (t->act == MOVE_RECORD &&
		(t->event == MOVE_HELD || t->event == MOVE_STOPPED ||
		    t->event == MOVE_DIVERGENCE));
}

/* It is what is asked of etcd, and may be asked again. */
static bool
is_swap(const struct move_turn *t)
{
	return t->changes_register &&
	    (t->reg.kind == AUTHORITY_MOVE || t->reg.kind == AUTHORITY_RESOLVE);
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
		scene_wait_for(&c, MOVE_WORK, c.me->latest);
		scene_say(&c, "a job of this move is under way here");
		return;
	}
	decide(&c);
	if (facts->swap_open && !is_harmless(turn) && !is_swap(turn)) {
		*turn = (struct move_turn){.event = MOVE_NOTE};
		scene_wait_for(&c, MOVE_NOBODY, c.me->latest);
		turn->alarm = scene_is_too_long(&c, c.me->latest);
		scene_say(&c,
		    "etcd was asked for a change, and what came of it is not "
		    "known yet: nothing else is decided");
	}
	if (facts->reg->quarantined && !is_harmless(turn)) {
		*turn = (struct move_turn){.event = MOVE_NOTE};
		(void)scene_is_unhearing(&c);
	}
}
