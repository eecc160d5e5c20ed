#include "graph.h"

#include <stdlib.h>
#include <string.h>

/* --- names ---------------------------------------------------------------- */

/* The steps in the order of their names. */
struct names {
	const struct plan_step *steps;
	size_t count;
	uint32_t *order;
};

static void
names_fini(struct names *n)
{
	free(n->order);
}

static int
compare(const void *a, const void *b, void *ctx)
{
	const struct plan_step *steps = ctx;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int way = strcmp(steps[i].name, steps[j].name);

	return way != 0 ? way : (i > j) - (i < j);
}

static enum err_code
names_make(struct names *n, const struct plan_step *steps, size_t steps_count,
    struct err *e)
{
	*n = (struct names){.steps = steps, .count = steps_count};
	n->order = calloc(steps_count + 1, sizeof(*n->order));
	if (n->order == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < steps_count; i++)
		n->order[i] = (uint32_t)i;
	qsort_r(n->order, steps_count, sizeof(*n->order), compare,
	    (void *)(uintptr_t)steps);
	return ERR_NONE;
}

/* The number of the step of that name; count: there is none. */
static size_t
names_find(const struct names *n, const char *name)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int way = strcmp(n->steps[n->order[mid]].name, name);

		if (way == 0)
			return n->order[mid];
		if (way < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return n->count;
}

/* --- each step by itself -------------------------------------------------- */

static enum err_code
check_step(const struct plan_step *s, size_t number, struct err *e)
{
	size_t len = strlen(s->name);

	if (len == 0 || len > PLAN_STEP_NAME_MAX)
		return err_set(e, ERR_POLICY,
		    "the name of step %zu has %zu characters; accepted: 1 to "
		    "%d",
		    number, len, PLAN_STEP_NAME_MAX);
	if (s->modes == 0 || (s->modes & ~PLAN_IN_ALL) != 0)
		return err_set(e, ERR_POLICY, "step '%s' runs in no mode",
		    s->name);
	if (s->retries >= PLAN_ATTEMPTS_MAX)
		return err_set(e, ERR_POLICY,
		    "step '%s' has %u retries; accepted: up to %d", s->name,
		    s->retries, PLAN_ATTEMPTS_MAX - 1);
	if (s->after_count > PLAN_STEPS_MAX)
		return err_set(e, ERR_POLICY,
		    "step '%s' waits for %zu steps; accepted: up to %d",
		    s->name, s->after_count, PLAN_STEPS_MAX);
	return ERR_NONE;
}

static enum err_code
check_steps(const struct names *n, struct err *e)
{
	for (size_t i = 1; i < n->count; i++) {
		const char *name = n->steps[n->order[i]].name;

		if (strcmp(n->steps[n->order[i - 1]].name, name) == 0)
			return err_set(e, ERR_POLICY,
			    "step '%s' is there twice", name);
	}
	return ERR_NONE;
}

/* --- who waits for whom --------------------------------------------------- */

void
graph_fini(struct graph *g)
{
	free(g->waits);
	free(g->first);
	free(g->next);
	*g = (struct graph){0};
}

/* Count the followers of each, and look that all they wait for exists. */
static enum err_code
count_followers(struct graph *g, const struct names *n, size_t *all,
    struct err *e)
{
	*all = 0;
	for (size_t i = 0; i < n->count; i++) {
		const struct plan_step *s = &n->steps[i];

		g->waits[i] = (uint32_t)s->after_count;
		*all += s->after_count;
		for (size_t k = 0; k < s->after_count; k++) {
			size_t j = names_find(n, s->after[k]);

			if (j == n->count)
				return err_set(e, ERR_POLICY,
				    "step '%s' waits for '%.63s', which is no "
				    "step of this plan",
				    s->name, s->after[k]);
			g->first[j + 1]++;
		}
	}
	for (size_t i = 0; i < n->count; i++)
		g->first[i + 1] += g->first[i];
	return ERR_NONE;
}

static enum err_code
connect_steps(struct graph *g, const struct names *n, struct err *e)
{
	OWNED(free_mem) uint32_t *used = NULL;
	size_t all;
	enum err_code rc;

	g->waits = calloc(n->count + 1, sizeof(*g->waits));
	g->first = calloc(n->count + 2, sizeof(*g->first));
	used = calloc(n->count + 1, sizeof(*used));
	if (g->waits == NULL || g->first == NULL || used == NULL)
		return err_nomem(e);
	rc = count_followers(g, n, &all, e);
	if (rc != ERR_NONE)
		return rc;
	g->next = calloc(all + 1, sizeof(*g->next));
	if (g->next == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < n->count; i++)
		for (size_t k = 0; k < n->steps[i].after_count; k++) {
			size_t j = names_find(n, n->steps[i].after[k]);

			g->next[g->first[j] + used[j]++] = (uint32_t)i;
		}
	return ERR_NONE;
}

/* --- cycles --------------------------------------------------------------- */

/* The step that i waits for and that was not peeled: there is one. */
static size_t
follow(const struct names *n, const uint32_t *left, size_t i)
{
	size_t j = i;

	for (size_t k = 0; k < n->steps[i].after_count; k++) {
		j = names_find(n, n->steps[i].after[k]);
		if (left[j] > 0)
			break;
	}
	ASSERT(left[j] > 0);
	return j;
}

static enum err_code
refuse_cycle(const struct names *n, const uint32_t *left, struct err *e)
{
	OWNED(free_mem) bool *seen = calloc(n->count, sizeof(*seen));
	char text[ERR_TEXT_BYTES / 2];
	size_t i = 0, begin, used = 0;

	if (seen == NULL)
		return err_nomem(e);
	while (left[i] == 0)
		i++;
	/* Whoever goes on waiting comes into the cycle and meets himself. */
	for (; !seen[i]; i = follow(n, left, i))
		seen[i] = true;
	begin = i;
	text[0] = '\0';
	do {
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s -> ", n->steps[i].name);
		i = follow(n, left, i);
	} while (i != begin && used < sizeof(text) - PLAN_STEP_NAME_MAX - 8);
	return err_set(e, ERR_POLICY, "the steps wait for each other: %s%s%s",
	    text, i != begin ? "... -> " : "", n->steps[begin].name);
}

/*
 * Peel off what waits for nothing that is left.  What cannot be peeled stands in
 * a cycle, or behind one.
 */
static enum err_code
check_cycles(const struct graph *g, const struct names *n, struct err *e)
{
	OWNED(free_mem) uint32_t *left = calloc(n->count + 1, sizeof(*left));
	OWNED(free_mem) uint32_t *queue = calloc(n->count + 1, sizeof(*queue));
	size_t in = 0, out = 0;

	if (left == NULL || queue == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < n->count; i++) {
		left[i] = g->waits[i];
		if (left[i] == 0)
			queue[in++] = (uint32_t)i;
	}
	while (out < in) {
		size_t i = queue[out++];

		for (uint32_t k = g->first[i]; k < g->first[i + 1]; k++)
			if (--left[g->next[k]] == 0)
				queue[in++] = g->next[k];
	}
	return in == n->count ? ERR_NONE : refuse_cycle(n, left, e);
}

enum err_code
graph_make(struct graph *g, const struct plan_step *steps, size_t steps_count,
    struct err *e)
{
	OWNED(names_fini) struct names n = {0};
	enum err_code rc = ERR_NONE;

	*g = (struct graph){0};
	if (steps_count > PLAN_STEPS_MAX)
		return err_set(e, ERR_POLICY,
		    "the plan has %zu steps; accepted: up to %d", steps_count,
		    PLAN_STEPS_MAX);
	for (size_t i = 0; rc == ERR_NONE && i < steps_count; i++)
		rc = check_step(&steps[i], i + 1, e);
	if (rc == ERR_NONE)
		rc = names_make(&n, steps, steps_count, e);
	if (rc == ERR_NONE)
		rc = check_steps(&n, e);
	if (rc == ERR_NONE)
		rc = connect_steps(g, &n, e);
	if (rc == ERR_NONE)
		rc = check_cycles(g, &n, e);
	if (rc != ERR_NONE)
		graph_fini(g);
	return rc;
}

enum err_code
graph_check(const struct plan_step *steps, size_t steps_count, struct err *e)
{
	OWNED(graph_fini) struct graph g = {0};

	return graph_make(&g, steps, steps_count, e);
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
