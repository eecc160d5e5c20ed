#ifndef POLICY_MEMORY_H
#define POLICY_MEMORY_H

/* Memory that is given back all at once, with the zones a policy names. */

#include <stddef.h>

#include <bascule/base/err.h>
#include <bascule/calendar.h>
#include <bascule/policy.h>

struct policy_memory;

enum err_code policy_memory_new(struct policy_memory **out,
    struct err *e) MUST_CHECK;
void policy_memory_free(struct policy_memory **mp);

/* len_bytes zeroed bytes, aligned for anything; NULL: out of memory. */
void *policy_memory_get(struct policy_memory *m, size_t len_bytes,
    struct err *e) MUST_CHECK;

/* A copy with a NUL after it; NULL: out of memory. */
char *policy_memory_text(struct policy_memory *m, const char *text,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* The zone of that name, loaded once; see zone_load. */
enum err_code policy_memory_zone(struct policy_memory *m, const char *name,
    const struct zone **out, struct err *e) MUST_CHECK;

/* Remember a file as it was read, once a path: for policy_files. */
enum err_code policy_memory_keep(struct policy_memory *m, const char *path,
    const char *text, size_t len_bytes, struct err *e) MUST_CHECK;
const struct policy_text_file *policy_memory_kept(const struct policy_memory *m,
    size_t *count);

#endif
