/*
 * Every call of a restore fails in turn: it ends with an error, or tells what is
 * not right; nothing outside of the target changes; and the next one puts it
 * right.
 */
#include <bascule/job.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/job/planrun_restore.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"
#include "support/tmpdir.h"

Suite *suite_job_restore_faults(void);

#define CHUNK_BYTES  16384
#define CLONED_BYTES 140000 /* large enough, and no list of chunks */
#define LISTED_BYTES 280000 /* more than 16 chunks: several workers' */

static struct repo r;
static struct tmpdir from, ground, state;
static struct id root;
static char to[100];

/* Something of each kind. */
static void
make_source(void)
{
	struct timespec past[2] = {{1000, 5}, {1000, 5}};

	tmpdir_put(&from, "same", "as it was");
	tmpdir_put(&from, "small", "a small file that differs");
	tmpdir_put(&from, "n\xc3\xa4me", "what is not ASCII");
	repo_noise_file(from.fd, "big", 1, LISTED_BYTES);
	repo_noise_file(from.fd, "big1", 1, LISTED_BYTES);
	repo_noise_file(from.fd, "big2", 1, CLONED_BYTES);
	repo_noise_file(from.fd, "big3", 1, CLONED_BYTES);
	repo_noise_file(from.fd, "big4", 1, CLONED_BYTES);
	ck_assert_int_eq(mkdirat(from.fd, "sub", 0750), 0);
	tmpdir_put(&from, "sub/in", "in a folder");
	ck_assert_int_eq(mkdirat(from.fd, "new", 0700), 0);
	tmpdir_put(&from, "new/in", "in a new folder");
	ck_assert_int_eq(symlinkat("small", from.fd, "link"), 0);
	ck_assert_int_eq(linkat(from.fd, "small", from.fd, "twin", 0), 0);
	ck_assert_int_eq(mkfifoat(from.fd, "pipe", 0600), 0);
	repo_noise_file(from.fd, "sparse", 2, 5000);
	{
		int fd = openat(from.fd, "sparse", O_WRONLY);

		ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
		(void)!fsetxattr(fd, "user.x", "y", 1, 0);
		close(fd);
	}
	ck_assert_int_eq(utimensat(from.fd, "same", past, 0), 0);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st, (void)flag, (void)at;
	return remove(path);
}

/* What stands there before: older, of other kinds, in the way, and more. */
static void
make_target(void)
{
	struct timespec past[2] = {{1000, 5}, {1000, 5}};
	int fd;

	nftw(ground.path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ck_assert_int_eq(mkdir(ground.path, 0700), 0);
	fd = open(ground.path, O_RDONLY | O_DIRECTORY);
	close(ground.fd);
	ground.fd = fd;
	ck_assert_int_eq(mkdirat(fd, "to", 0755), 0);
	ck_assert_int_eq(mkdirat(fd, "outside", 0755), 0);
	tmpdir_put(&ground, "outside/file", "mine");
	tmpdir_put(&ground, "to/same", "as it was");
	ck_assert_int_eq(utimensat(fd, "to/same", past, 0), 0);
	/* Another's name of it, and a way out. */
	ck_assert_int_eq(linkat(fd, "outside/file", fd, "to/small", 0), 0);
	ck_assert_int_eq(symlinkat("../outside", fd, "to/new"), 0);
	repo_noise_file(fd, "to/big", 3, 7000);
	ck_assert_int_eq(mkdirat(fd, "to/link", 0755), 0);
	tmpdir_put(&ground, "to/pipe", "no pipe");
	repo_noise_file(fd, "to/sparse", 4, 60000);
	tmpdir_put(&ground, "to/stray", "in no snapshot");
	ck_assert_int_eq(mkdirat(fd, "to/strays", 0755), 0);
	tmpdir_put(&ground, "to/strays/in", "in no snapshot");
}

static void
setup(void)
{
	repo_make(&r);
	tmpdir_make_in_memory(&from);
	tmpdir_make_in_memory(&ground);
	tmpdir_make(&state);
	make_source();
	snprintf(to, sizeof(to), "%s/to", ground.path);
	root = repo_save(&r, &from, &state, CHUNK_BYTES);
}

static void
teardown(void)
{
	tmpdir_remove(&state);
	tmpdir_remove(&ground);
	tmpdir_remove(&from);
	repo_remove(&r);
}

/* --- looking ---------------------------------------------------------------- */

static bool
same_bytes(const char *name)
{
	static uint8_t a[1 << 21], b[1 << 21];
	int fa = openat(from.fd, name, O_RDONLY | O_NOFOLLOW);
	int fb, there;
	ssize_t n, m;
	char path[200];

	snprintf(path, sizeof(path), "to/%s", name);
	fb = openat(ground.fd, path, O_RDONLY | O_NOFOLLOW);
	n = read(fa, a, sizeof(a));
	m = read(fb, b, sizeof(b));
	there = fb;
	close(fa);
	close(fb);
	return there != -1 && n == m && memcmp(a, b, (size_t)n) == 0;
}

static bool
same_entry(const char *name)
{
	struct stat a, b;
	char path[200], x[100] = "", y[100] = "";

	snprintf(path, sizeof(path), "to/%s", name);
	ck_assert_int_eq(fstatat(from.fd, name, &a, AT_SYMLINK_NOFOLLOW), 0);
	if (fstatat(ground.fd, path, &b, AT_SYMLINK_NOFOLLOW) != 0 ||
	    a.st_mode != b.st_mode || a.st_uid != b.st_uid ||
	    a.st_mtim.tv_sec != b.st_mtim.tv_sec ||
	    a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
		return false;
	if (S_ISLNK(a.st_mode))
		return readlinkat(from.fd, name, x, sizeof(x)) ==
		    readlinkat(ground.fd, path, y, sizeof(y)) &&
		    strcmp(x, y) == 0;
	return !S_ISREG(a.st_mode) ||
	    (a.st_size == b.st_size && a.st_nlink == b.st_nlink &&
		same_bytes(name));
}

static const char *const names[] = {"same", "small", "n\xc3\xa4me", "big",
    "big1", "big2", "big3", "big4", "sub", "sub/in", "new", "new/in", "link",
    "twin", "pipe", "sparse"};

/* The first that is not as it was; NULL: it is all there, and nothing else. */
static const char *
wrong_one(void)
{
	struct stat st;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (!same_entry(names[i]))
			return names[i];
	if (fstatat(ground.fd, "to/stray", &st, 0) == 0 ||
	    fstatat(ground.fd, "to/strays", &st, 0) == 0)
		return "stray";
	return NULL;
}

static void
nothing_outside(const struct stat *was)
{
	struct stat now;

	ck_assert(tmpdir_is(&ground, "outside/file", "mine"));
	ck_assert_int_eq(fstatat(ground.fd, "outside/file", &now, 0), 0);
	ck_assert_uint_eq(now.st_mode, was->st_mode);
	ck_assert_int_eq(now.st_mtim.tv_sec, was->st_mtim.tv_sec);
	ck_assert_int_eq(now.st_mtim.tv_nsec, was->st_mtim.tv_nsec);
	ck_assert_int_eq(fstatat(ground.fd, "outside/in", &now, 0), -1);
}

/* --- restoring ------------------------------------------------------------------ */

static enum err_code
restore(int nth, int num, bool *fired, struct restore_result *out,
    struct err *e)
{
	struct store *st = repo_open(&r, STORE_READ);
	struct restore_options opt = {.to = to,
	    .root = root,
	    .subtree = from.path + 1,
	    .workers = 1,
	    .delete_others = true};
	enum err_code rc;

	if (nth > 0)
		fault_arm_all(nth, num);
	rc = restore_run(st, &opt, out, e);
	*fired = nth > 0 && fault_fired();
	store_close(&st);
	return rc;
}

static void
restores_after(int nth)
{
	struct restore_result out;
	struct err e = {0};
	bool fired;
	const char *wrong;

	must(restore(0, 0, &fired, &out, &e), &e);
	ck_assert_uint_eq(out.failed_count + out.warnings_count, 0);
	wrong = wrong_one();
	ck_assert_msg(wrong == NULL, "call %d: %s stays wrong", nth, wrong);
}

static void
one_call_fails(int nth, int num, bool *fired)
{
	struct restore_result out;
	struct stat was;
	struct err e = {0};
	enum err_code rc;
	const char *wrong;

	make_target();
	ck_assert_int_eq(fstatat(ground.fd, "outside/file", &was, 0), 0);
	rc = restore(nth, num, fired, &out, &e);
	nothing_outside(&was);
	ck_assert(rc == ERR_NONE || e.text[0] != '\0');
	wrong = wrong_one();
	ck_assert_msg(wrong == NULL || rc != ERR_NONE ||
		out.failed_count + out.warnings_count > 0,
	    "call %d (%s): %s is wrong, in silence", nth, strerror(num), wrong);
	if (*fired)
		restores_after(nth);
	nothing_outside(&was);
}

/* --- clones --------------------------------------------------------------------- */

static int clones_count; /* that were asked for */

/* A file system that can: as far as anybody can see, a copy. */
static int
clones(int fd, int other)
{
	ssize_t n = copy_file_range(other, &(off_t){0}, fd, &(off_t){0},
	    CLONED_BYTES + 1, 0);

	clones_count++;
	return n == CLONED_BYTES ? 0 : -1;
}

/* Somebody wrote more into the other one after it was looked at. */
static int
clones_what_grew(int fd, int other)
{
	int rc = clones(fd, other);

	ck_assert_int_eq(ftruncate(fd, 3 * CLONED_BYTES), 0);
	return rc;
}

static int
clones_what_changed(int fd, int other)
{
	int rc = clones(fd, other);

	ck_assert_int_eq(pwrite(fd, "else", 4, CLONED_BYTES / 2), 4);
	return rc;
}

static int
clones_what_shrank(int fd, int other)
{
	int rc = clones(fd, other);

	ck_assert_int_eq(ftruncate(fd, 10), 0);
	return rc;
}

static int
breaks_off(int fd, int other)
{
	clones_what_changed(fd, other);
	errno = EIO;
	return -1;
}

static int
is_elsewhere(int fd, int other)
{
	(void)fd, (void)other;
	clones_count++;
	errno = EXDEV;
	return -1;
}

static int
cannot(int fd, int other)
{
	(void)fd, (void)other;
	clones_count++;
	errno = EOPNOTSUPP;
	return -1;
}

START_TEST(a_clone_is_compared_and_what_cannot_be_cloned_is_written)
{
	static const struct {
		int (*cloner)(int fd, int from);
		int asked, cloned;
	} c[] = {{clones, 2, 2}, {clones_what_grew, 2, 2},
	    {clones_what_changed, 2, 0}, {clones_what_shrank, 2, 0},
	    {breaks_off, 1, 0}, {is_elsewhere, 2, 0}, {cannot, 1, 0}};
	struct restore_result out;
	struct err e = {0};
	const char *wrong;
	bool fired;

	for (size_t i = 0; i < COUNT_OF(c); i++) {
		make_target();
		clones_count = 0;
		fault_cloner(c[i].cloner);
		must(restore(0, 0, &fired, &out, &e), &e);
		fault_cloner(NULL);
		wrong = wrong_one();
		ck_assert_msg(wrong == NULL, "case %zu: %s is wrong", i, wrong);
		ck_assert_int_eq(clones_count, c[i].asked);
		ck_assert_uint_eq(out.cloned_count, (uint64_t)c[i].cloned);
		ck_assert_uint_eq(out.failed_count + out.warnings_count, 0);
	}
}
END_TEST

START_TEST(any_failing_call_is_told_and_put_right_by_the_next)
{
	static const int nums[] = {EIO, ENOMEM, EPERM, ENOSPC};
	bool fired = true;
	int nth;

	for (nth = 1; fired; nth += fault_step(1 + nth / 9)) {
		ck_assert_int_lt(nth, 100000);
		fault_cloner(nth % 2 == 0 ? clones : NULL);
		one_call_fails(nth, nums[nth % 4], &fired);
	}
	fault_cloner(NULL);
	ck_assert_int_gt(nth, 100);
}
END_TEST

/* --- a step of a plan: one dataset of a point ----------------------------------- */

static enum err_code
restore_step(const char *name, const char *where, int nth, bool *fired,
    struct planrun_restored *out, struct err *e)
{
	static const int nums[] = {EIO, ENOMEM, EPERM, ENOSPC};
	char tree[200];
	struct policy_dataset set = {.name = "docs", .tree = tree};
	struct planrun_snapshot s = {.dataset = &set, .root = root};
	struct store *st = repo_open(&r, STORE_READ);
	enum err_code rc;

	snprintf(tree, sizeof(tree), "%s%s", from.path, name);
	if (nth > 0)
		fault_arm_all(nth, nums[nth % 4]);
	rc = planrun_restore(st, &s, where, true, out, e);
	*fired = nth > 0 && fault_fired();
	store_close(&st);
	return rc;
}

START_TEST(a_file_of_a_point_is_the_old_one_or_the_new_one_whatever_fails)
{
	struct planrun_restored out;
	char where[200];
	bool fired = true, again;
	struct err e = {0};

	ck_assert_int_eq(mkdirat(ground.fd, "plan", 0700), 0);
	snprintf(where, sizeof(where), "%s/plan/file", ground.path);
	for (int nth = 1; fired; nth += fault_step(1 + nth / 4)) {
		enum err_code rc;
		bool is_new;

		tmpdir_put(&ground, "plan/file", "old");
		rc = restore_step("/small", where, nth, &fired, &out, &e);
		is_new = tmpdir_is(&ground, "plan/file",
		    "a small file that differs");
		ck_assert_msg(is_new || tmpdir_is(&ground, "plan/file", "old"),
		    "call %d", nth);
		ck_assert_msg(is_new || rc != ERR_NONE, "call %d", nth);
		must(restore_step("/small", where, 0, &again, &out, &e), &e);
		ck_assert(tmpdir_is(&ground, "plan/file",
		    "a small file that differs"));
		ck_assert_msg(faccessat(ground.fd, "plan/file.restoring", F_OK,
				  0) != 0,
		    "call %d", nth);
	}
}
END_TEST

START_TEST(a_folder_of_a_point_is_all_there_or_an_error_is_said)
{
	struct planrun_restored out;
	bool fired = true, again;
	struct err e = {0};

	for (int nth = 1; fired; nth += fault_step(5 + nth / 3)) {
		enum err_code rc;
		const char *wrong;

		make_target();
		rc = restore_step("", to, nth, &fired, &out, &e);
		wrong = wrong_one();
		ck_assert_msg(wrong == NULL || rc != ERR_NONE ||
			out.warnings_count > 0,
		    "call %d: %s is wrong, in silence", nth, wrong);
		must(restore_step("", to, 0, &again, &out, &e), &e);
		wrong = wrong_one();
		ck_assert_msg(wrong == NULL, "call %d: %s", nth, wrong);
	}
}
END_TEST

Suite *
suite_job_restore_faults(void)
{
	Suite *s = suite_create("job/restore_faults");
	TCase *t = tcase_create("restore");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    a_clone_is_compared_and_what_cannot_be_cloned_is_written);
	tcase_add_test(t, any_failing_call_is_told_and_put_right_by_the_next);
	tcase_add_test(t,
	    a_file_of_a_point_is_the_old_one_or_the_new_one_whatever_fails);
	tcase_add_test(t, a_folder_of_a_point_is_all_there_or_an_error_is_said);
	suite_add_tcase(s, t);
	return s;
}
