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

/* The sshd's own process: for tests that stop or kill it. */
int farhost_pid(struct farhost *h);

/* Of its Ed25519 key: "SHA256:...", until the next call. */
const char *farhost_fingerprint(struct farhost *h);

/* Run a program of argv and wait; its exit status. */
int farhost_run(const char *const argv[]);

#endif
