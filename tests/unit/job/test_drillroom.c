#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../lib/job/drillroom.h"
#include "support/tmpdir.h"

static struct tmpdir top;
static char root[256];
static unsigned left_count, kept_count;

static void
begin(void)
{
	tmpdir_make(&top);
	snprintf(root, sizeof(root), "%s/sandbox", top.path);
	left_count = kept_count = 0;
}

static void
end(void)
{
	tmpdir_remove(&top);
}

static void
on_left(void *ctx, const char *path, const char *why)
{
	(void)ctx;
	ck_assert_ptr_nonnull(strstr(path, "verify-"));
	if (why == NULL)
		left_count++;
	else
		kept_count++;
}

static bool
is_there(const char *name)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return lstat(path, &st) == 0;
}

static void
make(const char *name, mode_t mode)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	ck_assert_int_eq(mkdir(path, mode), 0);
}

START_TEST(what_is_restored_goes_whatever_its_modes)
{
	OWNED(drillroom_close) struct drillroom *r = NULL;
	struct err e = {0};

	ck_assert_int_eq(drillroom_open(&r, root, "a", on_left, NULL, &e),
	    ERR_NONE);
	ck_assert(is_there("verify-a"));
	make("verify-a/deep", 0700);
	make("verify-a/deep/er", 0500);
	ck_assert_int_eq(chmod(drillroom_path(r), 0500), 0);
	ck_assert_int_eq(drillroom_empty(r, &e), ERR_NONE);
	ck_assert(!is_there("verify-a"));
	ck_assert_uint_eq(left_count + kept_count, 0);
}
END_TEST

START_TEST(one_that_was_not_emptied_goes_with_its_holder)
{
	struct drillroom *r = NULL;
	struct err e = {0};

	ck_assert_int_eq(drillroom_open(&r, root, "a", on_left, NULL, &e),
	    ERR_NONE);
	make("verify-a/x", 0700);
	drillroom_close(&r);
	ck_assert_ptr_null(r);
	ck_assert(!is_there("verify-a"));
}
END_TEST

START_TEST(what_a_dead_drill_left_goes_and_what_is_in_use_stays)
{
	OWNED(drillroom_close) struct drillroom *busy = NULL;
	OWNED(drillroom_close) struct drillroom *r = NULL;
	struct err e = {0};
	char target[400];

	ck_assert_int_eq(drillroom_open(&busy, root, "busy", on_left, NULL, &e),
	    ERR_NONE);
	make("verify-dead", 0700);
	make("verify-dead/x", 0500);
	make("verify-r", 0700); /* an earlier attempt of the same job */
	make("exercise", 0700);
	snprintf(target, sizeof(target), "%s/verify-link", root);
	ck_assert_int_eq(symlink("exercise", target), 0);
	ck_assert_int_eq(drillroom_open(&r, root, "r", on_left, NULL, &e),
	    ERR_NONE);
	ck_assert(is_there("verify-busy"));
	ck_assert(is_there("verify-r"));
	ck_assert(is_there("exercise"));
	ck_assert(is_there("verify-link"));
	ck_assert(!is_there("verify-dead"));
	ck_assert_uint_eq(left_count, 2);
	ck_assert_uint_eq(kept_count, 0);
}
END_TEST

START_TEST(another_drill_of_that_name_is_not_touched)
{
	OWNED(drillroom_close) struct drillroom *first = NULL;
	OWNED(drillroom_close) struct drillroom *second = NULL;
	struct err e = {0};

	ck_assert_int_eq(drillroom_open(&first, root, "a", on_left, NULL, &e),
	    ERR_NONE);
	make("verify-a/x", 0700);
	ck_assert_int_ne(drillroom_open(&second, root, "a", on_left, NULL, &e),
	    ERR_NONE);
	ck_assert_ptr_null(second);
	ck_assert(is_there("verify-a/x"));
}
END_TEST

Suite *suite_job_drillroom(void);

Suite *
suite_job_drillroom(void)
{
	Suite *s = suite_create("job/drillroom");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, what_is_restored_goes_whatever_its_modes);
	tcase_add_test(tc, one_that_was_not_emptied_goes_with_its_holder);
	tcase_add_test(tc,
	    what_a_dead_drill_left_goes_and_what_is_in_use_stays);
	tcase_add_test(tc, another_drill_of_that_name_is_not_touched);
	suite_add_tcase(s, tc);
	return s;
}
