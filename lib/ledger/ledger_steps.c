#include "ledger_parts.h"

static void
fill(sqlite3_stmt *st, struct ledger_step *s)
{
	*s = (struct ledger_step){
	    .run = db_text(st, 0),
	    .step = db_text(st, 1),
	    .kind = db_text(st, 2),
	    .state = db_text(st, 3),
	    .reason = db_text(st, 4),
	    .output_hash = db_text(st, 5),
	    .site = db_text(st, 6),
	    .host = db_text(st, 7),
	    .started = {db_int(st, 8, 0)},
	    .ended = {db_int(st, 9, 0)},
	    .planned_ns = db_int(st, 10, -1),
	    .attempt = db_int(st, 11, -1),
	    .exit_status = db_int(st, 12, -1),
	};
}

enum err_code
ledger_steps(struct ledger *l, const char *run, ledger_step_fn *fn, void *ctx,
    struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT run, step, kind, state, reason, output_hash, site, host,"
	    " started_ns, ended_ns, planned_ns, attempt, exit FROM steps"
	    " WHERE run = ? ORDER BY first_row",
	    e);
	bool row = true;

	if (rc != ERR_NONE)
		return rc;
	db_bind_text(st, 1, run);
	while (rc == ERR_NONE) {
		struct ledger_step s;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		fill(st, &s);
		rc = fn(ctx, &s, e);
	}
	return rc;
}
