#ifndef DAEMON_ERRAND_H
#define DAEMON_ERRAND_H

/*
 * A worker that is no job's (docs/protocol/worker.md): begun with its spec, heard
 * line by line.  What it says is the caller's to judge; who says what is no
 * message is stopped, and nothing more of it is heard.
 */

#include "daemon.h"

struct errand;

struct errand_options {
	void *ctx;
	void (*on_line)(void *ctx, struct wire_value *line);
	/* It said what is no message, and was stopped.  NULL: its end tells. */
	void (*on_nonsense)(void *ctx, const struct err *why);
	/* Once, when it is gone: number is the signal, 0 when it exited. */
	void (*on_end)(void *ctx, int exit_status, int number);
	const char *const *argv; /* NULL: this program, as a worker */
};

enum err_code errand_start(struct errand **out, const struct daemon *d,
    struct wire_value *spec, const struct errand_options *options,
    struct err *e) MUST_CHECK;
/* From any callback, too (LP1).  One that is still there is killed; no more is
 * told. */
void errand_free(struct errand **ep);

enum err_code errand_say(struct errand *er, struct wire_value *line,
    struct err *e) MUST_CHECK;
/* Kill it: no more lines, its end is told. */
void errand_stop(struct errand *er);

#endif
