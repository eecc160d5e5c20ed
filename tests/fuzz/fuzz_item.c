/* An item as a state cache keeps it: what decodes encodes to the same bytes. */
#include <string.h>

#include "../../lib/store/trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(item_fini) struct item it = {0};
	OWNED(item_fini) struct item raw = {0};
	OWNED(buf_fini) struct buf again = {0};
	struct item_spilled spill;
	struct item_view v;
	struct err e = {0};

	if (item_view(&v, bytes, len_bytes, &e) == ERR_NONE)
		(void)!item_decode_view(&raw, &v, &spill, &e);
	(void)!item_decode_extras(&raw, bytes, len_bytes, &e);
	if (item_decode(&it, bytes, len_bytes, &e) != ERR_NONE)
		return 0;
	ASSERT(item_encode(&again, &it, &e) == ERR_NONE);
	ASSERT(again.len_bytes == len_bytes);
	ASSERT(memcmp(again.bytes, bytes, len_bytes) == 0);
	return 0;
}
