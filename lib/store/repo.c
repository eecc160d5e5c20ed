#include "parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define LOCK_WAIT_NS  (30 * NS_PER_S)
#define LOCK_PAUSE_NS (5 * NS_PER_MS)
#define NAMES_MAX     ((size_t)16 << 20)

enum err_code
repo_lock(struct store *st, struct err *e)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	struct mono start = now_mono();

	ASSERT(!st->locked);
	while (fcntl(st->lock_fd, F_OFD_SETLK, &fl) != 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return err_sys(e, "cannot lock '%s/lock'", st->path);
		if (now_mono().ns - start.ns > LOCK_WAIT_NS) {
			err_set(e, ERR_BUSY,
			    "'%s/lock' was held by another program for 30 s",
			    st->path);
			return err_hint(e,
			    "fuser '%s/lock' names it; try again when it has "
			    "gone on",
			    st->path);
		}
		nanosleep(&pause, NULL);
	}
	st->locked = true;
	return ERR_NONE;
}

enum err_code
repo_try_lock(struct store *st, struct err *e)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	ASSERT(!st->locked);
	if (fcntl(st->lock_fd, F_OFD_SETLK, &fl) != 0)
		return errno == EAGAIN || errno == EACCES
		    ? err_set(e, ERR_BUSY, "'%s/lock' is held", st->path)
		    : err_sys(e, "cannot lock '%s/lock'", st->path);
	st->locked = true;
	return ERR_NONE;
}

void
repo_unlock(struct store *st)
{
	struct flock fl = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (st != NULL && st->locked)
		(void)fcntl(st->lock_fd, F_OFD_SETLK, &fl);
	if (st != NULL)
		st->locked = false;
}

void
repo_unlock_owned(struct store **st)
{
	repo_unlock(*st);
	*st = NULL;
}

bool
repo_name_is_valid(const char *name)
{
	size_t len = strnlen(name, STORE_NAME_BYTES);
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	if (len == 0 || len >= STORE_NAME_BYTES ||
	    strchr(first, name[0]) == NULL)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

enum err_code
repo_open_dir(int *out, int dirfd, const char *name, struct err *e)
{
	*out = fdio_open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (*out == -1)
		return err_sys(e, "cannot open the directory '%s'", name);
	return ERR_NONE;
}

enum err_code
repo_make_dir(int *out, int dirfd, const char *name, struct err *e)
{
	*out = -1;
	if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "cannot make the directory '%s'", name);
	/* Also when it was there: who made it may have died before this. */
	if (fsync(dirfd) != 0)
		return err_sys(e, "cannot flush the directory above '%s'",
		    name);
	return repo_open_dir(out, dirfd, name, e);
}

enum err_code
repo_open_file(int *fd, uint64_t *size_bytes, int dirfd, const char *name,
    struct err *e)
{
	OWNED(fdio_close)
	int at =
	    fdio_open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat sb;

	*fd = -1;
	if (at == -1)
		return err_sys(e, "cannot open '%s'", name);
	if (fstat(at, &sb) != 0)
		return err_sys(e, "cannot look at '%s'", name);
	if (!S_ISREG(sb.st_mode))
		return err_set(e, ERR_CORRUPT, "'%s' is not a regular file",
		    name);
	if (size_bytes != NULL)
		*size_bytes = (uint64_t)sb.st_size;
	*fd = at;
	at = -1;
	return ERR_NONE;
}

enum err_code
repo_slurp(struct buf *out, int dirfd, const char *name, size_t max_bytes,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_file(&fd, NULL, dirfd, name, e);

	buf_clear(out);
	if (rc != ERR_NONE)
		return rc;
	rc = fdio_read_all(fd, max_bytes, out, e);
	if (rc == ERR_INPUT)
		return err_set(e, ERR_CORRUPT,
		    "'%s' is larger than the %zu bytes such a file may have",
		    name, max_bytes);
	return rc == ERR_NONE ? ERR_NONE : err_wrap(e, "reading '%s'", name);
}

/* The file under the final name against ours, or against its name. */
static enum err_code
look_published(const struct repo_file *f, bool *same, struct err *e)
{
	OWNED(buf_fini) struct buf there = {0};
	OWNED(fdio_close) int fd = -1;
	struct id name, hash;
	uint64_t size;
	enum err_code rc;

	if (f->bytes != NULL) {
		rc = repo_slurp(&there, f->dirfd, f->name, f->len_bytes, e);
		*same = rc == ERR_NONE && there.len_bytes == f->len_bytes &&
		    memcmp(there.bytes, f->bytes, f->len_bytes) == 0;
		return rc;
	}
	rc = repo_open_file(&fd, &size, f->dirfd, f->name, e);
	if (rc == ERR_NONE)
		rc = hash_file(fd, size, &hash, e);
	*same = rc == ERR_NONE && id_parse(f->name, &name) &&
	    id_equal(&name, &hash);
	return rc;
}

/* Whether the file under the final name holds just these bytes. */
static enum err_code
compare_published(const struct repo_file *f, struct err *e)
{
	bool same = false;
	enum err_code rc = look_published(f, &same, e);

	if (rc != ERR_NONE && rc != ERR_CORRUPT)
		return err_wrap(e, "comparing '%s/%s'", f->what, f->name);
	if (!same)
		return err_set(e, ERR_CORRUPT,
		    "'%s/%s' exists with other content: it is damaged", f->what,
		    f->name);
	if (fsync(f->dirfd) != 0)
		return err_sys(e, "cannot flush the directory '%s'", f->what);
	return err_set(e, ERR_EXISTS, "'%s/%s' is there already", f->what,
	    f->name);
}

int
repo_rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system without that flag: a link does not replace either. */
	if (linkat(from_fd, from, to_fd, to, 0) != 0)
		return -1;
	return unlinkat(from_fd, from, 0);
}

/* The bytes, flushed, under a new name in tmp/. */
static enum err_code
write_temporary(struct store *st, const char *name, unsigned mode,
    const struct repo_file *f, struct err *e)
{
	OWNED(fdio_close)
	int fd = fdio_open_beneath(st->tmp_fd, name,
	    O_WRONLY | O_CREAT | O_EXCL, mode);
	enum err_code rc;

	if (fd == -1)
		return err_sys(e, "cannot create 'tmp/%s'", name);
	rc = fdio_write(fd, f->bytes, f->len_bytes, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "writing 'tmp/%s'", name);
	if (fsync(fd) != 0)
		return err_sys(e, "cannot flush 'tmp/%s'", name);
	return ERR_NONE;
}

static enum err_code
publish_temporary(struct store *st, const char *tmp, const struct repo_file *f,
    bool replace, struct err *e)
{
	int num = replace ? renameat(st->tmp_fd, tmp, f->dirfd, f->name)
			  : repo_rename_new(st->tmp_fd, tmp, f->dirfd, f->name);

	if (num != 0 && errno == EEXIST) {
		enum err_code rc = compare_published(f, e);

		if (rc != ERR_CORRUPT || !f->mends)
			return rc;
		num = renameat(st->tmp_fd, tmp, f->dirfd, f->name);
	}
	if (num != 0)
		return err_sys(e, "cannot publish '%s/%s'", f->what, f->name);
	if (fsync(f->dirfd) != 0)
		return err_sys(e, "cannot flush the directory '%s'", f->what);
	return ERR_NONE;
}

/* In vain when it was renamed. */
static enum err_code
end_temporary(struct store *st, const char *tmp, const struct repo_file *f,
    enum err_code rc, struct err *e)
{
	if (rc == ERR_NONE)
		return ERR_NONE;
	unlinkat(st->tmp_fd, tmp, 0);
	if (rc == ERR_EXISTS)
		return rc;
	return err_wrap(e, "saving '%s/%s' in '%s'", f->what, f->name,
	    st->path);
}

enum err_code
repo_publish(struct session *se, const struct repo_file *f, struct err *e)
{
	struct store *st = se->store;
	char tmp[SESSION_TEMPORARY_BYTES];
	enum err_code rc;

	session_temporary(se, tmp);
	rc = write_temporary(st, tmp, 0400, f, e);
	if (rc == ERR_NONE)
		rc = publish_temporary(st, tmp, f, false, e);
	return end_temporary(st, tmp, f, rc, e);
}

enum err_code
repo_publish_written(struct session *se, const char *tmp, int fd,
    struct repo_file *f, const struct id *name, struct err *e)
{
	struct store *st = se->store;
	char hex[ID_HEX_BYTES];
	enum err_code rc = ERR_NONE;

	f->name = id_hex(name, hex);
	if (fsync(fd) != 0)
		rc = err_sys(e, "cannot flush 'tmp/%s'", tmp);
	if (rc == ERR_NONE)
		rc = publish_temporary(st, tmp, f, false, e);
	rc = end_temporary(st, tmp, f, rc, e);
	f->name = NULL;
	return rc;
}

enum err_code
repo_publish_hashed(struct session *se, struct repo_file *f, struct id *name,
    struct err *e)
{
	char hex[ID_HEX_BYTES];
	enum err_code rc = hash_sha256(f->bytes, f->len_bytes, name, e);

	if (rc != ERR_NONE)
		return rc;
	f->name = id_hex(name, hex);
	rc = repo_publish(se, f, e);
	f->name = NULL;
	return rc;
}

enum err_code
repo_replace(struct store *st, const char *tmp, const struct repo_file *f,
    struct err *e)
{
	enum err_code rc = write_temporary(st, tmp, 0600, f, e);

	if (rc == ERR_NONE)
		rc = publish_temporary(st, tmp, f, true, e);
	if (rc == ERR_NONE)
		return ERR_NONE;
	unlinkat(st->tmp_fd, tmp, 0);
	return err_wrap(e, "saving '%s/%s' in '%s'", f->what, f->name,
	    st->path);
}

void
repo_names_fini(struct repo_names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->names[i]);
	free(n->names);
	n->names = NULL;
	n->count = 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum err_code
add_name(struct repo_names *n, size_t *room, const char *name, struct err *e)
{
	char *copy;

	if (n->count == *room) {
		size_t more = *room == 0 ? 64 : *room * 2;
		char **names;

		if (more > NAMES_MAX)
			return err_set(e, ERR_INPUT,
			    "more than %zu names in one directory", NAMES_MAX);
		names = reallocarray(n->names, more, sizeof(*names));
		if (names == NULL)
			return err_nomem(e);
		n->names = names;
		*room = more;
	}
	copy = strdup(name);
	if (copy == NULL)
		return err_nomem(e);
	n->names[n->count++] = copy;
	return ERR_NONE;
}

/* Only the descriptor is at hand: let the kernel say what it is of. */
static enum err_code
list_failed(int dirfd, struct err *e)
{
	const int num = errno;
	char link[32], path[512];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	errno = num;
	return err_sys(e, "cannot list the directory '%s'", path);
}

enum err_code
repo_list(struct repo_names *out, int dirfd, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names n = {0};
	OWNED(fdio_close_dir) DIR *d = fdio_open_dir(dirfd, ".");
	struct dirent *de;
	size_t room = 0;

	*out = n;
	if (d == NULL)
		return list_failed(dirfd, e);
	while (errno = 0, (de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (add_name(&n, &room, de->d_name, e) != ERR_NONE)
			return e->code;
	}
	if (errno != 0)
		return list_failed(dirfd, e);
	if (n.count > 0)
		qsort(n.names, n.count, sizeof(*n.names), compare_names);
	*out = n;
	n = (struct repo_names){0};
	return ERR_NONE;
}

enum err_code
repo_list_in(struct repo_names *out, int *dirfd, const struct store *st,
    const char *folder, struct err *e)
{
	enum err_code rc = repo_open_dir(dirfd, st->dir_fd, folder, e);

	memset(out, 0, sizeof(*out));
	if (rc == ERR_NOTFOUND)
		return ERR_NONE;
	return rc == ERR_NONE ? repo_list(out, *dirfd, e) : rc;
}

enum err_code
repo_unlink(struct store *st, const char *folder, const struct id *id,
    const char *verb, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(fdio_close) int fd = -1;
	char hex[ID_HEX_BYTES];
	enum err_code rc = repo_open_dir(&fd, st->dir_fd, folder, e);

	if (rc == ERR_NONE)
		rc = repo_lock(st, e);
	if (rc != ERR_NONE)
		return rc;
	held = st;
	if (unlinkat(fd, id_hex(id, hex), 0) != 0)
		return err_sys(e, "cannot %s %.12s", verb, hex);
	if (fsync(fd) != 0)
		return err_sys(e, "cannot flush '%s/%s'", st->path, folder);
	return ERR_NONE;
}
