#include <bascule/base/fdio.h>

#include "closure.h"
#include "losses.h"
#include "snapfile.h"
#include "snapfind.h"

enum err_code
store_snapshot_bytes(struct store *st, const char *service, const struct id *id,
    struct buf *out, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = repo_open_dir(&fd, st->snapshots_fd, service, e);

	buf_clear(out);
	if (rc != ERR_NONE)
		return rc;
	return snapfind_bytes(out, fd, id, SNAPFILE_BYTES_MAX, e);
}

bool
store_snapshot_is_whole(struct store *st, const char *service,
    const struct id *id)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(fdio_close) int fd = -1;
	struct err why;

	if (repo_open_dir(&fd, st->snapshots_fd, service, &why) != ERR_NONE ||
	    snapfind_load(&s, st, fd, id, SNAPFIND_CLEAR, &why) != ERR_NONE)
		return false;
	return !losses_suspected(st) ||
	    closure_whole(st, &s.root, &why) == ERR_NONE;
}
