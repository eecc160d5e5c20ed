#ifndef STORE_FRAME_MAKER_H
#define STORE_FRAME_MAKER_H

/*
 * From a batch to its frame: bases gathered, compressed, sealed, and opened
 * again.  One thread uses it; it keeps contexts, a frame's bases and what of
 * their frames was read last.
 */

#include "batch.h"
#include "delta_cache.h"

struct frame_maker;

/* data_key, of data's ids, is cloned; session and opt are borrowed. */
enum err_code frame_maker_new(struct frame_maker **out, struct session *se,
    const struct writer_options *opt, const struct hash_key *data_key,
    struct err *e) MUST_CHECK;
void frame_maker_free(struct frame_maker **fm);

/* Where bases are, when the repository cannot be read; borrowed. */
void frame_maker_cache(struct frame_maker *fm, struct delta_cache *cache);

/*
 * b->frame and b->hash.  A base that cannot be had makes a plain frame.
 * ERR_CORRUPT: what was made cannot be read back.
 */
enum err_code frame_maker_run(struct frame_maker *fm, struct batch *b,
    struct err *e) MUST_CHECK;

#endif
