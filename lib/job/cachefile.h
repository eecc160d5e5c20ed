#ifndef JOB_CACHEFILE_H
#define JOB_CACHEFILE_H

/*
 * docs/format/statecache.md: one file of a state cache, read record by record
 * (cachelayer) and written block by block (cacheout).  statecache.h puts
 * several of them together.
 */

#include <bascule/base/buf.h>
#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/base/le.h>
#include <bascule/crypt.h>

#define CACHE_MAGIC        "BscStat2"
#define CACHE_MAGIC_BYTES  8
#define CACHE_HEAD_BYTES   (CACHE_MAGIC_BYTES + ID_BYTES)
#define CACHE_STAT_BYTES   (3 * 8 + 2 * 12)
#define CACHE_BLOCK_BYTES  (1 + 3 * 4 + 8 + 3 * ID_BYTES) /* its header */
#define CACHE_POINT_BYTES  (1 + 2 * ID_BYTES)             /* checkpoint */
#define CACHE_END_BYTES    (1 + 8 + 2 * ID_BYTES + 4)     /* then bits, sum */
#define CACHE_STATS_MAX    ((uint32_t)2 << 20)
#define CACHE_ITEMS_MAX    ((uint32_t)64 << 20)
#define CACHE_LIVE_MAX     ((uint32_t)16 << 20) /* bytes of bits */
#define CACHE_BLOCK_TARGET ((size_t)1 << 20)
#define CACHE_NAME_BYTES   80

#define CACHE_TABLE_HEAD (1 + 4) /* then slots */
#define CACHE_SLOT_BYTES 16
#define CACHE_SLOTS_MIN  ((uint32_t)16) /* a power of two, as all are */
#define CACHE_SLOTS_MAX  ((uint32_t)1 << 16)

enum cache_tag { CACHE_END, CACHE_BLOCK, CACHE_POINT, CACHE_TABLE };

/* Where slots are (cachefinder). */
struct cachetable {
	uint64_t at;
	uint32_t slots_count;
};

struct cacheblock {
	uint32_t records_count, stats_bytes, items_bytes;
	uint64_t page_items_count;
	struct id page; /* none: not a page */
	struct id stats_sum, items_sum;
};

/* The sum of all before, and bytes behind it. */
enum err_code cachefile_chain(struct id *chain, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* --- reading --------------------------------------------------------------- */

struct cachelayer {
	int fd;
	char name[CACHE_NAME_BYTES];
	/* What vouches for the blocks, and where they end. */
	struct id snapshot, sum, base;
	struct buf live; /* bits: which blocks of base are still believed */
	uint64_t end_at;
	uint64_t blocks_count;
	bool ended;             /* by an end, not by a checkpoint */
	struct buf tables;      /* of cachetable */
	int64_t written_s;      /* when the file was last written to */
	const struct buf *only; /* bits: the blocks believed; NULL: all */
	/* The current block and its place. */
	uint64_t block_at, next_at, ordinal;
	struct cacheblock block;
	struct buf stats, items;
	bool items_known;
	struct le_reader reader;
	/* The current record, when valid. */
	bool valid;
	uint32_t index; /* in its block */
	struct buf path;
	const uint8_t *stat;
	uint64_t item_at, item_bytes; /* in the block's items */
};

/*
 * Take fd's file as far as an end or a checkpoint vouches for it; fd is the
 * layer's then.  False: nothing of it can be used, fd is closed.
 */
bool cachelayer_open(struct cachelayer *l, int fd, const char *name,
    const struct id *key);
void cachelayer_fini(struct cachelayer *l);

/* To the first record, the next one, the first at or behind path. */
void cachelayer_first(struct cachelayer *l);
void cachelayer_next(struct cachelayer *l);
void cachelayer_seek(struct cachelayer *l, const char *path, size_t len_bytes);
/* To the first record of the block at that place of the file. */
bool cachelayer_enter(struct cachelayer *l, uint64_t block_at);
/* Back to the first record of the current block. */
void cachelayer_restart(struct cachelayer *l);
/* To the first record of the next block. */
void cachelayer_next_block(struct cachelayer *l);
/* The current record's item, checked; false: it is damaged. */
bool cachelayer_item(struct cachelayer *l, const uint8_t **encoded,
    size_t *len_bytes);

bool cachefile_bit(const struct buf *bits, uint64_t at);
enum err_code cachefile_set_bit(struct buf *bits, uint64_t at,
    struct err *e) MUST_CHECK;

/* --- writing --------------------------------------------------------------- */

/* One table in the making (cachefinder); zeroed memory is an empty one. */
struct cachefinder_table {
	uint8_t *slots; /* CACHE_SLOTS_MAX, made at first use */
	uint32_t count;
};

struct cacheout {
	int dirfd; /* borrowed */
	int fd;
	char name[CACHE_NAME_BYTES]; /* its present one; "" when published */
	struct id chain;
	struct buf out; /* to be written */
	uint64_t bytes; /* written and to be written */
	uint64_t records_count, blocks_count;
	/* the block in the making */
	struct buf stats, items, last_path;
	uint32_t count;
	bool clean; /* it began between two pages */
	bool young; /* a record in it is */
	struct cachefinder_table finder;
};

/* A new file under a name of its own in dirfd, locked; cacheout_fini ends it. */
enum err_code cacheout_begin(struct cacheout *co, int dirfd, const char *name,
    const struct id *key, struct err *e) MUST_CHECK;
/* Removes the file unless it was published. */
void cacheout_fini(struct cacheout *co);

struct cacherecord {
	const char *path;
	size_t path_bytes;
	const uint8_t *stat; /* CACHE_STAT_BYTES */
	bool young;          /* too young to be known by it */
	const uint8_t *encoded;
	size_t encoded_bytes;
};
enum err_code cacheout_add(struct cacheout *co, const struct cacherecord *r,
    struct err *e) MUST_CHECK;
/*
 * A page ended with the last record; what follows begins between two.  page
 * NULL: it may not be taken as it is.
 */
enum err_code cacheout_between(struct cacheout *co, const struct id *page,
    uint64_t items_count, struct err *e) MUST_CHECK;
/* l's current block as it is, when none is in the making. */
enum err_code cacheout_copy(struct cacheout *co, struct cachelayer *l,
    struct err *e) MUST_CHECK;
/* All before is vouched for by snapshot, and durable. */
enum err_code cacheout_checkpoint(struct cacheout *co,
    const struct id *snapshot, struct err *e) MUST_CHECK;
/* base NULL: it stands for itself; else with those blocks of that file. */
enum err_code cacheout_end(struct cacheout *co, const struct id *snapshot,
    const struct id *base, const struct buf *live, struct err *e) MUST_CHECK;
/* Durably under that name; replaces what has it. */
enum err_code cacheout_publish(struct cacheout *co, const char *name,
    struct err *e) MUST_CHECK;

#endif
