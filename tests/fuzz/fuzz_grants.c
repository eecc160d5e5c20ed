/* A file of grants: taken in, searched, and nothing of a bad one is kept. */

#include <string.h>

#include "../../lib/store/grants.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(grants_free) struct grants *g = NULL;
	OWNED(buf_fini) struct buf file = {0};
	struct grants_row row;
	struct err e = {0};
	struct id id = {0};
	enum err_code rc;

	if (len_bytes < 32 || buf_add(&file, bytes, len_bytes, &e) != ERR_NONE)
		return 0;
	rc = grants_decode(&g, bytes + 16, &file, &e);
	grants_sort(g);
	for (size_t at = 32; at + 36 <= len_bytes && at < 4096; at++) {
		memcpy(id.bytes, bytes + at, ID_BYTES);
		for (size_t n = 0; grants_find(g, GRANTS_CONTENT, &id, n, &row);
		     n++) {
			ASSERT(rc == ERR_NONE);
			ASSERT(row.stanzas_bytes <= len_bytes);
		}
	}
	return 0;
}
