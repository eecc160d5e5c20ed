#ifndef JOB_EXERCISE_PARTS_H
#define JOB_EXERCISE_PARTS_H

/* What the units of an isolated test share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/job.h>
#include <bascule/plan.h>
#include <bascule/policy.h>

#include "exercise_cell.h"
#include "planrun.h"

#define EXERCISE_ENDPOINTS_MAX 1024

struct exercise {
	const struct exercise_options *o;
	struct isolated iso;
	struct planrun p; /* the plan, carried out */

	struct exercise_scope scope;
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
	struct clocks clocks;
	int64_t rpa_ns;
	struct mono hold_until, recheck_at; /* ns 0: not set */

	size_t left_at; /* cleaning up: the next undo */
	bool unwinding; /* DO_CLEAN waits for the undos */
	size_t undone_count, undo_failed_count;
	char reason[512]; /* the first thing that went wrong */
};

/* --- prechecks (exercise_precheck) --- */

/*
 * May the test begin?  Chooses the point.  Changes nothing but the sandbox's
 * root.  The text of the error is why not.
 */
enum err_code exercise_precheck(struct exercise *x, struct err *e) MUST_CHECK;

/* --- cleaning (exercise_clean) --- */

/* Every process of the run, and with its cell the run's network. */
enum err_code exercise_clean_processes(struct exercise *x,
    struct err *e) MUST_CHECK;
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
/* What was measured of the isolation, and what was not. */
void exercise_notes_limits(struct exercise *x);
/* The result, last of all. */
void exercise_notes_result(struct exercise *x);
/* The inventory: durable before anything in it exists (X1). */
enum err_code exercise_notes_inventory(struct exercise *x,
    struct err *e) MUST_CHECK;

/* --- its steps (exercise_scope, exercise_steps) --- */

/* Is it done on another machine than the one on which the test runs? */
bool exercise_scope_is_elsewhere(const struct policy_site *site,
    const struct policy_step *step);

enum err_code exercise_steps_choose(struct exercise *x,
    struct err *e) MUST_CHECK;
/* Is the ith step of the plan done in this test? */
bool exercise_steps_has(const struct exercise *x, size_t i);
/* NULL: nothing of a test's own keeps it from being done. */
const char *exercise_steps_why(const struct exercise *x, size_t i, char *out,
    size_t size);
/* What stands aside is a finding; what is done elsewhere than it will be, said. */
void exercise_steps_note(struct exercise *x);

/* --- its table (exercise_effects) --- */

extern const struct plan_effects exercise_effects;
/* Begin to prove the isolation. */
void exercise_effects_prove(struct exercise *x);
/* Cleaning up after another: the next undo, or DO_CLEAN's end. */
void exercise_effects_undo_left(struct exercise *x);

/* --- the states (exercise) --- */

/* Something happened to the test. */
void exercise_feed(struct exercise *x, enum isolated_event event);
/* The first reason is the one that stands. */
void exercise_blame(struct exercise *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* All undos are done: clean the rest. */
void exercise_unwound(struct exercise *x);

#endif
