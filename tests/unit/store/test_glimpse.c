#include "../lib/store/glimpse.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/store/frame.h"
#include "../lib/store/pack.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_glimpse(void);

#define CHUNK_BYTES  200 /* some forty a frame */
#define CHUNKS_COUNT 100

static struct repo r;
static struct id ids[CHUNKS_COUNT];

static void
fill(uint8_t bytes[CHUNK_BYTES], uint64_t i, bool noise)
{
	memset(bytes, 't', CHUNK_BYTES);
	repo_noise(bytes, noise ? CHUNK_BYTES : 20, i + 1);
}

static void
save(bool noise)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	uint8_t bytes[CHUNK_BYTES];
	struct err e = {0};

	repo_begin(&r, &a.st, &a.se, &a.w);
	for (uint64_t i = 0; i < CHUNKS_COUNT; i++) {
		fill(bytes, i, noise);
		must(writer_put(a.w, STORE_DATA, bytes, sizeof(bytes), NULL, 0,
			 &ids[i], &e),
		    &e);
	}
	must(writer_flush(a.w, &e), &e);
}

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

/* How many glimpses of a new one show the chunks they should, one by one. */
static unsigned
seen_count(struct store *st, unsigned from, unsigned step)
{
	OWNED(glimpse_free) struct glimpse *g = NULL;
	OWNED(openpacks_free) struct openpacks *packs = NULL;
	struct glimpse_chunk c;
	struct index_copy copy;
	uint8_t bytes[CHUNK_BYTES];
	unsigned count = 0;
	struct err e = {0};

	must(glimpse_new(&g, &e), &e);
	must(openpacks_new(&packs, st, &e), &e);
	for (unsigned i = from; i < CHUNKS_COUNT; i += step) {
		ck_assert(index_find(st, &ids[i], 0, &copy));
		if (!glimpse_get(g, packs, index_pack(st, copy.number), &copy,
			&c))
			continue;
		fill(bytes, i, true);
		ck_assert_uint_eq(c.len_bytes, CHUNK_BYTES);
		ck_assert_mem_eq(c.bytes, bytes, CHUNK_BYTES);
		count++;
	}
	return count;
}

START_TEST(few_of_a_frame_are_seen_and_many_are_not)
{
	OWNED(store_close) struct store *st = NULL;

	save(true);
	st = repo_open(&r, STORE_READ);
	for (unsigned from = 0; from < 25; from++)
		ck_assert_uint_eq(seen_count(st, from, 25), 4);
	/* An eighth of three frames, less their lengths. */
	ck_assert_uint_lt(seen_count(st, 0, 1), 3 * 5);
	ck_assert_uint_gt(seen_count(st, 0, 1), 5);
}
END_TEST

START_TEST(of_what_is_compressed_nothing_is_seen)
{
	OWNED(store_close) struct store *st = NULL;

	save(false);
	st = repo_open(&r, STORE_READ);
	ck_assert_uint_eq(seen_count(st, 0, 7), 0);
}
END_TEST

/* By one reader, or a new one each; how many were given, all of them right. */
static unsigned
picked_count(bool noise, bool one, enum err_code otherwise)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(reader_free) struct reader *reader = NULL;
	uint8_t bytes[CHUNK_BYTES];
	const uint8_t *got;
	unsigned count = 0;
	size_t len;
	struct err e = {0};

	for (unsigned i = 0; i < CHUNKS_COUNT; i++) {
		enum err_code rc;

		if (!one)
			reader_free(&reader);
		if (reader == NULL)
			must(reader_new(&reader, st, &e), &e);
		rc = reader_pick(reader, &ids[i], &got, &len, &e);
		fill(bytes, i, noise);
		if (rc == ERR_NONE) {
			ck_assert_uint_eq(len, CHUNK_BYTES);
			ck_assert_mem_eq(got, bytes, CHUNK_BYTES);
			count++;
		} else {
			ck_assert_int_eq(rc, otherwise);
		}
	}
	return count;
}

START_TEST(whatever_is_picked_is_what_was_put)
{
	save(true);
	ck_assert_uint_eq(picked_count(true, true, ERR_NONE), CHUNKS_COUNT);
	ck_assert_uint_eq(picked_count(true, false, ERR_NONE), CHUNKS_COUNT);
	repo_remove(&r);
	repo_make(&r);
	save(false);
	ck_assert_uint_eq(picked_count(false, true, ERR_NONE), CHUNKS_COUNT);
}
END_TEST

/* One bit of the frame of a chunk, so far into it; once more undoes it. */
static void
flip(unsigned chunk, unsigned at)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(pack_close) struct pack pk = {.fd = -1};
	char path[PACK_PATH_BYTES];
	struct pack_frame row;
	struct index_copy copy;
	struct err e = {0};
	uint8_t byte;
	int fd;

	ck_assert(index_find(st, &ids[chunk], 0, &copy));
	pack_path(&index_pack(st, copy.number)->name, path);
	must(pack_open(&pk, st->packs_fd, path, 0, &e), &e);
	must(pack_frame_at(&pk, copy.frame, &row, &e), &e);
	ck_assert_int_eq(fchmodat(st->packs_fd, path, 0600, 0), 0);
	fd = openat(st->packs_fd, path, O_RDWR);
	ck_assert(pread(fd, &byte, 1, (off_t)(row.offset_bytes + at)) == 1);
	byte ^= 1;
	ck_assert(pwrite(fd, &byte, 1, (off_t)(row.offset_bytes + at)) == 1);
	close(fd);
}

/*
 * Damage of one chunk is no damage of the others of its frame, which the frame
 * as a whole does not give; wherever it is, nothing wrong is handed out.
 */
START_TEST(damage_hurts_what_it_hit_and_is_never_handed_out)
{
	unsigned most = 0;

	save(true);
	for (unsigned at = 0; at < 600; at += 31) {
		unsigned count;

		flip(0, at);
		count = picked_count(true, false, ERR_CORRUPT);
		ck_assert_uint_lt(count, CHUNKS_COUNT);
		most = count > most ? count : most;
		flip(0, at);
	}
	ck_assert_uint_eq(most, CHUNKS_COUNT - 1);
	ck_assert_uint_eq(picked_count(true, false, ERR_NONE), CHUNKS_COUNT);
}
END_TEST

/* Each read of a pick failing in turn: it gives the chunk, or says so. */
static void
picked_whatever_fails(const struct id *id, const uint8_t *bytes,
    size_t bytes_count)
{
	const int step = fault_step(1);
	bool fired = true;

	for (int nth = 1; fired; nth += step) {
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
		OWNED(reader_free) struct reader *reader = NULL;
		const uint8_t *got;
		size_t len;
		struct err e = {0};
		enum err_code rc;

		must(reader_new(&reader, st, &e), &e);
		fault_arm_reading(nth, EIO);
		rc = reader_pick(reader, id, &got, &len, &e);
		fired = fault_fired();
		if (rc != ERR_NONE) {
			ck_assert(fired);
			rc = reader_pick(reader, id, &got, &len, &e);
		}
		must(rc, &e);
		ck_assert_uint_eq(len, bytes_count);
		ck_assert_mem_eq(got, bytes, bytes_count);
	}
}

START_TEST(any_failing_call_gives_the_chunk_or_says_so)
{
	uint8_t bytes[CHUNK_BYTES];

	save(true);
	fill(bytes, 50, true);
	picked_whatever_fails(&ids[50], bytes, sizeof(bytes));
}
END_TEST

/* --- sliced frames ------------------------------------------------------------ */

#define SLICED_COUNT 3400 /* two frames */
#define SLICED_BYTES 600

static const struct store_geometry wide = {.chunk_min_bytes = 256,
    .chunk_mean_bytes = 1024,
    .chunk_max_bytes = 4096,
    .pack_target_bytes = 4 << 20,
    .frame_target_bytes = 1 << 20,
    .sliced = true};
static struct id sliced_ids[SLICED_COUNT];

static void
fill_sliced(uint8_t bytes[SLICED_BYTES], uint64_t i)
{
	repo_noise(bytes, SLICED_BYTES, i + 1);
	for (size_t k = 0; k < SLICED_BYTES; k++)
		bytes[k] = (uint8_t) "0123456789abcdef"[bytes[k] & 15];
}

/* Two frames of them. */
static void
save_sliced(void)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	uint8_t bytes[SLICED_BYTES];
	struct err e = {0};

	snprintf(r.path, sizeof(r.path), "%.40s/wide", r.dir);
	must(store_create(r.path, keyring_family(r.operations), &wide, &e), &e);
	repo_begin(&r, &a.st, &a.se, &a.w);
	for (uint64_t i = 0; i < SLICED_COUNT; i++) {
		fill_sliced(bytes, i);
		must(writer_put(a.w, STORE_DATA, bytes, sizeof(bytes), NULL, 0,
			 &sliced_ids[i], &e),
		    &e);
	}
	must(writer_flush(a.w, &e), &e);
}

static unsigned
sliced_seen(struct store *st, unsigned step)
{
	OWNED(glimpse_free) struct glimpse *g = NULL;
	OWNED(openpacks_free) struct openpacks *packs = NULL;
	struct glimpse_chunk c;
	struct index_copy copy;
	uint8_t bytes[SLICED_BYTES];
	unsigned count = 0;
	struct err e = {0};

	must(glimpse_new(&g, &e), &e);
	must(openpacks_new(&packs, st, &e), &e);
	for (unsigned i = 0; i < SLICED_COUNT; i += step) {
		ck_assert(index_find(st, &sliced_ids[i], 0, &copy));
		if (!glimpse_get(g, packs, index_pack(st, copy.number), &copy,
			&c))
			continue;
		fill_sliced(bytes, i);
		ck_assert_uint_eq(c.len_bytes, SLICED_BYTES);
		ck_assert_mem_eq(c.bytes, bytes, SLICED_BYTES);
		count++;
	}
	return count;
}

START_TEST(few_of_a_sliced_frame_are_seen_and_many_are_not)
{
	OWNED(store_close) struct store *st = NULL;

	save_sliced();
	st = repo_open(&r, STORE_READ);
	ck_assert_uint_eq(sliced_seen(st, 200), SLICED_COUNT / 200);
	ck_assert_uint_lt(sliced_seen(st, 1), SLICED_COUNT / 4);
	ck_assert_uint_gt(sliced_seen(st, 1), SLICED_COUNT / 20);
}
END_TEST

/* Without a seal to say so: the chunk's id is derived again by the reader. */
START_TEST(damage_of_a_sliced_frame_is_never_handed_out)
{
	save_sliced();
	ids[0] = sliced_ids[0]; /* whose frame flip means */
	for (unsigned at = 0; at < 60000; at += at < 200 ? 9 : 2003) {
		OWNED(reader_free) struct reader *reader = NULL;
		OWNED(store_close) struct store *st = NULL;
		uint8_t bytes[SLICED_BYTES];
		const uint8_t *got;
		size_t len;
		struct err e = {0};

		flip(0, at);
		st = repo_open(&r, STORE_READ);
		must(reader_new(&reader, st, &e), &e);
		for (unsigned i = 0; i < SLICED_COUNT; i += 211) {
			if (reader_pick(reader, &sliced_ids[i], &got, &len,
				&e) != ERR_NONE) {
				ck_assert_int_eq(e.code, ERR_CORRUPT);
				continue;
			}
			fill_sliced(bytes, i);
			ck_assert_uint_eq(len, SLICED_BYTES);
			ck_assert_mem_eq(got, bytes, SLICED_BYTES);
		}
		flip(0, at);
	}
}
END_TEST

START_TEST(any_failing_call_gives_the_sliced_chunk_or_says_so)
{
	uint8_t bytes[SLICED_BYTES];

	save_sliced();
	fill_sliced(bytes, 999);
	picked_whatever_fails(&sliced_ids[999], bytes, sizeof(bytes));
}
END_TEST

Suite *
suite_store_glimpse(void)
{
	Suite *s = suite_create("store/glimpse");
	TCase *tc = tcase_create("glimpse");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, few_of_a_frame_are_seen_and_many_are_not);
	tcase_add_test(tc, of_what_is_compressed_nothing_is_seen);
	tcase_add_test(tc, whatever_is_picked_is_what_was_put);
	tcase_add_test(tc, damage_hurts_what_it_hit_and_is_never_handed_out);
	tcase_add_test(tc, any_failing_call_gives_the_chunk_or_says_so);
	tcase_add_test(tc, few_of_a_sliced_frame_are_seen_and_many_are_not);
	tcase_add_test(tc, damage_of_a_sliced_frame_is_never_handed_out);
	tcase_add_test(tc, any_failing_call_gives_the_sliced_chunk_or_says_so);
	suite_add_tcase(s, tc);
	return s;
}
