#ifndef TESTS_SUPPORT_SINKFAKE_H
#define TESTS_SUPPORT_SINKFAKE_H

/*
 * A receiver's sink that keeps book instead of files, and asserts what the
 * receiver promises it: calls in order, no pack twice, never more than offered.
 * All of it stands here, so that a fuzz target needs nothing else.
 */

#include <string.h>

#include "../../lib/replicate/receiver.h"

#define SINKFAKE_PACKS_MAX 64

struct sinkfake {
	bool open, in_pack;
	enum err_code fail_open, fail_begin, fail_add, fail_end, fail_flush,
	    fail_file, fail_ack;
	struct id packs[SINKFAKE_PACKS_MAX]; /* whole ones */
	size_t packs_count, settled_count;
	struct id name;
	uint64_t size_bytes, got_bytes;
	unsigned epochs_count, snapshots_count, points_count, flushes_count,
	    wishes_count;
	struct buf said; /* types of the replies, in order */
	struct buf last; /* payload of the last reply */
};

static enum err_code
verdict(enum err_code code, struct err *e)
{
	return code == ERR_NONE ? ERR_NONE
				: err_set(e, code, "the fake says no");
}

static enum err_code
fake_open(void *ctx, const struct rmsg_hello *h, bool *created, struct err *e)
{
	struct sinkfake *f = ctx;

	ASSERT(!f->open && h->version == RMSG_VERSION);
	f->open = f->fail_open == ERR_NONE;
	*created = true;
	return verdict(f->fail_open, e);
}

/* Epoch 1 is fenced. */
static enum err_code
fake_epoch(void *ctx, const struct rmsg_epoch *m, struct err *e)
{
	struct sinkfake *f = ctx;

	ASSERT(f->open && !f->in_pack && m->epoch > 0);
	ASSERT(m->service[0] != '\0');
	f->epochs_count++;
	return verdict(m->epoch == 1 ? ERR_BUSY : ERR_NONE, e);
}

static bool
fake_has(void *ctx, enum rmsg_kind kind, const struct id *id)
{
	struct sinkfake *f = ctx;

	ASSERT(f->open);
	for (size_t i = 0; kind == RMSG_KIND_PACK && i < f->settled_count; i++)
		if (id_equal(&f->packs[i], id))
			return true;
	return id->bytes[0] == 0xaa; /* these it has from the beginning */
}

/* Of those named 0xbb.. there are two blocks, of 0xcc.. all, if so many. */
static uint64_t
fake_staged(void *ctx, const struct id *name, uint64_t size_bytes)
{
	struct sinkfake *f = ctx;

	ASSERT(f->open);
	if (name->bytes[0] == 0xcc)
		return size_bytes;
	return name->bytes[0] == 0xbb && size_bytes > 2 * RMSG_BLOCK_BYTES
	    ? 2 * RMSG_BLOCK_BYTES
	    : 0;
}

static enum err_code
fake_begin(void *ctx, const struct id *name, uint64_t size_bytes,
    uint64_t from_bytes, struct err *e)
{
	struct sinkfake *f = ctx;

	ASSERT(from_bytes <= size_bytes);
	ASSERT(from_bytes % RMSG_BLOCK_BYTES == 0 || from_bytes == size_bytes);

	ASSERT(f->open && !f->in_pack && size_bytes > 0);
	ASSERT(size_bytes <= RMSG_PACK_BYTES_MAX);
	f->in_pack = f->fail_begin == ERR_NONE;
	f->name = *name;
	f->size_bytes = size_bytes;
	f->got_bytes = from_bytes;
	return verdict(f->fail_begin, e);
}

static enum err_code
fake_add(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	struct sinkfake *f = ctx;
	volatile uint8_t sum = 0;

	ASSERT(f->in_pack && len_bytes > 0);
	for (size_t i = 0; i < len_bytes; i++)
		sum ^= ((const uint8_t *)bytes)[i]; /* all of it is there */
	(void)sum;
	f->got_bytes += len_bytes;
	ASSERT(f->got_bytes <= f->size_bytes);
	f->in_pack = f->fail_add == ERR_NONE;
	return verdict(f->fail_add, e);
}

/* It has those whose hash begins with 0xaa. */
static bool
fake_has_frame(void *ctx, const struct store_frame *frame)
{
	struct sinkfake *f = ctx;

	ASSERT(f->open && frame->len_bytes > 0);
	return frame->hash.bytes[0] == 0xaa;
}

static enum err_code
fake_add_frame(void *ctx, const struct store_frame *frame, struct err *e)
{
	struct sinkfake *f = ctx;

	ASSERT(f->in_pack && frame->len_bytes > 0);
	if (frame->hash.bytes[0] != 0xaa) {
		f->in_pack = false;
		return err_set(e, ERR_NOTFOUND, "no such frame");
	}
	f->got_bytes += frame->len_bytes;
	ASSERT(f->got_bytes <= f->size_bytes);
	f->in_pack = f->fail_add == ERR_NONE;
	return verdict(f->fail_add, e);
}

static enum err_code
fake_end(void *ctx, struct err *e)
{
	struct sinkfake *f = ctx;

	ASSERT(f->in_pack && f->got_bytes == f->size_bytes);
	f->in_pack = false;
	if (f->fail_end == ERR_NONE)
		f->packs[f->packs_count++ % SINKFAKE_PACKS_MAX] = f->name;
	if (f->packs_count == SINKFAKE_PACKS_MAX)
		f->packs_count = f->settled_count = 0;
	return verdict(f->fail_end, e);
}

static enum err_code
fake_flush(void *ctx, struct err *e)
{
	struct sinkfake *f = ctx;

	ASSERT(f->open && !f->in_pack);
	f->flushes_count++;
	if (f->fail_flush == ERR_NONE)
		f->settled_count = f->packs_count;
	return verdict(f->fail_flush, e);
}

/* R1's half that is the receiver's: what came before is settled. */
static enum err_code
fake_file(void *ctx, enum rmsg_kind kind, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct sinkfake *f = ctx;

	(void)bytes;
	ASSERT(f->open && !f->in_pack && f->settled_count == f->packs_count);
	ASSERT(len_bytes <= RMSG_FILE_BYTES_MAX);
	if (f->fail_file == ERR_NONE && kind == RMSG_KIND_SNAPSHOT)
		f->snapshots_count++;
	if (f->fail_file == ERR_NONE && kind == RMSG_KIND_POINT)
		f->points_count++;
	return verdict(f->fail_file, e);
}

/* Its word is the point's id. */
static enum err_code
fake_acknowledge(void *ctx, const struct rmsg_wish *m, struct buf *out,
    struct err *e)
{
	struct sinkfake *f = ctx;

	ASSERT(f->open && !f->in_pack && m->service[0] != '\0');
	ASSERT(out->len_bytes == 0);
	f->wishes_count++;
	return f->fail_ack == ERR_NONE
	    ? buf_add(out, m->point.bytes, ID_BYTES, e)
	    : verdict(f->fail_ack, e);
}

static enum err_code
fake_say(void *ctx, enum rmsg_type type, const struct buf *payload,
    struct err *e)
{
	struct sinkfake *f = ctx;
	size_t max;

	ASSERT(rmsg_max((uint8_t)type, &max) && payload->len_bytes <= max);
	ASSERT((uint8_t)type >= RMSG_WELCOME);
	buf_clear(&f->last);
	if (buf_add_byte(&f->said, (uint8_t)type, e) != ERR_NONE)
		return e->code;
	return buf_add(&f->last, payload->bytes, payload->len_bytes, e);
}

static inline void
sinkfake_init(struct sinkfake *f, struct receiver_sink *sink,
    struct receiver_voice *voice)
{
	memset(f, 0, sizeof(*f));
	*sink = (struct receiver_sink){.open = fake_open,
	    .epoch = fake_epoch,
	    .has = fake_has,
	    .staged = fake_staged,
	    .pack_begin = fake_begin,
	    .pack_add = fake_add,
	    .has_frame = fake_has_frame,
	    .pack_add_frame = fake_add_frame,
	    .pack_end = fake_end,
	    .flush = fake_flush,
	    .file = fake_file,
	    .acknowledge = fake_acknowledge,
	    .ctx = f};
	*voice = (struct receiver_voice){fake_say, f};
}

static inline void
sinkfake_fini(struct sinkfake *f)
{
	buf_fini(&f->said);
	buf_fini(&f->last);
}

#endif
