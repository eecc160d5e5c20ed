/*
 * Alarms as the daemon has them: the book (alarmbook.h) says what is to be
 * done, this does and records it.
 */

#include "alarm_parts.h"

#include <string.h>

static void pump(void *ctx);

/* --- recording -------------------------------------------------------------- */

/* One that cannot be recorded now is when the ledger can be written again. */
static void
record(struct alarms *as, struct alarmbook_alarm *a, enum alarmbook_event event)
{
	uint32_t owes = event == ALARMBOOK_EVENT_RAISED
	    ? ALARMBOOK_OWES_RAISED
	    : ALARMBOOK_OWES_CLEARED;
	struct err e;

	if (alarmnote_write(as->d, a, &(struct alarmnote){.event = event},
		&e) == ERR_NONE) {
		a->owes &= ~owes;
		return;
	}
	a->owes |= owes;
	note_log(NOTE_ERROR, "an alarm is not recorded: %s", e.text);
}

void
alarm_look(struct daemon *d)
{
	struct alarms *as = d->alarms;

	for (size_t i = 0;
	     as != NULL && !d->ledger_broken && i < as->book.count; i++) {
		struct alarmbook_alarm *a = as->book.items[i];

		if ((a->owes & ALARMBOOK_OWES_RAISED) != 0)
			record(as, a, ALARMBOOK_EVENT_RAISED);
		if ((a->owes & ALARMBOOK_OWES_CLEARED) != 0 && !a->standing)
			record(as, a, ALARMBOOK_EVENT_CLEARED);
		if (a->standing)
			a->owes &= ~ALARMBOOK_OWES_CLEARED;
	}
}

/* --- telling ---------------------------------------------------------------- */

static void
record_told(struct alarms *as, const struct alarmbook_telling *t,
    const struct alarmnote *n)
{
	struct alarmbook_alarm *a = alarmbook_find(&as->book, t->number);
	struct err e;

	if (a != NULL && alarmnote_write(as->d, a, n, &e) != ERR_NONE)
		note_log(NOTE_ERROR,
		    "who heard of an alarm is not recorded: %s", e.text);
}

static void
told(struct alarms *as, size_t route, const char *why)
{
	const struct alarmbook_telling *t = &as->tellings[route];
	struct alarmnote n = {.event = ALARMBOOK_EVENT_TOLD,
	    .route = as->book.routes[route].name,
	    .t = t,
	    .reason = why};

	alarmrun_free(&as->runs[route]);
	switch (alarmbook_told(&as->book, t, why, now_mono())) {
	case ALARMBOOK_RETRY: break;
	case ALARMBOOK_UNDELIVERED:
		n.event = ALARMBOOK_EVENT_UNDELIVERED;
		note_log(NOTE_ERROR, "the alarm program '%s' failed: %s",
		    n.route, why);
		record_told(as, t, &n);
		break;
	case ALARMBOOK_DELIVERED: record_told(as, t, &n); break;
	}
	loop_timer_set(as->timer, 0);
}

static void
on_told(void *ctx, const char *why)
{
	struct alarm_done *done = ctx;
	char text[ALARMBOOK_TEXT_BYTES];

	if (why != NULL) { /* the run's own, which is freed */
		snprintf(text, sizeof(text), "%s", why);
		why = text;
	}
	told(done->as, done->route, why);
}

static enum err_code
compose(struct alarms *as, const struct alarmbook_telling *t, struct buf *line,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = alarmwire_make(&v, &as->book, t->alarm, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "site", as->d->policy->site);
	return wire_line(v, line, e);
}

static void
tell(struct alarms *as, const struct alarmbook_telling *t)
{
	OWNED(buf_fini) struct buf line = {0};
	struct alarmrun_options opt = {.loop = as->d->loop,
	    .site = as->d->policy->site,
	    .line = &line,
	    .fn = on_told,
	    .ctx = &as->done[t->route]};
	struct err e;

	as->tellings[t->route] = *t;
	if (t->route == ALARM_JOURNAL) {
		alarmsay(as->d, t->alarm, t->say);
		if (alarmbook_told(&as->book, t, NULL, now_mono()) !=
		    ALARMBOOK_DELIVERED)
			note_log(NOTE_ERROR, "an alarm is gone");
		return;
	}
	as->done[t->route] = (struct alarm_done){as, t->route};
	opt.alert = &as->d->policy->alerts[t->route - 1];
	if (compose(as, t, &line, &e) != ERR_NONE ||
	    alarmrun_start(&as->runs[t->route], &opt, &e) != ERR_NONE)
		told(as, t->route, e.text);
}

static void
pump(void *ctx)
{
	struct alarms *as = ctx;
	struct alarmbook_telling t;
	int64_t wait;

	while (alarmbook_next(&as->book, now_mono(), &t))
		tell(as, &t);
	alarmbook_sweep(&as->book);
	wait = alarmbook_wait_ns(&as->book, now_mono());
	if (wait != INT64_MAX)
		loop_timer_set(as->timer, wait);
}

/* --- raising, clearing, acknowledging ----------------------------------------- */

void
alarm_raise(struct daemon *d, const struct alarm_what *what)
{
	struct alarmbook_now now = {now_utc(), now_mono()};
	struct alarmbook_alarm *a;
	struct err e;

	if (d->alarms == NULL)
		return;
	if (alarmbook_raise(&d->alarms->book, what, &now, &a, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "alarm (%s) %s: %s",
		    policy_schema_alert(what->on), what->text, e.text);
		return;
	}
	if (a == NULL)
		return;
	record(d->alarms, a, ALARMBOOK_EVENT_RAISED);
	loop_timer_set(d->alarms->timer, 0);
}

void
alarm_clear(struct daemon *d, enum policy_alert_on on, const char *service,
    const char *subject, const char *text)
{
	struct alarmbook_alarm *a = d->alarms == NULL
	    ? NULL
	    : alarmbook_clear(&d->alarms->book, on, service, subject, text,
		  now_utc());

	if (a == NULL)
		return;
	record(d->alarms, a, ALARMBOOK_EVENT_CLEARED);
	loop_timer_set(d->alarms->timer, 0);
}

enum err_code
alarm_acknowledge(struct daemon *d, uint64_t number, const char *reason,
    const struct draft_actor *actor, struct err *e)
{
	struct alarmbook_alarm *a;
	struct alarmnote n = {.event = ALARMBOOK_EVENT_ACKNOWLEDGED,
	    .reason = reason,
	    .actor = actor};
	enum err_code rc =
	    alarmbook_may_acknowledge(&d->alarms->book, number, &a, e);

	alarm_look(d); /* it was raised before it was acknowledged */
	if (rc == ERR_NONE)
		rc = alarmnote_write(d, a, &n, e);
	if (rc != ERR_NONE)
		return rc;
	alarmbook_acknowledge(&d->alarms->book, a, actor->name, reason,
	    now_utc());
	loop_timer_set(d->alarms->timer, 0);
	return ERR_NONE;
}

void
alarm_each_standing(const struct daemon *d, alarm_each_fn *fn, void *ctx)
{
	for (size_t i = 0; d->alarms != NULL && i < d->alarms->book.count;
	     i++) {
		const struct alarmbook_alarm *a = d->alarms->book.items[i];

		if (a->standing)
			fn(ctx,
			    &(struct alarm_what){.on = a->on,
				.level = a->level,
				.service = a->service,
				.subject = a->subject,
				.text = a->text,
				.moment = a->moment},
			    a->raised);
	}
}

/* --- starting, reloading, stopping ---------------------------------------------- */

enum err_code
alarm_start(struct daemon *d, struct err *e)
{
	struct alarms *as = calloc(1, sizeof(*as));
	enum err_code rc;

	if (as == NULL)
		return err_nomem(e);
	d->alarms = as;
	as->d = d;
	alarmroutes_set(as);
	rc = loop_timer_new(&as->timer, d->loop, pump, as, e);
	if (rc == ERR_NONE)
		rc = alarmnote_replay(d, &as->book, e);
	if (rc != ERR_NONE)
		return rc;
	alarmbook_sweep(&as->book);
	alarmroutes_end_unknown(as);
	loop_timer_set(as->timer, 0);
	return ERR_NONE;
}

static void
kill_runs(struct alarms *as)
{
	for (size_t r = 0; r < ALARMBOOK_ROUTES_MAX; r++)
		alarmrun_free(&as->runs[r]);
}

void
alarm_reload(struct daemon *d)
{
	kill_runs(d->alarms); /* they name the old policy; told again */
	alarmroutes_set(d->alarms);
	alarmroutes_end_unknown(d->alarms);
	loop_timer_set(d->alarms->timer, 0);
}

void
alarm_stop(struct daemon *d)
{
	if (d->alarms == NULL)
		return;
	kill_runs(d->alarms);
	loop_timer_free(&d->alarms->timer);
	alarmbook_fini(&d->alarms->book);
	free(d->alarms);
	d->alarms = NULL;
}

const char *
alarm_trouble(const struct daemon *d, char out[ALARM_TROUBLE_BYTES])
{
	const struct alarmbook *b = &d->alarms->book;

	out[0] = '\0';
	for (size_t r = 0; r < b->routes_count; r++)
		if (b->routes[r].trouble[0] != '\0')
			snprintf(out, ALARM_TROUBLE_BYTES,
			    "the alarm program '%s' failed: %.200s",
			    b->routes[r].name, b->routes[r].trouble);
	return out;
}
