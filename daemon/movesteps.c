/* The steps of a move's plan at this site, by the records. */

#include "movesteps.h"

#include <stdlib.h>
#include <string.h>

#include "moves.h"

#define STEPS_MAX 2048

void
movesteps_fini(struct movesteps *k)
{
	free(k->items);
	*k = (struct movesteps){0};
}

static enum err_code
set_step(struct movesteps *k, const char *step, const char *state,
    int64_t attempt, struct err *e)
{
	size_t at = 0;

	while (at < k->count && strcmp(k->items[at].step, step) != 0)
		at++;
	if (at < k->count) { /* the order is that of their ends */
		memmove(&k->items[at], &k->items[at + 1],
		    (k->count - at - 1) * sizeof(k->items[0]));
		k->count--;
	}
	if (k->count == k->size) {
		size_t size = k->size == 0 ? 32 : 2 * k->size;
		void *more = k->size >= STEPS_MAX
		    ? NULL
		    : realloc(k->items, size * sizeof(*k->items));

		if (more == NULL)
			return err_nomem(e);
		k->items = more;
		k->size = size;
	}
	snprintf(k->items[k->count].step, sizeof(k->items[0].step), "%s", step);
	k->items[k->count].state = state;
	k->items[k->count++].attempt = attempt;
	return ERR_NONE;
}

/* Of an undo: done is undone, anything else leaves what it was undoing. */
static const char *
state_of(const struct record *r, const char *kind, const char *state)
{
	static const char *const plain[] = {"done", "skipped", "failed",
	    "undone"};

	if (strcmp(kind, "undo") == 0)
		return strcmp(state, "undone") == 0 ||
			strcmp(state, "done") == 0
		    ? "undone"
		    : NULL;
	if (r->phase == RECORD_INTENT)
		return "uncertain";
	if (strcmp(state, "retry") == 0) /* a person's word, before the next */
		return "failed";
	for (size_t i = 0; i < COUNT_OF(plain); i++)
		if (strcmp(state, plain[i]) == 0)
			return plain[i];
	return "uncertain";
}

/* Fences and hooks leave records of their own kinds. */
static bool
is_of_plan(const char *kind)
{
	static const char *const others[] = {"fence", "prove", "quiesce",
	    "resume", "isolation"};

	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (strcmp(kind, others[i]) == 0)
			return false;
	return true;
}

static enum err_code
take_step(void *ctx, const struct record *r, struct err *e)
{
	struct movesteps *k = ctx;
	char step[64], kind[16], state[16];
	int64_t attempt = record_int(r, "attempt", 0);
	const char *now;

	record_text(r, "step", step, sizeof(step));
	record_text(r, "kind", kind, sizeof(kind));
	record_text(r, "state", state, sizeof(state));
	if (step[0] == '\0' || !is_of_plan(kind))
		return ERR_NONE;
	now = state_of(r, kind, state);
	return now == NULL ? ERR_NONE : set_step(k, step, now, attempt, e);
}

enum err_code
movesteps_read(struct movesteps *out, struct daemon *d, const char *run,
    const char *service, struct err *e)
{
	const struct movebook_item *item =
	    movebook_find(&d->moves->book, run, service);
	struct ledger_filter f = {.type = LEDGER_STEP,
	    .run = run,
	    .service = service};

	if (item != NULL) /* (MS1) */
		f.after_row = moves_side(&item->m, d->policy->site)
				  ->fact[MOVE_PROVISIONAL];
	return ledger_iterate(d->ledger, &f, take_step, out, e);
}

/* --- may it start? -------------------------------------------------------------- */

/*
 * Is it the plan that brings it up here?  What ran here and was only stopped is
 * resumed, on data that are whole; and whoever takes its own data up again
 * restores nothing.
 */
static bool
is_planned_here(const struct move *m, const char *here)
{
	uint64_t ran = m->b.fact[MOVE_RAN];

	return strcmp(m->to, here) == 0 &&
	    (ran == 0 || m->b.intent[MOVE_UNDO] > ran);
}

/* Not yet, in words; NULL: it has ended, as well as it is to. */
static const char *
why_not(const struct movesteps *k, const char *step)
{
	for (size_t i = 0; i < k->count; i++) {
		if (strcmp(k->items[i].step, step) != 0)
			continue;
		if (strcmp(k->items[i].state, "done") == 0 ||
		    strcmp(k->items[i].state, "skipped") == 0)
			return NULL;
		return strcmp(k->items[i].state, "uncertain") == 0
		    ? "has begun and not ended"
		    : "has failed";
	}
	return "is to come";
}

static bool
is_walked(const struct daemon *d, const struct movebook_item *item,
    const struct policy_step *step)
{
	return (step->modes & moves_mode_bit(item->m.mode)) != 0 &&
	    policy_step_is_for(d->policy, step, d->policy->site);
}

static enum err_code
refuse(const struct movebook_item *item, const char *steps, size_t left,
    struct err *e)
{
	err_set(e, ERR_BUSY,
	    "run %s brings it up here and has not restored all of its data: "
	    "%s%s; the run's own plan starts it after that",
	    item->m.run, steps, left > 3 ? ", and others" : "");
	return err_hint(e,
	    "how far it is, and whether it waits for somebody: bascule "
	    "failover show %s",
	    item->m.run);
}

static enum err_code
are_restored(const struct daemon *d, const struct movebook_item *item,
    const struct daemon_service *s, const struct movesteps *k, struct err *e)
{
	char steps[400] = "";
	size_t left = 0, used = 0;

	for (size_t i = 0; i < s->policy->step_count; i++) {
		const struct policy_step *step = &s->policy->plan[i];
		const char *why = step->kind == POLICY_STEP_RESTORE &&
			is_walked(d, item, step)
		    ? why_not(k, step->name)
		    : NULL;

		if (why == NULL || left++ >= 3)
			continue;
		used += (size_t)snprintf(steps + used, sizeof(steps) - used,
		    "%sstep '%s' %s", used == 0 ? "" : ", ", step->name, why);
	}
	return left == 0 ? ERR_NONE : refuse(item, steps, left, e);
}

enum err_code
movesteps_may_start(struct daemon *d, const struct daemon_service *s,
    struct err *e)
{
	OWNED(movesteps_fini) struct movesteps k = {0};
	const struct authority *a = &s->authority;
	const struct movebook_item *item;
	enum err_code rc = authority_may_start(a, d->policy->site, e);

	if (rc != ERR_NONE || !moves_bring_up(d, s))
		return rc;
	item = movebook_find(&d->moves->book, a->run, s->policy->name);
	if (item == NULL || !is_planned_here(&item->m, d->policy->site))
		return ERR_NONE;
	/* Before PROVISIONAL is on record the steps are those of before. */
	if (item->m.b.epoch_of[MOVE_PROVISIONAL] == a->epoch)
		rc = movesteps_read(&k, d, a->run, s->policy->name, e);
	return rc == ERR_NONE ? are_restored(d, item, s, &k, e) : rc;
}
