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

/* Every value of a field that may come again. */
static void
all(struct page *p, const struct report_exercise *x, const char *label,
    const char *field)
{
	size_t count = 0;

	for (size_t i = 0; i < x->notes_count; i++) {
		if (strcmp(x->notes[i].name, field) != 0)
			continue;
		line(p, label, x->notes[i].value);
		count++;
	}
	if (count == 0)
		line(p, label, NULL);
}

/* What stands in a section as it was recorded. */
static void
recorded(struct page *p, const struct report_exercise *x, const char *section)
{
	for (size_t i = 0; i < report_exercise_lines_count; i++) {
		const struct report_line *l = &report_exercise_lines[i];

		if (strcmp(l->section, section) != 0)
			continue;
		if (l->may_repeat)
			all(p, x, l->label, l->field);
		else
			line(p, l->label, report_exercise_find(x, l->field));
	}
}

static void
section(struct page *p, const struct report_exercise *x, const char *name)
{
	heading(p, name);
	recorded(p, x, name);
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
	line(p, "state", x->state);
	line(p, "owner's chain", x->chain);
	recorded(p, x, "Identity");
	line(p, "ledger", range);
	line(p, "last record", id_hex(&x->last_hash, hash));
	line(p, "signed by head", head);
}

/* Who had a word in it: their answers stand with the steps. */
static void
people(struct page *p, const struct report_exercise *x)
{
	size_t count = 0;

	heading(p, "People");
	line(p, "requested by", x->actor);
	for (size_t i = 0; i < x->steps_count; i++) {
		const struct report_step *s = &x->steps[i];

		if (strcmp(s->kind, "confirm") != 0 || s->started.ns == 0)
			continue;
		line(p, s->step, s->reason);
		count++;
	}
	if (count == 0)
		line(p, "manual", "no step asked a person");
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
	recorded(p, x, "Data");
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
		    "  started   state      at most   actual  output"
		    "       step\n");
	for (size_t i = 0; i < x->steps_count; i++)
		step(p, &x->steps[i]);
}

static void
not_executed(struct page *p, const struct report_exercise *x)
{
	const char *name;
	size_t at = 0, count = 0;

	heading(p, "Steps not executed, and why");
	for (size_t i = 0; i < x->steps_count; i++) {
		if (strcmp(x->steps[i].state, "skipped") != 0)
			continue;
		line(p, x->steps[i].step, x->steps[i].reason);
		count++;
	}
	while ((name = report_exercise_unbegun(x, &at)) != NULL) {
		line(p, name, "the run ended before it");
		count++;
	}
	if (count > 0)
		return;
	if (x->steps_count == 0)
		put(p, "  unknown: the records tell of no step at all\n");
	else if (x->result[0] == '\0')
		put(p, "  none yet: the run has no result\n");
	else
		put(p, "  none: every step that the records name began\n");
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

static void
results(struct page *p, const struct report_exercise *x)
{
	struct utc mtpd = note_time(x, "mtpd_ns");

	heading(p, "Results");
	measure(p, "MTPD", "RTA", x->rta_ns, mtpd.ns == 0 ? -1 : mtpd.ns);
	measure(p, "RTO", "RTA", x->rta_ns, x->rto_ns);
	measure(p, "RPO", "RPA", x->rpa_ns, x->rpo_ns);
	line_time(p, "requested", x->requested);
	line_time(p, "ended", x->ended);
}

static void
limits(struct page *p, const struct report_exercise *x)
{
	section(p, x, "Limitations");
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
	section(&p, x, "Purpose");
	section(&p, x, "Authority");
	people(&p, x);
	section(&p, x, "Preconditions");
	data(&p, x);
	timeline(&p, x);
	not_executed(&p, x);
	results(&p, x);
	section(&p, x, "Safety");
	section(&p, x, "Cleanup");
	section(&p, x, "Findings");
	limits(&p, x);
	section(&p, x, "Sign-off");
	return p.rc;
}
