#ifndef LIB_REPLICATE_SHELF_H
#define LIB_REPLICATE_SHELF_H

/* The repository behind a receiver. */

#include "receiver.h"

struct shelf;

/* path: borrowed until _free.  Nothing is opened before HELLO. */
enum err_code shelf_new(struct shelf **out, const char *path,
    const struct serve_options *opt, struct err *e) MUST_CHECK;
void shelf_free(struct shelf **s);

/* Everything of sink but `say`. */
void shelf_sink(struct shelf *s, struct receiver_sink *sink);

#endif
