/* How long a plan takes: the engine on a clock that only goes where it is sent. */

#include <bascule/plan.h>

#include <bascule/base/defs.h>
#include <stdlib.h>

struct forecast {
	const struct plan_step *steps;
	size_t count;
	const int64_t *takes_ns;
	struct forecast_step *out;
	unsigned *attempts; /* of those that run now; 0: it does not */
	int64_t now_ns;
	bool is_done;
};

/* Time is the forecast's own: no step times out, and a wait is a step that
 * takes so long. */
static struct plan_step *
without_clocks(const struct plan_step *steps, size_t count)
{
	struct plan_step *copy = calloc(count + 1, sizeof(*copy));

	for (size_t i = 0; copy != NULL && i < count; i++) {
		copy[i] = steps[i];
		copy[i].timeout_ns = 0;
		if (copy[i].kind == PLAN_WAIT)
			copy[i].kind = PLAN_CHECK;
	}
	return copy;
}

static int64_t
takes(const struct forecast *f, size_t step)
{
	int64_t ns = f->steps[step].kind == PLAN_WAIT ? f->steps[step].wait_ns
						      : f->takes_ns[step];

	return ns < 0 ? 0 : ns;
}

static enum err_code
tell(struct forecast *f, struct engine *en, const struct engine_event *ev,
    struct err *e)
{
	const struct engine_action *actions;
	size_t count;
	enum err_code rc = engine_handle(en, ev, (struct mono){f->now_ns},
	    &actions, &count, e);

	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		size_t step = actions[i].step;

		if (actions[i].kind == ENGINE_ALL_DONE)
			f->is_done = true;
		if (actions[i].kind != ENGINE_START)
			continue;
		f->attempts[step] = actions[i].attempt;
		f->out[step] = (struct forecast_step){true, f->now_ns,
		    f->now_ns + takes(f, step)};
	}
	return rc;
}

/* The running step that ends first; count: none runs. */
static size_t
first_to_end(const struct forecast *f)
{
	size_t best = f->count;

	for (size_t i = 0; i < f->count; i++)
		if (f->attempts[i] != 0 &&
		    (best == f->count ||
			f->out[i].ends_ns < f->out[best].ends_ns))
			best = i;
	return best;
}

static enum err_code
walk(struct forecast *f, struct engine *en, struct err *e)
{
	enum err_code rc =
	    tell(f, en, &(struct engine_event){.kind = ENGINE_BEGIN}, e);

	while (rc == ERR_NONE && !f->is_done) {
		size_t step = first_to_end(f);
		struct engine_event ev = {.kind = ENGINE_STEP_ENDED,
		    .step = step,
		    .ok = true};

		if (step == f->count)
			return err_set(e, ERR_POLICY,
			    "the plan does not come to an end");
		ev.attempt = f->attempts[step];
		f->attempts[step] = 0;
		f->now_ns = f->out[step].ends_ns;
		rc = tell(f, en, &ev, e);
	}
	return rc;
}

enum err_code
forecast_run(const struct plan_step *steps, size_t steps_count, unsigned mode,
    const int64_t *takes_ns, struct forecast_step *out, struct err *e)
{
	OWNED(engine_free) struct engine *en = NULL;
	OWNED(free_mem)
	struct plan_step *copy = without_clocks(steps, steps_count);
	OWNED(free_mem)
	unsigned *attempts = calloc(steps_count + 1, sizeof(*attempts));
	struct engine_options o = {.steps = copy,
	    .steps_count = steps_count,
	    .mode = mode};
	struct forecast f = {.steps = steps,
	    .count = steps_count,
	    .takes_ns = takes_ns,
	    .out = out,
	    .attempts = attempts};
	enum err_code rc;

	if (copy == NULL || attempts == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < steps_count; i++)
		out[i] = (struct forecast_step){0};
	rc = engine_new(&en, &o, e);
	return rc == ERR_NONE ? walk(&f, en, e) : rc;
}
