#include "ledger_parts.h"

#include <string.h>

static enum err_code
judge_head(void *ctx, const struct ledger_head *h, struct err *e)
{
	return proof_head(ctx, h, e);
}

static bool
column_is(sqlite3_stmt *st, int column, const struct record *r,
    const char *field)
{
	struct record_text value = {0};
	const char *text = (const char *)sqlite3_column_text(st, column);
	size_t len = (size_t)sqlite3_column_bytes(st, column);

	record_find(r, field, &value);
	return value.len_bytes == len &&
	    (len == 0 || memcmp(value.at, text, len) == 0);
}

static bool
text_is(sqlite3_stmt *st, int column, struct record_text t)
{
	const void *text = sqlite3_column_text(st, column);

	return (size_t)sqlite3_column_bytes(st, column) == t.len_bytes &&
	    text != NULL && memcmp(text, t.at, t.len_bytes) == 0;
}

/* Which column says something else than the bytes; NULL: none. */
static const char *
false_column(sqlite3_stmt *st, const struct record *r)
{
	struct id hash;

	if (!db_id(st, 2, &hash) || !id_equal(&hash, &r->hash))
		return "hash";
	if (!text_is(st, 3, r->chain))
		return "chain";
	if (db_int(st, 4, -1) != (int64_t)r->sequence)
		return "sequence";
	if (!text_is(st, 5, r->type))
		return "type";
	if (db_int(st, 6, -1) != (int64_t)r->phase)
		return "phase";
	if (db_int(st, 7, INT64_MIN) != r->at.ns)
		return "at_ns";
	if (!column_is(st, 8, r, "@run"))
		return "run";
	if (!column_is(st, 9, r, "@service"))
		return "service";
	if (!column_is(st, 10, r, "@intent"))
		return "intent";
	return NULL;
}

static bool
has_closed(const struct record *r)
{
	struct record_cursor c = {0};
	struct record_field f;

	while (record_next(r, &c, &f))
		if (f.closed)
			return true;
	return false;
}

/* What the database adds to the bytes: nothing that is not in them. */
static enum err_code
judge_columns(struct ledger *l, sqlite3_stmt *st, struct ledger_verdict *v,
    struct err *e)
{
	const char *column;
	struct record r;
	enum err_code rc = ledger_record_at(l, st, &r, e);

	if (rc != ERR_NONE)
		return rc;
	column = false_column(st, &r);
	if (column == NULL && !has_closed(&r))
		return ERR_NONE;
	snprintf(v->chain, sizeof(v->chain), "%.*s", (int)r.chain.len_bytes,
	    r.chain.at);
	v->sequence = r.sequence;
	if (column != NULL)
		return err_set(e, ERR_CORRUPT,
		    "column '%s' differs from the record's bytes", column);
	return err_set(e, ERR_CORRUPT, "a field of it was redacted here");
}

static enum err_code
judge_records(struct ledger *l, struct proof *p, struct ledger_verdict *v,
    struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT row, bytes, hash, chain, sequence, type, phase, at_ns,"
	    " run, service, intent FROM records ORDER BY row",
	    e);
	bool row = true;

	while (rc == ERR_NONE) {
		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		rc = proof_record(p, sqlite3_column_blob(st, 1),
		    (size_t)sqlite3_column_bytes(st, 1), e);
		if (rc == ERR_CORRUPT && v->chain[0] == '\0' &&
		    proof_verdict(p)->chain[0] == '\0') {
			/* Bytes that name nothing: what the columns say. */
			snprintf(v->chain, sizeof(v->chain), "%s",
			    db_text(st, 3));
			v->sequence = (uint64_t)db_int(st, 4, 0);
		}
		if (rc == ERR_NONE)
			rc = judge_columns(l, st, v, e);
	}
	return rc;
}

/* SQLite's own pages, and indexes that must agree with the tables. */
static enum err_code
judge_pages(struct ledger *l, struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc =
	    db_prepare(&l->db, &st, "PRAGMA integrity_check(1)", e);
	bool row = false;

	if (rc == ERR_NONE)
		rc = db_step(&l->db, st, &row, e);
	if (rc == ERR_NONE && row && strcmp(db_text(st, 0), "ok") != 0)
		return err_set(e, ERR_CORRUPT, "the database is damaged: %s",
		    db_text(st, 0));
	return rc;
}

/* The tips, which appending trusts, are the chains' ends. */
static enum err_code
judge_tips(struct ledger *l, struct err *e)
{
	int64_t wrong;
	enum err_code rc = db_number(&l->db,
	    "SELECT (SELECT count(*) FROM tips) !="
	    " (SELECT count(DISTINCT chain) FROM records) OR EXISTS("
	    "SELECT 1 FROM tips t WHERE NOT EXISTS(SELECT 1 FROM records r"
	    " WHERE r.chain = t.chain AND r.sequence = t.sequence"
	    " AND r.hash = t.hash) OR EXISTS(SELECT 1 FROM records r"
	    " WHERE r.chain = t.chain AND r.sequence > t.sequence))",
	    &wrong, 0, e);

	if (rc == ERR_NONE && wrong != 0)
		return err_set(e, ERR_CORRUPT,
		    "a chain's tip is not its last record");
	return rc;
}

/* Everything that is read as one moment, whatever is appended meanwhile. */
static enum err_code
judge_all(struct ledger *l, struct proof *p, struct ledger_verdict *v,
    struct err *e)
{
	struct err ignored;
	enum err_code rc = db_exec(&l->db, "BEGIN", e);

	if (rc == ERR_NONE)
		rc = ledger_heads(l, 1, judge_head, p, e);
	if (rc == ERR_NONE)
		rc = judge_records(l, p, v, e);
	if (rc == ERR_NONE)
		rc = proof_end(p, e);
	if (rc == ERR_NONE)
		rc = judge_tips(l, e);
	if (rc == ERR_NONE)
		rc = judge_pages(l, e);
	if (!sqlite3_get_autocommit(l->db.handle) &&
	    db_exec(&l->db, "ROLLBACK", &ignored) != ERR_NONE)
		return rc;
	return rc;
}

enum err_code
ledger_verify(struct ledger *l, const struct sign_public *key,
    struct ledger_verdict *v, struct err *e)
{
	OWNED(proof_free) struct proof *p = NULL;
	struct proof_options options = {.key = key};
	struct ledger_verdict found = {0};
	enum err_code rc;

	memset(v, 0, sizeof(*v));
	rc = proof_new(&p, &options, e);
	if (rc != ERR_NONE)
		return rc;
	rc = judge_all(l, p, &found, e);
	*v = *proof_verdict(p);
	if (rc != ERR_CORRUPT)
		return rc;
	if (found.chain[0] != '\0') {
		memcpy(v->chain, found.chain, sizeof(v->chain));
		v->sequence = found.sequence;
	}
	v->bad = true;
	snprintf(v->what, sizeof(v->what), "%s", e->text);
	return ERR_NONE;
}
