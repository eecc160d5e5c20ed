#ifndef LOOP_CONN_H
#define LOOP_CONN_H

#include "loop_impl.h"

/* The connection that waits at the listener. */
enum err_code loop_conn_accept(struct loop_conn **out, uv_stream_t *listener,
    struct err *e) MUST_CHECK;
int loop_conn_fd(const struct loop_conn *c);

#endif
