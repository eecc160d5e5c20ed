/* One entry of a restore: made, brought into line, or compared. */

#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

static void
tell(struct restore_tools *t, const struct entry *entry, const char *text)
{
	const char *path = entry->path.bytes == NULL ? "" : entry->path.bytes;
	size_t before = t->told->len_bytes;
	struct err e;

	if (buf_add(t->told, path, strlen(path) + 1, &e) != ERR_NONE ||
	    buf_add(t->told, text, strlen(text) + 1, &e) != ERR_NONE)
		t->told->len_bytes = before; /* counted all the same */
}

void
restore_file_fault(struct restore_tools *t, const struct entry *entry,
    const struct err *why)
{
	atomic_fetch_add(&t->shared->failed_count, 1);
	if (why->code == ERR_CORRUPT)
		atomic_fetch_add(&t->shared->damage_count, 1);
	if (why->code == ERR_NOSPACE || why->code == ERR_NOMEM)
		atomic_store(&t->shared->fatal, (int)why->code);
	tell(t, entry, why->text);
}

struct warned {
	struct restore_tools *tools;
	const struct entry *entry;
};

static void
on_warning(void *arg, enum err_code code, const char *text)
{
	struct warned *w = arg;

	(void)code;
	atomic_fetch_add(&w->tools->shared->warnings_count, 1);
	tell(w->tools, w->entry, text);
}

void
restore_file_meta(struct restore_tools *t, int fd, enum arc_handle handle,
    const struct entry *entry, unsigned skip)
{
	struct warned w = {t, entry};
	struct arc_warn warn = {on_warning, &w};

	arc_meta_apply(fd, handle, entry, skip, warn);
}

/* --- content --------------------------------------------------------------- */

/* Where the next byte of content goes, and what is done with it. */
struct pour {
	struct restore_tools *tools;
	const struct entry *entry;
	int fd;
	size_t extent;     /* of a sparse file: which run of data */
	uint64_t at_bytes; /* of the content (or of the run), done */
	bool compare;      /* look first, write what differs */
	bool read_only;    /* write nothing: differs says */
	bool differs;
};

/* Is what the file holds there the same? */
static bool
is_there(const struct pour *p, const uint8_t *bytes, size_t len_bytes,
    uint64_t offset)
{
	uint8_t *have = p->tools->bytes;
	struct err e;

	while (len_bytes > 0) {
		size_t n = len_bytes < RESTORE_COMPARE_BYTES
		    ? len_bytes
		    : RESTORE_COMPARE_BYTES;

		if (fdio_pread(p->fd, have, n, offset, &e) != ERR_NONE ||
		    memcmp(have, bytes, n) != 0)
			return false;
		bytes += n;
		offset += n;
		len_bytes -= n;
	}
	return true;
}

static enum err_code
put_run(struct pour *p, const uint8_t *bytes, size_t len_bytes, uint64_t offset,
    struct err *e)
{
	if (p->compare && is_there(p, bytes, len_bytes, offset))
		return ERR_NONE;
	p->differs = true;
	if (p->read_only)
		return ERR_NONE;
	atomic_fetch_add(&p->tools->shared->written_bytes, len_bytes);
	return fdio_pwrite(p->fd, bytes, len_bytes, offset, e);
}

/* Content is the bytes of the runs of data, one after another. */
static enum err_code
put_bytes(struct pour *p, const uint8_t *bytes, size_t len_bytes, struct err *e)
{
	enum err_code rc = ERR_NONE;

	atomic_fetch_add(&p->tools->shared->done_bytes, len_bytes);
	if (!p->entry->sparse) {
		rc = put_run(p, bytes, len_bytes, p->at_bytes, e);
		p->at_bytes += len_bytes;
		return rc;
	}
	while (rc == ERR_NONE && len_bytes > 0) {
		const struct entry_extent *x = &p->entry->extents[p->extent];
		uint64_t left;
		size_t n;

		if (p->extent >= p->entry->extent_count)
			return err_set(e, ERR_CORRUPT,
			    "more content than its map of holes has room for");
		left = x->len_bytes - p->at_bytes;
		n = len_bytes < left ? len_bytes : (size_t)left;
		rc = put_run(p, bytes, n, x->offset_bytes + p->at_bytes, e);
		bytes += n;
		len_bytes -= n;
		p->at_bytes += n;
		if (p->at_bytes == x->len_bytes) {
			p->extent++;
			p->at_bytes = 0;
		}
	}
	return rc;
}

static enum err_code
put_piece(struct pour *p, const struct content_piece *piece, struct err *e)
{
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc =
	    reader_get(p->tools->reader, &piece->id, &bytes, &len_bytes, e);

	if (rc == ERR_NONE && len_bytes != piece->len_bytes)
		return err_set(e, ERR_CORRUPT,
		    "a chunk has another length than the entry says");
	return rc != ERR_NONE ? rc : put_bytes(p, bytes, len_bytes, e);
}

static enum err_code
put_pieces(struct pour *p, const struct content_piece *pieces, size_t count,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = put_piece(p, &pieces[i], e);
	return rc;
}

/* Of files that are not big: no list of chunks has to be read. */
static enum err_code
pour_content(struct pour *p, const struct content *c, struct err *e)
{
	if (c->pieces_count == 0)
		return put_bytes(p, c->inlined.bytes, c->inlined.len_bytes, e);
	return put_pieces(p, c->pieces, c->pieces_count, e);
}

/* Go to where byte offset of the content belongs. */
static void
seek(struct pour *p, uint64_t offset)
{
	p->at_bytes = offset;
	p->extent = 0;
	while (p->entry->sparse && p->extent < p->entry->extent_count &&
	    p->at_bytes >= p->entry->extents[p->extent].len_bytes)
		p->at_bytes -= p->entry->extents[p->extent++].len_bytes;
}

void
restore_file_end_task(struct restore_tools *t, struct restore_task *task)
{
	restore_file_drop_big(t, &task->big);
	restore_dir_drop(t, &task->dir);
	item_fini(&task->item);
	free(task->pieces);
	*task = (struct restore_task){0};
}

/* --- regular files --------------------------------------------------------- */

static enum err_code
fill_new(struct restore_tools *t, struct restore_task *task, int fd,
    struct err *e)
{
	const struct entry *entry = &task->item.entry;
	struct pour p = {.tools = t, .entry = entry, .fd = fd};

	if (entry->sparse && ftruncate(fd, (off_t)entry->size_bytes) != 0)
		return err_sys(e, "cannot set the size");
	return pour_content(&p, &task->item.content, e);
}

/*
 * Read all that belongs into it before anything of it is touched: what cannot
 * be read leaves the file as it was.
 */
static enum err_code
compare_old(struct restore_tools *t, struct restore_task *task, int fd,
    const struct stat *st, bool *same, struct err *e)
{
	const struct entry *entry = &task->item.entry;
	struct pour p = {.tools = t,
	    .entry = entry,
	    .fd = fd,
	    .compare = true,
	    .read_only = true};
	enum err_code rc = pour_content(&p, &task->item.content, e);

	/* What lies in a hole is not looked at. */
	*same = !p.differs && !entry->sparse &&
	    (uint64_t)st->st_size == entry->size_bytes;
	return rc;
}

/* Only what differs is written. */
static enum err_code
fill_old(struct restore_tools *t, struct restore_task *task, int fd,
    const struct stat *st, struct err *e)
{
	const struct entry *entry = &task->item.entry;
	struct pour p = {.tools = t,
	    .entry = entry,
	    .fd = fd,
	    .compare = t->shared->opt->overwrite != RESTORE_ALWAYS};
	enum err_code rc;

	/* What lies in a hole cannot be told from data: begin afresh. */
	if (entry->sparse && ftruncate(fd, 0) != 0)
		return err_sys(e, "cannot empty");
	rc = pour_content(&p, &task->item.content, e);
	if (rc != ERR_NONE)
		return rc;
	if ((entry->sparse || (uint64_t)st->st_size != entry->size_bytes) &&
	    ftruncate(fd, (off_t)entry->size_bytes) != 0)
		return err_sys(e, "cannot set the size");
	if (!p.differs && (uint64_t)st->st_size == entry->size_bytes)
		atomic_fetch_add(&t->shared->same_count, 1);
	return ERR_NONE;
}

/* Open what exists for being brought into line; *fd -1: make it anew. */
static enum err_code
open_old(const struct restore_task *task, int *fd, struct stat *st,
    struct err *e)
{
	int lock;

	*fd = openat(task->dir->fd, task->name,
	    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (*fd == -1 && (errno == EPERM || errno == EACCES)) {
		lock = openat(task->dir->fd, task->name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		if (lock != -1) {
			struct err ignored; /* the open below will say */

			if (arc_meta_unlock(lock, &ignored) == ERR_NONE)
				*fd = openat(task->dir->fd, task->name,
				    O_RDWR | O_CLOEXEC | O_NOFOLLOW |
					O_NONBLOCK | O_NOCTTY);
			close(lock);
		}
	}
	if (*fd == -1)
		return ERR_NONE;
	if (fstat(*fd, st) != 0)
		return err_sys(e, "cannot look at it");
	if (!S_ISREG(st->st_mode))
		fdio_close(fd);
	return ERR_NONE;
}

static enum err_code
remove_old(const struct restore_task *task, struct err *e)
{
	if (unlinkat(task->dir->fd, task->name, 0) == 0 || errno == ENOENT)
		return ERR_NONE;
	if (errno == EISDIR &&
	    unlinkat(task->dir->fd, task->name, AT_REMOVEDIR) == 0)
		return ERR_NONE;
	return err_sys(e, "cannot replace what is there");
}

/*
 * A new file; -1 and errno.  Its mode is right at once when it is to be ours:
 * its directory is still closed to others, or was theirs to enter before.
 */
static int
open_new(const struct restore_tools *t, const struct restore_task *task)
{
	const struct entry *entry =
	    task->big != NULL ? &task->big->entry : &task->item.entry;
	mode_t mode = 0600;

	if (entry->uid == t->shared->uid && entry->gid == t->shared->gid &&
	    entry->xattr_count == 0) /* an ACL may take some of it back */
		mode = (mode_t)(entry->mode & 0777);
	return openat(task->dir->fd, task->name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
	    mode);
}

static enum err_code
create(const struct restore_tools *t, const struct restore_task *task, int *fd,
    struct err *e)
{
	for (int tries = 0; tries < 2; tries++) {
		enum err_code rc;

		*fd = open_new(t, task);
		if (*fd != -1)
			return ERR_NONE;
		if (errno != EEXIST)
			break;
		rc = remove_old(task, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return err_sys(e, "cannot make the file");
}

/* A file is there whole or not at all: a part of one would pass for it. */
static enum err_code
make_new(struct restore_tools *t, struct restore_task *task, int *fd,
    struct err *e)
{
	enum err_code rc = create(t, task, fd, e);

	if (rc != ERR_NONE)
		return rc;
	rc = fill_new(t, task, *fd, e);
	if (rc != ERR_NONE)
		(void)unlinkat(task->dir->fd, task->name, 0);
	return rc;
}

/* Most files are new: one call makes them and says that they are. */
static enum err_code
make_fresh(struct restore_tools *t, struct restore_task *task, bool *existed,
    struct err *e)
{
	OWNED(fdio_close) int fd = open_new(t, task);
	enum err_code rc;

	*existed = fd == -1 && errno == EEXIST;
	if (*existed)
		return ERR_NONE;
	if (fd == -1)
		return err_sys(e, "cannot make the file");
	rc = fill_new(t, task, fd, e);
	if (rc == ERR_NONE)
		restore_file_meta(t, fd, ARC_OPEN, &task->item.entry,
		    task->dir->hands_down ? 0 : ARC_FRESH);
	else
		(void)unlinkat(task->dir->fd, task->name, 0);
	return rc;
}

static enum err_code
make_file(struct restore_tools *t, struct restore_task *task, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct stat st = {0};
	bool same = false;
	enum err_code rc = open_old(task, &fd, &st, e);

	if (rc == ERR_NONE && fd != -1)
		rc = compare_old(t, task, fd, &st, &same, e);
	/*
	 * Another name of it may lie outside of what we restore: such a file
	 * stays as it is if it is right, and is never written into.
	 */
	if (rc == ERR_NONE && fd != -1 && st.st_nlink > 1 && !same)
		fdio_close(&fd);
	if (rc != ERR_NONE)
		return rc;
	if (fd == -1)
		rc = make_new(t, task, &fd, e);
	else if (same && t->shared->opt->overwrite != RESTORE_ALWAYS)
		atomic_fetch_add(&t->shared->same_count, 1);
	else
		rc = fill_old(t, task, fd, &st, e);
	if (rc == ERR_NONE)
		restore_file_meta(t, fd, ARC_OPEN, &task->item.entry, 0);
	return rc;
}

/* --- files of many chunks ------------------------------------------------- */

struct restore_big *
restore_file_use_big(struct restore_big *b)
{
	atomic_fetch_add(&b->users_count, 1);
	return b;
}

bool
restore_file_begin_big(struct restore_tools *t, const struct restore_task *task,
    struct restore_big *big)
{
	struct stat st = {0};
	struct err e;
	enum err_code rc = ERR_NONE;

	big->fd = -1;
	if (t->verifying) {
		big->fd = openat(task->dir->fd, task->name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		big->existed = true;
		return big->fd != -1;
	}
	if (fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_nlink == 1)
		rc = open_old(task, &big->fd, &st, &e);
	big->existed = big->fd != -1;
	if (rc == ERR_NONE && big->fd == -1)
		rc = create(t, task, &big->fd, &e);
	if (rc == ERR_NONE && big->existed && big->entry.sparse &&
	    ftruncate(big->fd, 0) != 0)
		rc = err_sys(&e, "cannot empty");
	if (rc == ERR_NONE &&
	    (!big->existed || big->entry.sparse ||
		(uint64_t)st.st_size != big->entry.size_bytes) &&
	    ftruncate(big->fd, (off_t)big->entry.size_bytes) != 0)
		rc = err_sys(&e, "cannot set the size");
	if (rc != ERR_NONE)
		restore_file_fault(t, &big->entry, &e);
	return rc == ERR_NONE;
}

void
restore_file_run(struct restore_tools *t, struct restore_task *task)
{
	struct restore_big *big = task->big;
	struct pour p = {.tools = t,
	    .entry = &big->entry,
	    .fd = big->fd,
	    .compare = t->verifying ||
		(big->existed && t->shared->opt->overwrite != RESTORE_ALWAYS),
	    .read_only = t->verifying};
	struct err e;

	seek(&p, task->offset_bytes);
	if (put_pieces(&p, task->pieces, task->pieces_count, &e) == ERR_NONE)
		atomic_fetch_add(&big->runs_done_count, 1);
	else if (!atomic_exchange(&big->failed, true))
		restore_file_fault(t, &big->entry, &e);
	if (p.differs)
		atomic_store(&big->differs, true);
}

/* Every run of it was handed out and done? */
static bool
is_whole(struct restore_big *big)
{
	return big->all_sent && !atomic_load(&big->failed) &&
	    atomic_load(&big->runs_done_count) ==
	    atomic_load(&big->runs_sent_count);
}

/* A new file is there whole or not at all; one that existed is named. */
static void
abandon(struct restore_tools *t, const struct restore_big *big)
{
	if (!big->existed)
		(void)unlinkat(big->dir->fd, big->name, 0);
	else if (atomic_load(&big->differs))
		tell(t, &big->entry,
		    "is now partly what it was and partly what was restored");
}

void
restore_file_drop_big(struct restore_tools *t, struct restore_big **bigp)
{
	struct restore_big *big = TAKE(*bigp);

	if (big == NULL || atomic_fetch_sub(&big->users_count, 1) > 1)
		return;
	if (t->verifying) {
		if (big->fd == -1 || atomic_load(&big->differs)) {
			atomic_fetch_add(&t->shared->differ_count, 1);
			tell(t, &big->entry,
			    big->fd == -1 ? "cannot be read again"
					  : "has other content");
		}
	} else if (big->fd != -1 && !is_whole(big)) {
		abandon(t, big);
	} else if (big->fd != -1) {
		restore_file_meta(t, big->fd, ARC_OPEN, &big->entry,
		    big->existed || big->dir->hands_down ? 0 : ARC_FRESH);
		if (big->existed && !atomic_load(&big->differs))
			atomic_fetch_add(&t->shared->same_count, 1);
	}
	fdio_close(&big->fd);
	restore_dir_drop(t, &big->dir);
	entry_fini(&big->entry);
	free(big);
}

/* --- everything else -------------------------------------------------------- */

static int
make_node(const struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;

	if (entry->type == ENTRY_SYMLINK)
		return symlinkat(entry->target.bytes, task->dir->fd,
		    task->name);
	return mknodat(task->dir->fd, task->name,
	    entry_type_mode(entry->type) | 0600,
	    makedev(entry->rdev_major, entry->rdev_minor));
}

static enum err_code
make_special(struct restore_tools *t, struct restore_task *task, bool exists,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = exists ? remove_old(task, e) : ERR_NONE;

	if (rc != ERR_NONE)
		return rc;
	if (make_node(task) != 0)
		return err_sys(e, "cannot make the %s",
		    entry_type_name(task->item.entry.type));
	fd = openat(task->dir->fd, task->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return err_sys(e, "cannot open it again");
	restore_file_meta(t, fd, ARC_PATH, &task->item.entry, 0);
	return ERR_NONE;
}

/* One more name for a file made before; no link is followed to either. */
static enum err_code
make_link(const struct restore_task *task, bool exists, struct err *e)
{
	const char *to = task->link_to, *last = strrchr(to, '/');
	OWNED(fdio_close) int dir = -1;
	char parent[PATH_BYTES_MAX + 1] = ".";
	struct stat first, st;
	enum err_code rc = ERR_NONE;

	if (last != NULL)
		snprintf(parent, sizeof(parent), "%.*s", (int)(last - to), to);
	last = last != NULL ? last + 1 : to;
	dir = fdio_open_beneath(task->top_fd, parent, O_PATH | O_DIRECTORY, 0);
	if (dir == -1)
		return err_sys(e, "cannot find its other name again");
	if (exists && fstatat(dir, last, &first, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    first.st_ino == st.st_ino && first.st_dev == st.st_dev)
		return ERR_NONE;
	rc = exists ? remove_old(task, e) : ERR_NONE;
	if (rc == ERR_NONE &&
	    linkat(dir, last, task->dir->fd, task->name, 0) != 0)
		return err_sys(e, "cannot make the hard link");
	return rc;
}

/* What is not a regular file with content of its own, or exists. */
static enum err_code
make_other(struct restore_tools *t, struct restore_task *task, struct err *e)
{
	struct stat st;
	bool exists =
	    fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (exists && t->shared->opt->overwrite == RESTORE_NEVER) {
		atomic_fetch_add(&t->shared->same_count, 1);
		return ERR_NONE;
	}
	if (task->link_to != NULL)
		return make_link(task, exists, e);
	if (task->item.entry.type == ENTRY_FILE)
		return make_file(t, task, e);
	return make_special(t, task, exists, e);
}

void
restore_file_make(struct restore_tools *t, struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;
	bool existed = true;
	struct err e;
	enum err_code rc = ERR_NONE;

	if (task->link_to == NULL && entry->type == ENTRY_FILE)
		rc = make_fresh(t, task, &existed, &e);
	if (rc == ERR_NONE && existed)
		rc = make_other(t, task, &e);
	if (rc != ERR_NONE)
		restore_file_fault(t, entry, &e);
}

/* --- comparing --------------------------------------------------------------- */

static const char *
file_differs(struct restore_tools *t, const struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;
	OWNED(fdio_close)
	int fd = openat(task->dir->fd, task->name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct pour p = {.tools = t,
	    .entry = entry,
	    .fd = fd,
	    .compare = true,
	    .read_only = true};
	struct stat st;
	struct err e;

	if (fd == -1 || fstat(fd, &st) != 0)
		return "cannot be read again";
	if ((uint64_t)st.st_size != entry->size_bytes)
		return "has another size";
	if (pour_content(&p, &task->item.content, &e) != ERR_NONE)
		return "could not be compared";
	return p.differs ? "has other content" : NULL;
}

void
restore_file_verify(struct restore_tools *t, struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;
	const char *differs = NULL;
	struct stat st;

	if (fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		differs = "is not there";
	else if (entry_type_of_mode(st.st_mode) != entry->type)
		differs = "is of another type";
	else if (entry->type == ENTRY_FILE)
		differs = file_differs(t, task);
	if (differs == NULL)
		return;
	atomic_fetch_add(&t->shared->differ_count, 1);
	tell(t, entry, differs);
}
