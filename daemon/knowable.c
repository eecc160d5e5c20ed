/* What could be known at this moment: a real look at the posture, in words with
 * their ages, and as the message that `status` would have shown. */

#include <inttypes.h>
#include <string.h>

#include "alarm_parts.h"
#include "links.h"
#include "peer.h"
#include "posture.h"
#include "tabletops.h"

#define ALARMS_MAX 8

static const char *
age(struct utc since, char out[TEXT_UNIT_BYTES])
{
	int64_t ns = now_utc().ns - since.ns;

	return text_duration(ns < 0 ? 0 : ns / NS_PER_S * NS_PER_S, out);
}

static void
add_service(struct daemon *d, const char *name, struct saying *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf line = {0};
	struct daemon_service *ds = daemon_service(d, name);
	char text[TEXT_UNIT_BYTES], target[TEXT_UNIT_BYTES];
	struct utc breaks;
	struct err e;
	bool behind;

	if (ds == NULL)
		return;
	text_duration(ds->policy->rpo_ns, target);
	if (ds->good_at.ns == 0)
		saying_printf(s, "known",
		    "%s: no complete point is here; RPO %s of %s", name,
		    posture_name(posture_now(d, ds, &breaks)), target);
	else
		saying_printf(s, "known",
		    "%s: the newest point here is %s old; RPO %s of %s", name,
		    age(ds->good_at, text),
		    posture_name(posture_now(d, ds, &breaks)), target);
	saying_printf(s, "known",
	    "%s: runs at '%s', %s, epoch %" PRIu64
	    " (this site's register, now)",
	    name, ds->authority.site, authority_state_name(ds->authority.state),
	    ds->authority.epoch);
	if (posture_to_wire(d, ds, &v, &behind, &e) == ERR_NONE &&
	    wire_line(v, &line, &e) == ERR_NONE &&
	    line.len_bytes < TABLETOP_TEXT_BYTES_MAX)
		saying_printf(s, "posture", "%.*s", (int)line.len_bytes - 1,
		    buf_text(&line));
}

static void
add_links(struct daemon *d, struct saying *s)
{
	char text[TEXT_UNIT_BYTES];

	for (size_t i = 0; d->links != NULL && i < d->links->chooser.link_count;
	     i++) {
		const struct watched *w = &d->links->items[i];
		const struct chooser_link *l = &d->links->chooser.links[i];

		if (w->link != NULL)
			saying_printf(s, "known", "link %s is %s for %s",
			    w->name, linkstate_name(l->state.is),
			    age(l->state.since, text));
	}
}

static void
add_peers(struct daemon *d, struct saying *s)
{
	char text[TEXT_UNIT_BYTES];

	for (const struct peer *p = d->peers; p != NULL; p = p->next)
		if (p->heard.ns == 0)
			saying_printf(s, "known",
			    "site %s was never heard by this one",
			    p->site->name);
		else
			saying_printf(s, "known", "site %s was heard %s ago",
			    p->site->name, age(p->heard, text));
}

static void
add_alarms(struct daemon *d, struct saying *s)
{
	const struct alarmbook *b = d->alarms == NULL ? NULL : &d->alarms->book;
	char text[TEXT_UNIT_BYTES];
	size_t told = 0;

	for (size_t i = 0; b != NULL && i < b->count && told < ALARMS_MAX;
	     i++) {
		const struct alarmbook_alarm *a = b->items[i];

		if (!a->standing)
			continue;
		saying_printf(s, "known", "alarm A%" PRIu64 ", %s old: %s",
		    a->number, age(a->raised, text), a->text);
		told++;
	}
	if (told == 0)
		saying_add(s, "known", "no alarm stands");
}

void
knowable_add(struct daemon *d, const struct tabletop *t, struct saying *s)
{
	const char *name;

	for (size_t i = 0;
	     i < 16 && (name = tabletop_drafted(t, "service", i))[0] != '\0';
	     i++)
		add_service(d, name, s);
	add_links(d, s);
	add_peers(d, s);
	add_alarms(d, s);
}
