#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/index.h"
#include "../lib/store/parts.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_intake(void);

static struct repo r;
static struct id chunk, pack;
static struct buf bytes; /* of the pack */

/* A repository with one pack, whose bytes are at hand. */
static void
setup(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	OWNED(fdio_close) int fd = -1;
	struct err e = {0};

	repo_make(&r);
	repo_begin(&r, &st, &se, &w);
	chunk = repo_put(w, 1, 900);
	must(writer_flush(w, &e), &e);
	pack = index_pack(st, 0)->name;
	must(store_open_pack(st, &pack, &fd, &e), &e);
	must(fdio_read_all(fd, 1 << 20, &bytes, &e), &e);
}

static void
teardown(void)
{
	buf_fini(&bytes);
	repo_remove(&r);
}

static enum err_code
send(struct intake *in, const struct id *name, size_t len_bytes, struct err *e)
{
	enum err_code rc = intake_pack_begin(in, name, len_bytes, e);

	for (size_t at = 0; rc == ERR_NONE && at < len_bytes; at += 100)
		rc = intake_pack_add(in, bytes.bytes + at,
		    len_bytes - at < 100 ? len_bytes - at : 100, e);
	return rc == ERR_NONE ? intake_pack_end(in, e) : rc;
}

START_TEST(a_copy_without_keys_receives_and_the_key_reads_it)
{
	OWNED(store_close) struct store *st = repo_open_copy(&r, "copy");
	OWNED(intake_free) struct intake *in = NULL;
	struct err e = {0};

	must(intake_new(&in, st, &e), &e);
	must(send(in, &pack, bytes.len_bytes, &e), &e);
	ck_assert(!store_has_pack(st, &pack)); /* not before the flush */
	must(intake_flush(in, &e), &e);
	ck_assert(store_has_pack(st, &pack));
	ck_assert(index_present(st, &chunk));
	st->keyring = r.operations;
	ck_assert(repo_has(st, &chunk, 1, 900));
	/* a footer from elsewhere is a claim: writers store it again */
	ck_assert(!index_usable(st, &chunk));
}
END_TEST

START_TEST(a_pack_that_is_not_what_its_name_says_is_refused)
{
	OWNED(store_close) struct store *st = repo_open_copy(&r, "copy");
	OWNED(intake_free) struct intake *in = NULL;
	struct err e = {0};
	struct id other = pack;

	must(intake_new(&in, st, &e), &e);
	ck_assert_int_eq(send(in, &pack, bytes.len_bytes - 1, &e), ERR_CORRUPT);
	other.bytes[0] ^= 1;
	ck_assert_int_eq(send(in, &other, bytes.len_bytes, &e), ERR_CORRUPT);
	bytes.bytes[50] ^= 1;
	ck_assert_int_eq(send(in, &pack, bytes.len_bytes, &e), ERR_CORRUPT);
	/* named rightly, the damage shows in the frame's own head */
	ck_assert_int_eq(hash_sha256(bytes.bytes, bytes.len_bytes, &other, &e),
	    ERR_NONE);
	bytes.bytes[50] ^= 1;
	must(intake_flush(in, &e), &e);
	ck_assert_uint_eq(index_packs_count(st), 0);
	/* ... and the right one still comes in */
	must(send(in, &pack, bytes.len_bytes, &e), &e);
	must(intake_flush(in, &e), &e);
	ck_assert(store_has_pack(st, &pack));
}
END_TEST

START_TEST(a_well_named_pack_whose_frames_lie_is_refused)
{
	OWNED(store_close) struct store *st = repo_open_copy(&r, "copy");
	OWNED(intake_free) struct intake *in = NULL;
	static const size_t places[] = {36 + 4, 32 + 48, 8, 16};
	struct err e = {0};

	/* a kind, a key id, and the pack's own kind and family */
	must(intake_new(&in, st, &e), &e);
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct id name;

		bytes.bytes[places[i]] ^= 2;
		must(hash_sha256(bytes.bytes, bytes.len_bytes, &name, &e), &e);
		ck_assert_int_eq(send(in, &name, bytes.len_bytes, &e),
		    ERR_CORRUPT);
		bytes.bytes[places[i]] ^= 2;
	}
}
END_TEST

START_TEST(too_many_bytes_are_refused)
{
	OWNED(store_close) struct store *st = repo_open_copy(&r, "copy");
	OWNED(intake_free) struct intake *in = NULL;
	struct err e = {0};

	must(intake_new(&in, st, &e), &e);
	ck_assert_int_eq(intake_pack_begin(in, &pack, (uint64_t)1 << 40, &e),
	    ERR_INPUT);
	must(intake_pack_begin(in, &pack, 100, &e), &e);
	ck_assert_int_eq(intake_pack_add(in, bytes.bytes, 101, &e), ERR_INPUT);
}
END_TEST

START_TEST(any_failing_call_leaves_the_copy_sound)
{
	for (int nth = 1;; nth++) {
		OWNED(store_close) struct store *st = NULL;
		OWNED(intake_free) struct intake *in = NULL;
		struct err e = {0};
		char name[16];
		enum err_code rc;
		bool fired;

		snprintf(name, sizeof(name), "copy%d", nth);
		st = repo_open_copy(&r, name);
		fault_arm_deep(nth, EIO);
		rc = intake_new(&in, st, &e);
		if (rc == ERR_NONE)
			rc = send(in, &pack, bytes.len_bytes, &e);
		if (rc == ERR_NONE)
			rc = intake_flush(in, &e);
		fired = fault_fired();
		intake_free(&in);
		if (rc != ERR_NONE) {
			memset(&e, 0, sizeof(e));
			must(intake_new(&in, st, &e), &e);
			must(send(in, &pack, bytes.len_bytes, &e), &e);
			must(intake_flush(in, &e), &e);
		}
		ck_assert(store_has_pack(st, &pack));
		if (!fired)
			break;
	}
}
END_TEST

Suite *
suite_store_intake(void)
{
	Suite *s = suite_create("store/intake");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_copy_without_keys_receives_and_the_key_reads_it);
	tcase_add_test(tc, a_pack_that_is_not_what_its_name_says_is_refused);
	tcase_add_test(tc, a_well_named_pack_whose_frames_lie_is_refused);
	tcase_add_test(tc, too_many_bytes_are_refused);
	tcase_add_test(tc, any_failing_call_leaves_the_copy_sound);
	suite_add_tcase(s, tc);
	return s;
}
