#include "answers.h"

#include <errno.h>
#include <string.h>

#define FOR_EVER     86400.0 /* seconds that the kernel may believe us (M2) */
#define READ_MAX     ((size_t)1 << 20)
#define READLINK_MAX 4095 /* what the kernel takes */

void
answers_fini(struct answers *a)
{
	contents_fini(&a->contents);
	scout_fini(&a->scout);
	folders_fini(&a->folders);
	numbered_fini(&a->tree);
	buf_fini(&a->room);
}

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
reply_failed(fuse_req_t req, struct answers *a, const char *path,
    const struct err *e)
{
	if (e->code != ERR_NOTFOUND)
		numbered_tell(&a->tree, path, e);
	fuse_reply_err(req, number_of(e));
}

/* --- entries ---------------------------------------------------------------- */

static void
on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct answers *a = fuse_req_userdata(req);
	struct fuse_entry_param entry = {.attr_timeout = FOR_EVER,
	    .entry_timeout = FOR_EVER};
	struct err e;

	if (numbered_look_up(&a->tree, parent, name, &entry.attr, &e) !=
	    ERR_NONE) {
		reply_failed(req, a, name, &e);
		return;
	}
	entry.ino = entry.attr.st_ino;
	fuse_reply_entry(req, &entry);
}

static void
on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct answers *a = fuse_req_userdata(req);
	struct stat st = {0};
	struct err e;

	(void)fi;
	if (numbered_stat(&a->tree, ino, &st, &e) != ERR_NONE)
		reply_failed(req, a, NULL, &e);
	else
		fuse_reply_attr(req, &st, FOR_EVER);
}

static void
on_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct answers *a = fuse_req_userdata(req);
	const struct item *it;
	struct err e;

	if (numbered_get(&a->tree, ino, &it, &e) != ERR_NONE)
		reply_failed(req, a, NULL, &e);
	else if (it == NULL || it->entry.type != ENTRY_SYMLINK)
		fuse_reply_err(req, EINVAL);
	else if (it->entry.target.len_bytes > READLINK_MAX)
		fuse_reply_err(req, ENAMETOOLONG);
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

/*
 * What is not there.  After ENOSYS the kernel asks no more and says EOPNOTSUPP
 * itself, on which programs stop asking it, too.
 */
static int
lack(struct scout *s, const char *name)
{
	scout_go_on(s);
	if (scout_has_none(s))
		return ENOSYS;
	return scout_lacks(s, name) ? EOPNOTSUPP : ENODATA;
}

static void
on_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t room)
{
	struct answers *a = fuse_req_userdata(req);
	const struct entry_xattr *x = NULL;
	const struct item *it;
	struct err e;

	if (numbered_get(&a->tree, ino, &it, &e) != ERR_NONE) {
		reply_failed(req, a, NULL, &e);
		return;
	}
	if (it != NULL)
		x = entry_find_xattr(&it->entry, name);
	if (x == NULL)
		fuse_reply_err(req, lack(&a->scout, name));
	else
		reply_xattr(req, x->value, x->value_bytes, room);
}

static void
on_listxattr(fuse_req_t req, fuse_ino_t ino, size_t room)
{
	struct answers *a = fuse_req_userdata(req);
	const struct item *it;
	struct err e;
	enum err_code rc = numbered_get(&a->tree, ino, &it, &e);

	buf_clear(&a->room);
	for (size_t i = 0;
	     rc == ERR_NONE && it != NULL && i < it->entry.xattr_count; i++) {
		const char *name = it->entry.xattrs[i].name;

		rc = buf_add(&a->room, name, strlen(name) + 1, &e);
	}
	if (rc != ERR_NONE)
		reply_failed(req, a, NULL, &e);
	else
		reply_xattr(req, a->room.bytes, a->room.len_bytes, room);
}

/* --- directories ------------------------------------------------------------ */

static void
on_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	/* Names alone are not kept by the kernel: with them alone at hand it
	 * would look each up, where a listing brings attributes as well. */
	fi->cache_readdir = 0;
	fuse_reply_open(req, fi);
}

struct listing {
	fuse_req_t req;
	char *at;
	size_t room, used;
	bool plus; /* with attributes */
};

/* False: it has no room any more. */
static bool
list_add(void *ctx, const char *name, const struct stat *st, int64_t next)
{
	struct listing *l = ctx;
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

static void
read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct answers *a = fuse_req_userdata(req);
	struct listing l = {.req = req, .plus = plus};
	uint8_t *room;
	struct err e;

	l.room = size < READ_MAX ? size : READ_MAX;
	buf_clear(&a->room);
	if (buf_extend(&a->room, l.room, &room, &e) != ERR_NONE) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	l.at = (char *)room;
	if (folders_list(&a->folders, ino, off, list_add, &l, &e) != ERR_NONE)
		reply_failed(req, a, NULL, &e);
	else
		fuse_reply_buf(req, l.at, l.used);
}

static void
on_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	(void)fi;
	read_dir(req, ino, size, off, false);
}

static void
on_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	(void)fi;
	read_dir(req, ino, size, off, true);
}

/* --- files ------------------------------------------------------------------ */

static void
on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct answers *a = fuse_req_userdata(req);
	struct contents_file *f;
	struct err e;

	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	if (contents_find(&a->contents, ino, &f, &e) != ERR_NONE) {
		reply_failed(req, a, NULL, &e);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void
on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct answers *a = fuse_req_userdata(req);
	const struct content_range range = {(uint64_t)off,
	    size < READ_MAX ? size : READ_MAX};
	struct contents_file *f = NULL;
	const char *path = NULL;
	enum err_code rc;
	size_t got = 0;
	uint8_t *to;
	struct err e;

	(void)fi;
	buf_clear(&a->room);
	rc = contents_find(&a->contents, ino, &f, &e);
	if (rc == ERR_NONE) {
		path = f->item.entry.path.bytes;
		rc = buf_extend(&a->room, (size_t)range.len_bytes, &to, &e);
	}
	if (rc == ERR_NONE && off >= 0)
		rc = contents_read(&a->contents, f, &range, to, &got, &e);
	if (rc != ERR_NONE)
		reply_failed(req, a, path, &e);
	else
		fuse_reply_buf(req, (const char *)to, got);
}

static void
on_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
    struct fuse_file_info *fi)
{
	struct answers *a = fuse_req_userdata(req);
	struct contents_file *f;
	uint64_t size, to;
	struct err e;

	(void)fi;
	if (contents_find(&a->contents, ino, &f, &e) != ERR_NONE) {
		reply_failed(req, a, NULL, &e);
		return;
	}
	size = f->item.entry.size_bytes;
	if (off < 0 || (uint64_t)off >= size) {
		fuse_reply_err(req, ENXIO);
		return;
	}
	to = whence == SEEK_DATA ? contents_data_from(f, (uint64_t)off)
				 : contents_hole_from(f, (uint64_t)off);
	if (whence == SEEK_DATA && to >= size)
		fuse_reply_err(req, ENXIO);
	else
		fuse_reply_lseek(req, (off_t)to);
}

const struct fuse_lowlevel_ops *
answers_ops(void)
{
	static const struct fuse_lowlevel_ops ops = {.lookup = on_lookup,
	    .getattr = on_getattr,
	    .readlink = on_readlink,
	    .getxattr = on_getxattr,
	    .listxattr = on_listxattr,
	    .opendir = on_opendir,
	    .readdir = on_readdir,
	    .readdirplus = on_readdirplus,
	    .open = on_open,
	    .read = on_read,
	    .lseek = on_lseek};

	return &ops;
}
