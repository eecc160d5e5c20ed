#ifndef STORE_GLIMPSE_H
#define STORE_GLIMPSE_H

/*
 * Single chunks out of frames that are stored as they are: of such a frame only
 * what is asked for is read.
 */

#include "index.h"
#include "openpacks.h"

struct glimpse;

enum err_code glimpse_new(struct glimpse **out, struct err *e) MUST_CHECK;
void glimpse_free(struct glimpse **g);

struct glimpse_chunk {
	const uint8_t *bytes; /* borrowed until the next call */
	size_t len_bytes;
	struct openpacks_handle key;
};

/*
 * The chunk at the slot of a copy.  False: the frame has to be read whole, for
 * it is another kind of frame, small, or so much of it was asked for already
 * that this is cheaper; or it is damaged, which whoever reads all of it finds.
 * Nobody vouches for the bytes: derive their id again.
 */
bool glimpse_get(struct glimpse *g, struct openpacks *packs,
    const struct index_pack *ip, const struct index_copy *c,
    struct glimpse_chunk *out);

#endif
