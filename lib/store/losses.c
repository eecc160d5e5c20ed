#include "losses.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

bool
losses_suspected(struct store *st)
{
	if (faccessat(st->dir_fd, "bad/lost", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    errno != ENOENT)
		return true;
	for (uint32_t i = 0; i < index_packs_count(st); i++)
		if (!index_pack_present(st, i))
			return true;
	return false;
}

enum err_code
losses_note(struct store *st, struct session *se, bool any, struct err *e)
{
	OWNED(fdio_close) int bad_fd = -1;
	OWNED(fdio_close) int fd = -1;
	enum err_code rc;

	(void)se; /* whose being open keeps other healings out */
	rc = repo_open_dir(&bad_fd, st->dir_fd, "bad", e);
	if (rc != ERR_NONE)
		return rc;
	if (any)
		fd =
		    fdio_open_beneath(bad_fd, "lost", O_RDONLY | O_CREAT, 0400);
	if (any ? fd == -1
		: unlinkat(bad_fd, "lost", 0) != 0 && errno != ENOENT)
		return err_sys(e, "cannot %s '%s/bad/lost'",
		    any ? "make" : "remove", st->path);
	if (fsync(bad_fd) != 0)
		return err_sys(e, "cannot flush '%s/bad'", st->path);
	return ERR_NONE;
}
