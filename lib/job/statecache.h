#ifndef JOB_STATECACHE_H
#define JOB_STATECACHE_H

/*
 * docs/format/statecache.md: reading the last run's records beside the walk,
 * writing this run's.  Losing it costs time only: everything that goes wrong
 * with it is answered by "not known".
 */

#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/source.h>

struct statecache;

struct statecache_name {
	const uint8_t *family; /* STORE_FAMILY_BYTES */
	const char *service, *dataset;
	uint32_t chunking, chunk_fixed_bytes;
};

/*
 * Open state_dir's cache of that name for reading, and begin its successor.
 * A missing, damaged or foreign one is an empty one.
 */
enum err_code statecache_open(struct statecache **out, const char *state_dir,
    const struct statecache_name *name, struct err *e) MUST_CHECK;

/* The snapshot the old records describe; false when there are none. */
bool statecache_parent(const struct statecache *sc, struct id *snapshot);
/* That snapshot is gone: believe none of the records. */
void statecache_distrust(struct statecache *sc);

/*
 * The encoded item of exactly this file, unchanged, or NULL.  Ask in path
 * order.  Borrowed until the next call.
 */
const uint8_t *statecache_find(struct statecache *sc,
    const struct source_item *item, size_t *len_bytes);

/*
 * The encoded item that stood at the path last asked for, changed or not, or
 * NULL.  Borrowed until the next statecache_find.
 */
const uint8_t *statecache_earlier(const struct statecache *sc,
    size_t *len_bytes);

/*
 * Remember this item.  fs_now_s: the file system's clock when its reading
 * began; an item too young by it is not found again as unchanged.
 */
enum err_code statecache_add(struct statecache *sc,
    const struct source_item *item, const void *encoded, size_t len_bytes,
    int64_t fs_now_s, struct err *e) MUST_CHECK;

/* The new records describe snapshot: put them in the old ones' place. */
enum err_code statecache_commit(struct statecache **sc,
    const struct id *snapshot, struct err *e) MUST_CHECK;

/* Keep the old one. */
void statecache_discard(struct statecache **sc);

#endif
