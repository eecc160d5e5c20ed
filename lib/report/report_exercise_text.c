#include <bascule/base/text.h>
#include <string.h>

#include "report_exercise.h"

#define NAME_COLUMN 18

/* What is written; sticks at the first failure. */
struct page {
	struct buf *out;
	enum err_code rc;
	struct err *e;
};

static void
put(struct page *p, const char *text)
{
	if (p->rc == ERR_NONE)
		p->rc = buf_add_text(p->out, text, p->e);
}

static void
put_escaped(struct page *p, const char *text)
{
	if (p->rc == ERR_NONE)
		p->rc = text_escape(p->out, text, strlen(text), p->e);
}

/* "  name      value"; what was never recorded is said to be so. */
static void
line(struct page *p, const char *name, const char *value)
{
	if (p->rc == ERR_NONE)
		p->rc = buf_printf(p->out, p->e, "  %-*s ", NAME_COLUMN, name);
	put_escaped(p,
	    value == NULL || value[0] == '\0' ? "not recorded" : value);
	put(p, "\n");
}

static void
line_time(struct page *p, const char *name, struct utc t)
{
	char text[NOW_TEXT_BYTES];

	if (t.ns != 0) {
		now_text(t, text);
		text[10] = ' ';
		memcpy(text + 19, "Z", 2);
	}
	line(p, name, t.ns == 0 ? NULL : text);
}

static void
heading(struct page *p, const char *text)
{
	put(p, "\n");
	put(p, text);
	put(p, "\n");
}

static enum err_code
put_doubt(void *ctx, const char *text, struct err *e)
{
	struct page *p = ctx;

	(void)e;
	put(p, "  - ");
	put_escaped(p, text);
	put(p, "\n");
	return p->rc;
}

static void
front(struct page *p, const struct report_exercise *x)
{
	size_t before;

	put(p, "EXERCISE REPORT ");
	put_escaped(p, x->run);
	put(p, ": ");
	put_escaped(p, x->result[0] != '\0' ? x->result : "NO RESULT");
	put(p, "\n");
	heading(p, "Failed, unproven or not measured");
	before = p->out->len_bytes;
	if (p->rc == ERR_NONE)
		p->rc = report_exercise_doubts(x, put_doubt, p, p->e);
	if (p->out->len_bytes == before)
		put(p, "  - nothing that this report knows of\n");
}

static void
identity(struct page *p, const struct report_exercise *x)
{
	char range[320], hash[ID_HEX_BYTES], head[40] = "none";

	snprintf(range, sizeof(range), "%s#%llu to #%llu", x->chain,
	    (unsigned long long)x->first_sequence,
	    (unsigned long long)x->last_sequence);
	if (x->head_number != 0)
		snprintf(head, sizeof(head), "%llu",
		    (unsigned long long)x->head_number);
	heading(p, "Identity");
	line(p, "run", x->run);
	line(p, "service", x->service);
	line(p, "mode", x->mode);
	line(p, "direction", report_exercise_find(x, "direction"));
	line(p, "state", x->state);
	line(p, "change", report_exercise_find(x, "change"));
	line(p, "policy digest", report_exercise_find(x, "@policy"));
	line(p, "plan digest", report_exercise_find(x, "@plan"));
	line(p, "site", report_exercise_find(x, "@site"));
	line(p, "build", report_exercise_find(x, "@build"));
	line(p, "ledger", range);
	line(p, "last record", id_hex(&x->last_hash, hash));
	line(p, "signed by head", head);
}

static void
purpose(struct page *p, const struct report_exercise *x)
{
	heading(p, "Purpose");
	line(p, "objectives", report_exercise_find(x, "purpose"));
	line(p, "scope", report_exercise_find(x, "scope"));
	line(p, "simulated", report_exercise_find(x, "simulated"));
	heading(p, "Authority");
	line(p, "requested by", x->actor);
	line(p, "role", report_exercise_find(x, "@actor.role"));
	line(p, "council", report_exercise_find(x, "@actor.council"));
	line(p, "accepted by", report_exercise_find(x, "accepted_by"));
}

/* An instant kept as decimal nanoseconds. */
static struct utc
note_time(const struct report_exercise *x, const char *name)
{
	const char *text = report_exercise_find(x, name);
	uint64_t ns;

	if (text == NULL || !text_parse_u64(text, INT64_MAX, &ns))
		return (struct utc){0};
	return (struct utc){(int64_t)ns};
}

static void
data(struct page *p, const struct report_exercise *x)
{
	struct utc at = note_time(x, "point_at_ns");
	char age[TEXT_UNIT_BYTES];

	heading(p, "Data");
	line(p, "recovery point", x->point);
	line_time(p, "of", at);
	line(p, "age when asked",
	    at.ns == 0 || x->requested.ns == 0
		? NULL
		: text_duration(x->requested.ns - at.ns, age));
	line(p, "why this one", report_exercise_find(x, "point_why"));
	line(p, "proof before", report_exercise_find(x, "point_proof"));
	line(p, "loss", report_exercise_find(x, "loss"));
}

static const char *
duration(int64_t ns, char out[TEXT_UNIT_BYTES])
{
	return ns < 0 ? "-" : text_duration(ns, out);
}

static void
step(struct page *p, const struct report_step *s)
{
	char at[NOW_TEXT_BYTES] = "";
	char planned[TEXT_UNIT_BYTES], actual[TEXT_UNIT_BYTES];
	int64_t took_ns = s->started.ns == 0 || s->ended.ns == 0
	    ? -1
	    : s->ended.ns - s->started.ns;

	if (s->started.ns != 0) {
		now_text(s->started, at);
		memcpy(at + 19, "Z", 2);
	}
	if (p->rc == ERR_NONE)
		p->rc = buf_printf(p->out, p->e,
		    "  %-9s %-9s %8s %8s  %-12.12s ",
		    s->started.ns != 0 ? at + 11 : "-", s->state,
		    duration(s->planned_ns, planned), duration(took_ns, actual),
		    s->output_hash[0] != '\0' ? s->output_hash : "-");
	put_escaped(p, s->kind);
	put(p, " ");
	put_escaped(p, s->step);
	if (s->reason[0] != '\0') {
		put(p, ": ");
		put_escaped(p, s->reason);
	}
	put(p, "\n");
}

static void
timeline(struct page *p, const struct report_exercise *x)
{
	heading(p, "Timeline (UTC)");
	if (x->steps_count == 0)
		put(p, "  no step was recorded\n");
	else
		put(p,
		    "  started   state      planned   actual  output"
		    "       step\n");
	for (size_t i = 0; i < x->steps_count; i++)
		step(p, &x->steps[i]);
}

static void
measure(struct page *p, const char *target_name, const char *name,
    int64_t measured_ns, int64_t target_ns)
{
	char measured[TEXT_UNIT_BYTES], target[TEXT_UNIT_BYTES];
	char text[160];

	snprintf(text, sizeof(text), "%s (%s), target %s %s",
	    report_exercise_grade(measured_ns, target_ns),
	    measured_ns < 0 ? "-" : text_duration(measured_ns, measured),
	    target_name,
	    target_ns < 0 ? "none" : text_duration(target_ns, target));
	line(p, name, text);
}

/* Every value of a field that may come again. */
static void
all(struct page *p, const struct report_exercise *x, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < x->notes_count; i++) {
		if (strcmp(x->notes[i].name, name) != 0)
			continue;
		line(p, name, x->notes[i].value);
		count++;
	}
	if (count == 0)
		line(p, name, NULL);
}

static void
results(struct page *p, const struct report_exercise *x)
{
	heading(p, "Results");
	measure(p, "RTO", "RTA", x->rta_ns, x->rto_ns);
	measure(p, "RPO", "RPA", x->rpa_ns, x->rpo_ns);
	line_time(p, "requested", x->requested);
	line_time(p, "ended", x->ended);
	heading(p, "Safety");
	all(p, x, "isolation");
	line(p, "production impact",
	    report_exercise_find(x, "production_impact"));
	heading(p, "Cleanup");
	all(p, x, "cleanup");
	heading(p, "Findings");
	all(p, x, "finding");
	heading(p, "Limitations");
	all(p, x, "limitation");
	put(p,
	    "  this report is made from one site's ledger; verify the "
	    "evidence pack with a\n  fingerprint from somewhere else. "
	    "It supports an assessment of controls and\n  is none.\n");
}

enum err_code
report_exercise_text(const struct report_exercise *x, struct buf *out,
    struct err *e)
{
	struct page p = {.out = out, .e = e};

	front(&p, x);
	identity(&p, x);
	purpose(&p, x);
	data(&p, x);
	timeline(&p, x);
	results(&p, x);
	return p.rc;
}
