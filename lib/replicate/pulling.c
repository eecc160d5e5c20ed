#include <string.h>

#include <bascule/base/le.h>

#include "claims.h"
#include "pulling.h"
#include "serve.h"

/*
 * A pull over several connections: a receiver of its own behind each, a thread
 * each but for the first.  The first one hears what there is, opens the others
 * when it pays, and they share the packs (claims); snapshots and points come
 * over the first, when the others have brought theirs.
 *
 *	first:  PACKS -> open the others -> its own packs -> join them -> files
 *	others: dial -> PACKS -> their own packs -> BYE
 */

/* Whose PACKS have not come by then, or never come, is done without. */
#define READY_NS (10 * NS_PER_S)

enum hand_state { HAND_NONE, HAND_DIALS, HAND_READY, HAND_GONE };

struct pull;

struct hand {
	struct pull *pull;
	struct receiver_share share;
	struct serve_tally tally; /* under lock */
	enum hand_state state;    /* under lock */
	unsigned lane;            /* among those that came, or 0; under lock */
	pthread_t thread;
	bool started; /* the first one's */
	enum err_code rc;
	struct err e;
};

struct pull {
	const char *path;
	const struct lanes_way *way;
	const struct serve_options *opt;
	int64_t round_trip_ns;
	struct hand hands[LANES_MAX]; /* [0]: our caller's thread */
	volatile sig_atomic_t stop;   /* all but the first */
	bool has_looked, joined;      /* the first one's */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool spread;          /* how many there are is known; under lock */
	struct claims claims; /* under lock */
};

static void
set_state(struct hand *h, enum hand_state state)
{
	pthread_mutex_lock(&h->pull->lock);
	h->state = state;
	pthread_cond_broadcast(&h->pull->changed);
	pthread_mutex_unlock(&h->pull->lock);
}

static void
stop_all(struct pull *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = 1;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* --- what each connection tells -------------------------------------------------- */

static struct serve_tally
sum(const struct pull *p)
{
	struct serve_tally all = p->hands[0].tally;

	all.lanes_count = all.packs_count > 0;
	for (size_t i = 1; i < LANES_MAX; i++) {
		const struct serve_tally *t = &p->hands[i].tally;

		all.packs_count += t->packs_count;
		all.pack_bytes += t->pack_bytes;
		all.wanted_bytes += t->wanted_bytes;
		all.refused_count += t->refused_count;
		all.lanes_count += t->packs_count > 0;
	}
	return all;
}

static void
on_progress(void *ctx, const struct serve_tally *tally)
{
	struct hand *h = ctx;
	struct pull *p = h->pull;
	struct serve_tally all;

	pthread_mutex_lock(&p->lock);
	h->tally = *tally;
	all = sum(p);
	if (p->opt->on_progress != NULL)
		p->opt->on_progress(p->opt->ctx, &all);
	pthread_mutex_unlock(&p->lock);
}

/* The first one's connection knows our caller's flag and not p->stop. */
static enum err_code
on_pace(void *ctx, size_t bytes_count, struct err *e)
{
	const struct hand *h = ctx;
	const struct pull *p = h->pull;

	if (p->stop != 0)
		return err_set(e, ERR_CANCELLED, "another connection failed");
	return p->opt->pace == NULL ? ERR_NONE
				    : p->opt->pace(p->opt->ctx, bytes_count, e);
}

static enum err_code
on_sign(void *ctx, const struct serve_word *word, struct buf *out,
    struct err *e)
{
	const struct hand *h = ctx;

	return h->pull->opt->sign(h->pull->opt->ctx, word, out, e);
}

static enum err_code
serve(struct hand *h, const struct transport *t,
    const volatile sig_atomic_t *cancel, struct err *e)
{
	struct serve_options opt = *h->pull->opt;
	struct serve_tally tally;
	enum err_code rc;

	opt.allow = SERVE_PUT;
	opt.cancel = cancel;
	opt.on_progress = on_progress;
	opt.pace = on_pace;
	if (opt.sign != NULL)
		opt.sign = on_sign;
	opt.ctx = h;
	rc = serve_share(h->pull->path, t, &opt, &h->share, &tally, e);
	pthread_mutex_lock(&h->pull->lock);
	h->tally = tally;
	pthread_mutex_unlock(&h->pull->lock);
	return rc;
}

/* --- the others ------------------------------------------------------------------ */

/* If so, what it does not bring lacks. */
static bool
has_share(struct hand *h)
{
	bool has;

	pthread_mutex_lock(&h->pull->lock);
	has = h->lane != 0;
	pthread_mutex_unlock(&h->pull->lock);
	return has;
}

static void *
run_hand(void *ctx)
{
	struct hand *h = ctx;
	struct pull *p = h->pull;
	struct transport t;
	struct err refused;

	if (p->way->open(p->way->ctx, &t, &p->stop, &refused) == ERR_NONE) {
		h->rc = serve(h, &t, &p->stop, &h->e);
		if (!has_share(h))
			h->rc = ERR_NONE;
		if (h->rc != ERR_NONE)
			stop_all(p);
		p->way->close(p->way->ctx, &t);
	}
	set_state(h, HAND_GONE);
	return NULL;
}

static bool
any_dials(const struct pull *p)
{
	for (size_t i = 1; i < LANES_MAX; i++)
		if (p->hands[i].state == HAND_DIALS)
			return true;
	return false;
}

/* Until each of them is there, or will not be; then it is known how many. */
static void
await_hands(struct pull *p)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += READY_NS / NS_PER_S;
	pthread_mutex_lock(&p->lock);
	while (any_dials(p) &&
	    pthread_cond_timedwait(&p->changed, &p->lock, &until) == 0)
		;
	p->spread = true;
	p->claims.lanes_count = 1;
	for (size_t i = 1; i < LANES_MAX; i++)
		if (p->hands[i].state == HAND_READY)
			p->hands[i].lane = p->claims.lanes_count++;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* What is offered and lacks is worth so many connections. */
static void
spread(struct pull *p, const uint8_t *entries, size_t count,
    const uint8_t *bits)
{
	uint64_t bytes = 0;
	size_t lacking = 0, n;

	for (size_t i = 0; i < count; i++)
		if (rmsg_bit(bits, i)) {
			bytes +=
			    le_get64(entries + i * RMSG_PACK_ENTRY + ID_BYTES);
			lacking++;
		}
	n = lanes_wanted(p->round_trip_ns, bytes, lacking, p->opt->lanes_max);
	p->has_looked = n > 1;
	for (size_t i = 1; i < n; i++) {
		struct hand *h = &p->hands[i];

		h->state = HAND_DIALS; /* nobody else looks yet */
		h->started = pthread_create(&h->thread, NULL, run_hand, h) == 0;
		if (!h->started)
			h->state = HAND_NONE;
	}
	if (n > 1)
		await_hands(p);
}

/* --- shares ---------------------------------------------------------------------- */

static enum err_code
assign(void *ctx, const uint8_t *entries, size_t count, uint8_t *bits,
    struct err *e)
{
	struct hand *h = ctx;
	struct pull *p = h->pull;
	bool is_first = h == &p->hands[0];
	enum err_code rc = ERR_NONE;

	if (is_first && !p->has_looked)
		spread(p, entries, count, bits);
	if (is_first && (!p->has_looked || p->joined))
		return ERR_NONE; /* all of it is ours */
	pthread_mutex_lock(&p->lock);
	if (!p->spread) {
		h->state = HAND_READY;
		pthread_cond_broadcast(&p->changed);
	}
	while (!p->spread && p->stop == 0)
		pthread_cond_wait(&p->changed, &p->lock);
	if (p->stop != 0)
		rc = err_set(e, ERR_CANCELLED, "another connection failed");
	else if (!is_first && h->lane == 0)
		memset(bits, 0, (count + 7) / 8); /* shared out without it */
	else
		rc = claims_take(&p->claims, h->lane, entries, count, bits, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* Whose failure it was that stopped the others. */
static enum err_code
join_all(struct pull *p, enum err_code rc, struct err *e)
{
	if (rc != ERR_NONE)
		stop_all(p);
	for (size_t i = 1; i < LANES_MAX; i++) {
		struct hand *h = &p->hands[i];

		if (!h->started)
			continue;
		lanes_join(h->thread, p->opt->cancel, &p->stop);
		h->started = false;
		if (h->rc != ERR_NONE && h->rc != ERR_CANCELLED &&
		    (rc == ERR_NONE || rc == ERR_CANCELLED)) {
			*e = h->e;
			rc = h->rc;
		}
	}
	p->joined = true;
	if (rc == ERR_NONE && p->stop != 0)
		rc = err_set(e, ERR_CANCELLED, "asked to stop");
	return rc;
}

static enum err_code
settle_first(void *ctx, struct err *e)
{
	const struct hand *h = ctx;
	struct pull *p = h->pull;

	/* Grants come before packs: then there is nobody to wait for yet. */
	return p->joined || !p->has_looked ? ERR_NONE
					   : join_all(p, ERR_NONE, e);
}

static enum err_code
settle_other(void *ctx, struct err *e)
{
	(void)ctx, (void)e;
	return ERR_NONE;
}

/* --- the whole --------------------------------------------------------------------- */

static enum err_code
pull_init(struct pull *p, struct err *e)
{
	pthread_condattr_t attr;

	p->claims.lanes_count = 1;
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct hand *h = &p->hands[i];

		h->pull = p;
		h->share = (struct receiver_share){i > 0, assign,
		    i > 0 ? settle_other : settle_first, h};
	}
	if (pthread_condattr_init(&attr) != 0)
		return err_nomem(e);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&p->lock, NULL);
	return ERR_NONE;
}

static void
pull_fini(struct pull *p)
{
	claims_fini(&p->claims);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
}

enum err_code
pulling_over(const char *path, const struct transport *t,
    const struct lanes_way *way, int64_t round_trip_ns,
    const struct serve_options *opt, struct serve_tally *out, struct err *e)
{
	struct pull p = {.path = path,
	    .way = way,
	    .opt = opt,
	    .round_trip_ns = round_trip_ns};
	enum err_code rc = pull_init(&p, e);

	*out = (struct serve_tally){0};
	if (rc != ERR_NONE)
		return rc;
	rc = serve(&p.hands[0], t, opt->cancel, e);
	rc = join_all(&p, rc, e);
	*out = sum(&p);
	pull_fini(&p);
	return rc;
}
