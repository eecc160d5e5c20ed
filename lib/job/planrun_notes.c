#include <stdarg.h>
#include <string.h>

#include <bascule/ledger.h>

#include "planrun.h"

static void
lose(struct planrun *p, enum err_code rc, const struct err *e)
{
	if (rc != ERR_NONE && p->lost.code == ERR_NONE)
		p->lost = *e;
}

void
planrun_notes_note(struct planrun *p, const char *record,
    struct planrun_fields *f)
{
	const struct planrun_link *l = p->link;
	struct err e = {0};
	enum err_code rc = f->failed
	    ? err_nomem(&e)
	    : l->note(l->ctx, record, f->items, f->count, &e);

	lose(p, rc, &e);
}

void
planrun_notes_log(struct planrun *p, const char *fmt, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->link->log(p->link->ctx, text);
}

static void
add_name(const struct planrun *p, size_t i, struct planrun_fields *f)
{
	const struct planrun_doing *d = &p->doing[i];

	planrun_fields_add(f, "step", "%s", d->name);
	planrun_fields_add(f, "kind", "%s", d->what);
	planrun_fields_add(f, "attempt", "%u", d->number);
}

enum err_code
planrun_notes_intent(struct planrun *p, size_t i, struct err *e)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	const struct planrun_link *l = p->link;
	struct planrun_doing *d = &p->doing[i];
	enum err_code rc;

	add_name(p, i, &f);
	planrun_fields_add(&f, "state", "running");
	if (i < p->steps_count && d->kind == PLANRUN_DO_STEP) {
		planrun_fields_add(&f, "planned_ns", "%lld",
		    (long long)p->service->plan[i].timeout_ns);
		if (p->service->plan[i].on[0] != '\0')
			planrun_fields_add(&f, "host", "%s",
			    p->service->plan[i].on);
	}
	planrun_fields_add(&f, "site", "%s", p->site->name);
	if (f.failed)
		return err_nomem(e);
	rc = l->intent(l->ctx, LEDGER_STEP, f.items, f.count, &d->seq, e);
	lose(p, rc, e);
	if (rc == ERR_NONE)
		planrun_notes_log(p, "%s %s: begins", d->what, d->name);
	return rc;
}

static void
add_report(struct planrun_fields *f, const struct planrun_attempt_report *r)
{
	char hex[ID_HEX_BYTES];

	if (r->exit_status >= 0)
		planrun_fields_add(f, "exit", "%d", r->exit_status);
	if (r->has_output) {
		planrun_fields_add(f, "output_hash", "%s",
		    id_hex(&r->output_hash, hex));
		planrun_fields_add(f, "output_bytes", "%llu",
		    (unsigned long long)r->output_bytes);
	}
	if (r->output_kept_bytes > 0)
		planrun_fields_bytes(f, "output", r->output,
		    r->output_kept_bytes);
	if (r->note[0] != '\0')
		planrun_fields_add(f, "note", "%s", r->note);
}

/* What the intent's fields said is repeated: a view reads one record. */
void
planrun_notes_outcome(struct planrun *p, size_t i, const char *state,
    const char *reason, const struct planrun_attempt_report *r)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	const struct planrun_link *l = p->link;
	struct planrun_doing *d = &p->doing[i];
	struct err e = {0};
	enum err_code rc;

	add_name(p, i, &f);
	planrun_fields_add(&f, "state", "%s", state);
	if (reason[0] != '\0')
		planrun_fields_add(&f, "reason", "%s", reason);
	if (r != NULL)
		add_report(&f, r);
	rc = f.failed ? err_nomem(&e)
		      : l->outcome(l->ctx, d->seq, f.items, f.count, &e);
	lose(p, rc, &e);
	planrun_notes_log(p, "%s %s: %s%s%s", d->what, d->name, state,
	    reason[0] != '\0' ? ": " : "", reason);
}

void
planrun_notes_skipped(struct planrun *p, const char *not_in_mode,
    const char *not_its_turn)
{
	for (size_t i = 0; i < p->steps_count; i++) {
		OWNED(planrun_fields_fini) struct planrun_fields f = {0};
		bool in_mode = (p->steps[i].modes & p->effects->mode) != 0;
		bool is_for_us = policy_step_is_for(p->policy,
		    &p->service->plan[i], p->site->name);
		struct engine_step s = {.state = ENGINE_STEP_WAITING};
		const char *why = NULL;
		char text[256];

		if (p->effects->why_aside != NULL)
			why = p->effects->why_aside(p, i, text, sizeof(text));
		if (p->engine != NULL)
			s = engine_step_of(p->engine, i);
		if (in_mode && s.attempt > 0 && s.state != ENGINE_STEP_SKIPPED)
			continue;
		planrun_fields_add(&f, "step", "%s", p->steps[i].name);
		planrun_fields_add(&f, "kind", "%s",
		    graph_kind_name(p->steps[i].kind));
		planrun_fields_add(&f, "state", "skipped");
		planrun_fields_add(&f, "reason", "%s",
		    !is_for_us        ? "it is for another site"
			: why != NULL ? why
			: !in_mode    ? not_in_mode
			: s.state == ENGINE_STEP_SKIPPED ? s.reason
							 : not_its_turn);
		planrun_notes_note(p, LEDGER_STEP, &f);
	}
}
