#ifndef DB_H
#define DB_H

/*
 * SQLite behind bascule's errors.  The only users are this module's units.
 */

#include <sqlite3.h>

#include <bascule/ledger.h>

#define DB_POOL_MAX 32

struct db {
	sqlite3 *handle;
	const char *path; /* borrowed from the ledger, for messages */
	struct db_pooled {
		sqlite3_stmt *st;
		bool used;     /* by somebody now */
		uint64_t turn; /* of its last use */
	} pool[DB_POOL_MAX];
	uint64_t turns;
};

/* OWNED(db_end) sqlite3_stmt *st = NULL; */
void db_end(sqlite3_stmt **st);

/* What SQLite's last answer on db means; doing: "read", "write". */
enum err_code db_error(struct db *db, int code, const char *doing,
    struct err *e);

enum err_code db_open(struct db *db, const char *path, int flags,
    const char *vfs, struct err *e) MUST_CHECK;
void db_close(struct db *db);

enum err_code db_exec(struct db *db, const char *sql, struct err *e) MUST_CHECK;
enum err_code db_prepare(struct db *db, sqlite3_stmt **st, const char *sql,
    struct err *e) MUST_CHECK;

/*
 * As db_prepare, of a statement that is asked for again and again: its
 * preparation is kept, which costs more than most of what it reads.
 *	OWNED(db_let_go) struct db_kept k = {0};
 */
struct db_kept {
	sqlite3_stmt *st;
	struct db_pooled *place; /* NULL: of its own */
};
enum err_code db_keep(struct db *db, struct db_kept *out, const char *sql,
    struct err *e) MUST_CHECK;
void db_let_go(struct db_kept *k);

/* A row, or none. */
enum err_code db_step(struct db *db, sqlite3_stmt *st, bool *row,
    struct err *e) MUST_CHECK;
/* Run to the end. */
enum err_code db_run(struct db *db, sqlite3_stmt *st, struct err *e) MUST_CHECK;

/* One whole number; the fallback when there is no row or it is NULL. */
enum err_code db_number(struct db *db, const char *sql, int64_t *value,
    int64_t fallback, struct err *e) MUST_CHECK;

/* Binding sticks: db_step reports it.  NULL and "" bind NULL. */
void db_bind_text(sqlite3_stmt *st, int at, const char *text);
void db_bind_record_text(sqlite3_stmt *st, int at, struct record_text t);

/* Columns as the views hand them out. */
const char *db_text(sqlite3_stmt *st, int column);
int64_t db_int(sqlite3_stmt *st, int column, int64_t fallback);
bool db_id(sqlite3_stmt *st, int column, struct id *out);

/*
 *	begin; ...; rc = db_commit(db, rc, e)
 * Commits when rc is ERR_NONE, else rolls back; returns the first failure.
 */
enum err_code db_begin(struct db *db, struct err *e) MUST_CHECK;
enum err_code db_commit(struct db *db, enum err_code rc,
    struct err *e) MUST_CHECK;

#endif
