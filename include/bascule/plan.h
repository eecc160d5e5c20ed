#ifndef BASCULE_PLAN_H
#define BASCULE_PLAN_H

/*
 * The plan of a service: its graph, the engine that walks it, the states of an
 * isolated test, and the clocks by which a run is judged.
 *
 * Pure: events go in, actions come out; nothing here does I/O, reads a clock or
 * knows the policy.  The same engine walks a tabletop, an isolated test and a
 * live move: who carries out the actions differs.
 *
 * The chapters are the units: graph, engine, isolated, clocks, forecast,
 * tabletop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>

/* --- graph: the steps and their order ------------------------------------- */

#define PLAN_STEPS_MAX     2048
#define PLAN_STEP_NAME_MAX 63
#define PLAN_ATTEMPTS_MAX  100

enum plan_kind {
	PLAN_RESTORE,
	PLAN_RUN,
	PLAN_CHECK,
	PLAN_CONFIRM, /* a person is asked */
	PLAN_WAIT     /* time goes by: the engine's own clock */
};

/* What follows when nobody knows whether a step was done. */
enum plan_uncertain {
	PLAN_UNCERTAIN_ASK,   /* a person, who goes and looks */
	PLAN_UNCERTAIN_RETRY, /* do it again: only if idempotent, else ask */
	PLAN_UNCERTAIN_FAIL   /* as a failure: undo */
};

/* In which modes a step runs: bits. */
#define PLAN_IN_TABLETOP  1u
#define PLAN_IN_TEST      2u
#define PLAN_IN_PLANNED   4u
#define PLAN_IN_UNPLANNED 8u
#define PLAN_IN_ALL       15u

struct plan_step {
	const char *name;
	const char *const *after; /* names of the steps it waits for */
	size_t after_count;
	enum plan_kind kind;
	unsigned modes;
	unsigned retries;      /* further attempts after a failed one */
	int64_t retry_wait_ns; /* before each of them */
	int64_t timeout_ns;    /* of one attempt, and of its undo; 0: none */
	bool has_undo;
	bool idempotent; /* doing it twice does no harm */
	enum plan_uncertain on_uncertain;
	int64_t wait_ns; /* of PLAN_WAIT */
};

/*
 * Do the steps make a graph?  ERR_POLICY names the first step that is named
 * twice, waits for one that does not exist, or stands in a cycle, which is
 * written in full: "a -> b -> a".
 */
enum err_code graph_check(const struct plan_step *steps, size_t steps_count,
    struct err *e) MUST_CHECK;

/* "restore", "run", "check", "confirm", "wait". */
const char *graph_kind_name(enum plan_kind kind);

/* --- engine: walks the graph ---------------------------------------------- */

/*
 * E1. A step starts only when all it waits for is done or skipped.  What
 *     is not of this run's mode stands aside: its own `after` is inherited.
 * E2. An attempt of a step starts once and ends once.
 * E3. After a failure that no retry and no operator mends nothing new starts;
 *     what runs is waited for; then what ran is undone, one at a time, in the
 *     exact reverse of the order in which it ended.  A failed step with an undo
 *     is undone too: what it left behind is not known.
 * E4. A failed undo is recorded and the others go on.
 * E5. Every history ends, provided that every action is answered and time is
 *     told.
 * E6. What is uncertain is neither done nor failed: it is done again only where
 *     that is harmless, else a person says what it was (on_uncertain).
 * E7. A run taken up again starts nothing that was done or skipped.
 *
 *	READY -> RUNNING <-> ASKING
 *	            |  |       |
 *	            |  +-----> DRAINING -> UNDOING -> UNDONE
 *	            +-> DONE --------------^  (on ENGINE_UNWIND)
 */
enum engine_state {
	ENGINE_READY,
	ENGINE_RUNNING,
	ENGINE_ASKING,   /* a failed or uncertain step waits for a word */
	ENGINE_DRAINING, /* nothing starts; running steps end */
	ENGINE_DONE,     /* all done; what was done still stands */
	ENGINE_UNDOING,
	ENGINE_UNDONE
};

enum engine_outcome {
	ENGINE_PENDING,
	ENGINE_SUCCEEDED,
	ENGINE_FAILED,
	ENGINE_ABORTED
};

enum engine_step_state {
	ENGINE_STEP_NOT_IN_MODE,
	ENGINE_STEP_WAITING, /* not started, or before its next attempt */
	ENGINE_STEP_RUNNING,
	ENGINE_STEP_DONE,
	ENGINE_STEP_FAILED,
	ENGINE_STEP_SKIPPED, /* by the operator, with a reason */
	ENGINE_STEP_UNDOING,
	ENGINE_STEP_UNDONE,
	ENGINE_STEP_UNDO_FAILED,
	ENGINE_STEP_UNCERTAIN /* ended, or cut off: nobody knows how */
};

enum engine_event_kind {
	ENGINE_BEGIN,
	ENGINE_TICK,       /* time has passed */
	ENGINE_STEP_ENDED, /* step, attempt, ok, reason */
	ENGINE_UNDO_ENDED, /* step, ok, reason */
	ENGINE_OPEN_GATE,  /* the isolation is proved (option gated) */
	ENGINE_ANSWER,     /* step, answer, reason (ENGINE_SKIP, _ABORT_RUN) */
	ENGINE_ABORT,      /* reason: stop what runs, undo */
	ENGINE_UNWIND,     /* in DONE: undo everything */
	ENGINE_STEP_LOST   /* step, attempt, reason: uncertain how it ended */
};

enum engine_answer {
	ENGINE_RETRY,
	ENGINE_SKIP, /* needs a reason */
	ENGINE_ABORT_RUN,
	ENGINE_CONFIRM /* of a confirm step; of an uncertain one: it was done */
};

struct engine_event {
	enum engine_event_kind kind;
	size_t step; /* its number in the array */
	unsigned attempt;
	bool ok;
	enum engine_answer answer;
	const char *reason; /* borrowed for the call; NULL is "" */
};

enum engine_action_kind {
	ENGINE_START,      /* step, attempt; a confirm step: ask */
	ENGINE_ASK,        /* step failed or is uncertain: what now? */
	ENGINE_STOP,       /* step, attempt: timed out or aborted, end it */
	ENGINE_UNDO,       /* step */
	ENGINE_STOP_UNDO,  /* step: its undo timed out, end it */
	ENGINE_AT_GATE,    /* prove the isolation, then ENGINE_OPEN_GATE */
	ENGINE_ALL_DONE,   /* the plan succeeded */
	ENGINE_ALL_UNDONE, /* the last action there is */
	ENGINE_WAITED /* step, attempt: a wait is over; nothing to answer */
};

struct engine_action {
	enum engine_action_kind kind;
	size_t step;
	unsigned attempt; /* from 1 */
};

struct engine_options {
	const struct plan_step *steps; /* borrowed; outlive the engine */
	size_t steps_count;
	unsigned mode;         /* one of PLAN_IN_... */
	unsigned parallel_max; /* steps at once; 0: 4 */
	bool asks;             /* a failure asks the operator; else it undoes */
	int64_t ask_timeout_ns; /* an unanswered question aborts; 0: never */
	bool gated;   /* only restore steps start before ENGINE_OPEN_GATE */
	bool stands;  /* what was done stands after a failure or an abort */
	bool unwinds; /* engine_resume starts nothing: it takes all back */
};

struct engine_step {
	enum engine_step_state state;
	unsigned attempt;   /* the latest; 0: never started */
	size_t ended;       /* the how many-eth to end, from 1; 0: it has not */
	const char *reason; /* of failure, skipping; ""; borrowed */
	bool has_effects;   /* something of it may stand */
	bool asked;         /* the operator has the word */
};

struct engine;

/* ERR_POLICY: the graph is none; ERR_INPUT: the options make no sense. */
enum err_code engine_new(struct engine **out, const struct engine_options *o,
    struct err *e) MUST_CHECK;
void engine_free(struct engine **ep);

/*
 * Something happened, now.  *actions: what to do about it, in order;
 * borrowed until the next event.  ERR_INPUT: the event does not fit (a stale
 * attempt, an answer nobody asked for): nothing has changed.
 */
enum err_code engine_handle(struct engine *en, const struct engine_event *ev,
    struct mono now, const struct engine_action **actions,
    size_t *actions_count, struct err *e) MUST_CHECK;

/*
 * What the records of a run that was cut off say of a step: WAITING, DONE,
 * SKIPPED, FAILED, UNCERTAIN (an intent without an outcome), UNDOING (an undo
 * of that kind), UNDONE, UNDO_FAILED.
 */
struct engine_past {
	size_t step;
	enum engine_step_state state;
	unsigned attempt;
	uint64_t ended;     /* ascends in the order in which they ended */
	const char *reason; /* borrowed for the call */
};

/*
 * In READY: go on where the records end (E7), with whatever can start.  Where
 * undoing had begun, it goes on.  ENGINE_ABORT next takes back all that was
 * done.  A step that is not named was never begun; one that is not of this mode
 * is passed over.  ERR_INPUT: the records make no sense; nothing has changed.
 */
enum err_code engine_resume(struct engine *en, const struct engine_past *past,
    size_t past_count, struct mono now, const struct engine_action **actions,
    size_t *actions_count, struct err *e) MUST_CHECK;

/* When the next ENGINE_TICK is needed.  False: not before another event. */
bool engine_deadline(const struct engine *en, struct mono *at);

enum engine_state engine_state_of(const struct engine *en);
enum engine_outcome engine_outcome_of(const struct engine *en);
/* Why the run failed or was aborted: "step 'load': exit 1"; "" so far. */
const char *engine_reason(const struct engine *en);
/* How many undos failed. */
size_t engine_undo_failures(const struct engine *en);
struct engine_step engine_step_of(const struct engine *en, size_t step);

const char *engine_state_name(enum engine_state s);
const char *engine_step_state_name(enum engine_step_state s);

/* --- isolated: the states of an isolated test ----------------------------- */

/*
 * I1. PASS and PASS_WITH_FINDINGS need CLEAN, reached by cleaning.
 * I2. After a restart whatever may have been created is cleaned: CLEANING.
 * I3. A breach of the isolation leads to FAIL.
 * I4. A live failover never waits for a test: ISOLATED_PREEMPT is accepted in
 *     every state.
 *
 *	REQUESTED -> PRECHECK -> INVENTORY -> CLONING -> ISOLATION_CHECK ->
 *	STARTING <-> VALIDATING -> HOLDING -> CLEANING -> CLEAN
 *	any of these -> ABORTING -> CLEANING;  -> PREEMPTED -> CLEANING
 *	CLEANING -> CLEANUP_INCOMPLETE -> CLEANING
 *
 * Restore steps run in CLONING, before the isolation is proved; the others
 * after it (the engine's gate).  From then on the graph alone orders the steps:
 * the state shows the kind that started last, so a check in between two run
 * steps goes to VALIDATING and back to STARTING.
 */
enum isolated_state {
	ISOLATED_REQUESTED,
	ISOLATED_PRECHECK,
	ISOLATED_INVENTORY,
	ISOLATED_CLONING,
	ISOLATED_ISOLATION_CHECK,
	ISOLATED_STARTING,
	ISOLATED_VALIDATING,
	ISOLATED_HOLDING,
	ISOLATED_ABORTING,
	ISOLATED_PREEMPTED,
	ISOLATED_CLEANING,
	ISOLATED_CLEANUP_INCOMPLETE,
	ISOLATED_CLEAN
};
#define ISOLATED_STATES 13

enum isolated_result {
	ISOLATED_NO_RESULT, /* not yet */
	ISOLATED_PASS,
	ISOLATED_PASS_WITH_FINDINGS,
	ISOLATED_FAIL,
	ISOLATED_INTERRUPTED, /* aborted by a person, restart, preempted */
	ISOLATED_NOT_MEASURED /* refused at the start, or isolation unproved */
};

enum isolated_event {
	ISOLATED_BEGIN,
	ISOLATED_ADMITTED,          /* the prechecks passed */
	ISOLATED_NOT_ADMITTED,      /* they did not: nothing was created */
	ISOLATED_INVENTORY_WRITTEN, /* and is durable */
	ISOLATED_CLONED,            /* the engine is at its gate */
	ISOLATED_PROVED,            /* production is unreachable */
	ISOLATED_UNPROVED,          /* it could not be tried; the run goes on */
	ISOLATED_BREACH,            /* production was reached */
	ISOLATED_RUN_STARTED,       /* a restore or run step did */
	ISOLATED_CHECK_STARTED,     /* a check or confirm step did */
	ISOLATED_FINDING,           /* something to report; no failure */
	ISOLATED_FAILED,            /* the plan did, or a phase's own work */
	ISOLATED_PLAN_DONE,
	ISOLATED_HOLD_ENDED,
	ISOLATED_ABORT,       /* by a person */
	ISOLATED_STOPPED,     /* aborting is over: steps ended and undone */
	ISOLATED_PREEMPT,     /* a live failover begins */
	ISOLATED_RELEASE,     /* it is over: the clones may be cleaned */
	ISOLATED_CLEANED,     /* everything in the inventory is gone */
	ISOLATED_NOT_CLEANED, /* something is left */
	ISOLATED_RETRY_CLEANING,
	ISOLATED_FORCE_CLEAN, /* a person takes what is left on themselves */
	ISOLATED_RESTART      /* the daemon or the worker died */
};
#define ISOLATED_EVENTS 23

enum isolated_action {
	ISOLATED_DO_NOTHING,
	ISOLATED_DO_PRECHECK,
	ISOLATED_DO_INVENTORY, /* write down what will be created */
	ISOLATED_DO_CLONE,     /* ENGINE_BEGIN */
	ISOLATED_DO_PROVE,     /* try to reach production */
	ISOLATED_DO_START,     /* ENGINE_OPEN_GATE */
	ISOLATED_DO_HOLD,      /* wait for the hold to end */
	ISOLATED_DO_STOP,      /* ENGINE_ABORT unless it undoes already */
	ISOLATED_DO_FREEZE,    /* clones stopped and off the network */
	ISOLATED_DO_CLEAN,     /* unwind the plan, then remove the inventory */
	ISOLATED_DO_ALARM,     /* something was left behind */
	ISOLATED_DO_REPORT     /* the result is final */
};

/* Plain memory; zeroed it is a test just requested. */
struct isolated {
	enum isolated_state state;
	enum isolated_result result; /* final once the state is CLEAN */
	bool failed, interrupted, unproved, refused, findings;
};

/*
 * False: the event makes no sense in this state; *to is *from then and the
 * action DO_NOTHING.  to may be from.
 */
bool isolated_next(const struct isolated *from, enum isolated_event event,
    struct isolated *to, enum isolated_action *action) MUST_CHECK;

/* "ISOLATION_CHECK"; "PASS_WITH_FINDINGS"; "NONE" while there is none. */
const char *isolated_state_name(enum isolated_state s);
const char *isolated_result_name(enum isolated_result r);
bool isolated_state_find(const char *name, enum isolated_state *s);
/* "breach", "hold-ended": for records. */
const char *isolated_event_name(enum isolated_event ev);

/* --- clocks: what is measured, and the verdict ---------------------------- */

/* t0 to t9 of a run. */
enum clocks_point {
	CLOCKS_DISRUPTION,
	CLOCKS_DETECTED,
	CLOCKS_DECLARED,
	CLOCKS_AUTHORISED,
	CLOCKS_STARTED,
	CLOCKS_PROMOTED,
	CLOCKS_REDIRECTED,
	CLOCKS_ACCEPTED,
	CLOCKS_COMMITTED,
	CLOCKS_REPROTECTED
};
#define CLOCKS_POINTS 10

enum clocks_span {
	CLOCKS_RTA_DECLARED,  /* t7 - t2 */
	CLOCKS_RTA_TECHNICAL, /* t6 - t4 */
	CLOCKS_RTA_TEST,      /* t7 - t4: nothing is redirected in a test */
	CLOCKS_OUTAGE,        /* t7 - t0 */
	CLOCKS_DECISION,      /* t3 - t1 */
	CLOCKS_EXPOSURE       /* t9 - t5 */
};

enum clocks_verdict { CLOCKS_NOT_MEASURED, CLOCKS_PASS, CLOCKS_FAIL };

/* Zeroed: nothing measured. */
struct clocks {
	struct utc at[CLOCKS_POINTS];
	bool known[CLOCKS_POINTS];
};

/* A point set again moves (a failed acceptance restarts t5 to t7). */
void clocks_set(struct clocks *c, enum clocks_point p, struct utc at);

/* False: one of both ends is unknown, or they are the wrong way round. */
bool clocks_span_ns(const struct clocks *c, enum clocks_span s, int64_t *ns);

/*
 * The data lost: from the chosen point to the last write that was acknowledged
 * (or when the point was chosen, where that is not known).  0 when the point is
 * newer.
 */
int64_t clocks_rpa_ns(struct utc last_write, struct utc point);

/* Against a target; 0: none was set.  Just met is met. */
enum clocks_verdict clocks_judge(bool is_measured, int64_t measured_ns,
    int64_t target_ns);

/* "pass", "fail", "not measured". */
const char *clocks_verdict_name(enum clocks_verdict v);

/* --- forecast: how long a plan takes, if all goes well ------------------------ */

struct forecast_step {
	bool is_run;                /* in this mode */
	int64_t starts_ns, ends_ns; /* since the plan's start */
};

/*
 * The engine itself walks the plan on a clock of its own: each step takes as
 * long as takes_ns says (a wait, as long as it waits), and nothing fails.  out:
 * one for each step.  ERR_POLICY: the graph is none.
 */
enum err_code forecast_run(const struct plan_step *steps, size_t steps_count,
    unsigned mode, const int64_t *takes_ns, struct forecast_step *out,
    struct err *e) MUST_CHECK;

/* --- tabletop: an exercise that people play with words -------------------- */

/*
 * Whatever is said or done is an event; a tabletop is the fold over its events,
 * so whoever has the records has the exercise.  Nothing here touches a service:
 * steps are simulated, by durations that the caller learnt from real runs.
 *
 * T1. An event that does not fit the state is refused and changes nothing.
 * T2. STOP ends the play from wherever it is, at once, and is never refused in
 *     play.
 * T3. The scenario's clock runs in play only, and goes forward by jumps alone.
 * T4. An inject is delivered once; what comes after another comes when that one
 *     was answered, the nth that comes on a decision with the nth decision.
 * T5. CLOSED needs every action verified and its retest named; AAR_REVIEW needs
 *     every objective rated.
 *
 *	DRAFT -> APPROVED -> SCHEDULED -> BRIEFED -> IN_PLAY <-> PAUSED -> ENDEX ->
 *	HOTWASH -> AAR_DRAFT <-> AAR_REVIEW -> ISSUED -> ACTIONS_OPEN -> CLOSED
 *	DRAFT ... BRIEFED -> CANCELLED
 */
enum tabletop_state {
	TABLETOP_DRAFT,
	TABLETOP_APPROVED,
	TABLETOP_SCHEDULED,
	TABLETOP_BRIEFED,
	TABLETOP_IN_PLAY,
	TABLETOP_PAUSED,
	TABLETOP_ENDEX,
	TABLETOP_HOTWASH,
	TABLETOP_AAR_DRAFT,
	TABLETOP_AAR_REVIEW,
	TABLETOP_ISSUED,
	TABLETOP_ACTIONS_OPEN,
	TABLETOP_CLOSED,
	TABLETOP_CANCELLED
};
#define TABLETOP_STATES 14

/* What happens: each a row of the table in tabletop.c, which says in which
 * states, with which fields, and where it leads. */
enum tabletop_verb {
	TABLETOP_DO_DRAFT,  /* the first: what is to be played */
	TABLETOP_DO_PLAN,   /* some of its injects */
	TABLETOP_DO_ATTEND, /* a player comes, goes, sends a deputy */
	TABLETOP_DO_APPROVE,
	TABLETOP_DO_SCHEDULE,
	TABLETOP_DO_BRIEF, /* rules are told, a snapshot is taken */
	TABLETOP_DO_BEGIN,
	TABLETOP_DO_PAUSE,
	TABLETOP_DO_RESUME,
	TABLETOP_DO_JUMP,   /* the scenario's clock, forward */
	TABLETOP_DO_INJECT, /* deliver one */
	TABLETOP_DO_ANSWER, /* one was answered */
	TABLETOP_DO_DECIDE,
	TABLETOP_DO_NOTE,
	TABLETOP_DO_STEP, /* simulate one of the plan's */
	TABLETOP_DO_ENDEX,
	TABLETOP_DO_STOP, /* something real happens */
	TABLETOP_DO_HOTWASH,
	TABLETOP_DO_AAR,    /* the report is being written */
	TABLETOP_DO_RATE,   /* an objective */
	TABLETOP_DO_ACTION, /* one more, or what became of one */
	TABLETOP_DO_REVIEW,
	TABLETOP_DO_ISSUE,
	TABLETOP_DO_ACTIONS, /* they are being carried out */
	TABLETOP_DO_CLOSE,
	TABLETOP_DO_CANCEL,
	TABLETOP_DO_SIGN /* somebody stands by the report, for a council */
};
#define TABLETOP_VERBS 27

#define TABLETOP_EVENTS_MAX     8192
#define TABLETOP_INJECTS_MAX    512
#define TABLETOP_PLAN_MAX       64 /* injects in one event */
#define TABLETOP_TEXT_BYTES_MAX 8192
#define TABLETOP_STOP_WORD      "STOP"

struct tabletop_field {
	const char *name;
	const char *value;
};

/* Borrowed going in; of the tabletop coming out. */
struct tabletop_event {
	enum tabletop_verb verb;
	struct utc at;
	const char *actor; /* who told the machine */
	int64_t t_ns;      /* the scenario's clock then; -1: before play.  Going
	                      in it is not looked at */
	const struct tabletop_field *fields; /* names may repeat */
	size_t fields_count;
};

struct tabletop_inject {
	const char *name, *after, *on, *to, *channel, *text, *expect;
	int64_t at_ns; /* planned, of the scenario's clock; -1 */
	bool is_delivered, is_answered;
	struct utc delivered; /* and of the scenario's clock: */
	int64_t delivered_t_ns;
	const char *by;           /* who delivered it; "clock" */
	const char *answer, *met; /* "" */
};

struct tabletop;

enum err_code tabletop_new(struct tabletop **out, struct err *e) MUST_CHECK;
void tabletop_free(struct tabletop **t);

/*
 * Would this fit now?  ERR_REFUSED: not in this state, or something is missing
 * first; ERR_INPUT: a field is missing, unknown or makes no sense;
 * ERR_NOTFOUND: no such inject, player, objective or action; ERR_EXISTS: done
 * before.  The text says what would fit.
 */
enum err_code tabletop_may(const struct tabletop *t,
    const struct tabletop_event *ev, struct err *e) MUST_CHECK;
/* tabletop_may, and then it has happened.  Nothing has on a failure. */
enum err_code tabletop_happen(struct tabletop *t,
    const struct tabletop_event *ev, struct err *e) MUST_CHECK;

/* --- asking; everything is borrowed until the next event */

enum tabletop_state tabletop_state_of(const struct tabletop *t);
/* Play was ended by the STOP word. */
bool tabletop_was_stopped(const struct tabletop *t);
size_t tabletop_events_count(const struct tabletop *t);
const struct tabletop_event *tabletop_event_at(const struct tabletop *t,
    size_t i);
/* The newest event of that verb; NULL: none. */
const struct tabletop_event *tabletop_event_last(const struct tabletop *t,
    enum tabletop_verb verb);
/* The nth (from 0) value of that name; "" for none. */
const char *tabletop_value(const struct tabletop_event *ev, const char *name,
    size_t nth);
/* ... of the draft: "title", "service", "objective", "facilitator". */
const char *tabletop_drafted(const struct tabletop *t, const char *name,
    size_t nth);
/* As a number; the fallback when it is none. */
int64_t tabletop_number(const struct tabletop_event *ev, const char *name,
    int64_t fallback);

/* The scenario's clock; -1 before play.  After play it stands. */
int64_t tabletop_clock_ns(const struct tabletop *t, struct utc now);

size_t tabletop_injects_count(const struct tabletop *t);
struct tabletop_inject tabletop_inject_at(const struct tabletop *t, size_t i);
/* By name; NULL: none.  *i is its number. */
bool tabletop_inject_find(const struct tabletop *t, const char *name,
    size_t *i);
/* The first that should be delivered now, in play.  False: none. */
bool tabletop_due(const struct tabletop *t, struct utc now, size_t *i);
/* When the clock makes the next one due; false: it never will by itself. */
bool tabletop_next_due(const struct tabletop *t, struct utc now,
    struct utc *at);

/* Of an action's number ("A1"): what was said last under that name; "". */
const char *tabletop_action_value(const struct tabletop *t, const char *action,
    const char *name);
size_t tabletop_actions_count(const struct tabletop *t);
/* Past its due instant and not verified: the number of such. */
size_t tabletop_actions_overdue(const struct tabletop *t, struct utc now);
/* "P", "S", "M", "U" of the nth objective, from 1; "": not rated. */
const char *tabletop_rating(const struct tabletop *t, size_t objective);
size_t tabletop_objectives_count(const struct tabletop *t);
/* What was last said of a player under that name ("attendance"); "". */
const char *tabletop_player_value(const struct tabletop *t, const char *player,
    const char *name);

/* "IN_PLAY"; "inject". */
const char *tabletop_state_name(enum tabletop_state s);
const char *tabletop_verb_name(enum tabletop_verb v);
bool tabletop_verb_find(const char *name, enum tabletop_verb *v);
/* Where a verb leads from a state; false: it does not fit there. */
bool tabletop_next(enum tabletop_state from, enum tabletop_verb verb,
    enum tabletop_state *to);
/* Does an event of that verb have a field of that name? */
bool tabletop_has_field(enum tabletop_verb v, const char *name);
/* May people give this one, or the daemon alone (draft, plan)? */
bool tabletop_is_for_people(enum tabletop_verb v);

/* The middle one of so many durations, which are put in order; -1 of none. */
int64_t tabletop_median_ns(int64_t *durations_ns, size_t count);

#endif
