#ifndef JOB_PACER_H
#define JOB_PACER_H

/*
 * The budget of one transfer, for all of its threads: a bucket (bucket.h)
 * behind a lock.  The rate may change at any time; who waits is woken.
 */

#include <pthread.h>
#include <signal.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>

#include "bucket.h"

struct pacer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct bucket bucket;
	uint64_t passed_bytes; /* all that was let through, ever */
	const volatile sig_atomic_t *cancel;
};

void pacer_init(struct pacer *p, const volatile sig_atomic_t *cancel);
void pacer_fini(struct pacer *p);
/* 0: no limit. */
void pacer_set(struct pacer *p, uint64_t bytes_per_s);
/* Returns when bytes_count may go out; ERR_CANCELLED. */
enum err_code pacer_pass(struct pacer *p, size_t bytes_count,
    struct err *e) MUST_CHECK;
uint64_t pacer_passed(struct pacer *p);

#endif
