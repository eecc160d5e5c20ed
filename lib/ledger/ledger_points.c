#include "ledger_parts.h"

#include <stdlib.h>

#include "schema.h"
#include "view.h"

/* A point's own site has it as soon as it is complete. */
#define AT_SITE                                                      \
	" AND ((complete = 1 AND site = ?3) OR EXISTS(SELECT 1 FROM" \
	" point_sites s WHERE s.point = p.id AND s.site = ?3))"

static void
fill(sqlite3_stmt *st, struct ledger_point *p)
{
	*p = (struct ledger_point){
	    .id = db_text(st, 0),
	    .service = db_text(st, 1),
	    .site = db_text(st, 2),
	    .at = {db_int(st, 3, 0)},
	    .sequence = db_int(st, 4, -1),
	    .complete = db_int(st, 5, 0) != 0,
	    .suspect = db_int(st, 6, 0) != 0,
	    .held = db_int(st, 7, 0) != 0,
	    .verified_level = db_text(st, 8),
	    .verified_at = {db_int(st, 9, 0)},
	    .tested_run = db_text(st, 10),
	    .tested_at = {db_int(st, 11, 0)},
	    .sites = db_text(st, 12),
	    .snapshots = db_text(st, 13),
	    .row = (uint64_t)db_int(st, 14, 0),
	};
}

static enum err_code
build(const struct ledger_point_filter *f, struct buf *sql, struct err *e)
{
	return buf_printf(sql, e,
	    "SELECT id, service, site, at_ns, sequence, complete, suspect,"
	    " held, verified_level, verified_ns, tested_run, tested_ns,"
	    " (SELECT group_concat(site, ' ') FROM (SELECT p.site AS site"
	    "  WHERE p.complete = 1 UNION SELECT s.site FROM point_sites s"
	    "  WHERE s.point = p.id ORDER BY 1)),"
	    " (SELECT group_concat(dataset || ' ' || snapshot, char(10))"
	    "  FROM (SELECT dataset, snapshot FROM point_snapshots n"
	    "  WHERE n.point = p.id ORDER BY dataset)), first_row"
	    " FROM points p WHERE 1%s%s%s%s%s"
	    " ORDER BY at_ns DESC, first_row DESC LIMIT ?4",
	    f->id != NULL ? " AND id = ?1" : "",
	    f->service != NULL ? " AND service = ?2" : "",
	    f->at_site != NULL ? AT_SITE : "",
	    f->complete ? " AND complete = 1" : "",
	    f->as_of.ns != 0 ? " AND at_ns <= ?5" : "");
}

/* As the views have it; as_of: of these, the points there were by then. */
static enum err_code
list(struct ledger *l, const struct ledger_point_filter *f, ledger_point_fn *fn,
    void *ctx, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	OWNED(buf_fini) struct buf sql = {0};
	enum err_code rc = build(f, &sql, e);
	sqlite3_stmt *st;
	bool row = true;

	if (rc == ERR_NONE)
		rc = db_keep(&l->db, &k, buf_text(&sql), e);
	if (rc != ERR_NONE)
		return rc;
	st = k.st;
	db_bind_text(st, 1, f->id);
	db_bind_text(st, 2, f->service);
	db_bind_text(st, 3, f->at_site);
	sqlite3_bind_int64(st, 4, f->limit == 0 ? -1 : (int64_t)f->limit);
	sqlite3_bind_int64(st, 5, f->as_of.ns);
	while (rc == ERR_NONE) {
		struct ledger_point p;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		fill(st, &p);
		rc = fn(ctx, &p, e);
	}
	return rc;
}

/*
 * --- as it was -----------------------------------------------------------------
 * The views of the records up to an instant, in a database in memory.  Only the
 * newest points are asked about, of many years: their records alone are worked
 * in.  What a point is complete for, or has reached, it never loses again: so
 * those that match by now hold all that matched then.
 */

struct past {
	struct ledger *views;
	uint64_t first_row, count; /* of the points that may be among them */
	uint64_t found;
};

static enum err_code
open_views(struct ledger **out, struct err *e)
{
	OWNED(ledger_close) struct ledger *l = calloc(1, sizeof(*l));
	enum err_code rc;

	if (l == NULL)
		return err_nomem(e);
	rc = db_open(&l->db,
	    ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL, e);
	if (rc == ERR_NONE)
		rc = schema_prepare(&l->db, e);
	if (rc == ERR_NONE)
		*out = TAKE(l);
	return rc;
}

static enum err_code
add_candidate(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct past *x = ctx;
	struct db *db = &x->views->db;
	OWNED(db_let_go) struct db_kept k = {0};
	enum err_code rc = db_keep(db, &k,
	    "INSERT INTO points(id, first_row) VALUES(?1, ?2)", e);

	if (rc != ERR_NONE)
		return rc;
	db_bind_text(k.st, 1, p->id);
	sqlite3_bind_int64(k.st, 2, (int64_t)p->row);
	if (x->count++ == 0 || p->row < x->first_row)
		x->first_row = p->row;
	return db_run(db, k.st, e);
}

static enum err_code
add_record(void *ctx, const struct record *r, struct err *e)
{
	struct past *x = ctx;
	OWNED(db_let_go) struct db_kept k = {0};
	struct record_text point = {0};
	bool is_candidate = false;
	enum err_code rc;

	if (!record_find(r, "point", &point))
		return ERR_NONE;
	rc =
	    db_keep(&x->views->db, &k, "SELECT 1 FROM points WHERE id = ?1", e);
	if (rc != ERR_NONE)
		return rc;
	db_bind_record_text(k.st, 1, point);
	rc = db_step(&x->views->db, k.st, &is_candidate, e);
	return rc == ERR_NONE && is_candidate ? view_apply(&x->views->db, r, e)
					      : rc;
}

static enum err_code
fill_views(struct past *x, struct ledger *l,
    const struct ledger_point_filter *f, struct err *e)
{
	struct ledger_filter records = {.type = LEDGER_POINT,
	    .service = f->service,
	    .until = {f->as_of.ns + 1}};
	enum err_code rc = db_begin(&x->views->db, e);

	if (rc != ERR_NONE)
		return rc;
	rc = list(l, f, add_candidate, x, e);
	records.after_row = x->first_row > 0 ? x->first_row - 1 : 0;
	if (rc == ERR_NONE && x->count > 0)
		rc = ledger_iterate(l, &records, add_record, x, e);
	/* Their first word came later. */
	if (rc == ERR_NONE)
		rc = db_exec(&x->views->db,
		    "DELETE FROM points WHERE at_ns IS NULL", e);
	return db_commit(&x->views->db, rc, e);
}

static enum err_code
count_one(void *ctx, const struct ledger_point *p, struct err *e)
{
	struct past *x = ctx;

	(void)p;
	(void)e;
	x->found++;
	return ERR_NONE;
}

/* More are looked at until there are enough, or no more. */
static enum err_code
list_past(struct ledger *l, const struct ledger_point_filter *f,
    ledger_point_fn *fn, void *ctx, struct err *e)
{
	struct ledger_point_filter look = *f;

	for (;;) {
		OWNED(ledger_close) struct ledger *views = NULL;
		struct past x = {0};
		enum err_code rc = open_views(&views, e);

		x.views = views;
		if (rc == ERR_NONE)
			rc = fill_views(&x, l, &look, e);
		if (rc == ERR_NONE)
			rc = list(views, f, count_one, &x, e);
		if (rc != ERR_NONE)
			return rc;
		if (look.limit == 0 || x.found >= f->limit ||
		    x.count < look.limit)
			return list(views, f, fn, ctx, e);
		look.limit *= 4;
	}
}

enum err_code
ledger_points(struct ledger *l, const struct ledger_point_filter *f,
    ledger_point_fn *fn, void *ctx, struct err *e)
{
	return f->as_of.ns == 0 ? list(l, f, fn, ctx, e)
				: list_past(l, f, fn, ctx, e);
}

enum err_code
ledger_points_reached(struct ledger *l, const char *point, const char *site,
    struct utc *at, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	enum err_code rc = db_keep(&l->db, &k,
	    "SELECT at_ns FROM point_sites WHERE point = ?1 AND site = ?2", e);
	bool row = false;

	at->ns = 0;
	if (rc != ERR_NONE)
		return rc;
	db_bind_text(k.st, 1, point);
	db_bind_text(k.st, 2, site);
	rc = db_step(&l->db, k.st, &row, e);
	if (rc == ERR_NONE && row)
		at->ns = db_int(k.st, 0, 0);
	return rc;
}
