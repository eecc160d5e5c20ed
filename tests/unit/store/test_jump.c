#include "../../../lib/store/jump.h"

#include <check.h>

static struct err e;

START_TEST(what_comes_next_is_taken_and_what_leaps_ahead_is_not)
{
	struct jump j = {0};

	ck_assert_int_eq(jump_check(&j, 0, 1, &e), ERR_NONE);
	jump_seen(&j, 3, 500);
	jump_seen(&j, 2, 7);
	ck_assert_int_eq(jump_check(&j, 0, 1, &e), ERR_NONE);
	ck_assert_int_eq(jump_check(&j, 3 + JUMP_EPOCH_MAX,
			     500 + JUMP_SEQUENCE_MAX, &e),
	    ERR_NONE);
	ck_assert_int_eq(jump_check(&j, 3, 501 + JUMP_SEQUENCE_MAX, &e),
	    ERR_REFUSED);
	ck_assert_int_eq(jump_check(&j, 4 + JUMP_EPOCH_MAX, 501, &e),
	    ERR_REFUSED);
	ck_assert_str_eq(e.text,
	    "its epoch 1004 is far beyond the 3 that is here");
	ck_assert_int_eq(jump_check(&j, 3, UINT64_MAX, &e), ERR_REFUSED);
	ck_assert_int_eq(jump_check(&j, UINT64_MAX, 501, &e), ERR_REFUSED);
}
END_TEST

Suite *suite_store_jump(void);

Suite *
suite_store_jump(void)
{
	Suite *s = suite_create("store/jump");
	TCase *t = tcase_create("jump");

	tcase_add_test(t, what_comes_next_is_taken_and_what_leaps_ahead_is_not);
	suite_add_tcase(s, t);
	return s;
}
