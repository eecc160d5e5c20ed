#include "../../lib/job/dnsttl.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	uint32_t seconds;
	struct err e;

	if (dnsttl_read(bytes, len_bytes, &seconds, &e) == ERR_NONE &&
	    seconds > INT32_MAX)
		__builtin_trap();
	return 0;
}
