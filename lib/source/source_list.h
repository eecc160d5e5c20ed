#ifndef LIB_SOURCE_SOURCE_LIST_H
#define LIB_SOURCE_SOURCE_LIST_H

/*
 * The work on one unit, without the list and its lock: which names a directory
 * has, and what each of them is.
 */

#include "source_walk.h"

/*
 * Do unit u: list its directory if it is the first, ask for its records.
 * What follows from it hangs on the records (sub) and on u->next, which is
 * given to source_walk_offer_next as soon as there are names for it.
 * Only running out of memory is a failure.
 */
enum err_code source_list_do(struct walk *w, struct walk_unit *u,
    struct err *e) MUST_CHECK;

#endif
