#ifndef LIB_MOUNT_NUMBERED_H
#define LIB_MOUNT_NUMBERED_H

/*
 * A snapshot's tree by the numbers that the kernel knows its entries by.
 *
 * M1. Number 1 is the root, any other the item of place number - 2.  Of hard
 *     links all names have the first one's number.
 */

#include <sys/stat.h>

#include <bascule/base/linkmap.h>
#include <bascule/mount.h>
#include <bascule/store.h>

#define NUMBERED_ROOT 1

struct numbered {
	struct store *store;             /* borrowed */
	const struct mount_options *opt; /* borrowed */
	struct cursor *cursor;
	const struct item *item; /* the cursor's last; NULL: none */
	struct linkmap links;
	bool links_known;
	struct buf path;
	struct buf parent; /* path of the directory last looked into */
	uint64_t parent_number;
};

/* ERR_NOTFOUND: no subtree; ERR_INPUT: it is no directory. */
enum err_code numbered_open(struct numbered *n, struct store *st,
    const struct mount_options *opt, struct err *e) MUST_CHECK;
void numbered_fini(struct numbered *n);

/*
 * cursor_next, but for places that only what is forged can have and for which
 * the kernel has no number.
 */
enum err_code numbered_next(struct cursor *c, const struct item **it,
    struct err *e) MUST_CHECK;

/* Tell who mounted what cannot be read. */
void numbered_tell(const struct numbered *n, const char *path,
    const struct err *e);

/*
 * *it: borrowed until the next call; NULL for a root that the tree says nothing
 * of.  ERR_NOTFOUND: there is no such number.
 */
enum err_code numbered_get(struct numbered *n, uint64_t number,
    const struct item **it, struct err *e) MUST_CHECK;
/* The path of that directory, added to out. */
enum err_code numbered_path(struct numbered *n, uint64_t number,
    struct buf *out, struct err *e) MUST_CHECK;

enum err_code numbered_stat(struct numbered *n, uint64_t number,
    struct stat *st, struct err *e) MUST_CHECK;
/* Of what is called so in the directory parent.  ERR_NOTFOUND. */
enum err_code numbered_look_up(struct numbered *n, uint64_t parent,
    const char *name, struct stat *st, struct err *e) MUST_CHECK;
/* Of an item at its place. */
enum err_code numbered_describe(struct numbered *n, const struct item *it,
    uint64_t nth, struct stat *st, struct err *e) MUST_CHECK;

#endif
