#ifndef LIB_SOURCE_SOURCE_FARHOST_H
#define LIB_SOURCE_SOURCE_FARHOST_H

/*
 * Another host as a source names it: a copy of its words, and connections.
 * source_farhost_connect may be called in any thread.
 */

#include <bascule/source.h>
#include <bascule/ssh.h>

struct source_farhost {
	struct source_host host; /* its texts are ours */
	struct hostpins *pins;
	char **texts;
};

/* Zeroed memory to a copy; source_farhost_fini ends it. */
enum err_code source_farhost_init(struct source_farhost *fh,
    const struct source_host *host, struct err *e) MUST_CHECK;
void source_farhost_fini(struct source_farhost *fh);

/* As sshconn_open. */
enum err_code source_farhost_connect(const struct source_farhost *fh,
    struct sshconn **out, struct err *e) MUST_CHECK;

#endif
