/* The format file; as it is, and with its hash made right. */
#include <string.h>

#include "../../lib/store/format.h"
#include "../../lib/store/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
decode(const uint8_t *bytes, size_t len_bytes)
{
	struct format f;
	struct err e = {0};

	if (format_decode(&f, bytes, len_bytes, &e) != ERR_NONE)
		return;
	ASSERT(len_bytes == FORMAT_BYTES);
	ASSERT(format_check_geometry(&f.geometry, &e) == ERR_NONE);
	ASSERT(memcmp(f.family, bytes + 16, sizeof(f.family)) == 0);
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
