/* A snapshot's file, and the same bytes as its plain details. */
#include <string.h>

#include "../../lib/store/snapfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(snapshot_fini) struct snapshot details = {0};
	struct snapfile_sealed sealed;
	struct err e = {0};

	if (len_bytes >= 32)
		(void)!snapfile_decode(&s, &sealed, bytes + 16, bytes,
		    len_bytes, &e);
	(void)!snapfile_details_decode(&details, bytes, len_bytes, &e);
	return 0;
}
