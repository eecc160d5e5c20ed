#ifndef JOB_PLANRUN_H
#define JOB_PLANRUN_H

/*
 * A plan being carried out: what an isolated test and a live move share.  The
 * engine decides; planrun_steps writes an intent, has an attempt made in a
 * process of its own, writes the outcome, and tells the engine.
 *
 * What differs between the modes is one table, struct plan_effects.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/job.h>
#include <bascule/plan.h>
#include <bascule/policy.h>

#include "planrun_attempt.h"
#include "planrun_fields.h"

struct planrun;

struct plan_effects {
	unsigned mode;       /* PLAN_IN_... */
	int64_t stop_ns;     /* from asking an attempt to end to killing it */
	bool dies_uncertain; /* an attempt whose process died may have acted */

	/* A descriptor that its attempts keep (PLANRUN_KEPT_FD), 0: none; NULL */
	int (*kept_fd)(const struct planrun *p);

	/* --- in the attempt's own process; report and error are the outcome */
	/* Go where the steps of this mode are done; NULL: here. */
	enum err_code (*enter)(const struct planrun_task *t, struct err *e);
	enum err_code (*restore)(const struct planrun_task *t,
	    struct planrun_attempt_report *r, struct err *e);
	/* The words of a run step, an undo or a fence. */
	enum err_code (*run)(const struct planrun_task *t,
	    const struct planrun_words *words, struct planrun_attempt_report *r,
	    struct err *e);
	enum err_code (*check)(const struct planrun_task *t,
	    struct planrun_attempt_report *r, struct err *e);
	/* What is proved beside the plan: isolation.  NULL: nothing is. */
	enum err_code (*prove)(const struct planrun_task *t,
	    struct planrun_attempt_report *r, struct err *e);

	/* --- in the worker: what follows */
	void (*begins)(struct planrun *p, size_t step);
	void (*ended)(struct planrun *p, size_t step); /* well; NULL */
	/* May the step be left out, as one that was done?  *why for people. */
	bool (*is_moot)(struct planrun *p, size_t step, const char **why);
	void (
	    *proved)(struct planrun *p, const struct planrun_attempt_report *r);
	void (*undone)(struct planrun *p, size_t step,
	    const struct planrun_attempt_report *r);
	/* Why it is not done in this mode, if it is not the policy's word; NULL */
	const char *(*why_aside)(const struct planrun *p, size_t step,
	    char *out, size_t size);
	/* A step was skipped, or the run aborted, in these words. */
	void (*skipped)(struct planrun *p, size_t step, const char *said);
	void (*aborted)(struct planrun *p, const char *said);
	/* ENGINE_AT_GATE, ENGINE_ALL_DONE, ENGINE_ALL_UNDONE. */
	void (*came_to)(struct planrun *p, enum engine_action_kind what);
	/* Before each action of the engine's, and after them all. */
	void (*look)(struct planrun *p);

	/* --- in planrun_go */
	/* A word that is no answer: somebody ends it. */
	void (*told)(struct planrun *p, const struct planrun_word *w);
	/* Time has gone by, as the engine knows; NULL. */
	void (*ticked)(struct planrun *p);
	/* It has something of its own to do in so many ms; NULL: it has not. */
	int64_t (*due_ms)(const struct planrun *p);
};

/* --- one step as it is being done --- */

struct planrun_doing {
	struct planrun_attempt *attempt; /* NULL: nothing runs */
	enum planrun_attempt_kind kind;
	const char *name, *what; /* of its records: "load", "run" */
	unsigned number;         /* the engine's attempt */
	uint64_t seq;            /* of its intent */
	bool asks;               /* a confirm step: a person is asked */
	bool puzzles;            /* failed or uncertain: a person is asked */
};

struct planrun {
	const struct plan_effects *effects;
	void *ctx; /* whose run it is */
	const struct policy *policy;
	const struct policy_service *service;
	const struct policy_site *site;    /* this one */
	const char *run, *epoch, *sandbox; /* as variables */
	const struct planrun_link *link;

	struct engine *engine;
	struct plan_step *steps; /* of all the plan's steps */
	size_t steps_count;
	struct planrun_doing *doing; /* one a step, and one for proving */
	struct engine_action *todo;  /* actions not yet carried out */
	size_t todo_count, todo_done;
	struct planrun_snapshot *snapshots; /* as service->datasets */
	bool is_over;    /* nothing more is to be done: planrun_go ends */
	struct err lost; /* nobody writes down what we do: .code */
};

/* --- making (planrun) --- */

/* The rest of *p is filled in before; ends with planrun_fini. */
enum err_code planrun_init(struct planrun *p, struct err *e) MUST_CHECK;
void planrun_fini(struct planrun *p);
/* What variables stand for in a step. */
void planrun_values(const struct planrun *p, const struct policy_step *step,
    char snapshot[ID_HEX_BYTES], struct policy_values *out);
/* Nothing may turn out wrong later that can be known now: all its variables. */
enum err_code planrun_check_words(const struct planrun *p,
    const struct policy_step *step, struct err *e) MUST_CHECK;
/* Wait for an attempt's end, a word, or until ms have passed. */
enum err_code planrun_wait(struct planrun *p, int ms, struct err *e) MUST_CHECK;
/*
 * Work, wait, listen, until p->is_over; or p->lost, which is the error then, and
 * what runs is left to be found by the next.
 */
enum err_code planrun_go(struct planrun *p, struct err *e) MUST_CHECK;
/* What stands at place i of `doing` for proofs. */
#define PLANRUN_PROOF(p) ((p)->steps_count)

/* --- what is written down (planrun_notes) --- */

/* A record; what fails ends the run (p->lost). */
void planrun_notes_note(struct planrun *p, const char *record,
    struct planrun_fields *f);
/* A line for those who watch. */
void planrun_notes_log(struct planrun *p, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* Before and after what doing[i] names. */
enum err_code planrun_notes_intent(struct planrun *p, size_t i,
    struct err *e) MUST_CHECK;
void planrun_notes_outcome(struct planrun *p, size_t i, const char *state,
    const char *reason, const struct planrun_attempt_report *r);
/* Every step that was not executed, and why. */
void planrun_notes_skipped(struct planrun *p, const char *not_in_mode,
    const char *not_its_turn);

/* --- steps, undos and proofs (planrun_steps) --- */

/* Carry out what the engine asked for, and what follows from that. */
void planrun_steps_work(struct planrun *p);
/* Tell the engine; its actions are queued for planrun_steps_work. */
void planrun_steps_tell(struct planrun *p, const struct engine_event *ev);
/* Queue actions that the engine gave otherwise (engine_resume). */
void planrun_steps_queue(struct planrun *p, const struct engine_action *actions,
    size_t count);
/* Begin what is proved beside the plan; undo words of another worker's. */
enum err_code planrun_steps_prove(struct planrun *p,
    const char *const *endpoints, size_t endpoints_count,
    struct err *e) MUST_CHECK;
enum err_code planrun_steps_undo(struct planrun *p, size_t i,
    const struct policy_step *step, const struct planrun_undo *undo,
    struct err *e) MUST_CHECK;
/* End a proof that runs: nobody waits for it any more. */
void planrun_steps_end_proof(struct planrun *p);
/* Which attempts have ended? */
void planrun_steps_collect(struct planrun *p);
/* What people answered. */
void planrun_steps_answer(struct planrun *p, const struct planrun_word *w);

#endif
