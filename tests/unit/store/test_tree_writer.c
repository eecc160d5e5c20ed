#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/path.h>
#include <bascule/store.h>

#include "../lib/store/parts.h"
#include "../lib/store/trees.h"
#include "support/fault.h"
#include "support/items.h"
#include "support/must.h"
#include "support/repo.h"

Suite *suite_store_tree_writer(void);

static struct repo r;
static struct store *st;
static struct session *se;
static struct writer *w;

static void
setup(void)
{
	repo_make(&r);
	repo_begin(&r, &st, &se, &w);
}

static void
teardown(void)
{
	repo_end(&st, &se, &w);
	repo_remove(&r);
}

/* Items with inline content only: nothing else has to be put. */
struct forest {
	char **paths;
	struct item *items;
	size_t count;
};

static void
forest_fini(struct forest *f)
{
	for (size_t i = 0; i < f->count; i++)
		item_fini(&f->items[i]);
	free(f->items);
	items_paths_free(f->paths, f->count);
}

static void
forest_init(struct forest *f, size_t count, uint64_t seed)
{
	struct items_random rand = {seed};

	f->count = count;
	f->paths = items_paths(count, &rand);
	f->items = calloc(count + 1, sizeof *f->items);
	for (size_t i = 0; i < count; i++)
		items_make(&f->items[i], f->paths[i], &rand, false);
}

/* skip: leave this one out (SIZE_MAX: none). */
static struct id
plant(const struct forest *f, size_t skip)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};
	struct id root;

	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < f->count; i++)
		if (i != skip)
			must(tree_writer_add(tw, &f->items[i], &e), &e);
	must(tree_writer_root(tw, &root, &e), &e);
	return root;
}

static void
flush(void)
{
	struct err e = {0};

	must(writer_flush(w, &e), &e);
}

/* From which of f's items on, and how many, the cursor at path gives. */
static void
expect(const struct forest *f, const struct id *root, const char *path,
    size_t first, size_t count)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	const struct item *it;
	struct err e = {0};

	must(cursor_open(&c, st, root, path, strlen(path), &e), &e);
	for (size_t i = 0; i < count; i++) {
		must(cursor_next(c, &it, &e), &e);
		ck_assert_msg(it != NULL, "ends after %zu of %zu", i, count);
		ck_assert_str_eq(it->entry.path.bytes, f->paths[first + i]);
		ck_assert(items_equal(it, &f->items[first + i]));
	}
	must(cursor_next(c, &it, &e), &e);
	ck_assert(it == NULL);
	must(cursor_next(c, &it, &e), &e);
	ck_assert(it == NULL);
}

START_TEST(what_is_written_is_what_a_cursor_walks)
{
	static const size_t counts[] = {1, 2, 3, 9, 100, 1500, 9000};

	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		OWNED(forest_fini) struct forest f;
		struct id root;

		forest_init(&f, counts[i], 100 + i);
		root = plant(&f, SIZE_MAX);
		flush();
		expect(&f, &root, "", 0, f.count);
	}
}
END_TEST

START_TEST(a_cursor_opens_at_a_path_or_below_it)
{
	OWNED(forest_fini) struct forest f;
	OWNED(cursor_close) struct cursor *c = NULL;
	struct err e = {0};
	struct id root;

	forest_init(&f, 6000, 7);
	root = plant(&f, SIZE_MAX);
	flush();
	for (size_t i = 0; i < f.count; i += 113)
		expect(&f, &root, f.paths[i], i, 1);
	for (size_t d = 0; d < 20; d++) {
		char dir[16];
		size_t first = 0, count = 0;

		snprintf(dir, sizeof dir, "srv/d%02zu", d);
		while (!path_is_under(f.paths[first], strlen(f.paths[first]),
		    dir, strlen(dir)))
			first++;
		while (first + count < f.count &&
		    path_is_under(f.paths[first + count],
			strlen(f.paths[first + count]), dir, strlen(dir)))
			count++;
		expect(&f, &root, dir, first, count);
	}
	ck_assert(cursor_open(&c, st, &root, "srv/d0", 6, &e) == ERR_NOTFOUND);
	ck_assert(cursor_open(&c, st, &root, "zzz", 3, &e) == ERR_NOTFOUND);
	ck_assert(cursor_open(&c, st, &root, "a", 1, &e) == ERR_NOTFOUND);
	ck_assert(cursor_open(&c, st, &root, "/srv", 4, &e) == ERR_INPUT);
	ck_assert_ptr_null(c);
}
END_TEST

START_TEST(the_same_items_make_the_same_root_whatever_came_before)
{
	OWNED(forest_fini) struct forest f;
	struct id root, again, other;

	forest_init(&f, 4000, 11);
	other = plant(&f, 1234);
	root = plant(&f, SIZE_MAX);
	ck_assert(!id_equal(&root, &other));
	again = plant(&f, SIZE_MAX);
	ck_assert(id_equal(&root, &again));
	/* And in a session of its own, after what is there is flushed. */
	flush();
	again = plant(&f, SIZE_MAX);
	ck_assert(id_equal(&root, &again));
}
END_TEST

START_TEST(a_checkpoint_is_whole_and_changes_nothing_after_it)
{
	OWNED(forest_fini) struct forest f;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct id root, checkpoints[4], want;
	struct err e = {0};
	size_t n = 0;

	forest_init(&f, 5000, 13);
	want = plant(&f, SIZE_MAX);
	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < f.count; i++) {
		must(tree_writer_add(tw, &f.items[i], &e), &e);
		if ((i + 1) % 1200 == 0)
			must(tree_writer_root(tw, &checkpoints[n++], &e), &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	ck_assert(id_equal(&root, &want));
	flush();
	ck_assert_uint_eq(n, 4);
	for (size_t i = 0; i < n; i++)
		expect(&f, &checkpoints[i], "", 0, (i + 1) * 1200);
	expect(&f, &root, "", 0, f.count);
}
END_TEST

/* A leaf that ended with item `last` of the first tree. */
struct leaf {
	struct id page;
	uint64_t items_count;
	size_t first, last;
};

/* Plant f and note the leaves that may be taken again. */
static size_t
plant_leaves(const struct forest *f, struct leaf *leaves, struct id *root)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};
	size_t count = 0;

	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < f->count; i++) {
		struct leaf *l = &leaves[count];

		must(tree_writer_add(tw, &f->items[i], &e), &e);
		if (!tree_writer_leaf(tw, &l->page, &l->items_count))
			continue;
		ck_assert(tree_writer_is_between(tw));
		l->last = i;
		l->first = i + 1 - l->items_count;
		count++;
	}
	must(tree_writer_root(tw, root, &e), &e);
	return count;
}

/* All but `skip` again, by whole leaves wherever that may be. */
static struct id
plant_again(const struct forest *f, size_t skip, const struct leaf *leaves,
    size_t count, size_t *taken)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};
	struct id root;
	size_t l = 0;

	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < f->count; i++) {
		const struct leaf *at = &leaves[l];

		while (l < count && at->first < i)
			at = &leaves[++l];
		if (l < count && at->first == i && tree_writer_is_between(tw) &&
		    (skip < at->first || skip > at->last)) {
			i = at->last;
			must(tree_writer_add_leaf(tw, f->paths[i],
				 strlen(f->paths[i]), &at->page,
				 at->items_count, &e),
			    &e);
			++*taken;
		} else if (i != skip)
			must(tree_writer_add(tw, &f->items[i], &e), &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	return root;
}

START_TEST(whole_leaves_taken_again_make_the_same_root)
{
	size_t taken = 0, of = 0;

	for (int seed = 40; seed < 44; seed += fault_step(2)) {
		OWNED(forest_fini) struct forest f;
		OWNED(free_mem) struct leaf *leaves = NULL;
		struct id root, again, want;
		size_t count;

		forest_init(&f, 9000, (uint64_t)seed);
		leaves = calloc(f.count, sizeof *leaves);
		count = plant_leaves(&f, leaves, &root);
		of += count;
		again = plant_again(&f, SIZE_MAX, leaves, count, &taken);
		ck_assert(id_equal(&root, &again));
		for (size_t i = 0; i < f.count; i += 577) {
			want = plant(&f, i);
			again = plant_again(&f, i, leaves, count, &taken);
			ck_assert(id_equal(&again, &want));
		}
	}
	ck_assert_uint_gt(of, 20); /* else this shows nothing */
	ck_assert_uint_gt(taken, 10 * of);
}
END_TEST

START_TEST(a_leaf_that_is_not_here_is_not_taken)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct id unknown = {{7}}, root, want;
	struct err e = {0};

	must(tree_writer_new(&tw, w, &e), &e);
	must(tree_writer_root(tw, &want, &e), &e);
	ck_assert(
	    tree_writer_add_leaf(tw, "a", 1, &unknown, 3, &e) == ERR_NOTFOUND);
	must(tree_writer_root(tw, &root, &e), &e);
	ck_assert(id_equal(&root, &want));
}
END_TEST

static size_t
pages_new(void)
{
	struct writer_tally t;

	writer_tally(w, &t);
	return t.new_chunks_count;
}

START_TEST(one_changed_item_changes_only_the_pages_above_it)
{
	OWNED(forest_fini) struct forest f;
	struct err e = {0};
	size_t before, all;

	forest_init(&f, 9000, 17);
	(void)plant(&f, SIZE_MAX);
	all = pages_new();
	ck_assert_uint_ge(all, 8); /* else this shows nothing */
	for (size_t i = 500; i < f.count; i += 1700) {
		before = pages_new();
		f.items[i].entry.mtime_ns ^= 1;
		(void)plant(&f, SIZE_MAX);
		/* Its leaf and the root; a third for another level. */
		ck_assert_uint_le(pages_new() - before, 3);
		ck_assert_uint_ge(pages_new() - before, 2);
		/* Gone: at worst two leaves become one and one more. */
		before = pages_new();
		(void)plant(&f, i);
		ck_assert_uint_le(pages_new() - before, 4);
	}
	before = pages_new();
	must(writer_flush(w, &e), &e);
	(void)plant(&f, SIZE_MAX);
	ck_assert_uint_eq(pages_new(), before);
}
END_TEST

START_TEST(an_encoded_item_is_taken_as_it_is)
{
	OWNED(forest_fini) struct forest f;
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};
	struct id root, want;

	forest_init(&f, 2000, 19);
	want = plant(&f, SIZE_MAX);
	must(tree_writer_new(&tw, w, &e), &e);
	for (size_t i = 0; i < f.count; i++) {
		buf_clear(&b);
		must(item_encode(&b, &f.items[i], &e), &e);
		must(tree_writer_add_encoded(tw, f.paths[i], strlen(f.paths[i]),
			 b.bytes, b.len_bytes, &e),
		    &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	ck_assert(id_equal(&root, &want));
	ck_assert(
	    tree_writer_add_encoded(tw, "zzz", 3, "", 0, &e) == ERR_CORRUPT);
}
END_TEST

static enum err_code
add(struct tree_writer *tw, const char *path, struct err *e)
{
	static const char encoded[] = "\0\2\0\0\0\0\0\0\0\0"; /* a directory */

	return tree_writer_add_encoded(tw, path, strlen(path), encoded,
	    sizeof encoded - 1, e);
}

START_TEST(paths_must_be_valid_and_ascend)
{
	static const char *const refused[] = {"srv/a", "srv/a-", "srv", "",
	    "srv/b/", "srv/b//c", "srv/b/..", "srv/b/.", "/srv/c", "srv/a/x",
	    "srv/b"};
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	struct err e = {0};

	must(tree_writer_new(&tw, w, &e), &e);
	must(add(tw, "", &e), &e);
	must(add(tw, "srv", &e), &e);
	must(add(tw, "srv/a", &e), &e);
	must(add(tw, "srv/a/b", &e), &e); /* '/' is below every byte */
	must(add(tw, "srv/a-", &e), &e);
	must(add(tw, "srv/b", &e), &e);
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		ck_assert_msg(add(tw, refused[i], &e) == ERR_INPUT, "'%s'",
		    refused[i]);
	must(add(tw, "srv/b/..c", &e), &e);
	must(add(tw, "srv/b/.c", &e), &e);
	ck_assert(add(tw, "srv/b/..", &e) == ERR_INPUT);
}
END_TEST

START_TEST(an_empty_tree_has_a_root_and_no_items)
{
	struct forest none = {0};
	struct id root = plant(&none, SIZE_MAX);
	OWNED(cursor_close) struct cursor *c = NULL;
	struct err e = {0};

	flush();
	ck_assert(!id_is_none(&root));
	ck_assert(cursor_open(&c, st, &root, "", 0, &e) == ERR_NOTFOUND);
}
END_TEST

/* Attributes of 100 KiB, a map of many holes: too long for a page. */
START_TEST(long_extras_go_into_chunks_and_come_back)
{
	OWNED(forest_fini) struct forest f;
	struct err e = {0};
	struct id root, again;
	uint8_t *value = calloc(1, 50000);
	struct item *it;

	forest_init(&f, 40, 23);
	it = &f.items[10];
	must(entry_add_xattr(&it->entry, "user.a", value, 50000, &e), &e);
	must(entry_add_xattr(&it->entry, "user.b", value, 50000, &e), &e);
	free(value);
	it = &f.items[20];
	item_fini(it);
	it->entry.type = ENTRY_FILE;
	it->entry.size_bytes = 1 << 30;
	must(entry_set_path(&it->entry, f.paths[20], strlen(f.paths[20]), &e),
	    &e);
	for (uint64_t k = 0; k < 200; k++)
		must(entry_add_extent(&it->entry, k * 8192 * 31, 1, &e), &e);
	for (size_t k = 0; k < 200; k++)
		must(buf_add_byte(&it->content.inlined, (uint8_t)k, &e), &e);
	it->content.size_bytes = 200;
	root = plant(&f, SIZE_MAX);
	again = plant(&f, SIZE_MAX);
	ck_assert(id_equal(&root, &again));
	flush();
	expect(&f, &root, "", 0, f.count);
}
END_TEST

/* Long names under one directory: weights alone cannot end these pages. */
START_TEST(pages_end_by_force_where_no_hash_ends_them)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	OWNED(cursor_close) struct cursor *c = NULL;
	char path[10000];
	const struct item *it;
	struct err e = {0};
	struct id root;
	size_t count = 0, len;

	must(tree_writer_new(&tw, w, &e), &e);
	for (unsigned i = 0; i < 300; i++) {
		/* 9 KiB of path, of which 255 bytes are the last component */
		for (len = 0; len < 9000; len++)
			path[len] = len % 200 == 199 ? '/' : 'a';
		len += (size_t)snprintf(path + len, 64, "z%05u", i);
		must(add(tw, path, &e), &e);
	}
	must(tree_writer_root(tw, &root, &e), &e);
	flush();
	must(cursor_open(&c, st, &root, "", 0, &e), &e);
	do {
		must(cursor_next(c, &it, &e), &e);
		count += it != NULL;
	} while (it != NULL);
	ck_assert_uint_eq(count, 300);
}
END_TEST

Suite *
suite_store_tree_writer(void)
{
	Suite *s = suite_create("store/tree_writer");
	TCase *tc = tcase_create("tree_writer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_is_written_is_what_a_cursor_walks);
	tcase_add_test(tc, a_cursor_opens_at_a_path_or_below_it);
	tcase_add_test(tc,
	    the_same_items_make_the_same_root_whatever_came_before);
	tcase_add_test(tc, a_checkpoint_is_whole_and_changes_nothing_after_it);
	tcase_add_test(tc, one_changed_item_changes_only_the_pages_above_it);
	tcase_add_test(tc, an_encoded_item_is_taken_as_it_is);
	tcase_add_test(tc, whole_leaves_taken_again_make_the_same_root);
	tcase_add_test(tc, a_leaf_that_is_not_here_is_not_taken);
	tcase_add_test(tc, paths_must_be_valid_and_ascend);
	tcase_add_test(tc, an_empty_tree_has_a_root_and_no_items);
	tcase_add_test(tc, long_extras_go_into_chunks_and_come_back);
	tcase_add_test(tc, pages_end_by_force_where_no_hash_ends_them);
	suite_add_tcase(s, tc);
	return s;
}
