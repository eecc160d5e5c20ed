/* A file of holds/. */
#include <string.h>

#include "../../lib/store/holdfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	static struct hold h;
	struct err e = {0};

	if (len_bytes < 32)
		return 0;
	(void)!holdfile_decode(&h, bytes + 16, bytes, len_bytes, &e);
	ASSERT(h.snapshots_count <= HOLD_SNAPSHOTS_MAX || e.code != ERR_NONE);
	return 0;
}
