#include <bascule/base/proc.h>

#include <check.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/must.h"

START_TEST(a_process_that_is_stopped_is_seen_to_be)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	ck_assert_int_eq(proc_state(pid), 'T');
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(proc_state(pid), '?');
	ck_assert_int_eq(proc_state(getpid()), 'R');
}
END_TEST

START_TEST(one_that_nobody_reaps_has_ended_and_one_that_is_not_there_is_none)
{
	struct proc_look ours, look;
	struct err e = {0};
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){0},
			     WEXITED | WNOWAIT),
	    0);
	must(proc_look(&ours, getpid(), &e), &e);
	ck_assert_int_eq(ours.session, getsid(0));
	must(proc_look(&look, pid, &e), &e);
	ck_assert_int_eq(look.state, 'Z');
	ck_assert_int_eq(look.session, getsid(0));
	ck_assert_uint_ge(look.began_ticks, ours.began_ticks);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	must(proc_look(&look, pid, &e), &e);
	ck_assert_int_eq(look.state, '\0');
	ck_assert_int_eq(proc_state(pid), '?');
}
END_TEST

Suite *suite_base_proc(void);

Suite *
suite_base_proc(void)
{
	Suite *s = suite_create("base/proc");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_process_that_is_stopped_is_seen_to_be);
	tcase_add_test(tc,
	    one_that_nobody_reaps_has_ended_and_one_that_is_not_there_is_none);
	suite_add_tcase(s, tc);
	return s;
}
