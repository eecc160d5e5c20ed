/* Probes of the links, and which way a transfer should take. */

#include "daemon.h"

#include <string.h>

#include "linkstate.h"

struct watched {
	struct daemon *d;
	const struct policy_link *link;
	const struct policy_site *other;
	const char *address;
	struct linkstate state;
	struct loop_timer *timer;
	struct loop_dial *dial;
	int64_t took_ns; /* of the last answer */
	struct utc answered;
	char reason[128];
};

struct links {
	struct watched *items;
	size_t count;
};

/* How many links to a site are up, of those whose state is known. */
static size_t
ways_to(const struct daemon *d, const struct policy_site *site, size_t *down)
{
	size_t up = 0;

	*down = 0;
	for (size_t i = 0; d->links != NULL && i < d->links->count; i++) {
		const struct watched *w = &d->links->items[i];

		if (w->other != site)
			continue;
		up += w->state.is == LINKSTATE_UP;
		*down += w->state.is == LINKSTATE_DOWN;
	}
	return up;
}

bool
links_is_silent(const struct daemon *d, const char *site)
{
	size_t down;

	return ways_to(d, policy_find_site(d->policy, site), &down) == 0 &&
	    down > 0;
}

static void
tell(const struct watched *w, enum policy_alert_on on, const char *subject,
    bool is_good, const char *text)
{
	struct alarm_what what = {.on = on,
	    .level = on == POLICY_ON_PEER ? ALARM_CRITICAL : ALARM_WARNING,
	    .subject = subject,
	    .text = text};

	if (is_good)
		alarm_clear(w->d, on, NULL, subject, text);
	else
		alarm_raise(w->d, &what);
}

/* A link is one thing; that nothing of the other site answers is another. */
static void
alarm(const struct watched *w)
{
	bool up = w->state.is == LINKSTATE_UP;
	size_t down, ways = ways_to(w->d, w->other, &down);
	char text[512];

	snprintf(text, sizeof(text), "link '%s' to '%s' is %s%s%s",
	    w->link->name, w->other->name, linkstate_name(w->state.is),
	    w->reason[0] != '\0' ? ": " : "", w->reason);
	tell(w, POLICY_ON_LINK, w->link->name, up, text);
	if (ways > up) /* before this change there was a way, too */
		return;
	snprintf(text, sizeof(text),
	    up ? "site '%s' answers again"
	       : "site '%s' is silent on every link",
	    w->other->name);
	tell(w, POLICY_ON_PEER, w->other->name, up, text);
}

static void
note_change(struct watched *w)
{
	OWNED(draft_free) struct draft *d = NULL;
	const char *state = linkstate_name(w->state.is);
	struct err e;
	enum err_code rc;

	note_log(w->state.is == LINKSTATE_UP ? NOTE_INFO : NOTE_WARNING,
	    "link '%s' to '%s' is %s%s%s", w->link->name, w->other->name, state,
	    w->reason[0] != '\0' ? ": " : "", w->reason);
	rc = note_draft(&d, w->d, NULL, LEDGER_LINK, &e);
	if (rc == ERR_NONE) {
		draft_text(d, "link", w->link->name);
		draft_text(d, "state", state);
		draft_text(d, "to_site", w->other->name);
		draft_text(d, "reason", w->reason);
		rc = note_event(w->d, d, &e);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	alarm(w); /* one may stand from before a restart */
	if (w->state.is == LINKSTATE_UP) {
		schedule_hurry(w->d->schedule, SCHEDULE_REPLICATE, now_mono());
		daemon_kick(w->d);
	}
}

static void
probed(void *ctx, const struct loop_dial_result *r)
{
	struct watched *w = ctx;
	struct linkstate_rule rule = {w->link->probe.down_after_count,
	    w->link->probe.up_after_count};
	struct utc now = now_utc();

	snprintf(w->reason, sizeof(w->reason), "%s", r->reason);
	if (r->answered) {
		w->took_ns = r->took_ns;
		w->answered = now;
	}
	loop_dial_free(&w->dial);
	if (linkstate_next(&w->state, &rule, r->answered, now))
		note_change(w);
	loop_timer_set(w->timer, w->link->probe.every_ns);
}

static void
probe(void *ctx)
{
	struct watched *w = ctx;
	struct err e;

	if (loop_dial_start(&w->dial, w->d->loop, w->address,
		w->other->hosts[0].port, "SSH-", w->link->probe.timeout_ns,
		probed, w, &e) == ERR_NONE)
		return;
	note_log(NOTE_ERROR, "link '%s': %s", w->link->name, e.text);
	loop_timer_set(w->timer, w->link->probe.every_ns);
}

static const struct policy_site *
other_end(const struct daemon *d, const struct policy_link *l)
{
	bool ours = false;
	const char *other = NULL;

	for (size_t i = 0; i < l->between.count; i++) {
		if (strcmp(l->between.items[i], d->policy->site) == 0)
			ours = true;
		else
			other = l->between.items[i];
	}
	return ours && other != NULL ? policy_find_site(d->policy, other)
				     : NULL;
}

static enum err_code
watch(struct daemon *d, const struct policy_link *l, struct err *e)
{
	const struct policy_site *other = other_end(d, l);
	const char *address =
	    other == NULL ? NULL : policy_find_address(l, other->name);
	struct watched *w = &d->links->items[d->links->count];
	enum err_code rc;

	if (address == NULL || other->host_count == 0)
		return ERR_NONE;
	*w = (struct watched){.d = d,
	    .link = l,
	    .other = other,
	    .address = address};
	w->state.since = now_utc();
	rc = loop_timer_new(&w->timer, d->loop, probe, w, e);
	if (rc != ERR_NONE)
		return rc;
	d->links->count++;
	loop_timer_set(w->timer, 0);
	return ERR_NONE;
}

enum err_code
links_start(struct daemon *d, struct err *e)
{
	enum err_code rc = ERR_NONE;

	d->links = calloc(1, sizeof(*d->links));
	if (d->links == NULL)
		return err_nomem(e);
	d->links->items =
	    calloc(d->policy->link_count + 1, sizeof(*d->links->items));
	if (d->links->items == NULL)
		return err_nomem(e);
	for (size_t i = 0; rc == ERR_NONE && i < d->policy->link_count; i++)
		rc = watch(d, &d->policy->links[i], e);
	return rc;
}

void
links_stop(struct daemon *d)
{
	if (d->links == NULL)
		return;
	for (size_t i = 0; i < d->links->count; i++) {
		loop_dial_free(&d->links->items[i].dial);
		loop_timer_free(&d->links->items[i].timer);
	}
	free(d->links->items);
	free(d->links);
	d->links = NULL;
}

size_t
links_down_count(const struct daemon *d)
{
	size_t n = 0;

	for (size_t i = 0; d->links != NULL && i < d->links->count; i++)
		n += d->links->items[i].state.is == LINKSTATE_DOWN;
	return n;
}

/* --- the way to take -------------------------------------------------------- */

static enum err_code
add_route(struct wire_value *list, const char *link, const char *address,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "link", link);
	wire_add_text(v, "address", address);
	wire_add(list, NULL, &v);
	return ERR_NONE;
}

/* Up ones by preference; then the others: a probe may be wrong. */
static bool
goes_before(const struct watched *a, const struct watched *b)
{
	bool a_down = a->state.is == LINKSTATE_DOWN;
	bool b_down = b->state.is == LINKSTATE_DOWN;

	if (a_down != b_down)
		return b_down;
	return a->link->preference < b->link->preference;
}

enum err_code
links_routes(const struct daemon *d, const char *site, struct wire_value **out,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *list = NULL;
	const struct policy_site *to = policy_find_site(d->policy, site);
	const struct watched *last = NULL;
	enum err_code rc = wire_new_list(&list, e);

	*out = NULL;
	while (rc == ERR_NONE) {
		const struct watched *best = NULL;

		for (size_t i = 0; i < d->links->count; i++) {
			const struct watched *w = &d->links->items[i];

			if (w->other == to &&
			    (last == NULL || goes_before(last, w)) &&
			    (best == NULL || goes_before(w, best)))
				best = w;
		}
		if (best == NULL)
			break;
		rc = add_route(list, best->link->name, best->address, e);
		last = best;
	}
	if (rc == ERR_NONE && last == NULL && to != NULL && to->host_count > 0)
		rc = add_route(list, "direct", to->hosts[0].address, e);
	if (rc == ERR_NONE)
		*out = TAKE(list);
	return rc;
}

void
links_tell(const struct daemon *d, struct client *c)
{
	for (size_t i = 0; d->links != NULL && i < d->links->count; i++) {
		const struct watched *w = &d->links->items[i];
		OWNED(wire_free) struct wire_value *v = NULL;
		struct err e;

		if (wire_new(&v, "link", &e) != ERR_NONE)
			return;
		wire_add_text(v, "link", w->link->name);
		wire_add_text(v, "title", w->link->title);
		wire_add_text(v, "to_site", w->other->name);
		wire_add_text(v, "address", w->address);
		wire_add_text(v, "state", linkstate_name(w->state.is));
		wire_add_utc(v, "since", w->state.since);
		wire_add_uint(v, "preference", w->link->preference);
		if (w->answered.ns != 0) {
			wire_add_utc(v, "answered", w->answered);
			wire_add_int(v, "round_trip_ns", w->took_ns);
		}
		wire_add_text(v, "reason", w->reason);
		client_reply(c, &v);
	}
}
