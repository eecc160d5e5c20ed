#include <string.h>

#include <bascule/base/fdio.h>

#include "pin.h"
#include "pointfind.h"

void
point_list_fini(struct point_list *list)
{
	free(list->points);
	memset(list, 0, sizeof *list);
}

struct listing {
	struct point_list *list;
	size_t room;
	const struct snapfind_each *each;
};

static enum err_code
listing_add(struct listing *l, const struct point *p, struct err *e)
{
	struct point *bigger;

	if (l->list->count == l->room) {
		size_t room = l->room == 0 ? 16 : l->room * 2;

		bigger = realloc(l->list->points, room * sizeof *bigger);
		if (bigger == NULL)
			return err_nomem(e);
		l->list->points = bigger;
		l->room = room;
	}
	l->list->points[l->list->count++] = *p;
	return ERR_NONE;
}

static enum err_code
listing_fn(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	struct listing *l = ctx;
	struct point p;
	enum err_code rc = pointfind_load(&p, l->each->store, dir_fd, id, e);

	if (rc == ERR_NONE && strcmp(p.service, service) != 0)
		rc =
		    err_set(e, ERR_CORRUPT, "it is of service '%s'", p.service);
	return rc == ERR_NONE ? listing_add(l, &p, e)
			      : snapfind_step_over(l->each, object, e);
}

static int
order(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? -1 : 1;
	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return id_compare(&x->id, &y->id);
}

enum err_code
point_list(struct point_list *out, struct store *st, const char *service,
    store_damage_fn *on_damage, void *ctx, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	struct listing l = {.list = &list};
	struct snapfind_each each = {.store = st,
	    .top_fd = st->points_fd,
	    .top = "points",
	    .service = service,
	    .on_damage = on_damage,
	    .ctx = ctx,
	    .fn = listing_fn,
	    .fn_ctx = &l};
	enum err_code rc;

	memset(out, 0, sizeof *out);
	l.each = &each;
	if ((rc = snapfind_each(&each, e)) != ERR_NONE)
		return rc;
	if (list.count > 0)
		qsort(list.points, list.count, sizeof *list.points, order);
	*out = list;
	memset(&list, 0, sizeof list);
	return ERR_NONE;
}

enum err_code
point_holding(struct point *out, struct utc *since, struct store *st,
    const char *service, const struct id *id, struct err *e)
{
	OWNED(receipts_fini) struct receipts receipts = {0};
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, st->points_fd, service, e);

	memset(out, 0, sizeof *out);
	*since = (struct utc){0};
	if (rc != ERR_NONE ||
	    (rc = pointfind_load(out, st, fd, id, e)) != ERR_NONE ||
	    (rc = pointfind_complete(st, out, e)) != ERR_NONE ||
	    (rc = receipts_read(&receipts, st, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < out->snapshots_count; i++) {
		const struct receipt *r =
		    receipts_find(&receipts, &out->snapshots[i]);

		if (r != NULL && (r->flags & RECEIPT_FOREIGN) != 0 &&
		    r->received.ns > since->ns)
			*since = r->received;
	}
	if (since->ns == 0)
		*since = out->taken;
	return ERR_NONE;
}

/* --- committing ----------------------------------------------------------- */

static enum err_code
number(struct session *se, struct point *p, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	struct epoch_mark mark;
	enum err_code rc;

	rc = point_list(&list, se->store, p->service, NULL, NULL, e);
	if (rc == ERR_NONE)
		rc = epochs_find(&mark, se->store, p->service, e);
	if (rc != ERR_NONE)
		return rc;
	p->epoch = mark.owned;
	p->sequence = 1;
	for (size_t i = 0; i < list.count; i++)
		if (list.points[i].sequence >= p->sequence)
			p->sequence = list.points[i].sequence + 1;
	return p->sequence == 0
	    ? err_set(e, ERR_CORRUPT, "the points have no next number")
	    : ERR_NONE;
}

static enum err_code
publish(struct session *se, struct point *p, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {.max_bytes = POINTFILE_BYTES_MAX};
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "points"};
	enum err_code rc;

	if ((rc = pointfile_encode(&bytes, se->store, p, e)) != ERR_NONE ||
	    (rc = repo_make_dir(&fd, se->store->points_fd, p->service, e)) !=
		ERR_NONE)
		return rc;
	f.dirfd = fd;
	f.bytes = bytes.bytes;
	f.len_bytes = bytes.len_bytes;
	return repo_publish_hashed(se, &f, &p->id, e);
}

enum err_code
point_commit(struct session *se, struct point *p, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	const struct keyring *k = se->store->keyring;
	enum err_code rc;

	if (k == NULL || keyring_writer(k) == NULL)
		return err_set(e, ERR_KEY, "this key cannot write points");
	if (!repo_name_is_valid(p->service) || p->snapshots_count == 0 ||
	    p->snapshots_count > POINT_DATASETS_MAX)
		return err_set(e, ERR_INPUT, "not a recovery point");
	memcpy(p->writer_key, sign_key_public(keyring_writer(k))->bytes,
	    sizeof p->writer_key);
	if ((rc = pin_own(se, p->service, e)) != ERR_NONE ||
	    (rc = repo_lock(se->store, e)) != ERR_NONE)
		return rc;
	held = se->store;
	if ((rc = session_check(se, e)) != ERR_NONE ||
	    (rc = pointfind_complete(se->store, p, e)) != ERR_NONE ||
	    (rc = number(se, p, e)) != ERR_NONE)
		return rc;
	return publish(se, p, e);
}
