#include "grants.h"

#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#include "heal.h"
#include "snapfind.h"

/* After the head: rows of u32 what of, id, bytes. */
#define ROW_BYTES_MIN     (4 + ID_BYTES + 4)
#define STANZAS_BYTES_MAX 65536

struct row {
	enum grants_of of;
	struct id id;
	struct grants_row at;
};

struct grants {
	struct buf *files; /* what rows point into */
	size_t files_count, files_room;
	struct row *rows; /* sorted by (of, id) */
	size_t rows_count, rows_room;
};

void
grants_free(struct grants **gp)
{
	struct grants *g = TAKE(*gp);

	if (g == NULL)
		return;
	for (size_t i = 0; i < g->files_count; i++)
		buf_fini(&g->files[i]);
	free(g->files);
	free(g->rows);
	free(g);
}

/* Room for one more of `bytes` each. */
static enum err_code
grow(void *itemsp, size_t count, size_t *room, size_t bytes, struct err *e)
{
	size_t more = *room == 0 ? 16 : *room * 2;
	void **items = itemsp, *bigger;

	if (count < *room)
		return ERR_NONE;
	bigger = reallocarray(*items, more, bytes);
	if (bigger == NULL)
		return err_nomem(e);
	*items = bigger;
	*room = more;
	return ERR_NONE;
}

/* --- the codec ------------------------------------------------------------ */

enum err_code
grants_add(struct buf *body, enum grants_of of, const struct id *id,
    const struct buf *stanzas, struct err *e)
{
	enum err_code rc;

	if ((rc = le_add32(body, (uint32_t)of, e)) != ERR_NONE ||
	    (rc = buf_add(body, id->bytes, ID_BYTES, e)) != ERR_NONE)
		return rc;
	return le_add_bytes(body, stanzas->bytes, stanzas->len_bytes, e);
}

enum err_code
grants_encode(struct buf *out, const uint8_t family[STORE_FAMILY_BYTES],
    const struct buf *body, struct err *e)
{
	uint8_t *at;
	enum err_code rc;

	buf_clear(out);
	if ((rc = buf_extend(out, HEAD_BYTES, &at, e)) != ERR_NONE)
		return rc;
	head_put(at, HEAD_GRANT, family);
	return buf_add(out, body->bytes, body->len_bytes, e);
}

static enum err_code
malformed(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "a file of grants is malformed");
}

static enum err_code
row_take(struct grants *g, struct le_reader *r, struct err *e)
{
	struct id ids[RECIPIENTS_MAX];
	struct row row = {0};
	size_t count;
	const uint8_t *id;
	enum err_code rc;

	row.of = (enum grants_of)le_take32(r);
	id = le_take(r, ID_BYTES);
	row.at.stanzas =
	    le_take_bytes(r, STANZAS_BYTES_MAX, &row.at.stanzas_bytes);
	if (r->bad)
		return malformed(e);
	memcpy(row.id.bytes, id, ID_BYTES);
	rc = recipients_list(row.at.stanzas, row.at.stanzas_bytes, ids, &count,
	    e);
	if (rc != ERR_NONE)
		return rc;
	if (row.of != GRANTS_CONTENT && row.of != GRANTS_DOMAIN)
		return ERR_NONE; /* of no use to us */
	rc = grow(&g->rows, g->rows_count, &g->rows_room, sizeof row, e);
	if (rc == ERR_NONE)
		g->rows[g->rows_count++] = row;
	return rc;
}

enum err_code
grants_decode(struct grants **gp, const uint8_t family[STORE_FAMILY_BYTES],
    struct buf *bytes, struct err *e)
{
	struct grants *g = *gp;
	size_t before;
	struct le_reader r;
	enum err_code rc;

	if (bytes->len_bytes < HEAD_BYTES ||
	    bytes->len_bytes > GRANTS_BYTES_MAX)
		return malformed(e);
	rc = head_check(bytes->bytes, bytes->len_bytes, HEAD_GRANT, family, e);
	if (rc != ERR_NONE)
		return rc;
	if (g == NULL && (g = calloc(1, sizeof *g)) == NULL)
		return err_nomem(e);
	*gp = g;
	rc = grow(&g->files, g->files_count, &g->files_room, sizeof *g->files,
	    e);
	if (rc != ERR_NONE)
		return rc;
	before = g->rows_count;
	le_init(&r, bytes->bytes + HEAD_BYTES, bytes->len_bytes - HEAD_BYTES);
	while (rc == ERR_NONE && r.left_bytes > 0)
		rc = row_take(g, &r, e);
	if (rc != ERR_NONE) {
		g->rows_count = before; /* they point into what goes */
		return rc;
	}
	g->files[g->files_count++] = *bytes;
	memset(bytes, 0, sizeof *bytes);
	return ERR_NONE;
}

static int
row_order(const void *ap, const void *bp)
{
	const struct row *a = ap, *b = bp;

	if (a->of != b->of)
		return a->of < b->of ? -1 : 1;
	return memcmp(a->id.bytes, b->id.bytes, ID_BYTES);
}

void
grants_sort(struct grants *g)
{
	if (g != NULL && g->rows_count > 0)
		qsort(g->rows, g->rows_count, sizeof *g->rows, row_order);
}

/* --- reading -------------------------------------------------------------- */

/* Calls fn for each file; what is wrong with one is in *why. */
typedef enum err_code file_fn(void *ctx, const char *name, struct buf *bytes,
    enum err_code rc, struct err *why, struct err *e);

static enum err_code
each_file(struct store *st, file_fn *fn, void *ctx, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_list_in(&n, &fd, st, "grants", e);

	for (size_t i = 0; rc == ERR_NONE && i < n.count; i++) {
		OWNED(buf_fini) struct buf bytes = {0};
		struct err why = {0};
		struct id id;
		enum err_code found = id_parse(n.names[i], &id)
		    ? snapfind_bytes(&bytes, fd, &id, GRANTS_BYTES_MAX, &why)
		    : err_set(&why, ERR_CORRUPT, "its name is no hash");

		rc = fn(ctx, n.names[i], &bytes, found, &why, e);
	}
	return rc == ERR_NONE ? rc : err_wrap(e, "'%s/grants'", st->path);
}

struct loading {
	struct grants *grants;
	struct store *store;
};

static enum err_code
load_one(void *ctx, const char *name, struct buf *bytes, enum err_code rc,
    struct err *why, struct err *e)
{
	struct loading *l = ctx;

	(void)name;
	if (rc == ERR_NONE)
		rc = grants_decode(&l->grants, l->store->family, bytes, why);
	if (rc != ERR_NOMEM)
		return ERR_NONE;
	*e = *why;
	return rc;
}

enum err_code
grants_load(struct grants **out, struct store *st, struct err *e)
{
	struct loading l = {.store = st};
	enum err_code rc = each_file(st, load_one, &l, e);

	*out = NULL;
	if (rc != ERR_NONE) {
		grants_free(&l.grants);
		return rc;
	}
	grants_sort(l.grants);
	*out = l.grants;
	return ERR_NONE;
}

static enum err_code
check_one(void *ctx, const char *name, struct buf *bytes, enum err_code rc,
    struct err *why, struct err *e)
{
	OWNED(grants_free) struct grants *g = NULL;
	struct checking *ck = ctx;
	char object[sizeof "grants/" + ID_HEX_BYTES];

	snprintf(object, sizeof object, "grants/%.64s", name);
	if (rc == ERR_NONE)
		rc = grants_decode(&g, ck->store->family, bytes, why);
	if (rc == ERR_NOMEM) {
		*e = *why;
		return rc;
	}
	if (rc != ERR_NONE && rc != ERR_TOONEW && rc != ERR_NOTFOUND)
		checking_damage(ck, object, "%s", why->text);
	return ERR_NONE;
}

enum err_code
grants_check_all(struct checking *ck, struct err *e)
{
	return each_file(ck->store, check_one, ck, e);
}

static enum err_code
heal_one(void *ctx, const char *name, struct buf *bytes, enum err_code rc,
    struct err *why, struct err *e)
{
	OWNED(grants_free) struct grants *g = NULL;
	OWNED(fdio_close) int fd = -1;
	struct heal *h = ctx;
	char object[sizeof "grants/" + ID_HEX_BYTES];

	if (rc == ERR_NONE)
		rc = grants_decode(&g, h->store->family, bytes, why);
	if (rc == ERR_NOMEM) {
		*e = *why;
		return rc;
	}
	if (rc != ERR_CORRUPT)
		return ERR_NONE;
	snprintf(object, sizeof object, "grants/%.64s", name);
	heal_found(h, object, "%s", why->text);
	if (h->opt->dry_run)
		return ERR_NONE;
	rc = repo_open_dir(&fd, h->store->dir_fd, "grants", e);
	if (rc == ERR_NONE)
		rc = heal_put_away(h, fd, name, name, e);
	if (rc == ERR_NONE)
		heal_done(h, object,
		    "moved to bad/: key add-recipient opens "
		    "again what it opened");
	return rc;
}

enum err_code
grants_heal(struct heal *h, struct err *e)
{
	return each_file(h->store, heal_one, h, e);
}

/* --- looking up ----------------------------------------------------------- */

bool
grants_find(const struct grants *g, enum grants_of of, const struct id *id,
    size_t nth, struct grants_row *out)
{
	struct row wanted = {.of = of, .id = *id};
	size_t low = 0, high = g == NULL ? 0 : g->rows_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (row_order(&g->rows[mid], &wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (g == NULL || g->rows_count - low <= nth ||
	    row_order(&g->rows[low + nth], &wanted) != 0)
		return false;
	*out = g->rows[low + nth].at;
	return true;
}

enum err_code
grants_unwrap(const struct store *st, const struct grants_key *k,
    struct secret *content_key, struct err *e)
{
	enum err_code rc = keyring_unwrap(st->keyring, k->key_id, k->list,
	    k->list_bytes, content_key, e);
	struct grants_row row;
	struct err why;

	for (size_t nth = 0; rc == ERR_KEY &&
	     grants_find(st->grants, GRANTS_CONTENT, k->key_id, nth, &row);
	     nth++)
		if (keyring_unwrap(st->keyring, k->key_id, row.stanzas,
			row.stanzas_bytes, content_key, &why) == ERR_NONE)
			return ERR_NONE;
	return rc;
}

enum err_code
grants_id_key(const struct store *st, const struct id *domain,
    enum keyring_use use, struct hash_key **out, struct err *e)
{
	OWNED(secret_fini) struct secret key = {0};
	enum err_code rc = keyring_id_key(st->keyring, domain, use, out, e);
	struct grants_row row;
	struct err why;

	for (size_t nth = 0; rc == ERR_KEY &&
	     grants_find(st->grants, GRANTS_DOMAIN, domain, nth, &row);
	     nth++)
		if (keyring_subkey_wrapped(st->keyring, domain, row.stanzas,
			row.stanzas_bytes, use, &key, &why) == ERR_NONE)
			return hash_key_new(out, &key, e);
	return rc;
}

enum err_code
grants_who_can_open(const struct store *st, const struct grants_key *k,
    bool opens[RECIPIENTS_MAX], struct err *e)
{
	enum err_code rc =
	    keyring_who_can_open(st->keyring, k->list, k->list_bytes, opens, e);
	struct grants_row row;

	for (size_t nth = 0; rc == ERR_NONE &&
	     grants_find(st->grants, GRANTS_CONTENT, k->key_id, nth, &row);
	     nth++)
		rc = keyring_who_can_open(st->keyring, row.stanzas,
		    row.stanzas_bytes, opens, e);
	return rc;
}
