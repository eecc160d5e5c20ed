#include "copyproof.h"

#include <string.h>

enum proven { PROVEN_NOT_YET, PROVEN_GOOD, PROVEN_BAD };

struct copyproof {
	struct mark_opened opened;
	uint8_t **frames; /* enum proven of each, by pack; NULL: of none */
	size_t packs_count;
};

void
copyproof_free(struct copyproof **pp)
{
	struct copyproof *p = TAKE(*pp);

	if (p == NULL)
		return;
	for (size_t n = 0; p->frames != NULL && n < p->packs_count; n++)
		free(p->frames[n]);
	free(p->frames);
	mark_opened_fini(&p->opened);
	free(p);
}

static struct copyproof *
begin(struct collection *c)
{
	struct copyproof *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->opened.store = c->store;
	p->packs_count = c->mark.packs_count;
	p->frames = calloc(p->packs_count + 1, sizeof(*p->frames));
	if (p->frames == NULL)
		copyproof_free(&p);
	return p;
}

static bool
read_frame(struct copyproof *p, const struct index_copy *copy)
{
	OWNED(buf_fini) struct buf b = {0};
	struct frame_hash hash;
	struct pack_frame row;
	struct err why;

	if (mark_open(&p->opened, copy->number, &why) != ERR_NONE ||
	    copy->frame >= p->opened.footer.frames_count)
		return false;
	pack_footer_frame(&p->opened.footer, copy->frame, &row);
	return pack_read_frame(&p->opened.pack, &row, &b, &hash, &why) ==
	    ERR_NONE;
}

/* Does the footer, too, say that it is there?  The index may lie. */
static bool
is_listed(struct copyproof *p, const struct id *id,
    const struct index_copy *copy)
{
	const struct pack_footer *f = &p->opened.footer;
	struct pack_frame row;
	struct err why;

	if (mark_open(&p->opened, copy->number, &why) != ERR_NONE)
		return false;
	pack_footer_frame(f, copy->frame, &row);
	return copy->slot < row.chunks_count && row.depth == copy->depth &&
	    memcmp(f->ids + ((size_t)row.first_chunk + copy->slot) * ID_BYTES,
		id->bytes, ID_BYTES) == 0;
}

bool
copyproof_is_good(struct collection *c, const struct id *id,
    const struct index_copy *copy)
{
	uint8_t **frames, *state;

	if (c->proof == NULL && (c->proof = begin(c)) == NULL)
		return false;
	frames = &c->proof->frames[copy->number];
	if (copy->frame >= c->mark.packs[copy->number].frames_count)
		return false;
	if (*frames == NULL)
		*frames = calloc(c->mark.packs[copy->number].frames_count, 1);
	if (*frames == NULL)
		return false;
	state = &(*frames)[copy->frame];
	if (*state == PROVEN_NOT_YET)
		*state = read_frame(c->proof, copy) ? PROVEN_GOOD : PROVEN_BAD;
	return *state == PROVEN_GOOD && is_listed(c->proof, id, copy);
}
