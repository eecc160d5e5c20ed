#ifndef BASCULE_BASE_PIPELINE_H
#define BASCULE_BASE_PIPELINE_H

/*
 * Stages of threads with bounded queues between them: the only place in
 * bascule that makes threads.
 *
 * A fixed set of items circulates: the caller takes a free one, fills it and
 * puts it in; it passes every stage and is free again.  So the memory in
 * flight is the items, whatever the stages' speeds.
 *
 * P1. Every stage receives the items in the order they were put, also behind
 *     a stage of several threads: what comes out does not depend on timing.
 * P2. The first failure of a stage stops all of them; take, put and drain give
 *     it from then on.  Items in flight are not run through further stages.
 * P3. With collect, items come back to the caller in the order they were put,
 *     instead of becoming free by themselves.
 * P4. After pipeline_free no thread is left and all items are the caller's.
 *
 * One thread calls these functions.  Stages' threads receive no signals.
 */

#include <stdbool.h>
#include <stddef.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>

#define PIPELINE_STAGES_MAX  8
#define PIPELINE_THREADS_MAX 64 /* of one stage */

/* thread: 0 to threads_count - 1, for memory of a thread's own. */
typedef enum err_code pipeline_fn(void *ctx, unsigned thread, void *item,
    struct err *e);

struct pipeline_stage {
	pipeline_fn *run;
	unsigned threads_count;
};

struct pipeline_plan {
	const struct pipeline_stage *stages; /* copied */
	size_t stages_count;
	void **items; /* copied; the items themselves are borrowed */
	size_t items_count;
	void *ctx; /* given to every stage */
	bool collect;
};

struct pipeline;

enum err_code pipeline_new(struct pipeline **out,
    const struct pipeline_plan *plan, struct err *e) MUST_CHECK;

/* Stops at once, whatever is in flight, and joins.  *p may be NULL. */
void pipeline_free(struct pipeline **p);

/* An item that is in no stage; waits for one. */
enum err_code pipeline_take(struct pipeline *p, void **item,
    struct err *e) MUST_CHECK;

/* Send a taken item on its way.  Never waits. */
enum err_code pipeline_put(struct pipeline *p, void *item,
    struct err *e) MUST_CHECK;

/* Give a taken item back unused. */
void pipeline_untake(struct pipeline *p, void *item);

/*
 * With collect: wait for the oldest item put to pass the last stage.  It is
 * taken again then: to be put or untaken.  *item NULL: none is under way.
 */
enum err_code pipeline_collect(struct pipeline *p, void **item,
    struct err *e) MUST_CHECK;

/* Without collect: wait until every item put has passed the last stage. */
enum err_code pipeline_drain(struct pipeline *p, struct err *e) MUST_CHECK;

/* Processors this process may run on; at least 1. */
unsigned pipeline_cores(void);

#endif
