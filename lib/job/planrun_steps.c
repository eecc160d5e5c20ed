#include <string.h>
#include <time.h>

#include <bascule/base/text.h>

#include "planrun.h"

void
planrun_steps_queue(struct planrun *p, const struct engine_action *actions,
    size_t count)
{
	struct engine_action *more;

	if (count == 0)
		return;
	more = realloc(p->todo, (p->todo_count + count) * sizeof(*more));
	if (more == NULL) {
		err_nomem(&p->lost);
		return;
	}
	p->todo = more;
	memcpy(more + p->todo_count, actions, count * sizeof(*more));
	p->todo_count += count;
}

void
planrun_steps_tell(struct planrun *p, const struct engine_event *ev)
{
	const struct engine_action *actions;
	size_t count = 0;
	struct err e = {0};

	/* An event that came too late changes nothing, and is none. */
	if (engine_handle(p->engine, ev, now_mono(), &actions, &count, &e) ==
	    ERR_NONE)
		planrun_steps_queue(p, actions, count);
}

static void
tell_ended(struct planrun *p, size_t i, unsigned attempt, bool ok,
    const char *reason)
{
	struct engine_event ev = {.kind = ENGINE_STEP_ENDED,
	    .step = i,
	    .attempt = attempt,
	    .ok = ok,
	    .reason = reason};

	planrun_steps_tell(p, &ev);
}

static void
tell_lost(struct planrun *p, size_t i, unsigned attempt, const char *reason)
{
	struct engine_event ev = {.kind = ENGINE_STEP_LOST,
	    .step = i,
	    .attempt = attempt,
	    .reason = reason};

	planrun_steps_tell(p, &ev);
}

static void
tell_undone(struct planrun *p, size_t i, bool ok, const char *reason)
{
	struct engine_event ev = {.kind = ENGINE_UNDO_ENDED,
	    .step = i,
	    .ok = ok,
	    .reason = reason};

	planrun_steps_tell(p, &ev);
}

static const struct planrun_snapshot *
snapshot_of(const struct planrun *p, const struct policy_step *s)
{
	const struct policy_service *service = p->service;

	for (size_t i = 0; i < service->dataset_count; i++)
		if (strcmp(service->datasets[i].name, s->restore) == 0)
			return &p->snapshots[i];
	return NULL;
}

/* --- beginning ------------------------------------------------------------ */

static const char confirm_verbs[] = "done skip abort";
static const char failed_verbs[] = "retry skip abort";
static const char lost_verbs[] = "done retry skip abort";

static enum err_code
ask_confirm(struct planrun *p, const struct policy_step *s, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	const struct planrun_link *l = p->link;
	struct planrun_ask q = {.step = s->name,
	    .role = role_name(s->role),
	    .owner = s->owner,
	    .verbs = confirm_verbs,
	    .timeout_ns = s->deadline_ns > 0 ? s->deadline_ns : s->timeout_ns};
	struct policy_values v;
	char snapshot[ID_HEX_BYTES];
	enum err_code rc;

	planrun_values(p, s, snapshot, &v);
	rc = policy_expand(&text, s->confirm, &v, e);
	q.text = buf_text(&text);
	return rc == ERR_NONE ? l->ask(l->ctx, &q, e) : rc;
}

static struct planrun_task
task_of(const struct planrun *p, enum planrun_attempt_kind kind,
    const struct policy_values *v)
{
	return (struct planrun_task){.kind = kind,
	    .effects = p->effects,
	    .run = p,
	    .values = v,
	    .kept_fd =
		p->effects->kept_fd != NULL ? p->effects->kept_fd(p) : 0};
}

static enum err_code
begin_step(struct planrun *p, size_t i, struct err *e)
{
	const struct policy_step *s = &p->service->plan[i];
	struct planrun_doing *d = &p->doing[i];
	struct policy_values v;
	char snapshot[ID_HEX_BYTES];
	struct planrun_task task = task_of(p, PLANRUN_DO_STEP, &v);
	const char *why;
	enum err_code rc = planrun_notes_intent(p, i, e);

	if (rc != ERR_NONE)
		return rc;
	if (s->kind == POLICY_STEP_CONFIRM) {
		d->asks = true;
		return ask_confirm(p, s, e);
	}
	if (s->kind == POLICY_STEP_WAIT)
		return ERR_NONE; /* the engine says when it is over */
	if (p->effects->is_moot != NULL && p->effects->is_moot(p, i, &why)) {
		planrun_notes_outcome(p, i, "skipped", why, NULL);
		tell_ended(p, i, d->number, true, "");
		return ERR_NONE;
	}
	planrun_values(p, s, snapshot, &v);
	task.step = s;
	task.attempt = d->number;
	if (s->kind == POLICY_STEP_RESTORE)
		task.snapshot = snapshot_of(p, s);
	return planrun_attempt_start(&d->attempt, &task, e);
}

static void
start_step(struct planrun *p, const struct engine_action *a)
{
	struct planrun_doing *d = &p->doing[a->step];
	struct err e = {0};

	*d = (struct planrun_doing){.kind = PLANRUN_DO_STEP,
	    .name = p->steps[a->step].name,
	    .what = graph_kind_name(p->steps[a->step].kind),
	    .number = a->attempt};
	if (p->effects->begins != NULL)
		p->effects->begins(p, a->step);
	if (begin_step(p, a->step, &e) == ERR_NONE)
		return;
	if (d->seq != 0 && p->lost.code == ERR_NONE)
		planrun_notes_outcome(p, a->step, "failed", e.text, NULL);
	d->asks = false;
	tell_ended(p, a->step, a->attempt, false, e.text);
}

enum err_code
planrun_steps_undo(struct planrun *p, size_t i, const struct policy_step *step,
    const struct planrun_undo *undo, struct err *e)
{
	struct planrun_doing *d = &p->doing[i];
	struct policy_values v = {.sandbox = p->sandbox};
	struct planrun_task task = task_of(p, PLANRUN_DO_UNDO, &v);
	enum err_code rc;

	*d = (struct planrun_doing){.kind = PLANRUN_DO_UNDO,
	    .name = undo->step,
	    .what = "undo",
	    .number = 1};
	task.step = step;
	task.attempt = 1;
	task.undo = undo;
	rc = planrun_notes_intent(p, i, e);
	if (rc == ERR_NONE)
		rc = planrun_attempt_start(&d->attempt, &task, e);
	if (rc != ERR_NONE && d->seq != 0 && p->lost.code == ERR_NONE)
		planrun_notes_outcome(p, i, "failed", e->text, NULL);
	return rc;
}

static void
start_undo(struct planrun *p, size_t i)
{
	OWNED(policy_expand_free) char **argv = NULL;
	const struct policy_step *s = &p->service->plan[i];
	struct planrun_undo undo = {.step = s->name,
	    .on = s->on,
	    .timeout_ns = s->timeout_ns};
	struct policy_values v;
	char snapshot[ID_HEX_BYTES];
	struct err e = {0};
	enum err_code rc;

	planrun_values(p, s, snapshot, &v);
	rc = policy_expand_argv(&argv, &s->undo, &v, &e);
	undo.argv = (const char *const *)argv;
	if (rc == ERR_NONE)
		rc = planrun_steps_undo(p, i, s, &undo, &e);
	if (rc != ERR_NONE)
		tell_undone(p, i, false, e.text);
}

enum err_code
planrun_steps_prove(struct planrun *p, const char *const *endpoints,
    size_t endpoints_count, struct err *e)
{
	struct planrun_doing *d = &p->doing[PLANRUN_PROOF(p)];
	struct policy_values v = {.sandbox = p->sandbox};
	struct planrun_task task = task_of(p, PLANRUN_DO_PROVE, &v);
	enum err_code rc;

	task.endpoints = endpoints;
	task.endpoints_count = endpoints_count;
	d->kind = PLANRUN_DO_PROVE;
	d->name = d->what = "isolation";
	d->number++;
	d->seq = 0;
	rc = planrun_notes_intent(p, PLANRUN_PROOF(p), e);
	if (rc == ERR_NONE)
		rc = planrun_attempt_start(&d->attempt, &task, e);
	if (rc != ERR_NONE && p->lost.code == ERR_NONE && d->seq != 0)
		planrun_notes_outcome(p, PLANRUN_PROOF(p), "failed", e->text,
		    NULL);
	return rc;
}

/* --- stopping ------------------------------------------------------------- */

static void
stop_step(struct planrun *p, size_t i)
{
	struct planrun_doing *d = &p->doing[i];

	if (d->attempt != NULL) {
		planrun_attempt_stop(d->attempt);
		return;
	}
	if (!d->asks && p->steps[i].kind != PLAN_WAIT)
		return;
	d->asks = false;
	planrun_notes_outcome(p, i, "failed",
	    engine_step_of(p->engine, i).reason, NULL);
	tell_ended(p, i, d->number, false, "nobody answered");
}

/* --- ending --------------------------------------------------------------- */

static void
undone(struct planrun *p, size_t i, const struct planrun_attempt_report *r)
{
	if (p->engine != NULL)
		tell_undone(p, i, r->ok, r->reason);
	p->effects->undone(p, i, r);
}

/* Of one that we stopped: why we did, whatever it still managed to say. */
static const char *
reason_of(const struct planrun *p, size_t i, const struct planrun_attempt *a)
{
	const char *why = a->report->reason;

	if (a->report->ok || a->stop_at.ns == 0 || p->engine == NULL ||
	    i == PLANRUN_PROOF(p))
		return why;
	return engine_step_of(p->engine, i).reason;
}

static const char *
state_of(enum planrun_attempt_kind kind, const struct planrun_attempt_report *r)
{
	if (r->ok)
		return kind == PLANRUN_DO_UNDO ? "undone" : "done";
	return r->is_uncertain ? "uncertain" : "failed";
}

static void
ended(struct planrun *p, size_t i)
{
	struct planrun_doing *d = &p->doing[i];
	OWNED(planrun_attempt_free)
	struct planrun_attempt *a = TAKE(d->attempt);
	const struct planrun_attempt_report *r = a->report;

	planrun_notes_outcome(p, i, state_of(d->kind, r), reason_of(p, i, a),
	    r);
	if (p->lost.code != ERR_NONE)
		return;
	if (p->effects->ended != NULL && d->kind == PLANRUN_DO_STEP && r->ok)
		p->effects->ended(p, i);
	switch (d->kind) {
	case PLANRUN_DO_PROVE: p->effects->proved(p, r); break;
	case PLANRUN_DO_UNDO: undone(p, i, r); break;
	case PLANRUN_DO_STEP:
		if (r->is_uncertain && !r->ok)
			tell_lost(p, i, d->number, r->reason);
		else
			tell_ended(p, i, d->number, r->ok, r->reason);
		break;
	}
}

void
planrun_steps_end_proof(struct planrun *p)
{
	struct planrun_doing *d = &p->doing[PLANRUN_PROOF(p)];
	struct timespec pause = {0, 20 * NS_PER_MS};

	if (d->attempt == NULL)
		return;
	planrun_attempt_stop(d->attempt);
	while (!planrun_attempt_is_over(d->attempt))
		nanosleep(&pause, NULL);
	ended(p, PLANRUN_PROOF(p));
}

void
planrun_steps_collect(struct planrun *p)
{
	for (size_t i = 0; i <= p->steps_count; i++) {
		if (p->doing[i].attempt == NULL ||
		    !planrun_attempt_is_over(p->doing[i].attempt))
			continue;
		ended(p, i);
		planrun_steps_work(p);
	}
}

/* --- people --------------------------------------------------------------- */

/* The engine asks about a step that failed, or of which nobody knows. */
static void
ask_about(struct planrun *p, size_t i)
{
	const struct planrun_link *l = p->link;
	struct engine_step s = engine_step_of(p->engine, i);
	bool is_lost = s.state == ENGINE_STEP_UNCERTAIN;
	char text[640];
	struct planrun_ask q = {.step = p->steps[i].name,
	    .text = text,
	    .role = role_name(ROLE_OPERATOR),
	    .owner = "",
	    .verbs = is_lost ? lost_verbs : failed_verbs};
	struct err e = {0};

	snprintf(text, sizeof(text),
	    is_lost ? "nobody knows whether step '%s' was done: %s; look, then "
		      "say done, retry, skip (with a reason) or abort"
		    : "step '%s' failed: %s; retry, skip (with a reason) or "
		      "abort?",
	    p->steps[i].name,
	    s.reason[0] != '\0' ? s.reason
		: is_lost       ? "it was begun, and its end is not on record"
				: "it gives no reason");
	text_mend_end(text);
	p->doing[i].puzzles = true;
	if (l->ask(l->ctx, &q, &e) != ERR_NONE && p->lost.code == ERR_NONE)
		p->lost = e;
}

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

static bool
is_answerable(const struct planrun *p, size_t i, enum engine_answer a,
    const struct planrun_word *w)
{
	const struct planrun_doing *d = &p->doing[i];

	if (a == ENGINE_SKIP && w->reason[0] == '\0')
		return false;
	if (d->asks)
		return a != ENGINE_RETRY;
	return a != ENGINE_CONFIRM ||
	    engine_step_of(p->engine, i).state == ENGINE_STEP_UNCERTAIN;
}

/* A confirm step ends by its answer; what failed had an outcome already. */
static void
note_answer(struct planrun *p, size_t i, enum engine_answer a, const char *said)
{
	struct planrun_doing *d = &p->doing[i];
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	const char *state = a == ENGINE_SKIP ? "skipped"
	    : a == ENGINE_RETRY              ? "retry"
					     : "done";

	if (a == ENGINE_ABORT_RUN)
		return;
	if (d->asks) {
		planrun_notes_outcome(p, i, state, said, NULL);
		return;
	}
	planrun_fields_add(&f, "step", "%s", p->steps[i].name);
	planrun_fields_add(&f, "kind", "%s", graph_kind_name(p->steps[i].kind));
	planrun_fields_add(&f, "attempt", "%u",
	    engine_step_of(p->engine, i).attempt);
	planrun_fields_add(&f, "state", "%s", state);
	planrun_fields_add(&f, "reason", "%s", said);
	planrun_fields_add(&f, "site", "%s", p->site->name);
	planrun_notes_note(p, "step", &f);
}

static void
take_answer(struct planrun *p, size_t i, enum engine_answer a,
    const struct planrun_word *w)
{
	struct engine_event ev = {.kind = ENGINE_ANSWER,
	    .step = i,
	    .answer = a,
	    .reason = w->reason};
	char said[400];

	snprintf(said, sizeof(said), "%s by %s%s%s", w->verb, w->by,
	    w->reason[0] != '\0' ? ": " : "", w->reason);
	text_mend_end(said);
	note_answer(p, i, a, said);
	if (a == ENGINE_SKIP)
		p->effects->skipped(p, i, said);
	p->doing[i].puzzles = false;
	/* A confirm step that is aborted is stopped like any other. */
	p->doing[i].asks = p->doing[i].asks && a == ENGINE_ABORT_RUN;
	planrun_steps_tell(p, &ev);
	if (a == ENGINE_ABORT_RUN)
		p->effects->aborted(p, said);
}

void
planrun_steps_answer(struct planrun *p, const struct planrun_word *w)
{
	enum engine_answer a;

	for (size_t i = 0; i < p->steps_count && p->engine != NULL; i++) {
		if (strcmp(p->steps[i].name, w->step) != 0 ||
		    (!p->doing[i].asks && !p->doing[i].puzzles) ||
		    !verb_of(w->verb, &a) || !is_answerable(p, i, a, w))
			continue;
		take_answer(p, i, a, w);
		return;
	}
	planrun_notes_log(p, "an answer nobody waits for: %s", w->step);
}

/* --- what the engine wants ------------------------------------------------ */

static void
carry_out(struct planrun *p, const struct engine_action *a)
{
	switch (a->kind) {
	case ENGINE_START: start_step(p, a); break;
	case ENGINE_STOP: stop_step(p, a->step); break;
	case ENGINE_UNDO: start_undo(p, a->step); break;
	case ENGINE_STOP_UNDO: stop_step(p, a->step); break;
	case ENGINE_ASK: ask_about(p, a->step); break;
	case ENGINE_WAITED:
		planrun_notes_outcome(p, a->step, "done", "", NULL);
		break;
	case ENGINE_AT_GATE:
	case ENGINE_ALL_DONE:
	case ENGINE_ALL_UNDONE: p->effects->came_to(p, a->kind); break;
	}
}

void
planrun_steps_work(struct planrun *p)
{
	while (p->todo_done < p->todo_count && p->lost.code == ERR_NONE) {
		struct engine_action a = p->todo[p->todo_done++];

		if (p->effects->look != NULL)
			p->effects->look(p);
		if (p->lost.code == ERR_NONE)
			carry_out(p, &a);
	}
	p->todo_count = p->todo_done = 0;
	if (p->lost.code == ERR_NONE && p->effects->look != NULL)
		p->effects->look(p);
}
