#include "worker_far.h"

#include "live_far.h"

enum err_code
worker_far_host(struct source_host *out, bool *here, const struct worker *w,
    const char *name, struct err *e)
{
	enum err_code rc =
	    live_far_host(out, here, worker_policy(w), worker_site(w), name, e);

	if (!*here)
		out->cancel = worker_cancel(w);
	return rc;
}
