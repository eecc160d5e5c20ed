/*
 * Which snapshots stay: what calendar's pure judgement knows of buckets, and
 * what the repository knows of points, holds and checkpoints.
 */

#include <bascule/job.h>

#include <string.h>

#include <bascule/calendar.h>

void
retention_fini(struct retention *r)
{
	snapshot_list_fini(&r->list);
	free(r->reasons);
	r->reasons = NULL;
}

/* --- one series -------------------------------------------------------------- */

static bool
is_checkpoint(const struct snapshot *s)
{
	return (s->flags & SNAPSHOT_CHECKPOINT) != 0;
}

static bool
is_same_series(const struct snapshot *a, const struct snapshot *b)
{
	return strcmp(a->service, b->service) == 0 &&
	    strcmp(a->dataset, b->dataset) == 0;
}

struct judging {
	struct retention *r;
	const struct retention_options *opt;
	struct hold_list holds;
	struct ages ages;
	struct receipts receipts;
	struct retain_point *points; /* room for all */
	bool *done;
};

static void
judging_fini(struct judging *j)
{
	hold_list_fini(&j->holds);
	ages_fini(&j->ages);
	receipts_fini(&j->receipts);
	free(j->points);
	free(j->done);
}

static uint32_t
flags_of(const struct judging *j, const struct snapshot *s)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < j->holds.count; i++) {
		const struct hold *h = &j->holds.holds[i];

		for (size_t k = 0; k < h->snapshots_count; k++)
			if (id_equal(&h->snapshots[k], &s->id))
				flags |= h->why == HOLD_PREFAILOVER
				    ? RETAIN_IS_PREFAILOVER
				    : RETAIN_IS_HELD;
	}
	if (j->opt->flags != NULL)
		flags |= j->opt->flags(j->opt->ctx, &s->id);
	return flags;
}

/* A checkpoint is of use until its run, or a later one, has ended. */
static void
judge_checkpoints(struct judging *j, size_t first)
{
	const struct snapshot_list *list = &j->r->list;
	bool superseded = false;

	for (size_t i = list->count; i-- > first;) {
		const struct snapshot *s = &list->snapshots[i];

		if (!is_same_series(s, &list->snapshots[first]))
			continue;
		if (is_checkpoint(s) && !superseded)
			j->r->reasons[i] |= RETENTION_CHECKPOINT;
		superseded = true;
	}
}

/*
 * What came from elsewhere may be dated as its sender likes.  It is not taken
 * to be from after it came, nor from before those it follows: so it can push
 * nobody out of the buckets of times gone by.  What is dated after now is left
 * for a person to look at.
 */
static struct utc
believed(const struct judging *j, const struct snapshot *s,
    const struct utc *before)
{
	const struct receipt *r = receipts_find(&j->receipts, &s->id);
	struct utc at = s->started;

	if (r == NULL || (r->flags & RECEIPT_FOREIGN) == 0 ||
	    at.ns > j->opt->now.ns)
		return at;
	if (at.ns > r->received.ns)
		at = r->received;
	return at.ns < before->ns ? *before : at;
}

static void
judge_series(struct judging *j, size_t first)
{
	const struct snapshot_list *list = &j->r->list;
	struct utc at = {INT64_MIN};
	size_t count = 0;

	for (size_t i = first; i < list->count; i++) {
		const struct snapshot *s = &list->snapshots[i];

		if (!is_same_series(s, &list->snapshots[first]))
			continue;
		j->done[i] = true;
		if (is_checkpoint(s)) {
			if (flags_of(j, s) != 0)
				j->r->reasons[i] |= RETAIN_HELD;
			continue;
		}
		/* The place in the list is the order over all epochs. */
		j->points[count++] =
		    (struct retain_point){.sequence = (uint64_t)i,
			.at = believed(j, s, &at),
			.age_ns = ages_of(&j->ages, &s->id),
			.flags = flags_of(j, s)};
		if (j->points[count - 1].at.ns <= j->opt->now.ns)
			at = j->points[count - 1].at;
	}
	retain_judge(j->points, count, j->opt->rule, j->opt->now);
	for (size_t i = 0; i < count; i++)
		j->r->reasons[j->points[i].sequence] = j->points[i].reasons;
	judge_checkpoints(j, first);
}

/* --- how long it has been here ------------------------------------------------- */

static void
judge_received(struct judging *j)
{
	struct retention *r = j->r;

	for (size_t i = 0; i < r->list.count; i++) {
		const struct id *id = &r->list.snapshots[i].id;
		const struct receipt *one = receipts_find(&j->receipts, id);
		int64_t stays_ns = j->opt->immutable_ns;

		if (one != NULL && one->promised_ns > stays_ns)
			stays_ns = one->promised_ns;
		if (stays_ns > 0 && ages_of(&j->ages, id) < stays_ns)
			r->reasons[i] |= RETENTION_IMMUTABLE;
	}
}

/* --- points ------------------------------------------------------------------ */

static size_t
place_of(const struct snapshot_list *list, const struct id *id)
{
	size_t i = 0;

	while (i < list->count && !id_equal(&list->snapshots[i].id, id))
		i++;
	return i;
}

/* *changed: somebody stays who did not before. */
static void
keep_whole(struct retention *r, const struct point *p, bool *changed)
{
	bool any = false;

	for (size_t i = 0; i < p->snapshots_count; i++) {
		size_t at = place_of(&r->list, &p->snapshots[i]);

		any |= at < r->list.count && r->reasons[at] != 0;
	}
	for (size_t i = 0; any && i < p->snapshots_count; i++) {
		size_t at = place_of(&r->list, &p->snapshots[i]);

		if (at == r->list.count || r->reasons[at] != 0)
			continue;
		r->reasons[at] = RETENTION_POINT;
		*changed = true;
	}
}

static enum err_code
keep_points(struct retention *r, struct store *st, const char *service,
    struct err *e)
{
	OWNED(point_list_fini) struct point_list points = {0};
	bool changed = true;
	enum err_code rc = point_list(&points, st, service, NULL, NULL, e);

	while (rc == ERR_NONE && changed) {
		changed = false;
		for (size_t i = 0; i < points.count; i++)
			keep_whole(r, &points.points[i], &changed);
	}
	return rc;
}

enum err_code
retention_judge(struct retention *out, struct store *st,
    const struct retention_options *opt, struct err *e)
{
	OWNED(retention_fini) struct retention r = {0};
	OWNED(judging_fini) struct judging j = {.r = &r, .opt = opt};
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	rc = ages_sync(st, e);
	if (rc != ERR_NONE)
		return rc;
	rc = hold_list(&j.holds, st, e);
	if (rc == ERR_NONE)
		rc = ages_read(&j.ages, st, e);
	if (rc == ERR_NONE)
		rc = receipts_read(&j.receipts, st, e);
	if (rc == ERR_NONE)
		rc = snapshot_list(&r.list, st, opt->service, NULL, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	r.reasons = calloc(r.list.count + 1, sizeof(*r.reasons));
	j.points = calloc(r.list.count + 1, sizeof(*j.points));
	j.done = calloc(r.list.count + 1, sizeof(*j.done));
	if (r.reasons == NULL || j.points == NULL || j.done == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < r.list.count; i++)
		if (!j.done[i])
			judge_series(&j, i);
	judge_received(&j);
	rc = keep_points(&r, st, opt->service, e);
	if (rc != ERR_NONE)
		return rc;
	*out = r;
	memset(&r, 0, sizeof(r));
	return ERR_NONE;
}

/* --- forgetting --------------------------------------------------------------- */

static void
add_tally(struct forget_tally *to, const struct forget_tally *from)
{
	to->snapshots_count += from->snapshots_count;
	to->points_count += from->points_count;
}

/* One by one: who was taken into use meanwhile stays. */
static enum err_code
forget_each(struct retention *r, struct store *st, struct forget_request *rq,
    const size_t *places, struct forget_tally *out, struct err *e)
{
	const struct id *ids = rq->snapshots;
	const size_t count = rq->snapshots_count;

	for (size_t i = 0; i < count; i++) {
		struct forget_tally one;
		enum err_code rc;

		rq->snapshots = &ids[i];
		rq->snapshots_count = 1;
		rc = forget_run(st, rq, &one, e);
		if (rc == ERR_BUSY)
			r->reasons[places[i]] = RETENTION_IN_USE;
		else if (rc == ERR_REFUSED)
			r->reasons[places[i]] = RETAIN_HELD;
		else if (rc != ERR_NONE)
			return rc;
		add_tally(out, &one);
	}
	return ERR_NONE;
}

static enum err_code
forget_service(struct retention *r, struct store *st, size_t first,
    bool dry_run, struct forget_tally *out, struct err *e)
{
	const struct snapshot_list *list = &r->list;
	OWNED(free_mem)
	struct id *ids = calloc(list->count + 1, sizeof(*ids));
	OWNED(free_mem)
	size_t *places = calloc(list->count + 1, sizeof(*places));
	struct forget_request rq = {.service = list->snapshots[first].service,
	    .snapshots = ids,
	    .dry_run = dry_run};
	struct forget_tally tally;
	enum err_code rc;

	if (ids == NULL || places == NULL)
		return err_nomem(e);
	for (size_t i = first; i < list->count; i++)
		if (r->reasons[i] == 0 &&
		    strcmp(list->snapshots[i].service, rq.service) == 0) {
			places[rq.snapshots_count] = i;
			ids[rq.snapshots_count++] = list->snapshots[i].id;
		}
	rc = forget_run(st, &rq, &tally, e);
	if (rc == ERR_BUSY || rc == ERR_REFUSED)
		return forget_each(r, st, &rq, places, out, e);
	add_tally(out, &tally);
	return rc;
}

/* Has an earlier one of the same service been the first to go? */
static bool
is_first(const struct retention *r, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (r->reasons[i] == 0 &&
		    strcmp(r->list.snapshots[i].service,
			r->list.snapshots[at].service) == 0)
			return false;
	return true;
}

enum err_code
retention_apply(struct retention *r, struct store *st, bool dry_run,
    struct forget_tally *out, struct err *e)
{
	enum err_code rc = ERR_NONE;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; rc == ERR_NONE && i < r->list.count; i++)
		if (r->reasons[i] == 0 && is_first(r, i))
			rc = forget_service(r, st, i, dry_run, out, e);
	return rc;
}

/* --- saying why ----------------------------------------------------------------- */

void
retention_each_reason(uint32_t reasons, void (*fn)(void *ctx, const char *name),
    void *ctx)
{
	char name[RETAIN_REASONS_BYTES];

	for (uint32_t bit = 1; bit < RETENTION_POINT; bit <<= 1)
		if ((reasons & bit) != 0 &&
		    *retain_reasons(reasons & bit, name) != '\0')
			fn(ctx, name);
	if (reasons & RETENTION_POINT)
		fn(ctx, "point");
	if (reasons & RETENTION_CHECKPOINT)
		fn(ctx, "checkpoint");
	if (reasons & RETENTION_IN_USE)
		fn(ctx, "in-use");
	if (reasons & RETENTION_IMMUTABLE)
		fn(ctx, "immutable");
}

struct saying {
	char *out;
	size_t used;
};

static void
say(void *ctx, const char *name)
{
	struct saying *s = ctx;
	int n = snprintf(s->out + s->used, RETENTION_TEXT_BYTES - s->used,
	    "%s%s", s->used > 0 ? ", " : "", name);

	ASSERT(n > 0 && s->used + (size_t)n < RETENTION_TEXT_BYTES);
	s->used += (size_t)n;
}

const char *
retention_text(uint32_t reasons, char out[RETENTION_TEXT_BYTES])
{
	struct saying s = {out, 0};

	out[0] = '\0';
	retention_each_reason(reasons, say, &s);
	return out;
}
