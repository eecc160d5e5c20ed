#include <bascule/authority.h>

#include <check.h>
#include <stdio.h>

/* We are brent, and own epoch 1; what is heard says southwark, epoch 2. */
struct ear {
	struct authority reg, heard;
	struct hearing h;
	struct hearing_of of;
};

static void
begin(struct ear *e)
{
	*e = (struct ear){.reg = {.state = AUTHORITY_PROTECTED,
			      .site = "brent",
			      .epoch = 1,
			      .highest_seen = 1},
	    .heard = {.state = AUTHORITY_PROVISIONAL,
		.site = "southwark",
		.epoch = 2,
		.highest_seen = 2}};
	e->of.reg = &e->reg;
	e->of.heard = &e->heard;
	e->of.here = "brent";
	e->of.now.ns = NS_PER_S;
}

static enum hearing_act
next(struct ear *e)
{
	const struct authority *adopt;
	enum hearing_act act = hearing_next(&e->h, &e->of, &adopt);

	if (act == HEARING_FREEZE) {
		e->reg.quarantined = true;
		e->reg.highest_seen = e->heard.epoch;
	}
	return act;
}

START_TEST(what_is_taken_away_is_fenced_before_it_is_adopted)
{
	struct ear e;

	begin(&e);
	ck_assert_int_eq(next(&e), HEARING_FREEZE);
	ck_assert_int_eq(next(&e), HEARING_FENCE);
	hearing_begun(&e.h);
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	hearing_ended(&e.h, false, e.of.now);
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	e.of.now.ns += HEARING_AGAIN_NS;
	ck_assert_int_eq(next(&e), HEARING_FENCE);
	hearing_begun(&e.h);
	hearing_ended(&e.h, true, e.of.now);
	ck_assert_int_eq(next(&e), HEARING_ADOPT);
	ck_assert(hearing_drop(&e.h));
	ck_assert(!hearing_drop(&e.h));
}
END_TEST

START_TEST(two_people_stand_for_the_proof_and_one_does_not)
{
	struct ear e;

	begin(&e);
	e.of.released = 1;
	ck_assert_int_eq(next(&e), HEARING_FREEZE);
	ck_assert_int_eq(next(&e), HEARING_FENCE);
	hearing_begun(&e.h);
	e.of.released = 2;
	ck_assert_int_eq(next(&e), HEARING_ADOPT);
}
END_TEST

START_TEST(what_a_move_sees_to_is_left_to_it)
{
	struct ear e;

	begin(&e);
	ck_assert_int_eq(next(&e), HEARING_FREEZE);
	e.of.is_a_moves = true;
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	ck_assert_uint_eq(e.h.epoch, 0);
}
END_TEST

/* Its turns wait for the taker's ledger, and etcd was heard before that. */
START_TEST(what_etcd_says_is_taken_does_not_start_here_any_more)
{
	struct ear e;

	begin(&e);
	e.of.is_a_moves = true;
	e.of.is_taken = true;
	ck_assert_int_eq(next(&e), HEARING_NOTHING); /* the taker said it */
	e.of.is_witness = true;
	ck_assert_int_eq(next(&e), HEARING_FREEZE);
	ck_assert(!authority_may_write(&e.reg, "brent"));
	ck_assert_int_eq(next(&e), HEARING_NOTHING); /* now it is its turns' */
	e.reg.quarantined = false;
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
}
END_TEST

/* etcd may be ahead of the copy of the other's ledger, and both are heard. */
START_TEST(older_news_does_not_make_a_proved_fence_begin_anew)
{
	struct ear e;

	begin(&e);
	e.heard.epoch = e.heard.highest_seen = 3;
	ck_assert_int_eq(next(&e), HEARING_FREEZE);
	ck_assert_int_eq(next(&e), HEARING_FENCE);
	hearing_begun(&e.h);
	hearing_ended(&e.h, true, e.of.now);
	e.heard.epoch = 2;
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	e.heard.epoch = 3;
	ck_assert_int_eq(next(&e), HEARING_ADOPT);
	/* newer news does */
	e.heard.epoch = e.heard.highest_seen = 4;
	ck_assert_int_eq(next(&e), HEARING_FREEZE);
	ck_assert_int_eq(next(&e), HEARING_FENCE);
}
END_TEST

START_TEST(quarantine_ends_when_the_same_is_heard_and_not_while_stepping_down)
{
	struct ear e;

	begin(&e);
	ck_assert_int_eq(next(&e), HEARING_FREEZE);
	ck_assert_int_eq(next(&e), HEARING_FENCE);
	e.heard = e.reg; /* the other says what it said before */
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	hearing_drop(&e.h);
	ck_assert_int_eq(next(&e), HEARING_ADOPT);
	e.reg.quarantined = false;
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
}
END_TEST

START_TEST(etcd_says_whose_an_epoch_is_and_not_how_it_is)
{
	const struct authority *adopt;
	struct ear e;

	begin(&e);
	e.of.is_witness = true;
	e.heard = (struct authority){.state = AUTHORITY_MOVING,
	    .site = "brent",
	    .epoch = 1,
	    .highest_seen = 1};
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	e.reg.quarantined = true;
	ck_assert_int_eq(hearing_next(&e.h, &e.of, &adopt), HEARING_ADOPT);
	ck_assert_ptr_eq(adopt, &e.reg);
	/* what is behind is no news; what a move brings is for its turns */
	e.reg.quarantined = false;
	e.reg.epoch = e.reg.highest_seen = 5;
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	snprintf(e.reg.site, sizeof(e.reg.site), "southwark");
	snprintf(e.heard.site, sizeof(e.heard.site), "southwark");
	e.heard.epoch = e.heard.highest_seen = 6;
	e.of.is_a_moves = true;
	ck_assert_int_eq(next(&e), HEARING_NOTHING);
	e.of.is_a_moves = false;
	ck_assert_int_eq(next(&e), HEARING_ADOPT);
}
END_TEST

/* --- whose matter it is --------------------------------------------------------- */

static void
fold(struct move *m, const char *site, uint64_t row, struct move_event ev)
{
	struct err e = {0};

	ev.site = site;
	ev.row = row;
	ck_assert_msg(move_fold(m, &ev, &e) == ERR_NONE, "%s", e.text);
}

START_TEST(a_request_that_nobody_started_settles_nothing)
{
	struct move m = {0};

	fold(&m, "southwark", 1,
	    (struct move_event){.kind = MOVE_REQUESTED,
		.run = "f1",
		.service = "housing",
		.from = "brent",
		.to = "southwark",
		.mode = GUARDS_UNPLANNED});
	ck_assert(!move_settles(&m, "brent"));
	fold(&m, "southwark", 2, (struct move_event){.kind = MOVE_STARTED});
	ck_assert(move_settles(&m, "brent"));
	ck_assert(!move_settles(&m, "lewisham"));
	fold(&m, "southwark", 3, (struct move_event){.kind = MOVE_DECLARED});
	fold(&m, "southwark", 4, (struct move_event){.kind = MOVE_FENCED});
	fold(&m, "southwark", 5, (struct move_event){.kind = MOVE_TAKEN});
	fold(&m, "southwark", 6, (struct move_event){.kind = MOVE_PROVISIONAL});
	fold(&m, "southwark", 7, (struct move_event){.kind = MOVE_COMMITTED});
	ck_assert(move_is_over(&m));
	ck_assert(move_settles(&m, "brent")); /* it was away, and comes back */
	ck_assert(!move_settles(&m, "southwark"));
	fold(&m, "brent", 1, (struct move_event){.kind = MOVE_STOPPED});
	ck_assert(!move_settles(&m, "brent"));
}
END_TEST

Suite *suite_authority_hearing(void);

Suite *
suite_authority_hearing(void)
{
	Suite *s = suite_create("authority/hearing");
	TCase *t = tcase_create("hearing");

	tcase_add_test(t, what_is_taken_away_is_fenced_before_it_is_adopted);
	tcase_add_test(t, two_people_stand_for_the_proof_and_one_does_not);
	tcase_add_test(t, what_a_move_sees_to_is_left_to_it);
	tcase_add_test(t, what_etcd_says_is_taken_does_not_start_here_any_more);
	tcase_add_test(t, older_news_does_not_make_a_proved_fence_begin_anew);
	tcase_add_test(t,
	    quarantine_ends_when_the_same_is_heard_and_not_while_stepping_down);
	tcase_add_test(t, etcd_says_whose_an_epoch_is_and_not_how_it_is);
	tcase_add_test(t, a_request_that_nobody_started_settles_nothing);
	suite_add_tcase(s, t);
	return s;
}
