#ifndef JOB_DRILLROOM_H
#define JOB_DRILLROOM_H

/*
 * The directory that a restore drill restores into: ROOT/verify-JOB.
 *
 * DR1. Who uses one has it locked (flock): one that nobody has locked is what a
 *      drill left that died, and goes with the next drill at this site.
 * DR2. It is said to be gone when that was looked at, and not before.
 */

#include <stdbool.h>

#include <bascule/base/err.h>

struct drillroom;

/*
 * Make it, mode 0700.  left: called with the name of each one that a dead drill
 * left, after it was removed (why NULL) or not; borrowed.
 */
typedef void drillroom_left_fn(void *ctx, const char *path, const char *why);
enum err_code drillroom_open(struct drillroom **out, const char *root,
    const char *job, drillroom_left_fn *left, void *ctx,
    struct err *e) MUST_CHECK;
const char *drillroom_path(const struct drillroom *r);

/*
 * Remove it with all that is in it; what is there after all is said with the
 * reason, and what to do.
 */
enum err_code drillroom_empty(struct drillroom *r, struct err *e) MUST_CHECK;
/* Removes what was not; accepts NULL. */
void drillroom_close(struct drillroom **r);

#endif
