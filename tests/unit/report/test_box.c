#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/crypt.h>
#include <bascule/policy.h>
#include <bascule/report.h>

#include "../lib/report/box.h"
#include "support/fault.h"
#include "support/tmpdir.h"

static const char text[] =
    "site = \"brent\"; key_file = \"/nonexistent/key\";\n"
    "councils = ( { name = \"brent\"; } );\n"
    "sites = ( { name = \"brent\"; failure_domain = \"a\"; hosts = ( { name = "
    "\"app1.b\"; address = \"10.0.0.1\"; } ); repository = \"/srv/repo\"; }, "
    "{ name = \"sw\"; failure_domain = \"b\"; hosts = ( { name = "
    "\"app1.s\"; address = \"10.0.0.2\"; } ); repository = \"/srv/r\"; } "
    ");\n"
    "links = ( { name = \"l\"; between = [ \"brent\", \"sw\" ]; "
    "preference = 1; bandwidth = \"1Gbit/s\"; addresses = { brent = "
    "\"10.0.0.1\"; sw = \"10.0.0.2\"; }; } );\n"
    "%s";

static struct tmpdir td;
static struct policy *policy;
static struct sign_key *key;
static char to[128], loader[128], program[128];

static void
load(const char *services)
{
	char all[8192];
	struct policy_text_file file = {"/etc/bascule/bascule.conf", all, 0};
	struct policy_problems ps = {0};
	struct err e = {0};

	snprintf(all, sizeof(all), text, services);
	file.len_bytes = strlen(all);
	policy_free(&policy);
	if (policy_load_texts(&policy, &ps, &file, 1, now_utc(), &e) !=
	    ERR_NONE) {
		for (size_t i = 0; i < ps.count; i++)
			fprintf(stderr, "%u: %s: %s\n", ps.items[i].line,
			    ps.items[i].setting, ps.items[i].message);
		ck_abort_msg("%s", e.text);
	}
	policy_problem_fini(&ps);
}

#define SERVICE(name, tier, more)                                         \
	"{ name = \"" name "\"; owner = \"brent\"; tier = " tier          \
	"; home = \"brent\"; rpo = \"1h\"; rto = \"4h\"; datasets = ( { " \
	"name = \"docs\"; tree = \"/srv/x\"; } ); backup = { every = "    \
	"\"10m\"; "                                                       \
	"expect = \"1m\"; }; " more " }"

static void
setup(void)
{
	struct err e = {0};

	tmpdir_make_in_memory(&td);
	tmpdir_put(&td, "ld.so", "a loader");
	tmpdir_put(&td, "prog", "a program");
	snprintf(to, sizeof(to), "%s/box.tar", td.path);
	snprintf(loader, sizeof(loader), "%s/ld.so", td.path);
	snprintf(program, sizeof(program), "%s/prog", td.path);
	ck_assert_int_eq(sign_key_new(&key, &e), ERR_NONE);
	load("");
}

static void
teardown(void)
{
	policy_free(&policy);
	sign_key_free(&key);
	tmpdir_remove(&td);
}

static enum err_code
write_box(const struct sign_key *signer, struct err *e)
{
	const struct box_program files[] = {{loader, "ld.so.1"},
	    {program, "bascule"}};
	struct box_options o = {.policy = policy,
	    .digest = "00",
	    .made = now_utc(),
	    .program = files,
	    .program_count = 2,
	    .signer = signer};
	struct box_tally tally;

	return box_write(&o, to, &tally, e);
}

static struct box_verdict
judged(const char *fingerprint)
{
	struct box_verdict v;
	struct err e = {0};

	ck_assert_int_eq(box_verify(to, fingerprint, &v, &e), ERR_NONE);
	return v;
}

START_TEST(a_box_is_what_was_made_and_by_whom)
{
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	struct box_verdict v;
	struct err e = {0};

	ck_assert_int_eq(sign_fingerprint(sign_key_public(key), fingerprint,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(write_box(key, &e), ERR_NONE);
	v = judged(fingerprint);
	ck_assert(!v.bad && v.is_signed);
	ck_assert_str_eq(v.site, "brent");
	ck_assert_str_eq(v.signer, fingerprint);
	ck_assert(judged("SHA256:other").bad);
	ck_assert_int_eq(write_box(NULL, &e), ERR_NONE);
	v = judged(NULL);
	ck_assert(!v.bad && !v.is_signed);
	ck_assert(judged(fingerprint).bad);
}
END_TEST

/* But for what tar itself ignores: its headers' own fields and padding. */
START_TEST(a_byte_of_any_member_that_differs_shows)
{
	OWNED(buf_fini) struct buf bytes = {0};
	struct box_verdict v;
	struct err e = {0};
	size_t wrong = 0, tried = 0;

	ck_assert_int_eq(write_box(key, &e), ERR_NONE);
	ck_assert_int_eq(fdio_slurp(td.fd, "box.tar", (size_t)1 << 20, &bytes,
			     &e),
	    ERR_NONE);
	for (size_t i = 0; i < bytes.len_bytes; i += 13) {
		enum err_code rc;

		bytes.bytes[i] ^= 0x10;
		rc = box_verify_bytes(bytes.bytes, bytes.len_bytes, NULL, &v,
		    &e);
		ck_assert(rc == ERR_NONE || rc == ERR_TOONEW);
		wrong += rc == ERR_TOONEW || v.bad;
		tried++;
		bytes.bytes[i] ^= 0x10;
	}
	ck_assert_uint_gt(wrong, tried / 4);
}
END_TEST

START_TEST(services_come_in_the_order_of_recovery)
{
	OWNED(buf_fini) struct buf runbook = {0}, html = {0};
	struct box_options o = {.digest = "00", .made = now_utc()};
	struct err e = {0};
	const char *all, *a, *b, *c;

	load("service = ( " SERVICE("alpha", "2",
	    "depends = [ \"charlie\" ];") ", " SERVICE("bravo", "1",
	    "depends = [ \"charlie\" ];") ", " SERVICE("charlie", "3",
	    "") " );\n");
	o.policy = policy;
	ck_assert_int_eq(box_runbook(&o, &runbook, &html, &e), ERR_NONE);
	all = buf_text(&runbook);
	a = strstr(all, "Service alpha");
	b = strstr(all, "Service bravo");
	c = strstr(all, "Service charlie");
	ck_assert(a != NULL && b != NULL && c != NULL);
	ck_assert_msg(c < b && b < a, "%s", all);
	ck_assert(strstr(all, "restore latest:alpha/docs") != NULL);
	ck_assert(strstr(all, "10.0.0.1") != NULL);
	ck_assert(strstr(buf_text(&html), "<h1>") != NULL);
}
END_TEST

/* Who reads it has no policy beside it that he would understand. */
START_TEST(every_step_says_what_is_done_and_what_must_be_so)
{
	static const char *const said[] = {"wait 5m",
	    ("check: http://a:80/ answers 200 has 'up' in it (wait for it up "
	     "to 2m)"),
	    "check: a:81 takes connections",
	    "check: a:82 must not be reachable",
	    "check: the certificate of a:443 is good for 14 days more",
	    "check: the file /run/up is there",
	    "check: the file /run/down is not there",
	    "check: count it prints a number, 1000 or more",
	    "check: psql -c now prints 'x'"};
	OWNED(buf_fini) struct buf runbook = {0}, html = {0};
	struct box_options o = {.digest = "00", .made = now_utc()};
	struct err e = {0};

	load("service = " SERVICE("alpha", "1",
	    "standby = \"sw\"; replicate = { to = [ \"sw\" ]; within = \"5m\"; "
	    "}; "
	    "plan = ( { step = \"a\"; wait = \"5m\"; },"
	    "{ step = \"b\"; check = { http = \"http://a:80/\"; contains = "
	    "\"up\"; within = \"2m\"; }; },"
	    "{ step = \"c\"; check = { tcp = \"a:81\"; }; },"
	    "{ step = \"d\"; check = { unreachable = \"a:82\"; }; },"
	    "{ step = \"e\"; check = { tls = \"a:443\"; days = 14; }; },"
	    "{ step = \"f\"; check = { file = \"/run/up\"; }; },"
	    "{ step = \"g\"; check = { file = \"/run/down\"; exists = false; "
	    "}; },"
	    "{ step = \"h\"; check = { command = [ \"count\", \"it\" ]; "
	    "expect_at_least = 1000; }; },"
	    "{ step = \"i\"; check = { sql = [ \"psql\", \"-c\", \"now\" ]; "
	    "equals = \"x\"; }; } );") ";\n");
	o.policy = policy;
	ck_assert_int_eq(box_runbook(&o, &runbook, &html, &e), ERR_NONE);
	for (size_t i = 0; i < COUNT_OF(said); i++)
		ck_assert_msg(strstr(buf_text(&runbook), said[i]) != NULL,
		    "%s\n%s", said[i], buf_text(&runbook));
}
END_TEST

START_TEST(any_failing_call_leaves_no_box_or_a_whole_one)
{
	const struct box_program none[] = {{loader, "ld.so.1"}};
	struct box_options o = {.policy = policy,
	    .program = none,
	    .program_count = 1};
	struct box_tally tally;
	struct err e = {0};
	int n = 0;

	ck_assert_int_eq(box_write(&o, to, &tally, &e), ERR_INPUT);
	for (bool fired = true; fired; n++) {
		enum err_code rc;

		fault_arm(n + 1, EIO);
		rc = write_box(key, &e);
		fired = fault_fired();
		ck_assert(rc != ERR_NONE ||
		    faccessat(td.fd, "box.tar", F_OK, 0) == 0);
		if (rc != ERR_NONE)
			ck_assert_str_ne(e.text, "");
		/* It may be there, whole, when only its name is not sure. */
		if (faccessat(td.fd, "box.tar", F_OK, 0) == 0) {
			ck_assert(!judged(NULL).bad);
			ck_assert_int_eq(unlinkat(td.fd, "box.tar", 0), 0);
		}
		ck_assert_int_eq(tmpdir_count(&td), 2);
	}
	ck_assert_int_gt(n, 3);
}
END_TEST

Suite *suite_report_box(void);

Suite *
suite_report_box(void)
{
	Suite *s = suite_create("report/box");
	TCase *t = tcase_create("box");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_box_is_what_was_made_and_by_whom);
	tcase_add_test(t, a_byte_of_any_member_that_differs_shows);
	tcase_add_test(t, services_come_in_the_order_of_recovery);
	tcase_add_test(t, every_step_says_what_is_done_and_what_must_be_so);
	tcase_add_test(t, any_failing_call_leaves_no_box_or_a_whole_one);
	suite_add_tcase(s, t);
	return s;
}
