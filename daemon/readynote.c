/*
 * Readiness in the records: one of the site, and one of each service, whenever
 * a verdict in it changed and once a day; read back after a start, and from the
 * copy of the other site's ledger.
 */

#include "ready_parts.h"

#include <string.h>

#include "peer.h"

#define DAILY_NS (24 * 3600 * NS_PER_S)
#define SINCE_NS (26 * 3600 * NS_PER_S)

/* What changes from site to site is recorded; whether a site answers, and how
 * far its clock is off, each finds out for itself. */
static bool
is_recorded(enum ready_check c)
{
	return c != READY_TARGET_UP && c != READY_CLOCK;
}

static bool
is_part(enum ready_check c, bool of_service)
{
	return is_recorded(c) && ready_check_is_of_service(c) == of_service;
}

/* --- what was recorded last -------------------------------------------------------- */

static struct ready_told *
find_told(struct ready *r, const char *service)
{
	struct ready_told *grown;

	for (size_t i = 0; i < r->told_count; i++)
		if (strcmp(r->told[i].service, service) == 0)
			return &r->told[i];
	grown = realloc(r->told, (r->told_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	r->told = grown;
	grown = &r->told[r->told_count++];
	*grown = (struct ready_told){.at = {0}};
	snprintf(grown->service, sizeof(grown->service), "%s", service);
	return grown;
}

static enum ready_verdict
verdict_of(const char *name)
{
	for (int v = READY_UNKNOWN; v <= READY_NOT_NEEDED; v++)
		if (strcmp(ready_verdict_name((enum ready_verdict)v), name) ==
		    0)
			return (enum ready_verdict)v;
	return READY_UNKNOWN;
}

static const char *
field(const char *what, enum ready_check c, char out[64])
{
	snprintf(out, 64, "%s.%s", what, ready_check_name(c));
	return out;
}

static enum err_code
recall_one(void *ctx, const struct record *r, struct err *e)
{
	char service[LEDGER_NAME_BYTES_MAX + 1], name[64], text[32];
	struct ready_told *t;

	(void)e;
	record_text(r, "@service", service, sizeof(service));
	t = find_told(ctx, service);
	for (int c = 0; t != NULL && c < READY_CHECKS; c++)
		t->verdicts[c] = verdict_of(
		    record_text(r, field("check", (enum ready_check)c, name),
			text, sizeof(text)));
	if (t != NULL)
		t->at = r->at;
	return ERR_NONE;
}

enum err_code
readynote_recall(struct daemon *d, struct err *e)
{
	const struct ledger_filter f = {.type = LEDGER_READY,
	    .since = {now_utc().ns - SINCE_NS}};

	return ledger_iterate(d->ledger, &f, recall_one, d->ready, e);
}

/* --- writing ------------------------------------------------------------------------- */

static enum err_code
write_one(struct daemon *d, const struct policy_service *s,
    const struct ready_value *values, struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	char name[64];
	enum err_code rc =
	    note_draft(&draft, d, s == NULL ? NULL : s->name, LEDGER_READY, e);

	if (rc != ERR_NONE)
		return rc;
	draft_utc(draft, "measured_ns", d->ready->facts.at);
	for (int i = 0; i < READY_CHECKS; i++) {
		enum ready_check c = (enum ready_check)i;
		const struct ready_value *v = &values[i];

		if (!is_part(c, s != NULL))
			continue;
		draft_text(draft, field("check", c, name),
		    ready_verdict_name(v->verdict));
		draft_text(draft, field("value", c, name), v->value);
		draft_text(draft, field("limit", c, name), v->limit);
		if (v->remedy[0] != '\0')
			draft_text(draft, field("remedy", c, name), v->remedy);
	}
	return note_event(d, draft, e);
}

/* s NULL: of the site.  True: something was written. */
static bool
look_at(struct daemon *d, const struct policy_service *s)
{
	struct ready_value values[READY_CHECKS];
	struct ready_told *t = find_told(d->ready, s == NULL ? "" : s->name);
	struct utc now = now_utc();
	bool changed = t != NULL &&
	    (t->at.ns == 0 || now.ns - t->at.ns >= DAILY_NS ||
		now.ns < t->at.ns);
	struct err e;

	for (int i = 0; i < READY_CHECKS; i++) {
		enum ready_check c = (enum ready_check)i;

		if (!is_part(c, s != NULL))
			continue;
		ready_judge_here(d, s, c, &values[i]);
		changed = changed ||
		    (t != NULL && t->verdicts[i] != values[i].verdict);
	}
	if (!changed)
		return false;
	if (write_one(d, s, values, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "readiness is not recorded: %s", e.text);
		return false;
	}
	t->at = now;
	for (int i = 0; i < READY_CHECKS; i++)
		if (is_part((enum ready_check)i, s != NULL))
			t->verdicts[i] = values[i].verdict;
	return true;
}

void
readynote_write(struct daemon *d)
{
	const char *site = d->policy->site;
	bool wrote = look_at(d, NULL);
	struct err e;

	for (size_t i = 0; i < d->policy->service_count; i++) {
		const struct policy_service *s = &d->policy->services[i];

		if (strcmp(s->home, site) == 0 || strcmp(s->standby, site) == 0)
			wrote = look_at(d, s) || wrote;
	}
	/* Only what is signed is given away, and the other site waits. */
	if (wrote && ledger_sign_head(d->ledger, NULL, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

/* --- hearing --------------------------------------------------------------------------- */

static struct ready_value *
find_value(struct ready_heard *h, const char *service, enum ready_check c)
{
	struct ready_value *grown;
	size_t size;

	for (size_t i = 0; i < h->count; i++)
		if (h->values[i].check == c &&
		    strcmp(h->values[i].service, service) == 0)
			return &h->values[i];
	if (h->count == h->size) {
		size = h->size == 0 ? 64 : h->size * 2;
		grown = realloc(h->values, size * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		h->values = grown;
		h->size = size;
	}
	grown = &h->values[h->count++];
	*grown = (struct ready_value){.check = c};
	snprintf(grown->service, sizeof(grown->service), "%s", service);
	snprintf(grown->site, sizeof(grown->site), "%s", h->site);
	snprintf(grown->source, sizeof(grown->source), "record of %.30s",
	    h->site);
	return grown;
}

static enum err_code
hear_one(void *ctx, const struct record *r, struct err *e)
{
	struct ready_heard *h = ctx;
	char service[READY_NAME_BYTES], name[64], text[32];

	(void)e;
	record_text(r, "@service", service, sizeof(service));
	for (int i = 0; i < READY_CHECKS; i++) {
		enum ready_check c = (enum ready_check)i;
		struct ready_value *v;

		if (!is_part(c, service[0] != '\0') ||
		    *record_text(r, field("check", c, name), text,
			sizeof(text)) == '\0' ||
		    (v = find_value(h, service, c)) == NULL)
			continue;
		v->verdict = verdict_of(text);
		record_text(r, field("value", c, name), v->value,
		    sizeof(v->value));
		record_text(r, field("limit", c, name), v->limit,
		    sizeof(v->limit));
		record_text(r, field("remedy", c, name), v->remedy,
		    sizeof(v->remedy));
		v->at.ns = record_int(r, "measured_ns", r->at.ns);
	}
	return ERR_NONE;
}

enum err_code
readynote_hear(struct daemon *d, const char *site,
    const struct ready_heard **out, struct err *e)
{
	struct ready_heard *h = d->ready->heard;
	struct ledger_filter f = {.type = LEDGER_READY,
	    .since = {now_utc().ns - 2 * SINCE_NS}};
	struct ledger *l;
	uint64_t last;
	enum err_code rc = peer_ledger(d, site, &l, e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = ledger_last_row(l, &last, e);
	if (rc != ERR_NONE)
		return rc;
	while (h != NULL && strcmp(h->site, site) != 0)
		h = h->next;
	if (h == NULL) {
		h = calloc(1, sizeof(*h));
		if (h == NULL)
			return err_nomem(e);
		snprintf(h->site, sizeof(h->site), "%s", site);
		h->next = d->ready->heard;
		d->ready->heard = h;
	}
	f.after_row = h->row;
	f.up_to_row = last;
	if (last > h->row)
		rc = ledger_iterate(l, &f, hear_one, h, e);
	if (rc == ERR_NONE)
		h->row = last;
	*out = h;
	return rc;
}
