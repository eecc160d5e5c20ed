#include <bascule/base/fdio.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)64 << 10)

void
fdio_close(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
fdio_close_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
	*d = NULL;
}

DIR *
fdio_open_dir(int dirfd, const char *path)
{
	int fd = openat(dirfd, path,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const int why = errno;

	if (d == NULL)
		fdio_close(&fd);
	errno = why;
	return d;
}

/*
 * fdio_open_beneath, a component at a time: paths longer than the kernel takes,
 * or where it (or a container's or valgrind's idea of it) has no openat2.
 */
static int
open_by_steps(int dirfd, const char *path, int flags, unsigned mode)
{
	OWNED(fdio_close) int held = -1;
	int at = dirfd;

	if (*path == '/') {
		errno = EXDEV;
		return -1;
	}
	for (;;) {
		size_t len = strcspn(path, "/");
		char name[NAME_MAX + 1];
		bool last = path[len + strspn(path + len, "/")] == '\0';
		int fd;

		if (len > NAME_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		if (strcmp(name, "..") == 0) {
			errno = EXDEV;
			return -1;
		}
		if (last)
			return openat(at, len == 0 ? "." : name,
			    flags | O_CLOEXEC | O_NOFOLLOW, mode);
		fd = openat(at, name,
		    O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd == -1)
			return -1;
		fdio_close(&held);
		at = held = fd;
		path += len + strspn(path + len, "/");
	}
}

int
fdio_open_beneath(int dirfd, const char *path, int flags, unsigned mode)
{
	struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
	    .mode = (flags & O_CREAT) != 0 ? mode : 0,
	    .resolve =
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	int fd;

	if (strlen(path) >= PATH_MAX)
		return open_by_steps(dirfd, path, flags, mode);
	/* EAGAIN: something was renamed while it was resolved. */
	do
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd == -1 && (errno == EINTR || errno == EAGAIN));
	if (fd == -1 && errno == ENOSYS)
		return open_by_steps(dirfd, path, flags, mode);
	return fd;
}

enum err_code
fdio_write(int fd, const void *bytes, size_t len_bytes, struct err *e)
{
	const uint8_t *at = bytes;

	while (len_bytes > 0) {
		ssize_t n = write(fd, at, len_bytes);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(e, "cannot write");
		at += n;
		len_bytes -= (size_t)n;
	}
	return ERR_NONE;
}

enum err_code
fdio_pwrite(int fd, const void *bytes, size_t len_bytes, uint64_t offset_bytes,
    struct err *e)
{
	const uint8_t *at = bytes;

	while (len_bytes > 0) {
		ssize_t n = pwrite(fd, at, len_bytes, (off_t)offset_bytes);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(e, "cannot write");
		at += n;
		len_bytes -= (size_t)n;
		offset_bytes += (uint64_t)n;
	}
	return ERR_NONE;
}

enum err_code
fdio_read(int fd, void *bytes, size_t len_bytes, size_t *got, struct err *e)
{
	uint8_t *at = bytes;

	*got = 0;
	while (*got < len_bytes) {
		ssize_t n = read(fd, at + *got, len_bytes - *got);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(e, "cannot read");
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return ERR_NONE;
}

enum err_code
fdio_pread(int fd, void *bytes, size_t len_bytes, uint64_t offset_bytes,
    struct err *e)
{
	uint8_t *at = bytes;

	while (len_bytes > 0) {
		ssize_t n = pread(fd, at, len_bytes, (off_t)offset_bytes);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(e, "cannot read");
		if (n == 0)
			return err_set(e, ERR_CORRUPT,
			    "the file ends %zu bytes early", len_bytes);
		at += n;
		len_bytes -= (size_t)n;
		offset_bytes += (uint64_t)n;
	}
	return ERR_NONE;
}

enum err_code
fdio_read_all(int fd, size_t max_bytes, struct buf *out, struct err *e)
{
	size_t got = PIECE_BYTES;
	size_t start = out->len_bytes;

	while (got == PIECE_BYTES) {
		enum err_code rc = buf_reserve(out, PIECE_BYTES, e);

		if (rc == ERR_NONE)
			rc = fdio_read(fd, out->bytes + out->len_bytes,
			    PIECE_BYTES, &got, e);
		if (rc != ERR_NONE)
			return rc;
		out->len_bytes += got;
		if (out->len_bytes - start > max_bytes)
			return err_set(e, ERR_INPUT,
			    "larger than the %zu bytes allowed", max_bytes);
	}
	return ERR_NONE;
}

enum err_code
fdio_slurp(int dirfd, const char *path, size_t max_bytes, struct buf *out,
    struct err *e)
{
	OWNED(fdio_close)
	int fd = openat(dirfd, path,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -1)
		return err_sys(e, "cannot open '%s'", path);
	if (fstat(fd, &st) != 0)
		return err_sys(e, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is not a regular file",
		    path);
	if (fdio_read_all(fd, max_bytes, out, e) != ERR_NONE)
		return err_wrap(e, "reading '%s'", path);
	return ERR_NONE;
}

enum err_code
fdio_make_dirs(const char *path, mode_t mode, struct err *e)
{
	OWNED(free_mem) char *copy = strdup(path);

	if (copy == NULL)
		return err_nomem(e);
	if (*copy == '\0')
		return err_set(e, ERR_INPUT, "an empty directory name");
	for (char *at = copy + 1;; at++) {
		char end = *at;

		if (end != '/' && end != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, mode) != 0 && errno != EEXIST)
			return err_sys(e, "cannot make directory '%s'", copy);
		*at = end;
		if (end == '\0')
			return ERR_NONE;
	}
}

bool
fdio_is_remote(int fd)
{
	/* statfs(2)'s f_type */
	static const uint32_t types[] = {
	    0x6969,     /* NFS */
	    0x517b,     /* SMB */
	    0xfe534d42, /* SMB2 */
	    0xff534d42, /* CIFS */
	    0x65735546, /* FUSE */
	    0x01021997, /* 9P */
	    0x5346414f, /* AFS */
	    0x00c36400, /* CEPH */
	    0x73757245, /* CODA */
	};
	struct statfs sf;

	if (fstatfs(fd, &sf) != 0)
		return false;
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if ((uint32_t)sf.f_type == types[i])
			return true;
	return false;
}

enum err_code
fdio_open_parent(const char *path, int *dirfd, const char **name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	*name = slash == NULL ? path : slash + 1;
	if (len >= sizeof(dir) || **name == '\0')
		return err_set(e, ERR_INPUT, "cannot write a file '%s'", path);
	if (slash != NULL)
		snprintf(dir, sizeof(dir), "%.*s", len == 0 ? 1 : (int)len,
		    path);
	*dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *dirfd == -1 ? err_sys(e, "cannot open '%s'", dir) : ERR_NONE;
}
