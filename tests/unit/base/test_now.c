#include <bascule/base/now.h>

#include <check.h>

START_TEST(an_instant_written_is_the_instant_read)
{
	static const int64_t instants[] = {0, 1, -1, 1795306894123456789,
	    -9214560000000000000, 951782400000000000, 4107542399999999999};
	char text[NOW_TEXT_BYTES];
	struct utc t;

	for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
		now_text((struct utc){instants[i]}, text);
		ck_assert_msg(now_parse(text, &t), "%s", text);
		ck_assert_int_eq(t.ns, instants[i]);
	}
}
END_TEST

START_TEST(people_read_seconds_and_the_zone)
{
	char text[NOW_TEXT_BYTES];

	ck_assert_str_eq(now_words((struct utc){1795306894123456789}, text),
	    "2026-11-22 00:21:34 UTC");
	ck_assert_str_eq(now_words((struct utc){-1}, text),
	    "1969-12-31 23:59:59 UTC");
}
END_TEST

START_TEST(a_files_time_may_lie_beyond_what_an_instant_holds)
{
	static const struct {
		int64_t s;
		uint32_t ns;
		const char *text;
	} of[] = {{0, 0, "1970-01-01T00:00:00.000000000Z"},
	    {-1, 999999999, "1969-12-31T23:59:59.999999999Z"},
	    {14000000000, 5, "2413-08-23T00:53:20.000000005Z"},
	    {INT64_MAX, 0, "9999-12-31T23:59:59.000000000Z"},
	    {INT64_MIN, 0, "0001-01-01T00:00:00.000000000Z"}};
	char text[NOW_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		ck_assert_str_eq(now_text_wide(of[i].s, of[i].ns, text),
		    of[i].text);
}
END_TEST

START_TEST(offsets_count_and_nonsense_is_refused)
{
	static const char *const bad[] = {"", "2026-02-29T00:00:00Z",
	    "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
	    "2026-01-01T00:00:00", "2026-01-01T00:00:00Zx",
	    "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567891Z",
	    "1600-01-01T00:00:00Z", "2026-01-01T00:00:00+1:00",
	    "2026-01-01T00:00:60Z", "26-01-01T00:00:00Z"};
	struct utc t = {42}, u;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(!now_parse(bad[i], &t), "%s", bad[i]);
		ck_assert_int_eq(t.ns, 42);
	}
	ck_assert(now_parse("2026-03-29T02:30:00+01:00", &t));
	ck_assert(now_parse("2026-03-29T01:30:00Z", &u));
	ck_assert_int_eq(t.ns, u.ns);
	ck_assert(now_parse("2024-02-29T00:00:00.5Z", &t));
	ck_assert_int_eq(t.ns, INT64_C(1709164800500000000));
}
END_TEST

Suite *suite_base_now(void);

Suite *
suite_base_now(void)
{
	Suite *s = suite_create("base/now");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, an_instant_written_is_the_instant_read);
	tcase_add_test(tc, people_read_seconds_and_the_zone);
	tcase_add_test(tc, a_files_time_may_lie_beyond_what_an_instant_holds);
	tcase_add_test(tc, offsets_count_and_nonsense_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
