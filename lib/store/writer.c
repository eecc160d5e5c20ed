#include "parts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/le.h>
#include <bascule/base/pipeline.h>

#include "base_reader.h"
#include "delta_cache.h"
#include "frame_maker.h"
#include "idset.h"
#include "index.h"
#include "landing.h"
#include "pack.h"

/*
 * W1. The calling thread names and looks up; batches circulate through the
 *     pipeline: one thread reads bases, workers encode and decode again, one
 *     thread appends to packs.
 * W2. Memory: BATCHES_PER_WORKER batches a worker and two more, each about two
 *     frame targets; and, between flushes, IDS_MAX ids and index records.
 *     Each worker keeps what a frame_maker does.
 * W3. After a failure nothing more is done: `broken` is given again, since the
 *     ids that were put may never have been stored.
 */
#define WORKERS_MAX        32
#define WORKERS_DEFAULT    8 /* memory: each is worth about 10 MiB */
#define BATCHES_PER_WORKER 2
#define IDS_MAX            131072 /* put since the last flush: then flush */
#define KEEP_MIN_BYTES     4096   /* smaller chunks are nobody's base */

struct writer {
	struct session *session;
	struct writer_options opt;
	struct pipeline *pipeline;
	struct batch *batches;
	size_t batches_count;
	struct batch *filling; /* taken; data chunks gather here */
	struct batch *changed; /* taken; new versions of old ones */
	struct hash_key *id_keys[STORE_LIST + 1];
	struct idset ids;
	struct delta_cache *cache; /* borrowed; NULL: none */
	struct writer_tally tally;
	_Atomic uint64_t stored_bytes;
	struct err broken;
	struct base_reader *bases; /* its stage's */
	/* the workers' */
	struct frame_maker *makers[WORKERS_MAX];
	/* the appender's while batches are in flight, else the caller's */
	struct pack_writer *packs[2]; /* data, metadata */
	unsigned packs_made;
	struct landing landing;
	struct pack_key pack_key;
};

/* --- The stages ---------------------------------------------------------- */

static enum err_code
bases_stage(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct writer *w = ctx;

	(void)thread; /* there is one */
	return base_reader_run(w->bases, item, e);
}

static enum err_code
encode_stage(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct writer *w = ctx;

	return frame_maker_run(w->makers[thread], item, e);
}

/* The footer that was written tells the index what the pack holds. */
static enum err_code
end_pack(struct writer *w, bool metadata, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	struct pack_footer footer = {0};
	struct pack_done done = {.fd = -1};
	uint32_t ordinal = (uint32_t)w->landing.packs_count;
	enum err_code rc;

	if (w->packs[metadata] == NULL)
		return ERR_NONE;
	rc = pack_writer_end(&w->packs[metadata], &w->pack_key, &bytes, &done,
	    e);
	if (rc != ERR_NONE)
		return rc;
	w->stored_bytes += done.size_bytes;
	rc = landing_add(&w->landing, &done, e);
	if (rc == ERR_NONE)
		rc = pack_footer_parse(&footer, bytes.bytes,
		    bytes.len_bytes - PACK_TAIL_BYTES,
		    done.size_bytes - bytes.len_bytes, e);
	if (rc == ERR_NONE)
		rc = pack_footer_records(&footer, ordinal, &w->landing.records,
		    e);
	return rc;
}

static enum err_code
begin_pack(struct writer *w, bool metadata, struct err *e)
{
	char name[PACK_TEMPORARY_SIZE];

	if (w->packs[metadata] != NULL)
		return ERR_NONE;
	snprintf(name, sizeof(name), "%s-p%x", w->session->name,
	    w->packs_made++);
	return pack_writer_new(&w->packs[metadata], w->session->store, name,
	    metadata, e);
}

static enum err_code
append_stage(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct writer *w = ctx;
	const struct batch *b = item;
	bool metadata = b->kind != STORE_DATA;
	struct pack_piece piece = {.bytes = b->frame.bytes,
	    .len_bytes = b->frame.len_bytes,
	    .hash = &b->hash,
	    .ids = (const struct id *)b->ids.bytes,
	    .ids_count = b->chunks_count,
	    .kind = b->kind,
	    .depth = b->frame.bytes[FRAME_DEPTH_AT]};
	enum err_code rc = begin_pack(w, metadata, e);

	(void)thread; /* there is one */
	if (rc == ERR_NONE)
		rc = pack_writer_add(w->packs[metadata], &piece, e);
	if (rc == ERR_NONE &&
	    pack_writer_is_full(w->packs[metadata],
		w->session->store->geometry.pack_target_bytes))
		rc = end_pack(w, metadata, e);
	return rc;
}

/* --- Making and ending --------------------------------------------------- */

static enum err_code
make_id_keys(struct writer *w, struct err *e)
{
	static const enum keyring_use uses[STORE_LIST + 1] =
	    {[STORE_DATA] = KEYRING_ID_DATA,
		[STORE_LEAF] = KEYRING_ID_LEAF,
		[STORE_INNER] = KEYRING_ID_INNER,
		[STORE_LIST] = KEYRING_ID_LIST};
	enum err_code rc = ERR_NONE;

	for (int k = STORE_DATA; k <= STORE_LIST && rc == ERR_NONE; k++)
		rc = keyring_id_key(w->session->store->keyring, NULL, uses[k],
		    &w->id_keys[k], e);
	return rc;
}

static enum err_code
make_workers(struct writer *w, struct err *e)
{
	enum err_code rc =
	    base_reader_new(&w->bases, w->session, w->id_keys[STORE_DATA], e);

	if (w->opt.workers == 0) {
		w->opt.workers = pipeline_cores();
		if (w->opt.workers > WORKERS_DEFAULT)
			w->opt.workers = WORKERS_DEFAULT;
	}
	if (w->opt.workers > WORKERS_MAX)
		w->opt.workers = WORKERS_MAX;
	for (unsigned i = 0; i < w->opt.workers && rc == ERR_NONE; i++)
		rc = frame_maker_new(&w->makers[i], w->session, &w->opt, e);
	return rc;
}

static enum err_code
start(struct writer *w, struct err *e)
{
	struct pipeline_stage stages[] = {
	    {.run = bases_stage, .threads_count = 1},
	    {.run = encode_stage, .threads_count = w->opt.workers},
	    {.run = append_stage, .threads_count = 1},
	};
	OWNED(free_mem) void **items = NULL;
	struct pipeline_plan plan = {.stages = stages,
	    .stages_count = COUNT_OF(stages),
	    .ctx = w};

	w->batches_count = w->opt.workers * BATCHES_PER_WORKER + 2;
	w->batches = calloc(w->batches_count, sizeof(*w->batches));
	items = calloc(w->batches_count, sizeof(*items));
	if (w->batches == NULL || items == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < w->batches_count; i++)
		items[i] = &w->batches[i];
	plan.items = items;
	plan.items_count = w->batches_count;
	return pipeline_new(&w->pipeline, &plan, e);
}

enum err_code
writer_new(struct writer **out, struct session *se,
    const struct writer_options *opt, struct err *e)
{
	OWNED(writer_free) struct writer *w = NULL;
	enum err_code rc;

	*out = NULL;
	ASSERT(se->key != NULL);
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_nomem(e);
	w->session = se;
	if (opt != NULL)
		w->opt = *opt;
	landing_init(&w->landing, se);
	w->pack_key = (struct pack_key){.key_id = *seal_key_id(se->key),
	    .domain = *keyring_domain(se->store->keyring),
	    .stanzas = se->stanzas.bytes,
	    .stanzas_bytes = se->stanzas.len_bytes};
	rc = make_id_keys(w, e);
	if (rc == ERR_NONE)
		rc = make_workers(w, e);
	if (rc == ERR_NONE)
		rc = start(w, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(w);
	return ERR_NONE;
}

void
writer_free(struct writer **wp)
{
	struct writer *w = TAKE(*wp);

	if (w == NULL)
		return;
	pipeline_free(&w->pipeline); /* first: the rest is the threads' */
	for (size_t i = 0; w->batches != NULL && i < w->batches_count; i++)
		batch_fini(&w->batches[i]);
	free(w->batches);
	for (size_t k = 0; k < COUNT_OF(w->id_keys); k++)
		hash_key_free(&w->id_keys[k]);
	base_reader_free(&w->bases);
	for (size_t i = 0; i < WORKERS_MAX; i++)
		frame_maker_free(&w->makers[i]);
	pack_writer_free(&w->packs[0]);
	pack_writer_free(&w->packs[1]);
	landing_fini(&w->landing);
	idset_fini(&w->ids);
	free(w);
}

/* --- Putting ------------------------------------------------------------- */

/* Remember a failure: all that follows fails alike (W3). */
static enum err_code
broke(struct writer *w, enum err_code rc, struct err *e)
{
	if (rc != ERR_NONE) {
		w->broken = *e;
		w->broken.code = rc;
	}
	return rc;
}

static enum err_code
take_batch(struct writer *w, struct batch **out, enum store_kind kind,
    struct err *e)
{
	void *item;
	enum err_code rc = pipeline_take(w->pipeline, &item, e);

	*out = NULL;
	if (rc != ERR_NONE)
		return rc;
	rc = batch_begin(item, kind, e);
	if (rc != ERR_NONE) {
		pipeline_untake(w->pipeline, item);
		return rc;
	}
	*out = item;
	return ERR_NONE;
}

/* Send off the data gathered so far, in w->filling or w->changed. */
static enum err_code
ship(struct writer *w, struct batch **bp, struct err *e)
{
	struct batch *b = TAKE(*bp);

	return b == NULL ? ERR_NONE : pipeline_put(w->pipeline, b, e);
}

static enum err_code
put_data(struct writer *w, const void *bytes, size_t len_bytes,
    const struct id *id, struct err *e)
{
	size_t target = w->session->store->geometry.frame_target_bytes;
	enum err_code rc = ERR_NONE;

	if (w->filling != NULL &&
	    (batch_bytes(w->filling) + len_bytes > target ||
		w->filling->chunks_count == FRAME_CHUNKS_MAX))
		rc = ship(w, &w->filling, e);
	if (rc == ERR_NONE && w->filling == NULL)
		rc = take_batch(w, &w->filling, STORE_DATA, e);
	if (rc == ERR_NONE)
		rc = batch_add(w->filling, bytes, len_bytes, id, e);
	if (rc == ERR_NONE && batch_bytes(w->filling) >= target)
		rc = ship(w, &w->filling, e);
	return rc;
}

struct put {
	enum store_kind kind;
	const void *bytes;
	size_t len_bytes;
	const struct id *refs;
	size_t refs_count;
};

static enum err_code
put_page(struct writer *w, const struct put *p, const struct id *id,
    struct err *e)
{
	struct batch *b;
	enum err_code rc = take_batch(w, &b, p->kind, e);

	if (rc != ERR_NONE)
		return rc;
	rc = buf_add(&b->refs, p->refs, p->refs_count * ID_BYTES, e);
	if (rc == ERR_NONE)
		rc = batch_add(b, p->bytes, p->len_bytes, id, e);
	if (rc == ERR_NONE)
		return pipeline_put(w->pipeline, b, e);
	pipeline_untake(w->pipeline, b);
	return rc;
}

/* What a page's or list's id is over; of data, the third part alone. */
#define PARTS 3
static void
parts_of(const struct put *p, uint8_t count[4], struct iovec parts[PARTS])
{
	le_put32(count, (uint32_t)p->refs_count);
	parts[0] = (struct iovec){.iov_base = count, .iov_len = 4};
	parts[1] = (struct iovec){.iov_base = (void *)(uintptr_t)p->refs,
	    .iov_len = p->refs_count * ID_BYTES};
	parts[2] = (struct iovec){.iov_base = (void *)(uintptr_t)p->bytes,
	    .iov_len = p->len_bytes};
}

static void
name(struct writer *w, const struct put *p, struct id *id)
{
	struct iovec parts[PARTS];
	uint8_t count[4];

	if (p->kind == STORE_DATA) {
		hash_id(w->id_keys[p->kind], p->bytes, p->len_bytes, id);
		return;
	}
	parts_of(p, count, parts);
	hash_id_parts(w->id_keys[p->kind], parts, PARTS, id);
}

/* For a later version to be told from, where the repository cannot be read. */
static void
keep(struct writer *w, const struct put *p, const struct id *id,
    enum delta_cache_worth worth)
{
	struct iovec parts[PARTS];
	uint8_t count[4];

	if (w->cache == NULL ||
	    (p->kind == STORE_DATA && p->len_bytes < KEEP_MIN_BYTES))
		return;
	parts_of(p, count, parts);
	if (p->kind == STORE_DATA)
		delta_cache_put(w->cache, id, &parts[2], 1, worth);
	else if (p->kind == STORE_LIST)
		delta_cache_put(w->cache, id, parts, PARTS,
		    DELTA_CACHE_CHANGED);
}

void
writer_name(struct writer *w, const void *bytes, size_t len_bytes,
    struct id *id)
{
	hash_id(w->id_keys[STORE_DATA], bytes, len_bytes, id);
}

/* The set says from now on that it is there. */
static enum err_code
note_new(struct writer *w, const struct id *id, size_t len_bytes, struct err *e)
{
	bool added;
	enum err_code rc = ERR_NONE;

	if (w->ids.count >= IDS_MAX)
		rc = writer_flush(w, e);
	if (rc == ERR_NONE)
		rc = idset_add(&w->ids, id, &added, e);
	w->tally.new_chunks_count++;
	w->tally.new_bytes += len_bytes;
	return rc;
}

/* New: into a frame. */
static enum err_code
put_new(struct writer *w, const struct put *p, const struct id *id,
    struct err *e)
{
	enum err_code rc = note_new(w, id, p->len_bytes, e);

	if (rc != ERR_NONE)
		return rc;
	keep(w, p, id, DELTA_CACHE_FIRST);
	return p->kind == STORE_DATA
	    ? put_data(w, p->bytes, p->len_bytes, id, e)
	    : put_page(w, p, id, e);
}

/* May anything be put at all? */
static enum err_code
admit(struct writer *w, size_t len_bytes, size_t refs_count, struct err *e)
{
	if (w->broken.code != ERR_NONE) {
		*e = w->broken;
		return e->code;
	}
	if (len_bytes > FRAME_RAW_MAX - 8 || refs_count > FRAME_REFS_MAX)
		return err_set(e, ERR_INPUT,
		    "a chunk of %zu bytes with %zu refs is too large",
		    len_bytes, refs_count);
	w->tally.chunks_count++;
	w->tally.raw_bytes += len_bytes;
	return ERR_NONE;
}

enum err_code
writer_put(struct writer *w, enum store_kind kind, const void *bytes,
    size_t len_bytes, const struct id *refs, size_t refs_count, struct id *id,
    struct err *e)
{
	const struct put p = {.kind = kind,
	    .bytes = bytes,
	    .len_bytes = len_bytes,
	    .refs = refs,
	    .refs_count = refs_count};

	ASSERT(kind >= STORE_DATA && kind <= STORE_LIST);
	ASSERT(kind != STORE_DATA || refs_count == 0);
	if (admit(w, len_bytes, refs_count, e) != ERR_NONE)
		return e->code;
	name(w, &p, id);
	if (writer_has(w, id))
		return ERR_NONE;
	return broke(w, put_new(w, &p, id, e), e);
}

enum err_code
writer_put_named(struct writer *w, const struct id *id, const void *bytes,
    size_t len_bytes, struct err *e)
{
	const struct put p = {.kind = STORE_DATA,
	    .bytes = bytes,
	    .len_bytes = len_bytes};

	if (admit(w, len_bytes, 0, e) != ERR_NONE)
		return e->code;
	if (writer_has(w, id))
		return ERR_NONE;
	return broke(w, put_new(w, &p, id, e), e);
}

/* --- New versions -------------------------------------------------------- */

static enum err_code
put_changed(struct writer *w, const struct id *id, const void *bytes,
    size_t len_bytes, struct err *e)
{
	enum err_code rc = note_new(w, id, len_bytes, e);

	if (rc == ERR_NONE && w->changed != NULL &&
	    (w->changed->chunks_count == FRAME_CHUNKS_MAX ||
		batch_bytes(w->changed) + len_bytes + BATCH_TABLE_BYTES >
		    FRAME_RAW_MAX))
		rc = ship(w, &w->changed, e);
	if (rc == ERR_NONE && w->changed == NULL)
		rc = take_batch(w, &w->changed, STORE_DATA, e);
	if (rc == ERR_NONE)
		rc = batch_add(w->changed, bytes, len_bytes, id, e);
	return rc;
}

enum err_code
writer_put_changed(struct writer *w, const struct id *id, const void *bytes,
    size_t len_bytes, struct err *e)
{
	const struct put p = {.kind = STORE_DATA,
	    .bytes = bytes,
	    .len_bytes = len_bytes};

	if (admit(w, len_bytes, 0, e) != ERR_NONE)
		return e->code;
	keep(w, &p, id, DELTA_CACHE_CHANGED);
	return broke(w, put_changed(w, id, bytes, len_bytes, e), e);
}

enum err_code
writer_changed_from(struct writer *w, const struct id *bases, size_t count,
    struct err *e)
{
	size_t half = frame_delta_bytes(&w->session->store->geometry) / 2;
	struct batch *b = w->changed;
	enum err_code rc = ERR_NONE;

	if (w->broken.code != ERR_NONE) {
		*e = w->broken;
		return e->code;
	}
	if (b == NULL)
		return ERR_NONE;
	rc = bases_add(&b->bases, w->session->store, bases, count, e);
	/* A few small runs share a frame; the next may be a whole one long. */
	if (rc == ERR_NONE &&
	    (batch_bytes(b) >= half || b->bases.count > FRAME_BASES_MAX / 2))
		rc = ship(w, &w->changed, e);
	return broke(w, rc, e);
}

void
writer_set_delta_cache(struct writer *w, struct delta_cache *dc)
{
	w->cache = dc;
	base_reader_cache(w->bases, dc);
}

enum err_code
writer_old_list(struct writer *w, const struct id *id, struct buf *body,
    struct buf *refs, struct err *e)
{
	OWNED(buf_fini) struct buf all = {0};
	struct store *st = w->session->store;
	struct le_reader r;
	const uint8_t *ids;
	uint32_t count;
	enum err_code rc;

	if (keyring_can_read(st->keyring))
		return store_get(st, STORE_LIST, id, body, refs, e);
	buf_clear(body);
	buf_clear(refs);
	if (w->cache == NULL)
		return err_set(e, ERR_KEY, "this key cannot read");
	rc = delta_cache_get(w->cache, w->id_keys[STORE_LIST], id, &all, e);
	if (rc != ERR_NONE)
		return rc;
	le_init(&r, all.bytes, all.len_bytes);
	count = le_take32(&r);
	ids = le_take(&r, (size_t)count * ID_BYTES);
	if (r.bad)
		return err_set(e, ERR_CORRUPT,
		    "a kept chunk list is cut short");
	rc = buf_add(refs, ids, (size_t)count * ID_BYTES, e);
	return rc == ERR_NONE ? buf_add(body, r.at, r.left_bytes, e) : rc;
}

bool
writer_has(struct writer *w, const struct id *id)
{
	return idset_has(&w->ids, id) || index_usable(w->session->store, id);
}

static enum err_code
flush(struct writer *w, struct err *e)
{
	enum err_code rc = ship(w, &w->filling, e);

	if (rc == ERR_NONE)
		rc = ship(w, &w->changed, e);
	if (rc == ERR_NONE)
		rc = pipeline_drain(w->pipeline, e);
	/* No batch is in flight: the appender's things are ours. */
	if (rc == ERR_NONE)
		rc = end_pack(w, false, e);
	if (rc == ERR_NONE)
		rc = end_pack(w, true, e);
	if (rc != ERR_NONE || w->landing.packs_count == 0)
		return rc;
	rc = landing_flush(&w->landing, e);
	if (rc == ERR_NONE)
		rc = store_refresh(w->session->store, e);
	if (rc == ERR_NONE)
		idset_clear(&w->ids);
	return rc;
}

enum err_code
writer_flush(struct writer *w, struct err *e)
{
	if (w->broken.code != ERR_NONE) {
		*e = w->broken;
		return e->code;
	}
	return broke(w, flush(w, e), e);
}

void
writer_tally(const struct writer *w, struct writer_tally *out)
{
	*out = w->tally;
	out->stored_bytes = w->stored_bytes;
}

struct session *
writer_session(struct writer *w)
{
	return w->session;
}
