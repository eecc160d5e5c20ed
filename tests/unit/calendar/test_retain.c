#include <bascule/calendar.h>

#include <check.h>
#include <string.h>

#define HOUR_NS (3600 * NS_PER_S)
#define DAY_NS  (24 * HOUR_NS)
#define MAX     4000

static struct utc
at(const char *text)
{
	struct err e = {0};
	struct utc t;

	ck_assert_msg(civil_parse_utc(text, &t, &e) == ERR_NONE, "%s", e.text);
	return t;
}

static size_t
kept(const struct retain_point *p, size_t n, uint32_t reason)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += (p[i].reasons & reason) != 0;
	return count;
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

START_TEST(each_rule_keeps_the_newest_of_its_buckets)
{
	static struct retain_point p[MAX];
	struct retain_rule rule = {.last = 4,
	    .hourly = 48,
	    .daily = 14,
	    .weekly = 8,
	    .monthly = 12,
	    .yearly = 7};
	struct utc now = at("2026-11-22T00:10:00Z");

	/* half-hourly for 83 days, the newest at midnight */
	for (size_t i = 0; i < MAX; i++) {
		p[i] = (struct retain_point){.sequence = MAX - i};
		p[i].at.ns = at("2026-11-22").ns - (int64_t)i * HOUR_NS / 2;
	}
	retain_judge(p, MAX, &rule, now);
	ck_assert_uint_eq(p[0].sequence, 1); /* in order now */
	ck_assert_uint_eq(kept(p, MAX, RETAIN_LAST), 4);
	ck_assert_uint_eq(kept(p, MAX, RETAIN_HOURLY), 48);
	ck_assert_uint_eq(kept(p, MAX, RETAIN_DAILY), 14);
	ck_assert_uint_eq(kept(p, MAX, RETAIN_WEEKLY), 8);
	ck_assert_uint_eq(kept(p, MAX, RETAIN_MONTHLY), 4); /* Aug on */
	ck_assert_uint_eq(kept(p, MAX, RETAIN_YEARLY), 1);
	/* the newest of 21 November is that of 23:30, of the day before too */
	ck_assert(p[MAX - 2].reasons & RETAIN_DAILY);
	ck_assert(p[MAX - 2 - 48].reasons & RETAIN_DAILY);
	ck_assert(!(p[MAX - 3].reasons & RETAIN_DAILY));
}
END_TEST

START_TEST(weeks_begin_on_monday)
{
	struct retain_point p[] = {
	    {.sequence = 1, .at = at("2026-11-15T23:00:00Z")}, /* Sunday */
	    {.sequence = 2, .at = at("2026-11-16T01:00:00Z")}, /* Monday */
	    {.sequence = 3, .at = at("2026-11-22T23:00:00Z")}, /* Sunday */
	};
	struct retain_rule rule = {.weekly = 5};

	retain_judge(p, 3, &rule, at("2026-11-23"));
	ck_assert_uint_eq(p[0].reasons, RETAIN_WEEKLY);
	ck_assert_uint_eq(p[1].reasons, 0);
	ck_assert_uint_eq(p[2].reasons, RETAIN_WEEKLY);
}
END_TEST

START_TEST(empty_buckets_use_up_nothing)
{
	struct retain_point p[] = {
	    {.sequence = 1, .at = at("2020-01-01")},
	    {.sequence = 2, .at = at("2023-01-01")},
	    {.sequence = 3, .at = at("2026-01-01")},
	};
	struct retain_rule rule = {.daily = 2};

	retain_judge(p, 3, &rule, at("2026-11-22"));
	ck_assert_uint_eq(p[0].reasons, 0);
	ck_assert_uint_eq(p[1].reasons, RETAIN_DAILY);
	ck_assert_uint_eq(p[2].reasons, RETAIN_DAILY);
}
END_TEST

START_TEST(a_point_from_the_future_steals_nothing_and_stays)
{
	struct retain_point p[] = {
	    {.sequence = 1, .at = at("2026-11-21T10:00:00Z")},
	    {.sequence = 2, .at = at("2026-11-21T11:00:00Z")},
	    {.sequence = 3, .at = at("2027-11-21T11:00:00Z")},
	    {.sequence = 4, .at = at("2026-11-21T12:04:00Z")},
	};
	struct retain_rule rule = {.last = 1, .yearly = 1};

	retain_judge(p, 4, &rule, at("2026-11-21T12:00:00Z"));
	ck_assert_uint_eq(p[0].reasons, 0);
	ck_assert_uint_eq(p[1].reasons, 0);
	ck_assert_uint_eq(p[2].reasons, RETAIN_FUTURE);
	ck_assert_uint_eq(p[3].reasons, RETAIN_LAST | RETAIN_YEARLY);
}
END_TEST

START_TEST(last_goes_by_the_sequence_not_by_the_clock)
{
	struct retain_point p[] = {
	    {.sequence = 1, .at = at("2026-11-21T11:00:00Z")},
	    {.sequence = 2, .at = at("2026-11-21T09:00:00Z")}, /* set back */
	};
	struct retain_rule rule = {.last = 1, .daily = 1};

	retain_judge(p, 2, &rule, at("2026-11-21T12:00:00Z"));
	ck_assert_uint_eq(p[0].reasons, 0);
	ck_assert_uint_eq(p[1].reasons, RETAIN_LAST | RETAIN_DAILY);
}
END_TEST

START_TEST(the_only_verified_point_stays)
{
	struct retain_point p[] = {
	    {.sequence = 1, .at = {1}, .flags = RETAIN_IS_VERIFIED},
	    {.sequence = 2, .at = {2}, .flags = RETAIN_IS_VERIFIED},
	    {.sequence = 3, .at = {3}},
	    {.sequence = 4, .at = {4}},
	};
	struct retain_rule rule = {.last = 1};

	retain_judge(p, 4, &rule, at("2026-11-21"));
	ck_assert_uint_eq(p[0].reasons, 0);
	ck_assert_uint_eq(p[1].reasons, RETAIN_ONLY_VERIFIED);
	ck_assert_uint_eq(p[2].reasons, 0);
	p[3].flags = RETAIN_IS_VERIFIED;
	retain_judge(p, 4, &rule, at("2026-11-21"));
	ck_assert_uint_eq(p[1].reasons, 0);
}
END_TEST

START_TEST(pins_and_holds_stay_whatever_the_rule)
{
	struct retain_point p[] = {
	    {.sequence = 1, .at = {1}, .flags = RETAIN_IS_PREFAILOVER},
	    {.sequence = 2, .at = {2}, .flags = RETAIN_IS_HELD},
	    {.sequence = 3, .at = {3}},
	};
	struct retain_rule rule = {.last = 1};

	retain_judge(p, 3, &rule, at("2026-11-21"));
	ck_assert_uint_eq(p[0].reasons, RETAIN_PREFAILOVER);
	ck_assert_uint_eq(p[1].reasons, RETAIN_HELD);
	ck_assert_uint_eq(p[2].reasons, RETAIN_LAST);
}
END_TEST

START_TEST(within_keeps_all_that_is_young_and_never_empties_a_series)
{
	struct utc now = at("2026-11-21");
	struct retain_point p[] = {
	    {.sequence = 1, .at = {now.ns - 8 * DAY_NS}, .age_ns = 8 * DAY_NS},
	    {.sequence = 2, .at = {now.ns - 7 * DAY_NS}, .age_ns = 7 * DAY_NS},
	    {.sequence = 3, .at = {now.ns - 1}, .age_ns = 1},
	};
	struct retain_rule rule = {.within_ns = 7 * DAY_NS};

	retain_judge(p, 3, &rule, now);
	ck_assert_uint_eq(p[0].reasons, 0);
	ck_assert_uint_eq(p[1].reasons, RETAIN_WITHIN);
	ck_assert_uint_eq(p[2].reasons, RETAIN_WITHIN);
	now.ns += 365 * DAY_NS; /* a year passes: the last one stays */
	for (size_t i = 0; i < 3; i++)
		p[i].age_ns += 365 * DAY_NS;
	retain_judge(p, 3, &rule, now);
	ck_assert_uint_eq(p[1].reasons, 0);
	ck_assert_uint_eq(p[2].reasons, RETAIN_NEVER_EMPTY);
}
END_TEST

START_TEST(a_clock_that_leaps_or_goes_back_lets_nothing_go)
{
	struct utc now = at("2026-11-21");
	struct retain_rule rule = {.within_ns = 7 * DAY_NS};

	for (int64_t leap = -3650; leap <= 3650; leap += 3650) {
		struct retain_point p[] = {
		    {.sequence = 1,
			.at = {now.ns - 6 * DAY_NS},
			.age_ns = 5 * DAY_NS}, /* it was off for a day */
		    {.sequence = 2,
			.at = {now.ns - 3650 * DAY_NS}, /* wrong then */
			.age_ns = 4 * DAY_NS},
		    {.sequence = 3, .at = {now.ns - DAY_NS}, .age_ns = DAY_NS},
		};

		retain_judge(p, 3, &rule, (struct utc){now.ns + leap * DAY_NS});
		ck_assert_uint_eq(kept(p, 3, ~0u), 3);
	}
}
END_TEST

START_TEST(an_empty_rule_keeps_everything)
{
	struct retain_point p[] = {{.sequence = 1}, {.sequence = 2}};
	struct retain_rule rule = {0};

	retain_judge(p, 2, &rule, at("2026-11-21"));
	ck_assert_uint_eq(kept(p, 2, RETAIN_NO_RULE), 2);
	retain_judge(p, 0, &rule, at("2026-11-21"));
}
END_TEST

/*
 * What must hold of any history.  And judging the survivors again changes
 * nothing: pruning twice is pruning once.
 */
START_TEST(any_history_keeps_its_promises)
{
	uint32_t seed = 2026;

	for (int round = 0; round < 400; round++) {
		struct retain_point p[60];
		struct retain_point q[60];
		size_t n = 1 + next_random(&seed) % 60, left = 0;
		struct utc now = at("2026-11-21");
		struct retain_rule rule = {.last = next_random(&seed) % 3,
		    .hourly = next_random(&seed) % 4,
		    .daily = next_random(&seed) % 4,
		    .monthly = next_random(&seed) % 3,
		    .within_ns = next_random(&seed) % 3 * HOUR_NS};
		bool any_verified = false;

		rule.last +=
		    memcmp(&rule, &(struct retain_rule){0}, sizeof(rule)) == 0;
		for (size_t i = 0; i < n; i++) {
			p[i] = (struct retain_point){.sequence = i,
			    .at = {now.ns + DAY_NS -
				(int64_t)(next_random(&seed) % 2000) * HOUR_NS},
			    .flags = next_random(&seed) % 16 == 0};
			p[i].age_ns = now.ns - p[i].at.ns;
			any_verified |= p[i].flags && p[i].at.ns <= now.ns;
		}
		retain_judge(p, n, &rule, now);
		for (size_t i = 0; i < n; i++)
			if (p[i].reasons != 0)
				q[left++] = p[i];
		ck_assert_uint_gt(left, 0);
		retain_judge(q, left, &rule, now);
		for (size_t i = 0; i < left; i++) {
			ck_assert_uint_ne(q[i].reasons, 0);
			any_verified &= !q[i].flags || q[i].at.ns > now.ns;
		}
		ck_assert(!any_verified); /* there was one: one is left */
	}
}
END_TEST

START_TEST(reasons_are_written_in_one_line)
{
	char text[RETAIN_REASONS_BYTES];

	ck_assert_str_eq(retain_reasons(0, text), "");
	ck_assert_str_eq(retain_reasons(RETAIN_LAST | RETAIN_HELD, text),
	    "last, held");
	ck_assert(strstr(retain_reasons(0x1fff, text), "no-rule") != NULL);
}
END_TEST

Suite *suite_calendar_retain(void);

Suite *
suite_calendar_retain(void)
{
	Suite *s = suite_create("calendar/retain");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, each_rule_keeps_the_newest_of_its_buckets);
	tcase_add_test(tc, weeks_begin_on_monday);
	tcase_add_test(tc, empty_buckets_use_up_nothing);
	tcase_add_test(tc, a_point_from_the_future_steals_nothing_and_stays);
	tcase_add_test(tc, last_goes_by_the_sequence_not_by_the_clock);
	tcase_add_test(tc, the_only_verified_point_stays);
	tcase_add_test(tc, pins_and_holds_stay_whatever_the_rule);
	tcase_add_test(tc,
	    within_keeps_all_that_is_young_and_never_empties_a_series);
	tcase_add_test(tc, a_clock_that_leaps_or_goes_back_lets_nothing_go);
	tcase_add_test(tc, an_empty_rule_keeps_everything);
	tcase_add_test(tc, any_history_keeps_its_promises);
	tcase_add_test(tc, reasons_are_written_in_one_line);
	suite_add_tcase(s, tc);
	return s;
}
