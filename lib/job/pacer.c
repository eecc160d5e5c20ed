#include "pacer.h"

#include <time.h>

/*
 * A link's budget is what lies on the wire: SSH's framing and the headers of
 * TCP and IP come to some three in a hundred of what passes here.
 */
#define OVERHEAD_DIVISOR 32
#define LOOK_NS          (200 * NS_PER_MS) /* for a cancel */

void
pacer_init(struct pacer *p, const volatile sig_atomic_t *cancel)
{
	pthread_condattr_t attr;

	*p = (struct pacer){.cancel = cancel};
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void
pacer_fini(struct pacer *p)
{
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
}

void
pacer_set(struct pacer *p, uint64_t bytes_per_s)
{
	pthread_mutex_lock(&p->lock);
	bucket_set(&p->bucket, bytes_per_s, now_mono());
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void
doze(struct pacer *p, int64_t ns)
{
	struct timespec until;

	if (ns > LOOK_NS)
		ns = LOOK_NS;
	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += until.tv_nsec;
	until.tv_sec += ns / NS_PER_S;
	until.tv_nsec = ns % NS_PER_S;
	pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

enum err_code
pacer_pass(struct pacer *p, size_t bytes_count, struct err *e)
{
	bool cancelled;
	uint64_t ticket;
	int64_t wait;

	pthread_mutex_lock(&p->lock);
	p->passed_bytes += bytes_count;
	ticket = bucket_ask(&p->bucket,
	    bytes_count + bytes_count / OVERHEAD_DIVISOR, now_mono());
	while (!(cancelled = p->cancel != NULL && *p->cancel != 0) &&
	    (wait = bucket_wait_ns(&p->bucket, ticket, now_mono())) > 0)
		doze(p, wait);
	pthread_mutex_unlock(&p->lock);
	return cancelled ? err_set(e, ERR_CANCELLED, "cancelled") : ERR_NONE;
}

uint64_t
pacer_passed(struct pacer *p)
{
	uint64_t n;

	pthread_mutex_lock(&p->lock);
	n = p->passed_bytes;
	pthread_mutex_unlock(&p->lock);
	return n;
}
