/*
 * A window of the walk, put into the order in which its content was stored:
 * whatever shares a frame goes to one worker, which opens it once.  Without
 * content of their own, entries stay beside the one walked before them.
 */

#include "restore.h"

#include <string.h>

#define TICKETS_MAX 16384 /* twice what a frame may well hold */
#define BYTES_MAX   ((uint64_t)64 << 20)

struct restore_plan {
	struct store *store;
	struct restore_ticket *tickets; /* the taken ones, then count */
	size_t taken, count, size;
	uint64_t bytes;
	struct place last; /* where the walk is */
};

enum err_code
restore_plan_new(struct restore_plan **out, struct store *st, struct err *e)
{
	struct restore_plan *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (p == NULL)
		return err_nomem(e);
	p->store = st;
	*out = p;
	return ERR_NONE;
}

void
restore_plan_free(struct restore_plan **pp, struct restore_tools *t)
{
	struct restore_plan *p = TAKE(*pp);

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		restore_file_end_task(t, &p->tickets[p->taken + i].task);
	free(p->tickets);
	free(p);
}

bool
restore_plan_is_full(const struct restore_plan *p)
{
	return p->count == TICKETS_MAX || p->bytes >= BYTES_MAX;
}

/* What was taken is the caller's: its place is free. */
static void
close_up(struct restore_plan *p)
{
	if (p->taken > 0 && p->count > 0)
		memmove(p->tickets, p->tickets + p->taken,
		    p->count * sizeof(*p->tickets));
	p->taken = 0;
}

static enum err_code
make_room(struct restore_plan *p, struct err *e)
{
	size_t size = p->size * 2 + 512;
	struct restore_ticket *more;

	close_up(p);
	if (p->count < p->size)
		return ERR_NONE;
	more = realloc(p->tickets, size * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	p->tickets = more;
	p->size = size;
	return ERR_NONE;
}

/* A worker will say what is wrong. */
static void
locate(struct restore_plan *p, const struct content_piece *piece,
    struct place *out)
{
	struct err ignored;

	if (store_locate(p->store, &piece->id, out, &ignored) != ERR_NONE)
		*out = p->last;
}

enum err_code
restore_plan_add(struct restore_plan *p, const struct content *c,
    uint64_t bytes, struct restore_task **task, struct err *e)
{
	const size_t pieces_count = c != NULL ? c->pieces_count : 0;
	struct restore_ticket *t;
	enum err_code rc;

	*task = NULL;
	ASSERT(!restore_plan_is_full(p));
	rc = make_room(p, e);
	if (rc != ERR_NONE)
		return rc;
	t = &p->tickets[p->count];
	*t = (struct restore_ticket){.bytes = bytes, .walked = p->count++};
	if (pieces_count > 0)
		locate(p, &c->pieces[0], &p->last);
	t->place = p->last;
	if (pieces_count > 1)
		locate(p, &c->pieces[pieces_count - 1], &p->last);
	t->end = p->last;
	p->bytes += bytes;
	*task = &t->task;
	return ERR_NONE;
}

static int
compare(const struct place *a, const struct place *b)
{
	if (a->pack != b->pack)
		return a->pack < b->pack ? -1 : 1;
	return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static int
order(const void *va, const void *vb)
{
	const struct restore_ticket *a = va, *b = vb;
	const int places = compare(&a->place, &b->place);

	if (a->held != b->held)
		return a->held ? 1 : -1;
	return places != 0 ? places
			   : (a->walked > b->walked) - (a->walked < b->walked);
}

bool
restore_plan_is_border(const struct restore_ticket *before,
    const struct restore_ticket *now)
{
	return compare(&before->end, &now->place) != 0;
}

/* Those of the frame that the walk is in are held, unless they are too many. */
static size_t
hold(struct restore_plan *p)
{
	uint64_t bytes = 0;
	size_t held = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct restore_ticket *t = &p->tickets[i];

		t->held = compare(&t->end, &p->last) == 0;
		held += t->held;
		bytes += t->held ? t->bytes : 0;
	}
	if (held <= p->count / 2 && held <= TICKETS_MAX / 2 &&
	    bytes <= BYTES_MAX / 2)
		return held;
	for (size_t i = 0; i < p->count; i++)
		p->tickets[i].held = false;
	return 0;
}

struct restore_ticket *
restore_plan_take(struct restore_plan *p, bool more, size_t *count)
{
	size_t held;

	close_up(p);
	held = more ? hold(p) : 0;
	if (p->count > 1)
		qsort(p->tickets, p->count, sizeof(*p->tickets), order);
	p->taken = *count = p->count - held;
	p->count = held;
	p->bytes = 0;
	for (size_t i = 0; i < held; i++) {
		struct restore_ticket *t = &p->tickets[p->taken + i];

		p->bytes += t->bytes;
		t->walked = i;
		t->held = false;
	}
	return p->tickets;
}

unsigned
restore_plan_dirs_count(const struct restore_plan *p)
{
	unsigned count = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct restore_ticket *t = &p->tickets[p->taken + i];

		count += i == 0 || t->task.dir != t[-1].task.dir;
	}
	return count;
}
