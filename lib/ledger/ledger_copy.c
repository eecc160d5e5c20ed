/*
 * Copies of another site's ledger.  The judge of what comes from there; nothing
 * of a step is seen before all of it is proved:
 *
 * LC1. The head is of that site, signed by a pinned key, or where none is
 *      pinned by the key of the first head that came.
 * LC2. Its number is the next one, and it holds the hash of the newest head.
 * LC3. Each record has the next number of its chain and holds the hash of the
 *      last one there.
 * LC4. After the records every chain ends where the head says it does.
 */
#include <string.h>

#include "ledger_parts.h"
#include "view.h"

/* --- whose it is (LC1) ------------------------------------------------------- */

static enum err_code
first_signer(struct ledger *l, uint8_t out[SIGN_PUBLIC_BYTES], bool *found,
    struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT signer FROM heads ORDER BY number LIMIT 1", e);

	*found = false;
	if (rc == ERR_NONE)
		rc = db_step(&l->db, st, found, e);
	if (rc != ERR_NONE || !*found)
		return rc;
	if (sqlite3_column_bytes(st, 0) != SIGN_PUBLIC_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "a head of the ledger '%s' is cut short", l->path);
	memcpy(out, sqlite3_column_blob(st, 0), SIGN_PUBLIC_BYTES);
	return ERR_NONE;
}

static enum err_code
check_pin(const uint8_t *signer, const struct ledger_pin *pin, struct err *e)
{
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	enum err_code rc = head_fingerprint(signer, fingerprint, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < pin->keys_count; i++)
		if (strcmp(pin->keys[i], fingerprint) == 0)
			return ERR_NONE;
	err_set(e, ERR_KEY,
	    "the ledger of site '%s' is signed by %s, which is not pinned",
	    pin->site, fingerprint);
	return err_hint(e,
	    "when it is right, add it to the site's 'ledger_keys' in the "
	    "policy");
}

static enum err_code
check_signer(struct ledger *l, const struct ledger_head *lh,
    const struct ledger_pin *pin, struct err *e)
{
	struct sign_public pub;
	uint8_t first[SIGN_PUBLIC_BYTES];
	bool found = false;
	enum err_code rc = pin->keys_count > 0
	    ? check_pin(lh->signer, pin, e)
	    : first_signer(l, first, &found, e);

	if (rc == ERR_NONE && found &&
	    memcmp(first, lh->signer, SIGN_PUBLIC_BYTES) != 0)
		return err_set(e, ERR_KEY,
		    "the ledger of site '%s' is signed by another key than "
		    "before",
		    pin->site);
	if (rc != ERR_NONE)
		return rc;
	memcpy(pub.bytes, lh->signer, SIGN_PUBLIC_BYTES);
	rc = sign_check(&pub, HEAD_LABEL, lh->bytes, lh->len_bytes,
	    lh->signature, e);
	if (rc == ERR_CORRUPT)
		return err_set(e, ERR_KEY,
		    "a head of site '%s' is not what its key signed",
		    pin->site);
	return rc;
}

/* --- does it extend what is held? -------------------------------------------- */

static enum err_code
check_head(struct ledger *l, const struct head *h, const struct ledger_pin *pin,
    struct err *e)
{
	OWNED(free_mem) struct head *last = calloc(1, sizeof(*last));
	enum err_code rc;

	if (last == NULL)
		return err_nomem(e);
	if (strcmp(h->site, pin->site) != 0)
		return err_set(e, ERR_REFUSED,
		    "a head of site '%.40s' came as one of '%s'", h->site,
		    pin->site);
	rc = ledger_sign_last(l, last, e);
	if (rc != ERR_NONE)
		return rc;
	if (h->number == last->number + 1 &&
	    id_equal(&h->previous, &last->hash)) /* LC2 */
		return ERR_NONE;
	return err_set(e, ERR_REFUSED,
	    "head %llu of site '%s' does not extend head %llu, which is held",
	    (unsigned long long)h->number, pin->site,
	    (unsigned long long)last->number);
}

static const struct head_tip *
find_tip(const struct head *h, struct record_text chain)
{
	for (size_t i = 0; i < h->tips_count; i++)
		if (record_text_is(chain, h->tips[i].chain))
			return &h->tips[i];
	return NULL;
}

/* LC3; held: where the chains end now. */
static enum err_code
add_record(struct ledger *l, struct head *held, const struct buf *bytes,
    const struct ledger_pin *pin, struct err *e)
{
	static const struct head_tip none;
	const struct head_tip *tip;
	struct record r;
	enum err_code rc = record_decode(&r, bytes->bytes, bytes->len_bytes, e);

	if (rc == ERR_CORRUPT)
		return err_set(e, ERR_INPUT, "what site '%s' sent is no record",
		    pin->site);
	if (rc != ERR_NONE)
		return rc;
	held->tips_count = 0;
	rc = ledger_sign_tips(l, held, e);
	if (rc != ERR_NONE)
		return rc;
	tip = find_tip(held, r.chain);
	tip = tip != NULL ? tip : &none;
	if (r.sequence != tip->sequence + 1 ||
	    !id_equal(&r.previous, &tip->hash))
		return err_set(e, ERR_REFUSED,
		    "record %llu of chain '%.*s' of site '%s' does not extend "
		    "record %llu, which is held",
		    (unsigned long long)r.sequence, (int)r.chain.len_bytes,
		    r.chain.at, pin->site, (unsigned long long)tip->sequence);
	rc = ledger_insert(l, &r, e);
	return rc == ERR_NONE ? view_apply(&l->db, &r, e) : rc;
}

/* LC4 */
static enum err_code
check_tips(struct ledger *l, const struct head *h, struct head *held,
    const struct ledger_pin *pin, struct err *e)
{
	enum err_code rc;
	bool same;

	held->tips_count = 0;
	rc = ledger_sign_tips(l, held, e);
	if (rc != ERR_NONE)
		return rc;
	same = held->tips_count == h->tips_count;
	for (size_t i = 0; same && i < h->tips_count; i++)
		same = strcmp(held->tips[i].chain, h->tips[i].chain) == 0 &&
		    held->tips[i].sequence == h->tips[i].sequence &&
		    id_equal(&held->tips[i].hash, &h->tips[i].hash);
	if (same)
		return ERR_NONE;
	return err_set(e, ERR_REFUSED,
	    "the records of site '%s' are not those that its head %llu speaks "
	    "of",
	    pin->site, (unsigned long long)h->number);
}

static enum err_code
add_head(struct ledger *l, const struct head *h, const struct ledger_head *lh,
    struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "INSERT INTO heads VALUES(?1, (SELECT max(row) FROM records), ?2,"
	    " ?3, ?4)",
	    e);

	if (rc != ERR_NONE)
		return rc;
	sqlite3_bind_int64(st, 1, (int64_t)h->number);
	sqlite3_bind_blob(st, 2, lh->bytes, (int)lh->len_bytes, SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, lh->signer, SIGN_PUBLIC_BYTES, SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, lh->signature, SIGN_BYTES, SQLITE_STATIC);
	return db_run(&l->db, st, e);
}

static enum err_code
extend_in(struct ledger *l, const struct head *h,
    const struct ledger_copy_step *step, const struct ledger_pin *pin,
    struct err *e)
{
	OWNED(free_mem) struct head *held = calloc(1, sizeof(*held));
	enum err_code rc;

	if (held == NULL)
		return err_nomem(e);
	rc = check_head(l, h, pin, e);
	for (size_t i = 0; rc == ERR_NONE && i < step->records_count; i++)
		rc = add_record(l, held, &step->records[i], pin, e);
	if (rc == ERR_NONE)
		rc = check_tips(l, h, held, pin, e);
	return rc == ERR_NONE ? add_head(l, h, &step->head, e) : rc;
}

enum err_code
ledger_copy_extend(struct ledger *l, const struct ledger_copy_step *step,
    const struct ledger_pin *pin, struct err *e)
{
	OWNED(free_mem) struct head *h = calloc(1, sizeof(*h));
	enum err_code rc;

	if (h == NULL)
		return err_nomem(e);
	if (step->records_count == 0)
		return err_set(e, ERR_INPUT,
		    "site '%s' sent a head over nothing", pin->site);
	rc = head_decode(h, step->head.bytes, step->head.len_bytes, e);
	if (rc == ERR_CORRUPT)
		return err_set(e, ERR_INPUT, "what site '%s' sent is no head",
		    pin->site);
	if (rc == ERR_NONE)
		rc = check_signer(l, &step->head, pin, e);
	if (rc == ERR_NONE)
		rc = db_begin(&l->db, e);
	if (rc != ERR_NONE)
		return rc;
	rc = extend_in(l, h, step, pin, e);
	return db_commit(&l->db, rc, e);
}

/* --- steps ---------------------------------------------------------------------- */

static enum err_code
last_row(struct ledger *l, uint64_t number, uint64_t *row, bool *found,
    struct err *e)
{
	OWNED(db_end) sqlite3_stmt *st = NULL;
	enum err_code rc = db_prepare(&l->db, &st,
	    "SELECT last_row FROM heads WHERE number = ?", e);

	*found = false;
	if (rc != ERR_NONE)
		return rc;
	sqlite3_bind_int64(st, 1, (int64_t)number);
	rc = db_step(&l->db, st, found, e);
	*row = rc == ERR_NONE && *found ? (uint64_t)db_int(st, 0, 0) : 0;
	return rc;
}

enum err_code
ledger_copy_rows(struct ledger *l, uint64_t number, uint64_t *after,
    uint64_t *last, struct err *e)
{
	bool found;
	enum err_code rc = last_row(l, number, last, &found, e);

	*after = 0;
	if (rc == ERR_NONE && !found)
		return err_set(e, ERR_NOTFOUND, "there is no head %llu",
		    (unsigned long long)number);
	if (rc == ERR_NONE && number > 1)
		rc = last_row(l, number - 1, after, &found, e);
	return rc;
}
