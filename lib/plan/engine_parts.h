#ifndef PLAN_ENGINE_PARTS_H
#define PLAN_ENGINE_PARTS_H

/* What the engine and its taking up again share. */

#include "graph.h"

#define REASON_BYTES 256
#define NO_STEP      ((size_t)PLAN_STEPS_MAX)

struct step {
	enum engine_step_state state;
	unsigned attempt;
	unsigned retries_left;
	unsigned lost_left;   /* repetitions of an uncertain one */
	uint32_t waits_count; /* what it waits for and is not settled yet */
	bool stopping;        /* it was told to end */
	bool asked;           /* the operator has the word */
	bool has_effects;     /* something of it may stand: to be undone */
	size_t ended;
	struct mono from;  /* of the attempt or undo; of the next attempt */
	struct mono until; /* NEVER: no deadline */
	char reason[REASON_BYTES];
};

struct engine {
	struct engine_options o;
	enum engine_state state;
	enum engine_outcome outcome;
	struct step *steps;
	struct graph graph;
	uint32_t *settled;      /* those whose followers hear of it now */
	size_t unsettled_count; /* of this mode */
	bool gate_open, gate_reached;
	size_t ended_count;
	size_t undoing; /* the step whose undo runs, or NO_STEP */
	size_t undo_failures;
	struct mono now;
	struct mono ask_until;
	struct engine_action *actions;
	size_t actions_count, actions_max;
	char reason[REASON_BYTES];
};

/* ERR_INPUT: the event does not fit. */
enum err_code engine_misfit(struct err *e, const char *what);
void engine_set_reason(char out[REASON_BYTES], const char *reason);
/* A question, a wait: nothing is done in it. */
bool engine_is_idle(const struct engine *en, size_t i);
/* Done or skipped: its followers wait for one less. */
void engine_settle(struct engine *en, size_t i);
void engine_step_failed(struct engine *en, size_t i);
void engine_step_lost(struct engine *en, size_t i);
void engine_abort_run(struct engine *en, const char *reason);
/* Start what may start; end what is at its end. */
void engine_advance(struct engine *en);

#endif
