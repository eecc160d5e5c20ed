#include "support/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

/* Threads of a pipeline count, too; with fault_arm_all, children as well. */
struct count {
	_Atomic int calls_left;
	_Atomic bool fired;
};
static struct count own, *count = &own, *shared;
static int fault_errno;
static bool reading; /* the calls that only read count too */
static bool all;     /* every call that has a wrapper */
static bool syncfs_armed;
static _Atomic bool memory_armed;
static void (*meanwhile)(void);
static bool deep; /* what changes files, and what opens them; no memory */

void
fault_arm(int nth, int num)
{
	count = &own;
	count->fired = false;
	count->calls_left = nth;
	fault_errno = num;
	meanwhile = NULL;
	reading = false;
	deep = false;
	all = false;
}

void
fault_arm_reading(int nth, int num)
{
	fault_arm(nth, num);
	reading = true;
}

void
fault_arm_deep(int nth, int num)
{
	fault_arm(nth, num);
	deep = true;
}

void
fault_meanwhile(int nth, void (*fn)(void))
{
	fault_arm_deep(nth, 0);
	meanwhile = fn;
}

void
fault_arm_all(int nth, int num)
{
	fault_arm(0, num);
	if (shared == NULL)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
	shared->fired = false;
	shared->calls_left = nth;
	count = shared;
	all = true;
}

int
fault_step(int by_default)
{
	return getenv("EVERY_CALL") != NULL ? 1 : by_default;
}

void
fault_arm_syncfs(int num)
{
	fault_arm(0, num);
	syncfs_armed = true;
}

void
fault_arm_memory(void)
{
	fault_arm(0, 0);
	memory_armed = true;
}

bool
fault_fired(void)
{
	syncfs_armed = false;
	memory_armed = false;
	all = false;
	count->calls_left = 0;
	return count->fired;
}

static bool
fault_now(void)
{
	if (count->calls_left <= 0 || --count->calls_left != 0)
		return false;
	count->fired = true;
	if (meanwhile != NULL) {
		meanwhile();
		return false;
	}
	errno = fault_errno;
	return true;
}

static bool
fault_reading(void)
{
	return (reading || all) && fault_now();
}

static bool
fault_deep(void)
{
	return (deep || all) && fault_now();
}

bool
fault_all_now(void)
{
	return all && fault_now();
}

static const char *given_name, *kept_name;

void
fault_names(const char *given, const char *kept)
{
	given_name = given;
	kept_name = kept;
}

const char *
fault_kept_name(const char *path)
{
	static _Thread_local char rooms[4][PATH_MAX];
	static _Thread_local unsigned turn;
	const char *at = given_name == NULL ? NULL : strstr(path, given_name);
	char *room = rooms[turn++ % 4];

	if (at == NULL)
		return path;
	snprintf(room, PATH_MAX, "%.*s%s%s", (int)(at - path), path, kept_name,
	    at + strlen(given_name));
	return room;
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int ofd, const char *o, int nfd, const char *n);
int __wrap_renameat(int ofd, const char *o, int nfd, const char *n);
int __real_renameat2(int ofd, const char *o, int nfd, const char *n,
    unsigned flags);
int __wrap_renameat2(int ofd, const char *o, int nfd, const char *n,
    unsigned flags);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

ssize_t
__wrap_write(int fd, const void *bytes, size_t len)
{
	return fault_now() ? -1 : __real_write(fd, bytes, len);
}

static fault_listener *listener;

void
fault_listen(fault_listener *fn)
{
	listener = fn;
}

/* What the listener makes of it; true: it is to fail. */
static bool
is_stopped(const char *call, int fd, const char *name)
{
	int num = listener == NULL ? 0 : listener(call, fd, name);

	if (num != 0)
		errno = num;
	return num != 0;
}

int
__wrap_fsync(int fd)
{
	return fault_now() || is_stopped("fsync", fd, "") ? -1
							  : __real_fsync(fd);
}

int
__wrap_renameat(int ofd, const char *o, int nfd, const char *n)
{
	return fault_now() || is_stopped("renameat", nfd, n)
	    ? -1
	    : __real_renameat(ofd, o, nfd, n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return !deep && fault_now() ? NULL : __real_calloc(n, size);
}

int
__wrap_renameat2(int ofd, const char *o, int nfd, const char *n, unsigned flags)
{
	return fault_now() ? -1 : __real_renameat2(ofd, o, nfd, n, flags);
}

static bool is_remote;
static int remote_lag_s;

void
fault_remote(bool on, int lag_s)
{
	is_remote = on;
	remote_lag_s = lag_s;
}

int __real_fstatfs(int fd, struct statfs *sf);
int __wrap_fstatfs(int fd, struct statfs *sf);
int
__wrap_fstatfs(int fd, struct statfs *sf)
{
	int rc = __real_fstatfs(fd, sf);

	if (is_remote)
		sf->f_type = 0x6969;
	return rc;
}

int __real_statx(int fd, const char *name, int flags, unsigned mask,
    struct statx *st);
int __wrap_statx(int fd, const char *name, int flags, unsigned mask,
    struct statx *st);
int
__wrap_statx(int fd, const char *name, int flags, unsigned mask,
    struct statx *st)
{
	if (fault_reading() || __real_statx(fd, name, flags, mask, st) != 0)
		return -1;
	st->stx_mtime.tv_sec -= remote_lag_s;
	st->stx_ctime.tv_sec -= remote_lag_s;
	return 0;
}

ssize_t __real_getdents64(int fd, void *bytes, size_t len);
ssize_t __wrap_getdents64(int fd, void *bytes, size_t len);
ssize_t
__wrap_getdents64(int fd, void *bytes, size_t len)
{
	return fault_reading() ? -1 : __real_getdents64(fd, bytes, len);
}

ssize_t __real_flistxattr(int fd, char *names, size_t size);
ssize_t __wrap_flistxattr(int fd, char *names, size_t size);
ssize_t
__wrap_flistxattr(int fd, char *names, size_t size)
{
	return fault_reading() ? -1 : __real_flistxattr(fd, names, size);
}

ssize_t __real_fgetxattr(int fd, const char *name, void *value, size_t size);
ssize_t __wrap_fgetxattr(int fd, const char *name, void *value, size_t size);
ssize_t
__wrap_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return fault_reading() ? -1 : __real_fgetxattr(fd, name, value, size);
}

int __real_fsetxattr(int fd, const char *name, const void *value, size_t size,
    int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size,
    int flags);
int
__wrap_fsetxattr(int fd, const char *name, const void *value, size_t size,
    int flags)
{
	return fault_reading() ? -1
			       : __real_fsetxattr(fd, name, value, size, flags);
}

ssize_t __real_readlinkat(int fd, const char *name, char *out, size_t size);
ssize_t __wrap_readlinkat(int fd, const char *name, char *out, size_t size);
ssize_t
__wrap_readlinkat(int fd, const char *name, char *out, size_t size)
{
	return fault_reading() ? -1 : __real_readlinkat(fd, name, out, size);
}

int __real_futimens(int fd, const struct timespec ts[2]);
int __wrap_futimens(int fd, const struct timespec ts[2]);
int
__wrap_futimens(int fd, const struct timespec ts[2])
{
	return fault_reading() ? -1 : __real_futimens(fd, ts);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int
__wrap_fchmod(int fd, mode_t mode)
{
	return fault_reading() ? -1 : __real_fchmod(fd, mode);
}

int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags);
int
__wrap_pipe2(int fds[2], int flags)
{
	return fault_reading() ? -1 : __real_pipe2(fds, flags);
}

int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
    const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
    const sigset_t *mask);
int
__wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
    const sigset_t *mask)
{
	return fault_reading() ? -1 : __real_ppoll(fds, n, timeout, mask);
}

ssize_t __real_pread(int fd, void *bytes, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t len, off_t at);
ssize_t
__wrap_pread(int fd, void *bytes, size_t len, off_t at)
{
	return fault_reading() ? -1 : __real_pread(fd, bytes, len, at);
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return fault_deep() ? -1 : __real_pwrite(fd, bytes, len, at);
}

int __real_openat(int fd, const char *name, int flags, ...);
int __wrap_openat(int fd, const char *name, int flags, ...);
int
__wrap_openat(int fd, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (fault_reading())
		return -1;
	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return __real_openat(fd, fault_kept_name(name), flags, mode);
}

static int (*cloner)(int fd, int from);

void
fault_cloner(int (*fn)(int fd, int from))
{
	cloner = fn;
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int
__wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	if (fault_all_now())
		return -1;
	return request == FICLONE && cloner != NULL
	    ? cloner(fd, (int)arg)
	    : __real_ioctl(fd, request, arg);
}

int __real_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int
__wrap_mkdirat(int fd, const char *name, mode_t mode)
{
	return fault_deep() ? -1
			    : __real_mkdirat(fd, fault_kept_name(name), mode);
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int
__wrap_unlinkat(int fd, const char *name, int flags)
{
	return fault_deep() || is_stopped("unlinkat", fd, name)
	    ? -1
	    : __real_unlinkat(fd, fault_kept_name(name), flags);
}

int __real_syncfs(int fd);
int __wrap_syncfs(int fd);
int
__wrap_syncfs(int fd)
{
	if (syncfs_armed) {
		syncfs_armed = false;
		count->fired = true;
		errno = fault_errno;
		return -1;
	}
	return fault_deep() ? -1 : __real_syncfs(fd);
}

ssize_t __real_read(int fd, void *bytes, size_t len);
ssize_t __wrap_read(int fd, void *bytes, size_t len);
ssize_t
__wrap_read(int fd, void *bytes, size_t len)
{
	return fault_deep() ? -1 : __real_read(fd, bytes, len);
}

/*
 * openat2(2) has no other way in.  All that can be given is taken as if it had
 * been: reading more variable arguments than there are is an error to clang.
 */
long __real_syscall(long number, long a, long b, long c, long d, long e,
    long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
    long f);
long
__wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (fault_deep())
		return -1;
	if (number == SYS_openat2)
		b = (long)fault_kept_name((const char *)b);
	return __real_syscall(number, a, b, c, d, e, f);
}

size_t __real_ZSTD_compress2(void *ctx, void *to, size_t room, const void *from,
    size_t len);
size_t __wrap_ZSTD_compress2(void *ctx, void *to, size_t room, const void *from,
    size_t len);
size_t
__wrap_ZSTD_compress2(void *ctx, void *to, size_t room, const void *from,
    size_t len)
{
	uint8_t *bad;
	size_t n;

	if (!memory_armed || len == 0)
		return __real_ZSTD_compress2(ctx, to, room, from, len);
	count->fired = true;
	bad = malloc(len);
	memcpy(bad, from, len);
	bad[len / 2] ^= 0x10;
	n = __real_ZSTD_compress2(ctx, to, room, bad, len);
	free(bad);
	return n;
}

int
fault_fds_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int fds = 0;

	while (readdir(dir) != NULL)
		fds++;
	closedir(dir);
	return fds;
}
