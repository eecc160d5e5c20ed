/*
 * A restore: the walk over the snapshot makes the directories and hands the
 * rest to workers in batches, in the order the content was stored.
 */

#include "restore.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <bascule/base/pipeline.h>

#define TASKS_MAX       512
#define BATCH_BYTES_MAX ((uint64_t)4 << 20) /* eight frames or so */
#define RUN_BYTES_MAX   ((uint64_t)8 << 20) /* of a file of many chunks */
#define WORKERS_MAX     16
#define BATCHES_MAX     (WORKERS_MAX * 3)

struct batch {
	struct restore_task tasks[TASKS_MAX];
	size_t count;
	uint64_t bytes;
	struct buf told;
};

/* A directory of the path we are in. */
struct level {
	size_t path_bytes;       /* of its path in the snapshot */
	struct restore_dir *dir; /* NULL: could not be made */
};

struct restore {
	struct restore_shared shared;
	struct restore_result *result;
	struct pipeline *pipeline;
	struct restore_tools tools[WORKERS_MAX];
	struct restore_tools own; /* of the walk itself */
	struct buf own_told;
	unsigned workers_count;
	struct batch *batches[BATCHES_MAX];
	size_t batches_count;
	struct batch *filling;             /* taken from the pipeline */
	struct restore_plan *plan, *later; /* later: second names of files */
	unsigned window_dirs_count, window_dirs_max;
	unsigned later_dirs_count;
	const struct restore_dir *later_dir; /* of the last one put there */
	struct restore_disks disks;
	struct restore_links *links;
	int top_fd;
	size_t strip_bytes; /* of every path: the subtree's own */
	struct level *levels;
	size_t levels_count, levels_size;
	struct buf path; /* of the innermost level */
};

/* --- telling ---------------------------------------------------------------- */

static void
tell_all(struct restore *r, struct buf *told)
{
	const struct job_watch *w = &r->shared.opt->watch;
	const char *at = (const char *)told->bytes;
	const char *end = at + told->len_bytes;

	while (at < end) {
		const char *text = at + strlen(at) + 1;

		if (w->problem != NULL)
			w->problem(w->ctx, at, text);
		at = text + strlen(text) + 1;
	}
	buf_clear(told);
}

static enum err_code
tell_progress(struct restore *r, struct err *e)
{
	const struct job_watch *w = &r->shared.opt->watch;
	struct job_progress p = {r->result->files_count,
	    atomic_load(&r->shared.done_bytes), 0};
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
			restore_file_run(t, task);
		else if (t->verifying)
			restore_file_verify(t, task);
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
	return rc == ERR_NONE ? tell_progress(r, e) : rc;
}

/* A place for one more task. */
static enum err_code
next_task(struct restore *r, uint64_t bytes, struct restore_task **task,
    struct err *e)
{
	enum err_code rc = ERR_NONE;
	void *item;

	*task = NULL;
	if (r->filling != NULL &&
	    (r->filling->count == TASKS_MAX ||
		r->filling->bytes + bytes > BATCH_BYTES_MAX))
		rc = send(r, e);
	if (rc == ERR_NONE && r->filling == NULL) {
		rc = pipeline_take(r->pipeline, &item, e);
		if (rc == ERR_NONE) {
			r->filling = item;
			tell_all(r, &r->filling->told);
		}
	}
	if (rc != ERR_NONE)
		return rc;
	*task = &r->filling->tasks[r->filling->count++];
	r->filling->bytes += bytes;
	return ERR_NONE;
}

/* What begins a frame begins a batch, if the one before it is large enough. */
static bool
ends_batch(const struct restore *r, const struct restore_ticket *before,
    const struct restore_ticket *now)
{
	return r->filling != NULL &&
	    (r->filling->bytes >= BATCH_BYTES_MAX / 2 ||
		r->filling->count >= TASKS_MAX / 2) &&
	    (before->place.pack != now->place.pack ||
		before->place.frame != now->place.frame);
}

/* What a plan holds goes to the workers. */
static enum err_code
deal(struct restore *r, struct restore_plan *plan, struct err *e)
{
	size_t count;
	struct restore_ticket *t = restore_plan_take(plan, &count);
	enum err_code rc = ERR_NONE;

	if (plan == r->plan)
		r->window_dirs_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct restore_task *task;

		if (rc == ERR_NONE && i > 0 && ends_batch(r, &t[i - 1], &t[i]))
			rc = send(r, e);
		if (rc == ERR_NONE)
			rc = next_task(r, t[i].bytes, &task, e);
		if (rc == ERR_NONE)
			*task = t[i].task;
		else
			restore_file_end_task(&r->own, &t[i].task);
	}
	return rc;
}

static enum err_code
finish(struct restore *r, struct restore_plan *plan, struct err *e)
{
	enum err_code rc = deal(r, plan, e);

	if (rc == ERR_NONE && (rc = send(r, e)) == ERR_NONE)
		rc = pipeline_drain(r->pipeline, e);
	return rc;
}

/* All that was planned is made: files before their second names. */
static enum err_code
settle(struct restore *r, struct err *e)
{
	enum err_code rc = finish(r, r->plan, e);

	if (rc == ERR_NONE)
		rc = finish(r, r->later, e);
	r->later_dirs_count = 0;
	r->later_dir = NULL;
	for (size_t i = 0; rc == ERR_NONE && i < r->batches_count; i++)
		tell_all(r, &r->batches[i]->told);
	return rc == ERR_NONE ? tell_progress(r, e) : rc;
}

/* --- directories ------------------------------------------------------------ */

/* Path of an entry beneath the target. */
static const char *
beneath(const struct restore *r, const struct entry *entry)
{
	const char *path = entry->path.bytes + r->strip_bytes;

	return *path == '/' ? path + 1 : path;
}

static void
pop(struct restore *r)
{
	struct level *l = &r->levels[--r->levels_count];

	restore_dir_drop(&r->own, &l->dir);
}

static enum err_code
push(struct restore *r, const struct entry *entry, struct restore_dir **dir,
    struct err *e)
{
	if (r->levels_count == r->levels_size) {
		size_t size = r->levels_size * 2 + 16;
		struct level *more = realloc(r->levels, size * sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		r->levels = more;
		r->levels_size = size;
	}
	r->levels[r->levels_count++] =
	    (struct level){entry->path.len_bytes, TAKE(*dir)};
	buf_clear(&r->path);
	return buf_add(&r->path, entry->path.bytes, entry->path.len_bytes, e);
}

/* Leave the directories that path is not in. */
static struct level *
innermost(struct restore *r, const struct entry_text *path)
{
	while (r->levels_count > 1) {
		struct level *l = &r->levels[r->levels_count - 1];

		if (path->len_bytes > l->path_bytes &&
		    path_is_under(path->bytes, path->len_bytes,
			(const char *)r->path.bytes, l->path_bytes))
			return l;
		pop(r);
	}
	return &r->levels[0];
}

static enum err_code
enter_dir(struct restore *r, struct level *parent, const struct entry *entry,
    struct err *e)
{
	OWNED(free_mem) struct restore_dir *d = calloc(1, sizeof(*d));
	bool existed;
	enum err_code rc = ERR_NONE;
	struct err why;

	if (d == NULL)
		return err_nomem(e);
	d->fd = -1;
	r->result->dirs_count++;
	if (parent->dir == NULL ||
	    restore_dir_open(&r->own, parent->dir->fd, restore_dir_name(entry),
		&d->fd, &existed, &why) != ERR_NONE) {
		struct restore_dir *none = NULL;

		if (parent->dir != NULL)
			restore_file_fault(&r->own, entry, &why);
		else
			atomic_fetch_add(&r->shared.failed_count, 1);
		return push(r, entry, &none, e);
	}
	atomic_store(&d->users_count, 1);
	r->window_dirs_count++;
	d->has_metadata = !existed || r->shared.opt->overwrite != RESTORE_NEVER;
	d->hands_down = existed || arc_meta_hands_down(d->fd);
	if (existed && !r->own.verifying)
		rc = restore_disks_add(&r->disks, d->fd, e);
	if (rc == ERR_NONE)
		rc = entry_copy(&d->entry, entry, e);
	if (rc != ERR_NONE) {
		fdio_close(&d->fd);
		return rc;
	}
	return push(r, entry, &d, e);
}

/* --- files ------------------------------------------------------------------ */

struct big_walk {
	struct restore *r;
	struct restore_big *big;
	struct restore_task run; /* being gathered */
	size_t size;
	uint64_t bytes;
};

static enum err_code
send_run(struct big_walk *w, struct err *e)
{
	struct restore_task *task;
	enum err_code rc;

	if (w->run.pieces_count == 0)
		return ERR_NONE;
	rc = next_task(w->r, w->bytes, &task, e);
	if (rc != ERR_NONE)
		return rc;
	*task = w->run;
	task->big = restore_file_use_big(w->big);
	atomic_fetch_add(&w->big->runs_sent_count, 1);
	w->run = (struct restore_task){0};
	w->size = 0;
	w->bytes = 0;
	return ERR_NONE;
}

static enum err_code
gather(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct big_walk *w = ctx;

	if (w->run.pieces_count == w->size) {
		size_t size = w->size * 2 + 32;
		struct content_piece *more =
		    realloc(w->run.pieces, size * sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		w->run.pieces = more;
		w->size = size;
	}
	if (w->run.pieces_count == 0)
		w->run.offset_bytes = offset;
	w->run.pieces[w->run.pieces_count++] = *piece;
	w->bytes += piece->len_bytes;
	return w->bytes >= RUN_BYTES_MAX ? send_run(w, e) : ERR_NONE;
}

/* A file of many chunks: several workers take runs of it. */
static enum err_code
restore_many(struct restore *r, struct restore_dir *dir, const struct item *it,
    struct err *e)
{
	struct restore_big *big = calloc(1, sizeof(*big));
	struct restore_task named = {.dir = dir, .big = big};
	struct big_walk w = {.r = r, .big = big};
	enum err_code rc;
	struct err why;

	if (big == NULL)
		return err_nomem(e);
	big->fd = -1;
	atomic_store(&big->users_count, 1);
	snprintf(named.name, sizeof(named.name), "%s",
	    restore_dir_name(&it->entry));
	snprintf(big->name, sizeof(big->name), "%s", named.name);
	big->dir = restore_dir_use(dir);
	rc = entry_copy(&big->entry, &it->entry, e);
	if (rc == ERR_NONE && restore_file_begin_big(&r->own, &named, big)) {
		rc = content_each(r->shared.st, &it->content, gather, &w, &why);
		if (rc == ERR_NONE)
			rc = send_run(&w, &why);
		big->all_sent = rc == ERR_NONE;
		if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND) {
			/* its list cannot be read: this file only */
			atomic_store(&big->failed, true);
			restore_file_fault(&r->own, &it->entry, &why);
			rc = ERR_NONE;
		} else if (rc != ERR_NONE)
			*e = why;
	}
	free(w.run.pieces);
	restore_file_drop_big(&r->own, &big);
	return rc;
}

/*
 * A file with another name in the snapshot: *first is the one made before.  It
 * must be there when it gets another name, so those wait until many have come
 * together.
 */
static enum err_code
join_links(struct restore *r, const struct item *it, const char **first,
    struct err *e)
{
	*first = NULL;
	if (!it->entry.linked || r->own.verifying)
		return ERR_NONE;
	return restore_links_join(r->links, it->entry.link_group,
	    beneath(r, &it->entry), first, e);
}

static enum err_code
add_later(struct restore *r, const struct restore_dir *dir,
    struct restore_task **task, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (restore_plan_is_full(r->later) ||
	    r->later_dirs_count >= r->window_dirs_max)
		rc = settle(r, e);
	r->later_dirs_count += dir != r->later_dir;
	r->later_dir = dir;
	*task = rc == ERR_NONE ? restore_plan_add(r->later, NULL, 0) : NULL;
	return rc;
}

static enum err_code
add_now(struct restore *r, const struct content *c, struct restore_task **task,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	*task = NULL;
	if (restore_plan_is_full(r->plan) ||
	    r->window_dirs_count >= r->window_dirs_max)
		rc = deal(r, r->plan, e);
	if (rc == ERR_NONE)
		*task = restore_plan_add(r->plan, c, c->size_bytes);
	return rc;
}

static enum err_code
restore_item(struct restore *r, struct level *parent, const struct item *it,
    struct err *e)
{
	struct restore_task *task;
	const char *first;
	enum err_code rc;

	if (parent->dir == NULL) {
		atomic_fetch_add(&r->shared.failed_count, 1);
		return ERR_NONE;
	}
	rc = join_links(r, it, &first, e);
	if (rc != ERR_NONE)
		return rc;
	if (it->content.is_list && first == NULL)
		return restore_many(r, parent->dir, it, e);
	rc = first != NULL ? add_later(r, parent->dir, &task, e)
			   : add_now(r, &it->content, &task, e);
	if (rc != ERR_NONE)
		return rc;
	task->dir = restore_dir_use(parent->dir);
	task->link_to = first;
	task->top_fd = r->top_fd;
	snprintf(task->name, sizeof(task->name), "%s",
	    restore_dir_name(&it->entry));
	rc = entry_copy(&task->item.entry, &it->entry, e);
	if (rc == ERR_NONE && first == NULL)
		rc = content_copy(&task->item.content, &it->content, e);
	return rc;
}

static void
tally(struct restore_result *out, const struct entry *entry)
{
	if (entry->type != ENTRY_FILE) {
		out->others_count++;
		return;
	}
	out->files_count++;
	out->bytes += entry->size_bytes;
}

static enum err_code
walk_item(struct restore *r, const struct item *it, struct err *e)
{
	const struct entry *entry = &it->entry;
	struct level *parent;

	/* The subtree itself is the target; so is the root. */
	if (entry->path.len_bytes <= r->strip_bytes &&
	    entry->type == ENTRY_DIR) {
		if (entry->path.len_bytes == 0 || r->levels_count == 0)
			return ERR_NONE;
		r->levels[0].dir->has_metadata =
		    !r->shared.opt->dry_run && !r->own.verifying;
		return entry_copy(&r->levels[0].dir->entry, entry, e);
	}
	if (r->shared.opt->dry_run) {
		if (entry->type == ENTRY_DIR)
			r->result->dirs_count++;
		else
			tally(r->result, entry);
		return ERR_NONE;
	}
	parent = innermost(r, &entry->path);
	if (entry->type == ENTRY_DIR)
		return enter_dir(r, parent, entry, e);
	tally(r->result, entry);
	return restore_item(r, parent, it, e);
}

static enum err_code
walk_cursor(struct restore *r, struct cursor *cursor, bool first_only,
    struct err *e)
{
	const struct item *it;
	enum err_code rc = ERR_NONE;

	do {
		rc = cursor_next(cursor, &it, e);
		if (rc == ERR_NONE && it == NULL)
			return ERR_NONE;
		if (rc == ERR_NONE)
			rc = walk_item(r, it, e);
	} while (rc == ERR_NONE && !first_only);
	return rc;
}

static enum err_code
walk_at(struct restore *r, const char *path, size_t len, bool first_only,
    struct err *e)
{
	OWNED(cursor_close) struct cursor *cursor = NULL;
	enum err_code rc = cursor_open(&cursor, r->shared.st,
	    &r->shared.opt->root, path, len, e);

	return rc != ERR_NONE ? rc : walk_cursor(r, cursor, first_only, e);
}

/* One of the paths asked for, its parents first. */
static enum err_code
walk_path(struct restore *r, const char *path, struct err *e)
{
	OWNED(buf_fini) struct buf full = {0};
	const size_t strip = r->strip_bytes;
	enum err_code rc = buf_add_text(&full, r->shared.opt->subtree, e);
	const char *text;

	while (*path == '/')
		path++;
	if (rc == ERR_NONE && *path != '\0')
		rc = buf_printf(&full, e, "%s%s", strip > 0 ? "/" : "", path);
	while (full.len_bytes > strip && full.bytes[full.len_bytes - 1] == '/')
		full.len_bytes--;
	if (rc != ERR_NONE)
		return rc;
	text = buf_text(&full);
	for (size_t i = strip + 1; rc == ERR_NONE && i < full.len_bytes; i++)
		if (text[i] == '/' && i > strip)
			rc = walk_at(r, text, i, true, e);
	return rc != ERR_NONE ? rc : walk_at(r, text, full.len_bytes, false, e);
}

static int
by_path(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return path_compare(*x, strlen(*x), *y, strlen(*y));
}

static enum err_code
walk_all(struct restore *r, struct err *e)
{
	const struct restore_options *opt = r->shared.opt;
	OWNED(free_mem) const char **paths = NULL;
	enum err_code rc = ERR_NONE;

	if (opt->paths_count == 0)
		return walk_path(r, "", e);
	paths = calloc(opt->paths_count, sizeof(*paths));
	if (paths == NULL)
		return err_nomem(e);
	memcpy(paths, opt->paths, opt->paths_count * sizeof(*paths));
	qsort(paths, opt->paths_count, sizeof(*paths), by_path);
	for (size_t i = 0; rc == ERR_NONE && i < opt->paths_count; i++)
		rc = walk_path(r, paths[i], e);
	return rc;
}

/* --- before and after ------------------------------------------------------- */

static enum err_code
open_top(struct restore *r, struct err *e)
{
	const char *to = r->shared.opt->to;
	struct restore_dir *d;
	enum err_code rc = ERR_NONE;

	if (!r->own.verifying)
		rc = fdio_make_dirs(to, 0777, e);
	if (rc != ERR_NONE)
		return rc;
	r->top_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->top_fd == -1)
		return err_sys(e, "cannot open '%s'", to);
	if (!r->own.verifying)
		rc = restore_disks_add(&r->disks, r->top_fd, e);
	if (rc != ERR_NONE)
		return rc;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_nomem(e);
	d->fd = fcntl(r->top_fd, F_DUPFD_CLOEXEC, 3);
	atomic_store(&d->users_count, 1);
	r->levels = calloc(16, sizeof(*r->levels));
	if (d->fd == -1 || r->levels == NULL) {
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
		pop(r);
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
	if (rc == ERR_NONE && !r->shared.opt->dry_run)
		rc = make_workers(r, e);
	return rc;
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
		free(b);
	}
	restore_plan_free(&r->plan, &r->own);
	restore_plan_free(&r->later, &r->own);
	close_top(r);
	restore_disks_fini(&r->disks);
	for (unsigned i = 0; i < r->workers_count; i++) {
		reader_free(&r->tools[i].reader);
		free(r->tools[i].bytes);
	}
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
		rc = walk_all(r, e);
	if (rc == ERR_NONE && !r->shared.opt->dry_run)
		rc = settle(r, e);
	close_top(r); /* the last directories get their metadata */
	tell_all(r, &r->own_told);
	return rc;
}

static enum err_code
verify(struct restore *r, struct err *e)
{
	struct restore_result seen = *r->result;
	enum err_code rc = pass(r, true, e);

	*r->result = seen; /* once is enough */
	return rc;
}

enum err_code
restore_run(struct store *st, const struct restore_options *opt,
    struct restore_result *out, struct err *e)
{
	OWNED(restore_fini)
	struct restore r = {.shared = {.opt = opt,
				.st = st,
				.uid = geteuid(),
				.gid = getegid()},
	    .result = out};
	struct mono begun = now_mono();
	enum err_code rc;

	*out = (struct restore_result){0};
	rc = restore_begin(&r, e);
	if (rc == ERR_NONE && opt->delete_others)
		rc = restore_others_delete(st, opt, &out->deleted_count, e);
	if (rc == ERR_NONE && opt->dry_run)
		rc = walk_all(&r, e);
	else if (rc == ERR_NONE)
		rc = pass(&r, false, e);
	/* Also what was made before it was stopped. */
	if (!opt->dry_run)
		rc = restore_disks_flush(&r.disks, rc, e);
	if (rc == ERR_NONE && opt->verify && !opt->dry_run)
		rc = verify(&r, e);
	out->written_bytes = atomic_load(&r.shared.written_bytes);
	out->same_count = atomic_load(&r.shared.same_count);
	out->warnings_count = atomic_load(&r.shared.warnings_count);
	out->failed_count = atomic_load(&r.shared.failed_count);
	out->differ_count = atomic_load(&r.shared.differ_count);
	out->damaged_count = atomic_load(&r.shared.damage_count);
	out->took_ns = now_mono().ns - begun.ns;
	return rc == ERR_NONE ? rc : err_wrap(e, "restoring to '%s'", opt->to);
}
