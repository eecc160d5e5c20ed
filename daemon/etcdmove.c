/*
 * Questions to etcd for whoever looks at its moves again and again, and does
 * not want to be called back in between.
 *
 *	none -ask-> asked -done, lost, refused-> answered -told-> none
 *	asked -unknown-> asked again, until it is known
 *
 * Until it is known, and what was done has been seen in a look, nothing else of
 * that move may be decided: etcdmove_is_open.
 */

#include <string.h>

#include "daemon.h"
#include "etcd.h"

#define UNKNOWN_NS (60 * NS_PER_S) /* then people are told that it is */
#define FRESH_NS   (60 * NS_PER_S) /* so old a register is still heard */

struct etcdmove {
	struct etcdmove *next;
	struct daemon *d;
	char service[256];
	uint64_t from_epoch;
	struct etcd_register to;
	struct mono began, answered;
	enum etcd_verdict verdict; /* ETCD_PENDING: asked */
	bool may_be; /* an earlier one may have been done: then no later one
	                that was not asked says that nothing was */
	char text[ERR_TEXT_BYTES];
};

static void on_answer(void *ctx, enum etcd_verdict v,
    const struct etcd_register *now, const char *text);

static void
put(struct etcdmove *m)
{
	struct err e;

	m->verdict = ETCD_PENDING;
	if (etcd_move(m->d, m->service, m->from_epoch, &m->to, on_answer, m,
		&e) == ERR_NONE)
		return;
	m->verdict = m->may_be ? ETCD_UNKNOWN : ETCD_REFUSED;
	m->answered = now_mono();
	snprintf(m->text, sizeof(m->text), "%s", e.text);
}

static void
on_answer(void *ctx, enum etcd_verdict v, const struct etcd_register *now,
    const char *text)
{
	struct etcdmove *m = ctx;

	(void)now;
	m->may_be = m->may_be || v == ETCD_UNKNOWN;
	m->verdict = v == ETCD_REFUSED && m->may_be ? ETCD_UNKNOWN : v;
	m->answered = now_mono();
	snprintf(m->text, sizeof(m->text), "%s", text);
	daemon_kick(m->d);
}

static struct etcdmove *
find(struct daemon *d, const char *service, const struct etcd_register *to)
{
	for (struct etcdmove *m = d->etcdmoves; m != NULL; m = m->next)
		if (strcmp(m->service, service) == 0 &&
		    m->to.epoch == to->epoch &&
		    strcmp(m->to.owner, to->owner) == 0 &&
		    strcmp(m->to.run, to->run) == 0)
			return m;
	return NULL;
}

static void
drop(struct daemon *d, struct etcdmove *gone)
{
	for (struct etcdmove **at = &d->etcdmoves; *at != NULL;
	     at = &(*at)->next)
		if (*at == gone) {
			*at = gone->next;
			break;
		}
	etcd_forget(d, gone);
	free(gone);
}

static enum etcd_verdict
ask_first(struct daemon *d, const char *service, uint64_t from_epoch,
    const struct etcd_register *to)
{
	struct etcdmove *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return ETCD_PENDING; /* the next look tries again */
	m->d = d;
	snprintf(m->service, sizeof(m->service), "%s", service);
	m->from_epoch = from_epoch;
	m->to = *to;
	m->began = now_mono();
	m->next = d->etcdmoves;
	d->etcdmoves = m;
	put(m);
	return ETCD_PENDING;
}

/* ET2: it is done once, and asked until that is known. */
static enum etcd_verdict
look_into(struct etcdmove *m)
{
	bool is_late = m->may_be && now_mono().ns - m->began.ns >= UNKNOWN_NS;

	if (m->verdict == ETCD_UNKNOWN)
		put(m);
	if (m->verdict == ETCD_UNKNOWN || m->verdict == ETCD_PENDING)
		return is_late ? ETCD_UNKNOWN : ETCD_PENDING;
	return m->verdict;
}

/* Answered long ago: nobody came back for it. */
static bool
is_stale(const struct etcdmove *m)
{
	return (m->verdict == ETCD_DONE || m->verdict == ETCD_LOST ||
		   m->verdict == ETCD_REFUSED) &&
	    now_mono().ns - m->answered.ns > FRESH_NS;
}

/* What was done, and no look has shown it yet. */
static bool
is_unseen(const struct daemon *d, const struct etcdmove *m)
{
	const struct etcd_seen *seen = etcd_seen(d);

	return m->verdict == ETCD_DONE &&
	    (seen == NULL || !seen->has_quorum ||
		seen->mono.ns <= m->answered.ns);
}

bool
etcdmove_is_open(struct daemon *d, const char *service, const char *run)
{
	for (struct etcdmove *m = d->etcdmoves; m != NULL; m = m->next) {
		enum etcd_verdict v;

		if (strcmp(m->service, service) != 0 ||
		    strcmp(m->to.run, run) != 0)
			continue;
		v = look_into(m);
		if (v == ETCD_PENDING || v == ETCD_UNKNOWN || is_unseen(d, m))
			return true;
	}
	return false;
}

enum etcd_verdict
etcdmove_ask(struct daemon *d, const char *service, uint64_t from_epoch,
    const struct etcd_register *to, char text[ERR_TEXT_BYTES])
{
	struct etcdmove *m = find(d, service, to);
	enum etcd_verdict v;

	text[0] = '\0';
	if (!etcd_is_used(d))
		return ETCD_DONE;
	if (m != NULL && is_stale(m)) {
		drop(d, m);
		m = NULL;
	}
	if (m == NULL && etcdmove_is_open(d, service, to->run))
		return ETCD_PENDING; /* what was asked before comes first */
	if (m == NULL)
		return ask_first(d, service, from_epoch, to);
	v = look_into(m);
	if (v == ETCD_PENDING)
		return v;
	snprintf(text, ERR_TEXT_BYTES, "%s", m->text);
	if (v != ETCD_UNKNOWN)
		drop(d, m);
	return v;
}

bool
etcdmove_quorum_lost(const struct daemon *d)
{
	const struct etcd_seen *seen = etcd_seen(d);

	return seen != NULL && !seen->has_quorum;
}

bool
etcdmove_lease_is_out(const struct daemon *d, const char *site)
{
	const struct etcd_seen *seen = etcd_seen(d);

	return seen != NULL && seen->has_quorum && !etcd_is_alive(d, site);
}

bool
etcdmove_heard(const struct daemon *d, const char *service,
    struct authority *out)
{
	struct etcd_register r;
	struct utc read_at;

	*out = (struct authority){0};
	if (!etcd_register_seen(d, service, &r, &read_at) || r.epoch == 0 ||
	    now_utc().ns - read_at.ns > FRESH_NS)
		return false;
	if (!authority_state_find(r.state, &out->state) ||
	    r.epoch > AUTHORITY_EPOCH_MAX ||
	    strlen(r.owner) >= sizeof(out->site) ||
	    strlen(r.from) >= sizeof(out->from_site) ||
	    policy_find_site(d->policy, r.owner) == NULL)
		return false;
	out->epoch = out->highest_seen = r.epoch;
	snprintf(out->site, sizeof(out->site), "%.63s", r.owner);
	if (out->state == AUTHORITY_MOVING)
		snprintf(out->from_site, sizeof(out->from_site), "%.63s",
		    r.from);
	snprintf(out->run, sizeof(out->run), "%.79s", r.run);
	return true;
}

void
etcdmove_stop(struct daemon *d)
{
	while (d->etcdmoves != NULL)
		drop(d, d->etcdmoves);
}
