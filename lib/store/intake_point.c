#include <string.h>

#include <bascule/base/fdio.h>

#include "epochs.h"
#include "jump.h"
#include "pin.h"
#include "pointfind.h"

static enum err_code
place(struct store *st, const struct point *p, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	struct jump highest = {0};
	enum err_code rc = point_list(&list, st, p->service, NULL, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < list.count; i++)
		jump_seen(&highest, list.points[i].epoch,
		    list.points[i].sequence);
	return jump_check(&highest, p->epoch, p->sequence, e);
}

static enum err_code
take(struct intake *in, const struct point *p, const void *bytes,
    size_t len_bytes, struct err *e)
{
	struct session *se = intake_session(in);
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "points",
	    .bytes = bytes,
	    .len_bytes = len_bytes};
	struct id name;
	enum err_code rc = repo_lock(se->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	if ((rc = session_check(se, e)) != ERR_NONE ||
	    (rc = epochs_admit(intake_epochs(in), se->store, p->service, e)) !=
		ERR_NONE ||
	    (rc = place(se->store, p, e)) != ERR_NONE ||
	    (rc = pointfind_complete(se->store, p, e)) != ERR_NONE ||
	    (rc = pin_accept(se, p->writer_key, p->service, e)) != ERR_NONE ||
	    (rc = epochs_settle(intake_epochs(in), held, p->service, e)) !=
		ERR_NONE ||
	    (rc = repo_make_dir(&fd, se->store->points_fd, p->service, e)) !=
		ERR_NONE)
		return rc;
	f.dirfd = fd;
	return repo_publish_hashed(se, &f, &name, e);
}

enum err_code
intake_point(struct intake *in, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct session *se = intake_session(in);
	struct point p = {0};
	char hex[ID_HEX_BYTES];
	enum err_code rc;

	if (len_bytes > POINTFILE_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "a recovery point of %zu bytes",
		    len_bytes);
	if ((rc = hash_sha256(bytes, len_bytes, &p.id, e)) != ERR_NONE ||
	    (rc = pointfile_decode(&p, se->store->family, bytes, len_bytes,
		 e)) != ERR_NONE)
		return rc;
	rc = take(in, &p, bytes, len_bytes, e);
	return rc == ERR_NONE
	    ? ERR_NONE
	    : err_wrap(e, "recovery point %.12s", id_hex(&p.id, hex));
}
