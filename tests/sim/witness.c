/*
 * etcd, and what a daemon asks of it: a register behind compare-and-swap, which
 * is asked and answers in stages of their own.  A write may be under way for
 * long, and come about when whoever asked it is dead; it fails once anything
 * else was written.
 */

#include "sim.h"

#include <string.h>

#define FRESH_NS (60 * SEC)

static bool
is_reached(int s)
{
	return w.etcd_quorum && w.etcd_link[s];
}

static bool
is_same(const struct etcd_value *a, const struct etcd_value *b)
{
	return a->epoch == b->epoch && a->owner == b->owner && a->run == b->run;
}

/* --- writes under way ------------------------------------------------------------- */

static void
write_over(const struct etcd_value *to)
{
	for (size_t i = 0; i < FLIGHTS; i++)
		if (!w.flights[i].on) {
			w.flights[i] = (struct flight){.on = true,
			    .is_slow = !w.calm && one_in(8),
			    .revision = w.etcd_revision,
			    .to = *to};
			return;
		}
}

static void
land(struct flight *f)
{
	f->on = false;
	if (f->revision != w.etcd_revision)
		return;
	if (f->to.epoch < w.etcd_is.epoch)
		violate("ET1: the epoch in etcd falls");
	w.etcd_is = f->to;
	w.etcd_revision++;
	story("etcd: epoch %llu at %s", (unsigned long long)w.etcd_is.epoch,
	    w.site[w.etcd_is.owner].name);
}

void
witness_happens(void)
{
	for (size_t i = 0; w.etcd && w.etcd_quorum && i < FLIGHTS; i++)
		if (w.flights[i].on && one_in(w.flights[i].is_slow ? 400 : 4))
			land(&w.flights[i]);
}

/* --- a daemon's side ---------------------------------------------------------------- */

/* It looks a few times a minute, and what it sees grows old. */
static void
look(int s)
{
	struct site *t = &w.site[s];

	t->etcd_quorum = is_reached(s);
	if (!t->etcd_quorum)
		return;
	t->etcd_seen = w.etcd_is;
	t->etcd_seen_ns = w.now_ns;
}

/* One step of its child: read; there, lost, or written. */
static void
work_on(int s, struct question *q)
{
	if (!is_reached(s)) {
		q->verdict = q->was_asked ? QUESTION_OPEN : QUESTION_REFUSED;
		return;
	}
	q->answered_ns = w.now_ns;
	if (is_same(&w.etcd_is, &q->to))
		q->verdict = QUESTION_DONE;
	else if (w.etcd_is.epoch != q->from)
		q->verdict = QUESTION_LOST;
	else {
		write_over(&q->to);
		q->was_asked = true;
	}
}

/* What the site owns is written there as its ledger has it. */
static void
write_own(int s)
{
	const struct site *t = &w.site[s];
	struct etcd_value own = {.epoch = t->reg.epoch,
	    .owner = s,
	    .run = w.etcd_is.run,
	    .state = t->reg.state};

	for (int r = 0; r < w.runs_count; r++)
		if (t->asking[r].on && t->asking[r].verdict == QUESTION_OPEN)
			return;
	if (t->reg.quarantined || !is_reached(s) ||
	    strcmp(t->reg.site, t->name) != 0 ||
	    !authority_is_active(&t->reg, t->name) ||
	    w.etcd_is.epoch > own.epoch ||
	    (w.etcd_is.epoch == own.epoch &&
		(w.etcd_is.owner != s || w.etcd_is.state == own.state)))
		return;
	write_over(&own);
}

void
witness_tick(int s)
{
	struct site *t = &w.site[s];

	if (!w.etcd || !t->daemon)
		return;
	if (one_in(6)) {
		look(s);
		write_own(s);
	}
	for (int r = 0; r < w.runs_count; r++)
		if (t->asking[r].on && t->asking[r].verdict == QUESTION_OPEN &&
		    one_in(2))
			work_on(s, &t->asking[r]);
}

bool
witness_quorum_lost(int s)
{
	return w.etcd && !w.site[s].etcd_quorum;
}

bool
witness_heard(int s, struct etcd_value *out)
{
	const struct site *t = &w.site[s];

	*out = t->etcd_seen;
	return w.etcd && t->etcd_seen_ns != 0 &&
	    w.now_ns - t->etcd_seen_ns <= FRESH_NS;
}

/* What is asked is asked again until it is known. */
bool
witness_is_open(int s, int run)
{
	const struct question *q = &w.site[s].asking[run];

	return q->on &&
	    (q->verdict == QUESTION_OPEN ||
		(q->verdict == QUESTION_DONE &&
		    w.site[s].etcd_seen_ns <= q->answered_ns));
}

/* People resolve over whatever is there (a swap whose maker died). */
static uint64_t
from_epoch(int s, const struct authority_event *ev)
{
	const struct site *t = &w.site[s];
	struct etcd_value seen;

	if (ev->kind == AUTHORITY_RESOLVE && witness_heard(s, &seen))
		return seen.epoch;
	return t->reg.epoch < ev->epoch ? t->reg.epoch : ev->epoch - 1;
}

/* etcd_has_it of daemon/moveact.c. */
bool
witness_has_it(int s, int run, const struct authority_event *ev)
{
	struct site *t = &w.site[s];
	struct question *q = &t->asking[run];
	struct etcd_value to = {.epoch = ev->epoch,
	    .run = run,
	    .state = AUTHORITY_MOVING};
	struct authority next;
	struct err e;

	if (!w.etcd ||
	    (ev->kind != AUTHORITY_MOVE && ev->kind != AUTHORITY_RESOLVE) ||
	    authority_next(&t->reg, ev, &next, &e) != ERR_NONE)
		return true;
	to.owner = site_find(ev->site);
	if (!q->on || !is_same(&q->to, &to) ||
	    w.now_ns - q->answered_ns > FRESH_NS) {
		if (!witness_is_open(s, run))
			*q = (struct question){.on = true,
			    .from = from_epoch(s, ev),
			    .to = to,
			    .answered_ns = w.now_ns};
		return false;
	}
	if (q->verdict == QUESTION_OPEN)
		return false;
	q->on = false;
	if (q->verdict != QUESTION_DONE) {
		w.done[T_REFUSED]++;
		story("%s: the witness does not agree", t->name);
	}
	return q->verdict == QUESTION_DONE;
}
