/*
 * A footer at a distance of u32 from the pack's begin (top bit clear), or one
 * frame and its body (set).
 */
#include <string.h>

#include <bascule/base/le.h>

#include "../../lib/store/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
footer(const uint8_t *bytes, size_t len_bytes, uint64_t footer_at)
{
	OWNED(buf_fini) struct buf records = {0};
	struct pack_footer f = {0};
	struct pack_key_row key;
	uint64_t chunks = 0, marks = 0;
	struct err e = {0};

	if (pack_footer_parse(&f, bytes, len_bytes, footer_at, &e) != ERR_NONE)
		return;
	for (uint32_t i = 0; i < f.frames_count; i++) {
		struct pack_frame row;

		pack_footer_frame(&f, i, &row);
		ASSERT(row.offset_bytes + row.len_bytes <= footer_at);
		chunks += row.chunks_count;
		ASSERT(row.len_bytes <= FRAME_BYTES_MAX);
		marks += frame_hash_marks(row.len_bytes);
	}
	ASSERT(marks == f.marks_count);
	ASSERT(f.marks + marks * FRAME_MARK_BYTES == bytes + len_bytes);
	ASSERT(chunks == f.chunks_count);
	for (uint32_t i = 0; i < f.keys_count; i++)
		ASSERT(pack_footer_key(&f, i, &key));
	ASSERT(!pack_footer_key(&f, f.keys_count, &key));
	ASSERT(pack_footer_records(&f, 0, &records, &e) == ERR_NONE);
	ASSERT(records.len_bytes == chunks * SEGMENT_RECORD_BYTES);
}

static void
frame(const uint8_t *bytes, size_t len_bytes)
{
	struct frame_view v;
	struct frame_chunks c;
	struct err e = {0};

	if (frame_parse(&v, bytes, len_bytes, &e) != ERR_NONE)
		return;
	ASSERT(v.body + v.body_bytes == bytes + len_bytes);
	ASSERT(v.refs + (size_t)v.refs_count * ID_BYTES == v.body);
	if (frame_chunks_parse(&c, v.body, v.body_bytes, &e) == ERR_NONE) {
		uint64_t sum = 0;

		for (uint32_t i = 0; i < c.count; i++)
			sum += frame_chunk_bytes(&c, i);
		ASSERT(sum == c.bytes_count);
		ASSERT(c.bytes + sum == v.body + v.body_bytes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	uint32_t first;

	if (len_bytes < 4)
		return 0;
	first = le_get32(bytes);
	if (first >> 31 != 0)
		frame(bytes + 4, len_bytes - 4);
	else
		footer(bytes + 4, len_bytes - 4, first);
	return 0;
}
