#ifndef REPLICATE_BRAKE_H
#define REPLICATE_BRAKE_H

/*
 * What a sender may use up at a receiver: room, up to a quota of the copy's
 * size, and time, as a rate at which it is listened to.  Zeros: no limit.
 */

#include <bascule/base/now.h>
#include <bascule/replicate.h>

struct brake {
	const char *path; /* of the copy */
	uint64_t quota_bytes, used_bytes;
	bool measured;
};

/* Packs and parts of packs as the copy has them now, other sessions' too. */
void brake_measure(struct brake *b);
/* So much more is to come.  ERR_NOSPACE: more than the quota leaves. */
enum err_code brake_take(struct brake *b, uint64_t bytes,
    struct err *e) MUST_CHECK;

/* A transport that reads no faster than that; it hears a cancel meanwhile. */
struct brake_reader {
	const struct transport *inner;
	uint64_t bytes_per_s;
	struct mono free_at; /* what was read before has taken its time */
	const volatile sig_atomic_t *cancel; /* may be NULL */
};
void brake_slow(struct transport *out, struct brake_reader *r);

/* One whose reading opt->pace is told of. */
struct brake_pacer {
	const struct transport *inner;
	const struct serve_options *opt;
};
void brake_pace(struct transport *out, struct brake_pacer *p);

#endif
