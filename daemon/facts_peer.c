/* What the other site last said, and what its register was. */

#include "facts_parts.h"

#include <string.h>

#include "peer.h"

/* A talk takes a while, and one may be missed. */
#define TALKS_MISSED 3

static const struct peer *
other_of(const struct facts_run *f)
{
	const char *here = f->d->policy->site;
	const char *other =
	    strcmp(f->of->to, here) == 0 ? f->of->from : f->of->to;
	const struct peer *p = f->d->peers;

	while (p != NULL && strcmp(p->site->name, other) != 0)
		p = p->next;
	return p;
}

static void
take_service(struct facts_run *f)
{
	const struct peer_word *w =
	    peerword_find(f->peer, f->of->service->name);

	snprintf(f->peer_policy, sizeof(f->peer_policy), "%s",
	    f->peer->said_policy);
	if (w == NULL)
		return;
	f->peer_active = strcmp(w->site, f->peer->site->name) == 0 &&
	    strcmp(w->site, f->of->from) == 0;
	snprintf(f->peer_state, sizeof(f->peer_state), "%s, active at %s",
	    w->authority, w->site);
	text_mend_end(f->peer_state);
}

static enum err_code
take_epoch(void *ctx, const struct record *r, struct err *e)
{
	struct facts_run *f = ctx;
	enum authority_state state;
	char name[32];

	(void)e;
	if (r->phase == RECORD_INTENT ||
	    !authority_state_find(record_text(r, "state", name, sizeof(name)),
		&state))
		return ERR_NONE;
	f->peer_epoch = (uint64_t)record_int(r, "epoch", 0);
	f->peer_epoch_at = f->heard.ns != 0 ? f->heard : r->at;
	f->peer_epoch_known = true;
	return ERR_NONE;
}

enum err_code
facts_peer_read(struct facts_run *f, struct err *e)
{
	struct ledger_filter filter = {.type = LEDGER_AUTHORITY,
	    .service = f->of->service->name,
	    .limit = 8,
	    .newest = true};
	int64_t fresh_ns;

	f->peer = other_of(f);
	if (f->peer == NULL)
		return ERR_NONE;
	f->heard = f->peer->heard;
	fresh_ns = TALKS_MISSED * f->d->policy->bridge.every_ns;
	if (fresh_ns > f->d->policy->bridge.silent_after_ns)
		fresh_ns = f->d->policy->bridge.silent_after_ns;
	f->answers = f->heard.ns != 0 &&
	    f->out->now.ns - f->heard.ns <= fresh_ns &&
	    f->peer->failed[0] == '\0';
	(void)peerwatch_judge(f->heard, f->peer->watching,
	    f->d->policy->bridge.silent_after_ns, f->out->now, &f->is_silent);
	take_service(f);
	return f->peer->copy == NULL
	    ? ERR_NONE
	    : ledger_iterate(f->peer->copy, &filter, take_epoch, f, e);
}
