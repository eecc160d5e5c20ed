#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "push.h"

/*
 * One conversation fills neither two processors nor a long path: one thread
 * ciphers, and the far side's window of 2 MiB is all that may be under way.
 * Packs are taken from one list, a few at a time.
 */

#define LANE_BYTES      ((uint64_t)32 << 20) /* less is not worth another */
#define LAN_NS          (5 * NS_PER_MS)
#define FAR_NS          (50 * NS_PER_MS)
#define LANES_LAN       2
#define LANES_MIDDLE    4
#define BATCH_PACKS_MAX 16

void
lanes_init(struct lane *l, struct push *p, const struct transport *t)
{
	memset(l, 0, sizeof(*l));
	l->push = p;
	rlink_init(&l->link, t);
	l->link.pace = p->opt->pace;
	l->link.pace_ctx = p->opt->ctx;
	l->heard = now_mono();
	flight_init(&l->flight);
}

void
lanes_fini(struct lane *l)
{
	framesend_fini(l);
	rlink_fini(&l->link);
	buf_fini(&l->body);
	free(l->sent);
}

/* --- the work ---------------------------------------------------------------------- */

struct crew {
	struct push *push;
	uint32_t *packs;  /* that are wanted */
	size_t count, at; /* at: under push->lock */
	size_t lanes_count;
	volatile sig_atomic_t stop; /* for connections that wait */
};

struct hand {
	struct crew *crew;
	pthread_t thread;
	bool started;
	enum err_code rc;
	struct err e;
};

/* The next few; fewer when few are left, so that all end together. */
static size_t
take_packs(struct crew *c, uint32_t **packs)
{
	size_t n, left;

	pthread_mutex_lock(&c->push->lock);
	left = c->count - c->at;
	n = left / (2 * c->lanes_count);
	n = n > BATCH_PACKS_MAX ? BATCH_PACKS_MAX : n == 0 ? 1 : n;
	n = n < left ? n : left;
	*packs = c->packs + c->at;
	c->at += n;
	pthread_mutex_unlock(&c->push->lock);
	return n;
}

static enum err_code
work(struct crew *c, struct lane *l, struct err *e)
{
	uint32_t *packs;
	size_t n;

	while ((n = take_packs(c, &packs)) > 0)
		if (packsend_ask(l, packs, n, e) != ERR_NONE ||
		    packsend_batch(l, packs, n, e) != ERR_NONE)
			return e->code;
	return packsend_settle(l, e);
}

static enum err_code
converse(struct crew *c, struct lane *l, struct err *e)
{
	struct err ignored = {0};
	struct rmsg m;

	if (offering_hello(l, e) != ERR_NONE ||
	    offering_welcome(l, e) != ERR_NONE || work(c, l, e) != ERR_NONE)
		return e->code;
	/* All is settled: how it takes leave does not matter. */
	if (talk_tell(l, RMSG_BYE, NULL, NULL, 0, &ignored) == ERR_NONE)
		(void)!talk_expect(l, RMSG_FAREWELL, &m, &ignored);
	return ERR_NONE;
}

/* The others are not to go on for nothing. */
static void
stop_all(struct crew *c)
{
	pthread_mutex_lock(&c->push->lock);
	c->push->stopped = true;
	pthread_mutex_unlock(&c->push->lock);
	c->stop = 1;
}

static void *
run_hand(void *ctx)
{
	struct hand *h = ctx;
	struct crew *c = h->crew;
	struct push *p = c->push;
	struct transport t;
	struct err refused = {0};
	struct lane l;

	if (p->way->open(p->way->ctx, &t, &c->stop, &refused) != ERR_NONE)
		return NULL; /* then without it */
	lanes_init(&l, p, &t);
	h->rc = converse(c, &l, &h->e);
	if (h->rc != ERR_NONE) {
		stop_all(c);
	} else {
		pthread_mutex_lock(&p->lock);
		p->tally->lanes_count += l.sent_count > 0;
		pthread_mutex_unlock(&p->lock);
	}
	lanes_fini(&l);
	p->way->close(p->way->ctx, &t);
	return NULL;
}

static void
start_hands(struct crew *c, struct hand *hands)
{
	for (size_t i = 1; i < c->lanes_count; i++) {
		hands[i].crew = c;
		hands[i].started = pthread_create(&hands[i].thread, NULL,
				       run_hand, &hands[i]) == 0;
	}
}

void
lanes_join(pthread_t thread, const volatile sig_atomic_t *cancel,
    volatile sig_atomic_t *stop)
{
	struct timespec until;

	do {
		if (cancel != NULL && *cancel != 0)
			*stop = 1;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100 * NS_PER_MS;
		until.tv_sec += until.tv_nsec / NS_PER_S;
		until.tv_nsec %= NS_PER_S;
	} while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT);
}

/* Whose failure it was that stopped the others. */
static enum err_code
join_hands(struct crew *c, struct hand *hands, enum err_code rc, struct err *e)
{
	if (rc != ERR_NONE)
		stop_all(c);
	for (size_t i = 1; i < c->lanes_count; i++) {
		if (!hands[i].started)
			continue;
		lanes_join(hands[i].thread, c->push->opt->cancel, &c->stop);
		if (hands[i].rc != ERR_NONE && hands[i].rc != ERR_CANCELLED &&
		    (rc == ERR_NONE || rc == ERR_CANCELLED)) {
			*e = hands[i].e;
			rc = hands[i].rc;
		}
	}
	return rc;
}

/* --- how many ------------------------------------------------------------------------ */

size_t
lanes_wanted(int64_t round_trip_ns, uint64_t bytes, size_t packs_count,
    unsigned lanes_max)
{
	size_t n = round_trip_ns < LAN_NS ? LANES_LAN
	    : round_trip_ns < FAR_NS      ? LANES_MIDDLE
					  : LANES_MAX;

	if (n > bytes / LANE_BYTES)
		n = (size_t)(bytes / LANE_BYTES);
	if (lanes_max != 0) /* who names a number means it */
		n = lanes_max < LANES_MAX ? lanes_max : LANES_MAX;
	if (n > packs_count)
		n = packs_count;
	return n == 0 ? 1 : n;
}

static enum err_code
send_with(struct crew *c, struct err *e)
{
	struct hand hands[LANES_MAX] = {0};
	enum err_code rc;

	start_hands(c, hands);
	rc = work(c, &c->push->first, e);
	return join_hands(c, hands, rc, e);
}

enum err_code
lanes_send(struct push *p, const uint32_t *packs, size_t count, struct err *e)
{
	OWNED(free_mem) uint32_t *wanted = NULL;
	struct crew c = {.push = p};
	uint64_t bytes = 0;

	wanted = calloc(count + 1, sizeof(*wanted));
	if (wanted == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		const struct push_pack *fate = &p->fates[packs[i]];

		if (!fate->wanted)
			continue;
		wanted[c.count++] = packs[i];
		bytes += p->packs.packs[packs[i]].size_bytes -
		    fate->blocks_count * RMSG_BLOCK_BYTES;
	}
	c.packs = wanted;
	c.lanes_count = p->way == NULL ? 1
				       : lanes_wanted(p->tally->round_trip_ns,
					     bytes, c.count, p->opt->lanes_max);
	if (c.count > 0 && p->tally->lanes_count == 0)
		p->tally->lanes_count = 1;
	return c.lanes_count > 1 ? send_with(&c, e)
				 : packsend_batch(&p->first, packs, count, e);
}
