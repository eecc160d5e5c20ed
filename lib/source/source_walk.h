#ifndef LIB_SOURCE_SOURCE_WALK_H
#define LIB_SOURCE_SOURCE_WALK_H

/*
 * Reading directories ahead.
 *
 * The work is cut into units: the first WALK_UNIT_COUNT names of a directory
 * (listing it is part of that), and each following so many.  All units not yet
 * consumed stand in one list in the order in which they will be needed, so
 * "what next" is always the first new one from the front, for every thread,
 * the consumer included: it never waits while there is something to do.
 *
 * K1. A unit goes NEW -> BUSY (by who takes it, under the lock) -> READY, and
 *     what follows from it (its subdirectories, then the directory's next
 *     unit) stands in the list behind it before it is READY.  The next unit
 *     stands there as soon as the names are known: a large directory, too, is
 *     work for all.
 * K2. Only the consumer takes units out, in order.
 * K3. Readers stop while WALK_AHEAD_UNITS stand READY or BUSY, or these have
 *     WALK_AHEAD_COUNT names: that bounds memory, and directories do not lose
 *     their descriptors before their files are opened.  The consumer's own
 *     next unit is never held up by this.
 * K4. first_new is the first NEW unit of the list: all before it are not.
 */

#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>

#include "source_dir.h"
#include "source_exclude.h"

#define WALK_UNIT_COUNT  512
#define WALK_AHEAD_UNITS 192
#define WALK_AHEAD_COUNT 16384
#define WALK_THREADS_MAX 8

/* The roots asked for and the way to them. */
struct walk_pin {
	char *name;
	bool is_root;
	struct walk_pin *children; /* sorted by name */
	size_t child_count;
};

struct walk_name {
	uint64_t key; /* its first 8 bytes, big-endian: compares like them */
	uint32_t at;  /* in the listing's bytes */
	uint8_t len_bytes;
	uint8_t d_type;
	bool excluded : 1; /* but on the way to a root */
	bool extra : 1;    /* there is more behind it in the bytes */
};

/* What statx said of one name. */
struct walk_record {
	struct statx st;
	uint64_t dev;       /* of its file system, for one_file_system */
	enum err_code code; /* not ERR_NONE: a problem */
	int errno_num;      /* which, where why is NULL */
	const char *why;
	bool skip;   /* excluded after all */
	bool follow; /* a root that is a link to a directory */
	struct walk_unit *sub;
};

struct walk_listing {
	unsigned refs; /* atomic: one a unit, one of the consumer's stack */
	struct source_dir *dir;
	const struct walk_pin *pin; /* NULL: not on the way to a root */
	bool whole;        /* everything in it, not only what pin names */
	uint64_t dev;      /* of the root it belongs to */
	size_t base_bytes; /* length of that root's path */
	uint8_t *bytes;    /* of the names */
	struct walk_name *names;
	size_t count;
	size_t held_bytes; /* by bytes and names */
};

enum walk_state { WALK_NEW, WALK_BUSY, WALK_READY };

struct walk_unit {
	struct walk_unit *before, *behind;
	enum walk_state state;
	enum err_code code;  /* out of memory */
	struct err *problem; /* with the directory: the caller's to report */
	struct walk_listing *listing;
	size_t first, count;
	struct walk_record *records;
	struct walk_unit *next; /* of the same directory */
};

enum walk_links { WALK_NOFOLLOW, WALK_FOLLOW };

struct lister; /* source_list.h */
struct walk;

/* What kind of tree it is: on this machine (source_here), or another's. */
struct walk_ops {
	/* t->l's directory, to be listed (first) or of a later unit. */
	enum err_code (*enter)(struct lister *t, bool first, struct err *e);
	void (*leave)(struct lister *t);
	/* All its names, by source_list_add. */
	enum err_code (*names)(struct lister *t, struct err *e);
	/* Does its CACHEDIR.TAG say so? */
	bool (*is_cache)(struct lister *t);
	/* What the name is: r's st and dev, or code with errno_num or why. */
	void (*ask)(struct lister *t, const struct walk_name *n,
	    enum walk_links links, struct walk_record *r);
	/* "/" itself, likewise. */
	void (*ask_top)(struct walk *w, struct walk_record *r);
	/* As source_ops has them; name: NUL-ended, of the item. */
	enum err_code (*open)(struct walk *w, struct source_item *item,
	    const char *name, struct source_file **out, struct arc_warn warn,
	    struct err *e);
	bool (*is_remote)(struct walk *w, const struct source_item *item,
	    const char *name);
	/* May be NULL: as source.h has them. */
	int64_t (*clock_s)(struct walk *w);
	enum err_code (*notes)(struct walk *w, struct buf *out, struct err *e);
	/* Is all lost, so that the stream is to end?  May be NULL. */
	enum err_code (*health)(struct walk *w, struct err *e);
	void (*free)(struct walk *w); /* ctx; after the threads ended */

	bool wants_path;
	size_t names_max; /* of one directory */
	unsigned depth_max;
	/* Of all listings held: ahead of the consumer, and at most. */
	uint64_t listed_ahead_bytes, listed_bytes_max;
};

struct walk {
	struct source_dirs dirs;
	const struct walk_ops *ops;
	void *ctx;             /* of ops */
	uint64_t listed_bytes; /* atomic: of all listings */
	struct source_exclude *exclude;
	bool one_file_system, exclude_caches;

	pthread_mutex_t lock;
	pthread_cond_t work, ready;
	struct walk_unit *front, *back, *first_new;
	unsigned ahead;           /* READY or BUSY units in the list */
	size_t ahead_count;       /* names of the READY ones */
	struct walk_unit *wanted; /* by the consumer, who sleeps */
	unsigned idle;
	bool stop;
	pthread_t threads[WALK_THREADS_MAX];
	unsigned thread_count;
};

/* Zeroed memory to a walk without threads; source_walk_fini ends it. */
enum err_code source_walk_init(struct walk *w, struct err *e) MUST_CHECK;
enum err_code source_walk_start(struct walk *w, unsigned threads,
    struct err *e) MUST_CHECK;
void source_walk_fini(struct walk *w);

/* A directory to be listed; dir's reference is added. */
enum err_code source_walk_unit_new(struct walk_unit **out,
    struct source_dir *dir, struct err *e) MUST_CHECK;
void source_walk_unit_free(struct walk *w, struct walk_unit **u);
void source_walk_unref(struct walk *w, struct walk_listing **l);

/* Put the very first unit into the empty list. */
void source_walk_push(struct walk *w, struct walk_unit *u);

/* Of the thread that works on u: u->next may be begun with.  Takes the lock. */
void source_walk_offer_next(struct walk *w, struct walk_unit *u);

/* Take u, the front of the list, out of it when it is READY. */
enum err_code source_walk_take(struct walk *w, struct walk_unit *u,
    struct err *e) MUST_CHECK;

#endif
