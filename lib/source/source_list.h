#ifndef LIB_SOURCE_SOURCE_LIST_H
#define LIB_SOURCE_SOURCE_LIST_H

/*
 * The work on one unit, without the list and its lock: which names a directory
 * has, and what each of them is.
 */

#include "source_walk.h"

#define LIST_CACHEDIR_NAME      "CACHEDIR.TAG"
#define LIST_CACHEDIR_SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

/* What listing one directory needs for a while. */
struct lister {
	struct walk *w;
	struct walk_listing *l;
	int fd;               /* of source_here */
	struct farline *line; /* of source_fartree: when it was needed */
	size_t bytes_used, bytes_size, names_size;
	/* "/", and where patterns are or ops->wants_path: the directory's path
	 * and "/", with room for a name behind it */
	char *absolute;
	char *path; /* behind that first "/" */
	size_t path_bytes;
};

/* One name, by ops->names; extra is kept behind the name and its NUL. */
struct walk_given {
	const char *name;
	size_t name_bytes; /* 1 to PATH_NAME_MAX */
	uint8_t d_type;
	const void *extra;
	size_t extra_bytes;
};
enum err_code source_list_add(struct lister *t, const struct walk_given *g,
    struct err *e) MUST_CHECK;

/*
 * Do unit u: list its directory if it is the first, ask for its records.
 * What follows from it hangs on the records (sub) and on u->next, which is
 * given to source_walk_offer_next as soon as there are names for it.
 * Only running out of memory is a failure.
 */
enum err_code source_list_do(struct walk *w, struct walk_unit *u,
    struct err *e) MUST_CHECK;

#endif
