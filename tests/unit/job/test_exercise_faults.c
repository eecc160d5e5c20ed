#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "../../../lib/job/dialtcp.h"
#include "../../../lib/job/exercise_cell.h"
#include "../../../lib/job/exercise_sandbox.h"
#include "../../../lib/job/exercise_sweep.h"
#include "../../../lib/job/planrun_check.h"
#include "../../../lib/job/planrun_program.h"
#include "support/fault.h"
#include "support/tmpdir.h"

/*
 * Every call in turn fails: nothing stays open, nobody stays, and nothing that
 * failed is called good.
 */

static const int errnos[] = {EIO, EMFILE, EINTR};
static struct tmpdir top;
static int fds_before;
static char run_name[32], boot[NOW_BOOT_ID_BYTES];
static struct err e;

static void
begin(void)
{
	tmpdir_make(&top);
	snprintf(run_name, sizeof(run_name), "faults-%d", (int)getpid());
	now_boot_id(boot);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* whoever stays falls to us */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* of the suites before, in this process */
	fds_before = fault_fds_count();
}

static void
end(void)
{
	tmpdir_remove(&top);
}

static void
nothing_stays(const char *what, int nth, int num)
{
	ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD,
	    "%s: a process stays when call %d fails (%s)", what, nth,
	    strerror(num));
	ck_assert_msg(fault_fds_count() == fds_before,
	    "%s: a descriptor stays when call %d fails (%s)", what, nth,
	    strerror(num));
}

/* --- the cell --------------------------------------------------------------- */

static bool
has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
	    0 ||
	    info.si_pid == pid;
}

static void
live_in_a_cell(void)
{
	OWNED(exercise_cell_free) struct exercise_cell *c = NULL;
	OWNED(exercise_cell_free) struct exercise_cell *again = NULL;
	pid_t pid;
	enum err_code rc = exercise_cell_make(&c, &e);

	if (rc != ERR_NONE)
		return; /* it ends by itself */
	pid = c->pid;
	rc = exercise_cell_release(c, &e);
	if (rc == ERR_NONE) {
		rc = exercise_cell_find(&again, pid, c->started, boot, &e);
		ck_assert_msg(rc != ERR_NOTFOUND || has_ended(pid),
		    "a cell that is there is said to be no more: %s", e.text);
	}
	rc = exercise_cell_kill(c, &e);
	if (rc != ERR_NONE) {
		fault_fired();
		ck_assert_msg(exercise_cell_kill(c, &e) == ERR_NONE, "%s",
		    e.text);
	}
	ck_assert_msg(kill(pid, 0) != 0, "the cell lives on");
}

START_TEST(a_cell_is_gone_or_can_be_found)
{
	for (size_t i = 0; i < COUNT_OF(errnos); i++)
		for (int nth = 1;; nth++) {
			bool fired;

			fault_arm_all(nth, errnos[i]);
			live_in_a_cell();
			fired = fault_fired();
			nothing_stays("cell", nth, errnos[i]);
			if (!fired)
				break;
		}
}
END_TEST

/* --- a program -------------------------------------------------------------- */

START_TEST(a_program_runs_wholly_or_an_error_is_said)
{
	const char *const argv[] = {"sh", "-c",
	    ": >did; test \"$BASCULE_RUN\" = \"$0\" && test -n "
	    "\"$BASCULE_STEP\" && test -n \"$BASCULE_SANDBOX\" && echo good",
	    run_name, NULL};
	struct planrun_program p = {.argv = argv,
	    .run = run_name,
	    .step = "step",
	    .sandbox = top.path,
	    .timeout_ns = 20 * NS_PER_S};

	for (size_t i = 0; i < COUNT_OF(errnos); i++)
		for (int nth = 1;; nth++) {
			struct planrun_said said = {0};
			enum err_code rc;
			bool fired;

			fault_arm_all(nth, errnos[i]);
			rc = planrun_program_run(&p, &said, &e);
			fired = fault_fired();
			if (rc == ERR_NONE) {
				ck_assert_int_eq(said.exit_status, 0);
				ck_assert_str_eq(buf_text(&said.out), "good\n");
			}
			/* What may have been done is not told as not begun. */
			if (unlinkat(top.fd, "did", 0) == 0)
				ck_assert_msg(rc == ERR_NONE || said.was_lost,
				    "call %d: %s", nth, e.text);
			planrun_program_fini(&said);
			nothing_stays("program", nth, errnos[i]);
			if (!fired)
				break;
		}
}
END_TEST

/* --- the sandbox ------------------------------------------------------------- */

static unsigned
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (unsigned)st.st_mode & 07777 : 0;
}

static enum err_code
live_in_a_sandbox(const char *root, const char *path)
{
	char name[400];
	enum err_code rc = exercise_sandbox_make(root, path, &e);

	if (rc != ERR_NONE)
		return rc;
	snprintf(name, sizeof(name), "%s/a", path);
	ck_assert(mkdir(name, 0700) == 0 || fault_fired());
	snprintf(name, sizeof(name), "%s/a/b", path);
	ck_assert(symlink("/", name) == 0 || fault_fired());
	snprintf(name, sizeof(name), "%s/a", path);
	ck_assert(chmod(name, 0500) == 0 || fault_fired());
	rc = exercise_sandbox_remove(path, &e);
	if (rc == ERR_NONE)
		ck_assert_msg(access(path, F_OK) != 0, "it is still there");
	return rc;
}

START_TEST(a_sandbox_is_removed_or_the_next_try_removes_it)
{
	char root[200], path[300];

	snprintf(root, sizeof(root), "%s/sandbox", top.path);
	snprintf(path, sizeof(path), "%s/run", root);
	umask(0077);
	for (size_t i = 0; i < COUNT_OF(errnos); i++)
		for (int nth = 1;; nth++) {
			enum err_code rc;
			bool fired;

			fault_arm_all(nth, errnos[i]);
			rc = live_in_a_sandbox(root, path);
			fired = fault_fired();
			if (rc != ERR_NONE)
				ck_assert_int_eq(exercise_sandbox_remove(path,
						     &e),
				    ERR_NONE);
			ck_assert_int_ne(access(path, F_OK), 0);
			if (access(root, F_OK) == 0)
				ck_assert_uint_eq(mode_of(root), 0711);
			rmdir(root);
			nothing_stays("sandbox", nth, errnos[i]);
			if (!fired)
				break;
		}
}
END_TEST

/* --- the sweep -------------------------------------------------------------- */

/* It has nothing to find; but what it could not look at may have been it. */
START_TEST(a_sweep_that_could_not_look_does_not_say_clean)
{
	static const int nums[] = {EIO, EMFILE};

	for (size_t i = 0; i < COUNT_OF(nums); i++)
		for (int nth = 1;; nth += nth < 20 ? 1 : fault_step(97)) {
			enum err_code rc;
			size_t killed;
			bool fired;

			fault_arm_all(nth, nums[i]);
			rc = exercise_sweep(run_name, top.path, &killed, &e);
			fired = fault_fired();
			ck_assert_msg(!fired || rc != ERR_NONE,
			    "call %d failed (%s), and that is clean", nth,
			    strerror(nums[i]));
			nothing_stays("sweep", nth, nums[i]);
			if (!fired)
				break;
		}
}
END_TEST

/* --- isolation --------------------------------------------------------------- */

/* Nobody listens there: it is cut off, unless we could not even try. */
START_TEST(who_cannot_dial_proves_nothing)
{
	static const int nums[] = {EMFILE, ENOMEM};

	for (size_t i = 0; i < COUNT_OF(nums); i++)
		for (int nth = 1;; nth++) {
			OWNED(buf_fini) struct buf note = {0};
			enum err_code rc;
			bool fired;

			fault_arm_all(nth, nums[i]);
			rc = planrun_check_cut_off("127.0.0.1:1", &note, &e);
			fired = fault_fired();
			ck_assert_msg(!fired || rc != ERR_NONE,
			    "call %d failed (%s): %s", nth, strerror(nums[i]),
			    buf_text(&note));
			ck_assert_int_ne(rc, ERR_REFUSED);
			nothing_stays("isolation", nth, nums[i]);
			if (fired)
				continue;
			ck_assert_int_eq(rc, ERR_NONE);
			break;
		}
}
END_TEST

Suite *suite_job_exercise_faults(void);
Suite *
suite_job_exercise_faults(void)
{
	Suite *s = suite_create("job/exercise_faults");
	TCase *t = tcase_create("faults");

	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, a_cell_is_gone_or_can_be_found);
	tcase_add_test(t, a_program_runs_wholly_or_an_error_is_said);
	tcase_add_test(t, a_sandbox_is_removed_or_the_next_try_removes_it);
	tcase_add_test(t, a_sweep_that_could_not_look_does_not_say_clean);
	tcase_add_test(t, who_cannot_dial_proves_nothing);
	suite_add_tcase(s, t);
	return s;
}
