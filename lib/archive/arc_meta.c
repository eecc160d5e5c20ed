#include <bascule/archive.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * Asked directly: f*xattr and one ioctl.  README.md has the measurement
 * against libarchive's entry-from-file.
 */

#define PROC_PATH_BYTES 64

/* A descriptor and the name the kernel gives it, for O_PATH ones. */
struct handle {
	int fd;
	enum arc_handle kind;
	char path[PROC_PATH_BYTES];
};

/* The kernel takes an int; the request's number says a long. */
static int
set_flags(int fd, int flags)
{
	int words[2] = {flags, 0};

	return ioctl(fd, FS_IOC_SETFLAGS, words);
}

static void
handle_init(struct handle *h, int fd, enum arc_handle kind)
{
	h->fd = fd;
	h->kind = kind;
	if (kind == ARC_PATH)
		snprintf(h->path, sizeof(h->path), "/proc/self/fd/%d", fd);
}

/* A magic link is followed once, to the object itself, never beyond it. */
static ssize_t
xattr_list(const struct handle *h, char *names, size_t size)
{
	return h->kind == ARC_OPEN ? flistxattr(h->fd, names, size)
				   : listxattr(h->path, names, size);
}

static ssize_t
xattr_get(const struct handle *h, const char *name, void *value, size_t size)
{
	return h->kind == ARC_OPEN ? fgetxattr(h->fd, name, value, size)
				   : getxattr(h->path, name, value, size);
}

static int
xattr_set(const struct handle *h, const struct entry_xattr *x)
{
	return h->kind == ARC_OPEN
	    ? fsetxattr(h->fd, x->name, x->value, x->value_bytes, 0)
	    : setxattr(h->path, x->name, x->value, x->value_bytes, 0);
}

static int
xattr_remove(const struct handle *h, const char *name)
{
	return h->kind == ARC_OPEN ? fremovexattr(h->fd, name)
				   : removexattr(h->path, name);
}

static void PRINTF_LIKE(3, 4)
    warn_sys(struct arc_warn warn, unsigned *count, const char *fmt, ...)
{
	int num = errno;
	char what[512];
	struct err e = {0};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	errno = num;
	err_sys(&e, "%s", what);
	++*count;
	if (warn.fn != NULL)
		warn.fn(warn.arg, e.code, e.text);
}

/* --- reading --- */

#define LIST_BYTES_MAX ((size_t)65536) /* XATTR_LIST_MAX */
#define SMALL_BYTES    1024

/* Does the file system not have such a thing at all? */
static bool
is_unsupported(int num)
{
	return num == ENOTSUP || num == EOPNOTSUPP || num == ENOSYS ||
	    num == ENOTTY || num == EINVAL;
}

/* The names into small, or *big when they need more; -1 with errno set. */
static ssize_t
list_names(const struct handle *h, char small[SMALL_BYTES], char **big)
{
	ssize_t n = xattr_list(h, small, SMALL_BYTES);

	if (n >= 0 || errno != ERANGE)
		return n;
	*big = malloc(LIST_BYTES_MAX);
	if (*big == NULL)
		return -1;
	return xattr_list(h, *big, LIST_BYTES_MAX);
}

static enum err_code
read_one(const struct handle *h, const char *name, struct entry *entry,
    struct arc_warn warn, struct err *e)
{
	OWNED(free_mem) uint8_t *big = NULL;
	uint8_t small[SMALL_BYTES];
	uint8_t *value = small;
	unsigned count = 0;
	ssize_t n = xattr_get(h, name, small, sizeof(small));
	enum err_code rc;

	if (n < 0 && errno == ERANGE) {
		value = big = malloc(ENTRY_XATTR_VALUE_MAX);
		if (big == NULL)
			return err_nomem(e);
		n = xattr_get(h, name, big, ENTRY_XATTR_VALUE_MAX);
	}
	if (n < 0) {
		if (errno != ENODATA) /* else it went away meanwhile */
			warn_sys(warn, &count, "reading attribute '%s'", name);
		return ERR_NONE;
	}
	rc = entry_add_xattr(entry, name, value, (size_t)n, e);
	if (rc == ERR_INPUT || rc == ERR_EXISTS) {
		if (warn.fn != NULL)
			warn.fn(warn.arg, rc, e->text);
		return ERR_NONE;
	}
	return rc;
}

/* XFS shows root each ACL a second time, in its own bytes: not an attribute. */
static bool
is_shadow(const char *name)
{
	return strcmp(name, "trusted.SGI_ACL_FILE") == 0 ||
	    strcmp(name, "trusted.SGI_ACL_DEFAULT") == 0;
}

static enum err_code
read_xattrs(const struct handle *h, struct entry *entry, struct arc_warn warn,
    struct err *e)
{
	OWNED(free_mem) char *big = NULL;
	char small[SMALL_BYTES];
	unsigned count = 0;
	ssize_t n = list_names(h, small, &big);
	const char *at = big != NULL ? big : small;
	const char *end;

	if (n < 0) {
		if (errno == ENOMEM)
			return err_nomem(e);
		if (!is_unsupported(errno))
			warn_sys(warn, &count, "listing attributes");
		return ERR_NONE;
	}
	for (end = at + n; at < end; at += strlen(at) + 1) {
		enum err_code rc =
		    is_shadow(at) ? ERR_NONE : read_one(h, at, entry, warn, e);

		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

enum err_code
arc_meta_read(int fd, enum arc_handle handle, struct entry *entry,
    struct arc_warn warn, struct err *e)
{
	struct handle h;
	unsigned count = 0;
	int flags = 0;

	handle_init(&h, fd, handle);
	entry->flags = 0;
	if (handle == ARC_OPEN) {
		if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0)
			entry->flags = (uint32_t)flags & ENTRY_FLAGS_MASK;
		else if (!is_unsupported(errno))
			warn_sys(warn, &count, "reading inode flags");
	}
	return read_xattrs(&h, entry, warn, e);
}

/* --- applying --- */

static bool
is_security_module(const char *name)
{
	return strcmp(name, "security.selinux") == 0 ||
	    strcmp(name, "security.ima") == 0 ||
	    strcmp(name, "security.evm") == 0 ||
	    strncmp(name, "security.SMACK64", 16) == 0 ||
	    strncmp(name, "security.apparmor", 17) == 0;
}

static unsigned
remove_others(const struct handle *h, const struct entry *entry,
    struct arc_warn warn)
{
	OWNED(free_mem) char *big = NULL;
	char small[SMALL_BYTES];
	unsigned count = 0;
	ssize_t n = list_names(h, small, &big);
	const char *at = big != NULL ? big : small;
	const char *end;

	if (n < 0) {
		/* A machine without /proc can list a file's only. */
		bool unseen = h->kind == ARC_PATH && errno == ENOENT;

		if (!is_unsupported(errno) && !unseen)
			warn_sys(warn, &count, "listing attributes");
		return count;
	}
	for (end = at + n; at < end; at += strlen(at) + 1) {
		if (is_security_module(at) || is_shadow(at) ||
		    entry_find_xattr(entry, at) != NULL)
			continue;
		if (xattr_remove(h, at) != 0 && errno != ENODATA)
			warn_sys(warn, &count, "removing attribute '%s'", at);
	}
	return count;
}

static unsigned
apply_xattrs(const struct handle *h, const struct entry *entry, bool fresh,
    struct arc_warn warn)
{
	unsigned count = fresh ? 0 : remove_others(h, entry, warn);

	for (size_t i = 0; i < entry->xattr_count; i++)
		if (xattr_set(h, &entry->xattrs[i]) != 0)
			warn_sys(warn, &count, "setting attribute '%s'",
			    entry->xattrs[i].name);
	return count;
}

bool
arc_meta_gives_away(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2];

	return syscall(SYS_capget, &head, caps) != 0 ||
	    (caps[0].effective & (1U << CAP_CHOWN)) != 0;
}

/*
 * False: the owner is somebody else's; set-id bits would be their privilege.
 * *mode: what it has, when the owner was right; else beyond any.
 */
static bool
apply_owner(const struct handle *h, const struct entry *entry,
    struct arc_warn warn, unsigned *count, uint32_t *mode)
{
	struct stat st;

	*mode = UINT32_MAX;
	if (fstat(h->fd, &st) == 0 && st.st_uid == entry->uid &&
	    st.st_gid == entry->gid) {
		*mode = st.st_mode & 07777;
		return true;
	}
	if (fchownat(h->fd, "", entry->uid, entry->gid,
		AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	if (errno != EPERM || arc_meta_gives_away())
		warn_sys(warn, count, "setting owner %u and group %u",
		    entry->uid, entry->gid);
	return false;
}

static unsigned
apply_mode(const struct handle *h, uint32_t mode, struct arc_warn warn)
{
	unsigned count = 0;
	int rc = h->kind == ARC_OPEN ? fchmod(h->fd, (mode_t)mode)
				     : chmod(h->path, (mode_t)mode);

	if (rc != 0)
		warn_sys(warn, &count, "setting mode %04o", mode);
	return count;
}

static unsigned
apply_times(const struct handle *h, const struct entry *entry,
    struct arc_warn warn)
{
	const struct timespec ts[2] = {
	    {.tv_nsec = UTIME_OMIT},
	    {.tv_sec = entry->mtime_s, .tv_nsec = (long)entry->mtime_ns},
	};
	unsigned count = 0;
	/* An O_PATH descriptor is not enough for futimens. */
	int rc = h->kind == ARC_OPEN ? futimens(h->fd, ts)
				     : utimensat(h->fd, "", ts, AT_EMPTY_PATH);

	if (rc != 0 && h->kind == ARC_PATH) /* before Linux 5.8 */
		rc = utimensat(AT_FDCWD, h->path, ts, 0);
	if (rc != 0)
		warn_sys(warn, &count, "setting the modification time");
	return count;
}

static unsigned
apply_flags(const struct handle *h, const struct entry *entry,
    struct arc_warn warn)
{
	unsigned count = 0;
	int flags = 0, wanted;

	if (ioctl(h->fd, FS_IOC_GETFLAGS, &flags) != 0) {
		if (entry->flags != 0)
			warn_sys(warn, &count, "setting inode flags");
		return count;
	}
	wanted = (int)(((uint32_t)flags & ~ENTRY_FLAGS_MASK) | entry->flags);
	if (wanted != flags && set_flags(h->fd, wanted) != 0)
		warn_sys(warn, &count, "setting inode flags %#x", entry->flags);
	return count;
}

/* --- comparing --- */

static bool
same_xattrs(const struct handle *h, const struct entry *entry)
{
	OWNED(entry_fini) struct entry has = {.type = entry->type};
	struct arc_warn nobody = {NULL, NULL};
	size_t others = 0;
	struct err e;

	if (read_xattrs(h, &has, nobody, &e) != ERR_NONE)
		return false;
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct entry_xattr *x = &entry->xattrs[i];
		const struct entry_xattr *y = entry_find_xattr(&has, x->name);

		if (y == NULL || x->value_bytes != y->value_bytes ||
		    memcmp(x->value, y->value, x->value_bytes) != 0)
			return false;
	}
	for (size_t i = 0; i < has.xattr_count; i++)
		others += !is_security_module(has.xattrs[i].name) &&
		    entry_find_xattr(entry, has.xattrs[i].name) == NULL;
	return others == 0;
}

static bool
same_flags(const struct handle *h, const struct entry *entry)
{
	int flags = 0;

	if (h->kind != ARC_OPEN)
		return true;
	if (ioctl(h->fd, FS_IOC_GETFLAGS, &flags) != 0)
		return entry->flags == 0;
	return ((uint32_t)flags & ENTRY_FLAGS_MASK) == entry->flags;
}

bool
arc_meta_equals(int fd, enum arc_handle handle, const struct entry *entry)
{
	struct handle h;
	struct stat st;
	uint32_t mode = entry->mode;

	handle_init(&h, fd, handle);
	if (fstat(fd, &st) != 0)
		return false;
	if (st.st_uid != entry->uid || st.st_gid != entry->gid) {
		if (arc_meta_gives_away())
			return false;
		mode &= ~06000U;
	}
	return (entry->type == ENTRY_SYMLINK || (st.st_mode & 07777) == mode) &&
	    st.st_mtim.tv_sec == entry->mtime_s &&
	    st.st_mtim.tv_nsec == (long)entry->mtime_ns &&
	    same_flags(&h, entry) && same_xattrs(&h, entry);
}

unsigned
arc_meta_apply(int fd, enum arc_handle handle, const struct entry *entry,
    unsigned skip, struct arc_warn warn)
{
	const bool fresh = (skip & ARC_FRESH) != 0;
	struct handle h;
	uint32_t mode = entry->mode, has = UINT32_MAX;
	unsigned count = 0;

	handle_init(&h, fd, handle);
	/* First: a change of owner drops set-id bits and capabilities. */
	if ((skip & ARC_SKIP_OWNER) == 0 &&
	    !apply_owner(&h, entry, warn, &count, &has))
		mode &= ~06000U;
	if ((skip & ARC_SKIP_XATTRS) == 0)
		count += apply_xattrs(&h, entry, fresh, warn);
	/* Links have none of their own; an ACL may have changed it. */
	if (entry->type != ENTRY_SYMLINK &&
	    !(fresh && entry->xattr_count == 0 && has == mode))
		count += apply_mode(&h, mode, warn);
	if ((skip & ARC_SKIP_TIMES) == 0)
		count += apply_times(&h, entry, warn);
	if ((skip & ARC_SKIP_FLAGS) == 0 && handle == ARC_OPEN &&
	    !(fresh && entry->flags == 0))
		count += apply_flags(&h, entry, warn);
	return count;
}

bool
arc_meta_hands_down(int dir_fd)
{
	char names[SMALL_BYTES];
	ssize_t n = flistxattr(dir_fd, names, sizeof(names));
	int flags = 0;

	if (n < 0 && !is_unsupported(errno))
		return true;
	for (const char *at = names; at < names + n; at += strlen(at) + 1)
		if (!is_security_module(at))
			return true;
	if (ioctl(dir_fd, FS_IOC_GETFLAGS, &flags) != 0)
		return !is_unsupported(errno);
	return ((uint32_t)flags & ENTRY_FLAGS_MASK) != 0;
}

enum err_code
arc_meta_unlock(int fd, struct err *e)
{
	int flags = 0, wanted;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return is_unsupported(errno)
		    ? ERR_NONE
		    : err_sys(e, "reading inode flags");
	wanted = flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	if (wanted != flags && set_flags(fd, wanted) != 0)
		return err_sys(e, "clearing the immutable flag");
	return ERR_NONE;
}
