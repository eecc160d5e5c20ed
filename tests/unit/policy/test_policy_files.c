/* What the file system may hold in place of a policy. */
#include <bascule/policy.h>

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/copytree.h"
#include "support/fault.h"
#include "support/tmpdir.h"

static const struct utc now = {INT64_C(1792800000) * NS_PER_S};

static const char own[] = "site = \"brent\"; policy = [ \"p\" ];\n"
			  "sites = ( { name = \"brent\"; failure_domain = "
			  "\"b\"; repository = \"r\"; } );\n";

/* A folder of the test's own with bascule.conf and a folder p in it. */
struct place {
	char root[64];
	char path[128];
};

static const char *
in(struct place *pl, const char *name)
{
	snprintf(pl->path, sizeof(pl->path), "%s/%s", pl->root, name);
	return pl->path;
}

static void
put(struct place *pl, const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(in(pl, name), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(chmod(pl->path, mode), 0);
}

static void
make(struct place *pl)
{
	tmpdir_name(pl->root, sizeof(pl->root), false);
	ck_assert_int_eq(mkdir(in(pl, "p"), 0755), 0);
	put(pl, "bascule.conf", own, 0644);
}

/* The one problem there is says so; or none when part is NULL. */
static void
expect(struct place *pl, const char *file, unsigned line, const char *setting,
    const char *part)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct err e = {0};
	enum err_code rc =
	    policy_load(&p, &ps, in(pl, "bascule.conf"), now, &e);

	for (size_t i = 0; i < ps.count; i++)
		if (part == NULL || ps.count != 1)
			printf("%s:%u: %s: %s\n", ps.items[i].file,
			    ps.items[i].line, ps.items[i].setting,
			    ps.items[i].message);
	if (part == NULL) {
		ck_assert_int_eq(rc, ERR_NONE);
		return;
	}
	ck_assert_int_eq(rc, ERR_POLICY);
	ck_assert_uint_eq(ps.count, 1);
	ck_assert_str_eq(ps.items[0].file, in(pl, file));
	ck_assert_uint_eq(ps.items[0].line, line);
	ck_assert_str_eq(ps.items[0].setting, setting);
	ck_assert_msg(strstr(ps.items[0].message, part) != NULL, "%s",
	    ps.items[0].message);
}

START_TEST(an_ordinary_folder_loads)
{
	struct place pl;

	make(&pl);
	expect(&pl, "", 0, "", NULL);
	put(&pl, "p/.hidden.conf", "nonsense", 0644);
	put(&pl, "p/notes.txt", "nonsense", 0644);
	expect(&pl, "", 0, "", NULL);
	ck_assert_int_eq(symlink("../q.conf", in(&pl, "p/a.conf")), 0);
	put(&pl, "q.conf", "councils = ();\n", 0600);
	expect(&pl, "", 0, "", NULL);
	copytree_remove(pl.root);
}
END_TEST

START_TEST(a_file_that_others_may_change_is_refused)
{
	struct place pl;

	make(&pl);
	put(&pl, "p/a.conf", "councils = ();\n", 0666);
	expect(&pl, "p/a.conf", 1, "file", "chmod go-w");
	put(&pl, "p/a.conf", "councils = ();\n", 0664);
	expect(&pl, "p/a.conf", 1, "file", "mode 0664");
	put(&pl, "p/a.conf", "councils = ();\n", 0644);
	ck_assert_int_eq(chmod(in(&pl, "bascule.conf"), 0646), 0);
	expect(&pl, "bascule.conf", 1, "file", "chmod go-w");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(an_included_file_that_others_may_change_is_refused)
{
	struct place pl;

	make(&pl);
	put(&pl, "p/a.conf", "\n@include \"../part.inc\"\n", 0644);
	put(&pl, "part.inc", "councils = ();\n", 0602);
	expect(&pl, "p/../part.inc", 1, "file", "mode 0602");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(another_users_file_is_refused)
{
	struct place pl;

	if (geteuid() != 0)
		return; /* nobody else's file can be made */
	make(&pl);
	put(&pl, "p/a.conf", "councils = ();\n", 0644);
	ck_assert_int_eq(chown(in(&pl, "p/a.conf"), 4711, 0), 0);
	expect(&pl, "p/a.conf", 1, "file", "belongs to user 4711");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(a_key_that_others_may_read_is_refused)
{
	struct place pl;

	make(&pl);
	put(&pl, "brent.key", "", 0640);
	put(&pl, "bascule.conf",
	    "site = \"brent\";\nkey_file = \"brent.key\";\n"
	    "sites = ( { name = \"brent\"; failure_domain = \"b\"; repository "
	    "= \"r\"; } );\n",
	    0644);
	expect(&pl, "bascule.conf", 2, "key_file", "chmod 600");
	ck_assert_int_eq(chmod(in(&pl, "brent.key"), 0600), 0);
	expect(&pl, "", 0, "", NULL);
	unlink(in(&pl, "brent.key"));
	ck_assert_int_eq(mkdir(pl.path, 0700), 0);
	expect(&pl, "bascule.conf", 2, "key_file", "not a regular file");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(a_fifo_is_refused_and_never_waited_for)
{
	struct place pl;

	make(&pl);
	ck_assert_int_eq(mkfifo(in(&pl, "p/a.conf"), 0644), 0);
	expect(&pl, "bascule.conf", 1, "policy", "is not a regular file");
	unlink(in(&pl, "p/a.conf"));
	ck_assert_int_eq(mkfifo(in(&pl, "fifo"), 0644), 0);
	put(&pl, "p/a.conf", "# one\n@include \"../fifo\"\n", 0644);
	expect(&pl, "p/a.conf", 2, "@include", "is not a regular file");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(devices_folders_and_links_in_a_circle_are_refused)
{
	struct place pl;

	make(&pl);
	put(&pl, "p/a.conf", "@include \"/dev/zero\"\n", 0644);
	expect(&pl, "p/a.conf", 1, "@include", "is not a regular file");
	put(&pl, "p/a.conf", "@include \"..\"\n", 0644);
	expect(&pl, "p/a.conf", 1, "@include", "is a folder");
	unlink(in(&pl, "p/a.conf"));
	ck_assert_int_eq(symlink("a.conf", in(&pl, "p/a.conf")), 0);
	expect(&pl, "bascule.conf", 1, "policy", "symbolic links");
	unlink(in(&pl, "p/a.conf"));
	ck_assert_int_eq(mkdir(in(&pl, "p/a.conf"), 0755), 0);
	expect(&pl, "bascule.conf", 1, "policy", "is a folder");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(a_loop_through_another_name_is_still_a_loop)
{
	struct place pl;

	make(&pl);
	put(&pl, "p/a.conf", "\n\n@include \"b.inc\"\n", 0644);
	ck_assert_int_eq(symlink("a.conf", in(&pl, "p/b.inc")), 0);
	expect(&pl, "p/a.conf", 3, "@include", "a.conf -> b.inc");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(a_file_over_a_mebibyte_is_refused)
{
	struct place pl;

	make(&pl);
	put(&pl, "p/a.conf", "councils = ();\n", 0644);
	ck_assert_int_eq(truncate(pl.path, POLICY_FILE_BYTES_MAX + 1), 0);
	expect(&pl, "bascule.conf", 1, "policy", "is over 1 MiB");
	copytree_remove(pl.root);
}
END_TEST

START_TEST(includes_without_number_end)
{
	struct place pl;
	char text[256];

	make(&pl);
	/* Each level includes the next twice: 2^n files without a limit. */
	for (int i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p/%d.%s", i,
		    i == 0 ? "conf" : "inc");
		snprintf(text, sizeof(text),
		    "@include \"%d.inc\"\n@include \"%d.inc\"\n"
		    "@include \"%d.inc\"\n@include \"%d.inc\"\n",
		    i + 1, i + 1, i + 1, i + 1);
		put(&pl, name, i == 7 ? "\n" : text, 0644);
	}
	{
		OWNED(policy_free) struct policy *p = NULL;
		OWNED(policy_problem_fini) struct policy_problems ps = {0};
		struct err e = {0};

		ck_assert_int_eq(policy_load(&p, &ps, in(&pl, "bascule.conf"),
				     now, &e),
		    ERR_POLICY);
		ck_assert_ptr_nonnull(
		    strstr(ps.items[0].message, "more than 256 files"));
	}
	copytree_remove(pl.root);
}
END_TEST

START_TEST(what_is_not_there_is_a_problem_with_its_name)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_load(&p, &ps, "/nowhere/bascule.conf", now, &e),
	    ERR_POLICY);
	ck_assert_uint_eq(ps.count, 1);
	ck_assert_str_eq(ps.items[0].file, "/nowhere/bascule.conf");
	ck_assert_ptr_nonnull(strstr(ps.items[0].message, "No such file"));
}
END_TEST

START_TEST(too_many_problems_are_counted_not_kept)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	OWNED(buf_fini) struct buf text = {0};
	struct policy_text_file file = {.path = "/a.conf"};
	struct err e = {0};

	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(buf_printf(&text, &e, "zz%d = 1;\n", i),
		    ERR_NONE);
	file.text = buf_text(&text);
	file.len_bytes = text.len_bytes;
	ck_assert_int_eq(policy_load_texts(&p, &ps, &file, 1, now, &e),
	    ERR_POLICY);
	ck_assert_uint_eq(ps.count, POLICY_PROBLEMS_MAX);
	ck_assert_uint_ge(ps.more_count, 300);
}
END_TEST

START_TEST(any_failing_allocation_leaves_nothing)
{
	bool fired = true;
	char root[64], path[96];

	copytree_make("policies", root);
	snprintf(path, sizeof(path), "%s/bascule.conf", root);
	for (int nth = 1; fired; nth++) {
		OWNED(policy_free) struct policy *p = NULL;
		OWNED(policy_problem_fini) struct policy_problems ps = {0};
		struct err e = {0};
		enum err_code rc;

		fault_arm(nth, ENOMEM);
		rc = policy_load(&p, &ps, path, now, &e);
		fired = fault_fired();
		ck_assert_int_eq(rc == ERR_NONE, p != NULL);
		if (fired)
			ck_assert_msg(rc == ERR_NOMEM, "%d: %s %s", nth,
			    err_name(rc), e.text);
		else
			ck_assert_int_eq(rc, ERR_NONE);
	}
	copytree_remove(root);
}
END_TEST

Suite *suite_policy_policy_files(void);

Suite *
suite_policy_policy_files(void)
{
	Suite *s = suite_create("policy/files");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_ordinary_folder_loads);
	tcase_add_test(tc, a_file_that_others_may_change_is_refused);
	tcase_add_test(tc, an_included_file_that_others_may_change_is_refused);
	tcase_add_test(tc, another_users_file_is_refused);
	tcase_add_test(tc, a_key_that_others_may_read_is_refused);
	tcase_add_test(tc, a_fifo_is_refused_and_never_waited_for);
	tcase_add_test(tc, devices_folders_and_links_in_a_circle_are_refused);
	tcase_add_test(tc, a_loop_through_another_name_is_still_a_loop);
	tcase_add_test(tc, a_file_over_a_mebibyte_is_refused);
	tcase_add_test(tc, includes_without_number_end);
	tcase_add_test(tc, what_is_not_there_is_a_problem_with_its_name);
	tcase_add_test(tc, too_many_problems_are_counted_not_kept);
	tcase_add_test(tc, any_failing_allocation_leaves_nothing);
	suite_add_tcase(s, tc);
	return s;
}
