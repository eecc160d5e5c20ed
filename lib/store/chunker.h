#ifndef STORE_CHUNKER_H
#define STORE_CHUNKER_H

/*
 * Where a stream is cut into chunks: keyed gear hashing, normalised
 * (docs/format/repository.md, "Chunks").  The cuts depend on the key, the
 * geometry and the bytes since the last cut, never on how they were fed.
 */

#include <bascule/crypt.h>
#include <bascule/store.h>

struct chunker;

/* key: the keyring's KEYRING_CHUNKER subkey. */
enum err_code chunker_new(struct chunker **out, const struct secret *key,
    const struct store_geometry *g, struct err *e) MUST_CHECK;
void chunker_free(struct chunker **c);

/*
 * How many of these bytes, in order behind those fed before, belong to the
 * current chunk.  *cut: it ends there, and the next call begins a new one;
 * else all of them were used.
 */
size_t chunker_scan(struct chunker *c, const void *bytes, size_t len_bytes,
    bool *cut);

/* Forget the current chunk: the next byte is a file's first. */
void chunker_reset(struct chunker *c);

#endif
