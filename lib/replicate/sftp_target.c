#include "sftp_target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>

#include "reach.h"

#define FORMAT_BYTES_MAX ((size_t)4096)
#define SCHEME           "sftp://"
#define NAME_BYTES       (STORE_NAME_BYTES + 2 * ID_HEX_BYTES)

bool
sftp_target_is(const char *url)
{
	return strncmp(url, SCHEME, strlen(SCHEME)) == 0;
}

static void
problem(struct sftp_target *t, const char *what, const struct id *id,
    const struct err *why)
{
	char object[ID_HEX_BYTES + 32], hex[ID_HEX_BYTES];

	snprintf(object, sizeof(object), "%s %s", what, id_hex(id, hex));
	if (t->opt->on_problem != NULL)
		t->opt->on_problem(t->opt->ctx, object, why);
}

/* Would the next object fare the same?  Then it is the end. */
static bool
is_objects_own(enum err_code rc)
{
	return rc == ERR_CORRUPT || rc == ERR_NOTFOUND;
}

/* --- the copy itself ------------------------------------------------------------ */

/* Empty, or what a creation that was cut short leaves. */
static enum err_code
check_vacant(struct sftp_target *t, struct err *e)
{
	OWNED(sshdir_close) struct sshdir *dir = NULL;
	OWNED(buf_fini) struct buf path = {0};
	struct sshdirent entry;
	bool more;

	if (sftp_target_file_path(t, &path, "", e) != ERR_NONE ||
	    sshdir_begin(&dir, t->sftp, buf_text(&path), e) != ERR_NONE)
		return e->code;
	for (;;) {
		size_t i = 0;

		if (sshdir_next(dir, &entry, &more, e) != ERR_NONE)
			return e->code;
		if (!more)
			return ERR_NONE;
		while (mirror_dir(i) != NULL &&
		    strcmp(mirror_dir(i), entry.name) != 0)
			i++;
		if (mirror_dir(i) == NULL && strcmp(entry.name, "lock") != 0 &&
		    strcmp(entry.name, "format.bak") != 0)
			return err_set(e, ERR_EXISTS,
			    "'%s' there is not empty, and no copy", t->base);
	}
}

static enum err_code
make_dirs(struct sftp_target *t, struct err *e)
{
	const char *name;
	bool made;

	for (size_t i = 0; (name = mirror_dir(i)) != NULL; i++)
		if (sftp_target_file_dir(t, name, &made, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

static enum err_code
make_files(struct sftp_target *t, struct err *e)
{
	OWNED(buf_fini) struct buf format = {0}, manifest = {0}, empty = {0};

	if (mirror_format(t->mirror, &format, e) != ERR_NONE ||
	    mirror_manifest(t->mirror, &manifest, e) != ERR_NONE ||
	    sftp_target_file_replace(t, "lock", &empty, e) != ERR_NONE ||
	    sftp_target_file_replace(t, "index/MANIFEST", &manifest, e) !=
		ERR_NONE ||
	    sftp_target_file_replace(t, "format.bak", &format, e) != ERR_NONE ||
	    /* last: from here on it is a repository */
	    sftp_target_file_replace(t, "format", &format, e) != ERR_NONE)
		return e->code;
	t->tally->copy_created = true;
	return ERR_NONE;
}

/* Is there a copy, and of this repository?  ERR_NOTFOUND: none yet. */
static enum err_code
recognise(struct sftp_target *t, struct err *e)
{
	OWNED(buf_fini) struct buf format = {0};
	enum err_code rc =
	    sftp_target_file_get(t, "format", FORMAT_BYTES_MAX, &format, e);

	if (rc == ERR_NONE)
		rc = mirror_check_format(t->mirror, format.bytes,
		    format.len_bytes, e);
	if (rc == ERR_CORRUPT)
		return err_hint(e,
		    "heal it where it lies: bascule -r PATH heal");
	if (rc == ERR_REFUSED)
		return err_hint(e,
		    "give each repository a path of its own; an empty one "
		    "will do");
	return rc;
}

static enum err_code
open_copy(struct sftp_target *t, struct err *e)
{
	enum err_code rc = recognise(t, e);
	bool made;

	if (rc == ERR_NONE)
		return sftp_target_lock_take(t, e);
	if (rc != ERR_NOTFOUND)
		return rc;
	if (sftp_target_file_dir(t, "", &made, e) != ERR_NONE ||
	    check_vacant(t, e) != ERR_NONE || make_dirs(t, e) != ERR_NONE ||
	    sftp_target_lock_take(t, e) != ERR_NONE ||
	    sftp_target_list_packs(t, e) != ERR_NONE)
		return err_wrap(e, "making the copy");
	if (t->packs.count > 0)
		return err_set(e, ERR_CORRUPT,
		    "'%s' there holds packs but no format: a damaged copy",
		    t->base);
	rc = recognise(t, e); /* another may have made it just now */
	return rc == ERR_NOTFOUND ? make_files(t, e) : rc;
}

/* --- what it lacks --------------------------------------------------------------- */

struct offer {
	struct snapshot_list snapshots;
	struct point_list points;
	struct grant_files grants;
	bool *wanted;       /* of snapshots */
	struct id *missing; /* snapshots that cannot be there after this run */
	size_t missing_count;
	struct pack_list packs;
	struct id *failed; /* packs */
	size_t failed_count;
};

static void
offer_fini(struct offer *o)
{
	snapshot_list_fini(&o->snapshots);
	point_list_fini(&o->points);
	grant_files_fini(&o->grants);
	pack_list_fini(&o->packs);
	free(o->wanted);
	free(o->missing);
	free(o->failed);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct sftp_target *t = ctx;
	struct err why = {0};

	t->tally->damaged_count++;
	err_set(&why, ERR_CORRUPT, "%s", what);
	if (t->opt->on_problem != NULL)
		t->opt->on_problem(t->opt->ctx, object, &why);
}

static enum err_code
gather(struct sftp_target *t, struct offer *o, struct err *e)
{
	if (snapshot_list(&o->snapshots, t->store, t->opt->service, on_damage,
		t, e) != ERR_NONE ||
	    point_list(&o->points, t->store, t->opt->service, on_damage, t,
		e) != ERR_NONE ||
	    grant_list(&o->grants, t->store, e) != ERR_NONE)
		return e->code;
	o->wanted = calloc(o->snapshots.count + 1, sizeof(*o->wanted));
	o->missing = calloc(o->snapshots.count + 1, sizeof(*o->missing));
	if (o->wanted == NULL || o->missing == NULL)
		return err_nomem(e);
	t->tally->points_count = o->points.count;
	return ERR_NONE;
}

/* "snapshots/SERVICE/HASH"; the directory when id is NULL. */
static const char *
name_of(char out[NAME_BYTES], const char *dir, const char *service,
    const struct id *id)
{
	char hex[ID_HEX_BYTES] = "";

	snprintf(out, NAME_BYTES, "%s/%s%s%s", dir, service,
	    id != NULL ? "/" : "", id != NULL ? id_hex(id, hex) : "");
	return out;
}

/* The files of one service, listed once while services come in order. */
struct shelf_view {
	const char *dir;
	char service[STORE_NAME_BYTES];
	bool listed;
	struct sftp_target_list files;
};

static enum err_code
has_file(struct sftp_target *t, struct shelf_view *v, const char *service,
    const struct id *id, bool *has, struct err *e)
{
	const struct sftp_target_there *there;
	char name[NAME_BYTES];
	enum err_code rc = ERR_NONE;

	if (!v->listed || strcmp(v->service, service) != 0) {
		sftp_target_list_fini(&v->files);
		snprintf(v->service, sizeof(v->service), "%s", service);
		rc = sftp_target_list_dir(t,
		    name_of(name, v->dir, service, NULL), &v->files, e);
		sftp_target_list_sort(&v->files);
		v->listed = true;
	}
	if (rc != ERR_NONE && rc != ERR_NOTFOUND)
		return rc;
	there = sftp_target_list_find(&v->files, id);
	*has = there != NULL && there->size_bytes > 0;
	return ERR_NONE;
}

/* Checkpoints of unfinished runs stay at home. */
static bool
is_offered(const struct snapshot *s)
{
	return (s->flags & SNAPSHOT_CHECKPOINT) == 0;
}

static enum err_code
find_wanted(struct sftp_target *t, struct offer *o, struct err *e)
{
	struct shelf_view v = {.dir = "snapshots"};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < o->snapshots.count && rc == ERR_NONE; i++) {
		const struct snapshot *s = &o->snapshots.snapshots[i];
		bool has = true;

		if (is_offered(s)) {
			t->tally->snapshots_count++;
			rc = has_file(t, &v, s->service, &s->id, &has, e);
		}
		o->wanted[i] = !has;
	}
	sftp_target_list_fini(&v.files);
	return rc;
}

/*
 * Of a copy whose index is not whole all that anything needs is looked at, not
 * only what is new.
 */
static enum err_code
find_packs(struct sftp_target *t, struct offer *o, bool is_whole, struct err *e)
{
	OWNED(free_mem)
	struct id *ids = calloc(o->snapshots.count + 1, sizeof(*ids));
	size_t n = 0;

	if (ids == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < o->snapshots.count; i++)
		if (o->wanted[i] ||
		    (!is_whole && is_offered(&o->snapshots.snapshots[i])))
			ids[n++] = o->snapshots.snapshots[i].id;
	if (n > 0 &&
	    store_needed_packs(&o->packs, t->store, ids, n, e) != ERR_NONE)
		return err_wrap(e, "finding the packs to send");
	o->failed = calloc(o->packs.count + 1, sizeof(*o->failed));
	if (o->failed == NULL)
		return err_nomem(e);
	t->tally->packs_count = o->packs.count;
	return ERR_NONE;
}

/* --- packs ------------------------------------------------------------------------ */

static const char *
pack_name(char out[NAME_BYTES], const struct id *id)
{
	char hex[ID_HEX_BYTES];

	id_hex(id, hex);
	snprintf(out, NAME_BYTES, "packs/%.2s/%s", hex, hex);
	return out;
}

static bool
is_there(const struct sftp_target *t, const struct pack_info *pack)
{
	const struct sftp_target_there *there =
	    sftp_target_list_find(&t->packs, &pack->name);

	return there != NULL && there->size_bytes == pack->size_bytes;
}

/* ERR_CORRUPT, ERR_NOTFOUND: it is damaged here. */
static enum err_code
open_pack(struct sftp_target *t, const struct pack_info *pack, int *fd,
    struct err *e)
{
	OWNED(fdio_close) int at = -1;

	if (store_open_pack(t->store, &pack->name, &at, e) != ERR_NONE ||
	    mirror_check_pack(t->mirror, pack, at, e) != ERR_NONE)
		return e->code;
	*fd = at;
	at = -1;
	return ERR_NONE;
}

static enum err_code
put_pack(struct sftp_target *t, const struct pack_info *pack, int fd,
    struct err *e)
{
	struct sftp_target_source src = {.fd = fd,
	    .size_bytes = pack->size_bytes,
	    .counts = true};
	uint8_t *dir = &t->pack_dirs[pack->name.bytes[0]];
	char name[NAME_BYTES], parent[16];
	enum err_code rc;
	bool made;

	pack_name(name, &pack->name);
	snprintf(parent, sizeof(parent), "%.8s", name);
	if (*dir == 0 && sftp_target_file_dir(t, parent, &made, e) != ERR_NONE)
		return e->code;
	*dir = 2;
	if (sftp_target_list_find(&t->packs, &pack->name) != NULL &&
	    sftp_target_file_set_aside(t, name, e) != ERR_NONE)
		return e->code; /* it is there, of another size */
	rc = sftp_target_file_put(t, name, &src, e);
	if (rc == ERR_NONE)
		t->tally->packs_sent_count++;
	return rc == ERR_EXISTS ? ERR_NONE : rc;
}

static void
pack_failed(struct sftp_target *t, struct offer *o, const struct id *pack,
    const struct err *why)
{
	t->tally->damaged_count++;
	o->failed[o->failed_count++] = *pack;
	problem(t, "pack", pack, why);
}

/* What is wrong with a pack of ours stops nothing else. */
static enum err_code
bring_pack(struct sftp_target *t, struct offer *o, const struct pack_info *pack,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct err why = {0};
	enum err_code rc = ERR_NONE;

	if (!is_there(t, pack)) {
		rc = open_pack(t, pack, &fd, &why);
		if (rc == ERR_NONE && put_pack(t, pack, fd, e) != ERR_NONE)
			return err_wrap(e, "sending a pack");
	}
	if (rc == ERR_NONE)
		rc = sftp_target_index_add(t, pack, &why);
	if (rc == ERR_NONE)
		return ERR_NONE;
	if (!is_objects_own(rc)) {
		*e = why;
		return rc;
	}
	pack_failed(t, o, &pack->name, &why);
	return ERR_NONE;
}

static enum err_code
put_packs(struct sftp_target *t, struct offer *o, struct err *e)
{
	for (size_t i = 0; i < o->packs.count; i++)
		if (!is_there(t, &o->packs.packs[i]))
			t->tally->pack_bytes += o->packs.packs[i].size_bytes;
	for (size_t i = 0; i < o->packs.count; i++)
		if (bring_pack(t, o, &o->packs.packs[i], e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

static enum err_code
flush_packs(struct sftp_target *t, struct err *e)
{
	bool any = false;
	char name[16];

	for (unsigned i = 0; i < COUNT_OF(t->pack_dirs); i++) {
		if (t->pack_dirs[i] != 2)
			continue;
		any = true;
		snprintf(name, sizeof(name), "packs/%02x", i);
		if (sftp_target_file_flush_dir(t, name, e) != ERR_NONE)
			return e->code;
	}
	return any ? sftp_target_file_flush_dir(t, "packs", e) : ERR_NONE;
}

/* --- grants, snapshots, points --------------------------------------------------- */

static enum err_code
put_bytes(struct sftp_target *t, const char *name, const struct buf *bytes,
    uint64_t *count, struct err *e)
{
	struct sftp_target_source src = {.bytes = bytes->bytes,
	    .fd = -1,
	    .size_bytes = bytes->len_bytes};
	enum err_code rc = sftp_target_file_put(t, name, &src, e);
	struct err ignored;

	/* Empty or bent under its final name: aside, and again. */
	if (rc == ERR_CORRUPT &&
	    sftp_target_file_set_aside(t, name, &ignored) == ERR_NONE)
		rc = sftp_target_file_put(t, name, &src, e);
	if (rc == ERR_NONE)
		(*count)++;
	return rc == ERR_EXISTS ? ERR_NONE : rc;
}

static enum err_code
put_grants(struct sftp_target *t, struct offer *o, struct err *e)
{
	bool any = false;

	if (o->grants.count == 0)
		return ERR_NONE;
	if (sftp_target_list_dir(t, "grants", &t->grants, e) != ERR_NONE)
		return e->code;
	sftp_target_list_sort(&t->grants);
	for (size_t i = 0; i < o->grants.count; i++) {
		OWNED(buf_fini) struct buf bytes = {0};
		const struct id *id = &o->grants.ids[i];
		char name[NAME_BYTES], hex[ID_HEX_BYTES];
		struct err why = {0};

		if (sftp_target_list_find(&t->grants, id) != NULL)
			continue;
		if (grant_bytes(t->store, id, &bytes, &why) != ERR_NONE) {
			t->tally->damaged_count++;
			problem(t, "file of grants", id, &why);
			continue;
		}
		snprintf(name, sizeof(name), "grants/%s", id_hex(id, hex));
		if (put_bytes(t, name, &bytes, &t->tally->grants_sent_count,
			e) != ERR_NONE)
			return e->code;
		any = true;
	}
	return any ? sftp_target_file_flush_dir(t, "grants", e) : ERR_NONE;
}

/* Does this snapshot need a pack that could not be sent? */
static enum err_code
is_complete(struct sftp_target *t, const struct offer *o, const struct id *id,
    bool *is, struct err *e)
{
	OWNED(pack_list_fini) struct pack_list packs = {0};

	*is = true;
	if (o->failed_count == 0)
		return ERR_NONE;
	if (store_needed_packs(&packs, t->store, id, 1, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < packs.count && *is; i++)
		for (size_t k = 0; k < o->failed_count && *is; k++)
			*is = !id_equal(&packs.packs[i].name, &o->failed[k]);
	return ERR_NONE;
}

static enum err_code
put_snapshot(struct sftp_target *t, struct offer *o, const struct snapshot *s,
    struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	char name[NAME_BYTES];
	struct err why = {0};
	bool complete, made;

	if (is_complete(t, o, &s->id, &complete, e) != ERR_NONE)
		return e->code;
	if (!complete)
		err_set(&why, ERR_NOTFOUND, "a pack it needs is damaged here");
	if (!complete ||
	    store_snapshot_bytes(t->store, s->service, &s->id, &bytes, &why) !=
		ERR_NONE) {
		t->tally->damaged_count++;
		o->missing[o->missing_count++] = s->id;
		problem(t, "snapshot", &s->id, &why);
		return ERR_NONE;
	}
	if (sftp_target_file_dir(t,
		name_of(name, "snapshots", s->service, NULL), &made,
		e) != ERR_NONE)
		return e->code;
	return put_bytes(t, name_of(name, "snapshots", s->service, &s->id),
	    &bytes, &t->tally->snapshots_sent_count, e);
}

/* After the last of a service: the names. */
static enum err_code
flush_service(struct sftp_target *t, const char *dir, const char *service,
    struct err *e)
{
	char name[NAME_BYTES];

	if (sftp_target_file_flush_dir(t, name_of(name, dir, service, NULL),
		e) != ERR_NONE)
		return e->code;
	return sftp_target_file_flush_dir(t, dir, e);
}

static enum err_code
put_snapshots(struct sftp_target *t, struct offer *o, struct err *e)
{
	const char *service = NULL;

	for (size_t i = 0; i < o->snapshots.count; i++) {
		const struct snapshot *s = &o->snapshots.snapshots[i];

		if (!o->wanted[i])
			continue;
		if (service != NULL && strcmp(service, s->service) != 0 &&
		    flush_service(t, "snapshots", service, e) != ERR_NONE)
			return e->code;
		service = s->service;
		if (put_snapshot(t, o, s, e) != ERR_NONE)
			return e->code;
	}
	return service != NULL ? flush_service(t, "snapshots", service, e)
			       : ERR_NONE;
}

static bool
is_served(const struct offer *o, const struct point *p)
{
	for (size_t i = 0; i < p->snapshots_count; i++)
		for (size_t k = 0; k < o->missing_count; k++)
			if (id_equal(&p->snapshots[i], &o->missing[k]))
				return false;
	return true;
}

static enum err_code
put_point(struct sftp_target *t, const struct offer *o, const struct point *p,
    struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	char name[NAME_BYTES];
	struct err why = {0};
	bool made;

	if (!is_served(o, p))
		err_set(&why, ERR_NOTFOUND, "a snapshot of it was not sent");
	if (why.code != ERR_NONE ||
	    store_point_bytes(t->store, p->service, &p->id, &bytes, &why) !=
		ERR_NONE) {
		t->tally->damaged_count++;
		problem(t, "point", &p->id, &why);
		return ERR_NONE;
	}
	if (sftp_target_file_dir(t, name_of(name, "points", p->service, NULL),
		&made, e) != ERR_NONE ||
	    put_bytes(t, name_of(name, "points", p->service, &p->id), &bytes,
		&t->tally->points_sent_count, e) != ERR_NONE)
		return e->code;
	return flush_service(t, "points", p->service, e);
}

static enum err_code
put_points(struct sftp_target *t, struct offer *o, struct err *e)
{
	struct shelf_view v = {.dir = "points"};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < o->points.count && rc == ERR_NONE; i++) {
		const struct point *p = &o->points.points[i];
		bool has;

		rc = has_file(t, &v, p->service, &p->id, &has, e);
		if (rc == ERR_NONE && !has)
			rc = put_point(t, o, p, e);
	}
	sftp_target_list_fini(&v.files);
	return rc;
}

/* --- the whole ----------------------------------------------------------------------- */

static void
lack(struct sftp_target *t, const char *what)
{
	ASSERT(t->report->lacks_count < SFTP_TARGET_LACKS_MAX);
	t->report->lacks[t->report->lacks_count++] = what;
}

/* Whatever the server can do. */
static const char *const never[] = {
    "nobody there verifies: damage is found only when 'bascule "
    "check --read' runs on that directory",
    "nothing there refuses: whoever has this login can overwrite or "
    "delete every copy",
    "immutability and retention are not enforced there, and nothing "
    "is collected",
    "no receiver signs for what arrived: there is no "
    "acknowledgement",
    "only senders that heed " SFTP_TARGET_LOCK " are kept apart: let "
    "nothing else write there",
};

const char *
sftp_target_never(size_t i)
{
	return i < COUNT_OF(never) ? never[i] : NULL;
}

static void
tell_lacks(struct sftp_target *t)
{
	for (size_t i = 0; i < COUNT_OF(never); i++)
		lack(t, never[i]);
	if (!sshsftp_offers(t->sftp, SSHSFTP_FSYNC))
		lack(t,
		    "the server offers no fsync: what was sent was read back "
		    "and compared, which does not prove it is on disk");
	else if (t->dirs_stay_unflushed)
		lack(t,
		    "the server cannot flush directories: a power cut there "
		    "may take the newest names");
	if (t->replace_in_two)
		lack(t,
		    "the server cannot replace a file in one step: cut at the "
		    "wrong moment, MANIFEST is missing until the next run");
}

static enum err_code
push(struct sftp_target *t, struct err *e)
{
	OWNED(offer_fini) struct offer o = {0};
	bool is_whole;

	if (open_copy(t, e) != ERR_NONE || gather(t, &o, e) != ERR_NONE ||
	    find_wanted(t, &o, e) != ERR_NONE ||
	    sftp_target_list_packs(t, e) != ERR_NONE ||
	    sftp_target_index_read(t, &is_whole, e) != ERR_NONE ||
	    find_packs(t, &o, is_whole, e) != ERR_NONE ||
	    put_packs(t, &o, e) != ERR_NONE || flush_packs(t, e) != ERR_NONE ||
	    sftp_target_index_commit(t, e) != ERR_NONE ||
	    put_grants(t, &o, e) != ERR_NONE ||
	    put_snapshots(t, &o, e) != ERR_NONE ||
	    put_points(t, &o, e) != ERR_NONE)
		return e->code;
	tell_lacks(t);
	return ERR_NONE;
}

static void
target_fini(struct sftp_target *t)
{
	if (t->sftp != NULL)
		sftp_target_lock_drop(t);
	sftp_target_list_fini(&t->packs);
	sftp_target_list_fini(&t->grants);
	mirror_free(&t->mirror);
	sshsftp_close(&t->sftp);
	sshconn_close(&t->conn);
	free(t->buffers);
}

static enum err_code
connect_to(struct sftp_target *t, const struct replicate_target *to,
    struct err *e)
{
	struct sshurl u;
	size_t len;

	if (reach_dial(&t->conn, &u, to, t->opt->cancel, e) != ERR_NONE ||
	    sshsftp_open(&t->sftp, t->conn, e) != ERR_NONE)
		return e->code;
	len = strlen(u.path);
	while (len > 1 && u.path[len - 1] == '/')
		len--;
	memcpy(t->base, u.path, len);
	return ERR_NONE;
}

enum err_code
sftp_target_push(struct store *st, const struct replicate_target *to,
    const struct replicate_options *opt, const struct sftp_target_options *how,
    struct replicate_tally *out, struct sftp_target_report *report,
    struct err *e)
{
	OWNED(target_fini)
	struct sftp_target t = {.store = st,
	    .opt = opt,
	    .how = how,
	    .tally = out,
	    .report = report};
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	memset(report, 0, sizeof(*report));
	out->link = opt->link;
	out->lanes_count = 1;
	t.buffers = malloc(2 * SFTP_TARGET_PIECE);
	if (t.buffers == NULL)
		return err_nomem(e);
	rc = mirror_new(&t.mirror, st, e);
	if (rc == ERR_NONE)
		rc = connect_to(&t, to, e);
	if (rc == ERR_NONE)
		rc = push(&t, e);
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "replicating to '%s'", to->url);
}
