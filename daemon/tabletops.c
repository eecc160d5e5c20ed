/* Tabletop exercises: what is said becomes a record, and the record the
 * exercise (TT1 to TT3 in the header). */

#include "tabletops.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include <bascule/report.h>

#define TABLETOPS_DAEMON "basculed" /* as records call it */
#define LOOK_NS          (30 * NS_PER_S)
#define REMIND_NS        (3600 * NS_PER_S) /* after it was to be played */

/* One that is not over. */
struct live {
	struct live *next;
	char run[JOB_ID_BYTES];
	struct tabletop *t;
	bool reminded, overdue; /* an alarm of ours stands */
};

struct tabletops {
	struct live *first;
	struct loop_timer *timer; /* until the next inject is due */
	struct mono looked;
	struct utc judged; /* what the policy's schedules wanted until then */
};

/* --- what is said ------------------------------------------------------------------ */

void
saying_fini(struct saying *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free((void *)s->fields[i].name);
		free((void *)s->fields[i].value);
	}
	free(s->fields);
	*s = (struct saying){0};
}

void
saying_add(struct saying *s, const char *name, const char *value)
{
	struct tabletop_field *f;

	if (s->rc != ERR_NONE || value == NULL || value[0] == '\0')
		return;
	if (s->count == s->size) {
		size_t size = s->size == 0 ? 16 : 2 * s->size;

		f = realloc(s->fields, size * sizeof(*f));
		if (f == NULL) {
			s->rc = ERR_NOMEM;
			return;
		}
		s->fields = f;
		s->size = size;
	}
	f = &s->fields[s->count++];
	f->name = strdup(name);
	f->value = strdup(value);
	if (f->name == NULL || f->value == NULL)
		s->rc = ERR_NOMEM;
}

void
saying_printf(struct saying *s, const char *name, const char *fmt, ...)
{
	OWNED(free_mem) char *text = NULL;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (rc < 0) {
		text = NULL;
		s->rc = ERR_NOMEM;
	}
	saying_add(s, name, text);
}

void
saying_int(struct saying *s, const char *name, int64_t value)
{
	saying_printf(s, name, "%" PRId64, value);
}

static const char *
said(const struct saying *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->fields[i].name, name) == 0)
			return s->fields[i].value;
	return "";
}

/* --- which there are ------------------------------------------------------------------ */

static void
live_free(struct live **lp)
{
	struct live *l = TAKE(*lp);

	if (l == NULL)
		return;
	tabletop_free(&l->t);
	free(l);
}

static bool
is_over(const struct tabletop *t)
{
	return tabletop_state_of(t) == TABLETOP_CLOSED ||
	    tabletop_state_of(t) == TABLETOP_CANCELLED;
}

static struct live *
find(const struct daemon *d, const char *run)
{
	struct live *l = d->tabletops == NULL ? NULL : d->tabletops->first;

	while (l != NULL && strcmp(l->run, run) != 0)
		l = l->next;
	return l;
}

const struct tabletop *
tabletops_find(const struct daemon *d, const char *run)
{
	const struct live *l = find(d, run);

	return l == NULL ? NULL : l->t;
}

enum err_code
tabletops_keep(struct daemon *d, const char *run, struct tabletop **t,
    struct err *e)
{
	struct live *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_nomem(e);
	snprintf(l->run, sizeof(l->run), "%s", run);
	l->t = TAKE(*t);
	l->next = d->tabletops->first;
	d->tabletops->first = l;
	return ERR_NONE;
}

static void
forget(struct daemon *d, struct live *l)
{
	struct live **at = &d->tabletops->first;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	live_free(&l);
}

/* --- records ------------------------------------------------------------------------------ */

/* The state after it, which the list of exercises shows. */
static enum err_code
make_record(struct draft **out, struct daemon *d, const char *run,
    const struct tabletop *t, const struct tabletop_event *ev,
    const struct draft_actor *actor, struct err *e)
{
	enum tabletop_state to;
	const char *service = tabletop_drafted(t, "service", 0);
	enum err_code rc;

	if (service[0] == '\0')
		service = tabletop_value(ev, "service", 0);
	rc = note_draft(out, d, service, LEDGER_EXERCISE, e);
	if (rc != ERR_NONE)
		return rc;
	(void)tabletop_next(tabletop_state_of(t), ev->verb, &to);
	draft_run(*out, run);
	if (actor != NULL)
		draft_actor(*out, actor);
	draft_text(*out, "mode", "tabletop");
	draft_text(*out, "event", tabletop_verb_name(ev->verb));
	draft_text(*out, "state", tabletop_state_name(to));
	if (to == TABLETOP_CLOSED || to == TABLETOP_CANCELLED)
		draft_text(*out, "result", tabletop_state_name(to));
	if (ev->verb == TABLETOP_DO_STOP)
		draft_int(*out, "real_incident", 1);
	for (size_t i = 0; i < ev->fields_count; i++)
		draft_text(*out, ev->fields[i].name, ev->fields[i].value);
	return ERR_NONE;
}

/* TT1.  Should memory fail after the record, the records know better than we. */
enum err_code
tabletops_happen(struct daemon *d, const char *run, struct tabletop **t,
    const struct tabletop_event *ev, const struct draft_actor *actor,
    struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = tabletop_may(*t, ev, e);

	if (rc == ERR_NONE)
		rc = make_record(&draft, d, run, *t, ev, actor, e);
	if (rc == ERR_NONE)
		rc = note_event(d, draft, e);
	if (rc != ERR_NONE || tabletop_happen(*t, ev, e) == ERR_NONE)
		return rc;
	tabletop_free(t);
	return report_tabletop_load(t, d->ledger, run, e);
}

/* --- the clock -------------------------------------------------------------------------------- */

static void
set_timer(struct daemon *d)
{
	struct utc now = now_utc(), at, first = {INT64_MAX};

	for (const struct live *l = d->tabletops->first; l != NULL; l = l->next)
		if (tabletop_next_due(l->t, now, &at) && at.ns < first.ns)
			first = at;
	if (first.ns == INT64_MAX)
		loop_timer_unset(d->tabletops->timer);
	else
		loop_timer_set(d->tabletops->timer,
		    first.ns <= now.ns ? 0 : first.ns - now.ns);
}

static enum err_code
deliver(struct daemon *d, struct live *l, size_t i, struct err *e)
{
	OWNED(saying_fini) struct saying s = {0};
	struct tabletop_inject in = tabletop_inject_at(l->t, i);
	struct tabletop_event ev = {.verb = TABLETOP_DO_INJECT,
	    .at = now_utc(),
	    .actor = TABLETOPS_DAEMON};

	saying_add(&s, "inject", in.name);
	if (in.at_ns >= 0)
		saying_int(&s, "planned_t_ns", in.at_ns);
	saying_add(&s, "delivered_by", "clock");
	saying_add(&s, "recipient", in.to);
	if (s.rc != ERR_NONE)
		return err_nomem(e);
	ev.fields = s.fields;
	ev.fields_count = s.count;
	return tabletops_happen(d, l->run, &l->t, &ev, NULL, e);
}

/* TT3.  What cannot be recorded is tried again. */
static void
on_time(void *ctx)
{
	struct daemon *d = ctx;
	struct err e;
	size_t i;

	for (struct live *l = d->tabletops->first; l != NULL; l = l->next)
		while (tabletop_due(l->t, now_utc(), &i))
			if (deliver(d, l, i, &e) != ERR_NONE) {
				note_log(NOTE_ERROR, "exercise %s: %s", l->run,
				    e.text);
				loop_timer_set(d->tabletops->timer,
				    5 * NS_PER_S);
				return;
			}
	set_timer(d);
}

/* --- saying something ------------------------------------------------------------------------------ */

/* What the machine adds of its own. */
static enum err_code
complete(struct daemon *d, const struct tabletop *t, enum tabletop_verb verb,
    struct saying *s, struct err *e)
{
	char basis[160], action[24];
	int64_t ns;
	enum err_code rc;
	size_t i;

	if (verb == TABLETOP_DO_BRIEF || verb == TABLETOP_DO_DECIDE)
		knowable_add(d, t, s);
	if (verb == TABLETOP_DO_ACTION && said(s, "action")[0] == '\0') {
		snprintf(action, sizeof(action), "A%zu",
		    tabletop_actions_count(t) + 1);
		saying_add(s, "action", action);
		saying_add(s, "status", "open");
	}
	if (verb == TABLETOP_DO_INJECT &&
	    tabletop_inject_find(t, said(s, "inject"), &i)) {
		struct tabletop_inject in = tabletop_inject_at(t, i);

		if (in.at_ns >= 0)
			saying_int(s, "planned_t_ns", in.at_ns);
		if (said(s, "recipient")[0] == '\0')
			saying_add(s, "recipient", in.to);
	}
	if (verb == TABLETOP_DO_STEP && said(s, "planned_ns")[0] == '\0') {
		rc = steptimes_learn(d, tabletop_drafted(t, "service", 0),
		    said(s, "step"), &ns, basis, e);
		if (rc != ERR_NONE)
			return rc;
		saying_int(s, "planned_ns", ns);
		saying_add(s, "basis", basis);
	} else if (verb == TABLETOP_DO_STEP) {
		saying_add(s, "basis", "said in the room");
	}
	return s->rc == ERR_NONE ? ERR_NONE : err_nomem(e);
}

static void
follow_up(struct daemon *d, struct live *l, enum tabletop_verb verb,
    const struct saying *s)
{
	const char *service = tabletop_drafted(l->t, "service", 0);
	char text[JOB_REASON_BYTES];
	struct err e;

	if (verb == TABLETOP_DO_STOP) {
		snprintf(text, sizeof(text),
		    "STOP was called in exercise %s: something real "
		    "happens%s%s",
		    l->run, said(s, "reason")[0] != '\0' ? ": " : "",
		    said(s, "reason"));
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_EXERCISE,
			.level = ALARM_CRITICAL,
			.service = service,
			.subject = l->run,
			.text = text,
			.moment = true});
	}
	if (verb == TABLETOP_DO_STOP || verb == TABLETOP_DO_ISSUE ||
	    verb == TABLETOP_DO_CLOSE)
		if (ledger_sign_head(d->ledger, NULL, &e) != ERR_NONE)
			note_log(NOTE_ERROR, "%s", e.text);
}

/* Each as an event of its own, from now on by the scenario's clock. */
static enum err_code
say_plan(struct daemon *d, struct live *l, const struct draft_actor *actor,
    struct err *e)
{
	OWNED(free_mem) struct tabletops_forecast *f = calloc(1, sizeof(*f));
	int64_t from_ns = tabletop_clock_ns(l->t, now_utc());
	enum err_code rc;

	if (f == NULL)
		return err_nomem(e);
	rc = tabletopplan_forecast(d, tabletop_drafted(l->t, "service", 0), f,
	    e);
	for (size_t i = 0; rc == ERR_NONE && i < f->count; i++) {
		OWNED(saying_fini) struct saying s = {0};
		struct tabletop_event ev = {.verb = TABLETOP_DO_STEP,
		    .at = now_utc(),
		    .actor = actor == NULL ? TABLETOPS_DAEMON : actor->name};

		if (!f->items[i].is_run)
			continue;
		saying_add(&s, "step", f->items[i].name);
		saying_int(&s, "planned_ns", f->items[i].takes_ns);
		saying_int(&s, "starts_t_ns", from_ns + f->items[i].starts_ns);
		saying_add(&s, "basis", f->items[i].basis);
		ev.fields = s.fields;
		ev.fields_count = s.count;
		rc = s.rc == ERR_NONE
		    ? tabletops_happen(d, l->run, &l->t, &ev, actor, e)
		    : err_nomem(e);
	}
	return rc;
}

enum err_code
tabletops_say(struct daemon *d, const char *run, enum tabletop_verb verb,
    struct saying *s, const struct draft_actor *actor, struct err *e)
{
	struct tabletop_event ev = {.verb = verb,
	    .at = now_utc(),
	    .actor = actor == NULL ? TABLETOPS_DAEMON : actor->name};
	struct live *l = find(d, run);
	enum err_code rc;

	if (l == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "no tabletop exercise '%s' is open", run);
	if (verb == TABLETOP_DO_STEP &&
	    strcmp(said(s, "step"), TABLETOPS_ALL) == 0)
		return say_plan(d, l, actor, e);
	if (verb == TABLETOP_DO_ACTION && strcmp(said(s, "retest"), run) == 0)
		return err_set(e, ERR_REFUSED,
		    "run '%s' cannot be its own retest: name the run that "
		    "tested the action again",
		    run);
	rc = complete(d, l->t, verb, s, e);
	if (rc != ERR_NONE)
		return rc;
	ev.fields = s->fields;
	ev.fields_count = s->count;
	rc = tabletops_happen(d, run, &l->t, &ev, actor, e);
	if (rc != ERR_NONE)
		return rc;
	follow_up(d, l, verb, s);
	on_time(d); /* perhaps it made an inject due */
	if (is_over(l->t))
		tabletops_look(d);
	return ERR_NONE;
}

/* --- what the policy wants, and what is late --------------------------------------------------------- */

static void
remind(struct daemon *d, struct live *l)
{
	const char *service = tabletop_drafted(l->t, "service", 0);
	struct utc now = now_utc();
	size_t overdue = tabletop_actions_overdue(l->t, now);
	bool waits = tabletop_state_of(l->t) == TABLETOP_SCHEDULED &&
	    tabletop_number(tabletop_event_last(l->t, TABLETOP_DO_SCHEDULE),
		"for_ns", INT64_MAX) < now.ns - REMIND_NS;
	char text[JOB_REASON_BYTES], subject[JOB_ID_BYTES + 16];
	bool policy_wants = tabletop_state_of(l->t) == TABLETOP_DRAFT &&
	    strcmp(tabletop_drafted(l->t, "trigger", 0), "schedule") == 0;

	snprintf(subject, sizeof(subject), "%s actions", l->run);
	snprintf(text, sizeof(text),
	    "exercise %s: %zu action%s past the day they were due", l->run,
	    overdue, overdue == 1 ? " is" : "s are");
	if (overdue > 0)
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_EXERCISE,
			.level = ALARM_CRITICAL,
			.service = service,
			.subject = subject,
			.text = text});
	else if (l->overdue)
		alarm_clear(d, POLICY_ON_EXERCISE, service, subject,
		    "no action is overdue");
	l->overdue = overdue > 0;
	snprintf(text, sizeof(text), "tabletop exercise %s of %s %s", l->run,
	    service,
	    waits ? "was to be played and was not briefed"
		  : "is due: approve and schedule it");
	if (waits || policy_wants)
		alarm_raise(d,
		    &(struct alarm_what){.on = POLICY_ON_EXERCISE,
			.level = waits ? ALARM_WARNING : ALARM_NOTICE,
			.service = service,
			.subject = l->run,
			.text = text});
	else if (l->reminded)
		alarm_clear(d, POLICY_ON_EXERCISE, service, l->run,
		    "it is planned");
	l->reminded = waits || policy_wants;
}

static void
draft_scheduled(struct daemon *d, const struct policy_service *s,
    const struct policy_exercise *x)
{
	struct tabletops_order o = {.service = s->name,
	    .scenario = x->scenario,
	    .trigger = "schedule"};
	char run[JOB_ID_BYTES];
	struct utc at;
	struct err e;

	if (!due_next(&x->when.due, d->tabletops->judged, &at) ||
	    at.ns > now_utc().ns)
		return;
	if (tabletops_draft(d, &o, run, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "a tabletop of '%s' is due: %s", s->name,
		    e.text);
	else
		note_log(NOTE_INFO, "a tabletop of '%s' is due: %s", s->name,
		    run);
}

/* Where tests of the service run: at its standby; else at its home. */
static bool
is_ours(const struct daemon *d, const struct policy_service *s)
{
	return strcmp(s->standby[0] != '\0' ? s->standby : s->home,
		   d->policy->site) == 0;
}

static void
look_at_policy(struct daemon *d)
{
	struct utc now = now_utc();

	for (size_t i = 0; i < d->policy->service_count; i++) {
		const struct policy_service *s = &d->policy->services[i];

		for (size_t k = 0; is_ours(d, s) && k < s->exercise_count; k++)
			if (s->exercises[k].kind == POLICY_EXERCISE_TABLETOP)
				draft_scheduled(d, s, &s->exercises[k]);
	}
	d->tabletops->judged = now;
}

void
tabletops_look(struct daemon *d)
{
	struct tabletops *ts = d->tabletops;
	struct mono now = now_mono();

	if (ts == NULL || d->stopping || d->ledger_broken)
		return;
	look_at_policy(d);
	if (ts->looked.ns != 0 && now.ns - ts->looked.ns < LOOK_NS &&
	    ts->first == NULL)
		return;
	ts->looked = now;
	for (struct live *l = ts->first, *next; l != NULL; l = next) {
		next = l->next;
		remind(d, l);
		if (is_over(l->t))
			forget(d, l);
	}
	set_timer(d);
}

/* --- starting ----------------------------------------------------------------------------------------- */

static enum err_code
take_open(void *ctx, const struct ledger_exercise *x, struct err *e)
{
	struct daemon *d = ctx;
	OWNED(tabletop_free) struct tabletop *t = NULL;

	(void)e;
	return x->result[0] != '\0' ? ERR_NONE
				    : tabletops_keep(d, x->run, &t, e);
}

/* A view's rows are not read while others are: first the names. */
static enum err_code
load(struct daemon *d, struct err *e)
{
	struct ledger_exercise_filter f = {.mode = "tabletop"};
	enum err_code rc = ledger_exercises(d->ledger, &f, take_open, d, e);

	for (struct live *l = d->tabletops->first; rc == ERR_NONE && l != NULL;
	     l = l->next) {
		rc = report_tabletop_load(&l->t, d->ledger, l->run, e);
		if (l->t != NULL) {
			l->reminded = true;
			l->overdue = true;
		}
	}
	return rc;
}

enum err_code
tabletops_start(struct daemon *d, struct err *e)
{
	enum err_code rc;

	d->tabletops = calloc(1, sizeof(*d->tabletops));
	if (d->tabletops == NULL)
		return err_nomem(e);
	d->tabletops->judged = d->judged.ns != 0 ? d->judged : now_utc();
	rc = loop_timer_new(&d->tabletops->timer, d->loop, on_time, d, e);
	if (rc == ERR_NONE)
		rc = load(d, e);
	if (rc == ERR_NONE)
		set_timer(d);
	return rc;
}

void
tabletops_stop(struct daemon *d)
{
	struct tabletops *ts = d->tabletops;

	d->tabletops = NULL;
	while (ts != NULL && ts->first != NULL) {
		struct live *l = ts->first;

		ts->first = l->next;
		live_free(&l);
	}
	if (ts != NULL)
		loop_timer_free(&ts->timer);
	free(ts);
}
