#ifndef JOB_EXERCISE_ATTEMPT_H
#define JOB_EXERCISE_ATTEMPT_H

/*
 * One attempt of one step, in a process of its own: the worker stays free to
 * listen, and can end it.  What it found out is left in memory both share.
 *
 * An attempt dies with the worker; what it started in the cell does not.
 */

#include <stdbool.h>
#include <sys/types.h>

#include <bascule/base/now.h>
#include <bascule/job.h>
#include <bascule/policy.h>

#include "exercise_cell.h"
#include "exercise_restore.h"

#define EXERCISE_ATTEMPT_REASON_BYTES ERR_TEXT_BYTES
#define EXERCISE_ATTEMPT_OUTPUT_BYTES 2048
#define EXERCISE_ATTEMPT_NOTE_BYTES   8192

enum exercise_attempt_kind {
	EXERCISE_DO_STEP,
	EXERCISE_DO_UNDO,
	EXERCISE_DO_PROVE /* the isolation */
};

struct exercise_attempt_task {
	enum exercise_attempt_kind kind;
	const struct exercise_options *options;
	const struct policy_step *step;           /* of DO_STEP */
	const struct exercise_undo *undo;         /* of DO_UNDO */
	const struct exercise_snapshot *snapshot; /* of a restore */
	const struct exercise_cell *cell;         /* NULL: none */
	const struct policy_values *values;
	const char *const *endpoints; /* of DO_PROVE */
	size_t endpoints_count;
};

/* Written by the attempt; read when it has ended. */
struct exercise_attempt_report {
	bool is_over; /* else it died before its end */
	bool ok;
	bool breached; /* DO_PROVE: production was reached */
	enum err_code code;
	int exit_status, signal;
	bool has_output;
	uint64_t output_bytes;
	struct id output_hash;
	char reason[EXERCISE_ATTEMPT_REASON_BYTES];
	char note[EXERCISE_ATTEMPT_NOTE_BYTES];     /* what was found */
	char output[EXERCISE_ATTEMPT_OUTPUT_BYTES]; /* its end, NUL-ended */
	size_t output_kept_bytes;
};

struct exercise_attempt {
	pid_t pid;
	int pid_fd;                 /* readable when it has ended */
	struct mono began, stop_at; /* stop_at.ns: KILL then; 0: not stopped */
	struct exercise_attempt_report *report;
};

enum err_code exercise_attempt_start(struct exercise_attempt **out,
    const struct exercise_attempt_task *task, struct err *e) MUST_CHECK;
/* Ask it to end; exercise_attempt_is_over kills it later. */
void exercise_attempt_stop(struct exercise_attempt *a);
/* Has it ended?  Its report is complete then. */
bool exercise_attempt_is_over(struct exercise_attempt *a);
/* One that runs is killed.  *a may be NULL. */
void exercise_attempt_free(struct exercise_attempt **a);

#endif
