#ifndef TESTS_SUPPORT_REPO_H
#define TESTS_SUPPORT_REPO_H

#include <bascule/crypt.h>
#include <bascule/store.h>

/*
 * A repository of the test's own below /tmp, and the keys of its family.  The
 * keyrings are made once for all tests.
 */
struct repo {
	char dir[48];                                 /* of the test */
	char path[64];                                /* dir/repo */
	struct keyring *operations, *escrow, *writer; /* borrowed */
};

/* With small packs and frames, so that a few kilobytes fill several. */
void repo_make(struct repo *r);
void repo_remove(struct repo *r);
/* A second, empty repository of the same family at r->dir/NAME. */
void repo_make_another(struct repo *r, const char *name, char path[64]);

/* Aborts the test when it fails. */
struct store *repo_open(struct repo *r, enum store_access access);

/* Bytes that do not compress; the same for the same seed. */
void repo_noise(uint8_t *bytes, size_t len_bytes, uint64_t seed);

/* Put one chunk of len_bytes of noise. */
struct id repo_put(struct writer *w, uint64_t seed, size_t len_bytes);
/* Is it there, byte for byte? */
bool repo_has(struct store *st, const struct id *id, uint64_t seed,
    size_t len_bytes);

#endif
