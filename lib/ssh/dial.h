#ifndef LIB_SSH_DIAL_H
#define LIB_SSH_DIAL_H

#include <bascule/base/now.h>
#include <bascule/ssh.h>

/*
 * A TCP connection, non-blocking, to the first of the host's addresses that
 * answers.  ERR_TIMEOUT: none did.  ERR_NOTFOUND: no such name.
 */
enum err_code dial_tcp(int *fd, const struct sshconn_options *o,
    struct mono deadline, struct err *e) MUST_CHECK;

/*
 * Wait for events (POLLIN...) on fd until deadline.  ERR_TIMEOUT,
 * ERR_CANCELLED; what is said of them is the caller's affair.
 */
enum err_code dial_wait(int fd, short events, struct mono deadline,
    const volatile sig_atomic_t *cancel, struct err *e) MUST_CHECK;

#endif
