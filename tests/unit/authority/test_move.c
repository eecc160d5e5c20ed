#include <bascule/authority.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

/*
 * Two sites, each with its register, whose shell is as simple as can be: what
 * move_turn says is done at once, and succeeds unless a test says otherwise.
 */
struct town {
	const char *name;
	struct authority reg;
	uint64_t row;
	struct move_facts facts;
	enum move_result result[MOVE_ACTS]; /* how acts go here */
};

struct world {
	struct town town[2]; /* brent, southwark */
	struct move move;
	struct utc now;
};

static void
tell(struct world *w, struct town *t, struct move_event ev)
{
	struct err e = {0};

	ev.site = t->name;
	ev.row = ++t->row;
	ev.at = w->now;
	ev.epoch = t->reg.epoch;
	if (ev.point == NULL)
		ev.point = "p1";
	ck_assert_msg(move_fold(&w->move, &ev, &e) == ERR_NONE, "%s", e.text);
}

static void
say(struct world *w, struct town *t, enum move_event_kind kind)
{
	tell(w, t, (struct move_event){.kind = kind});
}

static void
request(struct world *w, enum guards_mode mode)
{
	struct err e = {0};

	memset(w, 0, sizeof(*w));
	w->now.ns = 1000 * NS_PER_S;
	for (int i = 0; i < 2; i++) {
		struct town *t = &w->town[i];
		struct authority_event grant = {.kind = AUTHORITY_GRANT,
		    .site = "brent",
		    .epoch = 1};

		t->name = i == 0 ? "brent" : "southwark";
		ck_assert_int_eq(authority_next(&t->reg, &grant, &t->reg, &e),
		    ERR_NONE);
		t->facts = (struct move_facts){.reg = &t->reg,
		    .peer_answers = true,
		    .gate_passes = true,
		    .patience_ns = 600 * NS_PER_S};
	}
	w->town[0].facts.peer_reg = &w->town[1].reg;
	w->town[1].facts.peer_reg = &w->town[0].reg;
	tell(w, &w->town[1],
	    (struct move_event){.kind = MOVE_REQUESTED,
		.run = "f1",
		.service = "housing",
		.from = "brent",
		.to = "southwark",
		.mode = mode});
}

static struct move_turn
turn_of(struct world *w, struct town *t)
{
	struct move_turn turn;
	struct err e = {0};

	ck_assert_int_eq(move_turn(&w->move, t->name, &t->facts, w->now, &turn,
			     &e),
	    ERR_NONE);
	return turn;
}

static void
hear(struct world *w, struct town *t)
{
	const struct authority *peer =
	    t == &w->town[0] ? &w->town[1].reg : &w->town[0].reg;
	struct authority_event ev = {.kind = AUTHORITY_ADOPT,
	    .here = t->name,
	    .peer = peer};
	struct err e = {0};

	if (authority_hear(&t->reg, peer, t->name) != AUTHORITY_SAME)
		ck_assert_int_eq(authority_next(&t->reg, &ev, &t->reg, &e),
		    ERR_NONE);
}

/* One turn of one site; false: it has nothing to do. */
static bool
step(struct world *w, struct town *t)
{
	struct move_turn turn;
	struct err e = {0};

	hear(w, t);
	turn = turn_of(w, t);
	if (turn.act == MOVE_WAIT || turn.act == MOVE_NOTHING)
		return false;
	if (turn.act != MOVE_RECORD)
		tell(w, t,
		    (struct move_event){.stage = MOVE_INTENT, .act = turn.act});
	if (turn.changes_register)
		ck_assert_msg(authority_next(&t->reg, &turn.reg, &t->reg, &e) ==
			ERR_NONE,
		    "%s", e.text);
	if (turn.act == MOVE_RECORD)
		tell(w, t,
		    (struct move_event){.kind = turn.event,
			.owner = turn.reg.site});
	else
		tell(w, t,
		    (struct move_event){.stage = MOVE_OUTCOME,
			.act = turn.act,
			.result = t->result[turn.act]});
	return true;
}

static void
run(struct world *w)
{
	for (int i = 0; i < 200; i++) {
		bool any = step(w, &w->town[0]);

		any = step(w, &w->town[1]) || any;
		ck_assert(!(authority_may_write(&w->town[0].reg, "brent") &&
		    authority_may_write(&w->town[1].reg, "southwark")));
		if (!any)
			return;
	}
	ck_abort_msg("it goes on for ever: %s",
	    move_event_name(move_phase(&w->move)));
}

START_TEST(a_planned_move_goes_through_all_its_phases)
{
	struct world w;

	request(&w, GUARDS_PLANNED);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_REQUESTED);
	say(&w, &w.town[1], MOVE_STARTED);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
	ck_assert(authority_may_write(&w.town[1].reg, "southwark"));
	ck_assert_int_eq(w.town[0].reg.state, AUTHORITY_PROVISIONAL);
	ck_assert_uint_eq(w.town[0].reg.epoch, 2);
	ck_assert(strstr(turn_of(&w, &w.town[1]).next,
		      "failover commit f1 --confirm southwark") != NULL);
	say(&w, &w.town[0], MOVE_SAY_COMMIT);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_COMMITTED);
	ck_assert(move_is_over(&w.move));
	w.town[1].facts.protected_there = true;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_REPROTECTED);
	ck_assert_int_eq(w.town[1].reg.state, AUTHORITY_PROTECTED);
	ck_assert_int_eq(w.town[0].reg.state, AUTHORITY_PROTECTED);
}
END_TEST

START_TEST(a_planned_move_rolls_back_to_the_old_site_at_the_next_epoch)
{
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	run(&w);
	say(&w, &w.town[0], MOVE_SAY_ROLLBACK);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_ROLLED_BACK);
	ck_assert(move_is_over(&w.move));
	ck_assert(!move_binds(&w.move, "brent"));
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
	ck_assert_uint_eq(w.town[1].reg.epoch, 3);
}
END_TEST

START_TEST(an_unplanned_move_waits_for_what_was_lost_to_be_kept)
{
	struct world w;

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
	ck_assert(w.move.a.fact[MOVE_DIVERGENCE] != 0);
	ck_assert(w.move.a.fact[MOVE_STOPPED] != 0);
	say(&w, &w.town[1], MOVE_SAY_COMMIT);
	w.town[1].facts.protected_there = true;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_COMMITTED);
	say(&w, &w.town[1], MOVE_SAY_REPROTECT);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_REPROTECTED);
}
END_TEST

START_TEST(an_abort_before_the_grant_resumes_the_old_site)
{
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_EQUAL) {
		step(&w, &w.town[0]);
		step(&w, &w.town[1]);
	}
	say(&w, &w.town[1], MOVE_SAY_ABORT);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_ABORTED);
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
	ck_assert_uint_eq(w.town[0].reg.epoch, 1);
}
END_TEST

START_TEST(an_uncertain_demotion_is_read_back_and_held_when_nobody_knows)
{
	struct world w;
	struct err e;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	w.town[0].result[MOVE_FENCE] = MOVE_UNCERTAIN;
	w.town[0].result[MOVE_PROVE] = MOVE_UNCERTAIN;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_EQUAL);
	ck_assert(move_may_say(&w.move, MOVE_SAY_ROLLBACK, &e) != ERR_NONE);
	w.now.ns += 601 * NS_PER_S;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_HELD);
	ck_assert(!authority_may_write(&w.town[0].reg, "brent"));
	/* two people let it go to the other site */
	w.town[0].facts.release_owner = w.town[1].facts.release_owner =
	    "southwark";
	w.town[0].facts.release_persons = w.town[1].facts.release_persons = 1;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_HELD);
	w.town[0].facts.release_persons = w.town[1].facts.release_persons = 2;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RESOLVED);
	ck_assert(authority_may_write(&w.town[1].reg, "southwark"));
	ck_assert(w.move.b.fact[MOVE_RAN] != 0);
	ck_assert(w.move.a.fact[MOVE_DIVERGENCE] != 0);
}
END_TEST

START_TEST(a_demotion_that_did_not_happen_resumes)
{
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	w.town[0].result[MOVE_FENCE] = MOVE_UNCERTAIN;
	w.town[0].result[MOVE_PROVE] = MOVE_NOT_DONE;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_ABORTED);
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
}
END_TEST

/* What a person said meanwhile is not why an act failed. */
START_TEST(an_act_that_fails_says_its_own_reason)
{
	static const struct {
		const char *reason, *says;
	} cases[] = {{"app1: disk full", "undo: app1: disk full; it is"},
	    {NULL, "undo: not done; it is"}};
	struct world w;

	for (size_t i = 0; i < 2; i++) {
		struct move_turn turn;

		request(&w, GUARDS_PLANNED);
		say(&w, &w.town[1], MOVE_STARTED);
		run(&w);
		ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
		tell(&w, &w.town[1],
		    (struct move_event){.kind = MOVE_SAY_ROLLBACK,
			.reason = "the owner does not like it"});
		do
			ck_assert(step(&w, &w.town[1]));
		while (turn_of(&w, &w.town[1]).act != MOVE_UNDO);
		tell(&w, &w.town[1],
		    (struct move_event){.stage = MOVE_INTENT,
			.act = MOVE_UNDO});
		tell(&w, &w.town[1],
		    (struct move_event){.stage = MOVE_OUTCOME,
			.act = MOVE_UNDO,
			.result = MOVE_NOT_DONE,
			.reason = cases[i].reason});
		turn = turn_of(&w, &w.town[1]);
		ck_assert_int_eq(turn.act, MOVE_WAIT);
		ck_assert_msg(strstr(turn.why, cases[i].says) == turn.why, "%s",
		    turn.why);
	}
}
END_TEST

/* A death between the register and the record of the phase that follows. */
START_TEST(a_register_ahead_of_its_record_is_not_moved_twice)
{
	struct authority_event move = {.kind = AUTHORITY_MOVE,
	    .here = "brent",
	    .site = "southwark",
	    .epoch = 2,
	    .run = "f1"};
	struct move_turn turn;
	struct world w;
	struct err e;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_DEMOTED) {
		step(&w, &w.town[0]);
		step(&w, &w.town[1]);
	}
	ck_assert_int_eq(authority_next(&w.town[0].reg, &move, &w.town[0].reg,
			     &e),
	    ERR_NONE);
	say(&w, &w.town[0], MOVE_SAY_ABORT); /* too late (M3) */
	turn = turn_of(&w, &w.town[0]);
	ck_assert(turn.act == MOVE_RECORD && turn.event == MOVE_GRANTED);
	ck_assert(!turn.changes_register);
	run(&w);
	ck_assert_uint_eq(w.town[1].reg.epoch, 2);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
}
END_TEST

START_TEST(a_swap_in_etcd_that_nobody_recorded_stands)
{
	struct world w;
	struct move_turn turn;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_DEMOTED) {
		step(&w, &w.town[0]);
		step(&w, &w.town[1]);
	}
	say(&w, &w.town[0], MOVE_SAY_ABORT);
	ck_assert_int_eq(turn_of(&w, &w.town[0]).act, MOVE_RESUME);
	w.town[0].facts.quorum_lost = true; /* was it told? nobody knows */
	ck_assert_int_eq(turn_of(&w, &w.town[0]).act, MOVE_WAIT);
	w.town[0].facts.quorum_lost = false;
	w.town[0].facts.witness_epoch = 2;
	w.town[0].facts.witness_owner = "southwark";
	turn = turn_of(&w, &w.town[0]);
	ck_assert(turn.act == MOVE_RECORD && turn.event == MOVE_GRANTED);
	ck_assert_uint_eq(turn.reg.epoch, 2);
}
END_TEST

START_TEST(in_quarantine_nothing_starts_promises_or_grants)
{
	static const enum guards_mode modes[] = {GUARDS_PLANNED,
	    GUARDS_UNPLANNED};

	for (int m = 0; m < 2; m++) {
		struct world w;

		request(&w, modes[m]);
		say(&w, &w.town[1], MOVE_STARTED);
		for (int i = 0; i < 60; i++)
			for (int s = 0; s < 2; s++) {
				struct town *t = &w.town[s];
				struct move_turn turn;

				t->reg.quarantined = true;
				turn = turn_of(&w, t);
				ck_assert_msg(turn.act == MOVE_WAIT ||
					turn.act == MOVE_NOTHING ||
					turn.act == MOVE_STOP ||
					turn.act == MOVE_CAPTURE ||
					turn.event == MOVE_STOPPED ||
					turn.event == MOVE_DIVERGENCE,
				    "%s", move_act_name(turn.act));
				t->reg.quarantined = false;
				step(&w, t);
			}
	}
}
END_TEST

START_TEST(a_clock_set_back_does_not_stop_a_retry)
{
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	w.town[1].result[MOVE_PLAN] = MOVE_NOT_DONE;
	run(&w);
	ck_assert_int_eq(turn_of(&w, &w.town[1]).whom, MOVE_PERSON);
	w.now.ns -= 500 * NS_PER_S;
	say(&w, &w.town[1], MOVE_SAY_RETRY);
	ck_assert_int_eq(turn_of(&w, &w.town[1]).act, MOVE_PLAN);
}
END_TEST

START_TEST(two_owners_of_one_epoch_freeze_and_two_people_decide)
{
	struct authority_event other = {.kind = AUTHORITY_MOVE,
	    .here = "southwark",
	    .site = "southwark",
	    .epoch = 2,
	    .run = "f9"};
	struct move_turn turn;
	struct world w;
	struct err e;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_EQUAL) {
		step(&w, &w.town[0]);
		step(&w, &w.town[1]);
	}
	ck_assert_int_eq(authority_next(&w.town[1].reg, &other, &w.town[1].reg,
			     &e),
	    ERR_NONE);
	w.town[0].reg.epoch = w.town[0].reg.highest_seen = 2; /* as by a lie */
	for (int s = 0; s < 2; s++) {
		turn = turn_of(&w, &w.town[s]);
		ck_assert_int_eq(turn.event, MOVE_HELD);
		ck_assert_int_eq(turn.reg.kind, AUTHORITY_CONTEST);
		ck_assert(turn.alarm);
	}
	run(&w);
	for (int s = 0; s < 2; s++) {
		ck_assert_int_eq(w.town[s].reg.state, AUTHORITY_CONTESTED);
		ck_assert_int_eq(turn_of(&w, &w.town[s]).whom, MOVE_PEOPLE);
		w.town[s].facts.release_owner = "brent";
		w.town[s].facts.release_persons = 2;
	}
	ck_assert(w.move.a.fact[MOVE_STOPPED] != 0 &&
	    w.move.b.fact[MOVE_STOPPED] != 0);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RESOLVED);
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
	ck_assert_uint_eq(w.town[1].reg.epoch, 3);
	ck_assert(
	    w.move.b.fact[MOVE_DIVERGENCE] != 0); /* the loser's is kept */
}
END_TEST

/* It ended with the owner giving up what it ran, as before the grant. */
START_TEST(the_loser_of_a_resolution_has_nothing_more_to_hold)
{
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_EQUAL) {
		step(&w, &w.town[0]);
		step(&w, &w.town[1]);
	}
	say(&w, &w.town[0], MOVE_SAY_HOLD);
	for (int s = 0; s < 2; s++) {
		w.town[s].facts.release_owner = "brent";
		w.town[s].facts.release_persons = 2;
		w.town[s].facts.attested = 2;
	}
	while (w.move.a.fact[MOVE_PROVISIONAL] == 0 ||
	    w.move.b.fact[MOVE_STOPPED] == 0) {
		step(&w, &w.town[0]);
		step(&w, &w.town[1]);
	}
	say(&w, &w.town[1], MOVE_SAY_HOLD);
	/* or it was held just before the word of the owner came */
	say(&w, &w.town[1], MOVE_HELD);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RESOLVED);
	ck_assert(move_is_over(&w.move));
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
	ck_assert_uint_eq(w.move.a.fact[MOVE_ABORTED], 0);
}
END_TEST

START_TEST(writes_that_cannot_be_stopped_end_the_move)
{
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	w.town[0].result[MOVE_QUIESCE] = MOVE_NOT_DONE;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_READY);
	w.now.ns += 601 * NS_PER_S;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_ABORTED);
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
}
END_TEST

/* Why the other site did nothing, as far as can be known; or where to look. */
START_TEST(a_move_given_up_for_the_other_site_says_why)
{
	static const struct {
		const char *says;
		bool answers;
		const char *waiting, *reason;
	} cases[] = {{"READY cannot be recorded: no space left", true,
			 "READY cannot be recorded: no space left",
			 "in time; it says: READY cannot be recorded: no space "
			 "left"},
	    {NULL, true, "to say that it is ready",
		"in time; why not: bascule status at southwark"},
	    {NULL, false, "it does not answer",
		"southwark did not become ready in time; it does not answer"}};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w;
		struct move_turn turn;

		request(&w, GUARDS_PLANNED);
		say(&w, &w.town[1], MOVE_STARTED);
		w.town[0].facts.peer_says = cases[i].says;
		w.town[0].facts.peer_answers = cases[i].answers;
		turn = turn_of(&w, &w.town[0]);
		ck_assert_int_eq(turn.act, MOVE_WAIT);
		ck_assert_msg(strstr(turn.why, cases[i].waiting) != NULL, "%s",
		    turn.why);
		w.now.ns += 601 * NS_PER_S;
		turn = turn_of(&w, &w.town[0]);
		ck_assert_int_eq(turn.event, MOVE_ABORTED);
		ck_assert_msg(strstr(turn.why, cases[i].reason) != NULL, "%s",
		    turn.why);
	}
}
END_TEST

/* However the two ledgers are mixed: the same (M1). */
START_TEST(the_order_of_two_ledgers_makes_no_difference)
{
	static const struct move_event all[] = {
	    {.kind = MOVE_REQUESTED,
		.site = "southwark",
		.row = 1,
		.run = "f1",
		.service = "housing",
		.from = "brent",
		.to = "southwark"},
	    {.kind = MOVE_STARTED, .site = "southwark", .row = 2},
	    {.kind = MOVE_READY, .site = "southwark", .row = 3},
	    {.stage = MOVE_INTENT,
		.act = MOVE_QUIESCE,
		.site = "brent",
		.row = 1},
	    {.stage = MOVE_OUTCOME,
		.act = MOVE_QUIESCE,
		.site = "brent",
		.row = 2},
	    {.kind = MOVE_QUIESCED, .site = "brent", .row = 3},
	};
	struct move first;

	for (unsigned mix = 0; mix < 64; mix++) {
		struct move m = {0};
		size_t at[2] = {1, 3};
		struct err e;

		ck_assert_int_eq(move_fold(&m, &all[0], &e), ERR_NONE);
		for (unsigned i = 0; at[0] < 3 || at[1] < 6; i++) {
			unsigned k = (mix >> i % 6) & 1;

			if (at[k] == (k == 0 ? 3 : 6))
				k = 1 - k;
			ck_assert_int_eq(move_fold(&m, &all[at[k]], &e),
			    ERR_NONE);
			ck_assert_int_eq(move_fold(&m, &all[at[k]], &e),
			    ERR_NONE); /* again: nothing */
			at[k]++;
		}
		if (mix == 0)
			first = m;
		ck_assert_int_eq(memcmp(&first, &m, sizeof(m)), 0);
	}
}
END_TEST

START_TEST(a_record_that_does_not_fit_is_refused)
{
	struct move_event bad[] = {{.kind = MOVE_READY,
				       .site = "brent",
				       .row = 9},
	    {.kind = MOVE_QUIESCED, .site = "southwark", .row = 9},
	    {.kind = MOVE_GRANTED, .site = "brent", .row = 9},
	    {.kind = MOVE_SYNCED, .site = "brent", .row = 9},
	    {.kind = MOVE_DECLARED, .site = "southwark", .row = 9},
	    {.kind = MOVE_STARTED, .site = "brent", .row = 9},
	    {.kind = MOVE_STARTED, .site = "lewisham", .row = 9},
	    {.kind = MOVE_RAN, .site = "southwark", .row = 9},
	    {.kind = (enum move_event_kind)99, .site = "brent", .row = 9},
	    {.stage = MOVE_OUTCOME,
		.act = MOVE_FENCE,
		.site = "brent",
		.row = 9},
	    {.stage = MOVE_INTENT,
		.act = (enum move_act)99,
		.site = "brent",
		.row = 9},
	    {.kind = MOVE_REQUESTED,
		.site = "brent",
		.row = 9,
		.run = "f1",
		.service = "housing",
		.from = "brent",
		.to = "southwark"}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct world w;
		struct move before;
		struct err e;

		request(&w, GUARDS_PLANNED);
		before = w.move;
		ck_assert_msg(move_fold(&w.move, &bad[i], &e) == ERR_CORRUPT,
		    "case %zu", i);
		ck_assert_int_eq(memcmp(&before, &w.move, sizeof(before)), 0);
	}
}
END_TEST

/* Brent is off, two people say so; until FENCED is recorded. */
static void
attest(struct world *w)
{
	request(w, GUARDS_UNPLANNED);
	w->town[1].facts.attested = 2;
	w->town[1].facts.peer_answers = false;
	say(w, &w->town[1], MOVE_STARTED);
	while (w->move.b.fact[MOVE_FENCED] == 0)
		ck_assert(step(w, &w->town[1]));
	ck_assert_uint_eq(w->move.b.intent[MOVE_FENCE], 0);
}

/* The daemon died in between, and comes back long after. */
START_TEST(an_old_attestation_takes_nothing_from_a_site_that_is_well)
{
	struct move_turn turn;
	struct world w;

	attest(&w);
	w.town[1].facts.attested = 0;
	w.town[1].facts.peer_answers = w.town[1].facts.peer_healthy = true;
	turn = turn_of(&w, &w.town[1]);
	ck_assert(turn.act == MOVE_RECORD && turn.event == MOVE_ABORTED);
	run(&w);
	ck_assert(move_is_over(&w.move));
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
	ck_assert_uint_eq(w.town[0].reg.epoch, 1);
}
END_TEST

START_TEST(an_old_attestation_is_asked_for_again_or_read_back)
{
	struct move_turn turn;
	struct world w;

	attest(&w);
	w.town[1].facts.attested = 1;
	w.town[1].result[MOVE_FENCE] = MOVE_UNCERTAIN;
	turn = turn_of(&w, &w.town[1]);
	ck_assert_int_eq(turn.act, MOVE_FENCE);
	ck_assert(step(&w, &w.town[1]));
	turn = turn_of(&w, &w.town[1]);
	ck_assert(turn.act == MOVE_WAIT && turn.whom == MOVE_PEOPLE);
	ck_assert(strstr(turn.next, "--attest METHOD") != NULL);
	w.now.ns += 60 * NS_PER_S;
	w.town[1].result[MOVE_FENCE] = MOVE_DONE;
	ck_assert(step(&w, &w.town[1]));
	w.town[1].facts.attested = 0;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
	ck_assert_uint_eq(w.town[1].reg.epoch, 2);
}
END_TEST

START_TEST(what_the_register_took_already_is_not_aborted_any_more)
{
	struct authority_event move = {.kind = AUTHORITY_MOVE,
	    .here = "southwark",
	    .site = "southwark",
	    .epoch = 2,
	    .run = "f1"};
	struct move_turn turn;
	struct world w;
	struct err e;

	attest(&w);
	while (w.move.b.outcome[MOVE_PIN] == 0)
		ck_assert(step(&w, &w.town[1]));
	ck_assert_int_eq(authority_next(&w.town[1].reg, &move, &w.town[1].reg,
			     &e),
	    ERR_NONE);
	say(&w, &w.town[1], MOVE_SAY_ABORT);
	w.town[1].facts.attested = 0;
	turn = turn_of(&w, &w.town[1]);
	ck_assert(turn.act == MOVE_RECORD && turn.event == MOVE_TAKEN);
}
END_TEST

/* A later run gave it up and back: while it is between, nobody protects it. */
START_TEST(a_committed_move_is_not_protected_while_another_has_the_service)
{
	struct move_turn turn;
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	run(&w);
	say(&w, &w.town[1], MOVE_SAY_COMMIT);
	run(&w);
	w.town[1].facts.protected_there = true;
	w.town[1].reg.state = AUTHORITY_PROVISIONAL;
	w.town[1].reg.epoch = w.town[1].reg.highest_seen = 4;
	turn = turn_of(&w, &w.town[1]);
	ck_assert_int_eq(turn.act, MOVE_WAIT);
	ck_assert(!turn.alarm);
	w.town[1].reg.state = AUTHORITY_UNPROTECTED;
	turn = turn_of(&w, &w.town[1]);
	ck_assert(turn.act == MOVE_RECORD && turn.event == MOVE_REPROTECTED);
	snprintf(w.town[1].reg.site, sizeof(w.town[1].reg.site), "brent");
	ck_assert_int_eq(turn_of(&w, &w.town[1]).act, MOVE_NOTHING);
}
END_TEST

/* While this run fenced, another gave the service away. */
static void
moved_meanwhile(struct world *w, const char *to)
{
	request(w, GUARDS_UNPLANNED);
	say(w, &w->town[1], MOVE_STARTED);
	while (move_phase(&w->move) != MOVE_FENCED)
		ck_assert(step(w, &w->town[1]));
	for (int i = 0; i < 2; i++) {
		struct authority *reg = &w->town[i].reg;

		reg->state = AUTHORITY_UNPROTECTED;
		reg->epoch = reg->highest_seen = 2;
		snprintf(reg->site, sizeof(reg->site), "%s", to);
		snprintf(reg->run, sizeof(reg->run), "f0");
	}
	run(w);
	ck_assert_int_eq(move_phase(&w->move), MOVE_ABORTED);
	ck_assert(move_is_over(&w->move));
	ck_assert(!move_binds(&w->move, "brent"));
	ck_assert(!move_binds(&w->move, "southwark"));
	ck_assert_uint_eq(w->town[0].reg.epoch, 2);
	ck_assert_uint_eq(w->town[1].reg.epoch, 2);
}

START_TEST(what_another_run_has_moved_is_given_up_and_the_fence_let_go)
{
	struct world w;

	moved_meanwhile(&w, "brent");
	ck_assert(w.move.a.fact[MOVE_RESUMED] != 0);
	moved_meanwhile(&w, "southwark");
	ck_assert(w.move.a.fact[MOVE_RESUMED] == 0);
	ck_assert(w.move.a.fact[MOVE_STOPPED] != 0);
}
END_TEST

START_TEST(what_another_run_holds_is_not_taken)
{
	struct move_turn turn;
	struct world w;

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_FENCED)
		ck_assert(step(&w, &w.town[1]));
	w.town[1].reg.state = AUTHORITY_HELD;
	turn = turn_of(&w, &w.town[1]);
	ck_assert(turn.act == MOVE_WAIT && turn.whom == MOVE_PEOPLE);
	ck_assert(strstr(turn.next, "hold inspect") != NULL);
}
END_TEST

/* What status says next must be what may be said. */
START_TEST(a_site_that_cannot_run_what_it_was_given_gives_it_back)
{
	struct move_turn turn;
	struct world w;
	struct err e;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (!(move_phase(&w.move) == MOVE_PROVISIONAL))
		if (!step(&w, &w.town[0]))
			ck_assert(step(&w, &w.town[1]));
	w.town[1].result[MOVE_PLAN] = MOVE_NOT_DONE;
	ck_assert(step(&w, &w.town[1]));
	turn = turn_of(&w, &w.town[1]);
	ck_assert(strstr(turn.why, "roll back") != NULL);
	say(&w, &w.town[1], MOVE_SAY_HOLD);
	run(&w);
	for (int i = 0; i < 2; i++) {
		w.town[i].facts.release_owner = "southwark";
		w.town[i].facts.release_persons = 2;
	}
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RESOLVED);
	turn = turn_of(&w, &w.town[1]);
	ck_assert_int_eq(turn.act, MOVE_WAIT);
	ck_assert(strstr(turn.why, "roll back") == NULL);
	ck_assert(strstr(turn.why, "hold it") != NULL);
	ck_assert_int_eq(move_may_say(&w.move, MOVE_SAY_ROLLBACK, &e),
	    ERR_REFUSED);
	ck_assert_int_eq(move_may_say(&w.move, MOVE_SAY_HOLD, &e), ERR_NONE);
	for (int i = 0; i < 2; i++)
		w.town[i].facts.release_owner = NULL;
	say(&w, &w.town[1], MOVE_SAY_HOLD);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_HELD);
	for (int i = 0; i < 2; i++)
		w.town[i].facts.release_owner = "brent";
	run(&w);
	ck_assert(move_is_over(&w.move));
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
}
END_TEST

/* G17: B gives nothing back before A has kept what it came back with. */
START_TEST(on_the_way_back_the_old_site_keeps_its_own_data_first)
{
	struct world w;

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_RAN)
		ck_assert(step(&w, &w.town[1]));
	say(&w, &w.town[1], MOVE_SAY_ROLLBACK);
	w.town[1].facts.gate_passes = false;
	run(&w);
	ck_assert(w.move.a.fact[MOVE_STOPPED] != 0);
	ck_assert(w.move.a.fact[MOVE_DIVERGENCE] != 0);
	w.town[1].facts.gate_passes = true;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_ROLLED_BACK);
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
}
END_TEST

/* The write may be under way: an abort now could meet it at the other site. */
START_TEST(while_nobody_knows_what_came_of_a_swap_nothing_else_is_decided)
{
	struct move_turn turn;
	struct world w;

	request(&w, GUARDS_PLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_DEMOTED)
		if (!step(&w, &w.town[0]))
			ck_assert(step(&w, &w.town[1]));
	w.town[0].facts.swap_open = true;
	turn = turn_of(&w, &w.town[0]);
	ck_assert_int_eq(turn.event, MOVE_GRANTED);
	say(&w, &w.town[0], MOVE_SAY_ABORT);
	turn = turn_of(&w, &w.town[0]);
	ck_assert_int_eq(turn.act, MOVE_WAIT);
	ck_assert(!turn.changes_register);
	ck_assert(strstr(turn.why, "etcd") != NULL);
	say(&w, &w.town[0], MOVE_SAY_HOLD); /* what only stops goes on */
	ck_assert_int_eq(turn_of(&w, &w.town[0]).event, MOVE_HELD);
}
END_TEST

/* G14 asks both sites before it is given back. */
START_TEST(who_stopped_unheard_takes_the_register_up_when_it_hears)
{
	struct move_turn turn;
	struct world w;
	struct authority *a = &w.town[0].reg;
	struct err e;

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_RAN)
		ck_assert(step(&w, &w.town[1]));
	/* as its shell would, but that it hears nothing */
	tell(&w, &w.town[0],
	    (struct move_event){.stage = MOVE_INTENT, .act = MOVE_STOP});
	tell(&w, &w.town[0],
	    (struct move_event){.stage = MOVE_OUTCOME, .act = MOVE_STOP});
	say(&w, &w.town[0], MOVE_STOPPED);
	tell(&w, &w.town[0],
	    (struct move_event){.stage = MOVE_INTENT, .act = MOVE_CAPTURE});
	tell(&w, &w.town[0],
	    (struct move_event){.stage = MOVE_OUTCOME, .act = MOVE_CAPTURE});
	say(&w, &w.town[0], MOVE_DIVERGENCE);
	say(&w, &w.town[1], MOVE_SAY_ROLLBACK);
	ck_assert_uint_eq(a->epoch, 1);
	a->quarantined = true;
	w.town[0].facts.peer_answers = false;
	ck_assert_int_eq(turn_of(&w, &w.town[0]).act, MOVE_WAIT);
	w.town[0].facts.peer_answers = true;
	turn = turn_of(&w, &w.town[0]);
	ck_assert_int_eq(turn.event, MOVE_DIVERGENCE);
	ck_assert_int_eq(turn.reg.kind, AUTHORITY_ADOPT);
	ck_assert_int_eq(authority_next(a, &turn.reg, a, &e), ERR_NONE);
	say(&w, &w.town[0], turn.event);
	ck_assert_uint_eq(a->epoch, 2);
	ck_assert(!a->quarantined);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_ROLLED_BACK);
}
END_TEST

/* The owner's own word had ended the hold at the other site (A5). */
START_TEST(what_never_left_is_resolved_without_a_new_epoch)
{
	struct world w;

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (move_phase(&w.move) != MOVE_FENCED)
		ck_assert(step(&w, &w.town[1]));
	say(&w, &w.town[1], MOVE_SAY_HOLD);
	while (turn_of(&w, &w.town[1]).act != MOVE_WAIT)
		ck_assert(step(&w, &w.town[1]));
	for (int i = 0; i < 2; i++) {
		w.town[i].facts.release_owner = "brent";
		w.town[i].facts.release_persons = 2;
	}
	w.town[1].reg = w.town[0].reg;
	run(&w);
	ck_assert(move_is_over(&w.move));
	ck_assert_uint_eq(w.town[0].reg.epoch, 1);
	ck_assert(w.move.a.fact[MOVE_RESUMED] != 0);
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
}
END_TEST

/* Else both could name the same epoch their own. */
START_TEST(a_resolution_is_above_every_epoch_that_either_site_has_named)
{
	struct world w;
	struct move_turn turn;

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	say(&w, &w.town[0], MOVE_SAY_HOLD);
	while (move_phase(&w.move) != MOVE_RAN)
		ck_assert(step(&w, &w.town[1]));
	say(&w, &w.town[0], MOVE_HELD);
	tell(&w, &w.town[0],
	    (struct move_event){.stage = MOVE_INTENT, .act = MOVE_STOP});
	tell(&w, &w.town[0],
	    (struct move_event){.stage = MOVE_OUTCOME, .act = MOVE_STOP});
	say(&w, &w.town[0], MOVE_STOPPED);
	w.town[0].reg.state = AUTHORITY_HELD;
	w.town[0].facts.release_owner = "brent";
	w.town[0].facts.release_persons = 2;
	w.town[0].facts.attested = 2;
	turn = turn_of(&w, &w.town[0]);
	ck_assert_int_eq(turn.event, MOVE_STOPPED); /* it takes it up first */
	ck_assert_int_eq(turn.reg.kind, AUTHORITY_ADOPT);
	hear(&w, &w.town[0]);
	turn = turn_of(&w, &w.town[0]);
	ck_assert_int_eq(turn.event, MOVE_RESOLVED);
	ck_assert_uint_eq(turn.reg.epoch, 3);
}
END_TEST

/* The other site had heard of that epoch, and said so, before B came back. */
START_TEST(a_swap_is_taken_up_though_its_epoch_was_heard_of_since)
{
	struct world w;
	struct move_turn turn;

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	do {
		turn = turn_of(&w, &w.town[1]);
		if (turn.event != MOVE_TAKEN)
			ck_assert(step(&w, &w.town[1]));
	} while (turn.event != MOVE_TAKEN);
	ck_assert_uint_eq(turn.reg.epoch, 2);
	w.town[1].facts.witness_epoch = 2;
	w.town[1].facts.witness_owner = "southwark";
	w.town[1].reg.highest_seen = 2;
	say(&w, &w.town[0], MOVE_SAY_ABORT); /* too late */
	turn = turn_of(&w, &w.town[1]);
	ck_assert_int_eq(turn.event, MOVE_TAKEN);
	ck_assert_uint_eq(turn.reg.epoch, 2);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
}
END_TEST

/* Brent is told to hold, and has stopped, before it hears anything. */
static void
hold_unheard(struct world *w)
{
	struct town *brent = &w->town[0];
	struct authority_event hold = {.kind = AUTHORITY_HOLD, .run = "f1"};
	struct err e;

	request(w, GUARDS_UNPLANNED);
	say(w, &w->town[1], MOVE_STARTED);
	while (move_phase(&w->move) != MOVE_RAN)
		ck_assert(step(w, &w->town[1]));
	say(w, brent, MOVE_SAY_HOLD);
	ck_assert_int_eq(turn_of(w, brent).event, MOVE_HELD);
	ck_assert_int_eq(authority_next(&brent->reg, &hold, &brent->reg, &e),
	    ERR_NONE);
	say(w, brent, MOVE_HELD);
	tell(w, brent,
	    (struct move_event){.stage = MOVE_INTENT, .act = MOVE_STOP});
	tell(w, brent,
	    (struct move_event){.stage = MOVE_OUTCOME, .act = MOVE_STOP});
	say(w, brent, MOVE_STOPPED);
	brent->reg.quarantined = true; /* its daemon has started again */
	ck_assert_uint_eq(brent->reg.epoch, 1);
}

/* G14 of the two people's word asks for it, and nobody else would hear it. */
START_TEST(who_holds_takes_the_register_up_when_it_hears)
{
	struct move_turn turn;
	struct world w;
	struct town *brent = &w.town[0];
	struct err e;

	hold_unheard(&w);
	brent->facts.peer_answers = false;
	ck_assert_int_eq(turn_of(&w, brent).act, MOVE_WAIT);
	brent->facts.peer_answers = true;
	brent->facts.release_owner = "southwark"; /* said before it heard */
	brent->facts.release_persons = 2;
	turn = turn_of(&w, brent);
	ck_assert_int_eq(turn.event, MOVE_STOPPED);
	ck_assert_int_eq(turn.reg.kind, AUTHORITY_ADOPT);
	ck_assert_int_eq(authority_next(&brent->reg, &turn.reg, &brent->reg,
			     &e),
	    ERR_NONE);
	say(&w, brent, turn.event);
	ck_assert_uint_eq(brent->reg.epoch, 2);
	ck_assert(!brent->reg.quarantined);
	ck_assert_int_eq(move_phase(&w.move), MOVE_HELD); /* as ever */
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RESOLVED);
	ck_assert(authority_may_write(&w.town[1].reg, "southwark"));
}
END_TEST

/* What it has heard of that site is all that there ever will be. */
static void
take_back_from_a_lost_site(enum guards_mode mode)
{
	struct world w;
	struct town *brent = &w.town[0], *lost = &w.town[1];

	request(&w, mode);
	say(&w, lost, MOVE_STARTED);
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
	ck_assert_uint_eq(brent->reg.epoch, 2);
	brent->facts.peer_answers = false;
	say(&w, brent, MOVE_SAY_HOLD);
	while (step(&w, brent)) {
	}
	ck_assert_str_eq(turn_of(&w, brent).next, "bascule hold inspect f1");
	brent->facts.attested = 2;
	brent->facts.release_owner = "brent";
	brent->facts.release_persons = 2;
	while (step(&w, brent)) {
	}
	ck_assert(move_is_over(&w.move));
	ck_assert_uint_eq(brent->reg.epoch, 3);
	ck_assert(authority_may_write(&brent->reg, "brent"));
}

START_TEST(what_a_lost_site_had_is_taken_back_by_two_people)
{
	take_back_from_a_lost_site(GUARDS_UNPLANNED);
	take_back_from_a_lost_site(GUARDS_PLANNED);
}
END_TEST

/* Else it writes on between what is kept of it and the plan's restores. */
START_TEST(who_takes_to_itself_what_it_ran_has_stopped_first)
{
	struct move_turn turn;
	struct world w;
	struct town *there = &w.town[1];

	request(&w, GUARDS_UNPLANNED);
	say(&w, there, MOVE_STARTED);
	while (w.move.b.intent[MOVE_PLAN] == 0)
		ck_assert(step(&w, there));
	say(&w, there, MOVE_SAY_HOLD);
	ck_assert(step(&w, there));
	ck_assert(w.move.b.fact[MOVE_HELD] != 0);
	there->facts.attested = 2;
	there->facts.release_owner = "southwark";
	there->facts.release_persons = 2;
	turn = turn_of(&w, there);
	ck_assert_int_eq(turn.act, MOVE_STOP);
	run(&w);
	ck_assert(w.move.b.fact[MOVE_STOPPED] != 0);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RESOLVED);
	ck_assert(authority_may_write(&there->reg, "southwark"));
}
END_TEST

START_TEST(nothing_is_given_back_to_a_site_that_holds)
{
	struct move_turn turn;
	struct world w;
	struct town *there = &w.town[1];

	hold_unheard(&w);
	say(&w, there, MOVE_SAY_ROLLBACK);
	turn = turn_of(&w, there);
	ck_assert_int_eq(turn.act, MOVE_WAIT);
	ck_assert_int_eq(turn.whom, MOVE_PEOPLE);
	ck_assert(strstr(turn.why, "brent holds") != NULL);
	ck_assert_str_eq(turn.next, "bascule hold inspect f1");
	ck_assert(authority_may_write(&there->reg, "southwark"));
	for (int i = 0; i < 2; i++) {
		w.town[i].facts.release_owner = "brent";
		w.town[i].facts.release_persons = 2;
	}
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RESOLVED);
	ck_assert(authority_may_write(&w.town[0].reg, "brent"));
}
END_TEST

/* A daemon that has died may have asked it; the first look will say. */
START_TEST(what_etcd_may_have_been_asked_is_not_aborted_before_it_was_seen)
{
	struct move_turn turn;
	struct world w;
	struct town *there = &w.town[1];

	attest(&w);
	there->facts.attested = 0;
	there->facts.peer_answers = there->facts.peer_healthy = true;
	there->facts.quorum_lost = true;
	turn = turn_of(&w, there);
	ck_assert_int_eq(turn.act, MOVE_WAIT);
	ck_assert(strstr(turn.why, "etcd") != NULL);
	there->facts.quorum_lost = false;
	there->facts.witness_epoch = 1;
	there->facts.witness_owner = "brent";
	ck_assert_int_eq(turn_of(&w, there).event, MOVE_ABORTED);
	there->facts.witness_epoch = 2;
	there->facts.witness_owner = "southwark";
	there->facts.attested = 2;
	run(&w);
	ck_assert_int_eq(move_phase(&w.move), MOVE_RAN);
	ck_assert_uint_eq(there->reg.epoch, 2);
}
END_TEST

/* etcd had named the next epoch after all: neither may start. */
START_TEST(who_may_not_run_again_after_an_abort_says_what_to_do)
{
	struct move_turn turn;
	struct world w;
	struct town *brent = &w.town[0];

	request(&w, GUARDS_UNPLANNED);
	say(&w, &w.town[1], MOVE_STARTED);
	while (w.move.b.fact[MOVE_FENCED] == 0)
		ck_assert(step(&w, &w.town[1]));
	say(&w, brent, MOVE_SAY_ABORT);
	ck_assert(step(&w, &w.town[1]));
	ck_assert(w.move.b.fact[MOVE_ABORTED] != 0);
	brent->reg.highest_seen = 2;
	turn = turn_of(&w, brent);
	ck_assert_int_eq(turn.act, MOVE_WAIT);
	ck_assert_int_eq(turn.whom, MOVE_PEOPLE);
	ck_assert(turn.alarm);
	ck_assert_str_eq(turn.next, "bascule failover hold f1");
	say(&w, brent, MOVE_SAY_HOLD);
	for (int i = 0; i < 2; i++) {
		w.town[i].facts.release_owner = "brent";
		w.town[i].facts.release_persons = 2;
	}
	run(&w);
	ck_assert(move_is_over(&w.move));
	ck_assert_uint_eq(brent->reg.epoch, 3);
	ck_assert(authority_may_write(&brent->reg, "brent"));
}
END_TEST

Suite *suite_authority_move(void);

Suite *
suite_authority_move(void)
{
	Suite *s = suite_create("authority/move");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc,
	    while_nobody_knows_what_came_of_a_swap_nothing_else_is_decided);
	tcase_add_test(tc,
	    who_stopped_unheard_takes_the_register_up_when_it_hears);
	tcase_add_test(tc, who_holds_takes_the_register_up_when_it_hears);
	tcase_add_test(tc, what_a_lost_site_had_is_taken_back_by_two_people);
	tcase_add_test(tc, who_takes_to_itself_what_it_ran_has_stopped_first);
	tcase_add_test(tc, nothing_is_given_back_to_a_site_that_holds);
	tcase_add_test(tc,
	    what_etcd_may_have_been_asked_is_not_aborted_before_it_was_seen);
	tcase_add_test(tc,
	    who_may_not_run_again_after_an_abort_says_what_to_do);
	tcase_add_test(tc, what_never_left_is_resolved_without_a_new_epoch);
	tcase_add_test(tc,
	    a_resolution_is_above_every_epoch_that_either_site_has_named);
	tcase_add_test(tc,
	    a_swap_is_taken_up_though_its_epoch_was_heard_of_since);
	tcase_add_test(tc, a_planned_move_goes_through_all_its_phases);
	tcase_add_test(tc,
	    a_planned_move_rolls_back_to_the_old_site_at_the_next_epoch);
	tcase_add_test(tc,
	    an_unplanned_move_waits_for_what_was_lost_to_be_kept);
	tcase_add_test(tc, an_abort_before_the_grant_resumes_the_old_site);
	tcase_add_test(tc,
	    an_uncertain_demotion_is_read_back_and_held_when_nobody_knows);
	tcase_add_test(tc, a_demotion_that_did_not_happen_resumes);
	tcase_add_test(tc, an_act_that_fails_says_its_own_reason);
	tcase_add_test(tc, a_record_that_does_not_fit_is_refused);
	tcase_add_test(tc, the_order_of_two_ledgers_makes_no_difference);
	tcase_add_test(tc, a_clock_set_back_does_not_stop_a_retry);
	tcase_add_test(tc, in_quarantine_nothing_starts_promises_or_grants);
	tcase_add_test(tc, a_swap_in_etcd_that_nobody_recorded_stands);
	tcase_add_test(tc, a_register_ahead_of_its_record_is_not_moved_twice);
	tcase_add_test(tc, writes_that_cannot_be_stopped_end_the_move);
	tcase_add_test(tc, a_move_given_up_for_the_other_site_says_why);
	tcase_add_test(tc,
	    two_owners_of_one_epoch_freeze_and_two_people_decide);
	tcase_add_test(tc, the_loser_of_a_resolution_has_nothing_more_to_hold);
	tcase_add_test(tc,
	    an_old_attestation_takes_nothing_from_a_site_that_is_well);
	tcase_add_test(tc, an_old_attestation_is_asked_for_again_or_read_back);
	tcase_add_test(tc,
	    what_the_register_took_already_is_not_aborted_any_more);
	tcase_add_test(tc,
	    a_committed_move_is_not_protected_while_another_has_the_service);
	tcase_add_test(tc,
	    what_another_run_has_moved_is_given_up_and_the_fence_let_go);
	tcase_add_test(tc, what_another_run_holds_is_not_taken);
	tcase_add_test(tc,
	    a_site_that_cannot_run_what_it_was_given_gives_it_back);
	tcase_add_test(tc,
	    on_the_way_back_the_old_site_keeps_its_own_data_first);
	suite_add_tcase(s, tc);
	return s;
}
