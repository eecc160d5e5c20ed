#include <bascule/plan.h>

#include <string.h>

static const char *const state_names[ISOLATED_STATES] = {
    [ISOLATED_REQUESTED] = "REQUESTED",
    [ISOLATED_PRECHECK] = "PRECHECK",
    [ISOLATED_INVENTORY] = "INVENTORY",
    [ISOLATED_CLONING] = "CLONING",
    [ISOLATED_ISOLATION_CHECK] = "ISOLATION_CHECK",
    [ISOLATED_STARTING] = "STARTING",
    [ISOLATED_VALIDATING] = "VALIDATING",
    [ISOLATED_HOLDING] = "HOLDING",
    [ISOLATED_ABORTING] = "ABORTING",
    [ISOLATED_PREEMPTED] = "PREEMPTED",
    [ISOLATED_CLEANING] = "CLEANING",
    [ISOLATED_CLEANUP_INCOMPLETE] = "CLEANUP_INCOMPLETE",
    [ISOLATED_CLEAN] = "CLEAN",
};

static const char *const event_names[ISOLATED_EVENTS] = {
    [ISOLATED_BEGIN] = "begin",
    [ISOLATED_ADMITTED] = "admitted",
    [ISOLATED_NOT_ADMITTED] = "not-admitted",
    [ISOLATED_INVENTORY_WRITTEN] = "inventory-written",
    [ISOLATED_CLONED] = "cloned",
    [ISOLATED_PROVED] = "isolation-proved",
    [ISOLATED_UNPROVED] = "isolation-not-measured",
    [ISOLATED_BREACH] = "isolation-breach",
    [ISOLATED_RUN_STARTED] = "run-started",
    [ISOLATED_CHECK_STARTED] = "check-started",
    [ISOLATED_FINDING] = "finding",
    [ISOLATED_FAILED] = "failed",
    [ISOLATED_PLAN_DONE] = "plan-done",
    [ISOLATED_HOLD_ENDED] = "hold-ended",
    [ISOLATED_ABORT] = "abort",
    [ISOLATED_STOPPED] = "stopped",
    [ISOLATED_PREEMPT] = "preempt",
    [ISOLATED_RELEASE] = "release",
    [ISOLATED_CLEANED] = "cleaned",
    [ISOLATED_NOT_CLEANED] = "not-cleaned",
    [ISOLATED_RETRY_CLEANING] = "retry-cleaning",
    [ISOLATED_FORCE_CLEAN] = "force-clean",
    [ISOLATED_RESTART] = "restart",
};

/* The states from S on up to the last that is before aborting and cleaning. */
#define IN(state)      (1u << (state))
#define BEFORE_CREATED (IN(ISOLATED_REQUESTED) | IN(ISOLATED_PRECHECK))
#define GATED          (IN(ISOLATED_CLONING) | IN(ISOLATED_ISOLATION_CHECK))
#define OPEN           (IN(ISOLATED_STARTING) | IN(ISOLATED_VALIDATING))
#define FORWARD        (IN(ISOLATED_INVENTORY) | GATED | OPEN | IN(ISOLATED_HOLDING))
#define LEFTOVERS      (IN(ISOLATED_CLEANING) | IN(ISOLATED_CLEANUP_INCOMPLETE))

/* The plain way: in these states the event leads there, with that action. */
static const struct {
	enum isolated_event event;
	unsigned from;
	enum isolated_state to;
	enum isolated_action action;
} ways[] = {
    {ISOLATED_BEGIN, IN(ISOLATED_REQUESTED), ISOLATED_PRECHECK,
	ISOLATED_DO_PRECHECK},
    {ISOLATED_ADMITTED, IN(ISOLATED_PRECHECK), ISOLATED_INVENTORY,
	ISOLATED_DO_INVENTORY},
    {ISOLATED_NOT_ADMITTED, IN(ISOLATED_PRECHECK), ISOLATED_CLEAN,
	ISOLATED_DO_REPORT},
    {ISOLATED_INVENTORY_WRITTEN, IN(ISOLATED_INVENTORY), ISOLATED_CLONING,
	ISOLATED_DO_CLONE},
    {ISOLATED_RUN_STARTED, IN(ISOLATED_CLONING), ISOLATED_CLONING,
	ISOLATED_DO_NOTHING},
    {ISOLATED_CLONED, IN(ISOLATED_CLONING), ISOLATED_ISOLATION_CHECK,
	ISOLATED_DO_PROVE},
    {ISOLATED_PROVED, IN(ISOLATED_ISOLATION_CHECK), ISOLATED_STARTING,
	ISOLATED_DO_START},
    {ISOLATED_UNPROVED, IN(ISOLATED_ISOLATION_CHECK), ISOLATED_STARTING,
	ISOLATED_DO_START},
    {ISOLATED_RUN_STARTED, OPEN, ISOLATED_STARTING, ISOLATED_DO_NOTHING},
    {ISOLATED_CHECK_STARTED, OPEN, ISOLATED_VALIDATING, ISOLATED_DO_NOTHING},
    {ISOLATED_PLAN_DONE, OPEN, ISOLATED_HOLDING, ISOLATED_DO_HOLD},
    {ISOLATED_HOLD_ENDED, IN(ISOLATED_HOLDING), ISOLATED_CLEANING,
	ISOLATED_DO_CLEAN},
    {ISOLATED_BREACH,
	IN(ISOLATED_ISOLATION_CHECK) | OPEN | IN(ISOLATED_HOLDING),
	ISOLATED_ABORTING, ISOLATED_DO_STOP},
    {ISOLATED_FAILED, FORWARD, ISOLATED_ABORTING, ISOLATED_DO_STOP},
    {ISOLATED_FAILED, BEFORE_CREATED, ISOLATED_CLEAN, ISOLATED_DO_REPORT},
    {ISOLATED_ABORT, FORWARD, ISOLATED_ABORTING, ISOLATED_DO_STOP},
    {ISOLATED_ABORT, BEFORE_CREATED, ISOLATED_CLEAN, ISOLATED_DO_REPORT},
    {ISOLATED_STOPPED, IN(ISOLATED_ABORTING), ISOLATED_CLEANING,
	ISOLATED_DO_CLEAN},
    {ISOLATED_PREEMPT, BEFORE_CREATED, ISOLATED_CLEAN, ISOLATED_DO_REPORT},
    {ISOLATED_PREEMPT,
	FORWARD | LEFTOVERS | IN(ISOLATED_ABORTING) | IN(ISOLATED_PREEMPTED),
	ISOLATED_PREEMPTED, ISOLATED_DO_FREEZE},
    {ISOLATED_PREEMPT, IN(ISOLATED_CLEAN), ISOLATED_CLEAN, ISOLATED_DO_NOTHING},
    {ISOLATED_RELEASE, IN(ISOLATED_PREEMPTED), ISOLATED_CLEANING,
	ISOLATED_DO_CLEAN},
    {ISOLATED_CLEANED, IN(ISOLATED_CLEANING), ISOLATED_CLEAN,
	ISOLATED_DO_REPORT},
    {ISOLATED_NOT_CLEANED, IN(ISOLATED_CLEANING), ISOLATED_CLEANUP_INCOMPLETE,
	ISOLATED_DO_ALARM},
    {ISOLATED_RETRY_CLEANING, IN(ISOLATED_CLEANUP_INCOMPLETE),
	ISOLATED_CLEANING, ISOLATED_DO_CLEAN},
    {ISOLATED_FORCE_CLEAN, IN(ISOLATED_CLEANUP_INCOMPLETE), ISOLATED_CLEAN,
	ISOLATED_DO_REPORT},
    {ISOLATED_RESTART, BEFORE_CREATED, ISOLATED_CLEAN, ISOLATED_DO_REPORT},
    {ISOLATED_RESTART, FORWARD | LEFTOVERS | IN(ISOLATED_ABORTING),
	ISOLATED_CLEANING, ISOLATED_DO_CLEAN},
    /* Cleaning waits until the live failover is over. */
    {ISOLATED_RESTART, IN(ISOLATED_PREEMPTED), ISOLATED_PREEMPTED,
	ISOLATED_DO_FREEZE},
};

/* What the event says about the result, whatever comes later. */
static void
note(struct isolated *t, enum isolated_event event)
{
	switch (event) {
	case ISOLATED_BREACH:
	case ISOLATED_FAILED:
	case ISOLATED_FORCE_CLEAN: t->failed = true; break;
	case ISOLATED_ABORT:
	case ISOLATED_PREEMPT:
	case ISOLATED_RESTART: t->interrupted = true; break;
	case ISOLATED_UNPROVED: t->unproved = true; break;
	case ISOLATED_NOT_ADMITTED: t->refused = true; break;
	case ISOLATED_FINDING:
	case ISOLATED_NOT_CLEANED: t->findings = true; break;
	default: break;
	}
}

static enum isolated_result
result_of(const struct isolated *t)
{
	if (t->failed)
		return ISOLATED_FAIL;
	if (t->interrupted)
		return ISOLATED_INTERRUPTED;
	if (t->refused || t->unproved)
		return ISOLATED_NOT_MEASURED;
	return t->findings ? ISOLATED_PASS_WITH_FINDINGS : ISOLATED_PASS;
}

bool
isolated_next(const struct isolated *from, enum isolated_event event,
    struct isolated *to, enum isolated_action *action)
{
	struct isolated next = *from;

	*action = ISOLATED_DO_NOTHING;
	*to = *from;
	if (event == ISOLATED_FINDING && next.state != ISOLATED_CLEAN) {
		note(&next, event);
		*to = next;
		return true;
	}
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		if (ways[i].event != event || !(ways[i].from & IN(from->state)))
			continue;
		/* A final result stays: the live failover came after it. */
		if (from->state != ISOLATED_CLEAN) {
			note(&next, event);
			next.state = ways[i].to;
			if (next.state == ISOLATED_CLEAN)
				next.result = result_of(&next);
		}
		*to = next;
		*action = ways[i].action;
		return true;
	}
	return false;
}

const char *
isolated_state_name(enum isolated_state s)
{
	return (unsigned)s < ISOLATED_STATES ? state_names[s] : "UNKNOWN";
}

const char *
isolated_result_name(enum isolated_result r)
{
	switch (r) {
	case ISOLATED_NO_RESULT: return "NONE";
	case ISOLATED_PASS: return "PASS";
	case ISOLATED_PASS_WITH_FINDINGS: return "PASS_WITH_FINDINGS";
	case ISOLATED_FAIL: return "FAIL";
	case ISOLATED_INTERRUPTED: return "INTERRUPTED";
	case ISOLATED_NOT_MEASURED: return "NOT_MEASURED";
	}
	return "UNKNOWN";
}

bool
isolated_state_find(const char *name, enum isolated_state *s)
{
	for (unsigned i = 0; i < ISOLATED_STATES; i++)
		if (strcmp(state_names[i], name) == 0) {
			*s = (enum isolated_state)i;
			return true;
		}
	return false;
}

const char *
isolated_event_name(enum isolated_event ev)
{
	return (unsigned)ev < ISOLATED_EVENTS ? event_names[ev] : "unknown";
}
