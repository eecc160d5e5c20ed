#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "../lib/store/checking_results.h"
#include "../lib/store/parts.h"
#include "support/fault.h"
#include "support/repo.h"

Suite *suite_store_heal(void);

#define FILES 12
#define SEED  7

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

/* --- backups, damage -------------------------------------------------------- */

static enum err_code
back_up(struct id *snapshot, struct err *e)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct store *st;
	struct session *se;
	struct writer *w;
	enum err_code rc;

	repo_begin(&r, &st, &se, &w);
	rc = tree_writer_new(&tw, w, e);
	for (uint64_t i = 0; rc == ERR_NONE && i < FILES; i++) {
		OWNED(item_fini) struct item it = {0};
		char path[16];

		snprintf(path, sizeof(path), "f%04d", (int)i);
		repo_file(&it, w, path, SEED + i, 700 + 10 * i);
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
	tree_writer_free(&tw);
	repo_end(&st, &se, &w);
	return rc;
}

static void
must_back_up(struct id *snapshot)
{
	struct err e = {0};

	ck_assert_msg(back_up(snapshot, &e) == ERR_NONE, "%s", e.text);
}

static char files[64][160];
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
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
list_files(void)
{
	files_count = 0;
	nftw(r.path, gather, 16, FTW_PHYS);
	qsort(files, files_count, sizeof(files[0]), by_name);
}

/* A share of the file in tenths is where one bit is turned; 10: cut it short;
 * 11: remove it. */
static void
damage(const char *name, unsigned how)
{
	char path[400];
	OWNED(fdio_close) int fd = -1;
	struct stat sb;
	uint8_t byte;
	off_t at;

	snprintf(path, sizeof(path), "%.63s/%.159s", r.path, name);
	ck_assert_int_eq(chmod(path, 0600), 0);
	if (how == 11) {
		ck_assert_int_eq(unlink(path), 0);
		return;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &sb), 0);
	if (how == 10) {
		ck_assert_int_eq(ftruncate(fd, sb.st_size / 2), 0);
		return;
	}
	at = sb.st_size * (off_t)how / 10;
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 8;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
}

struct told {
	char text[8192];
};

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s: %s\n", object, what);
}

static enum err_code
heal(struct heal_tally *tally, struct told *t, struct err *e)
{
	struct store_options opt = {.access = STORE_HEAL,
	    .keyring = r.operations,
	    .network_fs_allowed = true};
	struct heal_options ho = {.on_damage = on_damage,
	    .on_healed = on_damage,
	    .ctx = t};
	OWNED(store_close) struct store *st = NULL;
	enum err_code rc = store_open(&st, r.path, &opt, e);

	memset(t, 0, sizeof(*t));
	return rc == ERR_NONE ? store_heal(st, &ho, tally, e) : rc;
}

static uint64_t
check(enum check_depth depth, struct told *t)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	struct check_options opt = {.depth = depth,
	    .on_damage = on_damage,
	    .ctx = t,
	    .workers = 1};
	struct check_tally tally;
	struct err e = {0};

	memset(t, 0, sizeof(*t));
	ck_assert_msg(store_check(st, &opt, &tally, &e) == ERR_NONE, "%s",
	    e.text);
	return tally.damage_count;
}

static void
must_hold_all(void)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	OWNED(cursor_close) struct cursor *c = NULL;
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *sub = NULL;
	const struct item *it;
	struct err e = {0};
	size_t seen = 0;

	ck_assert_msg(snapshot_find(&s, &sub, st, "latest", &e) == ERR_NONE,
	    "%s", e.text);
	ck_assert_msg(cursor_open(&c, st, &s.root, "", 0, &e) == ERR_NONE, "%s",
	    e.text);
	while (cursor_next(c, &it, &e) == ERR_NONE && it != NULL) {
		ck_assert(repo_has(st, &it->content.pieces[0].id, SEED + seen,
		    700 + 10 * seen));
		seen++;
	}
	ck_assert_uint_eq(seen, FILES);
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* --- healing ----------------------------------------------------------------- */

START_TEST(a_sound_repository_needs_nothing)
{
	struct heal_tally tally;
	struct told t;
	struct id id;
	struct err e = {0};

	must_back_up(&id);
	ck_assert_msg(heal(&tally, &t, &e) == ERR_NONE, "%s", e.text);
	ck_assert_msg(tally.found_count == 0 && tally.lost_count == 0, "%s",
	    t.text);
	must_hold_all();
}
END_TEST

/* After it and one more backup nothing is wrong. */
static void
must_get_over(const char *name, unsigned how)
{
	struct heal_tally tally;
	struct told t;
	struct id id;
	struct err e = {0};

	ck_assert_msg(heal(&tally, &t, &e) == ERR_NONE, "%s (%u): %s", name,
	    how, e.text);
	ck_assert_msg(tally.found_count > 0, "%s (%u)", name, how);
	if (begins(name, "index/") || begins(name, "format"))
		ck_assert_msg(tally.lost_count == 0, "%s (%u): %s", name, how,
		    t.text);
	if (tally.lost_count == 0) {
		ck_assert_msg(check(CHECK_OPEN, &t) == 0, "%s (%u): %s", name,
		    how, t.text);
		must_hold_all();
	}
	must_back_up(&id);
	ck_assert_msg(check(CHECK_OPEN, &t) == 0, "%s (%u), a backup later: %s",
	    name, how, t.text);
	must_hold_all();
	ck_assert_msg(heal(&tally, &t, &e) == ERR_NONE, "%s", e.text);
	ck_assert_msg(tally.found_count == 0, "%s (%u): %s", name, how, t.text);
}

START_TEST(any_file_bent_cut_or_gone_is_got_over)
{
	static const unsigned hows[] = {0, 4, 9, 10, 11};
	struct id id;
	size_t count;

	must_back_up(&id);
	list_files();
	count = files_count;
	for (size_t f = 0; f < count; f++)
		for (size_t h = 0; h < COUNT_OF(hows); h++) {
			repo_remove(&r);
			repo_make(&r);
			must_back_up(&id);
			list_files();
			ck_assert_uint_eq(files_count, count);
			if (begins(files[f], "keys/") ||
			    ((begins(files[f], "snapshots/") ||
				 begins(files[f], "condemned/")) &&
				hows[h] == 11))
				continue; /* nothing here speaks of it */
			damage(files[f], hows[h]);
			must_get_over(files[f], hows[h]);
		}
}
END_TEST

START_TEST(frames_beside_the_damaged_one_survive)
{
	struct heal_tally tally;
	struct told t;
	struct id id;
	struct err e = {0};

	must_back_up(&id);
	list_files();
	for (size_t f = 0; f < files_count; f++)
		if (begins(files[f], "packs/")) {
			damage(files[f], 2);
			ck_assert_msg(heal(&tally, &t, &e) == ERR_NONE, "%s",
			    e.text);
			ck_assert_msg(strstr(t.text, "good frames") != NULL ||
				strstr(t.text, "0 good") != NULL ||
				tally.lost_count == 0,
			    "%s", t.text);
		}
}
END_TEST

START_TEST(nobody_is_healed_under_a_writer)
{
	struct heal_tally tally;
	struct told t;
	struct id id;
	struct err e = {0};
	struct store *st;
	struct session *se;
	struct writer *w;

	must_back_up(&id);
	repo_begin(&r, &st, &se, &w);
	ck_assert_int_eq(heal(&tally, &t, &e), ERR_BUSY);
	repo_end(&st, &se, &w);
	ck_assert_msg(heal(&tally, &t, &e) == ERR_NONE, "%s", e.text);
}
END_TEST

/*
 * With the first, second, ... call of a healing failing: the next healing does
 * what is left, and nothing that was good is lost.
 */
static void
sweep(const char *what, unsigned how, int num)
{
	const bool data = begins(what, "packs/");

	for (int nth = 1;; nth += fault_step(5)) {
		struct heal_tally tally;
		struct told t;
		struct id id;
		struct err e = {0};
		enum err_code rc;
		size_t f = 0;
		bool fired;

		repo_remove(&r);
		repo_make(&r);
		must_back_up(&id);
		list_files();
		while (!begins(files[f], what))
			f++;
		damage(files[f], how);
		fault_arm_deep(nth, num);
		rc = heal(&tally, &t, &e);
		fired = fault_fired();
		if (rc != ERR_NONE)
			ck_assert_msg(fired, "%s", e.text);
		rc = heal(&tally, &t, &e);
		ck_assert_msg(rc == ERR_NONE, "call %d: %s", nth, e.text);
		/* What a backup brings again must not have been needed. */
		ck_assert_msg(data || check(CHECK_OPEN, &t) == 0, "call %d: %s",
		    nth, t.text);
		must_back_up(&id);
		ck_assert_msg(check(CHECK_OPEN, &t) == 0, "call %d: %s", nth,
		    t.text);
		must_hold_all();
		if (!fired)
			break;
	}
}

START_TEST(a_healing_that_fails_is_begun_again)
{
	sweep("packs/", 3, ENOSPC);
	sweep("index/MANIFEST", 5, EIO);
	sweep("index/", 5, EIO);
	sweep("format", 5, EIO);
}
END_TEST

/* --- what is remembered of checks --------------------------------------------- */

static uint64_t
look(struct check_options *opt)
{
	OWNED(store_close) struct store *st = repo_open(&r, STORE_READ);
	struct check_tally tally;
	struct err e = {0};

	ck_assert_msg(store_check(st, opt, &tally, &e) == ERR_NONE, "%s",
	    e.text);
	ck_assert_uint_eq(tally.damage_count, 0);
	return tally.packs_count - tally.left_packs_count;
}

START_TEST(a_budget_is_spent_on_what_was_checked_longest_ago)
{
	struct check_options opt = {.depth = CHECK_READ,
	    .workers = 1,
	    .sample_millipercent = 1,
	    .state_dir = r.dir};
	OWNED(checking_results_fini) struct checking_results known = {0};
	struct id id;
	uint64_t packs;

	must_back_up(&id);
	{
		struct check_options all = {.depth = CHECK_READ};

		packs = look(&all);
	}
	ck_assert_uint_ge(packs, 2);
	/* One at a time, and none twice before each had its turn. */
	for (uint64_t i = 0; i < packs; i++) {
		OWNED(store_close) struct store *st = NULL;

		ck_assert_uint_eq(look(&opt), 1);
		st = repo_open(&r, STORE_READ);
		checking_results_fini(&known);
		checking_results_load(&known, st, r.dir);
		ck_assert_uint_eq(known.count, i + 1);
	}
	/* Reading is not opening. */
	for (size_t i = 0; i < known.count; i++) {
		ck_assert_int_gt(checking_results_last(&known,
				     &known.rows[i].pack, CHECK_READ),
		    0);
		ck_assert_int_eq(checking_results_last(&known,
				     &known.rows[i].pack, CHECK_OPEN),
		    0);
	}
}
END_TEST

START_TEST(damaged_results_are_no_results)
{
	struct check_options opt = {.depth = CHECK_READ,
	    .workers = 1,
	    .state_dir = r.dir};
	OWNED(store_close) struct store *st = NULL;
	OWNED(checking_results_fini) struct checking_results known = {0};
	char path[160];
	struct id id;

	must_back_up(&id);
	look(&opt);
	st = repo_open(&r, STORE_READ);
	snprintf(path, sizeof(path), "%s/checked/", r.dir);
	text_hex(st->site, STORE_FAMILY_BYTES, path + strlen(path));
	checking_results_load(&known, st, r.dir);
	ck_assert_uint_gt(known.count, 0);
	checking_results_fini(&known);
	{
		OWNED(fdio_close) int fd = open(path, O_RDWR | O_CLOEXEC);

		ck_assert_int_eq(pwrite(fd, "x", 1, 40), 1);
	}
	checking_results_load(&known, st, r.dir);
	ck_assert_uint_eq(known.count, 0);
	ck_assert_int_eq(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/checked", r.dir);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

Suite *
suite_store_heal(void)
{
	Suite *s = suite_create("store/heal");
	TCase *t = tcase_create("heal");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_sound_repository_needs_nothing);
	tcase_add_test(t, any_file_bent_cut_or_gone_is_got_over);
	tcase_add_test(t, frames_beside_the_damaged_one_survive);
	tcase_add_test(t, nobody_is_healed_under_a_writer);
	tcase_add_test(t, a_healing_that_fails_is_begun_again);
	tcase_add_test(t, a_budget_is_spent_on_what_was_checked_longest_ago);
	tcase_add_test(t, damaged_results_are_no_results);
	suite_add_tcase(s, t);
	return s;
}
