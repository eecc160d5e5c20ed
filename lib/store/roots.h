#ifndef STORE_ROOTS_H
#define STORE_ROOTS_H

/* What a mark begins with: the root pages of all snapshots and holds. */

#include "parts.h"

struct roots {
	struct id *ids;
	size_t count, room;
	struct id print; /* of the names of the files they came from */
};
void roots_fini(struct roots *r);
/*
 * without: snapshots to leave out, for those who ask what would be if.
 * ERR_CORRUPT: one cannot be read, so nobody can say what it keeps.  Inside
 * repo_lock they stay so until that ends.
 */
enum err_code roots_gather(struct roots *out, struct store *st,
    const struct id *without, size_t without_count, struct err *e) MUST_CHECK;
/* The print only: has anything come or gone? */
enum err_code roots_print(struct id *out, struct store *st,
    struct err *e) MUST_CHECK;

#endif
