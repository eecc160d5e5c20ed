#include <bascule/source.h>

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>

#include "farsource.h"

/* Programs and guards on another host, over a real sshd. */

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

static struct farhost far;
static struct source_host host;
static volatile sig_atomic_t cancel;
static struct err e;

static void
start(void)
{
	farhost_start(&far, NULL);
	host = farsource_of(&far, "db1.brent");
	host.cancel = &cancel;
}

static void
stop(void)
{
	farhost_stop(&far);
}

/* All the output of a program there as a source. */
static enum err_code
dump(const struct source_program *p, struct buf *out)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(source_close) struct source_file *file = NULL;
	struct source_run run;
	uint8_t bytes[65536];
	enum err_code rc;

	if ((rc = source_command_new(&src, p, "dump", &e)) != ERR_NONE ||
	    (rc = source_next(src, &item, &e)) != ERR_NONE ||
	    (rc = source_open(&item, &file, (struct arc_warn){0}, &e)) !=
		ERR_NONE)
		return rc;
	do {
		rc = source_read(file, bytes, sizeof(bytes), &run, &e);
		if (rc == ERR_NONE)
			rc = buf_add(out, bytes, run.len_bytes, &e);
	} while (rc == ERR_NONE && run.len_bytes > 0);
	return rc == ERR_NONE ? source_finish(&file, &e) : rc;
}

static enum err_code
dump_script(const char *script, struct buf *out)
{
	struct source_program p = {.host = &host, .argv = SH(script)};

	buf_clear(out);
	return dump(&p, out);
}

static void
said(void *ctx, const char *text)
{
	snprintf(ctx, 100, "%s", text);
}

START_TEST(what_it_prints_there_is_the_content)
{
	OWNED(buf_fini) struct buf out = {0};
	char words[100] = "";
	struct source_program p = {.host = &host,
	    .argv = SH("test \"$0 $A\" = \"sh it's\" && cat && echo was here "
		       ">&2; head -c 3000000 /dev/zero; echo end"),
	    .env = (const char *const[]){"A=it's", NULL},
	    .said = said,
	    .ctx = words};

	ck_assert_int_eq(dump(&p, &out), ERR_NONE);
	ck_assert_uint_eq(out.len_bytes, 3000004);
	ck_assert_str_eq(buf_text(&out) + 3000000, "end\n");
	ck_assert_str_eq(words, "was here");
}
END_TEST

START_TEST(how_it_ended_decides)
{
	OWNED(buf_fini) struct buf out = {0};

	ck_assert_int_eq(dump_script("echo part; echo 'no\nrole' >&2; exit 3",
			     &out),
	    ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "exit status 3"));
	ck_assert_ptr_nonnull(strstr(e.text, "no role"));
	ck_assert_int_eq(dump_script("kill -KILL $$", &out), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "KILL"));
	/* It closes its output long before it ends. */
	ck_assert_int_eq(dump_script("exec >&-; sleep 0.3; exit 4", &out),
	    ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "exit status 4"));
	ck_assert_int_eq(dump_script("exec nothing-of-that-name", &out),
	    ERR_NOTFOUND);
}
END_TEST

START_TEST(a_connection_that_is_lost_is_no_output)
{
	OWNED(buf_fini) struct buf out = {0};

	/* The sshd that serves us is our grandparent's. */
	ck_assert_int_eq(dump_script("echo part; " FARHOST_SIGNAL_SESSION(
					 "KILL") "; sleep 0.1",
			     &out),
	    ERR_TIMEOUT);
}
END_TEST

START_TEST(it_may_be_silent_for_longer_than_the_host_may)
{
	OWNED(buf_fini) struct buf out = {0};

	host.timeout_ns = NS_PER_S;
	ck_assert_int_eq(dump_script("sleep 1.5; echo late", &out), ERR_NONE);
	ck_assert_str_eq(buf_text(&out), "late\n");
	host.timeout_ns = 0;
}
END_TEST

static bool
is_wanted_twice(void *ctx)
{
	int *asked = ctx;

	return ++*asked <= 2;
}

START_TEST(it_ends_when_it_is_not_wanted_or_late)
{
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	int asked = 0;
	/* Given up, it ends at its next write, or it is left behind. */
	struct source_program p = {.host = &host,
	    .argv = SH("while sleep 0.2; do echo; done"),
	    .is_wanted = is_wanted_twice,
	    .ctx = &asked};
	struct source_program late = {.host = &host,
	    .argv = SH("while sleep 0.2; do echo; done"),
	    .timeout_ns = 300 * NS_PER_MS};

	ck_assert_int_eq(source_run(&p, 0, &out, &e), ERR_CANCELLED);
	ck_assert_int_eq(asked, 3);
	source_outcome_fini(&out);
	ck_assert_int_eq(source_run(&late, 0, &out, &e), ERR_TIMEOUT);
	source_outcome_fini(&out);
	cancel = 1;
	ck_assert_int_eq(source_run(&late, 0, &out, &e), ERR_CANCELLED);
	cancel = 0;
}
END_TEST

START_TEST(a_host_that_shows_another_key_is_told_nothing)
{
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	struct source_host other = host;
	const char *wrong[] = {
	    "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	struct source_program p = {.host = &other, .argv = SH("echo")};

	other.host_keys = wrong;
	ck_assert_int_eq(source_run(&p, 0, &out, &e), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, farhost_fingerprint(&far)));
	ck_assert_ptr_nonnull(strstr(e.text, "db1.brent"));
	other.host_keys_count = 0;
	ck_assert_int_eq(source_run(&p, 0, &out, &e), ERR_REFUSED);
}
END_TEST

/* --- guards, here and there ------------------------------------------------ */

/* Until the file says text. */
static bool
comes_to_say(struct tmpdir *td, const char *name, const char *text)
{
	for (int i = 0; i < 500 && !tmpdir_is(td, name, text); i++)
		usleep(10000);
	return tmpdir_is(td, name, text);
}

static char script[256];

static struct source_program
hook(const struct source_host *at, struct tmpdir *td, const char *what)
{
	static const char *argv[] = {"sh", "-c", script, NULL};

	snprintf(script, sizeof(script), "cd '%s'; %s", td->path, what);
	return (struct source_program){.host = at,
	    .argv = argv,
	    .timeout_ns = 20 * NS_PER_S};
}

static const struct source_host *
place(int i)
{
	return i == 0 ? NULL : &host;
}

START_TEST(a_guard_runs_its_hook_at_our_word)
{
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	OWNED(tmpdir_remove) struct tmpdir td;
	struct source_guard *g = NULL;
	struct source_program p;

	tmpdir_make(&td);
	p = hook(place(_i), &td,
	    "echo out; echo err >&2; echo ran >>after; exit 7");
	ck_assert_int_eq(source_guard_new(&g, &p, &e), ERR_NONE);
	e = (struct err){0};
	ck_assert_int_eq(source_guard_tend(g, &e), ERR_NONE);
	ck_assert_int_eq(e.code, ERR_NONE); /* it is kept for the end */
	ck_assert(access(td.path, F_OK) == 0 && tmpdir_count(&td) == 0);
	ck_assert_int_eq(source_guard_run(&g, 100, &out, &e), ERR_NONE);
	ck_assert_int_eq(out.exit_status, 7);
	ck_assert_str_eq(buf_text(&out.output), "out\n");
	ck_assert_str_eq(buf_text(&out.stderr_tail), "err\n");
	ck_assert(tmpdir_is(&td, "after", "ran\n"));
	ck_assert_ptr_null(g);
}
END_TEST

/* Whoever runs this finds the timer that is left behind (tests/tools/ward.c). */
START_TEST(a_short_hook_ends_the_timer_that_has_hardly_begun)
{
	struct source_program p = {.host = &host,
	    .argv = SH("true"),
	    .timeout_ns = 1000 * NS_PER_S};

	for (int i = 0; i < 20; i++) {
		OWNED(source_outcome_fini) struct source_outcome out = {0};
		struct source_guard *g = NULL;

		ck_assert_int_eq(source_guard_new(&g, &p, &e), ERR_NONE);
		ck_assert_int_eq(source_guard_run(&g, 100, &out, &e), ERR_NONE);
		ck_assert_int_eq(out.exit_status, 0);
	}
}
END_TEST

START_TEST(a_guard_outlives_who_is_killed)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	struct source_guard *g = NULL;
	struct source_program p;
	pid_t pid;
	int status;

	tmpdir_make(&td);
	/* It writes to where nobody listens, and must not die of that. */
	p = hook(place(_i), &td,
	    "echo out; echo err >&2; sleep 0.05; echo out; echo ran >>after");
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(source_guard_new(&g, &p, &e) == ERR_NONE
			? kill(0, SIGKILL)
			: 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert(comes_to_say(&td, "after", "ran\n"));
}
END_TEST

START_TEST(a_guard_ends_a_hook_that_takes_too_long)
{
	OWNED(source_outcome_fini) struct source_outcome out = {0};
	OWNED(tmpdir_remove) struct tmpdir td;
	struct source_guard *g = NULL;
	struct source_program p;

	tmpdir_make(&td);
	p = hook(place(_i), &td, "exec sleep 1000");
	p.timeout_ns = NS_PER_S;
	ck_assert_int_eq(source_guard_new(&g, &p, &e), ERR_NONE);
	ck_assert_int_eq(source_guard_run(&g, 0, &out, &e), ERR_TIMEOUT);
	ck_assert_int_eq(out.exit_status, -1);
	ck_assert_int_eq(out.signal, SIGTERM);
}
END_TEST

/* Kill every process that was given this word; it is ours alone. */
static int
kill_who_has(const char *word)
{
	DIR *dir = opendir("/proc");
	const struct dirent *d;
	int killed = 0;

	while ((d = readdir(dir)) != NULL) {
		OWNED(buf_fini) struct buf words = {0};
		char path[300];
		pid_t pid = atoi(d->d_name);

		snprintf(path, sizeof(path), "/proc/%s/cmdline", d->d_name);
		if (pid > 0 && pid != getpid() &&
		    fdio_slurp(AT_FDCWD, path, 1 << 20, &words, &e) ==
			ERR_NONE &&
		    memmem(words.bytes, words.len_bytes, word, strlen(word)) !=
			NULL)
			killed += kill(pid, SIGKILL) == 0;
	}
	closedir(dir);
	return killed;
}

START_TEST(a_guard_that_is_gone_is_noticed)
{
	OWNED(tmpdir_remove) struct tmpdir td;
	struct source_guard *g = NULL;
	struct source_program p;

	tmpdir_make(&td);
	p = hook(place(_i), &td, "true");
	ck_assert_int_eq(source_guard_new(&g, &p, &e), ERR_NONE);
	ck_assert_int_eq(source_guard_tend(g, &e), ERR_NONE);
	ck_assert_int_ge(kill_who_has(td.path), 1);
	for (int i = 0; i < 500 && source_guard_tend(g, &e) == ERR_NONE; i++)
		usleep(10000);
	ck_assert_int_ne(source_guard_tend(g, &e), ERR_NONE);
	source_guard_drop(&g);
}
END_TEST

START_TEST(where_no_shell_answers_there_is_no_guard)
{
	struct source_host nobody = host;
	struct source_guard *g = NULL;
	struct source_program p = {.host = &nobody, .argv = SH("true")};

	nobody.user = "nobody-of-that-name";
	ck_assert_int_eq(source_guard_new(&g, &p, &e), ERR_REFUSED);
	ck_assert_ptr_null(g);
}
END_TEST

Suite *suite_source_source_farchild(void);

Suite *
suite_source_source_farchild(void)
{
	Suite *s = suite_create("source/farchild");
	TCase *tc = tcase_create("far");

	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_test(tc, what_it_prints_there_is_the_content);
	tcase_add_test(tc, how_it_ended_decides);
	tcase_add_test(tc, a_connection_that_is_lost_is_no_output);
	tcase_add_test(tc, it_may_be_silent_for_longer_than_the_host_may);
	tcase_add_test(tc, it_ends_when_it_is_not_wanted_or_late);
	tcase_add_test(tc, a_host_that_shows_another_key_is_told_nothing);
	tcase_add_loop_test(tc, a_guard_runs_its_hook_at_our_word, 0, 2);
	tcase_add_test(tc, a_short_hook_ends_the_timer_that_has_hardly_begun);
	tcase_add_loop_test(tc, a_guard_outlives_who_is_killed, 0, 2);
	tcase_add_loop_test(tc, a_guard_ends_a_hook_that_takes_too_long, 0, 2);
	tcase_add_loop_test(tc, a_guard_that_is_gone_is_noticed, 0, 2);
	tcase_add_test(tc, where_no_shell_answers_there_is_no_guard);
	suite_add_tcase(s, tc);
	return s;
}
