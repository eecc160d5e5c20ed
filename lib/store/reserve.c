#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define NAME          "reserve"
#define NAME_NEW      "reserve.new"
#define PLENTY_FACTOR 16 /* of its size: then it takes nobody's room */

uint64_t
reserve_room(const struct store *st)
{
	struct statvfs v;

	if (fstatvfs(st->dir_fd, &v) != 0)
		return UINT64_MAX; /* who cannot be asked may have plenty */
	return (uint64_t)v.f_bavail * v.f_frsize;
}

enum err_code
reserve_release(struct store *st, bool *released, struct err *e)
{
	*released = false;
	if (reserve_room(st) >= RESERVE_BYTES)
		return ERR_NONE;
	if (unlinkat(st->dir_fd, NAME, 0) == 0)
		*released = true;
	else if (errno != ENOENT)
		return err_sys(e, "cannot release '%s/%s'", st->path, NAME);
	return ERR_NONE;
}

void
reserve_make(struct store *st)
{
	OWNED(fdio_close) int fd = -1;
	struct stat sb;

	if (fstatat(st->dir_fd, NAME, &sb, AT_SYMLINK_NOFOLLOW) == 0 ||
	    reserve_room(st) < RESERVE_BYTES * PLENTY_FACTOR)
		return;
	/* One that did not become whole: begun again. */
	(void)unlinkat(st->tmp_fd, NAME_NEW, 0);
	fd = fdio_open_beneath(st->tmp_fd, NAME_NEW,
	    O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd == -1)
		return;
	if (posix_fallocate(fd, 0, (off_t)RESERVE_BYTES) != 0 ||
	    repo_rename_new(st->tmp_fd, NAME_NEW, st->dir_fd, NAME) != 0)
		(void)unlinkat(st->tmp_fd, NAME_NEW, 0);
}
