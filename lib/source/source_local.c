#include "source_local.h"

#include <bascule/base/fdio.h>
#include <bascule/base/now.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define OPEN_TRIES 5

/*
 * Kernels stamp files by a clock that ticks every 1 to 10 ms.  A file whose
 * change time is that fresh may be written again without its stamp moving, so
 * source_finish could not tell: wait until the tick is over.
 */
#define SETTLE_NS (12 * NS_PER_MS)

#define ASK_HOLES_BYTES 65536

/* Of a file read by pieces this large the disk is told what comes next. */
#define AHEAD_PIECE_BYTES 262144
#define AHEAD_BYTES       (4 * UINT64_C(1048576))

struct local_file {
	struct source_file file; /* first */
	int fd;
	struct statx before;
	bool sparse;
	struct entry_extent *extents;
	size_t extent_count, extent_index;
	uint64_t at_bytes, end_bytes; /* of the present extent */
	uint64_t asked_bytes;         /* the disk was told up to here */
};

/* --- the item --- */

void
source_local_fill(struct source_item *item, const struct statx *st)
{
	struct entry *en = &item->entry;

	en->type = entry_type_of_mode(st->stx_mode);
	en->mode = st->stx_mode & 07777U;
	en->uid = st->stx_uid;
	en->gid = st->stx_gid;
	en->mtime_s = st->stx_mtime.tv_sec;
	en->mtime_ns = st->stx_mtime.tv_nsec;
	en->size_bytes = en->type == ENTRY_FILE ? st->stx_size : 0;
	en->rdev_major = en->rdev_minor = 0;
	if (en->type == ENTRY_CHARDEV || en->type == ENTRY_BLOCKDEV) {
		en->rdev_major = st->stx_rdev_major;
		en->rdev_minor = st->stx_rdev_minor;
	}
	item->dev = makedev(st->stx_dev_major, st->stx_dev_minor);
	item->inode = st->stx_ino;
	item->nlink = st->stx_nlink;
	item->ctime_s = st->stx_ctime.tv_sec;
	item->ctime_ns = st->stx_ctime.tv_nsec;
}

void
source_local_forget(struct entry *en)
{
	struct entry stat_part = *en;
	struct entry_text path = en->path;

	en->path = (struct entry_text){0};
	entry_clear(en);
	en->path = path;
	en->type = stat_part.type;
	en->mode = stat_part.mode;
	en->uid = stat_part.uid;
	en->gid = stat_part.gid;
	en->mtime_s = stat_part.mtime_s;
	en->mtime_ns = stat_part.mtime_ns;
	en->size_bytes = stat_part.size_bytes;
	en->rdev_major = stat_part.rdev_major;
	en->rdev_minor = stat_part.rdev_minor;
}

/* --- opening --- */

static int
open_item(const struct source_item *item, int dir_fd, const char *name)
{
	int flags = O_CLOEXEC | (item->follow ? 0 : O_NOFOLLOW);
	int fd;

	switch (item->entry.type) {
	case ENTRY_FILE: flags |= O_RDONLY | O_NONBLOCK | O_NOCTTY; break;
	case ENTRY_DIR: flags |= O_RDONLY | O_DIRECTORY; break;
	default: return openat(dir_fd, name, flags | O_PATH);
	}
	fd = openat(dir_fd, name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM) /* it is not ours */
		fd = openat(dir_fd, name, flags);
	return fd;
}

/* These say that the name stands for something else by now. */
static bool
is_replaced(int num)
{
	return num == ELOOP || num == ENOTDIR || num == ENXIO || num == ESTALE;
}

static bool
ask(int fd, const char *name, int flags, struct statx *st)
{
	return statx(fd, name, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS,
		   st) == 0;
}

/*
 * *fd is what item says it is; its fields are those of the open file.  When
 * the name came to stand for another file, that one is taken.
 */
static enum err_code
open_same(struct source_item *item, int dir_fd, const char *name, int *fd,
    struct statx *st, struct err *e)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		enum entry_type type = item->entry.type;

		*fd = open_item(item, dir_fd, name);
		if (*fd < 0 && !is_replaced(errno))
			return err_sys(e, "opening %s", entry_type_name(type));
		if (*fd >= 0 && !ask(*fd, "", AT_EMPTY_PATH, st))
			return err_sys(e, "asking what it is");
		if (*fd >= 0 && entry_type_of_mode(st->stx_mode) == type) {
			source_local_fill(item, st);
			return ERR_NONE;
		}
		fdio_close(fd);
		if (!ask(dir_fd, name, item->follow ? 0 : AT_SYMLINK_NOFOLLOW,
			st))
			return err_sys(e, "asking what it is");
		source_local_fill(item, st);
	}
	return err_set(e, ERR_BUSY, "it is replaced again and again");
}

/* --- the hole map --- */

/* Data from `at` on as one extent; *at moves behind it. */
static enum err_code
add_data(struct entry *en, int fd, uint64_t *at, struct err *e)
{
	off_t data = lseek(fd, (off_t)*at, SEEK_DATA), hole;
	uint64_t end;

	if (data < 0 && errno == ENXIO) { /* a hole to the end */
		*at = en->size_bytes;
		return ERR_NONE;
	}
	hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return err_sys(e, "asking for holes");
	end = (uint64_t)hole < en->size_bytes ? (uint64_t)hole : en->size_bytes;
	if (en->extent_count == ENTRY_EXTENT_COUNT_MAX - 1)
		end = en->size_bytes; /* the rest as data: it reads as zeros */
	*at = end;
	if ((uint64_t)data >= end)
		return ERR_NONE;
	return entry_add_extent(en, (uint64_t)data, end - (uint64_t)data, e);
}

static enum err_code
map_holes(struct entry *en, int fd, const struct statx *st, struct err *e)
{
	uint64_t at = 0;
	off_t hole;
	enum err_code rc;

	/* Of a small file with a block for each byte nobody looks for holes. */
	if (en->size_bytes == 0 ||
	    (en->size_bytes < ASK_HOLES_BYTES &&
		st->stx_blocks * 512 >= en->size_bytes))
		return ERR_NONE;
	hole = lseek(fd, 0, SEEK_HOLE);
	if (hole < 0 || (uint64_t)hole >= en->size_bytes)
		return ERR_NONE; /* none, or the file system cannot say */
	while (at < en->size_bytes)
		if ((rc = add_data(en, fd, &at, e)) != ERR_NONE)
			return rc;
	en->sparse = en->extent_count != 1 || en->extents[0].offset_bytes > 0 ||
	    en->extents[0].len_bytes < en->size_bytes;
	if (!en->sparse)
		en->extent_count = 0; /* filled while we asked */
	return ERR_NONE;
}

/* --- reading --- */

static bool
next_extent(struct local_file *f)
{
	if (!f->sparse || f->extent_index == f->extent_count)
		return false;
	f->at_bytes = f->extents[f->extent_index].offset_bytes;
	f->end_bytes = f->at_bytes + f->extents[f->extent_index].len_bytes;
	f->extent_index++;
	return true;
}

/* What was told is not told again; holes cost nothing. */
static void
ask_ahead(struct local_file *f)
{
	uint64_t from = f->asked_bytes, to = f->at_bytes + AHEAD_BYTES;

	if (from < f->at_bytes)
		from = f->at_bytes;
	if (f->at_bytes == f->end_bytes || to - from < AHEAD_BYTES / 2)
		return;
	(void)posix_fadvise(f->fd, (off_t)from, (off_t)(to - from),
	    POSIX_FADV_WILLNEED);
	f->asked_bytes = to;
}

static enum err_code
local_read(struct source_file *file, void *bytes, size_t size_bytes,
    struct source_run *run, struct err *e)
{
	struct local_file *f = (struct local_file *)file;
	uint64_t left;
	ssize_t n;

	if (f->at_bytes == f->end_bytes && !next_extent(f))
		return ERR_NONE;
	left = f->end_bytes - f->at_bytes;
	if (size_bytes > left)
		size_bytes = (size_t)left;
	do
		n = pread(f->fd, bytes, size_bytes, (off_t)f->at_bytes);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "reading");
	run->offset_bytes = f->at_bytes;
	run->len_bytes = (size_t)n;
	f->at_bytes += (uint64_t)n;
	if (n >= AHEAD_PIECE_BYTES)
		ask_ahead(f);
	if (n == 0) { /* it shrank: source_finish will say so */
		f->at_bytes = f->end_bytes;
		f->extent_index = f->extent_count;
	}
	return ERR_NONE;
}

static bool
same_time(struct statx_timestamp a, struct statx_timestamp b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static enum err_code
local_finish(struct source_file *file, struct err *e)
{
	struct local_file *f = (struct local_file *)file;
	struct statx now;

	if (!ask(f->fd, "", AT_EMPTY_PATH, &now))
		return err_sys(e, "asking whether it changed");
	if (now.stx_size != f->before.stx_size ||
	    !same_time(now.stx_mtime, f->before.stx_mtime) ||
	    !same_time(now.stx_ctime, f->before.stx_ctime))
		return err_set(e, ERR_BUSY, "it changed while it was read");
	return ERR_NONE;
}

static void
local_close(struct source_file *file)
{
	struct local_file *f = (struct local_file *)file;

	fdio_close(&f->fd);
	free(f->extents);
	free(f);
}

static const struct source_file_ops local_ops = {
    .read = local_read,
    .finish = local_finish,
    .close = local_close,
};

/* --- putting it together --- */

static void
settle(struct source_item *item, int fd, struct statx *st)
{
	struct timespec now, nap = {0};
	int64_t age_s, age_ns;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	age_s = now.tv_sec - st->stx_ctime.tv_sec;
	if (age_s < -1 || age_s > 1)
		return;
	age_ns =
	    age_s * NS_PER_S + now.tv_nsec - (int64_t)st->stx_ctime.tv_nsec;
	if (age_ns < -SETTLE_NS || age_ns >= SETTLE_NS)
		return;
	nap.tv_nsec = (long)(SETTLE_NS - age_ns);
	nanosleep(&nap, NULL);
	if (ask(fd, "", AT_EMPTY_PATH, st))
		source_local_fill(item, st);
}

static enum err_code
open_content(struct source_item *item, int *fd, const struct statx *st,
    struct source_file **out, struct err *e)
{
	struct entry *en = &item->entry;
	struct local_file *f;
	enum err_code rc;

	if ((rc = map_holes(en, *fd, st, e)) != ERR_NONE)
		return rc;
	if (entry_content_bytes(en) == 0)
		return ERR_NONE;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_nomem(e);
	f->file.ops = &local_ops;
	f->file.content_bytes = entry_content_bytes(en);
	f->fd = -1;
	f->before = *st;
	f->sparse = en->sparse;
	f->end_bytes = en->sparse ? 0 : en->size_bytes;
	if (en->sparse) {
		f->extents = calloc(en->extent_count, sizeof(*f->extents));
		if (f->extents == NULL) {
			local_close(&f->file);
			return err_nomem(e);
		}
		f->extent_count = en->extent_count;
		memcpy(f->extents, en->extents,
		    en->extent_count * sizeof(*f->extents));
	}
	f->fd = *fd;
	*fd = -1;
	*out = &f->file;
	return ERR_NONE;
}

static enum err_code
read_target(struct entry *en, int fd, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof(target));

	if (n < 0)
		return err_sys(e, "reading symbolic link");
	return entry_set_text(&en->target, target, (size_t)n,
	    ENTRY_TARGET_BYTES_MAX, e);
}

enum err_code
source_local_open(struct source_item *item, int dir_fd, const char *name,
    struct source_names *names, struct source_file **out, struct arc_warn warn,
    struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct entry *en = &item->entry;
	struct statx st;
	enum err_code rc;

	source_local_forget(en);
	rc = open_same(item, dir_fd, name, &fd, &st, e);
	if (rc == ERR_NONE && en->type == ENTRY_FILE)
		settle(item, fd, &st);
	if (rc == ERR_NONE)
		rc = source_names_set(names, en, e);
	if (rc == ERR_NONE)
		rc = arc_meta_read(fd,
		    en->type == ENTRY_FILE || en->type == ENTRY_DIR ? ARC_OPEN
								    : ARC_PATH,
		    en, warn, e);
	if (rc == ERR_NONE && en->type == ENTRY_SYMLINK)
		rc = read_target(en, fd, e);
	if (rc == ERR_NONE && en->type == ENTRY_FILE)
		rc = open_content(item, &fd, &st, out, e);
	return rc;
}
