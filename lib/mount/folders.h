#ifndef LIB_MOUNT_FOLDERS_H
#define LIB_MOUNT_FOLDERS_H

/*
 * Directories being listed.  However many are open, some few places in the tree
 * are kept: a listing that comes back where one of them stands goes on there,
 * any other begins with a seek.
 */

#include "numbered.h"

#define FOLDERS_KEPT 8

/* One directory's listing. */
struct folder {
	uint64_t number; /* the directory's; 0: not in use */
	struct cursor *cursor;
	struct buf path; /* of the directory */
	struct buf seek;
	const struct item *next; /* read, and not yet given */
	int64_t at;              /* the kernel's place that next is for */
	struct err fault; /* met behind what was given, said at that place */
	uint64_t used;    /* when: the least goes first */
};

struct folders {
	struct numbered *tree; /* borrowed */
	struct folder kept[FOLDERS_KEPT];
	uint64_t clock;
};

void folders_fini(struct folders *f);

/*
 * A member; next: the place behind it.  False: it was not taken, no more.  The
 * first two are "." and "..".
 */
typedef bool folders_member_fn(void *ctx, const char *name,
    const struct stat *st, int64_t next);

/*
 * The members of a directory from the place on, while fn wants them.  A fault
 * behind some that were given is the next call's.
 */
enum err_code folders_list(struct folders *f, uint64_t number, int64_t from,
    folders_member_fn *fn, void *ctx, struct err *e) MUST_CHECK;

#endif
