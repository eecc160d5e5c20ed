#include <stdio.h>
#include <string.h>

#include "heal.h"
#include "pointfind.h"
#include "snapfind.h"

/*
 * A snapshot's file that cannot be read hides from everybody what it named,
 * and a collection may not begin while it lies there.  There is no second copy
 * of it here: it goes to bad/, and that it is lost is said.
 */

/* Could not look, rather than looked and found it bad. */
static bool
is_failure(enum err_code rc)
{
	return rc != ERR_NONE && rc != ERR_CORRUPT && rc != ERR_INPUT &&
	    rc != ERR_IO;
}

/*
 * What the disk cannot read is asked for twice: once, it may have been the
 * machine that was out of something, and the file is sound.
 */
static enum err_code
load_snapshot(struct snapshot *s, struct store *st, int dir_fd,
    const struct id *id, struct err *e)
{
	enum err_code rc = snapfind_load(s, st, dir_fd, id, SNAPFIND_CLEAR, e);

	return rc == ERR_IO
	    ? snapfind_load(s, st, dir_fd, id, SNAPFIND_CLEAR, e)
	    : rc;
}

static enum err_code
load_point(struct point *p, struct store *st, int dir_fd, const struct id *id,
    struct err *e)
{
	enum err_code rc = pointfind_load(p, st, dir_fd, id, e);

	return rc == ERR_IO ? pointfind_load(p, st, dir_fd, id, e) : rc;
}

/* Out of the way; then from the other copy, if there is one that has it. */
struct going {
	int dir_fd;
	const char *service, *object, *lost;
	const struct id *id;
	enum healpeer_file what;
};

static enum err_code
move(struct heal *h, const struct going *g, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = heal_lock(h, e);

	if (rc != ERR_NONE)
		return rc;
	held = h->store;
	return heal_put_away(h, g->dir_fd, id_hex(g->id, hex), hex, e);
}

static enum err_code
put_away(struct heal *h, const struct going *g, struct err *e)
{
	bool healed = false;
	enum err_code rc = move(h, g, e);

	if (rc == ERR_NONE)
		rc = heal_fetch_file(h, g->what, g->service, g->id, &healed, e);
	if (rc != ERR_NONE || healed)
		return rc;
	heal_done(h, g->object, "%s", g->lost);
	h->tally->lost_count++;
	return ERR_NONE;
}

static enum err_code
snapshot_visit(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct heal *h = ctx;
	struct err why = {0};
	enum err_code rc = load_snapshot(&s, h->store, dir_fd, id, &why);

	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (is_failure(rc)) {
		*e = why;
		return rc;
	}
	if ((rc == ERR_NONE && strcmp(s.service, service) == 0))
		return ERR_NONE;
	return put_away(h,
	    &(struct going){dir_fd, service, object,
		"the snapshot is lost: its file is in bad/", id,
		HEALPEER_SNAPSHOT},
	    e);
}

/* Snapshots that a point names and that are not here (any more). */
static enum err_code
fetch_named(struct heal *h, const struct point *p, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < p->snapshots_count; i++) {
		struct buf bytes = {0};
		struct err why;
		bool healed;

		if (store_snapshot_bytes(h->store, p->service, &p->snapshots[i],
			&bytes, &why) == ERR_NOTFOUND)
			rc = heal_fetch_file(h, HEALPEER_SNAPSHOT, p->service,
			    &p->snapshots[i], &healed, e);
		buf_fini(&bytes);
	}
	return rc;
}

static enum err_code
point_visit(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	struct heal *h = ctx;
	struct err why = {0};
	struct point p;
	enum err_code rc = load_point(&p, h->store, dir_fd, id, &why);

	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc == ERR_NONE && strcmp(p.service, service) == 0) {
		rc = h->opt->peer == NULL ? ERR_NONE : fetch_named(h, &p, &why);
		if (rc == ERR_NONE)
			rc = pointfind_complete(h->store, &p, &why);
	}
	if (rc != ERR_NOTFOUND && is_failure(rc)) {
		*e = why;
		return rc;
	}
	return rc == ERR_NONE ? rc
			      : put_away(h,
				    &(struct going){dir_fd, service, object,
					"the recovery point is lost: its file "
					"is in bad/",
					id, HEALPEER_POINT},
				    e);
}

enum err_code
heal_records(struct heal *h, struct err *e)
{
	struct snapfind_each snapshots = {.store = h->store,
	    .top_fd = h->store->snapshots_fd,
	    .top = "snapshots",
	    .fn = snapshot_visit,
	    .fn_ctx = h};
	struct snapfind_each points = {.store = h->store,
	    .top_fd = h->store->points_fd,
	    .top = "points",
	    .fn = point_visit,
	    .fn_ctx = h};
	enum err_code rc = snapfind_each(&snapshots, e);

	return rc == ERR_NONE ? snapfind_each(&points, e) : rc;
}
