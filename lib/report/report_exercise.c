#include "report_exercise.h"

#include <string.h>

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
	}
	for (size_t i = 0; i < x->steps_count; i++)
		step_fini(&x->steps[i]);
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

static enum err_code
take_row(void *ctx, const struct ledger_exercise *row, struct err *e)
{
	struct report_exercise *x = ctx;
	enum err_code rc = ERR_NONE;

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

static enum err_code
add_note(struct report_exercise *x, const struct record_field *f, struct err *e)
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
	return n->name == NULL || n->value == NULL ? err_nomem(e) : ERR_NONE;
}

static void
note_place(struct report_exercise *x, const struct record *r)
{
	if (x->first_sequence == 0) {
		memcpy(x->chain, r->chain.at, r->chain.len_bytes);
		x->first_sequence = r->sequence;
	}
	if (record_text_is(r->chain, x->chain)) {
		x->last_sequence = r->sequence;
		x->last_hash = r->hash;
	}
}

static enum err_code
take_record(void *ctx, const struct record *r, struct err *e)
{
	struct report_exercise *x = ctx;
	struct record_cursor c = {0};
	struct record_field f;
	enum err_code rc = ERR_NONE;

	note_place(x, r);
	if (!record_text_is(r->type, LEDGER_EXERCISE))
		return ERR_NONE;
	while (rc == ERR_NONE && record_next(r, &c, &f)) {
		if (f.closed)
			x->redacted_count++;
		else
			rc = add_note(x, &f, e);
	}
	return rc;
}

static enum err_code
take_head(void *ctx, const struct ledger_head *lh, struct err *e)
{
	struct report_exercise *x = ctx;
	struct head h;

	if (x->head_number != 0)
		return ERR_NONE;
	if (head_decode(&h, lh->bytes, lh->len_bytes, e) != ERR_NONE)
		return e->code == ERR_CORRUPT ? ERR_NONE : e->code;
	for (size_t i = 0; i < h.tips_count; i++)
		if (strcmp(h.tips[i].chain, x->chain) == 0 &&
		    h.tips[i].sequence >= x->last_sequence)
			x->head_number = h.number;
	return ERR_NONE;
}

enum err_code
report_exercise_new(struct report_exercise **out, struct ledger *l,
    const char *run, struct err *e)
{
	OWNED(report_exercise_free) struct report_exercise *x = NULL;
	struct ledger_exercise_filter xf = {.run = run};
	struct ledger_filter f = {.run = run};
	enum err_code rc;

	*out = NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return err_nomem(e);
	rc = ledger_exercises(l, &xf, take_row, x, e);
	if (rc == ERR_NONE && x->run == NULL)
		return err_set(e, ERR_NOTFOUND, "no exercise '%s'", run);
	if (rc == ERR_NONE)
		rc = ledger_steps(l, run, take_step, x, e);
	if (rc == ERR_NONE)
		rc = ledger_iterate(l, &f, take_record, x, e);
	if (rc == ERR_NONE)
		rc = ledger_heads(l, 1, take_head, x, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(x);
	return ERR_NONE;
}

const char *
report_exercise_find(const struct report_exercise *x, const char *name)
{
	for (size_t i = x->notes_count; i > 0; i--)
		if (strcmp(x->notes[i - 1].name, name) == 0)
			return x->notes[i - 1].value;
	return NULL;
}

const struct report_line report_exercise_lines[] = {
    {"Identity", "direction", "direction", false},
    {"Identity", "change", "change", false},
    {"Identity", "policy digest", "@policy", false},
    {"Identity", "plan digest", "@plan", false},
    {"Identity", "site", "@site", false},
    {"Identity", "build", "@build", false},
    {"Purpose", "objectives", "purpose", false},
    {"Purpose", "criteria", "criteria", false},
    {"Purpose", "scope", "scope", false},
    {"Purpose", "exclusions", "exclusions", false},
    {"Purpose", "simulated", "simulated", false},
    {"Authority", "asked how", "trigger", false},
    {"Authority", "role", "@actor.role", false},
    {"Authority", "council", "@actor.council", false},
    {"Authority", "approvals", "approvals", false},
    {"Authority", "break-glass", "break_glass", false},
    {"Authority", "accepted by", "accepted_by", false},
    {"Preconditions", "found", "precondition", true},
    {"Data", "why this one", "point_why", false},
    {"Data", "proof before", "point_proof", false},
    {"Data", "loss", "loss", false},
    {"Safety", "isolation", "isolation", true},
    {"Safety", "production impact", "production_impact", false},
    {"Safety", "epoch", "epoch", false},
    {"Safety", "fence", "fence", false},
    {"Safety", "overrides", "overrides", false},
    {"Cleanup", "cleanup", "cleanup", true},
    {"Cleanup", "unprotected time", "unprotected", false},
    {"Cleanup", "failback", "failback", false},
    {"Findings", "finding", "finding", true},
    {"Findings", "lesson", "lesson", true},
    {"Findings", "action", "action", true},
    {"Limitations", "limitation", "limitation", true},
    {"Sign-off", "controls", "control", true},
    {"Sign-off", "signed off by", "signed_off_by", false},
    {"Sign-off", "next due", "next_due", false},
};
const size_t report_exercise_lines_count = COUNT_OF(report_exercise_lines);

static bool
has_step(const struct report_exercise *x, const char *name)
{
	for (size_t i = 0; i < x->steps_count; i++)
		if (strcmp(x->steps[i].step, name) == 0)
			return true;
	return false;
}

const char *
report_exercise_unbegun(const struct report_exercise *x, size_t *at)
{
	static const char lead[] = "step.";

	while (*at < x->notes_count) {
		const char *name = x->notes[(*at)++].name;

		if (strncmp(name, lead, strlen(lead)) == 0 &&
		    !has_step(x, name + strlen(lead)))
			return name + strlen(lead);
	}
	return NULL;
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

/* --- what a reader must not miss --- */

struct teller {
	report_exercise_fn *fn;
	void *ctx;
	enum err_code rc;
	struct err *e;
};

static void tell(struct teller *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
tell(struct teller *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (t->rc != ERR_NONE)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->rc = t->fn(t->ctx, text, t->e);
}

static void
doubt_result(const struct report_exercise *x, struct teller *t)
{
	if (x->result[0] == '\0')
		tell(t, "it has no result: it is not over, or was interrupted");
	else if (strcmp(x->result, "PASS") != 0)
		tell(t, "the result is %s%s%s", x->result,
		    x->reason[0] != '\0' ? ": " : "", x->reason);
}

static void
doubt_step(const struct report_step *s, struct teller *t)
{
	const char *why = s->reason[0] != '\0' ? ": " : "";

	if (strcmp(s->state, "failed") == 0)
		tell(t, "step '%s' failed%s%s", s->step, why, s->reason);
	else if (strcmp(s->state, "skipped") == 0)
		tell(t, "step '%s' was not executed%s%s", s->step, why,
		    s->reason);
	else if (strcmp(s->state, "running") == 0 ||
	    strcmp(s->state, "unknown") == 0)
		tell(t, "what became of step '%s' is unknown%s%s", s->step, why,
		    s->reason);
}

static void
doubt_measure(const char *name, int64_t measured_ns, int64_t target_ns,
    struct teller *t)
{
	char measured[TEXT_UNIT_BYTES], target[TEXT_UNIT_BYTES];

	if (measured_ns < 0)
		tell(t, "%s was not measured", name);
	else if (target_ns < 0)
		tell(t, "%s has no target to compare with", name);
	else if (measured_ns > target_ns)
		tell(t, "%s %s is over its target of %s", name,
		    text_duration(measured_ns, measured),
		    text_duration(target_ns, target));
}

/* Silence is no proof. */
static void
doubt_silence(const struct report_exercise *x, struct teller *t)
{
	static const struct {
		const char *field;
		const char *text;
	} wanted[] = {
	    {"purpose", "no purpose was set beforehand"},
	    {"isolation", "that production could not be reached is not proven"},
	    {"production_impact", "no statement on production impact"},
	    {"cleanup", "no result of the cleaning up is recorded"},
	    {"point_proof",
		"how well the recovery point was proven before is "
		"not recorded"},
	    {"accepted_by", "the service's owner has not accepted the result"},
	};

	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (report_exercise_find(x, wanted[i].field) == NULL)
			tell(t, "%s", wanted[i].text);
	if (x->head_number == 0)
		tell(t,
		    "its last records are under no signed head: one "
		    "site's word");
	if (x->redacted_count > 0)
		tell(t, "%llu fields are redacted",
		    (unsigned long long)x->redacted_count);
}

enum err_code
report_exercise_doubts(const struct report_exercise *x, report_exercise_fn *fn,
    void *ctx, struct err *e)
{
	struct teller t = {.fn = fn, .ctx = ctx, .e = e};
	const char *name;
	size_t at = 0;

	doubt_result(x, &t);
	for (size_t i = 0; i < x->steps_count; i++)
		doubt_step(&x->steps[i], &t);
	while ((name = report_exercise_unbegun(x, &at)) != NULL)
		tell(&t, "step '%s' was not executed: the run ended before it",
		    name);
	doubt_measure("RTA", x->rta_ns, x->rto_ns, &t);
	doubt_measure("RPA", x->rpa_ns, x->rpo_ns, &t);
	doubt_silence(x, &t);
	return t.rc;
}
