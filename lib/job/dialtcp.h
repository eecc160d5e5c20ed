#ifndef JOB_DIALTCP_H
#define JOB_DIALTCP_H

/* Connecting to HOST:PORT, in time or not at all. */

#include <stdbool.h>
#include <stdint.h>

#include <bascule/base/err.h>

#define DIALTCP_HOST_BYTES 256

/* "HOST:PORT", "[::1]:PORT".  ERR_INPUT. */
enum err_code dialtcp_split(const char *text, char host[DIALTCP_HOST_BYTES],
    char port[6], struct err *e) MUST_CHECK;

/*
 * *fd: connected, non-blocking, close-on-exec.  Each address of a name has the
 * whole time; after it each is looked at once more.  ERR_TIMEOUT, ERR_IO (refused,
 * unreachable, a name that does not resolve): the text is the bare reason.
 * ERR_NOMEM: this machine could not try, which says nothing of the other end.
 */
enum err_code dialtcp(int *fd, const char *host, const char *port,
    int64_t timeout_ns, struct err *e) MUST_CHECK;

/* Is this, in digits, the address of an interface of this machine? */
bool dialtcp_is_here(const char *address);

#endif
