#ifndef JOB_WORKER_FAR_H
#define JOB_WORKER_FAR_H

/* The hosts of a policy, as sources name them. */

#include <bascule/source.h>

#include "worker.h"

/*
 * *here: name is "" or this site's own machine, and *out says nothing.
 * Otherwise out borrows from the policy; a stop of the worker stops what is
 * done there.  ERR_POLICY: no such host.
 */
enum err_code worker_far_host(struct source_host *out, bool *here,
    const struct worker *w, const char *name, struct err *e) MUST_CHECK;

#endif
