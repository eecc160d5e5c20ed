#ifndef TESTS_SUPPORT_FARFILES_H
#define TESTS_SUPPORT_FARFILES_H

#include <bascule/ssh.h>

#include "support/farhost.h"

/* An SFTP session with a farhost, whose own directory is the ground. */
struct farfiles {
	struct farhost host;
	struct hostpins *pins;
	struct sshconn *conn;
	struct sshsftp *sftp;
	char path[256]; /* of the last farfiles_path */
};

void farfiles_start(struct farfiles *f, const char *options);
void farfiles_stop(struct farfiles *f);
/* timeout_ns 0: the default. */
void farfiles_connect(struct farfiles *f, int64_t timeout_ns);
void farfiles_disconnect(struct farfiles *f);
/* The absolute path of name there. */
const char *farfiles_path(struct farfiles *f, const char *name);

#endif
