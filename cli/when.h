#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <stdbool.h>

#include <bascule/base/err.h>
#include <bascule/base/now.h>

/*
 * An instant as people give one: "2026-11-22T00:21:34Z", "2026-11-22" (its
 * first moment, UTC), or "7d" (so long ago).  NULL: ns 0.
 */
enum err_code when_parse(const char *text, struct utc *out,
    struct err *e) MUST_CHECK;

struct cli;

#define WHEN_AS_OF_HELP "as recorded by then (2026-11-22T06:00:00Z, 7d)"

/*
 * The option --as-of: ns 0 when it was not given.  False, after having said why
 * (*status: the exit code), when it is no instant, or one that is still to come.
 */
bool when_as_of(struct cli *cli, struct utc *out, int *status);

#endif
