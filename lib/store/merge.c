#include "merge.h"

#include <string.h>

#include <bascule/base/le.h>

#include "reserve.h"
#include "segment_writer.h"

#define FIRST_TIER_RECORDS 1024
#define PACK_GONE          UINT32_MAX

/* --- which ----------------------------------------------------------------- */

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

		if (ms->records_count > SEGMENT_RECORDS_MAX ||
		    tier_of(ms->records_count) != tier ||
		    out->count == MERGE_INPUTS_MAX ||
		    records + ms->records_count > SEGMENT_RECORDS_MAX)
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
	const unsigned last = tier_of(SEGMENT_RECORDS_MAX);

	for (unsigned tier = 0; tier <= last; tier++)
		if (choose_tier(m, tier, out))
			return true;
	return false;
}

bool
merge_has_room(const struct store *st, const struct merge_choice *choice)
{
	uint64_t bytes = 2 * RESERVE_BYTES;

	for (size_t i = 0; i < choice->count; i++)
		bytes += choice->segments[i].size_bytes;
	return reserve_room(st) >= bytes;
}

/* --- merging --------------------------------------------------------------- */

struct input {
	struct segment segment;
	struct segment_scan scan;
	uint32_t *numbers; /* of its packs in the merged one, or PACK_GONE */
	bool any;
	uint8_t
	    head[SEGMENT_RECORD_BYTES]; /* its next, pack already renumbered */
};

struct merge {
	const struct manifest *manifest;
	struct input inputs[MERGE_INPUTS_MAX];
	size_t inputs_count;
	struct segment_pack *packs;
	size_t packs_count;
	struct segment_writer writer;
};

static void
merge_end(struct merge *g)
{
	for (size_t i = 0; i < g->inputs_count; i++) {
		segment_scan_fini(&g->inputs[i].scan);
		segment_fini(&g->inputs[i].segment);
		free(g->inputs[i].numbers);
	}
	free(g->packs);
	segment_writer_fini(&g->writer);
}

static enum err_code
open_input(struct merge *g, struct store *st, const struct id *name,
    struct err *e)
{
	struct input *in = &g->inputs[g->inputs_count];
	struct id hash;
	char hex[ID_HEX_BYTES];
	enum err_code rc = segment_open(&in->segment, st->index_fd,
	    id_hex(name, hex), st->family, e);

	if (rc != ERR_NONE)
		return rc;
	g->inputs_count++;
	in->scan.segment = &in->segment;
	/* Damage must not be given a new, right name. */
	rc = segment_hash(&in->segment, &hash, e);
	if (rc == ERR_NONE && !id_equal(&hash, name))
		rc = err_set(e, ERR_CORRUPT,
		    "index segment %s does not match its name", hex);
	return rc;
}

static int
compare_packs(const void *va, const void *vb)
{
	const struct segment_pack *a = va, *b = vb;

	return id_compare(&a->name, &b->name);
}

static size_t
all_packs(const struct merge *g, struct segment_pack *out)
{
	size_t count = 0;

	for (size_t i = 0; i < g->inputs_count; i++) {
		const struct segment *s = &g->inputs[i].segment;

		for (uint32_t p = 0; p < s->packs_count; p++) {
			struct segment_pack sp;

			segment_pack(s, p, &sp);
			if (manifest_is_removed(g->manifest, &sp.name))
				continue;
			if (out != NULL)
				out[count] = sp;
			count++;
		}
	}
	return count;
}

/* By name, each once: so the records of each input stay in order. */
static enum err_code
gather_packs(struct merge *g, struct err *e)
{
	size_t count = all_packs(g, NULL), kept = 0;

	g->packs = calloc(count + 1, sizeof(*g->packs));
	if (g->packs == NULL)
		return err_nomem(e);
	all_packs(g, g->packs);
	qsort(g->packs, count, sizeof(*g->packs), compare_packs);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 ||
		    !id_equal(&g->packs[kept - 1].name, &g->packs[i].name))
			g->packs[kept++] = g->packs[i];
		/* The same bytes were written here, too. */
		g->packs[kept - 1].flags &= g->packs[i].flags;
	}
	g->packs_count = kept;
	return ERR_NONE;
}

static enum err_code
number_packs(const struct merge *g, struct input *in, struct err *e)
{
	const struct segment *s = &in->segment;

	in->numbers = calloc((size_t)s->packs_count + 1, sizeof(*in->numbers));
	if (in->numbers == NULL)
		return err_nomem(e);
	for (uint32_t p = 0; p < s->packs_count; p++) {
		struct segment_pack sp;
		const struct segment_pack *at;

		segment_pack(s, p, &sp);
		at = bsearch(&sp, g->packs, g->packs_count, sizeof(*g->packs),
		    compare_packs);
		in->numbers[p] =
		    at == NULL ? PACK_GONE : (uint32_t)(at - g->packs);
	}
	return ERR_NONE;
}

/* The next of an input that counts. */
static enum err_code
advance(struct input *in, struct err *e)
{
	const uint8_t *at;
	uint32_t number;
	enum err_code rc;

	in->any = false;
	while ((rc = segment_scan_next(&in->scan, &at, e)) == ERR_NONE &&
	    at != NULL) {
		if (le_get32(at + 32) >= in->segment.packs_count)
			return err_set(e, ERR_CORRUPT,
			    "record %llu makes no sense",
			    (unsigned long long)in->scan.next - 1);
		number = in->numbers[le_get32(at + 32)];
		if (number == PACK_GONE)
			continue;
		memcpy(in->head, at, sizeof(in->head));
		le_put32(in->head + 32, number);
		in->any = true;
		break;
	}
	return rc;
}

static struct input *
least(struct merge *g)
{
	struct input *best = NULL;

	for (size_t i = 0; i < g->inputs_count; i++) {
		struct input *in = &g->inputs[i];

		if (in->any &&
		    (best == NULL ||
			segment_record_compare(in->head, best->head) < 0))
			best = in;
	}
	return best;
}

static enum err_code
merge_records(struct merge *g, struct session *se, struct err *e)
{
	struct input *in;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < g->inputs_count; i++)
		rc = advance(&g->inputs[i], e);
	if (rc != ERR_NONE || least(g) == NULL)
		return rc;
	rc = segment_writer_begin(&g->writer, se, g->packs, g->packs_count, e);
	while (rc == ERR_NONE && (in = least(g)) != NULL) {
		rc = segment_writer_add(&g->writer, in->head, e);
		if (rc == ERR_NONE)
			rc = advance(in, e);
	}
	return rc;
}

enum err_code
merge_run(struct session *se, const struct manifest *m,
    const struct merge_choice *choice, struct manifest_segment *out,
    struct err *e)
{
	OWNED(merge_end) struct merge g = {.manifest = m};
	enum err_code rc = ERR_NONE;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; rc == ERR_NONE && i < choice->count; i++)
		rc = open_input(&g, se->store, &choice->segments[i].name, e);
	if (rc == ERR_NONE)
		rc = gather_packs(&g, e);
	for (size_t i = 0; rc == ERR_NONE && i < g.inputs_count; i++)
		rc = number_packs(&g, &g.inputs[i], e);
	if (rc == ERR_NONE)
		rc = merge_records(&g, se, e);
	if (rc == ERR_NONE && g.writer.records_count > 0)
		rc = segment_writer_end(&g.writer, out, e);
	return rc;
}
