/* The format file; as it is, and with its hash made right. */

#include "../../lib/store/format.h"
#include "../../lib/store/parts.h"
#include "rehashed.h"

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
	return rehashed(bytes, len_bytes, decode);
}
