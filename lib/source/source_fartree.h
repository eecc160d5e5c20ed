#ifndef LIB_SOURCE_SOURCE_FARTREE_H
#define LIB_SOURCE_SOURCE_FARTREE_H

/*
 * A tree on another host, over SFTP: what source_walk asks of it.  The order,
 * the patterns, the read-ahead and the items are source_walk's and
 * source_tree's, as for a tree here.
 *
 * The server is hostile: what it lists is bounded (names, bytes, depth), and
 * a directory is asked where it really is after it was opened, so that one that
 * became a link meanwhile is not believed.
 */

#include "source_farpool.h"
#include "source_walk.h"

/* What SFTP says of a file, and all that can be compared. */
struct farstat {
	uint64_t size_bytes;
	uint32_t uid, gid, mode, mtime_s;
};

struct fartree {
	struct farpool pool;
	uint64_t dev;    /* of all items: a digest of the host's name */
	char *root;      /* as it was named: "/srv/a", or "" for all of it */
	char *real_root; /* where that is; "" for "/" */
	/* its clock when we asked; 0: it did not say */
	int64_t clock_s;
	struct mono clock_at;
	bool no_statvfs;
	uint64_t devices_count; /* atomic: left out */
};

/* w's ops and ctx; ERR_NOTFOUND, ERR_REFUSED, ...: the root cannot be had. */
enum err_code source_fartree_begin(struct walk *w, const struct walk_pin *top,
    const struct source_tree_options *o, struct err *e) MUST_CHECK;

/* What farfile needs. */

/* False: it does not tell enough. */
bool source_fartree_stat(struct farstat *out, const struct sshattr *attr);
/* Where the tree's path is there; the caller's to free. */
enum err_code source_fartree_place(char **out, const struct fartree *ft,
    const char *absolute, struct err *e) MUST_CHECK;
/* path is entry.path's form. */
void source_fartree_fill(const struct fartree *ft, const char *path,
    size_t path_bytes, const struct farstat *fs, struct statx *st);
/* How late it is there, at least. */
int64_t source_fartree_now_s(const struct fartree *ft);
/* Is that where path really is?  ERR_REFUSED: no, a link leads elsewhere. */
enum err_code source_fartree_is_real(struct farline *line, const char *path,
    struct err *e) MUST_CHECK;

#endif
