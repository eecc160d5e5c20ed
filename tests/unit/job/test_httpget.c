#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "../../../lib/job/httpget.h"

/* --- a server that says what it is told to, once, and hangs up ---------------- */

static char url[64];
static pid_t server;
static int port;

static void
serve(const char *reply, size_t len, bool hangs)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	port = ntohs(at.sin_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/health", port);
	server = fork();
	if (server == 0) {
		char asked[4096];
		int c = accept(fd, NULL, NULL);

		if (recv(c, asked, sizeof(asked), 0) <= 0)
			_exit(1);
		for (size_t at_byte = 0; at_byte < len;) {
			ssize_t n = send(c, reply + at_byte,
			    len - at_byte > 1000 ? 1000 : len - at_byte,
			    MSG_NOSIGNAL);

			if (n <= 0)
				_exit(0);
			at_byte += (size_t)n;
		}
		if (hangs)
			pause();
		_exit(0);
	}
	close(fd);
}

static void
stop(void)
{
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	server = 0;
}

static enum err_code
get(const char *reply, struct httpget_reply *r)
{
	struct err e = {0};
	enum err_code rc;

	serve(reply, strlen(reply), false);
	rc = httpget(url, 10 * NS_PER_S, r, &e);
	stop();
	return rc;
}

START_TEST(a_reply_is_read_however_its_end_is_marked)
{
	static const char *const replies[] = {
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellotrailing",
	    "HTTP/1.0 200 OK\n\nhello",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\n"
	    "content-length:5\r\n\r\nhello",
	};

	for (size_t i = 0; i < COUNT_OF(replies); i++) {
		OWNED(httpget_reply_fini) struct httpget_reply r = {0};

		ck_assert_int_eq(get(replies[i], &r), ERR_NONE);
		ck_assert_uint_eq(r.status, 200);
		ck_assert_str_eq(buf_text(&r.body), "hello");
	}
}
END_TEST

START_TEST(a_reply_that_makes_no_sense_is_refused)
{
	static const char *const replies[] = {"", "SSH-2.0-OpenSSH\r\n\r\n",
	    "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n",
	    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
	    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: "
	    "2\r\n\r\nab",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	    "chunked\r\n\r\nfffffffff\r\n",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhel",
	    "HTTP/1.1 100 Continue\r\n\r\n"};

	for (size_t i = 0; i < COUNT_OF(replies); i++) {
		OWNED(httpget_reply_fini) struct httpget_reply r = {0};

		ck_assert_msg(get(replies[i], &r) == ERR_INPUT, "%s",
		    replies[i]);
	}
}
END_TEST

START_TEST(endless_heads_and_bodies_have_an_end)
{
	OWNED(httpget_reply_fini) struct httpget_reply r = {0};
	size_t len = 3 * HTTPGET_BODY_MAX;
	char *text = malloc(len + 1);
	struct err e = {0};

	memset(text, 'a', len);
	text[len] = '\0';
	serve(text, len, true);
	ck_assert_int_eq(httpget(url, 10 * NS_PER_S, &r, &e), ERR_INPUT);
	stop();
	memcpy(text, "HTTP/1.1 200 OK\r\n\r\n", 19);
	serve(text, len, true);
	ck_assert_msg(httpget(url, 10 * NS_PER_S, &r, &e) == ERR_NONE, "%s",
	    e.text);
	stop();
	ck_assert(r.is_cut);
	ck_assert_uint_eq(r.body.len_bytes, HTTPGET_BODY_MAX);
	free(text);
}
END_TEST

START_TEST(silence_times_out_and_nobody_is_refused)
{
	OWNED(httpget_reply_fini) struct httpget_reply r = {0};
	struct err e = {0};

	serve("HTTP/1.1 200 OK\r\n", 17, true);
	ck_assert_int_eq(httpget(url, NS_PER_S / 5, &r, &e), ERR_TIMEOUT);
	stop();
	ck_assert_int_eq(httpget(url, NS_PER_S, &r, &e), ERR_IO);
}
END_TEST

START_TEST(addresses_are_taken_apart)
{
	static const char *const bad[] = {"https://a/", "ftp://a", "http://",
	    "http:///x", "http://a:0/", "http://a:65536/", "http://u@a/",
	    "http://a/ b", "http://a/\r\nX: y"};
	struct httpget_url u;
	struct err e = {0};

	ck_assert_int_eq(httpget_url(&u, "http://[::1]:8080/a?b", &e),
	    ERR_NONE);
	ck_assert_str_eq(u.host, "::1");
	ck_assert_str_eq(u.port, "8080");
	ck_assert_str_eq(u.path, "/a?b");
	ck_assert_int_eq(httpget_url(&u, "http://[::1]", &e), ERR_NONE);
	ck_assert_str_eq(u.port, "80");
	ck_assert_int_eq(httpget_url(&u, "HTTP://app1?x", &e), ERR_NONE);
	ck_assert_str_eq(u.host, "app1");
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ck_assert_msg(httpget_url(&u, bad[i], &e) == ERR_INPUT, "%s",
		    bad[i]);
}
END_TEST

Suite *suite_job_httpget(void);

Suite *
suite_job_httpget(void)
{
	Suite *s = suite_create("job/httpget");
	TCase *t = tcase_create("httpget");

	tcase_add_checked_fixture(t, NULL, stop);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_reply_is_read_however_its_end_is_marked);
	tcase_add_test(t, a_reply_that_makes_no_sense_is_refused);
	tcase_add_test(t, endless_heads_and_bodies_have_an_end);
	tcase_add_test(t, silence_times_out_and_nobody_is_refused);
	tcase_add_test(t, addresses_are_taken_apart);
	suite_add_tcase(s, t);
	return s;
}
