#include "claims.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/le.h>

void
claims_fini(struct claims *c)
{
	free(c->items);
	memset(c, 0, sizeof(*c));
}

static int
compare(const void *a, const void *b)
{
	return id_compare(a, b);
}

static unsigned
least(const struct claims *c)
{
	unsigned at = 0;

	for (unsigned i = 1; i < c->lanes_count; i++)
		if (c->lane_bytes[i] < c->lane_bytes[at])
			at = i;
	return at;
}

static enum err_code
make_room(struct claims *c, size_t more, struct err *e)
{
	size_t room = c->count + more;
	struct claim *grown;

	if (room > CLAIMS_MAX)
		room = CLAIMS_MAX;
	if (room <= c->room)
		return ERR_NONE;
	grown = realloc(c->items, room * sizeof(*grown));
	if (grown == NULL)
		return err_nomem(e);
	c->items = grown;
	c->room = room;
	return ERR_NONE;
}

enum err_code
claims_take(struct claims *c, unsigned lane, const uint8_t *entries,
    size_t count, uint8_t *bits, struct err *e)
{
	size_t known = c->count;

	if (make_room(c, count, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *entry = entries + i * RMSG_PACK_ENTRY;
		const struct claim *found;
		struct claim its = {.lane = 0};

		if (!rmsg_bit(bits, i))
			continue;
		memcpy(its.pack.bytes, entry, ID_BYTES);
		found = known == 0 ? NULL
				   : bsearch(&its.pack, c->items, known,
					 sizeof(*c->items), compare);
		if (found != NULL) {
			its.lane = found->lane;
		} else if (c->count < c->room) {
			its.lane = least(c);
			c->lane_bytes[its.lane] += le_get64(entry + ID_BYTES);
			c->items[c->count++] = its;
		}
		if (its.lane != lane)
			bits[i / 8] &= (uint8_t) ~(1 << i % 8);
	}
	if (c->count > known)
		qsort(c->items, c->count, sizeof(*c->items), compare);
	return ERR_NONE;
}
