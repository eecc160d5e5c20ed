#include "../../../lib/store/chunker.h"

#include <check.h>
#include <string.h>

#include <bascule/base/le.h>

#include "support/repo.h"

#define BYTES ((size_t)600 << 10)
#define CUTS  2000

static const struct store_geometry wide = {.chunk_min_bytes = 4 << 10,
    .chunk_mean_bytes = 32 << 10,
    .chunk_max_bytes = 128 << 10};
static const struct store_geometry small = {.chunk_min_bytes = 300,
    .chunk_mean_bytes = 2048,
    .chunk_max_bytes = 9000};

static const struct store_geometry seams = {.chunk_min_bytes = 256,
    .chunk_mean_bytes = 16 << 10,
    .chunk_max_bytes = 64 << 10};

static uint8_t *data;
static struct secret key;

struct cuts {
	size_t at[CUTS];
	size_t count;
};

static void
setup(void)
{
	struct err e = {0};

	data = malloc(BYTES);
	repo_noise(data, BYTES, 7);
	/* two stretches that never end a chunk by themselves */
	memset(data + 100000, 0, 170000);
	memset(data + 400000, 'x', 40000);
	ck_assert_int_eq(secret_set(&key, "0123456789abcdef0123456789abcdef",
			     32, &e),
	    ERR_NONE);
}

static void
teardown(void)
{
	free(data);
	secret_fini(&key);
}

static void
note(struct cuts *c, size_t at)
{
	ck_assert_uint_lt(c->count, CUTS);
	c->at[c->count++] = at;
}

/* The definition of docs/format/repository.md, byte by byte. */
static void
reference(const struct store_geometry *g, struct cuts *out)
{
	OWNED(secret_fini) struct secret gear = {0};
	struct err e = {0};
	uint64_t table[256];
	unsigned bits = 0;
	size_t start = 0;

	out->count = 0;
	while ((uint32_t)1 << bits < g->chunk_mean_bytes)
		bits++;
	ck_assert_int_eq(hash_derive(&key, "bascule gear v1", 2048, &gear, &e),
	    ERR_NONE);
	for (size_t i = 0; i < 256; i++)
		table[i] = le_get64(gear.bytes + i * 8);
	for (size_t end = 1; end <= BYTES; end++) {
		size_t len = end - start;
		unsigned need =
		    len <= g->chunk_mean_bytes ? bits + 2 : bits - 2;
		uint64_t h = 0;

		if (len < g->chunk_min_bytes)
			continue;
		if (len < g->chunk_max_bytes) {
			for (size_t i = end - 64; i < end; i++)
				h = (h << 1) + table[data[i]];
			if (h >> (64 - need) != 0)
				continue;
		}
		note(out, end);
		start = end;
	}
}

/* Fed in pieces of the size that next() gives. */
static void
chunk(const struct store_geometry *g, size_t (*next)(size_t), struct cuts *out)
{
	OWNED(chunker_free) struct chunker *c = NULL;
	struct err e = {0};
	size_t at = 0;

	out->count = 0;
	ck_assert_int_eq(chunker_new(&c, &key, g, &e), ERR_NONE);
	while (at < BYTES) {
		size_t n = next(at);
		bool cut;

		if (n > BYTES - at)
			n = BYTES - at;
		while (n > 0) {
			size_t used = chunker_scan(c, data + at, n, &cut);

			at += used;
			n -= used;
			if (!cut && n > 0) /* ck_assert is slow */
				ck_abort_msg("bytes left, and no cut");
			if (cut)
				note(out, at);
		}
	}
}

static size_t
all(size_t at)
{
	(void)at;
	return BYTES;
}

static size_t
one(size_t at)
{
	(void)at;
	return 1;
}

static size_t
uneven(size_t at)
{
	return 1 + at * 7919 % 30011;
}

static void
check_all(const struct store_geometry *g)
{
	static struct cuts want, got;

	reference(g, &want);
	ck_assert_uint_gt(want.count, 5);
	size_t (*const ways[])(size_t) = {all, one, uneven};
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		chunk(g, ways[i], &got);
		ck_assert_uint_eq(got.count, want.count);
		ck_assert_mem_eq(got.at, want.at,
		    want.count * sizeof(*want.at));
	}
}

START_TEST(cuts_are_those_of_the_definition_however_fed)
{
	check_all(&wide);
	check_all(&small);
}
END_TEST

/*
 * Chunks that begin so that their cut lies just behind the place from which a
 * lane of lib/store/chunker.c hashes on its own: few would there by chance.
 */
START_TEST(cuts_at_the_seams_of_the_lanes_are_not_missed)
{
	OWNED(secret_fini) struct secret gear = {0};
	OWNED(chunker_free) struct chunker *c = NULL;
	const unsigned need = 14 + 2; /* bits, below the mean of seams */
	const size_t lane = 2048;
	uint64_t h = 0;
	struct err e = {0};
	size_t tried = 0, last = 0;

	repo_noise(data, BYTES, 11);
	ck_assert_int_eq(hash_derive(&key, "bascule gear v1", 2048, &gear, &e),
	    ERR_NONE);
	ck_assert_int_eq(chunker_new(&c, &key, &seams, &e), ERR_NONE);
	for (size_t end = 1; end <= BYTES; end++) {
		h = (h << 1) + le_get64(gear.bytes + data[end - 1] * (size_t)8);
		if (end < 64 || h >> (64 - need) != 0)
			continue;
		for (size_t len = seams.chunk_min_bytes + lane;
		     len < seams.chunk_min_bytes + 4 * lane; len++) {
			bool cut;

			if ((len - seams.chunk_min_bytes) % lane > 70 ||
			    end < len || end - len < last)
				continue;
			tried++;
			chunker_reset(c);
			if (chunker_scan(c, data + end - len,
				BYTES - (end - len), &cut) != len ||
			    !cut)
				ck_abort_msg("a cut after %zu bytes", len);
		}
		last = end;
	}
	ck_assert_uint_gt(tried, 200);
}
END_TEST

START_TEST(an_insertion_moves_the_cuts_behind_it_only)
{
	static struct cuts before, after;
	size_t same = 0;

	chunk(&small, all, &before);
	memmove(data + 300001, data + 300000, BYTES - 300001);
	chunk(&small, all, &after);
	for (size_t i = 0; i < after.count; i++)
		for (size_t j = 0; j < before.count; j++)
			same += after.at[i] ==
			    before.at[j] + (before.at[j] > 300000);
	ck_assert_uint_gt(same + 5, before.count);
}
END_TEST

START_TEST(another_key_cuts_elsewhere)
{
	static struct cuts a, b;
	struct err e = {0};
	size_t same = 0;

	chunk(&small, all, &a);
	ck_assert_int_eq(secret_set(&key, "another key, as long as the other",
			     32, &e),
	    ERR_NONE);
	chunk(&small, all, &b);
	for (size_t i = 0; i < a.count; i++)
		for (size_t j = 0; j < b.count; j++)
			same += a.at[i] == b.at[j];
	ck_assert_uint_lt(same, a.count / 2);
}
END_TEST

Suite *suite_store_chunker(void);

Suite *
suite_store_chunker(void)
{
	Suite *s = suite_create("store/chunker");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, cuts_are_those_of_the_definition_however_fed);
	tcase_add_test(tc, cuts_at_the_seams_of_the_lanes_are_not_missed);
	tcase_add_test(tc, an_insertion_moves_the_cuts_behind_it_only);
	tcase_add_test(tc, another_key_cuts_elsewhere);
	suite_add_tcase(s, tc);
	return s;
}
