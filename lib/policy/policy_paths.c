#include "policy_paths.h"

#include <search.h>
#include <string.h>

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

bool
policy_paths_has(const struct policy_paths *s, const char *path)
{
	return tfind(path, &s->root, by_text) != NULL;
}

enum err_code
policy_paths_add(struct policy_paths *s, const char *path, struct err *e)
{
	return tsearch(path, &s->root, by_text) == NULL ? err_nomem(e)
							: ERR_NONE;
}

static void
stays(void *path)
{
	(void)path;
}

void
policy_paths_fini(struct policy_paths *s)
{
	tdestroy(s->root, stays);
	s->root = NULL;
}
