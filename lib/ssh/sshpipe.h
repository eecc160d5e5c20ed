#ifndef LIB_SSH_SSHPIPE_H
#define LIB_SSH_SSHPIPE_H

/* A subsystem of the far host, written to and read from at once. */

#include <bascule/ssh.h>

struct sshpipe;

/* ERR_REFUSED: the host has no such subsystem for us. */
enum err_code sshpipe_open(struct sshpipe **out, struct sshconn *conn,
    const char *subsystem, struct err *e) MUST_CHECK;
void sshpipe_close(struct sshpipe **pipe);

/*
 * Until something moved: bytes from the front of `out` (which are taken off
 * it), or bytes to the end of `in`, of which there are at most in_max then.
 * ERR_TIMEOUT: nothing did, or the far side has ended.
 */
enum err_code sshpipe_step(struct sshpipe *pipe, struct buf *out,
    struct buf *in, size_t in_max, struct err *e) MUST_CHECK;

#endif
