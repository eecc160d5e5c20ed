/* The tables in words. */
#include <bascule/policy.h>

#include <check.h>
#include <fcntl.h>
#include <string.h>

#include <bascule/base/fdio.h>

START_TEST(a_setting_is_explained_by_its_path_or_its_last_part)
{
	OWNED(buf_fini) struct buf full = {0};
	OWNED(buf_fini) struct buf bare = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_explain("service.backup.schedule", &full, &e),
	    ERR_NONE);
	ck_assert_ptr_nonnull(strstr(buf_text(&full), "*/30 * * * *"));
	ck_assert_ptr_null(strstr(buf_text(&full), "service.verify"));
	ck_assert_int_eq(policy_explain("schedule", &bare, &e), ERR_NONE);
	ck_assert_ptr_nonnull(strstr(buf_text(&bare), "service.verify.sched"));
	ck_assert_ptr_nonnull(strstr(buf_text(&bare), "service.exercises."));
}
END_TEST

START_TEST(defaults_ranges_and_choices_are_said)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_explain("limits.nice", &b, &e), ERR_NONE);
	ck_assert_ptr_nonnull(strstr(buf_text(&b), "default:  10"));
	ck_assert_ptr_nonnull(strstr(buf_text(&b), "0 to 19"));
	ck_assert_int_eq(policy_explain("backup.misfire", &b, &e), ERR_NONE);
	ck_assert_ptr_nonnull(strstr(buf_text(&b), "\"run-all\""));
}
END_TEST

START_TEST(an_unknown_name_suggests_a_near_one)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_explain("schedul", &b, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "service.backup.schedule"));
	ck_assert_int_eq(policy_explain("", &b, &e), ERR_NOTFOUND);
	ck_assert_int_eq(policy_explain(".", &b, &e), ERR_NOTFOUND);
	ck_assert_uint_eq(b.len_bytes, 0);
}
END_TEST

START_TEST(the_reference_page_is_current)
{
	OWNED(buf_fini) struct buf now = {0};
	OWNED(buf_fini) struct buf page = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_reference(&now, &e), ERR_NONE);
	ck_assert_int_eq(fdio_slurp(AT_FDCWD, "docs/POLICY.md", 1U << 20, &page,
			     &e),
	    ERR_NONE);
	ck_assert_msg(strcmp(buf_text(&now), buf_text(&page)) == 0,
	    "docs/POLICY.md is not what the tables say: run make policy-doc");
}
END_TEST

START_TEST(every_problem_has_a_title)
{
	for (unsigned id = 1; id <= policy_problem_max(); id++)
		ck_assert_ptr_nonnull(policy_problem_title(id));
	ck_assert_ptr_null(policy_problem_title(policy_problem_max() + 1));
}
END_TEST

Suite *suite_policy_policy_explain(void);

Suite *
suite_policy_policy_explain(void)
{
	Suite *s = suite_create("policy/explain");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_setting_is_explained_by_its_path_or_its_last_part);
	tcase_add_test(tc, defaults_ranges_and_choices_are_said);
	tcase_add_test(tc, an_unknown_name_suggests_a_near_one);
	tcase_add_test(tc, the_reference_page_is_current);
	tcase_add_test(tc, every_problem_has_a_title);
	suite_add_tcase(s, tc);
	return s;
}
