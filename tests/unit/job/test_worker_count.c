/* What a command prints that counts transactions. */
#include "lib/job/worker_count.h"

#include <check.h>
#include <string.h>

static bool
parses(const char *text, int64_t *n)
{
	return worker_count_parse(text, strlen(text), n);
}

START_TEST(one_number_is_a_count_with_blanks_around_it)
{
	int64_t n = 0;

	ck_assert(parses("42\n", &n) && n == 42);
	ck_assert(parses("  0 \r\n", &n) && n == 0);
	ck_assert(parses("9223372036854775807\n", &n) && n == INT64_MAX);
}
END_TEST

START_TEST(anything_else_is_none)
{
	static const char *const texts[] = {"", "\n", "x", "-1", "+1", "1 2",
	    "1\n2\n", "1.5", "0x10", "9223372036854775808",
	    "00000000000000000000000001", "12 rows"};
	int64_t n = 7;

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		ck_assert_msg(!parses(texts[i], &n), "'%s' is %lld", texts[i],
		    (long long)n);
	ck_assert(!worker_count_parse("1\0002", 3, &n));
	ck_assert_int_eq(n, 7);
}
END_TEST

Suite *suite_job_worker_count(void);

Suite *
suite_job_worker_count(void)
{
	Suite *s = suite_create("job/worker_count");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, one_number_is_a_count_with_blanks_around_it);
	tcase_add_test(tc, anything_else_is_none);
	suite_add_tcase(s, tc);
	return s;
}
