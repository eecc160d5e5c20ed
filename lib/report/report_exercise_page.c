/* The report of an exercise or a move, as a page. */

#include <bascule/base/text.h>
#include <string.h>

#include "report_exercise.h"

#define MOVES (PLAN_IN_PLANNED | PLAN_IN_UNPLANNED)
#define REAL  (MOVES | PLAN_IN_TEST | REPORT_DRILL)
#define TOLD  (MOVES | REPORT_DRILL | REPORT_JOB) /* by their events */

/* --- lines of the table ------------------------------------------------------------ */

static const char *
key_of(const struct report_line *l)
{
	return l->field + (l->field[0] == '#' || l->field[0] == '@');
}

static void
put_value(struct report_page *p, const struct report_exercise *x,
    const struct report_line *l)
{
	char out[REPORT_VALUE_BYTES];

	report_page_line(p, key_of(l), l->label,
	    report_fields_known(x, l->field, out));
}

/* Of one service of several: whose it is stands before it. */
static void
put_note(struct report_page *p, const struct report_exercise *x,
    const struct report_line *l, const struct report_note *n)
{
	if (report_move_is_many(x) && n->service[0] != '\0' &&
	    l->field[0] != '@')
		report_page_printf(p, key_of(l), l->label, "%s: %s", n->service,
		    n->value);
	else
		report_page_line(p, key_of(l), l->label, n->value);
}

/* What another attempt at it said once more. */
static bool
is_said(const struct report_exercise *x, size_t i)
{
	const struct report_note *n = &x->notes[i];

	for (size_t k = 0; k < i; k++)
		if (strcmp(x->notes[k].name, n->name) == 0 &&
		    strcmp(x->notes[k].value, n->value) == 0 &&
		    strcmp(x->notes[k].service, n->service) == 0)
			return true;
	return false;
}

/* Every value of a field that may come again. */
static void
put_all(struct report_page *p, const struct report_exercise *x,
    const struct report_line *l)
{
	size_t count = 0;

	for (size_t i = 0; i < x->notes_count; i++) {
		if (strcmp(x->notes[i].name, l->field) != 0 || is_said(x, i))
			continue;
		put_note(p, x, l, &x->notes[i]);
		count++;
	}
	if (count == 0)
		put_value(p, x, l);
}

/* The last value of each service. */
static void
put_each(struct report_page *p, const struct report_exercise *x,
    const struct report_line *l)
{
	char name[LEDGER_NAME_BYTES_MAX + 1];
	size_t at = 0, count = 0;

	while (report_move_service(x, &at, name, sizeof(name))) {
		const struct report_note *last = NULL;

		for (size_t i = 0; i < x->notes_count; i++)
			if (strcmp(x->notes[i].name, l->field) == 0 &&
			    strcmp(x->notes[i].service, name) == 0)
				last = &x->notes[i];
		if (last == NULL)
			continue;
		put_note(p, x, l, last);
		count++;
	}
	if (count == 0)
		put_value(p, x, l);
}

static void
put_section(struct report_page *p, const struct report_exercise *x,
    const char *name)
{
	for (size_t i = 0; i < report_fields_count; i++) {
		const struct report_line *l = &report_fields[i];

		if (strcmp(l->section, name) != 0 ||
		    (l->modes & x->mode_bit) == 0)
			continue;
		if (l->may_repeat)
			put_all(p, x, l);
		else if (report_move_is_many(x) && l->field[0] != '@' &&
		    l->field[0] != '#')
			put_each(p, x, l);
		else
			put_value(p, x, l);
	}
}

static void
section(struct report_page *p, const struct report_exercise *x, const char *key,
    const char *name)
{
	report_page_section(p, key, name);
	put_section(p, x, name);
}

/* --- what has no table of its own ------------------------------------------------------ */

static enum err_code
put_doubt(void *ctx, const char *text, struct err *e)
{
	(void)e;
	report_page_doubt(ctx, text);
	return ERR_NONE;
}

static enum err_code
put_doubts(struct report_page *p, const struct report_exercise *x,
    struct err *e)
{
	enum err_code rc;
	size_t before;

	report_page_section(p, "doubts", "Failed, unproven or not measured");
	before = p->count;
	rc = report_doubts(x, put_doubt, p, e);
	if (p->count == before)
		report_page_doubt(p, "nothing that this report knows of");
	return rc;
}

static void
put_approvals(struct report_page *p, const struct report_exercise *x)
{
	static const struct report_page_column columns[] = {{"at", "when (UTC)",
								0},
	    {"who", "who", 0}, {"role", "role", 0}, {"council", "council", 0},
	    {"said", "said", 0}, {"seen", "what they saw", 16},
	    {"reason", "why", 0}};
	char at[NOW_TEXT_BYTES];

	report_page_table(p, "approvals", columns, COUNT_OF(columns),
	    "no approval is recorded");
	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];
		const char *const cells[] = {report_page_time(ev->at, at),
		    ev->actor, ev->role, ev->council, ev->event, ev->seen,
		    ev->reason};

		if (strcmp(ev->type, "approval") == 0)
			report_page_row(p, cells);
	}
}

/* Who had a word in it: what people answered. */
static void
put_answers(struct report_page *p, const struct report_exercise *x)
{
	size_t count = 0;

	for (size_t i = 0; i < x->steps_count; i++) {
		const struct report_step *s = &x->steps[i];

		if (strcmp(s->kind, "confirm") != 0 || s->started.ns == 0)
			continue;
		report_page_line(p, "manual", s->step, s->reason);
		count++;
	}
	if (count == 0)
		report_page_line(p, "manual", "manual",
		    "no step asked a person");
}

static const char *
duration(int64_t ns, char out[TEXT_UNIT_BYTES])
{
	return ns < 0 ? "-" : text_duration(ns, out);
}

static void
put_step(struct report_page *p, const struct report_step *s)
{
	char at[NOW_TEXT_BYTES], ended[NOW_TEXT_BYTES], what[1024];
	char planned[TEXT_UNIT_BYTES], actual[TEXT_UNIT_BYTES], where[512];
	const char *const cells[] = {report_page_time(s->started, at), s->state,
	    duration(s->planned_ns, planned),
	    duration(s->started.ns == 0 || s->ended.ns == 0
		    ? -1
		    : s->ended.ns - s->started.ns,
		actual),
	    where, s->output_hash, what};

	(void)ended;
	snprintf(where, sizeof(where), "%s%s%s", s->site,
	    s->host[0] != '\0' ? "/" : "", s->host);
	if (report_exercise_was_retried(s))
		snprintf(what, sizeof(what), "%s %s (attempt %lld)%s%s",
		    s->kind, s->step, (long long)s->attempt,
		    s->reason[0] != '\0' ? ": " : "", s->reason);
	else
		snprintf(what, sizeof(what), "%s %s%s%s", s->kind, s->step,
		    s->reason[0] != '\0' ? ": " : "", s->reason);
	text_mend_end(what);
	report_page_row(p, cells);
}

static void
put_timeline(struct report_page *p, const struct report_exercise *x)
{
	static const struct report_page_column columns[] = {{"started",
								"started", 0},
	    {"state", "state", 0}, {"at_most", "at most", 0},
	    {"actual", "actual", 0}, {"where", "where", 24},
	    {"output", "output", 12}, {"step", "step", 0}};

	report_page_section(p, "timeline", "Timeline (UTC)");
	report_page_table(p, "steps", columns, COUNT_OF(columns),
	    "no step was recorded");
	for (size_t i = 0; i < x->steps_count; i++)
		put_step(p, &x->steps[i]);
}

/* A job has ended, whatever its state is called. */
static bool
is_outcome(const struct report_event *ev, const struct report_event *of)
{
	return ev->phase == RECORD_OUTCOME && strcmp(ev->type, of->type) == 0 &&
	    strcmp(ev->service, of->service) == 0 &&
	    (strcmp(ev->event, of->event) == 0 ||
		strcmp(ev->type, LEDGER_JOB) == 0);
}

static bool
has_outcome(const struct report_exercise *x, size_t i)
{
	const struct report_event *ev = &x->events[i];

	for (size_t k = i + 1;
	     ev->phase == RECORD_INTENT && k < x->events_count; k++)
		if (is_outcome(&x->events[k], ev))
			return true;
	return false;
}

/* A move's own records: phases, guards, interventions, pauses. */
static void
put_events(struct report_page *p, const struct report_exercise *x)
{
	static const struct report_page_column columns[] = {{"at", "when (UTC)",
								0},
	    {"site", "site", 0}, {"event", "event", 0},
	    {"service", "service", 0}, {"who", "who", 0},
	    {"verdict", "verdict", 0}, {"reason", "why", 0},
	    {"rest", "with", 0}};
	static const char *const phases[] = {"", " (begun, no outcome)", ""};
	char at[NOW_TEXT_BYTES], event[160];

	report_page_section(p, "events", "What happened, and who decided");
	report_page_table(p, "events", columns, COUNT_OF(columns),
	    "no record of it is here");
	for (size_t i = 0; i < x->events_count; i++) {
		const struct report_event *ev = &x->events[i];
		const char *const cells[] = {report_page_time(ev->at, at),
		    ev->site, event, ev->service, ev->actor, ev->verdict,
		    ev->reason, ev->rest};

		bool has_ended = has_outcome(x, i);

		/* An intent whose outcome is shown says nothing more. */
		if (has_ended && strcmp(ev->type, LEDGER_JOB) != 0)
			continue;
		snprintf(event, sizeof(event), "%.100s%s", ev->event,
		    has_ended ? "" : phases[ev->phase]);
		report_page_row(p, cells);
	}
}

static void
put_not_executed(struct report_page *p, const struct report_exercise *x)
{
	struct report_skip skip;
	size_t at = 0, count = 0;

	report_page_section(p, "not_executed", "Steps not executed, and why");
	for (; report_exercise_skipped(x, &at, &skip); count++)
		report_page_line(p, "skipped", skip.step, skip.why);
	if (count > 0)
		return;
	if (x->mode_bit == REPORT_JOB)
		report_page_note(p, "none: such a job has no plan");
	else if (x->steps_count == 0)
		report_page_note(p,
		    "unknown: the records tell of no step at all");
	else if (x->result[0] == '\0')
		report_page_note(p, "none yet: the run has no result");
	else
		report_page_note(p,
		    "none: every step that the records name began");
}

/* how: of what kind the figure is; "". */
static void
measure(struct report_page *p, const char *target_name, const char *name,
    const char *how, int64_t measured_ns, int64_t target_ns)
{
	char measured[TEXT_UNIT_BYTES], target[TEXT_UNIT_BYTES];

	report_page_printf(p, target_name, name, "%s (%s%s), target %s %s",
	    report_exercise_grade(measured_ns, target_ns), how,
	    measured_ns < 0 ? "-" : text_duration(measured_ns, measured),
	    target_name,
	    target_ns < 0 ? "none" : text_duration(target_ns, target));
}

static void
put_clocks(struct report_page *p, const struct report_exercise *x)
{
	static const char *const points[CLOCKS_POINTS] = {"t0 disruption",
	    "t1 detected", "t2 declared", "t3 authorised", "t4 started",
	    "t5 promoted", "t6 redirected", "t7 accepted", "t8 committed",
	    "t9 reprotected"};
	static const struct {
		enum clocks_span span;
		const char *key, *label;
	} spans[] = {
	    {CLOCKS_RTA_DECLARED, "rta_declared", "RTA declared (t7-t2)"},
	    {CLOCKS_RTA_TECHNICAL, "rta_technical", "RTA technical (t6-t4)"},
	    {CLOCKS_OUTAGE, "outage", "outage (t7-t0)"},
	    {CLOCKS_DECISION, "decision", "decision (t3-t1)"},
	    {CLOCKS_EXPOSURE, "exposure", "exposure (t9-t5)"},
	};
	char at[NOW_TEXT_BYTES], text[TEXT_UNIT_BYTES];
	int64_t ns;

	for (size_t i = 0; i < CLOCKS_POINTS; i++)
		report_page_line(p, "clock", points[i],
		    x->clocks.known[i] ? report_page_time(x->clocks.at[i], at)
				       : NULL);
	for (size_t i = 0; i < COUNT_OF(spans); i++)
		report_page_line(p, spans[i].key, spans[i].label,
		    clocks_span_ns(&x->clocks, spans[i].span, &ns)
			? text_duration(ns, text)
			: "NOT MEASURED");
	if (x->back_ns >= 0)
		report_page_line(p, "outage_back",
		    "outage until it was back where it had been",
		    text_duration(x->back_ns, text));
}

static void
put_span(struct report_page *p, const struct report_exercise *x)
{
	char at[NOW_TEXT_BYTES];

	report_page_line(p, "requested", "requested",
	    report_page_time(x->requested, at));
	report_page_line(p, "ended", "ended", report_page_time(x->ended, at));
	put_section(p, x, "Results");
}

static void
put_results(struct report_page *p, const struct report_exercise *x)
{
	bool is_move = (x->mode_bit & MOVES) != 0;
	int64_t outage;

	report_page_section(p, "results", "Results");
	if (x->mode_bit == REPORT_JOB) {
		put_span(p, x);
		return;
	}
	if (!clocks_span_ns(&x->clocks, CLOCKS_OUTAGE, &outage))
		outage = x->back_ns >= 0 ? x->back_ns : x->rta_ns;
	measure(p, "MTPD", "RTA", is_move ? "outage " : "", outage,
	    x->mtpd_ns > 0 ? x->mtpd_ns : -1);
	measure(p, "RTO", "RTA",
	    !is_move                             ? ""
		: x->mode_bit == PLAN_IN_PLANNED ? "outage "
						 : "declared ",
	    x->rta_ns, x->rto_ns);
	measure(p, "RPO", "RPA",
	    x->rpa_is_bound          ? "at most "
		: x->rpa_is_estimate ? "estimated "
				     : "",
	    x->rpa_ns, x->rpo_ns);
	if (is_move)
		put_clocks(p, x);
	put_span(p, x);
}

static void
put_limits(struct report_page *p, const struct report_exercise *x)
{
	section(p, x, "limitations", "Limitations");
	report_page_note(p,
	    x->ledgers_count > 1
		? "This report is made from this site's ledger and from its "
		  "proved copies of the others'; verify the evidence pack with "
		  "a fingerprint from somewhere else."
		: "This report is made from one site's ledger; verify the "
		  "evidence pack with a fingerprint from somewhere else.");
	report_page_note(p,
	    "It supports an assessment of controls and is none.");
}

/* --- the page ------------------------------------------------------------------------------ */

static void
put_real(struct report_page *p, const struct report_exercise *x)
{
	section(p, x, "preconditions", "Preconditions");
	section(p, x, "data", "Data");
	put_timeline(p, x);
	put_not_executed(p, x);
	if ((x->mode_bit & TOLD) != 0)
		put_events(p, x);
	put_results(p, x);
	section(p, x, "safety", "Safety");
	section(p, x, "cleanup", "Cleanup");
}

/* Any other job is no exercise: it has no purpose and no approvals. */
static void
put_job(struct report_page *p, const struct report_exercise *x)
{
	section(p, x, "data", "Data");
	if (x->steps_count > 0)
		put_timeline(p, x);
	put_not_executed(p, x);
	put_events(p, x);
	put_results(p, x);
}

/* Between whose it is and what it is worth: what was done. */
static void
put_doing(struct report_page *p, const struct report_exercise *x)
{
	section(p, x, "authority", "Authority");
	if ((x->mode_bit & MOVES) != 0)
		put_approvals(p, x);
	section(p, x, "people", "People");
	if (x->mode_bit == REPORT_JOB)
		put_job(p, x);
	if ((x->mode_bit & REAL) != 0) {
		put_answers(p, x);
		put_real(p, x);
	}
	if (x->tabletop != NULL)
		report_tabletop_page(x->tabletop, p);
}

static const char *
title_of(const struct report_exercise *x)
{
	return (x->mode_bit & MOVES) != 0 ? "MOVE"
	    : x->mode_bit == REPORT_DRILL ? "RESTORE DRILL"
	    : x->mode_bit == REPORT_JOB   ? "JOB"
					  : "EXERCISE";
}

enum err_code
report_exercise_page(const struct report_exercise *x, struct report_page **out,
    struct err *e)
{
	OWNED(report_page_free) struct report_page *p = NULL;
	bool is_job = x->mode_bit == REPORT_JOB;
	char title[512];
	enum err_code rc;

	*out = NULL;
	snprintf(title, sizeof(title), "%s REPORT %s: %s%s%s", title_of(x),
	    x->run, is_job ? x->mode : "", is_job ? " " : "",
	    x->result[0] != '\0'      ? x->result
		: x->tabletop != NULL ? x->state
				      : "NO RESULT");
	rc = report_page_new(&p, title, e);
	if (rc == ERR_NONE)
		rc = put_doubts(p, x, e);
	if (rc != ERR_NONE)
		return rc;
	section(p, x, "identity", "Identity");
	if (!is_job)
		section(p, x, "purpose", "Purpose");
	put_doing(p, x);
	if (!is_job)
		section(p, x, "findings", "Findings");
	put_limits(p, x);
	section(p, x, "sign_off", "Sign-off");
	*out = TAKE(p);
	return ERR_NONE;
}
