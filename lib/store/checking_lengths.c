#include <bascule/base/le.h>

#include "parts.h"

/*
 * How long the chunks are that were opened: 8 bytes each, 40 bits of the id
 * and 24 of the length (a frame's body is below 2^23).  Two chunks that share
 * the 40 bits are both kept, and either length will do: this finds honest
 * damage; what a length is, the id decides.
 */

_Static_assert(STORE_RAW_BYTES_MAX < 1 << 24, "a chunk's length has 24 bits");

static uint64_t
id_part(const struct id *id)
{
	return le_get64(id->bytes) << 24;
}

uint64_t
checking_lengths_of(const struct id *id, size_t len_bytes)
{
	return id_part(id) | len_bytes;
}

enum err_code
checking_lengths_add(struct checking *ck, const struct buf *lengths,
    struct err *e)
{
	const size_t more = lengths->len_bytes / sizeof *ck->lengths;

	if (ck->lengths_count + more > ck->lengths_room) {
		size_t room = ck->lengths_room + ck->lengths_room / 2 + more;
		uint64_t *bigger =
		    reallocarray(ck->lengths, room, sizeof *bigger);

		if (bigger == NULL)
			return err_nomem(e);
		ck->lengths = bigger;
		ck->lengths_room = room;
	}
	if (more > 0)
		memcpy(ck->lengths + ck->lengths_count, lengths->bytes,
		    more * sizeof *ck->lengths);
	ck->lengths_count += more;
	ck->lengths_sorted = false;
	return ERR_NONE;
}

static int
order(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool
checking_lengths_fit(struct checking *ck, const struct id *id,
    uint64_t len_bytes)
{
	uint64_t part = id_part(id);
	size_t low = 0, high = ck->lengths_count;

	if (!ck->lengths_sorted && high > 0)
		qsort(ck->lengths, high, sizeof *ck->lengths, order);
	ck->lengths_sorted = true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ck->lengths[middle] < part)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == ck->lengths_count || ck->lengths[low] >> 24 != part >> 24)
		return true; /* it was not opened: that was told elsewhere */
	for (; low < ck->lengths_count && ck->lengths[low] >> 24 == part >> 24;
	     low++)
		if ((ck->lengths[low] & 0xffffff) == len_bytes)
			return true;
	return false;
}
