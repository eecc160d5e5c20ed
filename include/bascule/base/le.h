#ifndef BASCULE_BASE_LE_H
#define BASCULE_BASE_LE_H

/*
 * Little-endian integers in byte strings, and a reader that cannot run past
 * the end.  All formats and protocols of bascule are written through these;
 * no struct is ever written as memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bascule/base/buf.h>

static inline void
le_put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

static inline void
le_put32(uint8_t *at, uint32_t v)
{
	le_put16(at, (uint16_t)v);
	le_put16(at + 2, (uint16_t)(v >> 16));
}

static inline void
le_put64(uint8_t *at, uint64_t v)
{
	le_put32(at, (uint32_t)v);
	le_put32(at + 4, (uint32_t)(v >> 32));
}

static inline uint16_t
le_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | (uint16_t)at[1] << 8);
}

static inline uint32_t
le_get32(const uint8_t *at)
{
	return le_get16(at) | (uint32_t)le_get16(at + 2) << 16;
}

static inline uint64_t
le_get64(const uint8_t *at)
{
	return le_get32(at) | (uint64_t)le_get32(at + 4) << 32;
}

/* Appending to a buf. */
enum err_code le_add8(struct buf *b, uint8_t v, struct err *e) MUST_CHECK;
enum err_code le_add16(struct buf *b, uint16_t v, struct err *e) MUST_CHECK;
enum err_code le_add32(struct buf *b, uint32_t v, struct err *e) MUST_CHECK;
enum err_code le_add64(struct buf *b, uint64_t v, struct err *e) MUST_CHECK;
/* A LEB128 number, at most 10 bytes. */
enum err_code le_add_varint(struct buf *b, uint64_t v,
    struct err *e) MUST_CHECK;
/* A 32-bit length, then the bytes. */
enum err_code le_add_bytes(struct buf *b, const void *bytes, size_t len_bytes,
    struct err *e) MUST_CHECK;

/*
 * Reading.  Past the end, or after any malformed value, every le_take gives 0
 * or NULL and `bad` stays true: read a whole record, then look once.
 */
struct le_reader {
	const uint8_t *at;
	size_t left_bytes;
	bool bad;
};

void le_init(struct le_reader *r, const void *bytes, size_t len_bytes);
uint8_t le_take8(struct le_reader *r);
uint16_t le_take16(struct le_reader *r);
uint32_t le_take32(struct le_reader *r);
uint64_t le_take64(struct le_reader *r);
/* Only the shortest spelling of a number is accepted. */
uint64_t le_take_varint(struct le_reader *r);
/* len_bytes bytes, borrowed from the input. */
const uint8_t *le_take(struct le_reader *r, size_t len_bytes);
/* A 32-bit length of at most max_bytes, then so many bytes. */
const uint8_t *le_take_bytes(struct le_reader *r, size_t max_bytes,
    size_t *len_bytes);
/* Everything was read and nothing was malformed. */
bool le_done(const struct le_reader *r);

#endif
