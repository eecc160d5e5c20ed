#include <bascule/base/atomfile.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/tmpdir.h"

static struct tmpdir td;

static void
setup(void)
{
	tmpdir_make(&td);
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

static enum err_code
replace(const char *name, const char *text, struct err *e)
{
	OWNED(atomfile_discard) struct atomfile *af = NULL;

	if (atomfile_begin(&af, td.fd, name, e) != ERR_NONE ||
	    atomfile_write(af, text, strlen(text), e) != ERR_NONE ||
	    atomfile_commit(&af, e) != ERR_NONE)
		return err_wrap(e, "replacing '%s'", name);
	return ERR_NONE;
}

START_TEST(commit_shows_new_content)
{
	struct err e = {0};

	tmpdir_put(&td, "config", "old");
	ck_assert_int_eq(replace("config", "new", &e), ERR_NONE);
	ck_assert_str_eq(tmpdir_get(&td, "config"), "new");
}
END_TEST

START_TEST(long_name_is_refused)
{
	char name[300] = {0};
	struct err e = {0};

	memset(name, 'x', sizeof(name) - 1);
	ck_assert_int_eq(replace(name, "new", &e), ERR_INPUT);
	ck_assert_int_eq(tmpdir_count(&td), 0);
}
END_TEST

/* A1 and A3, with the first, second, ... system call failing in turn. */
START_TEST(what_the_dead_left_is_swept_and_nothing_else)
{
	char mine[64], dead[64], text[64];
	pid_t gone = fork();

	if (gone == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(gone, NULL, 0), gone);
	snprintf(dead, sizeof(dead), ".config.%ld.tmp", (long)gone);
	snprintf(mine, sizeof(mine), ".config.%ld.tmp", (long)getpid());
	snprintf(text, sizeof(text), ".%ld.tmp.x", (long)gone);
	tmpdir_put(&td, dead, "half");
	tmpdir_put(&td, mine, "half");
	tmpdir_put(&td, text, "another's");
	tmpdir_put(&td, ".config.tmp", "another's");
	tmpdir_put(&td, ".config.99999999999999999999.tmp", "another's");
	atomfile_sweep(td.fd);
	ck_assert_int_eq(tmpdir_count(&td), 4);
	ck_assert_int_ne(faccessat(td.fd, dead, F_OK, 0), 0);
}
END_TEST

START_TEST(any_failing_call_leaves_one_whole_file)
{
	for (int nth = 1;; nth++) {
		struct err e = {0};
		enum err_code rc;

		tmpdir_put(&td, "config", "old");
		fault_arm(nth, ENOSPC);
		rc = replace("config", "new", &e);
		if (!fault_fired())
			break; /* nth is past the last call */
		ck_assert_int_eq(rc, ERR_NOSPACE);
		ck_assert_ptr_nonnull(strstr(e.text, "replacing 'config': "));
		ck_assert_int_eq(tmpdir_count(&td), 1);
		ck_assert(tmpdir_is(&td, "config", "old") ||
		    tmpdir_is(&td, "config", "new"));
	}
}
END_TEST

/* A4: another name of somebody's file, where our temporary should be. */
START_TEST(a_stale_temporary_is_swept_and_not_written_through)
{
	char stale[64];
	struct err e = {0};

	snprintf(stale, sizeof stale, ".config.%ld.tmp", (long)getpid());
	tmpdir_put(&td, "precious", "mine");
	ck_assert_int_eq(linkat(td.fd, "precious", td.fd, stale, 0), 0);
	ck_assert_msg(replace("config", "new", &e) == ERR_NONE, "%s", e.text);
	ck_assert_str_eq(tmpdir_get(&td, "precious"), "mine");
	ck_assert_str_eq(tmpdir_get(&td, "config"), "new");
	ck_assert_int_eq(tmpdir_count(&td), 2);

	/* ... and what cannot be swept stays, and is not ours to remove */
	ck_assert_int_eq(mkdirat(td.fd, stale, 0700), 0);
	ck_assert_int_ne(replace("config", "newer", &e), ERR_NONE);
	ck_assert_str_eq(tmpdir_get(&td, "config"), "new");
	ck_assert_int_eq(unlinkat(td.fd, stale, AT_REMOVEDIR), 0);
}
END_TEST

Suite *suite_base_atomfile(void);

Suite *
suite_base_atomfile(void)
{
	Suite *s = suite_create("base/atomfile");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, commit_shows_new_content);
	tcase_add_test(tc, long_name_is_refused);
	tcase_add_test(tc, a_stale_temporary_is_swept_and_not_written_through);
	tcase_add_test(tc, what_the_dead_left_is_swept_and_nothing_else);
	tcase_add_test(tc, any_failing_call_leaves_one_whole_file);
	suite_add_tcase(s, tc);
	return s;
}
