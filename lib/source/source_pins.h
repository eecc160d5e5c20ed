#ifndef LIB_SOURCE_SOURCE_PINS_H
#define LIB_SOURCE_SOURCE_PINS_H

/*
 * The roots as a tree of names: what must be visited on the way to them.
 */

#include "source_walk.h"

/* Zeroed memory is "/" without roots beneath it. */
void source_pins_fini(struct walk_pin *top);

/*
 * Add a root as a person wrote it: relative to the working directory, with
 * ".", ".." and doubled slashes.  It must exist.
 */
enum err_code source_pins_add(struct walk_pin *top, const char *root,
    struct err *e) MUST_CHECK;

/* The same for a path of another machine: absolute, and never looked for. */
enum err_code source_pins_add_absolute(struct walk_pin *top, const char *root,
    struct err *e) MUST_CHECK;

#endif
