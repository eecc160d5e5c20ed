#ifndef JOB_EXERCISE_PARTS_H
#define JOB_EXERCISE_PARTS_H

/* What the units of an isolated test share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/job.h>
#include <bascule/plan.h>
#include <bascule/policy.h>

#include "exercise_attempt.h"

#define EXERCISE_ENDPOINTS_MAX 1024

/* --- fields of a record (exercise_fields) --- */

struct exercise_fields { /* zeroed: empty; sticks when memory runs out */
	struct exercise_field *items;
	size_t count;
	bool failed;
};
void exercise_fields_fini(struct exercise_fields *f);
void exercise_fields_add(struct exercise_fields *f, const char *name,
    const char *fmt, ...) PRINTF_LIKE(3, 4);
void exercise_fields_bytes(struct exercise_fields *f, const char *name,
    const char *bytes, size_t len_bytes);

/* --- one step as it is being done --- */

struct exercise_doing {
	struct exercise_attempt *attempt; /* NULL: nothing runs */
	enum exercise_attempt_kind kind;
	unsigned number; /* the engine's attempt */
	uint64_t seq;    /* of its intent */
	bool asks;       /* a confirm step: a person is asked */
};

struct exercise {
	const struct exercise_options *o;
	struct isolated iso;
	struct engine *engine;
	struct plan_step *steps; /* of all the plan's steps */
	size_t steps_count;
	struct exercise_doing *doing; /* one a step, and one for proving */
	struct engine_action *todo;   /* actions not yet carried out */
	size_t todo_count, todo_done;

	char *sandbox;
	uint64_t inventory_seq; /* of its intent */
	struct exercise_cell *cell;
	bool cell_was_gone; /* cleaning up: nothing can run any more */
	char cell_why[ERR_TEXT_BYTES]; /* there is none, because */
	char **endpoints; /* production, that must not be reached */
	size_t endpoints_count;
	unsigned proofs_count;
	bool was_breached; /* an address of production answered */

	struct id point;
	struct utc point_at;
	struct exercise_snapshot *snapshots; /* as service->datasets */
	struct clocks clocks;
	int64_t rpa_ns;
	struct mono hold_until, recheck_at; /* ns 0: not set */

	size_t left_at; /* cleaning up: the next undo */
	bool unwinding; /* DO_CLEAN waits for the undos */
	size_t undone_count, undo_failed_count;
	char reason[512]; /* the first thing that went wrong */
	bool is_over;
	struct err lost; /* nobody writes down what we do: .code */
};

/* --- prechecks (exercise_precheck) --- */

/*
 * May the test begin?  Chooses the point.  Changes nothing but the sandbox's
 * root.  The text of the error is why not.
 */
enum err_code exercise_precheck(struct exercise *x, struct err *e) MUST_CHECK;

/* --- cleaning (exercise_clean) --- */

/* Everything but the undos: processes, then files.  *what: in words. */
enum err_code exercise_clean(struct exercise *x, char *what, size_t what_bytes,
    struct err *e) MUST_CHECK;

/* --- what is written down (exercise_notes) --- */

/* What the run set out to do, once the point is chosen. */
void exercise_notes_plan(struct exercise *x);
/* A state it has come to. */
void exercise_notes_state(struct exercise *x);
/* One field of the run: "finding", "limitation", "isolation", ... */
void exercise_notes_one(struct exercise *x, const char *name, const char *fmt,
    ...) PRINTF_LIKE(3, 4);
/* Every step that was not executed, and why. */
void exercise_notes_skipped(struct exercise *x);
/* What was measured of the isolation, and what was not. */
void exercise_notes_limits(struct exercise *x);
/* The result, last of all. */
void exercise_notes_result(struct exercise *x);
/* The inventory: durable before anything in it exists (X1). */
enum err_code exercise_notes_inventory(struct exercise *x,
    struct err *e) MUST_CHECK;
/* A line for those who watch. */
void exercise_notes_log(struct exercise *x, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* Before and after a step, its undo or a proof. */
enum err_code exercise_notes_intent(struct exercise *x, size_t i,
    const char *step, const char *kind, struct err *e) MUST_CHECK;
void exercise_notes_outcome(struct exercise *x, size_t i, const char *state,
    const char *reason, const struct exercise_attempt_report *r);
/* The writing itself: what fails ends the run (x->lost). */
void exercise_notes_note(struct exercise *x, const char *record,
    struct exercise_fields *f);

/* --- steps, undos and proofs (exercise_steps) --- */

/* Carry out what the engine asked for, and what follows from that. */
void exercise_steps_work(struct exercise *x);
/* Tell the engine; its actions are queued for exercise_steps_work. */
void exercise_steps_tell(struct exercise *x, const struct engine_event *ev);
/* Begin to prove the isolation. */
void exercise_steps_prove(struct exercise *x);
/* End one that runs: nobody waits for it any more. */
void exercise_steps_end_proof(struct exercise *x);
/* Cleaning up after another: the next undo, or DO_CLEAN's end. */
void exercise_steps_undo_left(struct exercise *x);
/* Which attempts have ended? */
void exercise_steps_collect(struct exercise *x);
/* What people answered. */
void exercise_steps_answer(struct exercise *x, const struct exercise_word *w);

/* --- the states (exercise) --- */

/* Something happened to the test. */
void exercise_feed(struct exercise *x, enum isolated_event event);
/* The first reason is the one that stands. */
void exercise_blame(struct exercise *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* All undos are done: clean the rest. */
void exercise_unwound(struct exercise *x);

/* --- what variables stand for --- */
void exercise_values(const struct exercise *x, const struct policy_step *step,
    char snapshot[ID_HEX_BYTES], struct policy_values *out);

#endif
