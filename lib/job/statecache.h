#ifndef JOB_STATECACHE_H
#define JOB_STATECACHE_H

/*
 * docs/format/statecache.md: reading earlier runs' records beside the walk,
 * writing this run's.  Losing it costs time only: everything that goes wrong
 * with it is answered by "not known".
 *
 *	statecache_open, statecache_trust
 *	for each item in path order: statecache_find, and then one of
 *		UNKNOWN	read it, statecache_add
 *		SAME	statecache_add
 *		MOVED	the same: what its path held before is of no matter
 *		HELD	nothing yet: it may become a whole page
 *		PAGE	add hit.page to the tree, statecache_take_page
 *		BROKEN	no page after all: statecache_replay until it is
 *			false, adding each, and ask again
 *		whenever the tree is between two pages: statecache_between
 *	statecache_checkpoint now and then, statecache_commit
 */

#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/base/now.h>
#include <bascule/source.h>

struct statecache;

#define STATECACHE_SETTLED_S 60 /* docs/format/statecache.md */

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

/*
 * For sources whose changes might go unseen: what was read longer ago than
 * max_ns is read again.  *since: nothing that is known was read before; a cache
 * that is older, or of unknown age, is forgotten, and *since is now.  Before
 * statecache_trust.
 */
enum err_code statecache_expire(struct statecache *sc, struct utc now,
    int64_t max_ns, struct utc *since, struct err *e) MUST_CHECK;

/* Records are believed only if is_there says so of their snapshot. */
void statecache_trust(struct statecache *sc,
    bool (*is_there)(void *ctx, const struct id *snapshot), void *ctx);

enum statecache_answer {
	STATECACHE_UNKNOWN,
	STATECACHE_SAME,
	STATECACHE_MOVED,
	STATECACHE_HELD,
	STATECACHE_PAGE,
	STATECACHE_BROKEN
};

struct statecache_hit {
	/* SAME: its encoded item, borrowed until the next call.  MOVED: its
	   item at another path, with device, inode, size and times. */
	const uint8_t *encoded;
	size_t len_bytes;
	/*
	 * UNKNOWN: an earlier run, longer than that ago, read it when it was
	 * just as it is now, but too young: its file system's clock has moved
	 * on since.
	 */
	bool seen;
	/* PAGE: it and those held are this page. */
	struct id page;
	uint64_t items_count;
};

/*
 * Is exactly this file known, unchanged?  Ask in path order.  between_pages:
 * the item would begin a page; false: an item by itself is asked for.
 */
enum statecache_answer statecache_find(struct statecache *sc,
    const struct source_item *item, bool between_pages,
    struct statecache_hit *hit);

/*
 * After HELD or PAGE: the item just asked for, as SAME would give it.  False:
 * it is damaged.
 */
bool statecache_encoded(struct statecache *sc, struct statecache_hit *hit);
/* ... and it is not the same after all: the next answer is BROKEN. */
void statecache_refuse(struct statecache *sc);

/* After UNKNOWN: what is known of an earlier state of the path. */
bool statecache_previous(struct statecache *sc, struct statecache_hit *hit);

/* Is a complete earlier run believed, so that it knows every path there was? */
bool statecache_knows_all(const struct statecache *sc);

/* Are items held?  Before the tree's root is asked for they are replayed. */
bool statecache_holds(const struct statecache *sc);

struct statecache_held {
	const char *path;
	size_t path_bytes;
	const uint8_t *encoded;
	size_t len_bytes;
};
/*
 * The next of the held items; it is remembered for the next run as well.
 * *more false: that was all.  ERR_CORRUPT: the cache is damaged, so that they
 * cannot be given: it is removed, and the run must begin again.
 */
enum err_code statecache_replay(struct statecache *sc,
    struct statecache_held *held, bool *more, struct err *e) MUST_CHECK;

/* The held items went into the tree as the page. */
enum err_code statecache_take_page(struct statecache *sc,
    struct err *e) MUST_CHECK;

/*
 * Remember this item.  fs_now_s: the file system's clock when its reading
 * began, or less (fsclock); an item too young by it is not found again as
 * unchanged.
 */
enum err_code statecache_add(struct statecache *sc,
    const struct source_item *item, const void *encoded, size_t len_bytes,
    int64_t fs_now_s, struct err *e) MUST_CHECK;

/* As tree_writer_leaf has it; page NULL: not to be taken as it is. */
enum err_code statecache_between(struct statecache *sc, const struct id *page,
    uint64_t items_count, struct err *e) MUST_CHECK;

/*
 * The records so far describe snapshot, durably.  kept: the snapshots that are
 * needed besides (STATECACHE_KEPT_MAX), to describe what lies ahead.
 */
#define STATECACHE_PARTS_MAX 8
#define STATECACHE_KEPT_MAX  (STATECACHE_PARTS_MAX + 1)
enum err_code statecache_checkpoint(struct statecache *sc,
    const struct id *snapshot, struct id kept[STATECACHE_KEPT_MAX],
    size_t *kept_count, struct err *e) MUST_CHECK;

/* The new records describe snapshot: put them in the old ones' place. */
enum err_code statecache_commit(struct statecache **sc,
    const struct id *snapshot, struct err *e) MUST_CHECK;

/* Keep the old one, and what checkpoints there were. */
void statecache_discard(struct statecache **sc);

#endif
