#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/now.h>
#include <bascule/http.h>

/* --- a server that says one thing, once, and hangs up ------------------------- */

static char base[64], other[64];
static pid_t server;
static int said_fd; /* what was asked, from the server */

static int
listen_at(char url[64])
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(url, 64, "http://127.0.0.1:%d", ntohs(at.sin_port));
	return fd;
}

static void
serve(const char *reply, size_t len, bool hangs)
{
	int fd = listen_at(base), pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	server = fork();
	if (server == 0) {
		char asked[4096];
		int c = accept(fd, NULL, NULL);
		ssize_t n = recv(c, asked, sizeof(asked), 0);

		if (n <= 0 || write(pipes[1], asked, (size_t)n) != n)
			_exit(1);
		for (size_t at = 0; at < len;) {
			n = send(c, reply + at, len - at, MSG_NOSIGNAL);
			if (n <= 0)
				_exit(0);
			at += (size_t)n;
		}
		if (hangs)
			pause();
		_exit(0);
	}
	close(pipes[1]);
	said_fd = pipes[0];
	close(fd);
}

static void
stop(void)
{
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		close(said_fd);
	}
	server = 0;
}

static struct http *
client(size_t max_bytes, int64_t timeout_ns)
{
	struct http_options opt = {.timeout_ns = timeout_ns,
	    .answer_bytes_max = max_bytes};
	struct http *h;
	struct err e;

	ck_assert_int_eq(http_new(&h, &opt, &e), ERR_NONE);
	return h;
}

static enum err_code
post(const char *reply, size_t len, struct http_answer *a, struct err *e)
{
	OWNED(http_free) struct http *h = client(1000, 20 * NS_PER_S);
	OWNED(buf_fini) struct buf json = {0};
	enum err_code rc;

	ck_assert_int_eq(buf_add_text(&json, "{\"a\":1}", e), ERR_NONE);
	serve(reply, len, false);
	rc = http_post(h, base, "/v3/kv/range", &json, a, e);
	return rc;
}

START_TEST(a_text_is_posted_and_the_whole_answer_comes_back)
{
	static const char reply[] =
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	OWNED(http_answer_fini) struct http_answer a = {0};
	char asked[4097] = "";
	struct err e;

	ck_assert_int_eq(post(reply, sizeof(reply) - 1, &a, &e), ERR_NONE);
	ck_assert_uint_eq(a.status, 200);
	ck_assert(a.was_sent);
	ck_assert_str_eq(buf_text(&a.body), "hello");
	ck_assert_int_gt(read(said_fd, asked, sizeof(asked) - 1), 0);
	ck_assert_ptr_nonnull(strstr(asked, "POST /v3/kv/range HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(asked, "Content-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(asked, "\r\n\r\n{\"a\":1}"));
	stop();
}
END_TEST

START_TEST(no_redirect_is_followed)
{
	static const char reply[] =
	    "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n";
	OWNED(http_answer_fini) struct http_answer a = {0};
	struct err e;

	ck_assert_int_eq(post(reply, sizeof(reply) - 1, &a, &e), ERR_NONE);
	ck_assert_uint_eq(a.status, 307);
	stop();
}
END_TEST

START_TEST(answers_that_are_cut_or_nonsense_are_failures_after_the_sending)
{
	static const char *const bad[] = {"", "nonsense\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		OWNED(http_answer_fini) struct http_answer a = {0};
		struct err e = {0};

		ck_assert_msg(post(bad[i], strlen(bad[i]), &a, &e) != ERR_NONE,
		    "%s", bad[i]);
		ck_assert_msg(a.was_sent, "%s", bad[i]);
		ck_assert_str_ne(e.text, "");
		stop();
	}
}
END_TEST

/* A server without an end: of its body, or of its head. */
START_TEST(an_endless_answer_has_an_end)
{
	enum { ENDLESS = 400000 };
	static const char *const begins[] = {"HTTP/1.1 200 OK\r\n\r\n",
	    "HTTP/1.1 200 OK\r\n"};

	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		OWNED(http_answer_fini) struct http_answer a = {0};
		OWNED(free_mem) char *reply = malloc(ENDLESS + 1);
		struct err e = {0};

		ck_assert_ptr_nonnull(reply);
		for (size_t at = 0; at + 8 <= ENDLESS; at += 8)
			memcpy(reply + at, "xy: ab\r\n", 8);
		reply[ENDLESS] = '\0';
		memcpy(reply, begins[i], strlen(begins[i]));
		ck_assert_int_eq(post(reply, ENDLESS, &a, &e), ERR_INPUT);
		ck_assert_ptr_nonnull(strstr(e.text, "more than anybody"));
		ck_assert_uint_le(a.body.len_bytes, 1000);
		stop();
	}
}
END_TEST

START_TEST(silence_ends_and_counts_as_sent)
{
	OWNED(http_free) struct http *h = client(1000, NS_PER_S / 5);
	OWNED(http_answer_fini) struct http_answer a = {0};
	struct buf json = {0};
	struct err e;

	serve("HTTP/1.1 200 OK\r\n", 17, true);
	ck_assert_int_eq(http_post(h, base, "/", &json, &a, &e), ERR_TIMEOUT);
	ck_assert(a.was_sent);
	stop();
}
END_TEST

START_TEST(nobody_there_means_nothing_was_sent)
{
	OWNED(http_free) struct http *h = client(1000, 10 * NS_PER_S);
	OWNED(http_answer_fini) struct http_answer a = {0};
	static const char *const wrong[] = {"ftp://127.0.0.1", "nothing://x",
	    "http://:0"};
	struct buf json = {0};
	struct err e;

	close(listen_at(base));
	ck_assert_int_eq(http_post(h, base, "/", &json, &a, &e), ERR_IO);
	ck_assert(!a.was_sent);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		ck_assert_int_ne(http_post(h, wrong[i], "/", &json, &a, &e),
		    ERR_NONE);
		ck_assert(!a.was_sent);
	}
}
END_TEST

/* https spoken to a server that knows none. */
START_TEST(no_tls_is_a_refusal_with_a_hint)
{
	OWNED(http_free) struct http *h = client(1000, 10 * NS_PER_S);
	OWNED(http_answer_fini) struct http_answer a = {0};
	struct buf json = {0};
	char tls[70];
	struct err e;

	serve("HTTP/1.1 400 no\r\n\r\n", 19, false);
	snprintf(tls, sizeof(tls), "https%s", base + 4);
	ck_assert_int_eq(http_post(h, tls, "/", &json, &a, &e), ERR_REFUSED);
	ck_assert(!a.was_sent);
	ck_assert_ptr_nonnull(strstr(e.text, "\nhint: "));
	stop();
}
END_TEST

static const char all_well[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

START_TEST(the_next_address_is_asked_when_one_is_not_there)
{
	OWNED(http_free) struct http *h = client(1000, 10 * NS_PER_S);
	OWNED(http_answer_fini) struct http_answer a = {0};
	const char *const both[] = {other, base};
	struct buf json = {0};
	struct err e;
	size_t at = 0;

	close(listen_at(other));
	serve(all_well, sizeof(all_well) - 1, false);
	ck_assert_int_eq(http_post_any(h, both, 2, &at, HTTP_IF_NOT_SENT, "/",
			     &json, &a, &e),
	    ERR_NONE);
	ck_assert_uint_eq(at, 1);
	stop();
}
END_TEST

START_TEST(what_changes_something_is_sent_once_at_most)
{
	static const char trouble[] =
	    "HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n";
	const char *const both[] = {base, other};
	OWNED(http_free) struct http *h = client(1000, 10 * NS_PER_S);
	OWNED(http_answer_fini) struct http_answer a = {0};
	struct buf json = {0};
	struct err e;
	size_t at = 0;
	int fd = listen_at(other);
	struct pollfd visitor = {.fd = fd, .events = POLLIN};

	serve(trouble, sizeof(trouble) - 1, false);
	ck_assert_int_eq(http_post_any(h, both, 2, &at, HTTP_IF_NOT_SENT, "/",
			     &json, &a, &e),
	    ERR_IO);
	ck_assert(a.was_sent);
	ck_assert_ptr_nonnull(strstr(e.text, "status 503"));
	ck_assert_int_eq(poll(&visitor, 1, 0), 0);
	stop();
	close(fd);
}
END_TEST

START_TEST(a_request_under_way_can_be_stopped)
{
	volatile sig_atomic_t stopped = 1;
	struct http_options opt = {.cancel = &stopped};
	OWNED(http_free) struct http *h = NULL;
	OWNED(http_answer_fini) struct http_answer a = {0};
	struct buf json = {0};
	struct err e;

	ck_assert_int_eq(http_new(&h, &opt, &e), ERR_NONE);
	serve("", 0, true);
	ck_assert_int_eq(http_post(h, base, "/", &json, &a, &e), ERR_CANCELLED);
	stop();
}
END_TEST

START_TEST(files_that_are_not_there_and_half_a_pair_are_refused)
{
	struct http_options no_ca = {.ca_file = "/nowhere/ca.pem"};
	struct http_options half = {.cert_file = "/dev/null"};
	struct http *h;
	struct err e;

	ck_assert_int_eq(http_new(&h, &no_ca, &e), ERR_NOTFOUND);
	ck_assert_ptr_null(h);
	ck_assert_int_eq(http_new(&h, &half, &e), ERR_INPUT);
}
END_TEST

Suite *suite_http_http(void);

Suite *
suite_http_http(void)
{
	Suite *s = suite_create("http/http");
	TCase *t = tcase_create("http");

	tcase_add_checked_fixture(t, NULL, stop);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_text_is_posted_and_the_whole_answer_comes_back);
	tcase_add_test(t, no_redirect_is_followed);
	tcase_add_test(t,
	    answers_that_are_cut_or_nonsense_are_failures_after_the_sending);
	tcase_add_test(t, an_endless_answer_has_an_end);
	tcase_add_test(t, silence_ends_and_counts_as_sent);
	tcase_add_test(t, nobody_there_means_nothing_was_sent);
	tcase_add_test(t, no_tls_is_a_refusal_with_a_hint);
	tcase_add_test(t, the_next_address_is_asked_when_one_is_not_there);
	tcase_add_test(t, what_changes_something_is_sent_once_at_most);
	tcase_add_test(t, a_request_under_way_can_be_stopped);
	tcase_add_test(t, files_that_are_not_there_and_half_a_pair_are_refused);
	suite_add_tcase(s, t);
	return s;
}
