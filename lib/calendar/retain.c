#include <bascule/calendar.h>

#include <string.h>

#include "floor.h"

static const struct {
	uint32_t reason;
	const char *name;
} reason_names[] = {
    {RETAIN_LAST, "last"},
    {RETAIN_HOURLY, "hourly"},
    {RETAIN_DAILY, "daily"},
    {RETAIN_WEEKLY, "weekly"},
    {RETAIN_MONTHLY, "monthly"},
    {RETAIN_YEARLY, "yearly"},
    {RETAIN_WITHIN, "within"},
    {RETAIN_ONLY_VERIFIED, "only-verified"},
    {RETAIN_PREFAILOVER, "pre-failover"},
    {RETAIN_HELD, "held"},
    {RETAIN_NEVER_EMPTY, "never-empty"},
    {RETAIN_FUTURE, "future"},
    {RETAIN_NO_RULE, "no-rule"},
};

/* The number of the bucket of that kind that t lies in; it grows with time. */
static int64_t
bucket_of(uint32_t kind, struct utc t)
{
	int64_t s = floor_div(t.ns, NS_PER_S);
	int64_t days = floor_div(s, CIVIL_DAY_S);
	struct civil c;

	switch (kind) {
	case RETAIN_HOURLY: return floor_div(s, 3600);
	case RETAIN_DAILY: return days;
	case RETAIN_WEEKLY: return floor_div(days + 3, 7); /* Mondays */
	default: break;
	}
	c = civil_of_days(days);
	return kind == RETAIN_MONTHLY ? c.year * 12 + c.month : c.year;
}

static int
by_sequence(const void *a, const void *b)
{
	const struct retain_point *p = a, *q = b;

	return (p->sequence > q->sequence) - (p->sequence < q->sequence);
}

static int
by_time(const void *a, const void *b)
{
	const struct retain_point *p = a, *q = b;

	if (p->at.ns != q->at.ns)
		return p->at.ns > q->at.ns ? 1 : -1;
	return by_sequence(a, b);
}

static bool
counts(const struct retain_point *p)
{
	return !(p->reasons & RETAIN_FUTURE);
}

/* What a point's own flags and date say, its neighbours not considered. */
static void
judge_alone(struct retain_point *p, const struct retain_rule *rule,
    struct utc now)
{
	static const struct retain_rule empty;
	int64_t age_ns;

	p->reasons = 0;
	if (__builtin_sub_overflow(now.ns, p->at.ns, &age_ns))
		age_ns = now.ns < p->at.ns ? INT64_MIN : INT64_MAX;
	if (age_ns < -RETAIN_FUTURE_NS)
		p->reasons |= RETAIN_FUTURE;
	else if (rule->within_ns > 0 &&
	    (age_ns <= rule->within_ns || p->age_ns <= rule->within_ns))
		p->reasons |= RETAIN_WITHIN;
	if (p->flags & RETAIN_IS_PREFAILOVER)
		p->reasons |= RETAIN_PREFAILOVER;
	if (p->flags & RETAIN_IS_HELD)
		p->reasons |= RETAIN_HELD;
	if (memcmp(rule, &empty, sizeof(empty)) == 0)
		p->reasons |= RETAIN_NO_RULE;
}

/* points: by sequence. */
static void
keep_last(struct retain_point *points, size_t count, uint32_t n)
{
	for (size_t i = count; i-- > 0 && n > 0;)
		if (counts(&points[i])) {
			points[i].reasons |= RETAIN_LAST;
			n--;
		}
}

/*
 * points: by time, so that a bucket is a run of neighbours.  Which of them is
 * the newest the sequence says: a clock that was set back cannot.
 */
static void
keep_buckets(struct retain_point *points, size_t count, uint32_t kind,
    uint32_t n)
{
	size_t i = count;

	while (i > 0 && n > 0) {
		struct retain_point *newest = NULL;
		int64_t bucket = bucket_of(kind, points[i - 1].at);

		for (; i > 0 && bucket_of(kind, points[i - 1].at) == bucket;
		     i--)
			if (counts(&points[i - 1]) &&
			    (newest == NULL ||
				points[i - 1].sequence > newest->sequence))
				newest = &points[i - 1];
		if (newest != NULL) {
			newest->reasons |= kind;
			n--;
		}
	}
}

/*
 * Unless one with all of these flags stays already, the newest that has them
 * does, for that reason.  points: by sequence.
 */
static void
keep_one(struct retain_point *points, size_t count, uint32_t flags,
    uint32_t reason)
{
	struct retain_point *newest = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!counts(&points[i]) || (points[i].flags & flags) != flags)
			continue;
		if (points[i].reasons != 0)
			return;
		newest = &points[i];
	}
	if (newest != NULL)
		newest->reasons |= reason;
}

void
retain_judge(struct retain_point *points, size_t count,
    const struct retain_rule *rule, struct utc now)
{
	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		judge_alone(&points[i], rule, now);
	qsort(points, count, sizeof(*points), by_time);
	keep_buckets(points, count, RETAIN_HOURLY, rule->hourly);
	keep_buckets(points, count, RETAIN_DAILY, rule->daily);
	keep_buckets(points, count, RETAIN_WEEKLY, rule->weekly);
	keep_buckets(points, count, RETAIN_MONTHLY, rule->monthly);
	keep_buckets(points, count, RETAIN_YEARLY, rule->yearly);
	qsort(points, count, sizeof(*points), by_sequence);
	keep_last(points, count, rule->last);
	keep_one(points, count, RETAIN_IS_VERIFIED, RETAIN_ONLY_VERIFIED);
	keep_one(points, count, 0, RETAIN_NEVER_EMPTY);
}

const char *
retain_reasons(uint32_t reasons, char out[RETAIN_REASONS_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(reason_names); i++)
		if (reasons & reason_names[i].reason)
			used += (size_t)snprintf(out + used,
			    RETAIN_REASONS_BYTES - used, "%s%s",
			    used > 0 ? ", " : "", reason_names[i].name);
	ASSERT(used < RETAIN_REASONS_BYTES);
	return out;
}
