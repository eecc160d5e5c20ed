#include "cachefile.h"

enum err_code
cachefile_chain(struct id *chain, const void *bytes, size_t len_bytes,
    struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	enum err_code rc = hash_begin(&h, e);

	if (rc != ERR_NONE)
		return rc;
	hash_add(h, chain->bytes, ID_BYTES);
	hash_add(h, bytes, len_bytes);
	hash_end(h, chain);
	return ERR_NONE;
}

bool
cachefile_bit(const struct buf *bits, uint64_t at)
{
	return at / 8 < bits->len_bytes &&
	    (bits->bytes[at / 8] >> at % 8 & 1) != 0;
}

enum err_code
cachefile_set_bit(struct buf *bits, uint64_t at, struct err *e)
{
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && at / 8 >= bits->len_bytes)
		rc = buf_add_byte(bits, 0, e);
	if (rc == ERR_NONE)
		bits->bytes[at / 8] |= (uint8_t)(1 << at % 8);
	return rc;
}
