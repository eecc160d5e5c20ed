#include <string.h>

#include "push.h"

#define LEAST_BYTES ((uint64_t)512 << 10)
#define MOST_BYTES  ((uint64_t)8 << 20)
#define STEP_BYTES  ((uint64_t)128 << 10)
#define PATIENCE_NS (8 * NS_PER_MS)

void
flight_init(struct flight *f)
{
	*f = (struct flight){.window_bytes = LEAST_BYTES};
}

bool
flight_may(const struct flight *f, uint64_t more_bytes)
{
	uint64_t flying = f->sent_bytes - f->got_bytes;

	return flying == 0 || flying + more_bytes <= f->window_bytes;
}

void
flight_sent(struct flight *f, uint64_t bytes, struct mono now)
{
	f->sent_bytes += bytes;
	/* One clock at a time: from this byte to the word that it is there. */
	if (f->timed_bytes == 0) {
		f->timed_bytes = f->sent_bytes;
		f->timed = now;
	}
}

/*
 * When a byte takes much longer than the quickest took, it waits in a queue, and
 * a longer queue makes nothing quicker.  Until the first waits at all, the window
 * doubles, as TCP's does (RFC 5681, slow start): a long path is full after a few
 * round trips.
 */
static void
adapt(struct flight *f, int64_t took_ns)
{
	if (f->least_ns == 0 || took_ns < f->least_ns)
		f->least_ns = took_ns > 0 ? took_ns : 1;
	if (took_ns > f->least_ns + f->least_ns / 2 + PATIENCE_NS)
		f->queued = true;
	if (took_ns > 2 * f->least_ns + PATIENCE_NS)
		f->window_bytes -= f->window_bytes / 8;
	else
		f->window_bytes += f->queued ? STEP_BYTES : f->window_bytes;
	if (f->window_bytes < LEAST_BYTES)
		f->window_bytes = LEAST_BYTES;
	if (f->window_bytes > MOST_BYTES)
		f->window_bytes = MOST_BYTES;
}

bool
flight_got(struct flight *f, uint64_t got_bytes, struct mono now)
{
	if (got_bytes < f->got_bytes || got_bytes > f->sent_bytes)
		return false;
	f->got_bytes = got_bytes;
	if (f->timed_bytes != 0 && got_bytes >= f->timed_bytes) {
		adapt(f, now.ns - f->timed.ns);
		f->timed_bytes = 0;
	}
	return true;
}
