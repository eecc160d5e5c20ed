#include "report_exercise.h"

#include <bascule/base/text.h>
#include <bascule/policy.h>
#include <stdlib.h>
#include <string.h>

static void
event_fini(struct report_event *ev)
{
	free(ev->type);
	free(ev->event);
	free(ev->service);
	free(ev->site);
	free(ev->actor);
	free(ev->role);
	free(ev->council);
	free(ev->reason);
	free(ev->verdict);
	free(ev->seen);
	free(ev->rest);
	free(ev->boot);
}

static void
step_fini(struct report_step *s)
{
	free(s->step);
	free(s->kind);
	free(s->state);
	free(s->reason);
	free(s->output_hash);
	free(s->site);
	free(s->host);
}

void
report_exercise_free(struct report_exercise **xp)
{
	struct report_exercise *x = TAKE(*xp);

	if (x == NULL)
		return;
	for (size_t i = 0; i < x->notes_count; i++) {
		free(x->notes[i].name);
		free(x->notes[i].value);
		free(x->notes[i].service);
	}
	for (size_t i = 0; i < x->steps_count; i++)
		step_fini(&x->steps[i]);
	for (size_t i = 0; i < x->events_count; i++)
		event_fini(&x->events[i]);
	free(x->events);
	tabletop_free(&x->tabletop);
	free(x->notes);
	free(x->steps);
	free(x->run);
	free(x->service);
	free(x->mode);
	free(x->state);
	free(x->result);
	free(x->reason);
	free(x->point);
	free(x->actor);
	free(x);
}

/* Sticks at the first failure. */
static void
copy(char **to, const char *text, enum err_code *rc, struct err *e)
{
	*to = strdup(text);
	if (*to == NULL && *rc == ERR_NONE)
		*rc = err_nomem(e);
}

/* The first ledger that knows it says what it is. */
static enum err_code
take_row(void *ctx, const struct ledger_exercise *row, struct err *e)
{
	struct report_exercise *x = ctx;
	enum err_code rc = ERR_NONE;

	if (x->run != NULL)
		return ERR_NONE;
	copy(&x->run, row->run, &rc, e);
	copy(&x->service, row->service, &rc, e);
	copy(&x->mode, row->mode, &rc, e);
	copy(&x->state, row->state, &rc, e);
	copy(&x->result, row->result, &rc, e);
	copy(&x->reason, row->reason, &rc, e);
	copy(&x->point, row->point, &rc, e);
	copy(&x->actor, row->actor, &rc, e);
	x->requested = row->requested;
	x->ended = row->ended;
	x->rta_ns = row->rta_ns;
	x->rto_ns = row->rto_ns;
	x->rpa_ns = row->rpa_ns;
	x->rpo_ns = row->rpo_ns;
	return rc;
}

static enum err_code
take_step(void *ctx, const struct ledger_step *row, struct err *e)
{
	struct report_exercise *x = ctx;
	struct report_step *more, *s;
	enum err_code rc = ERR_NONE;

	if (x->steps_count == REPORT_STEPS_MAX)
		return err_set(e, ERR_INPUT, "more than %d steps",
		    REPORT_STEPS_MAX);
	more = realloc(x->steps, (x->steps_count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	x->steps = more;
	s = &x->steps[x->steps_count++];
	memset(s, 0, sizeof(*s));
	copy(&s->step, row->step, &rc, e);
	copy(&s->kind, row->kind, &rc, e);
	copy(&s->state, row->state, &rc, e);
	copy(&s->reason, row->reason, &rc, e);
	copy(&s->output_hash, row->output_hash, &rc, e);
	copy(&s->site, row->site, &rc, e);
	copy(&s->host, row->host, &rc, e);
	s->started = row->started;
	s->ended = row->ended;
	s->planned_ns = row->planned_ns;
	s->attempt = row->attempt;
	s->exit_status = row->exit_status;
	return rc;
}

static char *
field_of(const struct record *r, const char *name)
{
	struct record_text t;

	return record_find(r, name, &t) ? strndup(t.at, t.len_bytes)
					: strdup("");
}

static enum err_code
add_note(struct report_exercise *x, const struct record *r,
    const struct record_field *f, struct err *e)
{
	struct report_note *more, *n;

	if (x->notes_count == REPORT_NOTES_MAX)
		return ERR_NONE; /* a report is no second ledger */
	more = realloc(x->notes, (x->notes_count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	x->notes = more;
	n = &x->notes[x->notes_count++];
	n->name = strndup(f->name.at, f->name.len_bytes);
	n->value = strndup(f->value.at, f->value.len_bytes);
	n->service = field_of(r, "@service");
	return n->name == NULL || n->value == NULL || n->service == NULL
	    ? err_nomem(e)
	    : ERR_NONE;
}

/* --- the records of the run ------------------------------------------------- */

/* A step of the plan: to be done; not to be done, and why. */
#define STEP_LEAD    "step."
#define NOT_RUN_LEAD "not_run."

/* What an event's columns do not show already. */
static bool
is_shown(struct record_text name)
{
	static const char *const names[] = {"event", "state", "reason", "mode",
	    "verb", "from_site", "to_site", "verdict", "seen", "shown",
	    "signature", "rto_ns", "rpo_ns", "mtpd_ns", "point_at_ns", "kind",
	    "how", "direction", "not_run", "result", "restore_ns"};
	static const char *const leads[] = {STEP_LEAD, NOT_RUN_LEAD};

	if (name.len_bytes > 0 && name.at[0] == '@')
		return true;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (record_text_is(name, names[i]))
			return true;
	for (size_t i = 0; i < COUNT_OF(leads); i++)
		if (name.len_bytes > strlen(leads[i]) &&
		    memcmp(name.at, leads[i], strlen(leads[i])) == 0)
			return true;
	return report_fields_has(name);
}

static enum err_code
collect_rest(struct report_event *ev, const struct record *r, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	struct record_cursor c = {0};
	struct record_field f;
	enum err_code rc = ERR_NONE;

	while (
	    rc == ERR_NONE && record_next(r, &c, &f) && text.len_bytes < 2000) {
		if (f.closed || is_shown(f.name))
			continue;
		rc = buf_printf(&text, e, "%s%.*s=%.*s",
		    text.len_bytes > 0 ? "; " : "",
		    (int)(f.name.len_bytes < 100 ? f.name.len_bytes : 100),
		    f.name.at,
		    (int)(f.value.len_bytes < 500 ? f.value.len_bytes : 500),
		    f.value.at);
	}
	if (rc == ERR_NONE) {
		ev->rest = strdup(buf_text(&text));
		if (ev->rest == NULL)
			rc = err_nomem(e);
	}
	return rc;
}

static enum err_code
add_event(struct report_exercise *x, const struct record *r, struct err *e)
{
	struct report_event *more, *ev;

	if (x->events_count == REPORT_EVENTS_MAX)
		return ERR_NONE;
	more = realloc(x->events, (x->events_count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	x->events = more;
	ev = &x->events[x->events_count++];
	*ev = (struct report_event){.at = r->at,
	    .mono = r->mono,
	    .ledger = x->ledgers_count,
	    .phase = r->phase};
	ev->boot = strndup(r->boot_id.at, r->boot_id.len_bytes);
	ev->type = strndup(r->type.at, r->type.len_bytes);
	ev->event = field_of(r, "event");
	if (ev->event != NULL && ev->event[0] == '\0') {
		free(ev->event);
		ev->event = field_of(r,
		    record_text_is(r->type, "approval") ? "verb" : "state");
	}
	if (x->is_job && ev->event != NULL && ev->event[0] == '\0') {
		free(ev->event);
		ev->event = strndup(r->type.at, r->type.len_bytes);
	}
	ev->service = field_of(r, "@service");
	ev->site = field_of(r, "@site");
	ev->actor = field_of(r, "@actor.name");
	ev->role = field_of(r, "@actor.role");
	ev->council = field_of(r, "@actor.council");
	ev->reason = field_of(r, "reason");
	/* of the register it is what it says */
	ev->verdict = field_of(r,
	    record_text_is(r->type, LEDGER_AUTHORITY) ? "state" : "verdict");
	ev->seen = field_of(r, "seen");
	if (ev->type == NULL || ev->event == NULL || ev->service == NULL ||
	    ev->site == NULL || ev->actor == NULL || ev->role == NULL ||
	    ev->council == NULL || ev->reason == NULL || ev->verdict == NULL ||
	    ev->seen == NULL || ev->boot == NULL)
		return err_nomem(e);
	return collect_rest(ev, r, e);
}

static bool
is_told(const struct report_exercise *x, const struct record *r)
{
	static const char *const types[] = {LEDGER_EXERCISE, "failover",
	    "approval", LEDGER_AUTHORITY};
	static const char *const of_jobs[] = {LEDGER_JOB, LEDGER_POINT,
	    LEDGER_LINK, LEDGER_HEALED};

	for (size_t i = 0; x->is_job && i < COUNT_OF(of_jobs); i++)
		if (record_text_is(r->type, of_jobs[i]))
			return true;
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (record_text_is(r->type, types[i]))
			return true;
	return false;
}

static enum err_code
add_said(struct report_exercise *x, const struct record *r, const char *name,
    const char *text, struct err *e)
{
	struct record_field f = {.name = {name, strlen(name)},
	    .value = {text, strlen(text)}};

	return add_note(x, r, &f, e);
}

/* Who was told of it, and who could not be: not what is said of it. */
static enum err_code
take_alarm(struct report_exercise *x, const struct record *r, struct err *e)
{
	char state[32], program[128], what[400], subject[128], text[800];
	char at[NOW_TEXT_BYTES];
	bool is_lost;

	record_text(r, "state", state, sizeof(state));
	record_text(r, "program", program, sizeof(program));
	record_text(r, "text", what, sizeof(what));
	record_text(r, "subject", subject, sizeof(subject));
	is_lost = strcmp(state, "undelivered") == 0;
	if (!is_lost && strcmp(state, "told") != 0)
		return ERR_NONE;
	snprintf(text, sizeof(text), "%s%s at %s: %s: %s",
	    is_lost ? "NOT DELIVERED to " : "", program,
	    report_page_time(r->at, at), subject, what);
	text_mend_end(text);
	return add_said(x, r, "notified", text, e);
}

/* An action that came of it. */
static enum err_code
take_action(struct report_exercise *x, const struct record *r, struct err *e)
{
	char id[160], status[32], owner[80], what[400], text[800];

	record_text(r, "id", id, sizeof(id));
	record_text(r, "status", status, sizeof(status));
	record_text(r, "owner", owner, sizeof(owner));
	record_text(r, "text", what, sizeof(what));
	snprintf(text, sizeof(text), "%s (%s)%s%s%s%s", id, status,
	    owner[0] != '\0' ? " of " : "", owner, what[0] != '\0' ? ": " : "",
	    what);
	text_mend_end(text);
	return add_said(x, r, "action", text, e);
}

/* A point that keeps what was written, or begins anew, is not the one that the
 * run goes back to. */
static bool
is_kept_point(const struct record *r, struct record_text name)
{
	static const char *const keeps[] = {"DIVERGENCE", "CAPTURED", "capture",
	    "REPROTECTED"};
	char event[32];

	record_text(r, "event", event, sizeof(event));
	for (size_t i = 0; i < COUNT_OF(keeps); i++)
		if (strcmp(event, keeps[i]) == 0)
			return record_text_is(name, "point");
	return false;
}

static enum err_code
take_record(void *ctx, const struct record *r, struct err *e)
{
	struct report_exercise *x = ctx;
	struct record_cursor c = {0};
	struct record_field f;
	enum err_code rc;

	report_heads_note(x, r);
	if (record_text_is(r->type, LEDGER_ALARM))
		return take_alarm(x, r, e);
	if (record_text_is(r->type, LEDGER_ACTION))
		return take_action(x, r, e);
	x->is_job = x->is_job || (x->run == NULL && report_job_is(r));
	if (!is_told(x, r))
		return ERR_NONE;
	rc = add_event(x, r, e);
	while (rc == ERR_NONE && record_next(r, &c, &f)) {
		if (f.closed)
			x->redacted_count++;
		else if (!is_kept_point(r, f.name))
			rc = add_note(x, r, &f, e);
	}
	return rc;
}

/* --- targets ------------------------------------------------------------ */

static unsigned
mode_bit(const char *mode)
{
	return strcmp(mode, "tabletop") == 0 ? PLAN_IN_TABLETOP
	    : strcmp(mode, "planned") == 0   ? PLAN_IN_PLANNED
	    : strcmp(mode, "unplanned") == 0 ? PLAN_IN_UNPLANNED
					     : PLAN_IN_TEST;
}

/* What no record has: the policy's own figures. */
static void
set_targets(struct report_exercise *x, const struct policy *policy)
{
	const struct policy_service *s =
	    policy == NULL ? NULL : policy_find_service(policy, x->service);

	if (x->mode_bit == REPORT_JOB)
		return; /* it is held against none */
	if (x->mode_bit != PLAN_IN_TEST) {
		x->rto_ns = report_move_number(x, "rto_ns");
		x->rpo_ns = report_move_number(x, "rpo_ns");
	}
	x->mtpd_ns = report_move_number(x, "mtpd_ns");
	if (s == NULL)
		return;
	if (x->rto_ns < 0)
		x->rto_ns = s->rto_ns;
	if (x->rpo_ns < 0)
		x->rpo_ns = s->rpo_ns;
	if (x->mtpd_ns <= 0 && s->mtpd_ns > 0)
		x->mtpd_ns = s->mtpd_ns;
}

/* --- all of it -------------------------------------------------------------------- */

static enum err_code
gather_from(struct report_exercise *x, struct ledger *l, const char *run,
    struct err *e)
{
	struct ledger_exercise_filter xf = {.run = run};
	struct ledger_filter f = {.run = run};
	enum err_code rc = ledger_exercises(l, &xf, take_row, x, e);

	if (rc == ERR_NONE)
		rc = ledger_steps(l, run, take_step, x, e);
	if (rc == ERR_NONE)
		rc = ledger_iterate(l, &f, take_record, x, e);
	if (rc == ERR_NONE)
		rc = report_heads_find(x, l, e);
	x->ledgers_count++;
	return rc;
}

/* One that was played at the other site is in its ledger alone. */
static enum err_code
load_tabletop(struct report_exercise *x, const struct report_sources *from,
    const char *run, struct err *e)
{
	enum err_code rc = ERR_NOTFOUND;

	for (size_t i = 0; rc == ERR_NOTFOUND && i < from->ledgers_count; i++)
		rc = report_tabletop_load(&x->tabletop, from->ledgers[i], run,
		    e);
	return rc;
}

enum err_code
report_exercise_gather(struct report_exercise **out,
    const struct report_sources *from, const char *run, struct err *e)
{
	OWNED(report_exercise_free) struct report_exercise *x = NULL;
	enum err_code rc = ERR_NONE;
	bool is_move;

	*out = NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return err_nomem(e);
	x->rta_ns = x->rpa_ns = -1;
	x->rto_ns = x->rpo_ns = x->back_ns = x->previous_rta_ns = -1;
	for (size_t i = 0; rc == ERR_NONE && i < from->ledgers_count; i++)
		rc = gather_from(x, from->ledgers[i], run, e);
	if (rc == ERR_NONE)
		report_move_order(x);
	is_move = rc == ERR_NONE && x->run == NULL && !x->is_job;
	if (is_move)
		rc = report_move_make(x, run, e);
	else if (rc == ERR_NONE && x->is_job)
		rc = report_job_make(x, run, e);
	if (rc != ERR_NONE)
		return rc;
	x->mode_bit = x->is_job ? report_job_bit(x) : mode_bit(x->mode);
	if (is_move)
		report_move_measure(x);
	set_targets(x, from->policy);
	if (x->mode_bit == PLAN_IN_TABLETOP)
		rc = load_tabletop(x, from, run, e);
	if (rc == ERR_NONE)
		rc = report_related_find(x, from, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(x);
	return ERR_NONE;
}

enum err_code
report_exercise_new(struct report_exercise **out, struct ledger *l,
    const char *run, struct err *e)
{
	struct report_sources from = {.ledgers = &l, .ledgers_count = 1};

	return report_exercise_gather(out, &from, run, e);
}

const struct report_event *
report_exercise_event(const struct report_exercise *x, const char *event)
{
	for (size_t i = 0; i < x->events_count; i++)
		if (strcmp(x->events[i].event, event) == 0 &&
		    x->events[i].phase != RECORD_INTENT)
			return &x->events[i];
	return NULL;
}

const char *
report_exercise_find(const struct report_exercise *x, const char *name)
{
	for (size_t i = x->notes_count; i > 0; i--)
		if (strcmp(x->notes[i - 1].name, name) == 0)
			return x->notes[i - 1].value;
	return NULL;
}

bool
report_exercise_was_retried(const struct report_step *s)
{
	static const char *const others[] = {"fence", "prove", "isolation"};

	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (strcmp(others[i], s->kind) == 0)
			return false;
	return s->attempt > 1;
}

static bool
has_step(const struct report_exercise *x, const char *name)
{
	for (size_t i = 0; i < x->steps_count; i++)
		if (strcmp(x->steps[i].step, name) == 0)
			return true;
	return false;
}

/* The step of a note that is named so; NULL: it is another note. */
static const char *
step_behind(const char *lead, const struct report_note *n)
{
	return strncmp(n->name, lead, strlen(lead)) == 0
	    ? n->name + strlen(lead)
	    : NULL;
}

const char *
report_exercise_unbegun(const struct report_exercise *x, size_t *at)
{
	while (*at < x->notes_count) {
		const char *step = step_behind(STEP_LEAD, &x->notes[(*at)++]);

		if (step != NULL && !has_step(x, step))
			return step;
	}
	return NULL;
}

const char *
report_exercise_why_unbegun(const struct report_exercise *x)
{
	return x->ended.ns != 0
	    ? "the run ended before it"
	    : "the run had not come to it, and has not ended";
}

/* A list after the other: the place in each, one behind the last of before. */
bool
report_exercise_skipped(const struct report_exercise *x, size_t *at,
    struct report_skip *out)
{
	for (; *at < x->steps_count; (*at)++) {
		const struct report_step *s = &x->steps[*at];

		if (strcmp(s->state, "skipped") != 0)
			continue;
		*out = (struct report_skip){s->step, s->reason};
		(*at)++;
		return true;
	}
	for (size_t i = *at - x->steps_count; i < x->notes_count;
	     i++, (*at)++) {
		const struct report_note *n = &x->notes[i];
		const char *step = step_behind(NOT_RUN_LEAD, n);

		if ((step == NULL && strcmp(n->name, "not_run") != 0) ||
		    report_exercise_find(x, n->name) != n->value)
			continue;
		*out = (struct report_skip){step != NULL ? step
							 : "steps of the plan",
		    n->value};
		(*at)++;
		return true;
	}
	*at -= x->steps_count + x->notes_count;
	out->step = report_exercise_unbegun(x, at);
	out->why = report_exercise_why_unbegun(x);
	*at += x->steps_count + x->notes_count;
	return out->step != NULL;
}

const char *
report_exercise_grade(int64_t measured_ns, int64_t target_ns)
{
	if (measured_ns < 0)
		return "NOT MEASURED";
	if (target_ns < 0)
		return "no target";
	return measured_ns <= target_ns ? "pass" : "FAIL";
}

/* --- its forms ---------------------------------------------------------------------- */

typedef enum err_code form_fn(const struct report_page *p, struct buf *out,
    struct err *e);

static enum err_code
show(const struct report_exercise *x, form_fn *form, struct buf *out,
    struct err *e)
{
	OWNED(report_page_free) struct report_page *p = NULL;
	enum err_code rc = report_exercise_page(x, &p, e);

	return rc == ERR_NONE ? form(p, out, e) : rc;
}

enum err_code
report_exercise_text(const struct report_exercise *x, struct buf *out,
    struct err *e)
{
	return show(x, report_page_text, out, e);
}

enum err_code
report_exercise_html(const struct report_exercise *x, struct buf *out,
    struct err *e)
{
	return show(x, report_page_html, out, e);
}

enum err_code
report_exercise_csv(const struct report_exercise *x, struct buf *out,
    struct err *e)
{
	return show(x, report_page_csv, out, e);
}
