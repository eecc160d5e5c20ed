#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <bascule/base/text.h>
#include <bascule/ledger.h>

#include "exercise_parts.h"

#define PROVE(x) ((x)->steps_count) /* its place among the doings */

void
exercise_steps_tell(struct exercise *x, const struct engine_event *ev)
{
	const struct engine_action *actions, *a;
	struct engine_action *more;
	size_t count = 0;
	struct err e = {0};

	/* An event that came too late changes nothing, and is none. */
	if (engine_handle(x->engine, ev, now_mono(), &actions, &count, &e) !=
		ERR_NONE ||
	    count == 0)
		return;
	a = actions;
	more = realloc(x->todo, (x->todo_count + count) * sizeof(*more));
	if (more == NULL) {
		err_nomem(&x->lost);
		return;
	}
	x->todo = more;
	memcpy(more + x->todo_count, a, count * sizeof(*more));
	x->todo_count += count;
}

static void
tell_ended(struct exercise *x, size_t i, unsigned attempt, bool ok,
    const char *reason)
{
	struct engine_event ev = {.kind = ENGINE_STEP_ENDED,
	    .step = i,
	    .attempt = attempt,
	    .ok = ok,
	    .reason = reason};

	exercise_steps_tell(x, &ev);
}

static void
tell_undone(struct exercise *x, size_t i, bool ok, const char *reason)
{
	struct engine_event ev = {.kind = ENGINE_UNDO_ENDED,
	    .step = i,
	    .ok = ok,
	    .reason = reason};

	exercise_steps_tell(x, &ev);
}

static const struct exercise_snapshot *
snapshot_of(const struct exercise *x, const struct policy_step *s)
{
	const struct policy_service *service = x->o->service;

	for (size_t i = 0; i < service->dataset_count; i++)
		if (strcmp(service->datasets[i].name, s->restore) == 0)
			return &x->snapshots[i];
	return NULL;
}

/* --- beginning ------------------------------------------------------------ */

static enum err_code
ask(struct exercise *x, const struct policy_step *s, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	const struct exercise_link *l = &x->o->link;
	struct policy_values v;
	char snapshot[ID_HEX_BYTES];
	enum err_code rc;

	exercise_values(x, s, snapshot, &v);
	rc = policy_expand(&text, s->confirm, &v, e);
	if (rc == ERR_NONE)
		rc = l->ask(l->ctx, s->name, buf_text(&text),
		    role_name(s->role), s->timeout_ns, e);
	return rc;
}

static enum err_code
begin_step(struct exercise *x, size_t i, struct err *e)
{
	const struct policy_step *s = &x->o->service->plan[i];
	struct exercise_doing *d = &x->doing[i];
	struct policy_values v;
	char snapshot[ID_HEX_BYTES];
	struct exercise_attempt_task task = {.kind = EXERCISE_DO_STEP,
	    .options = x->o,
	    .step = s,
	    .cell = x->cell,
	    .values = &v};
	enum err_code rc = exercise_notes_intent(x, i, s->name,
	    graph_kind_name(x->steps[i].kind), e);

	if (rc != ERR_NONE)
		return rc;
	if (s->kind == POLICY_STEP_CONFIRM) {
		d->asks = true;
		return ask(x, s, e);
	}
	if (s->kind == POLICY_STEP_WAIT)
		return ERR_NONE; /* the engine says when it is over */
	/* Without a network of the test's own it would ask after nothing but
	 * this machine's; the result says already that this is unproved. */
	if (s->check.kind == POLICY_CHECK_UNREACHABLE && x->cell == NULL) {
		exercise_notes_outcome(x, i, "skipped",
		    "NOT MEASURED: there is no network of the test's own",
		    NULL);
		tell_ended(x, i, d->number, true, "");
		return ERR_NONE;
	}
	exercise_values(x, s, snapshot, &v);
	if (s->kind == POLICY_STEP_RESTORE)
		task.snapshot = snapshot_of(x, s);
	return exercise_attempt_start(&d->attempt, &task, e);
}

static void
start_step(struct exercise *x, const struct engine_action *a)
{
	const struct policy_step *s = &x->o->service->plan[a->step];
	struct exercise_doing *d = &x->doing[a->step];
	bool asks =
	    s->kind == POLICY_STEP_CHECK || s->kind == POLICY_STEP_CONFIRM;
	struct err e = {0};

	d->kind = EXERCISE_DO_STEP;
	d->number = a->attempt;
	d->seq = 0;
	exercise_feed(x, asks ? ISOLATED_CHECK_STARTED : ISOLATED_RUN_STARTED);
	if (begin_step(x, a->step, &e) == ERR_NONE)
		return;
	if (d->seq != 0 && x->lost.code == ERR_NONE)
		exercise_notes_outcome(x, a->step, "failed", e.text, NULL);
	d->asks = false;
	tell_ended(x, a->step, a->attempt, false, e.text);
}

static enum err_code
begin_undo(struct exercise *x, size_t i, const struct exercise_undo *undo,
    struct err *e)
{
	struct exercise_doing *d = &x->doing[i];
	struct policy_values v = {.sandbox = x->sandbox};
	struct exercise_attempt_task task = {.kind = EXERCISE_DO_UNDO,
	    .options = x->o,
	    .undo = undo,
	    .cell = x->cell,
	    .values = &v};
	enum err_code rc;

	d->kind = EXERCISE_DO_UNDO;
	d->number = 1;
	d->seq = 0;
	rc = exercise_notes_intent(x, i, undo->step, "undo", e);
	if (rc == ERR_NONE)
		rc = exercise_attempt_start(&d->attempt, &task, e);
	if (rc != ERR_NONE && d->seq != 0 && x->lost.code == ERR_NONE)
		exercise_notes_outcome(x, i, "failed", e->text, NULL);
	return rc;
}

static void
start_undo(struct exercise *x, size_t i)
{
	OWNED(policy_expand_free) char **argv = NULL;
	const struct policy_step *s = &x->o->service->plan[i];
	struct exercise_undo undo = {.step = s->name,
	    .timeout_ns = s->timeout_ns};
	struct policy_values v;
	char snapshot[ID_HEX_BYTES];
	struct err e = {0};
	enum err_code rc;

	exercise_values(x, s, snapshot, &v);
	rc = policy_expand_argv(&argv, &s->undo, &v, &e);
	undo.argv = (const char *const *)argv;
	if (rc == ERR_NONE)
		rc = begin_undo(x, i, &undo, &e);
	if (rc != ERR_NONE)
		tell_undone(x, i, false, e.text);
}

void
exercise_steps_prove(struct exercise *x)
{
	struct exercise_doing *d = &x->doing[PROVE(x)];
	struct policy_values v = {.sandbox = x->sandbox};
	struct exercise_attempt_task task = {.kind = EXERCISE_DO_PROVE,
	    .options = x->o,
	    .cell = x->cell,
	    .values = &v,
	    .endpoints = (const char *const *)x->endpoints,
	    .endpoints_count = x->endpoints_count};
	struct err e = {0};
	enum err_code rc;

	if (d->attempt != NULL)
		return;
	d->kind = EXERCISE_DO_PROVE;
	d->number++;
	d->seq = 0;
	rc = exercise_notes_intent(x, PROVE(x), "isolation", "isolation", &e);
	if (rc == ERR_NONE)
		rc = exercise_attempt_start(&d->attempt, &task, &e);
	if (rc == ERR_NONE || x->lost.code != ERR_NONE)
		return;
	if (d->seq != 0)
		exercise_notes_outcome(x, PROVE(x), "failed", e.text, NULL);
	exercise_blame(x, "the isolation could not be looked at: %s", e.text);
	exercise_feed(x, ISOLATED_FAILED);
}

/* --- stopping ------------------------------------------------------------- */

static void
stop_step(struct exercise *x, size_t i)
{
	struct exercise_doing *d = &x->doing[i];

	if (d->attempt != NULL) {
		exercise_attempt_stop(d->attempt);
		return;
	}
	if (!d->asks && x->steps[i].kind != PLAN_WAIT)
		return;
	d->asks = false;
	exercise_notes_outcome(x, i, "failed",
	    engine_step_of(x->engine, i).reason, NULL);
	tell_ended(x, i, d->number, false, "nobody answered");
}

/* --- ending --------------------------------------------------------------- */

static void
proved(struct exercise *x, const struct exercise_attempt_report *r)
{
	bool first = x->iso.state == ISOLATED_ISOLATION_CHECK;

	if (r->ok) {
		if (x->proofs_count++ == 0)
			exercise_notes_one(x, "isolation",
			    "tried from inside: %s", r->note);
		if (first)
			exercise_feed(x, ISOLATED_PROVED);
		return;
	}
	if (r->breached) {
		x->was_breached = true;
		exercise_notes_one(x, "isolation", "BREACHED: %s", r->note);
		exercise_blame(x, "production can be reached from the test: %s",
		    r->reason);
		exercise_feed(x, ISOLATED_BREACH);
		return;
	}
	/* Of one that was ended with the run nothing follows. */
	if (!first && x->iso.state != ISOLATED_HOLDING)
		return;
	exercise_blame(x, "the isolation could not be looked at: %s",
	    r->reason);
	exercise_feed(x, ISOLATED_FAILED);
}

static void
undone(struct exercise *x, size_t i, const struct exercise_attempt_report *r)
{
	bool own = x->o->left == NULL;

	x->undone_count += r->ok;
	x->undo_failed_count += !r->ok;
	if (!r->ok)
		exercise_notes_one(x, "finding",
		    "the undo of step '%s' failed%s: %s",
		    own ? x->steps[i].name : x->o->left->undos[x->left_at].step,
		    x->cell_was_gone
			? " (what it could have stopped was gone already)"
			: "",
		    r->reason);
	if (own) {
		tell_undone(x, i, r->ok, r->reason);
		return;
	}
	x->left_at++;
	exercise_steps_undo_left(x);
}

/* Of one that we stopped: why we did, whatever it still managed to say. */
static const char *
reason_of(const struct exercise *x, size_t i, const struct exercise_attempt *a)
{
	const char *why = a->report->reason;

	if (a->report->ok || a->stop_at.ns == 0 || x->engine == NULL ||
	    i == PROVE(x))
		return why;
	return engine_step_of(x->engine, i).reason;
}

static void
ended(struct exercise *x, size_t i)
{
	struct exercise_doing *d = &x->doing[i];
	OWNED(exercise_attempt_free)
	struct exercise_attempt *a = TAKE(d->attempt);
	const struct exercise_attempt_report *r = a->report;
	enum exercise_attempt_kind kind = d->kind;
	const char *good = kind == EXERCISE_DO_UNDO ? "undone" : "done";

	exercise_notes_outcome(x, i, r->ok ? good : "failed",
	    reason_of(x, i, a), r);
	if (x->lost.code != ERR_NONE)
		return;
	switch (kind) {
	case EXERCISE_DO_PROVE: proved(x, r); break;
	case EXERCISE_DO_UNDO: undone(x, i, r); break;
	case EXERCISE_DO_STEP:
		tell_ended(x, i, d->number, r->ok, r->reason);
		break;
	}
}

void
exercise_steps_end_proof(struct exercise *x)
{
	struct exercise_doing *d = &x->doing[PROVE(x)];
	struct timespec pause = {0, 20 * NS_PER_MS};

	if (d->attempt == NULL)
		return;
	exercise_attempt_stop(d->attempt);
	while (!exercise_attempt_is_over(d->attempt))
		nanosleep(&pause, NULL);
	ended(x, PROVE(x));
}

void
exercise_steps_collect(struct exercise *x)
{
	for (size_t i = 0; i <= x->steps_count; i++) {
		if (x->doing[i].attempt == NULL ||
		    !exercise_attempt_is_over(x->doing[i].attempt))
			continue;
		ended(x, i);
		exercise_steps_work(x);
	}
}

void
exercise_steps_undo_left(struct exercise *x)
{
	const struct exercise_left *left = x->o->left;
	struct err e = {0};

	while (x->left_at < left->undos_count && x->lost.code == ERR_NONE) {
		const struct exercise_undo *u = &left->undos[x->left_at];

		if (begin_undo(x, 0, u, &e) == ERR_NONE)
			return;
		x->undo_failed_count++;
		exercise_notes_one(x, "finding",
		    "the undo of step '%s' could not be tried: %s", u->step,
		    e.text);
		x->left_at++;
	}
	if (x->lost.code == ERR_NONE)
		exercise_unwound(x);
}

/* --- people --------------------------------------------------------------- */

static bool
verb_of(const char *verb, enum engine_answer *out)
{
	static const struct {
		const char *verb;
		enum engine_answer answer;
	} verbs[] = {{"confirm", ENGINE_CONFIRM}, {"done", ENGINE_CONFIRM},
	    {"skip", ENGINE_SKIP}, {"retry", ENGINE_RETRY},
	    {"abort", ENGINE_ABORT_RUN}};

	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(verbs[i].verb, verb) == 0) {
			*out = verbs[i].answer;
			return true;
		}
	return false;
}

void
exercise_steps_answer(struct exercise *x, const struct exercise_word *w)
{
	struct engine_event ev = {.kind = ENGINE_ANSWER, .reason = w->reason};
	char said[400];

	snprintf(said, sizeof(said), "%s by %s%s%s", w->verb, w->by,
	    w->reason[0] != '\0' ? ": " : "", w->reason);
	for (size_t i = 0; i < x->steps_count; i++) {
		if (strcmp(x->steps[i].name, w->step) != 0 ||
		    !x->doing[i].asks || !verb_of(w->verb, &ev.answer))
			continue;
		if (ev.answer == ENGINE_RETRY ||
		    (ev.answer == ENGINE_SKIP && w->reason[0] == '\0'))
			continue;
		x->doing[i].asks = ev.answer == ENGINE_ABORT_RUN;
		if (ev.answer != ENGINE_ABORT_RUN)
			exercise_notes_outcome(x, i,
			    ev.answer == ENGINE_SKIP ? "skipped" : "done", said,
			    NULL);
		else
			exercise_blame(x, "aborted: %s", said);
		if (ev.answer == ENGINE_SKIP) {
			exercise_feed(x, ISOLATED_FINDING);
			exercise_notes_one(x, "finding",
			    "step '%s' was skipped: %s", w->step, said);
		}
		ev.step = i;
		exercise_steps_tell(x, &ev);
		if (ev.answer == ENGINE_ABORT_RUN)
			exercise_feed(x, ISOLATED_ABORT);
		return;
	}
	exercise_notes_log(x, "an answer nobody waits for: %s", w->step);
}

/* --- what the engine wants ------------------------------------------------ */

static void
all_done(struct exercise *x)
{
	clocks_set(&x->clocks, CLOCKS_ACCEPTED, now_utc());
	/* Its checks may all have stood before the gate. */
	if (x->iso.state == ISOLATED_CLONING)
		exercise_feed(x, ISOLATED_CLONED);
	exercise_feed(x, ISOLATED_PLAN_DONE);
}

static void
carry_out(struct exercise *x, const struct engine_action *a)
{
	switch (a->kind) {
	case ENGINE_START: start_step(x, a); break;
	case ENGINE_STOP: stop_step(x, a->step); break;
	case ENGINE_UNDO: start_undo(x, a->step); break;
	case ENGINE_STOP_UNDO: stop_step(x, a->step); break;
	case ENGINE_AT_GATE: exercise_feed(x, ISOLATED_CLONED); break;
	case ENGINE_ALL_DONE: all_done(x); break;
	case ENGINE_ALL_UNDONE:
		if (x->iso.state == ISOLATED_ABORTING)
			exercise_feed(x, ISOLATED_STOPPED);
		else
			exercise_unwound(x);
		break;
	case ENGINE_ASK: break; /* the option is not set */
	case ENGINE_WAITED:
		exercise_notes_outcome(x, a->step, "done", "", NULL);
		break;
	}
}

/* A failure shows in the engine first. */
static void
look_for_failure(struct exercise *x)
{
	if (x->engine == NULL || x->iso.failed || x->iso.interrupted ||
	    engine_outcome_of(x->engine) != ENGINE_FAILED)
		return;
	exercise_blame(x, "%s", engine_reason(x->engine));
	exercise_feed(x, ISOLATED_FAILED);
}

void
exercise_steps_work(struct exercise *x)
{
	while (x->todo_done < x->todo_count && x->lost.code == ERR_NONE) {
		struct engine_action a = x->todo[x->todo_done++];

		look_for_failure(x);
		carry_out(x, &a);
	}
	x->todo_count = x->todo_done = 0;
	if (x->lost.code == ERR_NONE)
		look_for_failure(x);
}
