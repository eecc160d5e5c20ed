/* An index segment, searched for what is and is not in it. */
#include <string.h>

#include "../../lib/store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

/* What a sound one has is found where it is; of the others: in bounds. */
static void
look_for(const struct segment *s, const struct segment_record *wanted,
    uint64_t ordinal, bool sound)
{
	struct segment_record r;
	bool found = false;

	for (uint64_t at = 0; segment_find(s, &wanted->id, &at, &r, NULL);
	     at++) {
		ASSERT(at < s->records_count && r.pack < s->packs_count);
		ASSERT(id_equal(&r.id, &wanted->id));
		found |= at == ordinal;
	}
	ASSERT(found || !sound);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct segment s;
	struct segment_pack pk;
	const uint8_t *at;
	struct segment_record r = {0};
	struct err e = {0};
	bool sound;

	if (segment_parse(&s, bytes, len_bytes, NULL, &e) != ERR_NONE)
		return 0;
	sound = segment_verify(&s, &e) == ERR_NONE;
	for (uint32_t i = 0; i < s.packs_count; i++)
		segment_pack(&s, i, &pk);
	OWNED(segment_scan_fini) struct segment_scan scan = {.segment = &s};
	while (segment_scan_next(&scan, &at, &e) == ERR_NONE && at != NULL) {
		segment_record_get(at, &r);
		look_for(&s, &r, scan.next - 1, sound);
	}
	memset(r.id.bytes, 0xff, sizeof(r.id.bytes));
	look_for(&s, &r, 0, false);
	return 0;
}
