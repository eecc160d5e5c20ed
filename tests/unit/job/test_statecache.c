#include <bascule/source.h>
#include <bascule/store.h>

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/job/statecache.h"
#include "support/fault.h"
#include "support/items.h"
#include "support/tmpdir.h"

Suite *suite_job_statecache(void);

/*
 * A world of files with versions, and a tree that ends pages after some of
 * them.  A run walks it beside the cache as capture does and checks every
 * answer: what the cache says of a file must be what the file is.
 */
#define ITEMS 600

struct file {
	bool there, young, linked;
	uint32_t version;
	size_t was; /* at another path: of which file, and 1 */
};

static struct tmpdir state;
static char **paths;
static struct file files[ITEMS];
static struct id snapshots[64]; /* that are there */
static size_t snapshots_count;
static uint64_t snapshots_made;

struct run {
	struct statecache *sc;
	uint64_t open_items_count; /* of the page in the making */
	struct id open_page;
	bool page_is_whole;
	size_t read_count, pages_count, moved_count;
	size_t stop_at, checkpoint_every;
	enum err_code rc;
};

static void
setup(void)
{
	struct items_random rand = {7};

	tmpdir_make(&state);
	paths = items_paths(ITEMS, &rand);
	for (size_t i = 0; i < ITEMS; i++)
		files[i] = (struct file){true, false, i % 50 == 3, 1, 0};
	snapshots_count = snapshots_made = 0;
}

static void
teardown(void)
{
	items_paths_free(paths, ITEMS);
	tmpdir_remove(&state);
}

static bool
is_there(void *ctx, const struct id *snapshot)
{
	(void)ctx;
	for (size_t i = 0; i < snapshots_count; i++)
		if (id_equal(&snapshots[i], snapshot))
			return true;
	return false;
}

static struct id
new_snapshot(void)
{
	struct id id = {{9}};

	memcpy(id.bytes + 8, &snapshots_made, sizeof snapshots_made);
	snapshots_made++;
	ck_assert_uint_lt(snapshots_count, COUNT_OF(snapshots));
	snapshots[snapshots_count++] = id;
	return id;
}

static void
keep_only(const struct id *kept, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < snapshots_count; i++)
		for (size_t k = 0; k < count; k++)
			if (id_equal(&snapshots[i], &kept[k])) {
				snapshots[n++] = snapshots[i];
				break;
			}
	snapshots_count = n;
}

/* Whose inode it is. */
static size_t
self(size_t i)
{
	return files[i].was == 0 ? i : files[i].was - 1;
}

static size_t
encode(size_t i, char out[80])
{
	return (size_t)snprintf(out, 80, "item %zu in its version %u, %.*s",
	    self(i), files[i].version, (int)(self(i) % 23),
	    "......................");
}

static void
item_of(struct source_item *item, size_t i)
{
	struct err e = {0};

	memset(item, 0, sizeof *item);
	ck_assert(entry_set_path(&item->entry, paths[i], strlen(paths[i]),
		      &e) == ERR_NONE);
	item->entry.type = ENTRY_FILE;
	item->inode = 1 + self(i);
	item->entry.size_bytes = 100 + self(i) % 3;
	item->entry.mtime_s =
	    files[i].young ? 1000000 : 1000 + (int64_t)self(i);
	item->ctime_s = item->entry.mtime_s;
	item->ctime_ns = files[i].version;
}

/* --- the tree -------------------------------------------------------------- */

static bool
ends_page(size_t i)
{
	return (i * 2654435761U >> 7) % 13 == 0;
}

static void
page_add(struct id *page, size_t i)
{
	char text[80];
	size_t len = encode(i, text);

	for (size_t k = 0; k < len; k++)
		page->bytes[(k * 7 + i) % ID_BYTES] =
		    (uint8_t)(page->bytes[(k * 7 + i) % ID_BYTES] * 31 +
			text[k] + 1);
}

static void
tree_add(struct run *r, size_t i)
{
	struct err e = {0};

	if (r->open_items_count++ == 0)
		memset(&r->open_page, 0, sizeof r->open_page);
	page_add(&r->open_page, i);
	if (!ends_page(i))
		return;
	r->rc =
	    statecache_between(r->sc, &r->open_page, r->open_items_count, &e);
	r->open_items_count = 0;
}

/* Which file has that path? */
static size_t
file_of(const char *path, size_t len)
{
	for (size_t i = 0; i < ITEMS; i++)
		if (strlen(paths[i]) == len && memcmp(paths[i], path, len) == 0)
			return i;
	ck_abort_msg("an item of nobody");
	return 0;
}

static void
settle(struct run *r)
{
	struct statecache_held held;
	char text[80];
	bool more = statecache_holds(r->sc);
	struct err e = {0};

	while (more && r->rc == ERR_NONE) {
		size_t i;

		r->rc = statecache_replay(r->sc, &held, &more, &e);
		if (r->rc != ERR_NONE || !more)
			return;
		i = file_of(held.path, held.path_bytes);
		ck_assert_uint_eq(held.len_bytes, encode(i, text));
		ck_assert_mem_eq(held.encoded, text, held.len_bytes);
		tree_add(r, i);
	}
}

/* --- a run ----------------------------------------------------------------- */

static void
take_page(struct run *r, size_t i, const struct statecache_hit *hit)
{
	struct id page = {{0}};
	size_t first = i, count = 1;
	struct err e = {0};

	while (count < hit->items_count)
		count += files[--first].there;
	for (size_t k = first; k <= i; k++)
		if (files[k].there)
			page_add(&page, k);
	ck_assert(id_equal(&page, &hit->page));
	ck_assert(ends_page(i));
	r->pages_count++;
	if (snapshots_made % 5 == 4) { /* "it is not here" */
		settle(r);
		return;
	}
	r->rc = statecache_take_page(r->sc, &e);
}

static void
add(struct run *r, size_t i, const struct source_item *item)
{
	char text[80];
	size_t len = encode(i, text);
	struct err e = {0};

	r->rc = statecache_add(r->sc, item, text, len, 1000010, &e);
	if (r->rc == ERR_NONE)
		tree_add(r, i);
}

static void
visit(struct run *r, size_t i)
{
	OWNED(source_item_fini) struct source_item item;
	struct statecache_hit hit = {0};
	enum statecache_answer a;
	char text[80];

	item_of(&item, i);
	a = statecache_find(r->sc, &item, r->open_items_count == 0, &hit);
	if (a == STATECACHE_BROKEN) {
		settle(r);
		if (r->rc != ERR_NONE)
			return;
		a = statecache_find(r->sc, &item, r->open_items_count == 0,
		    &hit);
	}
	ck_assert(a != STATECACHE_BROKEN);
	r->moved_count += a == STATECACHE_MOVED;
	if (a == STATECACHE_SAME || a == STATECACHE_MOVED) {
		ck_assert_uint_eq(hit.len_bytes, encode(i, text));
		ck_assert_mem_eq(hit.encoded, text, hit.len_bytes);
	}
	if ((a == STATECACHE_HELD || a == STATECACHE_PAGE) && files[i].linked &&
	    snapshots_made % 3 == 1) {
		statecache_refuse(r->sc); /* its group is another */
		settle(r);
		a = STATECACHE_SAME;
	}
	if (a == STATECACHE_UNKNOWN) {
		r->read_count++;
		if (statecache_previous(r->sc, &hit))
			ck_assert_mem_eq(hit.encoded, "item ", 5);
	}
	if (a == STATECACHE_PAGE)
		take_page(r, i, &hit);
	else if (a != STATECACHE_HELD && r->rc == ERR_NONE)
		add(r, i, &item);
}

static void
checkpoint(struct run *r)
{
	struct id kept[STATECACHE_KEPT_MAX + 1], cp = new_snapshot();
	size_t count;
	struct err e = {0};

	settle(r);
	if (r->rc == ERR_NONE)
		r->rc = statecache_checkpoint(r->sc, &cp, kept, &count, &e);
	if (r->rc != ERR_NONE)
		return;
	kept[count++] = snapshots[0]; /* the last complete one */
	keep_only(kept, count);
}

/* Up to item stop_at (ITEMS: to the end and commit). */
static struct run
walk(size_t stop_at, size_t checkpoint_every)
{
	static const uint8_t family[STORE_FAMILY_BYTES] = "family";
	struct statecache_name name = {family, "service", "data", 0, 0};
	struct run r = {.rc = ERR_NONE};
	struct err e = {0};
	struct id done;

	ck_assert_msg(statecache_open(&r.sc, state.path, &name, &e) == ERR_NONE,
	    "%s", e.text);
	statecache_trust(r.sc, is_there, NULL);
	for (size_t i = 0; i < stop_at && r.rc == ERR_NONE; i++) {
		if (files[i].there)
			visit(&r, i);
		if (r.rc == ERR_NONE && checkpoint_every > 0 &&
		    (i + 1) % checkpoint_every == 0)
			checkpoint(&r);
	}
	if (stop_at == ITEMS && r.rc == ERR_NONE) {
		settle(&r);
		done = new_snapshot();
		if (r.rc == ERR_NONE)
			r.rc = statecache_commit(&r.sc, &done, &e);
		if (r.rc == ERR_NONE)
			keep_only(&done, 1);
	}
	statecache_discard(&r.sc);
	return r;
}

static size_t
files_count(const char *with)
{
	int fd = openat(state.fd, "cache", O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	const struct dirent *d;
	size_t count = 0;

	while ((d = readdir(dir)) != NULL)
		count += d->d_name[0] != '.'
		    ? strstr(d->d_name, with) != NULL
		    : strstr(d->d_name, ".tmp") != NULL;
	closedir(dir);
	return count;
}

START_TEST(what_was_read_is_not_read_again)
{
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, ITEMS);
	for (int i = 0; i < 7; i++) {
		struct run r = walk(ITEMS, i == 3 ? 100 : 0);

		ck_assert_int_eq(r.rc, ERR_NONE);
		ck_assert_uint_eq(r.read_count, 0);
		ck_assert_uint_gt(r.pages_count, 20);
		ck_assert_uint_le(files_count(""), 2);
	}
}
END_TEST

START_TEST(only_what_changed_is_read)
{
	struct items_random rand = {11};
	size_t want = ITEMS, pages = 0;

	for (int round = 0; round < 40; round++) {
		struct run r = walk(ITEMS, round % 7 == 6 ? 90 : 0);
		size_t changes = round % 5 == 0 ? 200 : items_below(&rand, 6);

		ck_assert_int_eq(r.rc, ERR_NONE);
		ck_assert_uint_eq(r.read_count, want);
		pages += r.pages_count;
		for (size_t i = 0; i < ITEMS; i++)
			files[i].young = false;
		want = 0;
		for (size_t i = 0; i < changes; i++) {
			struct file *f = &files[items_below(&rand, ITEMS)];

			if (items_below(&rand, 4) == 0)
				f->there = !f->there;
			f->version++;
		}
		/* Whoever is there and was not so in the last run. */
		for (size_t i = 0; i < ITEMS; i++) {
			static uint32_t seen[ITEMS];
			static bool was[ITEMS];

			want += files[i].there &&
			    (round == 0
				    ? files[i].version != 1
				    : !was[i] || seen[i] != files[i].version);
			seen[i] = files[i].version;
			was[i] = files[i].there;
		}
		if (round == 0) { /* all were there */
			want = 0;
			for (size_t i = 0; i < ITEMS; i++)
				want += files[i].there && files[i].version != 1;
		}
	}
	ck_assert_uint_gt(pages, 500);
}
END_TEST

static void
move(size_t from, size_t to)
{
	files[to] = files[from];
	files[to].there = true;
	files[to].was = self(from) + 1;
	files[from].there = false;
}

START_TEST(what_was_moved_is_not_read_again)
{
	struct run r;

	for (size_t i = 100; i < 150; i++)
		files[i].there = false;
	(void)walk(ITEMS, 0);
	for (size_t i = 0; i < 50; i++)
		move(300 + i, 100 + i);
	r = walk(ITEMS, 0);
	ck_assert_uint_eq(r.read_count, 0);
	ck_assert_uint_eq(r.moved_count, 50);
	r = walk(ITEMS, 0);
	ck_assert_uint_eq(r.read_count + r.moved_count, 0);
	/* Two that changed places, and one that changed on the way. */
	move(100, 300);
	move(101, 100);
	move(300, 101);
	move(102, 302);
	files[302].version++;
	r = walk(ITEMS, 0);
	ck_assert_uint_eq(r.read_count, 1);
	ck_assert_uint_eq(r.moved_count, 2);
	/* What a killed run saw, too; what is young never. */
	files[550].young = true;
	(void)walk(ITEMS, 0);
	files[20].version++;
	files[21].version++;
	r = walk(50, 10);
	ck_assert_uint_eq(r.read_count, 2);
	move(20, 340);
	move(21, 341);
	move(550, 342);
	r = walk(ITEMS, 0);
	ck_assert_uint_eq(r.read_count, 1);
	ck_assert_uint_eq(r.moved_count, 2);
}
END_TEST

START_TEST(young_files_are_read_again)
{
	for (size_t i = 0; i < ITEMS; i += 10)
		files[i].young = true;
	(void)walk(ITEMS, 0);
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, ITEMS / 10);
}
END_TEST

START_TEST(a_killed_run_is_gone_on_with_from_its_last_checkpoint)
{
	ck_assert_uint_eq(walk(250, 100).read_count, 250);
	ck_assert_uint_eq(files_count(".p"), 1);
	/* 0 to 199 are known; this one comes to 50, behind a checkpoint. */
	ck_assert_uint_eq(walk(50, 40).read_count, 0);
	ck_assert_uint_eq(files_count(".p"), 2);
	ck_assert_uint_eq(walk(450, 130).read_count, 250);
	/* It went beyond what the others knew: they are gone. */
	ck_assert_uint_eq(files_count(".p"), 1);
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, ITEMS - 390);
	ck_assert_uint_eq(files_count(".p"), 0);
	ck_assert_uint_eq(files_count(""), 1);
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, 0);
}
END_TEST

START_TEST(a_killed_run_does_not_lose_what_earlier_ones_knew)
{
	(void)walk(ITEMS, 0);
	for (size_t i = 0; i < ITEMS; i += 3)
		files[i].version++;
	ck_assert_uint_eq(walk(300, 50).read_count, 100);
	ck_assert_uint_eq(walk(310, 0).read_count, 4);
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, 100);
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, 0);
}
END_TEST

START_TEST(ever_shorter_runs_are_bounded)
{
	struct run r;

	(void)walk(500, 100);
	for (size_t i = 0; i < 12; i++)
		r = walk(90 - 5 * i, 5);
	ck_assert_uint_le(files_count(".p"), STATECACHE_PARTS_MAX);
	r = walk(ITEMS, 0);
	ck_assert_int_eq(r.rc, ERR_NONE);
	ck_assert_uint_eq(r.read_count, 100);
	ck_assert_uint_eq(files_count(""), 1);
}
END_TEST

START_TEST(without_its_snapshot_nothing_is_believed)
{
	(void)walk(ITEMS, 0);
	files[77].version++;
	(void)walk(ITEMS, 0);
	snapshots_count = 0;
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, ITEMS);
	ck_assert_uint_eq(walk(ITEMS, 0).read_count, 0);
}
END_TEST

static void
flip(const char *suffix, size_t at)
{
	int fd = openat(state.fd, "cache", O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	const struct dirent *d;
	uint8_t byte;

	while ((d = readdir(dir)) != NULL) {
		size_t len = strlen(d->d_name);
		int f;

		if (len != 32 + strlen(suffix) ||
		    strcmp(d->d_name + 32, suffix) != 0)
			continue;
		f = openat(fd, d->d_name, O_RDWR);
		if (pread(f, &byte, 1, (off_t)at) == 1) {
			byte ^= (uint8_t)(1 << at % 8);
			ck_assert_int_eq(pwrite(f, &byte, 1, (off_t)at), 1);
		}
		close(f);
	}
	closedir(dir);
}

/* visit() and settle() compare every answer with the world. */
START_TEST(a_flipped_bit_costs_time_and_nothing_else)
{
	static const char *const suffixes[] = {"", ".d", ".p0"};
	size_t reads = 0, ruins = 0;

	for (size_t n = 3; n < 90; n += (size_t)fault_step(5)) {
		struct run r;

		teardown();
		setup();
		(void)walk(ITEMS, 0);
		for (size_t i = 5; i < 60; i += 9)
			files[i].version++;
		(void)walk(ITEMS, 0);
		(void)walk(300, 100);
		flip(suffixes[n % 3], n * (n % 3 == 0 ? 971 : 37));
		/* Every page is held up to its last item, and then is none. */
		for (size_t i = 0; n % 2 == 0 && i < ITEMS; i++)
			files[i].version += ends_page(i);
		for (size_t i = 400; n % 3 == 1 && i < 440; i++)
			move(i, i - 200);
		r = walk(ITEMS, 0);
		ck_assert(r.rc == ERR_NONE || r.rc == ERR_CORRUPT);
		if (r.rc == ERR_CORRUPT) {
			ruins++;
			r = walk(ITEMS, 0);
		}
		ck_assert_int_eq(r.rc, ERR_NONE);
		reads += r.read_count;
	}
	ck_assert_uint_gt(reads, 0);
	ck_assert_uint_gt(ruins, 0);
}
END_TEST

Suite *
suite_job_statecache(void)
{
	Suite *s = suite_create("job/statecache");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_read_is_not_read_again);
	tcase_add_test(tc, only_what_changed_is_read);
	tcase_add_test(tc, what_was_moved_is_not_read_again);
	tcase_add_test(tc, young_files_are_read_again);
	tcase_add_test(tc,
	    a_killed_run_is_gone_on_with_from_its_last_checkpoint);
	tcase_add_test(tc, a_killed_run_does_not_lose_what_earlier_ones_knew);
	tcase_add_test(tc, ever_shorter_runs_are_bounded);
	tcase_add_test(tc, without_its_snapshot_nothing_is_believed);
	tcase_add_test(tc, a_flipped_bit_costs_time_and_nothing_else);
	suite_add_tcase(s, tc);
	return s;
}
