#ifndef CLI_PAST_H
#define CLI_PAST_H

/* The posture of services at an instant that has passed, from the ledger. */

#include "live.h"

/*
 * What this site had recorded by then, a message of type service for each of
 * them (or for that one), given to fn; behind: out of its RPO.  Returns the
 * exit code, after having said why it is not 0.
 */
typedef int past_fn(struct live *l, struct wire_value **v, bool behind);
int past_ask(struct live *l, struct utc as_of, const char *service,
    past_fn *fn);

#endif
