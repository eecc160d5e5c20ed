#ifndef BASCULE_BASE_LINKMAP_H
#define BASCULE_BASE_LINKMAP_H

/*
 * Groups of hard links (entry.h's link_group): which item came first, and how
 * many there are.  Some 32 bytes a group.  Who forges groups cannot know which
 * of them meet in one slot.
 */

#include <stddef.h>
#include <stdint.h>

#include <bascule/base/defs.h>
#include <bascule/base/entry.h>
#include <bascule/base/err.h>

struct linkmap_group {
	uint8_t group[ENTRY_LINK_BYTES];
	uint64_t first; /* whatever the caller counts by */
	uint32_t count; /* 0: a free slot */
};

/* Zeroed memory is an empty map. */
struct linkmap {
	struct linkmap_group *slots;
	size_t slots_count; /* a power of two */
	size_t count;
	uint64_t key[2]; /* random, of this map */
};

void linkmap_fini(struct linkmap *m);

/*
 * One more of the group: *first is of its first member, which is `at` when this
 * is it.
 */
enum err_code linkmap_add(struct linkmap *m,
    const uint8_t group[ENTRY_LINK_BYTES], uint64_t at, uint64_t *first,
    struct err *e) MUST_CHECK;

/* NULL: none of it was added. */
const struct linkmap_group *linkmap_find(const struct linkmap *m,
    const uint8_t group[ENTRY_LINK_BYTES]);

#endif
