#ifndef POLICY_SETTING_H
#define POLICY_SETTING_H

/* Questions about the tables of policy_schema.h. */

#include "policy_schema.h"

#define POLICY_SETTING_PATH_BYTES 128

/* "duration", "array of texts", ... */
const char *policy_setting_type_name(const struct policy_setting *s);

/* What is accepted, as the second half of a message. */
const char *policy_setting_accepts(enum policy_type type);

/* NULL: no such setting in the group. */
const struct policy_setting *policy_setting_find(const struct policy_group *g,
    const char *name);

/* The nearest name in the group, or NULL when none is near. */
const char *policy_setting_nearest(const struct policy_group *g,
    const char *name);

/* The same among count names. */
const char *policy_setting_nearest_of(const char *const *names, size_t count,
    const char *name);

/* Where a setting of a record is written; the record's own place if not. */
struct policy_mark policy_setting_mark(const struct policy_at *at,
    const char *name);

/* Is the setting written (not a default)? */
bool policy_setting_is_written(const struct policy_at *at, const char *name);

/*
 * Every setting, a group before what is in it, with its dotted path.  Stops
 * when fn returns anything but ERR_NONE, and returns that.
 */
typedef enum err_code policy_setting_fn(void *ctx, const char *path,
    const struct policy_setting *s, struct err *e);
enum err_code policy_setting_walk(policy_setting_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

#endif
