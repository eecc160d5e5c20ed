#include "twins.h"

#include <string.h>

#include "pack.h"

struct locating {
	uint32_t number, frame, slot;
	struct index_copy copy;
	bool found;
};

static void
locate(void *ctx, const struct index_copy *copy)
{
	struct locating *l = ctx;

	if (copy->number != l->number || copy->frame != l->frame ||
	    copy->slot != l->slot)
		return;
	l->copy = *copy;
	l->found = true;
}

/* The records of one frame; *live_count of them were found to be reached. */
static bool
frame_is_safe(struct collection *c, const struct mark_opened *own,
    uint32_t frame, uint32_t *live_count)
{
	struct locating l = {.number = own->number, .frame = frame};
	struct pack_frame row;

	pack_footer_frame(&own->footer, frame, &row);
	for (l.slot = 0; l.slot < row.chunks_count; l.slot++) {
		struct id id;

		memcpy(id.bytes,
		    own->footer.ids +
			((size_t)row.first_chunk + l.slot) * ID_BYTES,
		    ID_BYTES);
		l.found = false;
		index_each(c->store, &id, locate, &l);
		if (!l.found || !mark_is_live(&c->mark, l.copy.ordinal))
			continue;
		++*live_count;
		if (!verdict_is_safe(c, &id, &l.copy))
			return false;
	}
	return true;
}

/*
 * In the order of its frames, so that those of its twin are read in theirs.
 * What the index says that the footer does not is not understood, so not safe.
 */
bool
twins_are_safe(struct collection *c, uint32_t number)
{
	OWNED(mark_opened_fini) struct mark_opened own = {.store = c->store};
	uint32_t live_count = 0;
	struct err why;

	if (mark_open(&own, number, &why) != ERR_NONE)
		return false;
	for (uint32_t i = 0; i < own.footer.frames_count; i++)
		if (!frame_is_safe(c, &own, i, &live_count))
			return false;
	return live_count == c->mark.packs[number].live_count;
}

/* By the index alone: is there a chance? */
static bool
may_be_one(const struct collection *c, uint32_t number)
{
	const struct mark_pack *p = &c->mark.packs[number];

	return p->used && c->fates[number] == FATE_STAYS && p->live_count > 0 &&
	    p->twice_count == p->live_count &&
	    index_pack_present(c->store, number);
}

struct candidate {
	uint32_t number, dead_count;
};

/* What is least used first; of equals the one that was listed last. */
static int
compare_candidates(const void *va, const void *vb)
{
	const struct candidate *a = va, *b = vb;

	if (a->dead_count != b->dead_count)
		return a->dead_count > b->dead_count ? -1 : 1;
	return a->number > b->number ? -1 : a->number < b->number;
}

enum err_code
twins_condemn(struct collection *c, struct err *e)
{
	OWNED(free_mem)
	struct candidate *all = calloc(c->mark.packs_count + 1, sizeof(*all));
	size_t count = 0;

	if (all == NULL)
		return err_nomem(e);
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (may_be_one(c, n))
			all[count++] = (struct candidate){n,
			    c->mark.packs[n].records_count -
				c->mark.packs[n].live_count};
	qsort(all, count, sizeof(*all), compare_candidates);
	for (size_t i = 0; i < count; i++)
		if (twins_are_safe(c, all[i].number))
			c->fates[all[i].number] = FATE_CONDEMNED;
	return ERR_NONE;
}
