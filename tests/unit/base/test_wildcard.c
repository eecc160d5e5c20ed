#include <check.h>
#include <string.h>

#include <bascule/base/defs.h>
#include <bascule/base/wildcard.h>

Suite *suite_base_wildcard(void);

struct row {
	const char *pattern, *text;
	bool matches;
};

START_TEST(patterns_match_as_find_has_them)
{
	static const struct row rows[] = {{"", "", true}, {"", "a", false},
	    {"a", "", false}, {"a", "a", true}, {"a", "ab", false},
	    {"*", "", true}, {"*", "any/thing", true}, {"a*c", "abbc", true},
	    {"a*c", "abcb", false}, {"*a*b*", "xxaxxbxx", true},
	    {"*a*b*", "xxbxxaxx", false}, {"?", "a", true}, {"?", "", false},
	    {"?", "ab", false}, {"?", "\xc3\xa9", true}, {"?", "\xff", true},
	    {"??", "\xc3\xa9", false}, {"?", "\xc3", true},
	    {"[a-c]x", "bx", true}, {"[a-c]x", "dx", false},
	    {"[!a-c]x", "dx", true}, {"[^a-c]x", "ax", false},
	    {"[]]", "]", true}, {"[a-]", "-", true}, {"[a", "[a", true},
	    {"[", "[", true}, {"\\*", "*", true}, {"\\*", "a", false},
	    {"a\\", "a\\", true}, {"**", "x", true},
	    {"*.txt", "a.txt.gz", false}};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		ck_assert_msg(wildcard_match(rows[i].pattern, rows[i].text,
				  strlen(rows[i].text)) == rows[i].matches,
		    "'%s' and '%s'", rows[i].pattern, rows[i].text);
}
END_TEST

START_TEST(a_pattern_is_for_a_name_a_whole_path_or_its_end)
{
	static const struct row rows[] = {{"*.c", "srv/a/x.c", true},
	    {"a", "srv/a/x.c", false}, {"a", "srv/a", true},
	    {"/srv/*.c", "srv/a/x.c", true}, {"/srv/*.c", "opt/srv/x.c", false},
	    {"a/x.c", "srv/a/x.c", true}, {"a/x.c", "srv/ba/x.c", false},
	    {"srv/a", "srv/a", true}, {"s*/x.c", "srv/a/x.c", true},
	    {"/", "", true}, {"*", "", true}, {"/srv", "srv", true},
	    {"/srv", "srv/a", false}};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		ck_assert_msg(wildcard_match_path(rows[i].pattern, rows[i].text,
				  strlen(rows[i].text)) == rows[i].matches,
		    "'%s' and '%s'", rows[i].pattern, rows[i].text);
}
END_TEST

START_TEST(a_path_ends_where_its_length_says)
{
	ck_assert(wildcard_match("ab", "abc", 2));
	ck_assert(!wildcard_match("abc", "abc", 2));
	ck_assert(wildcard_match_path("a/b", "x/a/bc", 5));
}
END_TEST

START_TEST(no_pattern_is_slow)
{
	char pattern[201], text[20001];

	for (size_t i = 0; i < 200; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[200] = '\0';
	memset(text, 'a', sizeof text - 1);
	text[20000] = '\0';
	ck_assert(wildcard_match(pattern, text, 20000));
	pattern[199] = 'b';
	ck_assert(!wildcard_match(pattern, text, 20000));
}
END_TEST

Suite *
suite_base_wildcard(void)
{
	Suite *s = suite_create("base/wildcard");
	TCase *t = tcase_create("wildcard");

	tcase_add_test(t, patterns_match_as_find_has_them);
	tcase_add_test(t, a_pattern_is_for_a_name_a_whole_path_or_its_end);
	tcase_add_test(t, a_path_ends_where_its_length_says);
	tcase_add_test(t, no_pattern_is_slow);
	suite_add_tcase(s, t);
	return s;
}
