#ifndef POLICY_SETTLE_H
#define POLICY_SETTLE_H

/*
 * What follows from what was written: kinds, schedules ready for use, titles.
 * Also refuses settings that exclude one another, since kinds follow from them.
 */

#include "policy_memory.h"
#include "policy_problem.h"

/* ERR_NOMEM only; problems go to ps. */
enum err_code policy_settle_all(struct policy *p, struct policy_problems *ps,
    struct err *e) MUST_CHECK;

#endif
