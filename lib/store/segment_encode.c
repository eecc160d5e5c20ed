#include <string.h>

#include <bascule/base/le.h>

#include "segment.h"

struct placed {
	struct id name;
	size_t was;
};

static int
compare_placed(const void *va, const void *vb)
{
	const struct placed *a = va, *b = vb;
	int order = id_compare(&a->name, &b->name);

	if (order != 0)
		return order;
	return a->was < b->was ? -1 : a->was > b->was;
}

static void
renumber(struct segment_parts *p, const uint32_t *numbers)
{
	for (size_t i = 0; i < p->records_count; i++) {
		uint8_t *at = p->records + i * SEGMENT_RECORD_BYTES + 32;

		ASSERT(le_get32(at) < p->packs_count);
		le_put32(at, numbers[le_get32(at)]);
	}
}

/* By name, each once: so merged ones can be kept in order, too. */
static enum err_code
sort_packs(struct segment_parts *p, struct err *e)
{
	OWNED(free_mem)
	struct placed *order = calloc(p->packs_count + 1, sizeof(*order));
	OWNED(free_mem)
	struct segment_pack *packs = calloc(p->packs_count + 1, sizeof(*packs));
	OWNED(free_mem)
	uint32_t *numbers = calloc(p->packs_count + 1, sizeof(*numbers));
	size_t kept = 0;

	if (order == NULL || packs == NULL || numbers == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < p->packs_count; i++)
		order[i] = (struct placed){p->packs[i].name, i};
	qsort(order, p->packs_count, sizeof(*order), compare_placed);
	for (size_t i = 0; i < p->packs_count; i++) {
		if (kept == 0 ||
		    !id_equal(&packs[kept - 1].name, &order[i].name))
			packs[kept++] = p->packs[order[i].was];
		numbers[order[i].was] = (uint32_t)kept - 1;
	}
	renumber(p, numbers);
	memcpy(p->packs, packs, kept * sizeof(*packs));
	p->packs_count = kept;
	return ERR_NONE;
}

/* In order, each once; how many are left. */
static size_t
sort_records(uint8_t *records, size_t count)
{
	size_t kept = 0;

	if (count > 0)
		qsort(records, count, SEGMENT_RECORD_BYTES,
		    segment_record_compare);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = records + i * SEGMENT_RECORD_BYTES;
		uint8_t *last = records + kept * SEGMENT_RECORD_BYTES;

		if (kept > 0 &&
		    segment_record_compare(last - SEGMENT_RECORD_BYTES, at) ==
			0)
			continue;
		if (last != at)
			memcpy(last, at, SEGMENT_RECORD_BYTES);
		kept++;
	}
	return kept;
}

static void
put_columns(uint8_t *bytes, const struct segment_shape *shape)
{
	struct segment_fanout f = {.at = bytes + shape->fanout_at,
	    .bits = shape->fanout_bits};
	const uint8_t *at = bytes + shape->records_at;
	uint8_t *prints = bytes + shape->prints_at;

	for (uint64_t i = 0; i < shape->records_count; i++) {
		segment_fanout_add(&f, at, i);
		memcpy(prints, segment_print(at), SEGMENT_PRINT_BYTES);
		prints += SEGMENT_PRINT_BYTES;
		at += SEGMENT_RECORD_BYTES;
	}
	memset(prints, 0, (size_t)(f.at - prints));
	segment_fanout_end(&f, shape->records_count);
}

enum err_code
segment_encode_sort(struct segment_parts *p, struct err *e)
{
	enum err_code rc;

	if (p->packs_count > SEGMENT_PACKS_MAX ||
	    p->records_count > SEGMENT_RECORDS_MAX)
		return err_set(e, ERR_INPUT, "too many records for a segment");
	rc = sort_packs(p, e);
	if (rc == ERR_NONE)
		p->records_count = sort_records(p->records, p->records_count);
	return rc;
}

enum err_code
segment_encode(struct segment_parts *p,
    const uint8_t family[STORE_FAMILY_BYTES], struct buf *out, struct err *e)
{
	struct segment_shape shape;
	uint8_t *at;
	enum err_code rc = segment_encode_sort(p, e);

	if (rc != ERR_NONE)
		return rc;
	segment_shape(&shape, (uint32_t)p->packs_count, p->records_count);
	buf_clear(out);
	rc = buf_extend(out, shape.size_bytes, &at, e);
	if (rc != ERR_NONE)
		return rc;
	segment_put_begin(at, &shape, family, p->packs);
	if (p->records_count > 0)
		memcpy(at + shape.records_at, p->records,
		    p->records_count * SEGMENT_RECORD_BYTES);
	put_columns(at, &shape);
	return ERR_NONE;
}
