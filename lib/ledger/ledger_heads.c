#include "ledger_parts.h"

enum err_code
ledger_heads(struct ledger *l, uint64_t from, ledger_head_fn *fn, void *ctx,
    struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT bytes, signer, signature, number FROM heads"
	    " WHERE number >= ? ORDER BY number",
	    e);
	bool row = true;

	if (rc == ERR_NONE)
		sqlite3_bind_int64(st, 1, (int64_t)from);
	while (rc == ERR_NONE) {
		struct ledger_head h;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		h.bytes = sqlite3_column_blob(st, 0);
		h.len_bytes = (size_t)sqlite3_column_bytes(st, 0);
		h.signer = sqlite3_column_blob(st, 1);
		h.signature = sqlite3_column_blob(st, 2);
		if (h.bytes == NULL ||
		    sqlite3_column_bytes(st, 1) != SIGN_PUBLIC_BYTES ||
		    sqlite3_column_bytes(st, 2) != SIGN_BYTES)
			return err_set(e, ERR_CORRUPT,
			    "head %lld of the ledger '%s' is cut short",
			    (long long)db_int(st, 3, 0), l->path);
		rc = fn(ctx, &h, e);
	}
	return rc;
}
