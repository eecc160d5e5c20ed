#include <bascule/calendar.h>

#include <check.h>
#include <string.h>

START_TEST(days_and_dates_come_back_for_six_centuries)
{
	int64_t days = civil_days(CIVIL_YEAR_MIN, 1, 1);
	int64_t last = civil_days(CIVIL_YEAR_MAX, 12, 31);
	struct civil before = civil_of_days(days - 1);

	for (; days <= last; days++) {
		struct civil c = civil_of_days(days);

		ck_assert_int_eq(civil_days(c.year, c.month, c.day), days);
		ck_assert_int_eq(c.weekday, (before.weekday + 1) % 7);
		ck_assert(c.day == before.day + 1 ||
		    (c.day == 1 &&
			before.day ==
			    civil_month_days(before.year, before.month)));
		before = c;
	}
}
END_TEST

START_TEST(known_dates_are_right)
{
	struct civil c = civil_of_s(INT64_C(1793062800));
	char text[CIVIL_TEXT_BYTES];

	ck_assert_str_eq(civil_text(&c, text), "2026-10-27 01:00:00 UTC");
	ck_assert_int_eq(c.weekday, 2);
	ck_assert_int_eq(civil_s(&c), INT64_C(1793062800));
	c = civil_of_s(-1);
	ck_assert_str_eq(civil_text(&c, text), "1969-12-31 23:59:59 UTC");
	ck_assert_int_eq(civil_days(2000, 3, 1) - civil_days(2000, 2, 28), 2);
	ck_assert_int_eq(civil_days(1900, 3, 1) - civil_days(1900, 2, 28), 1);
}
END_TEST

START_TEST(absurd_seconds_stay_at_the_limit)
{
	ck_assert_int_gt(civil_of_s(INT64_MAX).year, 20000);
	ck_assert_int_lt(civil_of_s(INT64_MIN).year, -20000);
}
END_TEST

static void
refuse_date(const char *text)
{
	struct err e = {0};
	int64_t days;

	ck_assert_int_eq(civil_parse_date(text, &days, &e), ERR_INPUT);
	ck_assert(strstr(e.text, "2027-05-01") != NULL);
}

START_TEST(only_dates_that_exist_are_accepted)
{
	struct err e = {0};
	int64_t days;

	ck_assert_int_eq(civil_parse_date("2027-05-01", &days, &e), ERR_NONE);
	ck_assert_int_eq(days, civil_days(2027, 5, 1));
	ck_assert_int_eq(civil_parse_date("2028-02-29", &days, &e), ERR_NONE);
	refuse_date("2027-02-29");
	refuse_date("2027-00-01");
	refuse_date("2027-13-01");
	refuse_date("2027-05-32");
	refuse_date("2027-5-1");
	refuse_date("2027-05-01 ");
	refuse_date("0001-01-01");
	refuse_date("");
	refuse_date("1/5/2027");
}
END_TEST

static int64_t
utc_of(const char *text)
{
	struct err e = {0};
	struct utc t;

	ck_assert_msg(civil_parse_utc(text, &t, &e) == ERR_NONE, "%s", e.text);
	return t.ns;
}

START_TEST(times_are_read_with_offset_and_fraction)
{
	struct err e = {0};
	struct utc t;

	ck_assert_int_eq(utc_of("1970-01-01T00:00:01Z"), NS_PER_S);
	ck_assert_int_eq(utc_of("1970-01-01T01:00:00+01:00"), 0);
	ck_assert_int_eq(utc_of("1969-12-31T23:30:00-00:30"), 0);
	ck_assert_int_eq(utc_of("1970-01-01T00:00:00.000000001Z"), 1);
	ck_assert_int_eq(utc_of("1970-01-02"), CIVIL_DAY_S * NS_PER_S);
	ck_assert_int_eq(utc_of("1969-12-31T23:59:59.5Z"), -NS_PER_S / 2);
	ck_assert_int_eq(civil_parse_utc("1970-01-01T00:00:00", &t, &e),
	    ERR_INPUT);
	ck_assert_int_eq(civil_parse_utc("1970-01-01T24:00:00Z", &t, &e),
	    ERR_INPUT);
	ck_assert_int_eq(civil_parse_utc("1970-01-01T00:00:00.0123456789Z", &t,
			     &e),
	    ERR_INPUT);
	ck_assert_int_eq(civil_parse_utc("1970-01-01T00:00:00.Z", &t, &e),
	    ERR_INPUT);
	ck_assert_int_eq(civil_parse_utc("yesterday", &t, &e), ERR_INPUT);
}
END_TEST

Suite *suite_calendar_civil(void);

Suite *
suite_calendar_civil(void)
{
	Suite *s = suite_create("calendar/civil");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, days_and_dates_come_back_for_six_centuries);
	tcase_add_test(tc, known_dates_are_right);
	tcase_add_test(tc, absurd_seconds_stay_at_the_limit);
	tcase_add_test(tc, only_dates_that_exist_are_accepted);
	tcase_add_test(tc, times_are_read_with_offset_and_fraction);
	suite_add_tcase(s, tc);
	return s;
}
