#include "chunker.h"

#include <bascule/base/le.h>

/*
 * h = (h << 1) + gear[byte]: the top bits of h depend on the last 64 bytes and
 * on nothing before.  So hashing begins WINDOW bytes before the minimum, and
 * four places of a chunk can be hashed at once: the processor does four chains
 * of additions in the time of one.
 */
#define WINDOW     64
#define LANES      4
#define LANE_BYTES 2048
#define GEAR_BYTES (256 * 8)

struct chunker {
	uint64_t gear[256];
	uint64_t hash;
	uint32_t min_bytes, mean_bytes, max_bytes;
	uint32_t at_bytes;   /* of the current chunk, so far */
	uint64_t hard, easy; /* masks before and behind the mean */
};

static uint64_t
top_mask(unsigned bits)
{
	return ~UINT64_C(0) << (64 - bits);
}

enum err_code
chunker_new(struct chunker **out, const struct secret *key,
    const struct store_geometry *g, struct err *e)
{
	OWNED(chunker_free) struct chunker *c = NULL;
	OWNED(secret_fini) struct secret gear = {0};
	unsigned bits = (unsigned)__builtin_ctz(g->chunk_mean_bytes);
	enum err_code rc;

	*out = NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return err_nomem(e);
	rc = hash_derive(key, "bascule gear v1", GEAR_BYTES, &gear, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < COUNT_OF(c->gear); i++)
		c->gear[i] = le_get64(gear.bytes + i * 8);
	c->min_bytes = g->chunk_min_bytes;
	c->mean_bytes = g->chunk_mean_bytes;
	c->max_bytes = g->chunk_max_bytes;
	c->hard = top_mask(bits + 2);
	c->easy = top_mask(bits - 2);
	*out = TAKE(c);
	return ERR_NONE;
}

void
chunker_free(struct chunker **cp)
{
	struct chunker *c = TAKE(*cp);

	if (c == NULL)
		return;
	secret_wipe(c, sizeof(*c)); /* the table is as good as the key */
	free(c);
}

void
chunker_reset(struct chunker *c)
{
	c->at_bytes = 0;
	c->hash = 0;
}

/* Hash n bytes of which none may end a chunk. */
static void
warm(struct chunker *c, const uint8_t *at, size_t n)
{
	uint64_t h = c->hash;

	for (size_t i = 0; i < n; i++)
		h = (h << 1) + c->gear[at[i]];
	c->hash = h;
}

/* How many of n bytes up to and with the first that ends the chunk, or n. */
static size_t
scan_one(struct chunker *c, const uint8_t *at, size_t n, uint64_t mask,
    bool *cut)
{
	uint64_t h = c->hash;

	for (size_t i = 0; i < n; i++) {
		h = (h << 1) + c->gear[at[i]];
		if ((h & mask) == 0) {
			*cut = true;
			return i + 1;
		}
	}
	c->hash = h;
	return n;
}

/*
 * Does any of LANES * LANE_BYTES bytes end the chunk?  If none, c->hash has
 * passed them.
 */
static bool
scan_lanes(struct chunker *c, const uint8_t *at, uint64_t mask)
{
	const uint64_t *gear = c->gear;
	const uint8_t *a = at, *b = a + LANE_BYTES;
	const uint8_t *d = b + LANE_BYTES, *f = d + LANE_BYTES;
	uint64_t ha = c->hash, hb = 0, hd = 0, hf = 0;

	for (int i = -WINDOW; i < 0; i++) {
		hb = (hb << 1) + gear[b[i]];
		hd = (hd << 1) + gear[d[i]];
		hf = (hf << 1) + gear[f[i]];
	}
	for (size_t i = 0; i < LANE_BYTES; i++) {
		ha = (ha << 1) + gear[a[i]];
		hb = (hb << 1) + gear[b[i]];
		hd = (hd << 1) + gear[d[i]];
		hf = (hf << 1) + gear[f[i]];
		if (__builtin_expect((ha & mask) == 0 || (hb & mask) == 0 ||
			    (hd & mask) == 0 || (hf & mask) == 0,
			0))
			return true;
	}
	c->hash = hf;
	return false;
}

static size_t
scan(struct chunker *c, const uint8_t *at, size_t n, uint64_t mask, bool *cut)
{
	const size_t block = (size_t)LANES * LANE_BYTES;
	size_t i = 0;

	while (n - i >= block && !scan_lanes(c, at + i, mask))
		i += block;
	return i + scan_one(c, at + i, n - i, mask, cut);
}

/* Of len_bytes bytes, those before the chunk has end_bytes. */
static size_t
until(const struct chunker *c, uint32_t end_bytes, size_t len_bytes)
{
	size_t left = end_bytes > c->at_bytes ? end_bytes - c->at_bytes : 0;

	return left < len_bytes ? left : len_bytes;
}

size_t
chunker_scan(struct chunker *c, const void *bytes, size_t len_bytes, bool *cut)
{
	const uint8_t *at = bytes;
	size_t used, n;

	*cut = false;
	/* The byte that makes the minimum may be the last one. */
	used = until(c, c->min_bytes - 1 - WINDOW, len_bytes);
	c->at_bytes += (uint32_t)used;
	n = until(c, c->min_bytes - 1, len_bytes - used);
	warm(c, at + used, n);
	c->at_bytes += (uint32_t)n;
	used += n;
	n = until(c, c->mean_bytes, len_bytes - used);
	n = scan(c, at + used, n, c->hard, cut);
	c->at_bytes += (uint32_t)n;
	used += n;
	if (!*cut) {
		n = until(c, c->max_bytes, len_bytes - used);
		n = scan(c, at + used, n, c->easy, cut);
		c->at_bytes += (uint32_t)n;
		used += n;
	}
	if (c->at_bytes == c->max_bytes)
		*cut = true;
	if (*cut)
		chunker_reset(c);
	return used;
}
