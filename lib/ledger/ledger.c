#include "ledger_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/rand.h>

#include "schema.h"
#include "view.h"

static enum err_code
new_ledger(struct ledger **out, const char *path, struct err *e)
{
	struct ledger *l = calloc(1, sizeof(*l));

	*out = l;
	if (l == NULL)
		return err_nomem(e);
	l->path = strdup(path);
	if (l->path == NULL)
		return err_nomem(e);
	return ERR_NONE;
}

/* SQLite would make it readable for all, and its log and index after it. */
static enum err_code
make_private(const char *path, struct err *e)
{
	OWNED(fdio_close)
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return err_sys(e, "cannot open the ledger '%s'", path);
	return ERR_NONE;
}

static enum err_code
fill_in(struct ledger *l, const struct ledger_options *options, struct err *e)
{
	l->options = *options;
	if (l->options.head_every == 0)
		l->options.head_every = LEDGER_HEAD_EVERY;
	if (l->options.clock_bound_ns == 0)
		l->options.clock_bound_ns = -1;
	if (l->options.build_id == NULL)
		l->options.build_id = BASCULE_VERSION;
	if (l->options.host == NULL) {
		if (gethostname(l->host, sizeof(l->host) - 1) != 0)
			return err_sys(e, "cannot read the host's name");
		l->options.host = l->host;
	}
	if (l->options.site != NULL &&
	    strlen(l->options.site) > LEDGER_NAME_BYTES_MAX)
		return err_set(e, ERR_INPUT, "the site's name is too long");
	return ERR_NONE;
}

enum err_code
ledger_open(struct ledger **out, const char *path,
    const struct ledger_options *options, struct err *e)
{
	OWNED(ledger_close) struct ledger *l = NULL;
	enum err_code rc = new_ledger(&l, path, e);

	*out = NULL;
	if (rc == ERR_NONE)
		rc = fill_in(l, options, e);
	if (rc == ERR_NONE)
		rc = make_private(path, e);
	if (rc == ERR_NONE)
		rc = db_open(&l->db, l->path, SQLITE_OPEN_READWRITE,
		    options->vfs, e);
	if (rc == ERR_NONE)
		rc = schema_prepare(&l->db, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(l);
	return ERR_NONE;
}

enum err_code
ledger_open_readonly(struct ledger **out, const char *path, struct err *e)
{
	OWNED(ledger_close) struct ledger *l = NULL;
	enum err_code rc = new_ledger(&l, path, e);

	*out = NULL;
	if (rc != ERR_NONE)
		return rc;
	l->readonly = true;
	if (access(path, R_OK) != 0)
		return err_sys(e, "cannot read the ledger '%s'", path);
	rc = db_open(&l->db, l->path, SQLITE_OPEN_READONLY, NULL, e);
	if (rc == ERR_NONE)
		rc = schema_look(&l->db, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(l);
	return ERR_NONE;
}

void
ledger_close(struct ledger **lp)
{
	struct ledger *l = TAKE(*lp);

	if (l == NULL)
		return;
	db_close(&l->db);
	free(l->path);
	free(l);
}

void
ledger_set_clock_bound(struct ledger *l, int64_t bound_ns)
{
	l->options.clock_bound_ns = bound_ns;
}

enum err_code
ledger_record_at(struct ledger *l, sqlite3_stmt *st, struct record *r,
    struct err *e)
{
	int64_t row = db_int(st, 0, 0);
	enum err_code rc = record_decode(r, sqlite3_column_blob(st, 1),
	    (size_t)sqlite3_column_bytes(st, 1), e);

	if (rc != ERR_NONE)
		return err_wrap(e, "record in row %lld of the ledger '%s'",
		    (long long)row, l->path);
	r->row = (uint64_t)row;
	return ERR_NONE;
}

static enum err_code
read_tip(struct ledger *l, const char *chain, struct draft_frame *f,
    struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	enum err_code rc = db_keep(&l->db, &k,
	    "SELECT sequence, hash FROM tips WHERE chain = ?", e);
	bool row = false;

	if (rc != ERR_NONE)
		return rc;
	db_bind_text(k.st, 1, chain);
	rc = db_step(&l->db, k.st, &row, e);
	if (rc != ERR_NONE)
		return rc;
	f->sequence = 1;
	if (row && !db_id(k.st, 1, &f->previous))
		return err_set(e, ERR_CORRUPT,
		    "the ledger '%s' has a damaged tip of chain '%s'", l->path,
		    chain);
	if (row)
		f->sequence = (uint64_t)db_int(k.st, 0, 0) + 1;
	return ERR_NONE;
}

enum err_code
ledger_insert(struct ledger *l, struct record *r, struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	struct record_text run = {0}, service = {0}, intent = {0};
	enum err_code rc = db_keep(&l->db, &k,
	    "INSERT INTO records(chain, sequence, hash, type, phase, at_ns,"
	    " run, service, intent, bytes)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	    e);

	if (rc != ERR_NONE)
		return rc;
	record_find(r, "@run", &run);
	record_find(r, "@service", &service);
	record_find(r, "@intent", &intent);
	db_bind_record_text(k.st, 1, r->chain);
	sqlite3_bind_int64(k.st, 2, (int64_t)r->sequence);
	sqlite3_bind_blob(k.st, 3, r->hash.bytes, ID_BYTES, SQLITE_STATIC);
	db_bind_record_text(k.st, 4, r->type);
	sqlite3_bind_int(k.st, 5, (int)r->phase);
	sqlite3_bind_int64(k.st, 6, r->at.ns);
	db_bind_record_text(k.st, 7, run);
	db_bind_record_text(k.st, 8, service);
	db_bind_record_text(k.st, 9, intent);
	sqlite3_bind_blob(k.st, 10, r->bytes, (int)r->len_bytes, SQLITE_STATIC);
	rc = db_run(&l->db, k.st, e);
	r->row = (uint64_t)sqlite3_last_insert_rowid(l->db.handle);
	return rc;
}

/* A head when enough records stand after the last one. */
static enum err_code
maybe_sign(struct ledger *l, uint64_t row, struct err *e)
{
	int64_t last;
	enum err_code rc;

	if (l->options.signer == NULL)
		return ERR_NONE;
	rc = db_number(&l->db, "SELECT max(last_row) FROM heads", &last, 0, e);
	if (rc != ERR_NONE || row - (uint64_t)last < l->options.head_every)
		return rc;
	return ledger_sign_all(l, e);
}

/* The whole of an append, inside the transaction. */
static enum err_code
append_in(struct ledger *l, const struct draft *d, struct draft_frame *f,
    struct ledger_place *place, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	const char *chain = f->tie != NULL && f->tie->chain != NULL
	    ? f->tie->chain
	    : draft_chain(d);
	struct record r;
	enum err_code rc = read_tip(l, chain, f, e);

	f->site = l->options.site;
	f->host = l->options.host;
	f->build_id = l->options.build_id;
	f->clock_bound_ns = l->options.clock_bound_ns;
	if (rc == ERR_NONE)
		rc = draft_encode(d, f, &bytes, e);
	if (rc == ERR_NONE)
		rc = record_decode(&r, bytes.bytes, bytes.len_bytes, e);
	if (rc == ERR_NONE)
		rc = ledger_insert(l, &r, e);
	if (rc == ERR_NONE)
		rc = view_apply(&l->db, &r, e);
	if (rc == ERR_NONE)
		rc = maybe_sign(l, r.row, e);
	if (rc == ERR_NONE && place != NULL)
		*place = (struct ledger_place){r.row, r.sequence, r.hash};
	return rc;
}

static enum err_code
refuse_readonly(struct ledger *l, struct err *e)
{
	if (!l->readonly)
		return ERR_NONE;
	return err_set(e, ERR_REFUSED,
	    "the ledger '%s' is open for reading only", l->path);
}

static enum err_code
append(struct ledger *l, const struct draft *d, struct draft_frame *f,
    struct ledger_place *place, struct err *e)
{
	enum err_code rc = refuse_readonly(l, e);

	/* SQLite may have ended the transaction with what failed in it. */
	if (l->grouped && l->group_why.code != ERR_NONE) {
		*e = l->group_why;
		return e->code;
	}
	if (rc == ERR_NONE && !l->grouped)
		rc = db_begin(&l->db, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "recording '%s'", draft_type(d));
	rc = append_in(l, d, f, place, e);
	if (!l->grouped)
		rc = db_commit(&l->db, rc, e);
	if (rc == ERR_NONE)
		return rc;
	rc = err_wrap(e, "recording '%s'", draft_type(d));
	if (l->grouped && l->group_why.code == ERR_NONE)
		l->group_why = *e;
	return rc;
}

enum err_code
ledger_group_begin(struct ledger *l, struct err *e)
{
	enum err_code rc = refuse_readonly(l, e);

	if (rc == ERR_NONE)
		rc = db_begin(&l->db, e);
	l->grouped = rc == ERR_NONE;
	l->group_why = (struct err){0};
	return rc;
}

/* Half of a record may stand after an append that failed: all of it goes. */
enum err_code
ledger_group_end(struct ledger *l, enum err_code rc, struct err *e)
{
	l->grouped = false;
	if (rc == ERR_NONE && l->group_why.code != ERR_NONE) {
		*e = l->group_why;
		rc = e->code;
	}
	return db_commit(&l->db, rc, e);
}

enum err_code
ledger_append(struct ledger *l, const struct draft *d,
    struct ledger_place *place, struct err *e)
{
	struct draft_frame f = {.phase = RECORD_EVENT};

	return append(l, d, &f, place, e);
}

enum err_code
ledger_intent(struct ledger *l, const struct draft *d,
    char intent[LEDGER_INTENT_BYTES], struct err *e)
{
	struct draft_tie tie = {.intent = intent};
	struct draft_frame f = {.phase = RECORD_INTENT, .tie = &tie};
	uint8_t bytes[(LEDGER_INTENT_BYTES - 1) / 2];

	rand_bytes(bytes, sizeof(bytes));
	text_hex(bytes, sizeof(bytes), intent);
	return append(l, d, &f, NULL, e);
}

/* The intent's own chain, run and service: an outcome cannot stray. */
struct origin {
	char chain[LEDGER_NAME_BYTES_MAX + 1];
	char type[LEDGER_NAME_BYTES_MAX + 1];
	char run[LEDGER_NAME_BYTES_MAX + 1];
	char service[LEDGER_NAME_BYTES_MAX + 1];
};

static void
copy_text(char out[LEDGER_NAME_BYTES_MAX + 1], struct record_text t)
{
	memcpy(out, t.at, t.len_bytes);
	out[t.len_bytes] = '\0';
}

static enum err_code
find_intent(struct ledger *l, const char *intent, struct origin *o,
    struct err *e)
{
	OWNED(db_let_go) struct db_kept k = {0};
	struct record r;
	bool row = false;
	enum err_code rc = db_keep(&l->db, &k,
	    "SELECT r.row, r.bytes FROM intents i JOIN records r"
	    " ON r.row = i.row WHERE i.intent = ?",
	    e);

	if (rc != ERR_NONE)
		return rc;
	db_bind_text(k.st, 1, intent);
	rc = db_step(&l->db, k.st, &row, e);
	if (rc == ERR_NONE && !row)
		return err_set(e, ERR_NOTFOUND, "no intent '%s' is open",
		    intent);
	if (rc == ERR_NONE)
		rc = ledger_record_at(l, k.st, &r, e);
	if (rc != ERR_NONE)
		return rc;
	copy_text(o->chain, r.chain);
	copy_text(o->type, r.type);
	record_text(&r, "@run", o->run, sizeof(o->run));
	record_text(&r, "@service", o->service, sizeof(o->service));
	return ERR_NONE;
}

enum err_code
ledger_outcome(struct ledger *l, const char *intent, const struct draft *d,
    struct err *e)
{
	struct origin o;
	struct draft_tie tie = {intent, o.chain, o.run, o.service};
	struct draft_frame f = {.phase = RECORD_OUTCOME, .tie = &tie};
	enum err_code rc = find_intent(l, intent, &o, e);

	if (rc == ERR_NONE && strcmp(o.type, draft_type(d)) != 0)
		return err_set(e, ERR_INPUT,
		    "the outcome of a '%s' cannot be a '%s'", o.type,
		    draft_type(d));
	return rc != ERR_NONE ? rc : append(l, d, &f, NULL, e);
}

enum err_code
ledger_last_row(struct ledger *l, uint64_t *row, struct err *e)
{
	int64_t value;
	enum err_code rc =
	    db_number(&l->db, "SELECT max(row) FROM records", &value, 0, e);

	*row = (uint64_t)value;
	return rc;
}

enum err_code
ledger_rebuild(struct ledger *l, struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = refuse_readonly(l, e);
	bool row = true;

	if (rc == ERR_NONE)
		rc = db_begin(&l->db, e);
	if (rc != ERR_NONE)
		return rc;
	rc = schema_clear_views(&l->db, e);
	if (rc == ERR_NONE)
		rc = db_prepare(&l->db, &st,
		    "SELECT row, bytes FROM records ORDER BY row", e);
	while (rc == ERR_NONE) {
		struct record r;

		rc = db_step(&l->db, st, &row, e);
		if (rc != ERR_NONE || !row)
			break;
		rc = ledger_record_at(l, st, &r, e);
		if (rc == ERR_NONE)
			rc = view_apply(&l->db, &r, e);
	}
	db_end(&st);
	return db_commit(&l->db, rc, e);
}
