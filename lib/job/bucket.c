#include "bucket.h"

#define BURST_DIVISOR 20 /* a twentieth of a second's worth may be saved up */
#define WAIT_MAX_NS   (3600 * NS_PER_S)

static void
fill(struct bucket *b, struct mono now)
{
	int64_t ns = now.ns - b->at.ns;
	uint64_t most = b->asked + b->bytes_per_s / BURST_DIVISOR;

	if (ns <= 0)
		return;
	b->at = now;
	if (b->bytes_per_s == 0 || ns > WAIT_MAX_NS)
		b->filled = most;
	else {
		b->filled += (uint64_t)(ns / NS_PER_S) * b->bytes_per_s;
		b->rest += (uint64_t)(ns % NS_PER_S) * b->bytes_per_s;
		b->filled += b->rest / (uint64_t)NS_PER_S;
		b->rest %= (uint64_t)NS_PER_S;
	}
	if (b->filled > most)
		b->filled = most;
}

void
bucket_set(struct bucket *b, uint64_t bytes_per_s, struct mono now)
{
	fill(b, now);
	b->at = now;
	b->bytes_per_s =
	    bytes_per_s < BUCKET_RATE_MAX ? bytes_per_s : BUCKET_RATE_MAX;
}

uint64_t
bucket_ask(struct bucket *b, uint64_t bytes, struct mono now)
{
	fill(b, now);
	b->asked += bytes;
	return b->asked;
}

int64_t
bucket_wait_ns(struct bucket *b, uint64_t ticket, struct mono now)
{
	uint64_t lacks;

	fill(b, now);
	if (b->bytes_per_s == 0 || b->filled >= ticket)
		return 0;
	lacks = ticket - b->filled;
	if (lacks / b->bytes_per_s >= (uint64_t)(WAIT_MAX_NS / NS_PER_S))
		return WAIT_MAX_NS;
	return (int64_t)(lacks / b->bytes_per_s) * NS_PER_S +
	    (int64_t)(lacks % b->bytes_per_s * (uint64_t)NS_PER_S /
		b->bytes_per_s) +
	    1;
}
