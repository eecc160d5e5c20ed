#include <bascule/store.h>

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
