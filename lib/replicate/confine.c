/*
 * What a receiver gives up before it hears its first byte.  Landlock and
 * seccomp by their system calls and our own spelling of the kernel's
 * structures: the headers of a build machine may be older than the kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/replicate.h>

/* --- Landlock -------------------------------------------------------------------- */

#define NR_CREATE_RULESET 444
#define NR_ADD_RULE       445
#define NR_RESTRICT_SELF  446
#define ASK_VERSION       1u
#define RULE_PATH_BENEATH 1

#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_REFER       (UINT64_C(1) << 13)
#define FS_TRUNCATE    (UINT64_C(1) << 14)

#define FS_READ (FS_READ_FILE | FS_READ_DIR)
#define FS_ADD  (FS_READ | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER)
#define FS_FULL \
	(FS_ADD | FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_FILE | FS_REMOVE_DIR)
/* What can be granted on a file itself. */
#define FS_OF_FILES (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

struct rules {
	int fd;
	uint64_t handled;
};

/* Paths that are not there need no rule. */
static void
grant_at(const struct rules *r, int dir_fd, const char *path, uint64_t access)
{
	OWNED(fdio_close) int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);
	struct path_beneath rule = {access & r->handled, fd};
	struct stat sb;

	if (fd == -1 || fstat(fd, &sb) != 0)
		return;
	if (!S_ISDIR(sb.st_mode))
		rule.allowed &= FS_OF_FILES;
	(void)syscall(NR_ADD_RULE, r->fd, RULE_PATH_BENEATH, &rule, 0);
}

/* What libraries may look for while they run. */
static void
grant_system(const struct rules *r)
{
	static const char *const paths[] = {"/usr", "/lib", "/lib64",
	    "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf",
	    "/etc/crypto-policies", "/etc/localtime", "/proc/sys/kernel/random",
	    "/sys/devices/system/cpu", "/dev/null", "/dev/urandom"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		grant_at(r, AT_FDCWD, paths[i], FS_READ);
}

/*
 * A copy that is there: what has come can be read and added to.  Nothing of it
 * can be written to, and of snapshots, points and grants nothing can be removed
 * or replaced; of packs it can, as one that no index names is replaced by what
 * comes.  Where work is done everything may be done.
 */
static void
grant_copy(const struct rules *r, int dir_fd)
{
	static const char *const kept[] = {"snapshots", "points", "grants",
	    "keys", "cuts"};
	static const char *const used[] = {"index", "sessions", "holds",
	    "condemned", "tmp", "incoming", "bad"};

	grant_at(r, dir_fd, ".", FS_READ);
	grant_at(r, dir_fd, "lock", FS_READ_FILE | FS_WRITE_FILE);
	grant_at(r, dir_fd, "packs", FS_ADD | FS_REMOVE_FILE);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		(void)mkdirat(dir_fd, kept[i], 0700);
		grant_at(r, dir_fd, kept[i], FS_ADD);
	}
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		(void)mkdirat(dir_fd, used[i], 0700);
		grant_at(r, dir_fd, used[i], FS_FULL);
	}
}

/*
 * One that is yet to be made: anything below its directory, which is flushed
 * through the one above it.
 */
static void
grant_new(const struct rules *r, int dir_fd)
{
	grant_at(r, dir_fd, "..", FS_READ_DIR);
	grant_at(r, dir_fd, ".", FS_FULL);
}

static void
grant_all(const struct rules *r, const char *path, unsigned allow)
{
	OWNED(fdio_close) int dir_fd = -1;

	grant_system(r);
	if ((allow & SERVE_PUT) != 0)
		(void)mkdir(path, 0700);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd == -1)
		return; /* whoever opens it next says why */
	if (faccessat(dir_fd, "format", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		grant_copy(r, dir_fd);
	else
		grant_new(r, dir_fd);
}

/*
 * What a kernel's Landlock knows.  The first one cannot rename from one
 * directory to another, so it is of no use.
 */
static struct ruleset_attr
known(long version)
{
	struct ruleset_attr a = {0};

	if (version < 2)
		return a;
	a.fs = (FS_REFER << 1) - 1;
	if (version >= 3)
		a.fs |= FS_TRUNCATE;
	if (version >= 4)
		a.net = 3; /* bind, connect */
	if (version >= 5)
		a.fs |= UINT64_C(1) << 15; /* ioctl on devices */
	if (version >= 6)
		a.scoped = 3; /* abstract sockets, signals */
	return a;
}

/* What else a process may use that fetches; NULL: it is given all it has. */
struct fetches {
	const char *const *files;
	size_t files_count;
};

static void
grant_fetch(const struct rules *r, const struct fetches *f)
{
	static const char *const names[] = {"/etc/hosts", "/etc/resolv.conf",
	    "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
	    "/run/systemd/resolve"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		grant_at(r, AT_FDCWD, names[i], FS_READ);
	for (size_t i = 0; i < f->files_count; i++)
		if (f->files[i] != NULL)
			grant_at(r, AT_FDCWD, f->files[i], FS_READ);
}

static unsigned
confine_files(const char *path, unsigned allow, const struct fetches *f)
{
	struct ruleset_attr a =
	    known(syscall(NR_CREATE_RULESET, NULL, 0, ASK_VERSION));
	size_t size;
	OWNED(fdio_close) int fd = -1;
	struct rules r = {-1, a.fs};

	if (a.fs == 0)
		return 0;
	if (f != NULL)
		a.net = a.scoped = 0;
	size = a.scoped != 0 ? sizeof(a)
	    : a.net != 0     ? offsetof(struct ruleset_attr, scoped)
			     : offsetof(struct ruleset_attr, net);
	r.fd = fd = (int)syscall(NR_CREATE_RULESET, &a, size, 0);
	if (fd == -1)
		return 0;
	grant_all(&r, path, allow);
	if (f != NULL)
		grant_fetch(&r, f);
	if (syscall(NR_RESTRICT_SELF, fd, 0) != 0)
		return 0;
	return CONFINE_FILES | (a.net != 0 ? CONFINE_NETWORK : 0u);
}

/* --- seccomp --------------------------------------------------------------------- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

/*
 * What no receiver does: run programs, make or reach sockets, look into others
 * or signal them, change what the kernel or the machine is.  All else is left
 * alone, so that another libc or another version of a library goes on working.
 */
static const unsigned never[] = {
    /* first what who fetches does, too */
    SYS_socket,
    SYS_connect,
    SYS_bind,
    SYS_execve,
    SYS_execveat,
    SYS_socketpair,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kill,
    SYS_tkill,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_mknodat,
    SYS_symlinkat,
    SYS_fchownat,
    SYS_fchown,
    SYS_setuid,
    SYS_setgid,
    SYS_setgroups,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_capset,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_acct,
    SYS_quotactl,
    SYS_personality,
};
#define NEVER_COUNT   (sizeof(never) / sizeof(never[0]))
#define FETCHES_COUNT 3

#ifdef ARCH
static unsigned
confine_calls(size_t from)
{
	const uint32_t nr = offsetof(struct seccomp_data, nr);
	const uint32_t arch = offsetof(struct seccomp_data, arch);
	struct sock_filter code[NEVER_COUNT + 8];
	struct sock_fprog program = {.filter = code};
	unsigned short n = 0;

	/* Another architecture's calls, as of 32-bit programs, have other numbers. */
	code[n++] =
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch);
	code[n++] =
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr);
	/* So have those of x32. */
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K,
	    0x40000000, (uint8_t)(NEVER_COUNT - from + 1), 0);
	for (size_t i = from; i < NEVER_COUNT; i++)
		code[n++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			never[i], (uint8_t)(NEVER_COUNT - i), 0);
	code[n++] =
	    (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ERRNO | EPERM);
	program.len = n;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
	    ? CONFINE_CALLS
	    : 0;
}
#else
static unsigned
confine_calls(size_t from)
{
	(void)from;
	return 0;
}
#endif

static unsigned
confine(const char *path, unsigned allow, const struct fetches *f)
{
	unsigned got = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return 0;
	got |= confine_files(path, allow, f);
	got |= confine_calls(f != NULL ? FETCHES_COUNT : 0);
	return got;
}

unsigned
confine_to(const char *path, unsigned allow)
{
	return confine(path, allow, NULL);
}

unsigned
confine_to_fetch(const char *path, const char *const files[],
    size_t files_count)
{
	const struct fetches f = {files, files_count};

	return confine(path, SERVE_PUT, &f);
}

const char *
confine_text(unsigned got, char out[CONFINE_TEXT_BYTES])
{
	snprintf(out, CONFINE_TEXT_BYTES, "%s%s%s",
	    (got & CONFINE_FILES) != 0 ? ", files (Landlock)" : "",
	    (got & CONFINE_NETWORK) != 0 ? ", network" : "",
	    (got & CONFINE_CALLS) != 0 ? ", system calls (seccomp)" : "");
	return got == 0 ? "nothing: this kernel cannot" : out + 2;
}
