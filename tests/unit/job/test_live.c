#include "lib/job/live.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fault.h"
#include "tests/support/tmpdir.h"

/* A live act at the site "far", without a repository: words and a book. */

static struct tmpdir work;
static struct policy *policy;
static char book[8192]; /* no call of ours is to fail for the book's sake */
static size_t book_bytes;
static uint64_t last_seq;
static size_t intents_left; /* then the daemon has gone */
static size_t outcomes_left;
static unsigned far_port; /* of b.near */
static unsigned calls_count, calls_before_prove;
static bool is_listening;

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
	book_bytes += (size_t)snprintf(book + book_bytes,
	    sizeof(book) - book_bytes, "%s %s %s %s\n", what,
	    find(f, n, "kind"), find(f, n, "step"), find(f, n, "state"));
	ck_assert_uint_lt(book_bytes, sizeof(book));
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
	if (strcmp(find(f, n, "kind"), "prove") == 0)
		calls_before_prove =
		    __atomic_load_n(&calls_count, __ATOMIC_SEQ_CST);
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
	if (outcomes_left-- == 0) {
		outcomes_left = 0;
		return err_set(e, ERR_CANCELLED, "the daemon has gone");
	}
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
static int hung_up_fd;

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
	return asked[0] != '\0' ? hung_up_fd : -1; /* there is an answer */
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
	int ends[2];

	tmpdir_make(&work);
	book[book_bytes = 0] = '\0';
	ck_assert_int_eq(pipe(ends), 0);
	hung_up_fd = ends[0];
	close(ends[1]);
	last_seq = 0;
	intents_left = outcomes_left = SIZE_MAX;
	far_port = 9;
	asked[0] = '\0';
}

static void
teardown(void)
{
	policy_free(&policy);
	close(hung_up_fd);
	tmpdir_remove(&work);
}

#define KEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SITE(name, n)                                                 \
	"{ name = \"" name "\"; title = \"" name                      \
	"\"; role = \"datacentre\"; failure_domain = \"" name         \
	"\"; repository = \"/nowhere\"; hosts = ( { name = \"b." name \
	"\"; address = \"127.0.0." n "\"; port = %u; user = \"b\"; "  \
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
			     far_port, far_port, work.path, fence, plan),
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

START_TEST(after_an_outcome_that_nobody_wrote_nothing_is_begun)
{
	struct live_options o;
	struct live_result r;
	struct err e = {0};

	load("", STEP("a", "") STEP("b", "after = [ \"a\" ];"));
	o = options("near", "far");
	outcomes_left = 0;
	ck_assert_int_eq(live_plan(&o, &r, &e), ERR_CANCELLED);
	ck_assert_str_eq(tmpdir_get(&work, "log"), "a\n");
}
END_TEST

/* --- a host that is silent ------------------------------------------------- */

/* Takes each call and hangs up. */
static void *
hang_up(void *ctx)
{
	int fd = *(int *)ctx, call;

	__atomic_store_n(&is_listening, true, __ATOMIC_SEQ_CST);
	while ((call = accept(fd, NULL, NULL)) >= 0) {
		__atomic_add_fetch(&calls_count, 1, __ATOMIC_SEQ_CST);
		close(call);
	}
	return NULL;
}

START_TEST(a_host_that_was_not_reached_is_tried_once_for_the_proof)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct live_options o;
	struct live_result r;
	struct err e = {0};
	pthread_t thread;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	far_port = ntohs(a.sin_port);
	calls_count = calls_before_prove = 0;
	load("{ run = [ \"true\" ]; prove = [ \"true\" ]; sites = [ \"near\" ];"
	     " timeout = \"1s\"; }",
	    "");
	is_listening = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, hang_up, &fd), 0);
	/* Whoever is forked while it starts may find its allocator locked. */
	while (!__atomic_load_n(&is_listening, __ATOMIC_SEQ_CST))
		poll(NULL, 0, 1);
	o = options("near", "far");
	ck_assert_int_eq(live_fence_run(&o, &r, &e), ERR_NONE);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
	ck_assert_int_eq(r.verdict, LIVE_UNCERTAIN);
	ck_assert_uint_gt(calls_before_prove, 1); /* with patience, at first */
	ck_assert_uint_eq(calls_count, calls_before_prove + 1);
	ck_assert_ptr_nonnull(strstr(book, "outcome prove"));
}
END_TEST

/* --- every call in turn fails ------------------------------------------------ */

static bool
exists(const char *name)
{
	return faccessat(work.fd, name, F_OK, 0) == 0;
}

static size_t
times(const char *text, const char *line)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
		count += at == text || at[-1] == '\n';
	return count;
}

typedef enum err_code act_run(const struct live_options *o,
    struct live_result *r, struct err *e);

/*
 * Runs it with the nth call failing; false: there is none.  Whoever it began has
 * ended when this returns, and nothing is open.
 */
static bool
with_fault(int nth, act_run *run, const struct live_options *o,
    struct live_result *r, enum err_code *rc)
{
	static const int nums[] = {EIO, EMFILE, ENOMEM};
	int fds = fault_fds_count();
	struct err e = {0};
	bool fired;

	book[book_bytes = 0] = '\0';
	fault_arm_all(nth, nums[nth % 3]);
	*rc = run(o, r, &e);
	fired = fault_fired();
	while (waitpid(-1, NULL, 0) > 0)
		;
	ck_assert_msg(fault_fds_count() == fds, "a descriptor stays, call %d",
	    nth);
	return fired;
}

static int
next_call(int nth)
{
	return nth + fault_step(1 + nth / 2);
}

START_TEST(a_fence_is_said_to_be_what_it_is_whatever_fails)
{
	struct live_result r;
	struct live_options o;
	enum err_code rc;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	load("{ run = [ \"touch\", \"fenced\" ]; prove = [ \"test\", \"-e\", "
	     "\"fenced\" ]; undo = [ \"rm\", \"fenced\" ]; sites = [ "
	     "\"far\" ]; timeout = \"5s\"; }",
	    "");
	o = options("far", "near");
	for (int nth = 1;; nth = next_call(nth)) {
		bool fired = with_fault(nth, live_fence_run, &o, &r, &rc);

		if (rc == ERR_NONE && r.verdict != LIVE_UNCERTAIN)
			ck_assert_msg((r.verdict == LIVE_DONE) ==
				exists("fenced"),
			    "call %d: %s", nth, live_verdict_name(r.verdict));
		if (exists("fenced")) /* it was written down before */
			ck_assert_ptr_nonnull(strstr(book, "intent fence"));
		if (!fired) {
			ck_assert_int_eq(r.verdict, LIVE_DONE);
			break;
		}
		unlinkat(work.fd, "fenced", 0);
	}
	for (int nth = 1;; nth = next_call(nth)) {
		bool fired;

		tmpdir_put(&work, "fenced", "");
		fired = with_fault(nth, live_fence_resume, &o, &r, &rc);
		if (rc == ERR_NONE && r.verdict == LIVE_DONE)
			ck_assert_msg(!exists("fenced"), "call %d", nth);
		if (!fired)
			break;
	}
	ck_assert(!exists("fenced"));
}
END_TEST

/* Each "a" in the log has its intent; what was "failed" for sure is not there. */
static void
judge_log(const char *text, const char *name, const char *kind, int nth)
{
	char line[64];
	size_t done;

	snprintf(line, sizeof(line), "%s\n", name);
	done = times(text, line);
	if (strcmp(kind, "undo") == 0)
		name += 2; /* "una" */
	snprintf(line, sizeof(line), "intent %s %s ", kind, name);
	ck_assert_msg(times(book, line) >= done, "call %d: %s\n%s", nth, text,
	    book);
	snprintf(line, sizeof(line), "outcome %s %s done", kind, name);
	ck_assert_msg(times(book, line) <= done, "call %d: %s\n%s", nth, text,
	    book);
}

START_TEST(a_plan_and_its_undo_did_what_their_records_say_whatever_fails)
{
	static const struct live_past past[] = {{"a", "done", "", 1},
	    {"b", "done", "", 1}};
	struct live_result r;
	struct live_options o;
	enum err_code rc;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	load("", STEP("a", "") STEP("b", "after = [ \"a\" ];"));
	o = options("near", "far");
	for (int nth = 1;; nth = next_call(nth)) {
		bool fired;
		const char *text;

		tmpdir_put(&work, "log", "");
		fired = with_fault(nth, live_plan, &o, &r, &rc);
		text = tmpdir_get(&work, "log");
		judge_log(text, "a", "run", nth);
		judge_log(text, "b", "run", nth);
		if (rc == ERR_NONE && r.verdict == LIVE_DONE)
			ck_assert_str_eq(text, "a\nb\n");
		if (rc == ERR_NONE && !r.standing)
			ck_assert_str_eq(text, "");
		if (!fired)
			break;
	}
	ck_assert_int_eq(r.verdict, LIVE_DONE);
	o.past = past;
	o.past_count = 2;
	for (int nth = 1;; nth = next_call(nth)) {
		bool fired;
		const char *text;

		tmpdir_put(&work, "log", "");
		fired = with_fault(nth, live_undo, &o, &r, &rc);
		text = tmpdir_get(&work, "log");
		judge_log(text, "una", "undo", nth);
		judge_log(text, "unb", "undo", nth);
		if (rc == ERR_NONE && r.verdict == LIVE_DONE)
			ck_assert_str_eq(text, "unb\nuna\n");
		if (!fired)
			break;
	}
	ck_assert_int_eq(r.verdict, LIVE_DONE);
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
	tcase_add_test(tc, after_an_outcome_that_nobody_wrote_nothing_is_begun);
	tcase_add_test(tc,
	    a_host_that_was_not_reached_is_tried_once_for_the_proof);
	tcase_add_test(tc, a_fence_is_said_to_be_what_it_is_whatever_fails);
	tcase_add_test(tc,
	    a_plan_and_its_undo_did_what_their_records_say_whatever_fails);
	suite_add_tcase(s, tc);
	return s;
}
