#ifndef TESTS_SUPPORT_PLANT_H
#define TESTS_SUPPORT_PLANT_H

/* A snapshot of items that no source need yield. */

#include "support/repo.h"

struct plant {
	struct repo_work work;
	struct tree_writer *tw;
};

void plant_begin(struct plant *p, struct repo *r);
/* In path order.  What fails aborts the test. */
void plant_add(struct plant *p, const struct item *it);
void plant_dir(struct plant *p, const char *path);
/* One chunk of noise; len_bytes 0: no content. */
void plant_file(struct plant *p, const char *path, uint64_t seed,
    size_t len_bytes);
/* Of files without content: PREFIX00000 and on. */
void plant_many(struct plant *p, const char *prefix, unsigned count);
/* Commit it; the root. */
struct id plant_end(struct plant *p);

/* A file of name at path, to be filled in; item_fini it. */
void plant_item(struct item *it, const char *path, enum entry_type type);

#endif
