#ifndef STORE_IDSET_H
#define STORE_IDSET_H

/* A set of ids in memory: what a writer has put since its last flush. */

#include <stdbool.h>

#include <bascule/base/err.h>
#include <bascule/base/id.h>

/* Zeroed memory is an empty set. */
struct idset {
	struct id *slots;   /* all zero: free */
	size_t slots_count; /* a power of two */
	size_t count;
};

void idset_fini(struct idset *s);
/* Forgets the ids, keeps the memory. */
void idset_clear(struct idset *s);
bool idset_has(const struct idset *s, const struct id *id);
/* *added: it was not there yet. */
enum err_code idset_add(struct idset *s, const struct id *id, bool *added,
    struct err *e) MUST_CHECK;

#endif
