#ifndef BASCULE_BASE_WILDCARD_H
#define BASCULE_BASE_WILDCARD_H

/*
 * Shell patterns on bytes, as find(1) has them: * is any bytes ('/' too), ? one
 * character (of UTF-8, or a byte that is none), [a-z] and [!a-z] a byte, \x is
 * x itself.  Linear but for one place to go back to: no pattern is slow.
 */

#include <stdbool.h>
#include <stddef.h>

bool wildcard_match(const char *pattern, const char *text, size_t len_bytes);

/*
 * Of a path as the map has it (no '/' in front).  A pattern without '/' is for
 * the last component, one that begins with '/' for the whole path, any other
 * for the path's end from some component on.
 */
bool wildcard_match_path(const char *pattern, const char *path,
    size_t len_bytes);

#endif
