#include "policy_cycle.h"

#include <string.h>

static ssize_t
index_of(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (ssize_t)i;
	return -1;
}

/* The first that i waits for and that is not done; -1: none. */
static ssize_t
waits_for(const char *const *names, const struct policy_texts *after,
    size_t count, const bool *done, size_t i)
{
	for (size_t k = 0; k < after[i].count; k++) {
		ssize_t j = index_of(names, count, after[i].items[k]);

		if (j != -1 && !done[j])
			return j;
	}
	return -1;
}

/* Done is what waits for nothing but what is done; the rest holds a cycle. */
static void
finish(const char *const *names, const struct policy_texts *after, size_t count,
    bool *done)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			if (done[i] ||
			    waits_for(names, after, count, done, i) != -1)
				continue;
			done[i] = more = true;
		}
	}
}

enum err_code
policy_cycle_find(const char *const *names, const struct policy_texts *after,
    size_t count, ssize_t *found, struct buf *out, struct err *e)
{
	OWNED(free_mem) bool *done = calloc(count + 1, sizeof(*done));
	ssize_t at;
	enum err_code rc;

	*found = -1;
	if (done == NULL)
		return err_nomem(e);
	finish(names, after, count, done);
	at = -1;
	for (size_t i = 0; at == -1 && i < count; i++)
		if (!done[i])
			at = (ssize_t)i;
	if (at == -1)
		return ERR_NONE;
	/* Every step from here leads to one that is not done: after count of
	 * them we are on a cycle, whatever we began with. */
	for (size_t i = 0; i < count; i++)
		at = waits_for(names, after, count, done, (size_t)at);
	/* Begin with the one that is written first. */
	*found = at;
	for (size_t i = 0; i < count; i++) {
		at = waits_for(names, after, count, done, (size_t)at);
		*found = at < *found ? at : *found;
	}
	at = *found;
	rc = buf_add_text(out, names[at], e);
	do {
		at = waits_for(names, after, count, done, (size_t)at);
		if (rc == ERR_NONE)
			rc = buf_printf(out, e, " -> %s", names[at]);
	} while (at != *found && rc == ERR_NONE);
	return rc;
}
