#define FUSE_USE_VERSION 35

#include <bascule/mount.h>

#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bascule/base/linkmap.h>
#include <bascule/base/path.h>
#include <bascule/store.h>

/*
 * M1. Number 1 is the root, any other the item of place number - 2.  Of hard
 *     links all names have the first one's number.
 * M2. Nothing changes while it is mounted: what the kernel knows stays true.
 * M3. One thread: the store's rule, and all there is to lock.
 * M4. What the snapshot holds is hostile: set-user-id and devices do not count
 *     (nosuid, nodev), and nothing in it is a name on this machine.
 */

#define FIRST_INO 2
#define FOR_EVER  86400.0 /* seconds that the kernel may believe us (M2) */
#define READ_MAX  ((size_t)1 << 20)
#define LINKS_MAX ((size_t)4 << 20)

struct mount {
	struct store *store;
	const struct mount_options *opt;
	struct cursor *cursor; /* for lookups */
	struct reader *reader;
	struct linkmap links;
	bool links_known;
	struct buf path, data;
};

struct dir {
	struct cursor *cursor;
	struct buf path; /* of the directory */
	struct buf seek;
	const struct item *next; /* read, and not yet given */
	off_t at;                /* the kernel's place that next is for */
};

/* --- errors ----------------------------------------------------------------- */

static int
number_of(const struct err *e)
{
	switch (e->code) {
	case ERR_NOTFOUND: return ENOENT;
	case ERR_NOMEM: return ENOMEM;
	default: return EIO;
	}
}

static void
reply_failed(fuse_req_t req, struct mount *m, const char *path,
    const struct err *e)
{
	if (e->code != ERR_NOTFOUND && m->opt->problem != NULL)
		m->opt->problem(m->opt->ctx, path, e->text);
	fuse_reply_err(req, number_of(e));
}

/* --- items ------------------------------------------------------------------ */

/* The item of that number; borrowed until the cursor moves. */
static enum err_code
find_number(struct mount *m, fuse_ino_t ino, const struct item **it,
    struct err *e)
{
	size_t len = strlen(m->opt->subtree);
	enum err_code rc;

	*it = NULL;
	rc = ino == FUSE_ROOT_ID
	    ? cursor_seek(m->cursor, m->opt->subtree, len, e)
	    : cursor_seek_nth(m->cursor, ino - FIRST_INO, e);
	if (rc == ERR_NONE)
		rc = cursor_next(m->cursor, it, e);
	if (rc != ERR_NONE)
		return rc;
	if (ino == FUSE_ROOT_ID && *it != NULL &&
	    (*it)->entry.path.len_bytes != len)
		*it = NULL; /* a tree that does not say what its root is like */
	if (*it == NULL && ino != FUSE_ROOT_ID)
		return err_set(e, ERR_NOTFOUND, "no such entry");
	return ERR_NONE;
}

/* Whose names belong together is only known when all were seen. */
static enum err_code
learn_links(struct mount *m, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	const struct item *it;
	size_t len = strlen(m->opt->subtree);
	uint64_t first;
	enum err_code rc =
	    cursor_open(&c, m->store, &m->opt->root, m->opt->subtree, len, e);

	while (rc == ERR_NONE && (rc = cursor_next(c, &it, e)) == ERR_NONE &&
	    it != NULL)
		if (it->entry.linked && m->links.count < LINKS_MAX)
			rc = linkmap_add(&m->links, it->entry.link_group,
			    cursor_nth(c), &first, e);
	m->links_known = rc == ERR_NONE;
	return rc;
}

static enum err_code
fill_stat(struct mount *m, const struct item *it, uint64_t nth, struct stat *st,
    struct err *e)
{
	const struct entry *entry = &it->entry;
	const struct linkmap_group *g = NULL;

	if (entry->linked && !m->links_known && learn_links(m, e) != ERR_NONE)
		return e->code;
	if (entry->linked)
		g = linkmap_find(&m->links, entry->link_group);
	*st = (struct stat){.st_ino = (g != NULL ? g->first : nth) + FIRST_INO,
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

/* A root that nothing is known of. */
static const struct stat bare_root = {.st_ino = FUSE_ROOT_ID,
    .st_mode = S_IFDIR | 0755,
    .st_nlink = 2};

static enum err_code
stat_number(struct mount *m, fuse_ino_t ino, struct stat *st, struct err *e)
{
	const struct item *it;
	enum err_code rc = find_number(m, ino, &it, e);

	if (rc == ERR_NONE && it == NULL)
		*st = bare_root;
	else if (rc == ERR_NONE)
		rc = fill_stat(m, it, ino - FIRST_INO, st, e);
	if (ino == FUSE_ROOT_ID)
		st->st_ino = FUSE_ROOT_ID;
	return rc;
}

/* --- lookups ---------------------------------------------------------------- */

/* The directory's path into out. */
static enum err_code
path_of(struct mount *m, fuse_ino_t ino, struct buf *out, struct err *e)
{
	const struct item *it;
	enum err_code rc;

	buf_clear(out);
	if (ino == FUSE_ROOT_ID)
		return buf_add_text(out, m->opt->subtree, e);
	rc = find_number(m, ino, &it, e);
	return rc != ERR_NONE || it->entry.path.len_bytes == 0
	    ? rc
	    : buf_add(out, it->entry.path.bytes, it->entry.path.len_bytes, e);
}

static enum err_code
look_up(struct mount *m, fuse_ino_t parent, const char *name,
    struct fuse_entry_param *out, struct err *e)
{
	const struct item *it;
	enum err_code rc = path_of(m, parent, &m->path, e);

	if (rc == ERR_NONE && m->path.len_bytes > 0)
		rc = buf_add_byte(&m->path, '/', e);
	if (rc == ERR_NONE)
		rc = buf_add_text(&m->path, name, e);
	if (rc == ERR_NONE)
		rc = cursor_seek(m->cursor, buf_text(&m->path),
		    m->path.len_bytes, e);
	if (rc == ERR_NONE)
		rc = cursor_next(m->cursor, &it, e);
	if (rc != ERR_NONE)
		return rc;
	if (it == NULL || it->entry.path.len_bytes != m->path.len_bytes ||
	    memcmp(it->entry.path.bytes, m->path.bytes, m->path.len_bytes) != 0)
		return err_set(e, ERR_NOTFOUND, "no such entry");
	*out = (struct fuse_entry_param){.attr_timeout = FOR_EVER,
	    .entry_timeout = FOR_EVER};
	rc = fill_stat(m, it, cursor_nth(m->cursor), &out->attr, e);
	out->ino = out->attr.st_ino;
	return rc;
}

static void
on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = fuse_req_userdata(req);
	struct fuse_entry_param entry;
	struct err e;

	if (look_up(m, parent, name, &entry, &e) != ERR_NONE)
		reply_failed(req, m, name, &e);
	else
		fuse_reply_entry(req, &entry);
}

static void
on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct stat st = {0};
	struct err e;

	(void)fi;
	if (stat_number(m, ino, &st, &e) != ERR_NONE)
		reply_failed(req, m, NULL, &e);
	else
		fuse_reply_attr(req, &st, FOR_EVER);
}

static void
on_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = fuse_req_userdata(req);
	const struct item *it;
	struct err e;

	if (find_number(m, ino, &it, &e) != ERR_NONE)
		reply_failed(req, m, NULL, &e);
	else if (it == NULL || it->entry.type != ENTRY_SYMLINK)
		fuse_reply_err(req, EINVAL);
	else
		fuse_reply_readlink(req, it->entry.target.bytes);
}

/* --- attributes ------------------------------------------------------------- */

/* bytes, or only how many, or that there is no room. */
static void
reply_xattr(fuse_req_t req, const void *bytes, size_t len_bytes, size_t room)
{
	if (room == 0)
		fuse_reply_xattr(req, len_bytes);
	else if (len_bytes > room)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, bytes, len_bytes);
}

static void
on_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t room)
{
	struct mount *m = fuse_req_userdata(req);
	const struct entry_xattr *x = NULL;
	const struct item *it;
	struct err e;

	if (find_number(m, ino, &it, &e) != ERR_NONE) {
		reply_failed(req, m, NULL, &e);
		return;
	}
	if (it != NULL)
		x = entry_find_xattr(&it->entry, name);
	if (x == NULL)
		fuse_reply_err(req, ENODATA);
	else
		reply_xattr(req, x->value, x->value_bytes, room);
}

static void
on_listxattr(fuse_req_t req, fuse_ino_t ino, size_t room)
{
	struct mount *m = fuse_req_userdata(req);
	const struct item *it;
	struct err e;
	enum err_code rc = find_number(m, ino, &it, &e);

	buf_clear(&m->data);
	for (size_t i = 0;
	     rc == ERR_NONE && it != NULL && i < it->entry.xattr_count; i++) {
		const char *name = it->entry.xattrs[i].name;

		rc = buf_add(&m->data, name, strlen(name) + 1, &e);
	}
	if (rc != ERR_NONE)
		reply_failed(req, m, NULL, &e);
	else
		reply_xattr(req, m->data.bytes, m->data.len_bytes, room);
}

/* --- directories ------------------------------------------------------------ */

static void
dir_free(struct dir **dp)
{
	struct dir *d = TAKE(*dp);

	if (d == NULL)
		return;
	cursor_close(&d->cursor);
	buf_fini(&d->path);
	buf_fini(&d->seek);
	free(d);
}

static enum err_code
dir_open(struct dir **out, struct mount *m, fuse_ino_t ino, struct err *e)
{
	OWNED(dir_free) struct dir *d = calloc(1, sizeof *d);
	const char *under = m->opt->subtree;
	enum err_code rc;

	*out = NULL;
	if (d == NULL)
		return err_nomem(e);
	d->at = -1;
	rc = path_of(m, ino, &d->path, e);
	if (rc == ERR_NONE)
		rc = cursor_open(&d->cursor, m->store, &m->opt->root, under,
		    strlen(under), e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(d);
	return ERR_NONE;
}

/* Go to the first item behind everything at or under the path in d->seek. */
static enum err_code
dir_pass(struct dir *d, struct err *e)
{
	enum err_code rc = buf_add_byte(&d->seek, 1, e);

	return rc == ERR_NONE
	    ? cursor_seek(d->cursor, (const char *)d->seek.bytes,
		  d->seek.len_bytes, e)
	    : rc;
}

/* d->next is the next member, or NULL. */
static enum err_code
dir_read(struct dir *d, struct err *e)
{
	const struct entry *entry;
	enum err_code rc = cursor_next(d->cursor, &d->next, e);

	if (rc != ERR_NONE || d->next == NULL)
		return rc;
	entry = &d->next->entry;
	if (!path_is_under(entry->path.bytes, entry->path.len_bytes,
		buf_text(&d->path), d->path.len_bytes))
		d->next = NULL;
	return ERR_NONE;
}

/* Where the kernel says: after the member of a place, or from the first. */
static enum err_code
dir_seek(struct dir *d, off_t off, struct err *e)
{
	const struct item *it;
	enum err_code rc;

	buf_clear(&d->seek);
	if (off <= 2) {
		rc =
		    buf_add(&d->seek, buf_text(&d->path), d->path.len_bytes, e);
		if (rc == ERR_NONE && d->path.len_bytes > 0)
			rc = buf_add_byte(&d->seek, '/', e);
		else if (rc == ERR_NONE)
			rc = buf_add_byte(&d->seek, 1, e);
		if (rc == ERR_NONE)
			rc = cursor_seek(d->cursor, (const char *)d->seek.bytes,
			    d->seek.len_bytes, e);
	} else {
		rc = cursor_seek_nth(d->cursor, (uint64_t)off - 3, e);
		if (rc == ERR_NONE)
			rc = cursor_next(d->cursor, &it, e);
		if (rc == ERR_NONE && it != NULL)
			rc = buf_add(&d->seek, it->entry.path.bytes,
			    it->entry.path.len_bytes, e);
		if (rc == ERR_NONE)
			rc = dir_pass(d, e);
	}
	return rc == ERR_NONE ? dir_read(d, e) : rc;
}

/* Behind the member just given. */
static enum err_code
dir_advance(struct dir *d, struct err *e)
{
	const struct entry *entry = &d->next->entry;
	enum err_code rc = ERR_NONE;

	if (entry->type == ENTRY_DIR) {
		buf_clear(&d->seek);
		rc = buf_add(&d->seek, entry->path.bytes, entry->path.len_bytes,
		    e);
		if (rc == ERR_NONE)
			rc = dir_pass(d, e);
	}
	return rc == ERR_NONE ? dir_read(d, e) : rc;
}

static void
on_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct dir *d;
	struct err e;

	if (dir_open(&d, m, ino, &e) != ERR_NONE) {
		reply_failed(req, m, NULL, &e);
		return;
	}
	fi->fh = (uintptr_t)d;
	fi->cache_readdir = 1;
	if (fuse_reply_open(req, fi) != 0)
		dir_free(&d);
}

static void
on_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir *d = (struct dir *)(uintptr_t)fi->fh;

	(void)ino;
	dir_free(&d);
	fuse_reply_err(req, 0);
}

struct listing {
	fuse_req_t req;
	char *at;
	size_t room, used;
	bool plus; /* with attributes */
};

/* False: it has no room any more. */
static bool
list_add(struct listing *l, const char *name, const struct stat *st, off_t next)
{
	struct fuse_entry_param entry = {.attr = *st,
	    .attr_timeout = FOR_EVER,
	    .entry_timeout = FOR_EVER};
	size_t n;

	/* The kernel counts "." and ".." as not looked up. */
	if (next > 2)
		entry.ino = st->st_ino;
	n = l->plus ? fuse_add_direntry_plus(l->req, l->at + l->used,
			  l->room - l->used, name, &entry, next)
		    : fuse_add_direntry(l->req, l->at + l->used,
			  l->room - l->used, name, st, next);
	if (n > l->room - l->used)
		return false;
	l->used += n;
	return true;
}

/* What lies between a member's path and the directory's is its name. */
static const char *
name_in(const struct dir *d, const struct entry *entry)
{
	return entry->path.bytes + d->path.len_bytes +
	    (d->path.len_bytes > 0 ? 1 : 0);
}

static enum err_code
list(struct mount *m, struct dir *d, struct listing *l, off_t off,
    struct err *e)
{
	enum err_code rc = ERR_NONE;
	struct stat st = bare_root;

	if (off == 0 && list_add(l, ".", &st, 1))
		off = 1;
	if (off == 1 && list_add(l, "..", &st, 2))
		off = 2;
	if (d->at != off)
		rc = dir_seek(d, off, e);
	while (rc == ERR_NONE && d->next != NULL) {
		const struct entry *entry = &d->next->entry;
		const char *name = name_in(d, entry);
		uint64_t nth = cursor_nth(d->cursor);

		/* A name without the directory it should be in is hidden. */
		if (strchr(name, '/') == NULL) {
			rc = fill_stat(m, d->next, nth, &st, e);
			if (rc != ERR_NONE ||
			    !list_add(l, name, &st, (off_t)nth + 3))
				break;
		}
		off = (off_t)nth + 3;
		rc = dir_advance(d, e);
	}
	d->at = rc == ERR_NONE ? off : -1;
	return rc;
}

static void
read_dir(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi,
    bool plus)
{
	struct mount *m = fuse_req_userdata(req);
	struct dir *d = (struct dir *)(uintptr_t)fi->fh;
	struct listing l = {.req = req, .plus = plus};
	uint8_t *room;
	struct err e;

	if (size > READ_MAX)
		size = READ_MAX;
	buf_clear(&m->data);
	if (buf_extend(&m->data, size, &room, &e) != ERR_NONE) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	l.at = (char *)room;
	l.room = size;
	if (list(m, d, &l, off, &e) != ERR_NONE && l.used == 0)
		reply_failed(req, m, buf_text(&d->path), &e);
	else
		fuse_reply_buf(req, l.at, l.used);
}

static void
on_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	(void)ino;
	read_dir(req, size, off, fi, false);
}

static void
on_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	(void)ino;
	read_dir(req, size, off, fi, true);
}

/* --- files ------------------------------------------------------------------ */

static void
file_free(struct item **ip)
{
	struct item *it = TAKE(*ip);

	if (it == NULL)
		return;
	item_fini(it);
	free(it);
}

static enum err_code
file_open(struct item **out, struct mount *m, fuse_ino_t ino, struct err *e)
{
	OWNED(file_free) struct item *copy = calloc(1, sizeof *copy);
	const struct item *it;
	enum err_code rc = find_number(m, ino, &it, e);

	*out = NULL;
	if (rc != ERR_NONE)
		return rc;
	if (copy == NULL)
		return err_nomem(e);
	if (it == NULL || it->entry.type != ENTRY_FILE)
		return err_set(e, ERR_INPUT, "not a file");
	rc = entry_copy(&copy->entry, &it->entry, e);
	if (rc == ERR_NONE)
		rc = content_copy(&copy->content, &it->content, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(copy);
	return ERR_NONE;
}

static void
on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct item *it;
	struct err e;

	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	if (file_open(&it, m, ino, &e) != ERR_NONE) {
		reply_failed(req, m, NULL, &e);
		return;
	}
	fi->fh = (uintptr_t)it;
	fi->keep_cache = 1;
	if (fuse_reply_open(req, fi) != 0)
		file_free(&it);
}

static void
on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct item *it = (struct item *)(uintptr_t)fi->fh;

	(void)ino;
	file_free(&it);
	fuse_reply_err(req, 0);
}

/* So much of the content is wanted, and where it goes. */
struct wanted {
	struct mount *mount;
	struct content_range range;
	uint8_t *to;
};

static void
take(struct wanted *w, const uint8_t *bytes, size_t len_bytes, uint64_t offset)
{
	uint64_t low =
	    offset > w->range.offset_bytes ? offset : w->range.offset_bytes;
	uint64_t high = offset + len_bytes;
	uint64_t end = w->range.offset_bytes + w->range.len_bytes;

	high = high < end ? high : end;
	if (low < high)
		memcpy(w->to + (low - w->range.offset_bytes),
		    bytes + (low - offset), (size_t)(high - low));
}

static enum err_code
on_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct wanted *w = ctx;
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc =
	    reader_get(w->mount->reader, &piece->id, &bytes, &len_bytes, e);

	if (rc == ERR_NONE && len_bytes != piece->len_bytes)
		rc = err_set(e, ERR_CORRUPT, "a chunk is not as long as said");
	if (rc == ERR_NONE)
		take(w, bytes, len_bytes, offset);
	return rc;
}

static enum err_code
read_content(struct wanted *w, const struct item *it, struct err *e)
{
	if (it->content.pieces_count > 0)
		return content_each_in(w->mount->store, &it->content, &w->range,
		    on_piece, w, e);
	if (it->content.inlined.len_bytes > 0)
		take(w, it->content.inlined.bytes,
		    it->content.inlined.len_bytes, 0);
	return ERR_NONE;
}

/* The parts of extents that lie within [off, off + size): the rest is holes. */
static enum err_code
read_sparse(struct mount *m, const struct item *it,
    const struct content_range *in, uint8_t *to, struct err *e)
{
	uint64_t before = 0, end = in->offset_bytes + in->len_bytes;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < it->entry.extent_count; i++) {
		const struct entry_extent *x = &it->entry.extents[i];
		uint64_t low = x->offset_bytes > in->offset_bytes
		    ? x->offset_bytes
		    : in->offset_bytes;
		uint64_t high = x->offset_bytes + x->len_bytes;
		struct wanted w = {.mount = m};

		high = high < end ? high : end;
		if (low < high) {
			w.range.offset_bytes = before + (low - x->offset_bytes);
			w.range.len_bytes = high - low;
			w.to = to + (low - in->offset_bytes);
			rc = read_content(&w, it, e);
		}
		before += x->len_bytes;
	}
	return rc;
}

static void
on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	const struct item *it = (const struct item *)(uintptr_t)fi->fh;
	struct content_range in = {(uint64_t)off, size};
	struct wanted w = {.mount = m};
	enum err_code rc;
	uint8_t *to;
	struct err e;

	(void)ino;
	if (off < 0 || in.offset_bytes >= it->entry.size_bytes) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (in.len_bytes > it->entry.size_bytes - in.offset_bytes)
		in.len_bytes = it->entry.size_bytes - in.offset_bytes;
	buf_clear(&m->data);
	rc = buf_extend(&m->data, (size_t)in.len_bytes, &to, &e);
	if (rc == ERR_NONE) {
		memset(to, 0, (size_t)in.len_bytes);
		w.range = in;
		w.to = to;
		rc = it->entry.sparse ? read_sparse(m, it, &in, to, &e)
				      : read_content(&w, it, &e);
	}
	if (rc != ERR_NONE)
		reply_failed(req, m, it->entry.path.bytes, &e);
	else
		fuse_reply_buf(req, (const char *)to, (size_t)in.len_bytes);
}

/* Where the next data, or the next hole, begins. */
static uint64_t
seek_in(const struct entry *entry, uint64_t off, bool data)
{
	for (size_t i = 0; i < entry->extent_count; i++) {
		const struct entry_extent *x = &entry->extents[i];

		if (off >= x->offset_bytes + x->len_bytes)
			continue;
		if (data)
			return off > x->offset_bytes ? off : x->offset_bytes;
		return off < x->offset_bytes ? off
					     : x->offset_bytes + x->len_bytes;
	}
	if (entry->sparse)
		return data ? entry->size_bytes : off;
	return data ? off : entry->size_bytes;
}

static void
on_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
    struct fuse_file_info *fi)
{
	const struct item *it = (const struct item *)(uintptr_t)fi->fh;
	uint64_t size = it->entry.size_bytes, to;

	(void)ino;
	if (off < 0 || (uint64_t)off >= size) {
		fuse_reply_err(req, ENXIO);
		return;
	}
	to = seek_in(&it->entry, (uint64_t)off, whence == SEEK_DATA);
	if (whence == SEEK_DATA && to >= size)
		fuse_reply_err(req, ENXIO);
	else
		fuse_reply_lseek(req, (off_t)to);
}

/* --- mounting --------------------------------------------------------------- */

static const struct fuse_lowlevel_ops ops = {.lookup = on_lookup,
    .getattr = on_getattr,
    .readlink = on_readlink,
    .getxattr = on_getxattr,
    .listxattr = on_listxattr,
    .opendir = on_opendir,
    .readdir = on_readdir,
    .readdirplus = on_readdirplus,
    .releasedir = on_releasedir,
    .open = on_open,
    .read = on_read,
    .lseek = on_lseek,
    .release = on_release};

static void
mount_fini(struct mount *m)
{
	cursor_close(&m->cursor);
	reader_free(&m->reader);
	linkmap_fini(&m->links);
	buf_fini(&m->path);
	buf_fini(&m->data);
}

static enum err_code
set_up(struct mount *m, struct err *e)
{
	const char *under = m->opt->subtree;
	const struct item *it;
	enum err_code rc = cursor_open(&m->cursor, m->store, &m->opt->root,
	    under, strlen(under), e);

	if (rc == ERR_NONE)
		rc = find_number(m, FUSE_ROOT_ID, &it, e);
	if (rc == ERR_NONE && it != NULL && it->entry.type != ENTRY_DIR)
		return err_set(e, ERR_INPUT, "'/%s' is a %s, not a directory",
		    under, entry_type_name(it->entry.type));
	return rc == ERR_NONE ? reader_new(&m->reader, m->store, e) : rc;
}

static enum err_code
check_place(const char *dir, struct err *e)
{
	struct stat st;

	if (stat(dir, &st) == -1)
		return err_sys(e, "cannot mount on '%s'", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a directory", dir);
	if (access("/dev/fuse", F_OK) == 0)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "this machine has no FUSE: no /dev/fuse");
	return err_hint(e,
	    "'modprobe fuse' may help; 'bascule restore' needs none");
}

/* From the arguments that libfuse wants to the end of the mount. */
static enum err_code
serve(struct mount *m, const char *dir, struct fuse_args *args, struct err *e)
{
	struct fuse_session *se = fuse_session_new(args, &ops, sizeof ops, m);
	enum err_code rc = ERR_NONE;
	int ended;

	if (se == NULL)
		return err_set(e, ERR_IO, "FUSE cannot begin");
	if (fuse_set_signal_handlers(se) != 0)
		rc = err_set(e, ERR_IO, "FUSE cannot take over signals");
	if (rc == ERR_NONE && fuse_session_mount(se, dir) != 0)
		rc = err_set(e, ERR_REFUSED, "cannot mount on '%s'", dir);
	else if (rc == ERR_NONE) {
		if (m->opt->ready != NULL)
			m->opt->ready(m->opt->ctx);
		ended = fuse_session_loop(se);
		if (ended < 0)
			rc = err_set(e, ERR_IO, "serving '%s' failed: %s", dir,
			    strerror(-ended));
		fuse_session_unmount(se);
	}
	fuse_remove_signal_handlers(se);
	fuse_session_destroy(se);
	return rc;
}

enum err_code
mount_run(struct store *st, const char *dir, const struct mount_options *opt,
    struct err *e)
{
	OWNED(mount_fini) struct mount m = {.store = st, .opt = opt};
	OWNED(buf_fini) struct buf text = {0};
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	enum err_code rc = check_place(dir, e);

	if (rc == ERR_NONE)
		rc = set_up(&m, e);
	if (rc == ERR_NONE)
		rc = buf_printf(&text, e,
		    "ro,nosuid,nodev,noatime,subtype=bascule,fsname=%s%s",
		    opt->name,
		    opt->others ? ",allow_other,default_permissions" : "");
	if (rc != ERR_NONE)
		return rc;
	if (fuse_opt_add_arg(&args, "bascule") != 0 ||
	    fuse_opt_add_arg(&args, "-o") != 0 ||
	    fuse_opt_add_arg(&args, buf_text(&text)) != 0)
		rc = err_nomem(e);
	else
		rc = serve(&m, dir, &args, e);
	fuse_opt_free_args(&args);
	return rc;
}
