/*
 * What this site owns is in etcd as its own ledger has it: written the first
 * time, brought up to date when the state changed, and when etcd is behind (it
 * was away while people resolved something).  What is newer there is said aloud
 * and never written over.
 */

#include <inttypes.h>
#include <string.h>

#include "daemon.h"
#include "etcd.h"
#include "moves.h"

static void
on_written(void *ctx, enum etcd_verdict v, const struct etcd_register *now,
    const char *text)
{
	(void)ctx;
	(void)now;
	if (v == ETCD_LOST)
		note_log(NOTE_WARNING, "%s", text);
}

static bool
is_settled(const struct authority *a)
{
	return a->state == AUTHORITY_PROTECTED ||
	    a->state == AUTHORITY_UNPROTECTED ||
	    a->state == AUTHORITY_PROVISIONAL ||
	    a->state == AUTHORITY_QUIESCED || a->state == AUTHORITY_SUSPENDED;
}

void
etcdown_register(const struct daemon *d, const struct authority *a,
    struct etcd_register *out)
{
	*out = (struct etcd_register){.epoch = a->epoch};
	snprintf(out->state, sizeof(out->state), "%s",
	    authority_state_name(a->state));
	snprintf(out->owner, sizeof(out->owner), "%s", a->site);
	snprintf(out->from, sizeof(out->from), "%s", a->from_site);
	snprintf(out->run, sizeof(out->run), "%s", a->run);
	snprintf(out->site, sizeof(out->site), "%s", d->policy->site);
}

/* Newer there than here, or the same epoch with another owner. */
static void
say_newer(struct daemon *d, const struct daemon_service *s,
    const struct etcd_register *there)
{
	const struct authority *a = &s->authority;
	char text[600];

	if (there->epoch < a->epoch ||
	    (there->epoch == a->epoch && strcmp(there->owner, a->site) == 0)) {
		alarm_clear(d, POLICY_ON_FAILOVER, s->policy->name,
		    "etcd-register", "etcd and the ledger agree");
		return;
	}
	snprintf(text, sizeof(text),
	    "etcd has service '%s' at '%.64s', epoch %" PRIu64
	    " (%.24s); this site's ledger has it at '%.64s', epoch %" PRIu64
	    ": do not start it here; see bascule hold inspect %s",
	    s->policy->name, there->owner, there->epoch, there->state,
	    a->site[0] == '\0' ? "no site" : a->site, a->epoch,
	    s->policy->name);
	alarm_raise(d,
	    &(struct alarm_what){.on = POLICY_ON_FAILOVER,
		.level = ALARM_CRITICAL,
		.service = s->policy->name,
		.subject = "etcd-register",
		.text = text});
}

static void
write_one(struct daemon *d, const struct daemon_service *s)
{
	const struct authority *a = &s->authority;
	struct etcd_register there, ours;
	struct utc read_at;
	struct err e;

	if (!etcd_register_seen(d, s->policy->name, &there, &read_at))
		return;
	/* what a move known here has written is no news */
	if (there.epoch != 0 &&
	    (d->moves == NULL || there.run[0] == '\0' ||
		movebook_find(&d->moves->book, there.run, s->policy->name) ==
		    NULL))
		say_newer(d, s, &there);
	if (a->epoch == 0 || a->quarantined || !is_settled(a) ||
	    strcmp(a->site, d->policy->site) != 0 || there.epoch > a->epoch ||
	    etcd_is_asked(d, s->policy->name))
		return;
	etcdown_register(d, a, &ours);
	if (there.epoch == ours.epoch &&
	    (strcmp(there.owner, ours.owner) != 0 ||
		strcmp(there.state, ours.state) == 0))
		return;
	if (etcd_move(d, s->policy->name, there.epoch, &ours, on_written, NULL,
		&e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
}

void
etcd_write_own(struct daemon *d)
{
	for (size_t i = 0; i < d->policy->service_count; i++)
		write_one(d, &d->services[i]);
}
