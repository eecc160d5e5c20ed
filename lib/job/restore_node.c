/* What is not a regular file of its own: links, devices, FIFOs, sockets. */

#include "restore.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

static bool
make_node(const struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;
	int rc;

	restore_names_begin(task->dir, task->name);
	if (entry->type == ENTRY_SYMLINK)
		rc = symlinkat(entry->target.bytes, task->dir->fd, task->name);
	else
		rc = mknodat(task->dir->fd, task->name,
		    entry_type_mode(entry->type) | 0600,
		    makedev(entry->rdev_major, entry->rdev_minor));
	restore_names_end(task->dir, task->name, rc == 0);
	return rc == 0;
}

static bool
same_target(const struct restore_task *task)
{
	const struct entry_text *target = &task->item.entry.target;
	char has[PATH_MAX + 1];
	ssize_t n = readlinkat(task->dir->fd, task->name, has, sizeof(has));

	return n >= 0 && (size_t)n == target->len_bytes &&
	    memcmp(has, target->bytes, (size_t)n) == 0;
}

bool
restore_node_is_there(const struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;
	struct stat st;

	if (fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    entry_type_of_mode(st.st_mode) != entry->type)
		return false;
	if (entry->type == ENTRY_SYMLINK)
		return same_target(task);
	if (entry->type != ENTRY_CHARDEV && entry->type != ENTRY_BLOCKDEV)
		return true;
	return major(st.st_rdev) == entry->rdev_major &&
	    minor(st.st_rdev) == entry->rdev_minor;
}

/* As it is; one with other names is nobody's to change: they may lie outside. */
static bool
may_stay(struct restore_tools *t, const struct restore_task *task, int fd,
    bool *equal)
{
	struct stat st;

	*equal = false;
	if (t->shared->opt->overwrite == RESTORE_ALWAYS ||
	    !restore_node_is_there(task))
		return false;
	*equal = arc_meta_equals(fd, ARC_PATH, &task->item.entry);
	return *equal || (fstat(fd, &st) == 0 && st.st_nlink == 1);
}

static int
open_path(const struct restore_task *task)
{
	return openat(task->dir->fd, task->name,
	    O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

enum err_code
restore_node_make(struct restore_tools *t, struct restore_task *task,
    bool exists, struct err *e)
{
	OWNED(fdio_close) int fd = exists ? open_path(task) : -1;
	bool equal = false;
	bool stays = fd != -1 && may_stay(t, task, fd, &equal);
	enum err_code rc;

	if (equal) {
		atomic_fetch_add(&t->shared->same_count, 1);
		return ERR_NONE;
	}
	if (exists)
		atomic_fetch_add(&t->shared->changed_count, 1);
	if (!stays) {
		fdio_close(&fd);
		rc = exists ? restore_file_remove_old(task, e) : ERR_NONE;
		if (rc == ERR_NONE && !make_node(task))
			rc = err_sys(e, "cannot make the %s",
			    entry_type_name(task->item.entry.type));
		if (rc == ERR_NONE && (fd = open_path(task)) == -1)
			rc = err_sys(e, "cannot open it again");
		if (rc != ERR_NONE)
			return rc;
	}
	restore_tell_meta(t, fd, ARC_PATH, &task->item.entry, 0);
	return ERR_NONE;
}

/* --- more names of one file ----------------------------------------------------- */

/* The directory its first name is in, and what it is called there. */
static int
open_first(const struct restore_task *task, const char **name)
{
	const char *to = task->link_to, *last = strrchr(to, '/');
	char parent[PATH_BYTES_MAX + 1] = ".";

	if (last != NULL)
		snprintf(parent, sizeof(parent), "%.*s", (int)(last - to), to);
	*name = last != NULL ? last + 1 : to;
	return fdio_open_beneath(task->top_fd, parent, O_PATH | O_DIRECTORY, 0);
}

static bool
is_one(const struct restore_task *task, int dir, const char *first)
{
	struct stat a, b;

	return fstatat(dir, first, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(task->dir->fd, task->name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

bool
restore_node_is_linked(const struct restore_task *task)
{
	const char *name;
	OWNED(fdio_close) int dir = open_first(task, &name);

	return dir != -1 && is_one(task, dir, name);
}

static bool
make_link(const struct restore_task *task, int dir, const char *first)
{
	bool made;

	restore_names_begin(task->dir, task->name);
	made = linkat(dir, first, task->dir->fd, task->name, 0) == 0;
	restore_names_end(task->dir, task->name, made);
	return made;
}

enum err_code
restore_node_link(const struct restore_task *task, bool exists, struct err *e)
{
	const char *name;
	OWNED(fdio_close) int dir = open_first(task, &name);
	enum err_code rc;

	if (dir == -1)
		return err_sys(e, "cannot find its other name again");
	if (exists && is_one(task, dir, name))
		return ERR_NONE;
	rc = exists ? restore_file_remove_old(task, e) : ERR_NONE;
	if (rc == ERR_NONE && !make_link(task, dir, name))
		return err_sys(e, "cannot make the hard link");
	return rc;
}
