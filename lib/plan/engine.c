#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>

#include "engine_parts.h"

#define PARALLEL_DEFAULT 4

static const struct mono NEVER = {INT64_MAX};

static struct mono
later(struct mono t, int64_t ns)
{
	struct mono at;

	if (ns <= 0 || __builtin_add_overflow(t.ns, ns, &at.ns))
		return NEVER;
	return at;
}

/* --- making and ending ---------------------------------------------------- */

static enum err_code
check_options(const struct engine_options *o, struct err *e)
{
	if (o->mode == 0 || (o->mode & (o->mode - 1)) != 0 ||
	    (o->mode & ~PLAN_IN_ALL) != 0)
		return err_set(e, ERR_INPUT,
		    "a plan is run in one mode at a time");
	return ERR_NONE;
}

/* --- what is settled ------------------------------------------------------ */

/*
 * Step i will not keep anybody waiting any more.  What is of another mode is
 * settled as soon as all it waits for is, and so hands that on.
 */
void
engine_settle(struct engine *en, size_t i)
{
	size_t in = 0, out = 0;

	if (en->steps[i].state != ENGINE_STEP_NOT_IN_MODE)
		en->unsettled_count--;
	en->settled[in++] = (uint32_t)i;
	while (out < in) {
		size_t j = en->settled[out++];

		for (uint32_t k = en->graph.first[j];
		     k < en->graph.first[j + 1]; k++) {
			struct step *s = &en->steps[en->graph.next[k]];

			if (--s->waits_count == 0 &&
			    s->state == ENGINE_STEP_NOT_IN_MODE)
				en->settled[in++] = en->graph.next[k];
		}
	}
}

static void
set_steps(struct engine *en)
{
	const struct engine_options *o = &en->o;

	for (size_t i = 0; i < o->steps_count; i++) {
		struct step *s = &en->steps[i];
		bool is_in = (o->steps[i].modes & o->mode) != 0;

		s->state =
		    is_in ? ENGINE_STEP_WAITING : ENGINE_STEP_NOT_IN_MODE;
		s->retries_left = o->steps[i].retries;
		s->lost_left = s->retries_left > 0 ? s->retries_left : 1;
		s->waits_count = en->graph.waits[i];
		s->until = NEVER;
		en->unsettled_count += is_in;
	}
	for (size_t i = 0; i < o->steps_count; i++)
		if (en->steps[i].state == ENGINE_STEP_NOT_IN_MODE &&
		    en->graph.waits[i] == 0)
			engine_settle(en, i);
}

enum err_code
engine_new(struct engine **out, const struct engine_options *o, struct err *e)
{
	OWNED(engine_free) struct engine *en = NULL;
	size_t n = o->steps_count > 0 ? o->steps_count : 1;
	enum err_code rc;

	*out = NULL;
	rc = check_options(o, e);
	if (rc != ERR_NONE)
		return rc;
	en = calloc(1, sizeof(*en));
	if (en == NULL)
		return err_nomem(e);
	en->o = *o;
	en->undoing = NO_STEP;
	en->ask_until = NEVER;
	en->actions_max = 2 * n + 2;
	en->steps = calloc(n, sizeof(*en->steps));
	en->settled = calloc(n, sizeof(*en->settled));
	en->actions = calloc(en->actions_max, sizeof(*en->actions));
	if (en->steps == NULL || en->settled == NULL || en->actions == NULL)
		return err_nomem(e);
	rc = graph_make(&en->graph, o->steps, o->steps_count, e);
	if (rc != ERR_NONE)
		return rc;
	if (en->o.parallel_max == 0)
		en->o.parallel_max = PARALLEL_DEFAULT;
	set_steps(en);
	*out = TAKE(en);
	return ERR_NONE;
}

void
engine_free(struct engine **ep)
{
	struct engine *en = *ep;

	if (en == NULL)
		return;
	free(en->steps);
	free(en->settled);
	graph_fini(&en->graph);
	free(en->actions);
	free(en);
	*ep = NULL;
}

/* --- small parts ---------------------------------------------------------- */

static void
act(struct engine *en, enum engine_action_kind kind, size_t step)
{
	ASSERT(en->actions_count < en->actions_max);
	en->actions[en->actions_count++] = (struct engine_action){kind, step,
	    step < en->o.steps_count ? en->steps[step].attempt : 0};
}

void
engine_set_reason(char out[REASON_BYTES], const char *reason)
{
	snprintf(out, REASON_BYTES, "%s", reason == NULL ? "" : reason);
	text_mend_end(out);
}

/* The first reason stays: what follows from it explains nothing. */
static void
set_outcome(struct engine *en, enum engine_outcome outcome, const char *reason)
{
	if (en->outcome == ENGINE_FAILED || en->outcome == ENGINE_ABORTED)
		return;
	en->outcome = outcome;
	engine_set_reason(en->reason, reason);
}

static bool
is_confirm(const struct engine *en, size_t i)
{
	return en->o.steps[i].kind == PLAN_CONFIRM;
}

/* Nothing is done in it: a question, a wait.  It takes nobody's place. */
bool
engine_is_idle(const struct engine *en, size_t i)
{
	return is_confirm(en, i) || en->o.steps[i].kind == PLAN_WAIT;
}

/* Running steps: all, or without those that do nothing. */
static size_t
count_running(const struct engine *en, bool with_idle)
{
	size_t n = 0;

	for (size_t i = 0; i < en->o.steps_count; i++)
		if (en->steps[i].state == ENGINE_STEP_RUNNING &&
		    (with_idle || !engine_is_idle(en, i)))
			n++;
	return n;
}

static bool
any_asked(const struct engine *en)
{
	for (size_t i = 0; i < en->o.steps_count; i++)
		if (en->steps[i].asked)
			return true;
	return false;
}

static void
stop_step(struct engine *en, size_t i, const char *reason)
{
	struct step *s = &en->steps[i];

	if (s->state != ENGINE_STEP_RUNNING || s->stopping)
		return;
	s->stopping = true;
	s->until = NEVER;
	engine_set_reason(s->reason, reason);
	act(en, ENGINE_STOP, i);
}

/*
 * Nothing new starts from here on (E3).  Questions are withdrawn: nobody may
 * ever answer them; and nothing is waited for any more.
 */
static void
drain(struct engine *en)
{
	en->state = ENGINE_DRAINING;
	en->ask_until = NEVER;
	for (size_t i = 0; i < en->o.steps_count; i++) {
		struct step *s = &en->steps[i];

		s->asked = false;
		if (s->state == ENGINE_STEP_WAITING && s->attempt > 0)
			s->state = ENGINE_STEP_FAILED;
		if (engine_is_idle(en, i))
			stop_step(en, i, "withdrawn: the run was stopped");
	}
}

void
engine_abort_run(struct engine *en, const char *reason)
{
	set_outcome(en, ENGINE_ABORTED, reason);
	drain(en);
	for (size_t i = 0; i < en->o.steps_count; i++)
		stop_step(en, i, "aborted");
}

/* --- what may start ------------------------------------------------------- */

/* All it waits for is settled, and so is the gate (E1). */
static bool
is_free(const struct engine *en, size_t i)
{
	if (en->steps[i].state != ENGINE_STEP_WAITING)
		return false;
	if (en->o.gated && !en->gate_open &&
	    en->o.steps[i].kind != PLAN_RESTORE)
		return false;
	return en->steps[i].waits_count == 0;
}

static void
start_step(struct engine *en, size_t i)
{
	struct step *s = &en->steps[i];

	s->state = ENGINE_STEP_RUNNING;
	s->attempt++;
	s->stopping = false;
	s->ended = 0;
	s->has_effects = s->has_effects || !engine_is_idle(en, i);
	s->from = en->now;
	s->until = later(en->now, en->o.steps[i].timeout_ns);
	if (en->o.steps[i].kind == PLAN_WAIT)
		s->until = en->o.steps[i].wait_ns > 0
		    ? later(en->now, en->o.steps[i].wait_ns)
		    : en->now;
	s->reason[0] = '\0';
	act(en, ENGINE_START, i);
}

static void
start_free(struct engine *en)
{
	size_t running = count_running(en, false);
	bool any_free = false;

	for (size_t i = 0; i < en->o.steps_count; i++) {
		if (!is_free(en, i))
			continue;
		any_free = true;
		if (en->steps[i].from.ns > en->now.ns)
			continue;
		if (engine_is_idle(en, i)) {
			start_step(en, i);
		} else if (running < en->o.parallel_max) {
			start_step(en, i);
			running++;
		}
	}
	if (en->o.gated && !en->gate_reached && !any_free && running == 0) {
		en->gate_reached = true;
		act(en, ENGINE_AT_GATE, NO_STEP);
	}
}

/* --- the end of an attempt ------------------------------------------------ */

static void
fail_run(struct engine *en, size_t i)
{
	char reason[REASON_BYTES];

	snprintf(reason, sizeof(reason), "step '%s': %.150s",
	    en->o.steps[i].name,
	    en->steps[i].reason[0] != '\0' ? en->steps[i].reason : "failed");
	text_mend_end(reason);
	set_outcome(en, ENGINE_FAILED, reason);
	drain(en);
}

/* Nothing mends it but the operator's word, where he is asked. */
static void
ask_or_fail(struct engine *en, size_t i)
{
	if (!en->o.asks) {
		fail_run(en, i);
		return;
	}
	if (!any_asked(en))
		en->ask_until = later(en->now, en->o.ask_timeout_ns);
	en->steps[i].asked = true;
	en->state = ENGINE_ASKING;
	act(en, ENGINE_ASK, i);
}

void
engine_step_failed(struct engine *en, size_t i)
{
	struct step *s = &en->steps[i];

	s->state = ENGINE_STEP_FAILED;
	if (en->state == ENGINE_DRAINING)
		return;
	if (s->retries_left > 0) {
		s->retries_left--;
		s->state = ENGINE_STEP_WAITING;
		if (en->o.steps[i].retry_wait_ns > 0)
			s->from = later(en->now, en->o.steps[i].retry_wait_ns);
		return;
	}
	ask_or_fail(en, i);
}

/* Nobody knows how its attempt ended (E6). */
void
engine_step_lost(struct engine *en, size_t i)
{
	const struct plan_step *p = &en->o.steps[i];
	struct step *s = &en->steps[i];

	s->state = ENGINE_STEP_UNCERTAIN;
	if (en->state == ENGINE_DRAINING)
		return;
	if (p->on_uncertain == PLAN_UNCERTAIN_RETRY && p->idempotent &&
	    s->lost_left > 0) {
		s->lost_left--;
		s->state = ENGINE_STEP_WAITING;
		if (p->retry_wait_ns > 0)
			s->from = later(en->now, p->retry_wait_ns);
		return;
	}
	if (p->on_uncertain == PLAN_UNCERTAIN_FAIL)
		s->state = ENGINE_STEP_FAILED;
	ask_or_fail(en, i);
}

static void
end_lost(struct engine *en, size_t i, const char *reason)
{
	struct step *s = &en->steps[i];
	char why[REASON_BYTES];

	engine_set_reason(why, reason);
	s->ended = ++en->ended_count;
	s->until = NEVER;
	if (s->stopping && s->reason[0] != '\0')
		snprintf(s->reason + strlen(s->reason),
		    sizeof(s->reason) - strlen(s->reason), "; %s", why);
	else
		engine_set_reason(s->reason, why);
	text_mend_end(s->reason);
	s->stopping = false;
	engine_step_lost(en, i);
}

static void
end_step(struct engine *en, size_t i, bool ok, const char *reason)
{
	struct step *s = &en->steps[i];

	s->ended = ++en->ended_count;
	s->until = NEVER;
	/* Of one that was stopped the cause is known better here. */
	if (!s->stopping || ok)
		engine_set_reason(s->reason, reason);
	s->stopping = false;
	if (ok) {
		s->state = ENGINE_STEP_DONE;
		s->has_effects = true;
		engine_settle(en, i);
	} else {
		engine_step_failed(en, i);
	}
}

/* --- undo ----------------------------------------------------------------- */

/* What ended last and still stands (E3). */
static size_t
find_undo(const struct engine *en)
{
	size_t best = NO_STEP;

	for (size_t i = 0; i < en->o.steps_count; i++) {
		const struct step *s = &en->steps[i];

		if (!en->o.steps[i].has_undo || !s->has_effects ||
		    s->ended == 0)
			continue;
		if (best == NO_STEP || s->ended > en->steps[best].ended)
			best = i;
	}
	return best;
}

static void
undo_next(struct engine *en)
{
	size_t i = find_undo(en);

	if (i == NO_STEP) {
		en->state = ENGINE_UNDONE;
		act(en, ENGINE_ALL_UNDONE, NO_STEP);
		return;
	}
	en->undoing = i;
	en->steps[i].state = ENGINE_STEP_UNDOING;
	en->steps[i].has_effects = false;
	en->steps[i].stopping = false;
	en->steps[i].from = en->now;
	en->steps[i].until = later(en->now, en->o.steps[i].timeout_ns);
	act(en, ENGINE_UNDO, i);
}

static void
end_undo(struct engine *en, bool ok, const char *reason)
{
	struct step *s = &en->steps[en->undoing];

	s->state = ok ? ENGINE_STEP_UNDONE : ENGINE_STEP_UNDO_FAILED;
	s->until = NEVER;
	if (!ok) {
		en->undo_failures++;
		if (!s->stopping)
			engine_set_reason(s->reason, reason);
	}
	s->stopping = false;
	en->undoing = NO_STEP;
}

/* --- time ----------------------------------------------------------------- */

static void
note_timeout(struct engine *en, size_t i)
{
	struct step *s = &en->steps[i];
	char after[TEXT_UNIT_BYTES];
	char reason[REASON_BYTES];

	if (s->until.ns > en->now.ns || s->stopping)
		return;
	if (s->state == ENGINE_STEP_RUNNING &&
	    en->o.steps[i].kind == PLAN_WAIT) {
		act(en, ENGINE_WAITED, i);
		end_step(en, i, true, "");
		return;
	}
	snprintf(reason, sizeof(reason), "timed out after %s",
	    text_duration(en->o.steps[i].timeout_ns, after));
	if (s->state == ENGINE_STEP_RUNNING) {
		stop_step(en, i, reason);
	} else if (s->state == ENGINE_STEP_UNDOING) {
		s->stopping = true;
		s->until = NEVER;
		engine_set_reason(s->reason, reason);
		act(en, ENGINE_STOP_UNDO, i);
	}
}

static void
note_timeouts(struct engine *en)
{
	for (size_t i = 0; i < en->o.steps_count; i++)
		note_timeout(en, i);
	if (any_asked(en) && en->ask_until.ns <= en->now.ns)
		engine_abort_run(en, "nobody answered in time");
}

void
engine_advance(struct engine *en)
{
	note_timeouts(en);
	if (en->state == ENGINE_ASKING && !any_asked(en)) {
		en->state = ENGINE_RUNNING;
		en->ask_until = NEVER;
	}
	if (en->state == ENGINE_RUNNING) {
		start_free(en);
		if (en->unsettled_count == 0 &&
		    (!en->o.gated || en->gate_open)) {
			en->state = ENGINE_DONE;
			set_outcome(en, ENGINE_SUCCEEDED, "");
			act(en, ENGINE_ALL_DONE, NO_STEP);
		}
	}
	if (en->state == ENGINE_DRAINING && count_running(en, true) == 0) {
		en->state = en->o.stands ? ENGINE_UNDONE : ENGINE_UNDOING;
		if (en->o.stands)
			act(en, ENGINE_ALL_UNDONE, NO_STEP);
	}
	if (en->state == ENGINE_UNDOING && en->undoing == NO_STEP)
		undo_next(en);
}

static struct mono
sooner(struct mono a, struct mono b)
{
	return a.ns < b.ns ? a : b;
}

bool
engine_deadline(const struct engine *en, struct mono *at)
{
	*at = en->state == ENGINE_ASKING ? en->ask_until : NEVER;
	for (size_t i = 0; i < en->o.steps_count; i++) {
		const struct step *s = &en->steps[i];

		if ((s->state == ENGINE_STEP_RUNNING ||
			s->state == ENGINE_STEP_UNDOING) &&
		    !s->stopping)
			*at = sooner(*at, s->until);
		if (en->state == ENGINE_RUNNING &&
		    s->state == ENGINE_STEP_WAITING && s->attempt > 0 &&
		    s->from.ns > en->now.ns)
			*at = sooner(*at, s->from);
	}
	return at->ns != NEVER.ns;
}

/* --- events --------------------------------------------------------------- */

enum err_code
engine_misfit(struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "%s", what);
}

static enum err_code
take_step_ended(struct engine *en, const struct engine_event *ev, struct err *e)
{
	const struct step *s = &en->steps[ev->step];

	if (s->state != ENGINE_STEP_RUNNING || s->attempt != ev->attempt)
		return engine_misfit(e, "no such attempt of that step runs");
	end_step(en, ev->step, ev->ok, ev->reason);
	return ERR_NONE;
}

static enum err_code
take_step_lost(struct engine *en, const struct engine_event *ev, struct err *e)
{
	const struct step *s = &en->steps[ev->step];

	if (s->state != ENGINE_STEP_RUNNING || s->attempt != ev->attempt)
		return engine_misfit(e, "no such attempt of that step runs");
	end_lost(en, ev->step, ev->reason);
	return ERR_NONE;
}

static void
skip_step(struct engine *en, size_t i, const char *reason)
{
	en->steps[i].state = ENGINE_STEP_SKIPPED;
	en->steps[i].until = NEVER;
	engine_set_reason(en->steps[i].reason, reason);
	engine_settle(en, i);
}

/* The operator's word on a failed or uncertain step. */
static enum err_code
take_verdict(struct engine *en, const struct engine_event *ev, struct err *e)
{
	struct step *s = &en->steps[ev->step];

	switch (ev->answer) {
	case ENGINE_RETRY:
		s->state = ENGINE_STEP_WAITING;
		s->from = en->now;
		break;
	case ENGINE_SKIP:
		if (ev->reason == NULL || ev->reason[0] == '\0')
			return engine_misfit(e,
			    "to skip a step needs a reason");
		skip_step(en, ev->step, ev->reason);
		break;
	case ENGINE_ABORT_RUN: engine_abort_run(en, ev->reason); break;
	default:
		if (s->state != ENGINE_STEP_UNCERTAIN)
			return engine_misfit(e,
			    "a failed step cannot be confirmed");
		s->state = ENGINE_STEP_DONE;
		s->has_effects = true;
		engine_set_reason(s->reason, ev->reason);
		engine_settle(en, ev->step);
	}
	s->asked = false;
	return ERR_NONE;
}

/* The operator's word on a confirm step. */
static enum err_code
take_confirmation(struct engine *en, const struct engine_event *ev,
    struct err *e)
{
	struct step *s = &en->steps[ev->step];

	switch (ev->answer) {
	case ENGINE_CONFIRM:
		end_step(en, ev->step, true, ev->reason);
		return ERR_NONE;
	case ENGINE_SKIP:
		if (ev->reason == NULL || ev->reason[0] == '\0')
			return engine_misfit(e,
			    "to skip a step needs a reason");
		s->ended = ++en->ended_count;
		skip_step(en, ev->step, ev->reason);
		return ERR_NONE;
	case ENGINE_ABORT_RUN:
		engine_abort_run(en, ev->reason);
		return ERR_NONE;
	default: return engine_misfit(e, "there is nothing to retry");
	}
}

static enum err_code
take_answer(struct engine *en, const struct engine_event *ev, struct err *e)
{
	const struct step *s = &en->steps[ev->step];

	if (s->asked)
		return take_verdict(en, ev, e);
	if (is_confirm(en, ev->step) && s->state == ENGINE_STEP_RUNNING &&
	    !s->stopping)
		return take_confirmation(en, ev, e);
	return engine_misfit(e, "nobody asked about that step");
}

static enum err_code
take_abort(struct engine *en, const struct engine_event *ev, struct err *e)
{
	if (en->state == ENGINE_UNDOING || en->state == ENGINE_UNDONE)
		return engine_misfit(e, "the run is over; it is being undone");
	engine_abort_run(en, ev->reason);
	return ERR_NONE;
}

static enum err_code
take_event(struct engine *en, const struct engine_event *ev, struct err *e)
{
	switch (ev->kind) {
	case ENGINE_BEGIN:
		if (en->state != ENGINE_READY)
			return engine_misfit(e, "the run has begun already");
		en->state = ENGINE_RUNNING;
		return ERR_NONE;
	case ENGINE_TICK: return ERR_NONE;
	case ENGINE_STEP_ENDED: return take_step_ended(en, ev, e);
	case ENGINE_STEP_LOST: return take_step_lost(en, ev, e);
	case ENGINE_UNDO_ENDED:
		if (en->undoing != ev->step)
			return engine_misfit(e,
			    "that step is not being undone");
		end_undo(en, ev->ok, ev->reason);
		return ERR_NONE;
	case ENGINE_OPEN_GATE:
		if (!en->gate_reached || en->gate_open ||
		    en->state != ENGINE_RUNNING)
			return engine_misfit(e, "no step waits for the gate");
		en->gate_open = true;
		return ERR_NONE;
	case ENGINE_ANSWER: return take_answer(en, ev, e);
	case ENGINE_ABORT: return take_abort(en, ev, e);
	case ENGINE_UNWIND:
		if (en->state != ENGINE_DONE)
			return engine_misfit(e, "only what is done is unwound");
		en->state = ENGINE_UNDOING;
		return ERR_NONE;
	}
	return engine_misfit(e, "there is no such event");
}

enum err_code
engine_handle(struct engine *en, const struct engine_event *ev, struct mono now,
    const struct engine_action **actions, size_t *actions_count, struct err *e)
{
	bool of_step = ev->kind == ENGINE_STEP_ENDED ||
	    ev->kind == ENGINE_STEP_LOST || ev->kind == ENGINE_UNDO_ENDED ||
	    ev->kind == ENGINE_ANSWER;
	enum err_code rc;

	*actions = en->actions;
	*actions_count = 0;
	if (of_step && ev->step >= en->o.steps_count)
		return engine_misfit(e, "there is no such step");
	en->actions_count = 0;
	if (now.ns > en->now.ns)
		en->now = now;
	rc = take_event(en, ev, e);
	if (rc != ERR_NONE)
		return rc;
	engine_advance(en);
	*actions_count = en->actions_count;
	return ERR_NONE;
}

/* --- asking --------------------------------------------------------------- */

enum engine_state
engine_state_of(const struct engine *en)
{
	return en->state;
}

enum engine_outcome
engine_outcome_of(const struct engine *en)
{
	return en->outcome;
}

const char *
engine_reason(const struct engine *en)
{
	return en->reason;
}

size_t
engine_undo_failures(const struct engine *en)
{
	return en->undo_failures;
}

struct engine_step
engine_step_of(const struct engine *en, size_t step)
{
	const struct step *s = &en->steps[step];

	ASSERT(step < en->o.steps_count);
	return (struct engine_step){s->state, s->attempt, s->ended, s->reason,
	    s->has_effects, s->asked};
}

const char *
engine_state_name(enum engine_state s)
{
	switch (s) {
	case ENGINE_READY: return "ready";
	case ENGINE_RUNNING: return "running";
	case ENGINE_ASKING: return "asking";
	case ENGINE_DRAINING: return "draining";
	case ENGINE_DONE: return "done";
	case ENGINE_UNDOING: return "undoing";
	case ENGINE_UNDONE: return "undone";
	}
	return "unknown";
}

const char *
engine_step_state_name(enum engine_step_state s)
{
	switch (s) {
	case ENGINE_STEP_NOT_IN_MODE: return "not-in-mode";
	case ENGINE_STEP_WAITING: return "waiting";
	case ENGINE_STEP_RUNNING: return "running";
	case ENGINE_STEP_DONE: return "done";
	case ENGINE_STEP_FAILED: return "failed";
	case ENGINE_STEP_SKIPPED: return "skipped";
	case ENGINE_STEP_UNDOING: return "undoing";
	case ENGINE_STEP_UNDONE: return "undone";
	case ENGINE_STEP_UNDO_FAILED: return "undo-failed";
	case ENGINE_STEP_UNCERTAIN: return "uncertain";
	}
	return "unknown";
}
