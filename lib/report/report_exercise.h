#ifndef REPORT_EXERCISE_H
#define REPORT_EXERCISE_H

#include <bascule/report.h>

#define REPORT_STEPS_MAX 4096
#define REPORT_NOTES_MAX 4096

/* A field's last value, or one of several; own memory. */
struct report_note {
	char *name;
	char *value;
};

struct report_step {
	char *step, *kind, *state, *reason, *output_hash, *site, *host;
	struct utc started, ended;
	int64_t planned_ns, attempt, exit_status;
};

struct report_exercise {
	char *run, *service, *mode, *state, *result, *reason, *point, *actor;
	struct utc requested, ended;
	int64_t rta_ns, rto_ns, rpa_ns, rpo_ns;
	struct report_note *notes; /* in the order recorded; names may repeat */
	size_t notes_count;
	struct report_step *steps;
	size_t steps_count;
	char chain[LEDGER_NAME_BYTES_MAX + 1];
	uint64_t first_sequence, last_sequence;
	struct id last_hash;
	uint64_t head_number; /* the first head that covers it; 0: none */
	uint64_t redacted_count;
};

/* The last value of a field; NULL when it was never recorded. */
const char *report_exercise_find(const struct report_exercise *x,
    const char *name);

/*
 * The fields that stand as they were recorded, in the order of the report.
 * What was never recorded is said to be so.
 */
struct report_line {
	const char *section;
	const char *label;
	const char *field;
	bool may_repeat;
};
extern const struct report_line report_exercise_lines[];
extern const size_t report_exercise_lines_count;

/*
 * Steps that the inventory names and no record tells of: the run ended, or
 * died, before them.  The next one from *at on, or NULL; borrowed from x.
 */
const char *report_exercise_unbegun(const struct report_exercise *x,
    size_t *at);

/* "pass", "FAIL", "NOT MEASURED", "no target". */
const char *report_exercise_grade(int64_t measured_ns, int64_t target_ns);

/*
 * What a reader must not miss: called with each finding, in order of weight.
 * The text is borrowed for the call.
 */
typedef enum err_code report_exercise_fn(void *ctx, const char *text,
    struct err *e);
enum err_code report_exercise_doubts(const struct report_exercise *x,
    report_exercise_fn *fn, void *ctx, struct err *e) MUST_CHECK;

#endif
