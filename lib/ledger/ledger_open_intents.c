#include "ledger_parts.h"

enum err_code
ledger_open_intents(struct ledger *l, ledger_record_fn *fn, void *ctx,
    struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT r.row, r.bytes FROM intents i JOIN records r"
	    " ON r.row = i.row ORDER BY r.row",
	    e);
	bool row = true;

	while (rc == ERR_NONE) {
		struct record r;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		rc = ledger_record_at(l, st, &r, e);
		if (rc == ERR_NONE)
			rc = fn(ctx, &r, e);
	}
	return rc;
}
