#include <check.h>
#include <errno.h>
#include <string.h>

#include "../../../lib/mount/numbered.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/plant.h"

Suite *suite_mount_numbered(void);

static struct repo r;
static struct store *st;
static struct numbered n;
static struct mount_options opt;
static int told_count;

static void
told(void *ctx, const char *path, const char *reason)
{
	(void)ctx, (void)path, (void)reason;
	told_count++;
}

static void
setup(void)
{
	repo_make(&r);
	n = (struct numbered){0};
	opt = (struct mount_options){.subtree = "", .problem = told};
	told_count = 0;
}

static void
teardown(void)
{
	numbered_fini(&n);
	store_close(&st);
	repo_remove(&r);
}

static void
linked(struct plant *p, const char *path, uint8_t group)
{
	OWNED(item_fini) struct item it = {0};

	plant_item(&it, path, ENTRY_FILE);
	it.entry.linked = true;
	memset(it.entry.link_group, group, sizeof(it.entry.link_group));
	plant_add(p, &it);
}

static void
plant(void)
{
	struct plant p = {0};

	plant_begin(&p, &r);
	plant_dir(&p, "");
	plant_dir(&p, "d");
	linked(&p, "d/a", 7);
	plant_file(&p, "d/b", 1, 3000);
	plant_dir(&p, "d/c");
	plant_many(&p, "d/c/f", 3000); /* several pages */
	linked(&p, "d/z", 7);
	linked(&p, "e", 9);
	opt.root = plant_end(&p);
	st = repo_open(&r, STORE_READ);
}

static void
begin(const char *subtree)
{
	struct err e = {0};

	opt.subtree = subtree;
	must(numbered_open(&n, st, &opt, &e), &e);
}

static struct stat
look_up(uint64_t in, const char *name)
{
	struct err e = {0};
	struct stat s;

	must(numbered_look_up(&n, in, name, &s, &e), &e);
	return s;
}

static enum err_code
lost(uint64_t in, const char *name)
{
	struct err e = {0};
	struct stat s;

	return numbered_look_up(&n, in, name, &s, &e);
}

START_TEST(what_is_found_by_name_is_what_its_number_says)
{
	char name[16];
	struct stat a, b;
	uint64_t d, c;
	struct err e = {0};

	plant();
	begin("");
	d = look_up(NUMBERED_ROOT, "d").st_ino;
	c = look_up(d, "c").st_ino;
	for (int i = 2999; i >= 0; i -= 7) { /* against the tree's order */
		snprintf(name, sizeof(name), "f%05d", i);
		a = look_up(c, name);
		must(numbered_stat(&n, a.st_ino, &b, &e), &e);
		ck_assert_uint_eq(a.st_ino, b.st_ino);
		ck_assert_uint_eq(a.st_ino, c + 1 + (uint64_t)i);
		ck_assert(S_ISREG(b.st_mode));
	}
	a = look_up(d, "b");
	ck_assert_int_eq(a.st_size, 3000);
	ck_assert_int_eq(a.st_blocks, 6);
}
END_TEST

START_TEST(what_is_not_there_is_said_to_be_not_there)
{
	struct err e = {0};
	struct stat s;

	plant();
	begin("");
	ck_assert_int_eq(lost(NUMBERED_ROOT, "c"), ERR_NOTFOUND);
	ck_assert_int_eq(lost(NUMBERED_ROOT, "d/c"), ERR_NONE); /* a path */
	ck_assert_int_eq(lost(look_up(NUMBERED_ROOT, "d").st_ino, "zz"),
	    ERR_NOTFOUND);
	ck_assert_int_eq(numbered_stat(&n, 0, &s, &e), ERR_NOTFOUND);
	ck_assert_int_eq(numbered_stat(&n, 1 << 20, &s, &e), ERR_NOTFOUND);
	ck_assert_int_eq(numbered_stat(&n, UINT64_MAX, &s, &e), ERR_NOTFOUND);
	ck_assert_int_eq(numbered_stat(&n, NUMBERED_ROOT, &s, &e), ERR_NONE);
}
END_TEST

START_TEST(all_names_of_a_file_have_one_number)
{
	struct stat a, z, other;
	uint64_t d;

	plant();
	begin("");
	d = look_up(NUMBERED_ROOT, "d").st_ino;
	z = look_up(d, "z");
	a = look_up(d, "a");
	other = look_up(NUMBERED_ROOT, "e");
	ck_assert_uint_eq(a.st_ino, z.st_ino);
	ck_assert_uint_eq(a.st_nlink, 2);
	ck_assert_uint_ne(other.st_ino, a.st_ino);
	ck_assert_uint_eq(other.st_nlink, 1);
}
END_TEST

START_TEST(a_subtree_is_the_root_and_a_file_is_none)
{
	struct err e = {0};
	struct stat s;

	plant();
	begin("d/c");
	must(numbered_stat(&n, NUMBERED_ROOT, &s, &e), &e);
	ck_assert(S_ISDIR(s.st_mode));
	ck_assert_uint_eq(s.st_ino, NUMBERED_ROOT);
	look_up(NUMBERED_ROOT, "f00001");
	ck_assert_int_eq(lost(NUMBERED_ROOT, "b"), ERR_NOTFOUND);
	numbered_fini(&n);
	n = (struct numbered){0};
	opt.subtree = "d/b";
	ck_assert_int_eq(numbered_open(&n, st, &opt, &e), ERR_INPUT);
	numbered_fini(&n);
	n = (struct numbered){0};
	opt.subtree = "nowhere";
	ck_assert_int_eq(numbered_open(&n, st, &opt, &e), ERR_NOTFOUND);
}
END_TEST

/* What fails once is right when it is asked again. */
START_TEST(a_failing_call_is_an_error_and_no_more)
{
	int failed = 0;

	plant();
	begin("");
	for (int i = 1, more = 1; more; i++) {
		struct err e = {0};
		struct stat s;
		enum err_code rc;

		numbered_fini(&n);
		store_close(&st);
		st = repo_open(&r, STORE_READ);
		n = (struct numbered){0};
		must(numbered_open(&n, st, &opt, &e), &e);
		fault_arm_reading(i, EIO);
		rc = numbered_look_up(&n, NUMBERED_ROOT, "d/c/f02999", &s, &e);
		more = fault_fired();
		failed += rc != ERR_NONE;
		ck_assert(rc == ERR_NONE || e.text[0] != '\0');
		ck_assert(rc != ERR_NOTFOUND);
		must(numbered_look_up(&n, NUMBERED_ROOT, "d/c/f02999", &s, &e),
		    &e);
		ck_assert_uint_eq(s.st_nlink, 1);
	}
	ck_assert_int_gt(failed, 0);
}
END_TEST

Suite *
suite_mount_numbered(void)
{
	Suite *s = suite_create("mount/numbered");
	TCase *t = tcase_create("numbered");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_found_by_name_is_what_its_number_says);
	tcase_add_test(t, what_is_not_there_is_said_to_be_not_there);
	tcase_add_test(t, all_names_of_a_file_have_one_number);
	tcase_add_test(t, a_subtree_is_the_root_and_a_file_is_none);
	tcase_add_test(t, a_failing_call_is_an_error_and_no_more);
	suite_add_tcase(s, t);
	return s;
}
