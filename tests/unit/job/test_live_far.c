#include "lib/job/live_far.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "support/farhost.h"
#include "support/fault.h"
#include "support/must.h"

/* A program on another host, by a real sshd, while every call here fails once. */

Suite *suite_job_live_far(void);

/* Of the sanitizer, if there is one: libssh2 leaks a key exchange that broke off. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static struct tmpdir home; /* of whoever logs in there */
static struct farhost far;
static struct source_host host;

static void
setup(void)
{
	static const char *key;
	char options[160];

	tmpdir_make(&home);
	snprintf(options, sizeof(options), "SetEnv HOME=%s", home.path);
	farhost_start(&far, options);
	key = farhost_fingerprint(&far);
	host = (struct source_host){.name = "far",
	    .address = "127.0.0.1",
	    .port = far.port,
	    .user = far.user,
	    .host_keys = &key,
	    .host_keys_count = 1,
	    .identity = far.identity};
}

static void
teardown(void)
{
	farhost_stop(&far);
	tmpdir_remove(&home);
}

/* nth 0: nothing fails. */
static bool
run_there(int nth)
{
	static const int nums[] = {EIO, EMFILE, ENOMEM};
	char log[32], command[64];
	const char *const argv[] = {"sh", "-c", command, NULL};
	struct live_far f = {.host = &host,
	    .argv = argv,
	    .run = "run",
	    .key = "run.a",
	    .attempt = 1,
	    .step = "a",
	    .timeout_ns = 20 * NS_PER_S,
	    .is_brief = true};
	struct planrun_said said;
	int fds = fault_fds_count();
	bool fired = false, uncertain, was_done;
	struct err e = {0};
	enum err_code rc;

	/* Each its own: an earlier one of which nothing is known may run yet. */
	snprintf(log, sizeof(log), "log%d", nth);
	snprintf(command, sizeof(command), "echo ran >>\"$HOME/%s\"", log);
	tmpdir_put(&home, log, "");
	if (nth > 0 && __lsan_disable != NULL)
		__lsan_disable();
	if (nth > 0)
		fault_arm_all(nth, nums[nth % 3]);
	rc = live_far_run(&f, &said, &uncertain, &e);
	if (nth > 0)
		fired = fault_fired();
	if (nth > 0 && __lsan_enable != NULL)
		__lsan_enable();
	was_done = tmpdir_is(&home, log, "ran\n");
	ck_assert_msg(was_done || tmpdir_is(&home, log, ""), "call %d", nth);
	if (rc == ERR_NONE)
		ck_assert_msg(was_done && said.exit_status == 0, "call %d",
		    nth);
	else if (!uncertain && strstr(e.text, "killed there") == NULL)
		ck_assert_msg(!was_done,
		    "call %d: it was done, and is said to have failed: %s", nth,
		    e.text);
	planrun_program_fini(&said);
	ck_assert_msg(fault_fds_count() == fds, "a descriptor stays, call %d",
	    nth);
	return fired;
}

START_TEST(what_was_done_there_is_never_said_to_have_failed)
{
	run_there(0);
	/* The first ones are of the way there. */
	for (int nth = 1; run_there(nth);
	     nth += fault_step(nth < 20 ? 1 + nth / 2 : 1))
		;
}
END_TEST

Suite *
suite_job_live_far(void)
{
	Suite *s = suite_create("job/live_far");
	TCase *tc = tcase_create("far");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_done_there_is_never_said_to_have_failed);
	suite_add_tcase(s, tc);
	return s;
}
