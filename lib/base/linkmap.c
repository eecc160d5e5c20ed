#include <bascule/base/linkmap.h>

#include <bascule/base/rand.h>
#include <string.h>

#define FIRST_COUNT 256

void
linkmap_fini(struct linkmap *m)
{
	free(m->slots);
	memset(m, 0, sizeof *m);
}

static uint64_t
hash_of(const struct linkmap *m, const uint8_t *group)
{
	uint64_t half[2];
	unsigned __int128 product;

	memcpy(half, group, sizeof half);
	product =
	    (unsigned __int128)(half[0] ^ m->key[0]) * (half[1] ^ m->key[1]);
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Its slot, or the free one it belongs into. */
static struct linkmap_group *
slot_of(const struct linkmap *m, const uint8_t *group)
{
	for (uint64_t at = hash_of(m, group);; at++) {
		struct linkmap_group *s = &m->slots[at & (m->slots_count - 1)];

		if (s->count == 0 ||
		    memcmp(s->group, group, ENTRY_LINK_BYTES) == 0)
			return s;
	}
}

static enum err_code
grow(struct linkmap *m, struct err *e)
{
	struct linkmap bigger = {.count = m->count};

	rand_bytes(bigger.key, sizeof bigger.key);
	bigger.slots_count =
	    m->slots_count == 0 ? FIRST_COUNT : m->slots_count * 2;
	bigger.slots = calloc(bigger.slots_count, sizeof *bigger.slots);
	if (bigger.slots == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < m->slots_count; i++)
		if (m->slots[i].count > 0)
			*slot_of(&bigger, m->slots[i].group) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return ERR_NONE;
}

enum err_code
linkmap_add(struct linkmap *m, const uint8_t group[ENTRY_LINK_BYTES],
    uint64_t at, uint64_t *first, struct err *e)
{
	struct linkmap_group *s;

	*first = at;
	if ((m->count + 1) * 4 > m->slots_count * 3 && grow(m, e) != ERR_NONE)
		return e->code;
	s = slot_of(m, group);
	if (s->count == 0) {
		memcpy(s->group, group, ENTRY_LINK_BYTES);
		s->first = at;
		m->count++;
	}
	*first = s->first;
	if (s->count < UINT32_MAX)
		s->count++;
	return ERR_NONE;
}

const struct linkmap_group *
linkmap_find(const struct linkmap *m, const uint8_t group[ENTRY_LINK_BYTES])
{
	const struct linkmap_group *s;

	if (m->count == 0)
		return NULL;
	s = slot_of(m, group);
	return s->count > 0 ? s : NULL;
}
