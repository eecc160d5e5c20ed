#include <check.h>

#include <bascule/base/id.h>

Suite *suite_base_id(void);

#define A64                                \
	"00112233445566778899aabbccddeeff" \
	"0123456789abcdef0123456789abcdef"

START_TEST(a_name_survives_hex_and_back)
{
	char hex[ID_HEX_BYTES];
	struct id id;

	ck_assert(id_parse(A64, &id));
	ck_assert_uint_eq(id.bytes[1], 0x11);
	ck_assert_str_eq(id_hex(&id, hex), A64);
	ck_assert(!id_is_none(&id));
}
END_TEST

START_TEST(only_one_spelling_of_a_name_is_taken)
{
	struct id id;

	ck_assert(!id_parse("", &id));
	ck_assert(!id_parse(A64 "0", &id));
	ck_assert(!id_parse(&A64[1], &id));
	ck_assert(!id_parse("AB112233445566778899aabbccddeeff"
			    "0123456789abcdef0123456789abcdef",
	    &id));
	ck_assert(!id_parse("0g112233445566778899aabbccddeeff"
			    "0123456789abcdef0123456789abcdef",
	    &id));
}
END_TEST

START_TEST(a_prefix_matches_to_the_half_byte)
{
	struct id_prefix p;
	struct id id, other;

	ck_assert(id_parse(A64, &id));
	other = id;
	other.bytes[2] ^= 0x10;
	ck_assert(id_parse_prefix("00112", &p));
	ck_assert_uint_eq(p.digits_count, 5);
	ck_assert(id_has_prefix(&id, &p));
	ck_assert(!id_has_prefix(&other, &p));
	ck_assert(id_parse_prefix("0011", &p));
	ck_assert(id_has_prefix(&other, &p));
	ck_assert(id_parse_prefix(A64, &p));
	ck_assert(id_has_prefix(&id, &p));
	ck_assert(!id_has_prefix(&other, &p));
}
END_TEST

START_TEST(a_prefix_is_four_to_sixty_four_digits_of_either_case)
{
	struct id_prefix p, q;

	ck_assert(!id_parse_prefix("", &p));
	ck_assert(!id_parse_prefix("001", &p));
	ck_assert(!id_parse_prefix("001x", &p));
	ck_assert(!id_parse_prefix(A64 "0", &p));
	ck_assert(!id_parse_prefix(A64 A64, &p));
	ck_assert(id_parse_prefix("ABCD", &p));
	ck_assert(id_parse_prefix("abcd", &q));
	ck_assert(id_equal(&p.low, &q.low));
}
END_TEST

START_TEST(entries_ascend_when_each_id_is_higher_and_none_comes_twice)
{
	uint8_t three[3][ID_BYTES + 8] = {{1}, {1}, {2}};

	ck_assert(id_ascend(three[0], 0, sizeof(three[0])));
	ck_assert(id_ascend(three[0], 1, sizeof(three[0])));
	ck_assert(!id_ascend(three[0], 3, sizeof(three[0])));
	three[1][ID_BYTES - 1] = 1;
	ck_assert(id_ascend(three[0], 3, sizeof(three[0])));
	three[1][ID_BYTES - 1] = 0;
	three[1][ID_BYTES] = 1; /* no part of the id */
	ck_assert(!id_ascend(three[0], 3, sizeof(three[0])));
	three[1][0] = 3;
	ck_assert(!id_ascend(three[0], 3, sizeof(three[0])));
}
END_TEST

Suite *
suite_base_id(void)
{
	Suite *s = suite_create("base/id");
	TCase *tc = tcase_create("id");

	tcase_add_test(tc, a_name_survives_hex_and_back);
	tcase_add_test(tc,
	    entries_ascend_when_each_id_is_higher_and_none_comes_twice);
	tcase_add_test(tc, only_one_spelling_of_a_name_is_taken);
	tcase_add_test(tc, a_prefix_matches_to_the_half_byte);
	tcase_add_test(tc,
	    a_prefix_is_four_to_sixty_four_digits_of_either_case);
	suite_add_tcase(s, tc);
	return s;
}
