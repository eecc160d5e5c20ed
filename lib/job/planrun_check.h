#ifndef JOB_PLANRUN_CHECK_H
#define JOB_PLANRUN_CHECK_H

/* The questions of a plan: http, tcp, unreachable, command, sql, file, tls. */

#include <bascule/base/err.h>
#include <bascule/policy.h>

#include "planrun_program.h"

struct planrun_question {
	const struct policy_check *check;
	const struct policy_values *values; /* for its variables */
	struct planrun_program program;     /* all but argv and the timeout */
	int64_t timeout_ns;                 /* of the whole */
	/* Runs a program elsewhere; NULL: here. */
	enum err_code (*run)(void *ctx, const struct planrun_program *p,
	    struct planrun_said *out, struct err *e);
	void *ctx;
};

/*
 * Ask until the answer is right or check.within is over.  answer: what was
 * said last, for the record; note: in words.
 */
enum err_code planrun_check(const struct planrun_question *q,
    struct planrun_said *answer, struct buf *note, struct err *e) MUST_CHECK;

/*
 * Does anything answer at HOST:PORT?  ERR_NONE: nothing does, and *note says
 * how that showed; ERR_REFUSED: it was reached.
 */
enum err_code planrun_check_cut_off(const char *endpoint, struct buf *note,
    struct err *e) MUST_CHECK;

/* The number a command printed: nothing but white space around it. */
enum err_code planrun_check_number(const struct buf *text, int64_t *out,
    struct err *e) MUST_CHECK;

#endif
