/*
 * The calls of programs that start programs, for fault_arm_all; see fault.c.
 * tools/wrapped.sh reads the names here: one line each.
 */
#include "support/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bascule/base/err.h>

/* clang-format off */
#define WRAP(type, bad, name, params, args)                      \
	type __real_##name params;                               \
	type __wrap_##name params;                               \
	type __wrap_##name params                                \
	{                                                        \
		return fault_all_now() ? bad : __real_##name args; \
	}

WRAP(void *, NULL, realloc, (void *p, size_t n), (p, n))
WRAP(char *, NULL, strdup, (const char *s), (s))
WRAP(int, -1, vasprintf, (char **s, const char *fmt, va_list ap), (s, fmt, ap))
WRAP(pid_t, -1, fork, (void), ())
WRAP(int, -1, dup2, (int from, int to), (from, to))
WRAP(int, -1, dup3, (int from, int to, int flags), (from, to, flags))
WRAP(int, -1, setns, (int fd, int spaces), (fd, spaces))
WRAP(int, -1, fchdir, (int fd), (fd))
WRAP(int, -1, chroot, (const char *path), (path))
WRAP(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, -1, rmdir, (const char *path), (path))
WRAP(int, -1, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, -1, rename, (const char *from, const char *to), (from, to))
WRAP(int, -1, stat, (const char *path, struct stat *st), (path, st))
WRAP(int, -1, fstat, (int fd, struct stat *st), (fd, st))
WRAP(int, -1, fstatat, (int fd, const char *name, struct stat *st, int flags), (fd, fault_kept_name(name), st, flags))
WRAP(int, -1, linkat, (int od, const char *o, int nd, const char *n, int flags), (od, fault_kept_name(o), nd, fault_kept_name(n), flags))
WRAP(int, -1, symlinkat, (const char *target, int fd, const char *name), (target, fd, fault_kept_name(name)))
WRAP(int, -1, mknodat, (int fd, const char *name, mode_t mode, dev_t dev), (fd, fault_kept_name(name), mode, dev))
WRAP(int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, -1, fchownat, (int fd, const char *name, uid_t uid, gid_t gid, int flags), (fd, name, uid, gid, flags))
WRAP(int, -1, utimensat, (int fd, const char *name, const struct timespec ts[2], int flags), (fd, name, ts, flags))
WRAP(int, -1, fremovexattr, (int fd, const char *name), (fd, name))
WRAP(off_t, -1, lseek, (int fd, off_t at, int whence), (fd, at, whence))
WRAP(int, -1, statvfs, (const char *path, struct statvfs *st), (path, st))
WRAP(DIR *, NULL, opendir, (const char *path), (path))
WRAP(DIR *, NULL, fdopendir, (int fd), (fd))
WRAP(struct dirent *, NULL, readdir, (DIR *d), (d))
WRAP(int, -1, socket, (int family, int type, int how), (family, type, how))
WRAP(int, -1, signalfd, (int fd, const sigset_t *s, int flags), (fd, s, flags))
WRAP(int, -1, poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms))
WRAP(void *, MAP_FAILED, mmap, (void *at, size_t n, int how, int flags, int fd, off_t from), (at, n, how, flags, fd, from))
/* clang-format on */

/* These two fail in one way only that leaves something to be waited for. */
pid_t __real_waitpid(pid_t pid, int *status, int flags);
pid_t __wrap_waitpid(pid_t pid, int *status, int flags);
pid_t
__wrap_waitpid(pid_t pid, int *status, int flags)
{
	if ((flags & WNOHANG) == 0 && fault_all_now()) {
		errno = EINTR;
		return -1;
	}
	return __real_waitpid(pid, status, flags);
}

int __real_waitid(idtype_t kind, id_t id, siginfo_t *info, int flags);
int __wrap_waitid(idtype_t kind, id_t id, siginfo_t *info, int flags);
int
__wrap_waitid(idtype_t kind, id_t id, siginfo_t *info, int flags)
{
	if ((flags & WNOHANG) == 0 && fault_all_now()) {
		errno = EINTR;
		return -1;
	}
	return __real_waitid(kind, id, info, flags);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (fault_all_now())
		return -1;
	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...);
int
__wrap_fcntl(int fd, int what, ...)
{
	va_list ap;
	long value;

	if (fault_all_now())
		return -1;
	va_start(ap, what);
	value = va_arg(ap, long);
	va_end(ap);
	return __real_fcntl(fd, what, value);
}

int __real_asprintf(char **s, const char *fmt, ...);
int __wrap_asprintf(char **s, const char *fmt, ...) PRINTF_LIKE(2, 3);
int
__wrap_asprintf(char **s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(s, fmt, ap);
	va_end(ap);
	return n;
}
