#include "daemon/arrivals.h"

#include <check.h>

#define WITHIN (60 * NS_PER_S)

static struct arrivals_known k;

static void
setup(void)
{
	k = (struct arrivals_known){.here = {100},
	    .there = {200},
	    .is_heard = true,
	    .within_ns = WITHIN};
}

static bool
is_due(int64_t now_ns)
{
	return arrivals_judge_due(&k, (struct mono){now_ns});
}

START_TEST(a_newer_point_there_is_fetched_at_once_and_no_older_one)
{
	ck_assert(is_due(1));
	k.there.ns = 100;
	ck_assert(!is_due(1));
	ck_assert(!is_due(1000 * WITHIN));
	k.there.ns = 0;
	ck_assert(!is_due(1));
}
END_TEST

START_TEST(what_did_not_come_is_tried_again_after_a_while)
{
	k.pulled.ns = 10 * WITHIN;
	k.pulled_for.ns = 200;
	ck_assert(!is_due(10 * WITHIN + 1));
	ck_assert(!is_due(10 * WITHIN + WITHIN / 2 - 1));
	ck_assert(is_due(10 * WITHIN + WITHIN / 2));
	k.there.ns = 300; /* and there is another one */
	ck_assert(is_due(10 * WITHIN + 1));
}
END_TEST

START_TEST(where_nothing_is_heard_it_is_looked_often_enough)
{
	k.is_heard = false;
	k.there.ns = 0;
	ck_assert(is_due(1));
	k.pulled.ns = 10 * WITHIN;
	ck_assert(!is_due(10 * WITHIN + 1));
	ck_assert(is_due(10 * WITHIN + WITHIN / 2));
}
END_TEST

Suite *suite_daemon_arrivals(void);
Suite *
suite_daemon_arrivals(void)
{
	Suite *s = suite_create("daemon/arrivals");
	TCase *tc = tcase_create("arrivals");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc,
	    a_newer_point_there_is_fetched_at_once_and_no_older_one);
	tcase_add_test(tc, what_did_not_come_is_tried_again_after_a_while);
	tcase_add_test(tc, where_nothing_is_heard_it_is_looked_often_enough);
	suite_add_tcase(s, tc);
	return s;
}
