/* Directories that are being filled. */

#include "restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define WINDOW_MAX 512 /* directories that wait for their files */

struct restore_dir *
restore_dir_new(void)
{
	struct restore_dir *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	atomic_store(&d->users_count, 1);
	pthread_mutex_init(&d->odd_lock, NULL);
	return d;
}

struct restore_dir *
restore_dir_use(struct restore_dir *d)
{
	atomic_fetch_add(&d->users_count, 1);
	return d;
}

static void
end(struct restore_tools *t, const struct restore_dir *d)
{
	if (t->verifying)
		restore_look_meta(t, d->fd, ARC_OPEN, &d->entry);
	else if (!t->shared->opt->dry_run &&
	    (d->fresh || !arc_meta_equals(d->fd, ARC_OPEN, &d->entry)))
		restore_tell_meta(t, d->fd, ARC_OPEN, &d->entry, 0);
}

void
restore_dir_drop(struct restore_tools *t, struct restore_dir **dp)
{
	struct restore_dir *d = TAKE(*dp);

	if (d == NULL || atomic_fetch_sub(&d->users_count, 1) > 1)
		return;
	if (d->has_metadata && d->fd != -1)
		end(t, d);
	fdio_close(&d->fd);
	restore_names_free(&d->names);
	linkmap_fini(&d->odd);
	pthread_mutex_destroy(&d->odd_lock);
	entry_fini(&d->entry);
	free(d);
}

static const int open_flags =
    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;

/* False and errno: it is there, or cannot be made. */
static bool
make(struct restore_dir *parent, const char *name)
{
	bool made;

	restore_names_begin(parent, name);
	made = mkdirat(parent->fd, name, 0700) == 0;
	restore_names_end(parent, name, made);
	return made;
}

/* Something else has its name. */
static enum err_code
replace(struct restore_dir *parent, const char *name, struct restore_dir *d,
    struct err *e)
{
	if (unlinkat(parent->fd, name, 0) != 0)
		return err_sys(e, "cannot replace what is there");
	if (!make(parent, name))
		return err_sys(e, "cannot make the directory");
	d->fresh = true;
	d->fd = openat(parent->fd, name, open_flags);
	return d->fd == -1 ? err_sys(e, "cannot open the directory") : ERR_NONE;
}

/* Immutable ones let nothing be made in them; they are locked again later. */
static enum err_code
unlock(const struct restore_tools *t, const struct restore_dir *d,
    struct err *e)
{
	if (d->fresh || t->shared->opt->overwrite == RESTORE_NEVER ||
	    t->shared->opt->dry_run)
		return ERR_NONE;
	return arc_meta_unlock(d->fd, e);
}

enum err_code
restore_dir_open(struct restore_tools *t, struct restore_dir *parent,
    const char *name, struct restore_dir *d, struct err *e)
{
	const bool looks = t->verifying || t->shared->opt->dry_run;
	struct err ignored; /* what it forbids will be told */
	enum err_code rc = ERR_NONE;

	d->fd = -1;
	if (!looks) {
		d->fresh = make(parent, name);
		if (!d->fresh && errno != EEXIST)
			return err_sys(e, "cannot make the directory");
		if (!d->fresh)
			rc = restore_names_check(t, parent, name, e);
		if (rc != ERR_NONE)
			return rc;
	}
	d->fd = openat(parent->fd, name, open_flags);
	if (d->fd == -1 && (errno == ENOTDIR || errno == ELOOP) && !looks &&
	    t->shared->opt->overwrite != RESTORE_NEVER)
		return replace(parent, name, d, e);
	if (d->fd == -1)
		return err_sys(e, "cannot open the directory");
	if (!looks && unlock(t, d, &ignored) != ERR_NONE)
		return ERR_NONE;
	return ERR_NONE;
}

const char *
restore_dir_name(const struct entry *entry)
{
	return entry->path.bytes +
	    (entry->path.len_bytes == 0 ||
			path_parent(entry->path.bytes, entry->path.len_bytes) ==
			    0
		    ? (entry->path.len_bytes > 0 && *entry->path.bytes == '/')
		    : path_parent(entry->path.bytes, entry->path.len_bytes) +
			1);
}

unsigned
restore_dir_window(unsigned holders_count)
{
	struct rlimit limit = {.rlim_max = 256};

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_max / holders_count < WINDOW_MAX
	    ? (unsigned)(limit.rlim_max / holders_count) + 1
	    : WINDOW_MAX;
}
