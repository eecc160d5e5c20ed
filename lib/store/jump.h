#ifndef STORE_JUMP_H
#define STORE_JUMP_H

/*
 * How far ahead of what is here a snapshot or point from elsewhere may say it
 * is.  What orders first would be the newest for ever: retention would let go
 * of all that comes after it, and the last number of all leaves none for here.
 */

#include <stdint.h>

#include <bascule/base/err.h>

#define JUMP_SEQUENCE_MAX 1000000 /* more is no backup's doing */
#define JUMP_EPOCH_MAX    1000    /* more is no move's */

struct jump {
	uint64_t epoch, sequence; /* the highest of each that is here */
};

void jump_seen(struct jump *j, uint64_t epoch, uint64_t sequence);
/* ERR_REFUSED. */
enum err_code jump_check(const struct jump *j, uint64_t epoch,
    uint64_t sequence, struct err *e) MUST_CHECK;

#endif
