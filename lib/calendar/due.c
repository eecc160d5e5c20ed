#include <string.h>

#include "floor.h"
#include "zone.h"

/* Firings are looked for in the years whose nanoseconds fit into 64 bits. */
static bool
in_range(int64_t s)
{
	return s >= INT64_MIN / NS_PER_S + CIVIL_DAY_S * 366 &&
	    s <= INT64_MAX / NS_PER_S - CIVIL_DAY_S * 366;
}

int64_t
due_splay_ns(const char *name, int64_t splay_ns)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	int64_t unit_ns = splay_ns < NS_PER_S ? 1 : NS_PER_S;

	if (splay_ns <= 0)
		return 0;
	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32; /* its low bits alone are poor */
	return (int64_t)(hash % (uint64_t)(splay_ns / unit_ns)) * unit_ns;
}

/* Every instant after s at which the clocks show a matching time. */
static bool
next_instant(const struct due *d, int64_t s, int64_t *next_s)
{
	s++;
	while (in_range(s)) {
		struct zone_span span = zone_span_at(d->zone, s);
		int64_t local_s;

		if (!cron_next_local(&d->cron, s + span.offset_s, &local_s))
			return false;
		*next_s = local_s - span.offset_s;
		if (*next_s < span.end_s)
			return true;
		s = span.end_s;
	}
	return false;
}

/*
 * Fixed times: one fires at the first instant at which the clocks show it or a
 * later time.  So it has fired by s exactly if so late a time has been shown by
 * s, and what comes next is the first match after that time.
 */
static bool
next_fixed(const struct due *d, int64_t s, int64_t *next_s)
{
	int64_t shown_s = zone_latest_shown(d->zone, s);
	int64_t local_s;

	if (!cron_next_local(&d->cron, shown_s + 1, &local_s))
		return false;
	*next_s = zone_first_instant(d->zone, local_s);
	return true;
}

static bool
next_cron(const struct due *d, int64_t after_ns, int64_t *next_ns)
{
	int64_t s = floor_div(after_ns, NS_PER_S);
	int64_t next_s;
	bool found;

	if (!in_range(s))
		return false;
	found = d->cron.every_hour ? next_instant(d, s, &next_s)
				   : next_fixed(d, s, &next_s);
	if (!found || !in_range(next_s))
		return false;
	*next_ns = next_s * NS_PER_S;
	return true;
}

static bool
next_multiple(int64_t every_ns, int64_t after_ns, int64_t *next_ns)
{
	return every_ns > 0 &&
	    !__builtin_mul_overflow(floor_div(after_ns, every_ns) + 1, every_ns,
		next_ns);
}

bool
due_next(const struct due *d, struct utc after, struct utc *next)
{
	int64_t nominal_after, nominal;
	bool found;

	next->ns = 0;
	if (__builtin_sub_overflow(after.ns, d->offset_ns, &nominal_after))
		return false;
	found = d->kind == DUE_EVERY
	    ? next_multiple(d->every_ns, nominal_after, &nominal)
	    : next_cron(d, nominal_after, &nominal);
	return found &&
	    !__builtin_add_overflow(nominal, d->offset_ns, &next->ns);
}

bool
due_largest_gap(const struct due *d, struct utc from, int days, int64_t *gap_ns)
{
	int64_t until_ns = from.ns + days * CIVIL_DAY_S * NS_PER_S;
	struct utc at, next;

	*gap_ns = 0;
	if (d->kind == DUE_EVERY) {
		*gap_ns = d->every_ns;
		return d->every_ns > 0;
	}
	if (!due_next(d, from, &at))
		return false;
	while (at.ns <= until_ns && due_next(d, at, &next)) {
		if (next.ns - at.ns > *gap_ns)
			*gap_ns = next.ns - at.ns;
		at = next;
	}
	return *gap_ns > 0;
}
