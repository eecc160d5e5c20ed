#include "bases.h"

#include <string.h>

static void
add_one(struct bases *b, struct store *st, const struct id *id)
{
	struct index_copy copy;

	for (size_t i = 0; i < b->count; i++)
		if (id_equal(&b->ids[i], id))
			return;
	if (b->count == FRAME_BASES_MAX || !index_usable_copy(st, id, &copy) ||
	    copy.kind != STORE_DATA || copy.depth >= FRAME_DEPTH_MAX)
		return;
	b->ids[b->count++] = *id;
	if (b->depth < copy.depth + 1)
		b->depth = (uint8_t)(copy.depth + 1);
}

/* What is like it and less deep; nothing if that cannot be seen. */
static enum err_code
add_its_bases(struct bases *b, struct store *st, const struct index_copy *copy,
    struct err *e)
{
	OWNED(buf_fini) struct buf ids = {0};
	struct err why;
	struct id id;
	enum err_code rc = reader_bases(st, copy, &ids, &why);

	if (rc == ERR_NOMEM) {
		*e = why;
		return rc;
	}
	for (size_t at = 0; rc == ERR_NONE && at + ID_BYTES <= ids.len_bytes;
	     at += ID_BYTES) {
		memcpy(id.bytes, ids.bytes + at, ID_BYTES);
		add_one(b, st, &id);
	}
	return ERR_NONE;
}

enum err_code
bases_add(struct bases *b, struct store *st, const struct id *candidates,
    size_t candidates_count, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < candidates_count && rc == ERR_NONE &&
	     b->count < FRAME_BASES_MAX;
	     i++) {
		struct index_copy copy;

		if (!index_usable_copy(st, &candidates[i], &copy))
			continue;
		if (copy.depth < FRAME_DEPTH_MAX)
			add_one(b, st, &candidates[i]);
		else
			rc = add_its_bases(b, st, &copy, e);
	}
	return rc;
}
