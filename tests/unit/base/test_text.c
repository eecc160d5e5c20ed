#include <bascule/base/text.h>

#include <bascule/base/le.h>
#include <bascule/base/path.h>
#include <check.h>
#include <string.h>

START_TEST(a_chunking_is_auto_or_fixed_within_its_limits)
{
	uint32_t bytes = 1;
	struct err e;

	ck_assert_int_eq(text_parse_chunking("auto", &bytes, &e), ERR_NONE);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_int_eq(text_parse_chunking("fixed 4KiB", &bytes, &e),
	    ERR_NONE);
	ck_assert_uint_eq(bytes, 4096);
	ck_assert_int_eq(text_parse_chunking("fixed 4MiB", &bytes, &e),
	    ERR_NONE);
	ck_assert_uint_eq(bytes, 4U << 20);
	ck_assert_int_eq(text_parse_chunking("fixed 5MiB", &bytes, &e),
	    ERR_INPUT);
	ck_assert_int_eq(text_parse_chunking("fixed 4095B", &bytes, &e),
	    ERR_INPUT);
	ck_assert_int_eq(text_parse_chunking("fixed", &bytes, &e), ERR_INPUT);
	ck_assert_int_eq(text_parse_chunking("", &bytes, &e), ERR_INPUT);
}
END_TEST

START_TEST(units_are_parsed_and_never_wrap)
{
	struct err e = {0};
	int64_t ns;
	uint64_t v;
	uint32_t share;

	ck_assert_int_eq(text_parse_duration("1h30m", &ns, &e), ERR_NONE);
	ck_assert_int_eq(ns, INT64_C(5400000000000));
	ck_assert_int_eq(text_parse_duration("0.5s", &ns, &e), ERR_NONE);
	ck_assert_int_eq(ns, 500000000);
	ck_assert_int_eq(text_parse_duration("15", &ns, &e), ERR_INPUT);
	ck_assert_int_eq(text_parse_duration("99999999999999999999w", &ns, &e),
	    ERR_INPUT);
	ck_assert_int_eq(text_parse_size("64MiB", &v, &e), ERR_NONE);
	ck_assert_uint_eq(v, UINT64_C(64) << 20);
	ck_assert_int_eq(text_parse_size("9999999999TiB", &v, &e), ERR_INPUT);
	ck_assert_int_eq(text_parse_size("-1MiB", &v, &e), ERR_INPUT);
	ck_assert_int_eq(text_parse_rate("400Mbit/s", &v, &e), ERR_NONE);
	ck_assert_uint_eq(v, 50000000);
	ck_assert_int_eq(text_parse_rate("1MiB", &v, &e), ERR_INPUT);
	ck_assert_int_eq(text_parse_share("0.5%", &share, &e), ERR_NONE);
	ck_assert_uint_eq(share, 500);
	ck_assert_int_eq(text_parse_share("101%", &share, &e), ERR_INPUT);
}
END_TEST

START_TEST(a_terminal_never_sees_raw_bytes)
{
	struct err e = {0};
	OWNED(buf_fini) struct buf b = {0};

	ck_assert_int_eq(text_escape(&b, "a\n\033[1m\\\xff\xc3\xa9", 10, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&b), "a\\n\\x1b[1m\\\\\\xff\xc3\xa9");
}
END_TEST

START_TEST(base64_comes_back)
{
	struct err e = {0};

	for (size_t len = 0; len < 20; len++) {
		OWNED(buf_fini) struct buf text = {0};
		OWNED(buf_fini) struct buf back = {0};
		uint8_t bytes[20];

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(i * 37 + 200);
		ck_assert_int_eq(text_base64(&text, bytes, len, true, &e),
		    ERR_NONE);
		ck_assert_int_eq(text_unbase64(&back, buf_text(&text), &e),
		    ERR_NONE);
		ck_assert_uint_eq(back.len_bytes, len);
		if (len > 0)
			ck_assert_mem_eq(back.bytes, bytes, len);
	}
}
END_TEST

START_TEST(a_varint_has_one_spelling)
{
	static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX,
	    UINT64_MAX};
	struct err e = {0};
	struct le_reader r;

	for (size_t i = 0; i < COUNT_OF(values); i++) {
		OWNED(buf_fini) struct buf b = {0};

		ck_assert_int_eq(le_add_varint(&b, values[i], &e), ERR_NONE);
		le_init(&r, b.bytes, b.len_bytes);
		ck_assert_uint_eq(le_take_varint(&r), values[i]);
		ck_assert(le_done(&r));
	}
	le_init(&r, "\x80\x00", 2);
	le_take_varint(&r);
	ck_assert(r.bad);
	le_init(&r, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
	le_take_varint(&r);
	ck_assert(r.bad);
}
END_TEST

START_TEST(a_directory_sorts_before_its_members_and_they_before_the_next)
{
	ck_assert_int_lt(path_compare("a", 1, "a/b", 3), 0);
	ck_assert_int_lt(path_compare("a/b", 3, "a.b", 3), 0);
	ck_assert_int_lt(path_compare("a/\x01", 3, "a\x01", 2), 0);
	ck_assert_int_eq(path_compare("", 0, "", 0), 0);
	ck_assert(path_is_valid("", 0));
	ck_assert(path_is_valid("a/b", 3));
	ck_assert(!path_is_valid("/a", 2));
	ck_assert(!path_is_valid("a/", 2));
	ck_assert(!path_is_valid("a//b", 4));
	ck_assert(!path_is_valid("a/../b", 6));
	ck_assert(!path_is_valid("./a", 3));
	ck_assert(path_is_under("a/b", 3, "a", 1));
	ck_assert(!path_is_under("ab", 2, "a", 1));
}
END_TEST

START_TEST(what_turns_writing_around_is_escaped)
{
	OWNED(buf_fini) struct buf b = {0};
	const char *name = "\xe2\x80\xae"
			   "gnp.exe\xe2\x81\xa6\xe2\x80\xa6";
	struct err e;

	ck_assert(text_escape(&b, name, strlen(name), &e) == ERR_NONE);
	ck_assert_str_eq(buf_text(&b),
	    "\\xe2\\x80\\xaegnp.exe\\xe2\\x81\\xa6\xe2\x80\xa6");
}
END_TEST

START_TEST(what_a_program_said_is_escaped_once)
{
	static const char said[] = "one \"two\"\n\tthree\033[31m \xff\xc2\x85";
	OWNED(buf_fini) struct buf line = {0}, shown = {0}, whole = {0};
	char cut[] = "caf\xc3\xa9 \xe2\x82", whole_end[] = "caf\xc3\xa9";
	struct err e;

	ck_assert(text_line(&line, said, sizeof(said) - 1, &e) == ERR_NONE);
	ck_assert_str_eq(buf_text(&line),
	    "one \"two\" /  three [31m \xef\xbf\xbd ");
	ck_assert(text_escape(&shown, buf_text(&line), line.len_bytes, &e) ==
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&shown), buf_text(&line));
	ck_assert(text_repair(&whole, "a\n\0\xff", 4, &e) == ERR_NONE);
	ck_assert_str_eq(buf_text(&whole), "a\n\xef\xbf\xbd\xef\xbf\xbd");
	text_mend_end(cut);
	ck_assert_str_eq(cut, "caf\xc3\xa9 ");
	text_mend_end(whole_end);
	ck_assert_str_eq(whole_end, "caf\xc3\xa9");
}
END_TEST

START_TEST(an_errors_first_line_is_without_its_hint)
{
	char hinted[] = "no room on '/srv'\nhint: make some\nor more";
	char plain[] = "no room";
	char nothing[] = "";

	text_first_line(hinted);
	ck_assert_str_eq(hinted, "no room on '/srv'");
	text_first_line(plain);
	ck_assert_str_eq(plain, "no room");
	text_first_line(nothing);
	ck_assert_str_eq(nothing, "");
}
END_TEST

START_TEST(what_is_too_long_loses_its_middle_and_stays_utf_8)
{
	char said[] = "writing '/a/long/way/down': no room";
	char words[] = "see what it meets: readiness (G08 fails: the target "
		       "is ready)";
	char fits[] = "0123456789";
	char accents[] = "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9";

	text_elide(said, 23);
	ck_assert_str_eq(said, "writing '/...': no room");
	text_elide(words, 40);
	ck_assert_str_eq(words, "see what it meets:... target is ready)");
	text_elide(fits, 10);
	ck_assert_str_eq(fits, "0123456789");
	text_elide(accents, 9); /* three bytes on either side, so one é each */
	ck_assert_str_eq(accents, "\xc3\xa9...\xc3\xa9");
}
END_TEST

Suite *suite_base_text(void);

Suite *
suite_base_text(void)
{
	Suite *s = suite_create("base/text");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_chunking_is_auto_or_fixed_within_its_limits);
	tcase_add_test(tc, units_are_parsed_and_never_wrap);
	tcase_add_test(tc, a_terminal_never_sees_raw_bytes);
	tcase_add_test(tc, base64_comes_back);
	tcase_add_test(tc, what_a_program_said_is_escaped_once);
	tcase_add_test(tc, what_turns_writing_around_is_escaped);
	tcase_add_test(tc, a_varint_has_one_spelling);
	tcase_add_test(tc,
	    a_directory_sorts_before_its_members_and_they_before_the_next);
	tcase_add_test(tc, an_errors_first_line_is_without_its_hint);
	tcase_add_test(tc, what_is_too_long_loses_its_middle_and_stays_utf_8);
	suite_add_tcase(s, tc);
	return s;
}
