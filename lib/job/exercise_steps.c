/*
 * Which steps of the plan an isolated test does.  Those of another machine of the
 * target site stand aside: nothing there could be cut off from production, and
 * nothing would be cleaned that a crash leaves behind.  So do those that follow
 * them, which would look at what was not done.  A restore needs no such thing: it
 * is done here, in the sandbox.
 */

#include <string.h>

#include "exercise_parts.h"

static bool
is_elsewhere(const struct exercise *x, const struct policy_step *s)
{
	const struct policy_site *site = x->o->site;
	const char *here = site->host_count > 0 ? site->hosts[0].name : "";

	return s->on[0] != '\0' && strcmp(s->on, here) != 0;
}

static size_t
step_named(const struct policy_service *s, const char *name)
{
	size_t i = 0;

	while (i < s->step_count && strcmp(s->plan[i].name, name) != 0)
		i++;
	return i;
}

/* The one it follows that stood aside; step_count: none. */
static size_t
follows(const struct exercise *x, const struct policy_step *step)
{
	const struct policy_service *s = x->o->service;

	for (size_t i = 0; i < step->after.count; i++) {
		size_t before = step_named(s, step->after.items[i]);

		if (before < s->step_count && x->aside[before] != EXERCISE_DONE)
			return before;
	}
	return s->step_count;
}

/* One more that stands aside? */
static bool
look_at(struct exercise *x, size_t i)
{
	const struct policy_step *s = &x->o->service->plan[i];

	if (!exercise_steps_has(x, i) || s->kind == POLICY_STEP_RESTORE)
		return false;
	if (is_elsewhere(x, s))
		x->aside[i] = EXERCISE_ELSEWHERE;
	else if (follows(x, s) < x->o->service->step_count)
		x->aside[i] = EXERCISE_FOLLOWS;
	else
		return false;
	x->p.steps[i].modes = PLAN_IN_TABLETOP;
	x->aside_count++;
	return true;
}

enum err_code
exercise_steps_choose(struct exercise *x, struct err *e)
{
	const struct policy_service *s = x->o->service;
	bool more = true;

	x->aside = calloc(s->step_count + 1, sizeof(*x->aside));
	if (x->aside == NULL)
		return err_nomem(e);
	/* As in a live move, what is for another site stands aside: a plan that
	 * leads both ways is tested one way at a time. */
	for (size_t i = 0; i < s->step_count; i++)
		if (!policy_step_is_for(x->o->policy, &s->plan[i],
			x->o->site->name))
			x->p.steps[i].modes = PLAN_IN_TABLETOP;
	while (more) {
		more = false;
		for (size_t i = 0; i < s->step_count; i++)
			more = look_at(x, i) || more;
	}
	return ERR_NONE;
}

bool
exercise_steps_has(const struct exercise *x, size_t i)
{
	return (x->p.steps[i].modes & x->p.effects->mode) != 0;
}

const char *
exercise_steps_why(const struct exercise *x, size_t i, char *out, size_t size)
{
	const struct policy_service *s = x->o->service;

	if (x->aside[i] == EXERCISE_DONE)
		return NULL;
	if (x->aside[i] == EXERCISE_ELSEWHERE)
		snprintf(out, size,
		    "it is done on '%s', which a test cannot cut off from "
		    "production",
		    s->plan[i].on);
	else
		snprintf(out, size, "it follows '%s', which stood aside",
		    s->plan[follows(x, &s->plan[i])].name);
	return out;
}

void
exercise_steps_note(struct exercise *x)
{
	const struct policy_service *s = x->o->service;
	char why[256];

	for (size_t i = 0; i < s->step_count; i++) {
		if (exercise_steps_has(x, i) && is_elsewhere(x, &s->plan[i]))
			exercise_notes_one(x, "limitation",
			    "step '%s' restored into the sandbox here, not on "
			    "'%s': that there is room and a way for it there "
			    "was not measured",
			    s->plan[i].name, s->plan[i].on);
		if (exercise_steps_why(x, i, why, sizeof(why)) == NULL)
			continue;
		exercise_feed(x, ISOLATED_FINDING);
		exercise_notes_one(x, "finding", "step '%s' was not tested: %s",
		    s->plan[i].name, why);
	}
}
