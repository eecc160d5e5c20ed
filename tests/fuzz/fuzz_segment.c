/* An index segment, searched for what is and is not in it. */
#include <string.h>

#include "../../lib/store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct segment s;
	struct segment_record r;
	struct segment_pack pk;
	struct id id;
	struct err e = {0};
	bool sound;

	if (segment_parse(&s, bytes, len_bytes, NULL, &e) != ERR_NONE)
		return 0;
	sound = segment_verify(&s, &e) == ERR_NONE;
	for (uint32_t i = 0; i < s.packs_count; i++)
		segment_pack(&s, i, &pk);
	for (uint64_t i = 0; i < s.records_count; i++) {
		uint64_t at;

		if (!segment_record(&s, i, &r)) {
			ASSERT(!sound);
			continue;
		}
		at = segment_find(&s, &r.id);
		ASSERT(at <= s.records_count);
		ASSERT(!sound || at <= i);
	}
	memset(id.bytes, 0xff, sizeof(id.bytes));
	ASSERT(segment_find(&s, &id) <= s.records_count);
	return 0;
}
