#include <bascule/base/pipeline.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * One lock for all: an item is some hundred microseconds of work, a hand-over
 * well under one.
 *
 * Items are numbered as they are put.  The queue before stage k is a ring with
 * a slot for each number modulo the count of items.  A stage takes numbers in
 * order, so all in its queue are at least `next`; they are in flight, so there
 * are at most items_count of them: no two share a slot, and pushing never
 * waits.
 */
struct queue {
	void **slots; /* items_count of them; NULL: not there yet */
	uint64_t next;
	pthread_cond_t filled;
};

struct worker {
	struct pipeline *pipeline;
	size_t stage;
	unsigned thread;
	pthread_t id;
};

struct pipeline {
	struct pipeline_stage stages[PIPELINE_STAGES_MAX];
	size_t stages_count;
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t idle; /* an item became free, or a stage failed */
	struct queue queues[PIPELINE_STAGES_MAX + 1]; /* last: to collect */
	void **free_items;
	size_t free_count, items_count, taken_count;
	uint64_t put_count;
	bool collect, stopping;
	struct err failure; /* code ERR_NONE: none so far */
	struct worker *workers;
	size_t workers_count; /* running */
};

static void *
queue_pop(struct pipeline *p, struct queue *q, uint64_t *number)
{
	for (;;) {
		void **slot = &q->slots[q->next % p->items_count];

		if (p->stopping)
			return NULL;
		if (*slot != NULL) {
			*number = q->next++;
			return TAKE(*slot);
		}
		pthread_cond_wait(&q->filled, &p->lock);
	}
}

static void
queue_push(struct pipeline *p, struct queue *q, uint64_t number, void *item)
{
	q->slots[number % p->items_count] = item;
	/* Which thread may go on depends on the number: wake them all when
	 * it is the next one, nobody when it is not. */
	if (number == q->next)
		pthread_cond_broadcast(&q->filled);
}

static void
stop(struct pipeline *p)
{
	p->stopping = true;
	for (size_t k = 0; k <= p->stages_count; k++)
		pthread_cond_broadcast(&p->queues[k].filled);
	pthread_cond_broadcast(&p->idle);
}

static void
give_back(struct pipeline *p, void *item)
{
	p->free_items[p->free_count++] = item;
	pthread_cond_signal(&p->idle);
}

static void
pass_on(struct pipeline *p, size_t stage, uint64_t number, void *item)
{
	if (stage + 1 == p->stages_count && !p->collect)
		give_back(p, item);
	else
		queue_push(p, &p->queues[stage + 1], number, item);
}

static void *
work(void *arg)
{
	const struct worker *w = arg;
	struct pipeline *p = w->pipeline;
	struct queue *q = &p->queues[w->stage];
	uint64_t number;
	void *item;

	pthread_mutex_lock(&p->lock);
	while ((item = queue_pop(p, q, &number)) != NULL) {
		struct err e = {0};
		enum err_code rc;

		/* Another thread of this stage may take the next one. */
		if (q->slots[q->next % p->items_count] != NULL)
			pthread_cond_signal(&q->filled);
		pthread_mutex_unlock(&p->lock);
		rc = p->stages[w->stage].run(p->ctx, w->thread, item, &e);
		pthread_mutex_lock(&p->lock);
		if (rc != ERR_NONE) {
			if (p->failure.code == ERR_NONE)
				p->failure = e;
			p->failure.code =
			    p->failure.code == ERR_NONE ? rc : p->failure.code;
			stop(p);
		}
		if (!p->stopping)
			pass_on(p, w->stage, number, item);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static enum err_code
start_workers(struct pipeline *p, struct err *e)
{
	sigset_t all, before;
	int num = 0;

	/* Signals are for the thread that runs the event loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t k = 0; k < p->stages_count && num == 0; k++)
		for (unsigned t = 0; t < p->stages[k].threads_count && num == 0;
		     t++) {
			struct worker *w = &p->workers[p->workers_count];

			*w = (struct worker){.pipeline = p,
			    .stage = k,
			    .thread = t};
			num = pthread_create(&w->id, NULL, work, w);
			if (num == 0)
				p->workers_count++;
		}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* No room for its stack, whatever it says: nothing is busy (EAGAIN). */
	if (num != 0)
		return err_set(e, ERR_NOMEM, "cannot start a thread: %s",
		    strerror(num));
	return ERR_NONE;
}

static enum err_code
allocate(struct pipeline *p, const struct pipeline_plan *plan, struct err *e)
{
	size_t threads = 0;

	for (size_t k = 0; k <= p->stages_count; k++) {
		p->queues[k].slots = calloc(p->items_count, sizeof(void *));
		if (p->queues[k].slots == NULL)
			return err_nomem(e);
	}
	for (size_t k = 0; k < p->stages_count; k++)
		threads += p->stages[k].threads_count;
	p->free_items = calloc(p->items_count, sizeof(void *));
	p->workers = calloc(threads, sizeof(*p->workers));
	if (p->free_items == NULL || p->workers == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < p->items_count; i++)
		p->free_items[i] = plan->items[p->items_count - 1 - i];
	p->free_count = p->items_count;
	return ERR_NONE;
}

enum err_code
pipeline_new(struct pipeline **out, const struct pipeline_plan *plan,
    struct err *e)
{
	OWNED(pipeline_free) struct pipeline *p = NULL;
	enum err_code rc;

	*out = NULL;
	ASSERT(plan->items_count > 0 && plan->stages_count > 0 &&
	    plan->stages_count <= PIPELINE_STAGES_MAX);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_nomem(e);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->idle, NULL);
	for (size_t k = 0; k < COUNT_OF(p->queues); k++)
		pthread_cond_init(&p->queues[k].filled, NULL);
	p->stages_count = plan->stages_count;
	p->items_count = plan->items_count;
	p->ctx = plan->ctx;
	p->collect = plan->collect;
	for (size_t k = 0; k < p->stages_count; k++) {
		p->stages[k] = plan->stages[k];
		ASSERT(p->stages[k].threads_count > 0 &&
		    p->stages[k].threads_count <= PIPELINE_THREADS_MAX);
	}
	rc = allocate(p, plan, e);
	if (rc == ERR_NONE)
		rc = start_workers(p, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(p);
	return ERR_NONE;
}

void
pipeline_free(struct pipeline **pp)
{
	struct pipeline *p = TAKE(*pp);

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	stop(p);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->workers_count; i++)
		pthread_join(p->workers[i].id, NULL);
	for (size_t k = 0; k < COUNT_OF(p->queues); k++) {
		pthread_cond_destroy(&p->queues[k].filled);
		free(p->queues[k].slots);
	}
	pthread_cond_destroy(&p->idle);
	pthread_mutex_destroy(&p->lock);
	free(p->free_items);
	free(p->workers);
	free(p);
}

/* What a caller is told; the lock is held. */
static enum err_code
outcome(const struct pipeline *p, struct err *e)
{
	if (p->failure.code == ERR_NONE)
		return ERR_NONE;
	*e = p->failure;
	return e->code;
}

enum err_code
pipeline_take(struct pipeline *p, void **item, struct err *e)
{
	enum err_code rc;

	*item = NULL;
	pthread_mutex_lock(&p->lock);
	ASSERT(p->taken_count < p->items_count); /* or it would wait for ever */
	while (p->free_count == 0 && !p->stopping)
		pthread_cond_wait(&p->idle, &p->lock);
	rc = outcome(p, e);
	if (rc == ERR_NONE) {
		*item = p->free_items[--p->free_count];
		p->taken_count++;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

enum err_code
pipeline_put(struct pipeline *p, void *item, struct err *e)
{
	enum err_code rc;

	pthread_mutex_lock(&p->lock);
	rc = outcome(p, e);
	p->taken_count--;
	if (rc == ERR_NONE)
		queue_push(p, &p->queues[0], p->put_count++, item);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

void
pipeline_untake(struct pipeline *p, void *item)
{
	pthread_mutex_lock(&p->lock);
	p->taken_count--;
	give_back(p, item);
	pthread_mutex_unlock(&p->lock);
}

enum err_code
pipeline_collect(struct pipeline *p, void **item, struct err *e)
{
	struct queue *q = &p->queues[p->stages_count];
	uint64_t number;
	enum err_code rc;

	*item = NULL;
	ASSERT(p->collect);
	pthread_mutex_lock(&p->lock);
	if (q->next < p->put_count &&
	    (*item = queue_pop(p, q, &number)) != NULL)
		p->taken_count++;
	rc = outcome(p, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

enum err_code
pipeline_drain(struct pipeline *p, struct err *e)
{
	enum err_code rc;

	ASSERT(!p->collect);
	pthread_mutex_lock(&p->lock);
	while (p->free_count + p->taken_count < p->items_count && !p->stopping)
		pthread_cond_wait(&p->idle, &p->lock);
	rc = outcome(p, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

unsigned
pipeline_cores(void)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	count = CPU_COUNT(&set);
	if (count < 1)
		return 1;
	return count > PIPELINE_THREADS_MAX ? PIPELINE_THREADS_MAX
					    : (unsigned)count;
}
