#ifndef BASCULE_LIB_PLAN_GRAPH_H
#define BASCULE_LIB_PLAN_GRAPH_H

#include <bascule/plan.h>

/* A set of steps, by their number. */
struct graph_set {
	uint64_t bits[PLAN_STEPS_MAX / 64];
};

static inline bool
graph_has(const struct graph_set *s, size_t i)
{
	return s->bits[i / 64] >> (i % 64) & 1;
}

static inline void
graph_put(struct graph_set *s, size_t i)
{
	s->bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/*
 * waits[i]: what step i waits for among the steps of that mode.  A step of
 * another mode stands aside and hands on what it waits for itself.  The graph is
 * one that graph_check passed.
 */
void graph_waits(const struct plan_step *steps, size_t steps_count,
    unsigned mode, struct graph_set *waits);

#endif
