#ifndef POLICY_PATHS_H
#define POLICY_PATHS_H

/* A set of paths, which stay their owner's: of a policy there may be thousands. */

#include <stdbool.h>

#include <bascule/base/err.h>

/* Zeroed it is empty. */
struct policy_paths {
	void *root; /* of tsearch */
};

bool policy_paths_has(const struct policy_paths *s, const char *path);
enum err_code policy_paths_add(struct policy_paths *s, const char *path,
    struct err *e) MUST_CHECK;
void policy_paths_fini(struct policy_paths *s);

#endif
