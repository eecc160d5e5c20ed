#include <bascule/ssh.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "support/farhost.h"
#include "support/tmpdir.h"

#define MANY_BYTES ((size_t)16 << 20)

static struct farhost far;
static struct err e;
static struct hostpins *pins;
static struct sshconn *conn;
static struct sshexec *x;

static void
start(void)
{
	farhost_start(&far, NULL);
}

static void
stop(void)
{
	farhost_stop(&far);
}

static void
connect_with(int64_t timeout_ns)
{
	struct sshconn_options o = {
	    .user = far.user,
	    .host = "127.0.0.1",
	    .port = far.port,
	    .pins = pins,
	    .identity_file = far.identity,
	    .timeout_ns = timeout_ns,
	};

	ck_assert_int_eq(sshconn_open(&conn, &o, &e), ERR_NONE);
}

static void
setup(void)
{
	ck_assert_int_eq(hostpins_new(&pins, &e), ERR_NONE);
	ck_assert_int_eq(hostpins_add_known_hosts(pins, far.known_hosts,
			     "127.0.0.1", far.port, &e),
	    ERR_NONE);
}

static void
teardown(void)
{
	sshexec_close(&x);
	sshconn_close(&conn);
	hostpins_free(&pins);
}

/* Run a shell line over there; its parent is sshd, whatever the login shell. */
static void
begin(const char *line)
{
	const char *argv[] = {"exec", "sh", "-c", line, NULL};

	if (conn == NULL)
		connect_with(20 * NS_PER_S);
	ck_assert_int_eq(sshexec_open(&x, conn, argv, &e), ERR_NONE);
}

static size_t
read_all(char *out, size_t size)
{
	size_t total = 0, got;

	do {
		ck_assert_int_eq(sshexec_read(x, out + total, size - total,
				     &got, &e),
		    ERR_NONE);
		total += got;
	} while (got > 0);
	return total;
}

START_TEST(arguments_arrive_as_they_are)
{
	const char *argv[] = {"printf", "%s|", "a b", "", "it's", "$HOME",
	    NULL};
	struct sshexit end;
	char text[128] = {0};

	connect_with(20 * NS_PER_S);
	ck_assert_int_eq(sshexec_open(&x, conn, argv, &e), ERR_NONE);
	read_all(text, sizeof(text));
	ck_assert_str_eq(text, "a b||it's|$HOME|");
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_int_eq(end.status, 0);
}
END_TEST

START_TEST(status_and_errors_come_back)
{
	struct sshexit end;

	begin("echo out; echo 'it broke\033[1m' >&2; exit 42");
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_int_eq(end.status, 42);
	ck_assert_str_eq(end.signal, "");
	ck_assert_str_eq(sshexec_stderr(x), "it broke\\x1b[1m");
}
END_TEST

START_TEST(a_signal_is_named)
{
	struct sshexit end;

	begin("kill -TERM $$");
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_int_eq(end.status, -1);
	ck_assert_str_eq(end.signal, "TERM");
}
END_TEST

START_TEST(a_signal_is_named_where_a_shell_told_of_it)
{
	struct sshexit end;

	begin("exit 137");
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_int_eq(end.status, -1);
	ck_assert_str_eq(end.signal, "KILL");
	sshexec_close(&x);
	begin("exit 255"); /* no signal has that number */
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_int_eq(end.status, 255);
}
END_TEST

START_TEST(a_missing_program_is_said_to_be_missing)
{
	const char *argv[] = {"/no/such/bascule", NULL};
	struct sshexit end;

	connect_with(20 * NS_PER_S);
	ck_assert_int_eq(sshexec_open(&x, conn, argv, &e), ERR_NONE);
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "/no/such/bascule"));
	ck_assert_ptr_nonnull(strstr(e.text, "127.0.0.1"));
}
END_TEST

START_TEST(only_the_last_of_many_errors_is_kept)
{
	struct sshexit end;

	begin("yes complaint | head -c 3000000 >&2; echo last words >&2");
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_uint_le(strlen(sshexec_stderr(x)), SSH_STDERR_BYTES_MAX * 4);
	ck_assert_ptr_nonnull(strstr(sshexec_stderr(x), "last words"));
}
END_TEST

START_TEST(many_bytes_go_there_and_come_back_whole)
{
	OWNED(free_mem) char *there = malloc(MANY_BYTES);
	OWNED(free_mem) char *back = malloc(MANY_BYTES);
	struct sshexit end;
	uint32_t seed = 1;

	for (size_t i = 0; i < MANY_BYTES; i++) {
		seed = seed * 1664525 + 1013904223;
		there[i] = (char)(seed >> 24);
	}
	begin("umask 77; f=$(mktemp) && cat >$f && cat $f; rm $f");
	ck_assert_int_eq(sshexec_write(x, there, MANY_BYTES, &e), ERR_NONE);
	ck_assert_int_eq(sshexec_send_eof(x, &e), ERR_NONE);
	ck_assert_uint_eq(read_all(back, MANY_BYTES), MANY_BYTES);
	ck_assert_int_eq(memcmp(there, back, MANY_BYTES), 0);
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_int_eq(end.status, 0);
}
END_TEST

START_TEST(a_second_command_follows_on_the_same_connection)
{
	struct sshexit end;
	char text[16];

	begin("exit 3");
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	sshexec_close(&x);
	begin("echo two");
	ck_assert_uint_eq(read_all(text, sizeof(text)), 4);
	ck_assert_int_eq(sshexec_finish(x, &end, &e), ERR_NONE);
	ck_assert_int_eq(end.status, 0);
}
END_TEST

/* --- the far end dies ------------------------------------------------------------ */

START_TEST(a_command_that_ends_early_fails_the_writer_with_its_words)
{
	OWNED(free_mem) char *zeros = calloc(1, MANY_BYTES);
	enum err_code rc;

	begin("echo 'no room' >&2; exit 1");
	rc = sshexec_write(x, zeros, MANY_BYTES, &e);
	ck_assert_int_eq(rc, ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "no room"));
}
END_TEST

START_TEST(a_connection_that_breaks_is_said_to_be_lost)
{
	char byte;
	size_t got;

	begin(FARHOST_SIGNAL_SESSION("KILL") "; sleep 5");
	ck_assert_int_eq(sshexec_read(x, &byte, 1, &got, &e), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "lost"));
}
END_TEST

START_TEST(a_connection_that_breaks_fails_the_writer)
{
	OWNED(free_mem) char *zeros = calloc(1, MANY_BYTES);

	begin(FARHOST_SIGNAL_SESSION("KILL") "; sleep 5");
	ck_assert_int_eq(sshexec_write(x, zeros, MANY_BYTES, &e), ERR_TIMEOUT);
}
END_TEST

START_TEST(a_host_that_falls_silent_times_out)
{
	char byte;
	size_t got;

	connect_with(NS_PER_S);
	begin(FARHOST_SIGNAL_SESSION("STOP") "; sleep 1");
	ck_assert_int_eq(sshexec_read(x, &byte, 1, &got, &e), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "has not answered"));
}
END_TEST

START_TEST(a_command_that_never_reads_times_out)
{
	OWNED(free_mem) char *zeros = calloc(1, MANY_BYTES);

	connect_with(NS_PER_S);
	begin("exec sleep 4");
	ck_assert_int_eq(sshexec_write(x, zeros, MANY_BYTES, &e), ERR_TIMEOUT);
}
END_TEST

/* Else who writes would wait twice: for room, and for the reason. */
START_TEST(one_that_was_silent_for_its_time_is_not_waited_for_again)
{
	OWNED(free_mem) char *zeros = calloc(1, MANY_BYTES);
	char words[16] = "", line[128];
	struct tmpdir said;
	size_t got;

	tmpdir_make(&said);
	snprintf(line, sizeof(line), "echo no; echo >%s/it; exec sleep 4",
	    said.path);
	connect_with(NS_PER_S);
	begin(line);
	while (faccessat(said.fd, "it", F_OK, 0) != 0)
		usleep(1000); /* a busy machine is slow to begin it */
	tmpdir_remove(&said);
	ck_assert_int_eq(sshexec_write(x, zeros, MANY_BYTES, &e), ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "has not answered"));
	/* what it had said is there all the same */
	ck_assert_int_eq(sshexec_read(x, words, sizeof(words), &got, &e),
	    ERR_NONE);
	ck_assert_str_eq(words, "no\n");
	ck_assert_int_eq(sshexec_read(x, words, sizeof(words), &got, &e),
	    ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(e.text, "is lost"));
}
END_TEST

Suite *suite_ssh_sshexec(void);

Suite *
suite_ssh_sshexec(void)
{
	Suite *s = suite_create("ssh/sshexec");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, arguments_arrive_as_they_are);
	tcase_add_test(tc, status_and_errors_come_back);
	tcase_add_test(tc, a_signal_is_named);
	tcase_add_test(tc, a_signal_is_named_where_a_shell_told_of_it);
	tcase_add_test(tc, a_missing_program_is_said_to_be_missing);
	tcase_add_test(tc, only_the_last_of_many_errors_is_kept);
	tcase_add_test(tc, many_bytes_go_there_and_come_back_whole);
	tcase_add_test(tc, a_second_command_follows_on_the_same_connection);
	tcase_add_test(tc,
	    a_command_that_ends_early_fails_the_writer_with_its_words);
	tcase_add_test(tc, a_connection_that_breaks_is_said_to_be_lost);
	tcase_add_test(tc, a_connection_that_breaks_fails_the_writer);
	tcase_add_test(tc, a_host_that_falls_silent_times_out);
	tcase_add_test(tc, a_command_that_never_reads_times_out);
	tcase_add_test(tc,
	    one_that_was_silent_for_its_time_is_not_waited_for_again);
	suite_add_tcase(s, tc);
	return s;
}
