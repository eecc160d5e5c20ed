/*
 * foldfs FOLDER MOUNTPOINT case|same|apart: the folder, by a file system that
 * takes some names for others, as those of other systems do:
 *   case   `A` for `a`, and keeps what was given first (ext4's casefold, NTFS)
 *   same   a composed letter for its parts, likewise (ZFS, APFS)
 *   apart  the same, and keeps the parts, whatever was given (HFS+)
 * In the foreground, until it is unmounted.  For kernels that have none.
 */
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static int root = -1;

struct found {
	char path[PATH_MAX]; /* beneath root */
};

static bool by_case, keeps_parts;

/* A few letters, and what they are composed of: two have the same parts. */
static const char *const letters[][2] = {{"\xc3\xa9", "e\xcc\x81"},
    {"\xc3\xa4", "a\xcc\x88"}, {"\xc3\x85", "A\xcc\x8a"},
    {"\xe2\x84\xab", "A\xcc\x8a"}};

static void
take_apart(const char *name, char out[PATH_MAX])
{
	size_t len = 0;

	while (*name != '\0' && len + 4 < PATH_MAX) {
		size_t i = 0;

		while (i < 4 &&
		    strncmp(name, letters[i][0], strlen(letters[i][0])))
			i++;
		if (i == 4) {
			out[len++] = *name++;
			continue;
		}
		len += (size_t)sprintf(out + len, "%s", letters[i][1]);
		name += strlen(letters[i][0]);
	}
	out[len] = '\0';
}

static bool
is_one(const char *a, const char *b)
{
	char x[PATH_MAX], y[PATH_MAX];

	if (by_case)
		return strcasecmp(a, b) == 0;
	take_apart(a, x);
	take_apart(b, y);
	return strcmp(x, y) == 0;
}

/* The name that is there for this one, or the one that it would be given. */
static void
fold(const char *folder, const char *name, char out[PATH_MAX])
{
	int fd = openat(root, folder[0] == '\0' ? "." : folder,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (keeps_parts)
		take_apart(name, out);
	else
		snprintf(out, PATH_MAX, "%s", name);
	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (is_one(d->d_name, name)) {
			snprintf(out, PATH_MAX, "%s", d->d_name);
			break;
		}
	if (dir != NULL)
		closedir(dir);
}

static const char *
find(const char *path, struct found *f)
{
	char *rest, *all = strdup(path), *save = NULL, name[PATH_MAX];
	size_t len = 0;

	f->path[0] = '\0';
	for (rest = strtok_r(all, "/", &save); rest != NULL;
	     rest = strtok_r(NULL, "/", &save)) {
		fold(f->path, rest, name);
		len += (size_t)snprintf(f->path + len, sizeof f->path - len,
		    "%s%s", len > 0 ? "/" : "", name);
	}
	free(all);
	return len == 0 ? "." : f->path;
}

#define ANSWER(call)                              \
	do {                                      \
		struct found f;                   \
		const char *at = find(path, &f);  \
		return (call) == -1 ? -errno : 0; \
	} while (0)

static int
fold_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	ANSWER(fstatat(root, at, st, AT_SYMLINK_NOFOLLOW));
}

static int
fold_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset,
    struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	struct found f;
	int fd = openat(root, find(path, &f), O_RDONLY | O_DIRECTORY);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *d;

	(void)offset, (void)fi, (void)flags;
	if (dir == NULL)
		return -errno;
	while ((d = readdir(dir)) != NULL)
		fill(buf, d->d_name, NULL, 0, 0);
	closedir(dir);
	return 0;
}

static int
fold_mkdir(const char *path, mode_t mode)
{
	ANSWER(mkdirat(root, at, mode));
}

static int
fold_mknod(const char *path, mode_t mode, dev_t dev)
{
	ANSWER(mknodat(root, at, mode, dev));
}

static int
fold_unlink(const char *path)
{
	ANSWER(unlinkat(root, at, 0));
}

static int
fold_rmdir(const char *path)
{
	ANSWER(unlinkat(root, at, AT_REMOVEDIR));
}

static int
fold_symlink(const char *target, const char *path)
{
	ANSWER(symlinkat(target, root, at));
}

static int
fold_readlink(const char *path, char *buf, size_t size)
{
	struct found f;
	ssize_t n = readlinkat(root, find(path, &f), buf, size - 1);

	if (n == -1)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static int
fold_link(const char *from, const char *path)
{
	struct found other;

	find(from, &other);
	ANSWER(linkat(root, other.path, root, at, 0));
}

static int
fold_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)fi;
	ANSWER(fchmodat(root, at, mode, 0));
}

static int
fold_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	(void)fi;
	ANSWER(fchownat(root, at, uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int
fold_utimens(const char *path, const struct timespec tv[2],
    struct fuse_file_info *fi)
{
	(void)fi;
	ANSWER(utimensat(root, at, tv, AT_SYMLINK_NOFOLLOW));
}

static int
fold_open(const char *path, struct fuse_file_info *fi)
{
	struct found f;
	int fd = openat(root, find(path, &f), fi->flags & ~O_NOFOLLOW);

	fi->fh = (uint64_t)fd;
	return fd == -1 ? -errno : 0;
}

static int
fold_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	struct found f;
	int fd = openat(root, find(path, &f), fi->flags | O_CREAT, mode);

	fi->fh = (uint64_t)fd;
	return fd == -1 ? -errno : 0;
}

static int
fold_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	struct found f;
	int fd = openat(root, find(path, &f), O_WRONLY);
	int rc = fd == -1 ? -1 : ftruncate(fd, size);
	int why = errno;

	(void)fi;
	if (fd != -1)
		close(fd);
	return rc == -1 ? -why : 0;
}

static int
fold_read(const char *path, char *buf, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	ssize_t n = pread((int)fi->fh, buf, size, offset);

	(void)path;
	return n == -1 ? -errno : (int)n;
}

static int
fold_write(const char *path, const char *buf, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	ssize_t n = pwrite((int)fi->fh, buf, size, offset);

	(void)path;
	return n == -1 ? -errno : (int)n;
}

static int
fold_release(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	close((int)fi->fh);
	return 0;
}

/* Whoever keeps a name would know better than we do. */
static void *
fold_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
	(void)conn;
	cfg->use_ino = 1;
	cfg->entry_timeout = cfg->attr_timeout = cfg->negative_timeout = 0;
	return NULL;
}

static const struct fuse_operations operations = {.init = fold_init,
    .getattr = fold_getattr,
    .readdir = fold_readdir,
    .mkdir = fold_mkdir,
    .mknod = fold_mknod,
    .unlink = fold_unlink,
    .rmdir = fold_rmdir,
    .symlink = fold_symlink,
    .readlink = fold_readlink,
    .link = fold_link,
    .chmod = fold_chmod,
    .chown = fold_chown,
    .utimens = fold_utimens,
    .open = fold_open,
    .create = fold_create,
    .truncate = fold_truncate,
    .read = fold_read,
    .write = fold_write,
    .release = fold_release};

int
main(int argc, char **argv)
{
	char *words[] = {argv[0], argv[2], (char *)"-f", (char *)"-s", NULL};

	if (argc != 4 || (root = open(argv[1], O_RDONLY | O_DIRECTORY)) == -1)
		return 2;
	by_case = strcmp(argv[3], "case") == 0;
	keeps_parts = strcmp(argv[3], "apart") == 0;
	umask(0);
	return fuse_main(4, words, &operations, NULL);
}
