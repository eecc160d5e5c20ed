#ifndef STORE_POINTFIND_H
#define STORE_POINTFIND_H

/* Reading point files back. */

#include "pointfile.h"
#include "snapfind.h"

enum err_code pointfind_load(struct point *out, struct store *st, int dir_fd,
    const struct id *id, struct err *e) MUST_CHECK;

/*
 * Is each snapshot that the point names here, in its service?  ERR_NOTFOUND,
 * ERR_INPUT (one is named twice).
 */
enum err_code pointfind_complete(struct store *st, const struct point *p,
    struct err *e) MUST_CHECK;

#endif
