#ifndef STORE_HURT_H
#define STORE_HURT_H

/*
 * Which chunks are lost to us?  A check notes the packs it found damaged; a
 * chunk that has a plain copy in another one is well, what else is looked at is
 * opened: that alone says whether it can be had, through whatever copies and
 * bases.
 */

#include "idset.h"
#include "parts.h"

/* The check that runs on st has found this pack damaged. */
enum err_code hurt_suspect(struct store *st, const struct id *pack,
    struct err *e) MUST_CHECK;
void hurt_forget(struct store *st);

/* Zeroed memory with a store, which has a key that reads. */
struct hurt {
	struct store *store;
	struct idset good, bad; /* frames of chunks that have one copy */
	struct idset lists;     /* that are well with all below them */
	struct buf body, refs;
};
void hurt_fini(struct hurt *h);
/* Of a chunk, or of a chunk list and all that it names. */
enum err_code hurt_is(struct hurt *h, const struct id *id, bool *hurt,
    struct err *e) MUST_CHECK;

#endif
