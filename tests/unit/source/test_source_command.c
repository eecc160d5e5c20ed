#include <bascule/source.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "support/fault.h"

static const struct arc_warn nobody;

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

/* All the output of a script as a source; the code of source_finish. */
static enum err_code
dump(const char *script, int64_t timeout_ns, struct buf *out, struct err *e)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(source_close) struct source_file *file = NULL;
	struct source_program p = {.argv = SH(script),
	    .timeout_ns = timeout_ns};
	struct source_run run;
	uint8_t bytes[1000];
	enum err_code rc;

	if ((rc = source_command_new(&src, &p, "dump", e)) != ERR_NONE ||
	    (rc = source_next(src, &item, e)) != ERR_NONE ||
	    (rc = source_open(&item, &file, nobody, e)) != ERR_NONE)
		return rc;
	do {
		rc = source_read(file, bytes, sizeof(bytes), &run, e);
		if (rc == ERR_NONE)
			rc = buf_add(out, bytes, run.len_bytes, e);
	} while (rc == ERR_NONE && run.len_bytes > 0);
	return rc == ERR_NONE ? source_finish(&file, e) : rc;
}

START_TEST(output_is_one_file)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf out = {0};
	struct source_program p = {.argv = SH("echo hello")};
	struct err e = {0};

	ck_assert_int_eq(source_command_new(&src, &p, "a/dump", &e), 0);
	ck_assert_int_eq(source_next(src, &item, &e), ERR_NONE);
	ck_assert_str_eq(item.entry.path.bytes, "a/dump");
	ck_assert_int_eq(item.entry.type, ENTRY_FILE);
	ck_assert_int_eq(source_next(src, &item, &e), ERR_NOTFOUND);
	ck_assert_int_eq(dump("echo hello", 0, &out, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&out), "hello\n");
}
END_TEST

START_TEST(a_failing_status_is_a_failure_with_its_words)
{
	OWNED(buf_fini) struct buf out = {0};
	struct err e = {0};

	ck_assert_int_eq(dump("echo part; echo 'no such role' >&2; exit 3", 0,
			     &out, &e),
	    ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "exit status 3"));
	ck_assert_ptr_nonnull(strstr(e.text, "no such role"));
	ck_assert_int_eq(dump("kill -KILL $$", 0, &out, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "KILL"));
}
END_TEST

START_TEST(noise_on_stderr_never_blocks_it)
{
	OWNED(buf_fini) struct buf out = {0};
	struct err e = {0};

	ck_assert_int_eq(dump("i=0; while [ $i -lt 3000 ]; do echo "
			      "0123456789012345678901234567890123456789 >&2; "
			      "i=$((i+1)); done; echo done",
			     0, &out, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&out), "done\n");
}
END_TEST

static bool
is_wanted_twice(void *ctx)
{
	int *asked = ctx;

	return ++*asked <= 2;
}

START_TEST(a_silent_one_is_ended_when_it_is_not_wanted)
{
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	int asked = 0;
	struct source_program p = {.argv = SH("sleep 1000"),
	    .is_wanted = is_wanted_twice,
	    .ctx = &asked};
	struct err e = {0};

	ck_assert_int_eq(source_run(&p, 0, &out, &e), ERR_CANCELLED);
	ck_assert_int_eq(asked, 3);
}
END_TEST

START_TEST(its_time_runs_out)
{
	OWNED(buf_fini) struct buf out = {0};
	struct err e = {0};

	ck_assert_int_eq(dump("echo early; sleep 1000", 50 * NS_PER_MS, &out,
			     &e),
	    ERR_TIMEOUT);
	ck_assert_str_eq(buf_text(&out), "early\n");
}
END_TEST

START_TEST(its_environment_is_what_was_given)
{
	static const char *const env[] = {"LANG=xx", "EXTRA=1", NULL};
	struct source_program p = {.argv = SH("echo $SECRET-$EXTRA-$LANG"),
	    .env = env};
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	struct err e = {0};

	setenv("SECRET", "leak", 1);
	ck_assert_int_eq(source_run(&p, 100, &out, &e), ERR_NONE);
	unsetenv("SECRET");
	ck_assert_str_eq(buf_text(&out.output), "-1-xx\n");
}
END_TEST

START_TEST(a_hook_tells_status_and_output)
{
	struct source_program p = {
	    .argv = SH("echo 0123456789; echo oops >&2; exit 7")};
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	struct err e = {0};

	ck_assert_int_eq(source_run(&p, 4, &out, &e), ERR_NONE);
	ck_assert_int_eq(out.exit_status, 7);
	ck_assert_uint_eq(out.output_bytes, 11);
	ck_assert_str_eq(buf_text(&out.output), "0123");
	ck_assert_str_eq(buf_text(&out.stderr_tail), "oops\n");
	ck_assert_int_eq(source_run_check(&out, "pause", &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "'pause' failed with exit"));
}
END_TEST

START_TEST(a_server_it_starts_does_not_hold_us)
{
	/* setsid: it leaves the group and keeps stdout, as daemons do */
	struct source_program p = {
	    .argv = SH("setsid sleep 3 & echo up; sleep 0.1")};
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	struct err e = {0};

	ck_assert_int_eq(source_run(&p, 100, &out, &e), ERR_NONE);
	ck_assert_int_eq(out.exit_status, 0);
	ck_assert_str_eq(buf_text(&out.output), "up\n");
	ck_assert_int_lt(out.took_ns / NS_PER_MS, 2900);
}
END_TEST

START_TEST(its_group_ends_with_it)
{
	struct source_program p = {
	    .argv = SH("sleep 1000 >/dev/null 2>&1 & echo $!; exec true")};
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	struct err e = {0};
	pid_t left;

	ck_assert_int_eq(source_run(&p, 100, &out, &e), ERR_NONE);
	left = (pid_t)atoi(buf_text(&out.output));
	ck_assert_int_gt(left, 1);
	for (int i = 0; i < 1000 && kill(left, 0) == 0; i++) {
		char path[64], state[256] = "";
		FILE *f;

		/* a zombie is its new parent's affair */
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)left);
		if ((f = fopen(path, "r")) == NULL)
			return;
		if (fgets(state, sizeof(state), f) == NULL)
			state[0] = '\0';
		fclose(f);
		if (strstr(state, ") Z ") != NULL)
			return;
		usleep(1000);
	}
	ck_assert_int_ne(kill(left, 0), 0);
}
END_TEST

START_TEST(a_missing_program_is_said_at_once)
{
	struct source_program p = {
	    .argv = (const char *const[]){"/no/such/program", NULL}};
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	struct err e = {0};

	ck_assert_int_eq(source_run(&p, 100, &out, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "/no/such/program"));
	p.argv = (const char *const[]){NULL};
	ck_assert_int_eq(source_run(&p, 100, &out, &e), ERR_INPUT);
}
END_TEST

START_TEST(small_or_shrunken_output_is_not_believed)
{
	struct source_command_limits l = {.min_bytes = 1000};
	struct err e = {0};

	ck_assert_int_eq(source_command_check(999, &l, &e), ERR_INPUT);
	ck_assert_int_eq(source_command_check(1000, &l, &e), ERR_NONE);
	l.previous_bytes = 10000;
	l.max_shrink_millipercent = 50000;
	ck_assert_int_eq(source_command_check(5000, &l, &e), ERR_NONE);
	ck_assert_int_eq(source_command_check(4999, &l, &e), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "50 %"));
	ck_assert_int_eq(source_command_check(20000, &l, &e), ERR_NONE);
	l.max_shrink_millipercent = 0;
	ck_assert_int_eq(source_command_check(4999, &l, &e), ERR_NONE);
}
END_TEST

START_TEST(any_failing_call_is_reported_and_leaves_nothing)
{
	for (int nth = 1;; nth++) {
		OWNED(buf_fini) struct buf out = {0};
		struct err e = {0};
		enum err_code rc;
		bool fired;

		fault_arm_reading(nth, EMFILE);
		rc = dump("echo hello", 0, &out, &e);
		fired = fault_fired();
		if (!fired) {
			ck_assert_int_eq(rc, ERR_NONE);
			break;
		}
		/* not every call matters, but then nothing may be missing */
		if (rc == ERR_NONE)
			ck_assert_str_eq(buf_text(&out), "hello\n");
		else
			ck_assert_str_ne(e.text, "");
	}
}
END_TEST

Suite *suite_source_source_command(void);

Suite *
suite_source_source_command(void)
{
	Suite *s = suite_create("source/command");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, output_is_one_file);
	tcase_add_test(tc, a_failing_status_is_a_failure_with_its_words);
	tcase_add_test(tc, noise_on_stderr_never_blocks_it);
	tcase_add_test(tc, a_silent_one_is_ended_when_it_is_not_wanted);
	tcase_add_test(tc, its_time_runs_out);
	tcase_add_test(tc, its_environment_is_what_was_given);
	tcase_add_test(tc, a_hook_tells_status_and_output);
	tcase_add_test(tc, a_server_it_starts_does_not_hold_us);
	tcase_add_test(tc, its_group_ends_with_it);
	tcase_add_test(tc, a_missing_program_is_said_at_once);
	tcase_add_test(tc, small_or_shrunken_output_is_not_believed);
	tcase_add_test(tc, any_failing_call_is_reported_and_leaves_nothing);
	suite_add_tcase(s, tc);
	return s;
}
