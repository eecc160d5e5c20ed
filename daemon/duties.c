/* Actions and exceptions, fed from the records of both sites. */

#include "duty.h"

#include <inttypes.h>
#include <string.h>

#include "peer.h"

#define DUTIES_MAX 100000
#define LOOK_NS    (NS_PER_S / 5)
#define ALARM_NS   (10 * NS_PER_S)

struct followed {
	char site[DUTY_NAME_BYTES];
	uint64_t row;
};

struct duties {
	struct duty *items;
	size_t count, size;
	struct followed *sites;
	size_t site_count;
	uint64_t numbers[2]; /* used at this site, of each kind */
	struct mono looked, alarmed;
};

void
duties_stop(struct daemon *d)
{
	struct duties *k = TAKE(d->duties);

	if (k == NULL)
		return;
	free(k->items);
	free(k->sites);
	free(k);
}

static struct duty *
find_or_add(struct duties *k, enum duty_kind kind, const char *id)
{
	struct duty *grown;
	size_t size;

	for (size_t i = 0; i < k->count; i++)
		if (k->items[i].kind == kind && strcmp(k->items[i].id, id) == 0)
			return &k->items[i];
	if (k->count == k->size) {
		size = k->size == 0 ? 16 : k->size * 2;
		if (size > DUTIES_MAX)
			return NULL;
		grown = realloc(k->items, size * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		k->items = grown;
		k->size = size;
	}
	grown = &k->items[k->count++];
	*grown = (struct duty){.kind = kind};
	return grown;
}

/* --- from a record ------------------------------------------------------------ */

struct words {
	char id[DUTY_ID_BYTES], service[DUTY_NAME_BYTES];
	char text[DUTY_TEXT_BYTES], about[DUTY_NAME_BYTES];
	char owner[DUTY_NAME_BYTES], council[DUTY_NAME_BYTES];
	char done_when[DUTY_TEXT_BYTES], evidence[DUTY_TEXT_BYTES];
	char retest[DUTY_ID_BYTES], run[DUTY_ID_BYTES];
	char status[16], by[DUTY_NAME_BYTES];
};

static void
take_words(struct words *w, struct duty_said *s, const struct record *r)
{
	*s = (struct duty_said){.id = w->id, .at = r->at};
#define WORD(member, name) \
	s->member = record_text(r, name, w->member, sizeof(w->member))
	WORD(service, "@service");
	WORD(text, "text");
	WORD(about, "about");
	WORD(owner, "owner");
	WORD(council, "council");
	WORD(done_when, "done_when");
	WORD(evidence, "evidence");
	WORD(retest, "retest");
	WORD(run, "@run");
	WORD(status, "status");
	WORD(by, "@actor.name");
#undef WORD
	s->due.ns = record_int(r, "due_ns", 0);
}

struct reading {
	struct duties *k;
	enum duty_kind kind;
	bool tabletop, is_here;
};

static enum err_code
on_record(void *ctx, const struct record *r, struct err *e)
{
	struct reading *rd = ctx;
	struct words w;
	struct duty_said s;
	struct duty *duty;
	char number[32];
	uint64_t n;

	(void)e;
	take_words(&w, &s, r);
	if (rd->tabletop) { /* an exercise's own: "RUN/A1" */
		char event[16];

		if (strcmp(record_text(r, "event", event, sizeof(event)),
			"action") != 0)
			return ERR_NONE;
		record_text(r, "action", number, sizeof(number));
		snprintf(w.id, sizeof(w.id), "%.120s/%s", w.run, number);
	} else
		record_text(r, "id", w.id, sizeof(w.id));
	if (w.id[0] == '\0' ||
	    (duty = find_or_add(rd->k, rd->kind, w.id)) == NULL)
		return ERR_NONE;
	duty_take(duty, &s);
	record_text(r, "number", number, sizeof(number));
	if (rd->is_here && text_parse_u64(number, UINT32_MAX, &n) &&
	    n > rd->k->numbers[rd->kind])
		rd->k->numbers[rd->kind] = n;
	return ERR_NONE;
}

static enum err_code
read_new(struct daemon *d, struct followed *f, struct err *e)
{
	static const struct {
		const char *type;
		enum duty_kind kind;
		bool tabletop;
	} parts[] = {{LEDGER_ACTION, DUTY_ACTION, false},
	    {LEDGER_EXERCISE, DUTY_ACTION, true},
	    {LEDGER_EXCEPTION, DUTY_EXCEPTION, false}};
	struct ledger_filter filter = {.after_row = f->row};
	struct reading rd = {.k = d->duties,
	    .is_here = strcmp(f->site, d->policy->site) == 0};
	struct ledger *l;
	uint64_t last;
	enum err_code rc = peer_ledger(d, f->site, &l, e);

	if (rc == ERR_NONE)
		rc = ledger_last_row(l, &last, e);
	if (rc != ERR_NONE || last == f->row)
		return rc;
	filter.up_to_row = last;
	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(parts); i++) {
		filter.type = parts[i].type;
		rd.kind = parts[i].kind;
		rd.tabletop = parts[i].tabletop;
		rc = ledger_iterate(l, &filter, on_record, &rd, e);
	}
	if (rc == ERR_NONE)
		f->row = last;
	return rc;
}

static enum err_code
make(struct daemon *d, struct err *e)
{
	struct duties *k = d->duties = calloc(1, sizeof(*k));

	if (k == NULL)
		return err_nomem(e);
	k->sites = calloc(d->policy->site_count + 1, sizeof(*k->sites));
	if (k->sites == NULL) {
		duties_stop(d);
		return err_nomem(e);
	}
	for (size_t i = 0; i < d->policy->site_count; i++)
		snprintf(k->sites[k->site_count++].site, DUTY_NAME_BYTES, "%s",
		    d->policy->sites[i].name);
	return ERR_NONE;
}

static void
look(struct daemon *d)
{
	struct err e;

	if (d->duties == NULL && make(d, &e) != ERR_NONE)
		return;
	d->duties->looked = now_mono();
	for (size_t i = 0; i < d->duties->site_count; i++)
		if (read_new(d, &d->duties->sites[i], &e) != ERR_NONE &&
		    e.code != ERR_NOTFOUND)
			note_log(NOTE_ERROR, "the records of '%s': %s",
			    d->duties->sites[i].site, e.text);
}

const struct duty *
duties_look(struct daemon *d, size_t *count)
{
	if (d->duties == NULL || d->duties->looked.ns == 0 ||
	    now_mono().ns - d->duties->looked.ns > LOOK_NS)
		look(d);
	*count = d->duties == NULL ? 0 : d->duties->count;
	return d->duties == NULL ? NULL : d->duties->items;
}

const struct duty *
duties_find(struct daemon *d, const char *id)
{
	size_t count;
	const struct duty *all = duties_look(d, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].id, id) == 0)
			return &all[i];
	return NULL;
}

const struct duty *
duties_exception(struct daemon *d, const char *service, const char *about)
{
	size_t count;
	const struct duty *all = duties_look(d, &count);
	struct utc now = now_utc();

	for (size_t i = 0; i < count; i++) {
		const struct duty *x = &all[i];

		if (x->kind == DUTY_EXCEPTION && x->status == DUTY_OPEN &&
		    !duty_is_overdue(x, now) && strcmp(x->about, about) == 0 &&
		    (x->service[0] == '\0' || strcmp(x->service, service) == 0))
			return x;
	}
	return NULL;
}

/* --- saying ------------------------------------------------------------------------ */

static enum err_code
write(struct daemon *d, enum duty_kind kind, const struct duty_said *s,
    const struct draft_actor *actor, uint64_t number, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	const char *service =
	    s->service != NULL && *s->service != '\0' ? s->service : NULL;
	enum err_code rc = note_draft(&draft, d, service,
	    kind == DUTY_ACTION ? LEDGER_ACTION : LEDGER_EXCEPTION, e);

	if (rc != ERR_NONE)
		return rc;
	draft_actor(draft, actor);
	draft_run(draft, s->run);
	draft_text(draft, "id", s->id);
	if (number != 0)
		draft_uint(draft, "number", number);
	draft_text(draft, "status", s->status == NULL ? "open" : s->status);
	draft_text(draft, "text", s->text);
	draft_text(draft, "about", s->about);
	draft_text(draft, "owner", s->owner);
	draft_text(draft, "council", s->council);
	draft_text(draft, "done_when", s->done_when);
	draft_text(draft, "evidence", s->evidence);
	draft_text(draft, "retest", s->retest);
	if (s->due.ns != 0)
		draft_utc(draft, "due_ns", s->due);
	return note_event(d, draft, e);
}

enum err_code
duties_say(struct daemon *d, enum duty_kind kind, const struct duty_said *s,
    const struct draft_actor *actor, char id[DUTY_ID_BYTES], struct err *e)
{
	const struct duty *was = NULL;
	struct duty_said said = *s;
	uint64_t number = 0;
	enum err_code rc;

	look(d);
	if (d->duties == NULL)
		return err_nomem(e);
	if (s->id != NULL && *s->id != '\0') {
		was = duties_find(d, s->id);
		if (was == NULL)
			return err_set(e, ERR_NOTFOUND, "there is no '%s'",
			    s->id);
		said.service = was->service;
		if (strchr(was->id, '/') != NULL) {
			err_set(e, ERR_REFUSED,
			    "'%s' is of an exercise, and closed there",
			    was->id);
			return err_hint(e, "bascule exercise action");
		}
	} else {
		number = d->duties->numbers[kind] + 1;
		snprintf(id, DUTY_ID_BYTES, "%s-%s-%" PRIu64,
		    kind == DUTY_ACTION ? "ACT" : "EXC", d->policy->site,
		    number);
		said.id = id;
	}
	rc = duty_may(was, kind, &said, now_utc(), e);
	if (rc == ERR_NONE)
		rc = write(d, kind, &said, actor, number, e);
	if (rc == ERR_NONE)
		look(d);
	if (rc == ERR_NONE && was != NULL)
		snprintf(id, DUTY_ID_BYTES, "%s", said.id);
	return rc;
}

/* --- alarms -------------------------------------------------------------------------- */

/* The site that wrote it down says that it is late; an exercise's own are told
 * by the exercise. */
static void
alarm_about(struct daemon *d, const struct duty *x, struct utc now)
{
	enum policy_alert_on on =
	    x->kind == DUTY_ACTION ? POLICY_ON_EXERCISE : POLICY_ON_POLICY;
	const char *service = x->service[0] != '\0' ? x->service : NULL;
	char text[2 * DUTY_TEXT_BYTES], at[NOW_TEXT_BYTES], mark[96];

	snprintf(mark, sizeof(mark), "%s-%s-",
	    x->kind == DUTY_ACTION ? "ACT" : "EXC", d->policy->site);
	if (strncmp(x->id, mark, strlen(mark)) != 0)
		return;
	snprintf(text, sizeof(text), "%s %s of %s %s %s: %.200s",
	    x->kind == DUTY_ACTION ? "action" : "exception", x->id, x->owner,
	    x->kind == DUTY_ACTION ? "was due" : "expired",
	    now_words(x->due, at), x->text);
	if (duty_is_overdue(x, now))
		alarm_raise(d,
		    &(struct alarm_what){.on = on,
			.level = ALARM_CRITICAL,
			.service = service,
			.subject = x->id,
			.text = text});
	else
		alarm_clear(d, on, service, x->id, "it is no longer overdue");
}

void
duties_alarm(struct daemon *d)
{
	size_t count;
	const struct duty *all;

	if (d->duties != NULL && d->duties->alarmed.ns != 0 &&
	    now_mono().ns - d->duties->alarmed.ns < ALARM_NS)
		return;
	all = duties_look(d, &count);
	if (d->duties != NULL)
		d->duties->alarmed = now_mono();
	for (size_t i = 0; i < count; i++)
		alarm_about(d, &all[i], now_utc());
}
