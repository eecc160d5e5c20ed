#include "ledger_parts.h"

static void
fill(sqlite3_stmt *st, struct ledger_job *j)
{
	*j = (struct ledger_job){
	    .id = db_text(st, 0),
	    .kind = db_text(st, 1),
	    .service = db_text(st, 2),
	    .dataset = db_text(st, 3),
	    .state = db_text(st, 4),
	    .reason = db_text(st, 5),
	    .actor = db_text(st, 6),
	    .snapshot = db_text(st, 7),
	    .queued = {db_int(st, 8, 0)},
	    .started = {db_int(st, 9, 0)},
	    .ended = {db_int(st, 10, 0)},
	    .attempt = db_int(st, 11, -1),
	    .bytes = db_int(st, 12, -1),
	    .new_bytes = db_int(st, 13, -1),
	    .files = db_int(st, 14, -1),
	};
}

enum err_code
ledger_jobs(struct ledger *l, const struct ledger_job_filter *f,
    ledger_job_fn *fn, void *ctx, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	OWNED(buf_fini) struct buf sql = {0};
	enum err_code rc = buf_printf(&sql, e,
	    "SELECT id, kind, service, dataset, state, reason, actor,"
	    " snapshot, queued_ns, started_ns, ended_ns, attempt, bytes,"
	    " new_bytes, files FROM jobs WHERE 1%s%s%s%s"
	    " ORDER BY first_row DESC LIMIT ?4",
	    f->id != NULL ? " AND id = ?1" : "",
	    f->service != NULL ? " AND service = ?2" : "",
	    f->state != NULL ? " AND state = ?3" : "",
	    f->unfinished ? " AND ended_ns IS NULL" : "");
	bool row = true;
	sqlite3_stmt *st;

	if (rc == ERR_NONE)
		rc = db_keep(&l->db, &k, buf_text(&sql), e);
	if (rc != ERR_NONE)
		return rc;
	st = k.st;
	db_bind_text(st, 1, f->id);
	db_bind_text(st, 2, f->service);
	db_bind_text(st, 3, f->state);
	sqlite3_bind_int64(st, 4, f->limit == 0 ? -1 : (int64_t)f->limit);
	while (rc == ERR_NONE) {
		struct ledger_job j;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		fill(st, &j);
		rc = fn(ctx, &j, e);
	}
	return rc;
}
