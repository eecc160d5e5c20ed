#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/index.h"
#include "../lib/store/pack.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_bases(void);

/* Half a frame: each is one of its own. */
#define CHUNK_BYTES   6000
#define CHUNKS        3
#define CHANGED_BYTES 16

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

/* The nth chunk in its first version or its second, which differs a little. */
static void
chunk(uint8_t bytes[CHUNK_BYTES], uint64_t nth, bool second)
{
	repo_noise(bytes, CHUNK_BYTES, nth + 1);
	for (size_t i = 0; second && i < CHANGED_BYTES; i++)
		bytes[1000 + i] ^= 0x55;
}

/* Plain, or as a difference from the first version. */
static struct id
put(struct writer *w, uint64_t nth, bool second, bool as_difference)
{
	uint8_t bytes[CHUNK_BYTES];
	struct id base, id;
	struct err e = {0};

	chunk(bytes, nth, false);
	writer_name(w, bytes, sizeof(bytes), &base);
	chunk(bytes, nth, second);
	writer_name(w, bytes, sizeof(bytes), &id);
	if (!as_difference)
		must(writer_put_named(w, &id, bytes, sizeof(bytes), &e), &e);
	else {
		must(writer_put_changed(w, &id, bytes, sizeof(bytes), &e), &e);
		must(writer_changed_from(w, &base, 1, &e), &e);
	}
	return id;
}

/* A snapshot of a file for each of the chunks. */
static struct id
commit(struct repo_work *a, const struct id *chunks, size_t count)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini)
	struct snapshot s = {.service = "housing", .dataset = "files"};
	struct err e = {0};

	must(tree_writer_new(&tw, a->w, &e), &e);
	for (size_t i = 0; i < count; i++) {
		OWNED(item_fini) struct item it = {0};
		char path[16];

		snprintf(path, sizeof(path), "f%u", (unsigned)i);
		must(entry_set_path(&it.entry, path, strlen(path), &e), &e);
		it.entry.type = ENTRY_FILE;
		it.entry.size_bytes = it.content.size_bytes = CHUNK_BYTES;
		it.content.pieces = calloc(1, sizeof(*it.content.pieces));
		it.content.pieces_count = 1;
		it.content.pieces[0].len_bytes = CHUNK_BYTES;
		it.content.pieces[0].id = chunks[i];
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &s.root, &e), &e);
	s.started = s.ended = now_utc();
	s.host = strdup("brent-1");
	s.source = strdup("/srv");
	must(snapshot_commit(a->se, a->w, &s, &e), &e);
	return s.id;
}

static struct id
back_up(bool second, bool as_difference)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	struct id chunks[CHUNKS];

	repo_begin(&r, &a.st, &a.se, &a.w);
	for (uint64_t i = 0; i < CHUNKS; i++)
		chunks[i] = put(a.w, i, second, as_difference);
	return commit(&a, chunks, CHUNKS);
}

static struct id
id_of(uint64_t nth, bool second)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	uint8_t bytes[CHUNK_BYTES];
	struct id id;

	repo_begin(&r, &a.st, &a.se, &a.w);
	chunk(bytes, nth, second);
	writer_name(a.w, bytes, sizeof(bytes), &id);
	return id;
}

static bool
has(uint64_t nth, bool second)
{
	OWNED(buf_fini) struct buf got = {0};
	uint8_t bytes[CHUNK_BYTES];
	struct id id = id_of(nth, second);
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	struct err e = {0};

	chunk(bytes, nth, second);
	return store_get(st, STORE_DATA, &id, &got, NULL, &e) == ERR_NONE &&
	    got.len_bytes == sizeof(bytes) &&
	    memcmp(got.bytes, bytes, sizeof(bytes)) == 0;
}

/* How deep the index says that its one copy is; *frame: where it lies. */
static uint8_t
depth_of(uint64_t nth, bool second, char path[PACK_PATH_BYTES],
    struct pack_frame *frame)
{
	struct id id = id_of(nth, second);
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	struct index_copy c, more;
	struct err e = {0};

	ck_assert(index_find(st, &id, 0, &c));
	ck_assert(!index_find(st, &id, 1, &more));
	must(pack_open(&pk, st->packs_fd,
		 pack_path(&index_pack(st, c.number)->name, path), 0, &e),
	    &e);
	must(pack_footer_load(&f, &pk, &e), &e);
	pack_footer_frame(&f, c.frame, frame);
	return c.depth;
}

static void
bend(const char *pack, uint64_t at)
{
	OWNED(fdio_close) int fd = -1;
	char path[200];
	uint8_t byte;

	snprintf(path, sizeof(path), "%s/packs/%s", r.path, pack);
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 8;
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static void
heal(void)
{
	struct store_options opt = {.access = STORE_HEAL,
	    .keyring = r.operations,
	    .network_fs_allowed = true};
	struct heal_options ho = {0};
	struct heal_tally tally;
	OWNED(store_close) struct store *st = NULL;
	struct err e = {0};

	must(store_open(&st, r.path, &opt, &e), &e);
	must(store_heal(st, &ho, &tally, &e), &e);
	ck_assert_uint_gt(tally.found_count, 0);
}

static void
forget_and_collect(const struct id *snapshot, bool repack)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_WRITE);
	struct forget_request rq = {.service = "housing",
	    .snapshots = snapshot,
	    .snapshots_count = 1};
	struct collect_options opt = {.repack = repack,
	    .max_unused_millipercent = repack ? 0 : 100000};
	struct forget_tally ft;
	struct collect_tally ct;
	struct err e = {0};

	must(forget_run(st, &rq, &ft, &e), &e);
	must(collect_run(st, &opt, &ct, &e), &e);
}

static void
tell(void *ctx, const char *object, const char *what)
{
	(void)ctx;
	fprintf(stderr, "%s: %s\n", object, what);
}

static void
must_be_clean(void)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	struct check_options opt = {.depth = CHECK_OPEN, .on_damage = tell};
	struct check_tally t = {0};
	struct err e = {0};

	must(store_check(st, &opt, &t, &e), &e);
	ck_assert_uint_eq(t.damage_count, 0);
}

START_TEST(what_differences_are_made_from_stays)
{
	char path[PACK_PATH_BYTES];
	struct pack_frame frame;
	struct id first = back_up(false, false);

	(void)back_up(true, true);
	ck_assert_uint_eq(depth_of(1, true, path, &frame), 1);
	forget_and_collect(&first, false);
	must_be_clean();
	for (uint64_t i = 0; i < CHUNKS; i++)
		ck_assert(has(i, true));
}
END_TEST

/* Healed frames are as deep as they were, so their bases are kept too. */
START_TEST(what_healed_differences_are_made_from_stays)
{
	char path[PACK_PATH_BYTES], healed[PACK_PATH_BYTES];
	struct pack_frame frame;
	struct id first = back_up(false, false);

	(void)back_up(true, true);
	ck_assert_uint_eq(depth_of(0, true, path, &frame), 1);
	bend(path, frame.offset_bytes + frame.len_bytes - 1);
	heal();
	/* What was lost is stored again, plain; the rest was saved. */
	(void)back_up(true, false);
	ck_assert_uint_eq(depth_of(0, true, healed, &frame), 0);
	ck_assert_uint_eq(depth_of(1, true, healed, &frame), 1);
	ck_assert_str_ne(path, healed);
	must_be_clean();
	forget_and_collect(&first, false);
	must_be_clean();
	for (uint64_t i = 0; i < CHUNKS; i++)
		ck_assert(has(i, true));
}
END_TEST

/* The pack that is repacked first of those that have the chunk. */
static void
bend_first_copy(const struct id *id)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	char path[PACK_PATH_BYTES];
	struct index_copy c, other;
	struct pack_frame frame;
	struct err e = {0};

	ck_assert(index_find(st, id, 0, &c) && index_find(st, id, 1, &other));
	ck_assert_uint_ne(c.number, other.number);
	if (other.number < c.number)
		c = other;
	pack_path(&index_pack(st, c.number)->name, path);
	must(pack_open(&pk, st->packs_fd, path, 0, &e), &e);
	must(pack_footer_load(&f, &pk, &e), &e);
	pack_footer_frame(&f, c.frame, &frame);
	bend(path, frame.offset_bytes + frame.len_bytes - 1);
}

START_TEST(a_damaged_copy_is_no_reason_to_drop_a_good_one)
{
	OWNED(repo_work_end) struct repo_work a = {0};
	uint8_t bytes[CHUNK_BYTES];
	struct id chunks[3], all;
	struct err e = {0};

	/* Twice the same chunk, in packs in which another will be dead. */
	repo_begin(&r, &a.st, &a.se, &a.w);
	chunks[0] = put(a.w, 0, false, false);
	chunks[1] = put(a.w, 1, false, false);
	must(writer_flush(a.w, &e), &e);
	chunk(bytes, 0, false);
	must(writer_put_changed(a.w, &chunks[0], bytes, sizeof(bytes), &e), &e);
	chunks[2] = put(a.w, 2, false, false);
	all = commit(&a, chunks, 3);
	(void)commit(&a, chunks, 1);
	repo_work_end(&a);
	bend_first_copy(&chunks[0]);
	forget_and_collect(&all, true);
	ck_assert(has(0, false));
}
END_TEST

Suite *
suite_store_bases(void)
{
	Suite *s = suite_create("store/bases");
	TCase *tc = tcase_create("bases");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_differences_are_made_from_stays);
	tcase_add_test(tc, what_healed_differences_are_made_from_stays);
	tcase_add_test(tc, a_damaged_copy_is_no_reason_to_drop_a_good_one);
	suite_add_tcase(s, tc);
	return s;
}
