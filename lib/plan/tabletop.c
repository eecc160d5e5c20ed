/* A tabletop exercise as the fold over its events (T1 to T5 in the header). */

#include <bascule/base/defs.h>
#include <stdlib.h>
#include <string.h>

#include "tabletop_rules.h"

/* --- names ------------------------------------------------------------------ */

static const char *const state_names[TABLETOP_STATES] = {"DRAFT", "APPROVED",
    "SCHEDULED", "BRIEFED", "IN_PLAY", "PAUSED", "ENDEX", "HOTWASH",
    "AAR_DRAFT", "AAR_REVIEW", "ISSUED", "ACTIONS_OPEN", "CLOSED", "CANCELLED"};

const char *
tabletop_state_name(enum tabletop_state s)
{
	return state_names[s];
}

const char *
tabletop_verb_name(enum tabletop_verb v)
{
	return tabletop_rules[v].name;
}

bool
tabletop_verb_find(const char *name, enum tabletop_verb *v)
{
	for (unsigned i = 0; i < TABLETOP_VERBS; i++)
		if (strcmp(tabletop_rules[i].name, name) == 0) {
			*v = (enum tabletop_verb)i;
			return true;
		}
	return false;
}

bool
tabletop_has_field(enum tabletop_verb v, const char *name)
{
	return tabletop_rules_has(&tabletop_rules[v], name);
}

bool
tabletop_is_for_people(enum tabletop_verb v)
{
	return tabletop_rules[v].is_for_people;
}

bool
tabletop_next(enum tabletop_state from, enum tabletop_verb verb,
    enum tabletop_state *to)
{
	const struct tabletop_rule *r = &tabletop_rules[verb];

	*to = from;
	if ((r->states & (1u << from)) == 0)
		return false;
	if (r->to != TABLETOP_RULES_STAY)
		*to = (enum tabletop_state)r->to;
	return true;
}

/* --- making and ending ---------------------------------------------------------- */

/* Where an inject's texts are: fields of an event, which stay where they are. */
struct inject {
	struct tabletop_inject is;
	bool released; /* the decision it waits for was made */
};

struct tabletop {
	enum tabletop_state state;
	bool stopped;
	struct tabletop_event *events;
	size_t count, size;
	struct inject *injects;
	size_t injects_count, decisions_count, actions_count;
	/* the clock: what it had when it last stood, and since when it runs */
	int64_t clock_ns; /* -1: before play */
	struct utc since;
};

enum err_code
tabletop_new(struct tabletop **out, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	(*out)->clock_ns = -1;
	return ERR_NONE;
}

static void
event_fini(struct tabletop_event *ev)
{
	for (size_t i = 0; i < ev->fields_count; i++) {
		free((void *)ev->fields[i].name);
		free((void *)ev->fields[i].value);
	}
	free((void *)ev->fields);
	free((void *)ev->actor);
}

void
tabletop_free(struct tabletop **tp)
{
	struct tabletop *t = TAKE(*tp);

	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		event_fini(&t->events[i]);
	free(t->events);
	free(t->injects);
	free(t);
}

/* --- asking ------------------------------------------------------------------------ */

enum tabletop_state
tabletop_state_of(const struct tabletop *t)
{
	return t->state;
}

bool
tabletop_was_stopped(const struct tabletop *t)
{
	return t->stopped;
}

size_t
tabletop_events_count(const struct tabletop *t)
{
	return t->count;
}

const struct tabletop_event *
tabletop_event_at(const struct tabletop *t, size_t i)
{
	return &t->events[i];
}

const struct tabletop_event *
tabletop_event_last(const struct tabletop *t, enum tabletop_verb verb)
{
	for (size_t i = t->count; i-- > 0;)
		if (t->events[i].verb == verb)
			return &t->events[i];
	return NULL;
}

const char *
tabletop_value(const struct tabletop_event *ev, const char *name, size_t nth)
{
	for (size_t i = 0; ev != NULL && i < ev->fields_count; i++)
		if (strcmp(ev->fields[i].name, name) == 0 && nth-- == 0)
			return ev->fields[i].value;
	return "";
}

int64_t
tabletop_number(const struct tabletop_event *ev, const char *name,
    int64_t fallback)
{
	int64_t value;

	return tabletop_rules_parse(tabletop_value(ev, name, 0), &value)
	    ? value
	    : fallback;
}

const char *
tabletop_drafted(const struct tabletop *t, const char *name, size_t nth)
{
	return tabletop_value(tabletop_event_last(t, TABLETOP_DO_DRAFT), name,
	    nth);
}

size_t
tabletop_objectives_count(const struct tabletop *t)
{
	size_t n = 0;

	while (tabletop_drafted(t, "objective", n)[0] != '\0')
		n++;
	return n;
}

int64_t
tabletop_clock_ns(const struct tabletop *t, struct utc now)
{
	if (t->state != TABLETOP_IN_PLAY || now.ns < t->since.ns)
		return t->clock_ns;
	return t->clock_ns + (now.ns - t->since.ns);
}

size_t
tabletop_injects_count(const struct tabletop *t)
{
	return t->injects_count;
}

struct tabletop_inject
tabletop_inject_at(const struct tabletop *t, size_t i)
{
	return t->injects[i].is;
}

bool
tabletop_inject_find(const struct tabletop *t, const char *name, size_t *i)
{
	for (*i = 0; *i < t->injects_count; (*i)++)
		if (strcmp(t->injects[*i].is.name, name) == 0)
			return true;
	return false;
}

/* The clock's instant from which it is due; false: something else must happen
 * first.  At once is 0. */
static bool
due_from(const struct tabletop *t, size_t i, int64_t *from_ns)
{
	const struct inject *in = &t->injects[i];
	size_t k;

	*from_ns = in->is.at_ns < 0 ? 0 : in->is.at_ns;
	if (in->is.is_delivered)
		return false;
	if (in->is.after[0] != '\0')
		return tabletop_inject_find(t, in->is.after, &k) &&
		    t->injects[k].is.is_answered;
	if (in->is.on[0] != '\0')
		return in->released;
	return in->is.at_ns >= 0;
}

bool
tabletop_due(const struct tabletop *t, struct utc now, size_t *i)
{
	int64_t clock_ns = tabletop_clock_ns(t, now), best = INT64_MAX, from;

	if (t->state != TABLETOP_IN_PLAY)
		return false;
	for (size_t k = 0; k < t->injects_count; k++)
		if (due_from(t, k, &from) && from <= clock_ns && from < best) {
			best = from;
			*i = k;
		}
	return best != INT64_MAX;
}

bool
tabletop_next_due(const struct tabletop *t, struct utc now, struct utc *at)
{
	int64_t clock_ns = tabletop_clock_ns(t, now), best = INT64_MAX, from;

	if (t->state != TABLETOP_IN_PLAY)
		return false;
	for (size_t k = 0; k < t->injects_count; k++)
		if (due_from(t, k, &from) && from < best)
			best = from;
	if (best == INT64_MAX)
		return false;
	best = best < clock_ns ? 0 : best - clock_ns;
	at->ns = now.ns > INT64_MAX - best ? INT64_MAX : now.ns + best;
	return true;
}

/* What was last said under a name in the events about one thing. */
static const char *
last_said(const struct tabletop *t, enum tabletop_verb verb, const char *key,
    const char *of, const char *name)
{
	for (size_t i = t->count; i-- > 0;) {
		const struct tabletop_event *ev = &t->events[i];
		const char *value;

		if (ev->verb != verb ||
		    strcmp(tabletop_value(ev, key, 0), of) != 0)
			continue;
		value = tabletop_value(ev, name, 0);
		if (value[0] != '\0')
			return value;
	}
	return "";
}

const char *
tabletop_action_value(const struct tabletop *t, const char *action,
    const char *name)
{
	return last_said(t, TABLETOP_DO_ACTION, "action", action, name);
}

const char *
tabletop_player_value(const struct tabletop *t, const char *player,
    const char *name)
{
	return last_said(t, TABLETOP_DO_ATTEND, "player", player, name);
}

const char *
tabletop_rating(const struct tabletop *t, size_t objective)
{
	char number[24];

	snprintf(number, sizeof(number), "%zu", objective);
	return last_said(t, TABLETOP_DO_RATE, "objective_number", number,
	    "rating");
}

size_t
tabletop_actions_count(const struct tabletop *t)
{
	return t->actions_count;
}

size_t
tabletop_actions_overdue(const struct tabletop *t, struct utc now)
{
	size_t overdue = 0;

	for (size_t i = 1; i <= t->actions_count; i++) {
		char name[24];
		int64_t due;

		snprintf(name, sizeof(name), "A%zu", i);
		if (tabletop_rules_parse(tabletop_action_value(t, name,
					     "due_ns"),
			&due) &&
		    due < now.ns && !tabletop_checks_verified(t, name))
			overdue++;
	}
	return overdue;
}

static int
compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int64_t
tabletop_median_ns(int64_t *durations_ns, size_t count)
{
	if (count == 0)
		return -1;
	qsort(durations_ns, count, sizeof(*durations_ns), compare);
	if (count % 2 == 1)
		return durations_ns[count / 2];
	return durations_ns[count / 2 - 1] +
	    (durations_ns[count / 2] - durations_ns[count / 2 - 1]) / 2;
}

/* --- may it happen? ------------------------------------------------------------------ */

/* "IN_PLAY, PAUSED": where it would fit. */
static void
list_states(unsigned states, char out[256])
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < TABLETOP_STATES && used < 200; i++)
		if ((states & (1u << i)) != 0)
			used += (size_t)snprintf(out + used, 256 - used, "%s%s",
			    used > 0 ? ", " : "", state_names[i]);
}

static enum err_code
check_state(const struct tabletop *t, const struct tabletop_rule *r,
    struct err *e)
{
	char where[256];

	if ((r->states & (1u << t->state)) != 0)
		return ERR_NONE;
	list_states(r->states, where);
	return err_set(e, ERR_REFUSED,
	    "the exercise is %s: '%s' is for one that is %s",
	    state_names[t->state], r->name, where);
}

enum err_code
tabletop_may(const struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	const struct tabletop_rule *r = &tabletop_rules[ev->verb];
	enum err_code rc = check_state(t, r, e);

	if (rc == ERR_NONE && t->count == 0 && ev->verb != TABLETOP_DO_DRAFT)
		rc = err_set(e, ERR_REFUSED, "there is no draft yet");
	if (rc == ERR_NONE && t->count >= TABLETOP_EVENTS_MAX &&
	    r->to ==
		TABLETOP_RULES_STAY) /* it can always be brought to its end */
		rc = err_set(e, ERR_REFUSED, "more than %d events",
		    TABLETOP_EVENTS_MAX);
	if (rc == ERR_NONE)
		rc = tabletop_rules_check(ev, e);
	return rc == ERR_NONE ? tabletop_checks(t, ev, e) : rc;
}

/* --- it happens ------------------------------------------------------------------------- */

static enum err_code
copy_event(struct tabletop_event *to, const struct tabletop_event *ev,
    struct err *e)
{
	struct tabletop_field *fields =
	    calloc(ev->fields_count + 1, sizeof(*fields));

	*to = (struct tabletop_event){.verb = ev->verb, .at = ev->at};
	to->fields = fields;
	to->actor = strdup(ev->actor == NULL ? "" : ev->actor);
	if (fields == NULL || to->actor == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < ev->fields_count; i++) {
		to->fields_count = i + 1;
		fields[i].name = strdup(ev->fields[i].name);
		fields[i].value = strdup(ev->fields[i].value);
		if (fields[i].name == NULL || fields[i].value == NULL)
			return err_nomem(e);
	}
	return ERR_NONE;
}

static enum err_code
make_room(struct tabletop *t, const struct tabletop_event *ev, struct err *e)
{
	size_t more = 0;
	struct inject *injects;
	struct tabletop_event *events;

	if (t->count == t->size) {
		size_t size = t->size == 0 ? 64 : 2 * t->size;

		events = realloc(t->events, size * sizeof(*events));
		if (events == NULL)
			return err_nomem(e);
		t->events = events;
		t->size = size;
	}
	if (ev->verb != TABLETOP_DO_PLAN)
		return ERR_NONE;
	while (tabletop_value(ev, "inject", more)[0] != '\0')
		more++;
	injects =
	    realloc(t->injects, (t->injects_count + more) * sizeof(*injects));
	if (injects == NULL)
		return err_nomem(e);
	t->injects = injects;
	return ERR_NONE;
}

/* Each inject's fields follow its name. */
static void
plan(struct tabletop *t, const struct tabletop_event *ev)
{
	static const struct tabletop_inject none = {.after = "",
	    .on = "",
	    .to = "",
	    .channel = "",
	    .text = "",
	    .expect = "",
	    .at_ns = -1,
	    .by = "",
	    .answer = "",
	    .met = "",
	    .delivered_t_ns = -1};

	for (size_t i = 0; i < ev->fields_count; i++) {
		const char *name = ev->fields[i].name;
		const char *value = ev->fields[i].value;
		struct tabletop_inject *in;

		if (strcmp(name, "inject") == 0) {
			t->injects[t->injects_count].released = false;
			in = &t->injects[t->injects_count++].is;
			*in = none;
			in->name = value;
			continue;
		}
		in = &t->injects[t->injects_count - 1].is;
		if (strcmp(name, "inject.at_ns") == 0)
			(void)tabletop_rules_parse(value, &in->at_ns);
		else if (strcmp(name, "inject.after") == 0)
			in->after = value;
		else if (strcmp(name, "inject.on") == 0)
			in->on = value;
		else if (strcmp(name, "inject.to") == 0)
			in->to = value;
		else if (strcmp(name, "inject.channel") == 0)
			in->channel = value;
		else if (strcmp(name, "inject.text") == 0)
			in->text = value;
		else if (strcmp(name, "inject.expect") == 0)
			in->expect = value;
	}
}

static void
deliver(struct tabletop *t, const struct tabletop_event *ev)
{
	size_t i;

	if (!tabletop_inject_find(t, tabletop_value(ev, "inject", 0), &i))
		return;
	t->injects[i].is.is_delivered = true;
	t->injects[i].is.delivered = ev->at;
	t->injects[i].is.delivered_t_ns = ev->t_ns;
	t->injects[i].is.by = tabletop_value(ev, "delivered_by", 0);
	if (t->injects[i].is.by[0] == '\0')
		t->injects[i].is.by = ev->actor;
}

static void
answer(struct tabletop *t, const struct tabletop_event *ev)
{
	const char *met = tabletop_value(ev, "met", 0);
	size_t i;

	if (!tabletop_inject_find(t, tabletop_value(ev, "inject", 0), &i))
		return;
	t->injects[i].is.is_answered = true;
	t->injects[i].is.answer = tabletop_value(ev,
	    ev->verb == TABLETOP_DO_DECIDE ? "decision" : "text", 0);
	if (met[0] != '\0')
		t->injects[i].is.met = met;
}

/* T4: one decision releases one inject, in the scenario's order. */
static void
release(struct tabletop *t)
{
	for (size_t i = 0; i < t->injects_count; i++)
		if (t->injects[i].is.on[0] != '\0' && !t->injects[i].released &&
		    !t->injects[i].is.is_delivered) {
			t->injects[i].released = true;
			return;
		}
}

static void
take(struct tabletop *t, struct tabletop_event *ev)
{
	int64_t clock_ns = tabletop_clock_ns(t, ev->at);
	bool fits;

	ev->t_ns = ev->verb == TABLETOP_DO_BEGIN ? 0 : clock_ns;
	if (ev->verb == TABLETOP_DO_BEGIN)
		clock_ns = 0;
	if (ev->verb == TABLETOP_DO_JUMP)
		clock_ns += tabletop_number(ev, "by_ns", 0);
	t->clock_ns = clock_ns;
	/* A clock of the machine that went back stands until it is caught up. */
	if (ev->at.ns > t->since.ns)
		t->since = ev->at;
	switch (ev->verb) {
	case TABLETOP_DO_PLAN: plan(t, ev); break;
	case TABLETOP_DO_INJECT: deliver(t, ev); break;
	case TABLETOP_DO_ANSWER: answer(t, ev); break;
	case TABLETOP_DO_DECIDE:
		answer(t, ev);
		t->decisions_count++;
		release(t);
		break;
	case TABLETOP_DO_STOP: t->stopped = true; break;
	case TABLETOP_DO_ACTION:
		if (tabletop_checks_action(tabletop_value(ev, "action", 0)) >
		    t->actions_count)
			t->actions_count++;
		break;
	default: break;
	}
	fits = tabletop_next(t->state, ev->verb, &t->state);
	ASSERT(fits); /* tabletop_may looked */
}

enum err_code
tabletop_happen(struct tabletop *t, const struct tabletop_event *ev,
    struct err *e)
{
	struct tabletop_event copy = {0};
	enum err_code rc = tabletop_may(t, ev, e);

	if (rc == ERR_NONE)
		rc = make_room(t, ev, e);
	if (rc == ERR_NONE)
		rc = copy_event(&copy, ev, e);
	if (rc != ERR_NONE) {
		event_fini(&copy);
		return rc;
	}
	t->events[t->count] = copy;
	take(t, &t->events[t->count]);
	t->count++;
	return ERR_NONE;
}
