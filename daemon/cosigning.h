#ifndef DAEMON_COSIGNING_H
#define DAEMON_COSIGNING_H

/*
 * Heads that the other site signs too (docs/format/ledger.md, "Statements"): a
 * site that holds a copy of our ledger says up to which head, and we keep its
 * word in our own.  Asked for in a talk when it is due: at once for what matters
 * (authority, approvals, moves, exercises, deletions), else once an hour.  What is
 * behind the newest such head is this site's word alone, and status says so.
 */

#include "peer.h"

/* What our ledger knows of it already. */
enum err_code cosigning_recall(struct peer *p, struct err *e) MUST_CHECK;
/* Is its word wanted in the talk that begins? */
bool cosigning_is_due(struct peer *p);
/* It has given it: judged, and kept if it is what was wanted. */
enum err_code cosigning_take(struct peer *p, struct wire_value *v,
    struct err *e) MUST_CHECK;
/* What no other site has signed for, into a status's last line. */
enum err_code cosigning_tell(struct daemon *d, struct wire_value *v,
    struct err *e) MUST_CHECK;

#endif
