#include "../lib/store/slices.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/le.h>

#include "../lib/store/frame.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_slices(void);

#define TEXT_ROOM ((size_t)4 << 20)

static ZSTD_CCtx *cctx;
static ZSTD_DCtx *dctx;
static struct buf raw, again;
static uint8_t *text;
static size_t text_bytes;

static void
setup(void)
{
	cctx = ZSTD_createCCtx();
	dctx = ZSTD_createDCtx();
	text = malloc(TEXT_ROOM);
	ck_assert(cctx != NULL && dctx != NULL && text != NULL);
}

static void
teardown(void)
{
	ZSTD_freeCCtx(cctx);
	ZSTD_freeDCtx(dctx);
	free(text);
	buf_fini(&raw);
	buf_fini(&again);
}

/* Bytes that compress by half, other ones for each seed. */
static void
hexed(uint8_t *to, size_t len, uint64_t seed)
{
	repo_noise(to, len, seed);
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)("0123456789abcdef"[to[i] & 15]);
}

/* A raw body of chunks of up to twice mean_bytes. */
static void
fill(uint32_t count, uint32_t mean_bytes)
{
	struct err e = {0};
	uint64_t x = count;
	uint8_t *at;

	buf_clear(&raw);
	must(le_add32(&raw, count, &e), &e);
	for (uint32_t i = 0; i < count; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		must(le_add32(&raw,
			 mean_bytes == 0
			     ? 0
			     : (uint32_t)((x >> 33) % (2 * mean_bytes)),
			 &e),
		    &e);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t len = le_get32(raw.bytes + 4 + (size_t)i * 4);

		must(buf_extend(&raw, len, &at, &e), &e);
		hexed(at, len, i + 1);
	}
}

static void
pack(void)
{
	struct err e = {0};

	ZSTD_CCtx_reset(cctx, ZSTD_reset_session_and_parameters);
	must(slices_pack(cctx, raw.bytes, raw.len_bytes, text, TEXT_ROOM,
		 &text_bytes, &e),
	    &e);
}

static enum err_code
unpack(void)
{
	struct err e = {0};

	return slices_unpack(dctx, text, text_bytes, FRAME_RAW_MAX, &again, &e);
}

START_TEST(what_goes_in_comes_out)
{
	static const struct {
		uint32_t count, mean_bytes;
	} cases[] = {{1, 0}, {1, 1}, {1, 5000}, {2, 100000}, {64, 0}, {64, 1},
	    {100, 20}, {1000, 1000}, {500, 4000}, {20, 60000},
	    {FRAME_CHUNKS_MAX, 100}};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		fill(cases[i].count, cases[i].mean_bytes);
		pack();
		ck_assert_uint_gt(text_bytes, 0);
		ck_assert_int_eq(unpack(), ERR_NONE);
		ck_assert_uint_eq(again.len_bytes, raw.len_bytes);
		ck_assert_mem_eq(again.bytes, raw.bytes, raw.len_bytes);
	}
}
END_TEST

/* Every chunk, from its slice and the first alone. */
START_TEST(each_chunk_can_be_had_without_the_others)
{
	OWNED(slices_fini) struct slices s = {0};
	const uint8_t *chunks;
	uint8_t *first, *one;
	uint32_t directory;
	struct err e = {0};

	fill(1000, 1500);
	pack();
	must(slices_directory_bytes(text, text_bytes, &directory, &e), &e);
	must(slices_parse(&s, dctx, text + SLICES_HEAD_BYTES, directory,
		 text_bytes, &e),
	    &e);
	ck_assert_uint_eq(s.chunks_count, 1000);
	ck_assert_uint_gt(s.count, 200); /* small ones */
	chunks = raw.bytes + 4 + 4000;
	first = malloc(slice_bytes(&s, 0));
	must(slices_open(dctx, &s, 0, text + s.at[0].at, first, &e), &e);
	ck_assert_mem_eq(first, chunks, slice_bytes(&s, 0));
	for (uint32_t c = 0; c < 1000; c++) {
		uint32_t i = slices_find(&s, c);

		ck_assert_uint_ge(c, s.at[i].chunk);
		ck_assert_uint_lt(c, s.at[i].chunk + s.at[i].chunks_count);
		if (i == 0)
			continue;
		one = malloc(slice_bytes(&s, i) + 1);
		must(slices_prefix(dctx, first, slice_bytes(&s, 0), &e), &e);
		must(slices_open(dctx, &s, i, text + s.at[i].at, one, &e), &e);
		ck_assert_mem_eq(one, chunks + slice_from(&s, i),
		    slice_bytes(&s, i));
		free(one);
	}
	free(first);
}
END_TEST

/* It would be taken for a dictionary of zstd's own, not for what it is. */
START_TEST(what_begins_like_a_dictionary_is_not_sliced)
{
	struct err e = {0};

	fill(200, 1000);
	le_put32(raw.bytes + 4 + 800, ZSTD_MAGIC_DICTIONARY);
	pack();
	ck_assert_uint_eq(text_bytes, 0);
	ck_assert_int_eq(slices_prefix(dctx, raw.bytes + 4 + 800, 5000, &e),
	    ERR_CORRUPT);
}
END_TEST

START_TEST(without_room_there_are_no_slices)
{
	struct err e = {0};
	size_t whole;

	fill(300, 1000);
	pack();
	whole = text_bytes;
	for (size_t room = 0; room < whole; room += 997) {
		must(slices_pack(cctx, raw.bytes, raw.len_bytes, text, room,
			 &text_bytes, &e),
		    &e);
		ck_assert_uint_eq(text_bytes, 0);
	}
}
END_TEST

/* --- what a holder of the keys may have sealed ------------------------------- */

static void
zip(struct buf *out, const void *from, size_t from_bytes)
{
	size_t room = ZSTD_compressBound(from_bytes), n;
	struct err e = {0};
	uint8_t *at;

	must(buf_extend(out, room, &at, &e), &e);
	n = ZSTD_compress(at, room, from, from_bytes, 1);
	ck_assert(!ZSTD_isError(n));
	out->len_bytes -= room - n;
}

/* A text of this directory and two slices of so many bytes. */
static enum err_code
refused(const uint32_t *directory, size_t count, size_t first, size_t second)
{
	OWNED(buf_fini) struct buf table = {0}, zipped = {0}, body = {0};
	struct err e = {0};
	uint8_t bytes[4096];

	hexed(bytes, sizeof(bytes), 5);
	for (size_t i = 0; i < count; i++)
		must(le_add32(&table, directory[i], &e), &e);
	zip(&zipped, table.bytes, table.len_bytes);
	must(le_add32(&body, (uint32_t)zipped.len_bytes, &e), &e);
	must(buf_add(&body, zipped.bytes, zipped.len_bytes, &e), &e);
	must(buf_add(&body, bytes, first + second, &e), &e);
	return slices_unpack(dctx, body.bytes, body.len_bytes, FRAME_RAW_MAX,
	    &again, &e);
}

START_TEST(a_directory_that_lies_is_refused)
{
	static const struct {
		uint32_t rows[12];
		size_t count;
	} lies[] = {
	    {{0}, 1},                          /* no chunks */
	    {{FRAME_CHUNKS_MAX + 1, 5, 5}, 3}, /* too many */
	    {{3, 10, 10}, 3},                  /* lengths that end */
	    {{2, 0xffffffff, 1, 1, 2, 20}, 6}, /* more than a frame holds */
	    {{2, 10, 10}, 3},                  /* no rows */
	    {{2, 10, 10, 0}, 4},               /* none */
	    {{2, 10, 10, 3, 1, 5, 1, 5, 0, 10}, 10}, /* more rows than chunks */
	    {{2, 10, 10, 2, 1, 10, 0, 10}, 8},       /* a slice of no chunk */
	    {{2, 10, 10, 2, 1, 10, 2, 10}, 8},       /* one chunk too many */
	    {{2, 10, 10, 1, 1, 20}, 6},              /* one left over */
	    {{2, 10, 10, 2, 1, 10, 1, 11}, 8},       /* beyond the text */
	    {{2, 10, 10, 2, 1, 10, 1, 9}, 8},        /* less than the text */
	    {{2, 10, 10, 2, 1, 10, 1, 10, 0}, 9},    /* something behind */
	    {{2, 10, 10, 2, 1, 10, 1, 10}, 8},       /* slices of noise */
	    {{2, 2 << 20, 10, 2, 1, 10, 1, 10}, 8},  /* a first of 2 MiB */
	};

	for (size_t i = 0; i < COUNT_OF(lies); i++)
		ck_assert_int_eq(refused(lies[i].rows, lies[i].count, 10, 10),
		    ERR_CORRUPT);
}
END_TEST

START_TEST(a_text_cut_or_changed_anywhere_is_refused_or_bounded)
{
	size_t whole;

	fill(80, 1000);
	pack();
	whole = text_bytes;
	for (size_t n = 0; n < whole; n += n < 400 ? 1 : 97) {
		text_bytes = n;
		ck_assert_int_eq(unpack(), ERR_CORRUPT);
	}
	text_bytes = whole;
	for (size_t i = 0; i < whole; i += i < 400 ? 1 : 97) {
		text[i] ^=
		    0x10; /* the seal is what finds it; here it may pass */
		if (unpack() == ERR_NONE)
			ck_assert_uint_le(again.len_bytes, FRAME_RAW_MAX);
		text[i] ^= 0x10;
	}
	le_put32(text, (uint32_t)whole);
	ck_assert_int_eq(unpack(), ERR_CORRUPT);
	le_put32(text, 0);
	ck_assert_int_eq(unpack(), ERR_CORRUPT);
}
END_TEST

/* One frame of zstd each, not one and something that comes to nothing. */
START_TEST(a_slice_with_a_second_frame_behind_it_is_refused)
{
	static const uint8_t nothing[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
	OWNED(buf_fini) struct buf table = {0}, zipped = {0}, body = {0};
	OWNED(buf_fini) struct buf slice = {0};
	struct err e = {0};

	for (int behind = 0; behind < 2; behind++) {
		const size_t more = behind ? sizeof(nothing) : 0;

		buf_clear(&slice);
		zip(&slice, "0123456789", 10);
		buf_clear(&table);
		must(le_add32(&table, 1, &e), &e);
		must(le_add32(&table, 10, &e), &e);
		must(le_add32(&table, 1, &e), &e);
		must(le_add32(&table, 1, &e), &e);
		must(le_add32(&table, (uint32_t)(slice.len_bytes + more), &e),
		    &e);
		buf_clear(&zipped);
		zip(&zipped, table.bytes, table.len_bytes);
		buf_clear(&body);
		must(le_add32(&body, (uint32_t)zipped.len_bytes, &e), &e);
		must(buf_add(&body, zipped.bytes, zipped.len_bytes, &e), &e);
		must(buf_add(&body, slice.bytes, slice.len_bytes, &e), &e);
		must(buf_add(&body, nothing, more, &e), &e);
		ck_assert_int_eq(slices_unpack(dctx, body.bytes, body.len_bytes,
				     FRAME_RAW_MAX, &again, &e),
		    behind ? ERR_CORRUPT : ERR_NONE);
	}
}
END_TEST

Suite *
suite_store_slices(void)
{
	Suite *s = suite_create("store/slices");
	TCase *tc = tcase_create("slices");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_goes_in_comes_out);
	tcase_add_test(tc, each_chunk_can_be_had_without_the_others);
	tcase_add_test(tc, what_begins_like_a_dictionary_is_not_sliced);
	tcase_add_test(tc, without_room_there_are_no_slices);
	tcase_add_test(tc, a_directory_that_lies_is_refused);
	tcase_add_test(tc,
	    a_text_cut_or_changed_anywhere_is_refused_or_bounded);
	tcase_add_test(tc, a_slice_with_a_second_frame_behind_it_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
