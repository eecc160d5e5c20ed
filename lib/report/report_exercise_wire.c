#include <bascule/wire.h>
#include <string.h>

#include "report_exercise.h"

static enum err_code
add_doubt(void *ctx, const char *text, struct err *e)
{
	(void)e;
	wire_add_text(ctx, NULL, text);
	return ERR_NONE;
}

static enum err_code
add_doubts(const struct report_exercise *x, struct wire_value *v, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	if (rc == ERR_NONE)
		rc = report_doubts(x, add_doubt, list, e);
	if (rc == ERR_NONE)
		wire_add(v, "doubts", &list);
	return rc;
}

static void
add_time(struct wire_value *v, const char *name, struct utc t)
{
	if (t.ns != 0)
		wire_add_utc(v, name, t);
}

/* A measure that is not there is null, never 0. */
static void
add_measure(struct wire_value *v, const char *name, int64_t ns)
{
	if (ns < 0)
		wire_add_null(v, name);
	else
		wire_add_seconds(v, name, ns);
}

static enum err_code
add_step(struct wire_value *list, const struct report_step *s, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "step", s->step);
	wire_add_text(v, "kind", s->kind);
	wire_add_text(v, "state", s->state);
	wire_add_text(v, "reason", s->reason);
	wire_add_text(v, "site", s->site);
	wire_add_text(v, "host", s->host);
	add_time(v, "started", s->started);
	add_time(v, "ended", s->ended);
	add_measure(v, "planned_seconds", s->planned_ns);
	add_measure(v, "seconds",
	    s->started.ns == 0 || s->ended.ns == 0
		? -1
		: s->ended.ns - s->started.ns);
	if (s->attempt >= 0)
		wire_add_int(v, "attempt", s->attempt);
	if (s->exit_status >= 0)
		wire_add_int(v, "exit", s->exit_status);
	if (s->output_hash[0] != '\0')
		wire_add_text(v, "output_hash", s->output_hash);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
add_steps(const struct report_exercise *x, struct wire_value *v, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < x->steps_count; i++)
		rc = add_step(list, &x->steps[i], e);
	if (rc == ERR_NONE)
		wire_add(v, "steps", &list);
	return rc;
}

/* Everything that was recorded of the run itself, in order. */
static enum err_code
add_notes(const struct report_exercise *x, struct wire_value *v, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < x->notes_count; i++) {
		OWNED(wire_free) struct wire_value *one = NULL;

		if (x->notes[i].name[0] == '@')
			continue;
		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "name", x->notes[i].name);
		wire_add_text(one, "value", x->notes[i].value);
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "record", &list);
	return rc;
}

static enum err_code
add_skip(struct wire_value *list, const char *step, const char *why,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "step", step);
	wire_add_text(v, "reason", why[0] != '\0' ? why : "not recorded");
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
add_skipped(const struct report_exercise *x, struct wire_value *v,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);
	struct report_skip skip;
	size_t at = 0;

	while (rc == ERR_NONE && report_exercise_skipped(x, &at, &skip))
		rc = add_skip(list, skip.step, skip.why, e);
	if (rc == ERR_NONE)
		wire_add(v, "not_executed", &list);
	return rc;
}

/* The report's list: what was never recorded is null. */
static enum err_code
add_fields(const struct report_exercise *x, struct wire_value *v, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new(&list, NULL, e);

	for (size_t i = 0; rc == ERR_NONE && i < report_fields_count; i++) {
		const char *field = report_fields[i].field;
		char out[REPORT_VALUE_BYTES];
		const char *value = report_fields_known(x, field, out);

		if (field[0] == '@' || field[0] == '#')
			continue;
		if (value != NULL)
			wire_add_text(list, field, value);
		else
			wire_add_null(list, field);
	}
	if (rc == ERR_NONE)
		wire_add(v, "fields", &list);
	return rc;
}

static void
add_identity(const struct report_exercise *x, struct wire_value *v)
{
	wire_add_text(v, "run", x->run);
	wire_add_text(v, "service", x->service);
	wire_add_text(v, "mode", x->mode);
	wire_add_text(v, "state", x->state);
	wire_add_text(v, "result", x->result);
	wire_add_text(v, "reason", x->reason);
	wire_add_text(v, "point", x->point);
	wire_add_text(v, "requested_by", x->actor);
	wire_add_text(v, "policy", report_exercise_find(x, "@policy"));
	wire_add_text(v, "plan", report_exercise_find(x, "@plan"));
	wire_add_text(v, "site", report_exercise_find(x, "@site"));
	wire_add_text(v, "build", report_exercise_find(x, "@build"));
	add_time(v, "requested", x->requested);
	add_time(v, "ended", x->ended);
	wire_add_text(v, "chain", x->chain);
	wire_add_uint(v, "first_sequence", x->first_sequence);
	wire_add_uint(v, "last_sequence", x->last_sequence);
	wire_add_hex(v, "last_hash", x->last_hash.bytes, ID_BYTES);
	if (x->ledgers[0].head_number != 0)
		wire_add_uint(v, "head", x->ledgers[0].head_number);
	else
		wire_add_null(v, "head");
}

static void
add_results(const struct report_exercise *x, struct wire_value *v)
{
	add_measure(v, "rta_seconds", x->rta_ns);
	add_measure(v, "rto_seconds", x->rto_ns);
	wire_add_text(v, "rta_verdict",
	    report_exercise_grade(x->rta_ns, x->rto_ns));
	add_measure(v, "rpa_seconds", x->rpa_ns);
	if (x->rpa_ns >= 0 && (x->rpa_is_bound || x->rpa_is_estimate))
		wire_add_text(v, "rpa_is",
		    x->rpa_is_bound ? "at most" : "estimated");
	add_measure(v, "rpo_seconds", x->rpo_ns);
	wire_add_text(v, "rpa_verdict",
	    report_exercise_grade(x->rpa_ns, x->rpo_ns));
}

/* The whole report, as people see it. */
static enum err_code
add_sections(const struct report_exercise *x, struct wire_value *v,
    struct err *e)
{
	OWNED(report_page_free) struct report_page *p = NULL;
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = report_exercise_page(x, &p, e);

	if (rc == ERR_NONE)
		rc = report_page_wire(p, &list, e);
	if (rc == ERR_NONE)
		wire_add(v, "sections", &list);
	return rc;
}

enum err_code
report_exercise_wire(const struct report_exercise *x, struct wire_value **out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "exercise_report", e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = add_doubts(x, v, e);
	if (rc != ERR_NONE)
		return rc;
	add_identity(x, v);
	add_results(x, v);
	rc = add_steps(x, v, e);
	if (rc == ERR_NONE)
		rc = add_skipped(x, v, e);
	if (rc == ERR_NONE)
		rc = add_fields(x, v, e);
	if (rc == ERR_NONE)
		rc = add_notes(x, v, e);
	if (rc == ERR_NONE)
		rc = add_sections(x, v, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(v);
	return ERR_NONE;
}
