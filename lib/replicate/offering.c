#include <stdlib.h>
#include <string.h>

#include <bascule/base/le.h>

#include "push.h"

/* --- what there is --- */

static void
files_fini(struct push_files *f)
{
	free(f->files);
	f->files = NULL;
	f->count = 0;
}

static enum err_code
files_make(struct push_files *f, size_t count, struct err *e)
{
	f->files = calloc(count + 1, sizeof(*f->files));
	return f->files == NULL ? err_nomem(e) : ERR_NONE;
}

static void
files_add(struct push_files *f, const struct id *id, const char *service)
{
	struct push_file *file = &f->files[f->count++];

	file->id = *id;
	memcpy(file->service, service, strlen(service) + 1);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct push *p = ctx;
	struct err why = {0};

	p->tally->damaged_count++;
	err_set(&why, ERR_CORRUPT, "%s", what);
	if (p->opt->on_problem != NULL)
		p->opt->on_problem(p->opt->ctx, object, &why);
}

enum err_code
offering_gather(struct push *p, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list snapshots = {0};
	OWNED(point_list_fini) struct point_list points = {0};
	OWNED(grant_files_fini) struct grant_files grants = {0};

	if (snapshot_list(&snapshots, p->store, p->opt->service, on_damage, p,
		e) != ERR_NONE ||
	    point_list(&points, p->store, p->opt->service, on_damage, p, e) !=
		ERR_NONE ||
	    grant_list(&grants, p->store, e) != ERR_NONE ||
	    files_make(&p->grants, grants.count, e) != ERR_NONE ||
	    files_make(&p->snapshots, snapshots.count, e) != ERR_NONE ||
	    files_make(&p->points, points.count, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < snapshots.count; i++) {
		const struct snapshot *s = &snapshots.snapshots[i];

		if ((s->flags & SNAPSHOT_CHECKPOINT) == 0)
			files_add(&p->snapshots, &s->id, s->service);
	}
	for (size_t i = 0; i < points.count; i++)
		files_add(&p->points, &points.points[i].id,
		    points.points[i].service);
	for (size_t i = 0; i < grants.count; i++)
		files_add(&p->grants, &grants.ids[i], "");
	p->tally->snapshots_count = p->snapshots.count;
	p->tally->points_count = p->points.count;
	return ERR_NONE;
}

/* --- hello and offers --- */

static uint64_t
features_of(const struct push *p)
{
	return p->opt->fetched ? RMSG_FEATURES : RMSG_FEATURES & ~RMSG_PARTS;
}

enum err_code
offering_hello(struct lane *l, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	struct rmsg_hello h = {
	    .version = RMSG_VERSION,
	    .features = features_of(l->push),
	    .geometry = *store_geometry(l->push->store),
	};

	memcpy(h.family, store_family(l->push->store), STORE_FAMILY_BYTES);
	if (rmsg_put_hello(&payload, &h, e) != ERR_NONE)
		return e->code;
	return talk_tell(l, RMSG_HELLO, &payload, NULL, 0, e);
}

enum err_code
offering_welcome(struct lane *l, struct err *e)
{
	struct rmsg m;

	if (talk_expect(l, RMSG_WELCOME, &m, e) != ERR_NONE ||
	    rmsg_take_welcome(&l->welcome, &m, e) != ERR_NONE)
		return e->code;
	l->welcome.features &= features_of(l->push);
	if (l->welcome.packs_only && (l->welcome.features & RMSG_PARTS) == 0)
		return err_set(e, ERR_INPUT,
		    "the far side asks for packs only, which it was not "
		    "offered in HELLO");
	return ERR_NONE;
}

static size_t
batch_of(const struct push_files *f, size_t from)
{
	return f->count - from < RMSG_OFFER_MAX ? f->count - from
						: RMSG_OFFER_MAX;
}

static enum err_code
offer(struct push *p, enum rmsg_kind kind, const struct push_files *f,
    size_t from, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	size_t count = batch_of(f, from);
	uint8_t *at;

	if (buf_extend(&payload, 8 + count * ID_BYTES, &at, e) != ERR_NONE)
		return e->code;
	memset(at, 0, 8);
	at[0] = (uint8_t)kind;
	le_put32(at + 4, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		memcpy(at + 8 + i * ID_BYTES, f->files[from + i].id.bytes,
		    ID_BYTES);
	return talk_tell(&p->first, RMSG_OFFER, &payload, NULL, 0, e);
}

static enum err_code
hear_want(struct push *p, struct push_files *f, size_t from, struct err *e)
{
	size_t count = batch_of(f, from);
	const uint8_t *bits;
	struct rmsg m;

	if (talk_expect(&p->first, RMSG_WANT, &m, e) != ERR_NONE ||
	    rmsg_take_want(&bits, count, &m, e) != ERR_NONE)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (rmsg_bit(bits, i)) {
			f->files[from + i].wanted = true;
			f->wanted_count++;
		}
	return ERR_NONE;
}

static enum err_code
offer_rest(struct push *p, enum rmsg_kind kind, struct push_files *f,
    size_t from, struct err *e)
{
	for (; from < f->count; from += RMSG_OFFER_MAX)
		if (offer(p, kind, f, from, e) != ERR_NONE ||
		    hear_want(p, f, from, e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* --- under which epoch --- */

static enum err_code
tell_epoch(struct push *p, const char *service, struct err *e)
{
	OWNED(buf_fini) struct buf payload = {0};
	struct rmsg_epoch m = {.epoch = p->opt->epoch};
	struct epoch_mark mark;

	if (epochs_find(&mark, p->store, service, e) != ERR_NONE)
		return e->code;
	if (m.epoch == 0)
		m.epoch = mark.owned;
	if (m.epoch == 0)
		return ERR_NONE;
	memcpy(m.service, service, strlen(service) + 1);
	if (rmsg_put_epoch(&payload, &m, e) != ERR_NONE)
		return e->code;
	return talk_tell(&p->first, RMSG_EPOCH, &payload, NULL, 0, e);
}

static bool
is_among(const char *const *names, size_t count, const char *name)
{
	for (size_t i = count; i > 0; i--)
		if (strcmp(names[i - 1], name) == 0)
			return true;
	return false;
}

/* Each service once. */
static enum err_code
tell_epochs(struct push *p, const struct push_files *f, struct err *e)
{
	OWNED(free_mem) const char **said = NULL;
	size_t count = 0;

	if ((p->first.welcome.features & RMSG_EPOCHS) == 0)
		return ERR_NONE;
	said = calloc(RMSG_EPOCHS_MAX, sizeof(*said));
	if (said == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < f->count && count < RMSG_EPOCHS_MAX; i++) {
		if (is_among(said, count, f->files[i].service))
			continue;
		said[count++] = f->files[i].service;
		if (tell_epoch(p, said[count - 1], e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

/* All that one round trip can carry, before anything is waited for. */
enum err_code
offering_greet(struct push *p, struct err *e)
{
	struct mono begun = now_mono();

	if (offering_hello(&p->first, e) != ERR_NONE ||
	    offer(p, RMSG_KIND_SNAPSHOT, &p->snapshots, 0, e) != ERR_NONE ||
	    offer(p, RMSG_KIND_POINT, &p->points, 0, e) != ERR_NONE ||
	    offering_welcome(&p->first, e) != ERR_NONE ||
	    hear_want(p, &p->snapshots, 0, e) != ERR_NONE ||
	    hear_want(p, &p->points, 0, e) != ERR_NONE)
		return e->code;
	p->tally->round_trip_ns = now_mono().ns - begun.ns;
	p->tally->copy_created = p->first.welcome.created;
	if (tell_epochs(p, &p->snapshots, e) != ERR_NONE)
		return e->code;
	if (offer_rest(p, RMSG_KIND_SNAPSHOT, &p->snapshots, RMSG_OFFER_MAX,
		e) != ERR_NONE ||
	    offer_rest(p, RMSG_KIND_POINT, &p->points, RMSG_OFFER_MAX, e) !=
		ERR_NONE)
		return e->code;
	/* Few repositories have any: they cost those a round trip. */
	return (p->first.welcome.features & RMSG_GRANTS) == 0
	    ? ERR_NONE
	    : offer_rest(p, RMSG_KIND_GRANT, &p->grants, 0, e);
}

void
offering_fini(struct push *p)
{
	files_fini(&p->snapshots);
	files_fini(&p->points);
	files_fini(&p->grants);
}
