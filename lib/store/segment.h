#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

/*
 * Index segments: sorted, immutable, searched where they lie.  A segment is
 * opened without being hashed (it may be large), so nothing in it is believed
 * beyond its bounds: a wrong record costs a wrong answer that the frame itself
 * disproves, never memory.
 *
 * What a look-up touches of a segment that does not have the id are two places
 * of its columns, some 2.5 bytes a record; these are mapped.  The records of a
 * large one are read by a call each: mapped, all of them would count as the
 * program's memory before long.
 */

#include "parts.h"

#define SEGMENT_RECORD_BYTES 48
#define SEGMENT_PACK_BYTES   48
#define SEGMENT_PRINT_BYTES  2
#define SEGMENT_FANOUT_MAX   24
#define SEGMENT_PACKS_MAX    ((uint32_t)1 << 26)
#define SEGMENT_RECORDS_MAX  UINT32_MAX
#define SEGMENT_MAPPED_BYTES ((size_t)1 << 20) /* records that are mapped */

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
/* By id, then pack, then frame, then slot. */
int segment_record_compare(const void *a, const void *b);

/* --- Layout -------------------------------------------------------------- */

struct segment_shape {
	uint32_t packs_count;
	uint64_t records_count;
	unsigned fanout_bits;
	size_t records_at, prints_at, fanout_at, size_bytes;
};

/* At most SEGMENT_PACKS_MAX and SEGMENT_RECORDS_MAX. */
void segment_shape(struct segment_shape *out, uint32_t packs_count,
    uint64_t records_count);
/* All before the records: shape->records_at bytes. */
void segment_put_begin(uint8_t *at, const struct segment_shape *shape,
    const uint8_t family[STORE_FAMILY_BYTES], const struct segment_pack *packs);
/* The fingerprint of a record or id: SEGMENT_PRINT_BYTES. */
static inline const uint8_t *
segment_print(const uint8_t *id)
{
	return id + 4; /* the fan-out has at most the three before */
}

/* From the fan-out's begin to the file's end, record by record. */
struct segment_fanout {
	uint8_t *at;
	unsigned bits;
	uint32_t next; /* entry that is to be put */
};
void segment_fanout_add(struct segment_fanout *f, const uint8_t *id,
    uint64_t ordinal);
void segment_fanout_end(struct segment_fanout *f, uint64_t records_count);

/* --- Writing in memory --------------------------------------------------- */

/* records: as segment_record_put makes them. */
struct segment_parts {
	struct segment_pack *packs;
	size_t packs_count;
	uint8_t *records;
	size_t records_count;
};
/* Packs and records in order, each once; in place. */
enum err_code segment_encode_sort(struct segment_parts *p,
    struct err *e) MUST_CHECK;
/* Sorts them, too. */
enum err_code segment_encode(struct segment_parts *p,
    const uint8_t family[STORE_FAMILY_BYTES], struct buf *out,
    struct err *e) MUST_CHECK;

/* --- Reading ------------------------------------------------------------- */

struct segment {
	const uint8_t *map;
	size_t size_bytes;
	bool mapped; /* else map is borrowed */
	bool apart;  /* records are read from fd, not through the map */
	int fd;
	uint32_t packs_count;
	uint64_t records_count;
	unsigned fanout_bits;
	const uint8_t *packs, *records, *prints, *fanout;
};

/* Bounds of bytes that stay the caller's. */
enum err_code segment_parse(struct segment *out, const void *bytes,
    size_t len_bytes, const uint8_t *family, struct err *e) MUST_CHECK;
/* ERR_NOTFOUND, ERR_CORRUPT, ERR_TOONEW; name: the file in dirfd. */
enum err_code segment_open(struct segment *out, int dirfd, const char *name,
    const uint8_t *family, struct err *e) MUST_CHECK;
void segment_fini(struct segment *s);

/* Of the whole file. */
enum err_code segment_hash(const struct segment *s, struct id *out,
    struct err *e) MUST_CHECK;

/*
 * The first record of id at *at or behind it; its pack is in bounds.  False:
 * there is none.
 *
 *	for (uint64_t at = 0; segment_find(s, id, &at, &r); at++)
 *
 * *failed (may be NULL) becomes true when a record could not be read; it is
 * never made false.
 */
bool segment_find(const struct segment *s, const struct id *id, uint64_t *at,
    struct segment_record *out, _Atomic bool *failed);
void segment_pack(const struct segment *s, uint32_t ordinal,
    struct segment_pack *out);

/* Sorted, columns right, reserves zero: what opening does not look at. */
enum err_code segment_verify(const struct segment *s, struct err *e) MUST_CHECK;

/* --- Reading all of it, in order ----------------------------------------- */

/*
 *	OWNED(segment_scan_fini) struct segment_scan scan = {.segment = s};
 *	while ((rc = segment_scan_next(&scan, &r, e)) == ERR_NONE && r != NULL)
 */
struct segment_scan {
	const struct segment *segment;
	uint64_t next; /* record */
	uint8_t *bytes;
	uint64_t first, count; /* records in bytes */
};
void segment_scan_fini(struct segment_scan *scan);
/* *record: valid until the next call; NULL when that was all. */
enum err_code segment_scan_next(struct segment_scan *scan,
    const uint8_t **record, struct err *e) MUST_CHECK;

#endif
