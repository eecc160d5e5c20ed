/* A run that was interrupted, taken up from its records. */

#include "engine_parts.h"

#include <stdlib.h>

static enum err_code
check_past(const struct engine *en, const struct engine_past *past,
    size_t past_count, struct err *e)
{
	OWNED(free_mem)
	bool *seen = calloc(en->o.steps_count + 1, sizeof(*seen));

	if (seen == NULL)
		return err_nomem(e);
	if (en->state != ENGINE_READY)
		return engine_misfit(e, "the run has begun already");
	for (size_t i = 0; i < past_count; i++) {
		const struct engine_past *p = &past[i];

		if (p->step >= en->o.steps_count || seen[p->step])
			return engine_misfit(e,
			    "a step of the records is none, or is there twice");
		if (p->state == ENGINE_STEP_RUNNING ||
		    p->state == ENGINE_STEP_NOT_IN_MODE ||
		    p->attempt > PLAN_ATTEMPTS_MAX)
			return engine_misfit(e,
			    "no step can be as the records have it");
		seen[p->step] = true;
	}
	return ERR_NONE;
}

static int
compare_past(const void *a, const void *b)
{
	const struct engine_past *const *x = a, *const *y = b;

	return ((*x)->ended > (*y)->ended) - ((*x)->ended < (*y)->ended);
}

/* True: it was being undone. */
static bool
recall_step(struct engine *en, const struct engine_past *p)
{
	const struct plan_step *plan = &en->o.steps[p->step];
	struct step *s = &en->steps[p->step];
	bool is_undo = p->state == ENGINE_STEP_UNDOING ||
	    p->state == ENGINE_STEP_UNDONE ||
	    p->state == ENGINE_STEP_UNDO_FAILED;

	if (s->state == ENGINE_STEP_NOT_IN_MODE ||
	    p->state == ENGINE_STEP_WAITING)
		return false;
	s->state = p->state;
	s->attempt = p->attempt;
	s->ended = ++en->ended_count;
	s->retries_left =
	    plan->retries >= p->attempt ? plan->retries + 1 - p->attempt : 0;
	if (s->retries_left > plan->retries)
		s->retries_left = plan->retries;
	engine_set_reason(s->reason, p->reason);
	s->has_effects = p->state == ENGINE_STEP_DONE ||
	    p->state == ENGINE_STEP_UNDOING ||
	    (!is_undo && p->attempt > 0 && !engine_is_idle(en, p->step));
	en->undo_failures += p->state == ENGINE_STEP_UNDO_FAILED;
	if (p->state == ENGINE_STEP_DONE || p->state == ENGINE_STEP_SKIPPED)
		engine_settle(en, p->step);
	return is_undo;
}

/* What was known last of each decides whether it goes on. */
static void
judge_past(struct engine *en)
{
	for (size_t i = 0; i < en->o.steps_count; i++) {
		if (en->steps[i].state == ENGINE_STEP_FAILED)
			engine_step_failed(en, i);
		else if (en->steps[i].state == ENGINE_STEP_UNCERTAIN)
			engine_step_lost(en, i);
	}
}

enum err_code
engine_resume(struct engine *en, const struct engine_past *past,
    size_t past_count, struct mono now, const struct engine_action **actions,
    size_t *actions_count, struct err *e)
{
	OWNED(free_mem)
	const struct engine_past **order =
	    calloc(past_count + 1, sizeof(*order));
	bool unwinds = en->o.unwinds;
	enum err_code rc;

	*actions = en->actions;
	*actions_count = 0;
	if (order == NULL)
		return err_nomem(e);
	rc = check_past(en, past, past_count, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < past_count; i++)
		order[i] = &past[i];
	qsort(order, past_count, sizeof(*order), compare_past);
	en->actions_count = 0;
	en->now = now;
	en->state = ENGINE_RUNNING;
	for (size_t i = 0; i < past_count; i++)
		unwinds = recall_step(en, order[i]) || unwinds;
	if (unwinds)
		engine_abort_run(en, "it is taken back");
	judge_past(en);
	engine_advance(en);
	*actions_count = en->actions_count;
	return ERR_NONE;
}
