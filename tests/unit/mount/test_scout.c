#include <check.h>
#include <errno.h>
#include <string.h>

#include "../../../lib/mount/scout.h"
#include "support/fault.h"
#include "support/must.h"
#include "support/plant.h"

Suite *suite_mount_scout(void);

static struct repo r;
static struct store *st;
static struct numbered n;
static struct scout s;
static struct mount_options opt;

static void
setup(void)
{
	repo_make(&r);
	n = (struct numbered){0};
	s = (struct scout){.tree = &n};
}

static void
teardown(void)
{
	scout_fini(&s);
	numbered_fini(&n);
	store_close(&st);
	repo_remove(&r);
}

/* The last one has that attribute. */
static void
plant(const char *name)
{
	OWNED(item_fini) struct item it = {0};
	struct plant p = {0};
	struct err e = {0};

	plant_begin(&p, &r);
	plant_dir(&p, "");
	plant_many(&p, "f", 3000);
	plant_item(&it, "z", ENTRY_FILE);
	if (name != NULL)
		must(entry_add_xattr(&it.entry, name, "x", 1, &e), &e);
	plant_add(&p, &it);
	opt = (struct mount_options){.subtree = "", .root = plant_end(&p)};
	st = repo_open(&r, STORE_READ);
	must(numbered_open(&n, st, &opt, &e), &e);
}

static void
go_to_the_end(void)
{
	for (int i = 0; i < 3000 && !s.ended; i++)
		scout_go_on(&s);
	ck_assert(s.ended);
	scout_go_on(&s); /* and not beyond */
}

START_TEST(nothing_is_said_before_everything_was_seen)
{
	plant(NULL);
	scout_go_on(&s);
	ck_assert(!scout_has_none(&s));
	ck_assert(!scout_lacks(&s, "security.selinux"));
	go_to_the_end();
	ck_assert(scout_has_none(&s));
	ck_assert(scout_lacks(&s, "system.posix_acl_access"));
}
END_TEST

START_TEST(one_attribute_of_the_last_file_counts)
{
	plant("user.x");
	go_to_the_end();
	ck_assert(!scout_has_none(&s));
	ck_assert(!scout_lacks(&s, "user.x"));
	ck_assert(!scout_lacks(&s, "user.y"));
	ck_assert(scout_lacks(&s, "system.posix_acl_access"));
	ck_assert(scout_lacks(&s, "system.posix_acl_default"));
	ck_assert(scout_lacks(&s, "security.selinux"));
}
END_TEST

START_TEST(one_acl_is_enough_to_have_acls)
{
	plant("system.posix_acl_default");
	go_to_the_end();
	ck_assert(!scout_has_none(&s));
	ck_assert(!scout_lacks(&s, "system.posix_acl_access"));
	ck_assert(scout_lacks(&s, "security.selinux"));
}
END_TEST

START_TEST(one_label_is_enough_to_have_labels)
{
	plant("security.selinux");
	go_to_the_end();
	ck_assert(!scout_lacks(&s, "security.selinux"));
	ck_assert(scout_lacks(&s, "system.posix_acl_access"));
}
END_TEST

START_TEST(what_could_not_be_read_may_have_any)
{
	int fired = 0;

	plant(NULL);
	for (int i = 1, more = 1; more; i++) {
		struct err e = {0};

		scout_fini(&s);
		numbered_fini(&n);
		store_close(&st);
		st = repo_open(&r, STORE_READ);
		n = (struct numbered){0};
		s = (struct scout){.tree = &n};
		must(numbered_open(&n, st, &opt, &e), &e);
		fault_arm_reading(i, EIO);
		go_to_the_end();
		more = fault_fired();
		fired += more;
		ck_assert(s.unknown == (more != 0));
		ck_assert(scout_has_none(&s) == (more == 0));
		ck_assert(scout_lacks(&s, "security.selinux") == (more == 0));
	}
	ck_assert_int_gt(fired, 0);
}
END_TEST

Suite *
suite_mount_scout(void)
{
	Suite *suite = suite_create("mount/scout");
	TCase *t = tcase_create("scout");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_is_said_before_everything_was_seen);
	tcase_add_test(t, one_attribute_of_the_last_file_counts);
	tcase_add_test(t, one_acl_is_enough_to_have_acls);
	tcase_add_test(t, one_label_is_enough_to_have_labels);
	tcase_add_test(t, what_could_not_be_read_may_have_any);
	suite_add_tcase(suite, t);
	return suite;
}
