#include <bascule/calendar.h>

#include <check.h>
#include <string.h>

static struct utc
at(const char *text)
{
	struct err e = {0};
	struct utc t;

	ck_assert_msg(civil_parse_utc(text, &t, &e) == ERR_NONE, "%s", e.text);
	return t;
}

static struct window
window_of(const char *text)
{
	struct err e = {0};
	struct window w;

	ck_assert_msg(window_parse(&w, text, &e) == ERR_NONE, "%s", e.text);
	return w;
}

START_TEST(office_hours_follow_the_clocks_of_the_place)
{
	OWNED(zone_free) struct zone *z = NULL;
	struct window w = window_of("Mon-Fri 08:00-18:00 Europe/London");
	struct err e = {0};

	ck_assert_str_eq(w.zone, "Europe/London");
	ck_assert_int_eq(zone_load(&z, ZONE_DIR, w.zone, &e), ERR_NONE);
	/* summer: 8:00 is 7:00 UTC.  2026-07-01 is a Wednesday */
	ck_assert(!window_contains(&w, z, at("2026-07-01T06:59:59Z")));
	ck_assert(window_contains(&w, z, at("2026-07-01T07:00:00Z")));
	ck_assert(window_contains(&w, z, at("2026-07-01T16:59:59.9Z")));
	ck_assert(!window_contains(&w, z, at("2026-07-01T17:00:00Z")));
	ck_assert(!window_contains(&w, z, at("2026-01-07T07:30:00Z")));
	ck_assert(window_contains(&w, z, at("2026-01-07T17:30:00Z")));
	ck_assert(!window_contains(&w, z, at("2026-07-04T10:00:00Z")));
}
END_TEST

START_TEST(a_night_belongs_to_the_day_it_begins_on)
{
	struct window w = window_of("fri-Sun 22:00-06:00");

	ck_assert_str_eq(w.zone, "UTC");
	ck_assert(!window_contains(&w, NULL, at("2026-07-03T05:00:00Z")));
	ck_assert(window_contains(&w, NULL, at("2026-07-03T22:00:00Z")));
	ck_assert(window_contains(&w, NULL, at("2026-07-06T05:59:00Z")));
	ck_assert(!window_contains(&w, NULL, at("2026-07-06T06:00:00Z")));
	ck_assert(!window_contains(&w, NULL, at("2026-07-06T22:00:00Z")));
}
END_TEST

START_TEST(days_and_zone_may_be_left_out)
{
	struct window w = window_of("00:00-24:00");
	struct window some = window_of("sat-mon,wed 01:00-02:00");

	ck_assert_uint_eq(some.weekdays, 0x4b);
	ck_assert_uint_eq(w.weekdays, 0x7f);
	ck_assert(window_contains(&w, NULL, at("2026-07-03T23:59:59Z")));
}
END_TEST

START_TEST(what_is_no_window_is_refused_with_an_example)
{
	static const char *const bad[] = {"", "Mon", "Mon-Fri", "8:00-18:00",
	    "08:00", "08:00-08:00", "08:00-25:00", "24:00-01:00", "08:60-09:00",
	    "Mon- 08:00-18:00", "Mon,, 08:00-18:00", "Moon 08:00-18:00",
	    "08:00-18:00 ../x", "08:00-18:00 UTC more", "08:00-18:00x",
	    "Mon-Fri 08:00-18:00 Europe/London extra", "08:00-18:"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = {0};
		struct window w;

		ck_assert_msg(window_parse(&w, bad[i], &e) == ERR_INPUT, "%s",
		    bad[i]);
		ck_assert(strstr(e.text, "Mon-Fri 08:00-18:00") != NULL);
	}
}
END_TEST

START_TEST(a_freeze_holds_on_its_first_and_its_last_day)
{
	OWNED(zone_free) struct zone *z = NULL;
	int64_t from = civil_days(2027, 5, 1), until = civil_days(2027, 5, 8);
	struct err e = {0};

	ck_assert_int_eq(zone_load(&z, ZONE_DIR, "Europe/London", &e),
	    ERR_NONE);
	ck_assert(!window_frozen(from, until, z, at("2027-04-30T22:59:59Z")));
	ck_assert(window_frozen(from, until, z, at("2027-04-30T23:00:00Z")));
	ck_assert(window_frozen(from, until, z, at("2027-05-08T22:59:59Z")));
	ck_assert(!window_frozen(from, until, z, at("2027-05-08T23:00:00Z")));
	ck_assert(window_frozen(from, until, NULL, at("2027-05-08T23:00:00Z")));
}
END_TEST

Suite *suite_calendar_window(void);

Suite *
suite_calendar_window(void)
{
	Suite *s = suite_create("calendar/window");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, office_hours_follow_the_clocks_of_the_place);
	tcase_add_test(tc, a_night_belongs_to_the_day_it_begins_on);
	tcase_add_test(tc, days_and_zone_may_be_left_out);
	tcase_add_test(tc, what_is_no_window_is_refused_with_an_example);
	tcase_add_test(tc, a_freeze_holds_on_its_first_and_its_last_day);
	suite_add_tcase(s, tc);
	return s;
}
