#include "merge.h"

#include <string.h>

#define FIRST_TIER_RECORDS 1024

/* Tier t holds segments of up to FIRST_TIER_RECORDS * MERGE_FANOUT^t. */
static unsigned
tier_of(uint64_t records_count)
{
	unsigned tier = 0;

	for (uint64_t most = FIRST_TIER_RECORDS; records_count > most;
	     most *= MERGE_FANOUT)
		tier++;
	return tier;
}

static bool
choose_tier(const struct manifest *m, unsigned tier, struct merge_choice *out)
{
	uint64_t records = 0;

	out->count = 0;
	for (size_t i = 0; i < m->segments_count; i++) {
		const struct manifest_segment *ms = &m->segments[i];

		if (tier_of(ms->records_count) != tier ||
		    out->count == MERGE_INPUTS_MAX ||
		    records + ms->records_count > MERGE_RECORDS_MAX)
			continue;
		records += ms->records_count;
		out->segments[out->count++] = *ms;
	}
	if (out->count >= MERGE_FANOUT)
		return true;
	out->count = 0;
	return false;
}

bool
merge_choose(const struct manifest *m, struct merge_choice *out)
{
	const unsigned last = tier_of(MERGE_RECORDS_MAX);

	for (unsigned tier = 0; tier <= last; tier++)
		if (choose_tier(m, tier, out))
			return true;
	return false;
}

void
merge_fini(struct merge *m)
{
	free(m->packs);
	buf_fini(&m->records);
	memset(m, 0, sizeof(*m));
}

/* *numbers: where each pack of s is in the merged ones, or PACK_GONE. */
#define PACK_GONE UINT32_MAX

static enum err_code
add_packs(struct merge *m, const struct segment *s, const struct manifest *man,
    uint32_t *numbers, struct err *e)
{
	struct segment_pack *packs = reallocarray(m->packs,
	    m->parts.packs_count + s->packs_count + 1, sizeof(*packs));

	if (packs == NULL)
		return err_nomem(e);
	m->packs = packs;
	for (uint32_t i = 0; i < s->packs_count; i++) {
		struct segment_pack *sp = &packs[m->parts.packs_count];

		segment_pack(s, i, sp);
		numbers[i] = manifest_is_removed(man, &sp->name)
		    ? PACK_GONE
		    : (uint32_t)m->parts.packs_count++;
	}
	return ERR_NONE;
}

/* The packs of one segment behind those there are, then its records. */
static enum err_code
add_segment(struct merge *m, const struct segment *s,
    const struct manifest *man, struct err *e)
{
	OWNED(free_mem)
	uint32_t *numbers =
	    calloc((size_t)s->packs_count + 1, sizeof(*numbers));
	enum err_code rc;

	if (numbers == NULL)
		return err_nomem(e);
	rc = add_packs(m, s, man, numbers, e);
	for (uint64_t i = 0; rc == ERR_NONE && i < s->records_count; i++) {
		struct segment_record r;
		uint8_t *at;

		if (!segment_record(s, i, &r))
			return err_set(e, ERR_CORRUPT,
			    "record %llu makes no sense",
			    (unsigned long long)i);
		if (numbers[r.pack] == PACK_GONE)
			continue;
		r.pack = numbers[r.pack];
		rc = buf_extend(&m->records, SEGMENT_RECORD_BYTES, &at, e);
		if (rc == ERR_NONE)
			segment_record_put(at, &r);
	}
	return rc;
}

enum err_code
merge_build(struct merge *out, struct store *st, const struct manifest *m,
    const struct merge_choice *choice, struct err *e)
{
	enum err_code rc = ERR_NONE;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; rc == ERR_NONE && i < choice->count; i++) {
		OWNED(segment_fini) struct segment s = {0};
		struct id hash;
		char hex[ID_HEX_BYTES];

		rc = segment_open(&s, st->index_fd,
		    id_hex(&choice->segments[i].name, hex), st->family, e);
		/* Damage must not be given a new, right name. */
		if (rc == ERR_NONE)
			rc = hash_sha256(s.map, s.size_bytes, &hash, e);
		if (rc == ERR_NONE &&
		    !id_equal(&hash, &choice->segments[i].name))
			rc = err_set(e, ERR_CORRUPT,
			    "index segment %s does not match its name", hex);
		if (rc == ERR_NONE)
			rc = add_segment(out, &s, m, e);
	}
	out->parts.packs = out->packs;
	out->parts.records = out->records.bytes;
	out->parts.records_count =
	    out->records.len_bytes / SEGMENT_RECORD_BYTES;
	return rc;
}
