#include "content_list.h"

#include <string.h>

void
content_fini(struct content *c)
{
	buf_fini(&c->inlined);
	free(c->pieces);
	memset(c, 0, sizeof *c);
}

enum err_code
content_copy(struct content *to, const struct content *from, struct err *e)
{
	OWNED(content_fini)
	struct content c = {
	    .size_bytes = from->size_bytes,
	    .pieces_count = from->pieces_count,
	    .is_list = from->is_list,
	};
	enum err_code rc;

	memset(to, 0, sizeof *to);
	rc = buf_add(&c.inlined, from->inlined.bytes, from->inlined.len_bytes,
	    e);
	if (rc != ERR_NONE)
		return rc;
	if (from->pieces_count > 0) {
		c.pieces = calloc(from->pieces_count, sizeof *c.pieces);
		if (c.pieces == NULL)
			return err_nomem(e);
		memcpy(c.pieces, from->pieces,
		    from->pieces_count * sizeof *c.pieces);
	}
	*to = c;
	memset(&c, 0, sizeof c);
	return ERR_NONE;
}

enum err_code
content_each(struct store *st, const struct content *c, content_piece_fn *fn,
    void *ctx, struct err *e)
{
	uint64_t offset_bytes = 0;
	enum err_code rc = ERR_NONE;

	if (c->is_list)
		return content_list_walk(st, &c->pieces[0], fn, ctx, e);
	for (size_t i = 0; i < c->pieces_count && rc == ERR_NONE; i++) {
		rc = fn(ctx, &c->pieces[i], offset_bytes, e);
		offset_bytes += c->pieces[i].len_bytes;
	}
	return rc;
}

enum err_code
content_each_in(struct store *st, const struct content *c,
    const struct content_range *range, content_piece_fn *fn, void *ctx,
    struct err *e)
{
	uint64_t at = 0, end = range->offset_bytes + range->len_bytes;
	enum err_code rc = ERR_NONE;

	if (c->is_list)
		return content_list_range(st, &c->pieces[0], range, fn, ctx, e);
	for (size_t i = 0; i < c->pieces_count && rc == ERR_NONE; i++) {
		uint64_t next = at + c->pieces[i].len_bytes;

		if (next > range->offset_bytes && at < end)
			rc = fn(ctx, &c->pieces[i], at, e);
		at = next;
	}
	return rc;
}
