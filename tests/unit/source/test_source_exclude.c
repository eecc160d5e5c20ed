#include "../lib/source/source_exclude.h"

#include <check.h>
#include <string.h>

static struct source_exclude *
make(const char *const *patterns, size_t count)
{
	struct source_exclude *x;
	struct err e = {0};

	ck_assert_msg(source_exclude_new(&x, patterns, count, &e) == ERR_NONE,
	    "%s", e.text);
	return x;
}

static bool
one(const char *pattern, const char *path)
{
	OWNED(source_exclude_free) struct source_exclude *x = make(&pattern, 1);
	size_t len = strlen(path);
	bool is_dir = path[len - 1] == '/';

	return source_exclude_match(x, path, len - is_dir, is_dir);
}

START_TEST(patterns_mean_what_gitignore_says)
{
	static const struct {
		const char *pattern, *path; /* "/" behind it: a directory */
		bool excluded;
	} cases[] = {
	    {"*.tmp", "a.tmp", true},
	    {"*.tmp  ", "a.tmp", true},
	    {"a\\ ", "a ", true},
	    {"a\\  ", "a ", true},
	    {"a\\ ", "a", false},
	    {"***/b", "x/y/b", true},
	    {"a/***", "a/x/y", true},
	    {"*.tmp", "x/y/a.tmp", true},
	    {"*.tmp", "a.tmp2", false},
	    {"cache/", "cache/", true},
	    {"cache/", "cache", false},
	    {"cache/", "a/cache/", true},
	    {"/cache", "cache", true},
	    {"/cache", "a/cache", false},
	    {"a/b", "a/b", true},
	    {"a/b", "x/a/b", false},
	    {"/a/b/", "a/b/", true},
	    {"a/*", "a/x", true},
	    {"a/*", "a/x/y", false},
	    {"**/b", "b", true},
	    {"**/b", "x/y/b", true},
	    {"**/b", "x/yb", false},
	    {"a/**", "a", false},
	    {"a/**", "a/", false},
	    {"a/**", "a/x/y", true},
	    {"a/**/b", "a/b", true},
	    {"a/**/b", "a/x/y/b", true},
	    {"a/**/b", "a/x/y/c", false},
	    {"a/**/b/**/c", "a/b/b/x/c", true},
	    {"**", "anything/at/all", true},
	    {"a**b", "axxb", true},
	    {"?", "x", true},
	    {"?", "xy", false},
	    {"[a-c]x", "bx", true},
	    {"[a-c]x", "dx", false},
	    {"[!a-c]x", "dx", true},
	    {"[^a-c]x", "bx", false},
	    {"[]-]x", "]x", true},
	    {"[]-]x", "-x", true},
	    {"[[:digit:]]x", "7x", true},
	    {"[[:digit:]]x", "ax", false},
	    {"[[:nonsense:]]x", "ax", false},
	    {"[\\]]x", "]x", true},
	    {"\\*", "*", true},
	    {"\\*", "x", false},
	    {"\\!a", "!a", true},
	    {"#a", "#a", true},
	    {"*a*b*c*", "xxaxxbxxcxx", true},
	    {"*a*b*c*", "xxaxxcxxbxx", false},
	    {"\xff*", "\xff\xfe", true},
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		ck_assert_msg(one(cases[i].pattern, cases[i].path) ==
			cases[i].excluded,
		    "'%s' and '%s'", cases[i].pattern, cases[i].path);
}
END_TEST

START_TEST(the_last_match_decides)
{
	static const char *const patterns[] = {"*.log", "!keep.log",
	    "/x/*.log"};
	OWNED(source_exclude_free)
	struct source_exclude *x = make(patterns, COUNT_OF(patterns));

	ck_assert(source_exclude_match(x, "a.log", 5, false));
	ck_assert(!source_exclude_match(x, "keep.log", 8, false));
	ck_assert(!source_exclude_match(x, "y/keep.log", 10, false));
	ck_assert(source_exclude_match(x, "x/keep.log", 10, false));
	ck_assert(!source_exclude_match(x, "a.txt", 5, false));
}
END_TEST

START_TEST(nonsense_is_refused_by_name)
{
	static const char *const bad[] = {"", "!", "/", "a//b", "[a", "a\\",
	    "a/[b/c", "[[:alpha:]"};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct source_exclude *x = NULL;
		struct err e = {0};

		ck_assert_msg(source_exclude_new(&x, &bad[i], 1, &e) ==
			ERR_INPUT,
		    "'%s'", bad[i]);
		ck_assert_ptr_null(x);
		ck_assert_ptr_nonnull(strstr(e.text, bad[i]));
	}
}
END_TEST

/* Exponential in matchers that try every star again. */
START_TEST(stars_cost_no_more_than_they_must)
{
	char path[2048], pattern[256] = "";
	bool hit;

	for (int i = 0; i < 60; i++)
		strcat(pattern, "*a");
	strcat(pattern, "b");
	memset(path, 'a', 255);
	path[255] = '\0';
	ck_assert(!one(pattern, path));
	pattern[0] = '\0';
	for (int i = 0; i < 30; i++)
		strcat(pattern, "**/a/");
	strcat(pattern, "b");
	path[0] = '\0';
	for (int i = 0; i < 500; i++)
		strcat(path, "a/");
	strcat(path, "c");
	hit = one(pattern, path);
	ck_assert(!hit);
}
END_TEST

Suite *suite_source_source_exclude(void);

Suite *
suite_source_source_exclude(void)
{
	Suite *s = suite_create("source/exclude");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, patterns_mean_what_gitignore_says);
	tcase_add_test(tc, the_last_match_decides);
	tcase_add_test(tc, nonsense_is_refused_by_name);
	tcase_add_test(tc, stars_cost_no_more_than_they_must);
	suite_add_tcase(s, tc);
	return s;
}
