/*
 * The recovery point of a move, as this site has it: which one, pinned, its
 * snapshots; and which one a phase's record names.
 */

#include <string.h>

#include "moves.h"

struct choosing {
	const char *wanted;
	char id[ID_HEX_BYTES];
};

/* Newest first. */
static enum err_code
choose(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct choosing *c = ctx;

	(void)e;
	if (c->id[0] == '\0' &&
	    (c->wanted[0] == '\0'
		    ? !p->suspect
		    : strncmp(p->id, c->wanted, strlen(c->wanted)) == 0))
		snprintf(c->id, sizeof(c->id), "%s", p->id);
	return ERR_NONE;
}

enum err_code
movepoint_find(struct daemon *d, const struct move *m, char id[ID_HEX_BYTES],
    struct err *e)
{
	const char *known = m->mode == GUARDS_PLANNED
	    ? m->a.point
	    : moves_side(m, d->policy->site)->point;
	struct choosing c = {.wanted = known[0] != '\0' ? known : m->point};
	struct ledger_point_filter f = {.service = m->service,
	    .at_site = d->policy->site,
	    .complete = true};
	enum err_code rc = ledger_points(d->ledger, &f, choose, &c, e);

	/* what was compared here a moment ago is surveyed in a moment */
	if (rc == ERR_NONE && c.id[0] == '\0' && known[0] != '\0')
		snprintf(c.id, sizeof(c.id), "%.64s", known);
	if (rc == ERR_NONE && c.id[0] == '\0' && c.wanted[0] != '\0')
		rc = err_set(e, ERR_NOTFOUND,
		    "the chosen point %.16s of '%s' is not whole here: if it "
		    "does not come, abort, and ask for another point",
		    c.wanted, m->service);
	else if (rc == ERR_NONE && c.id[0] == '\0')
		rc = err_set(e, ERR_NOTFOUND,
		    "there is no complete recovery point of '%s' here: abort, "
		    "or see that one comes",
		    m->service);
	snprintf(id, ID_HEX_BYTES, "%s", c.id);
	return rc;
}

static enum err_code
hold_point(struct daemon *d, const struct move *m, const char *point,
    struct err *e)
{
	OWNED(draft_free) struct draft *draft = NULL;
	enum err_code rc = note_draft(&draft, d, m->service, LEDGER_POINT, e);

	if (rc != ERR_NONE)
		return rc;
	draft_run(draft, m->run);
	draft_text(draft, "point", point);
	draft_text(draft, "site", m->from); /* this may be its first record */
	draft_uint(draft, "held", 1);
	draft_text(draft, "why", "pre-failover");
	return note_event(d, draft, e);
}

enum err_code
movepoint_pin(struct daemon *d, struct movebook_item *item, struct err *e)
{
	struct ledger_point_filter f = {.service = item->m.service,
	    .at_site = d->policy->site,
	    .complete = true,
	    .limit = 1};
	struct choosing newest = {.wanted = ""};
	enum err_code rc = movepoint_find(d, &item->m, item->work.point, e);

	if (rc == ERR_NONE)
		rc = ledger_points(d->ledger, &f, choose, &newest, e);
	if (rc == ERR_NONE)
		rc = hold_point(d, &item->m, item->work.point, e);
	if (rc == ERR_NONE && newest.id[0] != '\0' &&
	    strcmp(newest.id, item->work.point) != 0)
		rc = hold_point(d, &item->m, newest.id, e);
	return rc;
}

void
movepoint_take_made(struct daemon *d, struct movebook_item *item)
{
	struct ledger_point_filter f = {.service = item->m.service,
	    .at_site = d->policy->site,
	    .complete = true,
	    .limit = 1};
	struct choosing c = {.wanted = ""};
	struct err e;

	if (ledger_points(d->ledger, &f, choose, &c, &e) != ERR_NONE)
		moves_complain(item, &e);
	snprintf(item->work.point, sizeof(item->work.point), "%s", c.id);
}

/* --- in records --------------------------------------------------------------- */

struct snapshots {
	struct draft *draft;
};

static enum err_code
add_point_snapshots(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct snapshots *s = ctx;

	(void)e;
	for (const char *at = p->snapshots; at != NULL && *at != '\0';) {
		size_t len = strcspn(at, "\n");
		char name[LEDGER_NAME_BYTES_MAX + 1], hex[ID_HEX_BYTES];

		if (len > sizeof(hex)) { /* "DATASET SNAPSHOT" */
			memcpy(hex, at + len - (sizeof(hex) - 1),
			    sizeof(hex) - 1);
			hex[sizeof(hex) - 1] = '\0';
			snprintf(name, sizeof(name), "snapshot.%.*s",
			    (int)(len - sizeof(hex)), at);
			draft_text(s->draft, name, hex);
		}
		at += len + (at[len] == '\n');
	}
	return ERR_NONE;
}

enum err_code
movepoint_add_snapshots(struct draft *draft, struct daemon *d,
    const char *point, struct err *e)
{
	struct snapshots s = {draft};
	struct ledger_point_filter f = {.id = point};

	return ledger_points(d->ledger, &f, add_point_snapshots, &s, e);
}

struct outcome_point {
	const char *act;
	char *id;
};

static enum err_code
take_outcome_point(void *ctx, const struct record *r, struct err *e)
{
	struct outcome_point *o = ctx;
	char event[32];

	(void)e;
	if (r->phase == RECORD_OUTCOME &&
	    strcmp(record_text(r, "event", event, sizeof(event)), o->act) == 0)
		record_text(r, "point", o->id, ID_HEX_BYTES);
	return ERR_NONE;
}

/* The point that the newest outcome of that act names. */
static enum err_code
point_of_act(struct daemon *d, const struct move *m, enum move_act act,
    char id[ID_HEX_BYTES], struct err *e)
{
	struct outcome_point o = {move_act_name(act), id};
	struct ledger_filter f = {.type = LEDGER_FAILOVER,
	    .run = m->run,
	    .service = m->service};

	return ledger_iterate(d->ledger, &f, take_outcome_point, &o, e);
}

enum err_code
movepoint_of_phase(struct daemon *d, const struct movebook_item *item,
    char id[ID_HEX_BYTES], struct err *e)
{
	id[0] = '\0';
	switch (item->turn.event) {
	case MOVE_EQUAL:
		snprintf(id, ID_HEX_BYTES, "%.64s", item->m.a.point);
		return ERR_NONE;
	case MOVE_SYNCED: return point_of_act(d, &item->m, MOVE_SYNC, id, e);
	case MOVE_CAPTURED:
	case MOVE_DIVERGENCE:
		return point_of_act(d, &item->m, MOVE_CAPTURE, id, e);
	case MOVE_TAKEN:
	case MOVE_PROVISIONAL:
	case MOVE_RAN:
		if (strcmp(d->policy->site, item->m.to) == 0)
			return movepoint_find(d, &item->m, id, e);
		return ERR_NONE;
	default: return ERR_NONE;
	}
}
