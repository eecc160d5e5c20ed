#include <bascule/wire.h>

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "support/tmpdir.h"

static struct tmpdir td;
static char path[128];

static void
setup(void)
{
	tmpdir_make(&td);
	snprintf(path, sizeof(path), "%s/s", td.path);
}

static void
teardown(void)
{
	tmpdir_remove(&td);
}

START_TEST(lines_come_out_whole_however_they_come_in)
{
	static const char input[] = "{\"a\":1}\n\n{\"b\":2}\nrest";

	for (size_t step = 1; step < sizeof(input); step++) {
		OWNED(wire_lines_fini) struct wire_lines l = {0};
		OWNED(buf_fini) struct buf seen = {0};
		struct err e = {0};
		const char *line;
		size_t len;

		for (size_t at = 0; at < sizeof(input) - 1; at += step) {
			size_t n = sizeof(input) - 1 - at;

			ck_assert_int_eq(wire_lines_feed(&l, input + at,
					     n < step ? n : step, &e),
			    ERR_NONE);
			while ((line = wire_lines_next(&l, &len)) != NULL) {
				ck_assert_uint_eq(strlen(line), len);
				ck_assert_int_eq(buf_printf(&seen, &e, "<%s>",
						     line),
				    ERR_NONE);
			}
		}
		ck_assert_str_eq(buf_text(&seen), "<{\"a\":1}><><{\"b\":2}>");
		ck_assert_uint_eq(wire_lines_pending_bytes(&l), 4);
	}
}
END_TEST

START_TEST(a_line_without_end_is_refused_before_it_fills_memory)
{
	OWNED(wire_lines_fini) struct wire_lines l = {.max_bytes = 10};
	struct err e = {0};
	size_t len;

	ck_assert_int_eq(wire_lines_feed(&l, "0123456789", 10, &e), ERR_NONE);
	ck_assert_int_eq(wire_lines_feed(&l, "\nabc", 4, &e), ERR_NONE);
	ck_assert_str_eq(wire_lines_next(&l, &len), "0123456789");
	ck_assert_int_eq(wire_lines_feed(&l, "01234567", 8, &e), ERR_INPUT);
}
END_TEST

/* A process that listens there and never answers: how it is, and what to do. */
START_TEST(a_daemon_that_is_stopped_is_said_to_be_with_what_wakes_it)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	OWNED(fdio_close) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int ready[2];
	char wakes[64], byte;
	pid_t pid;

	snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", path);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) { /* who calls listen is who is asked after */
		if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
		    listen(fd, 1) != 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	snprintf(wakes, sizeof(wakes), "'kill -CONT %d' wakes it", (int)pid);
	for (int stopped = 0; stopped < 2; stopped++) {
		OWNED(wire_client_close) struct wire_client *c = NULL;
		OWNED(wire_free) struct wire_value *v = NULL;
		struct err e = {0};

		if (stopped) {
			ck_assert_int_eq(kill(pid, SIGSTOP), 0);
			ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
		}
		ck_assert_int_eq(wire_client_open(&c, path, &e), ERR_NONE);
		ck_assert_int_eq(wire_client_next(c, 10, &v, &e), ERR_TIMEOUT);
		ck_assert_msg((strstr(e.text, wakes) != NULL) ==
			    (stopped != 0) &&
			strstr(e.text, "goes on from what is on record") !=
			    NULL,
		    "%s", e.text);
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

START_TEST(no_daemon_is_said_so_with_what_works_without_one)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	struct err e = {0};

	ck_assert_int_eq(wire_client_open(&c, path, &e), ERR_NOTFOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "no daemon answers"));
	ck_assert_ptr_nonnull(strstr(e.text, "-r REPOSITORY"));
}
END_TEST

/* A server that answers one request with what it was given. */
struct server {
	pthread_t thread;
	int fd;
	const char *answer;
	char request[256];
};

static void *
serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	ssize_t n = read(fd, s->request, sizeof(s->request) - 1);
	struct err e;

	s->request[n < 0 ? 0 : n] = '\0';
	if (fdio_write(fd, s->answer, strlen(s->answer), &e) != ERR_NONE)
		s->request[0] = '\0';
	close(fd);
	return NULL;
}

static void
server_start(struct server *s, const char *answer)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memcpy(at.sun_path, path, strlen(path) + 1);
	s->answer = answer;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(s->fd, 1), 0);
	ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
server_end(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
	unlink(path);
}

static struct wire_client *
ask(struct err *e)
{
	OWNED(wire_free) struct wire_value *request = NULL;
	struct wire_client *c = NULL;

	ck_assert_int_eq(wire_client_open(&c, path, e), ERR_NONE);
	ck_assert_int_eq(wire_new(&request, NULL, e), ERR_NONE);
	wire_add_text(request, "cmd", "jobs");
	ck_assert_int_eq(wire_client_ask(c, request, e), ERR_NONE);
	return c;
}

START_TEST(replies_stream_until_the_last)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	struct server s = {0};
	struct err e = {0};
	int count = 0;

	server_start(&s, "{\"n\":0}\n{\"n\":1}\n{\"n\":2,\"last\":true}\n");
	c = ask(&e);
	for (;;) {
		OWNED(wire_free) struct wire_value *v = NULL;

		ck_assert_int_eq(wire_client_next(c, 5000, &v, &e), ERR_NONE);
		if (v == NULL)
			break;
		ck_assert_int_eq(wire_need_int(v, "n"), count++);
	}
	ck_assert_int_eq(count, 3);
	server_end(&s);
	ck_assert_str_eq(s.request, "{\"cmd\":\"jobs\"}\n");
}
END_TEST

START_TEST(a_failure_reply_becomes_the_code_and_the_exit_status)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct server s = {0};
	struct err e = {0};

	server_start(&s,
	    "{\"type\":\"error\",\"code\":\"refused\","
	    "\"error\":\"not yours\",\"exit\":15,\"last\":true}\n");
	c = ask(&e);
	ck_assert_int_eq(wire_client_next(c, 5000, &v, &e), ERR_REFUSED);
	ck_assert_str_eq(e.text, "not yours");
	ck_assert_int_eq(wire_client_exit_status(c), 15);
	server_end(&s);
}
END_TEST

START_TEST(hanging_up_in_the_middle_is_an_error)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct server s = {0};
	struct err e = {0};

	server_start(&s, "{\"n\":0}\n{\"n\":");
	c = ask(&e);
	ck_assert_int_eq(wire_client_next(c, 5000, &v, &e), ERR_NONE);
	wire_free(&v);
	ck_assert_int_eq(wire_client_next(c, 5000, &v, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "hung up"));
	server_end(&s);
}
END_TEST

START_TEST(silence_is_a_timeout)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct err e = {0};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	c = ask(&e); /* the kernel accepts for us; nobody answers */
	ck_assert_int_eq(wire_client_next(c, 1, &v, &e), ERR_TIMEOUT);
	close(fd);
}
END_TEST

Suite *suite_wire_client(void);

Suite *
suite_wire_client(void)
{
	Suite *s = suite_create("wire/client");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, lines_come_out_whole_however_they_come_in);
	tcase_add_test(tc,
	    a_line_without_end_is_refused_before_it_fills_memory);
	tcase_add_test(tc,
	    a_daemon_that_is_stopped_is_said_to_be_with_what_wakes_it);
	tcase_add_test(tc, no_daemon_is_said_so_with_what_works_without_one);
	tcase_add_test(tc, replies_stream_until_the_last);
	tcase_add_test(tc,
	    a_failure_reply_becomes_the_code_and_the_exit_status);
	tcase_add_test(tc, hanging_up_in_the_middle_is_an_error);
	tcase_add_test(tc, silence_is_a_timeout);
	suite_add_tcase(s, tc);
	return s;
}
