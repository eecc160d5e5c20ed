#ifndef STORE_COPYPROOF_H
#define STORE_COPYPROOF_H

/*
 * Before a copy goes because another stays, that one is read: it must be what
 * its pack's footer says.  Each frame once in a collection.
 */

#include "collecting.h"

struct copyproof; /* what one collection has read so far */
void copyproof_free(struct copyproof **p);
/* False also when it could not be looked at. */
bool copyproof_is_good(struct collection *c, const struct id *id,
    const struct index_copy *copy);

#endif
