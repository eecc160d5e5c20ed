#include "frame.h"

#include <string.h>

#include <bascule/base/le.h>

#include "slices.h"

#define BOUND_BITS_MIN 9
#define BOUND_BITS_MAX 23

#define LEVEL_AUTO 3 /* with another search, see below */
#define LEVEL_FAST 1
#define LEVEL_MAX  9

/* Differences: README.md has the measurements. */
#define WINDOW_LOG_MIN   10
#define LDM_WINDOW_LOG   23 /* from here on matches are looked for long */
#define DELTA_SURE_RATIO 32 /* so small that plain need not be tried */

/* The sample that decides whether compressing is tried at all. */
#define SAMPLE_MIN_BYTES   ((size_t)64 << 10)
#define SAMPLE_PIECE_BYTES ((size_t)4 << 10)
#define SAMPLE_PIECES      8

/*
 * Sliced are frames of so many chunks, so small in the mean, as long as that costs
 * at most a SLICED_LOSS-th.  Both ways are tried on one such frame in
 * SLICED_TRIALS: data comes in runs.  Of a frame below SLICED_BYTES_MIN the first
 * slice alone would be more than glimpse reads (G1 there).
 */
#define SLICED_BYTES_MIN  ((size_t)768 << 10)
#define SLICED_CHUNKS_MIN 64
#define SLICED_MEAN_MAX   ((size_t)16 << 10)
#define SLICED_LOSS       16
#define SLICED_TRIALS     16

static const uint8_t magic[4] = {'B', 'F', 'r', '1'};

_Static_assert(FRAME_RAW_MAX == (size_t)1 << BOUND_BITS_MAX, "as documented");

struct frame_coder {
	ZSTD_CCtx *cctx;
	ZSTD_DCtx *dctx;
	struct buf aad;
	struct buf plain; /* compressed without its bases, to compare */
	struct buf raw;   /* a body, decompressed */
	/* What the last frame of data came to, in thousandths of it. */
	unsigned last_permille;
	bool slices_pay;      /* the last trial said so */
	unsigned until_trial; /* so many frames go by it */
};

/*
 * How `auto` looks for matches, by what the frame before came to: data comes in
 * runs.  Tables of up to 2^15 stay in the second-level cache.  README.md has the
 * measurements.
 */
struct search {
	unsigned below_permille;
	ZSTD_strategy strategy;
	int table_log, match_bytes;
};

/* Of large files. */
static const struct search large_search[] = {
    {60, ZSTD_fast, 14, 6},   /* nearly nothing but repetition */
    {150, ZSTD_dfast, 15, 5}, /* text that repeats itself */
    {200, ZSTD_fast, 16, 5},  /* tables */
    {350, ZSTD_dfast, 15, 5},
    {1001, ZSTD_fast, 15, 5}, /* programs, and what is packed already */
};
/* Of files this small in the mean, where there is more to do than compress. */
#define SMALL_FILE_BYTES 65536
static const struct search small_search[] = {
    {150, ZSTD_dfast, 15, 5},
    {1001, ZSTD_fast, 15, 7},
};
#define AUTO_WINDOW_LOG 21 /* a frame */
/* Below, what zstd has for such a size, but with small tables. */
#define SEARCH_MIN_BYTES ((size_t)256 << 10)
#define AUTO_TABLE_LOG   15

/* --- Reading ------------------------------------------------------------- */

static enum err_code
parse_fixed(struct frame_view *v, const uint8_t *at, struct err *e)
{
	static const uint8_t zeros[7];

	if (memcmp(at, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_CORRUPT, "no frame begins here");
	v->kind = at[4];
	v->codec = at[5];
	v->depth = at[6];
	v->bases_count = at[7];
	v->refs_count = le_get32(at + 8);
	v->body_bytes = le_get32(at + 12);
	v->bound_bits = at[16];
	v->nonce = at + 24;
	memcpy(v->key_id.bytes, at + 48, ID_BYTES);
	if (at[4] < STORE_DATA || at[4] > STORE_RECORDS || at[5] > FRAME_SLICED)
		return err_set(e, ERR_CORRUPT,
		    "a frame of unknown kind %u or codec %u", at[4], at[5]);
	if (v->depth > FRAME_DEPTH_MAX || v->bases_count > FRAME_BASES_MAX ||
	    (v->depth == 0) != (v->bases_count == 0) ||
	    (v->depth != 0 &&
		(v->kind != STORE_DATA || v->codec != FRAME_ZSTD)))
		return err_set(e, ERR_CORRUPT,
		    "a frame of depth %u with %u bases", v->depth,
		    v->bases_count);
	if (v->codec == FRAME_SLICED && v->kind != STORE_DATA)
		return err_set(e, ERR_CORRUPT, "a sliced frame of kind %u",
		    at[4]);
	if (v->refs_count > FRAME_REFS_MAX ||
	    (v->kind == STORE_DATA && v->refs_count != 0))
		return err_set(e, ERR_CORRUPT,
		    "a frame of kind %u with %u refs", at[4], v->refs_count);
	if (v->body_bytes < SEAL_TAG_BYTES || v->body_bytes > FRAME_BODY_MAX ||
	    v->bound_bits < BOUND_BITS_MIN || v->bound_bits > BOUND_BITS_MAX)
		return err_set(e, ERR_CORRUPT,
		    "a frame with a body of %u bytes, raw at most 2^%u",
		    v->body_bytes, v->bound_bits);
	if (memcmp(at + 17, zeros, sizeof(zeros)) != 0)
		return err_set(e, ERR_CORRUPT,
		    "a frame with bits set in its reserve");
	return ERR_NONE;
}

enum err_code
frame_parse_head(struct frame_view *out, const uint8_t head[FRAME_FIXED_BYTES],
    size_t len_bytes, struct err *e)
{
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < FRAME_FIXED_BYTES)
		return err_set(e, ERR_CORRUPT, "a frame of only %zu bytes",
		    len_bytes);
	rc = parse_fixed(out, head, e);
	if (rc != ERR_NONE)
		return rc;
	out->head_bytes = FRAME_FIXED_BYTES +
	    (size_t)ID_BYTES * (out->bases_count + (size_t)out->refs_count);
	if (len_bytes != out->head_bytes + out->body_bytes)
		return err_set(e, ERR_CORRUPT,
		    "a frame of %zu bytes where its head says %zu", len_bytes,
		    out->head_bytes + out->body_bytes);
	return ERR_NONE;
}

enum err_code
frame_parse(struct frame_view *out, const void *bytes, size_t len_bytes,
    struct err *e)
{
	const uint8_t *at = bytes;
	enum err_code rc = frame_parse_head(out, at, len_bytes, e);

	if (rc != ERR_NONE)
		return rc;
	out->head = at;
	out->bases = at + FRAME_FIXED_BYTES;
	out->refs = out->bases + (size_t)ID_BYTES * out->bases_count;
	out->body = at + out->head_bytes;
	return ERR_NONE;
}

enum err_code
frame_chunks_parse(struct frame_chunks *out, const void *raw, size_t raw_bytes,
    struct err *e)
{
	struct le_reader r;
	uint64_t sum = 0;

	memset(out, 0, sizeof(*out));
	le_init(&r, raw, raw_bytes);
	out->count = le_take32(&r);
	if (r.bad || out->count == 0 || out->count > FRAME_CHUNKS_MAX)
		return err_set(e, ERR_CORRUPT, "a frame of %u chunks",
		    out->count);
	out->lengths = le_take(&r, (size_t)out->count * 4);
	if (r.bad)
		return err_set(e, ERR_CORRUPT,
		    "a frame's body ends within its lengths");
	for (uint32_t i = 0; i < out->count; i++)
		sum += frame_chunk_bytes(out, i);
	if (sum != r.left_bytes)
		return err_set(e, ERR_CORRUPT,
		    "a frame's chunks do not fill its body");
	out->bytes = r.at;
	out->bytes_count = r.left_bytes;
	return ERR_NONE;
}

uint32_t
frame_chunk_bytes(const struct frame_chunks *c, uint32_t i)
{
	return le_get32(c->lengths + (size_t)i * 4);
}

/* --- The coder ----------------------------------------------------------- */

enum err_code
frame_coder_new(struct frame_coder **out, struct err *e)
{
	OWNED(frame_coder_free) struct frame_coder *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (c == NULL)
		return err_nomem(e);
	c->last_permille = 500;
	c->cctx = ZSTD_createCCtx();
	c->dctx = ZSTD_createDCtx();
	if (c->cctx == NULL || c->dctx == NULL)
		return err_nomem(e);
	*out = TAKE(c);
	return ERR_NONE;
}

void
frame_coder_free(struct frame_coder **cp)
{
	struct frame_coder *c = TAKE(*cp);

	if (c == NULL)
		return;
	ZSTD_freeCCtx(c->cctx);
	ZSTD_freeDCtx(c->dctx);
	buf_fini(&c->aad);
	buf_fini(&c->plain);
	buf_fini(&c->raw);
	free(c);
}

/* Bytes of room, content forgotten. */
static enum err_code
make_room(struct buf *b, size_t len_bytes, struct err *e)
{
	buf_clear(b);
	return buf_reserve(b, len_bytes, e);
}

static void
set(struct frame_coder *c, ZSTD_cParameter what, int value)
{
	ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(c->cctx, what, value)));
}

static bool
is_auto(const struct frame_plain *p)
{
	return p->codec == WRITER_AUTO && p->level == 0;
}

static int
level_of(const struct frame_plain *p)
{
	if (p->level != 0)
		return p->level;
	if (p->codec == WRITER_FAST)
		return LEVEL_FAST;
	return p->codec == WRITER_MAX ? LEVEL_MAX : LEVEL_AUTO;
}

static const struct search *
search_of(const struct frame_coder *c, const struct frame_plain *p)
{
	const struct search *s = large_search;

	if (le_get32(p->raw) > p->raw_bytes / SMALL_FILE_BYTES)
		s = small_search;
	while (c->last_permille >= s->below_permille)
		s++;
	return s;
}

static void
set_search(struct frame_coder *c, const struct frame_plain *p)
{
	const struct search *s;

	set(c, ZSTD_c_hashLog, AUTO_TABLE_LOG);
	set(c, ZSTD_c_chainLog, AUTO_TABLE_LOG);
	if (p->kind != STORE_DATA || p->raw_bytes < SEARCH_MIN_BYTES)
		return;
	s = search_of(c, p);
	set(c, ZSTD_c_strategy, (int)s->strategy);
	set(c, ZSTD_c_windowLog, AUTO_WINDOW_LOG);
	set(c, ZSTD_c_hashLog, s->table_log);
	set(c, ZSTD_c_minMatch, s->match_bytes);
}

static void
begin_compress(struct frame_coder *c, const struct frame_plain *p)
{
	ZSTD_CCtx_reset(c->cctx, ZSTD_reset_session_and_parameters);
	set(c, ZSTD_c_compressionLevel, level_of(p));
	set(c, ZSTD_c_contentSizeFlag, 0);
	set(c, ZSTD_c_checksumFlag, 0);
}

/* 0: it does not fit into room_bytes, so it does not pay. */
static size_t
compress(struct frame_coder *c, const struct frame_plain *p,
    const uint8_t *from, size_t from_bytes, uint8_t *to, size_t room_bytes)
{
	size_t n;

	begin_compress(c, p);
	if (is_auto(p))
		set_search(c, p);
	n = ZSTD_compress2(c->cctx, to, room_bytes, from, from_bytes);
	return ZSTD_isError(n) ? 0 : n;
}

static size_t
worth_bytes(size_t raw_bytes)
{
	return raw_bytes - raw_bytes / 32; /* it must save 3 % */
}

/* A few pieces from all over the body: would the whole compress? */
static bool
sample_pays(struct frame_coder *c, const struct frame_plain *p)
{
	uint8_t pieces[SAMPLE_PIECES * SAMPLE_PIECE_BYTES];
	uint8_t packed[sizeof(pieces)];
	size_t step = (p->raw_bytes - SAMPLE_PIECE_BYTES) / (SAMPLE_PIECES - 1);

	for (size_t i = 0; i < SAMPLE_PIECES; i++)
		memcpy(pieces + i * SAMPLE_PIECE_BYTES, p->raw + i * step,
		    SAMPLE_PIECE_BYTES);
	return compress(c, p, pieces, sizeof(pieces), packed,
		   worth_bytes(sizeof(pieces))) != 0;
}

/*
 * Incompressible data comes in runs: only behind a frame that did not compress
 * is a sample asked first.  Elsewhere it would cost more than it saves, and
 * now and then be wrong.
 */
static bool
worth_trying(struct frame_coder *c, const struct frame_plain *p)
{
	if (p->codec == WRITER_OFF)
		return false;
	return !is_auto(p) || c->last_permille < 1000 ||
	    p->raw_bytes < SAMPLE_MIN_BYTES || sample_pays(c, p);
}

static unsigned
floor_log2(uint64_t v)
{
	return v == 0 ? 0 : 63 - (unsigned)__builtin_clzll(v);
}

/* The same with the bases as what came before: matches may reach into them. */
static size_t
compress_delta(struct frame_coder *c, const struct frame_plain *p, uint8_t *to)
{
	unsigned window =
	    floor_log2((uint64_t)p->prefix_bytes + p->raw_bytes) + 1;
	size_t n;

	begin_compress(c, p);
	set(c, ZSTD_c_windowLog,
	    (int)(window > WINDOW_LOG_MIN ? window : WINDOW_LOG_MIN));
	if (window >= LDM_WINDOW_LOG)
		set(c, ZSTD_c_enableLongDistanceMatching, 1);
	n = ZSTD_CCtx_refPrefix(c->cctx, p->prefix, p->prefix_bytes);
	if (!ZSTD_isError(n))
		n = ZSTD_compress2(c->cctx, to, p->raw_bytes / 2, p->raw,
		    p->raw_bytes);
	return ZSTD_isError(n) ? 0 : n;
}

/* Slices; 0: they do not pay. */
static size_t
compress_sliced(struct frame_coder *c, const struct frame_plain *p, uint8_t *to,
    size_t room_bytes)
{
	struct err ignored; /* it is compressed whole, then */
	size_t n;

	begin_compress(c, p);
	if (is_auto(p)) {
		set(c, ZSTD_c_strategy, ZSTD_fast);
		set(c, ZSTD_c_hashLog, AUTO_TABLE_LOG);
		set(c, ZSTD_c_minMatch, 5);
	}
	return slices_pack(c->cctx, p->raw, p->raw_bytes, to, room_bytes, &n,
		   &ignored) == ERR_NONE
	    ? n
	    : 0;
}

static bool
may_be_sliced(const struct frame_plain *p)
{
	uint32_t count = p->sliceable ? le_get32(p->raw) : 0;

	return p->raw_bytes >= SLICED_BYTES_MIN && count >= SLICED_CHUNKS_MIN &&
	    p->bases_count == 0 && p->raw_bytes / count <= SLICED_MEAN_MAX;
}

/* Would slices cost little more than the whole?  `to` is only room to try in. */
static bool
slices_pay(struct frame_coder *c, const struct frame_plain *p, uint8_t *to,
    size_t room_bytes)
{
	size_t whole = compress(c, p, p->raw, p->raw_bytes, to, room_bytes);
	size_t sliced = compress_sliced(c, p, to, room_bytes);

	return sliced > 0 && sliced <= whole + whole / SLICED_LOSS;
}

/* 0: it does not pay. */
static size_t
compress_as_fits(struct frame_coder *c, const struct frame_plain *p,
    uint8_t *to, size_t room_bytes, enum frame_codec *codec)
{
	bool sliced = may_be_sliced(p);
	size_t n = 0;

	if (sliced && c->until_trial-- == 0) {
		c->until_trial = SLICED_TRIALS - 1;
		c->slices_pay = slices_pay(c, p, to, room_bytes);
	}
	if (sliced && c->slices_pay)
		n = compress_sliced(c, p, to, room_bytes);
	*codec = n > 0 ? FRAME_SLICED : FRAME_ZSTD;
	return n > 0 ? n : compress(c, p, p->raw, p->raw_bytes, to, room_bytes);
}

/* The text to seal: at `to`, which has room for raw_bytes, or where it is. */
static size_t
put_plain(struct frame_coder *c, const struct frame_plain *p, uint8_t *to,
    const uint8_t **text, enum frame_codec *codec)
{
	size_t n = 0;

	if (worth_trying(c, p))
		n = compress_as_fits(c, p, to, worth_bytes(p->raw_bytes),
		    codec);
	if (p->kind == STORE_DATA && p->raw_bytes >= SAMPLE_MIN_BYTES)
		c->last_permille =
		    n > 0 ? (unsigned)(n * 1000 / p->raw_bytes) : 1000;
	if (n == 0)
		*codec = FRAME_RAW;
	*text = n > 0 ? to : p->raw;
	return n > 0 ? n : p->raw_bytes;
}

/*
 * The text of a difference; *text_bytes is 0 if it saves less than a quarter of
 * what the bytes take by themselves, or of half of them.
 */
static enum err_code
put_delta(struct frame_coder *c, const struct frame_plain *p, uint8_t *to,
    size_t *text_bytes, struct err *e)
{
	size_t n = compress_delta(c, p, to), plain;
	const uint8_t *text;
	enum frame_codec codec;
	enum err_code rc;

	*text_bytes = n;
	if (n == 0 || n < p->raw_bytes / DELTA_SURE_RATIO)
		return ERR_NONE;
	rc = make_room(&c->plain, p->raw_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	plain = put_plain(c, p, c->plain.bytes, &text, &codec);
	if (n + (size_t)p->bases_count * ID_BYTES >= plain - plain / 4)
		*text_bytes = 0;
	return ERR_NONE;
}

/* Nikitin et al., "Reducing metadata leakage": at most 12 % more. */
static size_t
padme(size_t len)
{
	unsigned exponent = floor_log2(len);
	unsigned last = exponent - floor_log2(exponent) - 1;
	size_t mask = ((size_t)1 << last) - 1;

	return len < 16 ? len : (len + mask) & ~mask;
}

/* With zeros behind it, so at `to`. */
static size_t
pad(uint8_t *to, const uint8_t **text, size_t text_bytes)
{
	size_t padded_bytes = padme(text_bytes);

	if (*text != to)
		memcpy(to, *text, text_bytes);
	memset(to + text_bytes, 0, padded_bytes - text_bytes);
	*text = to;
	return padded_bytes;
}

/* All but the key id and the refs. */
static void
put_head(uint8_t *at, const struct frame_plain *p, enum frame_codec codec,
    size_t body_bytes)
{
	size_t bases_bytes = (size_t)p->bases_count * ID_BYTES;
	unsigned bits = BOUND_BITS_MIN;

	while ((size_t)1 << bits < p->raw_bytes)
		bits++;
	memset(at, 0, FRAME_FIXED_BYTES);
	memcpy(at, magic, sizeof(magic));
	at[4] = (uint8_t)p->kind;
	at[5] = (uint8_t)codec;
	at[6] = p->depth;
	at[7] = p->bases_count;
	le_put32(at + 8, p->refs_count);
	le_put32(at + 12, (uint32_t)body_bytes);
	at[16] = (uint8_t)bits;
	seal_nonce(at + 24);
	if (bases_bytes > 0)
		memcpy(at + FRAME_FIXED_BYTES, p->bases, bases_bytes);
	if (p->refs_count > 0)
		memcpy(at + FRAME_FIXED_BYTES + bases_bytes, p->refs,
		    (size_t)p->refs_count * ID_BYTES);
}

/* What the seal is bound to: the clear part, then the family. */
static size_t
put_aad(uint8_t *to, const uint8_t *head, size_t head_bytes,
    const uint8_t *family)
{
	memcpy(to, head, head_bytes);
	memcpy(to + head_bytes, family, STORE_FAMILY_BYTES);
	return head_bytes + STORE_FAMILY_BYTES;
}

static size_t
head_room(const struct frame_plain *p)
{
	return FRAME_FIXED_BYTES +
	    ((size_t)p->bases_count + p->refs_count) * ID_BYTES;
}

/* The text: behind the room for the head, or where the raw bytes are. */
struct text {
	const uint8_t *at;
	size_t len_bytes;
	enum frame_codec codec;
};

static enum err_code
finish(struct frame_coder *c, const struct frame_plain *p, struct buf *out,
    struct text *text, struct seal_key *key, struct err *e)
{
	size_t head_bytes = head_room(p);
	uint8_t *body = out->bytes + head_bytes;
	struct seal_input in;
	enum err_code rc =
	    make_room(&c->aad, head_bytes + STORE_FAMILY_BYTES, e);

	if (rc != ERR_NONE)
		return rc;
	if (p->padded)
		text->len_bytes = pad(body, &text->at, text->len_bytes);
	put_head(out->bytes, p, text->codec, text->len_bytes + SEAL_TAG_BYTES);
	memcpy(out->bytes + 48, seal_key_id(key)->bytes, ID_BYTES);
	in = (struct seal_input){.nonce = out->bytes + 24,
	    .aad = c->aad.bytes,
	    .aad_bytes =
		put_aad(c->aad.bytes, out->bytes, head_bytes, p->family),
	    .text = text->at,
	    .text_bytes = text->len_bytes};
	rc = seal_close(key, &in, body, e);
	if (rc == ERR_NONE)
		out->len_bytes = head_bytes + text->len_bytes + SEAL_TAG_BYTES;
	return rc;
}

enum err_code
frame_encode(struct frame_coder *c, const struct frame_plain *p,
    struct seal_key *key, struct buf *out, struct err *e)
{
	struct frame_plain as = *p;
	struct text text = {.codec = FRAME_ZSTD};
	enum err_code rc;

	ASSERT(p->raw_bytes <= FRAME_RAW_MAX &&
	    p->refs_count <= FRAME_REFS_MAX &&
	    p->prefix_bytes <= FRAME_PREFIX_MAX &&
	    p->bases_count <= FRAME_BASES_MAX);
	rc = make_room(out,
	    head_room(p) + p->raw_bytes + p->raw_bytes / 8 + SEAL_TAG_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	text.at = out->bytes + head_room(p);
	if (p->bases_count > 0)
		rc = put_delta(c, p, out->bytes + head_room(p), &text.len_bytes,
		    e);
	if (rc != ERR_NONE)
		return rc;
	if (text.len_bytes == 0) {
		as.bases_count = as.depth = 0;
		text.len_bytes = put_plain(c, &as, out->bytes + head_room(&as),
		    &text.at, &text.codec);
	}
	return finish(c, &as, out, &text, key, e);
}

static bool
all_zero(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != 0)
			return false;
	return true;
}

/* Where the padding begins in a raw body: its lengths say. */
static size_t
raw_end(const uint8_t *text, size_t text_bytes)
{
	uint64_t end = 4;
	uint32_t count;

	if (text_bytes < 4)
		return text_bytes;
	count = le_get32(text);
	end += (uint64_t)count * 4;
	if (count > FRAME_CHUNKS_MAX || end > text_bytes)
		return text_bytes; /* frame_chunks_parse refuses it */
	for (uint32_t i = 0; i < count; i++)
		end += le_get32(text + 4 + (size_t)i * 4);
	return end < text_bytes ? (size_t)end : text_bytes;
}

static enum err_code
decompress(struct frame_coder *c, const struct frame_view *v,
    const struct buf *text, const struct buf *prefix, size_t *end_bytes,
    struct err *e)
{
	size_t bound = (size_t)1 << v->bound_bits, end, n;
	enum err_code rc;

	if (v->codec == FRAME_SLICED) {
		*end_bytes = text->len_bytes;
		return slices_unpack(c->dctx, text->bytes, text->len_bytes,
		    bound, &c->raw, e);
	}
	end = ZSTD_findFrameCompressedSize(text->bytes, text->len_bytes);
	if (ZSTD_isError(end))
		return err_set(e, ERR_CORRUPT,
		    "a frame's body is no compressed data");
	rc = make_room(&c->raw, bound, e);
	if (rc != ERR_NONE)
		return rc;
	ZSTD_DCtx_reset(c->dctx, ZSTD_reset_session_and_parameters);
	n = v->depth == 0
	    ? 0
	    : ZSTD_DCtx_refPrefix(c->dctx, prefix->bytes, prefix->len_bytes);
	if (!ZSTD_isError(n))
		n = ZSTD_decompressDCtx(c->dctx, c->raw.bytes, bound,
		    text->bytes, end);
	if (ZSTD_isError(n))
		return err_set(e, ERR_CORRUPT,
		    "a frame cannot be decompressed: %s", ZSTD_getErrorName(n));
	c->raw.len_bytes = n;
	*end_bytes = end;
	return ERR_NONE;
}

enum err_code
frame_unpack(struct frame_coder *c, const struct frame_view *v,
    const struct buf *text, const struct buf *prefix, const uint8_t **raw,
    size_t *raw_bytes, struct err *e)
{
	size_t end = 0;
	enum err_code rc;

	*raw = NULL;
	*raw_bytes = 0;
	ASSERT(v->depth == 0 || prefix != NULL);
	if (v->codec == FRAME_RAW) {
		end = raw_end(text->bytes, text->len_bytes);
		*raw = text->bytes;
		*raw_bytes = end;
	} else {
		rc = decompress(c, v, text, prefix, &end, e);
		if (rc != ERR_NONE)
			return rc;
		*raw = c->raw.bytes;
		*raw_bytes = c->raw.len_bytes;
	}
	if (*raw_bytes > (size_t)1 << v->bound_bits ||
	    !all_zero(text->bytes + end, text->len_bytes - end))
		return err_set(e, ERR_CORRUPT,
		    "a frame's body is not as long as it says");
	return ERR_NONE;
}

enum err_code
frame_open(const struct frame_view *v, struct seal_key *key,
    const uint8_t *family, struct buf *text, struct err *e)
{
	OWNED(buf_fini) struct buf aad = {0};
	uint8_t small[FRAME_FIXED_BYTES + STORE_FAMILY_BYTES];
	struct seal_input in = {.nonce = v->nonce,
	    .aad = small,
	    .text = v->body,
	    .text_bytes = v->body_bytes};
	enum err_code rc;

	if (v->head_bytes > FRAME_FIXED_BYTES) {
		rc = make_room(&aad, v->head_bytes + STORE_FAMILY_BYTES, e);
		if (rc != ERR_NONE)
			return rc;
		in.aad = aad.bytes;
	}
	in.aad_bytes =
	    put_aad(v->head_bytes > FRAME_FIXED_BYTES ? aad.bytes : small,
		v->head, v->head_bytes, family);
	rc = make_room(text, v->body_bytes, e);
	if (rc == ERR_NONE)
		rc = seal_open(key, &in, text->bytes, e);
	if (rc == ERR_NONE)
		text->len_bytes = v->body_bytes - SEAL_TAG_BYTES;
	return rc;
}
