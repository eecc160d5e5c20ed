/*
 * The session against a server that is made of bytes: what each lie ends in.
 * (fuzz_sftp tries all others.)
 */
#include <check.h>
#include <string.h>

#include "../../../lib/ssh/sshsftp.h"

static struct err e;
static struct buf answers; /* what is to come */
static struct buf asked;   /* what was sent */
static size_t at_bytes;

/* One byte more at each step: messages are cut everywhere. */
static enum err_code
step(void *ctx, struct buf *out, struct buf *in, size_t in_max, struct err *why)
{
	(void)ctx;
	(void)in_max;
	if (out->len_bytes > 0 &&
	    buf_add(&asked, out->bytes, out->len_bytes, why) != ERR_NONE)
		return why->code;
	buf_clear(out);
	if (at_bytes == answers.len_bytes)
		return err_set(why, ERR_TIMEOUT, "nothing more comes");
	return buf_add_byte(in, answers.bytes[at_bytes++], why);
}

static const struct sshsftp_way way = {step, NULL, "far"};

static void
put(const void *bytes, size_t len)
{
	ck_assert_int_eq(buf_add(&answers, bytes, len, &e), ERR_NONE);
}

#define PUT(...)                            \
	put((const uint8_t[]){__VA_ARGS__}, \
	    sizeof((const uint8_t[]){__VA_ARGS__}))
#define GREETING 0, 0, 0, 5, SFTP_VERSION, 0, 0, 0, 3

static void
setup(void)
{
	at_bytes = 0;
}

static void
teardown(void)
{
	buf_fini(&answers);
	buf_fini(&asked);
}

START_TEST(what_does_not_greet_is_no_server)
{
	static const char *const words[] = {"Welcome to far!\n",
	    "\0\0\0\x05\x02\0\0\0\x02", "\0\0\0\x05\x65\0\0\0\x03",
	    "\0\0\0\x09\x02\0\0\0\x03\0\0\0\xff"};
	static const size_t lens[] = {16, 9, 9, 13};
	struct sshsftp *s = NULL;

	put(words[_i], lens[_i]);
	ck_assert_int_eq(sshsftp_greet(&s, &way, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "breaks the SFTP protocol"));
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(a_greeting_is_taken_with_what_it_offers)
{
	struct sshsftp *s = NULL;

	PUT(0, 0, 0, 5 + 4 + 17 + 4 + 1 + 4 + 17 + 4 + 1, SFTP_VERSION, 0, 0, 0,
	    3);
	PUT(0, 0, 0, 17, 'f', 's', 'y', 'n', 'c', '@', 'o', 'p', 'e', 'n', 's',
	    's', 'h', '.', 'c', 'o', 'm', 0, 0, 0, 1, '1');
	PUT(0, 0, 0, 17, 'x', 's', 'y', 'n', 'c', '@', 'o', 'p', 'e', 'n', 's',
	    's', 'h', '.', 'c', 'o', 'm', 0, 0, 0, 1, '1');
	ck_assert_int_eq(sshsftp_greet(&s, &way, &e), ERR_NONE);
	ck_assert(sshsftp_offers(s, SSHSFTP_FSYNC));
	ck_assert(!sshsftp_offers(s, SSHSFTP_POSIX_RENAME));
	sshsftp_close(&s);
}
END_TEST

/* Each in answer to LSTAT, number 0. */
static const struct {
	const char *what;
	uint8_t bytes[40];
	size_t len;
} lies[] = {
    {"impossible length", {0x7f, 0, 0, 0, SFTP_ATTRS}, 5},
    {"impossible length", {0, 0, 0, 4, SFTP_ATTRS, 0, 0, 0}, 8},
    {"nobody asked for", {0, 0, 0, 9, SFTP_ATTRS, 0, 0, 0, 1, 0, 0, 0, 0}, 13},
    {"nobody asked for", {0, 0, 0, 5, SFTP_STATUS, 0xff, 0xff, 0xff, 0xff}, 9},
    {"something else", {0, 0, 0, 9, SFTP_DATA, 0, 0, 0, 0, 0, 0, 0, 0}, 13},
    {"something else", {0, 0, 0, 9, SFTP_NAME, 0, 0, 0, 0, 0, 0, 0, 0}, 13},
    {"odd attributes", {0, 0, 0, 9, SFTP_ATTRS, 0, 0, 0, 0, 0, 0, 0, 1}, 13},
    {"odd attributes", {0, 0, 0, 10, SFTP_ATTRS, 0, 0, 0, 0, 0, 0, 0, 0, 7},
	14},
    {"odd attributes",
	{0, 0, 0, 13, SFTP_ATTRS, 0, 0, 0, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0xff,
	    0xff},
	17},
    {"without one", {0, 0, 0, 9, SFTP_STATUS, 0, 0, 0, 0, 0, 0, 0, 0}, 13},
};

START_TEST(a_lie_ends_the_session_for_everything)
{
	struct sshsftp *s = NULL;
	struct sshpath *a = NULL, *b = NULL;
	struct sshattr attr;

	PUT(GREETING);
	put(lies[_i].bytes, lies[_i].len);
	ck_assert_int_eq(sshsftp_greet(&s, &way, &e), ERR_NONE);
	ck_assert_int_eq(sshpath_begin(&a, s, SSHPATH_LSTAT, "/a", &e),
	    ERR_NONE);
	ck_assert_int_eq(sshpath_wait(a, &attr, NULL, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, lies[_i].what));
	ck_assert_ptr_nonnull(strstr(e.text, "'far'"));
	ck_assert_int_eq(sshpath_begin(&b, s, SSHPATH_LSTAT, "/b", &e), ERR_IO);
	ck_assert_ptr_null(b);
	sshpath_close(&a);
	sshsftp_close(&s);
}
END_TEST

START_TEST(no_more_is_taken_than_was_asked_for)
{
	struct sshsftp *s = NULL;
	struct sshfile *f = NULL;
	uint8_t bytes[16];
	size_t got;

	PUT(GREETING);
	PUT(0, 0, 0, 10, SFTP_HANDLE, 0, 0, 0, 0, 0, 0, 0, 1, 'h');
	/* Number 0 is free again and is used next: the attributes, then data. */
	PUT(0, 0, 0, 9, SFTP_ATTRS, 0, 0, 0x10, 0, 0, 0, 0, 0);
	PUT(0, 0, 0, 14, SFTP_DATA, 0, 0, 0, 1, 0, 0, 0, 5, '1', '2', '3', '4',
	    '5');
	ck_assert_int_eq(sshsftp_greet(&s, &way, &e), ERR_NONE);
	ck_assert_int_eq(sshfile_begin_read(&f, s, "/f", 0, 4, &e), ERR_NONE);
	ck_assert_int_eq(sshfile_read(f, bytes, sizeof(bytes), &got, &e),
	    ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "other data than was asked"));
	sshfile_close(&f);
	sshsftp_close(&s);
}
END_TEST

START_TEST(what_is_closed_early_is_closed_there_when_its_handle_comes)
{
	struct sshsftp *s = NULL;
	struct sshfile *f = NULL;
	struct sshattr attr;

	PUT(GREETING);
	PUT(0, 0, 0, 10, SFTP_HANDLE, 0, 0, 0, 0, 0, 0, 0, 1, 'h');
	ck_assert_int_eq(sshsftp_greet(&s, &way, &e), ERR_NONE);
	ck_assert_int_eq(sshfile_begin_read(&f, s, "/f", 0, 4, &e), ERR_NONE);
	sshfile_close(&f);
	ck_assert_int_eq(sshpath_lstat(s, "/a", &attr, &e), ERR_TIMEOUT);
	sshsftp_close(&s);
	ck_assert_ptr_nonnull(memmem(asked.bytes, asked.len_bytes,
	    "\0\0\0\x0a\x04\xff\xff\xff\xff\0\0\0\x01h", 14));
}
END_TEST

START_TEST(a_session_that_ends_frees_what_was_under_way)
{
	struct sshsftp *s = NULL;
	struct sshdir *d = NULL;
	struct sshpath *p = NULL;

	PUT(GREETING);
	ck_assert_int_eq(sshsftp_greet(&s, &way, &e), ERR_NONE);
	ck_assert_int_eq(sshdir_begin(&d, s, "/d", &e), ERR_NONE);
	ck_assert_int_eq(sshpath_begin(&p, s, SSHPATH_READLINK, "/l", &e),
	    ERR_NONE);
	sshdir_close(&d);
	sshpath_close(&p);
	sshsftp_close(&s); /* the sanitizer sees to the rest */
}
END_TEST

Suite *suite_ssh_sshsftp(void);

Suite *
suite_ssh_sshsftp(void)
{
	Suite *s = suite_create("ssh/sshsftp");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, what_does_not_greet_is_no_server, 0, 4);
	tcase_add_test(tc, a_greeting_is_taken_with_what_it_offers);
	tcase_add_loop_test(tc, a_lie_ends_the_session_for_everything, 0,
	    COUNT_OF(lies));
	tcase_add_test(tc, no_more_is_taken_than_was_asked_for);
	tcase_add_test(tc,
	    what_is_closed_early_is_closed_there_when_its_handle_comes);
	tcase_add_test(tc, a_session_that_ends_frees_what_was_under_way);
	suite_add_tcase(s, tc);
	return s;
}
