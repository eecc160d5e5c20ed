/* An isolated test's steps: those that it does, and a word about the others. */

#include "exercise_parts.h"

enum err_code
exercise_steps_choose(struct exercise *x, struct err *e)
{
	const struct policy_service *s = x->o->service;
	enum err_code rc =
	    exercise_scope_of(&x->scope, x->o->policy, s, x->o->site, e);

	for (size_t i = 0; rc == ERR_NONE && i < s->step_count; i++)
		if (x->scope.steps[i] != EXERCISE_DONE)
			x->p.steps[i].modes = PLAN_IN_TABLETOP;
	return rc;
}

bool
exercise_steps_has(const struct exercise *x, size_t i)
{
	return (x->p.steps[i].modes & x->p.effects->mode) != 0;
}

const char *
exercise_steps_why(const struct exercise *x, size_t i, char *out, size_t size)
{
	return exercise_scope_why(&x->scope, x->o->service, i, out, size);
}

void
exercise_steps_note(struct exercise *x)
{
	const struct policy_service *s = x->o->service;
	char why[256];

	for (size_t i = 0; i < s->step_count; i++) {
		if (exercise_steps_has(x, i) &&
		    exercise_scope_is_elsewhere(x->o->site, &s->plan[i]))
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
	if (x->scope.aside_count > 0)
		exercise_notes_one(x, "limitation", "%s",
		    exercise_scope_words(&x->scope, why, sizeof(why)));
}
