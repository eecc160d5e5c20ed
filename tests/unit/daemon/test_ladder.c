/* The assurance ladder: what stands, what has expired, and why. */
#include "daemon/ladder.h"

#include <check.h>
#include <string.h>

#define DAY_NS (86400 * NS_PER_S)

static const struct policy_service service = {.name = "files",
    .failover = {.proof_within_ns = 30 * DAY_NS}};

static struct ladder_proof
proof(unsigned level, int64_t day, const char *plan)
{
	return (struct ladder_proof){.level = level,
	    .at = {day * DAY_NS},
	    .run = "job",
	    .plan = plan,
	    .policy = "policy"};
}

static void
see(struct ladder *l, unsigned level, int64_t day, const char *plan)
{
	struct ladder_proof p = proof(level, day, plan);

	ladder_see(l, &p);
}

static void
move(struct ladder *l, bool there, int64_t day, const char *plan)
{
	struct ladder_proof p = proof(7, day, plan);

	ladder_moved(l, there, &p);
}

static int
judge(struct ladder *l, int64_t day)
{
	ladder_judge(l, "plan", "policy", (struct utc){day * DAY_NS});
	return l->level;
}

START_TEST(the_highest_rung_that_stands_is_the_level)
{
	struct ladder l = {.service = &service, .site = "southwark"};

	ck_assert_int_eq(judge(&l, 100), -1);
	see(&l, 0, 100, "plan");
	see(&l, 2, 99, "plan");
	see(&l, 4, 80, "plan");
	ck_assert_int_eq(judge(&l, 100), 4);
	ck_assert_int_eq(l.rungs[3].state, LADDER_NONE);
	ck_assert_int_eq(l.rungs[4].expires.ns, 110 * DAY_NS);
}
END_TEST

START_TEST(age_ends_a_rung_and_nothing_else_of_the_ladder)
{
	struct ladder l = {.service = &service};

	see(&l, 0, 1, "plan");
	see(&l, 2, 99, "plan");
	see(&l, 4, 80, "plan");
	ck_assert_int_eq(judge(&l, 110), 4);
	ck_assert_int_eq(judge(&l, 111), 2);
	ck_assert_int_eq(l.rungs[4].state, LADDER_EXPIRED);
	ck_assert_int_eq(judge(&l, 1000), 0); /* what is written stays so */
}
END_TEST

START_TEST(another_plan_ends_it_until_it_is_proved_again)
{
	struct ladder l = {.service = &service};

	see(&l, 6, 99, "old plan");
	see(&l, 3, 99, ""); /* by the policy, where no plan is recorded */
	ck_assert_int_eq(judge(&l, 100), 3);
	ck_assert_int_eq(l.rungs[6].state, LADDER_CHANGED);
	ck_assert_str_eq(ladder_state_name(l.rungs[6].state),
	    "NEEDS VERIFY (plan)");
	see(&l, 6, 98, "plan"); /* older than what is known: not news */
	ck_assert_int_eq(judge(&l, 100), 3);
	see(&l, 6, 100, "plan");
	ck_assert_int_eq(judge(&l, 100), 6);
}
END_TEST

START_TEST(a_move_and_its_way_back_are_the_last_rung)
{
	struct ladder l = {.service = &service};

	move(&l, true, 90, "plan");
	ck_assert_int_eq(judge(&l, 100), -1);
	move(&l, false, 95, "plan");
	ck_assert_int_eq(judge(&l, 100), 7);
	/* It is as old as the older of the two. */
	ck_assert_int_eq(l.rungs[7].at.ns, 90 * DAY_NS);
	ck_assert_int_eq(judge(&l, 121), -1);
	move(&l, true, 119, "plan");
	ck_assert_int_eq(judge(&l, 121), 7);
	/* One of them with another plan proves no way back. */
	move(&l, false, 120, "another");
	ck_assert_int_eq(judge(&l, 121), -1);
	ck_assert_int_eq(l.rungs[7].state, LADDER_CHANGED);
}
END_TEST

START_TEST(no_single_record_claims_the_last_rung)
{
	struct ladder l = {.service = &service};

	see(&l, 7, 99, "plan");
	ck_assert_int_eq(judge(&l, 100), -1);
}
END_TEST

Suite *suite_daemon_ladder(void);

Suite *
suite_daemon_ladder(void)
{
	Suite *s = suite_create("daemon/ladder");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, the_highest_rung_that_stands_is_the_level);
	tcase_add_test(tc, age_ends_a_rung_and_nothing_else_of_the_ladder);
	tcase_add_test(tc, another_plan_ends_it_until_it_is_proved_again);
	tcase_add_test(tc, a_move_and_its_way_back_are_the_last_rung);
	tcase_add_test(tc, no_single_record_claims_the_last_rung);
	suite_add_tcase(s, tc);
	return s;
}
