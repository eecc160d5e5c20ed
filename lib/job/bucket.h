#ifndef JOB_BUCKET_H
#define JOB_BUCKET_H

/*
 * A token bucket, pure: it is told the time.  Whoever wants to send asks for a
 * ticket and may go when the bucket has been filled up to it; so any number may
 * wait at once, in order, and a new rate counts from the instant it is set for
 * all of them.
 */

#include <stdint.h>

#include <bascule/base/now.h>

#define BUCKET_RATE_MAX UINT64_C(10000000000) /* bytes a second; no overflow */

struct bucket {
	uint64_t bytes_per_s;   /* 0: no limit */
	uint64_t filled, asked; /* bytes since the beginning */
	uint64_t rest;          /* of a byte, in 1e-9 of it */
	struct mono at;         /* filled until then */
};

/* Zeroed memory is one without a limit. */
void bucket_set(struct bucket *b, uint64_t bytes_per_s, struct mono now);
uint64_t bucket_ask(struct bucket *b, uint64_t bytes, struct mono now);
/* How long until the holder of the ticket may go; 0: now. */
int64_t bucket_wait_ns(struct bucket *b, uint64_t ticket, struct mono now);

#endif
