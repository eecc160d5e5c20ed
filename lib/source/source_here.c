#include "source_here.h"

#include <bascule/base/fdio.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "source_list.h"
#include "source_local.h"

/* On the stack: the allocator tidies up whenever 64 KiB are given back. */
#define GETDENTS_BYTES 32768

#define NAMES_MAX ((size_t)64 << 20) /* entries of one directory */

/* --- which names --- */

static enum err_code
add_dents(struct lister *t, const uint8_t *bytes, size_t len, struct err *e)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *d = (const void *)(bytes + at);
		size_t name_bytes = strlen(d->d_name);
		enum err_code rc;

		at += d->d_reclen;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (name_bytes == 0 || name_bytes > PATH_NAME_MAX ||
		    memchr(d->d_name, '/', name_bytes) != NULL)
			return err_set(e, ERR_IO,
			    "the file system gave an impossible name");
		rc = source_list_add(t,
		    &(struct walk_given){.name = d->d_name,
			.name_bytes = name_bytes,
			.d_type = d->d_type},
		    e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

static enum err_code
read_names(struct lister *t, struct err *e)
{
	_Alignas(struct dirent64) uint8_t bytes[GETDENTS_BYTES];
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE) {
		ssize_t n = getdents64(t->fd, bytes, sizeof(bytes));

		if (n < 0)
			rc = err_sys(e, "listing directory");
		if (n <= 0)
			break;
		rc = add_dents(t, bytes, (size_t)n, e);
	}
	return rc;
}

/* A directory that may be thrown away says so in this file. */
static bool
is_cache(struct lister *t)
{
	char text[sizeof(LIST_CACHEDIR_SIGNATURE) - 1];
	OWNED(fdio_close) int fd = -1;
	struct err e = {0};
	struct stat st;
	size_t got;

	fd = openat(t->fd, LIST_CACHEDIR_NAME,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    fdio_read(fd, text, sizeof(text), &got, &e) == ERR_NONE &&
	    got == sizeof(text) &&
	    memcmp(text, LIST_CACHEDIR_SIGNATURE, sizeof(text)) == 0;
}

/* --- what each of them is --- */

static void
take(struct walk_record *r, int num)
{
	if (num != 0) {
		r->errno_num = errno;
		r->code = err_of_errno(errno);
		return;
	}
	r->dev = makedev(r->st.stx_dev_major, r->st.stx_dev_minor);
}

static void
here_ask(struct lister *t, const struct walk_name *n, enum walk_links links,
    struct walk_record *r)
{
	const char *name = (const char *)t->l->bytes + n->at;
	int flags = links == WALK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW;

	take(r,
	    statx(t->fd, name, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS,
		&r->st));
}

static void
here_ask_top(struct walk *w, struct walk_record *r)
{
	struct err e;
	int fd;

	if (source_dir_use(&w->dirs, w->dirs.top, &fd, &e) != ERR_NONE) {
		r->code = e.code;
		r->why = "it cannot be opened";
		return;
	}
	take(r, statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &r->st));
	source_dir_unuse(&w->dirs, w->dirs.top);
}

/* --- into directories and out --- */

static int
open_dir(int parent_fd, const struct source_dir *d)
{
	int flags =
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | (d->follow ? 0 : O_NOFOLLOW);
	int fd = openat(parent_fd, d->name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(parent_fd, d->name, flags);
	return fd;
}

/* Open a directory for the first time; ERR_NOTFOUND: it is another by now. */
static enum err_code
enter(struct lister *t, struct err *e)
{
	struct source_dir *d = t->l->dir;
	struct stat st;
	int parent_fd;
	enum err_code rc;

	if (!t->l->whole) /* perhaps only searchable: enough for its pins */
		return source_dir_use(&t->w->dirs, d, &t->fd, e);
	rc = source_dir_use(&t->w->dirs, d->parent, &parent_fd, e);
	if (rc != ERR_NONE)
		return rc;
	t->fd = open_dir(parent_fd, d);
	if (t->fd < 0)
		rc = err_sys(e, "opening directory");
	source_dir_unuse(&t->w->dirs, d->parent);
	if (rc != ERR_NONE)
		return rc;
	if (fstat(t->fd, &st) != 0) {
		err_sys(e, "looking at the directory");
		fdio_close(&t->fd);
		return e->code;
	}
	if (st.st_dev != d->dev || st.st_ino != d->inode) {
		fdio_close(&t->fd);
		return err_set(e, ERR_NOTFOUND,
		    "the directory was replaced while it was read");
	}
	source_dir_adopt(&t->w->dirs, d, t->fd);
	return ERR_NONE;
}

static enum err_code
here_enter(struct lister *t, bool first, struct err *e)
{
	struct source_dir *d = t->l->dir;

	return first && d->parent != NULL
	    ? enter(t, e)
	    : source_dir_use(&t->w->dirs, d, &t->fd, e);
}

static void
here_leave(struct lister *t)
{
	source_dir_unuse(&t->w->dirs, t->l->dir);
}

/* --- one of them --- */

static bool
here_is_remote(struct walk *w, const struct source_item *item, const char *name)
{
	OWNED(fdio_close) int fd = -1;
	int dir_fd;
	struct err why;

	if (source_dir_use(&w->dirs, item->dir, &dir_fd, &why) != ERR_NONE)
		return true;
	fd = openat(dir_fd, name,
	    O_PATH | O_CLOEXEC | (item->follow ? 0 : O_NOFOLLOW));
	source_dir_unuse(&w->dirs, item->dir);
	return fd == -1 || fdio_is_remote(fd);
}

static enum err_code
here_open(struct walk *w, struct source_item *item, const char *name,
    struct source_file **out, struct arc_warn warn, struct err *e)
{
	int fd;
	enum err_code rc = source_dir_use(&w->dirs, item->dir, &fd, e);

	if (rc != ERR_NONE)
		return rc;
	rc = source_local_open(item, fd, name, w->ctx, out, warn, e);
	source_dir_unuse(&w->dirs, item->dir);
	return rc;
}

static void
here_free(struct walk *w)
{
	source_names_fini(w->ctx);
	free_mem(&w->ctx);
}

const struct walk_ops source_here_ops = {
    .enter = here_enter,
    .leave = here_leave,
    .names = read_names,
    .is_cache = is_cache,
    .ask = here_ask,
    .ask_top = here_ask_top,
    .open = here_open,
    .is_remote = here_is_remote,
    .free = here_free,
    .names_max = NAMES_MAX,
    .depth_max = UINT32_MAX,
    .listed_ahead_bytes = UINT64_MAX,
    .listed_bytes_max = UINT64_MAX,
};
