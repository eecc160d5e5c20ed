#ifndef REPORT_EXERCISE_H
#define REPORT_EXERCISE_H

#include <bascule/plan.h>
#include <bascule/report.h>

#include "report_page.h"

#define REPORT_STEPS_MAX  4096
#define REPORT_NOTES_MAX  8192
#define REPORT_EVENTS_MAX 8192

/* What a run was, beside PLAN_IN_...: a restore drill, any other job. */
#define REPORT_DRILL 0x100u
#define REPORT_JOB   0x200u

/* A field's last value, or one of several; own memory. */
struct report_note {
	char *name;
	char *value;
	char *service; /* of the record; "" of the run */
};

struct report_step {
	char *step, *kind, *state, *reason, *output_hash, *site, *host;
	struct utc started, ended;
	int64_t planned_ns, attempt, exit_status;
};

/* One record of the run that is no step; texts are never NULL. */
struct report_event {
	struct utc at;
	struct utc when; /* report_move_order: what spans are counted by */
	struct mono mono;
	size_t ledger, order; /* whose, and as gathered */
	char *boot;
	enum record_phase phase;
	char *type, *event, *service, *site, *actor, *role, *council;
	char *reason, *verdict, *seen;
	char *rest; /* its other fields: "point=p1; epoch=7" */
};

/* The run's records in a chain of a ledger. */
struct report_range {
	char chain[LEDGER_NAME_BYTES_MAX + 1];
	uint64_t first, last;
};

/* Of one ledger: this site's own is the first, then the copies. */
#define REPORT_LEDGERS_MAX 8
struct report_ledger {
	char site[LEDGER_NAME_BYTES_MAX + 1];
	struct report_range ranges[LEDGER_CHAINS_MAX];
	size_t ranges_count; /* 0: no record of the run is in it */
	struct id last_hash;
	uint64_t head_number; /* the first head that covers them; 0: none */
	char cosigner[LEDGER_NAME_BYTES_MAX + 1];
	uint64_t cosigned_number; /* the head; 0: nobody has */
};

struct report_exercise {
	char *run, *service, *mode, *state, *result, *reason, *point, *actor;
	unsigned mode_bit; /* PLAN_IN_..., REPORT_... */
	bool is_job;       /* its records are a job's */
	struct utc requested, ended;
	int64_t rta_ns, rto_ns, rpa_ns, rpo_ns, mtpd_ns;
	struct clocks clocks;
	bool rpa_is_bound; /* at most so much: how long the old site ran on */
	bool rpa_is_estimate; /* as it was when the move was asked for */
	int64_t back_ns; /* a move that was given up: out for so long; -1 */
	int64_t step_ns; /* the farthest a clock stepped meanwhile; 0: none */
	char step_site[LEDGER_NAME_BYTES_MAX + 1];
	struct report_note *notes; /* in the order recorded; names may repeat */
	size_t notes_count;
	struct report_step *steps;
	size_t steps_count;
	struct report_event *events; /* by time */
	size_t events_count;
	struct tabletop *tabletop; /* of that mode; else NULL */
	char previous[160];        /* the last run of this kind before; "" */
	int64_t previous_rta_ns;   /* -1: not known */
	char before[600];          /* a move: the register; "" */
	char next[96];             /* a move: the one back again; "" */
	char controls[256];        /* of the policy, that it supports; "" */
	char next_due[160];        /* by the policy's exercises; "" */
	char chain[LEDGER_NAME_BYTES_MAX + 1];
	uint64_t first_sequence, last_sequence;
	struct id last_hash;
	struct report_ledger ledgers[REPORT_LEDGERS_MAX];
	uint64_t redacted_count;
	size_t ledgers_count; /* it was made from */
};

/* The last value of a field; NULL when it was never recorded. */
const char *report_exercise_find(const struct report_exercise *x,
    const char *name);

/*
 * The one table of what a report has: in the order of the report, for the modes
 * in which it means something.  field: a record's, or "#name": worked out here
 * (report_fields_value).  What nobody recorded is said to be so.
 */
struct report_line {
	const char *section;
	const char *label;
	const char *field;
	unsigned modes; /* PLAN_IN_..., REPORT_... */
	bool may_repeat;
};
extern const struct report_line report_fields[];
extern const size_t report_fields_count;

/* Is that a field of the table's, but one that says what an event did? */
bool report_fields_has(struct record_text name);

/* --- report_move.c: what the records of a move come to ---------------------- */

/* Events as gathered into their order, each with when it was. */
void report_move_order(struct report_exercise *x);
enum err_code report_move_make(struct report_exercise *x, const char *run,
    struct err *e) MUST_CHECK;
void report_move_measure(struct report_exercise *x);
/* A field as a number; -1: there is none. */
int64_t report_move_number(const struct report_exercise *x, const char *name);
/*
 * When the old site of an unplanned move, come back, was read back as stopped:
 * it may have written until then.  NULL: it let go before, or is not back.
 */
const struct report_event *report_move_ran_on(const struct report_exercise *x);
/* The next of its services from *at (0 at first) on; false: no more. */
bool report_move_service(const struct report_exercise *x, size_t *at, char *out,
    size_t out_bytes);
/* A move of several services: their values stand beside each other. */
bool report_move_is_many(const struct report_exercise *x);

/* --- report_heads.c: where its records lie, and who has signed them ------------ */

/* A record of the ledger that is being gathered from (ledgers_count). */
void report_heads_note(struct report_exercise *x, const struct record *r);
/* Of that ledger, once all its records of the run were noted. */
enum err_code report_heads_find(struct report_exercise *x, struct ledger *from,
    struct err *e) MUST_CHECK;
/* Is every record of it under a signed head of its own site? */
bool report_heads_cover(const struct report_exercise *x);

enum report_heads_word {
	REPORT_HEADS_RANGE,
	REPORT_HEADS_LAST,
	REPORT_HEADS_HEAD,
	REPORT_HEADS_COSIGNED
};
/* Site by site. */
void report_heads_say(const struct report_exercise *x,
    enum report_heads_word what, char *out);
void report_heads_sites(const struct report_exercise *x, char *out);

/* --- report_job.c: what the records of a job come to -------------------------- */

#define REPORT_MODE_DRILL "restore drill"

/* Is that of a job that is no exercise's? */
bool report_job_is(const struct record *r);
enum err_code report_job_make(struct report_exercise *x, const char *run,
    struct err *e) MUST_CHECK;
unsigned report_job_bit(const struct report_exercise *x);
/* How long the data alone took to be there; -1: it was not restored. */
int64_t report_job_restored_ns(const struct report_exercise *x);

/* --- report_related.c: what stands around it --------------------------------- */

enum err_code report_related_find(struct report_exercise *x,
    const struct report_sources *from, struct err *e) MUST_CHECK;

/* --- report_fields.c: values ------------------------------------------------ */

#define REPORT_VALUE_BYTES 1024
/* A line's value: as recorded, else as it follows from the others, in out;
 * NULL: nobody knows. */
const char *report_fields_known(const struct report_exercise *x,
    const char *field, char out[REPORT_VALUE_BYTES]);
/* A "#name"'s value in out; "" when nobody knows. */
const char *report_fields_value(const struct report_exercise *x,
    const char *field, char out[REPORT_VALUE_BYTES]);

/* --- report_derived.c: what follows from other records ----------------------- */

/* "": nothing does. */
void report_derived_value(const struct report_exercise *x, const char *field,
    char out[REPORT_VALUE_BYTES]);

/* The first event of that name, of that service (NULL: any); NULL: none. */
const struct report_event *report_exercise_event(const struct report_exercise
						     *x,
    const char *event);

/* Was a step of the plan tried again?  A fence, its read-back and a look at the
 * isolation are numbered as well: those numbers are not of one and the same. */
bool report_exercise_was_retried(const struct report_step *s);

/*
 * Steps that the inventory names and no record tells of: the run ended, or
 * died, before them.  The next one from *at on, or NULL; borrowed from x.
 */
const char *report_exercise_unbegun(const struct report_exercise *x,
    size_t *at);
const char *report_exercise_why_unbegun(const struct report_exercise *x);

/*
 * What was not executed, and why: steps that were skipped, that nobody came to,
 * and what the run left out from its beginning.  The next one from *at (0 at
 * first) on; false: no more.  Borrowed from x.
 */
struct report_skip {
	const char *step, *why;
};
bool report_exercise_skipped(const struct report_exercise *x, size_t *at,
    struct report_skip *out);

/* "pass", "FAIL", "NOT MEASURED", "no target". */
const char *report_exercise_grade(int64_t measured_ns, int64_t target_ns);

/*
 * What a reader must not miss: called with each finding, in order of weight.
 * The text is borrowed for the call.
 */
typedef enum err_code report_exercise_fn(void *ctx, const char *text,
    struct err *e);
enum err_code report_doubts(const struct report_exercise *x,
    report_exercise_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/* The report as a page. */
enum err_code report_exercise_page(const struct report_exercise *x,
    struct report_page **out, struct err *e) MUST_CHECK;
/* What only a tabletop has, added to the page. */
void report_tabletop_page(const struct tabletop *t, struct report_page *p);

#endif
