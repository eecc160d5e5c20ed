#ifndef BASCULE_BASE_PROC_H
#define BASCULE_BASE_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include <bascule/base/err.h>

/*
 * What another process is doing, of /proc/PID/stat: it may be another a moment
 * later.  A process id and when it began name one process for as long as the
 * machine runs.
 */
struct proc_look {
	/*
	 * 'R' runs, 'S' waits, 'D' waits for a device, 'T' is stopped by a
	 * signal (SIGCONT wakes it), 't' by a debugger, 'Z' has ended and
	 * nobody has asked how; '\0' there is none.
	 */
	char state;
	pid_t session;
	uint64_t began_ticks; /* clock ticks since the boot */
};

/* No such process is no error: out->state says so.  ERR_IO: it cannot be read. */
enum err_code proc_look(struct proc_look *out, pid_t pid, struct err *e);

/* Its state alone, for words to people; '?' there is none, or it cannot be read. */
char proc_state(pid_t pid);

#endif
