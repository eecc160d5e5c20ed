#include "source_dir.h"

#include <bascule/base/fdio.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the list of open, unused nodes (under the lock) --- */

static void
list_remove(struct source_dirs *t, struct source_dir *d)
{
	*(d->newer != NULL ? &d->newer->older : &t->newest) = d->older;
	*(d->older != NULL ? &d->older->newer : &t->oldest) = d->newer;
	d->newer = d->older = NULL;
	t->open_count--;
}

static void
list_add(struct source_dirs *t, struct source_dir *d)
{
	d->older = t->newest;
	d->newer = NULL;
	*(t->newest != NULL ? &t->newest->newer : &t->oldest) = d;
	t->newest = d;
	t->open_count++;
	while (t->open_count > SOURCE_DIR_OPEN_MAX) {
		struct source_dir *old = t->oldest;

		list_remove(t, old);
		fdio_close(&old->fd);
	}
}

/* --- nodes --- */

enum err_code
source_dir_new(struct source_dir **out, struct source_dir *parent,
    const char *name, size_t name_bytes, struct err *e)
{
	struct source_dir *d = calloc(1, sizeof(*d) + name_bytes + 1);

	*out = NULL;
	if (d == NULL)
		return err_nomem(e);
	d->refs = 1;
	d->fd = -1;
	d->name_bytes = name_bytes;
	memcpy(d->name, name, name_bytes);
	if (parent != NULL) {
		d->parent = source_dir_ref(parent);
		d->depth = parent->depth + 1;
		d->path_bytes =
		    name_bytes + parent->path_bytes + (parent->path_bytes > 0);
	}
	*out = d;
	return ERR_NONE;
}

struct source_dir *
source_dir_ref(struct source_dir *dir)
{
	__atomic_add_fetch(&dir->refs, 1, __ATOMIC_RELAXED);
	return dir;
}

void
source_dir_unref(struct source_dirs *t, struct source_dir **dir)
{
	struct source_dir *d = TAKE(*dir);

	/* A chain of parents may end here: a loop, for depth has no bound. */
	while (d != NULL &&
	    __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		struct source_dir *parent = d->parent;

		pthread_mutex_lock(&t->lock);
		ASSERT(d->users == 0);
		if (d->fd >= 0) {
			list_remove(t, d);
			fdio_close(&d->fd);
		}
		pthread_mutex_unlock(&t->lock);
		free(d);
		d = parent;
	}
}

enum err_code
source_dir_table_init(struct source_dirs *t, struct err *e)
{
	enum err_code rc;

	*t =
	    (struct source_dirs){.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};
	if ((rc = source_dir_new(&t->top, NULL, "", 0, e)) != ERR_NONE)
		return rc;
	t->top->fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->top->fd < 0 && errno == EACCES)
		t->top->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->top->fd < 0) {
		rc = err_sys(e, "opening '/'");
		free_mem(&t->top);
		return rc;
	}
	t->top->users = 1; /* never closed */
	return ERR_NONE;
}

void
source_dir_table_fini(struct source_dirs *t)
{
	if (t->top != NULL) {
		ASSERT(t->top->refs == 1 && t->open_count == 0);
		fdio_close(&t->top->fd);
		free_mem(&t->top);
	}
	pthread_mutex_destroy(&t->lock);
}

/* --- descriptors --- */

static enum err_code
reopen_one(struct source_dir *d, int parent_fd, struct err *e)
{
	struct stat st;

	d->fd = openat(parent_fd, d->name,
	    O_PATH | O_DIRECTORY | O_CLOEXEC | (d->follow ? 0 : O_NOFOLLOW));
	if (d->fd < 0)
		return err_sys(e, "opening directory '%s' again", d->name);
	if (fstat(d->fd, &st) != 0) {
		err_sys(e, "looking at directory '%s' again", d->name);
		fdio_close(&d->fd);
		return e->code;
	}
	if (st.st_dev != d->dev || st.st_ino != d->inode) {
		fdio_close(&d->fd);
		return err_set(e, ERR_NOTFOUND,
		    "directory '%s' was replaced while it was read", d->name);
	}
	return ERR_NONE;
}

/* From the nearest open ancestor down; what is opened on the way is kept. */
static enum err_code
reopen(struct source_dirs *t, struct source_dir *dir, struct err *e)
{
	OWNED(free_mem) struct source_dir **chain = NULL;
	size_t count = 0, i = 0;
	enum err_code rc;

	for (struct source_dir *d = dir; d->fd < 0; d = d->parent)
		count++;
	chain = calloc(count, sizeof(struct source_dir *));
	if (chain == NULL)
		return err_nomem(e);
	for (struct source_dir *d = dir; d->fd < 0; d = d->parent)
		chain[count - ++i] = d;
	for (i = 0; i < count; i++) {
		/* parents come first: list_add may close only older ones */
		if ((rc = reopen_one(chain[i], chain[i]->parent->fd, e)) !=
		    ERR_NONE)
			return rc;
		list_add(t, chain[i]);
	}
	return ERR_NONE;
}

enum err_code
source_dir_use(struct source_dirs *t, struct source_dir *dir, int *fd,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	*fd = -1;
	pthread_mutex_lock(&t->lock);
	if (dir->fd < 0)
		rc = reopen(t, dir, e);
	if (rc == ERR_NONE) {
		if (dir->users++ == 0)
			list_remove(t, dir);
		*fd = dir->fd;
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void
source_dir_unuse(struct source_dirs *t, struct source_dir *dir)
{
	pthread_mutex_lock(&t->lock);
	ASSERT(dir->users > 0);
	if (--dir->users == 0)
		list_add(t, dir);
	pthread_mutex_unlock(&t->lock);
}

void
source_dir_adopt(struct source_dirs *t, struct source_dir *dir, int fd)
{
	pthread_mutex_lock(&t->lock);
	ASSERT(dir->fd < 0); /* it has no members yet that could open it */
	dir->fd = fd;
	dir->users = 1;
	pthread_mutex_unlock(&t->lock);
}

void
source_dir_path(const struct source_dir *dir, char *out)
{
	out[dir->path_bytes] = '\0';
	for (; dir->parent != NULL; dir = dir->parent) {
		size_t at = dir->path_bytes - dir->name_bytes;

		memcpy(out + at, dir->name, dir->name_bytes);
		if (at > 0)
			out[at - 1] = '/';
	}
}
