#include <check.h>
#include <string.h>

#include "../lib/store/trees.h"

Suite *suite_store_split(void);

/* The authors' vectors: key 00..0f, message 00 01 02 ... */
static const struct {
	size_t len;
	uint64_t hash;
} vectors[] = {
    {1, UINT64_C(0x74f839c593dc67fd)},
    {7, UINT64_C(0xab0200f58b01d137)},
    {8, UINT64_C(0x93f5f5799a932462)},
    {9, UINT64_C(0x9e0082df0ba9e4b0)},
    {15, UINT64_C(0xa129ca6149be45e5)},
    {16, UINT64_C(0x3f2acc7f57c29bdb)},
    {63, UINT64_C(0x958a324ceb064572)},
};

START_TEST(the_hash_is_siphash_2_4)
{
	uint8_t key_bytes[SPLIT_KEY_BYTES];
	char message[64];
	struct split_key key;

	for (unsigned i = 0; i < sizeof message; i++)
		message[i] = (char)i;
	for (unsigned i = 0; i < sizeof key_bytes; i++)
		key_bytes[i] = (uint8_t)i;
	split_key_init(&key, key_bytes);
	for (size_t i = 0; i < COUNT_OF(vectors); i++)
		ck_assert_uint_eq(split_hash(&key, 0, message + 1,
				      vectors[i].len - 1),
		    vectors[i].hash);
}
END_TEST

START_TEST(weights_count_the_last_component_and_the_refs)
{
	ck_assert_uint_eq(split_weight("", 0, 0, 5), 13);
	ck_assert_uint_eq(split_weight("srv/abc", 7, 0, 5), 16);
	ck_assert_uint_eq(split_weight("abc", 3, 2, 5), 84);
}
END_TEST

START_TEST(heavier_cells_end_pages_more_often)
{
	ck_assert(split_is_end(0, 1));
	ck_assert(!split_is_end(UINT64_C(1) << 48, 1));
	ck_assert(split_is_end((UINT64_C(100) << 48) - 1, 100));
	ck_assert(!split_is_end(UINT64_C(100) << 48, 100));
	ck_assert(split_is_end(UINT64_MAX, 65536));
	ck_assert(!split_is_end(UINT64_MAX, 65535));
}
END_TEST

Suite *
suite_store_split(void)
{
	Suite *s = suite_create("store/split");
	TCase *tc = tcase_create("split");

	tcase_add_test(tc, the_hash_is_siphash_2_4);
	tcase_add_test(tc, weights_count_the_last_component_and_the_refs);
	tcase_add_test(tc, heavier_cells_end_pages_more_often);
	suite_add_tcase(s, tc);
	return s;
}
