#include "schema.h"

#include <bascule/base/rand.h>

#define APPLICATION_ID 0x4253434c /* "BSCL" */
#define SCHEMA_VERSION 1

/* What is remembered. */
static const char records_sql[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE records("
    " row INTEGER PRIMARY KEY AUTOINCREMENT,"
    " chain TEXT NOT NULL,"
    " sequence INTEGER NOT NULL,"
    " hash BLOB NOT NULL,"
    " type TEXT NOT NULL,"
    " phase INTEGER NOT NULL,"
    " at_ns INTEGER NOT NULL,"
    " run TEXT,"
    " service TEXT,"
    " intent TEXT,"
    " bytes BLOB NOT NULL,"
    " UNIQUE(chain, sequence)) STRICT;"
    "CREATE INDEX records_run ON records(run) WHERE run IS NOT NULL;"
    "CREATE INDEX records_service ON records(service)"
    " WHERE service IS NOT NULL;"
    "CREATE INDEX records_type ON records(type);"
    "CREATE INDEX records_at ON records(at_ns);"
    "CREATE TABLE heads("
    " number INTEGER PRIMARY KEY,"
    " last_row INTEGER NOT NULL REFERENCES records(row),"
    " bytes BLOB NOT NULL,"
    " signer BLOB NOT NULL,"
    " signature BLOB NOT NULL) STRICT;"
    "CREATE TRIGGER records_stay BEFORE UPDATE ON records BEGIN"
    " SELECT RAISE(ABORT, 'records are never changed'); END;"
    "CREATE TRIGGER records_remain BEFORE DELETE ON records BEGIN"
    " SELECT RAISE(ABORT, 'records are never removed'); END;"
    "CREATE TRIGGER heads_stay BEFORE UPDATE ON heads BEGIN"
    " SELECT RAISE(ABORT, 'heads are never changed'); END;"
    "CREATE TRIGGER heads_remain BEFORE DELETE ON heads BEGIN"
    " SELECT RAISE(ABORT, 'heads are never removed'); END;";

/*
 * Of hundreds of services each one's few of a type: by either alone most rows that
 * are looked at are others'.  No part of what is remembered, so a ledger that has
 * it not is given it.
 */
static const char index_sql[] =
    "CREATE INDEX IF NOT EXISTS records_service_type"
    " ON records(service, type) WHERE service IS NOT NULL";

/* What follows from it. */
static const char views_sql[] =
    "CREATE TABLE tips(chain TEXT PRIMARY KEY, sequence INTEGER NOT NULL,"
    " hash BLOB NOT NULL) STRICT;"
    "CREATE TABLE intents(intent TEXT PRIMARY KEY, row INTEGER NOT NULL)"
    " STRICT;"
    "CREATE TABLE jobs(id TEXT PRIMARY KEY, first_row INTEGER NOT NULL,"
    " kind TEXT, service TEXT, dataset TEXT, state TEXT, reason TEXT,"
    " actor TEXT, snapshot TEXT, queued_ns INTEGER, started_ns INTEGER,"
    " ended_ns INTEGER, attempt INTEGER, bytes INTEGER, new_bytes INTEGER,"
    " files INTEGER) STRICT;"
    "CREATE INDEX jobs_row ON jobs(first_row);"
    "CREATE INDEX jobs_open ON jobs(first_row) WHERE ended_ns IS NULL;"
    "CREATE TABLE points(id TEXT PRIMARY KEY, first_row INTEGER NOT NULL,"
    " service TEXT, site TEXT, at_ns INTEGER, sequence INTEGER,"
    " complete INTEGER NOT NULL DEFAULT 0,"
    " suspect INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,"
    " verified_level TEXT, verified_ns INTEGER, tested_run TEXT,"
    " tested_ns INTEGER) STRICT;"
    "CREATE INDEX points_service ON points(service, at_ns);"
    "CREATE TABLE point_sites(point TEXT NOT NULL, site TEXT NOT NULL,"
    " at_ns INTEGER NOT NULL, PRIMARY KEY(point, site)) STRICT;"
    "CREATE TABLE point_snapshots(point TEXT NOT NULL, dataset TEXT NOT NULL,"
    " snapshot TEXT NOT NULL, PRIMARY KEY(point, dataset)) STRICT;"
    "CREATE TABLE exercises(run TEXT PRIMARY KEY, first_row INTEGER NOT NULL,"
    " service TEXT, mode TEXT, state TEXT, result TEXT, reason TEXT,"
    " point TEXT, actor TEXT, requested_ns INTEGER, ended_ns INTEGER,"
    " rta_ns INTEGER, rto_ns INTEGER, rpa_ns INTEGER, rpo_ns INTEGER) STRICT;"
    "CREATE INDEX exercises_row ON exercises(first_row);"
    "CREATE TABLE steps(run TEXT NOT NULL, step TEXT NOT NULL,"
    " kind TEXT NOT NULL, first_row INTEGER NOT NULL, state TEXT,"
    " reason TEXT, output_hash TEXT, site TEXT, host TEXT,"
    " started_ns INTEGER, ended_ns INTEGER, planned_ns INTEGER,"
    " attempt INTEGER, exit INTEGER, PRIMARY KEY(run, step, kind)) STRICT;";

enum err_code
schema_clear_views(struct db *db, struct err *e)
{
	return db_exec(db,
	    "DELETE FROM tips; DELETE FROM intents; DELETE FROM jobs;"
	    "DELETE FROM points; DELETE FROM point_sites;"
	    "DELETE FROM point_snapshots; DELETE FROM exercises;"
	    "DELETE FROM steps;",
	    e);
}

static enum err_code
add_incarnation(struct db *db, struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	uint8_t incarnation[16];
	enum err_code rc;

	rand_bytes(incarnation, sizeof(incarnation));
	rc =
	    db_prepare(db, &st, "INSERT INTO meta VALUES('incarnation', ?)", e);
	if (rc != ERR_NONE)
		return rc;
	sqlite3_bind_blob(st, 1, incarnation, sizeof(incarnation),
	    SQLITE_STATIC);
	return db_run(db, st, e);
}

static enum err_code
create(struct db *db, struct err *e)
{
	char sql[120];
	enum err_code rc;

	snprintf(sql, sizeof(sql),
	    "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
	    SCHEMA_VERSION);
	rc = db_begin(db, e);
	if (rc != ERR_NONE)
		return rc;
	rc = db_exec(db, records_sql, e);
	if (rc == ERR_NONE)
		rc = db_exec(db, views_sql, e);
	if (rc == ERR_NONE)
		rc = add_incarnation(db, e);
	if (rc == ERR_NONE)
		rc = db_exec(db, sql, e);
	return db_commit(db, rc, e);
}

/* What the file says it is; version 0: nothing yet. */
static enum err_code
identify(struct db *db, int64_t *version, struct err *e)
{
	int64_t application, tables;
	enum err_code rc =
	    db_number(db, "PRAGMA application_id", &application, 0, e);

	if (rc == ERR_NONE)
		rc = db_number(db, "PRAGMA user_version", version, 0, e);
	if (rc == ERR_NONE)
		rc = db_number(db, "SELECT count(*) FROM sqlite_schema",
		    &tables, 0, e);
	if (rc != ERR_NONE)
		return rc;
	if (application == 0 && *version == 0 && tables == 0)
		return ERR_NONE;
	if (application != APPLICATION_ID || *version <= 0)
		return err_set(e, ERR_CORRUPT, "'%s' is not a bascule ledger",
		    db->path);
	if (*version > SCHEMA_VERSION) {
		err_set(e, ERR_TOONEW,
		    "the ledger '%s' was written by a newer version (%lld, "
		    "this one knows %d)",
		    db->path, (long long)*version, SCHEMA_VERSION);
		return err_hint(e, "upgrade bascule here too");
	}
	return ERR_NONE;
}

enum err_code
schema_look(struct db *db, struct err *e)
{
	int64_t version;
	enum err_code rc = identify(db, &version, e);

	if (rc == ERR_NONE && version == 0)
		return err_set(e, ERR_NOTFOUND, "the ledger '%s' is empty",
		    db->path);
	return rc;
}

enum err_code
schema_prepare(struct db *db, struct err *e)
{
	int64_t version;
	enum err_code rc;

	/* A last connection writes the log into the file: not into one that
	 * turns out not to be ours. */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
	    NULL);
	rc = identify(db, &version, e);
	if (rc != ERR_NONE)
		return rc;
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0,
	    NULL);
	rc = db_exec(db,
	    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	    "PRAGMA cell_size_check=ON",
	    e);
	if (rc == ERR_NONE && version == 0)
		rc = create(db, e);
	return rc == ERR_NONE ? db_exec(db, index_sql, e) : rc;
}
