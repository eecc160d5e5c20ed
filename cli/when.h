#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <bascule/base/err.h>
#include <bascule/base/now.h>

/*
 * An instant as people give one: "2026-11-22T00:21:34Z", "2026-11-22" (its
 * first moment, UTC), or "7d" (so long ago).  NULL: ns 0.
 */
enum err_code when_parse(const char *text, struct utc *out,
    struct err *e) MUST_CHECK;

#endif
