#include "previous.h"

#include <string.h>

#include "frame.h"
#include "trees.h"

/*
 * P1. Positions are ordinals of chunks in the old version.  The window holds
 *     [first, first + count) of them: BEHIND_MAX behind the place we should be
 *     at, AHEAD_MIN or more before it, however large the file.
 * P2. An id that stands twice in the window is no anchor, except where it is
 *     expected: zeros are everywhere.
 */
#define WINDOW_PIECES 4096
#define BEHIND_MAX    1024
#define AHEAD_MIN     1024
#define SLOTS         (4 * WINDOW_PIECES) /* a power of two */
#define PREFIX_BYTES  ((uint64_t)4 << 20)

_Static_assert(2 * WINDOW_PIECES <= UINT16_MAX, "what a slot holds");
_Static_assert(PREFIX_BYTES <= FRAME_PREFIX_MAX, "what a frame may have");

struct old {
	struct content_piece piece;
	uint64_t offset_bytes;
};

struct level {
	struct clist *list; /* made at first use */
	size_t at;
};

struct previous {
	struct writer *writer;
	/* where the next old chunks come from */
	struct content_piece pieces[CONTENT_PIECES_MAX];
	size_t pieces_count, pieces_at;
	struct level levels[CLIST_LEVEL_MAX + 1];
	size_t levels_count; /* open; 0: pieces are chunks, or the list ended */
	bool is_list, ended;
	uint64_t total_bytes,
	    read_bytes; /* of all; of what was in the window */
	/* the window */
	struct old *window; /* WINDOW_PIECES */
	uint16_t *slots;    /* as index_window says */
	uint64_t first;
	size_t count;
	/* where we are: behind the last anchor, and new bytes since */
	uint64_t cursor, anchor_bytes, since_bytes;
	/* between the last anchor and the one before */
	uint64_t gap_bytes, gap_old_bytes, gap_new_bytes;
	struct buf body, refs;
};

enum err_code
previous_new(struct previous **out, struct writer *w, struct err *e)
{
	OWNED(previous_free) struct previous *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (p == NULL)
		return err_nomem(e);
	p->writer = w;
	p->ended = true;
	p->window = calloc(WINDOW_PIECES, sizeof(*p->window));
	p->slots = calloc(SLOTS, sizeof(*p->slots));
	if (p->window == NULL || p->slots == NULL)
		return err_nomem(e);
	*out = TAKE(p);
	return ERR_NONE;
}

void
previous_free(struct previous **pp)
{
	struct previous *p = TAKE(*pp);

	if (p == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(p->levels); i++)
		free(p->levels[i].list);
	free(p->window);
	free(p->slots);
	buf_fini(&p->body);
	buf_fini(&p->refs);
	free(p);
}

bool
previous_is_known(const struct previous *p)
{
	return p->pieces_count > 0;
}

/* --- the old chunks, one after the other ----------------------------------- */

/* Open a list below those that are open.  False: it cannot be had. */
static bool
descend(struct previous *p, const struct content_piece *piece)
{
	struct level *l = &p->levels[p->levels_count];
	struct err e;

	if (p->levels_count == COUNT_OF(p->levels))
		return false;
	if (l->list == NULL && (l->list = malloc(sizeof(*l->list))) == NULL)
		return false;
	if (writer_old_list(p->writer, &piece->id, &p->body, &p->refs, &e) !=
		ERR_NONE ||
	    clist_decode(l->list, &p->body, &p->refs, &e) != ERR_NONE)
		return false;
	if (p->levels_count > 0 && l[-1].list->level != l->list->level + 1)
		return false;
	l->at = 0;
	p->levels_count++;
	return true;
}

/* The next old chunk.  False: there are no more, or they cannot be known. */
static bool
take(struct previous *p, struct content_piece *out)
{
	if (!p->is_list && p->pieces_at < p->pieces_count) {
		*out = p->pieces[p->pieces_at++];
		return true;
	}
	if (p->is_list && p->pieces_at == 0) {
		p->pieces_at = 1;
		if (!descend(p, &p->pieces[0]))
			return false;
	}
	while (p->levels_count > 0) {
		struct level *l = &p->levels[p->levels_count - 1];

		if (l->at == l->list->count) {
			p->levels_count--;
			continue;
		}
		*out = l->list->children[l->at++];
		if (l->list->level == 0)
			return true;
		if (!descend(p, out))
			return false;
	}
	return false;
}

/* --- the window ------------------------------------------------------------ */

static uint16_t *
slot_of(const struct previous *p, const struct id *id)
{
	size_t at = le_get32(id->bytes + 4) & (SLOTS - 1);

	while (p->slots[at] != 0 &&
	    !id_equal(&p->window[(p->slots[at] - 1) % WINDOW_PIECES].piece.id,
		id))
		at = (at + 1) & (SLOTS - 1);
	return &p->slots[at];
}

/*
 * A slot holds 0 or a position + 1, and WINDOW_PIECES more than that if the id
 * stands elsewhere too (P2).
 */
static void
index_window(struct previous *p)
{
	memset(p->slots, 0, SLOTS * sizeof(*p->slots));
	for (size_t i = 0; i < p->count; i++) {
		uint16_t *slot = slot_of(p, &p->window[i].piece.id);

		if (*slot == 0)
			*slot = (uint16_t)(i + 1);
		else if (*slot <= WINDOW_PIECES)
			*slot = (uint16_t)(*slot + WINDOW_PIECES);
	}
}

static void
fill(struct previous *p)
{
	while (!p->ended && p->count < WINDOW_PIECES) {
		struct old *o = &p->window[p->count];

		if (!take(p, &o->piece)) {
			p->ended = true;
			break;
		}
		o->offset_bytes = p->read_bytes;
		p->read_bytes += o->piece.len_bytes;
		p->count++;
	}
	index_window(p);
}

/* The first in the window that ends behind an offset; count: none. */
static size_t
at_offset(const struct previous *p, uint64_t offset_bytes)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct old *o = &p->window[mid];

		if (o->offset_bytes + o->piece.len_bytes > offset_bytes)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* Move the window along (P1). */
static void
follow(struct previous *p)
{
	size_t here, drop;

	while (!p->ended) {
		here = at_offset(p, p->anchor_bytes + p->since_bytes);
		if (p->count - here >= AHEAD_MIN)
			return;
		drop = here > BEHIND_MAX ? here - BEHIND_MAX : 0;
		p->count -= drop;
		p->first += drop;
		memmove(p->window, p->window + drop,
		    p->count * sizeof(*p->window));
		fill(p);
	}
}

void
previous_begin(struct previous *p, const struct content *c)
{
	p->pieces_count = p->pieces_at = p->levels_count = p->count = 0;
	p->first = p->cursor = 0;
	p->total_bytes = p->read_bytes = 0;
	p->anchor_bytes = p->since_bytes = 0;
	p->gap_bytes = p->gap_old_bytes = p->gap_new_bytes = 0;
	p->ended = true;
	if (c == NULL || c->pieces_count == 0 ||
	    c->pieces_count > CONTENT_PIECES_MAX)
		return;
	memcpy(p->pieces, c->pieces, c->pieces_count * sizeof(*c->pieces));
	p->pieces_count = c->pieces_count;
	p->is_list = c->is_list;
	for (size_t i = 0; i < c->pieces_count; i++)
		p->total_bytes += c->pieces[i].len_bytes;
	p->ended = false;
	fill(p);
}

/* --- in step ---------------------------------------------------------------- */

static const struct old *
at_cursor(const struct previous *p)
{
	return p->cursor >= p->first && p->cursor - p->first < p->count
	    ? &p->window[p->cursor - p->first]
	    : NULL;
}

uint64_t
previous_expect(struct previous *p, struct id *id)
{
	const struct old *o;

	if (p->since_bytes != 0)
		return 0;
	follow(p);
	o = at_cursor(p);
	if (o == NULL || o->offset_bytes + o->piece.len_bytes >= p->total_bytes)
		return 0;
	*id = o->piece.id;
	return o->piece.len_bytes;
}

static const struct old *
find(const struct previous *p, const struct id *id)
{
	const struct old *o = at_cursor(p);
	uint16_t slot;

	if (o != NULL && id_equal(&o->piece.id, id))
		return o;
	slot = *slot_of(p, id);
	return slot == 0 || slot > WINDOW_PIECES ? NULL : &p->window[slot - 1];
}

bool
previous_meet(struct previous *p, const struct id *id, uint64_t len_bytes)
{
	const struct old *o;

	follow(p);
	o = find(p, id);
	if (o == NULL || o->piece.len_bytes != len_bytes) {
		p->since_bytes += len_bytes;
		return false;
	}
	p->gap_bytes = p->anchor_bytes;
	p->gap_new_bytes = p->since_bytes;
	p->gap_old_bytes = o->offset_bytes > p->anchor_bytes
	    ? o->offset_bytes - p->anchor_bytes
	    : 0;
	p->cursor = p->first + (size_t)(o - p->window) + 1;
	p->anchor_bytes = o->offset_bytes + len_bytes;
	p->since_bytes = 0;
	return true;
}

/* All of [from, to) of the old, or both ends of it if that is too much. */
static size_t
collect(const struct previous *p, uint64_t from_bytes, uint64_t to_bytes,
    struct id *out, size_t max)
{
	size_t begin = at_offset(p, from_bytes), end = begin, n = 0;
	uint64_t sum = 0;

	while (end < p->count && p->window[end].offset_bytes < to_bytes)
		end++;
	for (size_t i = begin; i < end && n < max; i++) {
		const struct old *o = &p->window[i];

		if (end - i > max - n && n == max / 2)
			i = end - (max - n); /* the middle is left out */
		o = &p->window[i];
		sum += o->piece.len_bytes;
		if (n > 0 && sum > PREFIX_BYTES)
			break;
		out[n++] = o->piece.id;
	}
	return n;
}

size_t
previous_between(struct previous *p, uint64_t from_bytes, uint64_t to_bytes,
    bool met, struct id *out, size_t max)
{
	uint64_t base = met ? p->gap_bytes : p->anchor_bytes;
	uint64_t more, less;

	if (!met)
		return collect(p, base + from_bytes, base + to_bytes, out, max);
	/* What was inserted or taken out may have been anywhere in the gap. */
	more = p->gap_old_bytes > p->gap_new_bytes
	    ? p->gap_old_bytes - p->gap_new_bytes
	    : 0;
	less = p->gap_new_bytes > p->gap_old_bytes
	    ? p->gap_new_bytes - p->gap_old_bytes
	    : 0;
	from_bytes = from_bytes > less ? from_bytes - less : 0;
	to_bytes += more;
	if (to_bytes > p->gap_old_bytes)
		to_bytes = p->gap_old_bytes;
	return collect(p, base + from_bytes, base + to_bytes, out, max);
}

size_t
previous_foresee(const struct previous *p, uint64_t next_bytes,
    uint64_t at_bytes, uint64_t len_bytes, struct content_name *out, size_t max)
{
	/* Modulo 2^64: what was put in or taken out before moved all of it. */
	uint64_t shift = next_bytes - (p->anchor_bytes + p->since_bytes);
	size_t n = 0;

	for (size_t i = at_offset(p, at_bytes - shift); i < p->count && n < max;
	     i++) {
		const struct old *o = &p->window[i];
		uint64_t at = o->offset_bytes + shift;

		if (at < at_bytes)
			continue; /* it begins before them */
		if (at - at_bytes > len_bytes ||
		    o->piece.len_bytes > len_bytes - (at - at_bytes))
			break;
		out[n++] = (struct content_name){.at_bytes = at,
		    .len_bytes = o->piece.len_bytes};
	}
	return n;
}
