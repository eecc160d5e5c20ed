#ifndef JOB_EXERCISE_SWEEP_H
#define JOB_EXERCISE_SWEEP_H

/*
 * Processes of a run, wherever they are: those that have its name in their
 * environment (BASCULE_RUN=) or stand in its sandbox.  The last net beneath
 * the cell, and the only one where no cell can be made.
 */

#include <stddef.h>

#include <bascule/base/err.h>

/*
 * Kill them until none is left.  sandbox may be NULL.  *killed: how many.
 * ERR_TIMEOUT: some are still there.  Any other error: some may be, for not all
 * could be looked at.
 */
enum err_code exercise_sweep(const char *run, const char *sandbox,
    size_t *killed, struct err *e) MUST_CHECK;

/* How many there are now: nobody is killed. */
enum err_code exercise_sweep_count(const char *run, const char *sandbox,
    size_t *count, struct err *e) MUST_CHECK;

#endif
