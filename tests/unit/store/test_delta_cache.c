#include "../lib/store/delta_cache.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_delta_cache(void);

#define HOUR_NS    (INT64_C(3600) * 1000000000)
#define PIECE      ((size_t)1000)
#define KEPT_BYTES (10 * PIECE)

static struct repo r;
static struct hash_key *key;
static struct delta_cache *dc;
static char dir[80];

static void
reopen(uint64_t size_bytes, int64_t keep_ns)
{
	struct delta_cache_limits limits = {size_bytes, keep_ns};
	struct err e = {0};

	delta_cache_close(&dc);
	must(delta_cache_open(&dc, dir, &limits, &e), &e);
}

static void
setup(void)
{
	struct err e = {0};

	repo_make(&r);
	snprintf(dir, sizeof(dir), "%s/state/deltas", r.dir);
	must(keyring_id_key(r.writer, NULL, KEYRING_ID_DATA, &key, &e), &e);
	reopen(KEPT_BYTES, HOUR_NS);
}

static void
teardown(void)
{
	delta_cache_close(&dc);
	hash_key_free(&key);
	repo_remove(&r);
}

/* The seed's bytes, in two parts. */
static struct id
put(uint64_t seed, enum delta_cache_worth worth)
{
	uint8_t bytes[PIECE];
	struct iovec parts[] = {{bytes, 300}, {bytes + 300, PIECE - 300}};
	struct id id;

	repo_noise(bytes, sizeof(bytes), seed);
	hash_id(key, bytes, sizeof(bytes), &id);
	delta_cache_put(dc, &id, parts, COUNT_OF(parts), worth);
	return id;
}

static bool
has(const struct id *id, uint64_t seed)
{
	OWNED(buf_fini) struct buf out = {0};
	uint8_t bytes[PIECE];
	struct err e = {0};
	enum err_code rc = delta_cache_get(dc, key, id, &out, &e);

	ck_assert(rc == ERR_NONE || rc == ERR_NOTFOUND);
	repo_noise(bytes, sizeof(bytes), seed);
	if (rc == ERR_NONE) {
		ck_assert_uint_eq(out.len_bytes, sizeof(bytes));
		ck_assert_mem_eq(out.bytes, bytes, sizeof(bytes));
	}
	return rc == ERR_NONE;
}

static const char *
file_of(const struct id *id)
{
	static char path[160];
	char hex[ID_HEX_BYTES];

	snprintf(path, sizeof(path), "%s/%s", dir, id_hex(id, hex));
	return path;
}

START_TEST(what_is_kept_is_its_owners_only_and_comes_out_again)
{
	struct id id = put(1, DELTA_CACHE_FIRST), none;
	struct stat sb;

	ck_assert(has(&id, 1));
	repo_noise(none.bytes, ID_BYTES, 2);
	ck_assert(!has(&none, 2));
	ck_assert_int_eq(stat(dir, &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 07777, 0700);
	ck_assert_int_eq(stat(file_of(&id), &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 07777, 0600);
	reopen(KEPT_BYTES, HOUR_NS);
	ck_assert(has(&id, 1));
}
END_TEST

START_TEST(what_is_not_what_it_says_is_thrown_away)
{
	struct id id = put(1, DELTA_CACHE_FIRST);
	struct stat sb;
	int fd = open(file_of(&id), O_WRONLY);

	ck_assert_int_eq(pwrite(fd, "x", 1, 500), 1);
	close(fd);
	ck_assert(!has(&id, 1));
	ck_assert_int_eq(stat(file_of(&id), &sb), -1);
	(void)put(1, DELTA_CACHE_FIRST);
	ck_assert(has(&id, 1));
	ck_assert_int_eq(truncate(file_of(&id), 10), 0);
	ck_assert(!has(&id, 1));
}
END_TEST

START_TEST(it_never_grows_beyond_its_size)
{
	struct id ids[30];
	int kept = 0;

	for (uint64_t i = 0; i < 15; i++)
		ids[i] = put(i, DELTA_CACHE_FIRST);
	/* Full: what was there first stays. */
	for (uint64_t i = 0; i < 15; i++)
		ck_assert_int_eq(has(&ids[i], i), i < 10);
	/* What has changed before makes room, as of the next opening. */
	reopen(KEPT_BYTES, HOUR_NS);
	for (uint64_t i = 15; i < 30; i++)
		ids[i] = put(i, DELTA_CACHE_CHANGED);
	for (uint64_t i = 0; i < 10; i++)
		ck_assert(!has(&ids[i], i));
	for (uint64_t i = 15; i < 30; i++)
		kept += has(&ids[i], i);
	ck_assert_int_eq(kept, 10);
	/* And less room is less. */
	reopen(3 * PIECE, HOUR_NS);
	kept = 0;
	for (uint64_t i = 15; i < 30; i++)
		kept += has(&ids[i], i);
	ck_assert_int_eq(kept, 3);
}
END_TEST

START_TEST(nothing_is_kept_for_longer_than_was_said)
{
	struct id old = put(1, DELTA_CACHE_FIRST);
	struct id young = put(2, DELTA_CACHE_FIRST);
	struct id unborn = put(3, DELTA_CACHE_FIRST);
	struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};

	times[1] = (struct timespec){now_utc().ns / 1000000000 - 3700, 0};
	ck_assert_int_eq(utimensat(AT_FDCWD, file_of(&old), times, 0), 0);
	times[1].tv_sec += 10000;
	ck_assert_int_eq(utimensat(AT_FDCWD, file_of(&unborn), times, 0), 0);
	reopen(KEPT_BYTES, HOUR_NS);
	ck_assert(!has(&old, 1));
	ck_assert(has(&young, 2));
	ck_assert(!has(&unborn, 3));
}
END_TEST

START_TEST(a_link_in_it_is_not_followed)
{
	struct id id = put(1, DELTA_CACHE_FIRST);
	char elsewhere[160], path[160];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", r.dir);
	snprintf(path, sizeof(path), "%s", file_of(&id));
	ck_assert_int_eq(rename(path, elsewhere), 0);
	ck_assert_int_eq(symlink(elsewhere, path), 0);
	ck_assert(!has(&id, 1));
	ck_assert_int_eq(access(elsewhere, F_OK), 0);
	ck_assert_int_eq(symlink("..", path), 0);
	reopen(KEPT_BYTES, HOUR_NS);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(any_failing_call_is_only_a_thing_not_kept)
{
	bool fired = true;

	for (int nth = 1; fired; nth++) {
		struct id id;
		bool kept;

		ck_assert_int_lt(nth, 50);
		reopen(KEPT_BYTES, HOUR_NS);
		fault_arm_deep(nth, ENOSPC);
		id = put((uint64_t)nth, DELTA_CACHE_CHANGED);
		kept = has(&id, (uint64_t)nth);
		fired = fault_fired();
		ck_assert(fired || kept);
	}
}
END_TEST

Suite *
suite_store_delta_cache(void)
{
	Suite *s = suite_create("store/delta_cache");
	TCase *tc = tcase_create("delta_cache");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_kept_is_its_owners_only_and_comes_out_again);
	tcase_add_test(tc, what_is_not_what_it_says_is_thrown_away);
	tcase_add_test(tc, it_never_grows_beyond_its_size);
	tcase_add_test(tc, nothing_is_kept_for_longer_than_was_said);
	tcase_add_test(tc, a_link_in_it_is_not_followed);
	tcase_add_test(tc, any_failing_call_is_only_a_thing_not_kept);
	suite_add_tcase(s, tc);
	return s;
}
