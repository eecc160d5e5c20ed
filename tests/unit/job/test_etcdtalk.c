#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/text.h>

#include "../../../lib/job/etcdtalk.h"

/*
 * A server that gives one answer after the other, to whatever it is asked.  An
 * answer of NULL: it hears the question and hangs up.  After the last nobody is
 * there any more.
 */
static char base[64];
static const char *const bases[] = {base};
static pid_t server;

static void
serve_one(int c, const char *body)
{
	char asked[4096], head[200];
	int n;

	if (recv(c, asked, sizeof(asked), 0) <= 0)
		_exit(1);
	if (body == NULL)
		return;
	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
	    strstr(body, "\"error\"") != NULL ? "503 no" : "200 OK",
	    strlen(body));
	if (send(c, head, (size_t)n, MSG_NOSIGNAL) < 0 ||
	    send(c, body, strlen(body), MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void
serve(const char *const *answers, size_t count)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(base, sizeof(base), "http://127.0.0.1:%d", ntohs(at.sin_port));
	server = fork();
	if (server == 0) {
		for (size_t i = 0; i < count; i++) {
			int c = accept(fd, NULL, NULL);

			serve_one(c, answers[i]);
			close(c);
		}
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

#define HEADER(revision)                                         \
	"{\"header\":{\"cluster_id\":\"7\",\"member_id\":\"8\"," \
	"\"revision\":\"" revision "\"}"
#define NONE    HEADER("4") "}"
#define SWAPPED HEADER("9") ",\"succeeded\":true}"
#define BEATEN  HEADER("9") "}"

/* An answer to a read: the key, with that register, at revision 5 of 9. */
static const char *
holds(char out[1024], uint64_t epoch, const char *owner, const char *run)
{
	OWNED(buf_fini) struct buf value = {0};
	OWNED(buf_fini) struct buf coded = {0};
	struct etcdsay_register r = {.epoch = epoch, .state = "MOVING"};
	struct err e;

	snprintf(r.owner, sizeof(r.owner), "%s", owner);
	snprintf(r.run, sizeof(r.run), "%s", run);
	ck_assert_int_eq(etcdsay_register_write(&value, &r, &e), ERR_NONE);
	ck_assert_int_eq(text_base64(&coded, value.bytes, value.len_bytes, true,
			     &e),
	    ERR_NONE);
	snprintf(out, 1024,
	    HEADER("9") ",\"kvs\":[{\"key\":\"L2Jhc2N1bGUvYXV0aG9yaXR5L3g=\","
			"\"mod_revision\":\"5\",\"value\":\"%s\"}]}",
	    buf_text(&coded));
	return out;
}

static char text[ERR_TEXT_BYTES];

/* From epoch 1 to epoch 2 at southwark, by the run r. */
static enum etcdtalk_swap
swap(const char *const *answers, size_t count)
{
	struct http_options opt = {.timeout_ns = 5 * NS_PER_S};
	struct etcdtalk t = {.bases = bases,
	    .base_count = 1,
	    .timeout_ns = 5 * NS_PER_S};
	OWNED(http_free) struct http *h = NULL;
	struct etcdsay_register now,
	    to = {.epoch = 2,
		.owner = "southwark",
		.run = "r",
		.state = "MOVING"};
	enum etcdtalk_swap verdict;
	struct err e;
	bool is_read;

	serve(answers, count);
	ck_assert_int_eq(http_new(&h, &opt, &e), ERR_NONE);
	t.http = h;
	verdict = etcdtalk_swap(&t, "x", 1, &to, &now, &is_read, text);
	stop();
	ck_assert_int_eq(verdict == SWAP_DONE, text[0] == '\0');
	return verdict;
}
#define SWAP(...)                                \
	swap((const char *const[]){__VA_ARGS__}, \
	    COUNT_OF(((const char *const[]){__VA_ARGS__})))

START_TEST(a_swap_is_done_when_it_is_read_back)
{
	char old[1024], ours[1024];

	holds(old, 1, "brent", "");
	holds(ours, 2, "southwark", "r");
	ck_assert_int_eq(SWAP(old, SWAPPED, ours), SWAP_DONE);
	/* it was so already: nothing is asked for */
	ck_assert_int_eq(SWAP(ours), SWAP_DONE);
	/* the answer got lost */
	ck_assert_int_eq(SWAP(old, NULL, ours), SWAP_DONE);
	ck_assert_int_eq(SWAP(old, "nonsense", ours), SWAP_DONE);
	ck_assert_int_eq(SWAP(old, "{\"error\":\"timed out\"}", ours),
	    SWAP_DONE);
	/* the question got lost, and is asked again */
	ck_assert_int_eq(SWAP(old, NULL, old, SWAPPED, ours), SWAP_DONE);
}
END_TEST

START_TEST(who_comes_second_is_told_who_was_first)
{
	char old[1024], theirs[1024], same[1024];

	holds(old, 1, "brent", "");
	holds(theirs, 2, "southwark", "another");
	holds(same, 2, "brent", "r");
	ck_assert_int_eq(SWAP(theirs), SWAP_LOST);
	ck_assert_ptr_nonnull(strstr(text, "run another"));
	ck_assert_int_eq(SWAP(same), SWAP_LOST);
	ck_assert_int_eq(SWAP(old, BEATEN, theirs), SWAP_LOST);
	ck_assert_int_eq(SWAP(old, NULL, theirs), SWAP_LOST);
	ck_assert_int_eq(SWAP(NONE), SWAP_LOST);
}
END_TEST

START_TEST(without_a_read_nothing_is_asked)
{
	ck_assert_int_eq(SWAP(NULL), SWAP_REFUSED);
	ck_assert_int_eq(SWAP("{\"error\":\"no leader\"}"), SWAP_REFUSED);
	ck_assert_int_eq(SWAP("nonsense"), SWAP_REFUSED);
	ck_assert_ptr_nonnull(strstr(text, "was not asked"));
}
END_TEST

START_TEST(what_was_asked_and_is_not_read_back_is_unknown)
{
	char old[1024];

	holds(old, 1, "brent", "");
	ck_assert_int_eq(SWAP(old, NULL), SWAP_UNKNOWN);
	ck_assert_int_eq(SWAP(old, SWAPPED), SWAP_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(text, "cannot be read back"));
	/* it says so, and it is not so */
	ck_assert_int_eq(SWAP(old, SWAPPED, old, SWAPPED, old, SWAPPED, old),
	    SWAP_UNKNOWN);
	/* a history that becomes shorter is nothing to go by */
	ck_assert_int_eq(SWAP(old, NULL, HEADER("3") "}", HEADER("3") "}",
			     HEADER("3") "}"),
	    SWAP_UNKNOWN);
}
END_TEST

START_TEST(a_key_that_nobody_asked_for_is_no_answer)
{
	static const char other[] =
	    HEADER("9") ",\"kvs\":[{\"key\":\"L3k=\",\"mod_revision\":\"5\"}]}";
	static const char damaged[] =
	    HEADER("9") ",\"kvs\":[{\"key\":\"L2Jhc2N1bGUvYXV0aG9yaXR5L3g=\","
			"\"mod_revision\":\"5\",\"value\":\"e30=\"}]}";

	ck_assert_int_eq(SWAP(other), SWAP_REFUSED);
	ck_assert_int_eq(SWAP(damaged), SWAP_REFUSED);
	ck_assert_ptr_nonnull(strstr(text, "/bascule/authority/x"));
}
END_TEST

START_TEST(another_cluster_is_not_believed)
{
	static const char *const answers[] = {NONE,
	    "{\"header\":{\"cluster_id\":\"77\",\"member_id\":\"8\","
	    "\"revision\":\"9\"}}",
	    HEADER("3") "}"};
	struct http_options opt = {.timeout_ns = 5 * NS_PER_S};
	struct etcdtalk t = {.bases = bases, .base_count = 1};
	OWNED(http_free) struct http *h = NULL;
	struct etcdsay_register now;
	uint64_t revision;
	struct err e;

	serve(answers, COUNT_OF(answers));
	ck_assert_int_eq(http_new(&h, &opt, &e), ERR_NONE);
	t.http = h;
	ck_assert_int_eq(etcdtalk_read(&t, "x", &now, &revision, &e), ERR_NONE);
	ck_assert_uint_eq(now.epoch, 0);
	ck_assert_int_eq(etcdtalk_read(&t, "x", &now, &revision, &e),
	    ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "another cluster"));
	ck_assert_int_eq(etcdtalk_read(&t, "x", &now, &revision, &e),
	    ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(e.text, "became shorter"));
	stop();
}
END_TEST

Suite *suite_job_etcdtalk(void);

Suite *
suite_job_etcdtalk(void)
{
	Suite *s = suite_create("job/etcdtalk");
	TCase *t = tcase_create("etcdtalk");

	tcase_add_checked_fixture(t, NULL, stop);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_swap_is_done_when_it_is_read_back);
	tcase_add_test(t, who_comes_second_is_told_who_was_first);
	tcase_add_test(t, without_a_read_nothing_is_asked);
	tcase_add_test(t, what_was_asked_and_is_not_read_back_is_unknown);
	tcase_add_test(t, a_key_that_nobody_asked_for_is_no_answer);
	tcase_add_test(t, another_cluster_is_not_believed);
	suite_add_tcase(s, t);
	return s;
}
