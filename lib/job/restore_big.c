/* Files of many chunks: opened once, filled by several workers, run by run. */

#include "restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

struct restore_big *
restore_big_use(struct restore_big *b)
{
	atomic_fetch_add(&b->users_count, 1);
	return b;
}

static enum err_code
compare_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct restore_pour *p = ctx;

	(void)offset;
	return p->differs ? ERR_NONE : restore_pour_pieces(p, piece, 1, e);
}

/* All of it, here and now. */
static enum err_code
is_same(struct restore_tools *t, const struct restore_big *big,
    const struct content *c, bool *same, struct err *e)
{
	struct restore_pour p = {.tools = t,
	    .entry = &big->entry,
	    .fd = big->fd,
	    .compare = true,
	    .read_only = true};
	enum err_code rc = ERR_NONE;

	*same = t->shared->opt->overwrite != RESTORE_ALWAYS && big->has_shape;
	if (*same)
		rc = content_each(t->shared->st, c, compare_piece, &p, e);
	*same &= rc == ERR_NONE && !p.differs;
	return rc;
}

/*
 * One that has more names (another may lie outside of what we restore), that
 * runs or is immutable: it stays if all of it is right.
 */
static enum err_code
look_first(struct restore_tools *t, const struct restore_task *task,
    struct restore_big *big, const struct stat *st, const struct content *c,
    struct err *e)
{
	bool same;
	enum err_code rc = is_same(t, big, c, &same, e);

	if (rc != ERR_NONE)
		return rc;
	big->stays = same && (big->has_meta || st->st_nlink == 1);
	if (big->stays && !big->has_meta) {
		restore_tell_meta(t, big->fd, ARC_OPEN, &big->entry, 0);
		atomic_fetch_add(&t->shared->changed_count, 1);
	} else if (big->stays) {
		atomic_fetch_add(&t->shared->same_count, 1);
	} else if (st->st_nlink == 1) {
		return restore_file_open_again(task->dir, task->name, &big->fd,
		    st, e);
	}
	fdio_close(&big->fd);
	return ERR_NONE;
}

/* What is there; big->fd -1: nothing that could be brought into line. */
static enum err_code
open_there(struct restore_tools *t, const struct restore_task *task,
    struct restore_big *big, const struct content *c, struct err *e)
{
	struct stat st = {0}, again;
	int fd;
	enum err_code rc =
	    restore_file_open_old(task->dir, task->name, &big->fd, &st, e);

	if (rc != ERR_NONE || big->fd == -1)
		return rc;
	big->has_shape = (uint64_t)st.st_size == big->entry.size_bytes &&
	    restore_pour_holes_match(big->fd, &big->entry);
	big->has_meta = arc_meta_equals(big->fd, ARC_OPEN, &big->entry);
	fd = st.st_nlink > 1
	    ? -1
	    : openat(task->dir->fd, task->name,
		  O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return look_first(t, task, big, &st, c, e);
	fdio_close(&big->fd);
	if (fstat(fd, &again) == 0 && again.st_ino == st.st_ino &&
	    again.st_dev == st.st_dev)
		big->fd = fd;
	else
		close(fd); /* somebody put another there */
	return ERR_NONE;
}

/* Holes and size as they should be, before the runs come. */
static enum err_code
shape(struct restore_big *big, struct err *e)
{
	if (big->existed && big->has_shape)
		return ERR_NONE;
	if (big->existed && big->entry.sparse && ftruncate(big->fd, 0) != 0)
		return err_sys(e, "cannot empty");
	if (ftruncate(big->fd, (off_t)big->entry.size_bytes) != 0)
		return err_sys(e, "cannot set the size");
	return ERR_NONE;
}

static enum err_code
begin(struct restore_tools *t, const struct restore_task *task,
    struct restore_big *big, const struct content *c, struct err *e)
{
	enum err_code rc = restore_file_look(task, &big->replaces, e);

	if (rc == ERR_NONE && big->replaces)
		rc = restore_names_check(t, task->dir, task->name, e);
	if (rc == ERR_NONE && big->replaces &&
	    t->shared->opt->overwrite == RESTORE_NEVER) {
		big->stays = true;
		atomic_fetch_add(&t->shared->same_count, 1);
	} else if (rc == ERR_NONE && big->replaces) {
		rc = open_there(t, task, big, c, e);
	}
	if (rc != ERR_NONE || big->stays)
		return rc;
	big->existed = big->fd != -1;
	if (!big->existed)
		rc = restore_file_create(t, task, &big->entry, &big->fd, e);
	return rc == ERR_NONE ? shape(big, e) : rc;
}

bool
restore_big_begin(struct restore_tools *t, const struct restore_task *task,
    struct restore_big *big, const struct content *c)
{
	enum err_code rc;
	struct err e;

	big->fd = -1;
	if (t->verifying) {
		big->fd = openat(task->dir->fd, task->name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		big->existed = true;
		return big->fd != -1;
	}
	rc = begin(t, task, big, c, &e);
	if (rc != ERR_NONE)
		restore_tell_fault(t, &big->entry, &e);
	return rc == ERR_NONE && !big->stays;
}

void
restore_big_run(struct restore_tools *t, struct restore_task *task)
{
	struct restore_big *big = task->big;
	struct restore_pour p = {.tools = t,
	    .entry = &big->entry,
	    .fd = big->fd,
	    .compare = t->verifying ||
		(big->existed && t->shared->opt->overwrite != RESTORE_ALWAYS),
	    .read_only = t->verifying};
	struct err e;

	restore_pour_seek(&p, task->offset_bytes);
	if (restore_pour_pieces(&p, task->pieces, task->pieces_count, &e) ==
	    ERR_NONE)
		atomic_fetch_add(&big->runs_done_count, 1);
	else if (!atomic_exchange(&big->failed, true))
		restore_tell_fault(t, &big->entry, &e);
	if (p.differs)
		atomic_store(&big->differs, true);
}

/* --- its end ------------------------------------------------------------------ */

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
		restore_tell(t, &big->entry,
		    "is now partly what it was and partly what was restored");
}

static void
end_verify(struct restore_tools *t, struct restore_big *big)
{
	struct stat st;
	const char *differs = NULL;

	if (big->fd == -1 || fstat(big->fd, &st) != 0)
		differs = "cannot be read again";
	else if ((uint64_t)st.st_size != big->entry.size_bytes)
		differs = "has another size";
	else if (atomic_load(&big->differs))
		differs = "has other content";
	if (differs == NULL) {
		restore_look_meta(t, big->fd, ARC_OPEN, &big->entry);
		return;
	}
	atomic_fetch_add(&t->shared->differ_count, 1);
	restore_tell(t, &big->entry, differs);
}

static void
end_whole(struct restore_tools *t, struct restore_big *big)
{
	if (big->existed && big->has_shape && big->has_meta &&
	    !atomic_load(&big->differs)) {
		atomic_fetch_add(&t->shared->same_count, 1);
		return;
	}
	if (big->replaces)
		atomic_fetch_add(&t->shared->changed_count, 1);
	restore_tell_meta(t, big->fd, ARC_OPEN, &big->entry,
	    big->existed || big->dir->hands_down ? 0 : ARC_FRESH);
}

void
restore_big_drop(struct restore_tools *t, struct restore_big **bigp)
{
	struct restore_big *big = TAKE(*bigp);

	if (big == NULL || atomic_fetch_sub(&big->users_count, 1) > 1)
		return;
	if (t->verifying)
		end_verify(t, big);
	else if (big->fd != -1 && !big->stays) {
		if (is_whole(big))
			end_whole(t, big);
		else
			abandon(t, big);
	}
	fdio_close(&big->fd);
	restore_dir_drop(t, &big->dir);
	entry_fini(&big->entry);
	free(big);
}
