#include <bascule/calendar.h>

#include <check.h>

#define MINUTE_NS (60 * NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)

static const struct due hourly = {.kind = DUE_EVERY, .every_ns = HOUR_NS};

/* Down from 00:30 to 12:05 on some day. */
static const struct utc since = {1000000 * HOUR_NS + HOUR_NS / 2};
static const struct utc now = {1000012 * HOUR_NS + 5 * MINUTE_NS};

static size_t
count(const struct misfire_plan *p, enum misfire_verdict v)
{
	size_t n = 0;

	for (size_t i = 0; i < p->items_count; i++)
		n += p->items[i].verdict == v;
	return n;
}

START_TEST(run_once_runs_the_newest_and_names_the_others)
{
	struct misfire_plan p;

	misfire_judge(&p, &hourly, since, now, MISFIRE_RUN_ONCE, 6 * HOUR_NS);
	ck_assert_uint_eq(p.items_count, 12);
	ck_assert_int_eq(p.items[11].verdict, MISFIRE_RUN);
	ck_assert_int_eq(p.items[11].at.ns, 1000012 * HOUR_NS);
	ck_assert_uint_eq(count(&p, MISFIRE_COVERED), 11);
	ck_assert(p.has_next);
	ck_assert_int_eq(p.next.ns, 1000013 * HOUR_NS);
}
END_TEST

START_TEST(what_is_too_late_does_not_run)
{
	struct misfire_plan p;

	misfire_judge(&p, &hourly, since, now, MISFIRE_RUN_ONCE, 2 * MINUTE_NS);
	ck_assert_uint_eq(count(&p, MISFIRE_TOO_LATE), 12);
	misfire_judge(&p, &hourly, since, now, MISFIRE_ALL, 3 * HOUR_NS);
	ck_assert_uint_eq(count(&p, MISFIRE_RUN), 3);
	ck_assert_uint_eq(count(&p, MISFIRE_TOO_LATE), 9);
	ck_assert_int_eq(p.items[9].verdict, MISFIRE_RUN);
	misfire_judge(&p, &hourly, since, now, MISFIRE_ALL, 0);
	ck_assert_uint_eq(count(&p, MISFIRE_RUN), 12);
}
END_TEST

START_TEST(skip_runs_only_what_is_on_time)
{
	struct utc sharp = {1000012 * HOUR_NS + 30 * NS_PER_S};
	struct misfire_plan p;

	misfire_judge(&p, &hourly, since, now, MISFIRE_SKIP, 0);
	ck_assert_uint_eq(count(&p, MISFIRE_MISSED), 12);
	misfire_judge(&p, &hourly, since, sharp, MISFIRE_SKIP, 0);
	ck_assert_uint_eq(count(&p, MISFIRE_RUN), 1);
	ck_assert_uint_eq(count(&p, MISFIRE_MISSED), 11);
}
END_TEST

START_TEST(a_firing_on_time_runs_whatever_the_limit)
{
	struct utc just = {1000001 * HOUR_NS + NS_PER_S};
	struct misfire_plan p;

	misfire_judge(&p, &hourly, since, just, MISFIRE_RUN_ONCE, 1);
	ck_assert_uint_eq(p.items_count, 1);
	ck_assert_int_eq(p.items[0].verdict, MISFIRE_RUN);
}
END_TEST

START_TEST(nothing_is_judged_twice)
{
	struct misfire_plan p;

	misfire_judge(&p, &hourly, since, now, MISFIRE_ALL, 0);
	misfire_judge(&p, &hourly, p.items[11].at, now, MISFIRE_ALL, 0);
	ck_assert_uint_eq(p.items_count, 0);
}
END_TEST

START_TEST(a_long_absence_is_counted_not_listed)
{
	struct due seconds = {.kind = DUE_EVERY, .every_ns = NS_PER_S};
	struct due minutes = {.kind = DUE_CRON};
	struct utc month = {now.ns - 30 * 24 * HOUR_NS};
	struct err e = {0};
	struct misfire_plan p;

	ck_assert_int_eq(cron_parse(&minutes.cron, "* * * * *", &e), ERR_NONE);
	misfire_judge(&p, &seconds, month, now, MISFIRE_ALL, 0);
	ck_assert_uint_eq(p.items_count, MISFIRE_ITEMS_MAX);
	ck_assert_uint_eq(p.older_count + p.items_count, 30 * 24 * 3600);
	ck_assert_int_eq(p.oldest.ns, month.ns + NS_PER_S);
	ck_assert_int_eq(p.items[MISFIRE_ITEMS_MAX - 1].at.ns, now.ns);
	misfire_judge(&p, &minutes, month, now, MISFIRE_RUN_ONCE, 0);
	ck_assert_uint_eq(p.older_count + p.items_count, 30 * 24 * 60);
	ck_assert_int_eq(p.oldest.ns, month.ns + MINUTE_NS);
}
END_TEST

START_TEST(a_clock_set_back_a_year_loses_nothing)
{
	struct utc ahead = {now.ns + 365 * 24 * HOUR_NS};
	struct misfire_plan p;

	misfire_judge(&p, &hourly, ahead, now, MISFIRE_RUN_ONCE, 0);
	ck_assert_uint_eq(p.items_count, 0);
	ck_assert(p.has_next);
	ck_assert_int_eq(p.next.ns, 1000013 * HOUR_NS);
}
END_TEST

START_TEST(verdicts_have_names)
{
	ck_assert_str_eq(misfire_verdict_name(MISFIRE_COVERED),
	    "covered-by-later");
}
END_TEST

Suite *suite_calendar_misfire(void);

Suite *
suite_calendar_misfire(void)
{
	Suite *s = suite_create("calendar/misfire");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, run_once_runs_the_newest_and_names_the_others);
	tcase_add_test(tc, what_is_too_late_does_not_run);
	tcase_add_test(tc, skip_runs_only_what_is_on_time);
	tcase_add_test(tc, a_firing_on_time_runs_whatever_the_limit);
	tcase_add_test(tc, nothing_is_judged_twice);
	tcase_add_test(tc, a_long_absence_is_counted_not_listed);
	tcase_add_test(tc, a_clock_set_back_a_year_loses_nothing);
	tcase_add_test(tc, verdicts_have_names);
	suite_add_tcase(s, tc);
	return s;
}
