/* What may go over a link: see budget.h.  Pure. */

#include "budget.h"

#include <bascule/policy.h>

#define MINUTE_NS  (60 * NS_PER_S) /* windows begin and end on one */
#define WANT_LEAST 16              /* a sixteenth of the rate: to begin with */

uint64_t
budget_rate(const struct policy_link *l, struct utc t)
{
	uint64_t rate = l->bandwidth_bytes_per_s;

	for (size_t i = 0; i < l->limit_count; i++) {
		const struct policy_limit *m = &l->limits[i];

		if (m->rate_bytes_per_s < rate &&
		    window_contains(&m->window, m->zone, t))
			rate = m->rate_bytes_per_s;
	}
	return rate;
}

static struct utc
next_minute(struct utc t)
{
	int64_t past = t.ns % MINUTE_NS;

	if (past < 0)
		past += MINUTE_NS;
	return (struct utc){t.ns - past + MINUTE_NS};
}

bool
budget_until(const struct policy_link *l, struct utc t, struct utc *until)
{
	uint64_t now = budget_rate(l, t);

	*until = (struct utc){0};
	if (l->limit_count == 0)
		return false;
	for (struct utc at = next_minute(t); at.ns - t.ns < BUDGET_AHEAD_NS;
	     at.ns += MINUTE_NS)
		if (budget_rate(l, at) != now) {
			*until = at;
			return true;
		}
	return false;
}

/* --- sharing ---------------------------------------------------------------- */

void
budget_deal(uint64_t rate, const uint64_t *wants, uint64_t *shares,
    size_t count)
{
	uint64_t rest = rate;
	size_t left = count;
	bool again = true;

	for (size_t i = 0; i < count; i++)
		shares[i] = UINT64_MAX; /* not dealt yet */
	while (again && left > 0) {
		uint64_t each = rest / left;

		again = false;
		for (size_t i = 0; i < count; i++) {
			if (shares[i] != UINT64_MAX || wants[i] > each)
				continue;
			shares[i] = wants[i];
			rest -= wants[i];
			left--;
			again = true;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (shares[i] == UINT64_MAX)
			shares[i] = rest / left;
	if (left > 0 || count == 0)
		return;
	/* Nobody wants the rest: it lies where it is needed first. */
	for (size_t i = 0; i < count; i++)
		shares[i] += rest / count;
}

uint64_t
budget_want(uint64_t rate, uint64_t share, uint64_t moved)
{
	uint64_t least = rate / WANT_LEAST;

	if (moved >= share - share / 5)
		return UINT64_MAX;
	return 2 * moved > least ? 2 * moved : least;
}

/* --- how long ---------------------------------------------------------------- */

static int64_t
span_ns(uint64_t bytes, uint64_t rate)
{
	double ns = (double)bytes / (double)rate * (double)NS_PER_S;

	return ns > (double)(INT64_MAX / 4) ? INT64_MAX / 4 : (int64_t)ns;
}

struct utc
budget_done(const struct policy_link *l, uint64_t bytes, uint64_t at_most,
    struct utc from)
{
	struct utc at = from;
	uint64_t rate = at_most;

	if (l == NULL && at_most == 0)
		return (struct utc){0};
	while (l != NULL && at.ns - from.ns < BUDGET_AHEAD_NS) {
		struct utc edge = next_minute(at);
		int64_t took;

		rate = budget_rate(l, at);
		if (at_most != 0 && at_most < rate)
			rate = at_most;
		if (rate == 0)
			rate = 1;
		took = span_ns(bytes, rate);
		if (l->limit_count == 0 || at.ns + took <= edge.ns)
			break;
		bytes -= (uint64_t)((double)rate * (double)(edge.ns - at.ns) /
		    (double)NS_PER_S);
		at = edge;
	}
	at.ns += span_ns(bytes, rate);
	return at;
}
