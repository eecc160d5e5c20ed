/*
 * A file system that keeps a letter as its parts, and two names of a snapshot
 * that are one there: the same one of them stays at each restore, whatever was
 * stored first, and whatever call fails on the way is told and put right by the
 * next.
 */
#include <bascule/job.h>

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fault.h"
#include "support/must.h"
#include "support/repo.h"
#include "support/tmpdir.h"

Suite *suite_job_restore_names(void);

#define LETTER      "\xc3\xa9"
#define PARTS       "e\xcc\x81"
#define CHUNK_BYTES 16384
#define BIG_BYTES   280000 /* more than 16 chunks: the walk makes it itself */
#define PAIRS_COUNT 12

static struct repo r;
static struct tmpdir from, ground, state;
static struct id root;
static char to[100];

/* The later name of each pair is stored before the other, the first is big. */
static void
setup(void)
{
	char name[32];

	repo_make(&r);
	tmpdir_make_in_memory(&from);
	tmpdir_make_in_memory(&ground);
	tmpdir_make(&state);
	tmpdir_put(&from, "lone-" LETTER, "on its own");
	for (int i = 0; i < PAIRS_COUNT; i++) {
		snprintf(name, sizeof(name), "%02d-" LETTER, i);
		repo_noise_file(from.fd, name, 100 + (uint64_t)i,
		    i == 0 ? BIG_BYTES : 9000);
	}
	root = repo_save(&r, &from, &state, CHUNK_BYTES);
	for (int i = 0; i < PAIRS_COUNT; i++) {
		snprintf(name, sizeof(name), "%02d-" PARTS, i);
		repo_noise_file(from.fd, name, 200 + (uint64_t)i, 9000);
	}
	root = repo_save(&r, &from, &state, CHUNK_BYTES);
	snprintf(to, sizeof(to), "%s/to", ground.path);
}

static void
teardown(void)
{
	fault_names(NULL, NULL);
	tmpdir_remove(&state);
	tmpdir_remove(&ground);
	tmpdir_remove(&from);
	repo_remove(&r);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st, (void)flag, (void)at;
	return remove(path);
}

static void
empty_target(void)
{
	nftw(to, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int told_count; /* what is wrong, but that two names are one */

static void
on_problem(void *ctx, const char *path, const char *text)
{
	(void)ctx, (void)path;
	told_count += strstr(text, "takes its name for another's") == NULL;
}

static enum err_code
restore(int nth, int num, bool *fired, struct restore_result *out,
    struct err *e)
{
	struct store *st = repo_open(&r, STORE_READ);
	struct restore_options opt = {.to = to,
	    .root = root,
	    .subtree = from.path + 1,
	    .workers = 3,
	    .watch.problem = on_problem,
	    .delete_others = nth == 0};
	enum err_code rc;

	told_count = 0;
	fault_names(LETTER, PARTS);
	if (nth > 0)
		fault_arm_all(nth, num);
	rc = restore_run(st, &opt, out, e);
	*fired = nth > 0 && fault_fired();
	fault_names(NULL, NULL);
	store_close(&st);
	return rc;
}

static bool
same_bytes(const char *name, const char *there)
{
	static uint8_t a[BIG_BYTES + 1], b[BIG_BYTES + 1];
	int fa = openat(from.fd, name, O_RDONLY);
	char path[140];
	ssize_t n = read(fa, a, sizeof(a)), m = -1;
	int fb;

	snprintf(path, sizeof(path), "%s/%s", to, there);
	fb = open(path, O_RDONLY);
	if (fb != -1)
		m = read(fb, b, sizeof(b));
	close(fa);
	close(fb);
	return n >= 0 && n == m && memcmp(a, b, (size_t)n) == 0;
}

/* What is there that is not the first of its pair; NULL: nothing. */
static const char *
wrong_one(void)
{
	static char there[32];
	struct dirent *d;
	int count = 0;
	DIR *dir;

	for (int i = 0; i < PAIRS_COUNT; i++) {
		snprintf(there, sizeof(there), "%02d-" PARTS, i);
		if (!same_bytes(there, there))
			return there;
	}
	if (!same_bytes("lone-" LETTER, "lone-" PARTS))
		return "the lone one";
	dir = opendir(to);
	while ((d = readdir(dir)) != NULL)
		count += d->d_name[0] != '.' || d->d_name[1] == 'b';
	closedir(dir);
	return count == PAIRS_COUNT + 1 ? NULL : "a stray";
}

/* Made, or as it was saved; and never as one of which nothing is known. */
static void
top_can_be_entered(int nth)
{
	struct stat st;

	ck_assert_msg(stat(to, &st) != 0 || (st.st_mode & 0700) == 0700,
	    "call %d: the target has mode %04o", nth, st.st_mode & 07777);
}

/* Each name there is one of its pair, whole, if it is not the one before. */
static void
nothing_is_mixed(int nth)
{
	char letter[32], parts[32], path[140];
	struct stat st;

	for (int i = 0; i < PAIRS_COUNT; i++) {
		snprintf(letter, sizeof(letter), "%02d-" LETTER, i);
		snprintf(parts, sizeof(parts), "%02d-" PARTS, i);
		snprintf(path, sizeof(path), "%s/%s", to, parts);
		ck_assert_msg(stat(path, &st) != 0 ||
			same_bytes(letter, parts) || same_bytes(parts, parts),
		    "call %d: %s is a mixture", nth, parts);
	}
}

static void
restores(void)
{
	struct restore_result out;
	struct err e = {0};
	const char *wrong;
	bool fired;

	must(restore(0, 0, &fired, &out, &e), &e);
	wrong = wrong_one();
	ck_assert_msg(wrong == NULL, "%s is wrong", wrong);
	ck_assert_uint_eq(out.failed_count, PAIRS_COUNT);
	ck_assert_uint_eq(out.warnings_count, 0);
}

START_TEST(of_two_names_that_are_one_the_first_stays_each_time)
{
	for (int i = 0; i < 10; i++) {
		empty_target();
		restores();
		restores();
	}
}
END_TEST

START_TEST(any_failing_call_is_told_and_put_right_by_the_next)
{
	static const int nums[] = {EIO, ENOMEM, EPERM, ENOSPC};
	struct restore_result out;
	struct err e = {0};
	bool fired = true;
	int nth;

	restores();
	for (nth = 1; fired; nth += fault_step(1 + nth / 40)) {
		const char *wrong;
		enum err_code rc;

		if (nth % 2 == 0)
			empty_target();
		else
			tmpdir_put(&ground, "to/lone-" PARTS, "older");
		rc = restore(nth, nums[nth % 4], &fired, &out, &e);
		ck_assert(rc == ERR_NONE || e.text[0] != '\0');
		top_can_be_entered(nth);
		nothing_is_mixed(nth);
		wrong = wrong_one();
		ck_assert_msg(wrong == NULL || rc != ERR_NONE || told_count > 0,
		    "call %d (%s): %s is wrong, in silence", nth,
		    strerror(nums[nth % 4]), wrong);
		restores();
	}
	ck_assert_int_gt(nth, 300);
}
END_TEST

Suite *
suite_job_restore_names(void)
{
	Suite *s = suite_create("job/restore_names");
	TCase *t = tcase_create("names");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, of_two_names_that_are_one_the_first_stays_each_time);
	tcase_add_test(t, any_failing_call_is_told_and_put_right_by_the_next);
	suite_add_tcase(s, t);
	return s;
}
