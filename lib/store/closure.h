#ifndef STORE_CLOSURE_H
#define STORE_CLOSURE_H

/*
 * What a root reaches, without a key: by the clear lists of pages and chunk
 * lists, and the bases of frames that hold differences.
 */

#include "idset.h"
#include "parts.h"

struct closure {
	struct store *store; /* borrowed */
	struct idset seen;   /* pages, lists, and what is broken; no chunks */
	/*
	 * For each copy that is to be read, once a reference; base_of: the copy
	 * whose difference needs it, or NULL.  May be NULL.
	 */
	enum err_code (*found)(void *ctx, const struct index_copy *copy,
	    const struct index_copy *base_of, struct err *e);
	/*
	 * What is not right with id, which is named by parent (NULL: by the
	 * snapshot).  ERR_NONE goes on, anything else ends the walk.
	 */
	enum err_code (*broken)(void *ctx, const struct id *id,
	    const struct id *parent, struct err *why);
	void *ctx;
	struct idset frames; /* whose bases were looked at */
};
void closure_fini(struct closure *c);

/*
 * Everything below root that c has not seen yet.  May be called for one root
 * after the other.
 */
enum err_code closure_walk(struct closure *c, const struct id *root,
    struct err *e) MUST_CHECK;

/*
 * Is everything below root present?  ERR_NOTFOUND says what is not.  A look,
 * which holds no lock and keeps no collection off.
 */
enum err_code closure_whole(struct store *st, const struct id *root,
    struct err *e) MUST_CHECK;

/*
 * The same for a commit, inside the lock, given that all below each of known is
 * present: what is condemned of it is revived.
 */
enum err_code closure_complete(struct store *st, const struct id *root,
    const struct id *known, size_t known_count, struct err *e) MUST_CHECK;

#endif
