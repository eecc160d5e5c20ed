#include <bascule/calendar.h>

#include <check.h>
#include <string.h>

static struct cron
cron_of(const char *text)
{
	struct err e = {0};
	struct cron c;

	ck_assert_msg(cron_parse(&c, text, &e) == ERR_NONE, "%s", e.text);
	return c;
}

static void
refuse(const char *text, const char *says)
{
	struct err e = {0};
	struct cron c;

	ck_assert_msg(cron_parse(&c, text, &e) == ERR_INPUT, "%s", text);
	ck_assert_msg(strstr(e.text, says) != NULL, "%s: %s", text, e.text);
	ck_assert_msg(strstr(e.text, "accepted: ") != NULL, "%s", e.text);
}

static bool
same(const char *a, const char *b)
{
	struct cron p = cron_of(a), q = cron_of(b);

	return p.minutes == q.minutes && p.hours == q.hours &&
	    p.days == q.days && p.months == q.months &&
	    p.weekdays == q.weekdays;
}

START_TEST(numbers_names_lists_ranges_and_steps_are_read)
{
	struct cron c = cron_of("*/15 8-18/2,23 1,15 jan-MAR,dec Mon-Fri");

	ck_assert_uint_eq(c.minutes,
	    UINT64_C(1) | UINT64_C(1) << 15 | UINT64_C(1) << 30 |
		UINT64_C(1) << 45);
	ck_assert_uint_eq(c.hours,
	    1u << 8 | 1u << 10 | 1u << 12 | 1u << 14 | 1u << 16 | 1u << 18 |
		1u << 23);
	ck_assert_uint_eq(c.days, 1u << 1 | 1u << 15);
	ck_assert_uint_eq(c.months, 1u << 1 | 1u << 2 | 1u << 3 | 1u << 12);
	ck_assert_uint_eq(c.weekdays, 0x3e);
	ck_assert(!c.any_day && !c.any_weekday && !c.every_hour);
}
END_TEST

START_TEST(nicknames_are_what_they_say)
{
	ck_assert(same("@hourly", "0 * * * *"));
	ck_assert(same("@daily", "0 0 * * *"));
	ck_assert(same("@weekly", "0 0 * * 0"));
	ck_assert(same("@monthly", "0 0 1 * *"));
	ck_assert(same("@yearly", "@annually"));
	ck_assert(cron_of("@hourly").every_hour);
	refuse("@reboot", "1 field");
}
END_TEST

START_TEST(sunday_is_0_and_7_and_ends_a_range)
{
	ck_assert(same("0 0 * * 7", "0 0 * * sun"));
	ck_assert(same("0 0 * * sat-sun", "0 0 * * 6,0"));
	ck_assert(same("0 0 * * 5-7", "0 0 * * 5,6,0"));
	ck_assert(same("0 0 * * *", "0 0 * * 0-6"));
}
END_TEST

START_TEST(only_a_star_or_its_step_is_every_hour)
{
	ck_assert(cron_of("0 * * * *").every_hour);
	ck_assert(cron_of("0 */2 * * *").every_hour);
	ck_assert(!cron_of("0 0-23 * * *").every_hour);
	ck_assert(!cron_of("0 */2,3 * * *").every_hour);
	ck_assert(!cron_of("0 1 * * *").every_hour);
}
END_TEST

START_TEST(errors_say_which_field_and_what_is_accepted)
{
	refuse("60 * * * *", "minute '60'");
	refuse("* 24 * * *", "hour '24'");
	refuse("* * 0 * *", "day of the month '0'");
	refuse("* * 32 * *", "day of the month '32'");
	refuse("* * * 13 *", "month '13'");
	refuse("* * * * 8", "day of the week '8'");
	refuse("* * * * fri-mon", "runs backwards");
	refuse("30-10 * * * *", "runs backwards");
	refuse("5/10 * * * *", "has a step but no range");
	refuse("*/0 * * * *", "step");
	refuse("*/60 * * * *", "step");
	refuse("*/-1 * * * *", "step");
	refuse("1, * * * *", "minute ''");
	refuse(", * * * *", "minute ''");
	refuse("1-2-3 * * * *", "minute");
	refuse("99999999999999 * * * *", "minute");
	refuse("jan * * * *", "minute 'jan'");
	refuse("* * * * *  *", "6 fields");
	refuse("* * * *", "4 fields");
	refuse("", "0 fields");
	refuse("? * * * *", "minute '?'");
	refuse("* * L * *", "day of the month 'L'");
	refuse("* * * january *", "month 'january'");
}
END_TEST

START_TEST(a_schedule_far_too_long_is_refused)
{
	char text[CRON_TEXT_MAX + 20];
	struct err e = {0};
	struct cron c;

	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(cron_parse(&c, text, &e), ERR_INPUT);
}
END_TEST

START_TEST(a_date_that_never_comes_is_refused)
{
	refuse("0 0 30 2 *", "never comes");
	refuse("0 0 31 4,6,9,11 *", "never comes");
	(void)cron_of("0 0 29 2 *");
	(void)cron_of("0 0 30 2 mon"); /* OR'd: Mondays in February */
	(void)cron_of("0 0 29 2 */7"); /* AND'd: once in 28 years */
}
END_TEST

START_TEST(two_restricted_days_are_either_and_a_star_is_no_restriction)
{
	struct cron both = cron_of("0 0 13 * fri");
	struct cron star = cron_of("0 0 */2 * fri");
	int64_t friday_6 = civil_days(2026, 2, 6);

	ck_assert(cron_matches_day(&both, friday_6));
	ck_assert(cron_matches_day(&both, civil_days(2026, 1, 13)));
	ck_assert(!cron_matches_day(&both, civil_days(2026, 1, 14)));
	ck_assert(!cron_matches_day(&star, friday_6));
	ck_assert(cron_matches_day(&star, civil_days(2026, 2, 13)));
	ck_assert(!cron_matches_day(&star, civil_days(2026, 2, 11)));
}
END_TEST

START_TEST(the_next_local_time_is_found_over_years)
{
	struct cron leap = cron_of("30 12 29 2 *");
	struct civil c;
	int64_t s;

	ck_assert(
	    cron_next_local(&leap, civil_days(2026, 1, 1) * CIVIL_DAY_S, &s));
	c = civil_of_s(s);
	ck_assert_int_eq(c.year, 2028);
	ck_assert_int_eq(c.hour * 60 + c.minute, 12 * 60 + 30);
	ck_assert(cron_next_local(&leap, s, &s));
	ck_assert_int_eq(civil_of_s(s).year, 2028);
	ck_assert(cron_next_local(&leap, s + 1, &s));
	ck_assert_int_eq(civil_of_s(s).year, 2032);
}
END_TEST

Suite *suite_calendar_cron(void);

Suite *
suite_calendar_cron(void)
{
	Suite *s = suite_create("calendar/cron");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, numbers_names_lists_ranges_and_steps_are_read);
	tcase_add_test(tc, nicknames_are_what_they_say);
	tcase_add_test(tc, sunday_is_0_and_7_and_ends_a_range);
	tcase_add_test(tc, only_a_star_or_its_step_is_every_hour);
	tcase_add_test(tc, errors_say_which_field_and_what_is_accepted);
	tcase_add_test(tc, a_schedule_far_too_long_is_refused);
	tcase_add_test(tc, a_date_that_never_comes_is_refused);
	tcase_add_test(tc,
	    two_restricted_days_are_either_and_a_star_is_no_restriction);
	tcase_add_test(tc, the_next_local_time_is_found_over_years);
	suite_add_tcase(s, tc);
	return s;
}
