#include "alarmbook_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- finding ---------------------------------------------------------------- */

void
alarmbook_copy(char *to, size_t to_bytes, const char *text)
{
	snprintf(to, to_bytes, "%s", text == NULL ? "" : text);
}

static bool
is_same(const char *kept, const char *text)
{
	return strncmp(kept, text == NULL ? "" : text,
		   ALARMBOOK_NAME_BYTES - 1) == 0;
}

static bool
is_same_text(const char *kept, const char *text)
{
	return strncmp(kept, text, ALARMBOOK_TEXT_BYTES - 1) == 0;
}

bool
alarmbook_is_over(const struct alarmbook_alarm *a)
{
	return !a->standing && a->acknowledged;
}

static struct alarmbook_alarm *
find_key(struct alarmbook *b, enum policy_alert_on on, const char *service,
    const char *subject)
{
	for (size_t i = 0; i < b->count; i++) {
		struct alarmbook_alarm *a = b->items[i];

		if (a->on == on && is_same(a->service, service) &&
		    is_same(a->subject, subject) && !alarmbook_is_over(a))
			return a;
	}
	return NULL;
}

struct alarmbook_alarm *
alarmbook_find(struct alarmbook *b, uint64_t number)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i]->number == number)
			return b->items[i];
	return NULL;
}

static int
by_weight(const void *one, const void *other)
{
	const struct alarmbook_alarm *a = *(struct alarmbook_alarm *const *)one;
	const struct alarmbook_alarm *b =
	    *(struct alarmbook_alarm *const *)other;

	if (a->acknowledged != b->acknowledged)
		return a->acknowledged ? 1 : -1;
	if (a->standing != b->standing)
		return a->standing ? -1 : 1;
	if (a->level != b->level)
		return a->level > b->level ? -1 : 1;
	return a->number > b->number ? -1 : a->number < b->number;
}

void
alarmbook_sort(struct alarmbook *b)
{
	if (b->count > 1)
		qsort(b->items, b->count, sizeof(struct alarmbook_alarm *),
		    by_weight);
}

/* --- making and ending -------------------------------------------------------- */

void
alarmbook_fini(struct alarmbook *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->items[i]);
	free(b->items);
	memset(b, 0, sizeof(*b));
}

enum err_code
alarmbook_add(struct alarmbook *b, const struct alarm_what *what,
    uint64_t number, struct alarmbook_alarm **out, struct err *e)
{
	struct alarmbook_alarm *a;

	if (b->count == b->size) {
		size_t size = b->size == 0 ? 16 : 2 * b->size;
		void *more = realloc(b->items, size * sizeof(a));

		if (more == NULL)
			return err_nomem(e);
		b->items = more;
		b->size = size;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return err_nomem(e);
	a->number = number;
	a->on = what->on;
	alarmbook_copy(a->service, sizeof(a->service), what->service);
	alarmbook_copy(a->subject, sizeof(a->subject), what->subject);
	alarmbook_copy(a->run, sizeof(a->run), what->run);
	a->news = what->news;
	b->items[b->count++] = *out = a;
	if (number > b->last_number)
		b->last_number = number;
	return ERR_NONE;
}

static void
move_told(struct alarmbook *b, const size_t *from, size_t count)
{
	for (size_t i = 0; i < b->count; i++) {
		struct alarmbook_told told[ALARMBOOK_ROUTES_MAX] = {{0}};

		for (size_t r = 0; r < count; r++)
			if (from[r] < ALARMBOOK_ROUTES_MAX)
				told[r] = b->items[i]->told[from[r]];
		memcpy(b->items[i]->told, told, sizeof(told));
	}
}

void
alarmbook_set_routes(struct alarmbook *b, const struct alarmbook_route *routes,
    size_t count)
{
	struct alarmbook_route old[ALARMBOOK_ROUTES_MAX];
	size_t from[ALARMBOOK_ROUTES_MAX], old_count = b->routes_count;

	memcpy(old, b->routes, sizeof(old));
	if (count > ALARMBOOK_ROUTES_MAX)
		count = ALARMBOOK_ROUTES_MAX;
	for (size_t r = 0; r < count; r++) {
		b->routes[r] = routes[r];
		b->routes[r].busy = false;
		b->routes[r].trouble[0] = '\0';
		from[r] = ALARMBOOK_ROUTES_MAX;
		for (size_t o = 0; o < old_count; o++)
			if (strcmp(old[o].name, routes[r].name) == 0) {
				from[r] = o;
				alarmbook_copy(b->routes[r].trouble,
				    sizeof(b->routes[r].trouble),
				    old[o].trouble);
				break;
			}
	}
	b->routes_count = count;
	move_told(b, from, count);
}

/* --- raising, clearing, acknowledging ------------------------------------------- */

void
alarmbook_put_raised(struct alarmbook_alarm *a, const struct alarm_what *what,
    struct utc at)
{
	if (!a->standing) {
		a->times++;
		a->raised = at;
		a->cleared = (struct utc){0};
	}
	if (!a->standing || what->level > a->level || what->moment)
		a->acknowledged = false;
	a->standing = !a->news;
	a->acknowledged = a->news || a->acknowledged;
	a->level = what->level;
	a->moment = what->moment;
	alarmbook_copy(a->text, sizeof(a->text), what->text);
}

enum err_code
alarmbook_raise(struct alarmbook *b, const struct alarm_what *what,
    const struct alarmbook_now *now, struct alarmbook_alarm **out,
    struct err *e)
{
	struct alarmbook_alarm *a = what->news
	    ? NULL
	    : find_key(b, what->on, what->service, what->subject);
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (a != NULL && a->standing && what->level == a->level &&
	    (!what->moment || is_same_text(a->text, what->text))) {
		alarmbook_copy(a->text, sizeof(a->text), what->text);
		return ERR_NONE;
	}
	if (a == NULL && b->count >= ALARMBOOK_ALARMS_MAX)
		return err_set(e, ERR_REFUSED,
		    "there are %u alarms already: acknowledge some",
		    ALARMBOOK_ALARMS_MAX);
	if (a == NULL)
		rc = alarmbook_add(b, what, b->last_number + 1, &a, e);
	if (rc != ERR_NONE)
		return rc;
	alarmbook_put_raised(a, what, now->utc);
	*out = a;
	return ERR_NONE;
}

struct alarmbook_alarm *
alarmbook_clear(struct alarmbook *b, enum policy_alert_on on,
    const char *service, const char *subject, const char *text, struct utc now)
{
	struct alarmbook_alarm *a = find_key(b, on, service, subject);

	if (a == NULL || !a->standing)
		return NULL;
	a->standing = false;
	a->cleared = now;
	alarmbook_copy(a->text, sizeof(a->text), text);
	return a;
}

enum err_code
alarmbook_may_acknowledge(struct alarmbook *b, uint64_t number,
    struct alarmbook_alarm **out, struct err *e)
{
	struct alarmbook_alarm *a = alarmbook_find(b, number);

	*out = NULL;
	if (a == NULL) {
		err_set(e, ERR_NOTFOUND, "there is no alarm A%llu",
		    (unsigned long long)number);
		return err_hint(e, "'bascule alarms' lists them");
	}
	if (a->acknowledged)
		return err_set(e, ERR_EXISTS,
		    "alarm A%llu is acknowledged already, by %s",
		    (unsigned long long)number, a->by);
	*out = a;
	return ERR_NONE;
}

void
alarmbook_acknowledge(struct alarmbook *b, struct alarmbook_alarm *a,
    const char *by, const char *reason, struct utc now)
{
	(void)b;
	a->acknowledged = true;
	a->acknowledged_at = now;
	alarmbook_copy(a->by, sizeof(a->by), by);
	alarmbook_copy(a->reason, sizeof(a->reason), reason);
	if (a->moment && a->standing) {
		a->standing = false;
		a->cleared = now;
	}
}
