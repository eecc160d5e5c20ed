#include "daemon/budget.h"

#include <bascule/policy.h>
#include <check.h>

#define HOUR_NS (3600 * NS_PER_S)
#define MBIT    (UINT64_C(1000000) / 8)

static struct policy_limit limits[2];
static struct policy_link l;
static struct zone *london;

static struct utc
at(const char *text)
{
	struct utc t;
	struct err e;

	ck_assert_int_eq(civil_parse_utc(text, &t, &e), ERR_NONE);
	return t;
}

static void
limit(size_t i, const char *window, uint64_t rate)
{
	struct err e;

	ck_assert_int_eq(window_parse(&limits[i].window, window, &e), ERR_NONE);
	limits[i].zone = london;
	limits[i].rate_bytes_per_s = rate;
	l.limit_count = i + 1;
}

static void
setup(void)
{
	struct err e;

	ck_assert_int_eq(zone_load(&london, ZONE_DIR, "Europe/London", &e),
	    ERR_NONE);
	l = (struct policy_link){.name = "virgin",
	    .bandwidth_bytes_per_s = 400 * MBIT,
	    .limits = limits};
}

static void
teardown(void)
{
	zone_free(&london);
}

START_TEST(the_lowest_of_what_holds_is_the_rate)
{
	limit(0, "Mon-Fri 08:00-18:00 Europe/London", 150 * MBIT);
	limit(1, "12:00-13:00 Europe/London", 50 * MBIT);
	ck_assert_uint_eq(budget_rate(&l, at("2026-11-23T07:59:59.999Z")),
	    400 * MBIT);
	ck_assert_uint_eq(budget_rate(&l, at("2026-11-23T08:00:00Z")),
	    150 * MBIT);
	ck_assert_uint_eq(budget_rate(&l, at("2026-11-23T12:30:00Z")),
	    50 * MBIT);
	ck_assert_uint_eq(budget_rate(&l, at("2026-11-22T12:30:00Z")),
	    50 * MBIT);
	ck_assert_uint_eq(budget_rate(&l, at("2026-11-23T18:00:00Z")),
	    400 * MBIT);
}
END_TEST

static void
changes(const char *from, const char *when)
{
	struct utc until;

	ck_assert(budget_until(&l, at(from), &until));
	ck_assert(until.ns == at(when).ns);
}

START_TEST(it_says_until_when_over_nights_and_clock_changes)
{
	struct utc until;

	limit(0, "22:00-06:00 Europe/London", 10 * MBIT);
	changes("2026-11-22T12:00:00Z", "2026-11-22T22:00:00Z");
	changes("2026-11-22T22:00:00Z", "2026-11-23T06:00:00Z");
	/* The night the clocks go forward is an hour shorter. */
	changes("2027-03-27T22:30:00Z", "2027-03-28T05:00:00Z");
	changes("2027-10-30T21:30:00Z", "2027-10-31T06:00:00Z");
	limit(0, "Mon-Fri 08:00-18:00 Europe/London", 150 * MBIT);
	changes("2026-11-20T18:00:00Z", "2026-11-23T08:00:00Z");
	l.limit_count = 0;
	ck_assert(!budget_until(&l, at("2026-11-20T18:00:00Z"), &until));
}
END_TEST

static uint64_t
sum(const uint64_t *shares, size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += shares[i];
	return all;
}

START_TEST(one_alone_gets_all_and_equals_get_as_much)
{
	uint64_t shares[4],
	    all[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	uint64_t little = 5;

	budget_deal(1000, all, shares, 1);
	ck_assert_uint_eq(shares[0], 1000);
	budget_deal(1000, &little, shares, 1);
	ck_assert_uint_eq(shares[0], 1000);
	budget_deal(1000, all, shares, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(shares[i], 250);
}
END_TEST

START_TEST(what_one_does_not_want_the_others_get)
{
	uint64_t shares[3], wants[3] = {100, UINT64_MAX, UINT64_MAX};

	budget_deal(1000, wants, shares, 3);
	ck_assert_uint_eq(shares[0], 100);
	ck_assert_uint_eq(shares[1], 450);
	ck_assert_uint_eq(shares[2], 450);
}
END_TEST

START_TEST(the_sum_is_never_above_the_rate_and_nobody_starves)
{
	uint64_t seed = 42;

	for (int round = 0; round < 2000; round++) {
		uint64_t wants[16], shares[16], rate;
		bool greedy = false;
		size_t n;

		seed = seed * UINT64_C(6364136223846793005) + 1;
		n = 1 + (seed >> 40) % 16;
		rate = 1000 + (seed >> 33) % 100000000;
		for (size_t i = 0; i < n; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1;
			wants[i] = (seed >> 60) < 4
			    ? UINT64_MAX
			    : budget_want(rate, rate / n, (seed >> 33) % rate);
			greedy = greedy || wants[i] == UINT64_MAX;
		}
		budget_deal(rate, wants, shares, n);
		ck_assert_uint_le(sum(shares, n), rate);
		ck_assert_uint_ge(sum(shares, n), rate - n);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_ge(shares[i],
			    rate / n < rate / 16 ? rate / n : rate / 16);
	}
}
END_TEST

START_TEST(who_uses_its_share_wants_more)
{
	ck_assert_uint_eq(budget_want(1000, 500, 450), UINT64_MAX);
	ck_assert_uint_eq(budget_want(1000, 500, 100), 200);
	ck_assert_uint_eq(budget_want(1000, 500, 0), 1000 / 16);
}
END_TEST

START_TEST(the_end_is_foretold_through_the_windows)
{
	struct utc from = at("2026-11-23T17:00:00Z"), done;

	/* No window: bytes by rate; what was measured counts if it is less. */
	done = budget_done(&l, 400 * MBIT * 600, 0, from);
	ck_assert(done.ns == at("2026-11-23T17:10:00Z").ns);
	done = budget_done(&l, 400 * MBIT * 600, 200 * MBIT, from);
	ck_assert(done.ns == at("2026-11-23T17:20:00Z").ns);
	/* An hour at 150, then half an hour at 400. */
	limit(0, "Mon-Fri 08:00-18:00 Europe/London", 150 * MBIT);
	done = budget_done(&l, (150 * 3600 + 400 * 1800) * MBIT, 0, from);
	ck_assert(done.ns > at("2026-11-23T18:29:59Z").ns);
	ck_assert(done.ns < at("2026-11-23T18:30:01Z").ns);
	ck_assert(budget_done(&l, 0, 0, from).ns == from.ns);
	/* More than anybody can wait for ends all the same. */
	ck_assert(budget_done(&l, UINT64_MAX, 1, from).ns > from.ns);
	ck_assert(budget_done(NULL, 1, 0, from).ns == 0);
}
END_TEST

Suite *suite_daemon_budget(void);
Suite *
suite_daemon_budget(void)
{
	Suite *s = suite_create("daemon/budget");
	TCase *tc = tcase_create("budget");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_lowest_of_what_holds_is_the_rate);
	tcase_add_test(tc, it_says_until_when_over_nights_and_clock_changes);
	tcase_add_test(tc, one_alone_gets_all_and_equals_get_as_much);
	tcase_add_test(tc, what_one_does_not_want_the_others_get);
	tcase_add_test(tc, the_sum_is_never_above_the_rate_and_nobody_starves);
	tcase_add_test(tc, who_uses_its_share_wants_more);
	tcase_add_test(tc, the_end_is_foretold_through_the_windows);
	suite_add_tcase(s, tc);
	return s;
}
