#include <check.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../lib/job/exercise_sandbox.h"
#include "support/tmpdir.h"

static struct tmpdir top;
static char root[256], run[300];
static mode_t old_umask;

static void
begin(void)
{
	tmpdir_make(&top);
	snprintf(root, sizeof(root), "%s/sandbox", top.path);
	snprintf(run, sizeof(run), "%s/run", root);
	old_umask = umask(0077); /* as the daemon's */
}

static void
end(void)
{
	umask(old_umask);
	tmpdir_remove(&top);
}

static unsigned
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return (unsigned)st.st_mode & 07777;
}

START_TEST(a_step_without_rights_gets_through_to_its_own_place)
{
	uint64_t bytes;
	struct err e;

	ck_assert_int_eq(exercise_sandbox_room(root, &bytes, &e), ERR_NONE);
	ck_assert_uint_eq(mode_of(root), 0711);
	ck_assert_int_eq(exercise_sandbox_make(root, run, &e), ERR_NONE);
	ck_assert_uint_eq(mode_of(run), 0711);
	ck_assert_int_eq(exercise_sandbox_remove(run, &e), ERR_NONE);
	ck_assert_int_ne(access(run, F_OK), 0);
}
END_TEST

START_TEST(a_root_that_was_there_keeps_its_mode)
{
	struct err e;

	ck_assert_int_eq(mkdir(root, 0700), 0);
	ck_assert_int_eq(exercise_sandbox_make(root, run, &e), ERR_NONE);
	ck_assert_uint_eq(mode_of(root), 0700);
	ck_assert_uint_eq(mode_of(run), 0711);
}
END_TEST

Suite *suite_job_exercise_sandbox(void);
Suite *
suite_job_exercise_sandbox(void)
{
	Suite *s = suite_create("job/exercise_sandbox");
	TCase *t = tcase_create("modes");

	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, a_step_without_rights_gets_through_to_its_own_place);
	tcase_add_test(t, a_root_that_was_there_keeps_its_mode);
	suite_add_tcase(s, t);
	return s;
}
