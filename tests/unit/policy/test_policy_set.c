/* The Brent and Southwark set of policies/, and what is made from it. */
#include <bascule/policy.h>

#include <check.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/crypt.h>

#include "support/copytree.h"

static const struct utc now = {INT64_C(1792800000) * NS_PER_S}; /* 2026-10 */

static struct policy *
load(const char *root, const char *name)
{
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct policy *p = NULL;
	struct err e = {0};
	char path[300];
	enum err_code rc;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	rc = policy_load(&p, &ps, path, now, &e);
	for (size_t i = 0; i < ps.count; i++)
		printf("%s:%u: %s: %s\n", ps.items[i].file, ps.items[i].line,
		    ps.items[i].setting, ps.items[i].message);
	ck_assert_msg(rc == ERR_NONE, "%s", e.text);
	return p;
}

START_TEST(both_sites_load_without_a_problem)
{
	char root[64];
	OWNED(policy_free) struct policy *brent = NULL;
	OWNED(policy_free) struct policy *southwark = NULL;

	copytree_make("policies", root);
	brent = load(root, "bascule.conf");
	southwark = load(root, "bascule.southwark.conf");
	ck_assert_str_eq(brent->site, "brent");
	ck_assert_str_eq(southwark->site, "southwark");
	ck_assert_uint_eq(brent->service_count, 3);
	ck_assert_uint_eq(brent->scenario_count, 1);
	ck_assert_uint_ge(brent->control_count, 10);
	copytree_remove(root);
}
END_TEST

START_TEST(values_arrive_in_base_units)
{
	char root[64];
	OWNED(policy_free) struct policy *p = NULL;
	const struct policy_service *s;
	const struct policy_step *step;
	const struct policy_site *site;
	char path[128];

	copytree_make("policies", root);
	p = load(root, "bascule.conf");
	snprintf(path, sizeof(path), "%s/brent.key", root);
	ck_assert_str_eq(p->key_file, path);
	s = policy_find_service(p, "housing-repairs");
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(s->rpo_ns, 3600 * NS_PER_S);
	ck_assert_uint_eq(s->datasets[2].min_size_bytes, 1U << 20);
	ck_assert_uint_eq(s->datasets[2].max_shrink_millipercent, 50000);
	ck_assert_uint_eq(s->datasets[2].command.count, 3);
	ck_assert_ptr_null(s->datasets[2].command.items[3]);
	ck_assert_str_eq(s->backup.when.schedule, "*/30 * * * *");
	ck_assert_int_eq(s->backup.when.due.kind, DUE_CRON);
	ck_assert_ptr_nonnull(s->backup.when.due.zone);
	ck_assert_uint_eq(s->retention.rule.yearly, 7);
	ck_assert_uint_eq(s->replicate.retention.rule.daily, 30);
	ck_assert_uint_eq(s->verify[0].sample_millipercent, 2000);
	ck_assert_int_eq(s->verify[1].pick, POLICY_PICK_RANDOM_WITHIN);
	step = policy_find_step(s, "sealed");
	ck_assert_int_eq(step->kind, POLICY_STEP_CHECK);
	ck_assert_int_eq(step->check.kind, POLICY_CHECK_UNREACHABLE);
	ck_assert_uint_eq(step->modes, POLICY_MODE_TEST);
	step = policy_find_step(s, "dns");
	ck_assert(step->undo_is_none);
	ck_assert_int_eq(step->kind, POLICY_STEP_CONFIRM);
	ck_assert_int_eq(step->role, ROLE_OPERATOR);
	ck_assert_ptr_nonnull(policy_find_host(p, "app1.southwark", &site));
	ck_assert_str_eq(site->name, "southwark");
	ck_assert_uint_eq(p->links[0].bandwidth_bytes_per_s, 50000000);
	ck_assert_str_eq(policy_find_address(&p->links[1], "southwark"),
	    "10.20.2.10");
	ck_assert_str_eq(policy_find_peer(s, "brent"), "southwark");
	ck_assert_uint_eq(p->links[0].limits[0].window.weekdays, 0x3e);
	s = policy_find_service(p, "identity");
	ck_assert_int_eq(s->backup.when.due.kind, DUE_EVERY);
	ck_assert_uint_eq(s->replicate.retention.rule.hourly, 48);
	s = policy_find_service(p, "libraries");
	ck_assert_str_eq(policy_find_step(s, "covers")->to,
	    "${sandbox}/covers");
	ck_assert_int_eq(p->scenarios[0].injects[1].at_ns, 600 * NS_PER_S);
	ck_assert_int_eq(p->scenarios[0].injects[3].at_ns, -1);
	copytree_remove(root);
}
END_TEST

static void
canonical(struct buf *out, const char *root, const char *name)
{
	OWNED(policy_free) struct policy *p = load(root, name);
	struct err e = {0};

	ck_assert_int_eq(policy_canonical(p, out, &e), ERR_NONE);
}

START_TEST(both_sites_have_one_digest_wherever_and_however_it_is_written)
{
	OWNED(buf_fini) struct buf a = {0};
	OWNED(buf_fini) struct buf b = {0};
	char root[64], other[64], path[128];
	FILE *f;

	copytree_make("policies", root);
	copytree_make("policies", other);
	canonical(&a, root, "bascule.conf");
	snprintf(path, sizeof(path), "%s/sites.conf", other);
	f = fopen(path, "a");
	fputs("\n\n# a remark\n", f);
	fclose(f);
	canonical(&b, other, "bascule.southwark.conf");
	ck_assert_str_eq(buf_text(&a), buf_text(&b));
	copytree_remove(root);
	copytree_remove(other);
}
END_TEST

static void
canonical_at(struct buf *out, const char *own, const char *sites)
{
	static const char own_text[] =
	    "site = \"a\"; policy = [ \"sites.conf\" ];";
	static const char sites_text[] =
	    "sites = ( { name = \"a\"; failure_domain = \"a\"; repository = "
	    "\"store\"; } );";
	struct policy_text_file files[] = {{own, own_text,
					       sizeof(own_text) - 1},
	    {sites, sites_text, sizeof(sites_text) - 1}};
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct err e = {0};

	ck_assert_int_eq(policy_load_texts(&p, &ps, files, 2, now, &e),
	    ERR_NONE);
	ck_assert_int_eq(p->sites[0].repository[0], '/');
	ck_assert_int_eq(policy_canonical(p, out, &e), ERR_NONE);
}

START_TEST(a_relative_path_means_the_same_in_another_folder)
{
	OWNED(buf_fini) struct buf a = {0};
	OWNED(buf_fini) struct buf b = {0};

	canonical_at(&a, "/one/bascule.conf", "/one/sites.conf");
	canonical_at(&b, "/two/bascule.conf", "/two/sites.conf");
	ck_assert_str_eq(buf_text(&a), buf_text(&b));
}
END_TEST

START_TEST(a_change_that_matters_changes_the_digest)
{
	OWNED(buf_fini) struct buf a = {0};
	OWNED(buf_fini) struct buf b = {0};
	char root[64], path[128];
	FILE *f;

	copytree_make("policies", root);
	canonical(&a, root, "bascule.conf");
	snprintf(path, sizeof(path), "%s/controls.conf", root);
	f = fopen(path, "w");
	fputs("controls = ( { id = \"X\"; title = \"t\"; evidence = [ "
	      "\"verify\" ]; } );\n",
	    f);
	fclose(f);
	canonical(&b, root, "bascule.conf");
	ck_assert_str_ne(buf_text(&a), buf_text(&b));
	copytree_remove(root);
}
END_TEST

START_TEST(what_is_shown_loads_again_as_the_same)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_free) struct policy *again = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	OWNED(buf_fini) struct buf shown = {0};
	OWNED(buf_fini) struct buf a = {0};
	OWNED(buf_fini) struct buf b = {0};
	struct policy_text_file file = {.path = "/shown.conf"};
	struct err e = {0};
	char root[64];

	copytree_make("policies", root);
	p = load(root, "bascule.conf");
	ck_assert_int_eq(policy_show(p, &shown, &e), ERR_NONE);
	file.text = buf_text(&shown);
	file.len_bytes = shown.len_bytes;
	ck_assert_int_eq(policy_load_texts(&again, &ps, &file, 1, now, &e),
	    ERR_NONE);
	ck_assert_str_eq(again->key_file, p->key_file);
	ck_assert_int_eq(policy_canonical(p, &a, &e), ERR_NONE);
	ck_assert_int_eq(policy_canonical(again, &b, &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&a), buf_text(&b));
	copytree_remove(root);
}
END_TEST

START_TEST(a_plan_has_a_digest_of_its_own)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf a = {0};
	OWNED(buf_fini) struct buf b = {0};
	struct err e = {0};
	char root[64];

	copytree_make("policies", root);
	p = load(root, "bascule.conf");
	ck_assert_int_eq(policy_canonical_plan(&p->services[0], &a, &e),
	    ERR_NONE);
	ck_assert_int_eq(policy_canonical_plan(&p->services[1], &b, &e),
	    ERR_NONE);
	ck_assert_str_ne(buf_text(&a), buf_text(&b));
	ck_assert_ptr_nonnull(strstr(buf_text(&a), "housing-is-stopped"));
	ck_assert_ptr_null(strstr(buf_text(&a), "retention"));
	copytree_remove(root);
}
END_TEST

START_TEST(a_part_of_a_service_is_for_the_site_its_host_stands_at)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf live = {0};
	const struct policy_service *s;
	const struct policy_step *step;
	struct err e = {0};
	char root[64];

	copytree_make("policies", root);
	p = load(root, "bascule.conf");
	s = policy_find_service(p, "housing-repairs");
	ck_assert_str_eq(policy_host_of(p, &s->datasets[0], "brent"),
	    "app1.brent");
	ck_assert_str_eq(policy_host_of(p, &s->datasets[0], "southwark"),
	    "app1.southwark");
	ck_assert_str_eq(policy_quiesce_host(p, &s->quiesce, "southwark"),
	    "app1.southwark");
	step = policy_find_step(s, "documents");
	ck_assert(policy_step_is_for(p, step, "southwark"));
	ck_assert(!policy_step_is_for(p, step, "brent"));
	step = policy_find_step(s, "answers-back"); /* by `sites` */
	ck_assert(policy_step_is_for(p, step, "brent"));
	ck_assert(!policy_step_is_for(p, step, "southwark"));
	step = policy_find_step(s, "sealed"); /* by neither */
	ck_assert(policy_step_is_for(p, step, "brent"));
	ck_assert(policy_fence_is_for(p, &s->fence[0], "brent"));
	ck_assert(!policy_fence_is_for(p, &s->fence[0], "southwark"));
	ck_assert(policy_fence_is_for(p, &s->fence[3], "southwark"));
	ck_assert_int_eq(policy_live_root(&live, s, "brent", &e), ERR_NONE);
	ck_assert_str_eq(buf_text(&live), "/srv/housing");
	s = policy_find_service(p, "libraries"); /* one way only */
	ck_assert_str_eq(policy_host_of(p, &s->datasets[0], "southwark"),
	    "app1.southwark");
	ck_assert_ptr_null(policy_host_of(p, &s->datasets[0], "brent"));
	copytree_remove(root);
}
END_TEST

START_TEST(what_a_move_asks_for_is_there_also_where_nothing_is_written)
{
	OWNED(policy_free) struct policy *p = NULL;
	const struct policy_service *s;
	char root[64];

	copytree_make("policies", root);
	p = load(root, "bascule.conf");
	s = policy_find_service(p, "housing-repairs");
	ck_assert_int_eq(s->failover.min_proof, POLICY_L4);
	ck_assert_str_eq(policy_schema_service_proof(POLICY_L4), "L4");
	ck_assert_uint_eq(s->failover.window.weekdays, 0x3e);
	ck_assert_ptr_nonnull(s->failover.zone);
	ck_assert_uint_eq(s->fence[0].undo.count, 3);
	ck_assert_uint_eq(s->needs.cpu_count, 8);
	ck_assert_uint_eq(s->needs.disk_bytes, UINT64_C(400) << 30);
	ck_assert_int_eq(s->dns[0].ttl_max_ns, 60 * NS_PER_S);
	ck_assert_int_eq(policy_find_step(s, "dns")->deadline_ns,
	    600 * NS_PER_S);
	s = policy_find_service(p, "libraries");
	ck_assert_int_eq(s->failover.max_loss_ns, s->rpo_ns);
	ck_assert_int_eq(s->failover.cooldown_ns, 900 * NS_PER_S);
	ck_assert_int_eq(s->failover.min_proof, POLICY_L3);
	ck_assert_int_eq(s->approvals.second_within_ns, 1800 * NS_PER_S);
	ck_assert_str_eq(s->failover.during, "");
	ck_assert_uint_eq(s->needs.at.line, 0);
	ck_assert_int_eq(policy_find_step(s, "reader")->deadline_ns,
	    4 * 3600 * NS_PER_S);
	ck_assert_uint_eq(p->sites[1].capacity.cpu_count, 32);
	ck_assert_int_eq(p->etcd.lease_ns, 10 * NS_PER_S);
	ck_assert_str_eq(policy_find_person(p, "j.osei")->council, "lewisham");
	copytree_remove(root);
}
END_TEST

static void
is_hash(struct buf *text, const char *hex)
{
	char is[ID_HEX_BYTES];
	struct id id;
	struct err e;

	ck_assert(
	    hash_sha256(text->bytes, text->len_bytes, &id, &e) == ERR_NONE);
	ck_assert_str_eq(id_hex(&id, is), hex);
}

/*
 * For ever: another digest here is another one of every policy there is.  Approvals
 * given before an upgrade would be void, two sites of two versions would differ,
 * and no record's policy would be found again.  A setting was added that is not
 * SETTING_LATER, or a default has changed.
 */
START_TEST(an_upgrade_changes_no_digest)
{
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(buf_fini) struct buf whole = {0};
	OWNED(buf_fini) struct buf plan = {0};
	struct err e = {0};
	char root[64];

	copytree_make("tests/golden/policy-2", root);
	p = load(root, "bascule.conf");
	ck_assert_int_eq(policy_canonical(p, &whole, &e), ERR_NONE);
	ck_assert_int_eq(policy_canonical_plan(&p->services[0], &plan, &e),
	    ERR_NONE);
	is_hash(&whole,
	    "eebc7cae5d5a3184215f1f3a8073fdd2a7e6386874c13a09f932fbe774cc3e8c");
	is_hash(&plan,
	    "a44ac9a7578c2cba9c21ccc9af9a6d635eac482f6798f5a83ed5b3effe52ba15");
	copytree_remove(root);
}
END_TEST

/* The services' files with a setting that came later, beside an older one. */
static void
canonical_with(struct buf *out, const char *site, const char *approvals)
{
	static const char own[] = "site = \"a\"; policy = [ \"sites.conf\" ];";
	static const char sites[] =
	    "sites = ( { name = \"a\"; failure_domain = \"a\"; repository = "
	    "\"store\"; %s } ); service = { name = \"s\"; owner = \"o\"; "
	    "home = \"a\"; rpo = \"24h\"; rto = \"4h\"; datasets = ( { name "
	    "= \"tree\"; tree = \"/srv\"; } ); backup = { every = \"12h\"; };"
	    " approvals = { planned = 1; %s }; };";
	char text[1024];
	struct policy_text_file files[] = {{"/p/bascule.conf", own,
					       sizeof(own) - 1},
	    {"/p/sites.conf", text, 0}};
	OWNED(policy_free) struct policy *p = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct err e = {0};
	enum err_code rc;

	files[1].len_bytes =
	    (size_t)snprintf(text, sizeof(text), sites, site, approvals);
	rc = policy_load_texts(&p, &ps, files, 2, now, &e);
	ck_assert_msg(rc == ERR_NONE, "%s: %s", e.text,
	    ps.count > 0 ? ps.items[0].message : "");
	ck_assert_int_eq(policy_canonical(p, out, &e), ERR_NONE);
}

START_TEST(what_came_later_is_in_the_digest_where_it_says_something)
{
	OWNED(buf_fini) struct buf without = {0};
	OWNED(buf_fini) struct buf usual = {0};
	OWNED(buf_fini) struct buf with = {0};

	canonical_with(&without, "", "");
	canonical_with(&usual, "transport = \"bascule\";", "signed = false;");
	canonical_with(&with, "transport = \"sftp\";", "");
	ck_assert_ptr_null(strstr(buf_text(&without), "signed"));
	ck_assert_ptr_null(strstr(buf_text(&without), "transport"));
	ck_assert_str_eq(buf_text(&without), buf_text(&usual));
	ck_assert_ptr_nonnull(
	    strstr(buf_text(&with), "transport = \"sftp\";\n"));
}
END_TEST

Suite *suite_policy_policy_set(void);

Suite *
suite_policy_policy_set(void)
{
	Suite *s = suite_create("policy/set");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, both_sites_load_without_a_problem);
	tcase_add_test(tc, values_arrive_in_base_units);
	tcase_add_test(tc,
	    both_sites_have_one_digest_wherever_and_however_it_is_written);
	tcase_add_test(tc, a_relative_path_means_the_same_in_another_folder);
	tcase_add_test(tc, a_change_that_matters_changes_the_digest);
	tcase_add_test(tc, an_upgrade_changes_no_digest);
	tcase_add_test(tc,
	    what_came_later_is_in_the_digest_where_it_says_something);
	tcase_add_test(tc, what_is_shown_loads_again_as_the_same);
	tcase_add_test(tc, a_plan_has_a_digest_of_its_own);
	tcase_add_test(tc,
	    a_part_of_a_service_is_for_the_site_its_host_stands_at);
	tcase_add_test(tc,
	    what_a_move_asks_for_is_there_also_where_nothing_is_written);
	suite_add_tcase(s, tc);
	return s;
}
