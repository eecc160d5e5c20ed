/* Directories that are being filled. */

#include "restore.h"

#include <bascule/base/fdio.h>

struct restore_dir *
restore_dir_use(struct restore_dir *d)
{
	atomic_fetch_add(&d->users_count, 1);
	return d;
}

void
restore_dir_drop(struct restore_tools *t, struct restore_dir **dp)
{
	struct restore_dir *d = TAKE(*dp);

	if (d == NULL || atomic_fetch_sub(&d->users_count, 1) > 1)
		return;
	if (d->has_metadata && !t->verifying)
		restore_file_meta(t, d->fd, ARC_OPEN, &d->entry, 0);
	fdio_close(&d->fd);
	entry_fini(&d->entry);
	free(d);
}
