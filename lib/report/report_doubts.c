/* What a reader of a report must not miss. */

#include <bascule/base/text.h>
#include <string.h>

#include "report_exercise.h"

#define MOVES     (PLAN_IN_PLANNED | PLAN_IN_UNPLANNED)
#define NOT_TABLE (MOVES | PLAN_IN_TEST)
#define TRIALS    (PLAN_IN_TEST | REPORT_DRILL)

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
	text_mend_end(text);
	t->rc = t->fn(t->ctx, text, t->e);
}

static void
doubt_result(const struct report_exercise *x, struct teller *t)
{
	if (x->result[0] == '\0')
		tell(t, "it has no result: it is not over, or was interrupted");
	else if (strcmp(x->result, "PASS") != 0 &&
	    strcmp(x->result, "succeeded") != 0 &&
	    strcmp(x->result, "COMMITTED") != 0 &&
	    strcmp(x->result, "REPROTECTED") != 0)
		tell(t, "the result is %s%s%s", x->result,
		    x->reason[0] != '\0' ? ": " : "", x->reason);
}

/* A fence is no step of the plan. */
static const char *
part_of(const struct report_step *s)
{
	return strcmp(s->kind, "fence") == 0 ? "to shut off the old site, "
	    : strcmp(s->kind, "prove") == 0
	    ? "to read back that the old site is off, "
	    : "";
}

static void
doubt_step(const struct report_step *s, struct teller *t)
{
	const char *why = s->reason[0] != '\0' ? ": " : "";

	if (strcmp(s->state, "failed") == 0)
		tell(t, "%sstep '%s' failed%s%s", part_of(s), s->step, why,
		    s->reason);
	else if (strcmp(s->state, "skipped") == 0)
		tell(t, "step '%s' was not executed%s%s", s->step, why,
		    s->reason);
	else if (strcmp(s->state, "running") == 0 ||
	    strcmp(s->state, "unknown") == 0)
		tell(t, "what became of step '%s' is unknown%s%s", s->step, why,
		    s->reason);
}

/* People's word is no proof; and what does it mean that it ran on? */
static void
doubt_fence(const struct report_exercise *x, struct teller *t)
{
	const struct report_event *off = report_move_ran_on(x);
	const struct report_event *taken = report_exercise_event(x, "TAKEN");
	const struct report_event *fenced = report_exercise_event(x, "FENCED");
	const char *from = report_exercise_find(x, "from_site");
	char span[TEXT_UNIT_BYTES];

	if (fenced != NULL && from != NULL &&
	    strstr(fenced->reason, "attest") != NULL)
		tell(t,
		    "that %s was off when it was taken is people's word "
		    "(attested); it was not read back then",
		    from);
	if (off != NULL && taken != NULL && off->when.ns > taken->when.ns)
		tell(t,
		    "%s was read back as stopped only %s after %s had taken "
		    "the service: it may have taken writes until then, too",
		    off->site,
		    text_duration(off->when.ns - taken->when.ns, span),
		    taken->site);
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

static void
doubt_injects(const struct tabletop *t, struct teller *to)
{
	for (size_t i = 0; i < tabletop_injects_count(t); i++) {
		struct tabletop_inject in = tabletop_inject_at(t, i);

		if (!in.is_delivered)
			tell(to, "inject '%s' was not delivered", in.name);
		else if (strcmp(in.met, "no") == 0)
			tell(to, "inject '%s': what was expected was not done",
			    in.name);
		else if (!in.is_answered)
			tell(to, "inject '%s' was not answered", in.name);
	}
}

static void
doubt_tabletop(const struct tabletop *t, struct teller *to)
{
	size_t overdue = tabletop_actions_overdue(t, now_utc());

	if (tabletop_was_stopped(t))
		tell(to, "STOP was called: play ended for a real incident");
	if (tabletop_state_of(t) < TABLETOP_ENDEX)
		tell(to, "it has not been played to its end");
	if (tabletop_state_of(t) == TABLETOP_CANCELLED)
		tell(to, "it was cancelled");
	doubt_injects(t, to);
	for (size_t i = 1; i <= tabletop_objectives_count(t); i++) {
		const char *rating = tabletop_rating(t, i);

		if (rating[0] == '\0')
			tell(to, "objective %zu is not rated", i);
		else if (rating[0] == 'M' || rating[0] == 'U')
			tell(to, "objective %zu is rated %s: %s", i, rating,
			    tabletop_drafted(t, "objective", i - 1));
	}
	if (overdue > 0)
		tell(to, "%zu actions are overdue", overdue);
}

/* Silence is no proof. */
static void
doubt_silence(const struct report_exercise *x, struct teller *t)
{
	static const struct {
		unsigned modes;
		const char *field;
		const char *text;
	} wanted[] = {
	    {TRIALS, "purpose", "no purpose was set beforehand"},
	    {PLAN_IN_TEST, "isolation",
		"that production could not be reached is not proven"},
	    {TRIALS, "production_impact", "no statement on production impact"},
	    {TRIALS, "cleanup", "no result of the cleaning up is recorded"},
	    {TRIALS, "point_proof",
		"how well the recovery point was proven before is not "
		"recorded"},
	    {NOT_TABLE, "#accepted",
		"the service's owner has not accepted the result"},
	    {MOVES, "#fence", "no proof that the old site is fenced"},
	    {MOVES, "#separation", "no approval by another person is recorded"},
	    {MOVES, "#reprotected",
		"it is not reprotected: there is no second copy to go to"},
	    {MOVES, "#loss", "what was lost is not known"},
	};
	char out[REPORT_VALUE_BYTES], span[TEXT_UNIT_BYTES];

	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		const char *value = wanted[i].field[0] == '#'
		    ? report_fields_value(x, wanted[i].field, out)
		    : report_exercise_find(x, wanted[i].field);

		if ((wanted[i].modes & x->mode_bit) != 0 &&
		    (value == NULL || value[0] == '\0'))
			tell(t, "%s", wanted[i].text);
	}
	if (x->step_ns != 0)
		tell(t,
		    "the clock of '%s' went %s %s during the run: its times "
		    "are as it said them, spans are counted without it",
		    x->step_site,
		    text_duration(x->step_ns < 0 ? -x->step_ns : x->step_ns,
			span),
		    x->step_ns < 0 ? "back" : "forward");
	if (!report_heads_cover(x))
		tell(t,
		    "its last records are under no signed head: one "
		    "site's word");
	if (x->redacted_count > 0)
		tell(t, "%llu fields are redacted",
		    (unsigned long long)x->redacted_count);
}

enum err_code
report_doubts(const struct report_exercise *x, report_exercise_fn *fn,
    void *ctx, struct err *e)
{
	struct teller t = {.fn = fn, .ctx = ctx, .e = e};
	const char *left_out = report_exercise_find(x, "not_run");
	const char *name;
	size_t at = 0;

	if (x->tabletop != NULL)
		doubt_tabletop(x->tabletop, &t);
	else
		doubt_result(x, &t);
	for (size_t i = 0; i < x->steps_count; i++)
		doubt_step(&x->steps[i], &t);
	while ((name = report_exercise_unbegun(x, &at)) != NULL)
		tell(&t, "step '%s' was not executed: %s", name,
		    report_exercise_why_unbegun(x));
	if (left_out != NULL)
		tell(&t, "steps of the plan were not executed: %s", left_out);
	if (x->tabletop == NULL && x->mode_bit != REPORT_JOB) {
		doubt_measure("RTA", x->rta_ns, x->rto_ns, &t);
		doubt_measure("RPA", x->rpa_ns, x->rpo_ns, &t);
	}
	if (x->rpa_is_estimate && x->rpa_ns >= 0)
		tell(&t,
		    "the RPA is an estimate of when the move was asked for: "
		    "what the old site wrote since is not known");
	if ((x->mode_bit & MOVES) != 0)
		doubt_fence(x, &t);
	doubt_silence(x, &t);
	return t.rc;
}
