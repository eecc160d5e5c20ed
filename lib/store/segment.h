#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

/*
 * Index segments: sorted, immutable, searched where they lie in the page
 * cache.  A segment is opened without being hashed (it may be large), so
 * nothing in it is believed beyond its bounds: a wrong record costs a wrong
 * answer that the frame itself disproves, never memory.
 */

#include "parts.h"

#define SEGMENT_RECORD_BYTES 48
#define SEGMENT_PACK_BYTES   48
#define SEGMENT_FANOUT_MAX   16
#define SEGMENT_PACKS_MAX    ((uint32_t)1 << 26)

struct segment_pack {
	struct id name;
	uint64_t size_bytes;
	uint64_t flags; /* of enum segment_flags */
};

enum segment_flags { SEGMENT_METADATA = 1, SEGMENT_FOREIGN = 2 };

struct segment_record {
	struct id id;
	uint32_t pack; /* ordinal within the segment */
	uint32_t frame;
	uint16_t slot;
	uint8_t kind, depth;
};

void segment_record_put(uint8_t at[SEGMENT_RECORD_BYTES],
    const struct segment_record *r);
void segment_record_get(const uint8_t at[SEGMENT_RECORD_BYTES],
    struct segment_record *r);

/* --- Writing ------------------------------------------------------------- */

/*
 * records: as segment_record_put makes them; sorted here, in place, and each
 * kept once.
 */
struct segment_parts {
	const struct segment_pack *packs;
	size_t packs_count;
	uint8_t *records;
	size_t records_count;
};
enum err_code segment_encode(struct segment_parts *p,
    const uint8_t family[STORE_FAMILY_BYTES], struct buf *out,
    struct err *e) MUST_CHECK;

/* --- Reading ------------------------------------------------------------- */

struct segment {
	const uint8_t *map;
	size_t size_bytes;
	bool mapped; /* else map is borrowed */
	uint32_t packs_count;
	uint64_t records_count;
	unsigned fanout_bits;
	const uint8_t *packs, *fanout, *records;
};

/* Bounds of bytes that stay the caller's. */
enum err_code segment_parse(struct segment *out, const void *bytes,
    size_t len_bytes, const uint8_t *family, struct err *e) MUST_CHECK;
/* ERR_NOTFOUND, ERR_CORRUPT, ERR_TOONEW; name: the file in dirfd. */
enum err_code segment_open(struct segment *out, int dirfd, const char *name,
    const uint8_t *family, struct err *e) MUST_CHECK;
void segment_fini(struct segment *s);

/* The first record of id, or records_count. */
uint64_t segment_find(const struct segment *s, const struct id *id);
/* False past the end, or when it names a pack that is not there. */
bool segment_record(const struct segment *s, uint64_t at,
    struct segment_record *out);
void segment_pack(const struct segment *s, uint32_t ordinal,
    struct segment_pack *out);

/* Sorted, fan-out right, reserves zero: what opening does not look at. */
enum err_code segment_verify(const struct segment *s, struct err *e) MUST_CHECK;

#endif
