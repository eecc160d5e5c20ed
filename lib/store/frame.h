#ifndef STORE_FRAME_H
#define STORE_FRAME_H

/*
 * Frames: what is compressed and sealed.  Encoding and decoding work on whole
 * frames in memory; the decoder takes hostile input.
 */

#include "parts.h"

#define FRAME_FIXED_BYTES 80
#define FRAME_DEPTH_AT    6                 /* in it */
#define FRAME_RAW_MAX     ((size_t)8 << 20) /* the raw body */
#define FRAME_BODY_MAX    ((size_t)9 << 20) /* sealed */
#define FRAME_REFS_MAX    16384
#define FRAME_CHUNKS_MAX  16384
#define FRAME_BASES_MAX   16
#define FRAME_DEPTH_MAX   4
#define FRAME_PREFIX_MAX  FRAME_RAW_MAX /* of all bases together */
#define FRAME_DELTA_BYTES \
	((uint32_t)512 << 10) /* of a difference: what zstd's tables hold */
#define FRAME_BYTES_MAX                                             \
	(FRAME_FIXED_BYTES +                                        \
	    ID_BYTES * (FRAME_BASES_MAX + (size_t)FRAME_REFS_MAX) + \
	    FRAME_BODY_MAX)

enum frame_codec { FRAME_RAW, FRAME_ZSTD, FRAME_SLICED };

/* How many bytes of changed chunks are put into one difference. */
static inline uint32_t
frame_delta_bytes(const struct store_geometry *g)
{
	return g->frame_target_bytes < FRAME_DELTA_BYTES ? g->frame_target_bytes
							 : FRAME_DELTA_BYTES;
}

/* A frame's clear part; pointers into the frame. */
struct frame_view {
	enum store_kind kind;
	enum frame_codec codec;
	uint8_t depth, bases_count;
	uint32_t refs_count;
	uint32_t body_bytes;
	uint8_t bound_bits; /* the raw body has at most 2^this bytes */
	struct id key_id;
	const uint8_t *head; /* head_bytes: all before the body */
	size_t head_bytes;
	const uint8_t *nonce, *bases, *refs, *body;
};

/* Exactly one frame of len_bytes.  ERR_CORRUPT. */
enum err_code frame_parse(struct frame_view *out, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/*
 * The same from the first FRAME_FIXED_BYTES of it only: bases, refs and body
 * are NULL.
 */
enum err_code frame_parse_head(struct frame_view *out,
    const uint8_t head[FRAME_FIXED_BYTES], size_t len_bytes,
    struct err *e) MUST_CHECK;

/* The chunks in an opened frame's raw body; pointers into it. */
struct frame_chunks {
	uint32_t count;
	const uint8_t *lengths; /* u32 each */
	const uint8_t *bytes;
	size_t bytes_count;
};
enum err_code frame_chunks_parse(struct frame_chunks *out, const void *raw,
    size_t raw_bytes, struct err *e) MUST_CHECK;
/* One chunk; steps *offset_bytes over it.  i counts up from 0. */
uint32_t frame_chunk_bytes(const struct frame_chunks *c, uint32_t i);

/* --- coder: contexts and memory that a thread uses again and again ------- */

struct frame_coder;
enum err_code frame_coder_new(struct frame_coder **out,
    struct err *e) MUST_CHECK;
void frame_coder_free(struct frame_coder **c);

struct frame_plain {
	enum store_kind kind;
	const uint8_t *refs;
	uint32_t refs_count;
	const uint8_t *raw; /* the raw body */
	size_t raw_bytes;
	bool padded;    /* Padme */
	bool sliceable; /* data, in a repository that may have such frames */
	enum writer_codec codec;
	int level;             /* 0: what codec says */
	const uint8_t *family; /* bound to it */
	/*
	 * What it may be stored as a difference from: bases_count ids, end to
	 * end, their plaintexts, end to end, and the depth that gives.
	 */
	const uint8_t *bases;
	uint8_t bases_count, depth;
	const uint8_t *prefix;
	size_t prefix_bytes;
};

/*
 * out is replaced by the whole frame: a difference if there are bases and that
 * saves enough (byte 6 of it is then p->depth), else plain.
 */
enum err_code frame_encode(struct frame_coder *c, const struct frame_plain *p,
    struct seal_key *key, struct buf *out, struct err *e) MUST_CHECK;

/*
 * Opening takes two steps, so that a frame's bases are looked for only when it
 * is known to be genuine.  frame_open: *text becomes the opened body.
 * ERR_CORRUPT.
 */
enum err_code frame_open(const struct frame_view *v, struct seal_key *key,
    const uint8_t *family, struct buf *text, struct err *e) MUST_CHECK;

/*
 * The raw body: *raw, borrowed until the coder is used again or text changes.
 * prefix: the plaintexts of the bases, end to end; NULL at depth 0.
 * ERR_CORRUPT.
 */
enum err_code frame_unpack(struct frame_coder *c, const struct frame_view *v,
    const struct buf *text, const struct buf *prefix, const uint8_t **raw,
    size_t *raw_bytes, struct err *e) MUST_CHECK;

#endif
