#ifndef DAEMON_FENCING_H
#define DAEMON_FENCING_H

/*
 * The epoch beside this site's copy (include/bascule/store.h, F1 to F3): what
 * makes `store serve` here refuse a site that a service was moved away from.
 * The register says what the epoch is; here it reaches the repository.
 */

#include <stdint.h>

#include <bascule/base/err.h>

struct daemon;
struct daemon_service;

/*
 * This site takes the service at that epoch: durable beside the copy when
 * ERR_NONE, and from then on nothing comes in under an older one, nor goes out
 * from here but under this one.  Before the record that says so (TAKEN); again
 * is fine.  ERR_BUSY: somebody is in the repository's lock just now, try again
 * at the next tick; ERR_REFUSED: the copy has heard of a higher epoch, which
 * e->text names; ERR_NOTFOUND: there is no repository here.
 */
enum err_code fencing_take(struct daemon *d, const char *service,
    uint64_t epoch, struct err *e) MUST_CHECK;

/*
 * The highest that was heard of beside the copy: from the register, or from a
 * session that came in.  A new epoch must be above it.  0: none.
 */
enum err_code fencing_seen(struct daemon *d, const char *service,
    uint64_t *epoch, struct err *e) MUST_CHECK;

/* Every tick: what the register has heard meanwhile is told the copy. */
void fencing_look(struct daemon *d, struct daemon_service *s);

#endif
