/* A recovery point's file. */
#include <string.h>

#include "../../lib/store/pointfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct point p = {0};
	struct err e = {0};

	if (len_bytes >= 32)
		(void)!pointfile_decode(&p, bytes + 16, bytes, len_bytes, &e);
	ASSERT(p.snapshots_count <= POINT_DATASETS_MAX || e.code != ERR_NONE);
	return 0;
}
