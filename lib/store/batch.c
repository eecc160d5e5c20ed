#include "batch.h"

#include <string.h>

#include <bascule/base/le.h>

void
batch_fini(struct batch *b)
{
	buf_fini(&b->refs);
	buf_fini(&b->ids);
	buf_fini(&b->body);
	buf_fini(&b->lengths);
	buf_fini(&b->prefix);
	buf_fini(&b->frame);
}

enum err_code
batch_begin(struct batch *b, enum store_kind kind, struct err *e)
{
	uint8_t *table;

	b->kind = kind;
	b->chunks_count = 0;
	b->bases.count = b->bases.depth = 0;
	buf_clear(&b->refs);
	buf_clear(&b->ids);
	buf_clear(&b->lengths);
	buf_clear(&b->prefix);
	buf_clear(&b->body);
	return buf_extend(&b->body, BATCH_TABLE_BYTES, &table, e);
}

enum err_code
batch_add(struct batch *b, const void *bytes, size_t len_bytes,
    const struct id *id, struct err *e)
{
	enum err_code rc = buf_add(&b->body, bytes, len_bytes, e);

	if (rc == ERR_NONE)
		rc = le_add32(&b->lengths, (uint32_t)len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add(&b->ids, id->bytes, ID_BYTES, e);
	if (rc == ERR_NONE)
		b->chunks_count++;
	return rc;
}

/* The table is put right before the bytes. */
const uint8_t *
batch_raw(struct batch *b, size_t *raw_bytes)
{
	size_t table_bytes = 4 + b->lengths.len_bytes;
	uint8_t *at = b->body.bytes + BATCH_TABLE_BYTES - table_bytes;

	le_put32(at, b->chunks_count);
	memcpy(at + 4, b->lengths.bytes, b->lengths.len_bytes);
	*raw_bytes = table_bytes + batch_bytes(b);
	return at;
}
