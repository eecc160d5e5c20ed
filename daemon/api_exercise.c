/* Exercises through the API. */

#include <string.h>

#include <bascule/base/exitcode.h>
#include <bascule/report.h>

#include "api_tabletop.h"
#include "client.h"
#include "question.h"
#include "tabletops.h"

#define LIST_DEFAULT 50

/* --- waiting ------------------------------------------------------------------ */

struct waiter {
	size_t told;                  /* of what was said */
	const struct question *asked; /* the newest told; only compared */
};

static void
waiter_free(void **ctx)
{
	free_mem(ctx);
}

/* By then it is cleaned up, unless somebody aborts it. */
static struct utc
hold_end(const struct job *j, struct utc since)
{
	since.ns += wire_take_int(j->params, "hold_ns", 0);
	return since;
}

static void
tell_said(struct client *c, const struct job *j, const struct exercise_said *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, s->is_step ? "step" : "state", &e) != ERR_NONE)
		return;
	wire_add_text(v, "run", j->id);
	if (s->is_step) {
		wire_add_text(v, "step", s->step);
		wire_add_text(v, "kind", s->kind);
	}
	wire_add_text(v, "state", s->state);
	wire_add_text(v, "reason", s->reason[0] != '\0' ? s->reason : NULL);
	wire_add_utc(v, "at", s->at);
	if (strcmp(s->state, isolated_state_name(ISOLATED_HOLDING)) == 0)
		wire_add_utc(v, "until", hold_end(j, s->at));
	client_reply(c, &v);
}

static void
tell_end(struct client *c, const struct job *j)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *result = exercise_result(j);
	struct err e;

	if (client_summary(&v, &e) != ERR_NONE) {
		client_fail(c, &e, 0);
		return;
	}
	wire_add_text(v, "run", j->id);
	wire_add_text(v, "service", j->service);
	wire_add_text(v, "state", exercise_state(j));
	wire_add_text(v, "result", result[0] != '\0' ? result : NULL);
	wire_add_text(v, "reason", j->reason);
	wire_add_int(v, "exit", j->exit_status);
	client_last(c, &v);
}

/* The newest question stands first. */
static void
tell_ask(struct client *c, const struct job *j)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "ask", &e) != ERR_NONE)
		return;
	wire_add_text(v, "run", j->id);
	wire_add_text(v, "step", j->questions->name);
	wire_add_text(v, "text", j->questions->text);
	wire_add_text(v, "role", role_name(j->questions->role));
	client_reply(c, &v);
}

static void
await(struct client *c, void *ctx, struct job *j)
{
	struct waiter *w = ctx;
	const struct exercise_said *said;
	size_t count;

	said = exercise_said(j, &count);
	if (w->told > count)
		w->told = 0; /* somebody else goes on with it */
	while (w->told < count)
		tell_said(c, j, &said[w->told++]);
	if (j->questions != NULL && j->questions != w->asked)
		tell_ask(c, j);
	w->asked = j->questions;
	if (!job_state_is_end(j->state))
		return;
	if (exercise_goes_on(j)) {
		w->told = 0;
		return;
	}
	tell_end(c, j);
}

static enum err_code
exercise_to_wire(const struct job *j, struct wire_value **out, struct err *e)
{
	enum err_code rc = wire_new(out, "exercise", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*out, "run", j->id);
	wire_add_text(*out, "service", j->service);
	wire_add_text(*out, "mode", "test");
	wire_add_text(*out, "state", exercise_state(j));
	return ERR_NONE;
}

/* --- what a test would do ----------------------------------------------------- */

static enum err_code
tell_step(struct client *c, const struct policy_service *s,
    const struct exercise_scope *scope, size_t i, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct policy_step *step = &s->plan[i];
	char why[256];
	enum err_code rc = wire_new(&v, "scope", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", s->name);
	wire_add_text(v, "step", step->name);
	if (step->on[0] != '\0')
		wire_add_text(v, "on", step->on);
	wire_add_bool(v, "does", scope->steps[i] == EXERCISE_DONE);
	wire_add_text(v, "reason",
	    exercise_scope_why(scope, s, i, why, sizeof(why)));
	client_reply(c, &v);
	return ERR_NONE;
}

/* Before it is started: what stands aside, or (all) every step of a test, and
 * what the test can prove then; that into v. */
static enum err_code
tell_scope(struct client *c, const char *service, bool all,
    struct wire_value *v, struct err *e)
{
	OWNED(exercise_scope_fini) struct exercise_scope scope = {0};
	struct daemon *d = client_daemon(c);
	const struct policy_service *s =
	    policy_find_service(d->policy, service);
	char words[256], level[8];
	enum err_code rc = s == NULL
	    ? err_set(e, ERR_NOTFOUND, "there is no service '%s'", service)
	    : exercise_scope_of(&scope, d->policy, s, d->site, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; rc == ERR_NONE && i < s->step_count; i++)
		if (scope.steps[i] == EXERCISE_ELSEWHERE ||
		    scope.steps[i] == EXERCISE_FOLLOWS ||
		    (all && scope.steps[i] == EXERCISE_DONE))
			rc = tell_step(c, s, &scope, i, e);
	snprintf(level, sizeof(level), "L%u", exercise_scope_most(&scope));
	wire_add_text(v, "at_most", level);
	wire_add_text(v, "proves",
	    exercise_scope_words(&scope, words, sizeof(words)));
	wire_add_uint(v, "does", scope.done_count);
	wire_add_uint(v, "stand_aside", scope.aside_count);
	return rc;
}

static enum err_code
say_scope(struct client *c, const char *service, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = exercise_may_start(client_daemon(c), service, e);

	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc == ERR_NONE)
		rc = tell_scope(c, service, true, v, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "service", service);
	wire_add_bool(v, "dry_run", true);
	client_last(c, &v);
	return ERR_NONE;
}

/* Answer with v, of the exercise; wait: with what becomes of it, too.  Takes *v. */
static enum err_code
begin(struct client *c, struct job *j, bool wait, struct wire_value **v,
    struct err *e)
{
	struct waiter *w;

	if (!wait) {
		client_last(c, v);
		return ERR_NONE;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_nomem(e);
	client_reply(c, v);
	client_watch_jobs(c, j->id, await, w, waiter_free);
	return ERR_NONE;
}

/* --- start ---------------------------------------------------------------------- */

/* What the policy's own tests hold for. */
static int64_t
hold_of(struct daemon *d, const char *service)
{
	const struct daemon_service *s = daemon_service(d, service);

	for (size_t i = 0; s != NULL && i < s->policy->exercise_count; i++)
		if (s->policy->exercises[i].kind == POLICY_EXERCISE_TEST)
			return s->policy->exercises[i].hold_ns;
	return 0;
}

static enum err_code
start_test(struct client *c, struct wire_value *request, struct err *e)
{
	const struct client_caller *who = client_caller(c);
	struct daemon *d = client_daemon(c);
	const char *point = wire_take_text(request, "point", NULL);
	bool wait = wire_take_bool(request, "wait", false);
	bool dry_run = wire_take_bool(request, "dry_run", false);
	int64_t hold_ns = wire_take_seconds(request, "hold_seconds", -1);
	char trigger[128];
	struct job_request r = {.kind = &exercise_kind,
	    .service = wire_need_text(request, "service"),
	    .trigger = trigger,
	    .actor = &who->actor,
	    .once = true};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct job *j = NULL;
	enum err_code rc = client_asked(request, e);

	snprintf(trigger, sizeof(trigger), "asked by %s", who->name);
	if (rc == ERR_NONE && dry_run)
		return say_scope(c, r.service, e);
	if (rc == ERR_NONE)
		rc = wire_new(&r.params, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(r.params, "point", point);
	wire_add_int(r.params, "hold_ns",
	    hold_ns >= 0 ? hold_ns : hold_of(d, r.service));
	rc = exercise_ask(d, &r, &j, e);
	if (rc == ERR_NONE)
		rc = exercise_to_wire(j, &v, e);
	if (rc == ERR_NONE)
		rc = tell_scope(c, r.service, false, v, e);
	return rc != ERR_NONE ? rc : begin(c, j, wait, &v, e);
}

static enum err_code
run_start(struct client *c, struct wire_value *request, struct err *e)
{
	const char *mode = wire_take_text(request, "mode", "test");

	if (strcmp(mode, "test") == 0)
		return start_test(c, request, e);
	if (strcmp(mode, "tabletop") == 0)
		return api_tabletop_draft(c, request, e);
	return err_set(e, ERR_INPUT,
	    "'%s' is no mode of an exercise: test or tabletop", mode);
}
const struct api_command api_exercise_start = {"exercise start",
    CLIENT_OPERATORS, run_start};

/* --- list, show ------------------------------------------------------------------- */

static void
add_ns(struct wire_value *v, const char *name, int64_t ns)
{
	if (ns >= 0)
		wire_add_seconds(v, name, ns);
	else
		wire_add_null(v, name);
}

static enum err_code
tell_one(void *ctx, const struct ledger_exercise *x, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "exercise", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", x->run);
	wire_add_text(v, "service", x->service);
	wire_add_text(v, "mode", x->mode);
	wire_add_text(v, "state", x->state);
	wire_add_text(v, "result", x->result[0] != '\0' ? x->result : NULL);
	wire_add_text(v, "reason", x->reason);
	wire_add_text(v, "point", x->point[0] != '\0' ? x->point : NULL);
	wire_add_text(v, "actor", x->actor[0] != '\0' ? x->actor : NULL);
	wire_add_utc(v, "requested", x->requested);
	if (x->ended.ns != 0)
		wire_add_utc(v, "ended", x->ended);
	add_ns(v, "rta_seconds", x->rta_ns);
	add_ns(v, "rto_seconds", x->rto_ns);
	add_ns(v, "rpa_seconds", x->rpa_ns);
	add_ns(v, "rpo_seconds", x->rpo_ns);
	client_reply(ctx, &v);
	return ERR_NONE;
}

static enum err_code
run_list(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct ledger_exercise_filter f = {.service = wire_take_text(request,
					       "service", NULL),
	    .limit = wire_take_uint(request, "limit", LIST_DEFAULT)};
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = ledger_exercises(client_daemon(c)->ledger, &f, tell_one, c,
		    e);
	if (rc == ERR_NONE)
		rc = client_summary(&v, e);
	if (rc == ERR_NONE)
		client_last(c, &v);
	return rc;
}
const struct api_command api_exercise_list = {"exercise list", CLIENT_READERS,
    run_list};

static enum err_code
run_show(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(report_exercise_free) struct report_exercise *x = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf text = {0};
	const char *run = wire_need_text(request, "run");
	bool wants_text = wire_take_bool(request, "text", false);
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = client_gather(client_daemon(c), run, &x, e);
	if (rc == ERR_NONE)
		rc = report_exercise_wire(x, &v, e);
	if (rc == ERR_NONE && wants_text)
		rc = report_exercise_text(x, &text, e);
	if (rc != ERR_NONE)
		return rc;
	if (wants_text)
		wire_add_text(v, "text", buf_text(&text));
	client_last(c, &v);
	return ERR_NONE;
}
const struct api_command api_exercise_show = {"exercise show", CLIENT_READERS,
    run_show};

/* --- answer, abort, cleanup -------------------------------------------------------- */

static enum err_code
find_running(struct client *c, const char *run, struct job **out, struct err *e)
{
	*out = job_find(client_daemon(c), run);
	if (*out != NULL && (*out)->kind == &exercise_kind)
		return ERR_NONE;
	*out = NULL;
	return err_set(e, ERR_NOTFOUND, "no exercise '%s' is running", run);
}

static enum err_code
reply_exercise(struct client *c, const struct job *j, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = exercise_to_wire(j, &v, e);

	if (rc == ERR_NONE)
		client_last(c, &v);
	return rc;
}

/* In a tabletop it is an inject that is answered. */
static enum err_code
answer_tabletop(struct client *c, const char *run, const char *inject,
    const char *text, struct err *e)
{
	OWNED(saying_fini) struct saying s = {0};

	saying_add(&s, "inject", inject);
	saying_add(&s, "text", text);
	return api_tabletop_say(c, run, TABLETOP_DO_ANSWER, &s, e);
}

static enum err_code
run_answer(struct client *c, struct wire_value *request, struct err *e)
{
	const char *run = wire_need_text(request, "run");
	const char *step = wire_need_text(request, "step");
	const struct question_word word = client_word(c, request);
	struct job *j = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && tabletops_find(client_daemon(c), run) != NULL)
		return answer_tabletop(c, run, step, word.reason, e);
	if (rc == ERR_NONE)
		rc = find_running(c, run, &j, e);
	if (rc == ERR_NONE)
		rc = question_answer(j, step, &word, e);
	return rc == ERR_NONE ? reply_exercise(c, j, e) : rc;
}
/* The step says who may: question_answer looks. */
const struct api_command api_exercise_answer = {"exercise answer",
    CLIENT_READERS, run_answer};

static enum err_code
note_access(struct client *c, struct job *j, const char *cmd, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	enum err_code rc = job_draft(&d, j, LEDGER_ACCESS, e);

	if (rc != ERR_NONE)
		return rc;
	draft_actor(d, &client_caller(c)->actor);
	draft_text(d, "cmd", cmd);
	draft_text(d, "verdict", "admitted");
	return note_event(client_daemon(c), d, e);
}

/* In play it is the STOP word; what was not begun is cancelled. */
static enum err_code
abort_tabletop(struct client *c, const char *run, const char *reason,
    struct err *e)
{
	const struct tabletop *t = tabletops_find(client_daemon(c), run);
	enum tabletop_verb verb = tabletop_state_of(t) < TABLETOP_IN_PLAY
	    ? TABLETOP_DO_CANCEL
	    : TABLETOP_DO_STOP;
	OWNED(saying_fini) struct saying s = {0};

	saying_add(&s, "reason",
	    reason[0] == '\0' && verb == TABLETOP_DO_CANCEL
		? "no reason was given"
		: reason);
	return api_tabletop_say(c, run, verb, &s, e);
}

/* A tabletop makes nothing; nor has a test that waits. */
static enum err_code
say_abort(struct client *c, const char *run, struct err *e)
{
	const struct tabletop *t = tabletops_find(client_daemon(c), run);
	struct job *j = NULL;
	enum err_code rc;

	if (t != NULL)
		return api_left_end(c, run, tabletop_drafted(t, "service", 0),
		    tabletop_state_name(tabletop_state_of(t)), e);
	rc = find_running(c, run, &j, e);
	if (rc != ERR_NONE)
		return rc;
	return j->worker == NULL
	    ? api_left_end(c, run, j->service, exercise_state(j), e)
	    : api_left_tell(c, run, j->service, e);
}

static enum err_code
run_abort(struct client *c, struct wire_value *request, struct err *e)
{
	OWNED(wire_free) struct wire_value *word = NULL;
	const char *run = wire_need_text(request, "run");
	const char *reason = wire_take_text(request, "reason", "");
	bool dry_run = wire_take_bool(request, "dry_run", false);
	char why[JOB_REASON_BYTES];
	struct job *j = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE && dry_run)
		return say_abort(c, run, e);
	if (rc == ERR_NONE && tabletops_find(client_daemon(c), run) != NULL)
		return abort_tabletop(c, run, reason, e);
	if (rc == ERR_NONE)
		rc = find_running(c, run, &j, e);
	if (rc == ERR_NONE)
		rc = note_access(c, j, "exercise abort", e);
	if (rc == ERR_NONE)
		rc = wire_new(&word, NULL, e);
	if (rc == ERR_NONE)
		rc = reply_exercise(c, j, e);
	if (rc != ERR_NONE)
		return rc;
	snprintf(why, sizeof(why), "by %s%s%s", client_caller(c)->name,
	    reason[0] != '\0' ? ": " : "", reason);
	if (j->worker == NULL) {
		job_cancel(j, why);
		return ERR_NONE;
	}
	/* No signal: it may take its time to undo and to clean. */
	wire_add_bool(word, "abort", true);
	wire_add_text(word, "reason", why);
	if (job_tell(j, word, e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e->text);
	return ERR_NONE;
}
const struct api_command api_exercise_abort = {"exercise abort",
    CLIENT_OPERATORS, run_abort};

struct found {
	char service[LEDGER_NAME_BYTES_MAX + 1], result[32], mode[16];
	bool is;
};

static enum err_code
take_found(void *ctx, const struct ledger_exercise *x, struct err *e)
{
	struct found *f = ctx;

	(void)e;
	snprintf(f->service, sizeof(f->service), "%s", x->service);
	snprintf(f->result, sizeof(f->result), "%s", x->result);
	snprintf(f->mode, sizeof(f->mode), "%s", x->mode);
	f->is = true;
	return ERR_NONE;
}

static enum err_code
check_cleanup(struct client *c, const char *run, struct found *f, struct err *e)
{
	struct ledger_exercise_filter filter = {.run = run};
	struct daemon *d = client_daemon(c);
	enum err_code rc =
	    ledger_exercises(d->ledger, &filter, take_found, f, e);

	if (rc == ERR_NONE && !f->is)
		rc = err_set(e, ERR_NOTFOUND, "there is no exercise '%s'", run);
	else if (rc == ERR_NONE && strcmp(f->mode, "test") != 0) {
		err_set(e, ERR_REFUSED,
		    "'%s' is no isolated test but %s: it made nothing that "
		    "could be removed",
		    run,
		    strcmp(f->mode, "tabletop") == 0 ? "a tabletop" : "a move");
		rc = ERR_REFUSED;
	} else if (rc == ERR_NONE && job_find(d, run) != NULL)
		rc = err_set(e, ERR_BUSY, "exercise %s is running", run);
	else if (rc == ERR_NONE && f->result[0] != '\0')
		rc = err_set(e, ERR_EXISTS,
		    "exercise %s is clean already; its result is %s", run,
		    f->result);
	return rc;
}

static enum err_code
run_cleanup(struct client *c, struct wire_value *request, struct err *e)
{
	const struct client_caller *who = client_caller(c);
	const char *run = wire_need_text(request, "run");
	bool wait = wire_take_bool(request, "wait", false);
	bool dry_run = wire_take_bool(request, "dry_run", false);
	OWNED(wire_free) struct wire_value *v = NULL;
	struct found f = {.is = false};
	char trigger[128];
	struct job *j = NULL;
	enum err_code rc = client_asked(request, e);

	if (rc == ERR_NONE)
		rc = check_cleanup(c, run, &f, e);
	if (rc == ERR_NONE && dry_run)
		return api_left_tell(c, run, f.service, e);
	snprintf(trigger, sizeof(trigger), "asked by %s", who->name);
	if (rc == ERR_NONE)
		rc = exercise_clean_up(client_daemon(c), run, f.service,
		    trigger, &who->actor, &j, e);
	if (rc == ERR_NONE)
		rc = exercise_to_wire(j, &v, e);
	return rc == ERR_NONE ? begin(c, j, wait, &v, e) : rc;
}
const struct api_command api_exercise_cleanup = {"exercise cleanup",
    CLIENT_OPERATORS, run_cleanup};
