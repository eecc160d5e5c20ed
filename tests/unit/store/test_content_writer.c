#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/store.h>

#include "support/items.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_content_writer(void);

static struct repo r;
static struct store *st;
static struct session *se;
static struct writer *w;

static void
setup(void)
{
	repo_make(&r);
	repo_begin(&r, &st, &se, &w);
}

static void
teardown(void)
{
	repo_end(&st, &se, &w);
	repo_remove(&r);
}

struct compare {
	struct reader *reader;
	const uint8_t *bytes;
	uint64_t at, count;
};

static enum err_code
compare_piece(void *ctx, const struct content_piece *piece,
    uint64_t offset_bytes, struct err *e)
{
	struct compare *c = ctx;
	const uint8_t *got;
	size_t len;
	enum err_code rc = reader_get(c->reader, &piece->id, &got, &len, e);

	if (rc != ERR_NONE)
		return rc;
	ck_assert_uint_eq(offset_bytes, c->at);
	ck_assert_uint_eq(len, piece->len_bytes);
	ck_assert_mem_eq(got, c->bytes + c->at, len);
	c->at += len;
	c->count++;
	return ERR_NONE;
}

/* In steps of at most step bytes, 0: at once. */
static void
write_file(struct content_writer *cw, const uint8_t *bytes, size_t len,
    size_t step, struct content *out)
{
	struct items_random rand = {step};
	struct err e = {0};
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		n = step == 0 ? len : 1 + items_below(&rand, step);
		if (n > len - at)
			n = len - at;
		must(content_writer_add(cw, bytes + at, n, &e), &e);
	}
	must(content_writer_end(cw, out, &e), &e);
	ck_assert_uint_eq(out->size_bytes, len);
}

static bool
contents_equal(const struct content *a, const struct content *b)
{
	struct item x = {.content = *a}, y = {.content = *b};

	return items_equal(&x, &y);
}

static void
round_trip(enum chunking how, uint32_t fixed)
{
	static const size_t lens[] = {0, 1, 255, 256, 257, 512, 1000, 4096,
	    4097, 40000, 400000};
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(400000);
	struct err e = {0};

	repo_noise(bytes, 400000, 3);
	must(content_writer_new(&cw, w, how, fixed, &e), &e);
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		OWNED(content_fini) struct content c, small;
		OWNED(reader_free) struct reader *rd = NULL;
		struct compare cmp = {.bytes = bytes};

		write_file(cw, bytes, lens[i], 0, &c);
		write_file(cw, bytes, lens[i], 300, &small);
		ck_assert(contents_equal(&c, &small));
		ck_assert(lens[i] > CONTENT_INLINE_BYTES
			? c.inlined.len_bytes == 0 && c.pieces_count > 0
			: c.inlined.len_bytes == lens[i] &&
			    c.pieces_count == 0);
		must(writer_flush(w, &e), &e);
		must(reader_new(&rd, st, &e), &e);
		cmp.reader = rd;
		must(content_each(st, &c, compare_piece, &cmp, &e), &e);
		ck_assert_uint_eq(cmp.at,
		    lens[i] > CONTENT_INLINE_BYTES ? lens[i] : 0);
		ck_assert(c.is_list == (cmp.count > CONTENT_PIECES_MAX));
	}
}

START_TEST(content_comes_back_whatever_its_length_and_feeding)
{
	round_trip(CHUNKING_CUT, 0);
}
END_TEST

START_TEST(fixed_chunks_come_back_too)
{
	round_trip(CHUNKING_FIXED, 1024);
}
END_TEST

/* As a thread would that reads ahead: all chunks cut, then named. */
static size_t
cut_elsewhere(const struct content_writer *cw, const uint8_t *bytes, size_t len,
    size_t step, struct content_name *names, size_t max)
{
	OWNED(content_cutter_free) struct content_cutter *cutter = NULL;
	OWNED(content_writer_namer_free) struct content_namer *namer = NULL;
	size_t count = 0, n, begin = 0;
	struct err e = {0};
	bool cut;

	must(content_writer_cutter(&cutter, cw, &e), &e);
	must(content_writer_namer(&namer, cw, &e), &e);
	(void)content_cutter_scan(cutter, bytes, len < 100 ? len : 100, &cut);
	content_cutter_reset(cutter);
	for (size_t at = 0; at < len; at += n) {
		n = step < len - at ? step : len - at;
		n = content_cutter_scan(cutter, bytes + at, n, &cut);
		if (!cut && at + n < len)
			continue;
		ck_assert_uint_lt(count, max);
		names[count] = (struct content_name){.at_bytes = begin,
		    .len_bytes = at + n - begin};
		ck_assert_uint_le(names[count].len_bytes,
		    content_cutter_max_bytes(cutter));
		ck_assert(at + n == len ||
		    names[count].len_bytes >= content_cutter_min_bytes(cutter));
		content_writer_name(namer, &names[count++], bytes + begin);
		begin = at + n;
	}
	return count;
}

static void
is_cut_as_here(struct content_writer *cw, const uint8_t *bytes, size_t len)
{
	static struct content_name names[1000];
	OWNED(content_fini) struct content want, got = {0};
	size_t half, count;
	struct err e = {0};

	write_file(cw, bytes, len, 0, &want);
	count = cut_elsewhere(cw, bytes, len, 777, names, COUNT_OF(names));
	half = count / 2; /* in two pieces */
	must(content_writer_add_cut(cw, bytes, names, half, &e), &e);
	must(content_writer_add_cut(cw, bytes + names[half].at_bytes,
		 names + half, count - half, &e),
	    &e);
	must(content_writer_end(cw, &got, &e), &e);
	ck_assert(contents_equal(&want, &got));
}

static void
cut_as_here(enum chunking how, uint32_t fixed)
{
	static const size_t lens[] = {1, 256, 257, 1024, 4097, 40000, 400000};
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(400000);
	struct err e = {0};

	repo_noise(bytes, 400000, 11);
	must(content_writer_new(&cw, w, how, fixed, &e), &e);
	ck_assert(content_writer_is_new(cw));
	for (size_t i = 0; i < COUNT_OF(lens); i++)
		is_cut_as_here(cw, bytes, lens[i]);
}

/* A first chunk as short as what would be inline, were it all. */
START_TEST(a_short_first_chunk_is_no_whole_file)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(content_cutter_free) struct content_cutter *cutter = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(400000);
	struct err e = {0};
	size_t at = 0;
	bool cut = false;

	repo_noise(bytes, 400000, 12);
	must(content_writer_new(&cw, w, CHUNKING_CUT, 0, &e), &e);
	must(content_writer_cutter(&cutter, cw, &e), &e);
	for (; at < 390000 && !cut; at++) {
		content_cutter_reset(cutter);
		(void)content_cutter_scan(cutter, bytes + at,
		    CONTENT_INLINE_BYTES, &cut);
	}
	ck_assert(cut);
	is_cut_as_here(cw, bytes + at - 1, 9000);
}
END_TEST

START_TEST(what_others_cut_and_name_is_what_is_cut_here)
{
	cut_as_here(CHUNKING_CUT, 0);
	cut_as_here(CHUNKING_FIXED, 1024);
}
END_TEST

START_TEST(fixed_chunks_have_bounds)
{
	struct content_writer *cw;
	struct err e = {0};

	ck_assert(
	    content_writer_new(&cw, w, CHUNKING_FIXED, 511, &e) == ERR_INPUT);
	ck_assert(content_writer_new(&cw, w, CHUNKING_FIXED, (4 << 20) + 1,
		      &e) == ERR_INPUT);
	ck_assert(
	    content_writer_new(&cw, w, CHUNKING_FIXED, 0, &e) == ERR_INPUT);
}
END_TEST

START_TEST(a_file_that_was_forgotten_leaves_nothing_in_the_next)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(200000);
	OWNED(content_fini) struct content want = {0}, got = {0};
	struct err e = {0};

	repo_noise(bytes, 200000, 3);
	must(content_writer_new(&cw, w, CHUNKING_CUT, 0, &e), &e);
	write_file(cw, bytes, 100000, 0, &want);
	for (size_t len = 1; len < 200000; len = len * 5 + 3) {
		content_fini(&got);
		must(content_writer_add(cw, bytes + 7, len, &e), &e);
		content_writer_reset(cw);
		write_file(cw, bytes, 100000, 0, &got);
		ck_assert(contents_equal(&want, &got));
	}
}
END_TEST

START_TEST(a_change_in_a_big_file_stores_little)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(1 << 20);
	OWNED(content_fini) struct content c = {0};
	struct writer_tally before, after;
	struct err e = {0};

	repo_noise(bytes, 1 << 20, 5);
	must(content_writer_new(&cw, w, CHUNKING_CUT, 0, &e), &e);
	write_file(cw, bytes, 1 << 20, 0, &c);
	content_fini(&c);
	writer_tally(w, &before);
	bytes[500000] ^= 1;
	write_file(cw, bytes, 1 << 20, 0, &c);
	writer_tally(w, &after);
	/* A chunk or two, the list that names them and the lists above. */
	ck_assert_uint_le(after.new_chunks_count - before.new_chunks_count, 8);
	ck_assert_uint_le(after.new_bytes - before.new_bytes, 40000);
	ck_assert_uint_ge(after.new_bytes - before.new_bytes, 256);
}
END_TEST

START_TEST(many_equal_chunks_are_one_chunk_and_a_list)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(free_mem) uint8_t *zeros = calloc(1, 4 << 20);
	OWNED(content_fini) struct content c = {0};
	OWNED(reader_free) struct reader *rd = NULL;
	struct compare cmp = {.bytes = zeros};
	struct writer_tally t;
	struct err e = {0};

	must(content_writer_new(&cw, w, CHUNKING_FIXED, 1024, &e), &e);
	write_file(cw, zeros, 4 << 20, 0, &c); /* 4096 pieces: two levels */
	ck_assert(c.is_list);
	writer_tally(w, &t);
	ck_assert_uint_le(t.new_chunks_count, 4);
	must(writer_flush(w, &e), &e);
	must(reader_new(&rd, st, &e), &e);
	cmp.reader = rd;
	must(content_each(st, &c, compare_piece, &cmp, &e), &e);
	ck_assert_uint_eq(cmp.count, 4096);
}
END_TEST

START_TEST(a_list_whose_length_is_not_the_items_is_damage)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(1 << 20);
	OWNED(content_fini) struct content c = {0};
	OWNED(reader_free) struct reader *rd = NULL;
	struct compare cmp = {.bytes = bytes};
	struct err e = {0};

	repo_noise(bytes, 1 << 20, 5);
	must(content_writer_new(&cw, w, CHUNKING_CUT, 0, &e), &e);
	write_file(cw, bytes, 1 << 20, 0, &c);
	must(writer_flush(w, &e), &e);
	must(reader_new(&rd, st, &e), &e);
	cmp.reader = rd;
	c.pieces[0].len_bytes++;
	ck_assert(content_each(st, &c, compare_piece, &cmp, &e) == ERR_CORRUPT);
}
END_TEST

Suite *
suite_store_content_writer(void)
{
	Suite *s = suite_create("store/content_writer");
	TCase *tc = tcase_create("content_writer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, content_comes_back_whatever_its_length_and_feeding);
	tcase_add_test(tc, fixed_chunks_come_back_too);
	tcase_add_test(tc, what_others_cut_and_name_is_what_is_cut_here);
	tcase_add_test(tc, a_short_first_chunk_is_no_whole_file);
	tcase_add_test(tc, fixed_chunks_have_bounds);
	tcase_add_test(tc,
	    a_file_that_was_forgotten_leaves_nothing_in_the_next);
	tcase_add_test(tc, a_change_in_a_big_file_stores_little);
	tcase_add_test(tc, many_equal_chunks_are_one_chunk_and_a_list);
	tcase_add_test(tc, a_list_whose_length_is_not_the_items_is_damage);
	suite_add_tcase(s, tc);
	return s;
}
