#include "slices.h"

#include <stdlib.h>
#include <string.h>
#include <zstd_errors.h>

#include <bascule/base/le.h>

#include "frame.h"

/*
 * Small slices read little for one chunk, large ones compress better; all of
 * them profit from the first one.  README.md has the measurements.
 */
#define FIRST_BYTES ((size_t)64 << 10)
#define SLICE_BYTES ((size_t)4 << 10)

#define ROW_BYTES 8
#define DIRECTORY_MAX \
	(8 + (4 + ROW_BYTES) * (size_t)FRAME_CHUNKS_MAX) /* decompressed */

void
slices_fini(struct slices *s)
{
	free(s->offsets);
	free(s->at);
	memset(s, 0, sizeof(*s));
}

uint32_t
slices_find(const struct slices *s, uint32_t chunk)
{
	uint32_t low = 0, high = s->count;

	ASSERT(chunk < s->chunks_count);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (s->at[middle].chunk <= chunk)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* --- Reading ------------------------------------------------------------- */

enum err_code
slices_directory_bytes(const uint8_t head[SLICES_HEAD_BYTES], size_t text_bytes,
    uint32_t *out, struct err *e)
{
	*out = le_get32(head);
	if (*out == 0 || text_bytes < SLICES_HEAD_BYTES ||
	    *out > text_bytes - SLICES_HEAD_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "a sliced frame with a directory of %u bytes", *out);
	return ERR_NONE;
}

/* The lengths, as a frame's raw body begins with them. */
static enum err_code
parse_lengths(struct slices *s, struct le_reader *r, struct err *e)
{
	uint64_t at = 0;
	const uint8_t *lengths;

	s->chunks_count = le_take32(r);
	if (r->bad || s->chunks_count == 0 ||
	    s->chunks_count > FRAME_CHUNKS_MAX ||
	    (lengths = le_take(r, (size_t)s->chunks_count * 4)) == NULL)
		return err_set(e, ERR_CORRUPT, "a sliced frame of %u chunks",
		    s->chunks_count);
	s->offsets = calloc((size_t)s->chunks_count + 1, sizeof(*s->offsets));
	if (s->offsets == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; i < s->chunks_count; i++) {
		at += le_get32(lengths + (size_t)i * 4);
		if (at > FRAME_RAW_MAX)
			return err_set(e, ERR_CORRUPT,
			    "a sliced frame of more than %zu bytes",
			    FRAME_RAW_MAX);
		s->offsets[i + 1] = (uint32_t)at;
	}
	return ERR_NONE;
}

/* The rows; they share out all chunks, and all of the text from `at` on. */
static enum err_code
parse_rows(struct slices *s, struct le_reader *r, size_t at, size_t text_bytes,
    struct err *e)
{
	uint64_t chunk = 0, end = at;

	s->count = le_take32(r);
	if (r->bad || s->count == 0 || s->count > s->chunks_count ||
	    r->left_bytes != (size_t)s->count * ROW_BYTES)
		return err_set(e, ERR_CORRUPT, "a frame of %u slices",
		    s->count);
	s->at = calloc(s->count, sizeof(*s->at));
	if (s->at == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; i < s->count; i++) {
		struct slice *row = &s->at[i];

		row->chunk = (uint32_t)chunk;
		row->chunks_count = le_take32(r);
		row->at = (uint32_t)end;
		row->len_bytes = le_take32(r);
		chunk += row->chunks_count;
		end += row->len_bytes;
		if (row->chunks_count == 0 || chunk > s->chunks_count ||
		    end > text_bytes)
			return err_set(e, ERR_CORRUPT,
			    "slice %u goes beyond its frame", i);
	}
	if (chunk != s->chunks_count || end != text_bytes)
		return err_set(e, ERR_CORRUPT,
		    "slices that do not fill their frame");
	return ERR_NONE;
}

/* One zstd frame, all of it; else an error of zstd's. */
static size_t
unzip(ZSTD_DCtx *dctx, uint8_t *to, size_t room_bytes, const uint8_t *from,
    size_t from_bytes)
{
	size_t n = ZSTD_findFrameCompressedSize(from, from_bytes);

	if (ZSTD_isError(n) || n != from_bytes)
		return ZSTD_isError(n) ? n : (size_t)-ZSTD_error_srcSize_wrong;
	return ZSTD_decompressDCtx(dctx, to, room_bytes, from, from_bytes);
}

enum err_code
slices_parse(struct slices *out, ZSTD_DCtx *dctx, const uint8_t *directory,
    size_t directory_bytes, size_t text_bytes, struct err *e)
{
	OWNED(slices_fini) struct slices s = {0};
	uint8_t *raw = malloc(DIRECTORY_MAX);
	struct le_reader r;
	enum err_code rc = ERR_NONE;
	size_t n;

	if (raw == NULL)
		return err_nomem(e);
	ZSTD_DCtx_reset(dctx, ZSTD_reset_session_and_parameters);
	n = unzip(dctx, raw, DIRECTORY_MAX, directory, directory_bytes);
	if (ZSTD_isError(n))
		rc = err_set(e, ERR_CORRUPT,
		    "a sliced frame's directory cannot be decompressed: %s",
		    ZSTD_getErrorName(n));
	if (rc == ERR_NONE) {
		le_init(&r, raw, n);
		rc = parse_lengths(&s, &r, e);
	}
	if (rc == ERR_NONE)
		rc = parse_rows(&s, &r, SLICES_HEAD_BYTES + directory_bytes,
		    text_bytes, e);
	if (rc == ERR_NONE && slice_bytes(&s, 0) > SLICES_FIRST_MAX)
		rc = err_set(e, ERR_CORRUPT,
		    "a sliced frame whose first slice has %u bytes",
		    slice_bytes(&s, 0));
	free(raw);
	if (rc == ERR_NONE) {
		*out = s;
		memset(&s, 0, sizeof(s));
	}
	return rc;
}

/* It would not be taken for plain bytes by every call of zstd. */
static bool
is_dictionary(const uint8_t *first, size_t first_bytes)
{
	return first_bytes >= 4 && le_get32(first) == ZSTD_MAGIC_DICTIONARY;
}

enum err_code
slices_prefix(ZSTD_DCtx *dctx, const uint8_t *first, size_t first_bytes,
    struct err *e)
{
	size_t n;

	if (is_dictionary(first, first_bytes))
		return err_set(e, ERR_CORRUPT,
		    "a sliced frame begins with a dictionary of zstd");
	n = ZSTD_DCtx_loadDictionary(dctx, first, first_bytes);
	return ZSTD_isError(n) ? err_nomem(e) : ERR_NONE;
}

enum err_code
slices_open(ZSTD_DCtx *dctx, const struct slices *s, uint32_t i,
    const uint8_t *packed, uint8_t *to, struct err *e)
{
	const size_t want = slice_bytes(s, i);
	size_t n = unzip(dctx, to, want, packed, s->at[i].len_bytes);

	if (ZSTD_isError(n))
		return err_set(e, ERR_CORRUPT,
		    "slice %u cannot be decompressed: %s", i,
		    ZSTD_getErrorName(n));
	return n == want
	    ? ERR_NONE
	    : err_set(e, ERR_CORRUPT, "slice %u has %zu bytes instead of %zu",
		  i, n, want);
}

/* Count and lengths, then room for the chunks. */
static enum err_code
put_raw_head(struct buf *raw, const struct slices *s, struct err *e)
{
	uint8_t *at;
	enum err_code rc;

	buf_clear(raw);
	rc = buf_extend(raw,
	    4 + (size_t)s->chunks_count * 4 + s->offsets[s->chunks_count], &at,
	    e);
	if (rc != ERR_NONE)
		return rc;
	le_put32(at, s->chunks_count);
	for (uint32_t i = 0; i < s->chunks_count; i++)
		le_put32(at + 4 + (size_t)i * 4,
		    s->offsets[i + 1] - s->offsets[i]);
	return ERR_NONE;
}

enum err_code
slices_unpack(ZSTD_DCtx *dctx, const uint8_t *text, size_t text_bytes,
    size_t bound_bytes, struct buf *raw, struct err *e)
{
	OWNED(slices_fini) struct slices s = {0};
	uint32_t directory_bytes;
	uint8_t *chunks;
	enum err_code rc = text_bytes < SLICES_HEAD_BYTES
	    ? err_set(e, ERR_CORRUPT, "a sliced frame of %zu bytes", text_bytes)
	    : slices_directory_bytes(text, text_bytes, &directory_bytes, e);

	if (rc == ERR_NONE)
		rc = slices_parse(&s, dctx, text + SLICES_HEAD_BYTES,
		    directory_bytes, text_bytes, e);
	if (rc == ERR_NONE &&
	    4 + (uint64_t)s.chunks_count * 4 + s.offsets[s.chunks_count] >
		bound_bytes)
		rc = err_set(e, ERR_CORRUPT,
		    "a sliced frame of more than %zu bytes", bound_bytes);
	if (rc == ERR_NONE)
		rc = put_raw_head(raw, &s, e);
	if (rc != ERR_NONE)
		return rc;
	chunks = raw->bytes + 4 + (size_t)s.chunks_count * 4;
	for (uint32_t i = 0; rc == ERR_NONE && i < s.count; i++) {
		rc = slices_open(dctx, &s, i, text + s.at[i].at,
		    chunks + slice_from(&s, i), e);
		if (rc == ERR_NONE && i == 0)
			rc = slices_prefix(dctx, chunks, slice_bytes(&s, 0), e);
	}
	return rc;
}

/* --- Writing ------------------------------------------------------------- */

/* What slices_pack works on. */
struct packing {
	ZSTD_CCtx *cctx;
	struct frame_chunks chunks;
	struct buf directory; /* plain */
	uint32_t count;       /* of slices */
	bool unfit;           /* no room for it, or no way to slice it */
	uint8_t *to;
	size_t at, room_bytes;
};

/* How many chunks from `first` on come to least_bytes; *len_bytes: theirs. */
static uint32_t
gather(const struct packing *p, uint32_t first, size_t least_bytes,
    size_t *len_bytes)
{
	uint32_t i = first;

	*len_bytes = 0;
	while (i < p->chunks.count && *len_bytes < least_bytes)
		*len_bytes += frame_chunk_bytes(&p->chunks, i++);
	return i - first;
}

static enum err_code
pack_one(struct packing *p, const uint8_t *from, size_t from_bytes,
    uint32_t chunks_count, struct err *e)
{
	size_t n = ZSTD_compress2(p->cctx, p->to + p->at, p->room_bytes - p->at,
	    from, from_bytes);
	enum err_code rc;

	p->unfit = ZSTD_isError(n);
	if (p->unfit)
		return ERR_NONE;
	p->at += n;
	p->count++;
	rc = le_add32(&p->directory, chunks_count, e);
	return rc == ERR_NONE ? le_add32(&p->directory, (uint32_t)n, e) : rc;
}

/* The first, which becomes what the others are compressed with. */
static enum err_code
pack_first(struct packing *p, uint32_t *chunks_count, size_t *len_bytes,
    struct err *e)
{
	const uint8_t *at = p->chunks.bytes;
	enum err_code rc;

	*chunks_count = gather(p, 0, FIRST_BYTES, len_bytes);
	p->unfit =
	    *len_bytes > SLICES_FIRST_MAX || is_dictionary(at, *len_bytes);
	if (p->unfit)
		return ERR_NONE;
	rc = pack_one(p, at, *len_bytes, *chunks_count, e);
	p->unfit = p->unfit ||
	    ZSTD_isError(ZSTD_CCtx_loadDictionary(p->cctx, at, *len_bytes));
	return rc;
}

static enum err_code
pack_all(struct packing *p, struct err *e)
{
	const size_t count_at = p->directory.len_bytes;
	uint32_t done = 0, n = 0;
	size_t at = 0, len = 0;
	enum err_code rc = le_add32(&p->directory, 0, e);

	if (rc == ERR_NONE)
		rc = pack_first(p, &n, &len, e);
	while (rc == ERR_NONE && !p->unfit && (done += n) < p->chunks.count) {
		at += len;
		n = gather(p, done, SLICE_BYTES, &len);
		rc = pack_one(p, p->chunks.bytes + at, len, n, e);
	}
	if (rc == ERR_NONE)
		le_put32(p->directory.bytes + count_at, p->count);
	return rc;
}

/* Head and directory, and the slices moved right behind them. */
static void
put_directory(struct packing *p, size_t slices_at, size_t *text_bytes)
{
	const size_t slices_bytes = p->at - slices_at;
	size_t n;

	if (ZSTD_isError(ZSTD_CCtx_loadDictionary(p->cctx, NULL, 0)))
		return;
	n = ZSTD_compress2(p->cctx, p->to + SLICES_HEAD_BYTES,
	    slices_at - SLICES_HEAD_BYTES, p->directory.bytes,
	    p->directory.len_bytes);
	if (ZSTD_isError(n))
		return;
	le_put32(p->to, (uint32_t)n);
	memmove(p->to + SLICES_HEAD_BYTES + n, p->to + slices_at, slices_bytes);
	*text_bytes = SLICES_HEAD_BYTES + n + slices_bytes;
}

enum err_code
slices_pack(ZSTD_CCtx *cctx, const uint8_t *raw, size_t raw_bytes, uint8_t *to,
    size_t room_bytes, size_t *text_bytes, struct err *e)
{
	struct packing p = {.cctx = cctx, .to = to, .room_bytes = room_bytes};
	size_t slices_at, table_bytes;
	enum err_code rc = frame_chunks_parse(&p.chunks, raw, raw_bytes, e);

	*text_bytes = 0;
	if (rc != ERR_NONE)
		return rc;
	table_bytes = 4 + 4 * (size_t)p.chunks.count;
	slices_at = SLICES_HEAD_BYTES +
	    ZSTD_compressBound(
		table_bytes + 4 + ROW_BYTES * (size_t)p.chunks.count);
	p.at = slices_at;
	p.unfit = slices_at >= room_bytes ||
	    ZSTD_isError(ZSTD_CCtx_loadDictionary(cctx, NULL, 0));
	if (!p.unfit)
		rc = buf_add(&p.directory, raw, table_bytes, e);
	if (rc == ERR_NONE && !p.unfit)
		rc = pack_all(&p, e);
	if (rc == ERR_NONE && !p.unfit)
		put_directory(&p, slices_at, text_bytes);
	buf_fini(&p.directory);
	return rc;
}
