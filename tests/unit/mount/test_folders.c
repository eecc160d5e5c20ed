#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../../lib/mount/folders.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/plant.h"

Suite *suite_mount_folders(void);

#define MEMBERS 2000 /* a file, then a folder of two, and so on */

static struct repo r;
static struct store *st;
static struct numbered n;
static struct folders f;
static struct mount_options opt;

static void
setup(void)
{
	struct plant p = {0};
	struct err e = {0};
	char path[40];

	repo_make(&r);
	plant_begin(&p, &r);
	plant_dir(&p, "");
	plant_dir(&p, "d");
	for (int i = 0; i < MEMBERS; i += 2) {
		snprintf(path, sizeof(path), "d/m%05d", i);
		plant_file(&p, path, 0, 0);
		snprintf(path, sizeof(path), "d/m%05d", i + 1);
		plant_dir(&p, path);
		strcat(path, "/in");
		plant_file(&p, path, 0, 0);
	}
	plant_dir(&p, "empty");
	plant_file(&p, "file", 0, 0);
	opt = (struct mount_options){.subtree = "", .root = plant_end(&p)};
	st = repo_open(&r, STORE_READ);
	n = (struct numbered){0};
	f = (struct folders){.tree = &n};
	must(numbered_open(&n, st, &opt, &e), &e);
}

static void
teardown(void)
{
	folders_fini(&f);
	numbered_fini(&n);
	store_close(&st);
	repo_remove(&r);
}

/* One who lists: what came, and where it goes on. */
struct lister {
	int64_t at;
	int room, count;
	char last[40];
};

static bool
member(void *ctx, const char *name, const struct stat *s, int64_t next)
{
	struct lister *l = ctx;
	char want[40];

	if (l->room-- == 0)
		return false;
	if (l->count < 2)
		snprintf(want, sizeof(want), "%s", l->count == 0 ? "." : "..");
	else
		snprintf(want, sizeof(want), "m%05d", l->count - 2);
	ck_assert_str_eq(name, want);
	ck_assert(S_ISDIR(s->st_mode) == (l->count < 2 || l->count % 2 == 1));
	ck_assert_int_gt(next, l->at);
	l->count++;
	l->at = next;
	return true;
}

static uint64_t
number_of(const char *path)
{
	struct err e = {0};
	struct stat s;

	must(numbered_look_up(&n, NUMBERED_ROOT, path, &s, &e), &e);
	return s.st_ino;
}

static bool
list_some(struct lister *l, int how_many)
{
	const int before = l->count;
	struct err e = {0};

	l->room = how_many;
	must(folders_list(&f, number_of("d"), l->at, member, l, &e), &e);
	return l->count > before;
}

START_TEST(each_member_comes_once_in_whatever_portions)
{
	for (int portion = 1; portion < 4000; portion = portion * 3 + 1) {
		struct lister l = {0};

		while (list_some(&l, portion))
			;
		ck_assert_int_eq(l.count, MEMBERS + 2);
	}
}
END_TEST

/* More of them than places are kept. */
START_TEST(many_list_at_once)
{
	struct lister l[FOLDERS_KEPT * 3] = {0};
	bool more = true;

	while (more) {
		more = false;
		for (int i = 0; i < FOLDERS_KEPT * 3; i++)
			more = list_some(&l[i], 300 + i) || more;
	}
	for (int i = 0; i < FOLDERS_KEPT * 3; i++)
		ck_assert_int_eq(l[i].count, MEMBERS + 2);
}
END_TEST

START_TEST(a_listing_goes_on_from_any_place_it_was_at)
{
	struct lister l = {0}, was;

	while (was = l, list_some(&l, 100)) {
		struct lister again = was;

		list_some(&again, 100);
		ck_assert_int_eq(again.at, l.at);
	}
}
END_TEST

static bool
none(void *ctx, const char *name, const struct stat *s, int64_t next)
{
	(void)ctx, (void)s, (void)next;
	ck_assert(name[0] == '.');
	return true;
}

START_TEST(an_empty_folder_is_empty_and_a_place_beyond_is_its_end)
{
	struct lister l = {0};
	struct err e = {0};
	int64_t end;

	must(folders_list(&f, number_of("empty"), 0, none, NULL, &e), &e);
	while (list_some(&l, 500))
		;
	end = l.at;
	must(folders_list(&f, number_of("d"), end, none, NULL, &e), &e);
	ck_assert_int_ne(folders_list(&f, 1 << 20, 0, none, NULL, &e),
	    ERR_NONE);
}
END_TEST

/* A fault is an error once; the members before it are not lost. */
START_TEST(a_failing_call_loses_no_member)
{
	int failed = 0;

	for (int i = 1, more = 1; more; i++) {
		struct lister l = {.room = MEMBERS * 2};
		struct err e = {0};
		uint64_t d;
		int before;

		teardown();
		setup();
		d = number_of("d");
		fault_arm_reading(i, EIO);
		if (folders_list(&f, d, 0, member, &l, &e) != ERR_NONE)
			failed++;
		do { /* one failure in all, now or at this place */
			before = l.count;
			l.room = MEMBERS * 2;
			if (folders_list(&f, d, l.at, member, &l, &e) !=
			    ERR_NONE) {
				failed++;
				before = -1;
			}
		} while (l.count != before);
		more = fault_fired();
		ck_assert_int_eq(l.count, MEMBERS + 2);
	}
	ck_assert_int_gt(failed, 0);
}
END_TEST

Suite *
suite_mount_folders(void)
{
	Suite *s = suite_create("mount/folders");
	TCase *t = tcase_create("folders");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_member_comes_once_in_whatever_portions);
	tcase_add_test(t, many_list_at_once);
	tcase_add_test(t, a_listing_goes_on_from_any_place_it_was_at);
	tcase_add_test(t,
	    an_empty_folder_is_empty_and_a_place_beyond_is_its_end);
	tcase_add_test(t, a_failing_call_loses_no_member);
	suite_add_tcase(s, t);
	return s;
}
