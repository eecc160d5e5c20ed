/*
 * The file systems a restore writes to: the target's, and those that are mounted
 * beneath it.  One syncfs each, instead of an fsync for each of a million files;
 * its descriptor was opened before the first write, so that it hears of every
 * one that failed.
 */

#include "restore.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

void
restore_disks_fini(struct restore_disks *d)
{
	for (size_t i = 0; i < d->count; i++)
		fdio_close(&d->disks[i].fd);
	free(d->disks);
	memset(d, 0, sizeof(*d));
}

enum err_code
restore_disks_add(struct restore_disks *d, int dirfd, struct err *e)
{
	struct restore_disk *more;
	struct stat st;

	if (fstat(dirfd, &st) != 0)
		return err_sys(e, "cannot look at the directory");
	for (size_t i = 0; i < d->count; i++)
		if (d->disks[i].dev == st.st_dev)
			return ERR_NONE;
	more = reallocarray(d->disks, d->count + 1, sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	d->disks = more;
	more[d->count].dev = st.st_dev;
	more[d->count].fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (more[d->count].fd == -1)
		return err_sys(e, "cannot keep the directory open");
	d->count++;
	return ERR_NONE;
}

enum err_code
restore_disks_flush(const struct restore_disks *d, enum err_code rc,
    struct err *e)
{
	for (size_t i = 0; i < d->count; i++)
		if (syncfs(d->disks[i].fd) != 0 && rc == ERR_NONE)
			rc = err_sys(e,
			    "what was restored may not be on disk: flushing "
			    "it failed");
	return rc;
}
