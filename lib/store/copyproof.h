#ifndef STORE_COPYPROOF_H
#define STORE_COPYPROOF_H

/*
 * Before a copy goes because another stays, that one is looked at:
 *
 * C1. It is what its pack's footer says; each frame is read once in a
 *     collection.
 * C2. Whoever can open the one that goes can open it, grants taken together.
 * C3. What came from elsewhere stands for another only if it is the same frame,
 *     sealed and all, under the same stanzas: a footer is a claim.
 */

#include "collecting.h"

struct copyproof; /* what one collection has read so far */
void copyproof_free(struct copyproof **p);
/* May `gone` go for `other`?  False also when they could not be looked at. */
bool copyproof_is_good(struct collection *c, const struct id *id,
    const struct index_copy *gone, const struct index_copy *other);

#endif
