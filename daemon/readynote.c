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

/* The next services of this site; the site itself before the first. */
static enum err_code
write_slice(struct daemon *d, struct err *e)
{
	struct ready *r = d->ready;
	const char *site = d->policy->site;
	enum err_code rc = ledger_group_begin(d->ledger, e);

	if (rc != ERR_NONE)
		return rc;
	if (r->noted == 0)
		r->noted_any = look_at(d, NULL);
	for (size_t n = 0;
	     n < DAEMON_SLICE && r->noted < d->policy->service_count; n++) {
		const struct policy_service *s =
		    &d->policy->services[r->noted++];

		if (strcmp(s->home, site) == 0 || strcmp(s->standby, site) == 0)
			r->noted_any = look_at(d, s) || r->noted_any;
	}
	return ledger_group_end(d->ledger, rc, e);
}

bool
readynote_more(struct daemon *d)
{
	struct ready *r = d->ready;
	struct err e;
	enum err_code rc = write_slice(d, &e);

	if (rc == ERR_NONE && r->noted < d->policy->service_count)
		return false;
	/* Only what is signed is given away, and the other site waits. */
	if (rc == ERR_NONE && r->noted_any)
		rc = ledger_sign_head(d->ledger, NULL, &e);
	if (rc != ERR_NONE) {
		note_log(NOTE_ERROR, "readiness is not recorded: %s", e.text);
		r->told_count = 0; /* of a group nothing is: all of it anew */
	}
	r->noting = false;
	r->noted = 0;
	return true;
}

/* --- hearing --------------------------------------------------------------------------- */

struct taking {
	struct daemon *d;
	struct ready_heard *h;
};

/* The row of a service's values; NULL: the policy has none of that name. */
static struct ready_value *
row_of(const struct daemon *d, struct ready_heard *h, const char *service)
{
	const struct policy_service *s =
	    *service == '\0' ? NULL : policy_find_service(d->policy, service);

	if (*service == '\0')
		return h->values[0];
	return s == NULL ? NULL : h->values[1 + (s - d->policy->services)];
}

static enum err_code
hear_one(void *ctx, const struct record *r, struct err *e)
{
	const struct taking *hearing = ctx;
	const struct ready_heard *h = hearing->h;
	char service[READY_NAME_BYTES], name[64], text[32];
	struct ready_value *row;

	(void)e;
	record_text(r, "@service", service, sizeof(service));
	row = row_of(hearing->d, hearing->h, service);
	for (int i = 0; i < READY_CHECKS; i++) {
		enum ready_check c = (enum ready_check)i;
		struct ready_value *v = row == NULL ? NULL : &row[i];

		if (v == NULL || !is_part(c, service[0] != '\0') ||
		    *record_text(r, field("check", c, name), text,
			sizeof(text)) == '\0')
			continue;
		*v = (struct ready_value){.check = c};
		snprintf(v->service, sizeof(v->service), "%s", service);
		snprintf(v->site, sizeof(v->site), "%s", h->site);
		snprintf(v->source, sizeof(v->source), "record of %.30s",
		    h->site);
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

static enum err_code
find_heard(struct daemon *d, const char *site, struct ready_heard **out,
    struct err *e)
{
	OWNED(free_mem) struct ready_heard *h = NULL;

	for (*out = d->ready->heard; *out != NULL; *out = (*out)->next)
		if (strcmp((*out)->site, site) == 0)
			return ERR_NONE;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return err_nomem(e);
	h->values = calloc(d->policy->service_count + 1, sizeof(*h->values));
	if (h->values == NULL)
		return err_nomem(e);
	snprintf(h->site, sizeof(h->site), "%s", site);
	h->next = d->ready->heard;
	*out = d->ready->heard = TAKE(h);
	return ERR_NONE;
}

enum err_code
readynote_hear(struct daemon *d, const char *site, const char *service,
    enum ready_check check, const struct ready_value **out, struct err *e)
{
	struct taking hearing = {.d = d};
	struct ledger_filter f = {.type = LEDGER_READY,
	    .since = {now_utc().ns - 2 * SINCE_NS}};
	const struct ready_value *row;
	struct ledger *l;
	uint64_t last;
	enum err_code rc = peer_ledger(d, site, &l, e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = ledger_last_row(l, &last, e);
	if (rc == ERR_NONE)
		rc = find_heard(d, site, &hearing.h, e);
	if (rc != ERR_NONE)
		return rc;
	f.after_row = hearing.h->row;
	f.up_to_row = last;
	if (last > hearing.h->row)
		rc = ledger_iterate(l, &f, hear_one, &hearing, e);
	if (rc != ERR_NONE)
		return rc;
	hearing.h->row = last;
	row = row_of(d, hearing.h, service);
	if (row != NULL && row[check].at.ns != 0)
		*out = &row[check];
	return ERR_NONE;
}
