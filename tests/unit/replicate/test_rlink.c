#include "../../../lib/replicate/rlink.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

static struct err e;
static int pair[2];
static struct transport_fds fds;
static struct transport t;
static struct rlink link_;

static void
setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     pair),
	    0);
	fds = (struct transport_fds){pair[0], pair[0], 200 * NS_PER_MS, NULL};
	ck_assert_int_eq(transport_over_fds(&t, &fds, &e), ERR_NONE);
	rlink_init(&link_, &t);
}

static void
teardown(void)
{
	rlink_fini(&link_);
	fdio_close(&pair[0]);
	fdio_close(&pair[1]);
}

static void
put(const void *bytes, size_t len)
{
	ck_assert_int_eq(fdio_write(pair[1], bytes, len, &e), ERR_NONE);
}

START_TEST(two_messages_in_one_read_are_two)
{
	static const uint8_t both[] = {1, 0, 0, 0, RMSG_DATA, 0, 0, 0, 'x', 0,
	    0, 0, 0, RMSG_BYE, 0, 0, 0};
	struct rmsg m;
	bool ended;

	put(both, sizeof(both));
	ck_assert_int_eq(rlink_read(&link_, &m, &ended, &e), ERR_NONE);
	ck_assert(!ended && m.type == RMSG_DATA && m.len_bytes == 1);
	ck_assert_int_eq(m.bytes[0], 'x');
	ck_assert_int_eq(rlink_read(&link_, &m, &ended, &e), ERR_NONE);
	ck_assert(!ended && m.type == RMSG_BYE && m.len_bytes == 0);
	ck_assert_uint_eq(link_.received_bytes, sizeof(both));
}
END_TEST

START_TEST(an_end_between_messages_is_an_end)
{
	struct rmsg m;
	bool ended;

	fdio_close(&pair[1]);
	ck_assert_int_eq(rlink_read(&link_, &m, &ended, &e), ERR_NONE);
	ck_assert(ended);
}
END_TEST

START_TEST(an_end_within_a_message_is_a_cut)
{
	static const uint8_t part[] = {9, 0, 0, 0, RMSG_DATA, 0, 0, 0, 'x'};
	struct rmsg m;
	bool ended;

	put(part, _i == 0 ? 3 : sizeof(part));
	fdio_close(&pair[1]);
	ck_assert_int_eq(rlink_read(&link_, &m, &ended, &e), ERR_TIMEOUT);
	ck_assert(!ended);
}
END_TEST

START_TEST(a_silent_peer_times_out_and_a_flag_cancels)
{
	volatile sig_atomic_t cancel = 1;
	struct rmsg m;
	bool ended;

	ck_assert_int_eq(rlink_read(&link_, &m, &ended, &e), ERR_TIMEOUT);
	fds.cancel = &cancel;
	ck_assert_int_eq(rlink_read(&link_, &m, &ended, &e), ERR_CANCELLED);
}
END_TEST

START_TEST(a_peer_that_does_not_read_times_out)
{
	static uint8_t many[RMSG_DATA_BYTES_MAX];
	enum err_code rc;

	do {
		rc =
		    rlink_send(&link_, RMSG_DATA, NULL, many, sizeof(many), &e);
	} while (rc == ERR_NONE);
	ck_assert_int_eq(rc, ERR_TIMEOUT);
}
END_TEST

START_TEST(a_peer_that_is_gone_fails_the_writer_without_a_signal)
{
	fdio_close(&pair[1]);
	ck_assert_int_eq(rlink_send(&link_, RMSG_BYE, NULL, NULL, 0, &e),
	    ERR_TIMEOUT);
}
END_TEST

Suite *suite_replicate_rlink(void);

/* Of 64 KiB sshd and we wake each other for every second of its packets. */
START_TEST(pipes_hold_more_than_two_packets_both_ways)
{
	int in[2], out[2], tried[2], most = 1 << 20;
	struct transport_fds two;
	struct transport over;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(tried, O_CLOEXEC), 0);
	if (fcntl(tried[1], F_SETPIPE_SZ, most) != most) /* nobody may here */
		most = fcntl(tried[1], F_GETPIPE_SZ);
	two = (struct transport_fds){in[0], out[1], NS_PER_S, NULL};
	ck_assert_int_eq(transport_over_fds(&over, &two, &e), ERR_NONE);
	ck_assert_int_eq(fcntl(in[1], F_GETPIPE_SZ), most);
	ck_assert_int_eq(fcntl(out[0], F_GETPIPE_SZ), most);
	for (size_t i = 0; i < 2; i++) {
		fdio_close(&in[i]);
		fdio_close(&out[i]);
		fdio_close(&tried[i]);
	}
}
END_TEST

Suite *
suite_replicate_rlink(void)
{
	Suite *s = suite_create("replicate/rlink");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, two_messages_in_one_read_are_two);
	tcase_add_test(tc, pipes_hold_more_than_two_packets_both_ways);
	tcase_add_test(tc, an_end_between_messages_is_an_end);
	tcase_add_loop_test(tc, an_end_within_a_message_is_a_cut, 0, 2);
	tcase_add_test(tc, a_silent_peer_times_out_and_a_flag_cancels);
	tcase_add_test(tc, a_peer_that_does_not_read_times_out);
	tcase_add_test(tc,
	    a_peer_that_is_gone_fails_the_writer_without_a_signal);
	suite_add_tcase(s, tc);
	return s;
}
