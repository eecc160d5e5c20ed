#ifndef JOB_CACHEFINDER_H
#define JOB_CACHEFINDER_H

/*
 * From a file's device and inode to its record in a cache file, wherever its
 * path was: tables of slots between the blocks.  They are read where they lie,
 * a few slots a look-up; nothing is loaded.  A slot is a hint: what it leads to
 * counts only if the record's whole stat is the one asked for.
 */

#include "cachefile.h"

/* --- writing --------------------------------------------------------------- */

void cachefinder_table_fini(struct cachefinder_table *t);
bool cachefinder_table_is_full(const struct cachefinder_table *t);
enum err_code cachefinder_table_add(struct cachefinder_table *t,
    const uint8_t stat[CACHE_STAT_BYTES], uint64_t block_at, uint32_t ordinal,
    struct err *e) MUST_CHECK;
/* Its slots, no more than it needs, behind out; then it is empty. */
enum err_code cachefinder_table_take(struct cachefinder_table *t,
    struct buf *out, struct err *e) MUST_CHECK;

/* --- reading --------------------------------------------------------------- */

struct cachefinder {
	struct cachelayer look; /* its fd is of's */
	const struct cachelayer *of;
	size_t table; /* that the last one was found in */
};
/* Before of ends, and at the end. */
void cachefinder_forget(struct cachefinder *f);

/*
 * The record of l with that stat: then f->look stands at it.
 */
bool cachefinder_find(struct cachefinder *f, const struct cachelayer *l,
    const uint8_t stat[CACHE_STAT_BYTES]);

#endif
