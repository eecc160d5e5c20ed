/* condemned/receipts, and cuts; as they are, and with the hash made right. */
#include "../../lib/store/cut.h"
#include "../../lib/store/receipts.h"
#include "rehashed.h"

REHASHED_SIDEFILE(receipts, RECEIPTS_BYTES_MAX)

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	static struct cut c;
	struct err e = {0};

	if (len_bytes >= ID_BYTES &&
	    cut_decode(&c, bytes + 16, bytes, len_bytes, &e) == ERR_NONE)
		ASSERT(c.snapshots_count <= CUT_SNAPSHOTS_MAX);
	return rehashed(bytes, len_bytes, decode);
}
