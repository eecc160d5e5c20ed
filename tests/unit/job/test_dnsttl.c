/* The time to live of a name's answer, from bytes that anybody may send. */
#include "lib/job/dnsttl.h"

#include <check.h>
#include <string.h>

#define HEAD        "\1\2\201\200\0\1"
#define NAME        "\1a\2uk\0"
#define ASKED       NAME "\0\1\0\1"
#define ANSWER(ttl) "\300\14\0\1\0\1" ttl "\0\4\177\0\0\1"

static enum err_code
read_it(const char *bytes, size_t len_bytes, uint32_t *ttl)
{
	struct err e;

	return dnsttl_read(bytes, len_bytes, ttl, &e);
}
#define READ(text, ttl) read_it(text, sizeof(text) - 1, ttl)

START_TEST(the_shortest_of_the_answers_counts)
{
	uint32_t ttl = 0;

	ck_assert_int_eq(READ(HEAD "\0\2\0\0\0\0" ASKED ANSWER("\0\0\16\20")
				  ANSWER("\0\0\0\74"),
			     &ttl),
	    ERR_NONE);
	ck_assert_uint_eq(ttl, 60);
	ck_assert_int_eq(READ(HEAD "\0\1\0\0\0\0" ASKED ANSWER("\0\0\16\20"),
			     &ttl),
	    ERR_NONE);
	ck_assert_uint_eq(ttl, 3600);
}
END_TEST

START_TEST(a_negative_time_is_none)
{
	uint32_t ttl = 7;

	ck_assert_int_eq(READ(HEAD
			     "\0\1\0\0\0\0" ASKED ANSWER("\377\377\377\377"),
			     &ttl),
	    ERR_NONE);
	ck_assert_uint_eq(ttl, 0);
}
END_TEST

START_TEST(no_answer_is_none)
{
	uint32_t ttl;

	ck_assert_int_eq(READ(HEAD "\0\0\0\0\0\0" ASKED, &ttl), ERR_NOTFOUND);
}
END_TEST

START_TEST(what_is_cut_anywhere_is_refused)
{
	static const char whole[] =
	    HEAD "\0\1\0\0\0\0" ASKED ANSWER("\0\0\0\74");
	uint32_t ttl;

	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		ck_assert_int_ne(read_it(whole, len, &ttl), ERR_NONE);
	ck_assert_int_eq(read_it(whole, sizeof(whole) - 1, &ttl), ERR_NONE);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	uint32_t ttl;

	/* a label longer than names have; more answers than fit */
	ck_assert_int_eq(READ(HEAD "\0\1\0\0\0\0"
				   "\100aaaa\0\0\1\0\1",
			     &ttl),
	    ERR_CORRUPT);
	ck_assert_int_eq(READ("\1\2\201\200\377\377\0\1\0\0\0\0" ASKED, &ttl),
	    ERR_CORRUPT);
	ck_assert_int_eq(READ(HEAD "\377\377\0\0\0\0" ASKED, &ttl),
	    ERR_CORRUPT);
}
END_TEST

START_TEST(a_resolver_that_is_none_is_refused)
{
	uint32_t ttl;
	struct err e;

	ck_assert_int_eq(dnsttl_ask("a.uk", "nowhere:53", &ttl, &e), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "nowhere:53"));
}
END_TEST

Suite *suite_job_dnsttl(void);

Suite *
suite_job_dnsttl(void)
{
	Suite *s = suite_create("job/dnsttl");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, the_shortest_of_the_answers_counts);
	tcase_add_test(tc, a_negative_time_is_none);
	tcase_add_test(tc, no_answer_is_none);
	tcase_add_test(tc, what_is_cut_anywhere_is_refused);
	tcase_add_test(tc, nonsense_is_refused);
	tcase_add_test(tc, a_resolver_that_is_none_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
