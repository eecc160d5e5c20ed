#include "daemon/linkstate.h"

#include <check.h>

static const struct linkstate_rule rule = {3, 5};

static bool
probe(struct linkstate *l, bool answered, int64_t at)
{
	return linkstate_next(l, &rule, answered, (struct utc){at});
}

START_TEST(the_first_answer_means_up)
{
	struct linkstate l = {0};

	ck_assert(probe(&l, true, 7));
	ck_assert_int_eq(l.is, LINKSTATE_UP);
	ck_assert(l.since.ns == 7);
	ck_assert(!probe(&l, true, 8));
	ck_assert(l.since.ns == 7);
}
END_TEST

START_TEST(only_failures_in_a_row_take_it_down)
{
	struct linkstate l = {0};

	probe(&l, true, 1);
	for (int i = 0; i < 10; i++) {
		ck_assert(!probe(&l, false, 2));
		ck_assert(!probe(&l, false, 3));
		ck_assert(!probe(&l, true, 4)); /* starts the count again */
	}
	ck_assert(!probe(&l, false, 5));
	ck_assert(!probe(&l, false, 6));
	ck_assert(probe(&l, false, 7));
	ck_assert_int_eq(l.is, LINKSTATE_DOWN);
	ck_assert(l.since.ns == 7);
}
END_TEST

START_TEST(one_that_is_not_known_goes_down_after_as_many)
{
	struct linkstate l = {0};

	ck_assert(!probe(&l, false, 1));
	ck_assert(!probe(&l, false, 2));
	ck_assert(probe(&l, false, 3));
	ck_assert_int_eq(l.is, LINKSTATE_DOWN);
}
END_TEST

START_TEST(it_comes_back_only_after_up_after_answers)
{
	struct linkstate l = {LINKSTATE_DOWN, 0, {0}};

	for (int i = 0; i < 4; i++)
		ck_assert(!probe(&l, true, i));
	ck_assert(!probe(&l, false, 5)); /* flaps: from the beginning */
	for (int i = 0; i < 4; i++)
		ck_assert(!probe(&l, true, 6 + i));
	ck_assert(probe(&l, true, 10));
	ck_assert_int_eq(l.is, LINKSTATE_UP);
}
END_TEST

Suite *suite_daemon_linkstate(void);
Suite *
suite_daemon_linkstate(void)
{
	Suite *s = suite_create("daemon/linkstate");
	TCase *tc = tcase_create("linkstate");

	tcase_add_test(tc, the_first_answer_means_up);
	tcase_add_test(tc, only_failures_in_a_row_take_it_down);
	tcase_add_test(tc, one_that_is_not_known_goes_down_after_as_many);
	tcase_add_test(tc, it_comes_back_only_after_up_after_answers);
	suite_add_tcase(s, tc);
	return s;
}
