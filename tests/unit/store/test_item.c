#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/store/trees.h"
#include "support/items.h"

Suite *suite_store_item(void);

START_TEST(any_item_survives_encoding_but_for_its_path)
{
	struct items_random r = {1};
	struct err e;

	for (int i = 0; i < 3000; i++) {
		OWNED(item_fini) struct item it, back;
		OWNED(buf_fini) struct buf b = {0}, again = {0};

		items_make(&it, "", &r, true);
		ck_assert_msg(item_encode(&b, &it, &e) == ERR_NONE, "%s",
		    e.text);
		ck_assert_msg(item_decode(&back, b.bytes, b.len_bytes, &e) ==
			ERR_NONE,
		    "%s", e.text);
		ck_assert(items_equal(&it, &back));
		ck_assert(item_encode(&again, &back, &e) == ERR_NONE);
		ck_assert_uint_eq(b.len_bytes, again.len_bytes);
		ck_assert_mem_eq(b.bytes, again.bytes, b.len_bytes);
	}
}
END_TEST

START_TEST(the_extremes_of_every_field_survive)
{
	OWNED(item_fini) struct item it = {0}, back = {0};
	OWNED(buf_fini) struct buf b = {0};
	struct err e;
	char name[ENTRY_XATTR_NAME_MAX + 1], *value;

	it.entry.type = ENTRY_FILE;
	it.entry.mode = 07777;
	it.entry.uid = it.entry.gid = UINT32_MAX;
	it.entry.mtime_s = INT64_MIN;
	it.entry.mtime_ns = 999999999;
	it.entry.flags = ENTRY_FLAGS_MASK;
	it.entry.sparse = true; /* a hole from end to end */
	it.entry.size_bytes = ENTRY_SIZE_MAX;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	value = calloc(1, ENTRY_XATTR_VALUE_MAX);
	ck_assert(entry_add_xattr(&it.entry, name, value, ENTRY_XATTR_VALUE_MAX,
		      &e) == ERR_NONE);
	free(value);
	ck_assert(item_encode(&b, &it, &e) == ERR_NONE);
	ck_assert_msg(item_decode(&back, b.bytes, b.len_bytes, &e) == ERR_NONE,
	    "%s", e.text);
	ck_assert(items_equal(&it, &back));
	it.entry.mtime_s = INT64_MAX;
	item_fini(&back);
	buf_clear(&b);
	ck_assert(item_encode(&b, &it, &e) == ERR_NONE);
	ck_assert(item_decode(&back, b.bytes, b.len_bytes, &e) == ERR_NONE);
	ck_assert(items_equal(&it, &back));
}
END_TEST

START_TEST(an_item_whose_content_does_not_fit_is_not_encoded)
{
	OWNED(item_fini) struct item it = {0};
	OWNED(buf_fini) struct buf b = {0};
	struct err e;

	it.entry.type = ENTRY_FILE;
	it.entry.size_bytes = 3;
	ck_assert(item_encode(&b, &it, &e) == ERR_INPUT);
	ck_assert(buf_add_text(&it.content.inlined, "abc", &e) == ERR_NONE);
	it.content.size_bytes = 3;
	ck_assert(item_encode(&b, &it, &e) == ERR_NONE);
	it.entry.type = ENTRY_DIR;
	it.entry.size_bytes = 0;
	ck_assert(item_encode(&b, &it, &e) == ERR_INPUT);
	it.entry.type = ENTRY_NONE;
	buf_fini(&it.content.inlined);
	it.content.size_bytes = 0;
	ck_assert(item_encode(&b, &it, &e) == ERR_INPUT);
	it.entry.type = ENTRY_SYMLINK; /* without a target */
	ck_assert(item_encode(&b, &it, &e) == ERR_INPUT);
}
END_TEST

/* Whatever is decoded must be an item that encodes to the same bytes. */
static void
try_decode(const uint8_t *bytes, size_t len)
{
	OWNED(item_fini) struct item it = {0};
	OWNED(buf_fini) struct buf b = {0};
	struct err e;

	if (item_decode(&it, bytes, len, &e) != ERR_NONE)
		return;
	ck_assert_msg(item_encode(&b, &it, &e) == ERR_NONE, "%s", e.text);
	ck_assert_uint_eq(b.len_bytes, len);
	ck_assert_mem_eq(b.bytes, bytes, len);
}

START_TEST(a_cut_or_changed_encoding_is_refused_or_means_just_that)
{
	struct items_random r = {2};
	struct err e;

	for (int i = 0; i < 60; i++) {
		OWNED(item_fini) struct item it;
		OWNED(buf_fini) struct buf b = {0};

		items_make(&it, "", &r, true);
		ck_assert(item_encode(&b, &it, &e) == ERR_NONE);
		for (size_t n = 0; n < b.len_bytes; n++) {
			struct item cut;

			ck_assert(
			    item_decode(&cut, b.bytes, n, &e) == ERR_CORRUPT);
		}
		for (size_t bit = 0; bit < b.len_bytes * 8; bit++) {
			b.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
			try_decode(b.bytes, b.len_bytes);
			b.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	}
}
END_TEST

START_TEST(spilled_extras_come_back_from_their_chunk)
{
	OWNED(item_fini) struct item it = {0}, back = {0};
	OWNED(buf_fini) struct buf b = {0}, extras = {0};
	struct id id = {{9}};
	struct item_spill spill = {&id, 1, 0};
	struct item_spilled got;
	struct item_view v;
	struct err e;

	it.entry.type = ENTRY_DIR;
	it.entry.flags = 0x40;
	ck_assert(item_encode_extras(&extras, &it.entry, &e) == ERR_NONE);
	spill.len_bytes = extras.len_bytes;
	ck_assert(item_encode_spilled(&b, &it, &spill, &e) == ERR_NONE);
	ck_assert(item_decode(&back, b.bytes, b.len_bytes, &e) == ERR_CORRUPT);
	ck_assert(item_view(&v, b.bytes, b.len_bytes, &e) == ERR_NONE);
	ck_assert(item_decode_view(&back, &v, &got, &e) == ERR_NONE);
	ck_assert_uint_eq(got.ids_count, 1);
	ck_assert_uint_eq(got.len_bytes, extras.len_bytes);
	ck_assert_mem_eq(got.ids, id.bytes, ID_BYTES);
	ck_assert(item_decode_extras(&back, extras.bytes, extras.len_bytes,
		      &e) == ERR_NONE);
	ck_assert(item_decode_done(&back, &e) == ERR_NONE);
	ck_assert(items_equal(&it, &back));
}
END_TEST

Suite *
suite_store_item(void)
{
	Suite *s = suite_create("store/item");
	TCase *tc = tcase_create("item");

	tcase_add_test(tc, any_item_survives_encoding_but_for_its_path);
	tcase_add_test(tc, the_extremes_of_every_field_survive);
	tcase_add_test(tc, an_item_whose_content_does_not_fit_is_not_encoded);
	tcase_add_test(tc,
	    a_cut_or_changed_encoding_is_refused_or_means_just_that);
	tcase_add_test(tc, spilled_extras_come_back_from_their_chunk);
	suite_add_tcase(s, tc);
	return s;
}
