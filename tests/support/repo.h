#ifndef TESTS_SUPPORT_REPO_H
#define TESTS_SUPPORT_REPO_H

#include <bascule/crypt.h>
#include <bascule/store.h>

#include "support/tmpdir.h"

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
/* The same, opened for writing and without keys, as a replica is. */
struct store *repo_open_copy(struct repo *r, const char *name);

/* Aborts the test when it fails. */
struct store *repo_open(struct repo *r, enum store_access access);

/*
 * Open it for writing, with a session and a writer that has no options; and
 * end all three, what was not committed with them.  begin aborts the test when
 * it fails; end takes what is already NULL.
 */
void repo_begin(struct repo *r, struct store **st, struct session **se,
    struct writer **w);
void repo_end(struct store **st, struct session **se, struct writer **w);

/* The three of them, for OWNED(repo_work_end). */
struct repo_work {
	struct store *st;
	struct session *se;
	struct writer *w;
};
void repo_work_end(struct repo_work *a);

/* Bytes that do not compress; the same for the same seed. */
void repo_noise(uint8_t *bytes, size_t len_bytes, uint64_t seed);

/* Put one chunk of len_bytes of noise. */
struct id repo_put(struct writer *w, uint64_t seed, size_t len_bytes);
/* A file of one such chunk: what a tree's writer takes.  it is zeroed. */
void repo_file(struct item *it, struct writer *w, const char *path,
    uint64_t seed, size_t len_bytes);
/* Is it there, byte for byte? */
bool repo_has(struct store *st, const struct id *id, uint64_t seed,
    size_t len_bytes);
/* A file of noise, mode 0640. */
void repo_noise_file(int dirfd, const char *name, uint64_t seed,
    size_t len_bytes);

/*
 * Everything that is visible in the copy at path opens, by r's keys, and so many
 * snapshots and points are; SIZE_MAX: however many.
 */
void repo_check_copy(const struct repo *r, const char *path,
    size_t snapshots_count, size_t points_count);
/* Damage to the error output: for whoever takes such a function. */
void repo_tell_damage(void *ctx, const char *object, const char *what);

/* Save the tree as dataset "docs" of "local", in chunks of one size; its root. */
struct id repo_save(struct repo *r, const struct tmpdir *tree,
    const struct tmpdir *state, unsigned chunk_bytes);

#endif
