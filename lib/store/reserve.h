#ifndef STORE_RESERVE_H
#define STORE_RESERVE_H

/*
 * `reserve`: room that a collection gives back to itself on a full disk, so
 * that deleting needs none.
 */

#include "parts.h"

#define RESERVE_BYTES ((uint64_t)1 << 20)

/*
 * Unlink it when the file system has less room than that.  Inside repo_lock.
 * *released: the room is there now.
 */
enum err_code reserve_release(struct store *st, bool *released,
    struct err *e) MUST_CHECK;
/*
 * Make it, unless it is there or there is too little room: then the next
 * collection will.  Inside repo_lock, or while nobody else can be there.
 */
void reserve_make(struct store *st);
/* What the file system would still take, for those who are not root. */
uint64_t reserve_room(const struct store *st);

#endif
