#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/replicate.h>
#include <bascule/store.h>

#include "support/farserve.h"
#include "support/must.h"
#include "support/tmpdir.h"

/*
 * A conversation as the first version held it, about tests/golden's repository:
 * each end of ours is tried with what the other end said then.
 */

Suite *suite_replicate_version1(void);

#define FEATURES_AT 24 /* of HELLO, its head included */

static char dir[48], repo[64], copy[64];
static struct buf sender, receiver;
static struct err e;

static void
setup(void)
{
	char command[200];

	tmpdir_name(dir, sizeof(dir), true);
	snprintf(repo, sizeof(repo), "%.40s/repository-v2", dir);
	snprintf(copy, sizeof(copy), "%.40s/copy", dir);
	snprintf(command, sizeof(command),
	    "zstd -dqc tests/golden/repository-v2.tar.zst | tar -xf - -C '%s'",
	    dir);
	ck_assert_int_eq(system(command), 0);
	must(fdio_slurp(AT_FDCWD, "tests/golden/store-serve-v1-sender", 1 << 20,
		 &sender, &e),
	    &e);
	must(fdio_slurp(AT_FDCWD, "tests/golden/store-serve-v1-receiver",
		 1 << 20, &receiver, &e),
	    &e);
}

static void
teardown(void)
{
	char command[100];

	buf_fini(&sender);
	buf_fini(&receiver);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(what_the_first_sender_said_gets_the_answers_it_got)
{
	OWNED(buf_fini) struct buf heard = {0};
	struct far far;
	pid_t writer;

	far_start(&far, copy, 0, 0);
	writer = fork();
	if (writer == 0)
		_exit((int)far.plain.write(far.plain.ctx, sender.bytes,
		    sender.len_bytes, &e));
	for (;;) {
		uint8_t bytes[512];
		size_t got;

		must(far.plain.read(far.plain.ctx, bytes, sizeof(bytes), &got,
			 &e),
		    &e);
		if (got == 0)
			break;
		must(buf_add(&heard, bytes, got, &e), &e);
	}
	ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
	ck_assert_int_eq(far_end(&far), ERR_NONE);
	ck_assert_uint_eq(heard.len_bytes, receiver.len_bytes);
	ck_assert_mem_eq(heard.bytes, receiver.bytes, heard.len_bytes);
}
END_TEST

/* A far side that says what it said then and keeps what it hears. */
static enum err_code
read_then(void *ctx, void *bytes, size_t max_bytes, size_t *got,
    struct err *why)
{
	size_t *at = ctx;
	size_t left = receiver.len_bytes - *at;

	(void)why;
	*got = left < max_bytes ? left : max_bytes;
	memcpy(bytes, receiver.bytes + *at, *got);
	*at += *got;
	return ERR_NONE;
}

static struct buf said;

static enum err_code
keep(void *ctx, const void *bytes, size_t len_bytes, struct err *why)
{
	(void)ctx;
	return buf_add(&said, bytes, len_bytes, why);
}

/* The same messages, whatever the pieces of DATA. */
static void
join_data(struct buf *b)
{
	OWNED(buf_fini) struct buf out = {0};
	size_t last = SIZE_MAX;

	for (size_t at = 0; at < b->len_bytes;) {
		uint32_t len;

		memcpy(&len, b->bytes + at, 4);
		if (b->bytes[at + 4] == 5 && last != SIZE_MAX) {
			uint32_t sum;

			memcpy(&sum, out.bytes + last, 4);
			sum += len;
			memcpy(out.bytes + last, &sum, 4);
			must(buf_add(&out, b->bytes + at + 8, len, &e), &e);
		} else {
			last = b->bytes[at + 4] == 5 ? out.len_bytes : SIZE_MAX;
			must(buf_add(&out, b->bytes + at, 8 + len, &e), &e);
		}
		at += 8 + len;
	}
	buf_clear(b);
	must(buf_add(b, out.bytes, out.len_bytes, &e), &e);
}

START_TEST(the_first_receiver_hears_what_it_heard_then)
{
	struct store_options how = {.network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	struct replicate_options opt = {.lanes_max = 4};
	struct replicate_tally tally;
	struct transport t;
	size_t at = 0;

	t = (struct transport){read_then, keep, &at};
	must(store_open(&st, repo, &how, &e), &e);
	must(replicate_push(st, &t, &opt, &tally, &e), &e);
	ck_assert_uint_eq(at, receiver.len_bytes);
	ck_assert_uint_eq(tally.snapshots_sent_count, 2);
	join_data(&said);
	join_data(&sender);
	ck_assert_uint_eq(said.len_bytes, sender.len_bytes);
	/* It says what it could do; what the other cannot, it leaves. */
	ck_assert_uint_gt(said.bytes[FEATURES_AT], sender.bytes[FEATURES_AT]);
	said.bytes[FEATURES_AT] = sender.bytes[FEATURES_AT];
	ck_assert_mem_eq(said.bytes, sender.bytes, said.len_bytes);
	buf_fini(&said);
}
END_TEST

START_TEST(a_newer_one_is_refused_and_both_versions_are_named)
{
	struct store_options how = {.network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	struct replicate_options opt = {0};
	struct replicate_tally tally;
	struct transport t;
	size_t at = 0;

	receiver.bytes[8 + 8] = 7; /* WELCOME's version */
	t = (struct transport){read_then, keep, &at};
	must(store_open(&st, repo, &how, &e), &e);
	ck_assert_int_eq(replicate_push(st, &t, &opt, &tally, &e), ERR_TOONEW);
	ck_assert_ptr_nonnull(strstr(e.text, "version 7"));
	ck_assert_ptr_nonnull(strstr(e.text, "version 1"));
	buf_fini(&said);
}
END_TEST

Suite *
suite_replicate_version1(void)
{
	Suite *s = suite_create("replicate/version1");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_the_first_sender_said_gets_the_answers_it_got);
	tcase_add_test(tc, the_first_receiver_hears_what_it_heard_then);
	tcase_add_test(tc, a_newer_one_is_refused_and_both_versions_are_named);
	suite_add_tcase(s, tc);
	return s;
}
