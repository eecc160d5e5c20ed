/*
 * Backup: one service, all of its datasets in one group.
 *
 * Quiesce, capture each, release - whatever happened - and only when every
 * dataset has its snapshot, the recovery point.  A dataset that fails does not
 * keep the next from being captured.
 */

#include "worker.h"

#include <string.h>

#include <bascule/base/rand.h>
#include <bascule/source.h>

#include "worker_count.h"
#include "worker_far.h"
#include "worker_quiesce.h"

#define UNDIFFED_TOLD_BYTES ((uint64_t)1 << 20)

struct backup {
	struct worker *w;
	const struct policy_service *service;
	struct wire_value *result;
	struct worker_store at;
	struct point point; /* whose snapshots are in its own order */
	struct id made[POINT_DATASETS_MAX]; /* as the service's datasets */
	int64_t counts[POINT_DATASETS_MAX]; /* of transactions, as made */
	struct worker_quiesce *quiesced;    /* NULL: not */
	bool still;      /* a live move holds it: there is nothing to let go */
	bool is_fenced;  /* ... or may have shut it down: to be opened */
	const char *tag; /* of the point; "": none */
	uint64_t files_count, bytes, new_bytes;
	size_t failed_count, partial_count;
	enum err_code first_code; /* of the first dataset that failed */
	struct err first;
};

/* --- a dataset ------------------------------------------------------------ */

static enum writer_codec
codec_of(enum policy_compression c)
{
	switch (c) {
	case POLICY_COMPRESS_OFF: return WRITER_OFF;
	case POLICY_COMPRESS_FAST: return WRITER_FAST;
	case POLICY_COMPRESS_MAX: return WRITER_MAX;
	default: return WRITER_AUTO;
	}
}

/* Whatever is done, it is told of by who does it: often. */
static bool
on_progress(void *ctx, const struct job_progress *p)
{
	struct backup *b = ctx;

	worker_quiesce_tend(b->quiesced);
	return worker_on_progress(b->w, p);
}

static void
on_problem(void *ctx, const char *path, const char *reason)
{
	struct backup *b = ctx;

	worker_on_problem(b->w, path, reason);
}

static enum err_code
capture(struct backup *b, const struct policy_dataset *d,
    struct capture_result *r, struct err *e)
{
	OWNED(policy_expand_free) char **command = NULL;
	const struct policy_values values = {.service = b->service->name,
	    .dataset = d->name,
	    .site = worker_policy(b->w)->site};
	struct capture_options opt = {
	    .service = b->service->name,
	    .dataset = d->name,
	    .roots = &d->tree,
	    .roots_count = *d->tree != '\0',
	    .excludes = d->exclude.items,
	    .excludes_count = d->exclude.count,
	    .one_file_system = d->one_file_system,
	    .exclude_caches = d->exclude_caches,
	    .command_timeout_ns = d->timeout_ns,
	    .read_again_ns = d->read_again_ns,
	    .min_bytes = d->min_size_bytes,
	    .max_shrink_millipercent = d->max_shrink_millipercent < 100000
		? d->max_shrink_millipercent
		: 0,
	    .chunk_fixed_bytes = d->chunk_fixed_bytes,
	    .codec = codec_of(b->service->backup.compression),
	    .state_dir = worker_policy(b->w)->state,
	    .delta_cache_bytes = worker_policy(b->w)->delta_cache.size_bytes,
	    .delta_cache_keep_ns = worker_policy(b->w)->delta_cache.keep_ns,
	    .watch = {b, on_progress, on_problem},
	};
	struct source_host host;
	const char *lives =
	    policy_host_of(worker_policy(b->w), d, worker_policy(b->w)->site);
	bool here;
	enum err_code rc;

	if (lives == NULL)
		return err_set(e, ERR_POLICY,
		    "nothing says on which host of '%s' dataset '%s' is; write "
		    "its host_at",
		    worker_policy(b->w)->site, d->name);
	rc = worker_far_host(&host, &here, b->w, lives, e);
	opt.host = here ? NULL : &host;

	if (d->chunk_fixed_bytes > 0)
		opt.chunking = CHUNKING_FIXED;
	if (rc == ERR_NONE)
		rc = policy_program(&command, d, &values, e);
	opt.command = (const char *const *)command;
	memcpy(opt.group, b->point.group, sizeof(opt.group));
	worker_doing(b->w, d->name);
	return rc != ERR_NONE ? rc : capture_run(b->at.st, &opt, r, e);
}

static enum err_code
tell_snapshot(struct backup *b, const struct policy_dataset *d,
    const struct capture_result *r, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "snapshot", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "dataset", d->name);
	wire_add_text(v, "snapshot", id_hex(&r->snapshot, hex));
	wire_add_uint(v, "bytes", r->counts.bytes);
	wire_add_uint(v, "new_bytes", r->counts.new_bytes);
	wire_add_uint(v, "files", r->counts.files_count);
	wire_add_bool(v, "partial", r->counts.problems_count > 0);
	return worker_send(b->w, &v, e);
}

static enum err_code
tell_failed(struct backup *b, const struct policy_dataset *d,
    const struct err *why, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_new(&v, "dataset_failed", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "dataset", d->name);
	wire_add_text(v, "reason", why->text);
	return worker_send(b->w, &v, e);
}

static enum err_code
one_dataset(struct backup *b, const struct policy_dataset *d, struct err *e)
{
	struct capture_result r;
	struct err why;
	int64_t count = worker_count_read(b->w, b->service, d);
	enum err_code rc = capture(b, d, &r, &why);

	if (rc == ERR_CANCELLED || worker_is_cancelled(b->w))
		return err_set(e, ERR_CANCELLED, "the backup was stopped");
	if (rc != ERR_NONE) {
		if (b->failed_count++ == 0) {
			b->first = why;
			b->first_code = rc;
		}
		return tell_failed(b, d, &why, e);
	}
	if (r.counts.problems_count > 0) {
		b->partial_count++;
		worker_partial(b->w, "%llu entries of '%s' could not be read",
		    (unsigned long long)r.counts.problems_count, d->name);
	}
	if (r.undiffed_bytes >= UNDIFFED_TOLD_BYTES)
		worker_log(b->w, WORKER_INFO,
		    "%llu bytes of changed files of '%s' were stored whole: "
		    "this key cannot read what they were, and the policy has "
		    "no delta_cache",
		    (unsigned long long)r.undiffed_bytes, d->name);
	b->files_count += r.counts.files_count;
	b->bytes += r.counts.bytes;
	b->new_bytes += r.counts.new_bytes;
	if (b->point.snapshots_count < POINT_DATASETS_MAX) {
		b->made[b->point.snapshots_count] = r.snapshot;
		b->counts[b->point.snapshots_count] = count;
		b->point.snapshots[b->point.snapshots_count++] = r.snapshot;
	}
	return tell_snapshot(b, d, &r, e);
}

static enum err_code
all_datasets(struct backup *b, struct err *e)
{
	const char *only = worker_dataset(b->w);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < b->service->dataset_count;
	     i++) {
		const struct policy_dataset *d = &b->service->datasets[i];

		if (only == NULL || strcmp(only, d->name) == 0)
			rc = one_dataset(b, d, e);
	}
	return rc;
}

/* --- the point ------------------------------------------------------------ */

static enum err_code
tell_point(struct backup *b, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(wire_free) struct wire_value *map = NULL;
	OWNED(wire_free) struct wire_value *counts = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&v, "point", e);

	if (rc == ERR_NONE)
		rc = wire_new(&map, NULL, e);
	if (rc == ERR_NONE)
		rc = wire_new(&counts, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < b->point.snapshots_count; i++)
		wire_add_text(map, b->service->datasets[i].name,
		    id_hex(&b->made[i], hex));
	for (size_t i = 0; i < b->point.snapshots_count; i++)
		if (b->counts[i] >= 0)
			wire_add_int(counts, b->service->datasets[i].name,
			    b->counts[i]);
	wire_add_text(v, "point", id_hex(&b->point.id, hex));
	wire_add_text(v, "service", b->service->name);
	wire_add_int(v, "at_ns", b->point.taken.ns);
	wire_add_uint(v, "sequence", b->point.sequence);
	if (b->tag[0] != '\0')
		wire_add_text(v, "tag", b->tag);
	wire_add(v, "snapshots", &map);
	if (wire_count(counts) > 0)
		wire_add(v, "counts", &counts);
	wire_add_text(b->result, "point", hex);
	return worker_send(b->w, &v, e);
}

static enum err_code
make_point(struct backup *b, struct err *e)
{
	OWNED(session_close) struct session *se = NULL;
	enum err_code rc;

	if (worker_dataset(b->w) != NULL || b->failed_count > 0)
		return ERR_NONE;
	rc = session_open(&se, b->at.st, e);
	if (rc == ERR_NONE)
		rc = point_commit(se, &b->point, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "making the recovery point");
	return tell_point(b, e);
}

/* --- the whole ------------------------------------------------------------ */

/* Datasets are down: is that a failure, or are some of them good? */
static enum err_code
judge(struct backup *b, struct err *e)
{
	if (b->failed_count == 0)
		return ERR_NONE;
	if (b->point.snapshots_count == 0) {
		*e = b->first;
		return b->first_code;
	}
	worker_partial(b->w,
	    "%zu of %zu datasets failed, no recovery point: %s",
	    b->failed_count, b->failed_count + b->point.snapshots_count,
	    b->first.text);
	return ERR_NONE;
}

static enum err_code
capture_all(struct backup *b, struct err *e)
{
	struct err why;
	enum err_code after, rc = ERR_NONE;

	if (!b->still || b->is_fenced)
		rc = worker_quiesce_begin(&b->quiesced, b->w, b->service,
		    b->is_fenced ? WORKER_QUIESCE_CAPTURE : WORKER_QUIESCE, e);

	if (rc == ERR_NONE)
		rc = all_datasets(b, e);
	after = worker_quiesce_end(&b->quiesced, &why);
	if (after != ERR_NONE)
		worker_log(b->w, WORKER_ERROR, "%s", why.text);
	if (rc != ERR_NONE)
		return rc;
	if (after != ERR_NONE) /* production may still be held: say it loudly */
		worker_partial(b->w, "%s", why.text);
	return ERR_NONE;
}

static void
backup_fini(struct backup *b)
{
	worker_store_fini(&b->at);
}

static enum err_code
back_up(struct worker *w, struct wire_value *result, bool still, struct err *e)
{
	OWNED(backup_fini)
	struct backup b = {.w = w,
	    .service = worker_service(w),
	    .result = result,
	    .still = still,
	    .tag = wire_take_text(worker_spec(w), "tag", "")};
	enum err_code rc = worker_asked(w, e);

	if (rc != ERR_NONE)
		return rc;
	if (b.service == NULL)
		return err_set(e, ERR_INPUT, "a backup is of a service");
	/* What a move keeps has its tag; its last point is behind the fence only
	 * where no quiesce.before stops the writes. */
	b.is_fenced =
	    still && (b.tag[0] != '\0' || b.service->quiesce.before.count == 0);
	rand_bytes(b.point.group, sizeof(b.point.group));
	snprintf(b.point.service, sizeof(b.point.service), "%s",
	    b.service->name);
	b.point.taken = now_utc();
	rc = worker_store_open(&b.at, w, STORE_WRITE, e);
	if (rc == ERR_NONE)
		rc = capture_all(&b, e);
	if (rc == ERR_NONE)
		rc = make_point(&b, e);
	wire_add_uint(result, "files", b.files_count);
	wire_add_uint(result, "bytes", b.bytes);
	wire_add_uint(result, "new_bytes", b.new_bytes);
	if (rc == ERR_NONE && b.tag[0] != '\0')
		wire_add_text(result, "tag", b.tag);
	return rc != ERR_NONE ? rc : judge(&b, e);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	bool still = wire_take_bool(worker_spec(w), "held", false);

	return back_up(w, result, still, e);
}

enum err_code
worker_backup_held(struct worker *w, struct wire_value *result, struct err *e)
{
	return back_up(w, result, true, e);
}

const struct worker_kind worker_backup = {"backup", run};
