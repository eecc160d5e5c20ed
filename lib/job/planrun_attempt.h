#ifndef JOB_PLANRUN_ATTEMPT_H
#define JOB_PLANRUN_ATTEMPT_H

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

#include "planrun_restore.h"

#define PLANRUN_ATTEMPT_REASON_BYTES ERR_TEXT_BYTES
#define PLANRUN_ATTEMPT_OUTPUT_BYTES 2048
#define PLANRUN_ATTEMPT_NOTE_BYTES   8192

enum planrun_attempt_kind {
	PLANRUN_DO_STEP,
	PLANRUN_DO_UNDO,
	PLANRUN_DO_PROVE /* the isolation */
};

struct plan_effects;
struct planrun;

struct planrun_task {
	enum planrun_attempt_kind kind;
	const struct plan_effects *effects;
	const struct planrun *run;
	const struct policy_step *step;  /* of DO_STEP, and of DO_UNDO */
	unsigned attempt;                /* the how many-eth of the step */
	const struct planrun_undo *undo; /* of DO_UNDO */
	const struct planrun_snapshot *snapshot; /* of a restore */
	const struct policy_values *values;
	const char *const *endpoints; /* of DO_PROVE */
	size_t endpoints_count;
	int kept_fd; /* stays open in the attempt, as PLANRUN_KEPT_FD; 0: none */
};
#define PLANRUN_KEPT_FD 3

/* What a step's program is. */
struct planrun_words {
	const char *const *argv;
	const char *step;   /* whose it is */
	const char *on;     /* a host of the policy; "": the site's own */
	int64_t timeout_ns; /* 0: none */
	bool is_brief;      /* as planrun_undo's */
};

/* Written by the attempt; read when it has ended. */
struct planrun_attempt_report {
	bool is_over; /* else it died before its end */
	bool ok;
	bool is_uncertain; /* not ok, but it may have been done */
	bool is_unreached; /* nor could its host be asked */
	bool breached;     /* DO_PROVE: production was reached */
	enum err_code code;
	int exit_status, signal;
	bool has_output;
	uint64_t output_bytes;
	struct id output_hash;
	char reason[PLANRUN_ATTEMPT_REASON_BYTES];
	char note[PLANRUN_ATTEMPT_NOTE_BYTES];     /* what was found */
	char output[PLANRUN_ATTEMPT_OUTPUT_BYTES]; /* its end, NUL-ended */
	size_t output_kept_bytes;
};

struct planrun_attempt {
	pid_t pid;
	int pid_fd; /* readable when it has ended */
	int64_t stop_ns;
	bool dies_uncertain;
	struct mono began, stop_at; /* stop_at.ns: KILL then; 0: not stopped */
	struct planrun_attempt_report *report;
};

enum err_code planrun_attempt_start(struct planrun_attempt **out,
    const struct planrun_task *task, struct err *e) MUST_CHECK;
/* Ask it to end; planrun_attempt_is_over kills it later. */
void planrun_attempt_stop(struct planrun_attempt *a);
/* Has it ended?  Its report is complete then. */
bool planrun_attempt_is_over(struct planrun_attempt *a);
/* One that runs is killed.  *a may be NULL. */
void planrun_attempt_free(struct planrun_attempt **a);

#endif
