/* index/MANIFEST; as it is, and with its hash made right. */
#include "../../lib/store/manifest.h"
#include "rehashed.h"

static void
decode(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(buf_fini) struct buf again = {0};
	struct err e = {0};

	if (manifest_decode(&m, bytes, len_bytes, NULL, &e) != ERR_NONE)
		return;
	/* there is one spelling only */
	ASSERT(manifest_encode(&m, bytes + 16, &again, &e) == ERR_NONE);
	ASSERT(again.len_bytes == len_bytes &&
	    memcmp(again.bytes, bytes, len_bytes) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	return rehashed(bytes, len_bytes, decode);
}
