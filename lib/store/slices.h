#ifndef STORE_SLICES_H
#define STORE_SLICES_H

/*
 * The text of a sliced frame: many small chunks, compressed a few at a time, so
 * that one of them can be had without the rest (docs/format/repository.md).
 * Whatever is parsed here is hostile.
 */

#include <zstd.h>

#include <bascule/base/buf.h>

#define SLICES_HEAD_BYTES 4 /* before the directory: its length */

/* The plaintext of the first slice, which all others need. */
#define SLICES_FIRST_MAX ((size_t)1 << 20)

struct slice {
	uint32_t chunk, chunks_count; /* its first, and how many */
	uint32_t at, len_bytes;       /* in the text, compressed */
};

/* A directory, parsed.  Zeroed memory is an empty one. */
struct slices {
	uint32_t chunks_count, count;
	uint32_t *offsets; /* chunks_count + 1: among the bytes of all chunks */
	struct slice *at;  /* count; they fill the text behind the directory */
};

void slices_fini(struct slices *s);

/* Where a slice's chunks begin among the bytes of all, and how many they have. */
static inline uint32_t
slice_from(const struct slices *s, uint32_t i)
{
	return s->offsets[s->at[i].chunk];
}

static inline uint32_t
slice_bytes(const struct slices *s, uint32_t i)
{
	return s->offsets[s->at[i].chunk + s->at[i].chunks_count] -
	    slice_from(s, i);
}

/* Which slice has a chunk; chunk < chunks_count. */
uint32_t slices_find(const struct slices *s, uint32_t chunk);

/*
 * How long the compressed directory is that begins right behind the head of a
 * text of text_bytes.  ERR_CORRUPT.
 */
enum err_code slices_directory_bytes(const uint8_t head[SLICES_HEAD_BYTES],
    size_t text_bytes, uint32_t *out, struct err *e) MUST_CHECK;

/* ERR_CORRUPT. */
enum err_code slices_parse(struct slices *out, ZSTD_DCtx *dctx,
    const uint8_t *directory, size_t directory_bytes, size_t text_bytes,
    struct err *e) MUST_CHECK;

/*
 * What every slice behind the first needs: the first one's plaintext, which is
 * copied and serves until the context's parameters are reset.  ERR_CORRUPT.
 */
enum err_code slices_prefix(ZSTD_DCtx *dctx, const uint8_t *first,
    size_t first_bytes, struct err *e) MUST_CHECK;

/* One slice; `to` has slice_bytes of room.  ERR_CORRUPT. */
enum err_code slices_open(ZSTD_DCtx *dctx, const struct slices *s, uint32_t i,
    const uint8_t *packed, uint8_t *to, struct err *e) MUST_CHECK;

/*
 * A whole text: raw is replaced by the frame's raw body, of at most bound_bytes.
 * ERR_CORRUPT.
 */
enum err_code slices_unpack(ZSTD_DCtx *dctx, const uint8_t *text,
    size_t text_bytes, size_t bound_bytes, struct buf *raw,
    struct err *e) MUST_CHECK;

/*
 * The text of a raw body, under the context's parameters (but for a dictionary): at
 * `to`; 0: it does not fit into room_bytes, or cannot be sliced.
 * ERR_NOMEM.
 */
enum err_code slices_pack(ZSTD_CCtx *cctx, const uint8_t *raw, size_t raw_bytes,
    uint8_t *to, size_t room_bytes, size_t *text_bytes,
    struct err *e) MUST_CHECK;

#endif
