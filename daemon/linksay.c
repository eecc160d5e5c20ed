/* What is told of the links, and foretold. */

#include "copies.h"
#include "links.h"

#include <string.h>

/* --- one link --------------------------------------------------------------- */

static void
add_measures(struct wire_value *v, const struct chooser_link *l)
{
	if (l->round_trip_ns.at.ns != 0) {
		wire_add_utc(v, "answered", l->round_trip_ns.at);
		wire_add_uint(v, "round_trip_ns", l->round_trip_ns.value);
	}
	if (l->bytes_per_s.at.ns != 0) {
		wire_add_uint(v, "throughput_bytes_per_second",
		    l->bytes_per_s.value);
		wire_add_utc(v, "throughput_measured", l->bytes_per_s.at);
	}
}

static void
add_budget(struct wire_value *v, struct watched *w)
{
	links_judge(w, now_utc());
	wire_add_uint(v, "bandwidth_bytes_per_second",
	    w->link->bandwidth_bytes_per_s);
	wire_add_uint(v, "budget_bytes_per_second", w->rate);
	if (w->until.ns != 0)
		wire_add_utc(v, "budget_until", w->until);
}

static void
add_users(struct wire_value *v, const struct watched *w)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	struct err e;

	if (wire_new_list(&list, &e) != ERR_NONE)
		return;
	for (const struct transfer *t = w->links->transfers; t != NULL;
	     t = t->next) {
		OWNED(wire_free) struct wire_value *one = NULL;

		if (t->link != w->index || wire_new(&one, NULL, &e) != ERR_NONE)
			continue;
		wire_add_text(one, "job", t->job->id);
		wire_add_text(one, "service", t->job->service);
		if (t->told != 0)
			wire_add_uint(one, "share_bytes_per_second", t->told);
		wire_add(list, NULL, &one);
	}
	wire_add(v, "used_by", &list);
}

static enum err_code
link_to_wire(struct watched *w, struct wire_value **out, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct chooser_link *l = &w->links->chooser.links[w->index];
	enum err_code rc = wire_new(&v, "link", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", w->name);
	wire_add_text(v, "title", w->link->title);
	wire_add_text(v, "to_site", w->other->name);
	wire_add_text(v, "address", w->address);
	wire_add_text(v, "state", linkstate_name(l->state.is));
	wire_add_bool(v, "barred", l->is_barred);
	wire_add_utc(v, "since", l->state.since);
	wire_add_uint(v, "preference", w->link->preference);
	add_measures(v, l);
	add_budget(v, w);
	add_users(v, w);
	copies_add_lacks(v, w->other);
	wire_add_text(v, "reason", w->probed);
	if (w->failed.ns != 0) {
		wire_add_text(v, "last_error", w->error);
		wire_add_utc(v, "last_error_at", w->failed);
	}
	*out = TAKE(v);
	return ERR_NONE;
}

void
links_tell(const struct daemon *d, struct client *c)
{
	for (size_t i = 0; d->links != NULL && i < d->links->chooser.link_count;
	     i++) {
		OWNED(wire_free) struct wire_value *v = NULL;
		struct err e;

		if (d->links->items[i].link != NULL &&
		    link_to_wire(&d->links->items[i], &v, &e) == ERR_NONE)
			client_reply(c, &v);
	}
}

/* --- what a job's legs were ---------------------------------------------------- */

static enum err_code
add_leg(void *ctx, const struct record *r, struct err *e)
{
	struct wire_value *list = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	char link[LINKS_NAME_BYTES], reason[JOB_REASON_BYTES];
	int64_t bytes = record_int(r, "bytes", -1);
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE || bytes < 0)
		return rc;
	wire_add_text(v, "link", record_text(r, "link", link, sizeof(link)));
	wire_add_int(v, "bytes", bytes);
	wire_add_utc(v, "from", (struct utc){record_int(r, "from_ns", 0)});
	wire_add_utc(v, "until", (struct utc){record_int(r, "until_ns", 0)});
	wire_add_text(v, "reason",
	    record_text(r, "reason", reason, sizeof(reason)));
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

/* The one under way. */
static enum err_code
add_live(const struct transfer *t, struct wire_value *list, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", t->leg_link);
	wire_add_uint(v, "bytes", t->leg_bytes);
	wire_add_utc(v, "from", t->leg_from);
	wire_add_utc(v, "heard", t->leg_at);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

enum err_code
links_tell_legs(const struct daemon *d, const char *job, struct wire_value *v,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	struct ledger_filter f = {.type = LEDGER_LINK, .run = job};
	enum err_code rc = wire_new_list(&list, e);

	if (rc == ERR_NONE)
		rc = ledger_iterate(d->ledger, &f, add_leg, list, e);
	for (const struct transfer *t = d->links == NULL ? NULL
							 : d->links->transfers;
	     rc == ERR_NONE && t != NULL; t = t->next)
		if (strcmp(t->job->id, job) == 0 && t->leg_link[0] != '\0')
			rc = add_live(t, list, e);
	if (rc == ERR_NONE && wire_count(list) > 0)
		wire_add(v, "carried", &list);
	return rc;
}

/* --- foretold --------------------------------------------------------------------- */

/* What others have still to send there, as far as they have looked. */
static uint64_t
others_bytes(const struct daemon *d, const char *site, const char *service)
{
	uint64_t bytes = 0;

	for (const struct job *j = d->jobs; j != NULL; j = j->next)
		if (j->kind->schedule == SCHEDULE_REPLICATE &&
		    j->site != NULL && strcmp(j->site, site) == 0 &&
		    j->service != NULL && strcmp(j->service, service) != 0 &&
		    j->total_bytes > j->done_bytes)
			bytes += j->total_bytes - j->done_bytes;
	return bytes;
}

/* The link that carries it, or that would come first of those that are down. */
static const struct watched *
link_for(const struct links *ls, const char *site)
{
	const struct policy_site *s = policy_find_site(ls->d->policy, site);
	size_t up = s == NULL
	    ? CHOOSER_NONE
	    : chooser_pick(&ls->chooser, (size_t)(s - ls->d->policy->sites));
	const struct watched *best = NULL;

	if (up != CHOOSER_NONE)
		return &ls->items[up];
	for (size_t i = 0; s != NULL && i < ls->chooser.link_count; i++)
		if (ls->items[i].other == s &&
		    (best == NULL ||
			ls->chooser.links[i].preference <
			    ls->chooser.links[best->index].preference))
			best = &ls->items[i];
	return best;
}

/* A measurement that the budget of its time cut short says nothing. */
static uint64_t
measured(const struct watched *w)
{
	const struct chooser_measure *m =
	    &w->links->chooser.links[w->index].bytes_per_s;

	if (m->at.ns == 0 ||
	    (w->link != NULL &&
		m->value >= budget_rate(w->link, m->at) / 8 * 7))
		return 0;
	return m->value;
}

void
links_foretell(const struct daemon *d, const char *site, const char *service,
    uint64_t pending_bytes, struct links_outlook *out)
{
	const struct watched *w =
	    d->links == NULL ? NULL : link_for(d->links, site);
	const struct chooser_link *l;
	struct utc from = now_utc();
	uint64_t most;

	*out = (struct links_outlook){0};
	if (w == NULL)
		return;
	l = &d->links->chooser.links[w->index];
	out->is_up = chooser_is_up(l);
	snprintf(out->link, sizeof(out->link), "%s", w->name);
	if (!out->is_up)
		from.ns += w->link->probe.every_ns * l->rule.up_after_count;
	most = measured(w);
	out->bytes_per_s = w->link == NULL ? most : budget_rate(w->link, from);
	if (most != 0 && most < out->bytes_per_s)
		out->bytes_per_s = most;
	out->done = budget_done(w->link,
	    pending_bytes + others_bytes(d, site, service), most, from);
	if (out->done.ns != 0)
		out->takes_ns = out->done.ns - from.ns;
}
