#ifndef STORE_FRAME_HASH_H
#define STORE_FRAME_HASH_H

/*
 * A frame's hash: the root over the hashes of its 64 KiB blocks, so that one
 * pass over the bytes gives the frame's name and what pinpoints damage in it
 * (docs/format/repository.md, "A frame's hash").
 */

#include "frame.h"

#define FRAME_BLOCK_BYTES 65536
#define FRAME_BLOCKS_MAX \
	((FRAME_BYTES_MAX + FRAME_BLOCK_BYTES - 1) / FRAME_BLOCK_BYTES)
#define FRAME_MARK_BYTES 16 /* what a footer keeps of a block's hash */

struct frame_hash {
	struct id id;
	uint8_t marks[FRAME_BLOCKS_MAX][FRAME_MARK_BYTES]; /* of each block */
};

/* How many blocks so many bytes are. */
static inline uint32_t
frame_hash_blocks(size_t len_bytes)
{
	return (
	    uint32_t)((len_bytes + FRAME_BLOCK_BYTES - 1) / FRAME_BLOCK_BYTES);
}

/* How many marks a footer holds of a frame: none of one block. */
static inline uint32_t
frame_hash_marks(size_t len_bytes)
{
	return len_bytes <= FRAME_BLOCK_BYTES ? 0
					      : frame_hash_blocks(len_bytes);
}

/* At most FRAME_BYTES_MAX.  Fails only for want of memory. */
enum err_code frame_hash_make(struct frame_hash *out, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

#endif
