#include "drillroom.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "exercise_sandbox.h"

#define LEAD     "verify-"
#define LEFT_MAX 16 /* at a time; the next drill takes the others */

struct drillroom {
	char *path;
	int fd; /* of it, locked */
	bool is_empty;
};

struct left {
	char *paths[LEFT_MAX];
	int fds[LEFT_MAX]; /* locked: nobody else removes it meanwhile */
	size_t count;
};

static void
left_fini(struct left *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->paths[i]);
		fdio_close(&l->fds[i]);
	}
}

/* -1: it is in use, or is none. */
static int
lock_dir(int dirfd, const char *name)
{
	OWNED(fdio_close)
	int fd = openat(dirfd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int locked = -1;

	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		locked = fd;
		fd = -1;
	}
	return locked;
}

static enum err_code
find_left(struct left *l, int rootfd, const char *root, struct err *e)
{
	OWNED(fdio_close_dir) DIR *d = fdio_open_dir(rootfd, ".");
	const struct dirent *one;

	if (d == NULL)
		return err_sys(e, "looking into '%s'", root);
	while (l->count < LEFT_MAX && (one = readdir(d)) != NULL) {
		int locked;

		if (strncmp(one->d_name, LEAD, strlen(LEAD)) != 0)
			continue;
		locked = lock_dir(rootfd, one->d_name);
		if (locked == -1)
			continue;
		l->fds[l->count] = locked;
		if (asprintf(&l->paths[l->count++], "%s/%s", root,
			one->d_name) < 0) {
			l->paths[l->count - 1] = NULL;
			return err_nomem(e);
		}
	}
	return ERR_NONE;
}

static enum err_code
make(struct drillroom *r, const char *root, const char *job, struct err *e)
{
	if (asprintf(&r->path, "%s/" LEAD "%s", root, job) < 0) {
		r->path = NULL;
		return err_nomem(e);
	}
	if (mkdir(r->path, 0700) != 0) {
		r->is_empty = true; /* somebody else's: not ours to remove */
		return err_sys(e, "cannot make '%s'", r->path);
	}
	r->fd = lock_dir(AT_FDCWD, r->path);
	return r->fd != -1 ? ERR_NONE : err_sys(e, "cannot lock '%s'", r->path);
}

/* Who makes one, and who looks for those left, has the root: no directory is
 * seen between being made and being locked (DR1). */
static enum err_code
lock_root(const char *root, int *fd, struct err *e)
{
	uint64_t bytes;
	enum err_code rc =
	    exercise_sandbox_room(root, &bytes, e); /* makes it */

	if (rc != ERR_NONE)
		return rc;
	*fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (*fd != -1 && flock(*fd, LOCK_EX) != 0)
		if (errno != EINTR)
			return err_sys(e, "cannot lock '%s'", root);
	return *fd != -1 ? ERR_NONE : err_sys(e, "cannot open '%s'", root);
}

enum err_code
drillroom_open(struct drillroom **out, const char *root, const char *job,
    drillroom_left_fn *left, void *ctx, struct err *e)
{
	OWNED(drillroom_close) struct drillroom *r = calloc(1, sizeof(*r));
	OWNED(left_fini) struct left l = {.count = 0};
	OWNED(fdio_close) int rootfd = -1;
	enum err_code rc;

	*out = NULL;
	if (r == NULL)
		return err_nomem(e);
	r->fd = -1;
	rc = lock_root(root, &rootfd, e);
	if (rc == ERR_NONE)
		rc = find_left(&l, rootfd, root, e);
	/* Before our own is made: an earlier attempt of this job had its name. */
	for (size_t i = 0; rc == ERR_NONE && i < l.count; i++) {
		struct err why;

		if (exercise_sandbox_remove(l.paths[i], &why) == ERR_NONE)
			left(ctx, l.paths[i], NULL);
		else
			left(ctx, l.paths[i], why.text);
	}
	if (rc == ERR_NONE)
		rc = make(r, root, job, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(r);
	return ERR_NONE;
}

const char *
drillroom_path(const struct drillroom *r)
{
	return r->path;
}

static enum err_code
empty(struct drillroom *r, struct err *e)
{
	struct stat st;
	enum err_code rc = exercise_sandbox_remove(r->path, e);

	r->is_empty = true; /* trying again right away helps nobody */
	if (rc == ERR_NONE && lstat(r->path, &st) == 0)
		rc = err_set(e, ERR_IO, "'%s' is still there", r->path);
	else if (rc == ERR_NONE && errno != ENOENT)
		rc = err_sys(e, "looking whether '%s' is gone", r->path);
	return rc;
}

enum err_code
drillroom_empty(struct drillroom *r, struct err *e)
{
	return empty(r, e);
}

void
drillroom_close(struct drillroom **rp)
{
	struct drillroom *r = TAKE(*rp);
	struct err ignored;

	if (r == NULL)
		return;
	if (!r->is_empty && r->path != NULL)
		empty(r, &ignored);
	fdio_close(&r->fd);
	free(r->path);
	free(r);
}
