#ifndef LOOP_SPAWN_H
#define LOOP_SPAWN_H

#include <sys/types.h>

#define LOOP_SPAWN_FDS 4

struct loop_spawn {
	const char *program;
	const char *const *argv;
	/* of the child's 0, 1, 2 and, if it has it, 3; -1: nothing is there */
	int fds[LOOP_SPAWN_FDS];
	unsigned fd_count;
};

/*
 * A process with a session of its own, which becomes that program.  0, or a
 * negative errno: no such process, no such program.  A pid that is not 0 is to be
 * reaped in any case.
 *
 * Whoever stands still before its exec (stopped, or waiting for the disk that the
 * program lies on) does not hold the caller: after a tenth of a second it counts as
 * begun.  Comes to nothing after all, it says so on its fd 2 and exits with 127.
 */
int loop_spawn(pid_t *pid, const struct loop_spawn *what);

#endif
