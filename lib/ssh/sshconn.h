#ifndef LIB_SSH_SSHCONN_H
#define LIB_SSH_SSHCONN_H

/* What a command needs of the connection under it. */

#include <libssh2.h>

#include <bascule/base/now.h>
#include <bascule/ssh.h>

#define SSHCONN_NAME_BYTES (SSH_USER_BYTES_MAX + SSH_HOST_BYTES_MAX + 16)

struct sshconn {
	LIBSSH2_SESSION *session;
	int fd;
	bool lost; /* nothing more can be said over it */
	bool busy; /* a command has it */
	int64_t timeout_ns;
	const volatile sig_atomic_t *cancel; /* borrowed; may be NULL */
	char name[SSHCONN_NAME_BYTES];
	char fingerprint[SSH_FINGERPRINT_BYTES];
};

/* By when the peer must have made some progress, counted from now. */
struct mono sshconn_deadline(const struct sshconn *c);

/*
 * Wait until libssh2, which just said EAGAIN, can go on.  ERR_TIMEOUT past
 * the deadline, ERR_CANCELLED.
 */
enum err_code sshconn_wait(struct sshconn *c, struct mono deadline,
    struct err *e) MUST_CHECK;

/*
 * As sshconn_wait, where nothing need come: ERR_TIMEOUT is no fault, and the
 * same call of libssh2 may be made again later.
 */
enum err_code sshconn_linger(struct sshconn *c, struct mono until,
    struct err *e) MUST_CHECK;

/*
 * A channel for a command or a subsystem, with so much room for what comes; and
 * its end, which waits a second at most: what cannot be freed by then goes with
 * the session.
 */
enum err_code sshconn_channel(LIBSSH2_CHANNEL **out, struct sshconn *c,
    unsigned window_bytes, struct err *e) MUST_CHECK;
void sshconn_channel_free(struct sshconn *c, LIBSSH2_CHANNEL **channel);

/*
 * libssh2 said rc, which is neither success nor EAGAIN, while doing what:
 * ERR_TIMEOUT when the connection is gone, ERR_IO otherwise.
 */
enum err_code sshconn_fail(struct sshconn *c, ssize_t rc, const char *what,
    struct err *e);

#endif
