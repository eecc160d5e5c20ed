#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "frame.h"
#include "glimpse.h"
#include "grants.h"
#include "index.h"
#include "openpacks.h"
#include "pack_damage.h"
#include "parts.h"

/*
 * R1. Nothing is handed out before its id was derived again from it.
 * R2. Every copy the index knows is tried; what was wrong with the first is
 *     said when none is good.
 * R3. Memory: FRAMES_BYTES of opened frames, the least recently used goes, and
 *     what openpacks keeps.  A difference needs its bases' bytes
 *     (FRAME_PREFIX_MAX) for each depth.
 * R4. A frame's bases are looked for once it is known to be genuine, in copies
 *     of strictly lower depth; OPENS_MAX bounds what one chunk may ask for.
 * R5. Of a frame that is stored as it is and of which little is asked for
 *     (reader_pick), that is read (glimpse): R1 holds for it as for the rest.
 */
#define FRAMES_MAX   64
#define FRAMES_BYTES ((size_t)16 << 20)
#define NAMES_MAX    16
#define OPENS_MAX    4096
#define ANY_DEPTH    (FRAME_DEPTH_MAX + 1)

/* An opened frame. */
struct opened {
	uint64_t used; /* the reader's clock; 0: empty */
	struct id pack;
	uint32_t frame;
	enum store_kind kind;
	uint8_t depth;
	struct openpacks_handle key;
	struct buf raw, refs;
	uint32_t *offsets; /* chunks_count + 1, into raw */
	uint32_t chunks_count;
};

struct reader {
	struct store *store;
	uint64_t clock;
	struct frame_coder *coder;
	struct buf sealed; /* a frame as it lies in its pack */
	struct buf text;   /* its body, opened */
	unsigned opens_count;
	struct opened frames[FRAMES_MAX];
	size_t frames_bytes, frames_bytes_max;
	struct openpacks *packs;
	struct hash_key *data_names[NAMES_MAX]; /* of the keyring's domains */
	size_t data_names_count;
	bool has_data_names;
	bool picks;              /* little is asked for of each frame */
	struct glimpse *glimpse; /* made at first use */
};

static void
opened_fini(struct opened *o)
{
	buf_fini(&o->raw);
	buf_fini(&o->refs);
	free(o->offsets);
	memset(o, 0, sizeof(*o));
}

static void
frame_forget(struct reader *r, struct opened *o)
{
	r->frames_bytes -= o->raw.size_bytes;
	opened_fini(o);
}

enum err_code
reader_new(struct reader **out, struct store *st, struct err *e)
{
	OWNED(reader_free) struct reader *r = NULL;
	enum err_code rc;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_nomem(e);
	r->store = st;
	r->frames_bytes_max = FRAMES_BYTES;
	rc = frame_coder_new(&r->coder, e);
	if (rc == ERR_NONE)
		rc = openpacks_new(&r->packs, st, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(r);
	return ERR_NONE;
}

void
reader_limit(struct reader *r, size_t frames_bytes)
{
	r->frames_bytes_max = frames_bytes;
}

void
reader_free(struct reader **rp)
{
	struct reader *r = TAKE(*rp);

	if (r == NULL)
		return;
	for (size_t i = 0; i < FRAMES_MAX; i++)
		frame_forget(r, &r->frames[i]);
	openpacks_free(&r->packs);
	glimpse_free(&r->glimpse);
	for (size_t i = 0; i < r->data_names_count; i++)
		hash_key_free(&r->data_names[i]);
	frame_coder_free(&r->coder);
	buf_fini(&r->sealed);
	buf_fini(&r->text);
	free(r);
}

/* --- Frames -------------------------------------------------------------- */

/* A free place; the oldest go until the memory is within bounds. */
static struct opened *
make_place(struct reader *r)
{
	for (;;) {
		struct opened *free_place = NULL, *oldest = NULL;

		for (size_t i = 0; i < FRAMES_MAX; i++) {
			struct opened *o = &r->frames[i];

			if (o->used == 0)
				free_place = o;
			else if (oldest == NULL || o->used < oldest->used)
				oldest = o;
		}
		if (free_place != NULL &&
		    (oldest == NULL || r->frames_bytes < r->frames_bytes_max))
			return free_place;
		frame_forget(r, oldest);
	}
}

static enum err_code
keep_chunks(struct opened *o, const uint8_t *raw, size_t raw_bytes,
    struct err *e)
{
	struct frame_chunks c;
	uint32_t at;
	enum err_code rc = frame_chunks_parse(&c, raw, raw_bytes, e);

	if (rc != ERR_NONE)
		return rc;
	if (o->kind != STORE_DATA && o->kind != STORE_RECORDS && c.count != 1)
		return err_set(e, ERR_CORRUPT, "a page that is not alone");
	o->offsets = calloc((size_t)c.count + 1, sizeof(*o->offsets));
	if (o->offsets == NULL)
		return err_nomem(e);
	at = 0;
	for (uint32_t i = 0; i < c.count; i++) {
		o->offsets[i] = at;
		at += frame_chunk_bytes(&c, i);
	}
	o->offsets[c.count] = at;
	o->chunks_count = c.count;
	return buf_add(&o->raw, c.bytes, c.bytes_count, e);
}

static enum err_code
read_frame(struct reader *r, const struct pack *pk, uint32_t frame,
    struct frame_view *v, struct err *e)
{
	struct pack_frame row;
	uint8_t *at;
	enum err_code rc = pack_frame_at(pk, frame, &row, e);

	buf_clear(&r->sealed);
	if (rc == ERR_NONE)
		rc = buf_extend(&r->sealed, row.len_bytes, &at, e);
	if (rc == ERR_NONE)
		rc = fdio_pread(pk->fd, at, row.len_bytes, row.offset_bytes, e);
	if (rc == ERR_NONE)
		rc = frame_parse(v, at, row.len_bytes, e);
	return rc;
}

/*
 * Where a frame is: in a pack of the index, or at hand, with the pack whose
 * footer has its key.
 */
struct where {
	const struct index_pack *listed; /* or NULL */
	uint32_t frame;
	const struct pack *pack;
	const void *bytes;
	size_t len_bytes;
};

/* Its clear part, and its body in r->text: what its key's holder wrote. */
static enum err_code
open_sealed(struct reader *r, const struct where *at, struct frame_view *v,
    struct openpacks_handle *key, struct err *e)
{
	const struct pack *pk = at->pack;
	struct pack *kept = NULL;
	enum err_code rc;

	if (++r->opens_count > OPENS_MAX)
		return err_set(e, ERR_CORRUPT,
		    "it takes more than %u frames to read it", OPENS_MAX);
	if (at->listed == NULL) {
		rc = frame_parse(v, at->bytes, at->len_bytes, e);
	} else {
		rc = openpacks_pack(r->packs, at->listed, &kept, e);
		if (rc == ERR_NONE)
			rc = read_frame(r, kept, at->frame, v, e);
		pk = kept;
	}
	if (rc == ERR_NONE)
		rc = openpacks_unwrap(r->packs, pk, &v->key_id, key, e);
	return rc != ERR_NONE
	    ? rc
	    : frame_open(v, openpacks_key(r->packs, *key)->seal,
		  r->store->family, &r->text, e);
}

/* A frame's raw body, borrowed until the next one is opened. */
struct raw {
	struct frame_view view;
	struct openpacks_handle key;
	const uint8_t *bytes;
	size_t len_bytes;
};

static enum err_code gather_bases(struct reader *r, const struct frame_view *v,
    struct buf *prefix, struct err *e);

/* depth_limit: it must be of a lower one, which bounds the recursion. */
static enum err_code
decode(struct reader *r, const struct where *at, unsigned depth_limit,
    struct raw *out, struct err *e)
{
	OWNED(buf_fini) struct buf prefix = {0};
	enum err_code rc = open_sealed(r, at, &out->view, &out->key, e);

	if (rc == ERR_NONE && out->view.depth >= depth_limit)
		rc = err_set(e, ERR_CORRUPT, "a base of depth %u",
		    out->view.depth);
	if (rc == ERR_NONE && out->view.depth > 0) {
		rc = gather_bases(r, &out->view, &prefix, e);
		/* That used the reader's memory: once more. */
		if (rc == ERR_NONE)
			rc = open_sealed(r, at, &out->view, &out->key, e);
	}
	return rc != ERR_NONE ? rc
			      : frame_unpack(r->coder, &out->view, &r->text,
				    &prefix, &out->bytes, &out->len_bytes, e);
}

static enum err_code
open_frame(struct reader *r, const struct where *at, unsigned depth_limit,
    struct opened *o, struct err *e)
{
	struct raw raw;
	enum err_code rc = decode(r, at, depth_limit, &raw, e);

	if (rc != ERR_NONE)
		return rc;
	o->key = raw.key;
	o->kind = raw.view.kind;
	o->depth = raw.view.depth;
	rc = buf_add(&o->refs, raw.view.refs,
	    (size_t)raw.view.refs_count * ID_BYTES, e);
	return rc == ERR_NONE ? keep_chunks(o, raw.bytes, raw.len_bytes, e)
			      : rc;
}

/* Which pack, which frame, and, where the footer can tell, which block. */
static void
blame(struct reader *r, const struct index_pack *ip, uint32_t frame,
    struct err *e)
{
	char hex[ID_HEX_BYTES], block[64] = "";
	char path[PACK_PATH_BYTES];
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	OWNED(pack_damage_fini) struct pack_damage d = {0};
	struct err ignored = {0};

	if (e->code == ERR_CORRUPT &&
	    pack_open(&pk, r->store->packs_fd, pack_path(&ip->name, path), 0,
		&ignored) == ERR_NONE &&
	    pack_footer_load(&f, &pk, &ignored) == ERR_NONE &&
	    pack_damage_begin(&d, &pk, &f, &ignored) == ERR_NONE) {
		pack_damage_only(&d, frame);
		if (pack_damage_next(&d))
			snprintf(block, sizeof(block),
			    ", 64 KiB block %u (from offset %llu)", d.block,
			    (unsigned long long)d.offset_bytes);
	}
	err_wrap(e, "pack %s, frame %u%s", id_hex(&ip->name, hex), frame,
	    block);
}

/* The frame of a copy that was opened before; NULL: not, or long ago. */
static struct opened *
kept_frame(struct reader *r, const struct index_copy *c)
{
	const struct id *pack = &index_pack(r->store, c->number)->name;

	for (size_t i = 0; i < FRAMES_MAX; i++) {
		struct opened *o = &r->frames[i];

		if (o->used == 0 || o->frame != c->frame ||
		    !id_equal(&o->pack, pack))
			continue;
		if (openpacks_key(r->packs, o->key) != NULL) {
			o->used = ++r->clock;
			return o;
		}
		frame_forget(r, o); /* nothing in it can be checked now */
	}
	return NULL;
}

/* The frame of a copy, opened: kept from before, or now. */
static enum err_code
find_frame(struct reader *r, const struct index_copy *c, unsigned depth_limit,
    struct opened **out, struct err *e)
{
	const struct where at = {.listed = index_pack(r->store, c->number),
	    .frame = c->frame};
	struct opened fresh = {0}, *o = kept_frame(r, c);

	*out = o;
	if (o != NULL)
		return ERR_NONE;
	if (open_frame(r, &at, depth_limit, &fresh, e) != ERR_NONE) {
		opened_fini(&fresh);
		blame(r, at.listed, c->frame, e);
		return e->code;
	}
	o = make_place(r);
	*o = fresh;
	r->frames_bytes += o->raw.size_bytes;
	o->pack = at.listed->name;
	o->frame = c->frame;
	o->used = ++r->clock;
	*out = o;
	return ERR_NONE;
}

/* --- Chunks -------------------------------------------------------------- */

/* What a chunk's id is derived with. */
struct naming {
	struct hash_key *key;
	enum store_kind kind;
	const uint8_t *refs;
	size_t refs_count;
};

static void
derive(const struct naming *by, const uint8_t *bytes, size_t len_bytes,
    struct id *id)
{
	struct hash_key *key = by->key;
	uint8_t count[4];
	struct iovec parts[] = {{.iov_base = count, .iov_len = sizeof(count)},
	    {.iov_base = (void *)(uintptr_t)by->refs,
		.iov_len = by->refs_count * ID_BYTES},
	    {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len_bytes}};

	le_put32(count, (uint32_t)by->refs_count);
	if (by->kind == STORE_DATA)
		hash_id(key, bytes, len_bytes, id);
	else
		hash_id_parts(key, parts, COUNT_OF(parts), id);
}

struct wanted {
	enum store_kind kind;
	const struct id *id;
	unsigned depth_limit; /* only copies of a lower one */
};

struct chunk {
	const uint8_t *bytes;
	size_t len_bytes;
	const struct buf *refs;
};

/* The chunk alone, without the rest of its frame; false: not this way. */
static bool
pick_copy(struct reader *r, const struct wanted *w, const struct index_copy *c,
    struct chunk *out)
{
	static const struct buf none;
	struct glimpse_chunk seen;
	struct naming by = {.kind = STORE_DATA};
	struct err ignored; /* the frame is read, then */
	struct id again;

	if (!r->picks || w->kind != STORE_DATA || c->depth != 0 ||
	    kept_frame(r, c) != NULL ||
	    (r->glimpse == NULL &&
		glimpse_new(&r->glimpse, &ignored) != ERR_NONE) ||
	    !glimpse_get(r->glimpse, r->packs, index_pack(r->store, c->number),
		c, &seen))
		return false;
	by.key = openpacks_key(r->packs, seen.key)->id_keys[STORE_DATA];
	derive(&by, seen.bytes, seen.len_bytes, &again);
	*out = (struct chunk){seen.bytes, seen.len_bytes, &none};
	return id_equal(&again, w->id);
}

static enum err_code
get_copy(struct reader *r, const struct wanted *w, const struct index_copy *c,
    struct chunk *out, struct err *e)
{
	struct opened *o = NULL;
	struct naming by;
	struct id again;
	enum err_code rc;

	if (pick_copy(r, w, c, out))
		return ERR_NONE;
	rc = find_frame(r, c, w->depth_limit, &o, e);

	if (rc != ERR_NONE)
		return rc;
	if (o->kind == w->kind && w->kind <= STORE_LIST &&
	    o->depth < w->depth_limit && c->slot < o->chunks_count) {
		out->bytes = o->raw.len_bytes == 0
		    ? (const uint8_t *)""
		    : o->raw.bytes + o->offsets[c->slot];
		out->len_bytes = o->offsets[c->slot + 1] - o->offsets[c->slot];
		out->refs = &o->refs;
		by = (struct naming){openpacks_key(r->packs, o->key)
					 ->id_keys[o->kind],
		    o->kind, o->refs.bytes, o->refs.len_bytes / ID_BYTES};
		derive(&by, out->bytes, out->len_bytes, &again);
		if (id_equal(&again, w->id))
			return ERR_NONE;
	}
	err_set(e, ERR_CORRUPT, "what is at slot %u is not what its id says",
	    c->slot);
	blame(r, index_pack(r->store, c->number), c->frame, e);
	return e->code;
}

/* What is wrong when the index names no copy that could be tried. */
static enum err_code
no_copy(struct reader *r, const struct wanted *w, struct err *e)
{
	struct place unused;

	/* Says whether the index may only be damaged. */
	enum err_code rc = store_locate(r->store, w->id, &unused, e);

	if (rc == ERR_NONE) /* a base that is no base */
		rc = err_set(e, ERR_CORRUPT, "every copy is too deep");
	return rc;
}

static enum err_code
get(struct reader *r, const struct wanted *w, struct chunk *out, struct err *e)
{
	struct index_copy c;
	struct err first = {0};
	char hex[ID_HEX_BYTES];

	if (r->store->keyring == NULL || !keyring_can_read(r->store->keyring))
		return err_set(e, ERR_KEY,
		    "reading from '%s' needs a key that may read",
		    r->store->path);
	for (struct index_walk at = {0};
	     index_next(r->store, w->id, &at, &c);) {
		if (c.depth >= w->depth_limit)
			continue;
		if (get_copy(r, w, &c, out, e) == ERR_NONE)
			return ERR_NONE;
		if (e->code == ERR_NOMEM)
			return e->code;
		if (first.code == ERR_NONE)
			first = *e;
	}
	if (first.code == ERR_NONE)
		return no_copy(r, w, e);
	*e = first;
	err_wrap(e, "chunk %.16s", id_hex(w->id, hex));
	return e->code;
}

/* From the outside: what it may cost begins to be counted. */
static enum err_code
get_first(struct reader *r, enum store_kind kind, const struct id *id,
    struct chunk *out, struct err *e)
{
	const struct wanted w = {kind, id, ANY_DEPTH};

	r->opens_count = 0;
	return get(r, &w, out, e);
}

/* Recursion with get: depths fall. */
static enum err_code
gather_bases(struct reader *r, const struct frame_view *v, struct buf *prefix,
    struct err *e)
{
	struct id ids[FRAME_BASES_MAX];
	const unsigned count = v->bases_count;
	struct chunk c = {0};
	char hex[ID_HEX_BYTES];
	enum err_code rc = ERR_NONE;

	memcpy(ids, v->bases, count * sizeof(*ids)); /* v's memory is r's */
	for (unsigned i = 0, depth = v->depth; i < count && rc == ERR_NONE;
	     i++) {
		const struct wanted w = {STORE_DATA, &ids[i], depth};

		rc = get(r, &w, &c, e);
		if (rc == ERR_NOTFOUND)
			e->code = rc = ERR_CORRUPT;
		if (rc != ERR_NONE)
			return err_wrap(e, "its base %.16s",
			    id_hex(&ids[i], hex));
		if (c.len_bytes > FRAME_PREFIX_MAX - prefix->len_bytes)
			return err_set(e, ERR_CORRUPT,
			    "bases of more than %zu bytes", FRAME_PREFIX_MAX);
		rc = buf_add(prefix, c.bytes, c.len_bytes, e);
	}
	return rc;
}

enum err_code
reader_get(struct reader *r, const struct id *id, const uint8_t **bytes,
    size_t *len_bytes, struct err *e)
{
	struct chunk c = {0};
	enum err_code rc = get_first(r, STORE_DATA, id, &c, e);

	*bytes = c.bytes;
	*len_bytes = c.len_bytes;
	return rc;
}

enum err_code
reader_pick(struct reader *r, const struct id *id, const uint8_t **bytes,
    size_t *len_bytes, struct err *e)
{
	enum err_code rc;

	r->picks = true;
	rc = reader_get(r, id, bytes, len_bytes, e);
	r->picks = false;
	return rc;
}

/* The current domain first: most of what is asked about was written under it. */
static void
make_data_names(struct reader *r)
{
	const struct keyring *ring = r->store->keyring;
	size_t held = 0;
	struct err ignored; /* then the repository is asked instead */

	r->has_data_names = true;
	while (ring != NULL && keyring_domain_nth(ring, held) != NULL)
		held++;
	while (held > 0 && r->data_names_count < NAMES_MAX)
		if (grants_id_key(r->store, keyring_domain_nth(ring, --held),
			KEYRING_ID_DATA, &r->data_names[r->data_names_count],
			&ignored) == ERR_NONE)
			r->data_names_count++;
}

bool
reader_names(struct reader *r, const struct id *id, const void *bytes,
    size_t len_bytes)
{
	struct id named;

	if (!r->has_data_names)
		make_data_names(r);
	for (size_t i = 0; i < r->data_names_count; i++) {
		hash_id(r->data_names[i], bytes, len_bytes, &named);
		if (id_equal(&named, id))
			return true;
	}
	return false;
}

enum err_code
reader_take(struct reader *r, enum store_kind kind, const struct id *id,
    struct buf *out, struct buf *refs, struct err *e)
{
	struct chunk c = {0};
	enum err_code rc = get_first(r, kind, id, &c, e);

	buf_clear(out);
	if (refs != NULL)
		buf_clear(refs);
	if (rc == ERR_NONE)
		rc = buf_add(out, c.bytes, c.len_bytes, e);
	if (rc == ERR_NONE && refs != NULL)
		rc = buf_add(refs, c.refs->bytes, c.refs->len_bytes, e);
	return rc;
}

/* The clear part of one copy. */
static enum err_code
refs_of_copy(struct reader *r, const struct index_copy *c,
    enum store_kind *kind, struct buf *refs, struct err *e)
{
	struct frame_view v;
	struct pack *pk;
	enum err_code rc =
	    openpacks_pack(r->packs, index_pack(r->store, c->number), &pk, e);

	if (rc == ERR_NONE)
		rc = read_frame(r, pk, c->frame, &v, e);
	if (rc != ERR_NONE) {
		blame(r, index_pack(r->store, c->number), c->frame, e);
		return e->code;
	}
	*kind = v.kind;
	return buf_add(refs, v.refs, (size_t)v.refs_count * ID_BYTES, e);
}

/* The ids of an opened frame's chunks against the footer's. */
static enum err_code
check_chunks(const struct naming *by, const struct frame_chunks *c,
    const uint8_t *ids, struct buf *lengths, struct err *e)
{
	const uint8_t *at = c->bytes;
	enum err_code rc = ERR_NONE;

	for (uint32_t i = 0; rc == ERR_NONE && i < c->count; i++) {
		const uint32_t len = frame_chunk_bytes(c, i);
		struct id id;

		derive(by, at, len, &id);
		if (memcmp(id.bytes, ids + (size_t)i * ID_BYTES, ID_BYTES) != 0)
			return err_set(e, ERR_CORRUPT,
			    "chunk %u in it is not what its id says", i);
		at += len;
		rc = le_add32(lengths, len, e);
	}
	return rc;
}

enum err_code
reader_check_frame(struct reader *r, const struct reader_frame *f,
    struct buf *lengths, struct err *e)
{
	const struct where at = {.pack = f->pack,
	    .bytes = f->bytes,
	    .len_bytes = f->row.len_bytes};
	const struct frame_view *v;
	struct frame_chunks c;
	struct naming by;
	struct raw raw;
	enum err_code rc;

	r->opens_count = 0;
	buf_clear(lengths);
	rc = decode(r, &at, ANY_DEPTH, &raw, e);
	if (rc == ERR_NONE)
		rc = frame_chunks_parse(&c, raw.bytes, raw.len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	v = &raw.view;
	if (v->kind != STORE_DATA && v->kind != STORE_RECORDS && c.count != 1)
		return err_set(e, ERR_CORRUPT, "a page that is not alone");
	if (c.count != f->row.chunks_count)
		return err_set(e, ERR_CORRUPT,
		    "it holds %u chunks where the footer says %u", c.count,
		    f->row.chunks_count);
	if (v->kind > STORE_LIST)
		return ERR_NONE;
	by = (struct naming){openpacks_key(r->packs, raw.key)->id_keys[v->kind],
	    v->kind, v->refs, v->refs_count};
	return check_chunks(&by, &c, f->ids, lengths, e);
}

enum err_code
reader_bases(struct store *st, const struct index_copy *copy, struct buf *bases,
    struct err *e)
{
	struct frame_view v;
	struct pack *pk;
	enum err_code rc;

	buf_clear(bases);
	if (copy->depth == 0)
		return ERR_NONE;
	if (st->reader == NULL && reader_new(&st->reader, st, e) != ERR_NONE)
		return e->code;
	rc = openpacks_pack(st->reader->packs, index_pack(st, copy->number),
	    &pk, e);
	if (rc == ERR_NONE)
		rc = read_frame(st->reader, pk, copy->frame, &v, e);
	if (rc == ERR_NONE)
		return buf_add(bases, v.bases, (size_t)v.bases_count * ID_BYTES,
		    e);
	blame(st->reader, index_pack(st, copy->number), copy->frame, e);
	return e->code;
}

enum err_code
reader_refs(struct store *st, const struct id *id, enum store_kind *kind,
    struct buf *refs, struct err *e)
{
	struct index_copy c;
	struct err first = {0};
	struct place unused;

	buf_clear(refs);
	if (st->reader == NULL && reader_new(&st->reader, st, e) != ERR_NONE)
		return e->code;
	for (struct index_walk w = {0}; index_next(st, id, &w, &c);) {
		if (refs_of_copy(st->reader, &c, kind, refs, e) == ERR_NONE)
			return ERR_NONE;
		if (first.code == ERR_NONE)
			first = *e;
	}
	if (first.code == ERR_NONE)
		return store_locate(st, id, &unused, e);
	*e = first;
	return e->code;
}
