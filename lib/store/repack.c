#include <stdio.h>
#include <string.h>

#include <bascule/base/le.h>

#include "collecting.h"
#include "landing.h"
#include "reserve.h"

/*
 * Frames that are still reached are copied as they are, sealed, into new
 * packs.  With a key that reads and writes, one of which less than a quarter is
 * reached is opened and sealed again without the rest.  What is copied is
 * durable and indexed before the old pack is condemned; who dies between leaves
 * two copies, and the next collection takes the newer.
 */
#define KEYS_MAX      256                   /* of one new pack */
#define RECORDS_FLUSH 131072                /* of index, in memory */
#define ROOM_BYTES    ((uint64_t)512 << 10) /* for all else */
#define RESEAL_PART   4

/* --- how much of each frame is reached ---------------------------------------------- */

struct frame_count {
	uint16_t records_count, live_count;
};

struct counting {
	struct collection *c;
	struct frame_count **frames; /* by pack; NULL: not of interest */
	bool beyond; /* the index names a frame that its pack does not have */
};

static void
counting_fini(struct counting *k)
{
	for (size_t n = 0; k->frames != NULL && n < k->c->mark.packs_count; n++)
		free(k->frames[n]);
	free(k->frames);
}

static void
count_frame(void *ctx, const struct id *id, const struct index_copy *copy)
{
	struct counting *k = ctx;
	struct frame_count *f = k->frames[copy->number];

	(void)id;
	if (f == NULL)
		return;
	if (copy->frame >= k->c->mark.packs[copy->number].frames_count) {
		k->beyond = true;
		return;
	}
	f[copy->frame].records_count++;
	f[copy->frame].live_count += mark_is_live(&k->c->mark, copy->ordinal);
}

/* Of the packs that wanted says. */
static enum err_code
count_frames(struct counting *k,
    bool (*wanted)(const struct collection *c, uint32_t number), struct err *e)
{
	const struct collection *c = k->c;

	k->frames = calloc(c->mark.packs_count + 1, sizeof(*k->frames));
	if (k->frames == NULL)
		return err_nomem(e);
	for (uint32_t n = 0; n < c->mark.packs_count; n++) {
		if (!wanted(c, n))
			continue;
		k->frames[n] = calloc((size_t)c->mark.packs[n].frames_count + 1,
		    sizeof(**k->frames));
		if (k->frames[n] == NULL)
			return err_nomem(e);
	}
	if (index_scan(c->store, count_frame, k, e) != ERR_NONE)
		return e->code;
	if (!k->beyond)
		return ERR_NONE;
	err_set(e, ERR_CORRUPT,
	    "the index of '%s' names frames that no pack has", c->store->path);
	return err_hint(e, "bascule -r '%s' heal makes it again",
	    c->store->path);
}

/* --- choosing ------------------------------------------------------------------------ */

static bool
can_reseal(const struct collection *c)
{
	const struct keyring *k = c->store->keyring;

	return k != NULL && keyring_can_read(k) && keyring_can_write(k);
}

static bool
is_resealed(const struct collection *c, const struct pack_frame *row,
    const struct frame_count *f)
{
	return can_reseal(c) && row->kind == STORE_DATA &&
	    f->live_count * RESEAL_PART < f->records_count;
}

/* What would not be copied of a frame. */
static uint64_t
unused_of(const struct collection *c, const struct pack_frame *row,
    const struct frame_count *f)
{
	if (f->live_count == 0)
		return row->len_bytes;
	if (!is_resealed(c, row, f))
		return 0;
	return (uint64_t)row->len_bytes * (f->records_count - f->live_count) /
	    f->records_count;
}

static bool
is_partly_used(const struct collection *c, uint32_t number)
{
	const struct mark_pack *p = &c->mark.packs[number];

	return p->used && p->live_count < p->records_count &&
	    (c->fates[number] == FATE_STAYS ||
		c->fates[number] == FATE_REVIVED) &&
	    index_pack_present(c->store, number);
}

/* ERR_CORRUPT is check's affair: such a pack is left as it is. */
static enum err_code
measure(struct collection *c, const struct counting *k, uint64_t *unused_bytes,
    struct err *e)
{
	OWNED(mark_opened_fini) struct mark_opened o = {.store = c->store};

	*unused_bytes = 0;
	for (uint32_t n = 0; n < c->mark.packs_count; n++) {
		struct err why;

		if (k->frames[n] == NULL)
			continue;
		if (mark_open(&o, n, &why) != ERR_NONE) {
			if (why.code == ERR_NOMEM) {
				*e = why;
				return e->code;
			}
			c->fates[n] = FATE_DAMAGED;
			continue;
		}
		for (uint32_t i = 0; i < o.footer.frames_count &&
		     i < c->mark.packs[n].frames_count;
		     i++) {
			struct pack_frame row;

			pack_footer_frame(&o.footer, i, &row);
			c->unused[n] += unused_of(c, &row, &k->frames[n][i]);
		}
		*unused_bytes += c->unused[n];
	}
	return ERR_NONE;
}

struct ranked {
	uint64_t unused, size;
	uint32_t number;
};

/* The emptiest first. */
static int
compare_ranked(const void *va, const void *vb)
{
	const struct ranked *a = va, *b = vb;
	const double x = (double)a->unused / (double)a->size;
	const double y = (double)b->unused / (double)b->size;

	if (x != y)
		return x > y ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

static uint64_t
used_bytes(const struct collection *c)
{
	uint64_t bytes = 0;

	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->mark.packs[n].used && c->fates[n] <= FATE_REPACKED)
			bytes += index_pack(c->store, n)->size_bytes;
	return bytes;
}

/* May the copies be made: is it wanted, and is there room for them? */
static bool
may_repack(const struct collection *c, uint64_t copied_bytes)
{
	return c->opt->repack && c->store->keyring != NULL &&
	    reserve_room(c->store) > copied_bytes + ROOM_BYTES;
}

static enum err_code
choose(struct collection *c, uint64_t unused, struct err *e)
{
	const uint64_t used = used_bytes(c);
	const uint64_t most = (uint64_t)((double)(used - unused) *
	    (double)c->opt->max_unused_millipercent / 100000.0);
	OWNED(free_mem)
	struct ranked *all = calloc(c->mark.packs_count + 1, sizeof(*all));
	uint64_t copied = 0;
	size_t count = 0;

	if (all == NULL)
		return err_nomem(e);
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->unused[n] > 0)
			all[count++] = (struct ranked){c->unused[n],
			    index_pack(c->store, n)->size_bytes, n};
	qsort(all, count, sizeof(*all), compare_ranked);
	c->tally->live_bytes = used - unused;
	for (size_t i = 0; i < count && unused > most; i++) {
		copied += all[i].size - all[i].unused;
		if (!may_repack(c, copied))
			break;
		c->fates[all[i].number] = FATE_REPACKED;
		unused -= all[i].unused;
		c->tally->repacked_count++;
	}
	c->tally->unused_bytes = unused;
	return ERR_NONE;
}

enum err_code
repack_choose(struct collection *c, struct err *e)
{
	OWNED(counting_fini) struct counting k = {.c = c};
	uint64_t unused = 0;
	enum err_code rc = count_frames(&k, is_partly_used, e);

	if (rc == ERR_NONE)
		rc = measure(c, &k, &unused, e);
	return rc == ERR_NONE ? choose(c, unused, e) : rc;
}

/* --- writing --------------------------------------------------------------------------- */

/* A pack being filled; one of each sort, so that they never mix. */
struct output {
	struct pack_writer *pack;
	struct pack_key keys[KEYS_MAX];
	struct buf stanzas[KEYS_MAX];
	uint32_t keys_count;
};

enum { OUT_DATA, OUT_METADATA, OUT_SORTS };

struct repacking {
	struct collection *c;
	struct counting counting;
	struct mark_opened in;
	struct landing landings[2]; /* ours, from elsewhere */
	struct output outs[2][OUT_SORTS];
	unsigned packs_made;
	struct buf frame;
	struct frame_coder *coder;
	struct reader *reader;
	uint64_t done_bytes, total_bytes;
};

static void
output_fini(struct output *o)
{
	pack_writer_free(&o->pack);
	for (uint32_t i = 0; i < o->keys_count; i++)
		buf_fini(&o->stanzas[i]);
	o->keys_count = 0;
}

static void
repacking_free(struct repacking **rp)
{
	struct repacking *r = TAKE(*rp);

	if (r == NULL)
		return;
	for (int f = 0; f < 2; f++) {
		for (int s = 0; s < OUT_SORTS; s++)
			output_fini(&r->outs[f][s]);
		landing_fini(&r->landings[f]);
	}
	counting_fini(&r->counting);
	mark_opened_fini(&r->in);
	buf_fini(&r->frame);
	frame_coder_free(&r->coder);
	reader_free(&r->reader);
	free(r);
}

static enum err_code
end_output(struct repacking *r, int foreign, struct output *o, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	struct pack_footer footer = {0};
	struct pack_done done = {.fd = -1};
	struct landing *l = &r->landings[foreign];
	const struct pack_keys keys = {o->keys, o->keys_count};
	const uint32_t ordinal = (uint32_t)l->packs_count;
	enum err_code rc;

	if (o->pack == NULL)
		return ERR_NONE;
	rc = pack_writer_end_keys(&o->pack, &keys, &bytes, &done, e);
	output_fini(o);
	if (rc != ERR_NONE)
		return rc;
	r->c->tally->copied_bytes += done.size_bytes;
	rc = landing_add(l, &done, e);
	if (rc == ERR_NONE)
		rc = pack_footer_parse(&footer, bytes.bytes,
		    bytes.len_bytes - PACK_TAIL_BYTES,
		    done.size_bytes - bytes.len_bytes, e);
	return rc == ERR_NONE
	    ? pack_footer_records(&footer, ordinal, &l->records, e)
	    : rc;
}

static enum err_code
flush_landings(struct repacking *r, size_t records_min, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (int f = 0; rc == ERR_NONE && f < 2; f++)
		if (r->landings[f].records.len_bytes / SEGMENT_RECORD_BYTES >=
		    records_min)
			rc = landing_flush(&r->landings[f], e);
	return rc;
}

static enum err_code
begin_output(struct repacking *r, struct output *o, bool metadata,
    struct err *e)
{
	char name[PACK_TEMPORARY_SIZE];

	if (o->pack != NULL)
		return ERR_NONE;
	snprintf(name, sizeof(name), "%s-r%x", r->c->session->name,
	    r->packs_made++);
	return pack_writer_new(&o->pack, r->c->store, name, metadata, e);
}

/* The ordinal of a key in the output, put there if need be. */
static enum err_code
find_key(struct output *o, const struct pack_key *key, uint16_t *out,
    struct err *e)
{
	struct pack_key *mine = &o->keys[o->keys_count];
	struct buf *stanzas = &o->stanzas[o->keys_count];
	enum err_code rc;

	for (*out = 0; *out < o->keys_count; ++*out)
		if (id_equal(&o->keys[*out].key_id, &key->key_id) &&
		    id_equal(&o->keys[*out].domain, &key->domain))
			return ERR_NONE;
	ASSERT(o->keys_count < KEYS_MAX);
	memset(stanzas, 0, sizeof(*stanzas));
	rc = buf_add(stanzas, key->stanzas, key->stanzas_bytes, e);
	if (rc != ERR_NONE) {
		buf_fini(stanzas);
		return rc;
	}
	*mine = (struct pack_key){key->key_id, key->domain, stanzas->bytes,
	    stanzas->len_bytes};
	o->keys_count++;
	return ERR_NONE;
}

static enum err_code
append(struct repacking *r, bool foreign, struct pack_piece *piece,
    const struct pack_key *key, struct err *e)
{
	const bool metadata = piece->kind != STORE_DATA;
	struct output *o = &r->outs[foreign][metadata];
	enum err_code rc = begin_output(r, o, metadata, e);

	if (rc == ERR_NONE)
		rc = find_key(o, key, &piece->key, e);
	if (rc == ERR_NONE)
		rc = pack_writer_add(o->pack, piece, e);
	if (rc == ERR_NONE &&
	    (pack_writer_is_full(o->pack,
		 r->c->store->geometry.pack_target_bytes) ||
		o->keys_count == KEYS_MAX))
		rc = end_output(r, foreign, o, e);
	return rc == ERR_NONE ? flush_landings(r, RECORDS_FLUSH, e) : rc;
}

/* --- one frame -------------------------------------------------------------------------- */

static void
id_at(const struct repacking *r, const struct pack_frame *row, uint32_t slot,
    struct id *out)
{
	memcpy(out->bytes,
	    r->in.footer.ids + ((size_t)row->first_chunk + slot) * ID_BYTES,
	    ID_BYTES);
}

struct locating {
	const struct repacking *r;
	uint32_t frame;
	uint16_t slot;
	struct index_copy copy;
	bool found;
};

static void
locate(void *ctx, const struct index_copy *copy)
{
	struct locating *l = ctx;

	if (copy->number != l->r->in.number || copy->frame != l->frame ||
	    copy->slot != l->slot)
		return;
	l->copy = *copy;
	l->found = true;
}

/* Is the chunk reached, and here alone? */
static bool
is_needed(struct repacking *r, uint32_t frame, uint32_t slot,
    const struct id *id)
{
	struct locating l = {.r = r, .frame = frame, .slot = (uint16_t)slot};

	index_each(r->c->store, id, locate, &l);
	return l.found && mark_is_live(&r->c->mark, l.copy.ordinal) &&
	    !verdict_is_safe(r->c, id, &l.copy);
}

static bool
frame_is_needed(struct repacking *r, uint32_t frame,
    const struct pack_frame *row)
{
	if (r->counting.frames[r->in.number][frame].live_count == 0)
		return false;
	for (uint32_t slot = 0; slot < row->chunks_count; slot++) {
		struct id id;

		id_at(r, row, slot, &id);
		if (is_needed(r, frame, slot, &id))
			return true;
	}
	return false;
}

static enum err_code
key_of(const struct repacking *r, const struct pack_frame *row,
    struct pack_key *out, struct err *e)
{
	struct pack_key_row key;

	if (!pack_footer_key(&r->in.footer, row->key, &key))
		return err_set(e, ERR_CORRUPT, "a frame without its key");
	*out = (struct pack_key){key.key_id, key.domain, key.stanzas,
	    key.stanzas_bytes};
	return ERR_NONE;
}

static enum err_code
copy_frame(struct repacking *r, const struct pack_frame *row, struct err *e)
{
	struct pack_key key;
	struct frame_hash hash;
	struct pack_piece piece = {.len_bytes = row->len_bytes,
	    .hash = &hash,
	    .ids = (const struct id *)(r->in.footer.ids +
		(size_t)row->first_chunk * ID_BYTES),
	    .ids_count = row->chunks_count,
	    .kind = row->kind,
	    .depth = row->depth};
	enum err_code rc = key_of(r, row, &key, e);

	if (rc == ERR_NONE)
		rc = pack_read_frame(&r->in.pack, row, &r->frame, &hash, e);
	piece.bytes = r->frame.bytes;
	return rc == ERR_NONE
	    ? append(r, index_pack(r->c->store, r->in.number)->foreign, &piece,
		  &key, e)
	    : rc;
}

/* The chunks that are needed, as the raw body of a frame of their own. */
static enum err_code
gather_chunks(struct repacking *r, uint32_t frame, const struct pack_frame *row,
    struct buf *raw, struct buf *ids, struct err *e)
{
	OWNED(buf_fini) struct buf lengths = {0};
	OWNED(buf_fini) struct buf chunks = {0};
	enum err_code rc = ERR_NONE;

	for (uint32_t slot = 0; rc == ERR_NONE && slot < row->chunks_count;
	     slot++) {
		const uint8_t *bytes;
		size_t len;
		struct id id;

		id_at(r, row, slot, &id);
		if (!is_needed(r, frame, slot, &id))
			continue;
		rc = reader_get(r->reader, &id, &bytes, &len, e);
		if (rc == ERR_NONE)
			rc = buf_add(&chunks, bytes, len, e);
		if (rc == ERR_NONE)
			rc = le_add32(&lengths, (uint32_t)len, e);
		if (rc == ERR_NONE)
			rc = collect_add_id(ids, &id, e);
	}
	if (rc == ERR_NONE)
		rc = le_add32(raw, (uint32_t)(ids->len_bytes / ID_BYTES), e);
	if (rc == ERR_NONE)
		rc = buf_add(raw, lengths.bytes, lengths.len_bytes, e);
	return rc == ERR_NONE ? buf_add(raw, chunks.bytes, chunks.len_bytes, e)
			      : rc;
}

/* Sealed, and opened again (rule 4). */
static enum err_code
seal_frame(struct repacking *r, const struct buf *raw, struct err *e)
{
	struct session *se = r->c->session;
	const struct frame_plain p = {.kind = STORE_DATA,
	    .raw = raw->bytes,
	    .raw_bytes = raw->len_bytes,
	    .padded = false,
	    .family = r->c->store->family};
	OWNED(buf_fini) struct buf text = {0};
	struct frame_view v;
	const uint8_t *again;
	size_t again_bytes;
	enum err_code rc = frame_encode(r->coder, &p, se->key, &r->frame, e);

	if (rc == ERR_NONE)
		rc = frame_parse(&v, r->frame.bytes, r->frame.len_bytes, e);
	if (rc == ERR_NONE)
		rc = frame_open(&v, se->key, r->c->store->family, &text, e);
	if (rc == ERR_NONE)
		rc = frame_unpack(r->coder, &v, &text, NULL, &again,
		    &again_bytes, e);
	if (rc == ERR_NONE &&
	    (again_bytes != raw->len_bytes ||
		memcmp(again, raw->bytes, again_bytes) != 0))
		rc = err_set(e, ERR_CORRUPT,
		    "a frame just made cannot be read back: test the memory");
	return rc;
}

static enum err_code
reseal_frame(struct repacking *r, uint32_t frame, const struct pack_frame *row,
    struct err *e)
{
	OWNED(buf_fini) struct buf raw = {0};
	OWNED(buf_fini) struct buf ids = {0};
	struct session *se = r->c->session;
	struct frame_hash hash;
	struct pack_piece piece = {.hash = &hash, .kind = STORE_DATA};
	struct pack_key key;
	enum err_code rc = gather_chunks(r, frame, row, &raw, &ids, e);

	if (rc != ERR_NONE || ids.len_bytes == 0)
		return rc;
	/* Whose keys named the chunks stays as it was; the seal is ours. */
	rc = key_of(r, row, &key, e);
	key.key_id = *seal_key_id(se->key);
	key.stanzas = se->stanzas.bytes;
	key.stanzas_bytes = se->stanzas.len_bytes;
	if (rc == ERR_NONE)
		rc = seal_frame(r, &raw, e);
	if (rc == ERR_NONE)
		rc = frame_hash_make(&hash, r->frame.bytes, r->frame.len_bytes,
		    e);
	piece.bytes = r->frame.bytes;
	piece.len_bytes = r->frame.len_bytes;
	piece.ids = (const struct id *)ids.bytes;
	piece.ids_count = (uint32_t)(ids.len_bytes / ID_BYTES);
	r->c->tally->resealed_count++;
	return rc == ERR_NONE
	    ? append(r, index_pack(r->c->store, r->in.number)->foreign, &piece,
		  &key, e)
	    : rc;
}

/* --- all of it ---------------------------------------------------------------------------- */

static enum err_code
tell(struct repacking *r, uint64_t more_bytes, struct err *e)
{
	const struct collect_options *opt = r->c->opt;

	r->done_bytes += more_bytes;
	if (opt->on_progress != NULL &&
	    !opt->on_progress(opt->ctx, r->done_bytes, r->total_bytes))
		return err_set(e, ERR_CANCELLED, "the collection was stopped");
	return ERR_NONE;
}

static enum err_code
repack_one(struct repacking *r, uint32_t number, struct err *e)
{
	struct collection *c = r->c;
	enum err_code rc = mark_open(&r->in, number, e);

	for (uint32_t i = 0; rc == ERR_NONE && i < r->in.footer.frames_count &&
	     i < c->mark.packs[number].frames_count;
	     i++) {
		struct pack_frame row;

		pack_footer_frame(&r->in.footer, i, &row);
		rc = tell(r, row.len_bytes, e);
		if (rc != ERR_NONE || !frame_is_needed(r, i, &row))
			continue;
		rc = c->session->key != NULL &&
			is_resealed(c, &row, &r->counting.frames[number][i])
		    ? reseal_frame(r, i, &row, e)
		    : copy_frame(r, &row, e);
	}
	return rc;
}

static bool
is_to_be_repacked(const struct collection *c, uint32_t number)
{
	return c->fates[number] == FATE_REPACKED;
}

static enum err_code
begin(struct repacking *r, struct err *e)
{
	struct collection *c = r->c;
	enum err_code rc;

	r->counting.c = c;
	r->in.store = c->store;
	for (int f = 0; f < 2; f++) {
		landing_init(&r->landings[f], c->session);
		r->landings[f].foreign = f == 1;
	}
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (is_to_be_repacked(c, n))
			r->total_bytes += index_pack(c->store, n)->size_bytes;
	rc = count_frames(&r->counting, is_to_be_repacked, e);
	if (rc == ERR_NONE && can_reseal(c))
		rc = frame_coder_new(&r->coder, e);
	if (rc == ERR_NONE && can_reseal(c))
		rc = reader_new(&r->reader, c->store, e);
	return rc;
}

/*
 * A pack with damage stays where healing will find it.  What it has may be what
 * is damaged: nobody may be left out, or let go, because it is there too.
 */
static void
leave(struct collection *c, uint32_t number)
{
	c->fates[number] = FATE_DAMAGED;
	c->tally->repacked_count--;
	c->tally->damaged_count++;
	c->tally->unused_bytes += c->unused[number];
}

enum err_code
repack_run(struct collection *c, struct err *e)
{
	OWNED(repacking_free) struct repacking *r = NULL;
	enum err_code rc;

	if (c->tally->repacked_count == 0)
		return ERR_NONE;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_nomem(e);
	r->c = c;
	rc = begin(r, e);
	for (uint32_t n = 0; rc == ERR_NONE && n < c->mark.packs_count; n++) {
		if (!is_to_be_repacked(c, n))
			continue;
		rc = repack_one(r, n, e);
		if (rc == ERR_CORRUPT || rc == ERR_KEY) {
			leave(c, n);
			rc = ERR_NONE;
		}
	}
	for (int f = 0; rc == ERR_NONE && f < 2; f++)
		for (int s = 0; rc == ERR_NONE && s < OUT_SORTS; s++)
			rc = end_output(r, f, &r->outs[f][s], e);
	if (rc == ERR_NONE)
		rc = flush_landings(r, 1, e);
	if (rc == ERR_NONE && c->tally->damaged_count > 0)
		rc = verdict_reconsider(c, e);
	for (uint32_t n = 0; rc == ERR_NONE && n < c->mark.packs_count; n++)
		if (is_to_be_repacked(c, n))
			c->fates[n] = FATE_CONDEMNED;
	return rc;
}
