#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/store/trees.h"
#include "support/items.h"

Suite *suite_store_page(void);

#define CELLS 40

struct made {
	struct page_builder pb;
	char **paths;
	struct buf items[CELLS];
};

static void
made_fini(struct made *m)
{
	page_builder_fini(&m->pb);
	items_paths_free(m->paths, CELLS);
	for (size_t i = 0; i < CELLS; i++)
		buf_fini(&m->items[i]);
}

static void
cell_of(struct cell *cell, const struct made *m, size_t i)
{
	struct item_view v;
	struct err e;

	ck_assert(item_view(&v, m->items[i].bytes, m->items[i].len_bytes, &e) ==
	    ERR_NONE);
	*cell = (struct cell){m->paths[i], strlen(m->paths[i]), v.refs,
	    v.refs_count, v.core, v.core_bytes};
}

/* Every third item has the content of the one before: ids repeat. */
static void
made_init(struct made *m, uint64_t seed)
{
	struct items_random r = {seed}, same = r;
	struct cell cell;
	struct err e;

	memset(m, 0, sizeof *m);
	m->paths = items_paths(CELLS, &r);
	ck_assert(
	    page_builder_begin(&m->pb, CELLS * ITEM_REFS_MAX, &e) == ERR_NONE);
	for (size_t i = 0; i < CELLS; i++) {
		OWNED(item_fini) struct item it;

		if (i % 3 != 2)
			same = r;
		r = same;
		items_make(&it, m->paths[i], &r, true);
		ck_assert(item_encode(&m->items[i], &it, &e) == ERR_NONE);
		cell_of(&cell, m, i);
		ck_assert(page_builder_add(&m->pb, &cell, &e) == ERR_NONE);
	}
	ck_assert(page_builder_end(&m->pb, 0, &e) == ERR_NONE);
}

START_TEST(a_page_gives_back_its_cells)
{
	for (uint64_t seed = 1; seed < 30; seed++) {
		OWNED(made_fini) struct made m;
		OWNED(page_reader_fini) struct page_reader pr = {0};
		struct cell cell, want;
		struct err e;
		bool more;

		made_init(&m, seed);
		ck_assert(page_check_refs(&m.pb.refs, &e) == ERR_NONE);
		ck_assert(page_reader_begin(&pr, &m.pb.body, &m.pb.refs, &e) ==
		    ERR_NONE);
		for (size_t i = 0; i < CELLS; i++) {
			ck_assert_msg(page_reader_next(&pr, &cell, &more, &e) ==
				ERR_NONE,
			    "%s", e.text);
			ck_assert(more);
			cell_of(&want, &m, i);
			ck_assert_str_eq(cell.path, want.path);
			ck_assert_uint_eq(cell.refs_count, want.refs_count);
			ck_assert(cell.refs_count == 0 ||
			    memcmp(cell.refs, want.refs,
				cell.refs_count * ID_BYTES) == 0);
			ck_assert_uint_eq(cell.core_bytes, want.core_bytes);
			ck_assert_mem_eq(cell.core, want.core, want.core_bytes);
		}
		ck_assert(page_reader_next(&pr, &cell, &more, &e) == ERR_NONE);
		ck_assert(!more);
	}
}
END_TEST

/* Reads all of it; whatever comes must be in order and bounded. */
static enum err_code
read_all(const struct buf *body, const struct buf *refs, struct err *e)
{
	OWNED(page_reader_fini) struct page_reader pr = {0};
	enum err_code rc = page_reader_begin(&pr, body, refs, e);
	struct cell cell;
	bool more = rc == ERR_NONE;

	while (more && rc == ERR_NONE) {
		rc = page_reader_next(&pr, &cell, &more, e);
		if (rc == ERR_NONE && more)
			ck_assert(path_is_valid(cell.path, cell.path_bytes));
	}
	return rc;
}

START_TEST(a_cut_page_is_refused_and_a_changed_one_reads_within_bounds)
{
	OWNED(made_fini) struct made m;
	struct buf body, refs;
	struct err e;

	made_init(&m, 77);
	body = m.pb.body;
	refs = m.pb.refs;
	ck_assert(read_all(&body, &refs, &e) == ERR_NONE);
	for (body.len_bytes = 0; body.len_bytes < m.pb.body.len_bytes;
	     body.len_bytes++)
		ck_assert(read_all(&body, &refs, &e) == ERR_CORRUPT);
	for (size_t bit = 0; bit < body.len_bytes * 8; bit += 3) {
		body.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		(void)!read_all(&body, &refs, &e);
		body.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	refs.len_bytes -= ID_BYTES;
	ck_assert(read_all(&body, &refs, &e) == ERR_CORRUPT);
	refs.len_bytes -= 1;
	ck_assert(read_all(&body, &refs, &e) == ERR_CORRUPT);
}
END_TEST

static enum err_code
read_hex(const char *bytes, size_t len, size_t refs_count, struct err *e)
{
	static uint8_t ids[4 * ID_BYTES] = {1, [ID_BYTES] = 2};
	struct buf body = {.bytes = (uint8_t *)(uintptr_t)bytes,
	    .len_bytes = len};
	struct buf refs = {.bytes = ids, .len_bytes = refs_count * ID_BYTES};

	return read_all(&body, &refs, e);
}
#define READ(text, refs) read_hex(text, sizeof(text) - 1, refs, &e)

START_TEST(pages_that_break_a_rule_are_refused)
{
	struct err e;

	/* level, count | shared, length, path | refs | core length, core */
	ck_assert(READ("\0\0", 0) == ERR_NONE);
	ck_assert(READ("\0\1"
		       "\0\1a"
		       "\0"
		       "\1x",
		      0) == ERR_NONE);
	ck_assert(READ("\0\1"
		       "\0\1a"
		       "\1\0"
		       "\1x",
		      1) == ERR_NONE);
	ck_assert(READ("\0\2"
		       "\0\1a"
		       "\0"
		       "\1x"
		       "\1\2/b"
		       "\0"
		       "\1x",
		      0) == ERR_NONE);
	/* the same path again; a path before the last one */
	ck_assert(READ("\0\2"
		       "\0\1a"
		       "\0"
		       "\1x"
		       "\1\0"
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\0\2"
		       "\0\2a-"
		       "\0"
		       "\1x"
		       "\1\2/b"
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	/* more shared than there is; shared in the first */
	ck_assert(READ("\0\2"
		       "\0\1a"
		       "\0"
		       "\1x"
		       "\2\1b"
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\0\1"
		       "\1\1a"
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	/* "..", "a//b", "a/", a zero byte */
	ck_assert(READ("\0\1"
		       "\0\2.."
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\0\2"
		       "\0\2a/"
		       "\0"
		       "\1x"
		       "\2\2/b"
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\0\2"
		       "\0\1a"
		       "\0"
		       "\1x"
		       "\1\3//b"
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\0\1"
		       "\0\3a\0b"
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	/* a component that becomes ".." with what it shares */
	ck_assert(READ("\0\2"
		       "\0\2a."
		       "\0"
		       "\1x"
		       "\1\1."
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\0\2"
		       "\0\4a/.a"
		       "\0"
		       "\1x"
		       "\3\1."
		       "\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	/* refs: none in the list, one not used, back past the first */
	ck_assert(READ("\0\1"
		       "\0\1a"
		       "\1\0"
		       "\1x",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\0\1"
		       "\0\1a"
		       "\0"
		       "\1x",
		      1) == ERR_CORRUPT);
	ck_assert(READ("\0\1"
		       "\0\1a"
		       "\2\0\2"
		       "\1x",
		      1) == ERR_CORRUPT);
	ck_assert(READ("\0\1"
		       "\0\1a"
		       "\2\0\1"
		       "\1x",
		      1) == ERR_NONE);
	/* bytes left over; a level too high; an inner page without children */
	ck_assert(READ("\0\1"
		       "\0\1a"
		       "\0"
		       "\1xy",
		      0) == ERR_CORRUPT);
	ck_assert(READ("\20\1"
		       "\0\1a"
		       "\1\0"
		       "\1\1",
		      1) == ERR_CORRUPT);
	ck_assert(READ("\1\0", 0) == ERR_CORRUPT);
	ck_assert(READ("\1\1"
		       "\0\1a"
		       "\1\0"
		       "\1\1",
		      1) == ERR_NONE);
	ck_assert(READ("\1\1"
		       "\0\1a"
		       "\2\0\0"
		       "\1\1",
		      2) == ERR_CORRUPT);
}
END_TEST

START_TEST(an_id_that_stands_twice_in_a_list_is_seen)
{
	uint8_t ids[3 * ID_BYTES] = {1, [ID_BYTES] = 2, [2 * ID_BYTES] = 1};
	struct buf refs = {.bytes = ids, .len_bytes = sizeof ids};
	struct err e;

	ck_assert(page_check_refs(&refs, &e) == ERR_CORRUPT);
	ids[2 * ID_BYTES] = 3;
	ck_assert(page_check_refs(&refs, &e) == ERR_NONE);
	refs.len_bytes--;
	ck_assert(page_check_refs(&refs, &e) == ERR_CORRUPT);
}
END_TEST

Suite *
suite_store_page(void)
{
	Suite *s = suite_create("store/page");
	TCase *tc = tcase_create("page");

	tcase_add_test(tc, a_page_gives_back_its_cells);
	tcase_add_test(tc,
	    a_cut_page_is_refused_and_a_changed_one_reads_within_bounds);
	tcase_add_test(tc, pages_that_break_a_rule_are_refused);
	tcase_add_test(tc, an_id_that_stands_twice_in_a_list_is_seen);
	suite_add_tcase(s, tc);
	return s;
}
