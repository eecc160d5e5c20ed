#ifndef POLICY_DESCRIBE_H
#define POLICY_DESCRIBE_H

/* One setting in words, for `explain` and the reference page. */

#include "policy_schema.h"

/* "required", "none", or the default as it would be written. */
enum err_code policy_describe_default(const struct policy_setting *s,
    struct buf *out, struct err *e) MUST_CHECK;

/* "\"1s\" to \"1h\"", its choices, or nothing. */
enum err_code policy_describe_range(const struct policy_setting *s,
    struct buf *out, struct err *e) MUST_CHECK;

/* "duration", "array of names". */
enum err_code policy_describe_type(const struct policy_setting *s,
    struct buf *out, struct err *e) MUST_CHECK;

#endif
