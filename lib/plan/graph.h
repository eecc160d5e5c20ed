#ifndef BASCULE_LIB_PLAN_GRAPH_H
#define BASCULE_LIB_PLAN_GRAPH_H

#include <bascule/plan.h>

/*
 * Who waits for whom, by the numbers of the steps: so that what follows from
 * the end of one costs no more than the steps that wait for it.
 */
struct graph {
	uint32_t *waits; /* how many steps each one waits for */
	uint32_t *first; /* of each one's followers in next; one more */
	uint32_t *next;
};

/*
 * ERR_POLICY as graph_check.  The steps are not needed afterwards.  What is of
 * another mode is in it like any other: whoever walks it lets it pass.
 */
enum err_code graph_make(struct graph *g, const struct plan_step *steps,
    size_t steps_count, struct err *e) MUST_CHECK;
void graph_fini(struct graph *g);

#endif
