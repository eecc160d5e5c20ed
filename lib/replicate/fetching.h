#ifndef LIB_REPLICATE_FETCHING_H
#define LIB_REPLICATE_FETCHING_H

/*
 * FETCH and FETCHED of docs/protocol/store-serve.md, both sides: a copy that is
 * damaged asks another for what it names by a hash, and gets sealed bytes.
 */

#include "rlink.h"

/* --- the side that has it ------------------------------------------------------- */

struct fetching {
	const char *path;
	bool network_fs_allowed;
	bool allowed;
	struct store *store; /* opened by the first question */
	struct buf payload;
	struct rlink *link; /* to answer over */
};
void fetching_fini(struct fetching *f);
/* One question; an error is final. */
enum err_code fetching_take(struct fetching *f, const struct rmsg *m,
    struct err *e) MUST_CHECK;

#endif
