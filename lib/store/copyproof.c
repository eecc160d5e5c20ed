#include "copyproof.h"

#include <string.h>

#include <bascule/crypt.h>

#include "grants.h"

#define OPENED_COUNT 8 /* packs with their footers in memory */

enum proven { PROVEN_NOT_YET, PROVEN_GOOD, PROVEN_BAD };

struct copyproof {
	struct mark_opened opened[OPENED_COUNT];
	uint64_t used_at[OPENED_COUNT], uses;
	uint8_t **frames; /* enum proven of each, by pack; NULL: of none */
	size_t packs_count;
	struct grants *grants; /* of a store without a key: owned */
	bool grants_loaded;
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
	for (size_t i = 0; i < OPENED_COUNT; i++)
		mark_opened_fini(&p->opened[i]);
	grants_free(&p->grants);
	free(p);
}

static struct copyproof *
begin(struct collection *c)
{
	struct copyproof *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < OPENED_COUNT; i++)
		p->opened[i].store = c->store;
	p->packs_count = c->mark.packs_count;
	p->frames = calloc(p->packs_count + 1, sizeof(*p->frames));
	if (p->frames == NULL)
		copyproof_free(&p);
	return p;
}

/* The pack, open; borrowed until OPENED_COUNT - 1 others were asked for. */
static const struct mark_opened *
look_at(struct copyproof *p, uint32_t number)
{
	size_t oldest = 0;
	struct err why;

	for (size_t i = 0; i < OPENED_COUNT; i++) {
		if (p->opened[i].open && p->opened[i].number == number) {
			p->used_at[i] = ++p->uses;
			return &p->opened[i];
		}
		if (p->used_at[i] < p->used_at[oldest])
			oldest = i;
	}
	if (mark_open(&p->opened[oldest], number, &why) != ERR_NONE)
		return NULL;
	p->used_at[oldest] = ++p->uses;
	return &p->opened[oldest];
}

/* What one footer says of a copy. */
struct listed {
	const struct mark_opened *pack;
	struct pack_frame frame;
	struct pack_key_row key;
};

/* Does the footer, too, say that it is there?  The index may lie. */
static bool
find_listed(struct copyproof *p, const struct id *id,
    const struct index_copy *copy, struct listed *out)
{
	const struct pack_footer *f;
	const struct pack_frame *row = &out->frame;

	out->pack = look_at(p, copy->number);
	if (out->pack == NULL)
		return false;
	f = &out->pack->footer;
	if (copy->frame >= f->frames_count)
		return false;
	pack_footer_frame(f, copy->frame, &out->frame);
	return copy->slot < row->chunks_count && row->depth == copy->depth &&
	    row->kind == copy->kind &&
	    memcmp(f->ids + ((size_t)row->first_chunk + copy->slot) * ID_BYTES,
		id->bytes, ID_BYTES) == 0 &&
	    pack_footer_key(f, row->key, &out->key);
}

/* --- who can open it (C2, C3) ---------------------------------------------- */

static bool
is_same_key(const struct pack_key_row *a, const struct pack_key_row *b)
{
	return id_equal(&a->key_id, &b->key_id) &&
	    id_equal(&a->domain, &b->domain) &&
	    a->stanzas_bytes == b->stanzas_bytes &&
	    memcmp(a->stanzas, b->stanzas, a->stanzas_bytes) == 0;
}

static const struct grants *
grants_of(struct copyproof *p, struct store *st, bool *known)
{
	struct err why;

	*known = true;
	if (st->grants != NULL)
		return st->grants;
	if (!p->grants_loaded)
		*known = grants_load(&p->grants, st, &why) == ERR_NONE;
	p->grants_loaded = *known;
	return p->grants;
}

/* Is whoever this list wraps for among those who can open the other key? */
static bool
all_are_in(const void *list, size_t len_bytes, const struct pack_key_row *key,
    const struct grants *g)
{
	struct grants_row row = {key->stanzas, key->stanzas_bytes};
	struct id wanted[RECIPIENTS_MAX], some[RECIPIENTS_MAX];
	bool in[RECIPIENTS_MAX] = {false};
	size_t wanted_count, some_count, nth = 0;
	struct err why;

	if (recipients_list(list, len_bytes, wanted, &wanted_count, &why) !=
	    ERR_NONE)
		return false;
	do {
		if (recipients_list(row.stanzas, row.stanzas_bytes, some,
			&some_count, &why) != ERR_NONE)
			return false;
		for (size_t w = 0; w < wanted_count; w++)
			for (size_t i = 0; i < some_count; i++)
				in[w] |= id_equal(&wanted[w], &some[i]);
	} while (grants_find(g, GRANTS_CONTENT, &key->key_id, nth++, &row));
	for (size_t w = 0; w < wanted_count; w++)
		if (!in[w])
			return false;
	return true;
}

static bool
opens_for_all(struct copyproof *p, struct store *st,
    const struct pack_key_row *gone, const struct pack_key_row *other)
{
	struct grants_row row = {gone->stanzas, gone->stanzas_bytes};
	const struct grants *g;
	size_t nth = 0;
	bool known;

	if (is_same_key(gone, other))
		return true;
	g = grants_of(p, st, &known);
	if (!known)
		return false;
	do {
		if (!all_are_in(row.stanzas, row.stanzas_bytes, other, g))
			return false;
	} while (grants_find(g, GRANTS_CONTENT, &gone->key_id, nth++, &row));
	return true;
}

static bool
stands_for(struct copyproof *p, struct store *st, const struct listed *gone,
    const struct listed *other)
{
	if (index_pack(st, other->pack->number)->foreign)
		return id_equal(&gone->frame.hash, &other->frame.hash) &&
		    is_same_key(&gone->key, &other->key);
	return id_equal(&gone->key.domain, &other->key.domain) &&
	    opens_for_all(p, st, &gone->key, &other->key);
}

/* --- is it there (C1) ------------------------------------------------------- */

static bool
read_frame(const struct listed *l)
{
	OWNED(buf_fini) struct buf b = {0};
	struct frame_hash hash;
	struct err why;

	return pack_read_frame(&l->pack->pack, &l->frame, &b, &hash, &why) ==
	    ERR_NONE;
}

static bool
was_read(struct collection *c, const struct listed *l, uint32_t frame)
{
	const uint32_t number = l->pack->number;
	uint8_t **frames = &c->proof->frames[number], *state;

	if (*frames == NULL)
		*frames = calloc(l->pack->footer.frames_count, 1);
	if (*frames == NULL)
		return false;
	state = &(*frames)[frame];
	if (*state == PROVEN_NOT_YET)
		*state = read_frame(l) ? PROVEN_GOOD : PROVEN_BAD;
	return *state == PROVEN_GOOD;
}

bool
copyproof_is_good(struct collection *c, const struct id *id,
    const struct index_copy *gone, const struct index_copy *other)
{
	struct listed its, others;

	if (c->proof == NULL && (c->proof = begin(c)) == NULL)
		return false;
	return find_listed(c->proof, id, gone, &its) &&
	    find_listed(c->proof, id, other, &others) &&
	    stands_for(c->proof, c->store, &its, &others) &&
	    was_read(c, &others, other->frame);
}
