#ifndef JOB_EXERCISE_RESTORE_H
#define JOB_EXERCISE_RESTORE_H

/* A restore step: one dataset of the chosen point into the sandbox. */

#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/policy.h>
#include <bascule/store.h>

/* What is known of a dataset's snapshot. */
struct exercise_snapshot {
	const struct policy_dataset *dataset; /* NULL: not in the policy */
	struct id id, root;
	uint32_t flags;
	uint64_t bytes, problems_count;
};

struct exercise_restored {
	uint64_t files_count, bytes, warnings_count;
};

/* The repository of the site, for reading, with the policy's key (X2). */
enum err_code exercise_restore_open(struct store **st, struct keyring **keys,
    const struct policy *p, const struct policy_site *site,
    struct err *e) MUST_CHECK;

/*
 * The dataset's tree becomes the content of the directory `to`; the output of
 * a command (or a tree that is a single file) the file `to`.  `to` is in the
 * sandbox.  ERR_CORRUPT: not all of it could be restored and verified.
 */
enum err_code exercise_restore(struct store *st,
    const struct exercise_snapshot *s, const char *to,
    struct exercise_restored *out, struct err *e) MUST_CHECK;

#endif
