/*
 * What a holder of the keys may have sealed: u8 how much is the bases' bytes (in
 * 256ths), u8 codec (sliced from 0xc0 on) and bound, then these bytes, then the
 * opened body.  And the clear part of a frame that says it is a difference.
 */
#include <string.h>

#include "../../lib/store/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
unpack(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(frame_coder_free) struct frame_coder *coder = NULL;
	struct frame_view v = {.kind = STORE_DATA, .depth = 1};
	size_t prefix_bytes = len_bytes * bytes[0] / 256;
	OWNED(buf_fini) struct buf prefix = {0}, text = {0};
	struct frame_chunks c;
	const uint8_t *raw;
	size_t raw_bytes;
	struct err e = {0};
	enum err_code rc;

	v.codec = bytes[1] & 1 ? FRAME_ZSTD : FRAME_RAW;
	v.depth = v.codec == FRAME_ZSTD ? 1 : 0;
	if (bytes[1] >= 0xc0) {
		v.codec = FRAME_SLICED;
		v.depth = 0;
	}
	v.bound_bits = (uint8_t)(9 + (bytes[1] >> 1) % 12);
	bytes += 2;
	len_bytes -= 2;
	if (prefix_bytes > len_bytes)
		prefix_bytes = len_bytes;
	if (frame_coder_new(&coder, &e) != ERR_NONE ||
	    buf_add(&prefix, bytes, prefix_bytes, &e) != ERR_NONE ||
	    buf_add(&text, bytes + prefix_bytes, len_bytes - prefix_bytes,
		&e) != ERR_NONE)
		return;
	rc = frame_unpack(coder, &v, &text, &prefix, &raw, &raw_bytes, &e);
	ASSERT(rc == ERR_NONE || rc == ERR_CORRUPT);
	if (rc != ERR_NONE)
		return;
	ASSERT(raw_bytes <= (size_t)1 << v.bound_bits);
	if (frame_chunks_parse(&c, raw, raw_bytes, &e) == ERR_NONE)
		ASSERT(c.bytes + c.bytes_count == raw + raw_bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct frame_view v;
	struct err e = {0};

	if (len_bytes >= 2)
		unpack(bytes, len_bytes);
	if (frame_parse(&v, bytes, len_bytes, &e) == ERR_NONE) {
		ASSERT((v.depth == 0) == (v.bases_count == 0));
		ASSERT(v.depth == 0 || v.kind == STORE_DATA);
		ASSERT(v.bases + (size_t)v.bases_count * ID_BYTES == v.refs);
	}
	return 0;
}
