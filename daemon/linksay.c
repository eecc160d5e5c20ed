/* What is told of the links, and foretold. */

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
