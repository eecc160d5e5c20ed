#include "daemon/transactions.h"

#include <check.h>
#include <string.h>

#include "../ledger/make.h"

static struct make m;
static struct policy_dataset datasets[3];
static struct policy_service service;
static struct policy policy;
static struct daemon d;

static void
setup(void)
{
	static const char *const argv[] = {"count", NULL};

	make_setup(&m);
	datasets[0] = (struct policy_dataset){.name = "a", .count = {argv, 1}};
	datasets[1] = (struct policy_dataset){.name = "b", .count = {argv, 1}};
	datasets[2] = (struct policy_dataset){.name = "quiet"};
	service = (struct policy_service){.name = "housing",
	    .datasets = datasets,
	    .dataset_count = 3};
	policy = (struct policy){.site = "brent",
	    .services = &service,
	    .service_count = 1};
	d = (struct daemon){.policy = &policy, .ledger = m.l};
}

static void
teardown(void)
{
	make_teardown(&m);
}

/* NULL: it was not counted. */
static void
point(const char *id, const char *a, const char *b)
{
	make_append(&m,
	    a == NULL ? make_draft("brent", LEDGER_POINT, "point", id,
			    "@service", "housing", "complete", "1", NULL)
		: b == NULL
		? make_draft("brent", LEDGER_POINT, "point", id, "@service",
		      "housing", "count.a", a, NULL)
		: make_draft("brent", LEDGER_POINT, "point", id, "@service",
		      "housing", "count.a", a, "count.b", b, NULL));
}

static void
look(struct transactions *t)
{
	struct err e = {0};

	ck_assert_msg(transactions_read(&d, "housing", "brent", t, &e) ==
		ERR_NONE,
	    "%s", e.text);
}

START_TEST(what_lies_between_two_points_is_the_difference_of_their_sums)
{
	static struct transactions t;

	point("p1", "10", "5");
	point("p2", "12", "8");
	look(&t);
	ck_assert_int_eq(transactions_at(&t, "p1"), 15);
	ck_assert_int_eq(transactions_at(&t, "p2"), 20);
	ck_assert_int_eq(transactions_between(&t, "p1", "p2"), 5);
	ck_assert_int_eq(transactions_between(&t, "p1", NULL), 5);
	ck_assert_int_eq(transactions_between(&t, "p2", NULL), 0);
}
END_TEST

START_TEST(a_point_that_was_not_wholly_counted_has_no_number)
{
	static const char *const ids[] = {"p1", "p2", "p3", "p4"};
	static struct transactions t;

	point("p1", "10", NULL);
	point("p2", NULL, NULL);
	point("p3", "9223372036854775807", "1"); /* no sum */
	point("p4", "-1", "1");
	look(&t);
	ck_assert_int_eq(t.newest, -1);
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		ck_assert_int_eq(transactions_at(&t, ids[i]), -1);
	ck_assert_int_eq(transactions_between(&t, "p1", NULL), -1);
}
END_TEST

START_TEST(a_count_that_went_back_says_nothing)
{
	static struct transactions t;

	point("p1", "10", "5");
	point("p2", "0", "1");
	look(&t);
	ck_assert_int_eq(transactions_between(&t, "p1", "p2"), -1);
	ck_assert_int_eq(transactions_between(&t, "p1", NULL), -1);
	ck_assert_int_eq(transactions_at(&t, "p2"), 1);
}
END_TEST

START_TEST(of_very_many_points_the_newest_are_known)
{
	static struct transactions t;
	char id[16], n[16];

	for (int i = 0; i < TRANSACTIONS_POINTS_MAX + 3; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		snprintf(n, sizeof(n), "%d", i);
		point(id, n, "0");
	}
	look(&t);
	ck_assert_int_eq(transactions_at(&t, "p2"), -1);
	ck_assert_int_eq(transactions_at(&t, "p3"), 3);
	ck_assert_int_eq(transactions_at(&t, id), TRANSACTIONS_POINTS_MAX + 2);
	ck_assert_int_eq(t.newest, TRANSACTIONS_POINTS_MAX + 2);
}
END_TEST

START_TEST(where_nothing_counts_nothing_is_read)
{
	static struct transactions t;

	point("p1", "10", "5");
	service.dataset_count = 0;
	look(&t);
	ck_assert_int_eq(t.newest, -1);
	ck_assert_uint_eq(t.count, 0);
}
END_TEST

Suite *suite_daemon_transactions(void);

Suite *
suite_daemon_transactions(void)
{
	Suite *s = suite_create("daemon/transactions");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    what_lies_between_two_points_is_the_difference_of_their_sums);
	tcase_add_test(tc, a_point_that_was_not_wholly_counted_has_no_number);
	tcase_add_test(tc, a_count_that_went_back_says_nothing);
	tcase_add_test(tc, of_very_many_points_the_newest_are_known);
	tcase_add_test(tc, where_nothing_counts_nothing_is_read);
	suite_add_tcase(s, tc);
	return s;
}
