#ifndef JOB_PLANRUN_PROGRAM_H
#define JOB_PLANRUN_PROGRAM_H

/*
 * A step's program: no shell, its output bounded and hashed, a deadline.
 * Other than source_run's, what it leaves running when it succeeds stays: a
 * step that starts a service is what a test is about.  When it fails or is
 * stopped, its process group is killed.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bascule/base/buf.h>
#include <bascule/base/err.h>
#include <bascule/base/id.h>

#define PLANRUN_PROGRAM_HEAD_BYTES ((size_t)64 << 10)
#define PLANRUN_PROGRAM_TAIL_BYTES ((size_t)2 << 10)

struct planrun_program {
	const char *const *argv;
	const char *run, *step, *sandbox; /* for its environment; its cwd */
	int64_t timeout_ns;               /* 0: none */
};

struct planrun_said {
	int exit_status; /* -1: ended by signal */
	int signal;
	uint64_t bytes;   /* stdout and stderr together, as they came */
	struct id hash;   /* of all of them */
	struct buf out;   /* stdout's first */
	struct buf tail;  /* the last of both */
	bool was_stopped; /* SIGTERM came for us meanwhile */
	bool was_lost; /* it was begun, and could not be followed to its end */
	bool
	    was_unreached; /* another host, to which no connection came about */
};
void planrun_program_fini(struct planrun_said *s);

/*
 * Run it to its end.  SIGTERM to the caller ends it.  A failing status is no
 * error.  ERR_TIMEOUT; ERR_NOTFOUND, ERR_REFUSED, ...: it cannot be started.
 */
enum err_code planrun_program_run(const struct planrun_program *p,
    struct planrun_said *out, struct err *e) MUST_CHECK;

/* ERR_IO with status, signal and the end of what it said, unless it exited 0. */
enum err_code planrun_program_judge(const struct planrun_said *s,
    const char *name, struct err *e) MUST_CHECK;

#endif
