#include <bascule/base/fdio.h>

#include "grants.h"

/* Whole, and of this family? */
static enum err_code
judge(struct session *se, const void *bytes, size_t len_bytes, struct err *e)
{
	OWNED(grants_free) struct grants *g = NULL;
	OWNED(buf_fini) struct buf copy = {0};
	enum err_code rc = ERR_NONE;

	if (len_bytes > GRANTS_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "a file of grants of %zu bytes",
		    len_bytes);
	rc = buf_add(&copy, bytes, len_bytes, e);
	return rc == ERR_NONE ? grants_decode(&g, se->store->family, &copy, e)
			      : rc;
}

enum err_code
intake_grant(struct intake *in, const void *bytes, size_t len_bytes,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(fdio_close) int fd = -1;
	struct session *se = intake_session(in);
	struct repo_file f = {.what = "grants",
	    .bytes = bytes,
	    .len_bytes = len_bytes};
	struct id name;
	enum err_code rc = judge(se, bytes, len_bytes, e);

	if (rc == ERR_NONE)
		rc = repo_lock(se->store, e);
	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	if ((rc = session_check(se, e)) != ERR_NONE ||
	    (rc = repo_make_dir(&fd, se->store->dir_fd, "grants", e)) !=
		ERR_NONE)
		return rc;
	f.dirfd = fd;
	return repo_publish_hashed(se, &f, &name, e);
}
