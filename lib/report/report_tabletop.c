/* Tabletops: from records, into words and messages. */

#include <bascule/report.h>

#include <bascule/base/text.h>
#include <bascule/plan.h>
#include <bascule/wire.h>
#include <string.h>

#define FIELDS_MAX LEDGER_FIELDS_MAX

/* --- from records --------------------------------------------------------------- */

struct loading {
	struct tabletop *t;
	bool found;
	/* of one record: pointers into text */
	struct tabletop_field fields[FIELDS_MAX];
	size_t count;
	struct buf text;
};

static void
loading_free(struct loading **lp)
{
	struct loading *l = TAKE(*lp);

	if (l == NULL)
		return;
	tabletop_free(&l->t);
	buf_fini(&l->text);
	free(l);
}

static enum err_code
add_part(struct buf *text, struct record_text part, struct err *e)
{
	enum err_code rc = buf_add(text, part.at, part.len_bytes, e);

	return rc == ERR_NONE ? buf_add_byte(text, 0, e) : rc;
}

/* Twice the same walk: the text must not move once it is pointed into. */
static enum err_code
take_fields(struct loading *l, const struct record *r, enum tabletop_verb verb,
    struct err *e)
{
	struct record_cursor c = {0};
	struct record_field f;
	enum err_code rc = buf_reserve(&l->text, r->len_bytes, e);

	l->count = 0;
	buf_clear(&l->text);
	while (rc == ERR_NONE && record_next(r, &c, &f)) {
		size_t at = l->text.len_bytes;
		const char *name;

		if (f.closed)
			continue;
		rc = add_part(&l->text, f.name, e);
		if (rc == ERR_NONE)
			rc = add_part(&l->text, f.value, e);
		if (rc != ERR_NONE)
			break;
		name = (const char *)l->text.bytes + at;
		if (!tabletop_has_field(verb, name) || l->count == FIELDS_MAX) {
			l->text.len_bytes = at;
			continue;
		}
		l->fields[l->count++] =
		    (struct tabletop_field){name, name + strlen(name) + 1};
	}
	return rc;
}

/* What does not fit is not part of the exercise: a record of a newer version,
 * or one that came twice. */
static enum err_code
take_record(void *ctx, const struct record *r, struct err *e)
{
	struct loading *l = ctx;
	struct tabletop_event ev = {.at = r->at, .fields = l->fields};
	char mode[16], verb[24], actor[128];
	enum err_code rc;

	if (strcmp(record_text(r, "mode", mode, sizeof(mode)), "tabletop") !=
		0 ||
	    !tabletop_verb_find(record_text(r, "event", verb, sizeof(verb)),
		&ev.verb))
		return ERR_NONE;
	l->found = true;
	rc = take_fields(l, r, ev.verb, e);
	if (rc != ERR_NONE)
		return rc;
	ev.actor = record_text(r, "@actor.name", actor, sizeof(actor));
	ev.fields_count = l->count;
	rc = tabletop_happen(l->t, &ev, e);
	return rc == ERR_NOMEM ? rc : ERR_NONE;
}

enum err_code
report_tabletop_load(struct tabletop **out, struct ledger *l, const char *run,
    struct err *e)
{
	OWNED(loading_free) struct loading *in = calloc(1, sizeof(*in));
	struct ledger_filter f = {.type = LEDGER_EXERCISE, .run = run};
	enum err_code rc;

	*out = NULL;
	if (in == NULL)
		return err_nomem(e);
	rc = tabletop_new(&in->t, e);
	if (rc == ERR_NONE)
		rc = ledger_iterate(l, &f, take_record, in, e);
	if (rc == ERR_NONE && !in->found)
		rc = err_set(e, ERR_NOTFOUND,
		    "there is no tabletop exercise '%s'", run);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(in->t);
	return ERR_NONE;
}

/* --- into words --------------------------------------------------------------------- */

const char *
report_tabletop_clock(int64_t t_ns, char out[32])
{
	int64_t s = t_ns / NS_PER_S;

	if (t_ns < 0)
		snprintf(out, 32, "T-");
	else
		snprintf(out, 32, "T+%lld:%02d:%02d", (long long)(s / 3600),
		    (int)(s / 60 % 60), (int)(s % 60));
	return out;
}

/* Sticks at the first failure. */
struct words {
	struct buf *out;
	enum err_code rc;
	struct err *e;
};

static void
put(struct words *w, const char *lead, const char *text)
{
	if (text[0] == '\0')
		return;
	if (w->rc == ERR_NONE)
		w->rc = buf_add_text(w->out, lead, w->e);
	if (w->rc == ERR_NONE)
		w->rc = text_escape(w->out, text, strlen(text), w->e);
}

static void
put_all(struct words *w, const char *lead, const struct tabletop_event *ev,
    const char *name)
{
	for (size_t i = 0; tabletop_value(ev, name, i)[0] != '\0'; i++)
		put(w, lead, tabletop_value(ev, name, i));
}

static void
put_span(struct words *w, const char *lead, const struct tabletop_event *ev,
    const char *name)
{
	int64_t ns = tabletop_number(ev, name, -1);
	char text[TEXT_UNIT_BYTES];

	if (ns >= 0)
		put(w, lead, text_duration(ns, text));
}

static void
say_inject(struct words *w, const struct tabletop *t,
    const struct tabletop_event *ev)
{
	struct tabletop_inject in;
	size_t i;

	put(w, " ", tabletop_value(ev, "inject", 0));
	if (!tabletop_inject_find(t, tabletop_value(ev, "inject", 0), &i))
		return;
	in = tabletop_inject_at(t, i);
	put(w, " to ", in.to);
	put(w, " by ", in.channel);
	put(w, ": ", in.text);
	put(w, " [expected: ", in.expect);
	if (in.expect[0] != '\0')
		put(w, "", "]");
}

static void
say_rest(struct words *w, const struct tabletop_event *ev)
{
	static const struct {
		const char *name, *lead;
	} parts[] = {
	    {"title", " "},
	    {"player", " "},
	    {"as", " as "},
	    {"role", " role "},
	    {"council", " of "},
	    {"deputy", " deputy "},
	    {"attendance", ": "},
	    {"inject", " "},
	    {"who", " "},
	    {"kind", " "},
	    {"to", " to "},
	    {"decider", " "},
	    {"decision", ": "},
	    {"authority", "; authority: "},
	    {"supported", "; supported by the plan: "},
	    {"action_taken", "; then: "},
	    {"would_run", "; would run: "},
	    {"step", " "},
	    {"outcome", " "},
	    {"basis", " "},
	    {"objective_number", " objective "},
	    {"rating", ": "},
	    {"action", " "},
	    {"owner", " owner "},
	    {"status", " "},
	    {"evidence", "; evidence: "},
	    {"retest", "; retest "},
	    {"text", ": "},
	    {"met", "; met: "},
	    {"mark", " ["},
	    {"reason", ": "},
	};

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		const char *value = tabletop_value(ev, parts[i].name, 0);

		put(w, parts[i].lead, value);
		if (value[0] != '\0' && strcmp(parts[i].name, "mark") == 0)
			put(w, "", "]");
	}
	put_span(w, " by ", ev, "by_ns");
	put_span(w, " takes ", ev, "planned_ns");
	put_all(w, "; option: ", ev, "option");
	put_all(w, "; dissent: ", ev, "dissent");
}

enum err_code
report_tabletop_line(const struct tabletop *t, const struct tabletop_event *ev,
    struct buf *out, struct err *e)
{
	struct words w = {.out = out, .e = e};
	char clock[32];

	put(&w, "", "EXERCISE ");
	put(&w, "", report_tabletop_clock(ev->t_ns, clock));
	put(&w, " ", tabletop_verb_name(ev->verb));
	if (ev->verb == TABLETOP_DO_STOP)
		put(&w, "", ": play is over, THIS IS REAL");
	if (ev->verb == TABLETOP_DO_INJECT)
		say_inject(&w, t, ev);
	else if (ev->verb != TABLETOP_DO_PLAN)
		say_rest(&w, ev);
	put(&w, " (", ev->actor);
	if (ev->actor[0] != '\0')
		put(&w, "", ")");
	return w.rc;
}

/* --- into messages -------------------------------------------------------------------- */

static void
add_clock(struct wire_value *v, const char *name, int64_t t_ns)
{
	if (t_ns >= 0)
		wire_add_seconds(v, name, t_ns);
	else
		wire_add_null(v, name);
}

static void
add_said(struct wire_value *v, const char *name, const char *text)
{
	wire_add_text(v, name, text[0] != '\0' ? text : NULL);
}

static enum err_code
add_inject(struct wire_value *list, const struct tabletop_inject *in,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "inject", in->name);
	add_clock(v, "planned_seconds", in->at_ns);
	add_said(v, "after", in->after);
	add_said(v, "on", in->on);
	add_said(v, "to", in->to);
	add_said(v, "channel", in->channel);
	add_said(v, "text", in->text);
	add_said(v, "expect", in->expect);
	wire_add_bool(v, "delivered", in->is_delivered);
	if (in->is_delivered) {
		wire_add_utc(v, "at", in->delivered);
		add_clock(v, "delivered_seconds", in->delivered_t_ns);
		add_said(v, "by", in->by);
	}
	wire_add_bool(v, "answered", in->is_answered);
	add_said(v, "answer", in->answer);
	add_said(v, "met", in->met);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

static enum err_code
add_injects(struct wire_value *v, const struct tabletop *t, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < tabletop_injects_count(t);
	     i++) {
		struct tabletop_inject in = tabletop_inject_at(t, i);

		rc = add_inject(list, &in, e);
	}
	if (rc == ERR_NONE)
		wire_add(v, "injects", &list);
	return rc;
}

static enum err_code
add_objectives(struct wire_value *v, const struct tabletop *t, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < tabletop_objectives_count(t);
	     i++) {
		OWNED(wire_free) struct wire_value *one = NULL;

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "objective",
		    tabletop_drafted(t, "objective", i));
		add_said(one, "rating", tabletop_rating(t, i + 1));
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "objectives", &list);
	return rc;
}

static enum err_code
add_actions(struct wire_value *v, const struct tabletop *t, struct err *e)
{
	static const char *const names[] = {"text", "owner", "council",
	    "priority", "done_when", "status", "evidence", "retest"};
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 1; rc == ERR_NONE && i <= tabletop_actions_count(t);
	     i++) {
		OWNED(wire_free) struct wire_value *one = NULL;
		char action[24];
		int64_t due_ns;

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		snprintf(action, sizeof(action), "A%zu", i);
		wire_add_text(one, "action", action);
		for (size_t k = 0; k < COUNT_OF(names); k++)
			add_said(one, names[k],
			    tabletop_action_value(t, action, names[k]));
		due_ns = atoll(tabletop_action_value(t, action, "due_ns"));
		if (due_ns > 0)
			wire_add_utc(one, "due", (struct utc){due_ns});
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "actions", &list);
	return rc;
}

/* Was the player named in an event before the ith? */
static bool
is_known(const struct tabletop *t, size_t i)
{
	const char *who = tabletop_value(tabletop_event_at(t, i), "player", 0);

	for (size_t k = 0; k < i; k++)
		if (strcmp(tabletop_value(tabletop_event_at(t, k), "player", 0),
			who) == 0)
			return true;
	return false;
}

static enum err_code
add_players(struct wire_value *v, const struct tabletop *t, struct err *e)
{
	static const char *const names[] = {"role", "as", "council", "deputy",
	    "attendance"};
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < tabletop_events_count(t);
	     i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);
		OWNED(wire_free) struct wire_value *one = NULL;
		const char *who = tabletop_value(ev, "player", 0);

		if (ev->verb != TABLETOP_DO_ATTEND || is_known(t, i))
			continue;
		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "player", who);
		for (size_t k = 0; k < COUNT_OF(names); k++)
			add_said(one, names[k],
			    tabletop_player_value(t, who, names[k]));
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "players", &list);
	return rc;
}

/* What is simulated, and when by the scenario's clock it is over. */
static enum err_code
add_steps(struct wire_value *v, const struct tabletop *t, int64_t clock_ns,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < tabletop_events_count(t);
	     i++) {
		const struct tabletop_event *ev = tabletop_event_at(t, i);
		OWNED(wire_free) struct wire_value *one = NULL;
		int64_t from = tabletop_number(ev, "starts_t_ns", ev->t_ns);
		int64_t takes = tabletop_number(ev, "planned_ns", 0);

		if (ev->verb != TABLETOP_DO_STEP)
			continue;
		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "step", tabletop_value(ev, "step", 0));
		add_clock(one, "started_seconds", from);
		wire_add_seconds(one, "planned_seconds", takes);
		add_clock(one, "ends_seconds", from + takes);
		wire_add_bool(one, "over", clock_ns >= from + takes);
		add_said(one, "outcome", tabletop_value(ev, "outcome", 0));
		add_said(one, "who", tabletop_value(ev, "who", 0));
		add_said(one, "basis", tabletop_value(ev, "basis", 0));
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "steps", &list);
	return rc;
}

enum err_code
report_tabletop_wire(const struct tabletop *t, const char *run, struct utc now,
    struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "tabletop", e);
	struct utc next;

	*out = NULL;
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", run);
	add_said(v, "service", tabletop_drafted(t, "service", 0));
	add_said(v, "title", tabletop_drafted(t, "title", 0));
	add_said(v, "scenario", tabletop_drafted(t, "scenario", 0));
	add_said(v, "facilitator", tabletop_drafted(t, "facilitator", 0));
	add_said(v, "scribe", tabletop_drafted(t, "scribe", 0));
	wire_add_text(v, "state", tabletop_state_name(tabletop_state_of(t)));
	wire_add_bool(v, "stopped", tabletop_was_stopped(t));
	add_clock(v, "clock_seconds", tabletop_clock_ns(t, now));
	if (tabletop_next_due(t, now, &next))
		wire_add_utc(v, "next_due", next);
	wire_add_uint(v, "overdue", tabletop_actions_overdue(t, now));
	rc = add_injects(v, t, e);
	if (rc == ERR_NONE)
		rc = add_players(v, t, e);
	if (rc == ERR_NONE)
		rc = add_objectives(v, t, e);
	if (rc == ERR_NONE)
		rc = add_actions(v, t, e);
	if (rc == ERR_NONE)
		rc = add_steps(v, t, tabletop_clock_ns(t, now), e);
	if (rc == ERR_NONE)
		*out = TAKE(v);
	return rc;
}

static enum err_code
add_fields(struct wire_value *v, const struct tabletop_event *ev, struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	enum err_code rc = wire_new_list(&list, e);

	for (size_t i = 0; rc == ERR_NONE && i < ev->fields_count; i++) {
		OWNED(wire_free) struct wire_value *one = NULL;

		rc = wire_new(&one, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		wire_add_text(one, "name", ev->fields[i].name);
		wire_add_text(one, "value", ev->fields[i].value);
		wire_add(list, NULL, &one);
	}
	if (rc == ERR_NONE)
		wire_add(v, "fields", &list);
	return rc;
}

enum err_code
report_tabletop_event_wire(const struct tabletop *t, size_t i, const char *run,
    struct wire_value **out, struct err *e)
{
	const struct tabletop_event *ev = tabletop_event_at(t, i);
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc = wire_new(&v, "tabletop_event", e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = report_tabletop_line(t, ev, &line, e);
	if (rc == ERR_NONE)
		rc = add_fields(v, ev, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "run", run);
	wire_add_uint(v, "number", i + 1);
	wire_add_text(v, "event", tabletop_verb_name(ev->verb));
	wire_add_utc(v, "at", ev->at);
	add_clock(v, "clock_seconds", ev->t_ns);
	add_said(v, "actor", ev->actor);
	wire_add_text(v, "text", buf_text(&line));
	*out = TAKE(v);
	return ERR_NONE;
}
