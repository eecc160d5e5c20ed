#include "daemon/alarm_parts.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "support/fault.h"
#include "support/must.h"
#include "support/tmpdir.h"

/* Programs of the policy's that are shells. */

static struct loop *loop;
static struct alarmrun *run;
static struct tmpdir td;
static char said[300];
static int ends;
static struct err e;

static void
ended(void *ctx, const char *why)
{
	ck_assert_ptr_eq(ctx, &ends);
	snprintf(said, sizeof(said), "%s", why == NULL ? "told" : why);
	ends++;
	alarmrun_free(&run);
	loop_stop(loop);
}

static void
setup(void)
{
	tmpdir_make(&td);
	said[0] = '\0';
	ends = 0;
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

static enum err_code
start(const char *script, int64_t timeout_ns)
{
	const char *argv[] = {"sh", "-c", script, "page", td.path, "${site}",
	    NULL};
	struct policy_alert alert = {.run = {argv, 6},
	    .timeout_ns = timeout_ns};
	OWNED(buf_fini) struct buf line = {0};
	struct alarmrun_options opt = {.alert = &alert,
	    .site = "brent",
	    .line = &line,
	    .fn = ended,
	    .ctx = &ends};
	enum err_code rc = loop_new(&opt.loop, &e);

	loop = opt.loop;
	must(buf_add_text(&line, "{\"type\":\"alarm\"}\n", &e), &e);
	return rc == ERR_NONE ? alarmrun_start(&run, &opt, &e) : rc;
}

static void
tell(const char *script, int64_t timeout_ns)
{
	must(start(script, timeout_ns), &e);
	must(loop_run(loop, &e), &e);
	loop_free(&loop);
	ck_assert_int_eq(ends, 1);
}

START_TEST(it_has_the_alarm_on_its_stdin_and_knows_the_site)
{
	tell("read -r line && [ \"$line\" = '{\"type\":\"alarm\"}' ] && "
	     "! read -r more && [ \"$2\" = brent ] && : >\"$1\"/told",
	    0);
	ck_assert_str_eq(said, "told");
	ck_assert(tmpdir_is(&td, "told", ""));
}
END_TEST

START_TEST(why_it_could_not_is_said)
{
	tell("printf 'no line\\033 to the pager\\n' >&2; exit 3", 0);
	ck_assert_ptr_nonnull(strstr(said, "exit 3: no line"));
	ck_assert_ptr_null(strchr(said, '\033'));
	ends = 0;
	tell("kill -9 $$", 0);
	ck_assert_str_eq(said, "signal 9");
	ends = 0;
	tell("sleep 60", NS_PER_S / 50);
	ck_assert_str_eq(said, "no end in time");
	ends = 0;
	tell("exec <&-; exit 0", 0); /* one that reads nothing has heard it */
	ck_assert_str_eq(said, "told");
}
END_TEST

START_TEST(any_failing_call_is_an_error_and_leaves_nothing)
{
	bool reached = true;

	for (int nth = 1; reached; nth++) {
		enum err_code rc;

		fault_arm(nth, ENOMEM);
		rc = start("exit 0", 0);
		reached = fault_fired();
		fault_arm(0, 0);
		ck_assert_int_eq(rc == ERR_NONE, run != NULL);
		ck_assert(reached || rc == ERR_NONE);
		alarmrun_free(&run);
		loop_free(&loop);
		ck_assert_int_eq(ends, 0);
		if (!reached)
			ck_assert_int_gt(nth, 3);
	}
}
END_TEST

Suite *suite_daemon_alarmrun(void);

Suite *
suite_daemon_alarmrun(void)
{
	Suite *s = suite_create("daemon/alarmrun");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_has_the_alarm_on_its_stdin_and_knows_the_site);
	tcase_add_test(tc, why_it_could_not_is_said);
	tcase_add_test(tc, any_failing_call_is_an_error_and_leaves_nothing);
	suite_add_tcase(s, tc);
	return s;
}
