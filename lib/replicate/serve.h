#ifndef LIB_REPLICATE_SERVE_H
#define LIB_REPLICATE_SERVE_H

#include "receiver.h"

/* serve_run for one of several connections.  share: NULL, it is alone. */
enum err_code serve_share(const char *path, const struct transport *t,
    const struct serve_options *opt, const struct receiver_share *share,
    struct serve_tally *out, struct err *e) MUST_CHECK;

#endif
