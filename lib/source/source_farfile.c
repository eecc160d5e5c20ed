#include "source_farfile.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "source_local.h"

#define TRIES       3 /* over connections that are lost */
#define SMALL_BYTES ((uint64_t)1 << 20)

struct farfile {
	struct source_file file; /* first */
	struct fartree *tree;
	char *place;
	struct farstat before; /* what it was when it was looked at */
	struct farline *line;  /* NULL: it needs none at present */
	struct sshfile *handle;
	uint64_t at_bytes;
	unsigned tries;
	bool changed;
};

static bool
same_stat(const struct farstat *a, const struct farstat *b)
{
	return a->size_bytes == b->size_bytes && a->uid == b->uid &&
	    a->gid == b->gid && a->mode == b->mode && a->mtime_s == b->mtime_s;
}

/* --- lines --- */

static void
let_go(struct farfile *f)
{
	sshfile_close(&f->handle);
	source_farpool_give(&f->tree->pool, &f->line);
}

static enum err_code
open_at(struct farfile *f, struct err *e)
{
	uint64_t left = f->before.size_bytes - f->at_bytes;
	enum err_code rc = ERR_NONE;

	if (f->line == NULL)
		rc = source_farpool_take(&f->tree->pool, &f->line, e);
	if (rc == ERR_NONE)
		rc = sshfile_begin_read(&f->handle, f->line->sftp, f->place,
		    f->at_bytes, left < SMALL_BYTES ? (size_t)left : 0, e);
	return rc;
}

/* Is what was opened, and still is, what was looked at? */
static void
judge(struct farfile *f, const struct sshattr *attr)
{
	struct farstat now;

	if (!source_fartree_stat(&now, attr) || !same_stat(&now, &f->before))
		f->changed = true;
}

static enum err_code
check_opened(struct farfile *f, struct err *e)
{
	struct sshattr attr;
	enum err_code rc = sshfile_attr(f->handle, &attr, e);

	if (rc == ERR_NONE)
		judge(f, &attr);
	return rc;
}

static enum err_code
check(struct farfile *f, struct err *e)
{
	struct sshattr attr;
	enum err_code rc = sshfile_attr_now(f->handle, &attr, e);

	if (rc == ERR_NONE)
		judge(f, &attr);
	return rc;
}

/* What a lost connection had under way begins again on another. */
static bool
is_worth_another(struct farfile *f, enum err_code rc)
{
	return rc == ERR_TIMEOUT && ++f->tries < TRIES;
}

/* --- reading --- */

static enum err_code
read_some(struct farfile *f, void *bytes, size_t size_bytes, size_t *got,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (f->handle == NULL) {
		rc = open_at(f, e);
		/* To go on in the same file, or not to begin in another. */
		if (rc == ERR_NONE)
			rc = check_opened(f, e);
	}
	if (rc != ERR_NONE || f->changed)
		return rc;
	rc = sshfile_read(f->handle, bytes, size_bytes, got, e);
	if (rc == ERR_NONE && *got == 0)
		f->changed = true; /* it ends before its end */
	return rc;
}

static enum err_code
far_read(struct source_file *file, void *bytes, size_t size_bytes,
    struct source_run *run, struct err *e)
{
	struct farfile *f = (struct farfile *)file;
	uint64_t left = f->before.size_bytes - f->at_bytes;
	size_t got = 0;
	enum err_code rc;

	if (f->changed || left == 0)
		return ERR_NONE;
	if (size_bytes > left)
		size_bytes = (size_t)left;
	while ((rc = read_some(f, bytes, size_bytes, &got, e)) != ERR_NONE) {
		let_go(f);
		if (!is_worth_another(f, rc))
			return rc;
	}
	run->offset_bytes = f->at_bytes;
	run->len_bytes = got;
	f->at_bytes += got;
	return ERR_NONE;
}

static enum err_code
far_finish(struct source_file *file, struct err *e)
{
	struct farfile *f = (struct farfile *)file;
	enum err_code rc = ERR_NONE;

	while (!f->changed) {
		if (f->handle == NULL)
			rc = open_at(f, e);
		if (rc == ERR_NONE)
			rc = check(f, e);
		if (rc == ERR_NONE)
			break;
		let_go(f);
		if (!is_worth_another(f, rc))
			return rc;
		rc = ERR_NONE;
	}
	return f->changed ? err_set(e, ERR_BUSY, "it changed while it was read")
			  : ERR_NONE;
}

static void
far_close(struct source_file *file)
{
	struct farfile *f = (struct farfile *)file;

	let_go(f);
	free(f->place);
	free(f);
}

static const struct source_file_ops far_ops = {
    .read = far_read,
    .finish = far_finish,
    .close = far_close,
};

/* --- what it is now --- */

static void
take(struct source_item *item, const struct fartree *ft,
    const struct farstat *fs)
{
	const struct entry_text *path = &item->entry.path;
	struct statx st;

	source_fartree_fill(ft, path->bytes, path->len_bytes, fs, &st);
	source_local_fill(item, &st);
}

static bool
is_as_listed(const struct source_item *item, const struct farstat *fs)
{
	const struct entry *en = &item->entry;

	return en->type == entry_type_of_mode(fs->mode) &&
	    en->mode == (fs->mode & 07777U) && en->uid == fs->uid &&
	    en->gid == fs->gid && en->mtime_s == (int64_t)fs->mtime_s &&
	    (en->type != ENTRY_FILE || en->size_bytes == fs->size_bytes);
}

/* Ask by name; what differs from the listing must really be there. */
static enum err_code
look(struct farfile *f, struct source_item *item, struct err *e)
{
	struct sshattr attr;
	enum err_code rc = sshpath_lstat(f->line->sftp, f->place, &attr, e);

	if (rc != ERR_NONE)
		return rc;
	if (!source_fartree_stat(&f->before, &attr))
		return err_set(e, ERR_IO, "the host does not tell what it is");
	if (S_ISREG(f->before.mode) && f->before.size_bytes > ENTRY_SIZE_MAX)
		return err_set(e, ERR_INPUT,
		    "the host says that it is larger than any file can be");
	if (is_as_listed(item, &f->before))
		return ERR_NONE;
	sshfile_close(&f->handle); /* it was opened for what it was */
	if (!S_ISLNK(f->before.mode))
		rc = source_fartree_is_real(f->line, f->place, e);
	if (rc == ERR_NONE)
		take(item, f->tree, &f->before);
	return rc;
}

/* Small ones are opened in the same go. */
static enum err_code
look_and_open(struct farfile *f, struct source_item *item, struct err *e)
{
	const struct entry *en = &item->entry;
	enum err_code rc;

	f->before = (struct farstat){.size_bytes = en->size_bytes};
	f->at_bytes = 0;
	rc = source_farpool_take(&f->tree->pool, &f->line, e);
	if (rc == ERR_NONE && en->type == ENTRY_FILE && en->size_bytes > 0 &&
	    en->size_bytes <= SMALL_BYTES)
		rc = open_at(f, e);
	return rc == ERR_NONE ? look(f, item, e) : rc;
}

/*
 * Written within the present second, it may be written again without its time
 * moving: wait until that is over.  False: no need to.
 */
static bool
settle(const struct farfile *f)
{
	int64_t left_s;
	struct timespec nap;

	if (f->tree->clock_s == 0)
		return false;
	left_s = (int64_t)f->before.mtime_s + 1 - source_fartree_now_s(f->tree);
	if (left_s < 0 || left_s > 2)
		return false;
	nap = (struct timespec){left_s > 0 ? left_s : 1, 0};
	nanosleep(&nap, NULL);
	return true;
}

static enum err_code
look_well(struct farfile *f, struct source_item *item, struct err *e)
{
	enum err_code rc = look_and_open(f, item, e);

	if (rc == ERR_NONE && item->entry.type == ENTRY_FILE && settle(f)) {
		let_go(f);
		rc = look_and_open(f, item, e);
	}
	return rc;
}

static enum err_code
read_target(struct farfile *f, struct entry *en, struct err *e)
{
	OWNED(buf_fini) struct buf target = {0};
	enum err_code rc =
	    sshpath_readlink(f->line->sftp, f->place, &target, e);

	if (rc == ERR_NONE)
		rc = entry_set_text(&en->target, buf_text(&target),
		    target.len_bytes, ENTRY_TARGET_BYTES_MAX, e);
	return rc;
}

static enum err_code
open_once(struct farfile *f, struct source_item *item, struct err *e)
{
	enum err_code rc = look_well(f, item, e);

	if (rc != ERR_NONE)
		return rc;
	switch (item->entry.type) {
	case ENTRY_SYMLINK: return read_target(f, &item->entry, e);
	case ENTRY_CHARDEV:
	case ENTRY_BLOCKDEV:
		return err_set(e, ERR_INPUT,
		    "it is a device, whose numbers SFTP does not tell");
	default: return ERR_NONE;
	}
}

/* --- opening --- */

static void
farfile_free(struct farfile **fp)
{
	struct farfile *f = TAKE(*fp);

	if (f != NULL)
		far_close(&f->file);
}

static enum err_code
farfile_new(struct farfile **out, struct fartree *ft,
    const struct source_item *item, struct err *e)
{
	OWNED(farfile_free) struct farfile *f = calloc(1, sizeof(*f));
	OWNED(free_mem) char *absolute = NULL;
	enum err_code rc;

	if (f == NULL || asprintf(&absolute, "/%s", item->entry.path.bytes) < 0)
		return err_nomem(e);
	f->file.ops = &far_ops;
	f->tree = ft;
	if ((rc = source_fartree_place(&f->place, ft, absolute, e)) != ERR_NONE)
		return rc;
	*out = TAKE(f);
	return ERR_NONE;
}

/* These have nothing beside what was listed. */
static bool
is_known(const struct source_item *item)
{
	switch (item->entry.type) {
	case ENTRY_DIR:
	case ENTRY_FIFO:
	case ENTRY_SOCKET: return true;
	default: return false;
	}
}

enum err_code
source_farfile_open(struct fartree *ft, struct source_item *item,
    struct source_file **out, struct err *e)
{
	OWNED(farfile_free) struct farfile *f = NULL;
	enum err_code rc;

	source_local_forget(&item->entry);
	if (is_known(item))
		return ERR_NONE;
	if ((rc = farfile_new(&f, ft, item, e)) != ERR_NONE)
		return rc;
	while ((rc = open_once(f, item, e)) != ERR_NONE) {
		let_go(f);
		if (!is_worth_another(f, rc))
			return rc;
	}
	if (item->entry.type != ENTRY_FILE || item->entry.size_bytes == 0)
		return ERR_NONE;
	if (item->entry.size_bytes > SMALL_BYTES)
		let_go(f); /* F2: until it is read */
	f->file.content_bytes = f->before.size_bytes;
	*out = &f->file;
	f = NULL;
	return ERR_NONE;
}
