/* One entry of a restore: made, or brought into line. */

#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define OPEN_OLD (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

void
restore_file_end_task(struct restore_tools *t, struct restore_task *task)
{
	restore_big_drop(t, &task->big);
	restore_dir_drop(t, &task->dir);
	item_fini(&task->item);
	free(task->pieces);
	*task = (struct restore_task){0};
}

/* --- new files --------------------------------------------------------------- */

static enum err_code
fill_new(struct restore_tools *t, struct restore_task *task, int fd,
    struct err *e)
{
	const struct entry *entry = &task->item.entry;
	struct restore_pour p = {.tools = t, .entry = entry, .fd = fd};
	enum err_code rc;

	p.compare =
	    restore_clone_try(t, entry, &task->item.content, task->top_fd, fd);
	/* What it is a clone of may have grown meanwhile. */
	if ((entry->sparse || p.compare) &&
	    ftruncate(fd, (off_t)entry->size_bytes) != 0)
		return err_sys(e, "cannot set the size");
	rc = restore_pour_content(&p, &task->item.content, e);
	if (rc == ERR_NONE && p.compare && !p.differs)
		atomic_fetch_add(&t->shared->cloned_count, 1);
	return rc;
}

/* An immutable file is the snapshot's to replace: its name is in it. */
static void
unlock_old(const struct restore_task *task)
{
	OWNED(fdio_close)
	int fd = openat(task->dir->fd, task->name, O_RDONLY | OPEN_OLD);
	struct err ignored; /* what comes next will say */

	if (fd != -1 && arc_meta_unlock(fd, &ignored) != ERR_NONE)
		return;
}

enum err_code
restore_file_stays(struct err *e)
{
	if (errno == ENOTEMPTY || errno == EEXIST)
		return err_sys(e,
		    "cannot replace what is there (--delete empties it)");
	return err_sys(e, "cannot replace what is there");
}

enum err_code
restore_file_remove_old(const struct restore_task *task, struct err *e)
{
	for (int tries = 0; tries < 2; tries++) {
		if (unlinkat(task->dir->fd, task->name, 0) == 0 ||
		    errno == ENOENT)
			return ERR_NONE;
		if (errno == EISDIR &&
		    unlinkat(task->dir->fd, task->name, AT_REMOVEDIR) == 0)
			return ERR_NONE;
		if (errno != EPERM || tries > 0)
			break;
		unlock_old(task);
	}
	return restore_file_stays(e);
}

/*
 * A new file; -1 and errno.  Its mode is right at once when it is to be ours:
 * its directory is still closed to others, or was theirs to enter before.
 */
static int
open_new(const struct restore_tools *t, struct restore_dir *dir,
    const char *name, const struct entry *entry)
{
	mode_t mode = 0600;
	int fd;

	if (entry->uid == t->shared->uid && entry->gid == t->shared->gid &&
	    entry->xattr_count == 0) /* an ACL may take some of it back */
		mode = (mode_t)(entry->mode & 0777);
	restore_names_begin(dir, name);
	fd = openat(dir->fd, name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
	    mode);
	restore_names_end(dir, name, fd != -1);
	return fd;
}

enum err_code
restore_file_create(const struct restore_tools *t,
    const struct restore_task *task, const struct entry *entry, int *fd,
    struct err *e)
{
	for (int tries = 0; tries < 2; tries++) {
		enum err_code rc;

		*fd = open_new(t, task->dir, task->name, entry);
		if (*fd != -1)
			return ERR_NONE;
		if (errno != EEXIST)
			break;
		rc = restore_file_remove_old(task, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return err_sys(e, "cannot make the file");
}

/* A file is there whole or not at all: a part of one would pass for it. */
static enum err_code
end_new(struct restore_tools *t, struct restore_task *task, int fd,
    struct err *e)
{
	const struct entry *entry = &task->item.entry;
	enum err_code rc = fill_new(t, task, fd, e);

	if (rc != ERR_NONE) {
		(void)unlinkat(task->dir->fd, task->name, 0);
		return rc;
	}
	restore_clone_remember(t, entry, &task->item.content,
	    entry->path.bytes + task->strip_bytes);
	restore_tell_meta(t, fd, ARC_OPEN, entry,
	    task->dir->hands_down ? 0 : ARC_FRESH);
	return ERR_NONE;
}

/* Most files are new: one call makes them and says that they are. */
static enum err_code
make_fresh(struct restore_tools *t, struct restore_task *task, bool *existed,
    struct err *e)
{
	OWNED(fdio_close)
	int fd = open_new(t, task->dir, task->name, &task->item.entry);

	*existed = fd == -1 && errno == EEXIST;
	if (*existed)
		return ERR_NONE;
	if (fd == -1)
		return err_sys(e, "cannot make the file");
	return end_new(t, task, fd, e);
}

static enum err_code
make_anew(struct restore_tools *t, struct restore_task *task, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc =
	    restore_file_create(t, task, &task->item.entry, &fd, e);

	if (rc != ERR_NONE)
		return rc;
	atomic_fetch_add(&t->shared->changed_count, 1);
	return end_new(t, task, fd, e);
}

/* --- over what exists --------------------------------------------------------- */

enum err_code
restore_file_look(const struct restore_task *task, bool *exists, struct err *e)
{
	struct stat st;

	*exists =
	    fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*exists && errno != ENOENT)
		return err_sys(e, "cannot see whether it is there");
	return ERR_NONE;
}

/* A regular file that is there, to be looked at; *fd -1: there is none. */
enum err_code
restore_file_open_old(const struct restore_dir *dir, const char *name, int *fd,
    struct stat *st, struct err *e)
{
	*fd = openat(dir->fd, name, O_RDONLY | OPEN_OLD);
	if (*fd == -1)
		return ERR_NONE;
	if (fstat(*fd, st) != 0)
		return err_sys(e, "cannot look at it");
	if (!S_ISREG(st->st_mode))
		fdio_close(fd);
	return ERR_NONE;
}

/* The same one for writing; *fd -1: it has to be made anew. */
enum err_code
restore_file_open_again(const struct restore_dir *dir, const char *name,
    int *fd, const struct stat *was, struct err *e)
{
	int again = openat(dir->fd, name, O_RDWR | OPEN_OLD);
	struct err ignored; /* the open below will say */
	struct stat st;

	if (again == -1 && errno == EPERM &&
	    arc_meta_unlock(*fd, &ignored) == ERR_NONE)
		again = openat(dir->fd, name, O_RDWR | OPEN_OLD);
	fdio_close(fd);
	*fd = again;
	if (again != -1 && fstat(again, &st) != 0)
		return err_sys(e, "cannot look at it");
	if (again != -1 &&
	    (st.st_ino != was->st_ino || st.st_dev != was->st_dev))
		fdio_close(fd); /* somebody put another there */
	return ERR_NONE;
}

/*
 * Fetch all that is to be written into it before anything of it is touched:
 * what cannot be read leaves the file as it was.
 */
static enum err_code
compare_old(struct restore_tools *t, struct restore_task *task, int fd,
    const struct stat *st, bool *same, struct err *e)
{
	const struct entry *entry = &task->item.entry;
	struct restore_pour p = {.tools = t,
	    .entry = entry,
	    .fd = fd,
	    .compare = t->shared->opt->overwrite != RESTORE_ALWAYS,
	    .read_only = true};
	enum err_code rc = restore_pour_content(&p, &task->item.content, e);

	*same = rc == ERR_NONE && p.compare && !p.differs &&
	    (uint64_t)st->st_size == entry->size_bytes &&
	    restore_pour_holes_match(fd, entry);
	return rc;
}

/* Only what differs is written. */
static enum err_code
fill_old(struct restore_tools *t, struct restore_task *task, int fd,
    const struct stat *st, struct err *e)
{
	const struct entry *entry = &task->item.entry;
	struct restore_pour p = {.tools = t,
	    .entry = entry,
	    .fd = fd,
	    .compare = t->shared->opt->overwrite != RESTORE_ALWAYS};

	/* What lies in a hole cannot be told from data: begin afresh. */
	if (!restore_pour_holes_match(fd, entry) && ftruncate(fd, 0) != 0)
		return err_sys(e, "cannot empty");
	if ((entry->sparse || (uint64_t)st->st_size != entry->size_bytes) &&
	    ftruncate(fd, (off_t)entry->size_bytes) != 0)
		return err_sys(e, "cannot set the size");
	return restore_pour_content(&p, &task->item.content, e);
}

/* Its content is right. */
static enum err_code
settle_meta(struct restore_tools *t, const struct restore_task *task, int fd,
    bool equal)
{
	if (equal) {
		atomic_fetch_add(&t->shared->same_count, 1);
		return ERR_NONE;
	}
	restore_tell_meta(t, fd, ARC_OPEN, &task->item.entry, 0);
	atomic_fetch_add(&t->shared->changed_count, 1);
	return ERR_NONE;
}

static enum err_code
make_over(struct restore_tools *t, struct restore_task *task, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct stat st = {0};
	bool same = false, equal = false;
	enum err_code rc =
	    restore_file_open_old(task->dir, task->name, &fd, &st, e);

	if (rc == ERR_NONE && fd != -1)
		rc = compare_old(t, task, fd, &st, &same, e);
	if (rc == ERR_NONE && same)
		equal = arc_meta_equals(fd, ARC_OPEN, &task->item.entry);
	/*
	 * Another name of it may lie outside of what we restore: such a file
	 * stays as it is if it is right, and neither its content nor its owner
	 * is ever touched.
	 */
	if (rc == ERR_NONE && fd != -1 && st.st_nlink > 1 && !equal)
		fdio_close(&fd);
	if (rc == ERR_NONE && fd != -1 && !same)
		rc =
		    restore_file_open_again(task->dir, task->name, &fd, &st, e);
	if (rc != ERR_NONE)
		return rc;
	if (fd == -1)
		return make_anew(t, task, e);
	if (!same)
		rc = fill_old(t, task, fd, &st, e);
	return rc == ERR_NONE ? settle_meta(t, task, fd, equal) : rc;
}

/* --- any entry ---------------------------------------------------------------- */

/*
 * A second name whose first is not there to be linked to: every name carries
 * the content, so it becomes a file of its own, which is said.
 */
static enum err_code
link_or_make(struct restore_tools *t, struct restore_task *task, bool exists,
    struct err *e)
{
	enum err_code rc = restore_node_link(task, exists, e);
	struct err why;

	/* ERR_EXISTS: by now it is another's, which stays. */
	if (rc == ERR_NONE || rc == ERR_EXISTS ||
	    task->item.entry.type != ENTRY_FILE || task->item.content.is_list)
		return rc;
	why = *e;
	rc = make_anew(t, task, e);
	if (rc != ERR_NONE)
		return rc;
	err_wrap(&why, "restored as a file of its own");
	atomic_fetch_add(&t->shared->warnings_count, 1);
	restore_tell(t, &task->item.entry, why.text);
	return ERR_NONE;
}

/* What is not a regular file with content of its own, or exists. */
static enum err_code
make_other(struct restore_tools *t, struct restore_task *task, struct err *e)
{
	bool exists;
	enum err_code rc = restore_file_look(task, &exists, e);

	if (rc == ERR_NONE && exists)
		rc = restore_names_check(t, task->dir, task->name, e);
	if (rc != ERR_NONE)
		return rc;
	if (exists && t->shared->opt->overwrite == RESTORE_NEVER) {
		atomic_fetch_add(&t->shared->same_count, 1);
		return ERR_NONE;
	}
	if (task->link_to != NULL)
		return link_or_make(t, task, exists, e);
	if (task->item.entry.type == ENTRY_FILE)
		return make_over(t, task, e);
	return restore_node_make(t, task, exists, e);
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
		restore_tell_fault(t, entry, &e);
}
