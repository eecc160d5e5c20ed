/* What this site sees of a move at this moment. */

#include <string.h>

#include "etcd.h"
#include "moves.h"
#include "peer.h"
#include "request.h"

#define FRESH_NS (5 * NS_PER_S) /* a talk that counts as "just now" */
#define RETRY_NS (2 * NS_PER_S)

static bool
answers_now(const struct peer *p)
{
	return p != NULL && p->whole.ns != 0 && p->failed[0] == '\0' &&
	    !p->parted && now_mono().ns - p->whole.ns < FRESH_NS;
}

/* Its answers from before the run was started say nothing against it. */
static bool
answered_since(const struct peer *p, struct utc started)
{
	return answers_now(p) &&
	    now_utc().ns - (now_mono().ns - p->whole.ns) > started.ns;
}

/*
 * Nobody can tell a site that has just died from one that is about to be asked
 * again, so it is asked once more, or its last answer grows old.
 */
bool
movefacts_answered_lately(struct daemon *d, const struct movebook_item *item)
{
	const char *there = strcmp(item->m.from, d->policy->site) == 0
	    ? item->m.to
	    : item->m.from;

	return answers_now(peers_find(d, there));
}

struct protected_ctx {
	struct utc since;
	bool is;
};

static enum err_code
take_protected(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct protected_ctx *c = ctx;

	(void)e;
	c->is = c->is ||
	    (p->at.ns > c->since.ns && !p->suspect &&
		p->verified_level[0] != '\0' && p->verified_at.ns != 0);
	return ERR_NONE;
}

/* A point made since, whole there, and read again there: by its own ledger. */
static bool
is_protected_there(const struct movebook_item *item, const struct peer *p,
    const char *here)
{
	const struct move_side *mine = moves_side(&item->m, here);
	struct protected_ctx c = {.since = mine->at[MOVE_PROVISIONAL]};
	struct ledger_point_filter f = {.service = item->m.service,
	    .complete = true,
	    .limit = 16};
	struct err e;

	if (p == NULL || p->copy == NULL || c.since.ns == 0)
		return false;
	f.at_site = p->site->name;
	if (ledger_points(p->copy, &f, take_protected, &c, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	return c.is;
}

/*
 * Somebody who may has refused it since it was started.  Nothing has been
 * stopped yet, and so nothing is.
 */
bool
movefacts_refused(struct daemon *d, const struct movebook_item *item)
{
	enum move_event_kind phase = move_phase(&item->m);
	const struct request *r;
	struct request_book *b;
	bool any = false;
	struct err e;

	/* Most runs nobody refuses, and this is asked for each service. */
	for (size_t i = 0; i < item->words_count; i++)
		any = any || item->words[i].verb == APPROVALS_REFUSE;
	if (!any || (phase != MOVE_STARTED && phase != MOVE_READY))
		return false;
	if (request_book_get(&b, d, &e) != ERR_NONE) {
		note_log(NOTE_ERROR, "%s", e.text);
		return false;
	}
	r = request_book_find(b, item->m.run);
	return r != NULL && r->refused;
}

/* Only what it said just now: it may be over. */
static const char *
hindrance_there(const struct peer *p, const char *service)
{
	const struct peer_word *w =
	    answers_now(p) ? peerword_find(p, service) : NULL;

	return w == NULL ? NULL : w->hindrance;
}

static int64_t
patience_of(const struct policy_service *s)
{
	return s->failover.patience_ns;
}

void
movefacts_gather(struct daemon *d, struct movebook_item *item,
    struct move_facts *out)
{
	const char *here = d->policy->site;
	struct daemon_service *s = daemon_service(d, item->m.service);
	const char *there =
	    strcmp(item->m.from, here) == 0 ? item->m.to : item->m.from;
	struct peer *p = peers_find(d, there);
	const struct movebook_reg *reg =
	    movebook_register(&d->moves->book, item->m.service, there);

	*out = (struct move_facts){.reg = &s->authority,
	    .peer_reg = reg == NULL ? NULL : &reg->a,
	    .peer_answers = answers_now(p),
	    .peer_says = hindrance_there(p, item->m.service),
	    .works = item->work.job[0] != '\0' || item->work.has_ended ||
		item->work.intent[0] != '\0',
	    .other_run = movebook_binds(&d->moves->book, item->m.service, here,
			     item) != NULL,
	    .attested = movebook_attested(item, now_utc()),
	    .protected_there = is_protected_there(item, p, here),
	    .approvals_void = movefacts_refused(d, item),
	    .quorum_lost = etcdmove_quorum_lost(d),
	    .swap_open = etcdmove_is_open(d, item->m.service, item->m.run),
	    .patience_ns = patience_of(s->policy),
	    .retry_ns = RETRY_NS};
	out->release_owner = movebook_release_owner(&d->moves->book,
	    item->m.service, item->requested, now_utc(), &out->release_persons);
	if (!out->quorum_lost &&
	    etcdmove_heard(d, item->m.service, &item->witness)) {
		out->witness_epoch = item->witness.epoch;
		out->witness_owner = item->witness.site;
	}
	out->peer_healthy = answered_since(p, item->started) &&
	    out->peer_reg != NULL && authority_is_active(out->peer_reg, there);
}
