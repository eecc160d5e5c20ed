#ifndef STORE_DIVERGE_H
#define STORE_DIVERGE_H

/*
 * Does a snapshot from elsewhere go on where its series stands here?
 *
 * V1. One number of an epoch is given once: two snapshots with it are two ways.
 * V2. Who follows the same as another, under no higher number, did not know of
 *     the other.  (Under a higher one it did, and forgot it.)
 * V3. A lower number that was begun later: the source went back to an earlier
 *     state of itself.
 * V4. After that only what follows the newest here is taken, until a person has
 *     looked.
 */

#include "parts.h"

struct diverge {
	const struct snapshot *arriving,
	    *here;                     /* here: that it is at odds with */
	const struct snapshot *common; /* NULL: none that is here */
	const struct snapshot *newest; /* of the series, here */
	bool backwards;                /* V3 */
};

/* list: the service's, by snapshot_list.  False: it goes on. */
bool diverge_find(struct diverge *out, const struct snapshot *s,
    const struct snapshot_list *list);
/* ERR_REFUSED, with all that is to be said about it. */
enum err_code diverge_refuse(const struct diverge *d, struct err *e) MUST_CHECK;

/*
 * After it was refused, outside repo_lock: what is common, and the newest here,
 * stay until a person has looked (HOLD_DIVERGED, the dataset for a label).
 */
enum err_code diverge_hold(struct store *st, const struct diverge *d,
    const char *text, struct err *e) MUST_CHECK;

/* V4.  Inside repo_lock.  ERR_REFUSED. */
enum err_code diverge_is_open(struct store *st, const struct snapshot *s,
    const struct snapshot_list *list, struct err *e) MUST_CHECK;

#endif
