#ifndef STORE_FRAME_MAKER_H
#define STORE_FRAME_MAKER_H

/*
 * From a batch to its frame: compressed, sealed, and opened again.  One thread
 * uses it; it keeps contexts.
 */

#include "batch.h"

struct frame_maker;

/* session and opt are borrowed. */
enum err_code frame_maker_new(struct frame_maker **out, struct session *se,
    const struct writer_options *opt, struct err *e) MUST_CHECK;
void frame_maker_free(struct frame_maker **fm);

/* b->frame and b->hash.  ERR_CORRUPT: what was made cannot be read back. */
enum err_code frame_maker_run(struct frame_maker *fm, struct batch *b,
    struct err *e) MUST_CHECK;

#endif
