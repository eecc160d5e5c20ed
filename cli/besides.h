#ifndef CLI_BESIDES_H
#define CLI_BESIDES_H

#include <bascule/base/err.h>

/* The path of what lies beside the ledger under that name; the caller's, to
 * free. */
enum err_code besides_path(char **out, const char *ledger, const char *name,
    struct err *e) MUST_CHECK;

#endif
