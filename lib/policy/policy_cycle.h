#ifndef POLICY_CYCLE_H
#define POLICY_CYCLE_H

/* Things that wait for one another. */

#include <stddef.h>
#include <sys/types.h>

#include <bascule/policy.h>

/*
 * names[i] waits for the names in after[i]; unknown names are passed over.
 * *found: one of a cycle, or -1; out: "a -> b -> a".
 */
enum err_code policy_cycle_find(const char *const *names,
    const struct policy_texts *after, size_t count, ssize_t *found,
    struct buf *out, struct err *e) MUST_CHECK;

#endif
