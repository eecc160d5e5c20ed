#include "pointfind.h"

#include <bascule/base/fdio.h>

enum err_code
pointfind_load(struct point *out, struct store *st, int dir_fd,
    const struct id *id, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {0};
	enum err_code rc;

	memset(out, 0, sizeof *out);
	rc = snapfind_bytes(&bytes, dir_fd, id, POINTFILE_BYTES_MAX, e);
	if (rc == ERR_NONE)
		rc = pointfile_decode(out, st->family, bytes.bytes,
		    bytes.len_bytes, e);
	out->id = *id;
	return rc;
}

enum err_code
pointfind_complete(struct store *st, const struct point *p, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	char hex[ID_HEX_BYTES];
	enum err_code rc = repo_open_dir(&fd, st->snapshots_fd, p->service, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < p->snapshots_count; i++) {
		OWNED(snapshot_fini) struct snapshot s = {0};

		for (size_t k = 0; k < i; k++)
			if (id_equal(&p->snapshots[k], &p->snapshots[i]))
				return err_set(e, ERR_INPUT,
				    "snapshot %.12s is named twice",
				    id_hex(&p->snapshots[i], hex));
		rc = snapfind_load(&s, st, fd, &p->snapshots[i], SNAPFIND_CLEAR,
		    e);
		if (rc == ERR_NONE && (s.flags & SNAPSHOT_CHECKPOINT) != 0)
			rc = err_set(e, ERR_INPUT,
			    "it is a checkpoint of a run that did not end");
		if (rc != ERR_NONE)
			return err_wrap(e, "snapshot %.12s of %s",
			    id_hex(&p->snapshots[i], hex), p->service);
	}
	return ERR_NONE;
}
