#ifndef DAEMON_STEPDOWN_H
#define DAEMON_STEPDOWN_H

/*
 * What lib/authority/hearing says about a register that was heard, carried out:
 * a service that is said to be elsewhere is fenced here (a job, on record)
 * before what was heard is adopted.
 */

#include "moves.h"

/* Heard from the other site, or (is_witness) from etcd. */
void stepdown_hear(struct daemon *d, struct daemon_service *s,
    const struct authority *heard, bool is_witness, const char *reason);
/* Does nothing for jobs that are none of its own. */
void stepdown_job_ended(struct daemon *d, const struct job *j);
/* For status; false: nothing to say. */
bool stepdown_say(const struct daemon *d, const char *service, char *out,
    size_t out_bytes);
void stepdown_stop(struct moves *v);

#endif
