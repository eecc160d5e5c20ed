/* Alarms in the ledger: docs/format/ledger.md, "alarm". */

#include "alarm_parts.h"

#include <string.h>

static const char *const says[] = {"", "raised", "cleared"};

static void
add_what(struct draft *dr, const struct alarmbook_alarm *a)
{
	draft_text(dr, "on", policy_schema_alert(a->on));
	draft_text(dr, "level", alarmbook_level_name(a->level));
	if (a->subject[0] != '\0')
		draft_text(dr, "subject", a->subject);
	if (a->moment)
		draft_uint(dr, "moment", 1);
	if (a->news)
		draft_uint(dr, "news", 1);
	draft_run(dr, a->run);
	draft_text(dr, "text", a->text);
}

enum err_code
alarmnote_write(struct daemon *d, const struct alarmbook_alarm *a,
    const struct alarmnote *n, struct err *e)
{
	OWNED(draft_free) struct draft *dr = NULL;
	enum err_code rc = note_draft(&dr, d,
	    a->service[0] != '\0' ? a->service : NULL, LEDGER_ALARM, e);

	if (rc != ERR_NONE)
		return rc;
	draft_uint(dr, "alarm", a->number);
	draft_text(dr, "state", alarmbook_event_name(n->event));
	add_what(dr, a);
	if (n->route != NULL)
		draft_text(dr, "program", n->route);
	if (n->t != NULL) {
		draft_text(dr, "said", says[n->t->say]);
		draft_text(dr, "said_level", alarmbook_level_name(n->t->level));
	}
	if (n->reason != NULL && n->reason[0] != '\0')
		draft_text(dr, "reason", n->reason);
	if (n->actor != NULL)
		draft_actor(dr, n->actor);
	return note_event(d, dr, e);
}

/* --- back again ---------------------------------------------------------------- */

struct replay {
	struct alarmbook *book;
	struct alarmbook_now now;
};

/* Copies: a record's texts are not NUL-ended. */
struct texts {
	char service[ALARMBOOK_NAME_BYTES], subject[ALARMBOOK_NAME_BYTES];
	char text[ALARMBOOK_TEXT_BYTES], reason[ALARMBOOK_TEXT_BYTES];
	char by[ALARMBOOK_NAME_BYTES], route[ALARMBOOK_NAME_BYTES];
	char run[ALARMBOOK_RUN_BYTES];
};

static bool
take_event(const struct record *r, enum alarmbook_event *out)
{
	char state[32];

	record_text(r, "state", state, sizeof(state));
	for (int ev = 0; ev <= ALARMBOOK_EVENT_UNDELIVERED; ev++)
		if (strcmp(state,
			alarmbook_event_name((enum alarmbook_event)ev)) == 0) {
			*out = (enum alarmbook_event)ev;
			return true;
		}
	return false;
}

static bool
take_on(const struct record *r, enum policy_alert_on *out)
{
	char name[32];

	record_text(r, "on", name, sizeof(name));
	for (int on = 0; on < POLICY_ON_COUNT; on++)
		if (strcmp(name,
			policy_schema_alert((enum policy_alert_on)on)) == 0) {
			*out = (enum policy_alert_on)on;
			return true;
		}
	return false;
}

static enum alarm_level
take_level(const struct record *r, const char *field)
{
	char name[32];

	record_text(r, field, name, sizeof(name));
	for (int l = ALARM_NOTICE; l < ALARM_CRITICAL; l++)
		if (strcmp(name, alarmbook_level_name((enum alarm_level)l)) ==
		    0)
			return (enum alarm_level)l;
	return ALARM_CRITICAL;
}

static enum alarmbook_say
take_said(const struct record *r)
{
	char said[32];

	record_text(r, "said", said, sizeof(said));
	return strcmp(said, says[ALARMBOOK_CLEARED]) == 0 ? ALARMBOOK_CLEARED
							  : ALARMBOOK_RAISED;
}

static enum err_code
replay_one(void *ctx, const struct record *r, struct err *e)
{
	struct replay *rp = ctx;
	struct texts t;
	struct alarmbook_entry en = {.at = r->at,
	    .number = (uint64_t)record_int(r, "alarm", 0),
	    .by = t.by,
	    .reason = t.reason,
	    .route = t.route,
	    .say = take_said(r),
	    .level = take_level(r, "said_level"),
	    .what = {.level = take_level(r, "level"),
		.service = t.service,
		.subject = t.subject,
		.text = t.text,
		.moment = record_int(r, "moment", 0) != 0,
		.news = record_int(r, "news", 0) != 0,
		.run = t.run}};

	if (!take_event(r, &en.event) || !take_on(r, &en.what.on) ||
	    en.number == 0)
		return ERR_NONE; /* of a version that knows more */
	record_text(r, "@service", t.service, sizeof(t.service));
	record_text(r, "subject", t.subject, sizeof(t.subject));
	record_text(r, "text", t.text, sizeof(t.text));
	record_text(r, "reason", t.reason, sizeof(t.reason));
	record_text(r, "@actor.name", t.by, sizeof(t.by));
	record_text(r, "program", t.route, sizeof(t.route));
	record_text(r, "@run", t.run, sizeof(t.run));
	if (rp->book->count >= ALARMBOOK_ALARMS_MAX / 4)
		alarmbook_sweep(rp->book);
	return alarmbook_replay(rp->book, &en, &rp->now, e);
}

enum err_code
alarmnote_replay(struct daemon *d, struct alarmbook *b, struct err *e)
{
	struct ledger_filter f = {.type = LEDGER_ALARM};
	struct replay rp = {b, {now_utc(), now_mono()}};

	return ledger_iterate(d->ledger, &f, replay_one, &rp, e);
}
