#include "graph.h"

#include <string.h>

/* The number of the step of that name; steps_count: there is none. */
static size_t
find_step(const struct plan_step *steps, size_t steps_count, const char *name)
{
	size_t i = 0;

	while (i < steps_count && strcmp(steps[i].name, name) != 0)
		i++;
	return i;
}

static enum err_code
check_step(const struct plan_step *steps, size_t steps_count, size_t i,
    struct err *e)
{
	const struct plan_step *s = &steps[i];
	size_t len = strlen(s->name);

	if (len == 0 || len > PLAN_STEP_NAME_MAX)
		return err_set(e, ERR_POLICY,
		    "the name of step %zu has %zu characters; accepted: 1 to "
		    "%d",
		    i + 1, len, PLAN_STEP_NAME_MAX);
	if (find_step(steps, i, s->name) < i)
		return err_set(e, ERR_POLICY, "step '%s' is there twice",
		    s->name);
	if (s->modes == 0 || (s->modes & ~PLAN_IN_ALL) != 0)
		return err_set(e, ERR_POLICY, "step '%s' runs in no mode",
		    s->name);
	if (s->retries >= PLAN_ATTEMPTS_MAX)
		return err_set(e, ERR_POLICY,
		    "step '%s' has %u retries; accepted: up to %d", s->name,
		    s->retries, PLAN_ATTEMPTS_MAX - 1);
	for (size_t k = 0; k < s->after_count; k++)
		if (find_step(steps, steps_count, s->after[k]) == steps_count)
			return err_set(e, ERR_POLICY,
			    "step '%s' waits for '%.63s', which is no step of "
			    "this plan",
			    s->name, s->after[k]);
	return ERR_NONE;
}

/*
 * Peel off what waits for nothing that is left.  What cannot be peeled stands in
 * a cycle, or behind one.
 */
static size_t
peel(const struct plan_step *steps, size_t steps_count,
    struct graph_set *peeled)
{
	size_t left = steps_count;
	bool progress = true;

	while (progress) {
		progress = false;
		for (size_t i = 0; i < steps_count; i++) {
			size_t k = 0;

			if (graph_has(peeled, i))
				continue;
			while (k < steps[i].after_count &&
			    graph_has(peeled,
				find_step(steps, steps_count,
				    steps[i].after[k])))
				k++;
			if (k < steps[i].after_count)
				continue;
			graph_put(peeled, i);
			left--;
			progress = true;
		}
	}
	return left;
}

/* The step that i waits for and that was not peeled: there is one. */
static size_t
follow(const struct plan_step *steps, size_t steps_count,
    const struct graph_set *peeled, size_t i)
{
	size_t j = i;

	for (size_t k = 0; k < steps[i].after_count; k++) {
		j = find_step(steps, steps_count, steps[i].after[k]);
		if (!graph_has(peeled, j))
			break;
	}
	ASSERT(!graph_has(peeled, j));
	return j;
}

static enum err_code
refuse_cycle(const struct plan_step *steps, size_t steps_count,
    const struct graph_set *peeled, struct err *e)
{
	char text[ERR_TEXT_BYTES / 2];
	struct graph_set seen = {0};
	size_t i = 0, begin, used = 0;

	while (graph_has(peeled, i))
		i++;
	/* Whoever goes on waiting comes into the cycle and meets himself. */
	for (; !graph_has(&seen, i); i = follow(steps, steps_count, peeled, i))
		graph_put(&seen, i);
	begin = i;
	text[0] = '\0';
	do {
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s -> ", steps[i].name);
		i = follow(steps, steps_count, peeled, i);
	} while (i != begin && used < sizeof(text) - PLAN_STEP_NAME_MAX - 8);
	return err_set(e, ERR_POLICY, "the steps wait for each other: %s%s%s",
	    text, i != begin ? "... -> " : "", steps[begin].name);
}

enum err_code
graph_check(const struct plan_step *steps, size_t steps_count, struct err *e)
{
	struct graph_set peeled = {0};

	if (steps_count > PLAN_STEPS_MAX)
		return err_set(e, ERR_POLICY,
		    "the plan has %zu steps; accepted: up to %d", steps_count,
		    PLAN_STEPS_MAX);
	for (size_t i = 0; i < steps_count; i++) {
		enum err_code rc = check_step(steps, steps_count, i, e);

		if (rc != ERR_NONE)
			return rc;
	}
	if (peel(steps, steps_count, &peeled) > 0)
		return refuse_cycle(steps, steps_count, &peeled, e);
	return ERR_NONE;
}

/* Add what standing aside of a step hands on, until nothing changes. */
static bool
hand_on(const struct plan_step *steps, size_t steps_count, unsigned mode,
    struct graph_set *waits, size_t i)
{
	bool changed = false;

	for (size_t j = 0; j < steps_count; j++) {
		if (!graph_has(&waits[i], j) || (steps[j].modes & mode))
			continue;
		for (size_t w = 0; w < COUNT_OF(waits->bits); w++) {
			uint64_t more = waits[j].bits[w] & ~waits[i].bits[w];

			waits[i].bits[w] |= more;
			changed = changed || more != 0;
		}
	}
	return changed;
}

void
graph_waits(const struct plan_step *steps, size_t steps_count, unsigned mode,
    struct graph_set *waits)
{
	bool changed = true;

	memset(waits, 0, steps_count * sizeof(*waits));
	for (size_t i = 0; i < steps_count; i++)
		for (size_t k = 0; k < steps[i].after_count; k++)
			graph_put(&waits[i],
			    find_step(steps, steps_count, steps[i].after[k]));
	while (changed) {
		changed = false;
		for (size_t i = 0; i < steps_count; i++)
			changed = hand_on(steps, steps_count, mode, waits, i) ||
			    changed;
	}
	for (size_t i = 0; i < steps_count; i++)
		for (size_t j = 0; j < steps_count; j++)
			if (!(steps[j].modes & mode))
				waits[i].bits[j / 64] &=
				    ~(UINT64_C(1) << (j % 64));
}

const char *
graph_kind_name(enum plan_kind kind)
{
	switch (kind) {
	case PLAN_RESTORE: return "restore";
	case PLAN_RUN: return "run";
	case PLAN_CHECK: return "check";
	case PLAN_CONFIRM: return "confirm";
	case PLAN_WAIT: return "wait";
	}
	return "unknown";
}
