#ifndef POLICY_CHECK_H
#define POLICY_CHECK_H

/*
 * What a table cannot say: whether the parts of a policy fit together.  A
 * value that did not load ("" or 0) is passed over: it has its problem already.
 */

#include "policy_problem.h"

#define POLICY_CHECK_GAPS 64

/* A year of a schedule takes milliseconds, and hundreds of services share a
 * few schedules: the answers are kept. */
struct policy_check_gap {
	const char *schedule, *timezone;
	int64_t gap_ns;
};

struct policy_check_run {
	const struct policy *p;
	struct policy_problems *ps;
	struct utc now;
	bool is_partial; /* files are missing: unknown names prove nothing */
	bool on_disk;    /* key files can be looked at */
	struct policy_check_gap gaps[POLICY_CHECK_GAPS];
	size_t gap_count;
};

/* Out of memory shows in ps->more_count. */
void policy_check_all(const struct policy *p, struct policy_problems *ps,
    struct utc now, bool is_partial, bool on_disk);

/* The name in a setting must be one of these; a problem if not. */
struct policy_check_names {
	const char *what; /* "site" */
	const char *const *items;
	size_t count;
};
bool policy_check_name(struct policy_check_run *run,
    const struct policy_check_names *names, const struct policy_at *at,
    const char *setting, const char *name);

/* The same for a host of any site; "" is no host. */
void policy_check_host(struct policy_check_run *run, const struct policy_at *at,
    const char *setting, const char *name);

/*
 * No two of count records have the same text at offset `name`; they are
 * size_bytes apart.  setting: "sites.name".
 */
void policy_check_twice(struct policy_check_run *run, const void *records,
    size_t count, size_t size_bytes, size_t name_offset, const char *setting);

/* A problem at the place of a setting of a record. */
#define POLICY_CHECK_SAY(run, id, at, path, ...)                               \
	do {                                                                   \
		struct policy_mark where_ =                                    \
		    policy_setting_mark(at, policy_check_last(path));          \
		policy_problem_add((run)->ps, id, &where_, path, __VA_ARGS__); \
	} while (0)

/* "schedule" of "service.backup.schedule". */
const char *policy_check_last(const char *path);

#endif
