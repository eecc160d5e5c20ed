#include "ledger_parts.h"

static void
fill(sqlite3_stmt *st, struct ledger_exercise *x)
{
	*x = (struct ledger_exercise){
	    .run = db_text(st, 0),
	    .service = db_text(st, 1),
	    .mode = db_text(st, 2),
	    .state = db_text(st, 3),
	    .result = db_text(st, 4),
	    .reason = db_text(st, 5),
	    .point = db_text(st, 6),
	    .actor = db_text(st, 7),
	    .requested = {db_int(st, 8, 0)},
	    .ended = {db_int(st, 9, 0)},
	    .rta_ns = db_int(st, 10, -1),
	    .rto_ns = db_int(st, 11, -1),
	    .rpa_ns = db_int(st, 12, -1),
	    .rpo_ns = db_int(st, 13, -1),
	};
}

enum err_code
ledger_exercises(struct ledger *l, const struct ledger_exercise_filter *f,
    ledger_exercise_fn *fn, void *ctx, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	OWNED(buf_fini) struct buf sql = {0};
	enum err_code rc = buf_printf(&sql, e,
	    "SELECT run, service, mode, state, result, reason, point, actor,"
	    " requested_ns, ended_ns, rta_ns, rto_ns, rpa_ns, rpo_ns"
	    " FROM exercises WHERE 1%s%s%s ORDER BY first_row DESC LIMIT ?4",
	    f->run != NULL ? " AND run = ?1" : "",
	    f->service != NULL ? " AND service = ?2" : "",
	    f->mode != NULL ? " AND mode = ?3" : "");
	bool row = true;
	sqlite3_stmt *st;

	if (rc == ERR_NONE)
		rc = db_keep(&l->db, &k, buf_text(&sql), e);
	if (rc != ERR_NONE)
		return rc;
	st = k.st;
	db_bind_text(st, 1, f->run);
	db_bind_text(st, 2, f->service);
	db_bind_text(st, 3, f->mode);
	sqlite3_bind_int64(st, 4, f->limit == 0 ? -1 : (int64_t)f->limit);
	while (rc == ERR_NONE) {
		struct ledger_exercise x;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		fill(st, &x);
		rc = fn(ctx, &x, e);
	}
	return rc;
}
