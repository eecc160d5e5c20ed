/*
 * --delete: the target and the snapshot are walked side by side, both in path
 * order; what only the target has is removed, the deepest first.
 */

#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/path.h>
#include <bascule/source.h>

struct others {
	struct restore_tools *tools;
	struct store *st;
	const struct restore_options *opt;
	int top_fd;        /* what is walked and what is deleted in are one */
	struct buf doomed; /* paths beneath the target, each NUL-ended */
	uint64_t count;
};

static void
others_fini(struct others *o)
{
	buf_fini(&o->doomed);
	fdio_close(&o->top_fd);
}

/* The snapshot's path of what lies at `path` in the target. */
static enum err_code
in_snapshot(const struct others *o, const char *path, size_t len,
    struct buf *out, struct err *e)
{
	const char *subtree = o->opt->subtree;
	enum err_code rc;

	buf_clear(out);
	rc = buf_add_text(out, subtree, e);
	if (rc == ERR_NONE && *subtree != '\0' && len > 0)
		rc = buf_add_byte(out, '/', e);
	return rc != ERR_NONE ? rc : buf_add(out, path, len, e);
}

/* With --path only what is beneath one of them is looked at. */
static bool
is_asked_for(const struct others *o, const char *path, size_t len)
{
	for (size_t i = 0; i < o->opt->paths_count; i++) {
		const char *root = o->opt->paths[i];
		size_t root_len;

		while (*root == '/')
			root++;
		root_len = strlen(root);
		while (root_len > 0 && root[root_len - 1] == '/')
			root_len--;
		if (path_is_under(path, len, root, root_len))
			return true;
	}
	return o->opt->paths_count == 0;
}

struct side { /* the snapshot's */
	struct cursor *cursor;
	const struct item *item;
};

static enum err_code
catch_up(struct side *s, const char *path, size_t len, bool *has, struct err *e)
{
	enum err_code rc = ERR_NONE;
	int order = -1;

	while (rc == ERR_NONE && s->item != NULL) {
		order = path_compare(s->item->entry.path.bytes,
		    s->item->entry.path.len_bytes, path, len);
		if (order >= 0)
			break;
		rc = cursor_next(s->cursor, &s->item, e);
	}
	*has = s->item != NULL && order == 0;
	return rc;
}

/* What cannot be looked at stays, and with it what the snapshot may lack. */
static void
tell_problem(struct others *o, const struct source_item *item,
    const char *below)
{
	struct entry named = {0};
	struct err why = item->problem;

	if (why.code == ERR_NOTFOUND) /* gone by itself */
		return;
	named.path.bytes = (char *)(uintptr_t)below;
	err_wrap(&why, "cannot see whether it is to be deleted");
	restore_tell_fault(o->tools, &named, &why);
}

/* `strip` bytes of a source's path are the target's own. */
static enum err_code
compare(struct others *o, struct source *src, struct side *s, size_t strip,
    struct err *e)
{
	OWNED(source_item_fini) struct source_item item = {0};
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc;

	while ((rc = source_next(src, &item, e)) == ERR_NONE) {
		const struct entry_text *full = &item.entry.path;
		const bool is_top = full->len_bytes <= strip + 1;
		const char *below = is_top ? "" : full->bytes + strip + 1;
		const size_t len = is_top ? 0 : full->len_bytes - strip - 1;
		bool has;

		if (item.kind == SOURCE_PROBLEM &&
		    (is_top || is_asked_for(o, below, len)))
			tell_problem(o, &item, below);
		if (item.kind != SOURCE_ENTRY || is_top ||
		    !is_asked_for(o, below, len))
			continue;
		rc = in_snapshot(o, below, len, &path, e);
		if (rc == ERR_NONE)
			rc = catch_up(s, (const char *)path.bytes,
			    path.len_bytes, &has, e);
		if (rc == ERR_NONE && !has) {
			rc = buf_add(&o->doomed, below, len, e);
			if (rc == ERR_NONE)
				rc = buf_add_byte(&o->doomed, '\0', e);
		}
		if (rc != ERR_NONE)
			return rc;
	}
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

/* What must not be emptied by a slip of the pen. */
static enum err_code
refuse(const struct others *o, const struct side *s, struct err *e)
{
	struct stat top, root;

	if (fstat(o->top_fd, &top) != 0 || stat("/", &root) != 0)
		return err_sys(e, "cannot look at it");
	if (top.st_dev == root.st_dev && top.st_ino == root.st_ino)
		return err_set(e, ERR_REFUSED,
		    "deleting what a snapshot lacks from '/' is refused");
	if (s->item == NULL || s->item->entry.type != ENTRY_DIR)
		return err_set(e, ERR_REFUSED,
		    "deleting what '/%.200s' lacks is refused: it is not a "
		    "directory",
		    o->opt->subtree);
	return ERR_NONE;
}

static enum err_code
find_doomed(struct others *o, struct err *e)
{
	OWNED(source_free) struct source *src = NULL;
	OWNED(cursor_close) struct cursor *cursor = NULL;
	char to[64];
	const char *roots[1] = {to};
	struct source_tree_options tree = {.roots = roots, .root_count = 1};
	struct side s = {0};
	enum err_code rc;

	o->top_fd = open(o->opt->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->top_fd == -1)
		return errno == ENOENT ? ERR_NONE
				       : err_sys(e, "cannot open it");
	snprintf(to, sizeof(to), "/proc/self/fd/%d", o->top_fd);
	rc = source_tree_new(&src, &tree, e);
	if (rc == ERR_NONE)
		rc = cursor_open(&cursor, o->st, &o->opt->root, o->opt->subtree,
		    strlen(o->opt->subtree), e);
	s.cursor = cursor;
	if (rc == ERR_NONE)
		rc = cursor_next(cursor, &s.item, e);
	if (rc == ERR_NONE)
		rc = refuse(o, &s, e);
	return rc != ERR_NONE ? rc : compare(o, src, &s, strlen(to) - 1, e);
}

static enum err_code
remove_one(int top_fd, const char *path, struct err *e)
{
	const size_t len = path_parent(path, strlen(path));
	OWNED(free_mem)
	char *parent = strndup(len == 0 ? "." : path, len == 0 ? 1 : len);
	OWNED(fdio_close) int fd = -1;
	const char *name = path + len + (len > 0);

	if (parent == NULL)
		return err_nomem(e);
	fd = fdio_open_beneath(top_fd, parent, O_RDONLY | O_DIRECTORY, 0);
	if (fd != -1 &&
	    (unlinkat(fd, name, 0) == 0 || errno == ENOENT ||
		(errno == EISDIR && unlinkat(fd, name, AT_REMOVEDIR) == 0)))
		return ERR_NONE;
	return err_sys(e, "cannot delete it");
}

/* The deepest first. */
static void
remove_doomed(struct restore_tools *t, struct others *o)
{
	const char *begin = (const char *)o->doomed.bytes;
	const char *at = begin + o->doomed.len_bytes - 1; /* the last NUL */

	while (at > begin) {
		const char *path = at;
		struct entry named = {0};
		struct err why;

		while (path > begin && path[-1] != '\0')
			path--;
		if (remove_one(o->top_fd, path, &why) == ERR_NONE) {
			o->count++;
		} else {
			named.path.bytes = (char *)(uintptr_t)path;
			restore_tell_fault(t, &named, &why);
		}
		at = path - 1;
	}
}

static void
tell_doomed(struct restore_tools *t, struct others *o)
{
	const char *at = (const char *)o->doomed.bytes;
	const char *end = at + o->doomed.len_bytes;

	for (; at < end; at += strlen(at) + 1) {
		o->count++;
		restore_tell_plan(t, RESTORE_DELETE, at);
	}
}

enum err_code
restore_others_delete(struct restore_tools *t, uint64_t *count, struct err *e)
{
	OWNED(others_fini)
	struct others o = {.tools = t,
	    .st = t->shared->st,
	    .opt = t->shared->opt,
	    .top_fd = -1};
	enum err_code rc = find_doomed(&o, e);

	if (rc == ERR_NONE && o.doomed.len_bytes > 0) {
		if (o.opt->dry_run)
			tell_doomed(t, &o);
		else
			remove_doomed(t, &o);
	}
	*count = o.count;
	return rc;
}
