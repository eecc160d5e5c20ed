#include "idset.h"

#include <stdint.h>
#include <string.h>

#define FIRST_COUNT 1024

void
idset_fini(struct idset *s)
{
	free(s->slots);
	memset(s, 0, sizeof(*s));
}

void
idset_clear(struct idset *s)
{
	if (s->count > 0)
		memset(s->slots, 0, s->slots_count * sizeof(*s->slots));
	s->count = 0;
}

/* Where it is, or the free slot it belongs into.  Ids are hashes already. */
static struct id *
slot_of(const struct idset *s, const struct id *id)
{
	uint64_t at;

	memcpy(&at, id->bytes, sizeof(at));
	for (;; at++) {
		struct id *slot = &s->slots[at & (s->slots_count - 1)];

		if (id_is_none(slot) || id_equal(slot, id))
			return slot;
	}
}

bool
idset_has(const struct idset *s, const struct id *id)
{
	return s->count > 0 && !id_is_none(slot_of(s, id));
}

static enum err_code
grow(struct idset *s, struct err *e)
{
	struct idset bigger = {0};

	bigger.slots_count =
	    s->slots_count == 0 ? FIRST_COUNT : s->slots_count * 2;
	bigger.slots = calloc(bigger.slots_count, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return err_nomem(e);
	bigger.count = s->count;
	for (size_t i = 0; i < s->slots_count; i++)
		if (!id_is_none(&s->slots[i]))
			*slot_of(&bigger, &s->slots[i]) = s->slots[i];
	free(s->slots);
	*s = bigger;
	return ERR_NONE;
}

enum err_code
idset_add(struct idset *s, const struct id *id, bool *added, struct err *e)
{
	struct id *slot;

	*added = false;
	if ((s->count + 1) * 4 > s->slots_count * 3 && grow(s, e) != ERR_NONE)
		return e->code;
	slot = slot_of(s, id);
	*added = id_is_none(slot);
	if (*added) {
		*slot = *id;
		s->count++;
	}
	return ERR_NONE;
}
