#ifndef JOB_EXERCISE_CELL_H
#define JOB_EXERCISE_CELL_H

/*
 * Where the steps of a test run: namespaces of their own for the network
 * (nothing but a loopback), processes and mounts, held open by one process
 * that does nothing, the cell's first.
 *
 * N1. Whatever runs in the cell dies with its first process: the kernel sees
 *     to that, also for what made itself a daemon.
 * N2. The cell outlives the process that made it: whoever has its pid and the
 *     time it was started finds it again.  Before exercise_cell_release it
 *     does not: made but unknown to anybody it ends by itself.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <bascule/base/err.h>

struct exercise_cell {
	pid_t pid; /* as we see it */
	int pid_fd;
	int go_fd;        /* -1 once released */
	uint64_t started; /* ticks since boot: with the pid its name */
	bool own_proc;    /* /proc shows the cell's processes */
	bool is_child;
};

/* ERR_REFUSED: this machine lets us have no namespaces; the text says why. */
enum err_code exercise_cell_make(struct exercise_cell **out,
    struct err *e) MUST_CHECK;
/* It is recorded: it may stay. */
enum err_code exercise_cell_release(struct exercise_cell *c,
    struct err *e) MUST_CHECK;
/* The cell of a run that died.  ERR_NOTFOUND: it is no more; any other error
 * says nothing of it. */
enum err_code exercise_cell_find(struct exercise_cell **out, pid_t pid,
    uint64_t started, const char *boot, struct err *e) MUST_CHECK;

/* Move this process (of one thread) into it; its children are in it fully. */
enum err_code exercise_cell_enter(const struct exercise_cell *c,
    struct err *e) MUST_CHECK;

/* Kill all that is in it and wait, reaping whatever child of ours has ended: no
 * attempt is under way.  ERR_TIMEOUT: something cannot die. */
enum err_code exercise_cell_kill(struct exercise_cell *c,
    struct err *e) MUST_CHECK;
/* Forget it (it stays, if it was released).  *c may be NULL. */
void exercise_cell_free(struct exercise_cell **c);

#endif
