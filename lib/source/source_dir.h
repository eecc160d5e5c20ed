#ifndef LIB_SOURCE_SOURCE_DIR_H
#define LIB_SOURCE_SOURCE_DIR_H

/*
 * Directories that stay reachable without their descriptors staying open.
 *
 * A node holds its parent, up to "/".  At most SOURCE_DIR_OPEN_MAX descriptors
 * that nobody uses are kept, the least recently used is closed first, and a
 * closed one is opened again from its nearest open ancestor, component by
 * component, no symbolic link followed, and must be the inode it was.  So any
 * depth works, also beyond PATH_MAX and beyond the limit of descriptors.
 * Every function may be called in any thread.
 */

#include <bascule/source.h>
#include <pthread.h>

#define SOURCE_DIR_OPEN_MAX 256

struct source_dir {
	struct source_dir *parent; /* a reference; NULL: "/" */
	unsigned refs;             /* atomic */
	/* under the table's lock */
	int fd;
	unsigned users;
	struct source_dir *newer, *older; /* while open and unused */
	/* constant */
	uint64_t dev, inode;
	size_t path_bytes; /* of the whole path, "/" has 0 */
	unsigned depth;    /* likewise */
	bool follow;       /* a root's ancestor: may be a symbolic link */
	size_t name_bytes;
	char name[];
};

struct source_dirs {
	pthread_mutex_t lock;
	struct source_dir *newest, *oldest;
	unsigned open_count;    /* in that list */
	struct source_dir *top; /* "/", a reference, always open */
};

enum err_code source_dir_table_init(struct source_dirs *t,
    struct err *e) MUST_CHECK;
void source_dir_table_fini(struct source_dirs *t);

/* A new node, not yet open, one reference.  parent: a reference is added. */
enum err_code source_dir_new(struct source_dir **out, struct source_dir *parent,
    const char *name, size_t name_bytes, struct err *e) MUST_CHECK;
struct source_dir *source_dir_ref(struct source_dir *dir);
void source_dir_unref(struct source_dirs *t, struct source_dir **dir);

/* Lend its descriptor (for *at calls) until source_dir_unuse. */
enum err_code source_dir_use(struct source_dirs *t, struct source_dir *dir,
    int *fd, struct err *e) MUST_CHECK;
void source_dir_unuse(struct source_dirs *t, struct source_dir *dir);

/* Give a node the descriptor it is first listed through (taken), in use. */
void source_dir_adopt(struct source_dirs *t, struct source_dir *dir, int fd);

/* The path into out, path_bytes of dir + 1 long (a NUL behind it). */
void source_dir_path(const struct source_dir *dir, char *out);

#endif
