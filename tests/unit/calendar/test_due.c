#include <bascule/calendar.h>

#include <check.h>
#include <string.h>

#define HOUR_NS (3600 * NS_PER_S)

static struct utc
at(const char *text)
{
	struct err e = {0};
	struct utc t;

	ck_assert_msg(civil_parse_utc(text, &t, &e) == ERR_NONE, "%s", e.text);
	return t;
}

static struct due
due_of(const char *cron, const struct zone *z)
{
	struct due d = {.kind = DUE_CRON, .zone = z};
	struct err e = {0};

	ck_assert_msg(cron_parse(&d.cron, cron, &e) == ERR_NONE, "%s", e.text);
	return d;
}

static struct zone *
zone_of(const char *name)
{
	struct zone *z = NULL;
	struct err e = {0};

	ck_assert_msg(zone_load(&z, ZONE_DIR, name, &e) == ERR_NONE, "%s",
	    e.text);
	return z;
}

/* The firings after `from`: as many as are written, then one later than `end`. */
static void
expect(const struct due *d, const char *from, const char *const *times,
    size_t count)
{
	struct utc t = at(from);

	for (size_t i = 0; i < count; i++) {
		char text[NOW_TEXT_BYTES];

		ck_assert(due_next(d, t, &t));
		ck_assert_msg(t.ns == at(times[i]).ns, "%s, not %s",
		    now_text(t, text), times[i]);
	}
}

#define EXPECT(d, from, ...)                                   \
	do {                                                   \
		static const char *const t_[] = {__VA_ARGS__}; \
		expect(d, from, t_, COUNT_OF(t_));             \
	} while (0)

START_TEST(a_time_that_does_not_exist_runs_at_the_end_of_the_gap)
{
	OWNED(zone_free) struct zone *z = zone_of("Europe/London");
	struct due d = due_of("30 1 * * *", z);
	struct due many = due_of("*/10 1 * * *", z);

	EXPECT(&d, "2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z",
	    "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
	EXPECT(&many, "2026-03-28T01:40:00Z", "2026-03-28T01:50:00Z",
	    "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z");
}
END_TEST

START_TEST(a_time_that_occurs_twice_runs_once_the_first_time)
{
	OWNED(zone_free) struct zone *z = zone_of("Europe/London");
	struct due d = due_of("30 1 * * *", z);

	EXPECT(&d, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z",
	    "2026-10-26T01:30:00Z");
	/* asked in between the two */
	EXPECT(&d, "2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z");
	EXPECT(&d, "2026-10-25T01:15:00Z", "2026-10-26T01:30:00Z");
}
END_TEST

START_TEST(every_hour_means_every_hour_in_october_too)
{
	OWNED(zone_free) struct zone *z = zone_of("Europe/London");
	struct due half = due_of("*/30 * * * *", z);
	struct due two = due_of("0 */2 * * *", z);
	int64_t gap_ns;

	EXPECT(&half, "2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z",
	    "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
	    "2026-10-25T02:00:00Z");
	EXPECT(&two, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z",
	    "2026-03-29T03:00:00Z");
	EXPECT(&half, "2026-03-29T00:10:00Z", "2026-03-29T00:30:00Z",
	    "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z");
	ck_assert(due_largest_gap(&half, at("2026-01-01"), 400, &gap_ns));
	ck_assert_int_eq(gap_ns, HOUR_NS / 2);
}
END_TEST

START_TEST(an_interval_counts_from_the_epoch_and_never_notices)
{
	struct due d = {.kind = DUE_EVERY, .every_ns = 7 * HOUR_NS};
	struct utc t = at("2026-03-28");

	for (int i = 0; i < 200; i++) {
		struct utc next;

		ck_assert(due_next(&d, t, &next));
		ck_assert_int_gt(next.ns, t.ns);
		ck_assert_int_le(next.ns - t.ns, 7 * HOUR_NS);
		ck_assert_int_eq(next.ns % (7 * HOUR_NS), 0);
		t.ns = next.ns - (i % 2);
	}
	ck_assert(due_next(&d, (struct utc){-1}, &t));
	ck_assert_int_eq(t.ns, 0);
}
END_TEST

START_TEST(the_next_firing_is_strictly_later)
{
	struct due d = due_of("0 * * * *", NULL);

	EXPECT(&d, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
	EXPECT(&d, "2025-12-31T23:59:59.999999999Z", "2026-01-01T00:00:00Z");
	EXPECT(&d, "1969-12-31T22:59:59.5Z", "1969-12-31T23:00:00Z",
	    "1970-01-01T00:00:00Z");
}
END_TEST

START_TEST(a_splay_shifts_every_firing_alike)
{
	struct due d = due_of("0 * * * *", NULL);

	d.offset_ns = 90 * NS_PER_S;
	EXPECT(&d, "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z",
	    "2026-01-01T01:01:30Z");
	for (int i = 0; i < 100; i++) {
		char name[32];
		int64_t ns;

		snprintf(name, sizeof(name), "service-%d", i);
		ns = due_splay_ns(name, 120 * NS_PER_S);
		ck_assert_int_ge(ns, 0);
		ck_assert_int_lt(ns, 120 * NS_PER_S);
		ck_assert_int_eq(ns % NS_PER_S, 0);
		ck_assert_int_eq(ns, due_splay_ns(name, 120 * NS_PER_S));
	}
	ck_assert_int_ne(due_splay_ns("a", HOUR_NS),
	    due_splay_ns("b", HOUR_NS));
	ck_assert_int_eq(due_splay_ns("a", 0), 0);
	/* the same for ever: a restart must not move a schedule */
	ck_assert_int_eq(due_splay_ns("housing-repairs", HOUR_NS),
	    778 * NS_PER_S);
}
END_TEST

START_TEST(the_largest_gap_sees_clock_changes_and_short_weeks)
{
	OWNED(zone_free) struct zone *z = zone_of("Europe/London");
	struct due daily = due_of("0 3 * * *", z);
	struct due work = due_of("0 9-17 * * mon-fri", z);
	struct due every = {.kind = DUE_EVERY, .every_ns = HOUR_NS};
	int64_t gap_ns;

	ck_assert(due_largest_gap(&daily, at("2026-01-01"), 400, &gap_ns));
	ck_assert_int_eq(gap_ns, 25 * HOUR_NS); /* the October night */
	ck_assert(due_largest_gap(&work, at("2026-01-01"), 400, &gap_ns));
	ck_assert_int_eq(gap_ns, (64 + 1) * HOUR_NS);
	ck_assert(due_largest_gap(&work, at("2026-06-01"), 28, &gap_ns));
	ck_assert_int_eq(gap_ns, 64 * HOUR_NS);
	ck_assert(due_largest_gap(&every, at("2026-01-01"), 400, &gap_ns));
	ck_assert_int_eq(gap_ns, HOUR_NS);
}
END_TEST

START_TEST(the_ends_of_time_are_not_passed)
{
	struct due d = due_of("0 * * * *", NULL);
	struct due every = {.kind = DUE_EVERY, .every_ns = HOUR_NS};
	struct utc t;

	ck_assert(!due_next(&d, (struct utc){INT64_MAX}, &t));
	ck_assert(!due_next(&d, (struct utc){INT64_MIN}, &t));
	ck_assert(!due_next(&every, (struct utc){INT64_MAX}, &t));
	d.offset_ns = HOUR_NS;
	ck_assert(!due_next(&d, (struct utc){INT64_MIN}, &t));
	every.every_ns = 0;
	ck_assert(!due_next(&every, (struct utc){0}, &t));
}
END_TEST

Suite *suite_calendar_due(void);

Suite *
suite_calendar_due(void)
{
	Suite *s = suite_create("calendar/due");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc,
	    a_time_that_does_not_exist_runs_at_the_end_of_the_gap);
	tcase_add_test(tc, a_time_that_occurs_twice_runs_once_the_first_time);
	tcase_add_test(tc, every_hour_means_every_hour_in_october_too);
	tcase_add_test(tc, an_interval_counts_from_the_epoch_and_never_notices);
	tcase_add_test(tc, the_next_firing_is_strictly_later);
	tcase_add_test(tc, a_splay_shifts_every_firing_alike);
	tcase_add_test(tc, the_largest_gap_sees_clock_changes_and_short_weeks);
	tcase_add_test(tc, the_ends_of_time_are_not_passed);
	suite_add_tcase(s, tc);
	return s;
}
