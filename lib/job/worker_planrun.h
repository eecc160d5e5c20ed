#ifndef JOB_WORKER_PLANRUN_H
#define JOB_WORKER_PLANRUN_H

/* What the workers share that carry out a plan: exercise, move. */

#include "worker.h"

struct worker_planrun {
	struct worker *w;
	bool was_cancelled; /* and the run has been told */
};

/* t outlives it. */
struct planrun_link worker_planrun_link(struct worker_planrun *t);

#endif
