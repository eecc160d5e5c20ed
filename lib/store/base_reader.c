#include "base_reader.h"

#include <stdlib.h>

#define READER_BYTES ((size_t)8 << 20)

struct base_reader {
	struct store *store;
	struct hash_key *key;
	struct delta_cache *cache; /* NULL: none */
	struct reader *reader;     /* made at first use */
};

enum err_code
base_reader_new(struct base_reader **out, struct session *se,
    const struct hash_key *data_key, struct err *e)
{
	OWNED(base_reader_free) struct base_reader *br = NULL;
	enum err_code rc;

	*out = NULL;
	br = calloc(1, sizeof(*br));
	if (br == NULL)
		return err_nomem(e);
	br->store = se->store;
	rc = hash_key_clone(&br->key, data_key, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(br);
	return ERR_NONE;
}

void
base_reader_free(struct base_reader **brp)
{
	struct base_reader *br = TAKE(*brp);

	if (br == NULL)
		return;
	hash_key_free(&br->key);
	reader_free(&br->reader);
	free(br);
}

void
base_reader_cache(struct base_reader *br, struct delta_cache *cache)
{
	br->cache = cache;
}

/* One base's plaintext.  ERR_NOMEM is a failure, all else: it cannot be had. */
static enum err_code
add_base(struct base_reader *br, const struct id *id, struct buf *prefix,
    struct err *e)
{
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc = ERR_NONE;

	if (!keyring_can_read(br->store->keyring))
		return br->cache == NULL
		    ? err_set(e, ERR_KEY, "this key cannot read")
		    : delta_cache_get(br->cache, br->key, id, prefix, e);
	if (br->reader == NULL) {
		rc = reader_new(&br->reader, br->store, e);
		if (rc != ERR_NONE)
			return rc;
		reader_limit(br->reader, READER_BYTES);
	}
	rc = reader_get(br->reader, id, &bytes, &len_bytes, e);
	if (rc == ERR_NONE && len_bytes > FRAME_PREFIX_MAX - prefix->len_bytes)
		rc = err_set(e, ERR_INPUT, "the bases are too large");
	return rc == ERR_NONE ? buf_add(prefix, bytes, len_bytes, e) : rc;
}

enum err_code
base_reader_run(struct base_reader *br, struct batch *b, struct err *e)
{
	struct err why = {0};
	enum err_code rc = ERR_NONE;

	buf_clear(&b->prefix);
	for (size_t i = 0; i < b->bases.count && rc == ERR_NONE; i++)
		rc = add_base(br, &b->bases.ids[i], &b->prefix, &why);
	if (rc != ERR_NONE)
		b->bases.count = b->bases.depth = 0;
	if (rc != ERR_NOMEM)
		return ERR_NONE;
	*e = why;
	return rc;
}
