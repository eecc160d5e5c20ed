#include "segment.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#define FIXED_BYTES      (HEAD_BYTES + 16)
#define PER_FANOUT_COUNT 8 /* records that one fan-out entry should lead to */

void
segment_record_put(uint8_t at[SEGMENT_RECORD_BYTES],
    const struct segment_record *r)
{
	memcpy(at, r->id.bytes, ID_BYTES);
	le_put32(at + 32, r->pack);
	le_put32(at + 36, r->frame);
	le_put16(at + 40, r->slot);
	at[42] = r->kind;
	at[43] = r->depth;
	le_put32(at + 44, 0);
}

void
segment_record_get(const uint8_t at[SEGMENT_RECORD_BYTES],
    struct segment_record *r)
{
	memcpy(r->id.bytes, at, ID_BYTES);
	r->pack = le_get32(at + 32);
	r->frame = le_get32(at + 36);
	r->slot = le_get16(at + 40);
	r->kind = at[42];
	r->depth = at[43];
}

/* By id, then pack, then frame, then slot. */
static int
compare_records(const void *va, const void *vb)
{
	const uint8_t *a = va, *b = vb;
	int order = memcmp(a, b, ID_BYTES);

	if (order == 0 && le_get32(a + 32) != le_get32(b + 32))
		order = le_get32(a + 32) < le_get32(b + 32) ? -1 : 1;
	if (order == 0 && le_get32(a + 36) != le_get32(b + 36))
		order = le_get32(a + 36) < le_get32(b + 36) ? -1 : 1;
	if (order == 0 && le_get16(a + 40) != le_get16(b + 40))
		order = le_get16(a + 40) < le_get16(b + 40) ? -1 : 1;
	return order;
}

/* The top bits of an id as a number; bits 0 to 16. */
static uint32_t
top_bits(const uint8_t *id, unsigned bits)
{
	uint32_t top = (uint32_t)id[0] << 8 | id[1];

	return top >> (16 - bits);
}

static unsigned
choose_fanout(uint64_t records_count)
{
	unsigned bits = 0;

	while (bits < SEGMENT_FANOUT_MAX &&
	    records_count >> bits > PER_FANOUT_COUNT)
		bits++;
	return bits;
}

static size_t
records_offset(uint64_t packs_count, unsigned bits)
{
	size_t at = FIXED_BYTES + packs_count * SEGMENT_PACK_BYTES +
	    (((size_t)1 << bits) + 1) * 4;

	return (at + 15) & ~(size_t)15;
}

static void
put_fanout(uint8_t *at, unsigned bits, const uint8_t *records, size_t count)
{
	size_t i = 0;

	for (uint32_t top = 0; top < (uint32_t)1 << bits; top++) {
		while (i < count &&
		    top_bits(records + i * SEGMENT_RECORD_BYTES, bits) < top)
			i++;
		le_put32(at + (size_t)top * 4, (uint32_t)i);
	}
	le_put32(at + ((size_t)4 << bits), (uint32_t)count);
}

/* In order, each once; how many are left. */
static size_t
sort_records(uint8_t *records, size_t count)
{
	size_t kept = 0;

	if (count > 0)
		qsort(records, count, SEGMENT_RECORD_BYTES, compare_records);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = records + i * SEGMENT_RECORD_BYTES;
		uint8_t *last = records + kept * SEGMENT_RECORD_BYTES;

		if (kept > 0 &&
		    compare_records(last - SEGMENT_RECORD_BYTES, at) == 0)
			continue;
		if (last != at)
			memcpy(last, at, SEGMENT_RECORD_BYTES);
		kept++;
	}
	return kept;
}

enum err_code
segment_encode(struct segment_parts *p,
    const uint8_t family[STORE_FAMILY_BYTES], struct buf *out, struct err *e)
{
	uint8_t *at, *fanout;
	unsigned bits;
	size_t start;
	enum err_code rc;

	if (p->packs_count > SEGMENT_PACKS_MAX || p->records_count > UINT32_MAX)
		return err_set(e, ERR_INPUT, "too many records for a segment");
	p->records_count = sort_records(p->records, p->records_count);
	bits = choose_fanout(p->records_count);
	start = records_offset(p->packs_count, bits);
	buf_clear(out);
	rc = buf_extend(out, start + p->records_count * SEGMENT_RECORD_BYTES,
	    &at, e);
	if (rc != ERR_NONE)
		return rc;
	memset(at, 0, start);
	head_put(at, HEAD_SEGMENT, family);
	le_put32(at + 32, (uint32_t)p->packs_count);
	at[36] = (uint8_t)bits;
	le_put64(at + 40, p->records_count);
	for (size_t i = 0; i < p->packs_count; i++) {
		uint8_t *pk = at + FIXED_BYTES + i * SEGMENT_PACK_BYTES;

		memcpy(pk, p->packs[i].name.bytes, ID_BYTES);
		le_put64(pk + 32, p->packs[i].size_bytes);
		le_put64(pk + 40, p->packs[i].flags);
	}
	fanout = at + FIXED_BYTES + p->packs_count * SEGMENT_PACK_BYTES;
	put_fanout(fanout, bits, p->records, p->records_count);
	if (p->records_count > 0)
		memcpy(at + start, p->records,
		    p->records_count * SEGMENT_RECORD_BYTES);
	return ERR_NONE;
}

enum err_code
segment_parse(struct segment *out, const void *bytes, size_t len_bytes,
    const uint8_t *family, struct err *e)
{
	const uint8_t *at = bytes;
	size_t start;
	enum err_code rc =
	    head_check(bytes, len_bytes, HEAD_SEGMENT, family, e);

	memset(out, 0, sizeof(*out));
	if (rc != ERR_NONE)
		return rc;
	if (len_bytes < FIXED_BYTES)
		return err_set(e, ERR_CORRUPT, "is only %zu bytes long",
		    len_bytes);
	out->map = at;
	out->size_bytes = len_bytes;
	out->packs_count = le_get32(at + 32);
	out->fanout_bits = at[36];
	out->records_count = le_get64(at + 40);
	if (out->packs_count > SEGMENT_PACKS_MAX ||
	    out->records_count > UINT32_MAX ||
	    out->fanout_bits > SEGMENT_FANOUT_MAX)
		return err_set(e, ERR_CORRUPT, "has counts out of all bounds");
	start = records_offset(out->packs_count, out->fanout_bits);
	if (len_bytes != start + out->records_count * SEGMENT_RECORD_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "is %zu bytes long where its counts make %zu", len_bytes,
		    start + (size_t)out->records_count * SEGMENT_RECORD_BYTES);
	out->packs = at + FIXED_BYTES;
	out->fanout =
	    out->packs + (size_t)out->packs_count * SEGMENT_PACK_BYTES;
	out->records = at + start;
	return ERR_NONE;
}

/* A head that makes no sense: is it newer than we are, or only damaged? */
static enum err_code
judge_head(const void *map, size_t size_bytes, const char *name, struct err *e)
{
	struct id hash, said;
	struct err why = {0};

	if (e->code != ERR_TOONEW)
		return e->code;
	if (hash_sha256(map, size_bytes, &hash, &why) == ERR_NONE &&
	    id_parse(name, &said) && id_equal(&hash, &said))
		return e->code;
	return err_set(e, ERR_CORRUPT, "does not match its name");
}

enum err_code
segment_open(struct segment *out, int dirfd, const char *name,
    const uint8_t *family, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	uint64_t size;
	void *map;
	enum err_code rc = repo_open_file(&fd, &size, dirfd, name, e);

	memset(out, 0, sizeof(*out));
	if (rc != ERR_NONE)
		return rc;
	if (size < FIXED_BYTES)
		return err_set(e, ERR_CORRUPT, "'%s' is only %llu bytes long",
		    name, (unsigned long long)size);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, "cannot map '%s'", name);
	rc = segment_parse(out, map, size, family, e);
	if (rc != ERR_NONE) {
		rc = judge_head(map, size, name, e);
		munmap(map, size);
		memset(out, 0, sizeof(*out));
		err_wrap(e, "'%s'", name);
		return rc;
	}
	out->mapped = true;
	return ERR_NONE;
}

void
segment_fini(struct segment *s)
{
	if (s->mapped)
		munmap((void *)(uintptr_t)s->map, s->size_bytes);
	memset(s, 0, sizeof(*s));
}

uint64_t
segment_find(const struct segment *s, const struct id *id)
{
	size_t top = top_bits(id->bytes, s->fanout_bits);
	uint64_t low = le_get32(s->fanout + top * 4);
	uint64_t high = le_get32(s->fanout + top * 4 + 4);
	const uint64_t end = high;

	if (high > s->records_count || low > high)
		return s->records_count;
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (memcmp(s->records + mid * SEGMENT_RECORD_BYTES, id->bytes,
			ID_BYTES) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < end &&
	    memcmp(s->records + low * SEGMENT_RECORD_BYTES, id->bytes,
		ID_BYTES) == 0)
		return low;
	return s->records_count;
}

bool
segment_record(const struct segment *s, uint64_t at, struct segment_record *out)
{
	if (at >= s->records_count)
		return false;
	segment_record_get(s->records + at * SEGMENT_RECORD_BYTES, out);
	return out->pack < s->packs_count;
}

void
segment_pack(const struct segment *s, uint32_t ordinal,
    struct segment_pack *out)
{
	const uint8_t *at = s->packs + (size_t)ordinal * SEGMENT_PACK_BYTES;

	ASSERT(ordinal < s->packs_count);
	memcpy(out->name.bytes, at, ID_BYTES);
	out->size_bytes = le_get64(at + 32);
	out->flags = le_get64(at + 40);
}

static enum err_code
verify_fanout(const struct segment *s, struct err *e)
{
	uint64_t at = 0;

	for (size_t top = 0; top < (size_t)1 << s->fanout_bits; top++) {
		while (at < s->records_count &&
		    top_bits(s->records + at * SEGMENT_RECORD_BYTES,
			s->fanout_bits) < top)
			at++;
		if (le_get32(s->fanout + top * 4) != at)
			return err_set(e, ERR_CORRUPT,
			    "fan-out entry %zu is wrong", top);
	}
	if (le_get32(s->fanout + ((size_t)4 << s->fanout_bits)) !=
	    s->records_count)
		return err_set(e, ERR_CORRUPT,
		    "the last fan-out entry is wrong");
	return ERR_NONE;
}

enum err_code
segment_verify(const struct segment *s, struct err *e)
{
	const uint8_t *last = NULL;
	const uint8_t *fill =
	    s->fanout + (((size_t)1 << s->fanout_bits) + 1) * 4;

	if (s->map[37] != 0 || s->map[38] != 0 || s->map[39] != 0)
		return err_set(e, ERR_CORRUPT, "has bits set in its reserve");
	for (; fill < s->records; fill++)
		if (*fill != 0)
			return err_set(e, ERR_CORRUPT,
			    "has bits set in its padding");
	for (uint64_t i = 0; i < s->records_count; i++) {
		const uint8_t *at = s->records + i * SEGMENT_RECORD_BYTES;

		if (le_get32(at + 32) >= s->packs_count ||
		    le_get32(at + 44) != 0 || at[42] < STORE_DATA ||
		    at[42] > STORE_RECORDS)
			return err_set(e, ERR_CORRUPT,
			    "record %llu makes no sense",
			    (unsigned long long)i);
		if (last != NULL && compare_records(last, at) >= 0)
			return err_set(e, ERR_CORRUPT,
			    "record %llu is out of order",
			    (unsigned long long)i);
		last = at;
	}
	return verify_fanout(s, e);
}
