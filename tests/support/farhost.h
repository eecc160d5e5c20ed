#ifndef TESTS_SUPPORT_FARHOST_H
#define TESTS_SUPPORT_FARHOST_H

#include <stdint.h>

#include "support/tmpdir.h"

/* A real sshd on 127.0.0.1 with everything to log in to it: see sshd.sh. */
struct farhost {
	struct tmpdir dir;
	uint16_t port;
	char user[64]; /* whoever runs this */
	char known_hosts[128], identity[128];
};

/* options: further lines for sshd_config, or NULL. */
void farhost_start(struct farhost *h, const char *options);
void farhost_stop(struct farhost *h);

/* To every process that serves a connection, and not to the one that listens. */
void farhost_cut(struct farhost *h, int signal_number);

/* The sshd's own process: for tests that stop or kill it. */
int farhost_pid(struct farhost *h);

/*
 * What a command says there to signal the sshd that serves it: that one alone.
 * Some shells become the last command, some wait for it: then they are between.  A
 * command that begins when its connection has ended has another parent by then,
 * the run's own ward.
 */
#define FARHOST_SIGNAL_SESSION(name)                                     \
	"p=$PPID; case $(cat /proc/$p/comm) in sh|dash|bash)"            \
	" p=$(sed 's/.*) . \\([0-9]*\\) .*/\\1/' /proc/$p/stat);; esac;" \
	" case $(cat /proc/$p/comm) in sshd*) kill -" name " $p;; esac"

/* Of its Ed25519 key: "SHA256:...", until the next call. */
const char *farhost_fingerprint(struct farhost *h);

/* Run a program of argv and wait; its exit status. */
int farhost_run(const char *const argv[]);

#endif
