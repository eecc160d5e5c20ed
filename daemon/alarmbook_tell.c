#include "alarmbook_parts.h"

#include <string.h>

#define BACKOFF_FIRST_NS NS_PER_S
#define BACKOFF_MAX_NS   (600 * NS_PER_S)
#define NEVER            INT64_MAX

static enum alarmbook_say
say_of(const struct alarmbook_alarm *a)
{
	return a->standing || a->news ? ALARMBOOK_RAISED : ALARMBOOK_CLEARED;
}

/* When the route should hear of it as it stands now; NEVER. */
static int64_t
due_raised(const struct alarmbook_alarm *a, const struct alarmbook_told *t,
    const struct alarmbook_route *r)
{
	if (a->acknowledged)
		return NEVER;
	if (t->last == ALARMBOOK_NOTHING || t->raised_at.ns == 0 ||
	    a->level > t->level)
		return 0;
	if (r->repeat_ns == 0)
		return t->last == ALARMBOOK_RAISED ? NEVER : 0;
	return t->raised_at.ns + r->repeat_ns; /* flapping tells no oftener */
}

static int64_t
due_cleared(const struct alarmbook_alarm *a, const struct alarmbook_told *t)
{
	if (t->gave_up || (t->last == ALARMBOOK_CLEARED && !t->undelivered))
		return NEVER;
	if (t->last == ALARMBOOK_NOTHING && a->acknowledged)
		return NEVER;
	return 0;
}

static int64_t
due(const struct alarmbook *b, const struct alarmbook_alarm *a, size_t route)
{
	const struct alarmbook_route *r = &b->routes[route];
	const struct alarmbook_told *t = &a->told[route];
	int64_t at;

	if ((r->on & (1u << a->on)) == 0)
		return NEVER;
	if (a->news)
		at = t->last == ALARMBOOK_NOTHING && !t->gave_up ? 0 : NEVER;
	else
		at = a->standing ? due_raised(a, t, r) : due_cleared(a, t);
	return at < t->not_before.ns ? t->not_before.ns : at;
}

bool
alarmbook_next(struct alarmbook *b, struct mono now,
    struct alarmbook_telling *out)
{
	alarmbook_sort(b);
	for (size_t i = 0; i < b->count; i++) {
		struct alarmbook_alarm *a = b->items[i];

		for (size_t r = 0; r < b->routes_count; r++) {
			if (b->routes[r].busy || due(b, a, r) > now.ns)
				continue;
			b->routes[r].busy = true;
			*out = (struct alarmbook_telling){a, a->number, r,
			    say_of(a), a->level};
			return true;
		}
	}
	return false;
}

void
alarmbook_put_told(struct alarmbook_told *t, enum alarmbook_say say,
    enum alarm_level level, struct mono at)
{
	t->last = say;
	if (say == ALARMBOOK_RAISED) {
		t->level = level;
		t->raised_at = at;
	}
	t->failures = 0;
	t->undelivered = t->gave_up = false;
	t->not_before.ns = 0;
}

static enum alarmbook_result
put_failed(struct alarmbook_route *r, struct alarmbook_alarm *a,
    struct alarmbook_told *t, const char *why, struct mono now)
{
	int64_t wait = BACKOFF_FIRST_NS;
	bool is_news;

	for (uint32_t i = 0; i < t->failures && wait < BACKOFF_MAX_NS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_NS)
		wait = BACKOFF_MAX_NS;
	if (t->failures < UINT32_MAX)
		t->failures++;
	t->not_before.ns = now.ns + wait;
	if (t->failures <= r->retries)
		return ALARMBOOK_RETRY;
	alarmbook_copy(r->trouble, sizeof(r->trouble), why);
	is_news = !t->undelivered || alarmbook_is_over(a);
	t->undelivered = true;
	if (alarmbook_is_over(a))
		t->gave_up = true; /* who acknowledged it knows more */
	return is_news ? ALARMBOOK_UNDELIVERED : ALARMBOOK_RETRY;
}

enum alarmbook_result
alarmbook_told(struct alarmbook *b, const struct alarmbook_telling *t,
    const char *why, struct mono now)
{
	struct alarmbook_alarm *a = alarmbook_find(b, t->number);
	struct alarmbook_route *r = &b->routes[t->route];

	r->busy = false;
	if (why == NULL)
		r->trouble[0] = '\0';
	if (a == NULL)
		return why == NULL ? ALARMBOOK_DELIVERED : ALARMBOOK_RETRY;
	if (why != NULL)
		return put_failed(r, a, &a->told[t->route], why, now);
	alarmbook_put_told(&a->told[t->route], t->say, t->level, now);
	return ALARMBOOK_DELIVERED;
}

int64_t
alarmbook_wait_ns(const struct alarmbook *b, struct mono now)
{
	int64_t first = NEVER;

	for (size_t i = 0; i < b->count; i++)
		for (size_t r = 0; r < b->routes_count; r++) {
			int64_t at =
			    b->routes[r].busy ? NEVER : due(b, b->items[i], r);

			if (at < first)
				first = at;
		}
	if (first == NEVER)
		return NEVER;
	return first > now.ns ? first - now.ns : 0;
}

/* Is anything of it still to be told, or being told? */
static bool
is_owed(const struct alarmbook *b, const struct alarmbook_alarm *a)
{
	for (size_t r = 0; r < b->routes_count; r++)
		if (due(b, a, r) != NEVER)
			return true;
	return a->owes != 0;
}

void
alarmbook_sweep(struct alarmbook *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct alarmbook_alarm *a = b->items[i];

		if (!b->keeps_gone && alarmbook_is_over(a) && !is_owed(b, a))
			free(a);
		else
			b->items[kept++] = a;
	}
	b->count = kept;
}
