#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/daemon.h"

START_TEST(a_worker_that_is_stopped_is_said_to_be_with_what_wakes_it)
{
	struct supervise_silence said;
	char wakes[48];
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	ck_assert_int_gt(pid, 0);
	supervise_silence(pid, &said);
	ck_assert_str_eq(said.type, "");
	ck_assert_ptr_nonnull(strstr(said.why, "overloaded"));
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	supervise_silence(pid, &said);
	snprintf(wakes, sizeof(wakes), "kill -CONT %d", (int)pid);
	ck_assert_str_eq(said.type, wakes);
	ck_assert_ptr_nonnull(strstr(said.why, "it is stopped"));
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

Suite *suite_daemon_supervise(void);

Suite *
suite_daemon_supervise(void)
{
	Suite *s = suite_create("daemon/supervise");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc,
	    a_worker_that_is_stopped_is_said_to_be_with_what_wakes_it);
	suite_add_tcase(s, tc);
	return s;
}
