#ifndef DAEMON_LASTCOMMON_H
#define DAEMON_LASTCOMMON_H

/*
 * The newest point that this site and another both have: what either goes on
 * from when it has lost the rest.  Retention keeps it (repository.md, rule 10).
 */

#include <stdbool.h>
#include <stddef.h>

#include <bascule/policy.h>

#define LASTCOMMON_SITES_MAX 64

/* {policy, own site's name}. */
struct lastcommon {
	const struct policy *policy;
	const char *own;
	bool found[LASTCOMMON_SITES_MAX]; /* for each site of the policy */
};

/*
 * Points of one service that are here are shown newest first, each with the
 * names of the sites that have it, blanks between.  True: it is the newest in
 * common with one of them, and kept.
 */
bool lastcommon_is(struct lastcommon *lc, const char *sites);

#endif
