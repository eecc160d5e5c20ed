/* ${service} and its kin. */
#include <bascule/policy.h>

#include <check.h>
#include <string.h>

static const struct policy_values values = {.service = "housing",
    .sandbox = "/s",
    .run = "${run}"};

START_TEST(a_word_is_expanded_once_and_stays_one_word)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_expand(&b, "${sandbox}/a b/${service}", &values,
			     &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&b), "/s/a b/housing");
	buf_clear(&b);
	ck_assert_int_eq(policy_expand(&b, "$5 ${run} {x}", &values, &e),
	    ERR_NONE);
	ck_assert_str_eq(buf_text(&b), "$5 ${run} {x}");
}
END_TEST

START_TEST(what_has_no_value_or_does_not_exist_is_refused)
{
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_expand(&b, "${epoch}", &values, &e), ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, "epoch"));
	ck_assert_int_eq(policy_expand(&b, "${home}", &values, &e), ERR_INPUT);
	ck_assert_int_eq(policy_expand(&b, "${service", &values, &e),
	    ERR_INPUT);
	ck_assert_int_eq(policy_expand(&b, "${}", &values, &e), ERR_INPUT);
}
END_TEST

static void
is_argv(const struct policy_database *db, const char *wanted)
{
	struct policy_dataset d = {.name = "d", .tree = "", .database = *db};
	OWNED(policy_expand_free) char **argv = NULL;
	OWNED(buf_fini) struct buf all = {0};
	struct err e = {0};

	d.database.at.line = 1;
	ck_assert_int_eq(policy_program(&argv, &d, &values, &e), ERR_NONE);
	for (size_t i = 0; argv[i] != NULL; i++)
		ck_assert_int_eq(buf_printf(&all, &e, "%s%s", i > 0 ? " " : "",
				     argv[i]),
		    ERR_NONE);
	ck_assert_str_eq(buf_text(&all), wanted);
}

#define NOTHING .name = "", .file = "", .address = "", .user = "", .account = ""

START_TEST(a_database_is_kept_by_its_own_tool)
{
	struct policy_database db = {NOTHING, .kind = POLICY_POSTGRESQL};
	struct policy_dataset d = {.name = "d"};
	OWNED(policy_expand_free) char **argv = NULL;
	struct err e = {0};

	db.name = "--help";
	is_argv(&db,
	    "pg_dump --no-password --format=custom --compress=0 "
	    "--dbname=--help");
	db.name = "";
	db.kind = POLICY_POSTGRESQL_CLUSTER;
	db.address = "/run/postgresql";
	db.port = 5433;
	db.user = "-x";
	db.account = "postgres";
	is_argv(&db,
	    "runuser -u postgres -- pg_basebackup --no-password "
	    "--host=/run/postgresql --port=5433 --username=-x --pgdata=- "
	    "--format=tar --wal-method=fetch --checkpoint=fast");
	db = (struct policy_database){NOTHING, .kind = POLICY_MARIADB};
	db.address = "/run/mysqld/socket";
	db.user = "backup";
	d.database = db;
	d.database.at.line = 1;
	ck_assert_int_eq(policy_program(&argv, &d, &values, &e), ERR_NONE);
	ck_assert_str_eq(argv[0], "sh");
	ck_assert_str_eq(argv[1], "-c");
	ck_assert_str_eq(argv[4], ""); /* all databases */
	ck_assert_str_eq(argv[5], "--socket=/run/mysqld/socket");
	ck_assert_str_eq(argv[6], "--user=backup");
	ck_assert_ptr_null(argv[7]);
}
END_TEST

START_TEST(a_tree_has_no_program_and_no_option_is_cut)
{
	struct policy_dataset d = {.name = "d", .tree = "/x"};
	OWNED(policy_expand_free) char **argv = NULL;
	char name[2000] = "";
	struct err e = {0};

	ck_assert_int_eq(policy_program(&argv, &d, &values, &e), ERR_NONE);
	ck_assert_ptr_null(argv);
	memset(name, 'x', sizeof(name) - 1);
	d.database =
	    (struct policy_database){NOTHING, .kind = POLICY_POSTGRESQL};
	d.database.at.line = 1;
	d.database.name = name;
	ck_assert_int_eq(policy_program(&argv, &d, &values, &e), ERR_INPUT);
}
END_TEST

START_TEST(a_command_becomes_an_argv)
{
	static const char *const items[] = {"run", "", "${sandbox}/x", NULL};
	struct policy_texts words = {.items = items, .count = 3};
	OWNED(policy_expand_free) char **argv = NULL;
	struct err e = {0};

	ck_assert_int_eq(policy_expand_argv(&argv, &words, &values, &e),
	    ERR_NONE);
	ck_assert_str_eq(argv[0], "run");
	ck_assert_str_eq(argv[1], "");
	ck_assert_str_eq(argv[2], "/s/x");
	ck_assert_ptr_null(argv[3]);
	policy_expand_free(&argv);
	words.count = 0;
	ck_assert_int_eq(policy_expand_argv(&argv, &words, &values, &e),
	    ERR_NONE);
	ck_assert_ptr_null(argv[0]);
}
END_TEST

Suite *suite_policy_policy_expand(void);

Suite *
suite_policy_policy_expand(void)
{
	Suite *s = suite_create("policy/expand");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_word_is_expanded_once_and_stays_one_word);
	tcase_add_test(tc, what_has_no_value_or_does_not_exist_is_refused);
	tcase_add_test(tc, a_command_becomes_an_argv);
	tcase_add_test(tc, a_database_is_kept_by_its_own_tool);
	tcase_add_test(tc, a_tree_has_no_program_and_no_option_is_cut);
	suite_add_tcase(s, tc);
	return s;
}
