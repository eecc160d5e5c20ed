/* The whole plan in a tabletop: the same engine, with words for deeds. */

#include <string.h>

#include "tabletops.h"

static unsigned
modes_of(uint32_t modes)
{
	return (modes & POLICY_MODE_TABLETOP) != 0 ? PLAN_IN_TABLETOP
						   : PLAN_IN_TEST;
}

static enum plan_kind
kind_of(enum policy_step_kind kind)
{
	switch (kind) {
	case POLICY_STEP_RESTORE: return PLAN_RESTORE;
	case POLICY_STEP_RUN: return PLAN_RUN;
	case POLICY_STEP_CONFIRM: return PLAN_CONFIRM;
	case POLICY_STEP_WAIT: return PLAN_WAIT;
	case POLICY_STEP_CHECK: break;
	}
	return PLAN_CHECK;
}

static enum err_code
learn(struct daemon *d, const struct policy_service *s,
    struct tabletops_forecast *f, struct plan_step *steps, int64_t *takes,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < s->step_count; i++) {
		const struct policy_step *p = &s->plan[i];

		steps[i] = (struct plan_step){.name = p->name,
		    .after = p->after.items,
		    .after_count = p->after.count,
		    .kind = kind_of(p->kind),
		    .modes = modes_of(p->modes),
		    .wait_ns = p->wait_ns};
		f->items[i].name = p->name;
		if (p->kind == POLICY_STEP_WAIT) {
			takes[i] = p->wait_ns;
			snprintf(f->items[i].basis, sizeof(f->items[i].basis),
			    "the plan waits so long");
		} else if (steps[i].modes == PLAN_IN_TABLETOP)
			rc = steptimes_learn(d, s->name, p->name, &takes[i],
			    f->items[i].basis, e);
	}
	return rc;
}

enum err_code
tabletopplan_forecast(struct daemon *d, const char *service,
    struct tabletops_forecast *f, struct err *e)
{
	const struct policy_service *s =
	    policy_find_service(d->policy, service);
	OWNED(free_mem) struct plan_step *steps = NULL;
	OWNED(free_mem) struct forecast_step *out = NULL;
	OWNED(free_mem) int64_t *takes = NULL;
	enum err_code rc;

	f->count = 0;
	if (s == NULL || s->step_count == 0)
		return err_set(e, ERR_NOTFOUND, "service '%s' has no plan",
		    service);
	if (s->step_count > TABLETOPS_FORECAST_MAX)
		return err_set(e, ERR_REFUSED,
		    "the plan has more than %d steps: name the ones to be "
		    "simulated",
		    TABLETOPS_FORECAST_MAX);
	steps = calloc(s->step_count, sizeof(*steps));
	out = calloc(s->step_count, sizeof(*out));
	takes = calloc(s->step_count, sizeof(*takes));
	if (steps == NULL || out == NULL || takes == NULL)
		return err_nomem(e);
	rc = learn(d, s, f, steps, takes, e);
	if (rc == ERR_NONE)
		rc = forecast_run(steps, s->step_count, PLAN_IN_TABLETOP, takes,
		    out, e);
	if (rc != ERR_NONE)
		return rc;
	f->count = s->step_count;
	for (size_t i = 0; i < f->count; i++) {
		f->items[i].is_run = out[i].is_run;
		f->items[i].starts_ns = out[i].starts_ns;
		f->items[i].takes_ns = out[i].ends_ns - out[i].starts_ns;
	}
	return ERR_NONE;
}
