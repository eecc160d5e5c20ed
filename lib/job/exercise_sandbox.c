#include "exercise_sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define DEPTH_MAX 4096

/* What is made passes steps that have given up their rights, as PostgreSQL's
 * must, whatever the umask; what was there is its owner's business. */
static enum err_code
make_root(const char *root, struct err *e)
{
	struct stat st;
	enum err_code rc;

	if (stat(root, &st) == 0)
		return ERR_NONE;
	rc = fdio_make_dirs(root, 0711, e);
	if (rc != ERR_NONE || chmod(root, 0711) == 0)
		return rc;
	rc = err_sys(e, "making the sandboxes' directory");
	rmdir(root); /* what is there is taken as it is, next time */
	return rc;
}

enum err_code
exercise_sandbox_make(const char *root, const char *path, struct err *e)
{
	enum err_code rc = make_root(root, e);

	if (rc != ERR_NONE)
		return rc;
	if (mkdir(path, 0711) != 0)
		return err_sys(e, "making the sandbox '%s'", path);
	if (chmod(path, 0711) != 0) /* whatever the umask */
		return err_sys(e, "making the sandbox '%s'", path);
	return ERR_NONE;
}

enum err_code
exercise_sandbox_room(const char *root, uint64_t *bytes, struct err *e)
{
	struct statvfs v;
	enum err_code rc = make_root(root, e);

	*bytes = 0;
	if (rc != ERR_NONE)
		return rc;
	if (statvfs(root, &v) != 0)
		return err_sys(e, "looking for room in '%s'", root);
	*bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return ERR_NONE;
}

/* --- removing ------------------------------------------------------------- */

/* Open a directory to be emptied; *dev as it must stay all the way down. */
static enum err_code
open_dir(DIR **out, int at_fd, const char *name, dev_t *dev, struct err *e)
{
	OWNED(fdio_close_dir) DIR *d = fdio_open_dir(at_fd, name);
	struct stat st;

	if (d == NULL && errno == EACCES && fchmodat(at_fd, name, 0700, 0) == 0)
		d = fdio_open_dir(at_fd, name);
	if (d == NULL || fstat(dirfd(d), &st) != 0)
		return err_sys(e, "opening '%s'", name);
	if (*dev != 0 && st.st_dev != *dev)
		return err_set(e, ERR_BUSY,
		    "'%s' is another file system, mounted there", name);
	*dev = st.st_dev;
	if ((st.st_mode & 0700) != 0700)
		fchmod(dirfd(d), 0700); /* unlinkat says if it mattered */
	*out = TAKE(d);
	return ERR_NONE;
}

/* Go up one: ".." of what was just emptied, which must be where we were. */
struct place {
	dev_t dev;
	ino_t ino;
	char *name; /* of the directory in the one above */
};

struct walk {
	struct place *places;
	size_t count;
	dev_t dev;
};

static void
walk_fini(struct walk *w)
{
	while (w->count > 0)
		free(w->places[--w->count].name);
	free(w->places);
}

static enum err_code
go_down(struct walk *w, DIR **at, const char *name, struct err *e)
{
	DIR *below = NULL;
	struct stat st;
	struct place *more;
	enum err_code rc;

	if (w->count == DEPTH_MAX)
		return err_set(e, ERR_INPUT, "directories are nested too deep");
	if (fstat(dirfd(*at), &st) != 0)
		return err_sys(e, "emptying a directory");
	more = realloc(w->places, (w->count + 1) * sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	w->places = more;
	more[w->count] = (struct place){st.st_dev, st.st_ino, strdup(name)};
	if (more[w->count].name == NULL)
		return err_nomem(e);
	w->count++;
	rc = open_dir(&below, dirfd(*at), name, &w->dev, e);
	if (rc != ERR_NONE)
		return rc;
	closedir(*at);
	*at = below;
	return ERR_NONE;
}

static enum err_code
go_up(struct walk *w, DIR **at, struct err *e)
{
	struct place *p = &w->places[w->count - 1];
	DIR *above = NULL;
	struct stat st;
	enum err_code rc = open_dir(&above, dirfd(*at), "..", &w->dev, e);

	if (rc != ERR_NONE)
		return rc;
	closedir(*at);
	*at = above;
	if (fstat(dirfd(above), &st) != 0 || st.st_dev != p->dev ||
	    st.st_ino != p->ino)
		return err_set(e, ERR_BUSY,
		    "the sandbox is being moved about while it is removed");
	if (unlinkat(dirfd(above), p->name, AT_REMOVEDIR) != 0)
		return err_sys(e, "removing '%s'", p->name);
	free(p->name);
	w->count--;
	return ERR_NONE;
}

/* Remove everything here; stop at the first directory that is not empty. */
static enum err_code
empty(struct walk *w, DIR **at, bool *went_down, struct err *e)
{
	const struct dirent *d;

	*went_down = false;
	rewinddir(*at);
	while (errno = 0, (d = readdir(*at)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(*at), d->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return err_sys(e, "removing '%s'", d->d_name);
		if (unlinkat(dirfd(*at), d->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
			return err_sys(e, "removing '%s'", d->d_name);
		*went_down = true;
		return go_down(w, at, d->d_name, e);
	}
	return errno == 0 ? ERR_NONE : err_sys(e, "listing a directory");
}

static enum err_code
empty_all(DIR **top, struct err *e)
{
	OWNED(walk_fini) struct walk w = {0};
	enum err_code rc = ERR_NONE;
	struct stat st;

	if (fstat(dirfd(*top), &st) != 0)
		return err_sys(e, "emptying the sandbox");
	w.dev = st.st_dev;
	while (rc == ERR_NONE) {
		bool went_down;

		rc = empty(&w, top, &went_down, e);
		if (rc != ERR_NONE || went_down)
			continue;
		if (w.count == 0)
			return ERR_NONE;
		rc = go_up(&w, top, e);
	}
	return rc;
}

enum err_code
exercise_sandbox_remove(const char *path, struct err *e)
{
	OWNED(fdio_close_dir) DIR *top = NULL;
	dev_t dev = 0;
	enum err_code rc = open_dir(&top, AT_FDCWD, path, &dev, e);

	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	if (rc == ERR_NONE)
		rc = empty_all(&top, e);
	if (rc == ERR_NONE && rmdir(path) != 0 && errno != ENOENT)
		rc = err_sys(e, "removing it");
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "removing the sandbox '%s'", path);
}
