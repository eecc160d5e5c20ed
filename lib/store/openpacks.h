#ifndef STORE_OPENPACKS_H
#define STORE_OPENPACKS_H

/*
 * Packs kept open and content keys kept unwrapped, for a reader: the least
 * recently used goes.  What is handed out is borrowed until the next call.
 */

#include "index.h"
#include "pack.h"
#include "parts.h"

struct openpacks;

enum err_code openpacks_new(struct openpacks **out, struct store *st,
    struct err *e) MUST_CHECK;
void openpacks_free(struct openpacks **op);

/* ERR_CORRUPT: it is not there, though the index says so. */
enum err_code openpacks_pack(struct openpacks *o, const struct index_pack *ip,
    struct pack **out, struct err *e) MUST_CHECK;

/* A content key, and the keys of its domain that derive ids, by their kind. */
struct openpacks_key {
	struct seal_key *seal;
	struct hash_key *id_keys[STORE_LIST + 1];
};

/* Names a key for as long as it is kept. */
struct openpacks_handle {
	size_t place;
	uint64_t born;
};

/* The key of that id, from the stanzas in the pack's footer. */
enum err_code openpacks_unwrap(struct openpacks *o, const struct pack *pk,
    const struct id *key_id, struct openpacks_handle *out,
    struct err *e) MUST_CHECK;

/* NULL: it is no longer kept. */
const struct openpacks_key *openpacks_key(const struct openpacks *o,
    struct openpacks_handle h);

#endif
