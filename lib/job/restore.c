/*
 * A restore: the walk over the snapshot makes the directories and hands the
 * rest to workers in batches, in the order the content was stored.
 */

#include "restore_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

/* --- telling ---------------------------------------------------------------- */

static void
tell_all(struct restore *r, struct buf *told)
{
	restore_tell_all(r->shared.opt, told);
}

enum err_code
restore_say(struct restore *r, struct err *e)
{
	const struct job_watch *w = &r->shared.opt->watch;
	struct job_progress p = {r->result->files_count,
	    atomic_load(&r->shared.done_bytes), r->shared.opt->total_bytes};
	int fatal = atomic_load(&r->shared.fatal);

	tell_all(r, &r->own_told);
	if (fatal != ERR_NONE)
		return err_set(e, (enum err_code)fatal,
		    fatal == ERR_NOSPACE ? "no space left in '%s'"
					 : "out of memory restoring to '%s'",
		    r->shared.opt->to);
	if (w->progress != NULL && !w->progress(w->ctx, &p))
		return err_set(e, ERR_CANCELLED, "the restore was stopped");
	return ERR_NONE;
}

/* --- workers ---------------------------------------------------------------- */

static enum err_code
run_batch(void *ctx, unsigned thread, void *item, struct err *e)
{
	struct restore *r = ctx;
	struct restore_tools *t = &r->tools[thread];
	struct batch *b = item;

	(void)e;
	t->told = &b->told;
	for (size_t i = 0; i < b->count; i++) {
		struct restore_task *task = &b->tasks[i];

		if (task->big != NULL)
			restore_big_run(t, task);
		else if (t->verifying)
			restore_look_verify(t, task);
		else
			restore_file_make(t, task);
		restore_file_end_task(t, task);
	}
	b->count = 0;
	b->bytes = 0;
	return ERR_NONE;
}

static enum err_code
send(struct restore *r, struct err *e)
{
	struct batch *b = TAKE(r->filling);
	enum err_code rc;

	if (b == NULL)
		return ERR_NONE;
	rc = pipeline_put(r->pipeline, b, e);
	return rc == ERR_NONE ? restore_say(r, e) : rc;
}

static enum err_code
make_room(struct batch *b, struct err *e)
{
	const size_t size = b->size * 2 + 64;
	struct restore_task *more;

	if (b->count < b->size)
		return ERR_NONE;
	more = realloc(b->tasks, size * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	b->tasks = more;
	b->size = size;
	return ERR_NONE;
}

/* r->filling has a place for one more task. */
static enum err_code
next_task(struct restore *r, struct err *e)
{
	enum err_code rc = ERR_NONE;
	void *item;

	if (r->filling == NULL) {
		rc = pipeline_take(r->pipeline, &item, e);
		if (rc != ERR_NONE)
			return rc;
		r->filling = item;
		tell_all(r, &r->filling->told);
	}
	return make_room(r->filling, e);
}

/* Would it go beyond so many? */
static bool
is_beyond(const struct restore *r, uint64_t bytes, size_t tasks_max,
    uint64_t bytes_max)
{
	return r->filling != NULL &&
	    (r->filling->count >= tasks_max ||
		r->filling->bytes + bytes > bytes_max);
}

static enum err_code
put_task(struct restore *r, struct restore_task *task, uint64_t bytes,
    struct err *e)
{
	enum err_code rc = next_task(r, e);

	if (rc != ERR_NONE) {
		restore_file_end_task(&r->own, task);
		return rc;
	}
	r->filling->tasks[r->filling->count++] = *task;
	r->filling->bytes += bytes;
	*task = (struct restore_task){0};
	return ERR_NONE;
}

enum err_code
restore_send_task(struct restore *r, struct restore_task *task, uint64_t bytes,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (is_beyond(r, bytes, TASKS_MAX, BATCH_BYTES_MAX))
		rc = send(r, e);
	if (rc == ERR_NONE)
		return put_task(r, task, bytes, e);
	restore_file_end_task(&r->own, task);
	return rc;
}

static bool
ends_batch(const struct restore *r, const struct restore_ticket *before,
    const struct restore_ticket *now)
{
	return restore_plan_is_border(before, now)
	    ? is_beyond(r, 0, TASKS_MAX / 2, BATCH_BYTES_MAX / 2)
	    : is_beyond(r, now->bytes, FRAME_TASKS_MAX, FRAME_BYTES_MAX);
}

static enum err_code
deal(struct restore *r, struct restore_plan *plan, bool more, struct err *e)
{
	size_t count;
	struct restore_ticket *t = restore_plan_take(plan, more, &count);
	enum err_code rc = ERR_NONE;

	if (plan == r->plan)
		r->window_dirs_count = restore_plan_dirs_count(plan);
	for (size_t i = 0; i < count; i++) {
		if (rc == ERR_NONE && i > 0 && ends_batch(r, &t[i - 1], &t[i]))
			rc = send(r, e);
		if (rc == ERR_NONE)
			rc = put_task(r, &t[i].task, t[i].bytes, e);
		else
			restore_file_end_task(&r->own, &t[i].task);
	}
	return rc;
}

enum err_code
restore_deal(struct restore *r, struct restore_plan *plan, struct err *e)
{
	return deal(r, plan, true, e);
}

static enum err_code
finish(struct restore *r, struct restore_plan *plan, struct err *e)
{
	enum err_code rc = deal(r, plan, false, e);

	if (rc == ERR_NONE && (rc = send(r, e)) == ERR_NONE)
		rc = pipeline_drain(r->pipeline, e);
	return rc;
}

/* All that was planned is made: files before their second names. */
enum err_code
restore_settle(struct restore *r, struct err *e)
{
	enum err_code rc = finish(r, r->plan, e);

	if (rc == ERR_NONE)
		rc = finish(r, r->later, e);
	r->later_dirs_count = 0;
	r->later_dir = NULL;
	for (size_t i = 0; rc == ERR_NONE && i < r->batches_count; i++)
		tell_all(r, &r->batches[i]->told);
	return rc == ERR_NONE ? restore_say(r, e) : rc;
}

/* --- before and after ------------------------------------------------------- */

static enum err_code
open_top(struct restore *r, struct err *e)
{
	const char *to = r->shared.opt->to;
	struct restore_dir *d;
	enum err_code rc = ERR_NONE;

	const bool dry = r->shared.opt->dry_run;

	if (!r->own.verifying && !dry)
		rc = fdio_make_dirs(to, 0777, e);
	if (rc != ERR_NONE)
		return rc;
	r->top_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->top_fd == -1 && !(dry && errno == ENOENT))
		return err_sys(e, "cannot open '%s'", to);
	if (!r->own.verifying && !dry)
		rc = restore_disks_add(&r->disks, r->top_fd, e);
	if (rc != ERR_NONE)
		return rc;
	d = restore_dir_new();
	if (d == NULL)
		return err_nomem(e);
	d->fd = r->top_fd == -1 ? -1 : fcntl(r->top_fd, F_DUPFD_CLOEXEC, 3);
	r->levels = calloc(16, sizeof(*r->levels));
	if ((d->fd == -1 && r->top_fd != -1) || r->levels == NULL) {
		fdio_close(&d->fd);
		free(d);
		return err_nomem(e);
	}
	r->levels_size = 16;
	r->levels_count = 1;
	r->levels[0] = (struct level){0, d};
	return ERR_NONE;
}

static void
close_top(struct restore *r)
{
	while (r->levels_count > 0)
		restore_walk_pop(r);
	free(r->levels);
	r->levels = NULL;
	r->levels_size = 0;
	fdio_close(&r->top_fd);
}

static enum err_code
make_tools(struct restore *r, struct restore_tools *t, struct err *e)
{
	t->shared = &r->shared;
	t->told = &r->own_told;
	t->bytes = malloc(RESTORE_COMPARE_BYTES);
	if (t->bytes == NULL)
		return err_nomem(e);
	return reader_new(&t->reader, r->shared.st, e);
}

static void
end_tools(struct restore_tools *t)
{
	reader_free(&t->reader);
	free(t->bytes);
	t->bytes = NULL;
}

static enum err_code
make_workers(struct restore *r, struct err *e)
{
	struct pipeline_stage stage = {run_batch, 0};
	struct pipeline_plan plan = {.stages = &stage,
	    .stages_count = 1,
	    .items = (void **)r->batches,
	    .ctx = r};
	unsigned wanted = r->shared.opt->workers;
	enum err_code rc = ERR_NONE;

	r->workers_count = wanted != 0 ? wanted : pipeline_cores();
	if (r->workers_count > WORKERS_MAX)
		r->workers_count = WORKERS_MAX;
	for (unsigned i = 0; rc == ERR_NONE && i < r->workers_count; i++)
		rc = make_tools(r, &r->tools[i], e);
	while (rc == ERR_NONE && r->batches_count < r->workers_count * 3) {
		struct batch *b = calloc(1, sizeof(*b));

		if (b == NULL)
			return err_nomem(e);
		r->batches[r->batches_count++] = b;
	}
	stage.threads_count = r->workers_count;
	plan.items_count = r->batches_count;
	return rc != ERR_NONE ? rc : pipeline_new(&r->pipeline, &plan, e);
}

static enum err_code
restore_begin(struct restore *r, struct err *e)
{
	enum err_code rc;

	/* Each batch on its way may hold as many as a window; so do links. */
	r->window_dirs_max = restore_dir_window(BATCHES_MAX + 3);
	r->top_fd = -1;
	r->own.shared = &r->shared;
	r->own.told = &r->own_told;
	r->strip_bytes = strlen(r->shared.opt->subtree);
	rc = restore_links_new(&r->links, e);
	if (rc == ERR_NONE)
		rc = restore_plan_new(&r->plan, r->shared.st, e);
	if (rc == ERR_NONE)
		rc = restore_plan_new(&r->later, r->shared.st, e);
	if (rc == ERR_NONE)
		rc = restore_clone_new(&r->shared.clones, e);
	if (rc == ERR_NONE)
		rc = make_tools(r, &r->own, e);
	if (rc == ERR_NONE && !r->shared.opt->dry_run)
		rc = make_workers(r, e);
	return rc == ERR_NONE ? restore_walk_check(r, e) : rc;
}

static void
restore_fini(struct restore *r)
{
	pipeline_free(&r->pipeline);
	for (size_t i = 0; i < r->batches_count; i++) {
		struct batch *b = r->batches[i];

		for (size_t k = 0; k < b->count; k++)
			restore_file_end_task(&r->own, &b->tasks[k]);
		buf_fini(&b->told);
		free(b->tasks);
		free(b);
	}
	restore_plan_free(&r->plan, &r->own);
	restore_plan_free(&r->later, &r->own);
	close_top(r);
	restore_disks_fini(&r->disks);
	for (unsigned i = 0; i < r->workers_count; i++)
		end_tools(&r->tools[i]);
	end_tools(&r->own);
	restore_clone_free(&r->shared.clones);
	pthread_mutex_destroy(&r->shared.names_lock);
	restore_links_free(&r->links);
	buf_fini(&r->own_told);
	buf_fini(&r->path);
}

/* One pass over the snapshot: making, or comparing. */
static enum err_code
pass(struct restore *r, bool verifying, struct err *e)
{
	enum err_code rc;

	r->own.verifying = verifying;
	for (unsigned i = 0; i < r->workers_count; i++)
		r->tools[i].verifying = verifying;
	rc = open_top(r, e);
	if (rc == ERR_NONE)
		rc = restore_walk_all(r, e);
	if (rc == ERR_NONE && !r->shared.opt->dry_run)
		rc = restore_settle(r, e);
	close_top(r); /* the last directories get their metadata */
	tell_all(r, &r->own_told);
	return rc;
}

static enum err_code
verify(struct restore *r, struct err *e)
{
	struct restore_shared *s = &r->shared;
	const struct restore_result seen = *r->result;
	const uint64_t failed_count = atomic_load(&s->failed_count);
	enum err_code rc = pass(r, true, e);

	*r->result = seen; /* once is enough */
	/* Directories that cannot be entered again. */
	atomic_fetch_add(&s->differ_count,
	    atomic_load(&s->failed_count) - failed_count);
	atomic_store(&s->failed_count, failed_count);
	return rc;
}

static void
count_up(const struct restore *r, struct mono begun)
{
	const struct restore_shared *s = &r->shared;
	struct restore_result *out = r->result;

	out->written_bytes = atomic_load(&s->written_bytes);
	out->same_count = atomic_load(&s->same_count);
	out->changed_count = atomic_load(&s->changed_count);
	out->cloned_count = atomic_load(&s->cloned_count);
	out->warnings_count = atomic_load(&s->warnings_count);
	out->kept_count = atomic_load(&s->kept_count);
	out->failed_count = atomic_load(&s->failed_count);
	out->differ_count = atomic_load(&s->differ_count);
	out->damaged_count = atomic_load(&s->damage_count);
	out->took_ns = now_mono().ns - begun.ns;
}

bool
restore_overwrite_of(const char *word, enum restore_overwrite *out)
{
	static const char *const names[] = {"differing", "never", "always"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(word, names[i]) == 0) {
			*out = (enum restore_overwrite)i;
			return true;
		}
	return false;
}

const char *
restore_change_name(enum restore_change change)
{
	static const char *const names[] = {"make", "alter", "replace",
	    "delete"};

	return names[change];
}

enum err_code
restore_run(struct store *st, const struct restore_options *opt,
    struct restore_result *out, struct err *e)
{
	OWNED(restore_fini)
	struct restore r = {.shared = {.opt = opt,
				.st = st,
				.gives_away = arc_meta_gives_away(),
				.uid = geteuid(),
				.gid = getegid(),
				.names_lock = PTHREAD_MUTEX_INITIALIZER},
	    .result = out};
	struct mono begun = now_mono();
	enum err_code rc;

	*out = (struct restore_result){0};
	rc = restore_begin(&r, e);
	if (rc == ERR_NONE && opt->delete_others)
		rc = restore_others_delete(&r.own, &out->deleted_count, e);
	if (rc == ERR_NONE)
		rc = pass(&r, false, e);
	/* Also what was made before it was stopped. */
	if (!opt->dry_run)
		rc = restore_disks_flush(&r.disks, rc, e);
	if (rc == ERR_NONE && opt->verify && !opt->dry_run)
		rc = verify(&r, e);
	count_up(&r, begun);
	return rc == ERR_NONE ? rc : err_wrap(e, "restoring to '%s'", opt->to);
}
