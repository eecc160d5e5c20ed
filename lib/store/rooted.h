#ifndef STORE_ROOTED_H
#define STORE_ROOTED_H

/*
 * A difference is worth its bases: whether, through them, it comes down to
 * plain frames whose packs are there.  Where nothing was lost all of them do,
 * so those who look chunks up ask only when something may have been.
 */

#include "idset.h"
#include "parts.h"

/*
 * By the clear lists of frames, which need no key.  A failure: it could not be
 * looked at, and nothing is known.
 */
enum err_code rooted_look(struct store *st, const struct index_copy *copy,
    bool *rooted, struct err *e) MUST_CHECK;

/* The same for those who would rather do without it than fail. */
bool rooted_copy(struct store *st, const struct index_copy *copy);

/* The same where losses are suspected; true where they are not. */
bool rooted_if_lost(struct store *st, const struct index_copy *copy);

/* A frame's name in a set of ids, until store_refresh. */
struct id rooted_frame_name(const struct index_copy *copy);

/* What was found out holds until the index is read again. */
void rooted_free(struct rooted **rp);

#endif
