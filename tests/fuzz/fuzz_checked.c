/* STATE/checked/SITE; as it is, and with its hash made right. */
#include <string.h>

#include "../../lib/store/checking_results.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
decode(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(checking_results_fini) struct checking_results r = {0};
	static const uint8_t site[STORE_FAMILY_BYTES];
	struct err e = {0};

	if (checking_results_decode(&r, bytes, len_bytes, site, &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < r.count; i++)
		ASSERT(checking_results_last(&r, &r.rows[i].pack, CHECK_READ) >=
		    0);
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
