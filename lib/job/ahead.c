#include "ahead.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/pipeline.h>

#include "fsclock.h"

#define READERS_MAX 6 /* they wait for the disk more than they work */

struct batch {
	struct ahead_item items[AHEAD_ITEMS];
	size_t count, next;
	uint64_t promised_bytes; /* by what the walk saw */
	struct buf bytes;
	struct buf names; /* of all items, one by one */
};

/* What a thread needs to cut and name. */
struct hand {
	struct content_cutter *cutter; /* NULL: it does not */
	struct content_namer *namer;
};

/*
 * A batch is free, filling, in the pipeline or emptying.  One that is filling
 * when nothing else is left to take is read by the caller: a single changed
 * file is not worth a thread's waking up.
 */
struct ahead {
	struct pipeline *pipeline;
	struct batch *batches;
	struct batch *filling, *emptying; /* NULL: none */
	struct batch *free[AHEAD_BATCHES];
	size_t free_count, sent_count; /* of batches */
	struct hand hands[READERS_MAX + 1];
	struct hand *own; /* the caller's, behind the threads' */
};

/* --- one item --------------------------------------------------------------*/

static void
on_warning(void *arg, enum err_code code, const char *text)
{
	struct ahead_item *it = arg;
	struct err e;

	(void)code;
	if (buf_add(&it->warnings, text, strlen(text) + 1, &e) != ERR_NONE)
		it->code = ERR_NOMEM;
}

/* All of its content, behind what of the batch is there. */
static enum err_code
read_bytes(struct ahead_item *it, struct source_file *file, struct buf *bytes,
    struct err *e)
{
	uint64_t left_bytes = source_content_bytes(file);
	size_t begin = bytes->len_bytes;
	struct source_run run;
	enum err_code rc;

	rc = buf_reserve(bytes, (size_t)left_bytes, e);
	while (rc == ERR_NONE) {
		size_t room = (size_t)left_bytes - (bytes->len_bytes - begin);

		rc = source_read(file, bytes->bytes + bytes->len_bytes, room,
		    &run, e);
		if (rc != ERR_NONE || run.len_bytes == 0)
			break;
		bytes->len_bytes += run.len_bytes;
	}
	it->len_bytes = bytes->len_bytes - begin;
	return rc;
}

static enum err_code
read_once(struct ahead_item *it, uint64_t promised_bytes, struct buf *bytes,
    struct err *e)
{
	OWNED(source_close) struct source_file *file = NULL;
	struct arc_warn warn = {on_warning, it};
	enum err_code rc = source_open(&it->item, &file, warn, e);

	if (it->code == ERR_NOMEM)
		return err_nomem(e);
	if (rc != ERR_NONE || file == NULL)
		return rc;
	if (source_content_bytes(file) > AHEAD_BYTES &&
	    promised_bytes > AHEAD_BYTES) {
		it->file = TAKE(file);
		return rc;
	}
	it->is_left = source_content_bytes(file) > AHEAD_BYTES ||
	    bytes->len_bytes + source_content_bytes(file) > 2 * AHEAD_BYTES;
	if (it->is_left)
		return rc;
	rc = read_bytes(it, file, bytes, e);
	return rc == ERR_NONE ? source_finish(&file, e) : rc;
}

/* The chunks of what was read; no memory: the caller cuts. */
static void
cut_item(struct hand *h, struct ahead_item *it, const struct buf *read,
    size_t begin, struct buf *names)
{
	const uint8_t *bytes;
	size_t before_bytes = names->len_bytes, n;
	struct err e;

	it->names_count = 0;
	if (h->cutter == NULL || it->has_previous ||
	    it->len_bytes <= CONTENT_INLINE_BYTES)
		return;
	bytes = read->bytes + begin;
	content_cutter_reset(h->cutter);
	for (size_t at = 0; at < it->len_bytes; at += n) {
		struct content_name name = {.at_bytes = at};
		bool cut; /* or it ends with the file */

		n = content_cutter_scan(h->cutter, bytes + at,
		    it->len_bytes - at, &cut);
		name.len_bytes = n;
		content_writer_name(h->namer, &name, bytes + at);
		if (buf_add(names, &name, sizeof(name), &e) != ERR_NONE) {
			names->len_bytes = before_bytes;
			it->names_count = 0;
			return;
		}
		it->names_count++;
	}
}

static void
read_item(struct ahead_item *it, struct buf *bytes)
{
	uint64_t promised_bytes = it->item.entry.size_bytes;
	size_t begin = bytes->len_bytes;

	const uint64_t dev = it->item.dev;

	it->code = ERR_NONE;
	do {
		bytes->len_bytes = begin;
		it->len_bytes = 0;
		it->code = read_once(it, promised_bytes, bytes, &it->why);
		it->attempts++;
	} while (it->code == ERR_BUSY && it->attempts < AHEAD_ATTEMPTS);
	if (it->item.dev != dev)
		it->began_s = FSCLOCK_UNKNOWN; /* of another clock, then */
}

static void
read_batch(struct batch *b, struct hand *h)
{
	size_t at = 0, names = 0;
	struct err e;

	if (b->promised_bytes <= 2 * AHEAD_BYTES &&
	    buf_reserve(&b->bytes, (size_t)b->promised_bytes, &e) != ERR_NONE)
		b->promised_bytes = 0; /* the item that it is for will say so */
	for (size_t i = 0; i < b->count; i++) {
		struct ahead_item *it = &b->items[i];
		size_t begin = b->bytes.len_bytes;

		read_item(it, &b->bytes);
		cut_item(h, it, &b->bytes, begin, &b->names);
	}
	/* The buffers move no more. */
	for (size_t i = 0; i < b->count; i++) {
		struct ahead_item *it = &b->items[i];

		it->bytes = b->bytes.bytes == NULL ? NULL : b->bytes.bytes + at;
		it->names = it->names_count == 0
		    ? NULL
		    : (const struct content_name *)(const void *)
			    b->names.bytes +
			names;
		at += it->len_bytes;
		names += it->names_count;
	}
}

static enum err_code
read_stage(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct ahead *a = ctx;

	(void)e;
	read_batch(item, &a->hands[thread]);
	return ERR_NONE;
}

/* --- making and ending ---------------------------------------------------- */

static enum err_code
make_hands(struct ahead *a, const struct content_writer *cw, size_t count,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < count && cw != NULL && rc == ERR_NONE; i++) {
		rc = content_writer_namer(&a->hands[i].namer, cw, e);
		if (rc == ERR_NONE)
			rc = content_writer_cutter(&a->hands[i].cutter, cw, e);
	}
	return rc;
}

static enum err_code
start(struct ahead *a, const struct content_writer *cw, struct err *e)
{
	unsigned cores = pipeline_cores();
	struct pipeline_stage stage = {.run = read_stage,
	    .threads_count = 3 * cores < READERS_MAX ? 3 * cores : READERS_MAX};
	void *items[AHEAD_BATCHES];
	struct pipeline_plan plan = {.stages = &stage,
	    .stages_count = 1,
	    .items = items,
	    .items_count = AHEAD_BATCHES,
	    .ctx = a,
	    .collect = true};
	enum err_code rc = make_hands(a, cw, stage.threads_count + 1, e);

	if (rc != ERR_NONE)
		return rc;
	a->own = &a->hands[stage.threads_count];
	for (size_t i = 0; i < AHEAD_BATCHES; i++)
		items[i] = &a->batches[i];
	rc = pipeline_new(&a->pipeline, &plan, e);
	for (size_t i = 0; i < AHEAD_BATCHES && rc == ERR_NONE; i++) {
		void *item;

		rc = pipeline_take(a->pipeline, &item, e);
		a->free[a->free_count++] = item;
	}
	return rc;
}

enum err_code
ahead_new(struct ahead **out, const struct content_writer *cw, struct err *e)
{
	OWNED(ahead_free) struct ahead *a = calloc(1, sizeof(*a));
	enum err_code rc;

	*out = NULL;
	if (a == NULL)
		return err_nomem(e);
	a->batches = calloc(AHEAD_BATCHES, sizeof(*a->batches));
	if (a->batches == NULL)
		return err_nomem(e);
	if ((rc = start(a, cw, e)) != ERR_NONE)
		return rc;
	*out = TAKE(a);
	return ERR_NONE;
}

static void
item_end(struct ahead_item *it)
{
	source_close(&it->file);
	source_item_fini(&it->item);
	content_fini(&it->previous);
	buf_fini(&it->warnings);
}

void
ahead_free(struct ahead **ap)
{
	struct ahead *a = TAKE(*ap);

	if (a == NULL)
		return;
	pipeline_free(&a->pipeline);
	for (size_t i = 0; a->batches != NULL && i < AHEAD_BATCHES; i++) {
		for (size_t k = 0; k < AHEAD_ITEMS; k++)
			item_end(&a->batches[i].items[k]);
		buf_fini(&a->batches[i].bytes);
		buf_fini(&a->batches[i].names);
	}
	for (size_t i = 0; i < COUNT_OF(a->hands); i++) {
		content_cutter_free(&a->hands[i].cutter);
		content_writer_namer_free(&a->hands[i].namer);
	}
	free(a->batches);
	free(a);
}

/* --- sending and taking --------------------------------------------------- */

struct ahead_item *
ahead_slot(struct ahead *a)
{
	struct ahead_item *it;

	if (a->filling == NULL) {
		if (a->free_count == 0)
			return NULL;
		a->filling = a->free[--a->free_count];
	}
	it = &a->filling->items[a->filling->count];
	source_close(&it->file);
	content_fini(&it->previous);
	buf_clear(&it->warnings);
	it->code = ERR_NONE;
	it->is_left = false;
	it->attempts = 0;
	it->len_bytes = it->names_count = 0;
	return it;
}

static enum err_code
ship(struct ahead *a, struct err *e)
{
	a->sent_count++;
	return pipeline_put(a->pipeline, TAKE(a->filling), e);
}

enum err_code
ahead_send(struct ahead *a, struct err *e)
{
	struct batch *b = a->filling;
	const struct entry *entry = &b->items[b->count++].item.entry;

	b->promised_bytes += entry->size_bytes;
	return b->count == AHEAD_ITEMS || b->promised_bytes > AHEAD_BYTES
	    ? ship(a, e)
	    : ERR_NONE;
}

bool
ahead_holds(const struct ahead *a)
{
	return (a->filling != NULL && a->filling->count > 0) ||
	    a->sent_count > 0 ||
	    (a->emptying != NULL && a->emptying->next < a->emptying->count);
}

/* What the caller had of the batch is gone. */
static void
empty(struct ahead *a)
{
	struct batch *b = TAKE(a->emptying);

	b->count = b->next = 0;
	b->promised_bytes = 0;
	buf_clear(&b->bytes);
	buf_clear(&b->names);
	a->free[a->free_count++] = b;
}

/* The next batch to empty; NULL: none. */
static enum err_code
collect(struct ahead *a, struct err *e)
{
	enum err_code rc;
	void *item;

	if (a->sent_count > 0) {
		rc = pipeline_collect(a->pipeline, &item, e);
		a->emptying = item;
		a->sent_count -= item != NULL;
		return rc;
	}
	if (a->filling != NULL && a->filling->count > 0) {
		a->emptying = TAKE(a->filling);
		read_batch(a->emptying, a->own);
	}
	return ERR_NONE;
}

enum err_code
ahead_next(struct ahead *a, struct ahead_item **out, struct err *e)
{
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (a->emptying != NULL && a->emptying->next == a->emptying->count)
		empty(a);
	if (a->emptying == NULL)
		rc = collect(a, e);
	if (rc == ERR_NONE && a->emptying != NULL)
		*out = &a->emptying->items[a->emptying->next++];
	return rc;
}
