#ifndef DAEMON_MOVESTEPS_H
#define DAEMON_MOVESTEPS_H

/*
 * What the steps of a move's plan have come to at this site, by our ledger: what
 * a worker that takes the plan up goes on from, and what a service's own unit
 * must not run ahead of.
 *
 * MS1. What was done before the site was last stopped (the run's newest
 *      PROVISIONAL here) counts no more.
 * MS2. A person's word on a step (done, skip, retry) is its newest record.
 */

#include "daemon.h"

struct movesteps_step {
	char step[64];
	const char *state; /* done, skipped, failed, undone, uncertain */
	int64_t attempt;
};

struct movesteps {
	struct movesteps_step *items; /* in the order in which they ended */
	size_t count, size;
};

/* out: zeroed; movesteps_fini, also after a failure. */
enum err_code movesteps_read(struct movesteps *out, struct daemon *d,
    const char *run, const char *service, struct err *e) MUST_CHECK;
void movesteps_fini(struct movesteps *k);

/*
 * `permit`: may the service's own unit start it here?  authority_may_start; and
 * while its plan brings it up here (PROVISIONAL until RAN), only once every step
 * that restores something has ended well, or a person has skipped it.  ERR_BUSY:
 * no, with the run, the steps to come and who starts it.
 */
enum err_code movesteps_may_start(struct daemon *d,
    const struct daemon_service *s, struct err *e) MUST_CHECK;

#endif
