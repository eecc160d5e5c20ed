#include "segment.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#define FIXED_BYTES      (HEAD_BYTES + 16)
#define PER_FANOUT_COUNT 16   /* records that a fan-out entry may lead to */
#define SEARCH_COUNT     1024 /* so many are not gone through one by one */

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

int
segment_record_compare(const void *va, const void *vb)
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

/* The top bits of an id as a number. */
static uint32_t
top_bits(const uint8_t *id, unsigned bits)
{
	uint32_t top =
	    (uint32_t)id[0] << 16 | (uint32_t)id[1] << 8 | (uint32_t)id[2];

	return top >> (SEGMENT_FANOUT_MAX - bits);
}

/* --- layout --------------------------------------------------------------- */

void
segment_shape(struct segment_shape *out, uint32_t packs_count,
    uint64_t records_count)
{
	size_t at = FIXED_BYTES + (size_t)packs_count * SEGMENT_PACK_BYTES;
	unsigned bits = 0;

	while (bits < SEGMENT_FANOUT_MAX &&
	    records_count >> bits > PER_FANOUT_COUNT)
		bits++;
	out->packs_count = packs_count;
	out->records_count = records_count;
	out->fanout_bits = bits;
	out->records_at = at;
	at += records_count * SEGMENT_RECORD_BYTES;
	out->prints_at = at;
	at += records_count * SEGMENT_PRINT_BYTES;
	out->fanout_at = (at + 3) & ~(size_t)3;
	out->size_bytes = out->fanout_at + (((size_t)1 << bits) + 1) * 4;
}

void
segment_put_begin(uint8_t *at, const struct segment_shape *shape,
    const uint8_t family[STORE_FAMILY_BYTES], const struct segment_pack *packs)
{
	memset(at, 0, FIXED_BYTES);
	head_put(at, HEAD_SEGMENT, family);
	le_put32(at + 32, shape->packs_count);
	at[36] = (uint8_t)shape->fanout_bits;
	le_put64(at + 40, shape->records_count);
	for (uint32_t i = 0; i < shape->packs_count; i++) {
		uint8_t *pk = at + FIXED_BYTES + (size_t)i * SEGMENT_PACK_BYTES;

		memcpy(pk, packs[i].name.bytes, ID_BYTES);
		le_put64(pk + 32, packs[i].size_bytes);
		le_put64(pk + 40, packs[i].flags);
	}
}

void
segment_fanout_add(struct segment_fanout *f, const uint8_t *id,
    uint64_t ordinal)
{
	for (uint32_t top = top_bits(id, f->bits); f->next <= top; f->next++)
		le_put32(f->at + (size_t)f->next * 4, (uint32_t)ordinal);
}

void
segment_fanout_end(struct segment_fanout *f, uint64_t records_count)
{
	for (; f->next <= (uint32_t)1 << f->bits; f->next++)
		le_put32(f->at + (size_t)f->next * 4, (uint32_t)records_count);
}

/* --- opening -------------------------------------------------------------- */

enum err_code
segment_parse(struct segment *out, const void *bytes, size_t len_bytes,
    const uint8_t *family, struct err *e)
{
	const uint8_t *at = bytes;
	struct segment_shape shape;
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
	    out->records_count > SEGMENT_RECORDS_MAX)
		return err_set(e, ERR_CORRUPT, "has counts out of all bounds");
	segment_shape(&shape, out->packs_count, out->records_count);
	if (out->fanout_bits != shape.fanout_bits)
		return err_set(e, ERR_CORRUPT,
		    "has a fan-out of %u bits where its records make %u",
		    out->fanout_bits, shape.fanout_bits);
	if (len_bytes != shape.size_bytes)
		return err_set(e, ERR_CORRUPT,
		    "is %zu bytes long where its counts make %zu", len_bytes,
		    shape.size_bytes);
	out->packs = at + FIXED_BYTES;
	out->records = at + shape.records_at;
	out->prints = at + shape.prints_at;
	out->fanout = at + shape.fanout_at;
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
	if (out->records_count * SEGMENT_RECORD_BYTES > SEGMENT_MAPPED_BYTES) {
		out->apart = true;
		out->fd = fd;
		fd = -1;
	}
	return ERR_NONE;
}

void
segment_fini(struct segment *s)
{
	if (s->mapped)
		munmap((void *)(uintptr_t)s->map, s->size_bytes);
	if (s->apart)
		fdio_close(&s->fd);
	memset(s, 0, sizeof(*s));
}

enum err_code
segment_hash(const struct segment *s, struct id *out, struct err *e)
{
	return s->apart ? hash_file(s->fd, s->size_bytes, out, e)
			: hash_sha256(s->map, s->size_bytes, out, e);
}

/* --- looking up ----------------------------------------------------------- */

/* The records from at on; out of bounds is the caller's affair. */
static enum err_code
read_records(const struct segment *s, uint64_t at, uint64_t count,
    uint8_t *bytes, struct err *e)
{
	const uint8_t *from = s->records + at * SEGMENT_RECORD_BYTES;

	if (s->apart)
		return fdio_pread(s->fd, bytes, count * SEGMENT_RECORD_BYTES,
		    (uint64_t)(from - s->map), e);
	memcpy(bytes, from, count * SEGMENT_RECORD_BYTES);
	return ERR_NONE;
}

static bool
read_one(const struct segment *s, uint64_t at,
    uint8_t bytes[SEGMENT_RECORD_BYTES], _Atomic bool *failed)
{
	struct err e;

	if (read_records(s, at, 1, bytes, &e) == ERR_NONE)
		return true;
	if (failed != NULL)
		atomic_store(failed, true);
	return false;
}

/*
 * The first in [low, high) that is not below id.  Few ids share a fan-out
 * entry, unless somebody wants look-ups to be slow.
 */
static uint64_t
search(const struct segment *s, const struct id *id, uint64_t low,
    uint64_t high, _Atomic bool *failed)
{
	uint8_t bytes[SEGMENT_RECORD_BYTES];

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (!read_one(s, mid, bytes, failed))
			break;
		if (memcmp(bytes, id->bytes, ID_BYTES) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
segment_find(const struct segment *s, const struct id *id, uint64_t *at,
    struct segment_record *out, _Atomic bool *failed)
{
	const uint8_t *entry =
	    s->fanout + (size_t)top_bits(id->bytes, s->fanout_bits) * 4;
	const uint8_t *print = segment_print(id->bytes);
	uint64_t i = le_get32(entry);
	const uint64_t high = le_get32(entry + 4);

	if (high > s->records_count || i > high)
		return false;
	if (high - i > SEARCH_COUNT)
		i = search(s, id, i, high, failed);
	for (i = i < *at ? *at : i; i < high; i++) {
		const uint8_t *has = s->prints + i * SEGMENT_PRINT_BYTES;
		uint8_t bytes[SEGMENT_RECORD_BYTES];
		int order;

		if (has[0] != print[0] || has[1] != print[1] ||
		    !read_one(s, i, bytes, failed))
			continue;
		order = memcmp(bytes, id->bytes, ID_BYTES);
		if (order > 0)
			break;
		segment_record_get(bytes, out);
		if (order < 0 || out->pack >= s->packs_count)
			continue;
		*at = i;
		return true;
	}
	return false;
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

/* --- all of it ------------------------------------------------------------ */

#define SCAN_COUNT 4096 /* records at a time */

void
segment_scan_fini(struct segment_scan *scan)
{
	free(scan->bytes);
	scan->bytes = NULL;
}

static enum err_code
scan_more(struct segment_scan *scan, struct err *e)
{
	const struct segment *s = scan->segment;
	uint64_t left = s->records_count - scan->next;

	if (scan->bytes == NULL)
		scan->bytes = calloc(SCAN_COUNT, SEGMENT_RECORD_BYTES);
	if (scan->bytes == NULL)
		return err_nomem(e);
	scan->first = scan->next;
	scan->count = left < SCAN_COUNT ? left : SCAN_COUNT;
	return read_records(s, scan->first, scan->count, scan->bytes, e);
}

enum err_code
segment_scan_next(struct segment_scan *scan, const uint8_t **record,
    struct err *e)
{
	enum err_code rc;

	*record = NULL;
	if (scan->next == scan->segment->records_count)
		return ERR_NONE;
	if (scan->next == scan->first + scan->count) {
		rc = scan_more(scan, e);
		if (rc != ERR_NONE)
			return rc;
	}
	*record =
	    scan->bytes + (scan->next++ - scan->first) * SEGMENT_RECORD_BYTES;
	return ERR_NONE;
}

static enum err_code
verify_packs(const struct segment *s, struct err *e)
{
	if (s->map[37] != 0 || s->map[38] != 0 || s->map[39] != 0)
		return err_set(e, ERR_CORRUPT, "has bits set in its reserve");
	for (uint32_t i = 1; i < s->packs_count; i++) {
		const uint8_t *at = s->packs + (size_t)i * SEGMENT_PACK_BYTES;

		if (memcmp(at - SEGMENT_PACK_BYTES, at, ID_BYTES) >= 0)
			return err_set(e, ERR_CORRUPT,
			    "pack %u is out of order", i);
	}
	return ERR_NONE;
}

static bool
makes_sense(const struct segment *s, const uint8_t *at)
{
	return le_get32(at + 32) < s->packs_count && le_get32(at + 44) == 0 &&
	    at[42] >= STORE_DATA && at[42] <= STORE_RECORDS;
}

/* A record against the one before it and the columns. */
static enum err_code
verify_record(const struct segment *s, uint64_t i, const uint8_t *last,
    const uint8_t *at, struct err *e)
{
	const char *what = NULL;

	if (!makes_sense(s, at))
		what = "makes no sense";
	else if (i > 0 && segment_record_compare(last, at) >= 0)
		what = "is out of order";
	else if (memcmp(s->prints + i * SEGMENT_PRINT_BYTES, segment_print(at),
		     SEGMENT_PRINT_BYTES) != 0)
		what = "has another fingerprint";
	if (what == NULL)
		return ERR_NONE;
	return err_set(e, ERR_CORRUPT, "record %llu %s", (unsigned long long)i,
	    what);
}

/* Entries *top and on that should say i, up to that of its id (NULL: all). */
static enum err_code
verify_fanout(const struct segment *s, size_t *top, const uint8_t *id,
    uint64_t i, struct err *e)
{
	const size_t last = id == NULL ? (size_t)1 << s->fanout_bits
				       : top_bits(id, s->fanout_bits);

	for (; *top <= last; ++*top)
		if (le_get32(s->fanout + *top * 4) != i)
			return err_set(e, ERR_CORRUPT,
			    "fan-out entry %zu is wrong", *top);
	return ERR_NONE;
}

static enum err_code
verify_records(const struct segment *s, struct err *e)
{
	OWNED(segment_scan_fini) struct segment_scan scan = {.segment = s};
	uint8_t last[SEGMENT_RECORD_BYTES] = {0};
	const uint8_t *at;
	size_t top = 0;
	uint64_t i = 0;
	enum err_code rc;

	while (
	    (rc = segment_scan_next(&scan, &at, e)) == ERR_NONE && at != NULL) {
		rc = verify_record(s, i, last, at, e);
		if (rc == ERR_NONE)
			rc = verify_fanout(s, &top, at, i, e);
		if (rc != ERR_NONE)
			return rc;
		memcpy(last, at, sizeof(last));
		i++;
	}
	return rc == ERR_NONE ? verify_fanout(s, &top, NULL, i, e) : rc;
}

enum err_code
segment_verify(const struct segment *s, struct err *e)
{
	const uint8_t *fill =
	    s->prints + s->records_count * SEGMENT_PRINT_BYTES;
	enum err_code rc = verify_packs(s, e);

	for (; rc == ERR_NONE && fill < s->fanout; fill++)
		if (*fill != 0)
			rc = err_set(e, ERR_CORRUPT,
			    "has bits set in its padding");
	return rc == ERR_NONE ? verify_records(s, e) : rc;
}
