#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/path.h>
#include <bascule/base/wildcard.h>
#include <bascule/store.h>

#include "support/items.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_treediff(void);

#define COUNT 4000

static struct repo r;
static struct store *st;
static struct session *se;
static struct writer *w;
static char **paths;
static struct item *items;

static void
setup(void)
{
	struct items_random rand = {5};

	repo_make(&r);
	repo_begin(&r, &st, &se, &w);
	paths = items_paths(COUNT, &rand);
	items = calloc(COUNT, sizeof *items);
	for (size_t i = 0; i < COUNT; i++)
		items_make(&items[i], paths[i], &rand, false);
}

static void
teardown(void)
{
	for (size_t i = 0; i < COUNT; i++)
		item_fini(&items[i]);
	free(items);
	items_paths_free(paths, COUNT);
	repo_end(&st, &se, &w);
	repo_remove(&r);
}

/* What each item is to be in a tree. */
enum fate { STAYS, GONE, OTHER };

static struct id
plant(const enum fate *fates)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};
	struct id root;

	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < COUNT; i++) {
		uint32_t mode = items[i].entry.mode;

		if (fates[i] == OTHER)
			items[i].entry.mode ^= 1;
		if (fates[i] != GONE)
			must(tree_writer_add(tw, &items[i], &e), &e);
		items[i].entry.mode = mode;
	}
	must(tree_writer_root(tw, &root, &e), &e);
	must(writer_flush(w, &e), &e);
	return root;
}

/* Before and after as fates say, at and under dir. */
static void
expect(const enum fate *before, const enum fate *after, const char *dir)
{
	struct id old = plant(before), new = plant(after);
	const struct treediff_side a = {&old, dir}, b = {&new, dir};
	OWNED(treediff_close) struct treediff *d = NULL;
	const struct item *x, *y;
	struct err e = {0};

	must(treediff_open(&d, st, &a, &b, &e), &e);
	for (size_t i = 0; i < COUNT; i++) {
		if (before[i] == after[i] ||
		    !path_is_under(paths[i], strlen(paths[i]), dir,
			strlen(dir)))
			continue;
		must(treediff_next(d, &x, &y, &e), &e);
		ck_assert((x == NULL) == (before[i] == GONE));
		ck_assert((y == NULL) == (after[i] == GONE));
		ck_assert(
		    x == NULL || strcmp(x->entry.path.bytes, paths[i]) == 0);
		ck_assert(
		    y == NULL || strcmp(y->entry.path.bytes, paths[i]) == 0);
		ck_assert(x == NULL || y == NULL ||
		    x->entry.mode == (y->entry.mode ^ 1));
	}
	for (int twice = 0; twice < 2; twice++) {
		must(treediff_next(d, &x, &y, &e), &e);
		ck_assert(x == NULL && y == NULL);
	}
}

START_TEST(what_differs_is_given_and_nothing_else)
{
	static enum fate before[COUNT], after[COUNT];
	struct items_random rand = {9};

	/* From nearly the same to nothing in common. */
	for (uint64_t rare = 4096; rare > 0; rare /= 4) {
		for (size_t i = 0; i < COUNT; i++) {
			before[i] = items_below(&rand, rare * 3) == 0
			    ? (enum fate)items_below(&rand, 3)
			    : STAYS;
			after[i] = items_below(&rand, rare) == 0
			    ? (enum fate)items_below(&rand, 3)
			    : STAYS;
		}
		before[0] = after[0] = before[COUNT / 2] = after[COUNT / 2] =
		    STAYS;
		expect(before, after, "");
		expect(before, after, "srv");
	}
}
END_TEST

START_TEST(a_long_run_may_be_missing_from_either)
{
	static enum fate before[COUNT], after[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		before[i] = i > 500 && i < 2500 ? GONE : STAYS;
		after[i] = i > 2000 ? GONE : STAYS;
	}
	expect(before, after, "");
	expect(after, before, "srv");
}
END_TEST

START_TEST(parts_of_a_tree_are_compared_under_any_two_paths)
{
	static enum fate all[COUNT];
	struct id root = plant(all);
	const struct treediff_side a = {&root, "srv/d00"},
				   b = {&root, "srv/d01"};
	OWNED(treediff_close) struct treediff *d = NULL;
	const struct item *x, *y;
	size_t gone = 0, new = 0, want_gone = 0, want_new = 0;
	struct err e = {0};

	must(treediff_open(&d, st, &a, &b, &e), &e);
	for (size_t i = 0; i < COUNT; i++) {
		want_gone += strncmp(paths[i], "srv/d00/", 8) == 0;
		want_new += strncmp(paths[i], "srv/d01/", 8) == 0;
	}
	for (;;) {
		must(treediff_next(d, &x, &y, &e), &e);
		if (x == NULL && y == NULL)
			break;
		/* Numbers make every name unique: none has a counterpart. */
		ck_assert(x == NULL || y == NULL);
		gone += x != NULL;
		new += y != NULL;
	}
	ck_assert_uint_eq(gone, want_gone);
	ck_assert_uint_eq(new, want_new);
	ck_assert_uint_gt(gone, 10);
}
END_TEST

START_TEST(a_cursor_goes_anywhere_by_path_and_by_place)
{
	static enum fate all[COUNT];
	struct id root = plant(all);
	OWNED(cursor_close) struct cursor *c = NULL;
	struct items_random rand = {3};
	const struct item *it;
	struct err e = {0};

	must(cursor_open(&c, st, &root, "", 0, &e), &e);
	for (int n = 0; n < 300; n++) {
		size_t i = (size_t)items_below(&rand, COUNT);
		char behind[160];

		must(cursor_seek_nth(c, i, &e), &e);
		for (size_t k = i; k < i + 3 && k < COUNT; k++) {
			must(cursor_next(c, &it, &e), &e);
			ck_assert_str_eq(it->entry.path.bytes, paths[k]);
			ck_assert_uint_eq(cursor_nth(c), k);
		}
		must(cursor_seek(c, paths[i], strlen(paths[i]), &e), &e);
		must(cursor_next(c, &it, &e), &e);
		ck_assert_str_eq(it->entry.path.bytes, paths[i]);
		ck_assert_uint_eq(cursor_nth(c), i);
		snprintf(behind, sizeof behind, "%s\x01", paths[i]);
		must(cursor_seek(c, behind, strlen(behind), &e), &e);
		must(cursor_next(c, &it, &e), &e);
		if (i + 1 == COUNT)
			ck_assert(it == NULL);
		else
			ck_assert_str_eq(it->entry.path.bytes, paths[i + 1]);
	}
	must(cursor_seek_nth(c, COUNT, &e), &e);
	must(cursor_next(c, &it, &e), &e);
	ck_assert(it == NULL);
	must(cursor_seek_nth(c, UINT64_MAX, &e), &e);
	must(cursor_next(c, &it, &e), &e);
	ck_assert(it == NULL);
}
END_TEST

/* Onwards it need not begin at the root, and arrives at the same. */
START_TEST(a_cursor_goes_on_from_where_it_is)
{
	static enum fate all[COUNT];
	struct id root = plant(all);
	OWNED(cursor_close) struct cursor *c = NULL;
	struct items_random rand = {5};
	const struct item *it;
	struct err e = {0};

	must(cursor_open(&c, st, &root, "", 0, &e), &e);
	for (uint64_t most = 2; most < COUNT; most *= 3)
		for (size_t i = 0; i < COUNT;
		     i += (size_t)items_below(&rand, most)) {
			if (items_below(&rand, 2) == 0)
				must(cursor_seek_nth(c, i, &e), &e);
			else
				must(cursor_seek(c, paths[i], strlen(paths[i]),
					 &e),
				    &e);
			must(cursor_next(c, &it, &e), &e);
			ck_assert_str_eq(it->entry.path.bytes, paths[i]);
			ck_assert_uint_eq(cursor_nth(c), i);
		}
}
END_TEST

START_TEST(a_page_that_is_not_entered_is_passed_over)
{
	static enum fate all[COUNT];
	struct id root = plant(all);
	OWNED(cursor_close) struct cursor *c = NULL;
	struct cursor_at at;
	uint64_t seen = 0, passed = 0, pages = 0;
	struct err e = {0};

	must(cursor_open(&c, st, &root, "", 0, &e), &e);
	must(cursor_seek(c, "", 0, &e), &e);
	for (;;) {
		must(cursor_step(c, &at, &e), &e);
		if (at.kind == CURSOR_END)
			break;
		if (at.kind == CURSOR_ITEM) {
			ck_assert_uint_eq(at.nth, seen + passed);
			ck_assert_str_eq(paths[at.nth], at.path);
			seen++;
		} else if (pages++ % 2 == 0)
			passed += at.items_count;
		else
			must(cursor_enter(c, &e), &e);
	}
	ck_assert_uint_eq(seen + passed, COUNT);
	ck_assert_uint_gt(seen, 0);
	ck_assert_uint_gt(passed, 0);
}
END_TEST

/* --- treefind ---------------------------------------------------------------*/

struct finding {
	const char *pattern;
	size_t asked, found;
};

static bool
is_wanted(void *ctx, const char *path, size_t len_bytes)
{
	struct finding *f = ctx;

	f->asked++;
	return wildcard_match_path(f->pattern, path, len_bytes);
}

static enum err_code
found(void *ctx, const struct item *it, struct err *e)
{
	struct finding *f = ctx;

	(void)e;
	ck_assert(wildcard_match_path(f->pattern, it->entry.path.bytes,
	    it->entry.path.len_bytes));
	f->found++;
	return ERR_NONE;
}

START_TEST(what_another_tree_had_is_neither_given_nor_looked_at_again)
{
	static enum fate all[COUNT], other[COUNT];
	struct finding f = {.pattern = "fa*"};
	struct treefind_options opt = {.path = "",
	    .is_wanted = is_wanted,
	    .found = found,
	    .ctx = &f};
	OWNED(treefind_free) struct treefind *tf = NULL;
	size_t want = 0, changed = SIZE_MAX;
	struct err e = {0};
	struct id a, b;

	for (size_t i = 0; i < COUNT; i++)
		if (wildcard_match_path(f.pattern, paths[i],
			strlen(paths[i]))) {
			want++;
			changed = i;
		}
	other[changed] = OTHER;
	a = plant(all);
	b = plant(other);
	must(treefind_new(&tf, st, &opt, &e), &e);
	must(treefind_run(tf, &a, &e), &e);
	ck_assert_uint_eq(f.found, want);
	ck_assert_uint_eq(f.asked, COUNT);
	must(treefind_run(tf, &a, &e), &e);
	ck_assert_uint_eq(f.found, want);
	must(treefind_run(tf, &b, &e), &e);
	ck_assert_uint_eq(f.found, want + 1);
	treefind_free(&tf);

	/* Every one of every tree. */
	opt.every = true;
	f.found = 0;
	must(treefind_new(&tf, st, &opt, &e), &e);
	must(treefind_run(tf, &a, &e), &e);
	must(treefind_run(tf, &b, &e), &e);
	ck_assert_uint_eq(f.found, 2 * want);
	treefind_free(&tf);

	/* Nothing at all: the same pages are not entered twice. */
	f = (struct finding){.pattern = "nothing is called this"};
	must(treefind_new(&tf, st, &opt, &e), &e);
	must(treefind_run(tf, &a, &e), &e);
	ck_assert_uint_eq(f.asked, COUNT);
	must(treefind_run(tf, &b, &e), &e);
	ck_assert_uint_lt(f.asked, COUNT + COUNT / 2);
	ck_assert_uint_eq(f.found, 0);
}
END_TEST

/* --- usage ------------------------------------------------------------------*/

/* Files of the given numbers, one chunk of 1000 bytes each. */
static struct id
plant_files(const int *numbers, size_t count)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};
	struct id root;

	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < count; i++) {
		OWNED(item_fini) struct item it = {0};
		char path[16];

		snprintf(path, sizeof path, "f%02d", numbers[i]);
		repo_file(&it, w, path, (uint64_t)numbers[i], 1000);
		must(tree_writer_add(tw, &it, &e), &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	must(writer_flush(w, &e), &e);
	return root;
}

START_TEST(what_several_trees_share_is_nobodys_own)
{
	static const int a[] = {1, 2, 3}, b[] = {2, 3, 4, 5}, c[] = {3};
	struct id roots[] = {plant_files(a, 3), plant_files(b, 4),
	    plant_files(c, 1), {{0}}};
	struct usage_options opt = {.roots = roots, .roots_count = 4};
	struct usage_own own[4];
	struct usage_tally all;
	struct err e = {0};

	roots[3] = roots[2]; /* the same twice: shared whole */
	must(usage_run(st, &opt, own, &all, &e), &e);
	ck_assert_uint_eq(all.chunks_count, 5);
	ck_assert_uint_eq(all.unique_bytes, 5000);
	ck_assert_uint_eq(own[0].bytes, 1000);
	ck_assert_uint_eq(own[1].bytes, 2000);
	ck_assert_uint_eq(own[2].bytes, 0);
	ck_assert_uint_eq(own[3].bytes, 0);
	ck_assert_uint_eq(own[2].stored_bytes, 0);
	ck_assert_uint_gt(own[0].stored_bytes, 0);
	ck_assert_uint_gt(all.data_stored_bytes, 5000); /* noise */
	ck_assert_uint_gt(all.stored_bytes, all.data_stored_bytes);
	ck_assert_uint_lt(own[0].stored_bytes + own[1].stored_bytes,
	    all.stored_bytes);

	opt.roots_count = 1;
	must(usage_run(st, &opt, own, &all, &e), &e);
	ck_assert_uint_eq(own[0].bytes, 3000);
	ck_assert_uint_eq(own[0].stored_bytes, all.stored_bytes);
}
END_TEST

Suite *
suite_store_treediff(void)
{
	Suite *s = suite_create("store/treediff");
	TCase *t = tcase_create("treediff");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_differs_is_given_and_nothing_else);
	tcase_add_test(t, a_long_run_may_be_missing_from_either);
	tcase_add_test(t, parts_of_a_tree_are_compared_under_any_two_paths);
	tcase_add_test(t, a_cursor_goes_anywhere_by_path_and_by_place);
	tcase_add_test(t, a_cursor_goes_on_from_where_it_is);
	tcase_add_test(t, a_page_that_is_not_entered_is_passed_over);
	tcase_add_test(t,
	    what_another_tree_had_is_neither_given_nor_looked_at_again);
	tcase_add_test(t, what_several_trees_share_is_nobodys_own);
	suite_add_tcase(s, t);
	return s;
}
