#ifndef JOB_LIVE_H
#define JOB_LIVE_H

/*
 * The acts of a live move at this site (docs/protocol/worker.md, move).
 *
 * V1. Before every effect its intent is durable; after it comes the outcome,
 *     which is "uncertain" where nobody knows.
 * V2. What restores, restores into `to` alone: beneath live_root, unless the
 *     step names another place itself.
 * V3. A fence is proved by its `prove`, which is run after it and only reads.
 * V4. Nobody who writes down what is done: nothing is begun any more, nothing
 *     is undone; what runs is left to be found by the next.
 */

#include <bascule/job.h>
#include <bascule/plan.h>
#include <bascule/policy.h>

#include "planrun.h"

/* What the records say of a step. */
struct live_past {
	const char *step, *state, *reason;
	unsigned attempt;
};

struct live_options {
	const struct policy *policy;
	const struct policy_service *service;
	const struct policy_site *site; /* this one */
	const char *run;                /* the failover's */
	const char *mode;               /* "planned", "unplanned" */
	const char *epoch;              /* as a number, in digits */
	const char *from, *to;          /* sites */
	const char *point;              /* a whole id; of plan */
	const char *live_root;
	bool without_restores;
	const struct live_past *past; /* in the order in which they ended */
	size_t past_count;
	struct planrun_link link;
};

enum live_verdict { LIVE_UNCERTAIN, LIVE_DONE, LIVE_NOT_DONE };

struct live_result {
	enum live_verdict verdict;
	char reason[512];
	/* of a plan, an undo */
	char failed_step[PLAN_STEP_NAME_MAX + 1];
	bool standing; /* something that the plan did stands */
	size_t steps_done, undo_failed;
	struct utc promoted, redirected, accepted; /* ns 0: not */
	/* of a fence */
	char method[256], proof[512], attest[512];
};

/* "uncertain", "done", "not-done". */
const char *live_verdict_name(enum live_verdict v);

/*
 * ERR_NONE whatever the verdict.  ERR_CANCELLED: nobody is there to write down
 * what is done (V4).
 */
enum err_code live_plan(const struct live_options *o, struct live_result *out,
    struct err *e) MUST_CHECK;
enum err_code live_undo(const struct live_options *o, struct live_result *out,
    struct err *e) MUST_CHECK;

extern const struct plan_effects live_effects_planned, live_effects_unplanned;

/* --- fences and hooks (live_fence) --- */

enum err_code live_fence_run(const struct live_options *o,
    struct live_result *out, struct err *e) MUST_CHECK;
enum err_code live_fence_prove(const struct live_options *o,
    struct live_result *out, struct err *e) MUST_CHECK;
enum err_code live_fence_resume(const struct live_options *o,
    struct live_result *out, struct err *e) MUST_CHECK;
enum err_code live_fence_quiesce(const struct live_options *o,
    struct live_result *out, struct err *e) MUST_CHECK;

#endif
