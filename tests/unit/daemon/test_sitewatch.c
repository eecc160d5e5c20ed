#include "daemon/sitewatch.h"

#include <check.h>

#define S    NS_PER_S
#define HOUR (3600 * S)
#define GIB  (UINT64_C(1) << 30)

START_TEST(a_clock_that_runs_has_not_jumped)
{
	struct sitewatch w = {0};

	ck_assert(sitewatch_clock(&w, (struct utc){1000 * S},
		      (struct mono){10 * S}, S) == 0);
	for (int64_t i = 1; i < 100; i++) /* slewed by 500 ppm */
		ck_assert(sitewatch_clock(&w,
			      (struct utc){1000 * S + i * 2 * S + i * S / 1000},
			      (struct mono){10 * S + i * 2 * S}, S) == 0);
}
END_TEST

START_TEST(a_jump_either_way_is_seen_once)
{
	struct sitewatch w = {0};

	ck_assert(sitewatch_clock(&w, (struct utc){1000 * S},
		      (struct mono){10 * S}, S) == 0);
	ck_assert(sitewatch_clock(&w, (struct utc){1062 * S},
		      (struct mono){12 * S}, S) == 60 * S);
	ck_assert(sitewatch_clock(&w, (struct utc){1064 * S},
		      (struct mono){14 * S}, S) == 0);
	ck_assert(sitewatch_clock(&w, (struct utc){66 * S},
		      (struct mono){16 * S}, S) == -1000 * S);
	/* asleep for a day: the time since boot went on as well */
	ck_assert(sitewatch_clock(&w, (struct utc){66 * S + 24 * HOUR},
		      (struct mono){16 * S + 24 * HOUR}, S) == 0);
}
END_TEST

static enum sitewatch_verdict
look(struct sitewatch *w, uint64_t free_gib, int64_t at, int64_t *full)
{
	const struct sitewatch_room room = {free_gib * GIB, 1000 * GIB};
	const struct sitewatch_rule rule = {5000, 7 * 24 * HOUR};

	return sitewatch_space(w, &room, (struct mono){at}, &rule, full);
}

START_TEST(too_little_is_said_at_once)
{
	struct sitewatch w = {0};
	int64_t full;

	ck_assert_int_eq(look(&w, 50, S, &full), SITEWATCH_ENOUGH);
	ck_assert(full == INT64_MAX);
	ck_assert_int_eq(look(&w, 49, 2 * S, &full), SITEWATCH_LITTLE);
}
END_TEST

START_TEST(growth_is_judged_after_six_hours_and_over_a_week)
{
	struct sitewatch w = {0};
	int64_t full;

	/* 10 GiB an hour of 900 free: 90 hours */
	for (int64_t h = 0; h < 6; h++)
		ck_assert_int_eq(look(&w, 900 - (uint64_t)h * 10, S + h * HOUR,
				     &full),
		    SITEWATCH_ENOUGH);
	ck_assert_int_eq(look(&w, 840, S + 6 * HOUR, &full), SITEWATCH_SOON);
	ck_assert(full == 84 * HOUR);
	/* then nothing for a fortnight: that hour is forgotten */
	for (int64_t h = 7; h < 400; h++)
		look(&w, 840, S + h * HOUR, &full);
	ck_assert_int_eq(look(&w, 840, S + 400 * HOUR, &full),
	    SITEWATCH_ENOUGH);
	ck_assert(full == INT64_MAX);
}
END_TEST

START_TEST(one_that_empties_is_never_full)
{
	struct sitewatch w = {0};
	int64_t full;

	for (int64_t h = 0; h < 200; h++)
		ck_assert_int_eq(look(&w, 100 + (uint64_t)h, S + h * HOUR,
				     &full),
		    SITEWATCH_ENOUGH);
	ck_assert(full == INT64_MAX);
}
END_TEST

Suite *suite_daemon_sitewatch(void);
Suite *
suite_daemon_sitewatch(void)
{
	Suite *s = suite_create("daemon/sitewatch");
	TCase *tc = tcase_create("sitewatch");

	tcase_add_test(tc, a_clock_that_runs_has_not_jumped);
	tcase_add_test(tc, a_jump_either_way_is_seen_once);
	tcase_add_test(tc, too_little_is_said_at_once);
	tcase_add_test(tc, growth_is_judged_after_six_hours_and_over_a_week);
	tcase_add_test(tc, one_that_empties_is_never_full);
	suite_add_tcase(s, tc);
	return s;
}
