#include <bascule/base/le.h>

enum err_code
le_add8(struct buf *b, uint8_t v, struct err *e)
{
	return buf_add(b, &v, 1, e);
}

enum err_code
le_add16(struct buf *b, uint16_t v, struct err *e)
{
	uint8_t at[2];

	le_put16(at, v);
	return buf_add(b, at, sizeof(at), e);
}

enum err_code
le_add32(struct buf *b, uint32_t v, struct err *e)
{
	uint8_t at[4];

	le_put32(at, v);
	return buf_add(b, at, sizeof(at), e);
}

enum err_code
le_add64(struct buf *b, uint64_t v, struct err *e)
{
	uint8_t at[8];

	le_put64(at, v);
	return buf_add(b, at, sizeof(at), e);
}

enum err_code
le_add_varint(struct buf *b, uint64_t v, struct err *e)
{
	uint8_t at[10];
	size_t n = 0;

	while (v >= 0x80) {
		at[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	at[n++] = (uint8_t)v;
	return buf_add(b, at, n, e);
}

enum err_code
le_add_bytes(struct buf *b, const void *bytes, size_t len_bytes, struct err *e)
{
	enum err_code rc;

	if (len_bytes > UINT32_MAX)
		return err_set(e, ERR_INPUT, "%zu bytes are too many",
		    len_bytes);
	rc = le_add32(b, (uint32_t)len_bytes, e);
	return rc != ERR_NONE ? rc : buf_add(b, bytes, len_bytes, e);
}

void
le_init(struct le_reader *r, const void *bytes, size_t len_bytes)
{
	r->at = bytes;
	r->left_bytes = len_bytes;
	r->bad = false;
}

const uint8_t *
le_take(struct le_reader *r, size_t len_bytes)
{
	const uint8_t *at = r->at;

	if (r->bad || len_bytes > r->left_bytes) {
		r->bad = true;
		return NULL;
	}
	if (len_bytes > 0)
		r->at += len_bytes;
	r->left_bytes -= len_bytes;
	return at;
}

uint8_t
le_take8(struct le_reader *r)
{
	const uint8_t *at = le_take(r, 1);

	return at == NULL ? 0 : at[0];
}

uint16_t
le_take16(struct le_reader *r)
{
	const uint8_t *at = le_take(r, 2);

	return at == NULL ? 0 : le_get16(at);
}

uint32_t
le_take32(struct le_reader *r)
{
	const uint8_t *at = le_take(r, 4);

	return at == NULL ? 0 : le_get32(at);
}

uint64_t
le_take64(struct le_reader *r)
{
	const uint8_t *at = le_take(r, 8);

	return at == NULL ? 0 : le_get64(at);
}

uint64_t
le_take_varint(struct le_reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		const uint8_t *at = le_take(r, 1);
		uint64_t bits;

		if (at == NULL)
			return 0;
		bits = at[0] & 0x7f;
		if (shift == 63 && bits > 1)
			break; /* over 64 bits */
		v |= bits << shift;
		if (at[0] < 0x80) {
			if (bits == 0 && shift > 0)
				break; /* a longer spelling than needed */
			return v;
		}
	}
	r->bad = true;
	return 0;
}

const uint8_t *
le_take_bytes(struct le_reader *r, size_t max_bytes, size_t *len_bytes)
{
	size_t len = le_take32(r);
	const uint8_t *at;

	*len_bytes = 0;
	if (len > max_bytes)
		r->bad = true;
	at = le_take(r, len);
	if (!r->bad)
		*len_bytes = len;
	return at;
}

bool
le_done(const struct le_reader *r)
{
	return !r->bad && r->left_bytes == 0;
}
