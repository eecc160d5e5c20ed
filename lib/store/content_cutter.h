#ifndef STORE_CONTENT_CUTTER_H
#define STORE_CONTENT_CUTTER_H

/*
 * Where content is cut: by its bytes, or every fixed_bytes.  What it answers
 * depends on nothing but the bytes since the last cut.
 */

#include "parts.h"

/* st is borrowed for the call. */
enum err_code content_cutter_make(struct content_cutter **out,
    const struct store *st, enum chunking how, uint32_t fixed_bytes,
    struct err *e) MUST_CHECK;

#endif
