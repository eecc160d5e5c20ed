/*
 * What the records of a job come to: a restore drill, with everything that a
 * report of an exercise has, or any other job, with what is known of one.
 */

#include <bascule/base/text.h>
#include <stdlib.h>
#include <string.h>

#include "report_exercise.h"

bool
report_job_is(const struct record *r)
{
	char kind[32];

	/* An isolated test is a job too: its own records tell of it. */
	return record_text_is(r->type, LEDGER_JOB) &&
	    strcmp(record_text(r, "kind", kind, sizeof(kind)), "exercise") != 0;
}

/* What the states come to that end a job. */
static const struct end {
	const char *state, *of_drill;
} ends[] = {{"succeeded", "PASS"}, {"partial", "FAIL"}, {"failed", "FAIL"},
    {"cancelled", "INTERRUPTED"}, {"skipped", "NOT_MEASURED"},
    {"unknown", "INTERRUPTED"}};

static const struct end *
end_of(const char *state)
{
	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (strcmp(ends[i].state, state) == 0)
			return &ends[i];
	return NULL;
}

static bool
is_state(const char *word)
{
	static const char *const others[] = {"queued", "running", "waiting",
	    "retrying"};

	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (strcmp(others[i], word) == 0)
			return true;
	return end_of(word) != NULL;
}

static const struct report_event *
last_state(const struct report_exercise *x)
{
	const struct report_event *found = NULL;

	for (size_t i = 0; i < x->events_count; i++)
		if (strcmp(x->events[i].type, LEDGER_JOB) == 0 &&
		    is_state(x->events[i].event))
			found = &x->events[i];
	return found;
}

static const char *
mode_of(const struct report_exercise *x)
{
	const char *kind = report_exercise_find(x, "kind");
	const char *how = report_exercise_find(x, "how");

	if (kind == NULL || strcmp(kind, "verify") != 0 || how == NULL)
		return kind == NULL ? "job" : kind;
	return strcmp(how, "restore") == 0 ? REPORT_MODE_DRILL : how;
}

unsigned
report_job_bit(const struct report_exercise *x)
{
	return strcmp(x->mode, REPORT_MODE_DRILL) == 0 ? REPORT_DRILL
						       : REPORT_JOB;
}

/* A drill says its result; of one that died its last state does. */
static const char *
result_of(const struct report_exercise *x, const struct end *end)
{
	const char *said = report_exercise_find(x, "result");

	if (end == NULL)
		return "";
	if (report_job_bit(x) != REPORT_DRILL)
		return end->state;
	return said != NULL ? said : end->of_drill;
}

static void
copy(char **to, const char *text, enum err_code *rc, struct err *e)
{
	*to = strdup(text == NULL ? "" : text);
	if (*to == NULL && *rc == ERR_NONE)
		*rc = err_nomem(e);
}

enum err_code
report_job_make(struct report_exercise *x, const char *run, struct err *e)
{
	const struct report_event *first = &x->events[0];
	const struct report_event *last = last_state(x);
	const struct end *end = last == NULL ? NULL : end_of(last->event);
	enum err_code rc = ERR_NONE;
	bool of_many;

	copy(&x->run, run, &rc, e);
	copy(&x->service, first->service, &rc, e);
	copy(&x->mode, mode_of(x), &rc, e);
	copy(&x->state, last == NULL ? "" : last->event, &rc, e);
	if (rc != ERR_NONE)
		return rc;
	copy(&x->result, result_of(x, end), &rc, e);
	copy(&x->reason, last == NULL ? "" : last->reason, &rc, e);
	/* A reading proves every point that was there. */
	of_many = strcmp(x->mode, "reread") == 0;
	copy(&x->point, of_many ? "" : report_exercise_find(x, "point"), &rc,
	    e);
	copy(&x->actor, first->actor, &rc, e);
	x->requested = first->at;
	x->ended = end == NULL ? (struct utc){0} : last->at;
	return rc;
}

int64_t
report_job_restored_ns(const struct report_exercise *x)
{
	return report_move_number(x, "restore_ns");
}
