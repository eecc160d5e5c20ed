#ifndef DAEMON_SCHEDULE_H
#define DAEMON_SCHEDULE_H

/*
 * What runs when: a pure state machine.  It is told the time and what happened
 * and says what to do; it reads no clock and does nothing.
 *
 * SC1. Jobs of one lane never run at once; a lane is what must not overlap:
 *      "backup housing", "replicate housing southwark".
 * SC2. Every firing ends as exactly one start or one skip with its reason.
 * SC3. A firing is judged once, also when the clock jumps: back by less than
 *      SCHEDULE_JUMP_NS the schedule waits until it is caught up; by more, it
 *      goes on from the new time (a clock corrected by a year must not stop
 *      backups for a year).
 * SC4. What waits starts in the order of urgency: what will break its RPO first,
 *      or broke it worst, goes first.
 * SC5. What would go over a link that is held does not start, unless somebody
 *      waits for its end; nothing is counted against it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>
#include <bascule/calendar.h>
#include <bascule/policy.h>

#define SCHEDULE_JUMP_NS        (300 * NS_PER_S)
#define SCHEDULE_BACKOFF_MAX_NS (900 * NS_PER_S)
#define SCHEDULE_FREEZES_MAX    16

enum schedule_kind {
	SCHEDULE_BACKUP,
	SCHEDULE_REPLICATE,
	SCHEDULE_VERIFY,
	SCHEDULE_EXERCISE,
	SCHEDULE_PRUNE,
	SCHEDULE_HEAL,
	SCHEDULE_RESTORE, /* not limited: people wait */
	SCHEDULE_OTHER    /* not limited: probes, surveys */
};

/* What may run again and again.  Texts are borrowed for the schedule's life. */
struct schedule_task {
	enum schedule_kind kind;
	const char *key;  /* unique: "verify housing 1" */
	const char *lane; /* SC1 */
	const char *host; /* "": none; for the limits */
	const char *link;
	bool has_due; /* else only when asked */
	struct due due;
	enum misfire_mode misfire;
	int64_t max_lateness_ns; /* 0: no limit */
	bool queues;             /* what overlaps waits; else it is skipped */
	uint32_t retries;        /* of what it starts by itself */
	int64_t backoff_ns;      /* before the first retry; doubles */
	int64_t rpo_ns;          /* 0: none */
	struct utc judged;       /* firings up to here are settled */
	struct utc good;         /* the newest point; 0: none */
	const struct policy_freeze *freezes[SCHEDULE_FREEZES_MAX];
	size_t freeze_count; /* no firing while one of them holds */
};

struct schedule_limits {
	uint32_t jobs_count, jobs_per_host_count, jobs_per_link_count;
};

enum schedule_verb {
	SCHEDULE_QUEUED, /* job, task, due: a firing; it waits for its turn */
	SCHEDULE_START,  /* job, attempt */
	SCHEDULE_SKIP    /* task, due, count, reason */
};

#define SCHEDULE_REASON_BYTES 160

struct schedule_action {
	enum schedule_verb verb;
	size_t task;
	uint64_t job;
	unsigned attempt; /* from 1 */
	struct utc due;
	uint64_t count; /* of firings that this skip stands for */
	char reason[SCHEDULE_REASON_BYTES];
};

struct schedule;

/* tasks are copied. */
enum err_code schedule_new(struct schedule **out,
    const struct schedule_task *tasks, size_t count,
    const struct schedule_limits *limits, struct err *e) MUST_CHECK;
void schedule_free(struct schedule **s);

/*
 * Time has passed, or something happened.  *actions: what to do, in order;
 * borrowed until the next call.
 */
enum err_code schedule_tick(struct schedule *s, struct utc now,
    struct mono mono, const struct schedule_action **actions, size_t *count,
    struct err *e) MUST_CHECK;

/*
 * Somebody asks for one run of a task, or of something outside all tasks (task
 * SCHEDULE_NO_TASK with lane, host and link).  It starts with a later tick.
 */
#define SCHEDULE_NO_TASK SIZE_MAX
struct schedule_ask {
	size_t task;
	enum schedule_kind kind;
	const char *lane, *host, *link; /* copied; NULL: the task's */
	uint32_t retries;
	int64_t backoff_ns;
	int64_t rpo_ns;
	struct utc good;
};
enum err_code schedule_ask(struct schedule *s, const struct schedule_ask *ask,
    struct mono mono, uint64_t *job, struct err *e) MUST_CHECK;

enum schedule_end {
	SCHEDULE_ENDED,
	SCHEDULE_FAILED,
	SCHEDULE_WAITS /* it found no way: the attempt does not count */
};
/*
 * A started job has ended.  True: it will be started again, *wait_ns from now,
 * or when its link is held no more (SC5).  False: it is over.
 */
bool schedule_ended(struct schedule *s, uint64_t job, enum schedule_end how,
    struct mono now, int64_t *wait_ns);
/* A job that waits is taken out; true if it was there and had not started. */
bool schedule_cancel(struct schedule *s, uint64_t job);

/* As schedule_ask, of a job that another schedule had: after a reload. */
enum err_code schedule_adopt(struct schedule *s, const struct schedule_ask *ask,
    unsigned attempt, bool running, struct mono mono, uint64_t *job,
    struct err *e) MUST_CHECK;
uint32_t schedule_retries(const struct schedule *s, uint64_t job);
void schedule_set_judged(struct schedule *s, size_t task, struct utc judged);
/* What waits for its next attempt need not wait longer (a link is back). */
void schedule_hurry(struct schedule *s, enum schedule_kind kind,
    struct mono now);

/* Nothing of this kind starts over this link, until it is held no more. */
void schedule_hold(struct schedule *s, enum schedule_kind kind,
    const char *link, bool is_held);
bool schedule_is_held(const struct schedule *s, enum schedule_kind kind,
    const char *link);

/* The task has a new point: what is urgent changes. */
void schedule_good(struct schedule *s, size_t task, struct utc good);
/* Firings of the task are skipped for this reason until unblocked (NULL). */
void schedule_block(struct schedule *s, size_t task, const char *reason);

size_t schedule_find(const struct schedule *s, const char *key);
const struct schedule_task *schedule_task(const struct schedule *s,
    size_t task);
size_t schedule_count(const struct schedule *s);
/* Does something of this lane wait or run? */
bool schedule_busy(const struct schedule *s, const char *lane);

/* How long until the next tick is worth while; at most a minute. */
int64_t schedule_wait_ns(struct schedule *s, struct utc now, struct mono mono);

#endif
