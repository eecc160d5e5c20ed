#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "closure.h"
#include "heal.h"
#include "index.h"
#include "landing.h"
#include "pack_damage.h"
#include "snapfind.h"

/*
 * What is lost here, from another copy.  A pack of the same name is made whole
 * block by block and counts only when all of it hashes to that name; where the
 * other copy has packed differently, a pack of its own that has the chunk comes
 * in as any pack from elsewhere does.
 */

/* Nothing of it is there, or what it gave is no good: heal without. */
static bool
is_peers_own(enum err_code rc)
{
	return rc == ERR_NOTFOUND || rc == ERR_CORRUPT || rc == ERR_INPUT ||
	    rc == ERR_REFUSED;
}

/* --- a pack by its name ------------------------------------------------------------ */

struct fetch {
	struct heal *heal;
	struct pack_info pack;
	int old_fd; /* the damaged file; -1: none */
	struct pack_done done;
	uint64_t fetched_bytes;
	uint8_t *bytes; /* HEALPEER_READ_BYTES */
};

static void
fetch_fini(struct fetch *f)
{
	if (f->done.fd != -1) {
		fdio_close(&f->done.fd);
		unlinkat(f->heal->store->tmp_fd, f->done.temporary, 0);
	}
	fdio_close(&f->old_fd);
	free(f->bytes);
}

static enum err_code
fetch_range(struct fetch *f, uint64_t offset_bytes, uint64_t len_bytes,
    struct err *e)
{
	const struct healpeer *p = f->heal->opt->peer;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && len_bytes > 0) {
		size_t n = len_bytes < HEALPEER_READ_BYTES
		    ? (size_t)len_bytes
		    : HEALPEER_READ_BYTES;

		rc = p->read(p->ctx, &f->pack, offset_bytes, f->bytes, n, e);
		if (rc == ERR_NONE)
			rc = fdio_pwrite(f->done.fd, f->bytes, n, offset_bytes,
			    e);
		f->fetched_bytes += n;
		offset_bytes += n;
		len_bytes -= n;
	}
	return rc;
}

/* *same: all of it is what its name says. */
static enum err_code
compare(struct fetch *f, bool *same, struct err *e)
{
	OWNED(hash_free) struct hash *hash = NULL;
	uint64_t at = 0;
	struct id id;
	enum err_code rc = hash_begin(&hash, e);

	while (rc == ERR_NONE && at < f->pack.size_bytes) {
		uint64_t left = f->pack.size_bytes - at;
		size_t n = left < HEALPEER_READ_BYTES ? (size_t)left
						      : HEALPEER_READ_BYTES;

		rc = fdio_pread(f->done.fd, f->bytes, n, at, e);
		if (rc == ERR_NONE)
			hash_add(hash, f->bytes, n);
		at += n;
	}
	if (rc != ERR_NONE)
		return rc;
	hash_end(hash, &id);
	*same = id_equal(&id, &f->pack.name);
	return ERR_NONE;
}

/* What of it can be read here; what cannot is left as it comes. */
static enum err_code
copy_old(struct fetch *f, struct err *e)
{
	struct err ignored;
	enum err_code rc = ERR_NONE;

	for (uint64_t at = 0; rc == ERR_NONE && at < f->pack.size_bytes;
	     at += FRAME_BLOCK_BYTES) {
		uint64_t left = f->pack.size_bytes - at;
		size_t n =
		    left < FRAME_BLOCK_BYTES ? (size_t)left : FRAME_BLOCK_BYTES;

		memset(f->bytes, 0, n);
		(void)!fdio_pread(f->old_fd, f->bytes, n, at, &ignored);
		rc = fdio_pwrite(f->done.fd, f->bytes, n, at, e);
	}
	return rc;
}

/* The damaged blocks only.  *same: that was all. */
static enum err_code
patch(struct fetch *f, bool *same, struct err *e)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer footer = {0};
	struct pack_damage d = {0};
	struct store *st = f->heal->store;
	char path[PACK_PATH_BYTES];
	struct err why;
	enum err_code rc;

	*same = false;
	if (pack_open(&pk, st->packs_fd, pack_path(&f->pack.name, path),
		f->pack.size_bytes, &why) != ERR_NONE ||
	    pack_footer_load(&footer, &pk, &why) != ERR_NONE)
		return ERR_NONE;
	rc = copy_old(f, e);
	if (rc == ERR_NONE)
		rc = pack_damage_begin(&d, &pk, &footer, e);
	while (rc == ERR_NONE && pack_damage_next(&d))
		rc = fetch_range(f, d.offset_bytes, d.len_bytes, e);
	pack_damage_fini(&d);
	return rc == ERR_NONE ? compare(f, same, e) : rc;
}

static enum err_code
fill(struct fetch *f, struct err *e)
{
	char path[PACK_PATH_BYTES];
	bool same = false;
	struct err why;
	enum err_code rc = ERR_NONE;

	if (repo_open_file(&f->old_fd, NULL, f->heal->store->packs_fd,
		pack_path(&f->pack.name, path), &why) == ERR_NONE)
		rc = patch(f, &same, e);
	if (rc != ERR_NONE || same)
		return rc;
	rc = fetch_range(f, 0, f->pack.size_bytes, e);
	if (rc == ERR_NONE)
		rc = compare(f, &same, e);
	return rc == ERR_NONE && !same
	    ? err_set(e, ERR_CORRUPT,
		  "what '%s' has under that name is damaged, too",
		  f->heal->opt->peer->name)
	    : rc;
}

/* The damaged one gets another name, this one its own. */
static enum err_code
land(struct fetch *f, struct landing *l, struct err *e)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer footer = {0};
	struct store *st = f->heal->store;
	struct pack_frame first;
	char path[PACK_PATH_BYTES], hex[ID_HEX_BYTES];
	enum err_code rc = pack_open(&pk, st->tmp_fd, f->done.temporary, 0, e);

	if (rc == ERR_NONE)
		rc = pack_footer_load(&footer, &pk, e);
	if (rc == ERR_NONE)
		rc = pack_check_heads(&pk, &footer, st->family, e);
	if (rc == ERR_NONE && footer.frames_count == 0)
		rc = err_set(e, ERR_CORRUPT, "it is empty");
	if (rc == ERR_NONE)
		rc = pack_footer_records(&footer, 0, &l->records, e);
	if (rc == ERR_NONE)
		rc = heal_keep(f->heal, st->packs_fd,
		    pack_path(&f->pack.name, path), id_hex(&f->pack.name, hex),
		    e);
	if (rc != ERR_NONE)
		return rc;
	pack_footer_frame(&footer, 0, &first);
	f->done.metadata = first.kind != STORE_DATA;
	rc = landing_add(l, &f->done, e);
	f->done.fd = -1;
	return rc == ERR_NONE ? landing_flush(l, e) : rc;
}

static enum err_code
make_temporary(struct fetch *f, struct err *e)
{
	struct store *st = f->heal->store;

	f->done.name = f->pack.name;
	f->done.size_bytes = f->pack.size_bytes;
	session_temporary(f->heal->session, f->done.temporary);
	f->bytes = malloc(HEALPEER_READ_BYTES);
	if (f->bytes == NULL)
		return err_nomem(e);
	f->done.fd = fdio_open_beneath(st->tmp_fd, f->done.temporary,
	    O_RDWR | O_CREAT | O_EXCL, 0400);
	return f->done.fd == -1 ? err_sys(e, "cannot create '%s/tmp/%s'",
				      st->path, f->done.temporary)
				: ERR_NONE;
}

static enum err_code
fetch_pack(struct fetch *f, struct err *e)
{
	OWNED(landing_fini) struct landing l = {0};
	struct heal *h = f->heal;
	const size_t number = index_pack_number(h->store, &f->pack.name);
	enum err_code rc = make_temporary(f, e);

	landing_init(&l, h->session);
	/* It is the same as it was; one that was never listed is a claim. */
	l.foreign = number >= index_packs_count(h->store) ||
	    index_pack(h->store, (uint32_t)number)->foreign;
	if (rc == ERR_NONE)
		rc = fill(f, e);
	if (rc == ERR_NONE)
		rc = land(f, &l, e);
	return rc == ERR_NONE ? heal_refresh(h, e) : rc;
}

static void
tell(struct heal *h, const char *object, uint64_t fetched_bytes)
{
	h->tally->fetched_count++;
	h->tally->fetched_bytes += fetched_bytes;
	heal_done(h, object, "byte for byte as it was: %llu bytes from '%s'",
	    (unsigned long long)fetched_bytes, h->opt->peer->name);
}

enum err_code
heal_fetch_pack(struct heal *h, const struct id *name, bool *healed,
    struct err *e)
{
	OWNED(fetch_fini)
	struct fetch f = {.heal = h, .old_fd = -1, .done = {.fd = -1}};
	const struct healpeer *p = h->opt->peer;
	char path[PACK_PATH_BYTES], object[8 + PACK_PATH_BYTES];
	enum err_code rc;

	*healed = false;
	if (p == NULL)
		return ERR_NONE;
	snprintf(object, sizeof(object), "packs/%s", pack_path(name, path));
	rc = p->find(p->ctx, name, false, 0, &f.pack, e);
	if (rc == ERR_NONE &&
	    (!id_equal(&f.pack.name, name) ||
		f.pack.size_bytes > PACK_BYTES_MAX ||
		f.pack.size_bytes < PACK_TAIL_BYTES))
		rc = err_set(e, ERR_INPUT, "no pack is like that");
	if (rc == ERR_NONE)
		rc = fetch_pack(&f, e);
	if (is_peers_own(rc))
		return ERR_NONE;
	if (rc != ERR_NONE)
		return err_wrap(e, "healing %s from '%s'", object, p->name);
	tell(h, object, f.fetched_bytes);
	*healed = true;
	return ERR_NONE;
}

/* --- snapshots and points ------------------------------------------------------------- */

static enum err_code
publish(struct heal *h, int top_fd, const char *what, const char *service,
    const struct buf *b, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = what,
	    .bytes = b->bytes,
	    .len_bytes = b->len_bytes};
	struct id name;
	enum err_code rc = heal_lock(h, e);

	if (rc != ERR_NONE)
		return rc;
	held = h->store;
	rc = repo_make_dir(&fd, top_fd, service, e);
	f.dirfd = fd;
	return rc == ERR_NONE ? repo_publish_hashed(h->session, &f, &name, e)
			      : rc;
}

enum err_code
heal_fetch_file(struct heal *h, enum healpeer_file what, const char *service,
    const struct id *id, bool *healed, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	const struct healpeer *p = h->opt->peer;
	const bool snapshot = what == HEALPEER_SNAPSHOT;
	const char *top = snapshot ? "snapshots" : "points";
	char hex[ID_HEX_BYTES], object[ID_HEX_BYTES + STORE_NAME_BYTES + 16];
	struct err why;
	struct id hash;
	enum err_code rc;

	*healed = false;
	if (p == NULL)
		return ERR_NONE;
	rc = p->file(p->ctx, what, service, id, &b, &why);
	if (rc != ERR_NONE && !is_peers_own(rc)) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE)
		return ERR_NONE;
	rc = hash_sha256(b.bytes, b.len_bytes, &hash, e);
	if (rc != ERR_NONE || !id_equal(&hash, id))
		return rc;
	rc = publish(h, snapshot ? h->store->snapshots_fd : h->store->points_fd,
	    top, service, &b, e);
	if (rc != ERR_NONE)
		return rc == ERR_EXISTS ? ERR_NONE : rc;
	snprintf(object, sizeof(object), "%s/%s/%s", top, service,
	    id_hex(id, hex));
	tell(h, object, b.len_bytes);
	*healed = true;
	return ERR_NONE;
}

/* --- by chunk ---------------------------------------------------------------------------- */

struct missing {
	struct idset ids;
	struct id *all;
	size_t count, room;
};

static void
missing_fini(struct missing *m)
{
	idset_fini(&m->ids);
	free(m->all);
}

static enum err_code
note(void *ctx, const struct id *id, const struct id *parent, struct err *why)
{
	struct missing *m = ctx;
	struct err e;
	bool added;

	(void)parent;
	if (why->code != ERR_NOTFOUND && why->code != ERR_CORRUPT)
		return why->code;
	if (idset_add(&m->ids, id, &added, &e) != ERR_NONE)
		return ERR_NOMEM;
	if (!added)
		return ERR_NONE;
	if (m->count == m->room) {
		size_t room = m->room * 2 + 64;
		struct id *more = reallocarray(m->all, room, sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		m->all = more;
		m->room = room;
	}
	m->all[m->count++] = *id;
	return ERR_NONE;
}

/* What the snapshots name and nothing here has. */
static enum err_code
find_missing(struct missing *m, struct store *st, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	OWNED(closure_fini)
	struct closure c = {.store = st, .broken = note, .ctx = m};
	enum err_code rc = snapshot_list_clear(&list, st, NULL, NULL, NULL, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		rc = closure_walk(&c, &list.snapshots[i].root, e);
	return rc;
}

static enum err_code
take_in(struct heal *h, struct intake *in, const struct pack_info *pack,
    struct err *e)
{
	const struct healpeer *p = h->opt->peer;
	OWNED(free_mem) uint8_t *bytes = malloc(HEALPEER_READ_BYTES);
	uint64_t at = 0;
	enum err_code rc = bytes == NULL
	    ? err_nomem(e)
	    : intake_pack_begin(in, &pack->name, pack->size_bytes, e);

	while (rc == ERR_NONE && at < pack->size_bytes) {
		uint64_t left = pack->size_bytes - at;
		size_t n = left < HEALPEER_READ_BYTES ? (size_t)left
						      : HEALPEER_READ_BYTES;

		rc = p->read(p->ctx, pack, at, bytes, n, e);
		if (rc == ERR_NONE)
			rc = intake_pack_add(in, bytes, n, e);
		at += n;
	}
	return rc == ERR_NONE ? intake_pack_end(in, e) : rc;
}

/* Any pack of the peer's that has it.  *got: one came in. */
static enum err_code
fetch_chunk(struct heal *h, struct intake *in, const struct id *id, bool *got,
    struct err *e)
{
	const struct healpeer *p = h->opt->peer;
	enum err_code rc = ERR_NONE;

	for (unsigned nth = 0; rc == ERR_NONE && nth < 8; nth++) {
		struct pack_info pack;
		char path[PACK_PATH_BYTES], object[8 + PACK_PATH_BYTES];

		rc = p->find(p->ctx, id, true, nth, &pack, e);
		if (rc != ERR_NONE)
			break;
		rc = take_in(h, in, &pack, e);
		if (is_peers_own(rc)) {
			rc = ERR_NONE;
			continue;
		}
		if (rc == ERR_NONE)
			rc = intake_flush(in, e);
		if (rc != ERR_NONE)
			break;
		snprintf(object, sizeof(object), "packs/%s",
		    pack_path(&pack.name, path));
		h->tally->fetched_count++;
		h->tally->fetched_bytes += pack.size_bytes;
		if (h->opt->on_healed != NULL)
			h->opt->on_healed(h->opt->ctx, object,
			    "has what was lost: a pack of the other copy");
		*got = true;
		return ERR_NONE;
	}
	return is_peers_own(rc) ? ERR_NONE : rc;
}

static enum err_code
fetch_all(struct heal *h, const struct missing *m, bool *any, struct err *e)
{
	OWNED(intake_free) struct intake *in = NULL;
	enum err_code rc = intake_new(&in, h->store, e);

	for (size_t i = 0; rc == ERR_NONE && i < m->count; i++)
		if (!index_present(h->store, &m->all[i]))
			rc = fetch_chunk(h, in, &m->all[i], any, e);
	return rc;
}

enum err_code
heal_fetch_missing(struct heal *h, struct err *e)
{
	bool any = h->opt->peer != NULL;
	enum err_code rc = ERR_NONE;

	/* What came may be pages, and name more. */
	while (rc == ERR_NONE && any) {
		OWNED(missing_fini) struct missing m = {0};

		any = false;
		rc = find_missing(&m, h->store, e);
		if (rc == ERR_NONE && m.count > 0)
			rc = fetch_all(h, &m, &any, e);
		if (rc == ERR_NONE && any)
			rc = heal_refresh(h, e);
	}
	return rc == ERR_NONE
	    ? rc
	    : err_wrap(e, "healing from '%s'", h->opt->peer->name);
}
