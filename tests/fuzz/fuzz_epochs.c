/* condemned/epochs: as it is, and with the hash made right. */
#include <string.h>

#include "../../lib/store/epochs.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
decode(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(epochs_fini) struct epochs s = {0};
	OWNED(buf_fini) struct buf again = {.max_bytes = EPOCHS_BYTES_MAX};
	struct err e = {0};

	if (epochs_decode(&s, NULL, bytes, len_bytes, &e) != ERR_NONE)
		return;
	/* there is one spelling only */
	ASSERT(epochs_encode(&again, &s, bytes + 16, &e) == ERR_NONE);
	ASSERT(again.len_bytes == len_bytes &&
	    memcmp(again.bytes, bytes, len_bytes) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(free_mem) uint8_t *copy = malloc(len_bytes + 1);
	struct id hash;
	struct err e = {0};

	decode(bytes, len_bytes);
	if (len_bytes < ID_BYTES || copy == NULL)
		return 0;
	memcpy(copy, bytes, len_bytes);
	ASSERT(hash_sha256(copy, len_bytes - ID_BYTES, &hash, &e) == ERR_NONE);
	memcpy(copy + len_bytes - ID_BYTES, hash.bytes, ID_BYTES);
	decode(copy, len_bytes);
	return 0;
}
