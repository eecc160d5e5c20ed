#include "db.h"

#include <errno.h>
#include <string.h>

#include <bascule/crypt.h>

#define BUSY_TIMEOUT_MS 10000 /* a checkpoint of a reader's may take so long */
#define VALUE_BYTES_MAX (8 << 20)

void
db_end(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
	*st = NULL;
}

static enum err_code
code_of(struct db *db, int code)
{
	int num = db->handle == NULL ? 0 : sqlite3_system_errno(db->handle);

	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return ERR_BUSY;
	case SQLITE_FULL: return ERR_NOSPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT: return ERR_CORRUPT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH: return ERR_REFUSED;
	case SQLITE_NOMEM: return ERR_NOMEM;
	case SQLITE_IOERR:
		return num == ENOSPC || num == EDQUOT ? ERR_NOSPACE : ERR_IO;
	case SQLITE_CANTOPEN: return num == 0 ? ERR_IO : err_of_errno(num);
	default: return ERR_IO;
	}
}

enum err_code
db_error(struct db *db, int code, const char *doing, struct err *e)
{
	int num = db->handle == NULL ? 0 : sqlite3_system_errno(db->handle);
	const char *text = db->handle == NULL ? sqlite3_errstr(code)
					      : sqlite3_errmsg(db->handle);
	bool system = num != 0 &&
	    ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN);

	err_set(e, code_of(db, code), "cannot %s the ledger '%s': %s%s%s",
	    doing, db->path, text, system ? ": " : "",
	    system ? strerror(num) : "");
	if (e->code == ERR_CORRUPT)
		return err_hint(e,
		    "keep the file as it is; the records are "
		    "also in the last evidence pack");
	if (e->code == ERR_NOSPACE)
		return err_hint(e,
		    "make room on its file system: nothing is "
		    "done that cannot be recorded");
	return e->code;
}

static void
set_up(sqlite3 *handle)
{
	sqlite3_extended_result_codes(handle, 1);
	sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
	sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
	sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
}

enum err_code
db_open(struct db *db, const char *path, int flags, const char *vfs,
    struct err *e)
{
	enum err_code rc = ERR_NONE;
	int code;

	db->path = path;
	code = sqlite3_open_v2(path, &db->handle,
	    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
	if (code != SQLITE_OK) {
		rc = db_error(db, code, "open", e);
		db_close(db);
		return rc;
	}
	set_up(db->handle);
	return ERR_NONE;
}

void
db_close(struct db *db)
{
	for (size_t i = 0; i < DB_POOL_MAX; i++) {
		db_end(&db->pool[i].st);
		db->pool[i] = (struct db_pooled){0};
	}
	sqlite3_close(db->handle);
	db->handle = NULL;
}

enum err_code
db_prepare(struct db *db, sqlite3_stmt **st, const char *sql, struct err *e)
{
	int code = sqlite3_prepare_v2(db->handle, sql, -1, st, NULL);

	return code == SQLITE_OK ? ERR_NONE : db_error(db, code, "read", e);
}

/* The statement's own place, else an empty one, else the one that nobody has
 * asked for the longest; NULL: all are in use. */
static struct db_pooled *
find_place(struct db *db, const char *sql)
{
	struct db_pooled *found = NULL;

	for (size_t i = 0; i < DB_POOL_MAX; i++) {
		struct db_pooled *p = &db->pool[i];

		if (p->used)
			continue;
		if (p->st != NULL && strcmp(sqlite3_sql(p->st), sql) == 0)
			return p;
		if (found == NULL || p->turn < found->turn)
			found = p;
	}
	if (found != NULL) {
		db_end(&found->st);
		found->turn = 0;
	}
	return found;
}

enum err_code
db_keep(struct db *db, struct db_kept *out, const char *sql, struct err *e)
{
	struct db_pooled *p = find_place(db, sql);
	enum err_code rc = ERR_NONE;

	*out = (struct db_kept){0};
	if (p == NULL)
		return db_prepare(db, &out->st, sql, e);
	if (p->st == NULL)
		rc = db_prepare(db, &p->st, sql, e);
	if (rc != ERR_NONE)
		return rc;
	p->used = true;
	p->turn = ++db->turns;
	*out = (struct db_kept){p->st, p};
	return ERR_NONE;
}

/* What was bound is borrowed, and is not kept; nor is the place in the file. */
void
db_let_go(struct db_kept *k)
{
	if (k->place == NULL)
		db_end(&k->st);
	else {
		sqlite3_reset(k->st);
		sqlite3_clear_bindings(k->st);
		k->place->used = false;
	}
	*k = (struct db_kept){0};
}

enum err_code
db_step(struct db *db, sqlite3_stmt *st, bool *row, struct err *e)
{
	int code = sqlite3_step(st);

	*row = code == SQLITE_ROW;
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return ERR_NONE;
	return db_error(db, code, sqlite3_stmt_readonly(st) ? "read" : "write",
	    e);
}

enum err_code
db_run(struct db *db, sqlite3_stmt *st, struct err *e)
{
	enum err_code rc;
	bool row;

	do {
		rc = db_step(db, st, &row, e);
	} while (rc == ERR_NONE && row);
	return rc;
}

enum err_code
db_exec(struct db *db, const char *sql, struct err *e)
{
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? ERR_NONE : db_error(db, code, "write", e);
}

enum err_code
db_number(struct db *db, const char *sql, int64_t *value, int64_t fallback,
    struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	enum err_code rc = db_keep(db, &k, sql, e);
	bool row = false;

	*value = fallback;
	if (rc == ERR_NONE)
		rc = db_step(db, k.st, &row, e);
	if (rc == ERR_NONE && row)
		*value = db_int(k.st, 0, fallback);
	return rc;
}

void
db_bind_text(sqlite3_stmt *st, int at, const char *text)
{
	if (text != NULL && text[0] != '\0')
		sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

void
db_bind_record_text(sqlite3_stmt *st, int at, struct record_text t)
{
	if (t.len_bytes > 0)
		sqlite3_bind_text(st, at, t.at, (int)t.len_bytes,
		    SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

const char *
db_text(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return text == NULL ? "" : text;
}

int64_t
db_int(sqlite3_stmt *st, int column, int64_t fallback)
{
	if (sqlite3_column_type(st, column) != SQLITE_INTEGER)
		return fallback;
	return sqlite3_column_int64(st, column);
}

bool
db_id(sqlite3_stmt *st, int column, struct id *out)
{
	const void *bytes = sqlite3_column_blob(st, column);

	if (sqlite3_column_bytes(st, column) != ID_BYTES || bytes == NULL)
		return false;
	memcpy(out->bytes, bytes, ID_BYTES);
	return true;
}

enum err_code
db_begin(struct db *db, struct err *e)
{
	return db_exec(db, "BEGIN IMMEDIATE", e);
}

enum err_code
db_commit(struct db *db, enum err_code rc, struct err *e)
{
	struct err ignored;

	if (rc == ERR_NONE)
		rc = db_exec(db, "COMMIT", e);
	if (rc != ERR_NONE && !sqlite3_get_autocommit(db->handle) &&
	    db_exec(db, "ROLLBACK", &ignored) != ERR_NONE)
		return rc; /* the first failure is the one to tell */
	return rc;
}
