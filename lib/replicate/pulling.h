#ifndef LIB_REPLICATE_PULLING_H
#define LIB_REPLICATE_PULLING_H

#include "push.h"

/*
 * serve_run for the copy at path, the sender behind t, which is round_trip_ns
 * away, with a way to more connections to that sender's repository.
 */
enum err_code pulling_over(const char *path, const struct transport *t,
    const struct lanes_way *way, int64_t round_trip_ns,
    const struct serve_options *opt, struct serve_tally *out,
    struct err *e) MUST_CHECK;

#endif
