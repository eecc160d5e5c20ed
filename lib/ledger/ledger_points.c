#include "ledger_parts.h"

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
	    "  WHERE n.point = p.id ORDER BY dataset))"
	    " FROM points p WHERE 1%s%s%s%s"
	    " ORDER BY at_ns DESC, first_row DESC LIMIT ?4",
	    f->id != NULL ? " AND id = ?1" : "",
	    f->service != NULL ? " AND service = ?2" : "",
	    f->at_site != NULL ? AT_SITE : "",
	    f->complete ? " AND complete = 1" : "");
}

enum err_code
ledger_points(struct ledger *l, const struct ledger_point_filter *f,
    ledger_point_fn *fn, void *ctx, struct err *e)
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
