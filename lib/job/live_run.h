#ifndef JOB_LIVE_RUN_H
#define JOB_LIVE_RUN_H

/* A live plan under way: what live and its table share. */

#include "live.h"

struct live {
	struct planrun p;
	const struct live_options *o;
	struct live_result *out;
	bool undoes; /* an undo, not a plan */
};

#endif
