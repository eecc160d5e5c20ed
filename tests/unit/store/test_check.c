#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/parts.h"
#include "support/fault.h"
#include "support/repo.h"

Suite *suite_store_check(void);

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

/* --- what a backup is here ------------------------------------------------ */

#define CHUNKS 9

static size_t
chunk_bytes(uint64_t seed)
{
	return 300 + seed * 61 % 700;
}

/* A tree of one directory, committed.  seed tells its chunks from others'. */
static enum err_code
back_up(uint64_t seed, size_t count, struct id *snapshot, struct err *e)
{
	struct store_options opt = {.access = STORE_WRITE,
	    .keyring = r.operations,
	    .network_fs_allowed = true};
	struct writer_options wo = {.workers = 1};
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	OWNED(writer_free) struct writer *w = NULL;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	enum err_code rc = store_open(&st, r.path, &opt, e);

	if (rc == ERR_NONE)
		rc = session_open(&se, st, e);
	if (rc == ERR_NONE)
		rc = writer_new(&w, se, &wo, e);
	if (rc == ERR_NONE)
		rc = tree_writer_new(&tw, w, e);
	for (uint64_t i = 0; rc == ERR_NONE && i < count; i++) {
		OWNED(item_fini) struct item it = {0};
		uint8_t bytes[1024];
		size_t n = chunk_bytes(seed + i);
		char path[16];

		snprintf(path, sizeof(path), "f%04d", (int)i);
		repo_noise(bytes, n, seed + i);
		it.entry.type = ENTRY_FILE;
		it.entry.size_bytes = it.content.size_bytes = n;
		rc = entry_set_path(&it.entry, path, strlen(path), e);
		it.content.pieces = malloc(sizeof(*it.content.pieces));
		it.content.pieces_count = 1;
		it.content.pieces[0].len_bytes = n;
		if (rc == ERR_NONE)
			rc = writer_put(w, STORE_DATA, bytes, n, NULL, 0,
			    &it.content.pieces[0].id, e);
		if (rc == ERR_NONE)
			rc = tree_writer_add(tw, &it, e);
	}
	if (rc == ERR_NONE)
		rc = tree_writer_root(tw, &s.root, e);
	snprintf(s.service, sizeof(s.service), "local");
	snprintf(s.dataset, sizeof(s.dataset), "d");
	s.started = s.ended = now_utc();
	s.host = strdup("h");
	s.source = strdup("/s");
	if (rc == ERR_NONE)
		rc = snapshot_commit(se, w, &s, e);
	*snapshot = s.id;
	return rc;
}

/* Every file of the snapshot, byte for byte. */
static void
must_restore(struct store *st, const struct id *snapshot, uint64_t seed,
    size_t count)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *sub = NULL;
	const struct item *it;
	struct err e = {0};
	char hex[ID_HEX_BYTES];
	size_t seen = 0;

	ck_assert_msg(snapshot_find(&s, &sub, st, id_hex(snapshot, hex), &e) ==
		ERR_NONE,
	    "%s", e.text);
	ck_assert_msg(cursor_open(&c, st, &s.root, "", 0, &e) == ERR_NONE, "%s",
	    e.text);
	while (cursor_next(c, &it, &e) == ERR_NONE && it != NULL) {
		ck_assert(repo_has(st, &it->content.pieces[0].id, seed + seen,
		    chunk_bytes(seed + seen)));
		seen++;
	}
	ck_assert_uint_eq(seen, count);
}

struct damages {
	char text[4096];
};

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct damages *d = ctx;
	size_t n = strlen(d->text);

	snprintf(d->text + n, sizeof(d->text) - n, "%s: %s\n", object, what);
}

static uint64_t
check(enum check_depth depth, struct damages *d)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	struct check_options opt = {.depth = depth,
	    .on_damage = on_damage,
	    .ctx = d};
	struct check_tally tally;
	struct err e = {0};

	memset(d, 0, sizeof(*d));
	ck_assert_msg(store_check(st, &opt, &tally, &e) == ERR_NONE, "%s",
	    e.text);
	return tally.damage_count;
}

static void
must_be_clean(enum check_depth depth)
{
	struct damages d;

	ck_assert_msg(check(depth, &d) == 0, "%s", d.text);
}

/* --- sound repositories ---------------------------------------------------- */

START_TEST(a_sound_repository_has_no_damage)
{
	struct id snapshot;
	struct err e = {0};

	must_be_clean(CHECK_OPEN);
	ck_assert_msg(back_up(1, 300, &snapshot, &e) == ERR_NONE, "%s", e.text);
	for (int depth = CHECK_NAMES; depth <= CHECK_OPEN; depth++)
		must_be_clean((enum check_depth)depth);
	{
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);

		must_restore(st, &snapshot, 1, 300);
	}
}
END_TEST

/* --- damage ---------------------------------------------------------------- */

static char files[64][128];
static size_t files_count;

static int
gather(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	if (strcmp(path + ftw->base, "reserve") == 0)
		return 0; /* its content means nothing */
	if (type == FTW_F && sb->st_size > 0 && files_count < COUNT_OF(files))
		snprintf(files[files_count++], sizeof(files[0]), "%s",
		    path + strlen(r.path) + 1);
	return 0;
}

static int
open_file(const char *name)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", r.path, name);
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	return fd;
}

static void
flip(int fd, off_t at, unsigned bit)
{
	uint8_t byte;

	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= (uint8_t)(1 << bit);
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
}

START_TEST(one_flipped_bit_in_any_byte_is_found_and_named)
{
	struct id snapshot;
	struct err e = {0};

	ck_assert_msg(back_up(1, 2, &snapshot, &e) == ERR_NONE, "%s", e.text);
	must_be_clean(CHECK_READ);
	files_count = 0;
	nftw(r.path, gather, 16, FTW_PHYS);
	ck_assert_uint_ge(files_count, 6); /* 2 packs, segment, MANIFEST ... */
	for (size_t f = 0; f < files_count; f++) {
		OWNED(fdio_close) int fd = open_file(files[f]);
		off_t size = lseek(fd, 0, SEEK_END);

		for (off_t at = 0; at < size; at++) {
			struct damages d;

			flip(fd, at, (unsigned)at % 8);
			ck_assert_msg(check(CHECK_READ, &d) > 0,
			    "%s: a flip at %ld is not seen", files[f],
			    (long)at);
			ck_assert_msg(strstr(d.text, files[f]) != NULL,
			    "%s: a flip at %ld is not named: %s", files[f],
			    (long)at, d.text);
			flip(fd, at, (unsigned)at % 8);
		}
	}
	must_be_clean(CHECK_OPEN);
}
END_TEST

START_TEST(a_flipped_footer_is_found_without_reading_the_pack)
{
	struct id snapshot;
	struct err e = {0};

	ck_assert_msg(back_up(1, 3, &snapshot, &e) == ERR_NONE, "%s", e.text);
	files_count = 0;
	nftw(r.path, gather, 16, FTW_PHYS);
	for (size_t f = 0; f < files_count; f++) {
		OWNED(fdio_close) int fd = -1;
		off_t size;

		if (strncmp(files[f], "packs/", 6) != 0)
			continue;
		fd = open_file(files[f]);
		size = lseek(fd, 0, SEEK_END);
		for (off_t at = size - 300; at < size; at++) {
			struct damages d;

			flip(fd, at, (unsigned)at % 8);
			if (check(CHECK_NAMES, &d) == 0)
				ck_abort_msg("a flip %ld before the end",
				    (long)(size - at));
			flip(fd, at, (unsigned)at % 8);
		}
	}
}
END_TEST

START_TEST(a_damaged_pack_is_pinpointed)
{
	struct damages d;
	struct id snapshot;
	struct err e = {0};
	const char *at;
	unsigned long from;
	bool seen = false;

	ck_assert_msg(back_up(1, 200, &snapshot, &e) == ERR_NONE, "%s", e.text);
	files_count = 0;
	nftw(r.path, gather, 16, FTW_PHYS);
	for (size_t f = 0; f < files_count; f++) {
		OWNED(fdio_close) int fd = -1;
		struct stat sb;

		if (strncmp(files[f], "packs/", 6) != 0)
			continue;
		fd = open_file(files[f]);
		fstat(fd, &sb);
		if (sb.st_size < 66000)
			continue;
		flip(fd, 65536 + 5, 1);
		ck_assert_uint_gt(check(CHECK_READ, &d), 0);
		at = strstr(d.text, "(from offset ");
		ck_assert_msg(strstr(d.text, "64 KiB block ") != NULL &&
			strstr(d.text, " of frame ") != NULL && at != NULL,
		    "%s", d.text);
		from = strtoul(at + strlen("(from offset "), NULL, 10);
		ck_assert_msg(from <= 65536 + 5 && 5 < from, "%s", d.text);
		seen = true;
		flip(fd, 65536 + 5, 1);
	}
	ck_assert(seen);
}
END_TEST

/* --- what damage costs ----------------------------------------------------- */

struct hurts {
	char paths[8192]; /* " f0001 f0002 " */
	uint64_t entries_max;
};

static void
on_path(void *ctx, const struct hurt_path *p)
{
	struct hurts *h = ctx;
	size_t n = strlen(h->paths);

	snprintf(h->paths + n, sizeof(h->paths) - n, "%.*s ",
	    (int)p->path_bytes, p->path);
	if (p->entries_count > h->entries_max)
		h->entries_max = p->entries_count;
	ck_assert_uint_eq(p->snapshots_count, 2);
	ck_assert_str_eq(p->service, "local");
}

/* As check does: looked at without a key, named with one. */
static struct hurt_tally
what_hurts(enum check_depth depth, size_t paths_max, struct hurts *h)
{
	struct store_options so = {STORE_READ, NULL, true};
	OWNED(store_close) struct store *st = NULL;
	struct check_options opt = {.depth = depth};
	struct hurt_options ho = {.keyring = r.operations,
	    .paths_max = paths_max,
	    .on_path = on_path,
	    .ctx = h};
	struct check_tally tally;
	struct hurt_tally t;
	struct err e = {0};

	snprintf(h->paths, sizeof(h->paths), " ");
	h->entries_max = 0;
	ck_assert_msg(store_open(&st, r.path, &so, &e) == ERR_NONE, "%s",
	    e.text);
	ck_assert_int_eq(store_check(st, &opt, &tally, &e), ERR_NONE);
	ck_assert_msg(store_hurt_paths(st, &ho, &t, &e) == ERR_NONE, "%s",
	    e.text);
	return t;
}

#define HURT_FILES 200

/* The chunks of f0000 and the next. */
static void
chunks_of(const struct id *snapshot, struct id ids[HURT_FILES])
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(cursor_close) struct cursor *c = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *sub = NULL;
	const struct item *it;
	struct err e = {0};
	char hex[ID_HEX_BYTES];
	size_t count = 0;

	ck_assert_int_eq(snapshot_find(&s, &sub, st, id_hex(snapshot, hex), &e),
	    ERR_NONE);
	ck_assert_int_eq(cursor_open(&c, st, &s.root, "", 0, &e), ERR_NONE);
	while (cursor_next(c, &it, &e) == ERR_NONE && it != NULL)
		ids[count++] = it->content.pieces[0].id;
	ck_assert_uint_eq(count, HURT_FILES);
}

/* Those whose chunk cannot be had, and no others. */
static size_t
names_just_what_is_lost(const struct hurts *h, const struct id ids[HURT_FILES])
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(buf_fini) struct buf b = {0};
	size_t lost = 0;

	for (size_t i = 0; i < HURT_FILES; i++) {
		char name[16];
		struct err e;
		bool gone = store_get(st, STORE_DATA, &ids[i], &b, NULL, &e) !=
		    ERR_NONE;

		snprintf(name, sizeof(name), " f%04d ", (int)i);
		ck_assert_msg((strstr(h->paths, name) != NULL) == gone,
		    "%s of%s", name, h->paths);
		lost += gone;
	}
	return lost;
}

START_TEST(damage_is_named_by_the_paths_it_hurts)
{
	struct id snapshot;
	struct err e = {0};
	bool some = false, span = false;
	struct id ids[HURT_FILES];

	for (int i = 0; i < 2; i++)
		ck_assert_msg(back_up(1, HURT_FILES, &snapshot, &e) == ERR_NONE,
		    "%s", e.text);
	chunks_of(&snapshot, ids);
	files_count = 0;
	nftw(r.path, gather, 16, FTW_PHYS);
	for (size_t f = 0; f < files_count; f++) {
		OWNED(fdio_close) int fd = -1;
		struct hurts h;
		struct hurt_tally t;
		size_t lost;

		if (strncmp(files[f], "packs/", 6) != 0)
			continue;
		fd = open_file(files[f]);
		flip(fd, 700, 1);
		t = what_hurts(CHECK_READ, 1000, &h);
		span |= h.entries_max != 1;
		if (h.entries_max == 1) {
			lost = names_just_what_is_lost(&h, ids);
			ck_assert_uint_gt(lost, 1);
			ck_assert_uint_eq(t.paths_count, lost);
			ck_assert_uint_eq(t.snapshots_count, 2);
			some = true;
			/* told of one, counted all */
			t = what_hurts(CHECK_READ, 1, &h);
			ck_assert_uint_eq(strlen(h.paths), strlen(" f0000 "));
			ck_assert_uint_eq(t.paths_count, lost);
		}
		flip(fd, 700, 1);
	}
	ck_assert(some && span);
}
END_TEST

/* A power cut may leave it: nobody waits until a session is on disk. */
START_TEST(what_is_left_of_a_dead_session_is_no_damage)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	const char *name = "sessions/0123456789abcdef0123456789abcdef";
	OWNED(fdio_close) int fd = -1;
	struct damages d;
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", r.path, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ne(fd, -1);
	must_be_clean(CHECK_READ);
	ck_assert_int_eq(write(fd, "Bascule", 7), 7);
	must_be_clean(CHECK_READ);
	/* a writer that lives has one that is whole */
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &fl), 0);
	ck_assert_uint_eq(check(CHECK_READ, &d), 1);
	ck_assert_msg(strstr(d.text, name) != NULL, "%s", d.text);
}
END_TEST

START_TEST(a_missing_or_cut_file_is_named)
{
	struct id snapshot;
	struct err e = {0};

	ck_assert_msg(back_up(1, 3, &snapshot, &e) == ERR_NONE, "%s", e.text);
	files_count = 0;
	nftw(r.path, gather, 16, FTW_PHYS);
	for (size_t f = 0; f < files_count; f++) {
		struct damages d;
		char path[400], aside[400];
		OWNED(fdio_close) int fd = -1;

		/* that one is gone is only seen by what names it */
		snprintf(path, sizeof(path), "%.63s/%.127s", r.path, files[f]);
		snprintf(aside, sizeof(aside), "%.47s/aside", r.dir);
		ck_assert_int_eq(rename(path, aside), 0);
		if (strncmp(files[f], "snapshots/", 10) != 0 &&
		    strncmp(files[f], "condemned/", 10) != 0 &&
		    strncmp(files[f], "keys/", 5) != 0) {
			ck_assert_uint_gt(check(CHECK_NAMES, &d), 0);
			ck_assert_msg(strstr(d.text, files[f]) != NULL,
			    "%s: %s", files[f], d.text);
		}
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_ne(fd, -1); /* empty */
		ck_assert_uint_gt(check(CHECK_NAMES, &d), 0);
		ck_assert_msg(strstr(d.text, files[f]) != NULL, "%s: %s",
		    files[f], d.text);
		ck_assert_int_eq(rename(aside, path), 0);
	}
	must_be_clean(CHECK_OPEN);
}
END_TEST

START_TEST(format_bak_serves_for_reading_only)
{
	struct store_options opt = {.access = STORE_READ,
	    .keyring = r.operations,
	    .network_fs_allowed = true};
	OWNED(store_close) struct store *st = NULL;
	OWNED(fdio_close) int fd = open_file("format");
	struct err e = {0};

	flip(fd, 10, 1); /* the version: damage, never "too new" */
	ck_assert_int_eq(store_open(&st, r.path, &opt, &e), ERR_NONE);
	ck_assert(store_is_degraded(st, &e));
	store_close(&st);
	opt.access = STORE_WRITE;
	ck_assert_int_eq(store_open(&st, r.path, &opt, &e), ERR_CORRUPT);
}
END_TEST

/* --- faults ---------------------------------------------------------------- */

static size_t
count_names(const char *dir)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	char path[400];
	struct err e = {0};

	snprintf(path, sizeof(path), "%s/%s", r.path, dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(repo_list(&n, fd, &e), ERR_NONE);
	return n.count;
}

/* The next session clears away what the last one left. */
static void
must_sweep(void)
{
	{
		OWNED(store_close)
		struct store *st = repo_open(&r, STORE_WRITE);
		OWNED(session_close) struct session *se = NULL;
		struct err e = {0};

		ck_assert_msg(session_open(&se, st, &e) == ERR_NONE, "%s",
		    e.text);
	}
	ck_assert_uint_eq(count_names("tmp"), 0);
	ck_assert_uint_eq(count_names("sessions"), 0);
}

/*
 * With the first, second, ... call of a whole backup failing: what was
 * acknowledged before stays, what is acknowledged now is there, and the next
 * backup finds nothing in its way.
 */
static void
sweep(int num)
{
	struct id first, last;
	const uint64_t seed = 1000;

	for (int nth = 1;; nth++) {
		OWNED(store_close) struct store *st = NULL;
		struct err e = {0};
		enum err_code rc;

		repo_remove(&r);
		repo_make(&r);
		ck_assert_msg(back_up(1, CHUNKS, &first, &e) == ERR_NONE, "%s",
		    e.text);
		fault_arm_deep(nth, num);
		rc = back_up(seed, CHUNKS, &last, &e);
		if (!fault_fired()) {
			ck_assert_msg(rc == ERR_NONE, "%s", e.text);
			break;
		}
		if (rc != ERR_NONE)
			ck_assert_msg(strchr(e.text, '\'') != NULL,
			    "call %d: '%s' names nothing", nth, e.text);
		must_be_clean(CHECK_READ);
		must_sweep();
		st = repo_open(&r, STORE_READ);
		must_restore(st, &first, 1, CHUNKS);
		if (rc == ERR_NONE)
			must_restore(st, &last, seed, CHUNKS);
	}
}

START_TEST(any_failing_call_loses_nothing_acknowledged)
{
	sweep(EIO);
}
END_TEST

START_TEST(a_full_disk_loses_nothing_acknowledged)
{
	sweep(ENOSPC);
}
END_TEST

/* What could not be written, flushed or renamed was not backed up. */
START_TEST(no_failed_write_or_flush_is_overlooked)
{
	struct id snapshot;
	struct err e = {0};

	for (int nth = 1;; nth++) {
		enum err_code rc;

		fault_arm(nth, EIO);
		rc = back_up(1, CHUNKS, &snapshot, &e);
		if (!fault_fired())
			break;
		if (rc == ERR_NONE)
			ck_abort_msg("call %d failed, the backup did not", nth);
	}
	/* Many packs are flushed by one call. */
	fault_arm_syncfs(EIO);
	ck_assert_int_ne(back_up(5000, 1200, &snapshot, &e), ERR_NONE);
	ck_assert(fault_fired());
	must_be_clean(CHECK_READ);
}
END_TEST

/* What this machine has not enough of says nothing of the repository. */
START_TEST(a_check_that_runs_out_of_memory_or_descriptors_names_no_damage)
{
	struct id snapshot;
	struct err e = {0};
	bool fired = true;

	ck_assert_msg(back_up(1, CHUNKS, &snapshot, &e) == ERR_NONE, "%s",
	    e.text);
	for (int nth = 1; fired; nth += fault_step(3)) {
		OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
		struct damages d = {0};
		struct check_options opt = {.depth = CHECK_OPEN,
		    .on_damage = on_damage,
		    .ctx = &d};
		struct check_tally tally;
		enum err_code rc;

		fault_arm_all(nth, nth % 2 == 0 ? ENOMEM : EMFILE);
		rc = store_check(st, &opt, &tally, &e);
		fired = fault_fired();
		ck_assert_msg(tally.damage_count == 0, "call %d: %s", nth,
		    d.text);
		ck_assert(rc == ERR_NONE || rc == ERR_NOMEM);
	}
}
END_TEST

/* Creation: whatever fails, there is no repository whose keys are thrown away. */
START_TEST(a_creation_that_failed_can_be_done_again)
{
	for (int nth = 1;; nth++) {
		char path[128];
		struct err e = {0};
		enum err_code rc, again;
		bool fired;

		snprintf(path, sizeof(path), "%s/new%d", r.dir, nth);
		fault_arm_deep(nth, EIO);
		rc = store_create(path, keyring_family(r.operations), NULL, &e);
		fired = fault_fired();
		again =
		    store_create(path, keyring_family(r.operations), NULL, &e);
		ck_assert_msg(again == (rc == ERR_NONE ? ERR_EXISTS : ERR_NONE),
		    "call %d: %s", nth, e.text);
		if (!fired)
			break;
	}
}
END_TEST

Suite *
suite_store_check(void)
{
	Suite *s = suite_create("store/check");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_sound_repository_has_no_damage);
	tcase_add_test(tc,
	    a_check_that_runs_out_of_memory_or_descriptors_names_no_damage);
	tcase_add_test(tc, one_flipped_bit_in_any_byte_is_found_and_named);
	tcase_add_test(tc, a_flipped_footer_is_found_without_reading_the_pack);
	tcase_add_test(tc, a_damaged_pack_is_pinpointed);
	tcase_add_test(tc, damage_is_named_by_the_paths_it_hurts);
	tcase_add_test(tc, what_is_left_of_a_dead_session_is_no_damage);
	tcase_add_test(tc, a_missing_or_cut_file_is_named);
	tcase_add_test(tc, format_bak_serves_for_reading_only);
	tcase_add_test(tc, any_failing_call_loses_nothing_acknowledged);
	tcase_add_test(tc, a_full_disk_loses_nothing_acknowledged);
	tcase_add_test(tc, no_failed_write_or_flush_is_overlooked);
	tcase_add_test(tc, a_creation_that_failed_can_be_done_again);
	suite_add_tcase(s, tc);
	return s;
}
