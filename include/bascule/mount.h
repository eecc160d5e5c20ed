#ifndef BASCULE_MOUNT_H
#define BASCULE_MOUNT_H

/*
 * A snapshot as a read-only file system (FUSE).  Nothing is read before it is
 * asked for; a file's number is its place in the snapshot's tree, so nothing is
 * remembered of what the kernel was told either.
 */

#include <stdbool.h>

#include <bascule/base/err.h>
#include <bascule/base/id.h>

struct store;

struct mount_options {
	struct id root;
	const char *subtree; /* "": all of it; else its content is the root */
	const char *name;    /* what `mount` shows as the device */
	bool others;         /* other users may look, as modes let them */
	void (*ready)(void *ctx); /* it is mounted; may be NULL */
	/* Something could not be read: told, the reader gets an error. */
	void (*problem)(void *ctx, const char *path, const char *reason);
	void *ctx;
};

/*
 * Mount on dir, an existing directory, and serve until it is unmounted or a
 * signal (INT, TERM, HUP) says so: then it is unmounted, at once for everybody
 * who does not use it just now.  ERR_NOTFOUND: this machine has no FUSE, or the
 * subtree is not there.
 */
enum err_code mount_run(struct store *st, const char *dir,
    const struct mount_options *opt, struct err *e) MUST_CHECK;

#endif
