#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>

#include "ageing.h"
#include "ages.h"
#include "cut.h"
#include "receipts.h"

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
	    "an operator's hold", "the last before its series went two ways",
	    "the one before one that looks wrong"};
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
			    "hold %.12s has to be released first: bascule "
			    "-r REPOSITORY store release %.12s",
			    id_hex(&h->id, hold), hold);
		}
	}
	return rc;
}

/* When that much has passed, if the machine stays on; to the minute, up. */
static const char *
when_text(int64_t left_ns, char out[NOW_TEXT_BYTES])
{
	const int64_t minute_ns = 60 * NS_PER_S;
	struct utc t = now_utc();

	if (__builtin_add_overflow(t.ns, left_ns + minute_ns - 1, &t.ns))
		t.ns = INT64_MAX;
	t.ns -= t.ns % minute_ns;
	now_text(t, out);
	snprintf(out + 16, NOW_TEXT_BYTES - 16, "Z"); /* no seconds */
	return out;
}

/* Has it been here as long as was promised, or did the administrator ask? */
static enum err_code
check_promise(struct store *st, const struct receipt *r,
    const struct ages *ages, struct err *e)
{
	const int64_t left_ns = r->promised_ns - ages_of(ages, &r->snapshot);
	char hex[ID_HEX_BYTES], at[NOW_TEXT_BYTES], cut[NOW_TEXT_BYTES];
	char promised[TEXT_UNIT_BYTES];
	int64_t wait_ns;
	enum err_code rc;

	if (left_ns <= 0)
		return ERR_NONE;
	rc = cut_wait(&wait_ns, st, &r->snapshot, ages->now_ns, e);
	if (rc != ERR_NONE || wait_ns == 0)
		return rc;
	err_set(e, ERR_REFUSED,
	    "snapshot %.12s was promised to stay %s after it came here: it "
	    "may go on %s, and not before",
	    id_hex(&r->snapshot, hex), text_duration(r->promised_ns, promised),
	    when_text(left_ns, at));
	if (wait_ns > 0)
		return err_hint(e,
		    "the administrator asked for it to go earlier: that is "
		    "possible from %s on, with the same key",
		    when_text(wait_ns, cut));
	return err_hint(e,
	    "time that this machine is off does not count; earlier only with "
	    "the administrator's key, and 72h after asking: bascule forget "
	    "--early");
}

static enum err_code
check_promises(struct store *st, const struct forget_request *rq, struct err *e)
{
	OWNED(receipts_fini) struct receipts receipts = {0};
	OWNED(ages_fini) struct ages ages = {0};
	enum err_code rc = receipts_read(&receipts, st, e);

	if (rc != ERR_NONE || receipts.count == 0)
		return rc;
	rc = ages_read(&ages, st, e);
	for (size_t i = 0; rc == ERR_NONE && i < rq->snapshots_count; i++) {
		const struct receipt *r =
		    receipts_find(&receipts, &rq->snapshots[i]);

		if (r != NULL)
			rc = check_promise(st, r, &ages, e);
	}
	return rc;
}

static enum err_code
check_request(struct store *st, const struct forget_request *rq, struct err *e)
{
	enum err_code rc = check_holds(st, rq, e);

	if (rc == ERR_NONE)
		rc = check_promises(st, rq, e);

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

/*
 * What came from elsewhere is not taken again from there (F2: without room for
 * that note it may be).
 */
static enum err_code
note_gone(struct store *st, const struct forget_request *rq,
    const struct going *points, struct err *e)
{
	const struct receipts_going g = {rq->snapshots, points->ids,
	    rq->snapshots_count, points->count};
	enum err_code rc = rq->dry_run ? ERR_NONE : receipts_gone(st, &g, e);

	return rc == ERR_NOSPACE ? ERR_NONE : rc;
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
		rc = note_gone(st, rq, &going, e);
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
