#include <bascule/source.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/now.h>

#include "farsource.h"

/* What a server that lies (tests/tools/hostile_sftp.py) can do to us. */

static struct farhost far;
static struct source_host host;
static struct err e;

static void
start(void)
{
	char option[512], here[300];

	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	snprintf(option, sizeof(option),
	    "ForceCommand python3 %s/tests/tools/hostile_sftp.py", here);
	farhost_start(&far, option);
	host = farsource_of(&far, "app1.brent");
	host.timeout_ns = 10 * NS_PER_S;
}

static void
stop(void)
{
	farhost_stop(&far);
}

static struct source *src;
static struct source_item item;

static void
begin(const char *root)
{
	struct source_tree_options o = {.host = &host,
	    .roots = &root,
	    .root_count = 1,
	    .single_thread = true};

	ck_assert_msg(source_tree_new(&src, &o, &e) == ERR_NONE, "%s", e.text);
}

static void
end(void)
{
	source_item_fini(&item);
	source_free(&src);
}

static void
next_is(const char *path)
{
	ck_assert_msg(source_next(src, &item, &e) == ERR_NONE, "%s", e.text);
	ck_assert_str_eq(item.entry.path.bytes, path);
	ck_assert_int_eq(item.kind, SOURCE_ENTRY);
}

static void
next_is_problem(const char *path, const char *why)
{
	ck_assert_msg(source_next(src, &item, &e) == ERR_NONE, "%s", e.text);
	ck_assert_int_eq(item.kind, SOURCE_PROBLEM);
	ck_assert_str_eq(item.entry.path.bytes, path);
	ck_assert_msg(strstr(item.problem.text, why) != NULL, "%s",
	    item.problem.text);
}

static void
that_was_all(void)
{
	ck_assert_int_eq(source_next(src, &item, &e), ERR_NOTFOUND);
	end();
}

/* Open and read the present item; how much of it came. */
static enum err_code
read_it(uint64_t *bytes_count)
{
	OWNED(source_close) struct source_file *file = NULL;
	static uint8_t bytes[65536];
	struct source_run r;
	enum err_code rc;

	*bytes_count = 0;
	rc = source_open(&item, &file, (struct arc_warn){0}, &e);
	if (rc != ERR_NONE || file == NULL)
		return rc;
	do {
		rc = source_read(file, bytes, sizeof(bytes), &r, &e);
		*bytes_count += r.len_bytes;
	} while (rc == ERR_NONE && r.len_bytes > 0);
	return rc == ERR_NONE ? source_finish(&file, &e) : rc;
}

START_TEST(names_that_no_file_can_have_are_refused)
{
	static const char *const roots[] = {"/names/0", "/names/1", "/names/2",
	    "/names/3", "/names/4", "/names/5"};

	for (size_t i = 0; i < COUNT_OF(roots); i++) {
		begin(roots[i]);
		next_is("names");
		next_is(roots[i] + 1);
		if (i == 0) { /* ".." is nobody's business */
			next_is("names/0/before");
		} else {
			next_is_problem(roots[i] + 1, "");
		}
		that_was_all();
	}
}
END_TEST

START_TEST(a_name_comes_once_and_in_order)
{
	begin("/twice");
	next_is("twice");
	next_is_problem("twice", "twice");
	next_is("twice/a");
	next_is("twice/b");
	next_is("twice/c");
	that_was_all();
}
END_TEST

START_TEST(directories_without_an_end_have_one)
{
	enum err_code rc;
	int dirs = 0, problems = 0;

	begin("/deep");
	while ((rc = source_next(src, &item, &e)) == ERR_NONE)
		*(item.kind == SOURCE_PROBLEM ? &problems : &dirs) += 1;
	ck_assert_int_eq(rc, ERR_NOTFOUND);
	ck_assert_int_eq(problems, 1);
	ck_assert_int_le(dirs, 600);
	end();
}
END_TEST

START_TEST(sizes_are_claims)
{
	uint64_t got;

	begin("/huge");
	next_is("huge");
	next_is_problem("huge/file", "larger than any file");
	that_was_all();
	begin("/short");
	next_is("short");
	next_is("short/file");
	ck_assert_int_eq(read_it(&got), ERR_BUSY);
	ck_assert_uint_eq(got, 10);
	that_was_all();
	begin("/generous");
	next_is("generous");
	next_is("generous/file");
	ck_assert_int_eq(read_it(&got), ERR_NONE);
	ck_assert_uint_eq(got, 100);
	that_was_all();
}
END_TEST

START_TEST(a_file_that_is_never_the_same_is_busy)
{
	uint64_t got;

	begin("/restless");
	next_is("restless");
	next_is("restless/file");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(read_it(&got), ERR_BUSY);
	that_was_all();
}
END_TEST

START_TEST(what_it_does_not_tell_is_a_problem)
{
	begin("/mute");
	next_is("mute");
	next_is_problem("mute/file", "does not tell");
	that_was_all();
	begin("/odd");
	next_is("odd");
	next_is_problem("odd/file", "nothing known");
	that_was_all();
}
END_TEST

START_TEST(a_directory_that_is_really_another_is_not_listed)
{
	begin("/elsewhere");
	next_is("elsewhere");
	next_is("elsewhere/in");
	next_is_problem("elsewhere/in", "link");
	that_was_all();
}
END_TEST

START_TEST(what_it_says_faithfully_is_believed)
{
	uint64_t got;

	begin("/faithful");
	next_is("faithful");
	next_is("faithful/large");
	ck_assert_int_eq(read_it(&got), ERR_NONE);
	ck_assert_uint_eq(got, 3000000);
	next_is("faithful/small");
	ck_assert_int_eq(read_it(&got), ERR_NONE);
	ck_assert_uint_eq(got, 5);
	that_was_all();
}
END_TEST

Suite *suite_source_source_farhostile(void);

Suite *
suite_source_source_farhostile(void)
{
	Suite *s = suite_create("source/farhostile");
	TCase *tc = tcase_create("far");

	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_test(tc, names_that_no_file_can_have_are_refused);
	tcase_add_test(tc, a_name_comes_once_and_in_order);
	tcase_add_test(tc, directories_without_an_end_have_one);
	tcase_add_test(tc, sizes_are_claims);
	tcase_add_test(tc, a_file_that_is_never_the_same_is_busy);
	tcase_add_test(tc, what_it_does_not_tell_is_a_problem);
	tcase_add_test(tc, a_directory_that_is_really_another_is_not_listed);
	tcase_add_test(tc, what_it_says_faithfully_is_believed);
	suite_add_tcase(s, tc);
	return s;
}
