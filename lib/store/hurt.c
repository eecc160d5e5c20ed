#include "hurt.h"

#include <string.h>

#include "rooted.h"
#include "trees.h"

struct suspects {
	struct idset packs;
};

void
hurt_forget(struct store *st)
{
	struct suspects *s = TAKE(st->suspects);

	if (s != NULL)
		idset_fini(&s->packs);
	free(s);
}

enum err_code
hurt_suspect(struct store *st, const struct id *pack, struct err *e)
{
	bool added;

	if (st->suspects == NULL)
		st->suspects = calloc(1, sizeof(*st->suspects));
	return st->suspects == NULL
	    ? err_nomem(e)
	    : idset_add(&st->suspects->packs, pack, &added, e);
}

void
hurt_fini(struct hurt *h)
{
	idset_fini(&h->good);
	idset_fini(&h->bad);
	idset_fini(&h->lists);
	buf_fini(&h->body);
	buf_fini(&h->refs);
}

/* Nothing that was found speaks against it. */
static bool
is_beyond_doubt(struct store *st, const struct index_copy *c)
{
	return c->depth == 0 && index_pack_present(st, c->number) &&
	    (st->suspects == NULL ||
		!idset_has(&st->suspects->packs,
		    &index_pack(st, c->number)->name));
}

/* Could not be had, rather than could not look. */
static bool
is_loss(enum err_code rc)
{
	return rc != ERR_NONE && rc != ERR_NOMEM && rc != ERR_CANCELLED;
}

static enum err_code
chunk_open(struct hurt *h, const struct id *id, bool *hurt, struct err *e)
{
	struct err why;
	enum err_code rc =
	    store_get(h->store, STORE_DATA, id, &h->body, NULL, &why);

	*hurt = is_loss(rc);
	if (rc == ERR_NONE || *hurt)
		return ERR_NONE;
	*e = why;
	return rc;
}

/* A frame is opened for the first of its chunks; it stands for the others. */
static enum err_code
chunk_is(struct hurt *h, const struct id *id, bool *hurt, struct err *e)
{
	struct index_copy first, c;
	struct id frame;
	unsigned count = 0;
	enum err_code rc;
	bool added;

	for (; index_find(h->store, id, count, &c); count++) {
		if (is_beyond_doubt(h->store, &c))
			return ERR_NONE;
		if (count == 0)
			first = c;
	}
	*hurt = count == 0;
	if (count == 0)
		return ERR_NONE;
	frame = rooted_frame_name(&first);
	if (count == 1 && idset_has(&h->good, &frame))
		return ERR_NONE;
	if (count == 1 && idset_has(&h->bad, &frame)) {
		*hurt = true;
		return ERR_NONE;
	}
	rc = chunk_open(h, id, hurt, e);
	if (rc == ERR_NONE && count == 1)
		rc = idset_add(*hurt ? &h->bad : &h->good, &frame, &added, e);
	return rc;
}

/* levels: how many more may be below it, which bounds the recursion. */
static enum err_code
either_is(struct hurt *h, const struct id *id, unsigned levels, bool *hurt,
    struct err *e)
{
	OWNED(buf_fini) struct buf refs = {0};
	struct index_copy c;
	struct id child;
	struct err why;
	bool added;
	enum err_code rc;

	if (!index_find(h->store, id, 0, &c) || c.kind != STORE_LIST)
		return chunk_is(h, id, hurt, e);
	if (idset_has(&h->lists, id))
		return ERR_NONE;
	rc = store_get(h->store, STORE_LIST, id, &h->body, &refs, &why);
	*hurt = is_loss(rc) || levels == 0;
	if (*hurt)
		return ERR_NONE;
	if (rc != ERR_NONE) {
		*e = why;
		return rc;
	}
	for (size_t at = 0;
	     rc == ERR_NONE && !*hurt && at + ID_BYTES <= refs.len_bytes;
	     at += ID_BYTES) {
		memcpy(child.bytes, refs.bytes + at, ID_BYTES);
		rc = either_is(h, &child, levels - 1, hurt, e);
	}
	return rc == ERR_NONE && !*hurt ? idset_add(&h->lists, id, &added, e)
					: rc;
}

enum err_code
hurt_is(struct hurt *h, const struct id *id, bool *hurt, struct err *e)
{
	*hurt = false;
	return either_is(h, id, CLIST_LEVEL_MAX + 1, hurt, e);
}
