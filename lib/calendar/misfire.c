#include <bascule/calendar.h>

#include <string.h>

#define LOOK_BACK_NS (400 * CIVIL_DAY_S * NS_PER_S)

static void
push_item(struct misfire_plan *p, struct utc at)
{
	if (p->items_count == MISFIRE_ITEMS_MAX) {
		if (p->older_count++ == 0)
			p->oldest = p->items[0].at;
		memmove(&p->items[0], &p->items[1],
		    (MISFIRE_ITEMS_MAX - 1) * sizeof(p->items[0]));
		p->items_count--;
	}
	p->items[p->items_count++].at = at;
}

/*
 * An `every` of seconds would have millions: those that cannot be among the
 * items are counted, not visited.
 */
static struct utc
step_over(struct misfire_plan *p, const struct due *d, struct utc since,
    struct utc now)
{
	int64_t over;

	if (d->kind != DUE_EVERY || d->every_ns <= 0)
		return since;
	over = (now.ns - since.ns) / d->every_ns - 2 * MISFIRE_ITEMS_MAX;
	if (over <= 0 || !due_next(d, since, &p->oldest))
		return since;
	p->older_count = (uint64_t)over;
	since.ns += over * d->every_ns;
	return since;
}

static enum misfire_verdict
judge_item(const struct misfire_item *item, bool is_newest, struct utc now,
    enum misfire_mode mode, int64_t max_lateness_ns)
{
	int64_t late_ns = now.ns - item->at.ns;
	bool too_late = late_ns > MISFIRE_GRACE_NS && max_lateness_ns > 0 &&
	    late_ns > max_lateness_ns;

	switch (mode) {
	case MISFIRE_SKIP:
		return late_ns <= MISFIRE_GRACE_NS ? MISFIRE_RUN
						   : MISFIRE_MISSED;
	case MISFIRE_ALL: return too_late ? MISFIRE_TOO_LATE : MISFIRE_RUN;
	case MISFIRE_RUN_ONCE: break;
	}
	if (!is_newest)
		return MISFIRE_COVERED;
	return too_late ? MISFIRE_TOO_LATE : MISFIRE_RUN;
}

void
misfire_judge(struct misfire_plan *out, const struct due *d, struct utc since,
    struct utc now, enum misfire_mode mode, int64_t max_lateness_ns)
{
	struct utc at;
	bool newest_runs;

	memset(out, 0, sizeof(*out));
	if (since.ns < now.ns - LOOK_BACK_NS)
		since.ns = now.ns - LOOK_BACK_NS;
	/* From now, not from since: the clock may have been set back. */
	out->has_next = due_next(d, now, &out->next);
	at = step_over(out, d, since, now);
	while (due_next(d, at, &at) && at.ns <= now.ns)
		push_item(out, at);
	for (size_t i = out->items_count; i-- > 0;)
		out->items[i].verdict = judge_item(&out->items[i],
		    i == out->items_count - 1, now, mode, max_lateness_ns);
	newest_runs = out->items_count > 0 &&
	    out->items[out->items_count - 1].verdict == MISFIRE_RUN;
	for (size_t i = 0; i < out->items_count && !newest_runs; i++)
		if (out->items[i].verdict == MISFIRE_COVERED)
			out->items[i].verdict = MISFIRE_TOO_LATE;
}

const char *
misfire_verdict_name(enum misfire_verdict v)
{
	switch (v) {
	case MISFIRE_RUN: return "run";
	case MISFIRE_COVERED: return "covered-by-later";
	case MISFIRE_TOO_LATE: return "too-late";
	case MISFIRE_MISSED: return "missed";
	}
	return "unknown";
}
