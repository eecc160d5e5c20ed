/*
 * Survey: which complete points this site's repository holds.  Needs no key:
 * a standby learns of what it received by looking.
 */

#include "worker.h"
#include "worker_quiesce.h"

#include <string.h>

static void
on_damage(void *ctx, const char *object, const char *what)
{
	worker_log(ctx, WORKER_ERROR, "%s: %s", object, what);
	worker_partial(ctx, "damage: %s: %s", object, what);
}

/* Which dataset each snapshot is of. */
static enum err_code
add_snapshots(struct wire_value *map, struct store *st, const struct point *p,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < p->snapshots_count; i++) {
		OWNED(snapshot_fini) struct snapshot s = {0};
		OWNED(free_mem) char *subtree = NULL;
		char hex[ID_HEX_BYTES];

		rc = snapshot_find(&s, &subtree, st,
		    id_hex(&p->snapshots[i], hex), e);
		if (rc == ERR_NONE)
			wire_add_text(map, s.dataset, hex);
	}
	return rc;
}

static enum err_code
tell(struct worker *w, struct store *st, const struct point *p, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *map = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "point", e);

	if (rc == ERR_NONE)
		rc = wire_new(&map, NULL, e);
	if (rc == ERR_NONE)
		rc = add_snapshots(map, st, p, e);
	if (rc == ERR_NOTFOUND) {
		worker_log(w, WORKER_WARNING, "point %.16s: %s",
		    id_hex(&p->id, hex), e->text);
		return ERR_NONE; /* not complete here: not a point here */
	}
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "point", id_hex(&p->id, hex));
	wire_add_text(v, "service", p->service);
	wire_add_int(v, "at_ns", p->taken.ns);
	wire_add_uint(v, "sequence", p->sequence);
	wire_add(v, "snapshots", &map);
	return worker_send(w, &v, e);
}

/* What comes here from now on is promised what the policy says. */
static enum err_code
promise(struct worker *w, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	const struct policy_service *s = worker_service(w);
	const struct store_options opt = {.access = STORE_WRITE};
	enum err_code rc;

	if (strcmp(s->home, worker_policy(w)->site) == 0)
		return ERR_NONE;
	rc = store_open(&st, worker_site(w)->repository, &opt, e);
	return rc == ERR_NONE
	    ? receipts_promise(st, s->name, s->replicate.immutable_for_ns, e)
	    : rc;
}

/* Signed reasons to keep that say something is wrong: for the alarms. */
static enum err_code
tell_hold(struct worker *w, const struct hold *h, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "hold", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "hold", id_hex(&h->id, hex));
	wire_add_text(v, "why",
	    h->why == HOLD_DIVERGED ? "divergence" : "suspect");
	wire_add_text(v, "dataset", h->label);
	wire_add_text(v, "text", h->reason);
	return worker_send(w, &v, e);
}

static enum err_code
tell_holds(struct worker *w, struct store *st, struct err *e)
{
	OWNED(hold_list_fini) struct hold_list list = {0};
	enum err_code rc = hold_list(&list, st, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if (list.holds[i].why == HOLD_DIVERGED &&
		    strcmp(list.holds[i].service, worker_service(w)->name) == 0)
			rc = tell_hold(w, &list.holds[i], e);
	return rc;
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(point_list_fini) struct point_list list = {0};
	struct store_options opt = {.access = STORE_READ};
	const char *known = wire_take_text(worker_spec(w), "after", "0");
	uint64_t after = 0;
	struct err why = {0};
	enum err_code rc = worker_asked(w, e);

	if (rc != ERR_NONE)
		return rc;
	if (worker_service(w) == NULL ||
	    !text_parse_u64(known, UINT64_MAX, &after))
		return err_set(e, ERR_INPUT, "a survey is of a service");
	worker_quiesce_recover(w, worker_service(w));
	rc = store_open(&st, worker_site(w)->repository, &opt, e);
	if (rc == ERR_NOTFOUND) { /* for the daemon to judge */
		wire_add_text(result, "absent", e->text);
		return ERR_NONE;
	}
	if (rc == ERR_NONE && promise(w, &why) != ERR_NONE)
		worker_log(w, WORKER_WARNING, "nothing is promised: %s",
		    why.text);
	if (rc == ERR_NONE)
		rc = point_list(&list, st, worker_service(w)->name, on_damage,
		    w, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if (list.points[i].sequence > after)
			rc = tell(w, st, &list.points[i], e);
	if (rc == ERR_NONE)
		rc = tell_holds(w, st, e);
	wire_add_uint(result, "points", list.count);
	return rc;
}

const struct worker_kind worker_survey = {"survey", run};
