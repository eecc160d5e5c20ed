/*
 * Between a program and the kernel (LD_PRELOAD), for the campaigns beside it.
 * Only calls made by the program itself count, not its libraries' own.
 *
 *	SHIM_MODE	kill	SIGKILL just before the nth call that changes files
 *			torn	half of the nth write is done, then SIGKILL
 *			fail	the nth call of any kind fails with SHIM_ERRNO
 *			full	as fail, and so does every changing call after it
 *			short	the nth read or write moves half of its bytes
 *			lost	the nth flush fails and what it was for is gone
 *			nomem	the nth allocation is refused
 *			record	what changes is told, with its bytes (see states.py)
 *	SHIM_AT		n, 1 is the first
 *	SHIM_ROOT	only what lies below this folder counts (kill, torn, lost, record)
 *	SHIM_LOG	where is told what the nth was; nothing told: there was none
 */
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum kind { LOOK, READ, CHANGE, WRITE, FLUSH, ALLOC };
enum mode { OFF, KILL, TORN, FAIL, FULL, SHORT, LOST, NOMEM, RECORD };

static const char *const mode_names[] = {"off", "kill", "torn", "fail", "full",
    "short", "lost", "nomem", "record"};

static enum mode mode;
static _Atomic long *calls; /* shared with what it forks */
static long at;
static int error_number = EIO;
static char root[PATH_MAX];
static size_t root_len;
static int log_fd = -1;
static uintptr_t program_begin, program_end;
static long (*raw)(long, ...);
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define CALLER ((uintptr_t)__builtin_return_address(0))

static void
find_program(void)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	unsigned long count = getauxval(AT_PHNUM);
	uintptr_t base = 0;

	for (unsigned long i = 0; i < count; i++)
		if (ph[i].p_type == PT_PHDR)
			base = (uintptr_t)ph - ph[i].p_vaddr;
	program_begin = UINTPTR_MAX;
	for (unsigned long i = 0; i < count; i++) {
		uintptr_t from = base + ph[i].p_vaddr;

		if (ph[i].p_type != PT_LOAD)
			continue;
		if (from < program_begin)
			program_begin = from;
		if (from + ph[i].p_memsz > program_end)
			program_end = from + ph[i].p_memsz;
	}
}

static void tell(const char *op, const char *path);

/* How many there were, where nothing befell the program. */
__attribute__((destructor)) static void
end(void)
{
	if (mode != OFF && mode != RECORD)
		tell("end", "");
}

/* A worker, and what it has forked, end so. */
void
_exit(int status)
{
	end();
	for (;;)
		raw(SYS_exit_group, status);
}

/* A step's process closes all that is not its own: but the log. */
int
close_range(unsigned first, unsigned last, int flags)
{
	unsigned kept = (unsigned)log_fd;
	long n;

	if (log_fd < 0 || kept < first || kept > last)
		return (int)raw(SYS_close_range, first, last, flags);
	n = kept > first ? raw(SYS_close_range, first, kept - 1, flags) : 0;
	return n == 0 && kept < last
	    ? (int)raw(SYS_close_range, kept + 1, last, flags)
	    : (int)n;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *name = getenv("SHIM_MODE"), *log = getenv("SHIM_LOG");
	const char *number = getenv("SHIM_ERRNO"), *n = getenv("SHIM_AT");
	const char *below = getenv("SHIM_ROOT");

	*(void **)&raw = dlsym(RTLD_NEXT, "syscall");
	find_program();
	if (name == NULL || log == NULL)
		return;
	at = n == NULL ? 0 : strtol(n, NULL, 10);
	if (number != NULL)
		error_number = (int)strtol(number, NULL, 10);
	snprintf(root, sizeof(root), "%s", below == NULL ? "" : below);
	root_len = strlen(root);
	calls = (void *)raw(SYS_mmap, NULL, sizeof(*calls),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0L);
	log_fd = (int)raw(SYS_openat, AT_FDCWD, log,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	log_fd = fcntl(log_fd, F_DUPFD_CLOEXEC, 900);
	for (size_t i = 0; i < sizeof(mode_names) / sizeof(*mode_names); i++)
		if (strcmp(name, mode_names[i]) == 0)
			mode = (enum mode)i;
}

static void
fd_path(int fd, char out[PATH_MAX])
{
	char link[64];
	long n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = raw(SYS_readlinkat, AT_FDCWD, link, out, PATH_MAX - 1);
	out[n < 0 ? 0 : n] = '\0';
}

static void
full_path(int dirfd, const char *name, char out[PATH_MAX])
{
	size_t len = 0;

	out[0] = '\0';
	if (name != NULL && name[0] == '/') {
		snprintf(out, PATH_MAX, "%s", name);
		return;
	}
	if (dirfd == AT_FDCWD)
		raw(SYS_getcwd, out, PATH_MAX);
	else
		fd_path(dirfd, out);
	len = strlen(out);
	if (name != NULL && len + strlen(name) + 2 < PATH_MAX) {
		out[len++] = '/';
		memcpy(out + len, name, strlen(name) + 1);
	}
}

static bool
is_below(const char *path)
{
	return root_len == 0 ||
	    (strncmp(path, root, root_len) == 0 &&
		(path[root_len] == '/' || path[root_len] == '\0'));
}

static void
tell(const char *op, const char *path)
{
	char line[PATH_MAX + 64];
	int n =
	    snprintf(line, sizeof(line), "%ld %s %s\n", (long)*calls, op, path);

	raw(SYS_write, log_fd, line, n);
}

static bool
counts(enum kind kind, uintptr_t caller)
{
	if (mode == OFF || mode == RECORD || caller < program_begin ||
	    caller >= program_end)
		return false;
	switch (mode) {
	case KILL: return kind == CHANGE || kind == WRITE || kind == FLUSH;
	case TORN: return kind == WRITE;
	case SHORT: return kind == READ || kind == WRITE;
	case LOST: return kind == FLUSH;
	case NOMEM: return kind == ALLOC;
	case FULL: return kind == CHANGE || kind == WRITE;
	default: return kind != ALLOC;
	}
}

/* Is this the call that is meant?  KILL does not come back. */
static bool
is_it(enum kind kind, const char *op, int dirfd, const char *name,
    uintptr_t caller)
{
	char path[PATH_MAX];
	long n;

	if (!counts(kind, caller))
		return false;
	full_path(dirfd, name, path);
	if (!is_below(path))
		return false;
	n = ++*calls;
	if (n != at)
		return mode == FULL && at != 0 && n > at;
	tell(op, path);
	if (mode == KILL) {
		raw(SYS_tgkill, raw(SYS_getpid), raw(SYS_gettid),
		    SIGKILL); /* kill(2) a receiver has given up */
		for (;;)
			raw(SYS_pause);
	}
	return true;
}

static bool
fails(enum kind kind, const char *op, int dirfd, const char *name,
    uintptr_t caller)
{
	if (!is_it(kind, op, dirfd, name, caller))
		return false;
	errno = error_number;
	return true;
}

/* --- what is recorded ---------------------------------------------------- */

/* op, inode, offset or length, length of the bytes that follow, names. */
static void
record(const char *op, int fd, const char *one, const char *two, int64_t where,
    const void *bytes, size_t len)
{
	static char line[2 * PATH_MAX + 128];
	struct stat st = {0};
	int n;

	if (fd >= 0)
		raw(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
	n = snprintf(line, sizeof(line), "%s %lu %ld %zu\t%s\t%s\n", op,
	    (unsigned long)st.st_ino, (long)where, len, one + root_len,
	    two == NULL ? "" : two + root_len);
	raw(SYS_write, log_fd, line, n);
	for (size_t done = 0; done < len;)
		done += (size_t)raw(SYS_write, log_fd,
		    (const char *)bytes + done, len - done);
}

/*
 * Begins the record of a call: true, with the lock held, when it is below the
 * root and made by the program.
 */
static bool
records(int dirfd, const char *name, char path[PATH_MAX], uintptr_t caller)
{
	if (mode != RECORD || caller < program_begin || caller >= program_end)
		return false;
	full_path(dirfd, name, path);
	if (!is_below(path))
		return false;
	pthread_mutex_lock(&order);
	return true;
}

static int
recorded(long result)
{
	int num = errno;

	pthread_mutex_unlock(&order);
	errno = num;
	return (int)result;
}

/* --- opening ------------------------------------------------------------- */

static int
open_any(int dirfd, const char *name, int flags, bool changes, uintptr_t caller,
    const struct open_how *how, int mode_bits)
{
	char path[PATH_MAX];
	bool recording, existed = true;
	int fd;

	if (fails(changes ? CHANGE : LOOK, "open", dirfd, name, caller))
		return -1;
	recording = changes && records(dirfd, name, path, caller);
	if (recording)
		existed = raw(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
	fd = how != NULL ? (int)raw(SYS_openat2, dirfd, name, how, sizeof(*how))
			 : (int)raw(SYS_openat, dirfd, name, flags, mode_bits);
	if (!recording)
		return fd;
	if (fd != -1 && !existed)
		record("create", fd, path, NULL, 0, NULL, 0);
	else if (fd != -1 && (flags & O_TRUNC) != 0)
		record("truncate", fd, path, NULL, 0, NULL, 0);
	return recorded(fd);
}

static bool
changes_files(int flags)
{
	return (flags & (O_CREAT | O_TRUNC)) != 0;
}

int
openat(int dirfd, const char *name, int flags, ...)
{
	int bits = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		bits = va_arg(ap, int);
	va_end(ap);
	return open_any(dirfd, name, flags, changes_files(flags), CALLER, NULL,
	    bits);
}

int
open(const char *name, int flags, ...)
{
	int bits = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & (O_CREAT | O_TMPFILE)) != 0)
		bits = va_arg(ap, int);
	va_end(ap);
	return open_any(AT_FDCWD, name, flags, changes_files(flags), CALLER,
	    NULL, bits);
}

/* openat2(2) has no other way in. */
long
syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2) {
		const struct open_how *how = (const void *)a[2];

		return open_any((int)a[0], (const char *)a[1], (int)how->flags,
		    changes_files((int)how->flags), CALLER, how, 0);
	}
	return raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- moving bytes -------------------------------------------------------- */

static void
die_after(long nr, int fd, const void *bytes, size_t len, off_t where)
{
	raw(nr, fd, bytes, len / 2, where);
	raw(SYS_tgkill, raw(SYS_getpid), raw(SYS_gettid),
	    SIGKILL); /* kill(2) a receiver has given up */
	for (;;)
		raw(SYS_pause);
}

static ssize_t
move(long nr, enum kind kind, const char *op, int fd, void *bytes, size_t len,
    off_t where, uintptr_t caller)
{
	char path[PATH_MAX];
	ssize_t n;

	if (len > 1 || mode == FAIL || mode == FULL || mode == KILL) {
		if (is_it(kind, op, fd, NULL, caller)) {
			if (mode == TORN)
				die_after(nr, fd, bytes, len, where);
			if (mode == SHORT)
				return raw(nr, fd, bytes, len / 2, where);
			errno = error_number;
			return -1;
		}
	}
	if (kind == READ || !records(fd, NULL, path, caller))
		return raw(nr, fd, bytes, len, where);
	if (nr == SYS_write)
		where = raw(SYS_lseek, fd, 0L, SEEK_CUR);
	n = raw(nr, fd, bytes, len, where);
	if (n > 0)
		record("write", fd, path, NULL, where, bytes, (size_t)n);
	recorded(0);
	return n;
}

ssize_t
read(int fd, void *bytes, size_t len)
{
	return move(SYS_read, READ, "read", fd, bytes, len, 0, CALLER);
}

ssize_t
pread(int fd, void *bytes, size_t len, off_t where)
{
	return move(SYS_pread64, READ, "pread", fd, bytes, len, where, CALLER);
}

/* What is said on standard output is said to the one who waits for it. */
ssize_t
write(int fd, const void *bytes, size_t len)
{
	if (fd == STDOUT_FILENO && mode == RECORD) {
		pthread_mutex_lock(&order);
		record("said", -1, root, NULL, 0, bytes, len);
		pthread_mutex_unlock(&order);
	}
	return move(SYS_write, WRITE, "write", fd, (void *)bytes, len, 0,
	    CALLER);
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t where)
{
	return move(SYS_pwrite64, WRITE, "pwrite", fd, (void *)bytes, len,
	    where, CALLER);
}

int
ftruncate(int fd, off_t len)
{
	char path[PATH_MAX];
	long n;

	if (fails(CHANGE, "ftruncate", fd, NULL, CALLER))
		return -1;
	if (!records(fd, NULL, path, CALLER))
		return (int)raw(SYS_ftruncate, fd, len);
	n = raw(SYS_ftruncate, fd, len);
	if (n == 0)
		record("truncate", fd, path, NULL, len, NULL, 0);
	return recorded(n);
}

int
fallocate(int fd, int how, off_t from, off_t len)
{
	char path[PATH_MAX];
	long n;

	if (fails(CHANGE, "fallocate", fd, NULL, CALLER))
		return -1;
	if (!records(fd, NULL, path, CALLER))
		return (int)raw(SYS_fallocate, fd, how, from, len);
	n = raw(SYS_fallocate, fd, how, from, len);
	if (n == 0 && how == 0)
		record("truncate", fd, path, NULL, from + len, NULL, 0);
	return recorded(n);
}

int
posix_fallocate(int fd, off_t from, off_t len)
{
	return fallocate(fd, 0, from, len) == 0 ? 0 : errno;
}

/* --- names --------------------------------------------------------------- */

static int
rename_any(const char *op, int ofd, const char *from, int nfd, const char *to,
    unsigned flags, uintptr_t caller)
{
	char old[PATH_MAX], new[PATH_MAX];
	long n;

	if (fails(CHANGE, op, nfd, to, caller))
		return -1;
	if (!records(nfd, to, new, caller))
		return (int)raw(SYS_renameat2, ofd, from, nfd, to, flags);
	full_path(ofd, from, old);
	n = raw(SYS_renameat2, ofd, from, nfd, to, flags);
	if (n == 0)
		record(flags == RENAME_EXCHANGE ? "exchange" : "rename", -1,
		    old, new, 0, NULL, 0);
	return recorded(n);
}

int
rename(const char *from, const char *to)
{
	return rename_any("rename", AT_FDCWD, from, AT_FDCWD, to, 0, CALLER);
}

int
renameat(int ofd, const char *from, int nfd, const char *to)
{
	return rename_any("renameat", ofd, from, nfd, to, 0, CALLER);
}

int
renameat2(int ofd, const char *from, int nfd, const char *to, unsigned flags)
{
	return rename_any("renameat2", ofd, from, nfd, to, flags, CALLER);
}

int
linkat(int ofd, const char *from, int nfd, const char *to, int flags)
{
	char old[PATH_MAX], new[PATH_MAX];
	long n;

	if (fails(CHANGE, "linkat", nfd, to, CALLER))
		return -1;
	if (!records(nfd, to, new, CALLER))
		return (int)raw(SYS_linkat, ofd, from, nfd, to, flags);
	full_path(ofd, from, old);
	n = raw(SYS_linkat, ofd, from, nfd, to, flags);
	if (n == 0)
		record("link", -1, old, new, 0, NULL, 0);
	return recorded(n);
}

static int
unlink_any(int dirfd, const char *name, int flags, uintptr_t caller)
{
	char path[PATH_MAX];
	long n;

	if (fails(CHANGE, "unlink", dirfd, name, caller))
		return -1;
	if (!records(dirfd, name, path, caller))
		return (int)raw(SYS_unlinkat, dirfd, name, flags);
	n = raw(SYS_unlinkat, dirfd, name, flags);
	if (n == 0)
		record(flags == 0 ? "unlink" : "rmdir", -1, path, NULL, 0, NULL,
		    0);
	return recorded(n);
}

int
unlinkat(int dirfd, const char *name, int flags)
{
	return unlink_any(dirfd, name, flags, CALLER);
}

int
unlink(const char *name)
{
	return unlink_any(AT_FDCWD, name, 0, CALLER);
}

int
rmdir(const char *name)
{
	return unlink_any(AT_FDCWD, name, AT_REMOVEDIR, CALLER);
}

static int
mkdir_any(int dirfd, const char *name, mode_t bits, uintptr_t caller)
{
	char path[PATH_MAX];
	long n;

	if (fails(CHANGE, "mkdir", dirfd, name, caller))
		return -1;
	if (!records(dirfd, name, path, caller))
		return (int)raw(SYS_mkdirat, dirfd, name, bits);
	n = raw(SYS_mkdirat, dirfd, name, bits);
	if (n == 0)
		record("mkdir", -1, path, NULL, 0, NULL, 0);
	return recorded(n);
}

int
mkdirat(int dirfd, const char *name, mode_t bits)
{
	return mkdir_any(dirfd, name, bits, CALLER);
}

int
mkdir(const char *name, mode_t bits)
{
	return mkdir_any(AT_FDCWD, name, bits, CALLER);
}

int
symlinkat(const char *to, int dirfd, const char *name)
{
	if (fails(CHANGE, "symlinkat", dirfd, name, CALLER))
		return -1;
	return (int)raw(SYS_symlinkat, to, dirfd, name);
}

/* --- flushing ------------------------------------------------------------ */

#define TRACKED_MAX 512

/* Written since it was last flushed, or made by this process. */
static struct tracked {
	ino_t inode;
	off_t flushed_bytes;
	char path[160];
} tracked[TRACKED_MAX];
static size_t tracked_count;

static struct tracked *
track(int fd)
{
	struct stat st;

	raw(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
	for (size_t i = 0; i < tracked_count; i++)
		if (tracked[i].inode == st.st_ino)
			return &tracked[i];
	if (tracked_count == TRACKED_MAX)
		return NULL;
	tracked[tracked_count].inode = st.st_ino;
	return &tracked[tracked_count++];
}

/* The kernel marks pages clean that it failed to write, and drops them. */
static void
lose(int fd, bool all)
{
	char path[PATH_MAX], tmp[PATH_MAX + 8];
	struct stat st;
	DIR *dir;

	raw(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
	if (!all && S_ISREG(st.st_mode)) {
		struct tracked *t = track(fd);

		raw(SYS_ftruncate, fd, t == NULL ? 0 : t->flushed_bytes);
		return;
	}
	if (!all)
		return;
	fd_path(fd, path); /* what is flushed at once lies in this folder */
	dir = opendir(path);
	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
		snprintf(tmp, sizeof(tmp), "%.3000s/%s", path, d->d_name);
		if (d->d_type == DT_REG)
			raw(SYS_truncate, tmp, 0L);
	}
	if (dir != NULL)
		closedir(dir);
}

static int
flush_any(long nr, const char *op, int fd, uintptr_t caller)
{
	char path[PATH_MAX];
	long n;

	if (is_it(FLUSH, op, fd, NULL, caller)) {
		if (mode == LOST)
			lose(fd, nr == SYS_syncfs);
		errno = error_number;
		return -1;
	}
	if (!records(fd, NULL, path, caller)) {
		struct stat st;
		struct tracked *t;

		n = raw(nr, fd);
		if (mode != LOST || nr == SYS_syncfs)
			return (int)n;
		pthread_mutex_lock(&order);
		raw(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
		if ((t = track(fd)) != NULL)
			t->flushed_bytes = st.st_size;
		return recorded(n);
	}
	n = raw(nr, fd);
	if (n == 0)
		record(nr == SYS_syncfs ? "syncfs" : "fsync", fd, path, NULL, 0,
		    NULL, 0);
	return recorded(n);
}

int
fsync(int fd)
{
	return flush_any(SYS_fsync, "fsync", fd, CALLER);
}

int
fdatasync(int fd)
{
	return flush_any(SYS_fdatasync, "fdatasync", fd, CALLER);
}

int
syncfs(int fd)
{
	return flush_any(SYS_syncfs, "syncfs", fd, CALLER);
}

/* --- looking, waiting, asking for things --------------------------------- */

#define LOOKING(ret, name, bad, fd, path, params, ...)             \
	ret name params;                                           \
	ret name params                                            \
	{                                                          \
		static ret(*real) params;                          \
		if (fails(LOOK, #name, fd, path, CALLER))          \
			return bad;                                \
		if (real == NULL)                                  \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		return real(__VA_ARGS__);                          \
	}

LOOKING(int, fstat, -1, fd, NULL, (int fd, struct stat *st), fd, st)
LOOKING(int, stat, -1, AT_FDCWD, name, (const char *name, struct stat *st),
    name, st)
LOOKING(int, fstatat, -1, fd, name,
    (int fd, const char *name, struct stat *st, int flags), fd, name, st, flags)
LOOKING(int, statx, -1, fd, name,
    (int fd, const char *name, int flags, unsigned mask, struct statx *st), fd,
    name, flags, mask, st)
LOOKING(int, fstatfs, -1, fd, NULL, (int fd, struct statfs *st), fd, st)
LOOKING(ssize_t, getdents64, -1, fd, NULL, (int fd, void *bytes, size_t len),
    fd, bytes, len)
LOOKING(DIR *, fdopendir, NULL, fd, NULL, (int fd), fd)
LOOKING(DIR *, opendir, NULL, AT_FDCWD, name, (const char *name), name)
LOOKING(void *, mmap, MAP_FAILED, fd, NULL,
    (void *where, size_t len, int prot, int flags, int fd, off_t from), where,
    len, prot, flags, fd, from)
LOOKING(ssize_t, readlinkat, -1, fd, name,
    (int fd, const char *name, char *out, size_t len), fd, name, out, len)
LOOKING(ssize_t, flistxattr, -1, fd, NULL, (int fd, char *out, size_t len), fd,
    out, len)
LOOKING(ssize_t, fgetxattr, -1, fd, NULL,
    (int fd, const char *name, void *out, size_t len), fd, name, out, len)
LOOKING(int, dup, -1, fd, NULL, (int fd), fd)
LOOKING(int, dup2, -1, fd, NULL, (int fd, int to), fd, to)
LOOKING(int, dup3, -1, fd, NULL, (int fd, int to, int flags), fd, to, flags)
LOOKING(pid_t, fork, -1, AT_FDCWD, NULL, (void), )
LOOKING(int, execvpe, -1, AT_FDCWD, name,
    (const char *name, char *const *argv, char *const *env), name, argv, env)
LOOKING(int, eventfd, -1, AT_FDCWD, NULL, (unsigned n, int flags), n, flags)
LOOKING(int, signalfd, -1, fd, NULL, (int fd, const sigset_t *set, int flags),
    fd, set, flags)
LOOKING(int, statvfs, -1, AT_FDCWD, name,
    (const char *name, struct statvfs *st), name, st)
LOOKING(int, pipe2, -1, AT_FDCWD, NULL, (int fds[2], int flags), fds, flags)
LOOKING(int, poll, -1, AT_FDCWD, NULL, (struct pollfd * p, nfds_t n, int ms), p,
    n, ms)
LOOKING(int, pthread_create, EAGAIN, AT_FDCWD, NULL,
    (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *ctx),
    t, a, run, ctx)

LOOKING(int, fchmod, -1, fd, NULL, (int fd, mode_t bits), fd, bits)
LOOKING(int, futimens, -1, fd, NULL, (int fd, const struct timespec t[2]), fd,
    t)
LOOKING(int, fchownat, -1, fd, name,
    (int fd, const char *name, uid_t u, gid_t g, int flags), fd, name, u, g,
    flags)
LOOKING(int, utimensat, -1, fd, name,
    (int fd, const char *name, const struct timespec t[2], int flags), fd, name,
    t, flags)

/* Whatever close(2) says, it has closed. */
int
close(int fd)
{
	bool failing = fails(LOOK, "close", fd, NULL, CALLER);
	long n = raw(SYS_close, fd);

	if (failing)
		errno = error_number;
	return failing ? -1 : (int)n;
}

/* Locking: OFD locks have the third argument always. */
int
fcntl(int fd, int command, ...)
{
	va_list ap;
	void *argument;

	va_start(ap, command);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (command != F_DUPFD_CLOEXEC &&
	    fails(LOOK, "fcntl", fd, NULL, CALLER))
		return -1;
	return (int)raw(SYS_fcntl, fd, command, argument);
}

/* --- memory -------------------------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *was, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool
refused(const char *op, uintptr_t caller)
{
	if (mode != NOMEM || caller < program_begin || caller >= program_end ||
	    ++*calls != at)
		return false;
	{
		char where[32];

		snprintf(where, sizeof(where), "+0x%lx",
		    (unsigned long)(caller - program_begin));
		tell(op, where);
	}
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return refused("malloc", CALLER) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return refused("calloc", CALLER) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *was, size_t size)
{
	return refused("realloc", CALLER) ? NULL : __libc_realloc(was, size);
}

void *
reallocarray(void *was, size_t n, size_t size)
{
	size_t bytes;

	if (refused("reallocarray", CALLER))
		return NULL;
	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(was, bytes);
}

char *
strndup(const char *text, size_t most)
{
	size_t len = strnlen(text, most);
	char *copy = refused("strndup", CALLER) ? NULL : __libc_malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
strdup(const char *text)
{
	size_t len = strlen(text);
	char *copy = refused("strdup", CALLER) ? NULL : __libc_malloc(len + 1);

	return copy == NULL ? NULL : memcpy(copy, text, len + 1);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	if (refused("posix_memalign", CALLER))
		return ENOMEM;
	*out = __libc_memalign(alignment, size);
	return *out == NULL ? ENOMEM : 0;
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return refused("aligned_alloc", CALLER)
	    ? NULL
	    : __libc_memalign(alignment, size);
}
