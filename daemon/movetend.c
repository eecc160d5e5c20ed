/* What comes after a move: the first point that is made, copied and verified. */

#include <string.h>

#include "moves.h"

static bool
is_busy(struct daemon *d, const char *kind, const char *service,
    const char *site)
{
	char lane[160];

	tasks_lane(lane, kind, service, site);
	return schedule_busy(d->schedule, lane);
}

struct tending {
	struct utc since;
	bool made, unverified;
	char id[ID_HEX_BYTES];
};

static enum err_code
take_tended(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct tending *t = ctx;

	(void)e;
	if (p->at.ns <= t->since.ns || t->made)
		return ERR_NONE;
	t->made = true;
	t->unverified = p->verified_level[0] == '\0';
	snprintf(t->id, sizeof(t->id), "%s", p->id);
	return ERR_NONE;
}

/* The newest complete point that is here and was made since then. */
static bool
find_since(struct daemon *d, const char *service, struct utc since,
    struct tending *t)
{
	struct ledger_point_filter f = {.service = service,
	    .at_site = d->policy->site,
	    .complete = true,
	    .limit = 8};
	struct err e;

	*t = (struct tending){.since = since};
	if (ledger_points(d->ledger, &f, take_tended, t, &e) != ERR_NONE)
		note_log(NOTE_ERROR, "%s", e.text);
	return t->made;
}

/* Where the service is: a first point, which then is copied as any other. */
static void
make_first_point(struct daemon *d, struct movebook_item *item, struct utc since)
{
	struct job_request r = {.kind = job_kind_find("backup"),
	    .service = item->m.service,
	    .trigger = "the first point after a move",
	    .once = true};
	struct tending t;
	struct err e;

	if (find_since(d, item->m.service, since, &t) ||
	    is_busy(d, "backup", item->m.service, NULL))
		return;
	if (job_ask(d, &r, NULL, &e) != ERR_NONE)
		moves_complain(item, &e);
}

/* Where it was: what came from there is restored once and compared. */
static void
verify_first_point(struct daemon *d, struct movebook_item *item,
    struct utc since)
{
	struct job_request r = {.kind = job_kind_find("verify"),
	    .service = item->m.service,
	    .trigger = "the first point after a move",
	    .once = true};
	struct tending t;
	struct err e;

	if (!find_since(d, item->m.service, since, &t) || !t.unverified ||
	    is_busy(d, "verify", item->m.service, NULL))
		return;
	if (wire_new(&r.params, NULL, &e) != ERR_NONE)
		return;
	wire_add_text(r.params, "how", "restore");
	wire_add_text(r.params, "point", t.id);
	if (job_ask(d, &r, NULL, &e) != ERR_NONE)
		moves_complain(item, &e);
}

#define TEND_NS NS_PER_S

void
movetend_look(struct daemon *d, struct movebook_item *item)
{
	const struct move *m = &item->m;
	bool is_there = strcmp(d->policy->site, m->to) == 0;
	struct mono now = now_mono();

	if (m->b.fact[MOVE_COMMITTED] == 0 ||
	    m->b.fact[MOVE_REPROTECTED] != 0 ||
	    movebook_newer(&d->moves->book, item) ||
	    now.ns - item->tended.ns < TEND_NS)
		return;
	item->tended = now;
	/* What the loser wrote is kept, and its owner has looked (G18). */
	if (m->mode == GUARDS_UNPLANNED &&
	    (m->a.fact[MOVE_DIVERGENCE] == 0 ||
		(m->a.fact[MOVE_SAY_REPROTECT] == 0 &&
		    m->b.fact[MOVE_SAY_REPROTECT] == 0)))
		return;
	if (is_there)
		make_first_point(d, item, m->b.at[MOVE_COMMITTED]);
	else
		verify_first_point(d, item, m->b.at[MOVE_COMMITTED]);
}
