/*
 * A window of the walk, put into the order in which its content was stored:
 * whatever shares a frame goes to one worker, which opens it once.  Without
 * content of their own, entries stay beside the one walked before them.
 */

#include "restore.h"

#include <string.h>

#define TICKETS_MAX 4096
#define BYTES_MAX   ((uint64_t)64 << 20)

struct restore_plan {
	struct store *store;
	struct restore_ticket *tickets; /* TICKETS_MAX */
	size_t count;
	uint64_t bytes;
	struct place last;
};

enum err_code
restore_plan_new(struct restore_plan **out, struct store *st, struct err *e)
{
	struct restore_plan *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (p == NULL)
		return err_nomem(e);
	p->store = st;
	p->tickets = calloc(TICKETS_MAX, sizeof(*p->tickets));
	*out = p;
	if (p->tickets != NULL)
		return ERR_NONE;
	restore_plan_free(out, NULL);
	return err_nomem(e);
}

void
restore_plan_free(struct restore_plan **pp, struct restore_tools *t)
{
	struct restore_plan *p = TAKE(*pp);

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		restore_file_end_task(t, &p->tickets[i].task);
	free(p->tickets);
	free(p);
}

bool
restore_plan_is_full(const struct restore_plan *p)
{
	return p->count == TICKETS_MAX || p->bytes >= BYTES_MAX;
}

struct restore_task *
restore_plan_add(struct restore_plan *p, const struct content *c,
    uint64_t bytes)
{
	struct restore_ticket *t = &p->tickets[p->count];
	struct err ignored; /* the worker will say what is wrong */

	ASSERT(!restore_plan_is_full(p));
	if (c != NULL && c->pieces_count > 0)
		(void)!store_locate(p->store, &c->pieces[0].id, &p->last,
		    &ignored);
	*t = (struct restore_ticket){.place = p->last,
	    .bytes = bytes,
	    .walked = p->count++};
	p->bytes += bytes;
	return &t->task;
}

static int
order(const void *va, const void *vb)
{
	const struct restore_ticket *a = va, *b = vb;

	if (a->place.pack != b->place.pack)
		return a->place.pack < b->place.pack ? -1 : 1;
	if (a->place.frame != b->place.frame)
		return a->place.frame < b->place.frame ? -1 : 1;
	return a->walked < b->walked ? -1 : a->walked > b->walked;
}

struct restore_ticket *
restore_plan_take(struct restore_plan *p, size_t *count)
{
	if (p->count > 1)
		qsort(p->tickets, p->count, sizeof(*p->tickets), order);
	*count = p->count;
	p->count = 0;
	p->bytes = 0;
	return p->tickets;
}
