#ifndef STORE_BATCH_H
#define STORE_BATCH_H

/* A frame in the making: chunks end to end, or one page or list. */

#include "bases.h"
#include "frame_hash.h"

#define BATCH_TABLE_BYTES (4 + 4 * (size_t)FRAME_CHUNKS_MAX)

/* Zeroed memory is one that batch_begin may begin. */
struct batch {
	enum store_kind kind;
	struct buf refs;
	struct buf ids;
	struct buf body; /* BATCH_TABLE_BYTES of room, then the chunks' bytes */
	uint32_t chunks_count;
	struct buf lengths;     /* u32 each, little-endian */
	struct bases bases;     /* what it may be a difference from */
	struct buf prefix;      /* their bytes, end to end */
	struct buf frame;       /* encoded */
	struct frame_hash hash; /* of frame */
};

void batch_fini(struct batch *b);

/* Empty, for the kind; its memory is used again. */
enum err_code batch_begin(struct batch *b, enum store_kind kind,
    struct err *e) MUST_CHECK;
enum err_code batch_add(struct batch *b, const void *bytes, size_t len_bytes,
    const struct id *id, struct err *e) MUST_CHECK;

/* Of all its chunks. */
static inline size_t
batch_bytes(const struct batch *b)
{
	return b->body.len_bytes - BATCH_TABLE_BYTES;
}

/* The raw body of its frame; borrowed until it is added to. */
const uint8_t *batch_raw(struct batch *b, size_t *raw_bytes);

#endif
