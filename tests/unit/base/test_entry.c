#include <bascule/base/entry.h>

#include <check.h>
#include <string.h>
#include <sys/stat.h>

static void
fill(struct entry *en)
{
	struct err e = {0};

	ck_assert_int_eq(entry_set_path(en, "srv/a", 5, &e), ERR_NONE);
	ck_assert_int_eq(entry_set_text(&en->user, "ann", 3, 256, &e), 0);
	en->type = ENTRY_FILE;
	en->mode = 04755;
	en->mtime_s = -1;
	en->mtime_ns = 5;
	en->size_bytes = 1 << 20;
	ck_assert_int_eq(entry_add_xattr(en, "user.b", "two", 3, &e), 0);
	ck_assert_int_eq(entry_add_xattr(en, "user.a", "", 0, &e), 0);
	ck_assert_int_eq(entry_add_extent(en, 4096, 4096, &e), 0);
	ck_assert_int_eq(entry_add_extent(en, 8192, 4096, &e), 0);
	ck_assert_int_eq(entry_add_extent(en, 65536, 1, &e), 0);
	en->linked = true;
	memset(en->link_group, 7, sizeof(en->link_group));
}

START_TEST(copy_is_deep_and_equal)
{
	OWNED(entry_fini) struct entry a = {0};
	OWNED(entry_fini) struct entry b = {0};
	struct err e = {0};

	fill(&a);
	ck_assert_int_eq(entry_check(&a, &e), ERR_NONE);
	ck_assert_int_eq(entry_copy(&b, &a, &e), ERR_NONE);
	ck_assert(entry_equal(&a, &b));
	a.xattrs[1].value[0] = 'T';
	ck_assert(!entry_equal(&a, &b));
	entry_clear(&a);
	ck_assert_str_eq(b.path.bytes, "srv/a");
	ck_assert_uint_eq(entry_content_bytes(&b), 8193);
	ck_assert_int_eq(entry_copy(&b, &a, &e), ERR_NONE);
	ck_assert(entry_equal(&a, &b));
}
END_TEST

START_TEST(attributes_stand_in_order_and_once)
{
	OWNED(entry_fini) struct entry a = {0};
	struct err e = {0};

	fill(&a);
	ck_assert_str_eq(a.xattrs[0].name, "user.a");
	ck_assert_int_eq(entry_add_xattr(&a, "user.a", "x", 1, &e), ERR_EXISTS);
	ck_assert_int_eq(entry_add_xattr(&a, "", "x", 1, &e), ERR_INPUT);
	ck_assert_uint_eq(a.xattr_count, 2);
	ck_assert_uint_eq(entry_find_xattr(&a, "user.b")->value_bytes, 3);
	ck_assert_ptr_null(entry_find_xattr(&a, "user.c"));
}
END_TEST

START_TEST(touching_extents_become_one)
{
	OWNED(entry_fini) struct entry a = {0};
	struct err e = {0};

	fill(&a);
	ck_assert_uint_eq(a.extent_count, 2);
	ck_assert_uint_eq(a.extents[0].len_bytes, 8192);
	ck_assert_int_eq(entry_add_extent(&a, 65536, 1, &e), ERR_INPUT);
	ck_assert_int_eq(entry_add_extent(&a, 1 << 20, 0, &e), ERR_INPUT);
	ck_assert_int_eq(entry_add_extent(&a, UINT64_MAX, 2, &e), ERR_INPUT);
}
END_TEST

START_TEST(nonsense_is_named)
{
	OWNED(entry_fini) struct entry a = {0};
	struct err e = {0};

	ck_assert_int_eq(entry_check(&a, &e), ERR_CORRUPT); /* no type */
	fill(&a);
	a.mode = 0100644;
	ck_assert_int_eq(entry_check(&a, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "mode"));
	a.mode = 0644;
	a.flags = 0x1000;
	ck_assert_int_eq(entry_check(&a, &e), ERR_CORRUPT);
	a.flags = 0;
	a.size_bytes = 65536; /* the last extent is past the end */
	ck_assert_int_eq(entry_check(&a, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "hole map"));
	a.size_bytes = 65537;
	ck_assert_int_eq(entry_check(&a, &e), ERR_NONE);
	a.sparse = false;
	ck_assert_int_eq(entry_check(&a, &e), ERR_CORRUPT);
	a.extent_count = 0;
	a.type = ENTRY_SYMLINK;
	ck_assert_int_eq(entry_check(&a, &e), ERR_CORRUPT);
	a.size_bytes = 0;
	ck_assert_int_eq(entry_check(&a, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "target"));
	ck_assert_int_eq(entry_set_path(&a, "a/../b", 6, &e), ERR_INPUT);
	ck_assert_int_eq(entry_set_path(&a, "/a", 2, &e), ERR_INPUT);
	ck_assert_int_eq(entry_set_text(&a.user, "a\0b", 3, 9, &e), ERR_INPUT);
	ck_assert_int_eq(entry_set_text(&a.user, "abc", 3, 2, &e), ERR_INPUT);
}
END_TEST

START_TEST(types_go_both_ways)
{
	for (int t = ENTRY_FILE; t <= ENTRY_BLOCKDEV; t++) {
		uint32_t bits = entry_type_mode((enum entry_type)t);

		ck_assert_int_eq(entry_type_of_mode(bits | 0644), t);
		ck_assert_str_ne(entry_type_name((enum entry_type)t),
		    "unknown");
	}
	ck_assert_int_eq(entry_type_of_mode(0644), ENTRY_NONE);
	ck_assert_str_eq(entry_type_name((enum entry_type)99), "unknown");
}
END_TEST

Suite *suite_base_entry(void);

Suite *
suite_base_entry(void)
{
	Suite *s = suite_create("base/entry");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, copy_is_deep_and_equal);
	tcase_add_test(tc, attributes_stand_in_order_and_once);
	tcase_add_test(tc, touching_extents_become_one);
	tcase_add_test(tc, nonsense_is_named);
	tcase_add_test(tc, types_go_both_ways);
	suite_add_tcase(s, tc);
	return s;
}
