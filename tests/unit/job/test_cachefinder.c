#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/job/cachefinder.h"
#include "support/must.h"
#include "support/tmpdir.h"

Suite *suite_job_cachefinder(void);

/* So many files that they are in three tables. */
#define FILES 120000

static const struct id key = {{'k'}}, snapshot = {{'s'}};
static struct tmpdir dir;

static void
setup(void)
{
	tmpdir_make(&dir);
}

static void
teardown(void)
{
	tmpdir_remove(&dir);
}

static void
stat_of(uint8_t stat[CACHE_STAT_BYTES], uint64_t inode)
{
	memset(stat, 0, CACHE_STAT_BYTES);
	le_put64(stat, 7);
	le_put64(stat + 8, inode);
	le_put64(stat + 16, inode % 5); /* every fifth is empty */
	le_put64(stat + 24, 1000 + inode);
}

static void
make(size_t count)
{
	OWNED(cacheout_fini) struct cacheout co = {.fd = -1};
	uint8_t stat[CACHE_STAT_BYTES];
	char path[40], item[40];
	struct err e;

	must(cacheout_begin(&co, dir.fd, "cache", &key, &e), &e);
	for (size_t i = 0; i < count; i++) {
		struct cacherecord r = {path, 0, stat, false, (uint8_t *)item,
		    0};

		r.path_bytes =
		    (size_t)snprintf(path, sizeof path, "d/%08zu", i);
		r.encoded_bytes =
		    (size_t)snprintf(item, sizeof item, "of %zu", i);
		stat_of(stat, i);
		must(cacheout_add(&co, &r, &e), &e);
	}
	must(cacheout_end(&co, &snapshot, NULL, NULL, &e), &e);
	must(cacheout_publish(&co, "cache", &e), &e);
}

static bool
finds(struct cachefinder *f, struct cachelayer *l, uint64_t inode)
{
	uint8_t stat[CACHE_STAT_BYTES];
	const uint8_t *item;
	size_t item_bytes;
	char text[40];

	stat_of(stat, inode);
	if (!cachefinder_find(f, l, stat))
		return false;
	ck_assert(cachelayer_item(&f->look, &item, &item_bytes));
	ck_assert_uint_eq(item_bytes,
	    (size_t)snprintf(text, sizeof text, "of %llu",
		(unsigned long long)inode));
	ck_assert_mem_eq(item, text, item_bytes);
	return true;
}

START_TEST(every_file_that_holds_something_is_found)
{
	struct cachefinder f = {.look = {.fd = -1}};
	struct cachelayer l;
	uint64_t at = 1;

	make(FILES);
	ck_assert(cachelayer_open(&l, openat(dir.fd, "cache", O_RDONLY),
	    "cache", &key));
	ck_assert_uint_ge(l.tables.len_bytes, 2 * sizeof(struct cachetable));
	for (int i = 0; i < 3000; i++) {
		ck_assert_int_eq(finds(&f, &l, at), at % 5 != 0);
		ck_assert(!finds(&f, &l, at + FILES));
		/* a few in a row, then far away */
		at = i % 10 != 0 ? (at + 1) % FILES : at * 31337 % FILES;
	}
	cachefinder_forget(&f);
	cachelayer_fini(&l);
}
END_TEST

/* Only of blocks that are believed. */
START_TEST(what_a_later_run_put_aside_is_not_found)
{
	struct cachefinder f = {.look = {.fd = -1}};
	struct buf none = {0}, first = {0};
	struct cachelayer l;
	struct err e;

	make(FILES);
	ck_assert(cachelayer_open(&l, openat(dir.fd, "cache", O_RDONLY),
	    "cache", &key));
	l.only = &none;
	ck_assert(!finds(&f, &l, 1) && !finds(&f, &l, FILES - 1));
	must(cachefile_set_bit(&first, 0, &e), &e);
	l.only = &first;
	ck_assert(finds(&f, &l, 1) && !finds(&f, &l, FILES - 1));
	buf_fini(&first);
	cachefinder_forget(&f);
	cachelayer_fini(&l);
}
END_TEST

/* Slots are hints: whatever they are, what is found is what was asked for. */
START_TEST(damaged_tables_find_less_and_nothing_wrong)
{
	struct cachefinder f = {.look = {.fd = -1}};
	size_t found = 0, count = 0;
	struct cachelayer l;
	uint64_t at;
	uint8_t byte;
	int fd;

	make(2000);
	fd = openat(dir.fd, "cache", O_RDWR);
	ck_assert(cachelayer_open(&l, fd, "cache", &key));
	at = ((struct cachetable *)(void *)l.tables.bytes)->at;
	for (off_t i = 0; i < 16384; i += 5) {
		ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at + i), 1);
		byte ^= (uint8_t)(1 << i % 8);
		ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at + i), 1);
	}
	for (uint64_t i = 0; i < 2000; i++)
		if (i % 5 != 0) {
			count++;
			found += finds(&f, &l, i * 997 % 2000);
		}
	ck_assert_uint_lt(found, count);
	cachefinder_forget(&f);
	cachelayer_fini(&l);
}
END_TEST

Suite *
suite_job_cachefinder(void)
{
	Suite *s = suite_create("job/cachefinder");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_file_that_holds_something_is_found);
	tcase_add_test(tc, what_a_later_run_put_aside_is_not_found);
	tcase_add_test(tc, damaged_tables_find_less_and_nothing_wrong);
	suite_add_tcase(s, tc);
	return s;
}
