#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "grants.h"
#include "idset.h"
#include "pack.h"
#include "snapfile.h"
#include "snapfind.h"

/*
 * Every content key of the repository once: from the packs' footers, and from
 * the snapshots (a run that stored nothing new has a key too).
 */
struct walk {
	struct store *store;
	struct idset seen;
	enum err_code (*fn)(void *ctx, const struct grants_key *k,
	    const char *object, struct err *e);
	void *ctx;
	struct grant_tally *tally;
	/* Where the key was met: one frame of it, or a snapshot's details. */
	const struct pack *pack;
	const struct pack_footer *footer;
	uint32_t key; /* which of the footer's */
	const struct id *domain;
	struct snapshot *snapshot;
	const struct snapfile_sealed *sealed;
};

static enum err_code
meet(struct walk *w, const struct grants_key *k, const char *object,
    struct err *e)
{
	bool added;
	enum err_code rc = idset_add(&w->seen, k->key_id, &added, e);

	if (rc != ERR_NONE || !added)
		return rc;
	w->tally->keys_count++;
	return w->fn(w->ctx, k, object, e);
}

/* A pack that cannot be read is check's to tell of. */
static enum err_code
walk_pack(struct walk *w, const struct index_pack *ip, struct err *e)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	char path[PACK_PATH_BYTES], object[sizeof "packs/" + PACK_PATH_BYTES];
	struct pack_key_row row;
	struct err why;
	enum err_code rc;

	(void)pack_path(&ip->name, path);
	rc = pack_open(&pk, w->store->packs_fd, path, ip->size_bytes, &why);
	if (rc == ERR_NONE)
		rc = pack_footer_load(&f, &pk, &why);
	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE) {
		w->tally->unread_count++;
		return ERR_NONE;
	}
	snprintf(object, sizeof object, "packs/%s", path);
	for (uint32_t i = 0; rc == ERR_NONE && pack_footer_key(&f, i, &row);
	     i++) {
		struct grants_key k = {&row.key_id, row.stanzas,
		    row.stanzas_bytes};

		w->pack = &pk;
		w->footer = &f;
		w->key = i;
		w->domain = &row.domain;
		rc = meet(w, &k, object, e);
		w->pack = NULL;
	}
	return rc;
}

static enum err_code
walk_snapshot(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {.id = *id};
	OWNED(buf_fini) struct buf bytes = {0};
	struct snapfile_sealed sealed;
	struct grants_key k;
	struct walk *w = ctx;
	struct err why;
	enum err_code rc;

	(void)service;
	rc = snapfind_bytes(&bytes, dir_fd, id, SNAPFILE_BYTES_MAX, &why);
	if (rc == ERR_NONE)
		rc = snapfile_decode(&s, &sealed, w->store->family, bytes.bytes,
		    bytes.len_bytes, &why);
	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE) {
		w->tally->unread_count += rc != ERR_NOTFOUND;
		return ERR_NONE;
	}
	k = (struct grants_key){&sealed.key_id, sealed.stanzas,
	    sealed.stanzas_bytes};
	w->snapshot = &s;
	w->sealed = &sealed;
	w->domain = &sealed.domain;
	return meet(w, &k, object, e);
}

static enum err_code
walk_run(struct walk *w, struct err *e)
{
	struct store *st = w->store;
	struct snapfind_each each = {.store = st,
	    .top_fd = st->snapshots_fd,
	    .top = "snapshots",
	    .fn = walk_snapshot,
	    .fn_ctx = w};
	enum err_code rc = ERR_NONE;

	/* Packs first: a frame of a key says more than a snapshot's details. */
	for (size_t i = 0; rc == ERR_NONE && i < index_packs_count(st); i++)
		if (index_pack_present(st, (uint32_t)i))
			rc = walk_pack(w, index_pack(st, (uint32_t)i), e);
	if (rc == ERR_NONE)
		rc = snapfind_each(&each, e);
	idset_fini(&w->seen);
	return rc;
}

/* --- whom it is closed to -------------------------------------------------- */

struct closed {
	struct store *store;
	grant_closed_fn *fn;
	void *ctx;
	struct grant_tally *tally;
};

static enum err_code
closed_to(void *ctx, const struct grants_key *k, const char *object,
    struct err *e)
{
	bool opens[RECIPIENTS_MAX] = {false}, all = true;
	struct closed *c = ctx;
	const struct recipients_public *to;
	struct id recipient;
	size_t count;
	enum err_code rc = grants_who_can_open(c->store, k, opens, e);

	if (rc == ERR_CORRUPT)
		rc = ERR_NONE; /* then nobody does */
	to = keyring_recipients(c->store->keyring, &count);
	for (size_t i = 0; i < count && rc == ERR_NONE; i++) {
		if (opens[i])
			continue;
		all = false;
		rc = recipients_id(&to[i], &recipient, e);
		if (rc == ERR_NONE && c->fn != NULL)
			c->fn(c->ctx, k->key_id, &recipient, object);
	}
	c->tally->closed_count += !all;
	return rc;
}

enum err_code
grant_list_closed(struct store *st, grant_closed_fn *fn, void *ctx,
    struct grant_tally *out, struct err *e)
{
	struct closed c = {st, fn, ctx, out};
	struct walk w = {.store = st, .fn = closed_to, .ctx = &c, .tally = out};

	memset(out, 0, sizeof *out);
	if (st->keyring == NULL)
		return err_set(e, ERR_KEY,
		    "whose recipients? that needs a key file");
	return walk_run(&w, e);
}

/* --- who opens it ---------------------------------------------------------- */

struct holding {
	struct walk *walk;
	const struct grants *grants;
	struct grant_holders *out;
};

static void
count_holder(struct grant_holder *all, size_t *count, const struct id *id)
{
	size_t i = 0;

	while (i < *count && !id_equal(&all[i].id, id))
		i++;
	if (i == GRANT_HOLDERS_MAX)
		return;
	if (i == *count)
		all[(*count)++] = (struct grant_holder){.id = *id};
	all[i].keys_count++;
}

static bool
is_among(const struct id *id, const struct id *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (id_equal(id, &ids[i]))
			return true;
	return false;
}

/* The ids of one list, each once among those met before; a bad list has none. */
static enum err_code
add_recipients(struct id ids[GRANT_HOLDERS_MAX], size_t *count,
    const void *list, size_t list_bytes, struct err *e)
{
	struct id more[RECIPIENTS_MAX];
	size_t more_count;
	enum err_code rc =
	    recipients_list(list, list_bytes, more, &more_count, e);

	if (rc != ERR_NONE)
		return rc == ERR_CORRUPT ? ERR_NONE : rc;
	for (size_t i = 0; i < more_count && *count < GRANT_HOLDERS_MAX; i++)
		if (!is_among(&more[i], ids, *count))
			ids[(*count)++] = more[i];
	return ERR_NONE;
}

static enum err_code
held_by(void *ctx, const struct grants_key *k, const char *object,
    struct err *e)
{
	struct id ids[GRANT_HOLDERS_MAX];
	struct holding *h = ctx;
	struct grants_row row;
	size_t count = 0;
	enum err_code rc =
	    add_recipients(ids, &count, k->list, k->list_bytes, e);

	(void)object;
	for (size_t nth = 0; rc == ERR_NONE &&
	     grants_find(h->grants, GRANTS_CONTENT, k->key_id, nth, &row);
	     nth++)
		rc = add_recipients(ids, &count, row.stanzas, row.stanzas_bytes,
		    e);
	for (size_t i = 0; i < count; i++)
		count_holder(h->out->recipients, &h->out->recipients_count,
		    &ids[i]);
	count_holder(h->out->domains, &h->out->domains_count, h->walk->domain);
	return rc;
}

enum err_code
grant_holders(struct grant_holders *out, struct store *st, struct err *e)
{
	OWNED(grants_free) struct grants *own = NULL;
	struct holding h = {.out = out};
	struct walk w = {.store = st,
	    .fn = held_by,
	    .ctx = &h,
	    .tally = &out->tally};
	enum err_code rc = grants_load(&own, st, e);

	memset(out, 0, sizeof *out);
	h.grants = own;
	h.walk = &w;
	return rc == ERR_NONE ? walk_run(&w, e) : rc;
}

/* --- granting -------------------------------------------------------------- */

struct granting {
	struct store *store;
	struct session *session;
	struct buf body; /* of the next file */
	struct grant_tally *tally;
};

static enum err_code
write_file(struct granting *g, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "grants"};
	struct id name;
	enum err_code rc;

	if (g->body.len_bytes == 0)
		return ERR_NONE;
	if ((rc = repo_make_dir(&fd, g->store->dir_fd, "grants", e)) !=
		ERR_NONE ||
	    (rc = grants_encode(&bytes, g->store->family, &g->body, e)) !=
		ERR_NONE)
		return rc;
	f.dirfd = fd;
	f.bytes = bytes.bytes;
	f.len_bytes = bytes.len_bytes;
	rc = repo_publish_hashed(g->session, &f, &name, e);
	buf_clear(&g->body);
	return rc == ERR_EXISTS ? ERR_NONE : rc;
}

static enum err_code
add_row(struct granting *g, enum grants_of of, const struct id *id,
    const struct buf *stanzas, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (stanzas->len_bytes == 0)
		return ERR_NONE;
	if (g->body.len_bytes + stanzas->len_bytes >
	    GRANTS_BYTES_MAX - ((size_t)1 << 17))
		rc = write_file(g, e);
	return rc == ERR_NONE ? grants_add(&g->body, of, id, stanzas, e) : rc;
}

static enum err_code
grant_key(void *ctx, const struct grants_key *k, const char *object,
    struct err *e)
{
	OWNED(secret_fini) struct secret key = {0};
	OWNED(buf_fini) struct buf stanzas = {0};
	bool opens[RECIPIENTS_MAX] = {false};
	struct granting *g = ctx;
	const struct keyring *ring = g->store->keyring;
	const struct recipients_key name = {g->store->family, *k->key_id};
	const struct recipients_public *to;
	struct err why;
	size_t count;
	enum err_code rc;

	(void)object;
	rc = grants_who_can_open(g->store, k, opens, &why);
	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	to = keyring_recipients(ring, &count);
	for (size_t i = 0; i < count; i++) {
		if (opens[i])
			continue;
		if (key.bytes == NULL) {
			rc = grants_unwrap(g->store, k, &key, &why);
			if (rc == ERR_NOMEM) {
				*e = why;
				return rc;
			}
			if (rc != ERR_NONE) { /* nor can we open it */
				g->tally->closed_count++;
				return ERR_NONE;
			}
		}
		rc = recipients_wrap_key(&stanzas, &to[i], &name, &key, e);
		if (rc != ERR_NONE)
			return rc;
	}
	g->tally->granted_count += stanzas.len_bytes > 0;
	return add_row(g, GRANTS_CONTENT, k->key_id, &stanzas, e);
}

/* Every generation we hold, for whoever has it not from the repository. */
static enum err_code
grant_domains(struct granting *g, struct err *e)
{
	const struct keyring *ring = g->store->keyring;
	const struct recipients_public *to;
	const struct id *domain;
	enum err_code rc = ERR_NONE;
	size_t count;

	to = keyring_recipients(ring, &count);
	for (size_t d = 0;
	     rc == ERR_NONE && (domain = keyring_domain_nth(ring, d)) != NULL;
	     d++) {
		OWNED(buf_fini) struct buf stanzas = {0};
		bool opens[RECIPIENTS_MAX] = {false};
		struct grants_row row;

		for (size_t nth = 0; rc == ERR_NONE &&
		     grants_find(g->store->grants, GRANTS_DOMAIN, domain, nth,
			 &row);
		     nth++)
			rc = keyring_who_can_open(ring, row.stanzas,
			    row.stanzas_bytes, opens, e);
		for (size_t i = 0; i < count && rc == ERR_NONE; i++)
			if (!opens[i])
				rc = keyring_wrap_domain(ring, d, &to[i],
				    &stanzas, e);
		if (rc == ERR_NONE)
			rc = add_row(g, GRANTS_DOMAIN, domain, &stanzas, e);
	}
	return rc;
}

enum err_code
grant_all(struct store *st, struct grant_tally *out, struct err *e)
{
	OWNED(session_close) struct session *se = NULL;
	struct granting g = {.store = st, .tally = out};
	struct walk w = {.store = st, .fn = grant_key, .ctx = &g, .tally = out};
	enum err_code rc;

	memset(out, 0, sizeof *out);
	if (st->keyring == NULL || !keyring_can_read(st->keyring))
		return err_set(e, ERR_KEY,
		    "only a key that reads can let others read");
	if ((rc = session_open_bare(&se, st, e)) != ERR_NONE)
		return rc;
	g.session = se;
	g.body.max_bytes = GRANTS_BYTES_MAX;
	rc = grant_domains(&g, e);
	if (rc == ERR_NONE)
		rc = walk_run(&w, e);
	if (rc == ERR_NONE)
		rc = write_file(&g, e);
	buf_fini(&g.body);
	if (rc != ERR_NONE)
		return err_wrap(e, "granting what is in '%s'", st->path);
	/* What was granted counts from now on. */
	grants_free(&st->grants);
	return grants_load(&st->grants, st, e);
}

/* --- the drill -------------------------------------------------------------- */

struct drill {
	struct store *store;
	struct walk *walk;
	struct reader *reader;
	struct grant_drill *out;
	store_damage_fn *on_failed;
	void *ctx;
};

/* The first frame under the key: opened, its ids derived again. */
static enum err_code
drill_frame(struct drill *d, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	OWNED(buf_fini) struct buf lengths = {0};
	const struct walk *w = d->walk;
	struct reader_frame f = {.pack = w->pack};
	uint8_t *at;
	enum err_code rc;

	for (uint32_t i = 0; i < w->footer->frames_count; i++) {
		pack_footer_frame(w->footer, i, &f.row);
		if (f.row.key == w->key)
			break;
	}
	if (f.row.key != w->key)
		return ERR_NONE; /* a key of which this pack has no frame */
	f.ids = w->footer->ids + (size_t)f.row.first_chunk * ID_BYTES;
	rc = buf_extend(&bytes, f.row.len_bytes, &at, e);
	if (rc == ERR_NONE)
		rc = fdio_pread(w->pack->fd, at, f.row.len_bytes,
		    f.row.offset_bytes, e);
	f.bytes = at;
	if (rc == ERR_NONE)
		rc = reader_check_frame(d->reader, &f, &lengths, e);
	d->out->read_bytes += f.row.len_bytes;
	return rc;
}

static enum err_code
drill_key(void *ctx, const struct grants_key *k, const char *object,
    struct err *e)
{
	struct drill *d = ctx;
	struct err why;
	enum err_code rc;

	(void)k;
	rc = d->walk->pack != NULL
	    ? drill_frame(d, &why)
	    : snapfile_open(d->walk->snapshot, d->walk->sealed, d->store, &why);
	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	d->out->opened_count += rc == ERR_NONE;
	if (rc != ERR_NONE && d->on_failed != NULL)
		d->on_failed(d->ctx, object, why.text);
	return ERR_NONE;
}

enum err_code
grant_drill(struct store *st, store_damage_fn *on_failed, void *ctx,
    struct grant_drill *out, struct err *e)
{
	OWNED(reader_free) struct reader *r = NULL;
	struct grant_tally tally = {0};
	struct drill d = {.store = st,
	    .out = out,
	    .on_failed = on_failed,
	    .ctx = ctx};
	struct walk w = {.store = st,
	    .fn = drill_key,
	    .ctx = &d,
	    .tally = &tally};
	enum err_code rc;

	memset(out, 0, sizeof *out);
	if (st->keyring == NULL || !keyring_can_read(st->keyring))
		return err_set(e, ERR_KEY, "this key cannot read");
	if ((rc = reader_new(&r, st, e)) != ERR_NONE)
		return rc;
	d.reader = r;
	d.walk = &w;
	rc = walk_run(&w, e);
	out->sessions_count = tally.keys_count;
	out->unread_count = tally.unread_count;
	return rc;
}

/* --- for copies ------------------------------------------------------------ */

static int
compare_ids(const void *a, const void *b)
{
	return id_compare(a, b);
}

void
grant_files_fini(struct grant_files *g)
{
	free(g->ids);
	memset(g, 0, sizeof *g);
}

enum err_code
grant_list(struct grant_files *out, struct store *st, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_list_in(&n, &fd, st, "grants", e);

	memset(out, 0, sizeof *out);
	if (rc != ERR_NONE)
		return err_wrap(e, "'%s/grants'", st->path);
	out->ids = calloc(n.count + 1, sizeof *out->ids);
	if (out->ids == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < n.count; i++)
		if (id_parse(n.names[i], &out->ids[out->count]))
			out->count++;
	qsort(out->ids, out->count, sizeof *out->ids, compare_ids);
	return ERR_NONE;
}

enum err_code
grant_bytes(struct store *st, const struct id *id, struct buf *out,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, st->dir_fd, "grants", e);

	return rc == ERR_NONE ? snapfind_bytes(out, fd, id, GRANTS_BYTES_MAX, e)
			      : rc;
}
