#ifndef STORE_CLOSURE_OPEN_H
#define STORE_CLOSURE_OPEN_H

/*
 * The trees with a read key: every page and chunk list opened once, however
 * many snapshots share it; bodies against lists, children against what their
 * parents promise, contents against their lists.
 */

#include "parts.h"

struct closure_open;
enum err_code closure_open_new(struct closure_open **out, struct checking *ck,
    struct err *e) MUST_CHECK;
void closure_open_free(struct closure_open **co);

/* Damage below root is told as object's.  Fails when it cannot look. */
enum err_code closure_open_root(struct closure_open *co, const struct id *root,
    const char *object, struct err *e) MUST_CHECK;

#endif
