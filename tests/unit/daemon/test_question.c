/* An answer that a question does not take leaves it asked. */
#include <check.h>
#include <string.h>

#include "../daemon/question.h"

Suite *suite_daemon_question(void);

static enum err_code
answer(const char *verbs, const char *verb, const char *reason, uint32_t roles,
    struct err *e)
{
	static char name[] = "sure";
	struct question a = {.name = name, .role = ROLE_OPERATOR};
	struct job j = {.id = "J1", .questions = &a};
	const struct question_word w = {verb, reason, "amara", roles};
	enum err_code rc;

	snprintf(a.verbs, sizeof(a.verbs), "%s", verbs);
	rc = question_answer(&j, "sure", &w, e);
	ck_assert_int_ne(rc, ERR_NONE);
	ck_assert_ptr_eq(j.questions, &a);
	ck_assert_int_eq(question_answer(&j, "sur", &w, e), ERR_NOTFOUND);
	return rc;
}

#define OPERATOR ROLE_BIT(ROLE_OPERATOR)

START_TEST(a_question_takes_its_own_words_only)
{
	struct err e = {0};

	/* What is right comes as far as the worker, of which there is none. */
	ck_assert_int_eq(answer("done skip abort", "done", "", OPERATOR, &e),
	    ERR_BUSY);
	ck_assert_int_eq(answer("done skip abort", "confirm", "", OPERATOR, &e),
	    ERR_BUSY);
	ck_assert_int_eq(answer("done skip abort", "retry", "", OPERATOR, &e),
	    ERR_INPUT);
	ck_assert_int_eq(answer("retry skip abort", "done", "", OPERATOR, &e),
	    ERR_INPUT);
	ck_assert_int_eq(answer("retry skip abort", "confirm", "", OPERATOR,
			     &e),
	    ERR_INPUT);
	ck_assert_int_eq(answer("retry skip abort", "abort", "", OPERATOR, &e),
	    ERR_BUSY);
	ck_assert_int_eq(answer("retry skip abort", "skip abort", "", OPERATOR,
			     &e),
	    ERR_INPUT);
	ck_assert_int_eq(answer("retry skip abort", "", "", OPERATOR, &e),
	    ERR_INPUT);
	ck_assert_int_eq(answer("", "retry", "", OPERATOR, &e), ERR_BUSY);
	ck_assert_int_eq(answer("", "again", "", OPERATOR, &e), ERR_INPUT);
}
END_TEST

START_TEST(a_step_is_skipped_with_a_reason_only)
{
	struct err e = {0};

	ck_assert_int_eq(answer("done skip abort", "skip", "", OPERATOR, &e),
	    ERR_INPUT);
	ck_assert_int_eq(answer("done skip abort", "skip", "why", OPERATOR, &e),
	    ERR_BUSY);
}
END_TEST

START_TEST(a_question_is_for_a_role)
{
	struct err e = {0};

	ck_assert_int_eq(answer("done skip abort", "done", "",
			     ROLE_BIT(ROLE_VIEWER), &e),
	    ERR_REFUSED);
	ck_assert_int_eq(answer("done skip abort", "done", "",
			     ROLE_BIT(ROLE_ADMIN), &e),
	    ERR_BUSY);
}
END_TEST

Suite *
suite_daemon_question(void)
{
	Suite *s = suite_create("daemon/question");
	TCase *t = tcase_create("answers");

	tcase_add_test(t, a_question_takes_its_own_words_only);
	tcase_add_test(t, a_step_is_skipped_with_a_reason_only);
	tcase_add_test(t, a_question_is_for_a_role);
	suite_add_tcase(s, t);
	return s;
}
