#ifndef CLI_POLICY_DIFF_H
#define CLI_POLICY_DIFF_H

#include <bascule/base/buf.h>
#include <bascule/base/defs.h>
#include <bascule/base/err.h>

/* before or after NULL: the setting is not there on that side. */
typedef enum err_code policy_diff_fn(void *ctx, const char *setting,
    const char *before, const char *after, struct err *e);

/*
 * Calls fn for each setting that differs, sorted.  The texts are those of
 * policy_show, and are cut up.
 */
enum err_code policy_diff(struct buf *before, struct buf *after,
    policy_diff_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/* Calls fn for each setting, sorted; the text is cut up. */
typedef enum err_code policy_setting_fn(void *ctx, const char *setting,
    const char *value, struct err *e);
enum err_code policy_settings(struct buf *text, policy_setting_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

#endif
