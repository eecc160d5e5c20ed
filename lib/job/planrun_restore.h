#ifndef JOB_PLANRUN_RESTORE_H
#define JOB_PLANRUN_RESTORE_H

/* A restore step: one dataset of the chosen point into the sandbox. */

#include <bascule/base/err.h>
#include <bascule/base/id.h>
#include <bascule/policy.h>
#include <bascule/store.h>

/* What is known of a dataset's snapshot. */
struct planrun_snapshot {
	const struct policy_dataset *dataset; /* NULL: not in the policy */
	struct id id, root;
	uint32_t flags;
	uint64_t bytes, problems_count;
};

struct planrun_restored {
	uint64_t files_count, bytes, warnings_count, deleted_count;
};

/* The repository of the site, for reading, with the policy's key (X2). */
enum err_code planrun_restore_open(struct store **st, struct keyring **keys,
    const struct policy *p, const struct policy_site *site,
    struct err *e) MUST_CHECK;

/* Where its dataset lies in the snapshot: a folder (of ""), or one file. */
#define PLANRUN_RESTORE_PATH_BYTES 4096
enum err_code planrun_restore_find(struct store *st,
    const struct planrun_snapshot *s, char path[PLANRUN_RESTORE_PATH_BYTES],
    bool *is_dir, struct err *e) MUST_CHECK;

/*
 * The dataset's tree becomes the content of the directory `to`; the output of
 * a command (or a tree that is a single file) the file `to`.  `to` is in the
 * sandbox, or where a live move puts it: over what is there, of which, with
 * `deletes`, nothing stays beneath `to` that the dataset lacks.  ERR_CORRUPT: not all
 * of it could be restored and verified.
 */
enum err_code planrun_restore(struct store *st,
    const struct planrun_snapshot *s, const char *to, bool deletes,
    struct planrun_restored *out, struct err *e) MUST_CHECK;

#endif
