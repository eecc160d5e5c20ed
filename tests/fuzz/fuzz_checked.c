/* STATE/checked/SITE; as it is, and with its hash made right. */
#include "../../lib/store/checking_results.h"
#include "rehashed.h"

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
	return rehashed(bytes, len_bytes, decode);
}
