#include <bascule/job.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "support/fault.h"
#include "support/repo.h"
#include "support/tmpdir.h"

static struct repo r;
static struct tmpdir from, to, state;
static const char *roots[1];
static struct keyring *keys; /* backups are made with */

static void
setup(void)
{
	repo_make(&r);
	keys = r.operations;
	tmpdir_make(&from);
	tmpdir_make(&to);
	tmpdir_make(&state);
	roots[0] = from.path;
	tmpdir_put(&from, "one", "the first file");
	tmpdir_put(&from, "two", "the second file");
	ck_assert_int_eq(mkdirat(from.fd, "sub", 0750), 0);
	tmpdir_put(&from, "sub/three", "the third file");
	ck_assert_int_eq(symlinkat("one", from.fd, "link"), 0);
	ck_assert_int_eq(linkat(from.fd, "two", from.fd, "sub/two", 0), 0);
}

static void
teardown(void)
{
	tmpdir_remove(&state);
	tmpdir_remove(&to);
	tmpdir_remove(&from);
	repo_remove(&r);
}

static struct capture_options
options(void)
{
	return (struct capture_options){.service = "local",
	    .dataset = "docs",
	    .roots = roots,
	    .roots_count = 1,
	    .state_dir = state.path};
}

static enum err_code
capture(const struct capture_options *opt, struct capture_result *out,
    struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	struct store_options so = {STORE_WRITE, keys, false};

	if (store_open(&st, r.path, &so, e) != ERR_NONE)
		return e->code;
	return capture_run(st, opt, out, e);
}

static enum err_code
restore_latest(struct restore_result *out, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	struct store_options so = {STORE_READ, r.operations, false};
	struct restore_options opt = {.to = to.path, .verify = true};

	if (store_open(&st, r.path, &so, e) != ERR_NONE ||
	    snapshot_find(&s, &subtree, st, "latest", e) != ERR_NONE)
		return e->code;
	opt.root = s.root;
	opt.subtree = from.path + 1; /* its content goes into `to` */
	return restore_run(st, &opt, out, e);
}

static void
backed_up(struct capture_result *out)
{
	struct capture_options opt = options();
	struct err e = {0};

	ck_assert_msg(capture(&opt, out, &e) == ERR_NONE, "%s", e.text);
}

START_TEST(what_was_captured_is_restored)
{
	struct capture_result result;
	struct restore_result restored;
	struct stat a, b;
	struct err e = {0};
	char text[32] = "";

	backed_up(&result);
	ck_assert_uint_eq(result.counts.files_count, 4);
	ck_assert_uint_eq(result.counts.problems_count, 0);
	ck_assert_msg(restore_latest(&restored, &e) == ERR_NONE, "%s", e.text);
	ck_assert_uint_eq(restored.files_count, 4);
	ck_assert_uint_eq(restored.failed_count + restored.differ_count, 0);
	ck_assert_str_eq(tmpdir_get(&to, "sub/three"), "the third file");
	ck_assert_int_gt(readlinkat(to.fd, "link", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "one");
	ck_assert_int_eq(fstatat(to.fd, "two", &a, 0), 0);
	ck_assert_int_eq(fstatat(to.fd, "sub/two", &b, 0), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(fstatat(to.fd, "sub", &a, 0), 0);
	ck_assert_uint_eq(a.st_mode & 07777, 0750);
}
END_TEST

START_TEST(the_same_again_stores_nothing)
{
	static uint8_t noise[100000];
	struct capture_result first, second;
	int fd = openat(from.fd, "noise", O_WRONLY | O_CREAT, 0600);

	repo_noise(noise, sizeof(noise), 1);
	ck_assert_int_eq(write(fd, noise, sizeof(noise)), sizeof(noise));
	close(fd);
	backed_up(&first);
	ck_assert_uint_gt(first.counts.stored_bytes, sizeof(noise));
	backed_up(&second);
	/* /tmp itself is an entry and may have changed: a page of it. */
	ck_assert_uint_lt(second.counts.stored_bytes, 4096);
	ck_assert(!id_equal(&first.snapshot, &second.snapshot));
}
END_TEST

/* Rule 11: what is young may change again within the clock's tick. */
START_TEST(a_young_file_is_read_again)
{
	struct capture_result result;

	backed_up(&result);
	backed_up(&result);
	/* Its directory was made by the system long before: a parent. */
	ck_assert_uint_lt(result.unchanged_count, 4);
}
END_TEST

/* As if the state cache had been written so long ago. */
static void
age_the_cache(time_t by_s)
{
	char pattern[100];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/cache/*", state.path);
	ck_assert_int_eq(glob(pattern, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct stat st;
		struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}};

		ck_assert_int_eq(stat(g.gl_pathv[i], &st), 0);
		t[1].tv_sec = st.st_mtim.tv_sec - by_s;
		ck_assert_int_eq(utimensat(AT_FDCWD, g.gl_pathv[i], t, 0), 0);
	}
	globfree(&g);
}

/* By a server's clock an hour behind ours what is new looks old. */
START_TEST(a_young_file_of_a_slow_server_is_read_again)
{
	struct capture_result result;

	fault_remote(true, 3600);
	keys = r.operations;
	{
		struct capture_options opt = options();
		OWNED(store_close) struct store *st = NULL;
		struct store_options so = {STORE_WRITE, keys, true};
		struct err e = {0};

		for (int i = 0; i < 2; i++) {
			ck_assert(store_open(&st, r.path, &so, &e) == ERR_NONE);
			ck_assert(
			    capture_run(st, &opt, &result, &e) == ERR_NONE);
			store_close(&st);
		}
	}
	fault_remote(false, 0);
	ck_assert_uint_lt(result.unchanged_count, 4);
}
END_TEST

/* It would be read for ever where nothing else ever changes. */
START_TEST(what_was_seen_twice_with_a_minute_between_is_known)
{
	struct capture_result result;
	uint64_t all_count;

	backed_up(&result);
	age_the_cache(61);
	backed_up(&result);
	ck_assert_uint_lt(result.unchanged_count, 4);
	backed_up(&result);
	all_count = result.unchanged_count;
	ck_assert_uint_ge(all_count, 6);
	tmpdir_put(&from, "one", "the FIRST file");
	tmpdir_put(&from, "two", "the SECOND file");
	tmpdir_put(&from, "sub/three", "the THIRD file");
	age_the_cache(61);
	backed_up(&result); /* seen for the first time */
	age_the_cache(10);
	backed_up(&result); /* again, but too soon */
	backed_up(&result);
	/* Four names; /tmp itself is one more, which others may change. */
	ck_assert_uint_lt(result.unchanged_count + 1, all_count);
}
END_TEST

/* More second names than wait at once, in more directories. */
START_TEST(files_of_many_names_are_one_file_again)
{
	enum { DIRS = 700, NAMES = 5000 };
	struct capture_result result;
	struct restore_result restored;
	struct err e = {0};
	struct stat a, b;
	char name[64];

	for (int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "d%03d", i);
		ck_assert_int_eq(mkdirat(from.fd, name, 0700), 0);
	}
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "d%03d/n%d", i % DIRS, i);
		ck_assert_int_eq(linkat(from.fd, i % 2 == 0 ? "one" : "two",
				     from.fd, name, 0),
		    0);
	}
	backed_up(&result);
	for (int again = 0; again < 2; again++) {
		ck_assert_msg(restore_latest(&restored, &e) == ERR_NONE, "%s",
		    e.text);
		ck_assert_uint_eq(restored.failed_count, 0);
		ck_assert_uint_eq(restored.differ_count, 0);
		ck_assert_int_eq(fstatat(to.fd, "one", &a, 0), 0);
		ck_assert_uint_eq(a.st_nlink, 1 + NAMES / 2);
		ck_assert_int_eq(fstatat(to.fd, "sub/two", &b, 0), 0);
		ck_assert_uint_eq(b.st_nlink, 2 + NAMES / 2);
	}
}
END_TEST

START_TEST(a_restore_that_cannot_be_flushed_has_failed)
{
	struct capture_result result;
	struct restore_result restored;
	struct err e = {0};

	backed_up(&result);
	fault_arm_syncfs(EIO);
	ck_assert_int_eq(restore_latest(&restored, &e), ERR_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "may not be on disk"));
}
END_TEST

START_TEST(restoring_over_writes_only_what_differs)
{
	struct capture_result result;
	struct restore_result restored;
	struct err e = {0};

	backed_up(&result);
	ck_assert_int_eq(restore_latest(&restored, &e), ERR_NONE);
	tmpdir_put(&to, "one", "the FIRST file");
	tmpdir_put(&to, "other", "not in the snapshot");
	ck_assert_int_eq(restore_latest(&restored, &e), ERR_NONE);
	ck_assert_uint_eq(restored.written_bytes, strlen("the first file"));
	ck_assert_str_eq(tmpdir_get(&to, "one"), "the first file");
	ck_assert_str_eq(tmpdir_get(&to, "other"), "not in the snapshot");
}
END_TEST

START_TEST(a_link_planted_in_the_target_is_not_followed)
{
	struct capture_result result;
	struct restore_result restored;
	struct err e = {0};

	backed_up(&result);
	ck_assert_int_eq(symlinkat(state.path, to.fd, "sub"), 0);
	ck_assert_int_eq(restore_latest(&restored, &e), ERR_NONE);
	ck_assert_int_eq(faccessat(state.fd, "three", F_OK, 0), -1);
	ck_assert_str_eq(tmpdir_get(&to, "sub/three"), "the third file");
}
END_TEST

START_TEST(a_failing_command_makes_no_snapshot)
{
	static const char *const failing[] = {"sh", "-c",
	    "echo half; echo broken >&2; exit 3", NULL};
	struct capture_options opt = options();
	struct capture_result result;
	struct restore_result restored;
	struct err e = {0};

	opt.command = failing;
	ck_assert_int_ne(capture(&opt, &result, &e), ERR_NONE);
	ck_assert_ptr_nonnull(strstr(e.text, "broken"));
	ck_assert_int_eq(restore_latest(&restored, &e), ERR_NOTFOUND);
}
END_TEST

START_TEST(an_empty_dump_is_a_failure)
{
	static const char *const empty[] = {"true", NULL};
	static const char *const full[] = {"echo", "0123456789", NULL};
	static const char *const shrunken[] = {"echo", "0", NULL};
	struct capture_options opt = options();
	struct capture_result result;
	struct err e = {0};

	opt.min_bytes = 5;
	opt.max_shrink_millipercent = 50000;
	opt.command = empty;
	ck_assert_int_eq(capture(&opt, &result, &e), ERR_INPUT);
	opt.command = full;
	ck_assert_msg(capture(&opt, &result, &e) == ERR_NONE, "%s", e.text);
	opt.min_bytes = 0;
	opt.command = shrunken;
	ck_assert_int_eq(capture(&opt, &result, &e), ERR_INPUT);
}
END_TEST

START_TEST(a_dry_run_stores_nothing)
{
	struct capture_options opt = options();
	struct capture_result result;
	struct restore_result restored;
	struct err e = {0};

	opt.dry_run = true;
	ck_assert_int_eq(capture(&opt, &result, &e), ERR_NONE);
	ck_assert_uint_eq(result.counts.files_count, 4);
	ck_assert_int_eq(restore_latest(&restored, &e), ERR_NOTFOUND);
}
END_TEST

/* The whole of the repository is looked at, and the last good one restored. */
static void
still_whole(bool more_was_acknowledged)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct check_options co = {.depth = CHECK_OPEN};
	struct check_tally tally = {0};
	struct err e = {0};

	ck_assert_msg(store_check(st, &co, &tally, &e) == ERR_NONE, "%s",
	    e.text);
	ck_assert_uint_eq(tally.damage_count, 0);
	ck_assert_int_eq(snapshot_list(&list, st, NULL, NULL, NULL, &e),
	    ERR_NONE);
	ck_assert_uint_ge(list.count, more_was_acknowledged ? 2 : 1);
}

struct stop {
	uint64_t at_bytes, at_files;
};

static bool
stop_at(void *ctx, const struct job_progress *p)
{
	const struct stop *s = ctx;

	return p->done_bytes < s->at_bytes && p->files_count < s->at_files;
}

static size_t
checkpoints_count(void)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e = {0};
	size_t count = 0;

	ck_assert_int_eq(snapshot_list(&list, st, NULL, NULL, NULL, &e),
	    ERR_NONE);
	for (size_t i = 0; i < list.count; i++)
		count += (list.snapshots[i].flags & SNAPSHOT_CHECKPOINT) != 0;
	return count;
}

START_TEST(a_stopped_run_leaves_a_checkpoint_of_what_it_stored)
{
	static uint8_t noise[6 << 20];
	struct stop stop = {4 << 20, UINT64_MAX};
	struct capture_options opt = options();
	struct capture_result result;
	struct err e = {0};
	int fd = openat(from.fd, "noise", O_WRONLY | O_CREAT, 0600);

	repo_noise(noise, sizeof(noise), 1);
	ck_assert_int_eq(write(fd, noise, sizeof(noise)), sizeof(noise));
	close(fd);
	opt.watch = (struct job_watch){&stop, stop_at, NULL};
	ck_assert_int_eq(capture(&opt, &result, &e), ERR_CANCELLED);
	ck_assert_uint_eq(checkpoints_count(), 1);
	/* Half of the file is there already: it is read, but not stored. */
	backed_up(&result);
	ck_assert_uint_lt(result.counts.new_bytes, 3 << 20);
	ck_assert_uint_gt(result.counts.new_bytes, 1 << 20);
	ck_assert_uint_eq(checkpoints_count(), 0);
}
END_TEST

START_TEST(a_checkpoint_is_made_as_often_as_was_said)
{
	struct capture_options opt = options();
	struct capture_result result;
	struct stop stop = {UINT64_MAX, 3};
	struct err e = {0};

	opt.checkpoint_ns = 1; /* after each file */
	opt.watch = (struct job_watch){&stop, stop_at, NULL};
	ck_assert_int_eq(capture(&opt, &result, &e), ERR_CANCELLED);
	ck_assert_uint_eq(checkpoints_count(), 1);
	opt.watch = (struct job_watch){0};
	ck_assert_msg(capture(&opt, &result, &e) == ERR_NONE, "%s", e.text);
	ck_assert_uint_eq(checkpoints_count(), 0);
	still_whole(false);
}
END_TEST

static struct id
root_of(const struct id *snapshot)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	char hex[ID_HEX_BYTES];
	struct err e = {0};

	ck_assert_int_eq(snapshot_find(&s, &subtree, st, id_hex(snapshot, hex),
			     &e),
	    ERR_NONE);
	return s.root;
}

/*
 * Is all at and under `from` the same?  What lies above is not ours: somebody
 * may write into /tmp between two captures.
 */
static bool
hold_the_same(const struct id *before, const struct id *after)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(treediff_close) struct treediff *d = NULL;
	struct id roots_of[2] = {root_of(before), root_of(after)};
	struct treediff_side sides[2] = {{&roots_of[0], from.path + 1},
	    {&roots_of[1], from.path + 1}};
	const struct item *old, *new;
	struct err e = {0};

	ck_assert_int_eq(treediff_open(&d, st, &sides[0], &sides[1], &e),
	    ERR_NONE);
	ck_assert_int_eq(treediff_next(d, &old, &new, &e), ERR_NONE);
	return old == NULL && new == NULL;
}

/* Of files that are old enough to be believed. */
START_TEST(a_tree_from_the_state_cache_is_the_tree)
{
	static const char *const old[] = {"/usr/include/linux",
	    "/usr/include/openssl"};
	struct capture_options opt = options();
	struct capture_result first, cached, stopped, again, fresh;
	struct stop stop = {UINT64_MAX, 300};
	struct id a, b;
	struct err e = {0};

	opt.roots = old;
	opt.roots_count = 2;
	ck_assert_int_eq(capture(&opt, &first, &e), ERR_NONE);
	ck_assert_uint_gt(first.counts.files_count, 500);
	ck_assert_int_eq(capture(&opt, &cached, &e), ERR_NONE);
	ck_assert_uint_ge(cached.unchanged_count, first.counts.files_count);
	/* Without the first hundreds, then with them again, and stopped. */
	opt.roots++;
	opt.roots_count = 1;
	ck_assert_int_eq(capture(&opt, &stopped, &e), ERR_NONE);
	opt.roots--;
	opt.roots_count = 2;
	opt.checkpoint_ns = NS_PER_S / 20;
	opt.watch = (struct job_watch){&stop, stop_at, NULL};
	ck_assert_int_eq(capture(&opt, &stopped, &e), ERR_CANCELLED);
	opt.watch = (struct job_watch){0};
	ck_assert_int_eq(capture(&opt, &again, &e), ERR_NONE);
	ck_assert_uint_ge(again.unchanged_count, 300);
	opt.state_dir = NULL;
	ck_assert_int_eq(capture(&opt, &fresh, &e), ERR_NONE);
	ck_assert_uint_eq(fresh.unchanged_count, 0);
	a = root_of(&again.snapshot);
	b = root_of(&fresh.snapshot);
	ck_assert(id_equal(&a, &b));
	a = root_of(&cached.snapshot);
	ck_assert(id_equal(&a, &b));
}
END_TEST

#define LARGE_BYTES ((size_t)5 << 20)

/* The same noise in each version, but for what is said. */
static void
put_large(size_t size_bytes, size_t inserted_at, size_t changed_at)
{
	OWNED(free_mem) uint8_t *bytes = malloc(size_bytes + 100);
	OWNED(fdio_close)
	int fd = openat(from.fd, "large", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	uint64_t x = 1;
	size_t n = 0;

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < size_bytes; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407U;
		if (i == inserted_at)
			for (int k = 0; k < 100; k++)
				bytes[n++] = (uint8_t)k;
		bytes[n++] = (uint8_t)(x >> 56) ^ (i == changed_at);
	}
	ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
}

/* Read by threads, some of it named by them by guess: it must not show. */
START_TEST(a_large_file_does_not_depend_on_its_earlier_version)
{
	static const size_t versions[][3] = {{LARGE_BYTES, SIZE_MAX, SIZE_MAX},
	    {LARGE_BYTES, SIZE_MAX, LARGE_BYTES / 2},
	    {LARGE_BYTES, LARGE_BYTES / 3, SIZE_MAX},
	    {LARGE_BYTES / 2, SIZE_MAX, SIZE_MAX}, {LARGE_BYTES, SIZE_MAX, 0}};
	struct capture_options opt = options();
	struct capture_result with, without;
	struct restore_result restored;
	struct err e = {0};

	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		char dataset[16];

		put_large(versions[i][0], versions[i][1], versions[i][2]);
		opt.dataset = "docs";
		opt.state_dir = state.path;
		ck_assert_int_eq(capture(&opt, &with, &e), ERR_NONE);
		ck_assert(i == 0 || with.counts.new_bytes < LARGE_BYTES / 4);
		snprintf(dataset, sizeof(dataset), "fresh%zu", i);
		opt.dataset = dataset;
		opt.state_dir = NULL;
		ck_assert_int_eq(capture(&opt, &without, &e), ERR_NONE);
		ck_assert(hold_the_same(&with.snapshot, &without.snapshot));
	}
	ck_assert_int_eq(restore_latest(&restored, &e), ERR_NONE);
}
END_TEST

/*
 * System calls of a second backup failing, the first ones each and later ones
 * ever more apart; each time in a fresh repository, or the calls would be more
 * each time.
 */
START_TEST(any_failing_call_of_a_backup_loses_nothing_acknowledged)
{
	bool fired = true;

	for (int nth = 1; fired; nth += 1 + nth / 6) {
		struct capture_options opt = options();
		struct capture_result result;
		struct err e = {0};
		enum err_code rc;

		ck_assert_int_lt(nth, 100000);
		backed_up(&result);
		tmpdir_put(&from, "one", "another text");
		fault_arm(nth, nth % 2 == 0 ? ENOSPC : EIO);
		rc = capture(&opt, &result, &e);
		fired = fault_fired();
		if (rc != ERR_NONE)
			ck_assert_uint_gt(strlen(e.text), 0);
		still_whole(rc == ERR_NONE);
		repo_remove(&r);
		repo_make(&r);
	}
}
END_TEST

/* --- differences ----------------------------------------------------------- */

#define VERSION_BYTES ((size_t)1 << 20)
#define NOISE_BYTES   ((size_t)64 << 10)
#define SMALL_BYTES   ((uint64_t)200 << 10)
#define PLAIN_BYTES   ((uint64_t)700 << 10)
#define PLENTY        ((uint64_t)64 << 20)

static uint8_t version[VERSION_BYTES];

/* Of a size that differences are made of, in this small repository too. */
static struct capture_options
in_pieces(void)
{
	struct capture_options opt = options();

	opt.chunking = CHUNKING_FIXED;
	opt.chunk_fixed_bytes = 16 << 10;
	return opt;
}

/* A file of noise, of which a byte is other every 3,000 in each version. */
static void
put_version(const char *name, uint8_t number)
{
	int fd = openat(from.fd, name, O_WRONLY | O_CREAT, 0600);

	for (size_t i = 0; i < sizeof(version); i += NOISE_BYTES)
		repo_noise(version + i, NOISE_BYTES, 77 + i);
	for (size_t i = 0; number > 0 && i < sizeof(version); i += 3000)
		version[i] = number;
	ck_assert_int_eq(write(fd, version, sizeof(version)), sizeof(version));
	close(fd);
}

static struct capture_result
saved(const struct capture_options *opt)
{
	struct capture_result result;
	struct err e = {0};

	ck_assert_msg(capture(opt, &result, &e) == ERR_NONE, "%s", e.text);
	return result;
}

/* The newest snapshot's file is the last version that was put. */
static void
restores(const char *name)
{
	static uint8_t back[VERSION_BYTES + 1];
	struct restore_result restored;
	struct err e = {0};
	int fd;

	ck_assert_msg(restore_latest(&restored, &e) == ERR_NONE, "%s", e.text);
	fd = openat(to.fd, name, O_RDONLY);
	ck_assert_int_eq(read(fd, back, sizeof(back)), sizeof(version));
	ck_assert_mem_eq(back, version, sizeof(version));
	close(fd);
}

/* Called for each file kept; how many. */
static size_t
each_kept(void (*fn)(int fd, const char *name))
{
	char path[256];
	size_t count = 0;
	glob_t all;

	snprintf(path, sizeof(path), "%s/deltas/*/*", state.path);
	if (glob(path, 0, NULL, &all) != 0)
		return 0;
	for (count = 0; count < all.gl_pathc && fn != NULL; count++) {
		int fd = open(all.gl_pathv[count], O_RDWR);

		ck_assert_int_ne(fd, -1);
		fn(fd, all.gl_pathv[count]);
		close(fd);
	}
	count = all.gl_pathc;
	globfree(&all);
	return count;
}

static void
damage(int fd, const char *name)
{
	uint8_t byte;

	(void)name;
	ck_assert_int_eq(pread(fd, &byte, 1, 10), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, 10), 1);
}

static void
cut(int fd, const char *name)
{
	(void)name;
	ck_assert_int_eq(ftruncate(fd, 77), 0);
}

static void
age(int fd, const char *name)
{
	struct timespec times[2] = {{0, UTIME_NOW}, {1000000, 0}};

	(void)name;
	ck_assert_int_eq(futimens(fd, times), 0);
}

START_TEST(a_key_that_cannot_read_tells_differences_from_what_it_kept)
{
	struct capture_options opt = in_pieces();
	struct capture_result result;
	struct stat sb;
	char path[128];

	keys = r.writer;
	put_version("data", 0);
	saved(&opt);
	ck_assert_uint_eq(each_kept(NULL), 0);
	put_version("data", 1);
	result = saved(&opt);
	ck_assert_uint_gt(result.counts.stored_bytes, PLAIN_BYTES);
	ck_assert_uint_gt(result.undiffed_bytes, PLAIN_BYTES);
	/* From now on it is kept; what changes first is not yet. */
	opt.delta_cache_bytes = PLENTY;
	put_version("data", 2);
	result = saved(&opt);
	ck_assert_uint_gt(result.counts.stored_bytes, PLAIN_BYTES);
	ck_assert_uint_eq(result.undiffed_bytes, 0);
	put_version("data", 3);
	result = saved(&opt);
	ck_assert_uint_lt(result.counts.stored_bytes, SMALL_BYTES);
	ck_assert_uint_eq(result.undiffed_bytes, 0);
	snprintf(path, sizeof(path), "%s/deltas", state.path);
	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 07777, 0700);
	keys = r.operations;
	restores("data");
	still_whole(true);
}
END_TEST

START_TEST(a_damaged_delta_cache_is_never_a_wrong_backup)
{
	struct capture_options opt = in_pieces();

	keys = r.writer;
	opt.delta_cache_bytes = PLENTY;
	put_version("data", 0);
	saved(&opt);
	for (uint8_t i = 1; i < 5; i++) {
		ck_assert_uint_gt(each_kept(i % 2 == 0 ? damage : cut), 1);
		put_version("data", i);
		saved(&opt);
		restores("data");
	}
	still_whole(true);
}
END_TEST

START_TEST(what_is_not_asked_for_any_more_is_removed)
{
	struct capture_options opt = in_pieces(), other = in_pieces();

	keys = r.writer;
	opt.delta_cache_bytes = other.delta_cache_bytes = PLENTY;
	other.dataset = "others";
	put_version("data", 0);
	saved(&opt);
	saved(&other);
	ck_assert_uint_gt(each_kept(age), 3);
	/* Nobody saves the one any more: it goes when the other is saved. */
	put_version("data", 1);
	saved(&other);
	ck_assert_uint_gt(each_kept(NULL), 0);
	put_version("data", 2);
	saved(&opt);
	keys = r.operations; /* reads */
	saved(&opt);
	other.delta_cache_bytes = 0;
	keys = r.writer;
	saved(&other);
	ck_assert_uint_eq(each_kept(NULL), 0);
}
END_TEST

START_TEST(two_runs_do_not_share_a_delta_cache)
{
	OWNED(delta_cache_close) struct delta_cache *mine = NULL;
	struct delta_cache_limits limits = {PLENTY, INT64_MAX};
	struct capture_options opt = in_pieces();
	struct err e = {0};
	char path[128];
	glob_t all;

	keys = r.writer;
	opt.delta_cache_bytes = PLENTY;
	put_version("data", 0);
	saved(&opt);
	snprintf(path, sizeof(path), "%s/deltas/*", state.path);
	ck_assert_int_eq(glob(path, 0, NULL, &all), 0);
	ck_assert_int_eq(delta_cache_open(&mine, all.gl_pathv[0], &limits, &e),
	    ERR_NONE);
	globfree(&all);
	put_version("data", 1);
	ck_assert_uint_gt(saved(&opt).counts.stored_bytes, PLAIN_BYTES);
	restores("data");
}
END_TEST

START_TEST(a_lost_state_cache_is_no_lost_difference)
{
	struct capture_options opt = in_pieces();

	opt.state_dir = NULL;
	put_version("data", 0);
	saved(&opt);
	put_version("data", 1);
	ck_assert_uint_lt(saved(&opt).counts.stored_bytes, SMALL_BYTES);
	restores("data");
	opt.state_dir = state.path;
	put_version("data", 2);
	ck_assert_uint_lt(saved(&opt).counts.stored_bytes, SMALL_BYTES);
	restores("data");
}
END_TEST

START_TEST(a_commands_output_is_told_from_its_last)
{
	char file[128];
	const char *const cat[] = {"cat", file, NULL};
	struct capture_options opt = in_pieces();
	struct capture_result result;

	snprintf(file, sizeof(file), "%s/data", from.path);
	opt.command = cat;
	put_version("data", 0);
	saved(&opt);
	put_version("data", 1);
	result = saved(&opt);
	ck_assert_uint_gt(result.counts.new_bytes, PLAIN_BYTES);
	ck_assert_uint_lt(result.counts.stored_bytes, SMALL_BYTES);
	still_whole(true);
	/* A key that cannot read stores it whole. */
	keys = r.writer;
	put_version("data", 2);
	opt.delta_cache_bytes = PLENTY;
	ck_assert_uint_gt(saved(&opt).counts.stored_bytes, PLAIN_BYTES);
	ck_assert_uint_eq(each_kept(NULL), 0);
	still_whole(true);
}
END_TEST

START_TEST(any_failing_call_with_a_delta_cache_is_no_wrong_backup)
{
	bool fired = true;

	keys = r.writer;
	for (int nth = 1; fired; nth += fault_step(1 + nth / 2)) {
		struct capture_options opt = in_pieces();
		struct capture_result result;
		struct err e = {0};
		enum err_code rc;

		ck_assert_int_lt(nth, 100000);
		opt.delta_cache_bytes = PLENTY;
		put_version("data", 0);
		saved(&opt);
		put_version("data", 1);
		fault_arm_deep(nth, nth % 2 == 0 ? ENOSPC : EIO);
		rc = capture(&opt, &result, &e);
		fired = fault_fired();
		if (rc == ERR_NONE && result.counts.problems_count == 0)
			restores("data");
		still_whole(rc == ERR_NONE);
		repo_remove(&r);
		repo_make(&r);
		keys = r.writer;
	}
}
END_TEST

START_TEST(a_checkpoint_is_made_after_so_many_bytes)
{
	struct capture_options opt = in_pieces();
	struct stop stop = {UINT64_MAX, 3};
	struct capture_result result;
	struct err e = {0};

	put_version("a", 0);
	opt.checkpoint_bytes = VERSION_BYTES / 2;
	opt.watch = (struct job_watch){&stop, stop_at, NULL};
	ck_assert_int_eq(capture(&opt, &result, &e), ERR_CANCELLED);
	ck_assert_uint_eq(checkpoints_count(), 1);
	opt.watch = (struct job_watch){0};
	ck_assert_uint_lt(saved(&opt).counts.new_bytes, SMALL_BYTES);
	restores("a");
}
END_TEST

Suite *suite_job_capture(void);

Suite *
suite_job_capture(void)
{
	Suite *s = suite_create("job/capture");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_captured_is_restored);
	tcase_add_test(tc, the_same_again_stores_nothing);
	tcase_add_test(tc, a_young_file_is_read_again);
	tcase_add_test(tc, a_young_file_of_a_slow_server_is_read_again);
	tcase_add_test(tc, what_was_seen_twice_with_a_minute_between_is_known);
	tcase_add_test(tc, files_of_many_names_are_one_file_again);
	tcase_add_test(tc, a_restore_that_cannot_be_flushed_has_failed);
	tcase_add_test(tc, restoring_over_writes_only_what_differs);
	tcase_add_test(tc, a_link_planted_in_the_target_is_not_followed);
	tcase_add_test(tc, a_failing_command_makes_no_snapshot);
	tcase_add_test(tc, an_empty_dump_is_a_failure);
	tcase_add_test(tc, a_dry_run_stores_nothing);
	tcase_add_test(tc, a_stopped_run_leaves_a_checkpoint_of_what_it_stored);
	tcase_add_test(tc, a_checkpoint_is_made_as_often_as_was_said);
	tcase_add_test(tc, a_checkpoint_is_made_after_so_many_bytes);
	tcase_add_test(tc,
	    a_key_that_cannot_read_tells_differences_from_what_it_kept);
	tcase_add_test(tc, a_damaged_delta_cache_is_never_a_wrong_backup);
	tcase_add_test(tc, what_is_not_asked_for_any_more_is_removed);
	tcase_add_test(tc, two_runs_do_not_share_a_delta_cache);
	tcase_add_test(tc, a_lost_state_cache_is_no_lost_difference);
	tcase_add_test(tc, a_commands_output_is_told_from_its_last);
	tcase_add_test(tc,
	    any_failing_call_with_a_delta_cache_is_no_wrong_backup);
	tcase_add_test(tc, a_tree_from_the_state_cache_is_the_tree);
	tcase_add_test(tc, a_large_file_does_not_depend_on_its_earlier_version);
	tcase_add_test(tc,
	    any_failing_call_of_a_backup_loses_nothing_acknowledged);
	suite_add_tcase(s, tc);
	return s;
}
