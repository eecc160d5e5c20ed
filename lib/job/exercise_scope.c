/*
 * Which steps of the plan an isolated test at a site does.  Those of another
 * machine of the site stand aside: nothing there could be cut off from
 * production, and nothing would be cleaned that a crash leaves behind.  So do
 * those that follow them, which would look at what was not done.  A restore needs
 * no such thing: it is done here, in the sandbox.  Pure.
 */

#include <string.h>

#include "exercise_parts.h"

void
exercise_scope_fini(struct exercise_scope *c)
{
	free(c->steps);
	free(c->behind);
	*c = (struct exercise_scope){0};
}

bool
exercise_scope_is_elsewhere(const struct policy_site *site,
    const struct policy_step *step)
{
	const char *here = site->host_count > 0 ? site->hosts[0].name : "";

	return step->on[0] != '\0' && strcmp(step->on, here) != 0;
}

static size_t
step_named(const struct policy_service *s, const char *name)
{
	size_t i = 0;

	while (i < s->step_count && strcmp(s->plan[i].name, name) != 0)
		i++;
	return i;
}

/* The one it follows that stands aside; step_count: none. */
static size_t
follows(const struct exercise_scope *c, const struct policy_service *s,
    size_t step)
{
	const struct policy_texts *after = &s->plan[step].after;

	for (size_t i = 0; i < after->count; i++) {
		size_t before = step_named(s, after->items[i]);

		if (before == s->step_count)
			continue;
		if (c->steps[before] == EXERCISE_ELSEWHERE ||
		    c->steps[before] == EXERCISE_FOLLOWS)
			return before;
		if (c->behind[before] < s->step_count)
			return c->behind[before];
	}
	return s->step_count;
}

/* One more that stands aside, or that hands it on: is of no test itself? */
static bool
look_at(struct exercise_scope *c, const struct policy_service *s,
    const struct policy_site *site, size_t i)
{
	const struct policy_step *step = &s->plan[i];

	if ((c->steps[i] != EXERCISE_DONE &&
		c->steps[i] != EXERCISE_NOT_OURS) ||
	    c->behind[i] < s->step_count || step->kind == POLICY_STEP_RESTORE)
		return false;
	if (c->steps[i] == EXERCISE_NOT_OURS) {
		c->behind[i] = follows(c, s, i);
		return c->behind[i] < s->step_count;
	}
	if (exercise_scope_is_elsewhere(site, step))
		c->steps[i] = EXERCISE_ELSEWHERE;
	else if ((c->behind[i] = follows(c, s, i)) < s->step_count)
		c->steps[i] = EXERCISE_FOLLOWS;
	else
		return false;
	c->aside_count++;
	c->done_count--;
	return true;
}

enum err_code
exercise_scope_of(struct exercise_scope *out, const struct policy *p,
    const struct policy_service *s, const struct policy_site *site,
    struct err *e)
{
	bool more = true;

	*out = (struct exercise_scope){.done_count = 0};
	out->steps = calloc(s->step_count + 1, sizeof(*out->steps));
	out->behind = calloc(s->step_count + 1, sizeof(*out->behind));
	if (out->steps == NULL || out->behind == NULL) {
		exercise_scope_fini(out);
		return err_nomem(e);
	}
	/* As in a live move, what is for another site is not ours: a plan that
	 * leads both ways is tested one way at a time. */
	for (size_t i = 0; i < s->step_count; i++) {
		bool is_ours = (s->plan[i].modes & POLICY_MODE_TEST) != 0 &&
		    policy_step_is_for(p, &s->plan[i], site->name);

		out->steps[i] = is_ours ? EXERCISE_DONE : EXERCISE_NOT_OURS;
		out->behind[i] = s->step_count;
		out->done_count += is_ours;
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < s->step_count; i++)
			more = look_at(out, s, site, i) || more;
	}
	return ERR_NONE;
}

const char *
exercise_scope_why(const struct exercise_scope *c,
    const struct policy_service *s, size_t i, char *out, size_t size)
{
	if (c->steps[i] == EXERCISE_DONE || c->steps[i] == EXERCISE_NOT_OURS)
		return NULL;
	if (c->steps[i] == EXERCISE_ELSEWHERE)
		snprintf(out, size,
		    "it is done on '%s', which a test cannot cut off from "
		    "production",
		    s->plan[i].on);
	else
		snprintf(out, size, "it follows '%s', which stood aside",
		    s->plan[c->behind[i]].name);
	return out;
}

unsigned
exercise_scope_most(const struct exercise_scope *c)
{
	return c->aside_count > 0 ? POLICY_L4 : POLICY_L6;
}

const char *
exercise_scope_words(const struct exercise_scope *c, char *out, size_t size)
{
	size_t all = c->done_count + c->aside_count;

	if (c->aside_count == 0)
		snprintf(out, size,
		    "it can prove L6 (isolated test): all of its %zu step%s "
		    "are done",
		    all, all == 1 ? "" : "s");
	else
		snprintf(out, size,
		    "it can prove L4 (restored and compared) at most, not L5 "
		    "or L6: %zu of its %zu steps stand aside; they are proved "
		    "by a live move alone",
		    c->aside_count, all);
	return out;
}
