/* ${service} and its kin. */
#include <bascule/policy.h>

#include <check.h>
#include <string.h>

static const struct policy_values values = {.service = "housing",
    .sandbox = "/s",
    .run = "${run}"};

START_TEST(a_word_is_expanded_once_and_stays_one_word)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_expand(&b, "${sandbox}/a b/${service}", &values,
			     &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&b), "/s/a b/housing");
	buf_clear(&b);
	ck_assert_int_eq(policy_expand(&b, "$5 ${run} {x}", &values, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&b), "$5 ${run} {x}");
}
END_TEST

START_TEST(what_has_no_value_or_does_not_exist_is_refused)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_expand(&b, "${epoch}", &values, &e), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "epoch"));
	ck_assert_int_eq(policy_expand(&b, "${home}", &values, &e), ERR_INPUT);
	ck_assert_int_eq(policy_expand(&b, "${service", &values, &e),
	    ERR_INPUT);
	ck_assert_int_eq(policy_expand(&b, "${}", &values, &e), ERR_INPUT);
}
END_TEST

START_TEST(a_command_becomes_an_argv)
{
	static const char *const items[] = {"run", "", "${sandbox}/x", NULL};
	struct policy_texts words = {.items = items, .count = 3};
	OWNED(policy_expand_free) char **argv = NULL;
	struct err e = {0};

	ck_assert_int_eq(policy_expand_argv(&argv, &words, &values, &e),
	    ERR_NONE);
	ck_assert_str_eq(argv[0], "run");
	ck_assert_str_eq(argv[1], "");
	ck_assert_str_eq(argv[2], "/s/x");
	ck_assert_ptr_null(argv[3]);
	policy_expand_free(&argv);
	words.count = 0;
	ck_assert_int_eq(policy_expand_argv(&argv, &words, &values, &e),
	    ERR_NONE);
	ck_assert_ptr_null(argv[0]);
}
END_TEST

Suite *suite_policy_policy_expand(void);

Suite *
suite_policy_policy_expand(void)
{
	Suite *s = suite_create("policy/expand");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_word_is_expanded_once_and_stays_one_word);
	tcase_add_test(tc, what_has_no_value_or_does_not_exist_is_refused);
	tcase_add_test(tc, a_command_becomes_an_argv);
	suite_add_tcase(s, tc);
	return s;
}
