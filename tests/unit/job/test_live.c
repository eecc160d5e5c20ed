#include "lib/job/live.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/buf.h>

#include "tests/support/tmpdir.h"

/* A live act at the site "far", without a repository: words and a book. */

static struct tmpdir work;
static struct policy *policy;
static struct buf book;
static uint64_t last_seq;
static size_t intents_left; /* then the daemon has gone */

static const char *
find(const struct planrun_field *f, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return f[i].value;
	return "";
}

static void
write_line(const char *what, const struct planrun_field *f, size_t n)
{
	struct err e = {0};

	ck_assert(
	    buf_printf(&book, &e, "%s %s %s %s\n", what, find(f, n, "kind"),
		find(f, n, "step"), find(f, n, "state")) == ERR_NONE);
}

static enum err_code
on_intent(void *ctx, const char *record, const struct planrun_field *f,
    size_t n, uint64_t *seq, struct err *e)
{
	(void)ctx;
	(void)record;
	if (intents_left-- == 0) {
		intents_left = 0;
		return err_set(e, ERR_CANCELLED, "the daemon has gone");
	}
	*seq = ++last_seq;
	write_line("intent", f, n);
	return ERR_NONE;
}

static enum err_code
on_outcome(void *ctx, uint64_t seq, const struct planrun_field *f, size_t n,
    struct err *e)
{
	(void)ctx;
	(void)seq;
	(void)e;
	write_line("outcome", f, n);
	return ERR_NONE;
}

static enum err_code
on_note(void *ctx, const char *record, const struct planrun_field *f, size_t n,
    struct err *e)
{
	(void)ctx;
	(void)record;
	(void)e;
	write_line("note", f, n);
	return ERR_NONE;
}

static char asked[64];

static enum err_code
on_ask(void *ctx, const struct planrun_ask *q, struct err *e)
{
	(void)ctx;
	(void)e;
	snprintf(asked, sizeof(asked), "%s", q->step);
	return ERR_NONE;
}

/* Whatever is asked, the answer is to abort. */
static void
on_hear(void *ctx, struct planrun_word *w)
{
	(void)ctx;
	if (asked[0] == '\0')
		return;
	w->kind = PLANRUN_ANSWERED;
	snprintf(w->step, sizeof(w->step), "%s", asked);
	snprintf(w->verb, sizeof(w->verb), "abort");
	snprintf(w->by, sizeof(w->by), "amara");
	asked[0] = '\0';
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

static void
setup(void)
{
	tmpdir_make(&work);
	book = (struct buf){0};
	last_seq = 0;
	intents_left = SIZE_MAX;
	asked[0] = '\0';
}

static void
teardown(void)
{
	policy_free(&policy);
	buf_fini(&book);
	tmpdir_remove(&work);
}

#define KEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SITE(name, n)                                                 \
	"{ name = \"" name "\"; title = \"" name                      \
	"\"; role = \"datacentre\"; failure_domain = \"" name         \
	"\"; repository = \"/nowhere\"; hosts = ( { name = \"b." name \
	"\"; address = \"127.0.0." n "\"; port = 9; user = \"b\"; "   \
	"host_keys = [ \"" KEY "\" ]; } ); }"

static void
load(const char *fence, const char *plan)
{
	OWNED(free_mem) char *text = NULL;
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct policy_text_file file = {.path = "/etc/bascule.conf"};
	struct err e = {0};

	ck_assert_int_gt(asprintf(&text,
			     "site = \"far\"; state = \"/s\"; key_file = "
			     "\"/k\";\n"
			     "councils = ( { name = \"brent\"; title = "
			     "\"Brent\"; share = "
			     "100; } );\n"
			     "sites = ( " SITE("near", "1") ", " SITE("far",
				 "2") " );\n"
				      "links = ( { name = \"l\"; between = [ "
				      "\"near\", \"far\" ]; "
				      "preference = 1; bandwidth = "
				      "\"1Gbit/s\"; addresses = { near "
				      "= \"127.0.0.1\"; far = \"127.0.0.2\"; "
				      "}; } );\n"
				      "service = { name = \"pages\"; title = "
				      "\"Pages\"; owner = "
				      "\"brent\"; tier = 1; home = \"near\"; "
				      "standby = \"far\";\n"
				      "  rpo = \"1h\"; rto = \"4h\"; live_root "
				      "= \"%s\";\n"
				      "  datasets = ( { name = \"docs\"; tree "
				      "= \"/docs\"; } );\n"
				      "  backup = { every = \"10m\"; expect = "
				      "\"1m\"; };\n"
				      "  replicate = { to = [ \"far\" ]; "
				      "within = \"5m\"; };\n"
				      "  fence = ( %s );\n"
				      "  plan = ( %s { step = \"fine\"; check "
				      "= { command = [ "
				      "\"true\" ]; }; } ); };\n",
			     work.path, fence, plan),
	    0);
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

static struct live_options
options(const char *from, const char *to)
{
	return (struct live_options){.policy = policy,
	    .service = policy_find_service(policy, "pages"),
	    .site = policy_find_site(policy, "far"),
	    .run = "run",
	    .mode = "planned",
	    .epoch = "7",
	    .from = from,
	    .to = to,
	    .point = "",
	    .live_root = work.path,
	    .link = {NULL, on_intent, on_outcome, on_note, on_ask, on_hear,
		on_fd, on_log}};
}

#define ENTRY(prove)                                                 \
	"{ run = [ \"true\" ]; prove = [ \"sh\", \"-c\", \"" prove   \
	"\" ]; undo = [ \"true\" ]; sites = [ \"far\" ]; timeout = " \
	"\"5s\"; }"

START_TEST(a_proof_is_what_was_read_back_and_nothing_else)
{
	static const struct {
		const char *fence;
		enum live_verdict fenced, proved, resumed;
	} cases[] = {
	    {ENTRY("exit 0"), LIVE_DONE, LIVE_DONE, LIVE_NOT_DONE},
	    {ENTRY("exit 1"), LIVE_NOT_DONE, LIVE_NOT_DONE, LIVE_DONE},
	    {ENTRY("exit 2"), LIVE_UNCERTAIN, LIVE_UNCERTAIN, LIVE_UNCERTAIN},
	    {ENTRY("kill -KILL $$"), LIVE_UNCERTAIN, LIVE_UNCERTAIN,
		LIVE_UNCERTAIN},
	    {ENTRY("exit 1") ", " ENTRY("exit 0"), LIVE_DONE, LIVE_DONE,
		LIVE_NOT_DONE},
	    {ENTRY("exit 1") ", " ENTRY("exit 2"), LIVE_UNCERTAIN,
		LIVE_NOT_DONE, LIVE_DONE},
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct live_result r;
		struct err e = {0};
		struct live_options o;

		load(cases[i].fence, "");
		o = options("far", "near");
		ck_assert_int_eq(live_fence_run(&o, &r, &e), ERR_NONE);
		ck_assert_int_eq(r.verdict, cases[i].fenced);
		ck_assert_int_eq(live_fence_prove(&o, &r, &e), ERR_NONE);
		ck_assert_int_eq(r.verdict, cases[i].proved);
		ck_assert_int_eq(live_fence_resume(&o, &r, &e), ERR_NONE);
		ck_assert_int_eq(r.verdict, cases[i].resumed);
	}
}
END_TEST

#define STEP(name, after)                                               \
	"{ step = \"" name "\"; run = [ \"sh\", \"-c\", \"echo " name   \
	" >>log\" ]; " after " undo = [ \"sh\", \"-c\", \"echo un" name \
	" >>log\" ]; }, "

START_TEST(nothing_is_begun_that_nobody_writes_down)
{
	load("", STEP("a", "") STEP("b", "after = [ \"a\" ];"));
	for (size_t n = 0; n < 4; n++) {
		struct live_options o = options("near", "far");
		struct live_result r;
		struct err e = {0};
		enum err_code rc;

		unlinkat(work.fd, "log", 0);
		intents_left = n;
		rc = live_plan(&o, &r, &e);
		ck_assert_int_eq(rc, n < 3 ? ERR_CANCELLED : ERR_NONE);
		if (n == 3)
			ck_assert_int_eq(r.verdict, LIVE_DONE);
	}
	ck_assert_str_eq(tmpdir_get(&work, "log"), "a\nb\n");
	intents_left = 0;
	unlinkat(work.fd, "log", 0);
	{
		struct live_options o = options("near", "far");
		struct live_result r;
		struct err e = {0};

		ck_assert_int_eq(live_plan(&o, &r, &e), ERR_CANCELLED);
	}
	ck_assert_int_ne(faccessat(work.fd, "log", F_OK, 0), 0);
}
END_TEST

START_TEST(what_was_done_is_not_done_again_and_an_undo_goes_in_reverse)
{
	static const struct live_past past[] = {{"a", "done", "", 1},
	    {"b", "uncertain", "", 1}};
	struct live_options o;
	struct live_result r;
	struct err e = {0};

	load("", STEP("a", "") STEP("b", "after = [ \"a\" ];"));
	o = options("near", "far");
	o.past = past;
	o.past_count = 2;
	/* of "b" nobody knows: asked, and the answer is to abort */
	ck_assert_int_eq(live_plan(&o, &r, &e), ERR_NONE);
	ck_assert_int_eq(r.verdict, LIVE_UNCERTAIN);
	ck_assert(r.standing);
	ck_assert_str_eq(r.failed_step, "b");
	ck_assert_int_ne(faccessat(work.fd, "log", F_OK, 0), 0);
	ck_assert_int_eq(live_undo(&o, &r, &e), ERR_NONE);
	ck_assert_int_eq(r.verdict, LIVE_DONE);
	ck_assert_str_eq(tmpdir_get(&work, "log"), "unb\nuna\n");
}
END_TEST

Suite *suite_job_live(void);

Suite *
suite_job_live(void)
{
	Suite *s = suite_create("job/live");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_proof_is_what_was_read_back_and_nothing_else);
	tcase_add_test(tc, nothing_is_begun_that_nobody_writes_down);
	tcase_add_test(tc,
	    what_was_done_is_not_done_again_and_an_undo_goes_in_reverse);
	suite_add_tcase(s, tc);
	return s;
}
