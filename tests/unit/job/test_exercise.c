#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/crypt.h>
#include <bascule/job.h>
#include <bascule/policy.h>

#include "../../../lib/job/exercise_cell.h"
#include "support/repo.h"
#include "support/tmpdir.h"

static struct repo r;
static struct tmpdir data, work; /* work: sandbox, keys, the steps' log */
static struct policy *policy;
static char point_hex[ID_HEX_BYTES];

/* --- the other end of the link: a ledger of lines, and a person ------------ */

static struct buf book; /* "intent step ...\n" */
static uint64_t last_seq;
static char die_at[64]; /* kill ourselves before answering this one */
static char say_step[64], say_verb[16];
static bool asked;
static enum planrun_word_kind says_at_slow; /* once step "slow" has begun */
static bool daemon_gone; /* from now on nothing can be written */
static struct exercise_left left;
static char left_sandbox[128], left_boot[64], left_state[32];

static const char *
find(const struct planrun_field *f, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return f[i].value;
	return "";
}

static void
write_line(const char *what, const char *record, const struct planrun_field *f,
    size_t n)
{
	struct err e;
	const char *const names[] = {"step", "kind", "state", "reason",
	    "finding", "isolation", "cleanup", "result", "output", "limitation",
	    "production_impact", "stood_aside"};

	ck_assert(buf_printf(&book, &e, "%s %s", what, record) == ERR_NONE);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (find(f, n, names[i])[0] != '\0')
			ck_assert(buf_printf(&book, &e, " %s=%s", names[i],
				      find(f, n, names[i])) == ERR_NONE);
	ck_assert(buf_add_text(&book, "\n", &e) == ERR_NONE);
}

/* What the inventory says, kept where the death of the worker leaves it. */
static void
remember(const struct planrun_field *f, size_t n)
{
	FILE *out;

	if (find(f, n, "sandbox")[0] == '\0')
		return;
	out =
	    fdopen(openat(work.fd, "left", O_WRONLY | O_CREAT | O_TRUNC, 0600),
		"w");
	fprintf(out, "%s\n%s\n%s\n%s\n", find(f, n, "sandbox"),
	    find(f, n, "cell_pid"), find(f, n, "cell_started"),
	    find(f, n, "cell_boot"));
	fclose(out);
}

static char run_name[32]; /* sweeps find processes by it: nobody else's */

static enum err_code
on_intent(void *ctx, const char *record, const struct planrun_field *f,
    size_t n, uint64_t *seq, struct err *e)
{
	(void)ctx;
	if (daemon_gone)
		return err_set(e, ERR_CANCELLED, "the daemon has gone");
	*seq = ++last_seq;
	write_line("intent", record, f, n);
	remember(f, n);
	if (die_at[0] != '\0' &&
	    (strcmp(find(f, n, "step"), die_at) == 0 ||
		strcmp(find(f, n, "state"), die_at) == 0))
		raise(SIGKILL);
	return ERR_NONE;
}

static enum err_code
on_outcome(void *ctx, uint64_t seq, const struct planrun_field *f, size_t n,
    struct err *e)
{
	char what[64] = "outcome:";

	(void)ctx;
	(void)e;
	(void)seq;
	write_line("outcome", "step", f, n);
	snprintf(what + 8, sizeof(what) - 8, "%s", find(f, n, "step"));
	if (strcmp(what, die_at) == 0)
		raise(SIGKILL);
	return ERR_NONE;
}

static enum err_code
on_note(void *ctx, const char *record, const struct planrun_field *f, size_t n,
    struct err *e)
{
	(void)ctx;
	(void)e;
	write_line("note", record, f, n);
	if (strcmp(find(f, n, "state"), die_at) == 0 && die_at[0] != '\0')
		raise(SIGKILL);
	return ERR_NONE;
}

static enum err_code
on_ask(void *ctx, const struct planrun_ask *q, struct err *e)
{
	(void)ctx;
	(void)e;
	asked = true;
	snprintf(say_step, sizeof(say_step), "%s", q->step);
	return ERR_NONE;
}

static void
on_hear(void *ctx, struct planrun_word *w)
{
	(void)ctx;
	if (says_at_slow != PLANRUN_SILENCE &&
	    strstr(buf_text(&book), "begins") == NULL &&
	    strstr(buf_text(&book), "intent step step=slow") != NULL &&
	    (says_at_slow != PLANRUN_PREEMPT ||
		faccessat(work.fd, "log", F_OK, 0) == 0)) {
		w->kind = says_at_slow;
		says_at_slow = PLANRUN_SILENCE;
		snprintf(w->reason, sizeof(w->reason), "move m");
		return;
	}
	if (!asked)
		return;
	asked = false;
	w->kind = PLANRUN_ANSWERED;
	snprintf(w->step, sizeof(w->step), "%s", say_step);
	snprintf(w->verb, sizeof(w->verb), "%s", say_verb);
	snprintf(w->reason, sizeof(w->reason), "because");
	snprintf(w->by, sizeof(w->by), "pat");
}

static int
on_fd(void *ctx)
{
	(void)ctx;
	return -1;
}

static void
on_log(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

/* --- a service, its data, its point ---------------------------------------- */

static void
setup(void)
{
	struct err e = {0};

	snprintf(run_name, sizeof(run_name), "test-%d", (int)getpid());
	repo_make(&r);
	tmpdir_make(&data);
	tmpdir_make(&work);
	tmpdir_put(&data, "page", "forty-two\n");
	buf_clear(&book);
	last_seq = 0;
	die_at[0] = say_step[0] = '\0';
	snprintf(say_verb, sizeof(say_verb), "confirm");
	asked = daemon_gone = false;
	says_at_slow = PLANRUN_SILENCE;
	{
		OWNED(secret_fini) struct secret file = {0};
		char path[128];

		snprintf(path, sizeof(path), "%s/key", work.path);
		ck_assert(
		    keyring_save(r.operations, NULL, &file, &e) == ERR_NONE);
		ck_assert(keyfile_write(path, &file, &e) == ERR_NONE);
	}
}

static void
teardown(void)
{
	policy_free(&policy);
	buf_fini(&book);
	tmpdir_remove(&work);
	tmpdir_remove(&data);
	repo_remove(&r);
}

static void
back_up(void)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(session_close) struct session *se = NULL;
	struct store_options so = {STORE_WRITE, r.operations, true};
	const char *roots[] = {data.path};
	struct capture_options tree = {.service = "pages",
	    .dataset = "docs",
	    .roots = roots,
	    .roots_count = 1,
	    .group = {1}};
	const char *const argv[] = {"echo", "a dump", NULL};
	struct capture_options dump = {.service = "pages",
	    .dataset = "dump",
	    .command = argv,
	    .group = {1}};
	struct capture_result out;
	struct point p = {.service = "pages", .group = {1}};
	struct err e = {0};

	ck_assert(store_open(&st, r.path, &so, &e) == ERR_NONE);
	p.taken = now_utc();
	ck_assert_msg(capture_run(st, &tree, &out, &e) == ERR_NONE, "%s",
	    e.text);
	p.snapshots[p.snapshots_count++] = out.snapshot;
	ck_assert_msg(capture_run(st, &dump, &out, &e) == ERR_NONE, "%s",
	    e.text);
	p.snapshots[p.snapshots_count++] = out.snapshot;
	ck_assert(session_open(&se, st, &e) == ERR_NONE);
	ck_assert_msg(point_commit(se, &p, &e) == ERR_NONE, "%s", e.text);
	id_hex(&p.id, point_hex);
}

/* plan: its steps; one more waits for those in after. */
static void
load_after(const char *plan, const char *after)
{
	OWNED(free_mem) char *text = NULL;
	OWNED(free_mem) char *path = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct policy_text_file file = {0};
	struct err e = {0};

	ck_assert_int_gt(asprintf(&path, "%s/bascule.conf", work.path), 0);
	ck_assert_int_gt(
	    asprintf(&text,
		"site = \"far\"; state = \"%s/state\"; key_file = \"%s/key\";\n"
		"sandbox = \"%s/sandbox\";\n"
		"councils = ( { name = \"brent\"; title = \"Brent\"; share = "
		"100; } );\n"
		"sites = ( { name = \"near\"; title = \"Near\"; role = "
		"\"datacentre\"; failure_domain = \"n\";\n"
		"  hosts = ( { name = \"b.near\"; address = \"127.0.0.1\"; "
		"port = 9; user = \"b\"; host_keys = [ "
		"\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" ]; } "
		");\n"
		"  repository = \"/nowhere\"; },\n"
		"  { name = \"far\"; title = \"Far\"; role = \"datacentre\"; "
		"failure_domain = \"f\";\n"
		"  hosts = ( { name = \"b.far\"; address = \"127.0.0.2\"; port "
		"= 9; user = \"b\"; host_keys = [ "
		"\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" ]; }, "
		"{ name = \"app.far\"; address = \"127.0.0.3\"; port = 9; "
		"user = \"b\"; host_keys = [ "
		"\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" ]; } "
		");\n"
		"  repository = \"%s\"; } );\n"
		"links = ( { name = \"l\"; between = [ \"near\", \"far\" ]; "
		"preference = 1; bandwidth = \"1Gbit/s\";\n"
		"  addresses = { near = \"127.0.0.1\"; far = \"127.0.0.2\"; }; "
		"} );\n"
		"service = { name = \"pages\"; title = \"Pages\"; owner = "
		"\"brent\"; tier = 1; home = \"near\"; standby = \"far\";\n"
		"  rpo = \"1h\"; rto = \"4h\";\n"
		"  datasets = ( { name = \"docs\"; tree = \"%s\"; }, { name = "
		"\"dump\"; command = [ \"echo\", \"a dump\" ]; } );\n"
		"  backup = { every = \"10m\"; expect = \"1m\"; };\n"
		"  replicate = { to = [ \"far\" ]; within = \"5m\"; };\n"
		"  plan = ( %s, { step = \"fine\"; after = [ %s ]; "
		"check = { command = [ \"true\" ]; }; } ); };\n",
		work.path, work.path, work.path, r.path, data.path, plan,
		after),
	    0);
	file.path = path;
	file.text = text;
	file.len_bytes = strlen(text);
	policy_free(&policy);
	if (policy_load_texts(&policy, &ps, &file, 1, now_utc(), &e) !=
	    ERR_NONE) {
		for (size_t i = 0; i < ps.count; i++)
			fprintf(stderr, "%u: %s: %s\n", ps.items[i].line,
			    ps.items[i].setting, ps.items[i].message);
		ck_abort_msg("%s", e.text);
	}
}

static void
load(const char *plan)
{
	load_after(plan, "");
}

static struct exercise_options
options(void)
{
	return (struct exercise_options){.policy = policy,
	    .service = policy_find_service(policy, "pages"),
	    .site = policy_find_site(policy, "far"),
	    .run = run_name,
	    .link = {NULL, on_intent, on_outcome, on_note, on_ask, on_hear,
		on_fd, on_log}};
}

static struct exercise_result
test(const struct exercise_options *o)
{
	struct exercise_result out;
	struct err e = {0};

	ck_assert_msg(exercise_run(o, &out, &e) == ERR_NONE, "%s", e.text);
	return out;
}

static bool
says(const char *text)
{
	return strstr(buf_text(&book), text) != NULL;
}

static bool
has_cell(void)
{
	OWNED(exercise_cell_free) struct exercise_cell *c = NULL;
	struct err e;

	return exercise_cell_make(&c, &e) == ERR_NONE;
}

static bool
sandbox_is_empty(void)
{
	OWNED(free_mem) char *path = NULL;
	DIR *d;
	int count = 0;

	ck_assert_int_gt(asprintf(&path, "%s/sandbox", work.path), 0);
	d = opendir(path);
	if (d == NULL)
		return true;
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count == 2;
}

#define RESTORES                                       \
	"{ step = \"docs\"; restore = \"docs\"; to = " \
	"\"${sandbox}/docs\"; },"                      \
	"{ step = \"dump\"; restore = \"dump\"; to = " \
	"\"${sandbox}/it.dump\"; }"
#define LOG(what) "\"echo " what " >>${sandbox}/../../log\""
#define SHELL(name, after, what)                                         \
	"{ step = \"" name "\"; after = [ " after " ]; run = [ "         \
	"\"sh\", \"-ec\", \"echo " name " >>${sandbox}/../../log; " what \
	"\" ]; undo = [ \"sh\", \"-c\", \"echo un" name                  \
	" >>${sandbox}/../../log\" ]; }"

START_TEST(a_plan_that_works_passes_and_leaves_nothing)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load(RESTORES "," SHELL("look", "\"docs\", \"dump\"",
	    "grep -q forty ${sandbox}/docs/page; "
	    "grep -q dump ${sandbox}/it.dump; "
	    "setsid sleep 1000 &") ","
				   "{ step = \"count\"; after = [ \"look\" ]; "
				   "check = { command = [ "
				   "\"sh\", \"-c\", \"echo ' 42 '\" ]; "
				   "expect_at_least = 42; }; }");
	o = options();
	out = test(&o);
	if (!has_cell()) {
		ck_assert_str_eq(out.result, "NOT_MEASURED");
		ck_assert(says("isolation=NOT MEASURED"));
	} else {
		ck_assert_msg(strcmp(out.result, "PASS") == 0, "%s: %s\n%s",
		    out.result, out.reason, buf_text(&book));
		ck_assert(says("127.0.0.1:9 not reached"));
	}
	ck_assert_str_eq(out.state, "CLEAN");
	ck_assert_str_eq(out.point, point_hex);
	ck_assert_int_gt(out.rta_ns, 0);
	ck_assert_int_ge(out.rpa_ns, 0);
	ck_assert_str_eq(tmpdir_get(&work, "log"), "look\nunlook\n");
	ck_assert(sandbox_is_empty());
	ck_assert(says("cleanup=clean"));
}
END_TEST

START_TEST(what_a_failed_step_said_stands_as_it_was_said)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load("{ step = \"wrong\"; run = [ \"sh\", \"-c\", "
	     "\"echo no such 'table'; echo second; exit 3\" ]; }");
	o = options();
	out = test(&o);
	ck_assert_str_eq(out.result, "FAIL");
	ck_assert_msg(strstr(out.reason, "no such table / second") != NULL,
	    "%s", out.reason);
	ck_assert_ptr_null(strchr(out.reason, '\\'));
	ck_assert(says("output=no such table\nsecond\n"));
}
END_TEST

START_TEST(a_failing_check_undoes_in_reverse_order_and_fails)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load(RESTORES "," SHELL("one", "\"docs\"", "true") "," SHELL("two",
	    "\"one\"", "true") "," SHELL("three", "\"two\"",
	    "true") ","
		    "{ step = \"wrong\"; after = [ \"three\" ]; check = { "
		    "command = [ "
		    "\"sh\", \"-c\", \"echo 41\" ]; expect_at_least = 42; "
		    "within = "
		    "\"0s\"; }; },"
		    "{ step = \"later\"; after = [ \"wrong\" ]; run = [ "
		    "\"true\" ]; }");
	o = options();
	out = test(&o);
	ck_assert_str_eq(out.result, "FAIL");
	ck_assert_str_eq(out.state, "CLEAN");
	ck_assert_msg(strstr(out.reason, "step 'wrong'") != NULL, "%s",
	    out.reason);
	ck_assert_msg(strstr(out.reason, "printed 41") != NULL, "%s",
	    out.reason);
	ck_assert_str_eq(tmpdir_get(&work, "log"),
	    "one\ntwo\nthree\nunthree\nuntwo\nunone\n");
	ck_assert(says("step=later kind=run state=skipped"));
	ck_assert(sandbox_is_empty());
}
END_TEST

START_TEST(production_that_can_be_reached_fails_the_test)
{
	struct exercise_options o;
	struct exercise_result out;

	if (!has_cell())
		return;
	back_up();
	/* What was started listens where production is. */
	load(RESTORES "," SHELL("serve", "\"docs\"",
	    "setsid python3 -c 'import socket; s = socket.socket(); "
	    "s.bind((\\\"127.0.0.1\\\", 9)); s.listen(5); "
	    "open(\\\"up\\\", \\\"w\\\").close(); "
	    "import time; time.sleep(100)' & "
	    "while test ! -e up; do sleep 0.05; done"));
	o = options();
	out = test(&o);
	ck_assert_msg(strcmp(out.result, "FAIL") == 0, "%s %s\n%s", out.result,
	    out.reason, buf_text(&book));
	ck_assert_str_eq(out.state, "CLEAN");
	ck_assert(strstr(out.reason, "can be reached") != NULL);
	ck_assert(says("isolation=BREACHED"));
	ck_assert(says("impact=not proven"));
	ck_assert_str_eq(tmpdir_get(&work, "log"), "serve\nunserve\n");
}
END_TEST

START_TEST(what_cannot_be_tested_is_refused_before_anything_is_created)
{
	static const char *const plans[] = {
	    "{ step = \"a\"; on = \"app.far\"; check = { command = [ "
	    "\"true\" ]; }; }",
	    "{ step = \"a\"; run = [ \"echo\", \"${dataset}\" ]; }",
	};

	back_up();
	for (size_t i = 0; i < COUNT_OF(plans); i++) {
		struct exercise_options o;
		struct exercise_result out;

		load_after(plans[i], i == 0 ? "\"a\"" : "");
		o = options();
		out = test(&o);
		ck_assert_str_eq(out.result, "NOT_MEASURED");
		ck_assert_str_eq(out.state, "CLEAN");
		ck_assert_str_ne(out.reason, "");
		ck_assert(!says("intent"));
		ck_assert(says("nothing was measured"));
		ck_assert(!says("network of their own"));
		buf_clear(&book);
	}
}
END_TEST

/* A plan that leads both ways names the hosts of both sites. */
START_TEST(what_is_for_the_other_site_stands_aside)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load_after("{ step = \"there\"; run = [ \"sh\", \"-c\", \"echo there "
		   ">>${sandbox}/../../log\" ]; on = \"b.near\"; undo = "
		   "\"none\"; }, { step = \"home\"; sites = [ \"near\" ]; "
		   "check = { command = [ \"false\" ]; }; }",
	    "\"there\", \"home\"");
	o = options();
	out = test(&o);
	ck_assert_msg(strcmp(out.result,
			  has_cell() ? "PASS" : "NOT_MEASURED") == 0,
	    "%s: %s\n%s", out.result, out.reason, buf_text(&book));
	ck_assert(says(
	    "step=there kind=run state=skipped reason=it is for another site"));
	ck_assert(says("step=home kind=check state=skipped reason=it is for "
		       "another site"));
	ck_assert(says("step=fine"));
	ck_assert_int_ne(faccessat(work.fd, "log", F_OK, 0), 0);
	ck_assert(says("cleanup=clean"));
}
END_TEST

/* On a machine that nothing here could cut off from production. */
START_TEST(steps_of_another_machine_stand_aside_and_its_restores_come_here)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load_after("{ step = \"dump\"; restore = \"dump\"; to = "
		   "\"${sandbox}/it.dump\"; on = \"app.far\"; }, "
		   "{ step = \"there\"; run = [ \"sh\", \"-c\", \"echo there "
		   ">>${sandbox}/../../log\" ]; on = \"app.far\"; undo = "
		   "\"none\"; }, { step = \"rows\"; after = [ \"there\" ]; "
		   "check = { command = [ \"false\" ]; }; }",
	    "\"dump\"");
	o = options();
	out = test(&o);
	ck_assert_msg(strcmp(out.result,
			  has_cell() ? "PASS_WITH_FINDINGS" : "NOT_MEASURED") ==
		0,
	    "%s: %s\n%s", out.result, out.reason, buf_text(&book));
	ck_assert(says("step=there kind=run state=skipped reason=it is done on "
		       "'app.far', which a test cannot cut off"));
	ck_assert(says("step=rows kind=check state=skipped reason=it follows "
		       "'there', which stood aside"));
	ck_assert(says("finding=step 'there' was not tested"));
	ck_assert_msg(says("stood_aside=2"), "%s", buf_text(&book));
	ck_assert_msg(says("limitation=it can prove L4 (restored and compared) "
			   "at most, not L5 or L6: 2 of its "),
	    "%s", buf_text(&book));
	ck_assert(says("step 'dump' restored into the sandbox here, not on "
		       "'app.far'"));
	ck_assert(says("step=dump kind=restore"));
	ck_assert(says("step=fine"));
	ck_assert_int_ne(faccessat(work.fd, "log", F_OK, 0), 0);
	ck_assert(says("cleanup=clean"));
}
END_TEST

START_TEST(a_plan_for_the_other_site_alone_is_no_test)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load("{ step = \"home\"; on = \"b.near\"; check = { command = [ "
	     "\"true\" ]; }; }");
	((struct policy_step *)(uintptr_t)policy->services[0].plan)[1].modes =
	    POLICY_MODE_TABLETOP;
	o = options();
	out = test(&o);
	ck_assert_str_eq(out.result, "NOT_MEASURED");
	ck_assert_msg(strstr(out.reason, "for tests at site 'far'") != NULL,
	    "%s", out.reason);
}
END_TEST

START_TEST(no_point_a_strange_point_or_an_unclean_run_is_refused)
{
	struct exercise_options o;
	struct exercise_result out;

	load(RESTORES);
	o = options();
	out = test(&o);
	ck_assert_str_eq(out.result, "NOT_MEASURED");
	ck_assert(strstr(out.reason, "no complete recovery point") != NULL);
	back_up();
	o.point = "0123456789";
	out = test(&o);
	ck_assert(strstr(out.reason, "0123456789") != NULL);
	o.point = NULL;
	o.outstanding = "test-0";
	out = test(&o);
	ck_assert(strstr(out.reason, "test-0 is not cleaned up") != NULL);
	ck_assert(!says("intent"));
}
END_TEST

START_TEST(a_person_confirms_skips_or_aborts)
{
	static const struct {
		const char *verb, *result;
	} cases[] = {{"done", "PASS"}, {"skip", "PASS_WITH_FINDINGS"},
	    {"abort", "INTERRUPTED"}};

	if (!has_cell())
		return;
	back_up();
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct exercise_options o;
		struct exercise_result out;

		load(RESTORES ", { step = \"ask\"; confirm = \"Well?\"; }");
		snprintf(say_verb, sizeof(say_verb), "%s", cases[i].verb);
		o = options();
		out = test(&o);
		ck_assert_str_eq(out.result, cases[i].result);
		ck_assert_str_eq(out.state, "CLEAN");
	}
}
END_TEST

START_TEST(a_timeout_ends_a_step_with_all_it_started)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load("{ step = \"slow\"; run = [ \"sh\", \"-c\", \"sleep 1000 & sleep "
	     "1000\" ]; timeout = \"1s\"; }");
	o = options();
	out = test(&o);
	ck_assert_str_eq(out.result, "FAIL");
	ck_assert_msg(strstr(out.reason, "timed out") != NULL, "%s",
	    out.reason);
	ck_assert_msg(says("step=slow kind=run state=failed "
			   "reason=timed out after 1.0s"),
	    "%s", buf_text(&book));
	ck_assert_str_eq(out.state, "CLEAN");
}
END_TEST

START_TEST(an_abort_undoes_and_is_interrupted)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	says_at_slow = PLANRUN_CANCEL;
	load(SHELL("slow", "", "sleep 1000"));
	o = options();
	out = test(&o);
	ck_assert_str_eq(out.result, "INTERRUPTED");
	ck_assert_str_eq(out.state, "CLEAN");
	ck_assert(says("step=slow kind=undo state=undone"));
	ck_assert(says("step=slow kind=run state=failed reason=aborted"));
}
END_TEST

/* A kernel that lets us have no namespaces, as far as this process goes. */
static void
forbid_namespaces(void)
{
	struct sock_filter f[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		offsetof(struct seccomp_data, args[0])),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWNET, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {COUNT_OF(f), f};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

START_TEST(without_a_namespace_the_isolation_is_not_measured)
{
	int status;
	pid_t pid;

	back_up();
	load(RESTORES "," SHELL("one", "\"docs\"", "setsid sleep 1000 &"));
	pid = fork();
	if (pid == 0) {
		struct exercise_options o = options();
		struct exercise_result out;

		forbid_namespaces();
		out = test(&o);
		_exit(strcmp(out.result, "NOT_MEASURED") != 0 ? 2
			: strcmp(out.state, "CLEAN") != 0     ? 3
			: !says("isolation=NOT MEASURED")     ? 4
			: says("step=isolation")              ? 5
			: says("network of their own")        ? 6
			: !says("neither made nor measured")  ? 7
			: !says("impact=not proven")          ? 8
							      : 42);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 42);
	ck_assert_str_eq(tmpdir_get(&work, "log"), "one\nunone\n");
	ck_assert(sandbox_is_empty());
}
END_TEST

/* --- dying ------------------------------------------------------------------- */

static const char *const undo_argv[] = {"sh", "-c", "echo unserve >>../../log",
    NULL};
static struct planrun_undo undo = {.step = "serve",
    .argv = undo_argv,
    .timeout_ns = NS_PER_S * 10,
    .on = ""};

static void
read_left(void)
{
	char text[256];
	char *at = text, *line;

	snprintf(text, sizeof(text), "%s", tmpdir_get(&work, "left"));
	memset(&left, 0, sizeof(left));
	line = strsep(&at, "\n");
	snprintf(left_sandbox, sizeof(left_sandbox), "%s", line);
	left.sandbox = left_sandbox;
	left.cell_pid = atoi(strsep(&at, "\n"));
	left.cell_started = strtoull(strsep(&at, "\n"), NULL, 10);
	snprintf(left_boot, sizeof(left_boot), "%s", strsep(&at, "\n"));
	left.cell_boot = left_boot;
	snprintf(left_state, sizeof(left_state), "STARTING");
	left.state = left_state;
}

/* A worker that dies; then somebody cleans up after it, twice. */
static void
die_and_clean(const char *where)
{
	struct exercise_options o;
	struct exercise_result out;
	int status;
	pid_t pid;

	load_after(RESTORES
	    "," SHELL("serve", "\"docs\"", "setsid sleep 1000 &"),
	    "\"serve\"");
	unlinkat(work.fd, "left", 0);
	unlinkat(work.fd, "log", 0);
	pid = fork();
	if (pid == 0) {
		snprintf(die_at, sizeof(die_at), "%s", where);
		o = options();
		test(&o);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status), "it did not die at %s", where);
	die_at[0] = '\0';
	o = options();
	o.left = &left;
	if (faccessat(work.fd, "left", F_OK, 0) != 0) {
		left = (struct exercise_left){.state = "PRECHECK"};
		out = test(&o);
		ck_assert_str_eq(out.result, "INTERRUPTED");
		return;
	}
	read_left();
	left.undos = &undo;
	left.undos_count = 1;
	for (int i = 0; i < 2; i++) {
		out = test(&o);
		ck_assert_msg(strcmp(out.state, "CLEAN") == 0, "%s: %s %s",
		    where, out.state, out.reason);
		ck_assert_str_eq(out.result, "INTERRUPTED");
		ck_assert(sandbox_is_empty());
		if (left.cell_pid != 0)
			ck_assert_msg(kill((pid_t)left.cell_pid, 0) != 0,
			    "%s: the cell is still there", where);
	}
}

START_TEST(whatever_state_it_dies_in_it_is_cleaned_up)
{
	static const char *const places[] = {"PRECHECK", "INVENTORY", "CLONING",
	    "docs", "outcome:docs", "ISOLATION_CHECK", "isolation",
	    "outcome:isolation", "STARTING", "serve", "outcome:serve",
	    "VALIDATING", "HOLDING", "CLEANING"};

	back_up();
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		if (!has_cell() &&
		    (strstr(places[i], "isolation") != NULL ||
			strcmp(places[i], "HOLDING") == 0))
			continue;
		die_and_clean(places[i]);
	}
}
END_TEST

START_TEST(a_live_move_finds_nothing_of_it_at_work)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load(RESTORES "," SHELL("slow", "\"docs\"", "sleep 1000"));
	o = options();
	says_at_slow = PLANRUN_PREEMPT;
	out = test(&o);
	ck_assert_str_eq(out.state, "PREEMPTED");
	ck_assert_str_eq(out.result, "NONE");
	ck_assert_msg(strcmp(out.reason, "it gives way: move m") == 0, "%s",
	    out.reason);
	ck_assert(says("cleanup=waits: nothing of the run is left to run"));
	ck_assert(!says("kind=undo"));
	ck_assert(!sandbox_is_empty());
	read_left();
	ck_assert(left.cell_pid == 0 || kill((pid_t)left.cell_pid, 0) != 0);
	left.state = "PREEMPTED";
	left.interrupted = true;
	left.undos = &undo;
	left.undos_count = 1;
	o.left = &left;
	out = test(&o);
	ck_assert_str_eq(out.state, "CLEAN");
	ck_assert_str_eq(out.result, "INTERRUPTED");
	ck_assert_str_eq(out.reason, "it gave way to a live move");
	ck_assert(sandbox_is_empty());
	ck_assert_str_eq(tmpdir_get(&work, "log"), "slow\nunserve\n");
}
END_TEST

START_TEST(no_test_begins_beside_a_live_move)
{
	struct exercise_options o;
	struct exercise_result out;

	back_up();
	load(RESTORES);
	o = options();
	o.live_move = "move m of 'pages'";
	out = test(&o);
	ck_assert_str_eq(out.state, "CLEAN");
	ck_assert_str_eq(out.result, "NOT_MEASURED");
	ck_assert_str_eq(out.reason,
	    "move m of 'pages' is under way at this site, and tests give way "
	    "to it");
	ck_assert(!says("intent"));
}
END_TEST

Suite *suite_job_exercise(void);

Suite *
suite_job_exercise(void)
{
	Suite *s = suite_create("job/exercise");
	TCase *t = tcase_create("exercise");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_plan_that_works_passes_and_leaves_nothing);
	tcase_add_test(t, what_a_failed_step_said_stands_as_it_was_said);
	tcase_add_test(t, a_failing_check_undoes_in_reverse_order_and_fails);
	tcase_add_test(t, production_that_can_be_reached_fails_the_test);
	tcase_add_test(t,
	    what_cannot_be_tested_is_refused_before_anything_is_created);
	tcase_add_test(t, what_is_for_the_other_site_stands_aside);
	tcase_add_test(t,
	    steps_of_another_machine_stand_aside_and_its_restores_come_here);
	tcase_add_test(t, a_plan_for_the_other_site_alone_is_no_test);
	tcase_add_test(t,
	    no_point_a_strange_point_or_an_unclean_run_is_refused);
	tcase_add_test(t, a_person_confirms_skips_or_aborts);
	tcase_add_test(t, a_timeout_ends_a_step_with_all_it_started);
	tcase_add_test(t, an_abort_undoes_and_is_interrupted);
	tcase_add_test(t, without_a_namespace_the_isolation_is_not_measured);
	tcase_add_test(t, whatever_state_it_dies_in_it_is_cleaned_up);
	tcase_add_test(t, a_live_move_finds_nothing_of_it_at_work);
	tcase_add_test(t, no_test_begins_beside_a_live_move);
	suite_add_tcase(s, t);
	return s;
}
