#ifndef STORE_LOSSES_H
#define STORE_LOSSES_H

/*
 * Whether what was known to be here may be gone.  bad/lost (an empty file) says
 * that a healing left something missing; a listed pack that is not there says
 * it by itself.
 */

#include "parts.h"

bool losses_suspected(struct store *st);

/* Under a session of one's own: set or clear bad/lost, durably. */
enum err_code losses_note(struct store *st, struct session *se, bool any,
    struct err *e) MUST_CHECK;

#endif
