#ifndef TESTS_SUPPORT_ITEMS_H
#define TESTS_SUPPORT_ITEMS_H

#include <stdbool.h>
#include <stdint.h>

#include <bascule/store.h>

/* A small generator: the same seed gives the same items everywhere. */
struct items_random {
	uint64_t state;
};
uint64_t items_random(struct items_random *r);
uint64_t items_below(struct items_random *r, uint64_t bound);

/*
 * A whole item of any type at path.  Its content is inline or none, or names
 * chunks by made-up ids when with_chunks.
 */
void items_make(struct item *out, const char *path, struct items_random *r,
    bool with_chunks);

/* count paths, ascending: a tree of directories; free each and the array. */
char **items_paths(size_t count, struct items_random *r);
void items_paths_free(char **paths, size_t count);

bool items_equal(const struct item *a, const struct item *b);

#endif
