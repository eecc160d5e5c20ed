#ifndef LIB_SOURCE_SOURCE_EXCLUDE_H
#define LIB_SOURCE_SOURCE_EXCLUDE_H

/*
 * gitignore's patterns (source.h describes them).  A pattern is a list of
 * components, a path too; "**" spans components as "*" spans bytes, so each is
 * one loop with one place to go back to and no input makes it slow.
 */

#include <stdbool.h>
#include <stddef.h>

#include <bascule/base/defs.h>
#include <bascule/base/err.h>

#define SOURCE_PATTERN_BYTES_MAX 4096

struct source_exclude;

/*
 * ERR_INPUT names the pattern that makes no sense.  *out stays NULL when there
 * are none.
 */
enum err_code source_exclude_new(struct source_exclude **out,
    const char *const *patterns, size_t count, struct err *e) MUST_CHECK;
void source_exclude_free(struct source_exclude **x);

/* path: relative to the root, not empty. */
bool source_exclude_match(const struct source_exclude *x, const char *path,
    size_t path_bytes, bool is_dir);

#endif
