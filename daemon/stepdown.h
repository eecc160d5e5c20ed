#ifndef DAEMON_STEPDOWN_H
#define DAEMON_STEPDOWN_H

/*
 * The other site's register (or etcd's) says that a service of ours is theirs,
 * and no move here is about it: this site lets go in that order.
 *
 *	heard -> epoch seen, quarantine -> fence of our own side (a job, on
 *	record) -proved-> the caller adopts what it heard
 *	          '-not proved-> alarm; nothing starts here; again after a while
 *
 * SD1. What was heard is never adopted before our own side is proved stopped,
 *      or two people said `hold resolve SERVICE --owner` of the other site.
 * SD2. From the first moment on nothing is permitted to start here.
 *
 * Died on the way: a start is quarantined, hears it again and fences again.
 */

#include "moves.h"

/* Is our own side fenced?  Begins with it, and says so later. */
bool stepdown_is_fenced(struct daemon *d, struct daemon_service *s,
    const struct authority *heard);
/* Is it on the way?  What is no news then ends no quarantine. */
bool stepdown_is_open(struct daemon *d, const struct daemon_service *s);
/* It was adopted, or a move sees to it. */
void stepdown_drop(struct daemon *d, const char *service);
/* Does nothing for jobs that are none of its own. */
void stepdown_job_ended(struct daemon *d, const struct job *j);
/* For status; false: nothing to say. */
bool stepdown_say(const struct daemon *d, const char *service, char *out,
    size_t out_bytes);
void stepdown_stop(struct moves *v);

#endif
