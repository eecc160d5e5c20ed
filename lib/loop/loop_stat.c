/* stat(2) in the loop's helper threads. */

#include "loop_impl.h"

#include <errno.h>

struct loop_stat {
	uv_fs_t req;
	loop_stat_fn *fn; /* NULL: nobody waits any more */
	void *ctx;
	bool done;
};

static void
looked(uv_fs_t *req)
{
	struct loop_stat *s = req->data;
	bool found = req->result == 0;
	struct utc changed = {req->statbuf.st_mtim.tv_sec * NS_PER_S +
	    req->statbuf.st_mtim.tv_nsec};

	s->done = true;
	uv_fs_req_cleanup(req);
	if (s->fn == NULL)
		free(s);
	else
		s->fn(s->ctx, found, found ? changed : (struct utc){0});
}

enum err_code
loop_stat_start(struct loop_stat **out, struct loop *l, const char *path,
    loop_stat_fn *fn, void *ctx, struct err *e)
{
	struct loop_stat *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (s == NULL)
		return err_nomem(e);
	s->fn = fn;
	s->ctx = ctx;
	s->req.data = s;
	rc = uv_fs_stat(&l->uv, &s->req, path, looked);
	if (rc != 0) {
		free(s);
		return LOOP_FAIL(e, rc, "cannot look at '%s'", path);
	}
	*out = s;
	return ERR_NONE;
}

void
loop_stat_free(struct loop_stat **sp)
{
	struct loop_stat *s = TAKE(*sp);

	if (s == NULL)
		return;
	if (s->done) {
		free(s);
		return;
	}
	s->fn = NULL;
	uv_cancel((uv_req_t *)&s->req);
}
