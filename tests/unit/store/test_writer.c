#include <bascule/store.h>

#include <check.h>
#include <string.h>

#include "support/fault.h"
#include "support/repo.h"

static struct repo r;

static void
setup(void)
{
	repo_make(&r);
}

static void
teardown(void)
{
	repo_remove(&r);
}

#define CHUNKS 200

START_TEST(what_is_put_and_flushed_is_read_again)
{
	struct id ids[CHUNKS];
	struct id page, refs[3];
	struct err e = {0};

	{
		OWNED(store_close)
		struct store *st = repo_open(&r, STORE_WRITE);
		OWNED(session_close) struct session *se = NULL;
		OWNED(writer_free) struct writer *w = NULL;
		struct writer_tally tally;

		ck_assert_msg(session_open(&se, st, &e) == ERR_NONE, "%s",
		    e.text);
		ck_assert_msg(writer_new(&w, se, NULL, &e) == ERR_NONE, "%s",
		    e.text);
		for (size_t i = 0; i < CHUNKS; i++)
			ids[i] = repo_put(w, i, i * 37 % 5000);
		memcpy(refs, ids, sizeof(refs));
		ck_assert_msg(writer_put(w, STORE_LEAF, "page", 4, refs, 3,
				  &page, &e) == ERR_NONE,
		    "%s", e.text);
		ck_assert(writer_has(w, &ids[3]));
		ck_assert_msg(writer_flush(w, &e) == ERR_NONE, "%s", e.text);
		ck_assert(repo_has(st, &ids[5], 5, 5 * 37));
		writer_tally(w, &tally);
		ck_assert_uint_eq(tally.chunks_count, CHUNKS + 1);
		ck_assert_uint_ge(tally.stored_bytes, tally.new_bytes);
	}
	{
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
		OWNED(buf_fini) struct buf got = {0};
		OWNED(buf_fini) struct buf got_refs = {0};

		for (size_t i = 0; i < CHUNKS; i++)
			ck_assert(repo_has(st, &ids[i], i, i * 37 % 5000));
		ck_assert_msg(store_get(st, STORE_LEAF, &page, &got, &got_refs,
				  &e) == ERR_NONE,
		    "%s", e.text);
		ck_assert_str_eq(buf_text(&got), "page");
		ck_assert_uint_eq(got_refs.len_bytes, sizeof(refs));
		ck_assert_mem_eq(got_refs.bytes, refs, sizeof(refs));
		/* ... and of another kind it is not */
		ck_assert_int_eq(store_get(st, STORE_INNER, &page, &got, NULL,
				     &e),
		    ERR_CORRUPT);
	}
}
END_TEST

START_TEST(bad_memory_is_noticed_before_anything_is_stored)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	static const char text[3000] = "what compresses";
	struct err e = {0};
	struct id id;

	repo_begin(&r, &st, &se, &w);
	fault_arm_memory();
	ck_assert_int_eq(writer_put(w, STORE_DATA, text, sizeof(text), NULL, 0,
			     &id, &e),
	    ERR_NONE);
	ck_assert_int_eq(writer_flush(w, &e), ERR_CORRUPT);
	ck_assert(fault_fired());
	ck_assert_ptr_nonnull(strstr(e.text, "memory"));
}
END_TEST

Suite *suite_store_writer(void);

Suite *
suite_store_writer(void)
{
	Suite *s = suite_create("store/writer");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_put_and_flushed_is_read_again);
	tcase_add_test(tc, bad_memory_is_noticed_before_anything_is_stored);
	suite_add_tcase(s, tc);
	return s;
}
