#include <check.h>
#include <string.h>

#include "../lib/store/trees.h"
#include "support/items.h"

Suite *suite_store_clist(void);

static void
make(struct content_piece *pieces, size_t count)
{
	struct items_random r = {5};

	memset(pieces, 0, count * sizeof *pieces);
	for (size_t i = 0; i < count; i++) {
		/* A quarter are a chunk that was there before. */
		uint64_t which = items_below(&r, 4) == 0 ? i / 2 : i;

		pieces[i].id.bytes[0] = (uint8_t)which;
		pieces[i].id.bytes[1] = (uint8_t)(which >> 8);
		pieces[i].len_bytes = 1 + items_below(&r, 1 << 20);
	}
}

START_TEST(a_list_gives_back_its_children)
{
	struct content_piece pieces[300];
	static struct clist back;
	OWNED(buf_fini) struct buf body = {0}, refs = {0};
	struct err e;

	make(pieces, COUNT_OF(pieces));
	ck_assert(clist_encode(&body, &refs, 3, pieces, COUNT_OF(pieces), &e) ==
	    ERR_NONE);
	ck_assert(page_check_refs(&refs, &e) == ERR_NONE);
	ck_assert(clist_decode(&back, &body, &refs, &e) == ERR_NONE);
	ck_assert_uint_eq(back.level, 3);
	ck_assert_uint_eq(back.count, COUNT_OF(pieces));
	for (size_t i = 0; i < back.count; i++) {
		ck_assert(id_equal(&back.children[i].id, &pieces[i].id));
		ck_assert_uint_eq(back.children[i].len_bytes,
		    pieces[i].len_bytes);
	}
}
END_TEST

START_TEST(a_cut_or_changed_list_is_refused_or_within_bounds)
{
	struct content_piece pieces[40];
	static struct clist back;
	OWNED(buf_fini) struct buf body = {0}, refs = {0};
	struct buf cut;
	struct err e;

	make(pieces, COUNT_OF(pieces));
	ck_assert(clist_encode(&body, &refs, 0, pieces, COUNT_OF(pieces), &e) ==
	    ERR_NONE);
	cut = body;
	for (cut.len_bytes = 0; cut.len_bytes < body.len_bytes; cut.len_bytes++)
		ck_assert(clist_decode(&back, &cut, &refs, &e) == ERR_CORRUPT);
	for (size_t bit = 0; bit < body.len_bytes * 8; bit++) {
		body.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		(void)!clist_decode(&back, &body, &refs, &e);
		body.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	cut = refs;
	cut.len_bytes -= ID_BYTES;
	ck_assert(clist_decode(&back, &body, &cut, &e) == ERR_CORRUPT);
}
END_TEST

START_TEST(a_list_ends_by_its_ids_but_never_too_soon_or_late)
{
	struct id ends = {{0}}, does_not = {{0}};

	does_not.bytes[ID_BYTES - 2] = 1;
	ck_assert(!clist_is_end(&ends, CLIST_CHILDREN_MIN - 1));
	ck_assert(clist_is_end(&ends, CLIST_CHILDREN_MIN));
	ck_assert(!clist_is_end(&does_not, CLIST_CHILDREN_MAX - 1));
	ck_assert(clist_is_end(&does_not, CLIST_CHILDREN_MAX));
}
END_TEST

Suite *
suite_store_clist(void)
{
	Suite *s = suite_create("store/clist");
	TCase *tc = tcase_create("clist");

	tcase_add_test(tc, a_list_gives_back_its_children);
	tcase_add_test(tc, a_cut_or_changed_list_is_refused_or_within_bounds);
	tcase_add_test(tc, a_list_ends_by_its_ids_but_never_too_soon_or_late);
	suite_add_tcase(s, tc);
	return s;
}
