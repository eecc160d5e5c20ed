#include "cachefinder.h"

#include <stdlib.h>

#include <bascule/base/fdio.h>

/*
 * Slots are probed one behind the other, and a table is at most three quarters
 * full.  Files of one directory have neighbouring records, so what is asked for
 * is mostly one of the next few.
 */
#define NEAR_COUNT  16
#define PROBE_SLOTS 16 /* read at once; a power of two, at most SLOTS_MIN */

_Static_assert(PROBE_SLOTS <= CACHE_SLOTS_MIN, "a probe lies in the table");

static uint64_t
hash_of(const uint8_t stat[CACHE_STAT_BYTES])
{
	uint64_t h = le_get64(stat) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ le_get64(stat + 8)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

/* --- writing --------------------------------------------------------------- */

void
cachefinder_table_fini(struct cachefinder_table *t)
{
	free(t->slots);
	*t = (struct cachefinder_table){0};
}

bool
cachefinder_table_is_full(const struct cachefinder_table *t)
{
	return t->count == CACHE_SLOTS_MAX / 4 * 3;
}

/* first: where its hash belongs, of the whole table. */
static void
put_slot(uint8_t *slots, uint32_t slots_count, uint32_t first,
    const uint8_t slot[CACHE_SLOT_BYTES])
{
	uint32_t i = first & (slots_count - 1);

	while (le_get64(slots + (size_t)i * CACHE_SLOT_BYTES + 8) != 0)
		i = (i + 1) & (slots_count - 1);
	memcpy(slots + (size_t)i * CACHE_SLOT_BYTES, slot, CACHE_SLOT_BYTES);
}

enum err_code
cachefinder_table_add(struct cachefinder_table *t,
    const uint8_t stat[CACHE_STAT_BYTES], uint64_t block_at, uint32_t ordinal,
    struct err *e)
{
	uint8_t slot[CACHE_SLOT_BYTES];
	uint64_t h = hash_of(stat);

	ASSERT(!cachefinder_table_is_full(t) && block_at != 0);
	if (t->slots == NULL &&
	    (t->slots = calloc(CACHE_SLOTS_MAX, CACHE_SLOT_BYTES)) == NULL)
		return err_nomem(e);
	le_put32(slot, (uint32_t)h);
	le_put32(slot + 4, ordinal);
	le_put64(slot + 8, block_at);
	put_slot(t->slots, CACHE_SLOTS_MAX, (uint32_t)h, slot);
	t->count++;
	return ERR_NONE;
}

enum err_code
cachefinder_table_take(struct cachefinder_table *t, struct buf *out,
    struct err *e)
{
	uint32_t slots_count = CACHE_SLOTS_MIN;
	size_t whole = (size_t)CACHE_SLOTS_MAX * CACHE_SLOT_BYTES;
	uint8_t *to;
	enum err_code rc;

	while (slots_count / 4 * 3 < t->count)
		slots_count *= 2;
	rc = buf_extend(out, (size_t)slots_count * CACHE_SLOT_BYTES, &to, e);
	if (rc != ERR_NONE)
		return rc;
	memset(to, 0, (size_t)slots_count * CACHE_SLOT_BYTES);
	for (size_t at = 0; at < whole && t->count > 0; at += CACHE_SLOT_BYTES)
		if (le_get64(t->slots + at + 8) != 0)
			put_slot(to, slots_count, le_get32(t->slots + at),
			    t->slots + at);
	if (t->slots != NULL)
		memset(t->slots, 0, whole);
	t->count = 0;
	return ERR_NONE;
}

/* --- reading --------------------------------------------------------------- */

void
cachefinder_forget(struct cachefinder *f)
{
	f->look.fd = -1; /* the layer's */
	f->look.only = NULL;
	cachelayer_fini(&f->look);
	f->of = NULL;
	f->table = 0;
}

static bool
is_it(const struct cachelayer *l, const uint8_t stat[CACHE_STAT_BYTES])
{
	return l->valid && memcmp(l->stat, stat, CACHE_STAT_BYTES) == 0;
}

/* One of the next max records of the block. */
static bool
is_ahead(struct cachelayer *l, const uint8_t stat[CACHE_STAT_BYTES],
    uint32_t max)
{
	while (l->valid && max-- > 0 && l->index + 1 < l->block.records_count) {
		cachelayer_next(l);
		if (is_it(l, stat))
			return true;
	}
	return false;
}

/* Is it in the block that a slot says?  Only if that is believed. */
static bool
is_in_block(struct cachefinder *f, const uint8_t slot[CACHE_SLOT_BYTES],
    const uint8_t stat[CACHE_STAT_BYTES])
{
	uint64_t ordinal = le_get32(slot + 4), at = le_get64(slot + 8);

	if ((f->of->only != NULL && !cachefile_bit(f->of->only, ordinal)) ||
	    !cachelayer_enter(&f->look, at))
		return false;
	return is_it(&f->look, stat) || is_ahead(&f->look, stat, UINT32_MAX);
}

/* 1: found; 0: not among these slots, look on; -1: it is not in the table. */
static int
probe(struct cachefinder *f, const uint8_t *slots, uint32_t count, uint32_t key,
    const uint8_t stat[CACHE_STAT_BYTES])
{
	for (; count > 0; count--, slots += CACHE_SLOT_BYTES) {
		if (le_get64(slots + 8) == 0)
			return -1;
		if (le_get32(slots) == key && is_in_block(f, slots, stat))
			return 1;
	}
	return 0;
}

static bool
is_in_table(struct cachefinder *f, const struct cachetable *t,
    const uint8_t stat[CACHE_STAT_BYTES])
{
	uint8_t slots[PROBE_SLOTS * CACHE_SLOT_BYTES];
	uint32_t key = (uint32_t)hash_of(stat), i = key & (t->slots_count - 1);
	struct err e;
	int found = 0;

	for (uint32_t seen = 0; found == 0 && seen < t->slots_count;) {
		uint32_t base = i & ~(uint32_t)(PROBE_SLOTS - 1);
		uint32_t skip = i - base;

		if (fdio_pread(f->of->fd, slots, sizeof slots,
			t->at + (uint64_t)base * CACHE_SLOT_BYTES,
			&e) != ERR_NONE)
			return false;
		found = probe(f, slots + (size_t)skip * CACHE_SLOT_BYTES,
		    PROBE_SLOTS - skip, key, stat);
		seen += PROBE_SLOTS - skip;
		i = (base + PROBE_SLOTS) & (t->slots_count - 1);
	}
	return found > 0;
}

static void
look_into(struct cachefinder *f, const struct cachelayer *l)
{
	cachefinder_forget(f);
	f->of = l;
	f->look.fd = l->fd;
	f->look.end_at = l->end_at;
}

bool
cachefinder_find(struct cachefinder *f, const struct cachelayer *l,
    const uint8_t stat[CACHE_STAT_BYTES])
{
	const struct cachetable *tables =
	    (const struct cachetable *)(const void *)l->tables.bytes;
	size_t count = l->tables.len_bytes / sizeof(*tables);

	if (f->of != l)
		look_into(f, l);
	if (is_ahead(&f->look, stat, NEAR_COUNT))
		return true;
	for (size_t i = 0; i < count; i++) {
		size_t which = (f->table + i) % count;

		if (is_in_table(f, &tables[which], stat)) {
			f->table = which;
			return true;
		}
	}
	return false;
}
