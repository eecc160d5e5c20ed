#include "ledger_parts.h"

#include <string.h>

static enum err_code
build(const struct ledger_filter *f, struct buf *sql, struct err *e)
{
	const bool backwards = f->newest && f->limit > 0;
	enum err_code rc =
	    buf_add_text(sql, backwards ? "SELECT row, bytes FROM (" : "", e);

	if (rc == ERR_NONE)
		rc = buf_printf(sql, e,
		    "SELECT row, bytes FROM records WHERE row > "
		    "?1%s%s%s%s%s%s%s"
		    " ORDER BY row%s%s%s",
		    f->since.ns != 0 ? " AND at_ns >= ?2" : "",
		    f->until.ns != 0 ? " AND at_ns < ?3" : "",
		    f->chain != NULL ? " AND chain = ?4" : "",
		    f->type != NULL ? " AND type = ?5" : "",
		    f->run != NULL ? " AND run = ?6" : "",
		    f->service != NULL ? " AND service = ?7" : "",
		    f->up_to_row != 0 ? " AND row <= ?9" : "",
		    backwards ? " DESC" : "", f->limit > 0 ? " LIMIT ?8" : "",
		    backwards ? ") ORDER BY row" : "");
	return rc;
}

/* Numbers that the text leaves out are not bound: their index is past the
 * count, or unused, and SQLite's complaint does not matter. */
static void
bind(sqlite3_stmt *st, const struct ledger_filter *f)
{
	sqlite3_bind_int64(st, 1, (int64_t)f->after_row);
	sqlite3_bind_int64(st, 2, f->since.ns);
	sqlite3_bind_int64(st, 3, f->until.ns);
	db_bind_text(st, 4, f->chain);
	db_bind_text(st, 5, f->type);
	db_bind_text(st, 6, f->run);
	db_bind_text(st, 7, f->service);
	sqlite3_bind_int64(st, 8, (int64_t)f->limit);
	sqlite3_bind_int64(st, 9, (int64_t)f->up_to_row);
}

/* Only what is certain of a record that cannot be taken apart. */
static void
bare(sqlite3_stmt *st, struct record *r)
{
	memset(r, 0, sizeof(*r));
	r->row = (uint64_t)db_int(st, 0, 0);
	r->bytes = sqlite3_column_blob(st, 1);
	r->len_bytes = (size_t)sqlite3_column_bytes(st, 1);
}

static enum err_code
walk(struct ledger *l, sqlite3_stmt *st, const struct ledger_filter *f,
    ledger_record_fn *fn, void *ctx, struct err *e)
{
	enum err_code rc;
	bool row;

	for (;;) {
		struct record r;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			return rc;
		rc = ledger_record_at(l, st, &r, e);
		if (rc == ERR_CORRUPT && f->damaged_too) {
			bare(st, &r);
			rc = ERR_NONE;
		}
		if (rc == ERR_NONE)
			rc = fn(ctx, &r, e);
		if (rc != ERR_NONE)
			return rc;
	}
}

enum err_code
ledger_iterate(struct ledger *l, const struct ledger_filter *f,
    ledger_record_fn *fn, void *ctx, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	OWNED(buf_fini) struct buf sql = {0};
	enum err_code rc = build(f, &sql, e);
	sqlite3_stmt *st;

	if (rc == ERR_NONE)
		rc = db_keep(&l->db, &k, buf_text(&sql), e);
	if (rc != ERR_NONE)
		return rc;
	st = k.st;
	bind(st, f);
	return walk(l, st, f, fn, ctx, e);
}
