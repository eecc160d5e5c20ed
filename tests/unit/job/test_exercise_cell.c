#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../lib/job/exercise_cell.h"
#include "support/tmpdir.h"

static struct tmpdir top;

static void
begin(void)
{
	tmpdir_make(&top);
}

static void
end(void)
{
	tmpdir_remove(&top);
}

enum { INSIDE, OUTSIDE, NO_RIGHTS, BROKEN };

/* Live in the directory, with nothing but a /proc. */
static bool
confine(void)
{
	char proc[128];

	snprintf(proc, sizeof(proc), "%s/proc", top.path);
	return mkdir(proc, 0755) == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount(top.path, top.path, NULL, MS_BIND, NULL) == 0 &&
	    mount("proc", proc, "proc", 0, NULL) == 0 &&
	    chroot(top.path) == 0 && chdir("/") == 0;
}

static int
enter_and_look(void)
{
	struct exercise_cell *c = NULL;
	struct err e;
	int status = BROKEN;

	if (exercise_cell_make(&c, &e) != ERR_NONE)
		return NO_RIGHTS;
	if (exercise_cell_enter(c, &e) == ERR_NONE)
		status = access("/inside", F_OK) == 0 ? INSIDE : OUTSIDE;
	exercise_cell_free(&c);
	return status;
}

START_TEST(a_step_stays_where_its_worker_lives)
{
	int status = 0;
	pid_t pid;

	tmpdir_put(&top, "inside", "");
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(confine() ? enter_and_look() : NO_RIGHTS);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) != NO_RIGHTS)
		ck_assert_int_eq(WEXITSTATUS(status), INSIDE);
}
END_TEST

Suite *suite_job_exercise_cell(void);
Suite *
suite_job_exercise_cell(void)
{
	Suite *s = suite_create("job/exercise_cell");
	TCase *t = tcase_create("cell");

	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, a_step_stays_where_its_worker_lives);
	suite_add_tcase(s, t);
	return s;
}
