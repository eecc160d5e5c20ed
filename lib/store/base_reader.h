#ifndef STORE_BASE_READER_H
#define STORE_BASE_READER_H

/*
 * Reads what differences are made from.  One for all the threads that make
 * frames, in front of them: changed chunks come in order, so do their bases,
 * and each frame that these are in is opened once.
 */

#include "batch.h"
#include "delta_cache.h"

struct base_reader;

/* data_key, of data's ids, is cloned; the session is borrowed. */
enum err_code base_reader_new(struct base_reader **out, struct session *se,
    const struct hash_key *data_key, struct err *e) MUST_CHECK;
void base_reader_free(struct base_reader **br);

/* Where bases are, when the repository cannot be read; borrowed. */
void base_reader_cache(struct base_reader *br, struct delta_cache *cache);

/*
 * b->prefix: the plaintexts of all b->bases, end to end.  One that cannot be
 * had leaves none of them: the frame will be a plain one.
 */
enum err_code base_reader_run(struct base_reader *br, struct batch *b,
    struct err *e) MUST_CHECK;

#endif
