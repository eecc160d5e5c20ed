#include "frame_hash.h"

#include <string.h>

#include <bascule/base/le.h>

static const char label[] = "bascule frame v1"; /* and its zero byte */

#define LENGTH_AT sizeof(label)
#define BLOCKS_AT (LENGTH_AT + 4)

enum err_code
frame_hash_make(struct frame_hash *out, const void *bytes, size_t len_bytes,
    struct err *e)
{
	const uint32_t count = frame_hash_blocks(len_bytes);
	uint8_t root[BLOCKS_AT + FRAME_BLOCKS_MAX * ID_BYTES], *put;
	const uint8_t *at = bytes;

	ASSERT(len_bytes <= FRAME_BYTES_MAX);
	memcpy(root, label, sizeof(label));
	le_put32(root + LENGTH_AT, (uint32_t)len_bytes);
	put = root + BLOCKS_AT;
	for (uint32_t i = 0; i < count; i++) {
		size_t n = len_bytes < FRAME_BLOCK_BYTES ? len_bytes
							 : FRAME_BLOCK_BYTES;
		struct id block;

		if (hash_sha256(at, n, &block, e) != ERR_NONE)
			return e->code;
		memcpy(out->marks[i], block.bytes, FRAME_MARK_BYTES);
		memcpy(put, block.bytes, ID_BYTES);
		put += ID_BYTES;
		at += n;
		len_bytes -= n;
	}
	return hash_sha256(root, (size_t)(put - root), &out->id, e);
}
