#include "arrivals.h"

#include <string.h>

#include "job_kinds.h"

/* --- at the copy's site ----------------------------------------------------- */

bool
arrivals_judge_due(const struct arrivals_known *k, struct mono now)
{
	/* Half of what it may take: the other half is for the way. */
	bool is_time =
	    k->pulled.ns == 0 || now.ns - k->pulled.ns >= k->within_ns / 2;

	if (!k->is_heard)
		return is_time;
	return k->there.ns > k->here.ns &&
	    (k->there.ns > k->pulled_for.ns || is_time);
}

static enum err_code
take_at(void *ctx, const struct ledger_point *p, struct err *e)
{
	(void)e;
	*(struct utc *)ctx = p->at;
	return ERR_NONE;
}

bool
arrivals_pull_is_due(struct daemon *d, struct daemon_service *s)
{
	const char *from = daemon_pull_from(d, s);
	const struct peer *p = from == NULL ? NULL : peers_find(d, from);
	const struct ledger_point_filter f = {.service = s->policy->name,
	    .at_site = from,
	    .complete = true,
	    .limit = 1};
	struct arrivals_known k = {.here = s->good_at,
	    .pulled = s->pulled,
	    .pulled_for = s->pulled_for,
	    .within_ns = s->policy->replicate.within_ns};
	struct mono now = now_mono();
	struct err e;

	k.is_heard = p != NULL && p->copy != NULL && p->whole.ns != 0 &&
	    now.ns - p->whole.ns < d->policy->bridge.silent_after_ns;
	if (k.is_heard &&
	    ledger_points(p->copy, &f, take_at, &k.there, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "%s", e.text);
		k.is_heard = false;
	}
	if (!arrivals_judge_due(&k, now))
		return false;
	s->pulled_for = k.there;
	return true;
}

void
arrivals_pulled(const struct job *j)
{
	struct daemon_service *s = daemon_service(j->d, j->service);

	if (s != NULL)
		s->pulled = now_mono();
}

/* --- at the active site ------------------------------------------------------- */

struct arriving {
	struct peer *p;
	bool changed;
};

struct known {
	const char *own, *site;
	bool is_ours, is_there;
};

static enum err_code
look_known(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct known *k = ctx;

	(void)e;
	k->is_ours = p->complete && job_kinds_has_word(p->sites, k->own);
	k->is_there = job_kinds_has_word(p->sites, k->site);
	return ERR_NONE;
}

/* With the receiver's signed word, if it gave one. */
static enum err_code
note_arrived(struct peer *p, const char *service, const char *point,
    const struct record *r, struct err *e)
{
	OWNED(draft_free) struct draft *d = NULL;
	OWNED(free_mem) char *hex = calloc(1, LEDGER_RECORD_BYTES_MAX);
	enum err_code rc = hex == NULL
	    ? err_nomem(e)
	    : note_draft(&d, p->d, service, LEDGER_POINT, e);

	if (rc != ERR_NONE)
		return rc;
	record_text(r, LEDGER_ACKNOWLEDGEMENT, hex, LEDGER_RECORD_BYTES_MAX);
	draft_text(d, "point", point);
	draft_text(d, "replicated_site", p->site->name);
	if (*hex != '\0')
		draft_text(d, LEDGER_ACKNOWLEDGEMENT, hex);
	return note_event(p->d, d, e);
}

static enum err_code
take_record(void *ctx, const struct record *r, struct err *e)
{
	struct arriving *a = ctx;
	struct peer *p = a->p;
	char point[ID_HEX_BYTES], service[LEDGER_NAME_BYTES_MAX + 1];
	char site[LEDGER_NAME_BYTES_MAX + 1];
	const struct ledger_point_filter f = {.id = point};
	struct known k = {.own = p->d->policy->site, .site = p->site->name};
	struct daemon_service *s;
	enum err_code rc;

	record_text(r, "point", point, sizeof(point));
	record_text(r, "@service", service, sizeof(service));
	record_text(r, "replicated_site", site, sizeof(site));
	s = daemon_service(p->d, service);
	/* Also of a service that stands still here: its last point is waited for. */
	if (strcmp(site, p->site->name) != 0 || s == NULL ||
	    !s->policy->replicate.pull || daemon_pull_from(p->d, s) != NULL)
		return ERR_NONE;
	rc = ledger_points(p->d->ledger, &f, look_known, &k, e);
	if (rc != ERR_NONE || !k.is_ours || k.is_there)
		return rc;
	a->changed = true;
	return note_arrived(p, service, point, r, e);
}

/* Of each record once: what it says of points that we have. */
void
arrivals_look(struct peer *p)
{
	struct daemon *d = p->d;
	struct arriving a = {.p = p};
	struct ledger_filter f = {.type = LEDGER_POINT,
	    .after_row = p->arrivals_row};
	enum err_code rc;
	struct err e;

	if (p->copy == NULL || p->parted)
		return;
	rc = ledger_copy_rows(p->copy, p->head->number, &f.after_row,
	    &f.up_to_row, &e);
	f.after_row = p->arrivals_row;
	if (rc == ERR_NONE && f.up_to_row > f.after_row)
		rc = ledger_iterate(p->copy, &f, take_record, &a, &e);
	if (rc == ERR_NONE)
		p->arrivals_row = f.up_to_row;
	for (size_t i = 0; a.changed && i < d->policy->service_count; i++)
		if (rc == ERR_NONE && d->services[i].policy->replicate.pull)
			rc = posture_refresh(d, &d->services[i], &e);
	if (rc != ERR_NONE && rc != ERR_NOTFOUND)
		note_log(NOTE_ERROR, "where points are is not recorded: %s",
		    e.text);
}
