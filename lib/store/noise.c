#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "closure.h"
#include "frame.h"
#include "mark.h"

/*
 * Shares, in percent.  A quarter of what was there replaced, and as much of
 * what is there now new and incompressible, is no day's work, but a third of
 * the files encrypted is (they are then larger than they were stored).
 */
#define REPLACED_PERCENT   20 /* of the chunks that were named before */
#define NEW_RAW_PERCENT    25 /* of all stored bytes now */
#define RAW_OF_NEW_PERCENT 75 /* of the new bytes */
#define RAW_BEFORE_PERCENT 50 /* above: it never did compress */
#define GONE_PERCENT       75
#define CHUNKS_MIN         8 /* too few to say anything about */

/* What one root reaches. */
struct reach {
	uint8_t *bits;    /* a bit a record: of chunks */
	uint64_t *frames; /* pack and frame number; sorted, each once */
	size_t frames_count, frames_room;
	uint64_t chunks_count;
};

static void
reach_fini(struct reach *r)
{
	free(r->bits);
	free(r->frames);
}

static bool
has(const struct reach *r, uint64_t ordinal)
{
	return (r->bits[ordinal / 8] >> ordinal % 8 & 1) != 0;
}

static enum err_code
found(void *ctx, const struct index_copy *copy,
    const struct index_copy *base_of, struct err *e)
{
	struct reach *r = ctx;
	const uint64_t frame = (uint64_t)copy->number << 32 | copy->frame;

	if (copy->kind != STORE_DATA || base_of != NULL ||
	    has(r, copy->ordinal))
		return ERR_NONE;
	r->bits[copy->ordinal / 8] |= (uint8_t)(1u << copy->ordinal % 8);
	r->chunks_count++;
	if (r->frames_count > 0 && r->frames[r->frames_count - 1] == frame)
		return ERR_NONE;
	if (r->frames_count == r->frames_room) {
		size_t room = r->frames_room * 2 + 256;
		uint64_t *more = reallocarray(r->frames, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		r->frames = more;
		r->frames_room = room;
	}
	r->frames[r->frames_count++] = frame;
	return ERR_NONE;
}

static enum err_code
broken(void *ctx, const struct id *id, const struct id *parent, struct err *why)
{
	(void)ctx;
	(void)id;
	(void)parent;
	return why->code;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static enum err_code
reach_root(struct reach *r, struct store *st, const struct id *root,
    struct err *e)
{
	OWNED(closure_fini)
	struct closure c = {.store = st,
	    .found = found,
	    .broken = broken,
	    .ctx = r};
	size_t kept = 0;
	enum err_code rc;

	r->bits = calloc(index_records_count(st) / 8 + 1, 1);
	if (r->bits == NULL)
		return err_nomem(e);
	rc = closure_walk(&c, root, e);
	if (rc != ERR_NONE || r->frames_count == 0)
		return rc;
	qsort(r->frames, r->frames_count, sizeof(*r->frames), compare);
	for (size_t i = 0; i < r->frames_count; i++)
		if (kept == 0 || r->frames[kept - 1] != r->frames[i])
			r->frames[kept++] = r->frames[i];
	r->frames_count = kept;
	return ERR_NONE;
}

/* Of chunks: in a and not in b. */
static uint64_t
lacking(const struct reach *a, const struct reach *b, size_t bytes_count)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bytes_count; i++)
		n += (uint64_t)__builtin_popcount(
		    (unsigned)(a->bits[i] & ~b->bits[i]));
	return n;
}

/* --- frames -------------------------------------------------------------------- */

static enum err_code
look_at(struct mark_opened *o, uint64_t frame, uint32_t *len_bytes, bool *raw,
    struct err *e)
{
	uint8_t head[FRAME_FIXED_BYTES];
	struct pack_frame row;
	struct frame_view v;
	enum err_code rc = mark_open(o, (uint32_t)(frame >> 32), e);

	if (rc != ERR_NONE)
		return rc;
	if ((uint32_t)frame >= o->footer.frames_count)
		return err_set(e, ERR_CORRUPT, "a pack lacks a frame");
	pack_footer_frame(&o->footer, (uint32_t)frame, &row);
	rc = fdio_pread(o->pack.fd, head, sizeof(head), row.offset_bytes, e);
	if (rc == ERR_NONE)
		rc = frame_parse_head(&v, head, row.len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	*len_bytes = row.len_bytes;
	*raw = v.codec == FRAME_RAW;
	return ERR_NONE;
}

static enum err_code
weigh(struct noise *n, struct store *st, const struct reach *now,
    const struct reach *before, struct err *e)
{
	OWNED(mark_opened_fini) struct mark_opened o = {.store = st};
	uint32_t len;
	bool raw;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < now->frames_count; i++) {
		rc = look_at(&o, now->frames[i], &len, &raw, e);
		if (rc != ERR_NONE)
			return rc;
		n->bytes += len;
		if (before->frames_count > 0 &&
		    bsearch(&now->frames[i], before->frames,
			before->frames_count, sizeof(uint64_t),
			compare) != NULL)
			continue;
		n->new_bytes += len;
		n->new_raw_bytes += raw ? len : 0;
	}
	for (size_t i = 0; rc == ERR_NONE && i < before->frames_count; i++) {
		rc = look_at(&o, before->frames[i], &len, &raw, e);
		n->bytes_before += rc == ERR_NONE ? len : 0;
		n->raw_bytes_before += rc == ERR_NONE && raw ? len : 0;
	}
	return rc;
}

/* --- the verdict ----------------------------------------------------------------- */

static bool
is_share(uint64_t part, uint64_t whole, unsigned percent)
{
	return whole > 0 && part / percent >= whole / 100 &&
	    part * 100 >= whole * percent;
}

static bool
is_encrypted(const struct noise *n)
{
	return n->chunks_before_count >= CHUNKS_MIN &&
	    is_share(n->chunks_gone_count, n->chunks_before_count,
		REPLACED_PERCENT) &&
	    is_share(n->new_raw_bytes, n->bytes, NEW_RAW_PERCENT) &&
	    is_share(n->new_raw_bytes, n->new_bytes, RAW_OF_NEW_PERCENT) &&
	    !is_share(n->raw_bytes_before, n->bytes_before, RAW_BEFORE_PERCENT);
}

static bool
is_gone(const struct noise *n)
{
	return n->chunks_before_count >= CHUNKS_MIN &&
	    is_share(n->chunks_gone_count, n->chunks_before_count,
		GONE_PERCENT) &&
	    !is_share(n->chunks_count, n->chunks_before_count,
		100 - GONE_PERCENT);
}

/*
 * It is an earlier one again: its very root, or what has changed since that was
 * undone but for a quarter.
 */
static enum err_code
look_back(struct noise *n, struct store *st, const struct noise_roots *roots,
    const struct reach *now, const struct reach *before, struct err *e)
{
	const size_t size = (size_t)(index_records_count(st) / 8 + 1);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < roots->older_count; i++) {
		OWNED(reach_fini) struct reach then = {0};
		uint64_t was, is;

		if (id_equal(&roots->older[i], &roots->before))
			continue;
		if (id_equal(&roots->older[i], &roots->root)) {
			n->verdict = NOISE_BACK;
			return ERR_NONE;
		}
		rc = reach_root(&then, st, &roots->older[i], e);
		if (rc != ERR_NONE)
			return rc;
		was =
		    lacking(before, &then, size) + lacking(&then, before, size);
		is = lacking(now, &then, size) + lacking(&then, now, size);
		if (was >= CHUNKS_MIN && is * 4 <= was)
			n->verdict = NOISE_BACK;
	}
	return rc;
}

enum err_code
noise_judge(struct noise *out, struct store *st,
    const struct noise_roots *roots, struct err *e)
{
	OWNED(reach_fini) struct reach now = {0};
	OWNED(reach_fini) struct reach before = {0};
	const size_t size = (size_t)(index_records_count(st) / 8 + 1);
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (id_equal(&roots->root, &roots->before))
		return ERR_NONE;
	rc = reach_root(&now, st, &roots->root, e);
	if (rc == ERR_NONE)
		rc = reach_root(&before, st, &roots->before, e);
	if (rc == ERR_NONE)
		rc = weigh(out, st, &now, &before, e);
	if (rc != ERR_NONE)
		return rc;
	out->chunks_count = now.chunks_count;
	out->chunks_before_count = before.chunks_count;
	out->chunks_gone_count = lacking(&before, &now, size);
	if (is_encrypted(out))
		out->verdict = NOISE_ENCRYPTED;
	else if (is_gone(out))
		out->verdict = NOISE_GONE;
	else
		rc = look_back(out, st, roots, &now, &before, e);
	return rc;
}

static unsigned
percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (unsigned)(part / (whole / 100 + 1));
}

const char *
noise_text(const struct noise *n, char out[NOISE_TEXT_BYTES])
{
	switch (n->verdict) {
	case NOISE_ENCRYPTED:
		snprintf(out, NOISE_TEXT_BYTES,
		    "it turned to noise: %llu of %llu pieces were replaced, "
		    "and about %u%% of what is stored is new and does not "
		    "compress",
		    (unsigned long long)n->chunks_gone_count,
		    (unsigned long long)n->chunks_before_count,
		    percent(n->new_raw_bytes, n->bytes));
		break;
	case NOISE_GONE:
		snprintf(out, NOISE_TEXT_BYTES,
		    "nearly all is gone: %llu of %llu pieces",
		    (unsigned long long)n->chunks_gone_count,
		    (unsigned long long)n->chunks_before_count);
		break;
	case NOISE_BACK:
		snprintf(out, NOISE_TEXT_BYTES,
		    "it went backwards: it is what an earlier one was");
		break;
	case NOISE_NONE:
	default: out[0] = '\0';
	}
	return out;
}
