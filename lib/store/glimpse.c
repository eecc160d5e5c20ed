#include "glimpse.h"

#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "frame.h"
#include "pack.h"
#include "slices.h"

/*
 * G1. What is read of a frame in parts is at most a SHARE of it: then it is
 *     refused, for good, and read whole.
 * G2. Nothing read here has a tag; offsets are bounded by the frame's length,
 *     whatever its lengths say, and the caller derives the chunk's id.
 * G3. Of a sliced frame the directory and the first slice are read once, and of
 *     each chunk its slice.
 */
#define PLACES_COUNT  8
#define CHUNKS_LEAST  16 /* fewer are not worth two reads */
#define SHARE(length) ((length) / 8)

struct place_seen {
	uint64_t used; /* the clock; 0: empty */
	struct id pack;
	uint32_t frame;
	bool refused, sliced;
	struct openpacks_handle key;
	uint8_t nonce[SEAL_NONCE_BYTES];
	uint64_t body_at; /* in the pack */
	uint32_t len_bytes, spent_bytes;
	uint32_t *offsets; /* chunks_count + 1, in the body */
	uint32_t chunks_count;
	/* Of a sliced one, instead: */
	struct slices slices;
	struct buf first; /* its first slice, opened */
};

struct glimpse {
	uint64_t clock;
	struct place_seen places[PLACES_COUNT];
	struct buf bytes; /* what was read last, of ... */
	const struct place_seen *last;
	uint32_t last_part; /* its slot, or its slice */
	struct buf opened;  /* that slice */
	ZSTD_DCtx *dctx;
};

enum err_code
glimpse_new(struct glimpse **out, struct err *e)
{
	OWNED(glimpse_free) struct glimpse *g = calloc(1, sizeof(*g));

	*out = NULL;
	if (g == NULL || (g->dctx = ZSTD_createDCtx()) == NULL)
		return err_nomem(e);
	*out = TAKE(g);
	return ERR_NONE;
}

static void
forget(struct glimpse *g, struct place_seen *p)
{
	if (g->last == p)
		g->last = NULL;
	free(p->offsets);
	slices_fini(&p->slices);
	buf_fini(&p->first);
	memset(p, 0, sizeof(*p));
}

void
glimpse_free(struct glimpse **gp)
{
	struct glimpse *g = TAKE(*gp);

	if (g == NULL)
		return;
	for (size_t i = 0; i < PLACES_COUNT; i++)
		forget(g, &g->places[i]);
	buf_fini(&g->bytes);
	buf_fini(&g->opened);
	ZSTD_freeDCtx(g->dctx);
	free(g);
}

/* Its place, or an empty one: the oldest goes. */
static struct place_seen *
place_of(struct glimpse *g, const struct index_pack *ip, uint32_t frame)
{
	struct place_seen *oldest = &g->places[0];

	for (size_t i = 0; i < PLACES_COUNT; i++) {
		struct place_seen *p = &g->places[i];

		if (p->used != 0 && p->frame == frame &&
		    id_equal(&p->pack, &ip->name))
			return p;
		if (p->used < oldest->used)
			oldest = p;
	}
	forget(g, oldest);
	return oldest;
}

/* May so much more be read of it? (G1) */
static bool
is_affordable(const struct place_seen *p, uint32_t len_bytes)
{
	return p->spent_bytes <= SHARE(p->len_bytes) &&
	    len_bytes <= SHARE(p->len_bytes) - p->spent_bytes;
}

/* Bytes of the body, opened; they count as spent. */
static enum err_code
read_part(struct place_seen *p, const struct pack *pk, struct seal_key *key,
    uint32_t offset, size_t len_bytes, struct buf *out, struct err *e)
{
	uint8_t *at;
	enum err_code rc;

	buf_clear(out);
	p->spent_bytes += (uint32_t)len_bytes;
	rc = buf_extend(out, len_bytes, &at, e);
	if (rc == ERR_NONE)
		rc = fdio_pread(pk->fd, at, len_bytes, p->body_at + offset, e);
	return rc != ERR_NONE
	    ? rc
	    : seal_peek(key, p->nonce, offset, at, len_bytes, at, e);
}

/* Where each chunk is, by the lengths the body begins with. */
static enum err_code
keep_offsets(struct place_seen *p, const struct buf *lengths, uint32_t count,
    size_t text_bytes, struct err *e)
{
	uint64_t at = lengths->len_bytes;

	if (le_get32(lengths->bytes) != count)
		return err_set(e, ERR_CORRUPT, "a frame of other chunks");
	p->offsets = calloc((size_t)count + 1, sizeof(*p->offsets));
	if (p->offsets == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; i < count && at <= text_bytes; i++) {
		p->offsets[i] = (uint32_t)at;
		at += le_get32(lengths->bytes + 4 + (size_t)i * 4);
	}
	if (at != text_bytes)
		return err_set(e, ERR_CORRUPT, "chunks that do not fill it");
	p->offsets[count] = (uint32_t)at;
	p->chunks_count = count;
	return ERR_NONE;
}

/* Room for what a slice comes to, in a buffer that then has just that. */
static enum err_code
slice_room(struct buf *out, const struct slices *s, uint32_t i, uint8_t **at,
    struct err *e)
{
	buf_clear(out);
	return buf_extend(out, slice_bytes(s, i), at, e);
}

/* The directory and the first slice of a sliced frame. */
static enum err_code
keep_slices(struct glimpse *g, struct place_seen *p, const struct pack *pk,
    struct seal_key *key, size_t text_bytes, struct err *e)
{
	uint32_t directory_bytes;
	uint8_t *at;
	enum err_code rc =
	    read_part(p, pk, key, 0, SLICES_HEAD_BYTES, &g->bytes, e);

	if (rc == ERR_NONE)
		rc = slices_directory_bytes(g->bytes.bytes, text_bytes,
		    &directory_bytes, e);
	if (rc == ERR_NONE && !is_affordable(p, directory_bytes))
		rc = err_set(e, ERR_INPUT, "too much of it");
	if (rc == ERR_NONE)
		rc = read_part(p, pk, key, SLICES_HEAD_BYTES, directory_bytes,
		    &g->bytes, e);
	if (rc == ERR_NONE)
		rc = slices_parse(&p->slices, g->dctx, g->bytes.bytes,
		    g->bytes.len_bytes, text_bytes, e);
	if (rc == ERR_NONE && !is_affordable(p, p->slices.at[0].len_bytes))
		rc = err_set(e, ERR_INPUT, "too much of it");
	if (rc == ERR_NONE)
		rc = read_part(p, pk, key, p->slices.at[0].at,
		    p->slices.at[0].len_bytes, &g->bytes, e);
	if (rc == ERR_NONE)
		rc = slice_room(&p->first, &p->slices, 0, &at, e);
	return rc == ERR_NONE
	    ? slices_open(g->dctx, &p->slices, 0, g->bytes.bytes, at, e)
	    : rc;
}

/* A frame of many chunks of data that can be had one by one. */
static bool
is_fit(const struct frame_view *v, const struct pack_frame *row)
{
	return v->kind == STORE_DATA && v->codec != FRAME_ZSTD &&
	    v->depth == 0 && v->refs_count == 0 &&
	    row->chunks_count >= CHUNKS_LEAST &&
	    row->chunks_count <= FRAME_CHUNKS_MAX &&
	    4 + (uint64_t)row->chunks_count * 4 < SHARE(v->body_bytes);
}

/* ERR_INPUT: not of this kind. */
static enum err_code
look(struct glimpse *g, struct place_seen *p, struct openpacks *packs,
    struct pack *pk, struct err *e)
{
	uint8_t head[FRAME_FIXED_BYTES];
	struct frame_view v;
	struct pack_frame row;
	struct seal_key *key;
	size_t text_bytes;
	enum err_code rc = pack_frame_at(pk, p->frame, &row, e);

	if (rc == ERR_NONE && row.len_bytes < sizeof(head))
		rc = err_set(e, ERR_CORRUPT, "a short frame");
	if (rc == ERR_NONE)
		rc =
		    fdio_pread(pk->fd, head, sizeof(head), row.offset_bytes, e);
	if (rc == ERR_NONE)
		rc = frame_parse_head(&v, head, row.len_bytes, e);
	if (rc == ERR_NONE && !is_fit(&v, &row))
		rc = err_set(e, ERR_INPUT, "a frame of another kind");
	if (rc == ERR_NONE)
		rc = openpacks_unwrap(packs, pk, &v.key_id, &p->key, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(p->nonce, v.nonce, sizeof(p->nonce));
	p->body_at = row.offset_bytes + v.head_bytes;
	p->len_bytes = row.len_bytes;
	key = openpacks_key(packs, p->key)->seal;
	text_bytes = v.body_bytes - SEAL_TAG_BYTES;
	p->sliced = v.codec == FRAME_SLICED;
	if (p->sliced)
		return keep_slices(g, p, pk, key, text_bytes, e);
	rc = read_part(p, pk, key, 0, 4 + (size_t)row.chunks_count * 4,
	    &g->bytes, e);
	return rc != ERR_NONE
	    ? rc
	    : keep_offsets(p, &g->bytes, row.chunks_count, text_bytes, e);
}

/* Its chunk, stored as it is; unless that is too much of the frame. */
static bool
take_plain(struct glimpse *g, struct place_seen *p, const struct pack *pk,
    struct seal_key *key, uint32_t slot, struct glimpse_chunk *out)
{
	struct err ignored; /* all of it is read, then */

	if (slot >= p->chunks_count)
		return false;
	out->len_bytes = p->offsets[slot + 1] - p->offsets[slot];
	if (g->last != p || g->last_part != slot) {
		g->last = NULL;
		if (!is_affordable(p, (uint32_t)out->len_bytes) ||
		    read_part(p, pk, key, p->offsets[slot], out->len_bytes,
			&g->bytes, &ignored) != ERR_NONE)
			return false;
		g->last = p;
		g->last_part = slot;
	}
	out->bytes = g->bytes.bytes;
	return true;
}

/* A slice behind the first, opened. */
static bool
open_slice(struct glimpse *g, struct place_seen *p, const struct pack *pk,
    struct seal_key *key, uint32_t i)
{
	const struct slice *row = &p->slices.at[i];
	struct err ignored; /* all of it is read, then */
	uint8_t *at;

	if (g->last == p && g->last_part == i)
		return true;
	g->last = NULL;
	if (!is_affordable(p, row->len_bytes) ||
	    read_part(p, pk, key, row->at, row->len_bytes, &g->bytes,
		&ignored) != ERR_NONE ||
	    slices_prefix(g->dctx, p->first.bytes, p->first.len_bytes,
		&ignored) != ERR_NONE ||
	    slice_room(&g->opened, &p->slices, i, &at, &ignored) != ERR_NONE ||
	    slices_open(g->dctx, &p->slices, i, g->bytes.bytes, at, &ignored) !=
		ERR_NONE)
		return false;
	g->last = p;
	g->last_part = i;
	return true;
}

static bool
take_sliced(struct glimpse *g, struct place_seen *p, const struct pack *pk,
    struct seal_key *key, uint32_t slot, struct glimpse_chunk *out)
{
	const struct slices *s = &p->slices;
	const struct buf *opened = &p->first;
	uint32_t i;

	if (slot >= s->chunks_count)
		return false;
	i = slices_find(s, slot);
	if (i > 0) {
		if (!open_slice(g, p, pk, key, i))
			return false;
		opened = &g->opened;
	}
	out->len_bytes = s->offsets[slot + 1] - s->offsets[slot];
	out->bytes = opened->bytes + (s->offsets[slot] - slice_from(s, i));
	return true;
}

bool
glimpse_get(struct glimpse *g, struct openpacks *packs,
    const struct index_pack *ip, const struct index_copy *c,
    struct glimpse_chunk *out)
{
	struct place_seen *p = place_of(g, ip, c->frame);
	const struct openpacks_key *key;
	struct pack *pk;
	struct err ignored; /* all of it is read, then */

	if (p->refused || openpacks_pack(packs, ip, &pk, &ignored) != ERR_NONE)
		return false;
	if (p->used == 0) {
		p->pack = ip->name;
		p->frame = c->frame;
		g->last = NULL;
		p->refused = look(g, p, packs, pk, &ignored) != ERR_NONE;
	}
	p->used = ++g->clock;
	key = openpacks_key(packs, p->key);
	p->refused = p->refused || key == NULL ||
	    !(p->sliced ? take_sliced : take_plain)(g, p, pk, key->seal,
		c->slot, out);
	if (p->refused)
		return false;
	if (out->len_bytes == 0)
		out->bytes = (const uint8_t *)"";
	out->key = p->key;
	return true;
}
