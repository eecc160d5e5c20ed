#ifndef BASCULE_BASE_PATH_H
#define BASCULE_BASE_PATH_H

/*
 * Paths of entries: bytes without a NUL, no leading or trailing '/', no empty
 * component, no "." or "..", at most PATH_BYTES_MAX; the root is the empty
 * path.  They are ordered with '/' below every other byte, so that a walk that
 * visits a directory before its sorted members yields the order.
 */

#include <stdbool.h>
#include <stddef.h>

#define PATH_BYTES_MAX ((size_t)65536)
#define PATH_NAME_MAX  255

/* <0, 0 or >0: a before, equal to, after b in the map's order. */
int path_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

/* May these bytes stand as a path? */
bool path_is_valid(const char *path, size_t len_bytes);

/* Is path root itself or beneath it?  The empty root holds everything. */
bool path_is_under(const char *path, size_t path_bytes, const char *root,
    size_t root_bytes);

/* How many bytes of path are its parent's ("" is the parent of "a"). */
size_t path_parent(const char *path, size_t len_bytes);

#endif
