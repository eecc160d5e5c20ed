#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../../lib/mount/contents.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/plant.h"

Suite *suite_mount_contents(void);

#define PIECE  ((size_t)3000)
#define PIECES 3
#define HOLE   ((uint64_t)100000)
#define MANY   30

static struct repo r;
static struct store *st;
static struct numbered n;
static struct contents c;
static struct mount_options opt;
static uint8_t whole[PIECE * PIECES]; /* of "pieces", and of "sparse" */

static void
plant_pieces(struct plant *p, const char *path, bool sparse)
{
	OWNED(item_fini) struct item it = {0};
	struct err e = {0};

	plant_item(&it, path, ENTRY_FILE);
	it.content.pieces = calloc(PIECES, sizeof(*it.content.pieces));
	it.content.pieces_count = PIECES;
	it.entry.size_bytes = it.content.size_bytes = PIECE * PIECES;
	for (uint64_t i = 0; i < PIECES; i++) {
		it.content.pieces[i].len_bytes = PIECE;
		it.content.pieces[i].id = repo_put(p->work.w, i + 1, PIECE);
		repo_noise(whole + i * PIECE, PIECE, i + 1);
		if (sparse) /* each begins in the middle of the piece */
			must(entry_add_extent(&it.entry, HOLE * (i + 1), PIECE,
				 &e),
			    &e);
	}
	if (sparse)
		it.entry.size_bytes = HOLE * (PIECES + 1);
	plant_add(p, &it);
}

static void
setup(void)
{
	struct plant p = {0};
	struct err e = {0};

	repo_make(&r);
	plant_begin(&p, &r);
	plant_dir(&p, "");
	plant_file(&p, "empty", 0, 0);
	for (int i = 0; i < MANY; i++) {
		char path[16];

		snprintf(path, sizeof(path), "f%02d", i);
		plant_file(&p, path, 100 + (uint64_t)i, 500);
	}
	plant_pieces(&p, "pieces", false);
	plant_pieces(&p, "sparse", true);
	opt = (struct mount_options){.subtree = "", .root = plant_end(&p)};
	st = repo_open(&r, STORE_READ);
	n = (struct numbered){0};
	c = (struct contents){0};
	must(numbered_open(&n, st, &opt, &e), &e);
	must(contents_init(&c, &n, &e), &e);
}

static void
teardown(void)
{
	contents_fini(&c);
	numbered_fini(&n);
	store_close(&st);
	repo_remove(&r);
}

static struct contents_file *
file(const char *path)
{
	struct contents_file *out;
	struct err e = {0};
	struct stat s;

	must(numbered_look_up(&n, NUMBERED_ROOT, path, &s, &e), &e);
	must(contents_find(&c, s.st_ino, &out, &e), &e);
	return out;
}

static uint8_t room[HOLE * 5];

static size_t
get(const char *path, uint64_t offset, size_t len)
{
	const struct content_range range = {offset, len};
	struct err e = {0};
	size_t got;

	memset(room, 0xee, sizeof(room));
	must(contents_read(&c, file(path), &range, room, &got, &e), &e);
	return got;
}

START_TEST(any_range_is_as_it_was)
{
	for (uint64_t at = 0; at < sizeof(whole) + 10; at += 997)
		for (size_t len = 1; len < sizeof(whole); len = len * 5 + 2) {
			size_t want = at >= sizeof(whole) ? 0
			    : at + len > sizeof(whole)    ? sizeof(whole) - at
							  : len;

			ck_assert_uint_eq(get("pieces", at, len), want);
			ck_assert(memcmp(room, whole + at, want) == 0);
			ck_assert(room[want] == 0xee); /* not beyond */
		}
	ck_assert_uint_eq(get("empty", 0, 100), 0);
	ck_assert_uint_eq(get("pieces", UINT64_MAX - 5, 100), 0);
}
END_TEST

START_TEST(holes_are_zero_and_data_lies_where_it_lay)
{
	static const uint8_t zero[HOLE];

	for (uint64_t i = PIECES; i > 0; i--) { /* and backwards */
		ck_assert_uint_eq(get("sparse", HOLE * i - 50, PIECE + 100),
		    PIECE + 100);
		ck_assert(memcmp(room, zero, 50) == 0);
		ck_assert(
		    memcmp(room + 50, whole + (i - 1) * PIECE, PIECE) == 0);
		ck_assert(memcmp(room + 50 + PIECE, zero, 50) == 0);
	}
	ck_assert_uint_eq(get("sparse", 0, sizeof(room)), HOLE * (PIECES + 1));
	ck_assert(memcmp(room + 2 * HOLE, whole + PIECE, PIECE) == 0);
	ck_assert(memcmp(room, zero, HOLE) == 0);
}
END_TEST

START_TEST(data_and_holes_are_found)
{
	const uint64_t size = HOLE * (PIECES + 1);
	struct contents_file *f = file("sparse");

	ck_assert_uint_eq(contents_data_from(f, 0), HOLE);
	ck_assert_uint_eq(contents_data_from(f, HOLE + 5), HOLE + 5);
	ck_assert_uint_eq(contents_data_from(f, HOLE + PIECE), 2 * HOLE);
	ck_assert_uint_eq(contents_data_from(f, 3 * HOLE + PIECE), size);
	ck_assert_uint_eq(contents_hole_from(f, 7), 7);
	ck_assert_uint_eq(contents_hole_from(f, HOLE), HOLE + PIECE);
	f = file("pieces");
	ck_assert_uint_eq(contents_data_from(f, 7), 7);
	ck_assert_uint_eq(contents_hole_from(f, 7), sizeof(whole));
}
END_TEST

START_TEST(more_files_are_read_at_once_than_are_kept)
{
	uint8_t want[500];
	char path[16];

	for (size_t at = 0; at < 500; at += 100)
		for (int i = 0; i < MANY; i++) {
			snprintf(path, sizeof(path), "f%02d", i);
			repo_noise(want, sizeof(want), 100 + (uint64_t)i);
			ck_assert_uint_eq(get(path, at, 100), 100);
			ck_assert(memcmp(room, want + at, 100) == 0);
		}
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	struct contents_file *f;
	struct err e = {0};

	ck_assert_int_eq(contents_find(&c, NUMBERED_ROOT, &f, &e), ERR_INPUT);
	ck_assert_int_eq(contents_find(&c, 9999, &f, &e), ERR_NOTFOUND);
	ck_assert_uint_eq(get("f00", 0, 10), 10);
}
END_TEST

START_TEST(a_failing_call_is_an_error_and_no_more)
{
	const struct content_range range = {0, sizeof(whole)};
	int failed = 0;

	for (int i = 1, more = 1; more; i++) {
		struct contents_file *f;
		struct err e = {0};
		size_t got;

		teardown();
		setup();
		f = file("pieces");
		fault_arm_reading(i, EIO);
		failed +=
		    contents_read(&c, f, &range, room, &got, &e) != ERR_NONE;
		more = fault_fired();
		ck_assert_uint_eq(get("pieces", 0, sizeof(whole)),
		    sizeof(whole));
		ck_assert(memcmp(room, whole, sizeof(whole)) == 0);
	}
	ck_assert_int_gt(failed, 0);
}
END_TEST

Suite *
suite_mount_contents(void)
{
	Suite *s = suite_create("mount/contents");
	TCase *t = tcase_create("contents");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, any_range_is_as_it_was);
	tcase_add_test(t, holes_are_zero_and_data_lies_where_it_lay);
	tcase_add_test(t, data_and_holes_are_found);
	tcase_add_test(t, more_files_are_read_at_once_than_are_kept);
	tcase_add_test(t, what_is_no_file_is_refused);
	tcase_add_test(t, a_failing_call_is_an_error_and_no_more);
	suite_add_tcase(s, t);
	return s;
}
