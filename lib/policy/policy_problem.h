#ifndef POLICY_PROBLEM_H
#define POLICY_PROBLEM_H

/*
 * What is wrong, collected.  Ids are for ever: a rule that goes away leaves
 * its number behind.
 */

#include <bascule/policy.h>

enum policy_problem_id {
	P_FILE = 1,
	P_INCLUDE = 2,
	P_WRITABLE = 3,
	P_SYNTAX = 4,
	P_INTEGER = 5,
	P_UNKNOWN = 6,
	P_TYPE = 7,
	P_VALUE = 8,
	P_MISSING = 9,
	P_PLACE = 10,
	P_DUPLICATE = 11,
	P_REFERENCE = 12,
	P_HOST = 13,
	P_VARIABLE = 14,
	P_ONE_OF = 15,
	P_PLAN_CYCLE = 16,
	P_DEPENDS_CYCLE = 17,
	P_RPO = 18,
	P_RETENTION = 19,
	P_FAILURE_DOMAIN = 20,
	P_UNDO = 21,
	P_NO_CHECK = 22,
	P_KEY_FILE = 23,
	P_ADDRESS = 24,
	P_HOME = 25,
	P_TIME = 26,
	P_PLAN_NEEDED = 27,
	P_SHARES = 28,
	P_TARGETS = 29,
	P_SITE_HOST = 30,
	P_CALL_CYCLE = 31,
	P_SIGNED = 32
};

/* Add one; file and setting are copied.  Out of memory counts in more_count. */
void policy_problem_add(struct policy_problems *ps, enum policy_problem_id id,
    const struct policy_mark *where, const char *setting, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* Is there one of that kind already for this setting on this line? */
bool policy_problem_has(const struct policy_problems *ps,
    enum policy_problem_id id, const struct policy_mark *where,
    const char *setting);

/* By file, then line; without exact repetitions. */
void policy_problem_sort(struct policy_problems *ps);

#endif
