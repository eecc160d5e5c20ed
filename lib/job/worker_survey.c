/*
 * Survey: which complete points this site's repository holds.  Needs no key:
 * a standby learns of what it received by looking.
 */

#include "worker.h"
#include "worker_quiesce.h"

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

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	OWNED(point_list_fini) struct point_list list = {0};
	struct store_options opt = {.access = STORE_READ};
	const char *known = wire_take_text(worker_spec(w), "after", "0");
	uint64_t after = 0;
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
	if (rc == ERR_NONE)
		rc = point_list(&list, st, worker_service(w)->name, on_damage,
		    w, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if (list.points[i].sequence > after)
			rc = tell(w, st, &list.points[i], e);
	wire_add_uint(result, "points", list.count);
	return rc;
}

const struct worker_kind worker_survey = {"survey", run};
