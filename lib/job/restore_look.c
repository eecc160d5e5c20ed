/* Nothing is changed: what was restored is compared, or what would be is told. */

#include "restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

/* A file's content; lists are read, so by the main thread only. */
static enum err_code
compare_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct restore_pour *p = ctx;

	(void)offset;
	return p->differs ? ERR_NONE : restore_pour_pieces(p, piece, 1, e);
}

static const char *
content_differs(struct restore_tools *t, const struct restore_task *task,
    int fd)
{
	const struct entry *entry = &task->item.entry;
	const struct content *c = &task->item.content;
	struct restore_pour p = {.tools = t,
	    .entry = entry,
	    .fd = fd,
	    .compare = true,
	    .read_only = true};
	enum err_code rc;
	struct stat st;
	struct err e;

	if (fd == -1 || fstat(fd, &st) != 0)
		return "cannot be read again";
	if ((uint64_t)st.st_size != entry->size_bytes)
		return "has another size";
	rc = c->is_list ? content_each(t->shared->st, c, compare_piece, &p, &e)
			: restore_pour_content(&p, c, &e);
	if (rc != ERR_NONE)
		return "could not be compared";
	return p.differs ? "has other content" : NULL;
}

static int
open_it(const struct restore_task *task)
{
	const int flags = task->item.entry.type == ENTRY_FILE
	    ? O_RDONLY | O_NONBLOCK | O_NOCTTY
	    : O_PATH;

	return openat(task->dir->fd, task->name,
	    flags | O_CLOEXEC | O_NOFOLLOW);
}

void
restore_look_meta(struct restore_tools *t, int fd, enum arc_handle handle,
    const struct entry *entry)
{
	if (arc_meta_equals(fd, handle, entry))
		return;
	atomic_fetch_add(&t->shared->warnings_count, 1);
	restore_tell(t, entry, "has other metadata");
}

void
restore_look_verify(struct restore_tools *t, struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;
	OWNED(fdio_close) int fd = -1;
	const char *differs = NULL;
	struct stat st;

	if (fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		differs = "is not there";
	else if (entry_type_of_mode(st.st_mode) != entry->type)
		differs = "is of another type";
	else if ((fd = open_it(task)) == -1)
		differs = "cannot be read again";
	else if (entry->type == ENTRY_FILE)
		differs = content_differs(t, task, fd);
	else if (!restore_node_is_there(task))
		differs = entry->type == ENTRY_SYMLINK ? "leads elsewhere"
						       : "is another device";
	if (differs == NULL) {
		restore_look_meta(t, fd,
		    entry->type == ENTRY_FILE ? ARC_OPEN : ARC_PATH, entry);
		return;
	}
	atomic_fetch_add(&t->shared->differ_count, 1);
	restore_tell(t, entry, differs);
}

/* --- a plan -------------------------------------------------------------------- */

/* Something of its type is there: is it as it should be? */
static bool
is_right(struct restore_tools *t, const struct restore_task *task)
{
	const struct entry *entry = &task->item.entry;
	OWNED(fdio_close) int fd = open_it(task);

	if (fd == -1 || t->shared->opt->overwrite == RESTORE_ALWAYS)
		return false;
	/* If that is not right it is made anew, and so is this. */
	if (task->link_to != NULL && !restore_node_is_linked(task))
		return false;
	if (entry->type != ENTRY_FILE)
		return restore_node_is_there(task) &&
		    arc_meta_equals(fd, ARC_PATH, entry);
	return arc_meta_equals(fd, ARC_OPEN, entry) &&
	    restore_pour_holes_match(fd, entry) &&
	    content_differs(t, task, fd) == NULL;
}

/* What can be replaced by nothing else; --delete empties it before. */
static bool
stays(const struct restore_tools *t, const struct restore_task *task,
    const struct stat *st)
{
	OWNED(fdio_close_dir) DIR *d = NULL;
	const struct dirent *one;

	if (!S_ISDIR(st->st_mode) || t->shared->opt->delete_others)
		return false;
	d = fdio_open_dir(task->dir->fd, task->name);
	while (d != NULL && (one = readdir(d)) != NULL)
		if (strcmp(one->d_name, ".") != 0 &&
		    strcmp(one->d_name, "..") != 0)
			return true;
	return false;
}

void
restore_look_plan(struct restore_tools *t, struct restore_task *task,
    const char *beneath)
{
	enum restore_change change = RESTORE_REPLACE;
	struct stat st;
	struct err why;

	if (task->dir->fd == -1 ||
	    fstatat(task->dir->fd, task->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		restore_tell_plan(t, RESTORE_MAKE, beneath);
		return;
	}
	if (t->shared->opt->overwrite == RESTORE_NEVER) {
		atomic_fetch_add(&t->shared->same_count, 1);
		return;
	}
	if (entry_type_of_mode(st.st_mode) == task->item.entry.type) {
		if (is_right(t, task)) {
			atomic_fetch_add(&t->shared->same_count, 1);
			return;
		}
		change = RESTORE_ALTER;
	} else if (stays(t, task, &st)) {
		errno = ENOTEMPTY;
		if (restore_file_stays(&why) != ERR_NONE)
			restore_tell_fault(t, &task->item.entry, &why);
		return;
	}
	atomic_fetch_add(&t->shared->changed_count, 1);
	restore_tell_plan(t, change, beneath);
}
