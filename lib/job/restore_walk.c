/* A restore's walk over the snapshot: directories are made, the rest is dealt. */

#include "restore_walk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* --- directories ------------------------------------------------------------ */

/* Path of an entry beneath the target. */
static const char *
beneath(const struct restore *r, const struct entry *entry)
{
	const char *path = entry->path.bytes + r->strip_bytes;

	return *path == '/' ? path + 1 : path;
}

void
restore_walk_pop(struct restore *r)
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
		restore_walk_pop(r);
	}
	return &r->levels[0];
}

/* With dry_run: d->fd stays -1 where there is none yet. */
static enum err_code
plan_dir(struct restore *r, struct restore_dir *in, const struct entry *entry,
    struct restore_dir *d, struct err *e)
{
	const bool never = r->shared.opt->overwrite == RESTORE_NEVER;
	enum restore_change change = RESTORE_MAKE;
	const char *name = restore_dir_name(entry);
	struct stat st;
	enum err_code rc = ERR_NONE;

	d->fd = -1;
	if (in->fd != -1 &&
	    fstatat(in->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		change = S_ISDIR(st.st_mode) ? RESTORE_ALTER : RESTORE_REPLACE;
	if (change == RESTORE_ALTER || (change == RESTORE_REPLACE && never))
		rc = restore_dir_open(&r->own, in, name, d, e);
	if (rc != ERR_NONE)
		return rc;
	if (d->fd == -1 || (!never && !arc_meta_equals(d->fd, ARC_OPEN, entry)))
		restore_tell_plan(&r->own, change, beneath(r, entry));
	return ERR_NONE;
}

/* False: it cannot be entered, nor what is in it be restored; it was told. */
static bool
open_dir(struct restore *r, struct restore_dir *in, const struct entry *entry,
    struct restore_dir *d)
{
	struct err why;
	enum err_code rc;

	if (in == NULL) { /* as its parent */
		atomic_fetch_add(&r->shared.failed_count, 1);
		return false;
	}
	rc = r->shared.opt->dry_run
	    ? plan_dir(r, in, entry, d, &why)
	    : restore_dir_open(&r->own, in, restore_dir_name(entry), d, &why);
	if (rc != ERR_NONE)
		restore_tell_fault(&r->own, entry, &why);
	return rc == ERR_NONE;
}

static enum err_code
enter_dir(struct restore *r, const struct level *parent,
    const struct entry *entry, struct err *e)
{
	OWNED(free_mem) struct restore_dir *d = restore_dir_new();
	struct restore_dir *none = NULL;
	const bool makes = !r->own.verifying && !r->shared.opt->dry_run;
	enum err_code rc = ERR_NONE;

	if (d == NULL)
		return err_nomem(e);
	r->result->dirs_count++;
	if (!open_dir(r, parent->dir, entry, d))
		return push(r, entry, &none, e);
	r->window_dirs_count++;
	d->has_metadata = d->fresh || r->shared.opt->overwrite != RESTORE_NEVER;
	d->hands_down = !d->fresh || arc_meta_hands_down(d->fd);
	if (!d->fresh && makes)
		rc = restore_disks_add(&r->disks, d->fd, e);
	if (rc == ERR_NONE)
		rc = entry_copy(&d->entry, entry, e);
	if (rc == ERR_NONE)
		rc = push(r, entry, &d, e);
	if (d != NULL) { /* nobody took it */
		fdio_close(&d->fd);
		entry_fini(&d->entry);
	}
	return rc;
}

/* --- files ------------------------------------------------------------------ */

struct big_walk {
	struct restore *r;
	struct restore_big *big;
	struct restore_task run; /* being gathered */
	size_t size;
	uint64_t bytes;
	struct id last; /* chunk of the run */
};

static enum err_code
send_run(struct big_walk *w, struct err *e)
{
	const uint64_t bytes = w->bytes;

	if (w->run.pieces_count == 0)
		return ERR_NONE;
	w->run.big = restore_big_use(w->big);
	atomic_fetch_add(&w->big->runs_sent_count, 1);
	w->size = 0;
	w->bytes = 0;
	return restore_send_task(w->r, &w->run, bytes, e);
}

/* Long enough, and the next chunk begins another frame. */
static bool
ends_run(const struct big_walk *w, const struct content_piece *next)
{
	struct store *st = w->r->shared.st;
	struct place a, b;
	struct err ignored; /* the worker will say what is wrong */

	if (w->bytes < RUN_BYTES_MAX || w->bytes >= 2 * RUN_BYTES_MAX)
		return w->bytes >= RUN_BYTES_MAX;
	return store_locate(st, &w->last, &a, &ignored) != ERR_NONE ||
	    store_locate(st, &next->id, &b, &ignored) != ERR_NONE ||
	    a.pack != b.pack || a.frame != b.frame;
}

static enum err_code
gather(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct big_walk *w = ctx;
	enum err_code rc;

	if (ends_run(w, piece) && (rc = send_run(w, e)) != ERR_NONE)
		return rc;
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
	w->last = piece->id;
	return ERR_NONE;
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
	snprintf(big->name, sizeof(big->name), "%s",
	    restore_dir_name(&it->entry));
	named.name = big->name;
	big->dir = restore_dir_use(dir);
	rc = entry_copy(&big->entry, &it->entry, e);
	if (rc == ERR_NONE &&
	    restore_big_begin(&r->own, &named, big, &it->content)) {
		rc = content_each(r->shared.st, &it->content, gather, &w, &why);
		if (rc == ERR_NONE)
			rc = send_run(&w, &why);
		big->all_sent = rc == ERR_NONE;
		if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND) {
			/* its list cannot be read: this file only */
			atomic_store(&big->failed, true);
			restore_tell_fault(&r->own, &it->entry, &why);
			rc = ERR_NONE;
		} else if (rc != ERR_NONE)
			*e = why;
	}
	free(w.run.pieces);
	restore_big_drop(&r->own, &big);
	return rc;
}

/*
 * A file with another name in the snapshot: *first is the one made before.  It
 * must be there when it gets another name, so those wait until many have come
 * together.
 */
static enum err_code
join_links(struct restore *r, const struct restore_dir *dir,
    const struct item *it, const char **first, struct err *e)
{
	struct stat st;

	*first = NULL;
	if (!it->entry.linked || r->own.verifying)
		return ERR_NONE;
	/* One that stays as it is may be another file: it is nobody's first. */
	if (r->shared.opt->overwrite == RESTORE_NEVER && dir->fd != -1 &&
	    fstatat(dir->fd, restore_dir_name(&it->entry), &st,
		AT_SYMLINK_NOFOLLOW) == 0)
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
		rc = restore_settle(r, e);
	r->later_dirs_count += dir != r->later_dir;
	r->later_dir = dir;
	return rc != ERR_NONE ? rc
			      : restore_plan_add(r->later, NULL, 0, task, e);
}

static enum err_code
add_now(struct restore *r, const struct content *c, struct restore_task **task,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (restore_plan_is_full(r->plan) ||
	    r->window_dirs_count >= r->window_dirs_max)
		rc = restore_deal(r, r->plan, e);
	return rc != ERR_NONE
	    ? rc
	    : restore_plan_add(r->plan, c, c->size_bytes, task, e);
}

static enum err_code
fill_task(struct restore *r, struct restore_task *task,
    const struct level *parent, const struct item *it, struct err *e)
{
	enum err_code rc;

	task->dir = restore_dir_use(parent->dir);
	task->top_fd = r->top_fd;
	task->strip_bytes =
	    (size_t)(beneath(r, &it->entry) - it->entry.path.bytes);
	rc = entry_copy(&task->item.entry, &it->entry, e);
	if (rc == ERR_NONE)
		task->name = restore_dir_name(&task->item.entry);
	/* A list is of no use to workers: they are given runs of it. */
	if (rc == ERR_NONE && (!it->content.is_list || r->shared.opt->dry_run))
		rc = content_copy(&task->item.content, &it->content, e);
	task->item.content.is_list = it->content.is_list;
	return rc;
}

static enum err_code
plan_item(struct restore *r, const struct level *parent, const struct item *it,
    const char *first, struct err *e)
{
	struct restore_task task = {.link_to = first};
	enum err_code rc = fill_task(r, &task, parent, it, e);

	if (rc == ERR_NONE)
		restore_look_plan(&r->own, &task, beneath(r, &it->entry));
	restore_file_end_task(&r->own, &task);
	return rc == ERR_NONE ? restore_say(r, e) : rc;
}

static enum err_code
restore_item(struct restore *r, const struct level *parent,
    const struct item *it, struct err *e)
{
	struct restore_task *task;
	const char *first;
	enum err_code rc;

	if (parent->dir == NULL) {
		atomic_fetch_add(&r->shared.failed_count, 1);
		return ERR_NONE;
	}
	if (it->entry.path.len_bytes == 0) { /* it has no name to be made by */
		struct err why;

		err_set(&why, ERR_INPUT,
		    "the top is not a directory, and has no name");
		restore_tell_fault(&r->own, &it->entry, &why);
		return ERR_NONE;
	}
	rc = join_links(r, parent->dir, it, &first, e);
	if (rc != ERR_NONE)
		return rc;
	if (r->shared.opt->dry_run)
		return plan_item(r, parent, it, first, e);
	if (it->content.is_list && first == NULL)
		return restore_many(r, parent->dir, it, e);
	rc = first != NULL ? add_later(r, parent->dir, &task, e)
			   : add_now(r, &it->content, &task, e);
	if (rc != ERR_NONE)
		return rc;
	task->link_to = first;
	return fill_task(r, task, parent, it, e);
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

/* What is not known whole is not given: it would be mode 0000 and owner 0. */
static enum err_code
top_metadata(struct restore *r, const struct entry *entry, struct err *e)
{
	struct restore_dir *top = r->levels[0].dir;

	top->has_metadata = false;
	if (entry_copy(&top->entry, entry, e) != ERR_NONE)
		return e->code;
	top->has_metadata =
	    !r->own.verifying && r->shared.opt->overwrite != RESTORE_NEVER;
	return ERR_NONE;
}

static enum err_code
walk_item(struct restore *r, const struct item *it, struct err *e)
{
	const struct entry *entry = &it->entry;
	struct level *parent;
	enum err_code rc = ERR_NONE;

	/* The subtree itself is the target; so is the root. */
	if (entry->path.len_bytes <= r->strip_bytes &&
	    entry->type == ENTRY_DIR) {
		if (entry->path.len_bytes == 0 || r->levels_count == 0)
			return ERR_NONE;
		return top_metadata(r, entry, e);
	}
	parent = innermost(r, &entry->path);
	if (restore_names_need_order(&r->own, parent->dir, entry))
		rc = restore_settle(r, e);
	if (rc != ERR_NONE)
		return rc;
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

/* One of the paths asked for, in the snapshot. */
static enum err_code
full_path(const struct restore *r, const char *path, struct buf *full,
    struct err *e)
{
	enum err_code rc = buf_add_text(full, r->shared.opt->subtree, e);

	while (*path == '/')
		path++;
	if (rc == ERR_NONE && *path != '\0')
		rc = buf_printf(full, e, "%s%s", r->strip_bytes > 0 ? "/" : "",
		    path);
	while (full->len_bytes > r->strip_bytes &&
	    full->bytes[full->len_bytes - 1] == '/')
		full->len_bytes--;
	return rc;
}

/* Its parents first. */
static enum err_code
walk_path(struct restore *r, const char *path, struct err *e)
{
	OWNED(buf_fini) struct buf full = {0};
	const size_t strip = r->strip_bytes;
	enum err_code rc = full_path(r, path, &full, e);
	const char *text;

	if (rc != ERR_NONE)
		return rc;
	text = buf_text(&full);
	for (size_t i = strip + 1; rc == ERR_NONE && i < full.len_bytes; i++)
		if (text[i] == '/' && i > strip)
			rc = walk_at(r, text, i, true, e);
	return rc != ERR_NONE ? rc : walk_at(r, text, full.len_bytes, false, e);
}

enum err_code
restore_walk_check(struct restore *r, struct err *e)
{
	const struct restore_options *opt = r->shared.opt;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < opt->paths_count; i++) {
		OWNED(cursor_close) struct cursor *cursor = NULL;
		OWNED(buf_fini) struct buf full = {0};

		rc = full_path(r, opt->paths[i], &full, e);
		if (rc == ERR_NONE)
			rc = cursor_open(&cursor, r->shared.st, &opt->root,
			    buf_text(&full), full.len_bytes, e);
	}
	return rc;
}

/* A path as a person wrote it, without slashes at its ends. */
static const char *
trim(const char *path, size_t *len_bytes)
{
	while (*path == '/')
		path++;
	*len_bytes = strlen(path);
	while (*len_bytes > 0 && path[*len_bytes - 1] == '/')
		--*len_bytes;
	return path;
}

static int
by_path(const void *a, const void *b)
{
	size_t x_bytes, y_bytes;
	const char *x = trim(*(const char *const *)a, &x_bytes);
	const char *y = trim(*(const char *const *)b, &y_bytes);

	return path_compare(x, x_bytes, y, y_bytes);
}

static bool
is_within(const char *path, const char *root)
{
	size_t path_bytes, root_bytes;

	path = trim(path, &path_bytes);
	root = trim(root, &root_bytes);
	return path_is_under(path, path_bytes, root, root_bytes);
}

enum err_code
restore_walk_all(struct restore *r, struct err *e)
{
	const struct restore_options *opt = r->shared.opt;
	OWNED(free_mem) const char **paths = NULL;
	const char *last = NULL;
	enum err_code rc = ERR_NONE;

	if (opt->paths_count == 0)
		return walk_path(r, "", e);
	paths = calloc(opt->paths_count, sizeof(*paths));
	if (paths == NULL)
		return err_nomem(e);
	memcpy(paths, opt->paths, opt->paths_count * sizeof(*paths));
	qsort(paths, opt->paths_count, sizeof(*paths), by_path);
	for (size_t i = 0; rc == ERR_NONE && i < opt->paths_count; i++) {
		/* What is in the last one walked has been there already. */
		if (last != NULL && is_within(paths[i], last))
			continue;
		last = paths[i];
		rc = walk_path(r, last, e);
	}
	return rc;
}
