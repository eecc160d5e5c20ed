/*
 * --delete: the target and the snapshot are walked side by side, both in path
 * order; what only the target has is removed, the deepest first.
 */

#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/path.h>
#include <bascule/source.h>

struct others {
	struct store *st;
	const struct restore_options *opt;
	struct buf doomed; /* paths beneath the target, each NUL-ended */
	uint64_t count;
};

static void
others_fini(struct others *o)
{
	buf_fini(&o->doomed);
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
		const char *below = full->bytes + strip + 1;
		size_t len;
		bool has;

		if (item.kind != SOURCE_ENTRY || full->len_bytes <= strip + 1)
			continue;
		len = full->len_bytes - strip - 1;
		if (!is_asked_for(o, below, len))
			continue;
		rc = in_snapshot(o, below, len, &path, e);
		if (rc == ERR_NONE)
			rc = catch_up(s, (const char *)path.bytes,
			    path.len_bytes, &has, e);
		if (rc == ERR_NONE && !has) {
			o->count++;
			rc = buf_add(&o->doomed, below, len, e);
			if (rc == ERR_NONE)
				rc = buf_add_byte(&o->doomed, '\0', e);
		}
		if (rc != ERR_NONE)
			return rc;
	}
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

static enum err_code
find_doomed(struct others *o, struct err *e)
{
	OWNED(free_mem) char *to = realpath(o->opt->to, NULL);
	OWNED(source_free) struct source *src = NULL;
	const char *roots[1] = {to};
	struct source_tree_options tree = {.roots = roots, .root_count = 1};
	struct side s = {0};
	OWNED(cursor_close) struct cursor *cursor = NULL;
	enum err_code rc;

	if (to == NULL)
		return errno == ENOENT ? ERR_NONE
				       : err_sys(e, "cannot look at it");
	if (strcmp(to, "/") == 0)
		return err_set(e, ERR_REFUSED,
		    "deleting what a snapshot lacks from '/' is refused");
	rc = source_tree_new(&src, &tree, e);
	if (rc == ERR_NONE)
		rc = cursor_open(&cursor, o->st, &o->opt->root, o->opt->subtree,
		    strlen(o->opt->subtree), e);
	s.cursor = cursor;
	if (rc == ERR_NONE)
		rc = cursor_next(cursor, &s.item, e);
	return rc != ERR_NONE ? rc : compare(o, src, &s, strlen(to) - 1, e);
}

static int
open_parent(int top_fd, const char *path, size_t len)
{
	char parent[PATH_MAX];

	if (len >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, len);
	parent[len] = '\0';
	return fdio_open_beneath(top_fd, len == 0 ? "." : parent,
	    O_RDONLY | O_DIRECTORY, 0);
}

static enum err_code
remove_one(int top_fd, const char *path, struct err *e)
{
	size_t len = path_parent(path, strlen(path));
	OWNED(fdio_close) int fd = open_parent(top_fd, path, len);
	const char *name = path + len + (len > 0);

	if (fd != -1 &&
	    (unlinkat(fd, name, 0) == 0 ||
		(errno == EISDIR && unlinkat(fd, name, AT_REMOVEDIR) == 0)))
		return ERR_NONE;
	return err_sys(e, "cannot delete '%s'", path);
}

enum err_code
restore_others_delete(struct store *st, const struct restore_options *opt,
    uint64_t *count, struct err *e)
{
	OWNED(others_fini) struct others o = {.st = st, .opt = opt};
	OWNED(fdio_close) int top_fd = -1;
	const char *at, *begin;
	enum err_code rc = find_doomed(&o, e);

	*count = o.count;
	if (rc != ERR_NONE || o.count == 0 || opt->dry_run)
		return rc;
	top_fd = open(opt->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top_fd == -1)
		return err_sys(e, "cannot open '%s'", opt->to);
	begin = (const char *)o.doomed.bytes;
	at = begin + o.doomed.len_bytes - 1; /* the NUL of the last one */
	while (rc == ERR_NONE && at > begin) {
		const char *name = at;

		while (name > begin && name[-1] != '\0')
			name--;
		rc = remove_one(top_fd, name, e);
		at = name - 1;
	}
	return rc;
}
