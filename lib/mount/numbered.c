#include "numbered.h"

#include <string.h>
#include <sys/sysmacros.h>

#include <bascule/base/path.h>

#define FIRST_NUMBER 2
#define LINKS_MAX    ((size_t)4 << 20)
#define NTH_MAX      (UINT64_C(1) << 60) /* claimed, by what is forged */

enum err_code
numbered_open(struct numbered *n, struct store *st,
    const struct mount_options *opt, struct err *e)
{
	const struct item *it;
	enum err_code rc;

	n->store = st;
	n->opt = opt;
	rc = cursor_open(&n->cursor, st, &opt->root, opt->subtree,
	    strlen(opt->subtree), e);
	if (rc == ERR_NONE)
		rc = numbered_get(n, NUMBERED_ROOT, &it, e);
	if (rc == ERR_NONE && it != NULL && it->entry.type != ENTRY_DIR)
		return err_set(e, ERR_INPUT, "'/%s' is a %s, not a directory",
		    opt->subtree, entry_type_name(it->entry.type));
	return rc;
}

void
numbered_fini(struct numbered *n)
{
	cursor_close(&n->cursor);
	linkmap_fini(&n->links);
	buf_fini(&n->path);
	buf_fini(&n->parent);
}

void
numbered_tell(const struct numbered *n, const char *path, const struct err *e)
{
	if (n->opt->problem != NULL)
		n->opt->problem(n->opt->ctx, path, e->text);
}

/* --- items ------------------------------------------------------------------ */

enum err_code
numbered_next(struct cursor *c, const struct item **it, struct err *e)
{
	enum err_code rc = cursor_next(c, it, e);

	if (rc != ERR_NONE || *it == NULL || cursor_nth(c) < NTH_MAX)
		return rc;
	*it = NULL;
	return err_set(e, ERR_CORRUPT,
	    "it claims more entries than there can be");
}

static enum err_code
get_root(struct numbered *n, struct err *e)
{
	size_t len = strlen(n->opt->subtree);
	enum err_code rc;

	n->item = NULL;
	rc = cursor_seek(n->cursor, n->opt->subtree, len, e);
	if (rc == ERR_NONE)
		rc = numbered_next(n->cursor, &n->item, e);
	if (rc == ERR_NONE && n->item != NULL &&
	    n->item->entry.path.len_bytes != len)
		n->item = NULL; /* a tree that does not say what its root is */
	return rc;
}

enum err_code
numbered_get(struct numbered *n, uint64_t number, const struct item **it,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	*it = NULL;
	if (number == NUMBERED_ROOT)
		rc = get_root(n, e);
	else if (number < FIRST_NUMBER)
		n->item = NULL;
	else if (n->item == NULL ||
	    cursor_nth(n->cursor) != number - FIRST_NUMBER) {
		n->item = NULL;
		rc = cursor_seek_nth(n->cursor, number - FIRST_NUMBER, e);
		if (rc == ERR_NONE)
			rc = numbered_next(n->cursor, &n->item, e);
	}
	*it = n->item;
	if (rc == ERR_NONE && *it == NULL && number != NUMBERED_ROOT)
		return err_set(e, ERR_NOTFOUND, "no such entry");
	return rc;
}

enum err_code
numbered_path(struct numbered *n, uint64_t number, struct buf *out,
    struct err *e)
{
	const struct item *it;
	enum err_code rc;

	if (number == NUMBERED_ROOT)
		return buf_add_text(out, n->opt->subtree, e);
	rc = numbered_get(n, number, &it, e);
	return rc != ERR_NONE || it->entry.path.len_bytes == 0
	    ? rc
	    : buf_add(out, it->entry.path.bytes, it->entry.path.len_bytes, e);
}

/* --- what stat says --------------------------------------------------------- */

/*
 * A number stands for things of one kind, whatever a forged tree calls one
 * group; a directory has one name.
 */
static uint64_t
linked_as(const struct entry *entry, uint64_t nth)
{
	return nth << 3 | (uint64_t)entry->type;
}

static enum err_code
gather_links(struct numbered *n, struct cursor *c, struct err *e)
{
	const struct item *it;
	uint64_t first;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && (rc = numbered_next(c, &it, e)) == ERR_NONE &&
	    it != NULL)
		if (it->entry.linked && n->links.count < LINKS_MAX)
			rc = linkmap_add(&n->links, it->entry.link_group,
			    linked_as(&it->entry, cursor_nth(c)), &first, e);
	return rc;
}

/*
 * Whose names belong together is only known when all were seen.  Damage is
 * told once; names behind it stand for themselves.
 */
static enum err_code
learn_links(struct numbered *n, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	enum err_code rc = cursor_open(&c, n->store, &n->opt->root,
	    n->opt->subtree, strlen(n->opt->subtree), e);

	if (rc == ERR_NONE)
		rc = gather_links(n, c, e);
	if (rc == ERR_NOMEM) {
		linkmap_fini(&n->links);
		return rc;
	}
	n->links_known = true;
	if (rc != ERR_NONE) {
		err_wrap(e, "which names are hard links is not wholly known");
		numbered_tell(n, NULL, e);
	}
	return ERR_NONE;
}

static const struct linkmap_group *
links_of(struct numbered *n, const struct entry *entry)
{
	const struct linkmap_group *g =
	    linkmap_find(&n->links, entry->link_group);

	return g != NULL && (g->first & 7) == (uint64_t)entry->type &&
		entry->type != ENTRY_DIR
	    ? g
	    : NULL;
}

enum err_code
numbered_describe(struct numbered *n, const struct item *it, uint64_t nth,
    struct stat *st, struct err *e)
{
	const struct entry *entry = &it->entry;
	const struct linkmap_group *g = NULL;

	if (entry->linked && !n->links_known && learn_links(n, e) != ERR_NONE)
		return e->code;
	if (entry->linked)
		g = links_of(n, entry);
	*st = (struct stat){.st_ino = (g != NULL ? g->first >> 3 : nth) +
		FIRST_NUMBER,
	    .st_mode = (mode_t)(entry_type_mode(entry->type) | entry->mode),
	    .st_nlink = g != NULL          ? g->count
		: entry->type == ENTRY_DIR ? 2
					   : 1,
	    .st_uid = entry->uid,
	    .st_gid = entry->gid,
	    .st_rdev = makedev(entry->rdev_major, entry->rdev_minor),
	    .st_size =
		(off_t)(entry->type == ENTRY_SYMLINK ? entry->target.len_bytes
						     : entry->size_bytes),
	    .st_blksize = 4096,
	    .st_blocks = (blkcnt_t)((entry_content_bytes(entry) + 511) / 512)};
	st->st_mtim = (struct timespec){entry->mtime_s, (long)entry->mtime_ns};
	st->st_atim = st->st_ctim = st->st_mtim;
	return ERR_NONE;
}

enum err_code
numbered_stat(struct numbered *n, uint64_t number, struct stat *st,
    struct err *e)
{
	const struct item *it;
	enum err_code rc = numbered_get(n, number, &it, e);

	if (rc == ERR_NONE && it == NULL)
		*st = (struct stat){.st_mode = S_IFDIR | 0755, .st_nlink = 2};
	else if (rc == ERR_NONE)
		rc = numbered_describe(n, it, number - FIRST_NUMBER, st, e);
	if (number == NUMBERED_ROOT)
		st->st_ino = NUMBERED_ROOT;
	return rc;
}

/* --- looking up ------------------------------------------------------------- */

/* n->path is that of name in the directory. */
static enum err_code
make_path(struct numbered *n, uint64_t parent, const char *name, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (n->parent_number != parent) {
		n->parent_number = 0;
		buf_clear(&n->parent);
		rc = numbered_path(n, parent, &n->parent, e);
		if (rc == ERR_NONE && n->parent.len_bytes > 0)
			rc = buf_add_byte(&n->parent, '/', e);
		if (rc != ERR_NONE)
			return rc;
		n->parent_number = parent;
	}
	buf_clear(&n->path);
	if (n->parent.len_bytes > 0)
		rc = buf_add(&n->path, n->parent.bytes, n->parent.len_bytes, e);
	return rc == ERR_NONE ? buf_add_text(&n->path, name, e) : rc;
}

static bool
is_at(const struct numbered *n)
{
	return n->item != NULL &&
	    n->item->entry.path.len_bytes == n->path.len_bytes &&
	    memcmp(n->item->entry.path.bytes, n->path.bytes,
		n->path.len_bytes) == 0;
}

enum err_code
numbered_look_up(struct numbered *n, uint64_t parent, const char *name,
    struct stat *st, struct err *e)
{
	enum err_code rc = make_path(n, parent, name, e);

	if (rc == ERR_NONE && !is_at(n)) {
		n->item = NULL;
		rc = cursor_seek(n->cursor, buf_text(&n->path),
		    n->path.len_bytes, e);
		if (rc == ERR_NONE)
			rc = numbered_next(n->cursor, &n->item, e);
	}
	if (rc != ERR_NONE)
		return rc;
	if (!is_at(n))
		return err_set(e, ERR_NOTFOUND, "no such entry");
	return numbered_describe(n, n->item, cursor_nth(n->cursor), st, e);
}
