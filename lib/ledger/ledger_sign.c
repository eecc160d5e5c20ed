#include "ledger_parts.h"

#include <string.h>

enum err_code
ledger_sign_tips(struct ledger *l, struct head *h, struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT sequence, hash, chain FROM tips ORDER BY chain", e);
	bool row = true;

	while (rc == ERR_NONE) {
		struct head_tip *t = &h->tips[h->tips_count];

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			return rc;
		if (h->tips_count == LEDGER_CHAINS_MAX)
			return err_set(e, ERR_INPUT,
			    "more than %d chains in the ledger '%s'",
			    LEDGER_CHAINS_MAX, l->path);
		t->sequence = (uint64_t)db_int(st, 0, 0);
		if (!db_id(st, 1, &t->hash))
			return err_set(e, ERR_CORRUPT,
			    "the ledger '%s' has a damaged tip", l->path);
		snprintf(t->chain, sizeof(t->chain), "%s", db_text(st, 2));
		h->tips_count++;
	}
	return rc;
}

enum err_code
ledger_sign_last(struct ledger *l, struct head *h, struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT bytes FROM heads ORDER BY number DESC LIMIT 1", e);
	bool row = false;

	memset(h, 0, sizeof(*h));
	if (rc == ERR_NONE)
		rc = db_step(&l->db, st, &row, e);
	if (rc != ERR_NONE || !row)
		return rc;
	return head_decode(h, sqlite3_column_blob(st, 0),
	    (size_t)sqlite3_column_bytes(st, 0), e);
}

static enum err_code
read_incarnation(struct ledger *l, struct head *h, struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT value FROM meta WHERE key = 'incarnation'", e);
	bool row = false;

	if (rc == ERR_NONE)
		rc = db_step(&l->db, st, &row, e);
	if (rc != ERR_NONE)
		return rc;
	if (!row || sqlite3_column_bytes(st, 0) != (int)sizeof(h->incarnation))
		return err_set(e, ERR_CORRUPT,
		    "the ledger '%s' does not say which one it is", l->path);
	memcpy(h->incarnation, sqlite3_column_blob(st, 0),
	    sizeof(h->incarnation));
	return ERR_NONE;
}

static enum err_code
store(struct ledger *l, const struct head *h, const struct buf *bytes,
    const uint8_t signature[SIGN_BYTES], struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	const struct sign_public *pub = sign_key_public(l->options.signer);
	enum err_code rc = db_prepare(&l->db, &st,
	    "INSERT INTO heads VALUES(?1, (SELECT max(row) FROM records), ?2,"
	    " ?3, ?4)",
	    e);

	if (rc != ERR_NONE)
		return rc;
	sqlite3_bind_int64(st, 1, (int64_t)h->number);
	sqlite3_bind_blob(st, 2, bytes->bytes, (int)bytes->len_bytes,
	    SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, pub->bytes, SIGN_PUBLIC_BYTES, SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, signature, SIGN_BYTES, SQLITE_STATIC);
	return db_run(&l->db, st, e);
}

enum err_code
ledger_sign_all(struct ledger *l, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	struct head last, h = {.at = now_utc()};
	uint8_t signature[SIGN_BYTES];
	enum err_code rc = ledger_sign_last(l, &last, e);

	h.number = last.number + 1;
	h.previous = last.hash;
	snprintf(h.site, sizeof(h.site), "%s",
	    l->options.site != NULL ? l->options.site : "");
	if (rc == ERR_NONE)
		rc = read_incarnation(l, &h, e);
	if (rc == ERR_NONE)
		rc = ledger_sign_tips(l, &h, e);
	if (rc == ERR_NONE)
		rc = head_encode(&h, &bytes, e);
	if (rc == ERR_NONE)
		rc = sign_make(l->options.signer, HEAD_LABEL, bytes.bytes,
		    bytes.len_bytes, signature, e);
	if (rc == ERR_NONE)
		rc = store(l, &h, &bytes, signature, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "signing a head");
}

enum err_code
ledger_sign_head(struct ledger *l, struct head *h, struct err *e)
{
	int64_t uncovered;
	enum err_code rc;

	if (l->readonly || l->options.signer == NULL)
		return err_set(e, ERR_REFUSED,
		    "the ledger '%s' is open without a key to sign with",
		    l->path);
	rc = db_begin(&l->db, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "signing a head");
	rc = db_number(&l->db,
	    "SELECT coalesce((SELECT max(row) FROM records), 0) -"
	    " coalesce((SELECT max(last_row) FROM heads), 0)",
	    &uncovered, 0, e);
	if (rc == ERR_NONE && uncovered > 0)
		rc = ledger_sign_all(l, e);
	rc = db_commit(&l->db, rc, e);
	if (rc == ERR_NONE && h != NULL)
		rc = ledger_sign_last(l, h, e);
	return rc;
}
