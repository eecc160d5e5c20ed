#include "parts.h"

enum err_code
store_get(struct store *st, enum store_kind kind, const struct id *id,
    struct buf *out, struct buf *refs, struct err *e)
{
	if (st->reader == NULL && reader_new(&st->reader, st, e) != ERR_NONE)
		return e->code;
	return reader_take(st->reader, kind, id, out, refs, e);
}
