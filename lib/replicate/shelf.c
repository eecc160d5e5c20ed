#include "shelf.h"

#include <stdlib.h>
#include <string.h>

#include "brake.h"

struct id_set {
	struct id *ids; /* sorted */
	size_t count;
};

struct shelf {
	const char *path;
	bool network_fs_allowed;
	struct store *store;
	struct intake *intake;
	struct id_set snapshots, points;
	struct grant_files grants;
	struct receipts receipts;
	struct brake brake;
	const struct serve_options *opt;
};

enum err_code
shelf_new(struct shelf **out, const char *path, const struct serve_options *opt,
    struct err *e)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	(*out)->path = path;
	(*out)->opt = opt;
	(*out)->network_fs_allowed = opt->network_fs_allowed;
	(*out)->brake =
	    (struct brake){.path = path, .quota_bytes = opt->quota_bytes};
	return ERR_NONE;
}

void
shelf_free(struct shelf **sp)
{
	struct shelf *s = TAKE(*sp);

	if (s == NULL)
		return;
	intake_free(&s->intake);
	store_close(&s->store);
	free(s->snapshots.ids);
	free(s->points.ids);
	grant_files_fini(&s->grants);
	receipts_fini(&s->receipts);
	free(s);
}

/* --- what is here ----------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	return id_compare(a, b);
}

static enum err_code
set_make(struct id_set *set, size_t count, struct err *e)
{
	set->ids = calloc(count + 1, sizeof(*set->ids));
	return set->ids == NULL ? err_nomem(e) : ERR_NONE;
}

static bool
set_has(const struct id_set *set, const struct id *id)
{
	return bsearch(id, set->ids, set->count, sizeof(*set->ids), compare) !=
	    NULL;
}

/* Damaged ones are left out, so they are asked for; the store will say. */
static enum err_code
list_snapshots(struct shelf *s, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};

	if (snapshot_list(&list, s->store, NULL, NULL, NULL, e) != ERR_NONE ||
	    set_make(&s->snapshots, list.count, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < list.count; i++)
		s->snapshots.ids[i] = list.snapshots[i].id;
	s->snapshots.count = list.count;
	qsort(s->snapshots.ids, list.count, sizeof(struct id), compare);
	return ERR_NONE;
}

static enum err_code
list_points(struct shelf *s, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};

	if (point_list(&list, s->store, NULL, NULL, NULL, e) != ERR_NONE ||
	    set_make(&s->points, list.count, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < list.count; i++)
		s->points.ids[i] = list.points[i].id;
	s->points.count = list.count;
	qsort(s->points.ids, list.count, sizeof(struct id), compare);
	return ERR_NONE;
}

/* --- the sink ------------------------------------------------------------------------- */

static enum err_code
open_or_create(struct shelf *s, const struct rmsg_hello *h, bool *created,
    struct err *e)
{
	struct store_options opt = {
	    .access = STORE_WRITE,
	    .network_fs_allowed = s->network_fs_allowed,
	};
	struct err why = {0};
	enum err_code rc = store_open(&s->store, s->path, &opt, e);

	/*
	 * ERR_CORRUPT too: a creation that was cut short has no `format` yet.
	 * store_create takes over only where nothing was ever kept.
	 */
	if (rc != ERR_NOTFOUND && rc != ERR_CORRUPT)
		return rc;
	switch (store_create(s->path, h->family, &h->geometry, &why)) {
	case ERR_NONE: *created = true; break;
	case ERR_EXISTS:
		if (rc == ERR_CORRUPT)
			return rc; /* it is what it seems: damaged */
		break;             /* another sender made it just now */
	default: *e = why; return e->code;
	}
	return store_open(&s->store, s->path, &opt, e);
}

/*
 * A copy made before its repository had sliced frames (both by init, of one key)
 * does not say that it may hold them: an older version would take them for damage.
 */
static enum err_code
check_slices(const struct shelf *s, const struct rmsg_hello *h, struct err *e)
{
	if (!h->geometry.sliced || store_geometry(s->store)->sliced)
		return ERR_NONE;
	err_set(e, ERR_REFUSED,
	    "'%s' was made without slices, and the repository has them",
	    s->path);
	return err_hint(e,
	    "replicate to an empty path: the copy is made with them then");
}

static enum err_code
sink_open(void *ctx, const struct rmsg_hello *h, bool *created, struct err *e)
{
	struct shelf *s = ctx;

	*created = false;
	if (open_or_create(s, h, created, e) != ERR_NONE)
		return err_wrap(e, "opening the copy '%s'", s->path);
	if (memcmp(store_family(s->store), h->family, STORE_FAMILY_BYTES) !=
	    0) {
		err_set(e, ERR_REFUSED, "'%s' is a copy of another repository",
		    s->path);
		return err_hint(e,
		    "give each repository a path of its own; "
		    "an empty one will do");
	}
	if (check_slices(s, h, e) != ERR_NONE ||
	    intake_new(&s->intake, s->store, e) != ERR_NONE ||
	    list_snapshots(s, e) != ERR_NONE || list_points(s, e) != ERR_NONE ||
	    grant_list(&s->grants, s->store, e) != ERR_NONE ||
	    receipts_read(&s->receipts, s->store, e) != ERR_NONE)
		return err_wrap(e, "opening the copy '%s'", s->path);
	return ERR_NONE;
}

/* Deletions here stay, too. */
static bool
is_gone(const struct shelf *s, const struct id *id)
{
	const struct receipt *r = receipts_find(&s->receipts, id);

	return r != NULL && (r->flags & RECEIPT_GONE) != 0;
}

static bool
sink_has(void *ctx, enum rmsg_kind kind, const struct id *id)
{
	struct shelf *s = ctx;
	const struct id_set grants = {s->grants.ids, s->grants.count};

	switch (kind) {
	case RMSG_KIND_SNAPSHOT:
		return set_has(&s->snapshots, id) || is_gone(s, id);
	case RMSG_KIND_POINT: return set_has(&s->points, id) || is_gone(s, id);
	case RMSG_KIND_PACK: return store_has_pack(s->store, id);
	case RMSG_KIND_GRANT: return set_has(&grants, id);
	case RMSG_KIND_ACK: return false;
	}
	return false;
}

static enum err_code
said(const struct shelf *s, enum err_code rc, struct err *e)
{
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "receiving into '%s'", s->path);
}

static uint64_t
sink_staged(void *ctx, const struct id *name, uint64_t size_bytes)
{
	struct shelf *s = ctx;

	return intake_pack_staged(s->intake, name, size_bytes);
}

static enum err_code
sink_pack_begin(void *ctx, const struct id *name, uint64_t size_bytes,
    uint64_t from_bytes, struct err *e)
{
	struct shelf *s = ctx;
	enum err_code rc = brake_take(&s->brake, size_bytes - from_bytes, e);

	if (rc == ERR_NONE)
		rc = intake_pack_resume(s->intake, name, size_bytes, from_bytes,
		    e);
	return said(s, rc, e);
}

static bool
sink_has_frame(void *ctx, const struct store_frame *f)
{
	struct shelf *s = ctx;

	return intake_frame_is_here(s->intake, f);
}

static enum err_code
sink_pack_add_frame(void *ctx, const struct store_frame *f, struct err *e)
{
	struct shelf *s = ctx;

	return said(s, intake_frame_add(s->intake, f, e), e);
}

static enum err_code
sink_pack_add(void *ctx, const void *bytes, size_t len_bytes, struct err *e)
{
	struct shelf *s = ctx;

	return said(s, intake_pack_add(s->intake, bytes, len_bytes, e), e);
}

static enum err_code
sink_pack_end(void *ctx, struct err *e)
{
	struct shelf *s = ctx;

	return said(s, intake_pack_end(s->intake, e), e);
}

static enum err_code
sink_flush(void *ctx, struct err *e)
{
	struct shelf *s = ctx;

	enum err_code rc = intake_flush(s->intake, e);

	brake_measure(&s->brake); /* others take of it, too */
	return said(s, rc, e);
}

static enum err_code
sink_file(void *ctx, enum rmsg_kind kind, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct shelf *s = ctx;
	enum err_code rc = brake_take(&s->brake, len_bytes, e);

	if (rc != ERR_NONE)
		return said(s, rc, e);
	if (kind == RMSG_KIND_SNAPSHOT)
		rc = intake_snapshot(s->intake, bytes, len_bytes, e);
	else if (kind == RMSG_KIND_POINT)
		rc = intake_point(s->intake, bytes, len_bytes, e);
	else
		rc = intake_grant(s->intake, bytes, len_bytes, e);
	return said(s, rc, e);
}

static enum err_code
sink_epoch(void *ctx, const struct rmsg_epoch *m, struct err *e)
{
	struct shelf *s = ctx;

	return said(s, intake_epoch(s->intake, m->service, m->epoch, e), e);
}

static enum err_code
sink_acknowledge(void *ctx, const struct rmsg_wish *m, struct buf *out,
    struct err *e)
{
	struct shelf *s = ctx;
	struct serve_word word = {.family = store_family(s->store),
	    .service = m->service,
	    .point = m->point};
	struct point p;
	enum err_code rc =
	    point_holding(&p, &word.since, s->store, m->service, &m->point, e);

	return rc == ERR_NONE ? s->opt->sign(s->opt->ctx, &word, out, e)
			      : said(s, rc, e);
}

void
shelf_sink(struct shelf *s, struct receiver_sink *sink)
{
	sink->open = sink_open;
	sink->epoch = sink_epoch;
	sink->has = sink_has;
	sink->staged = sink_staged;
	sink->pack_begin = sink_pack_begin;
	sink->has_frame = sink_has_frame;
	sink->pack_add_frame = sink_pack_add_frame;
	sink->pack_add = sink_pack_add;
	sink->pack_end = sink_pack_end;
	sink->flush = sink_flush;
	sink->file = sink_file;
	sink->acknowledge = s->opt->sign == NULL ? NULL : sink_acknowledge;
	sink->share = NULL;
	sink->ctx = s;
}
