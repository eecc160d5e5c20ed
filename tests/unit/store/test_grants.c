#include "../../../lib/store/grants.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_grants(void);

#define LEN_BYTES 3000

static struct repo r;
static struct keyring *with, *late; /* operations that know of late; late */
static struct id chunk;

/* One chunk for operations and escrow; late comes after it. */
static void
set_up(void)
{
	struct store *st;
	struct session *se;
	struct writer *w;
	OWNED(secret_fini) struct secret file = {0};
	struct err e = {0};

	repo_make(&r);
	repo_begin(&r, &st, &se, &w);
	chunk = repo_put(w, 1, LEN_BYTES);
	must(writer_flush(w, &e), &e);
	repo_end(&st, &se, &w);
	must(keyring_new_member(&late, r.operations, KEYRING_READ, &e), &e);
	must(keyring_save(r.operations, NULL, &file, &e), &e);
	must(keyring_load(&with, &file, NULL, &e), &e);
	must(keyring_add_recipient(with, keyring_own_public(late), &e), &e);
}

static void
tear_down(void)
{
	keyring_free(&with);
	keyring_free(&late);
	repo_remove(&r);
}

static struct store *
open_with(const struct keyring *k, enum store_access access)
{
	struct store_options opt = {.access = access,
	    .keyring = k,
	    .network_fs_allowed = true};
	struct store *st;
	struct err e = {0};

	must(store_open(&st, r.path, &opt, &e), &e);
	return st;
}

static bool
late_reads(void)
{
	OWNED(store_close) struct store *st = open_with(late, STORE_READ);

	return repo_has(st, &chunk, 1, LEN_BYTES);
}

static void
count_closed(void *ctx, const struct id *key_id, const struct id *recipient,
    const char *object)
{
	(void)key_id;
	(void)recipient;
	ck_assert_ptr_nonnull(object);
	(*(size_t *)ctx)++;
}

static size_t
closed(void)
{
	OWNED(store_close) struct store *st = open_with(with, STORE_READ);
	struct grant_tally t;
	struct err e = {0};
	size_t count = 0;

	must(grant_list_closed(st, count_closed, &count, &t, &e), &e);
	ck_assert_uint_eq(t.keys_count, 1);
	ck_assert_uint_eq(t.closed_count, count);
	return count;
}

static enum err_code
grant(struct grant_tally *t)
{
	OWNED(store_close) struct store *st = NULL;
	struct store_options opt = {.access = STORE_WRITE,
	    .keyring = with,
	    .network_fs_allowed = true};
	struct err e = {0};
	enum err_code rc = store_open(&st, r.path, &opt, &e);

	return rc == ERR_NONE ? grant_all(st, t, &e) : rc;
}

START_TEST(a_grant_opens_what_was_sealed_before)
{
	struct grant_tally t;

	ck_assert(!late_reads());
	ck_assert_uint_eq(closed(), 1);
	ck_assert_int_eq(grant(&t), ERR_NONE);
	ck_assert_uint_eq(t.granted_count, 1);
	ck_assert(late_reads());
	ck_assert_uint_eq(closed(), 0);
	ck_assert_int_eq(grant(&t), ERR_NONE);
	ck_assert_uint_eq(t.granted_count, 0);
}
END_TEST

START_TEST(a_writer_uses_only_what_all_its_recipients_open)
{
	for (int granted = 0; granted < 2; granted++) {
		OWNED(store_close) struct store *st = NULL;
		struct index_copy copy;
		struct grant_tally t;

		if (granted)
			ck_assert_int_eq(grant(&t), ERR_NONE);
		st = open_with(with, STORE_WRITE);
		ck_assert(index_present(st, &chunk));
		ck_assert_int_eq(index_usable_copy(st, &chunk, &copy), granted);
	}
}
END_TEST

START_TEST(who_cannot_read_cannot_grant)
{
	OWNED(store_close)
	struct store *st = open_with(r.writer, STORE_WRITE);
	struct grant_tally t;
	struct err e = {0};

	ck_assert_int_eq(grant_all(st, &t, &e), ERR_KEY);
}
END_TEST

START_TEST(a_drill_opens_a_frame_of_each_session)
{
	const struct {
		const struct keyring *k;
		uint64_t opened;
	} tries[] = {{r.operations, 1}, {r.escrow, 1}, {late, 0}};

	for (size_t i = 0; i < COUNT_OF(tries); i++) {
		OWNED(store_close)
		struct store *st = open_with(tries[i].k, STORE_READ);
		struct grant_drill d;
		struct err e = {0};

		ck_assert_int_eq(grant_drill(st, NULL, NULL, &d, &e), ERR_NONE);
		ck_assert_uint_eq(d.sessions_count, 1);
		ck_assert_uint_eq(d.opened_count, tries[i].opened);
	}
}
END_TEST

START_TEST(a_new_generation_is_read_by_who_has_only_the_old_one)
{
	struct grant_tally t;
	struct err e = {0};
	struct id newer;

	must(keyring_rotate(with, &e), &e);
	ck_assert_int_eq(grant(&t), ERR_NONE);
	{
		OWNED(store_close)
		struct store *st = open_with(with, STORE_WRITE);
		OWNED(session_close) struct session *se = NULL;
		OWNED(writer_free) struct writer *w = NULL;

		must(session_open(&se, st, &e), &e);
		must(writer_new(&w, se, NULL, &e), &e);
		newer = repo_put(w, 1, LEN_BYTES);
		ck_assert(!id_equal(&newer, &chunk));
		must(writer_flush(w, &e), &e);
		writer_free(&w);
		session_close(&se);
	}
	for (int i = 0; i < 2; i++) {
		OWNED(store_close)
		struct store *st = open_with(i ? r.escrow : late, STORE_READ);

		ck_assert(repo_has(st, &chunk, 1, LEN_BYTES));
		ck_assert(repo_has(st, &newer, 1, LEN_BYTES));
	}
}
END_TEST

START_TEST(any_failing_call_leaves_nothing_half_granted)
{
	struct grant_tally t;
	enum err_code rc;
	int nth;

	for (nth = 1; nth < 200; nth++) {
		fault_arm_deep(nth, EIO);
		rc = grant(&t);
		if (!fault_fired())
			break;
		/* Whatever is there is whole: it grants all, or nothing. */
		ck_assert_int_eq(late_reads(), closed() == 0);
		if (rc == ERR_NONE)
			ck_assert(late_reads());
	}
	ck_assert_int_gt(nth, 5);
	ck_assert_int_eq(rc, ERR_NONE);
	ck_assert(late_reads());
}
END_TEST

/* The one file of grants/, which goes away. */
static void
take_away(struct buf *bytes)
{
	OWNED(store_close) struct store *st = open_with(NULL, STORE_READ);
	OWNED(grant_files_fini) struct grant_files files = {0};
	char path[300], hex[ID_HEX_BYTES];
	struct err e = {0};

	must(grant_list(&files, st, &e), &e);
	ck_assert_uint_eq(files.count, 1);
	must(grant_bytes(st, &files.ids[0], bytes, &e), &e);
	snprintf(path, sizeof(path), "%s/grants/%s", r.path,
	    id_hex(&files.ids[0], hex));
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(a_copy_takes_in_grants_and_nothing_else)
{
	OWNED(buf_fini) struct buf bytes = {0};
	OWNED(store_close) struct store *st = NULL;
	OWNED(intake_free) struct intake *in = NULL;
	struct grant_tally t;
	struct err e = {0};

	ck_assert_int_eq(grant(&t), ERR_NONE);
	take_away(&bytes);
	ck_assert(!late_reads());
	st = open_with(NULL, STORE_WRITE);
	must(intake_new(&in, st, &e), &e);
	ck_assert_int_eq(intake_grant(in, "BscJunk", 7, &e), ERR_CORRUPT);
	ck_assert_int_eq(intake_grant(in, bytes.bytes, bytes.len_bytes - 1, &e),
	    ERR_CORRUPT);
	ck_assert(!late_reads());
	must(intake_grant(in, bytes.bytes, bytes.len_bytes, &e), &e);
	ck_assert(late_reads());
	ck_assert_int_eq(intake_grant(in, bytes.bytes, bytes.len_bytes, &e),
	    ERR_EXISTS);
	bytes.bytes[HEAD_BYTES - 1] ^= 1; /* the family's last byte */
	ck_assert_int_ne(intake_grant(in, bytes.bytes, bytes.len_bytes, &e),
	    ERR_NONE);
}
END_TEST

Suite *
suite_store_grants(void)
{
	Suite *s = suite_create("store/grants");
	TCase *tc = tcase_create("grants");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_grant_opens_what_was_sealed_before);
	tcase_add_test(tc, a_writer_uses_only_what_all_its_recipients_open);
	tcase_add_test(tc, who_cannot_read_cannot_grant);
	tcase_add_test(tc, a_drill_opens_a_frame_of_each_session);
	tcase_add_test(tc,
	    a_new_generation_is_read_by_who_has_only_the_old_one);
	tcase_add_test(tc, a_copy_takes_in_grants_and_nothing_else);
	tcase_add_test(tc, any_failing_call_leaves_nothing_half_granted);
	suite_add_tcase(s, tc);
	return s;
}
