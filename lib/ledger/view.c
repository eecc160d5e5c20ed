/*
 * From records to tables.  Each statement takes a NULL for what the record does
 * not say and leaves the column as it was; so the same records always make the
 * same tables, whenever they are worked in.
 */
#include "view.h"

#include <string.h>

#define AT_ROW 1 /* every statement's first two parameters */
#define AT_NS  2

/* A parameter filled from a field of the record. */
struct bind {
	const char *field;
	enum { BIND_TEXT, BIND_INT } kind;
};

struct view {
	const char *type;
	const char *key; /* without this field there is nothing to keep */
	const char *insert;
	const char *update;
	struct bind binds[16]; /* parameters 3, 4, ... */
};

static const struct view views[] = {
    {LEDGER_JOB, "@run",
	"INSERT INTO jobs(id, first_row, queued_ns) VALUES(?3, ?1, ?2)"
	" ON CONFLICT DO NOTHING",
	"UPDATE jobs SET kind = coalesce(?4, kind),"
	" service = coalesce(?5, service), dataset = coalesce(?6, dataset),"
	" state = coalesce(?7, state),"
	" reason = CASE WHEN ?7 IS NULL THEN coalesce(?8, reason) ELSE ?8 END,"
	" actor = coalesce(actor, ?9), snapshot = coalesce(?10, snapshot),"
	" started_ns = CASE ?7 WHEN 'running' THEN coalesce(started_ns, ?2)"
	"  ELSE started_ns END,"
	" ended_ns = CASE WHEN ?7 IS NULL THEN ended_ns"
	"  WHEN ?7 IN ('queued', 'running', 'waiting', 'retrying') THEN NULL"
	"  ELSE ?2 END,"
	" attempt = coalesce(?11, attempt), bytes = coalesce(?12, bytes),"
	" new_bytes = coalesce(?13, new_bytes), files = coalesce(?14, files)"
	" WHERE id = ?3",
	{{"@run", BIND_TEXT}, {"kind", BIND_TEXT}, {"@service", BIND_TEXT},
	    {"@dataset", BIND_TEXT}, {"state", BIND_TEXT},
	    {"reason", BIND_TEXT}, {"@actor.name", BIND_TEXT},
	    {"snapshot", BIND_TEXT}, {"attempt", BIND_INT}, {"bytes", BIND_INT},
	    {"new_bytes", BIND_INT}, {"files", BIND_INT}}},
    {LEDGER_POINT, "point",
	"INSERT INTO points(id, first_row) VALUES(?3, ?1)"
	" ON CONFLICT DO NOTHING",
	"UPDATE points SET service = coalesce(?4, service),"
	" site = coalesce(site, ?5, ?6), at_ns = coalesce(?7, at_ns, ?2),"
	" sequence = coalesce(?8, sequence), complete = coalesce(?9, complete),"
	" suspect = coalesce(?10, suspect), held = coalesce(?11, held),"
	" verified_level = coalesce(?12, verified_level),"
	" verified_ns = CASE WHEN ?12 IS NULL THEN verified_ns ELSE ?2 END,"
	" tested_run = coalesce(?13, tested_run),"
	" tested_ns = CASE WHEN ?13 IS NULL THEN tested_ns ELSE ?2 END"
	" WHERE id = ?3",
	{{"point", BIND_TEXT}, {"@service", BIND_TEXT}, {"site", BIND_TEXT},
	    {"@site", BIND_TEXT}, {"at_ns", BIND_INT}, {"sequence", BIND_INT},
	    {"complete", BIND_INT}, {"suspect", BIND_INT}, {"held", BIND_INT},
	    {"verified_level", BIND_TEXT}, {"tested_run", BIND_TEXT}}},
    {LEDGER_POINT, "replicated_site",
	"INSERT INTO point_sites(point, site, at_ns)"
	" SELECT ?4, ?3, ?2 WHERE ?4 IS NOT NULL ON CONFLICT DO NOTHING",
	NULL, {{"replicated_site", BIND_TEXT}, {"point", BIND_TEXT}}},
    {LEDGER_EXERCISE, "@run",
	"INSERT INTO exercises(run, first_row, requested_ns)"
	" VALUES(?3, ?1, ?2) ON CONFLICT DO NOTHING",
	"UPDATE exercises SET service = coalesce(?4, service),"
	" mode = coalesce(?5, mode), state = coalesce(?6, state),"
	" result = coalesce(?7, result), reason = coalesce(?8, reason),"
	" point = coalesce(?9, point), actor = coalesce(actor, ?10),"
	" ended_ns = CASE WHEN ?7 IS NULL THEN ended_ns ELSE ?2 END,"
	" rta_ns = coalesce(?11, rta_ns), rto_ns = coalesce(?12, rto_ns),"
	" rpa_ns = coalesce(?13, rpa_ns), rpo_ns = coalesce(?14, rpo_ns)"
	" WHERE run = ?3",
	{{"@run", BIND_TEXT}, {"@service", BIND_TEXT}, {"mode", BIND_TEXT},
	    {"state", BIND_TEXT}, {"result", BIND_TEXT}, {"reason", BIND_TEXT},
	    {"point", BIND_TEXT}, {"@actor.name", BIND_TEXT},
	    {"rta_ns", BIND_INT}, {"rto_ns", BIND_INT}, {"rpa_ns", BIND_INT},
	    {"rpo_ns", BIND_INT}}},
    {LEDGER_STEP, "step",
	"INSERT INTO steps(run, step, kind, first_row)"
	" VALUES(coalesce(?4, ''), ?3, coalesce(?5, ''), ?1)"
	" ON CONFLICT DO NOTHING",
	"UPDATE steps SET state = coalesce(?6, state), reason = ?7,"
	" output_hash = ?8, site = coalesce(?9, ?10, site),"
	" host = coalesce(?11, ?12, host),"
	" started_ns = CASE ?6 WHEN 'running' THEN ?2 ELSE started_ns END,"
	" ended_ns = CASE ?6 WHEN 'running' THEN NULL ELSE ?2 END,"
	" planned_ns = coalesce(?13, planned_ns),"
	" attempt = coalesce(?14, attempt), exit = ?15"
	" WHERE run = coalesce(?4, '') AND step = ?3"
	" AND kind = coalesce(?5, '')",
	{{"step", BIND_TEXT}, {"@run", BIND_TEXT}, {"kind", BIND_TEXT},
	    {"state", BIND_TEXT}, {"reason", BIND_TEXT},
	    {"output_hash", BIND_TEXT}, {"site", BIND_TEXT},
	    {"@site", BIND_TEXT}, {"host", BIND_TEXT}, {"@host", BIND_TEXT},
	    {"planned_ns", BIND_INT}, {"attempt", BIND_INT},
	    {"exit", BIND_INT}}},
};

static void
bind_field(sqlite3_stmt *st, int at, const struct record *r,
    const struct bind *b)
{
	struct record_text value = {0};

	if (at > sqlite3_bind_parameter_count(st))
		return; /* the statement does not ask for it */
	if (b->kind == BIND_TEXT) {
		record_find(r, b->field, &value);
		db_bind_record_text(st, at, value);
		return;
	}
	if (record_find(r, b->field, &value) &&
	    record_int(r, b->field, INT64_MIN) != INT64_MIN)
		sqlite3_bind_int64(st, at, record_int(r, b->field, 0));
}

static enum err_code
run_one(struct db *db, const char *sql, const struct view *v,
    const struct record *r, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	enum err_code rc = db_keep(db, &k, sql, e);

	if (rc != ERR_NONE)
		return rc;
	sqlite3_bind_int64(k.st, AT_ROW, (int64_t)r->row);
	if (sqlite3_bind_parameter_count(k.st) >= AT_NS)
		sqlite3_bind_int64(k.st, AT_NS, r->at.ns);
	for (int i = 0; i < 16 && v->binds[i].field != NULL; i++)
		bind_field(k.st, i + 3, r, &v->binds[i]);
	return db_run(db, k.st, e);
}

static enum err_code
apply_types(struct db *db, const struct record *r, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < COUNT_OF(views); i++) {
		const struct view *v = &views[i];
		struct record_text key;

		if (!record_text_is(r->type, v->type) ||
		    !record_find(r, v->key, &key) || key.len_bytes == 0)
			continue;
		rc = run_one(db, v->insert, v, r, e);
		if (rc == ERR_NONE && v->update != NULL)
			rc = run_one(db, v->update, v, r, e);
	}
	return rc;
}

/* The fields "snapshot.DATASET" of a point. */
static enum err_code
apply_snapshots(struct db *db, const struct record *r, struct err *e)
{
	static const char prefix[] = "snapshot.";
	const size_t len = sizeof(prefix) - 1;
	struct record_cursor c = {0};
	struct record_field f;
	struct record_text point;
	enum err_code rc = ERR_NONE;

	if (!record_text_is(r->type, LEDGER_POINT) ||
	    !record_find(r, "point", &point))
		return ERR_NONE;
	while (rc == ERR_NONE && record_next(r, &c, &f)) {
		OWNED(db_end) sqlite3_stmt *st = NULL;

		if (f.closed || f.name.len_bytes <= len ||
		    f.value.len_bytes == 0 ||
		    memcmp(f.name.at, prefix, len) != 0)
			continue;
		rc = db_prepare(db, &st,
		    "INSERT INTO point_snapshots VALUES(?1, ?2, ?3)"
		    " ON CONFLICT DO UPDATE SET snapshot = ?3",
		    e);
		if (rc != ERR_NONE)
			return rc;
		db_bind_record_text(st, 1, point);
		db_bind_record_text(st, 2,
		    (struct record_text){f.name.at + len,
			f.name.len_bytes - len});
		db_bind_record_text(st, 3, f.value);
		rc = db_run(db, st, e);
	}
	return rc;
}

static enum err_code
apply_tip(struct db *db, const struct record *r, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	enum err_code rc = db_keep(db, &k,
	    "INSERT INTO tips VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE"
	    " SET sequence = ?2, hash = ?3",
	    e);

	if (rc != ERR_NONE)
		return rc;
	db_bind_record_text(k.st, 1, r->chain);
	sqlite3_bind_int64(k.st, 2, (int64_t)r->sequence);
	sqlite3_bind_blob(k.st, 3, r->hash.bytes, ID_BYTES, SQLITE_STATIC);
	return db_run(db, k.st, e);
}

static enum err_code
apply_intent(struct db *db, const struct record *r, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	struct record_text intent;
	enum err_code rc;

	if (r->phase == RECORD_EVENT || !record_find(r, "@intent", &intent))
		return ERR_NONE;
	rc = db_keep(db, &k,
	    r->phase == RECORD_INTENT
		? "INSERT INTO intents VALUES(?2, ?1) ON CONFLICT DO NOTHING"
		: "DELETE FROM intents WHERE intent = ?2 AND row < ?1",
	    e);
	if (rc != ERR_NONE)
		return rc;
	sqlite3_bind_int64(k.st, 1, (int64_t)r->row);
	db_bind_record_text(k.st, 2, intent);
	return db_run(db, k.st, e);
}

enum err_code
view_apply(struct db *db, const struct record *r, struct err *e)
{
	enum err_code rc = apply_tip(db, r, e);

	if (rc == ERR_NONE)
		rc = apply_intent(db, r, e);
	if (rc == ERR_NONE)
		rc = apply_types(db, r, e);
	if (rc == ERR_NONE)
		rc = apply_snapshots(db, r, e);
	return rc;
}
