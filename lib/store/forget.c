#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "ageing.h"

/*
 * F1. The points that name a snapshot go before it, each step durable before
 *     the next: a point never names what is not there.
 * F2. Nothing has to be written, so a full disk is no hindrance.
 */

static bool
is_asked(const struct forget_request *rq, const struct id *id)
{
	for (size_t i = 0; i < rq->snapshots_count; i++)
		if (id_equal(&rq->snapshots[i], id))
			return true;
	return false;
}

/* ERR_REFUSED: a hold names one of them. */
static enum err_code
check_holds(struct store *st, const struct forget_request *rq, struct err *e)
{
	static const char *const whys[] = {"", "the last a copy has in common",
	    "from before a failover", "of an exercise", "a legal hold",
	    "an operator's hold"};
	OWNED(hold_list_fini) struct hold_list list = {0};
	char hex[ID_HEX_BYTES], hold[ID_HEX_BYTES];
	enum err_code rc = hold_list(&list, st, e);

	for (size_t i = 0; i < list.count; i++) {
		const struct hold *h = &list.holds[i];

		for (size_t k = 0; k < h->snapshots_count; k++) {
			if (!is_asked(rq, &h->snapshots[k]))
				continue;
			err_set(e, ERR_REFUSED,
			    "snapshot %.12s is held (%s): %s",
			    id_hex(&h->snapshots[k], hex), whys[h->why],
			    h->reason);
			return err_hint(e,
			    "hold %.12s has to be released first",
			    id_hex(&h->id, hold));
		}
	}
	return rc;
}

static enum err_code
check_request(struct store *st, const struct forget_request *rq, struct err *e)
{
	enum err_code rc = check_holds(st, rq, e);

	for (size_t i = 0; rc == ERR_NONE && i < rq->snapshots_count; i++)
		rc = session_check_pins(st, NULL, &rq->snapshots[i], e);
	return rc;
}

/* Files of one directory; what is gone is gone. */
struct going {
	const char *what; /* "points" */
	int top_fd;
	const char *service;
	const struct id *ids;
	size_t count;
};

static enum err_code
unlink_all(const struct going *g, bool dry_run, uint64_t *gone_count,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc;

	if (g->count == 0)
		return ERR_NONE;
	rc = repo_open_dir(&fd, g->top_fd, g->service, e);
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	for (size_t i = 0; rc == ERR_NONE && i < g->count; i++) {
		char hex[ID_HEX_BYTES];

		id_hex(&g->ids[i], hex);
		if ((dry_run ? faccessat(fd, hex, F_OK, 0)
			     : unlinkat(fd, hex, 0)) == 0)
			++*gone_count;
		else if (errno != ENOENT)
			rc = err_sys(e, "cannot remove %s/%s/%s", g->what,
			    g->service, hex);
	}
	/* Also when nothing was there: who removed it may have died before. */
	if (rc == ERR_NONE && !dry_run && fsync(fd) != 0)
		rc = err_sys(e, "cannot flush %s/%s", g->what, g->service);
	return rc;
}

/* The first point that cannot be read: it may name anything. */
static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct err *why = ctx;

	if (why->code != ERR_NONE)
		return;
	err_set(why, ERR_CORRUPT, "%s: %s", object, what);
	err_hint(why, "heal it, or remove the file, first");
}

/* The points that name one of the snapshots. */
static enum err_code
points_of(struct id **out, size_t *count, struct store *st,
    const struct forget_request *rq, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	OWNED(free_mem) struct id *ids = NULL;
	struct err why = {0};
	enum err_code rc =
	    point_list(&list, st, rq->service, on_damage, &why, e);

	*out = NULL;
	*count = 0;
	if (rc == ERR_NONE && why.code != ERR_NONE) {
		*e = why;
		rc = e->code;
	}
	if (rc != ERR_NONE)
		return rc;
	ids = calloc(list.count + 1, sizeof(*ids));
	if (ids == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < list.count; i++) {
		bool named = false;

		for (size_t k = 0; k < list.points[i].snapshots_count; k++)
			named |= is_asked(rq, &list.points[i].snapshots[k]);
		if (named)
			ids[(*count)++] = list.points[i].id;
	}
	*out = TAKE(ids);
	return ERR_NONE;
}

static enum err_code
forget(struct store *st, const struct forget_request *rq,
    struct forget_tally *out, struct err *e)
{
	OWNED(free_mem) struct id *points = NULL;
	struct going snapshots = {"snapshots", st->snapshots_fd, rq->service,
	    rq->snapshots, rq->snapshots_count};
	struct going going = {"points", st->points_fd, rq->service, NULL, 0};
	enum err_code rc = check_request(st, rq, e);

	if (rc == ERR_NONE)
		rc = points_of(&points, &going.count, st, rq, e);
	going.ids = points;
	if (rc == ERR_NONE)
		rc = unlink_all(&going, rq->dry_run, &out->points_count, e);
	if (rc == ERR_NONE)
		rc = unlink_all(&snapshots, rq->dry_run, &out->snapshots_count,
		    e);
	return rc;
}

enum err_code
forget_run(struct store *st, const struct forget_request *rq,
    struct forget_tally *out, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (!repo_name_is_valid(rq->service))
		return err_set(e, ERR_INPUT, "'%.64s' is not a service's name",
		    rq->service);
	if (rq->dry_run)
		return forget(st, rq, out, e);
	if (st->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "'%s' was opened for reading only",
		    st->path);
	if ((rc = repo_lock(st, e)) != ERR_NONE)
		return rc;
	held = st;
	rc = ageing_tick(st, e);
	return rc == ERR_NONE ? forget(st, rq, out, e) : rc;
}
