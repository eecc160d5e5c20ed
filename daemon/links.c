/* Probes of the links, and what becomes of their state. */

#include "links.h"

#include <string.h>

/* --- asking --------------------------------------------------------------- */

/* How many links to a site are up, of those whose state is known. */
static size_t
ways_to(const struct daemon *d, const struct policy_site *site, size_t *down)
{
	size_t up = 0;

	*down = 0;
	for (size_t i = 0; d->links != NULL && i < d->links->chooser.link_count;
	     i++) {
		enum linkstate_is is = d->links->chooser.links[i].state.is;

		if (d->links->items[i].other != site)
			continue;
		up += is == LINKSTATE_UP;
		*down += is == LINKSTATE_DOWN;
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

bool
links_has_way(const struct daemon *d, const char *site)
{
	const struct policy_site *s = policy_find_site(d->policy, site);

	return d->links != NULL && s != NULL &&
	    chooser_pick(&d->links->chooser, (size_t)(s - d->policy->sites)) !=
	    CHOOSER_NONE;
}

struct utc
links_ready(const struct daemon *d, const char *site, struct utc now)
{
	const struct policy_site *s = policy_find_site(d->policy, site);
	int64_t soonest = INT64_MAX;

	if (d->links == NULL || s == NULL || links_has_way(d, site))
		return now;
	for (size_t i = 0; i < d->links->chooser.link_count; i++) {
		const struct watched *w = &d->links->items[i];
		int64_t ns;

		if (w->other != s)
			continue;
		ns = w->link->probe.every_ns *
		    (int64_t)w->link->probe.up_after_count;
		if (ns < soonest)
			soonest = ns;
	}
	return soonest == INT64_MAX ? now : (struct utc){now.ns + soonest};
}

const char *
links_why_none(const struct daemon *d, const char *site,
    char out[JOB_REASON_BYTES])
{
	const struct policy_site *s = policy_find_site(d->policy, site);
	size_t used = (size_t)snprintf(out, JOB_REASON_BYTES,
	    "no link to site '%s' is up:", site);

	for (size_t i = 0; d->links != NULL && i < d->links->chooser.link_count;
	     i++) {
		const struct watched *w = &d->links->items[i];
		const struct linkstate *l = &d->links->chooser.links[i].state;
		char at[NOW_TEXT_BYTES];

		if (w->other != s || used >= JOB_REASON_BYTES)
			continue;
		used += (size_t)snprintf(out + used, JOB_REASON_BYTES - used,
		    " '%s' is %s since %s;", w->name, linkstate_name(l->is),
		    now_words(l->since, at));
	}
	if (used >= JOB_REASON_BYTES)
		used = JOB_REASON_BYTES - 1;
	if (used > 0)
		out[used - 1] = '\0'; /* the last sign */
	return out;
}

struct chooser_now
links_clock(void)
{
	return (struct chooser_now){now_utc(), now_mono()};
}

size_t
links_down_count(const struct daemon *d)
{
	size_t n = 0;

	for (size_t i = 0; d->links != NULL && i < d->links->chooser.link_count;
	     i++)
		n += d->links->chooser.links[i].state.is == LINKSTATE_DOWN;
	return n;
}

/* --- changes -------------------------------------------------------------- */

static void
alarm(const struct watched *w)
{
	enum linkstate_is is = w->links->chooser.links[w->index].state.is;
	char text[512];

	snprintf(text, sizeof(text), "link '%s' to '%s' is %s%s%s", w->name,
	    w->other->name, linkstate_name(is),
	    w->probed[0] != '\0' ? ": " : "", w->probed);
	if (is == LINKSTATE_UP)
		alarm_clear(w->links->d, POLICY_ON_LINK, NULL, w->name, text);
	else
		alarm_raise(w->links->d,
		    &(struct alarm_what){.on = POLICY_ON_LINK,
			.level = ALARM_WARNING,
			.subject = w->name,
			.text = text});
}

void
links_changed(struct watched *w, enum linkstate_is was)
{
	OWNED(draft_free) struct draft *d = NULL;
	struct daemon *dm = w->links->d;
	enum linkstate_is is = w->links->chooser.links[w->index].state.is;
	const char *state = linkstate_name(is);
	struct err e;
	enum err_code rc;

	note_log(is == LINKSTATE_UP ? NOTE_INFO : NOTE_WARNING,
	    "link '%s' to '%s' is %s (was %s)%s%s", w->name, w->other->name,
	    state, linkstate_name(was), w->probed[0] != '\0' ? ": " : "",
	    w->probed);
	rc = note_draft(&d, dm, NULL, LEDGER_LINK, &e);
	if (rc == ERR_NONE) {
		draft_text(d, "link", w->name);
		draft_text(d, "state", state);
		draft_text(d, "to_site", w->other->name);
		draft_text(d, "reason", w->probed);
		rc = note_event(dm, d, &e);
	}
	if (rc != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	alarm(w); /* one may stand from before a restart */
	transfers_hold(dm);
	if (is == LINKSTATE_UP) {
		schedule_hurry(dm->schedule, SCHEDULE_REPLICATE, now_mono());
		daemon_kick(dm);
	}
}

void
links_failed(struct watched *w, const char *error)
{
	snprintf(w->error, sizeof(w->error), "%s", error);
	w->failed = now_utc();
}

void
links_happened(struct links *ls, const struct chooser_event *ev)
{
	size_t n = chooser_next(&ls->chooser, ev, links_clock(), ls->actions);

	for (size_t i = 0; i < n; i++) {
		const struct chooser_action *a = &ls->actions[i];

		if (a->verb == CHOOSER_CHANGED)
			links_changed(&ls->items[a->link], a->was);
		else
			transfers_do(ls, a);
	}
	if (n > 0)
		transfers_deal(ls);
}

void
links_judge(struct watched *w, struct utc now)
{
	if (w->link == NULL)
		return;
	/* The edge was worked out; a clock that was set is noticed, too. */
	if (w->judged.ns != 0 && now.ns >= w->judged.ns &&
	    now.ns - w->judged.ns < 3600 * NS_PER_S &&
	    (w->until.ns == 0 || now.ns < w->until.ns))
		return;
	w->judged = now;
	w->rate = budget_rate(w->link, now);
	if (!budget_until(w->link, now, &w->until))
		w->until = (struct utc){0};
}

/* --- probes ---------------------------------------------------------------- */

static void
probed(void *ctx, const struct loop_dial_result *r)
{
	struct watched *w = ctx;
	struct chooser_event ev = {.what = CHOOSER_PROBED,
	    .link = w->index,
	    .answered = r->answered,
	    .round_trip_ns = r->took_ns};

	snprintf(w->probed, sizeof(w->probed), "%s", r->reason);
	if (!r->answered)
		links_failed(w, r->reason);
	loop_dial_free(&w->dial);
	loop_timer_set(w->timer, w->link->probe.every_ns);
	links_happened(w->links, &ev);
}

static void
probe(void *ctx)
{
	struct watched *w = ctx;
	struct err e;

	if (loop_dial_start(&w->dial, w->links->d->loop, w->address,
		w->other->hosts[0].port, "SSH-", w->link->probe.timeout_ns,
		probed, w, &e) == ERR_NONE)
		return;
	note_log(NOTE_ERROR, "link '%s': %s", w->name, e.text);
	loop_timer_set(w->timer, w->link->probe.every_ns);
}

/* --- starting ------------------------------------------------------------- */

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

static struct watched *
add(struct links *ls, const char *name, const struct policy_site *other,
    const char *address)
{
	struct chooser *c = &ls->chooser;
	struct watched *w = &ls->items[c->link_count];

	*w = (struct watched){.links = ls,
	    .index = c->link_count,
	    .other = other,
	    .address = address};
	snprintf(w->name, sizeof(w->name), "%s", name);
	c->links[c->link_count++] =
	    (struct chooser_link){.site =
				      (size_t)(other - ls->d->policy->sites),
		.state.since = now_utc()};
	return w;
}

static enum err_code
watch(struct links *ls, const struct policy_link *l, struct err *e)
{
	const struct policy_site *other = other_end(ls->d, l);
	const char *address =
	    other == NULL ? NULL : policy_find_address(l, other->name);
	struct chooser_link *cl;
	struct watched *w;
	enum err_code rc;

	if (address == NULL || other->host_count == 0 ||
	    ls->chooser.link_count == CHOOSER_LINKS_MAX)
		return ERR_NONE;
	w = add(ls, l->name, other, address);
	w->link = l;
	cl = &ls->chooser.links[w->index];
	cl->preference = l->preference;
	cl->rule = (struct linkstate_rule){l->probe.down_after_count,
	    l->probe.up_after_count};
	links_judge(w, now_utc());
	rc = loop_timer_new(&w->timer, ls->d->loop, probe, w, e);
	if (rc == ERR_NONE)
		loop_timer_set(w->timer, 0);
	return rc;
}

/* A site to which no link is written is reached at its host's address, and
 * nobody probes it. */
static void
add_direct(struct links *ls, const struct policy_site *site)
{
	for (size_t i = 0; i < ls->chooser.link_count; i++)
		if (ls->items[i].other == site)
			return;
	if (site->host_count == 0 || site == ls->d->site ||
	    ls->chooser.link_count == CHOOSER_LINKS_MAX)
		return;
	add(ls, "direct", site, site->hosts[0].address);
	ls->chooser.links[ls->chooser.link_count - 1].is_unprobed = true;
}

static void
links_free(struct links **lsp)
{
	struct links *ls = TAKE(*lsp);

	if (ls == NULL)
		return;
	for (size_t i = 0; ls->items != NULL && i < ls->chooser.link_count;
	     i++) {
		loop_dial_free(&ls->items[i].dial);
		loop_timer_free(&ls->items[i].timer);
	}
	loop_timer_free(&ls->deal);
	transfers_free(ls);
	free(ls->items);
	free(ls);
}

static enum err_code
make(struct links **out, struct daemon *d, struct err *e)
{
	OWNED(links_free) struct links *ls = calloc(1, sizeof(*ls));
	enum err_code rc;

	if (ls == NULL)
		return err_nomem(e);
	ls->d = d;
	ls->items = calloc(CHOOSER_LINKS_MAX, sizeof(*ls->items));
	if (ls->items == NULL)
		return err_nomem(e);
	rc = loop_timer_new(&ls->deal, d->loop, transfers_deal, ls, e);
	for (size_t i = 0; rc == ERR_NONE && i < d->policy->link_count; i++)
		rc = watch(ls, &d->policy->links[i], e);
	for (size_t i = 0; rc == ERR_NONE && i < d->policy->site_count; i++)
		add_direct(ls, &d->policy->sites[i]);
	if (rc == ERR_NONE)
		*out = TAKE(ls);
	return rc;
}

/* What was known of a link of the same name is still true. */
static void
inherit(struct links *ls, const struct links *old)
{
	for (size_t i = 0; i < ls->chooser.link_count; i++)
		for (size_t k = 0; k < old->chooser.link_count; k++) {
			struct chooser_link *l = &ls->chooser.links[i];
			struct chooser_link was = old->chooser.links[k];

			if (strcmp(ls->items[i].name, old->items[k].name) != 0)
				continue;
			was.site = l->site;
			was.preference = l->preference;
			was.rule = l->rule;
			was.is_unprobed = l->is_unprobed;
			*l = was;
			memcpy(ls->items[i].error, old->items[k].error,
			    sizeof(ls->items[i].error));
			ls->items[i].failed = old->items[k].failed;
			memcpy(ls->items[i].probed, old->items[k].probed,
			    sizeof(ls->items[i].probed));
		}
}

/* The old ones name the policy that goes: nothing of it is looked at. */
enum err_code
links_start(struct daemon *d, struct err *e)
{
	OWNED(links_free) struct links *old = TAKE(d->links);
	enum err_code rc = make(&d->links, d, e);

	if (rc != ERR_NONE)
		return rc;
	if (old != NULL) {
		inherit(d->links, old);
		d->links->transfers = TAKE(old->transfers);
		d->links->last_id = old->last_id;
		transfers_resettle(d->links);
	}
	transfers_hold(d);
	return ERR_NONE;
}

void
links_stop(struct daemon *d)
{
	links_free(&d->links);
}
