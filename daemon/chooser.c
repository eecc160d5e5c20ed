/* Which link a transfer takes: see chooser.h.  Pure. */

#include "chooser.h"

#define SAMPLE_NS    NS_PER_S /* a throughput is measured over this */
#define SAMPLE_BYTES (UINT64_C(256) << 10) /* less says nothing of a link */
#define IDLE_NS      (5 * NS_PER_S)        /* after such a pause, afresh */
#define SMOOTH_NS    (10 * NS_PER_S) /* so much past a throughput remembers */

struct out {
	struct chooser_action *actions;
	size_t count;
};

static void
say(struct out *o, enum chooser_verb verb, uint64_t user, size_t link)
{
	o->actions[o->count++] =
	    (struct chooser_action){.verb = verb, .user = user, .link = link};
}

bool
chooser_is_up(const struct chooser_link *l)
{
	return l->is_unprobed || l->state.is == LINKSTATE_UP;
}

static struct chooser_user *
find_user(struct chooser *c, uint64_t id)
{
	for (size_t i = 0; i < c->user_count; i++)
		if (c->users[i].id == id)
			return &c->users[i];
	return NULL;
}

const struct chooser_user *
chooser_user(const struct chooser *c, uint64_t id)
{
	for (size_t i = 0; i < c->user_count; i++)
		if (c->users[i].id == id)
			return &c->users[i];
	return NULL;
}

static void
drop_user(struct chooser *c, struct chooser_user *u)
{
	*u = c->users[--c->user_count];
}

/* --- whose turn ----------------------------------------------------------- */

/* Of two barred ones, that which broke longer ago has had more time. */
static bool
goes_before(const struct chooser_link *a, const struct chooser_link *b)
{
	if (a->is_barred != b->is_barred)
		return b->is_barred;
	if (a->is_barred && a->broke.ns != b->broke.ns)
		return a->broke.ns < b->broke.ns;
	return a->preference < b->preference;
}

static size_t
pick(const struct chooser *c, size_t site, uint64_t tried)
{
	size_t best = CHOOSER_NONE;

	for (size_t i = 0; i < c->link_count; i++) {
		const struct chooser_link *l = &c->links[i];

		if (l->site != site || !chooser_is_up(l) ||
		    (tried >> i & 1) != 0)
			continue;
		if (best == CHOOSER_NONE || goes_before(l, &c->links[best]))
			best = i;
	}
	return best;
}

size_t
chooser_pick(const struct chooser *c, size_t site)
{
	return pick(c, site, 0);
}

/* To where the user must go, or may go and should; else where it is. */
static size_t
place_of(const struct chooser *c, const struct chooser_user *u)
{
	size_t best = pick(c, (size_t)u->site, u->tried);
	const struct chooser_link *at;

	if (u->link == CHOOSER_NONE || best == CHOOSER_NONE)
		return best;
	at = &c->links[u->link];
	if (!chooser_is_up(at) || (u->tried >> u->link & 1) != 0)
		return best;
	/* What works is left only for what is better (CH3). */
	return !c->links[best].is_barred &&
		c->links[best].preference < at->preference
	    ? best
	    : u->link;
}

/* CH2.  True: the user is one no more. */
static bool
settle_user(struct chooser *c, struct chooser_user *u, struct out *o)
{
	size_t to = place_of(c, u);

	if (to == u->link && to != CHOOSER_NONE)
		return false;
	if (to != CHOOSER_NONE) {
		u->link = to;
		say(o, CHOOSER_USE, u->id, to);
		return false;
	}
	say(o,
	    chooser_pick(c, (size_t)u->site) == CHOOSER_NONE ? CHOOSER_WAIT
							     : CHOOSER_GIVE_UP,
	    u->id, CHOOSER_NONE);
	drop_user(c, u);
	return true;
}

static void
settle(struct chooser *c, size_t site, struct out *o)
{
	for (size_t i = 0; i < c->user_count;)
		if (c->users[i].site != site ||
		    !settle_user(c, &c->users[i], o))
			i++;
}

/* --- events ----------------------------------------------------------------- */

static void
unbar(struct chooser *c, size_t link)
{
	c->links[link].is_barred = false;
	for (size_t i = 0; i < c->user_count; i++)
		c->users[i].tried &= ~(UINT64_C(1) << link);
}

/* As TCP smooths its own. */
static void
measure_round_trip(struct chooser_link *l, int64_t ns, struct utc now)
{
	struct chooser_measure *m = &l->round_trip_ns;
	uint64_t one = ns > 0 ? (uint64_t)ns : 1;

	m->value = m->at.ns == 0 ? one : m->value - m->value / 8 + one / 8;
	m->at = now;
}

static void
on_probed(struct chooser *c, const struct chooser_event *ev,
    struct chooser_now now, struct out *o)
{
	struct chooser_link *l = &c->links[ev->link];
	enum linkstate_is was = l->state.is;

	if (ev->answered) {
		measure_round_trip(l, ev->round_trip_ns, now.utc);
		if (l->is_barred &&
		    ++l->answers_count >= l->rule.up_after_count)
			unbar(c, ev->link);
	} else {
		l->answers_count = 0;
		if (l->moved.ns != 0 &&
		    now.mono.ns - l->moved.ns < CHOOSER_MOVED_NS)
			return; /* CH5 */
	}
	if (linkstate_next(&l->state, &l->rule, ev->answered, now.utc)) {
		say(o, CHOOSER_CHANGED, 0, ev->link);
		o->actions[o->count - 1].was = was;
	}
	settle(c, l->site, o);
}

static void
on_began(struct chooser *c, const struct chooser_event *ev, struct out *o)
{
	struct chooser_user *u;

	if (find_user(c, ev->user) != NULL)
		return;
	if (c->user_count == CHOOSER_USERS_MAX) {
		say(o, CHOOSER_GIVE_UP, ev->user, CHOOSER_NONE);
		return;
	}
	u = &c->users[c->user_count++];
	*u = (struct chooser_user){ev->user, ev->site, CHOOSER_NONE, 0};
	if (ev->link < c->link_count && c->links[ev->link].site == ev->site)
		u->link = ev->link;
	settle(c, ev->site, o);
}

static void
measure_throughput(struct chooser_link *l, uint64_t bytes,
    struct chooser_now now)
{
	struct chooser_measure *m = &l->bytes_per_s;
	int64_t took;
	double one, weight;

	if (l->moved.ns == 0 || now.mono.ns - l->moved.ns > IDLE_NS) {
		l->from = now.mono; /* these bytes came before it */
		l->bytes = 0;
		return;
	}
	l->bytes += bytes;
	took = now.mono.ns - l->from.ns;
	if (took < SAMPLE_NS || l->bytes < SAMPLE_BYTES)
		return;
	one = (double)l->bytes * (double)NS_PER_S / (double)took;
	weight = (double)took / (double)(took + SMOOTH_NS);
	if (m->at.ns != 0)
		one = one * weight + (double)m->value * (1 - weight);
	m->value = one < 1 ? 1 : (uint64_t)one;
	m->at = now.utc;
	l->from = now.mono;
	l->bytes = 0;
}

static void
on_moved(struct chooser *c, const struct chooser_event *ev,
    struct chooser_now now)
{
	struct chooser_link *l = &c->links[ev->link];
	struct chooser_user *u = find_user(c, ev->user);

	if (u == NULL || ev->bytes == 0)
		return;
	measure_throughput(l, ev->bytes, now);
	l->moved = now.mono;
	if (u->link == ev->link) /* CH4: it got somewhere */
		u->tried &= UINT64_C(1) << ev->link;
}

static void
on_broke(struct chooser *c, const struct chooser_event *ev,
    struct chooser_now now, struct out *o)
{
	struct chooser_link *l = &c->links[ev->link];
	struct chooser_user *u = find_user(c, ev->user);

	if (u == NULL)
		return;
	l->is_barred = true;
	l->answers_count = 0;
	l->broke = now.mono;
	l->moved = (struct mono){0}; /* no bytes speak for it any more */
	u->tried |= UINT64_C(1) << ev->link;
	settle(c, l->site, o);
}

size_t
chooser_next(struct chooser *c, const struct chooser_event *ev,
    struct chooser_now now, struct chooser_action actions[CHOOSER_ACTIONS_MAX])
{
	struct out o = {actions, 0};
	struct chooser_user *u;

	if (ev->link >= c->link_count && ev->what != CHOOSER_BEGAN &&
	    ev->what != CHOOSER_ENDED)
		return 0;
	switch (ev->what) {
	case CHOOSER_PROBED: on_probed(c, ev, now, &o); break;
	case CHOOSER_BEGAN: on_began(c, ev, &o); break;
	case CHOOSER_MOVED: on_moved(c, ev, now); break;
	case CHOOSER_BROKE: on_broke(c, ev, now, &o); break;
	case CHOOSER_ENDED:
		u = find_user(c, ev->user);
		if (u != NULL)
			drop_user(c, u);
		break;
	}
	return o.count;
}
