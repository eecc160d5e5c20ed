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
restore_dir_use(struct restore_dir *d)
{
	atomic_fetch_add(&d->users_count, 1);
	return d;
}

void
restore_dir_drop(struct restore_tools *t, struct restore_dir **dp)
{
	struct restore_dir *d = TAKE(*dp);

	if (d == NULL || atomic_fetch_sub(&d->users_count, 1) > 1)
		return;
	if (d->has_metadata && !t->verifying)
		restore_file_meta(t, d->fd, ARC_OPEN, &d->entry, 0);
	fdio_close(&d->fd);
	entry_fini(&d->entry);
	free(d);
}

enum err_code
restore_dir_open(struct restore_tools *t, int parent, const char *name, int *fd,
    bool *existed, struct err *e)
{
	const int flags =
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;

	*existed = false;
	if (!t->verifying) {
		*existed = mkdirat(parent, name, 0700) != 0;
		if (*existed && errno != EEXIST)
			return err_sys(e, "cannot make the directory");
	}
	*fd = openat(parent, name, flags);
	if (*fd == -1 && (errno == ENOTDIR || errno == ELOOP) &&
	    !t->verifying && t->shared->opt->overwrite != RESTORE_NEVER &&
	    unlinkat(parent, name, 0) == 0 &&
	    mkdirat(parent, name, 0700) == 0) {
		*existed = false;
		*fd = openat(parent, name, flags);
	}
	return *fd == -1 ? err_sys(e, "cannot open the directory") : ERR_NONE;
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
