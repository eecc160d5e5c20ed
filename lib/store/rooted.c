#include "rooted.h"

#include <string.h>

#include <bascule/base/le.h>

#include "frame.h"
#include "losses.h"

struct rooted {
	struct idset sound, unsound; /* frames */
	bool losses_known, losses;
};

void
rooted_free(struct rooted **rp)
{
	struct rooted *r = TAKE(*rp);

	if (r == NULL)
		return;
	idset_fini(&r->sound);
	idset_fini(&r->unsound);
	free(r);
}

struct id
rooted_frame_name(const struct index_copy *copy)
{
	uint64_t mixed = ((uint64_t)copy->number << 32 | copy->frame) *
	    UINT64_C(0x9e3779b97f4a7c15);
	struct id id = {{1}};

	le_put64(id.bytes, mixed);
	le_put32(id.bytes + 8, copy->number);
	le_put32(id.bytes + 12, copy->frame);
	id.bytes[ID_BYTES - 1] = 1;
	return id;
}

static enum err_code
make(struct store *st, struct err *e)
{
	if (st->rooted == NULL)
		st->rooted = calloc(1, sizeof(*st->rooted));
	return st->rooted == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code look(struct store *st, const struct index_copy *copy,
    bool *rooted, struct err *e);

/* Any copy of it that is less deep than the frame, there, and rooted. */
static enum err_code
look_base(struct store *st, const struct id *base, uint8_t depth, bool *rooted,
    struct err *e)
{
	struct index_copy c;
	enum err_code rc = ERR_NONE;

	*rooted = false;
	for (struct index_walk w = {0};
	     rc == ERR_NONE && !*rooted && index_next(st, base, &w, &c);)
		if (c.kind == STORE_DATA && c.depth < depth &&
		    index_pack_present(st, c.number))
			rc = look(st, &c, rooted, e);
	return rc;
}

/* Looked and found it bad, rather than could not look. */
static bool
is_damage(enum err_code rc)
{
	return rc == ERR_CORRUPT || rc == ERR_NOTFOUND;
}

static enum err_code
look_bases(struct store *st, const struct index_copy *copy, bool *rooted,
    struct err *e)
{
	OWNED(buf_fini) struct buf bases = {0};
	struct id base;
	enum err_code rc = reader_bases(st, copy, &bases, e);

	*rooted = rc == ERR_NONE;
	if (is_damage(rc))
		return ERR_NONE;
	for (size_t at = 0;
	     rc == ERR_NONE && *rooted && at + ID_BYTES <= bases.len_bytes;
	     at += ID_BYTES) {
		memcpy(base.bytes, bases.bytes + at, ID_BYTES);
		rc = look_base(st, &base, copy->depth, rooted, e);
	}
	return rc;
}

/* Recursion ends with the depths, which fall and are at most four. */
static enum err_code
look(struct store *st, const struct index_copy *copy, bool *rooted,
    struct err *e)
{
	struct id frame = rooted_frame_name(copy);
	bool added;
	enum err_code rc;

	*rooted = copy->depth == 0 || idset_has(&st->rooted->sound, &frame);
	if (*rooted || copy->depth > FRAME_DEPTH_MAX ||
	    idset_has(&st->rooted->unsound, &frame))
		return ERR_NONE;
	rc = look_bases(st, copy, rooted, e);
	return rc == ERR_NONE
	    ? idset_add(*rooted ? &st->rooted->sound : &st->rooted->unsound,
		  &frame, &added, e)
	    : rc;
}

enum err_code
rooted_look(struct store *st, const struct index_copy *copy, bool *rooted,
    struct err *e)
{
	enum err_code rc = make(st, e);

	return rc == ERR_NONE ? look(st, copy, rooted, e) : rc;
}

bool
rooted_copy(struct store *st, const struct index_copy *copy)
{
	bool rooted = true;
	struct err why;

	return copy->depth == 0 ||
	    (rooted_look(st, copy, &rooted, &why) == ERR_NONE && rooted);
}

bool
rooted_if_lost(struct store *st, const struct index_copy *copy)
{
	struct err why;

	if (copy->depth == 0)
		return true;
	if (make(st, &why) != ERR_NONE)
		return false;
	if (!st->rooted->losses_known) {
		st->rooted->losses = losses_suspected(st);
		st->rooted->losses_known = true;
	}
	return !st->rooted->losses || rooted_copy(st, copy);
}
