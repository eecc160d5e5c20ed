/* Many services at once: in which order, and is there room.  Pure. */

#include "request.h"

#include <stdlib.h>
#include <string.h>

/* --- the order ----------------------------------------------------------------- */

struct named {
	const char *name;
	size_t at;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name,
	    ((const struct named *)b)->name);
}

static size_t
index_of(const struct named *names, size_t count, const char *name)
{
	struct named key = {.name = name};
	const struct named *found =
	    bsearch(&key, names, count, sizeof(key), by_name);

	return found == NULL ? SIZE_MAX : found->at;
}

struct ordering {
	const struct policy_service *const *services;
	size_t count;
	struct named *names;
	unsigned *wave; /* 0: not yet known */
	bool *open;     /* its wave is being worked out: a cycle would show */
	size_t depth;
};

/*
 * One more than the highest wave of what it depends on.  The policy refuses
 * cycles; should one come all the same, it is cut where it was entered.
 */
static unsigned
wave_of(struct ordering *o, size_t i)
{
	unsigned highest = 0;

	if (o->wave[i] != 0)
		return o->wave[i];
	if (o->open[i] || o->depth > REQUEST_SERVICES_MAX)
		return 0;
	o->open[i] = true;
	o->depth++;
	for (size_t k = 0; k < o->services[i]->depends.count; k++) {
		size_t on = index_of(o->names, o->count,
		    o->services[i]->depends.items[k]);
		unsigned w = on == SIZE_MAX || on == i ? 0 : wave_of(o, on);

		if (w > highest)
			highest = w;
	}
	o->depth--;
	o->open[i] = false;
	return o->wave[i] = highest + 1;
}

struct placed {
	unsigned wave, tier;
	const char *name;
	size_t at;
};

static int
by_place(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->wave != y->wave)
		return x->wave < y->wave ? -1 : 1;
	if (x->tier != y->tier)
		return x->tier < y->tier ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
sort_out(const struct ordering *o, struct placed *places, size_t *order,
    unsigned *wave)
{
	for (size_t i = 0; i < o->count; i++)
		places[i] = (struct placed){o->wave[i], o->services[i]->tier,
		    o->services[i]->name, i};
	qsort(places, o->count, sizeof(*places), by_place);
	for (size_t i = 0; i < o->count; i++) {
		order[i] = places[i].at;
		wave[i] = places[i].wave;
	}
}

enum err_code
request_group_order(const struct policy_service *const *services, size_t count,
    size_t *order, unsigned *wave, struct err *e)
{
	OWNED(free_mem) struct named *names = calloc(count + 1, sizeof(*names));
	OWNED(free_mem) unsigned *waves = calloc(count + 1, sizeof(*waves));
	OWNED(free_mem) bool *open = calloc(count + 1, 1);
	OWNED(free_mem)
	struct placed *places = calloc(count + 1, sizeof(*places));
	struct ordering o = {services, count, names, waves, open, 0};

	if (names == NULL || waves == NULL || open == NULL || places == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++)
		names[i] = (struct named){services[i]->name, i};
	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++)
		(void)wave_of(&o, i);
	sort_out(&o, places, order, wave);
	return ERR_NONE;
}

/* --- the room ------------------------------------------------------------------- */

/* Does it still go, and if so, is taken off?  0: not said, no limit. */
static bool
take_room(uint64_t limit, uint64_t *used, uint64_t need)
{
	if (limit == 0)
		return true;
	if (need > limit || *used > limit - need)
		return false;
	*used += need;
	return true;
}

struct room_used {
	uint64_t memory, disk, cpus;
};

struct worth {
	struct request_group_need *need;
	unsigned tier; /* the lowest number of those who need it, too */
	size_t depth;  /* how many it needs, one behind the other */
};

static int
by_worth(const void *a, const void *b)
{
	const struct worth *x = a, *y = b;

	if (x->tier != y->tier)
		return x->tier < y->tier ? -1 : 1;
	if (x->need->moves != y->need->moves)
		return x->need->moves ? 1 : -1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return strcmp(x->need->service, y->need->service);
}

/* One step along each edge; false: nothing has changed. */
static bool
pass_on(struct worth *w, const struct named *names, size_t count)
{
	bool changed = false;

	for (size_t i = 0; i < count; i++) {
		const struct policy_texts *on = w[i].need->depends;

		for (size_t k = 0; on != NULL && k < on->count; k++) {
			size_t j = index_of(names, count, on->items[k]);

			if (j == SIZE_MAX || j == i)
				continue;
			if (w[j].tier > w[i].tier) {
				w[j].tier = w[i].tier;
				changed = true;
			}
			if (w[i].depth <= w[j].depth) {
				w[i].depth = w[j].depth + 1;
				changed = true;
			}
		}
	}
	return changed;
}

/* What it depends on and has no room; NULL: nothing. */
static const char *
lacks(const struct request_group_need *n, const struct request_group_need *all,
    const struct named *names, size_t count)
{
	for (size_t k = 0; n->depends != NULL && k < n->depends->count; k++) {
		size_t j = index_of(names, count, n->depends->items[k]);

		if (j != SIZE_MAX && &all[j] != n && all[j].shed)
			return all[j].service;
	}
	return NULL;
}

/* Room for all three, or none is taken. */
static bool
take_all(const struct request_group_room *room, struct room_used *used,
    const struct request_group_need *n)
{
	struct room_used then = *used;

	if (!take_room(room->memory_bytes, &then.memory, n->memory_bytes) ||
	    !take_room(room->disk_bytes, &then.disk, n->disk_bytes) ||
	    !take_room(room->cpu_count, &then.cpus, n->cpu_count))
		return false;
	*used = then;
	return true;
}

enum err_code
request_group_fit(struct request_group_need *needs, size_t count,
    const struct request_group_room *room, size_t *shed, struct err *e)
{
	OWNED(free_mem) struct worth *by = calloc(count + 1, sizeof(*by));
	OWNED(free_mem) struct named *names = calloc(count + 1, sizeof(*names));
	struct room_used used = {0};

	*shed = 0;
	if (by == NULL || names == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		by[i] = (struct worth){&needs[i], needs[i].tier, 0};
		names[i] = (struct named){needs[i].service, i};
		needs[i].shed = false;
	}
	qsort(names, count, sizeof(*names), by_name);
	/* The policy refuses cycles; one would end here all the same. */
	for (size_t i = 0; i < count && pass_on(by, names, count); i++)
		;
	qsort(by, count, sizeof(*by), by_worth);
	for (size_t i = 0; i < count; i++) {
		struct request_group_need *n = by[i].need;

		n->lacks = lacks(n, needs, names, count);
		n->shed = n->left_out || n->lacks != NULL ||
		    !take_all(room, &used, n);
		*shed += n->shed && !n->left_out;
	}
	return ERR_NONE;
}
