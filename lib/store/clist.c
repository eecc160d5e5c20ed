#include "trees.h"

bool
clist_is_end(const struct id *child, size_t count)
{
	if (count >= CLIST_CHILDREN_MAX)
		return true;
	return count >= CLIST_CHILDREN_MIN && child->bytes[ID_BYTES - 2] == 0;
}

/* Where in refs an id stands; the list's length if nowhere. */
static size_t
ref_find(const struct buf *refs, const struct id *id)
{
	size_t count = refs->len_bytes / ID_BYTES;

	/* Repeated chunks mostly repeat at once: look from the end. */
	for (size_t i = count; i > 0; i--)
		if (memcmp(refs->bytes + (i - 1) * ID_BYTES, id->bytes,
			ID_BYTES) == 0)
			return i - 1;
	return count;
}

enum err_code
clist_encode(struct buf *body, struct buf *refs, unsigned level,
    const struct content_piece *children, size_t count, struct err *e)
{
	enum err_code rc;

	buf_clear(body);
	buf_clear(refs);
	if ((rc = le_add8(body, (uint8_t)level, e)) != ERR_NONE ||
	    (rc = le_add_varint(body, count, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < count; i++) {
		size_t at = ref_find(refs, &children[i].id);
		size_t next = refs->len_bytes / ID_BYTES;

		if (at == next)
			rc = buf_add(refs, children[i].id.bytes, ID_BYTES, e);
		if (rc == ERR_NONE)
			rc = le_add_varint(body, next - at, e);
		if (rc == ERR_NONE)
			rc = le_add_varint(body, children[i].len_bytes, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

static enum err_code
damaged(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "a chunk list's %s", what);
}

static enum err_code
take_child(struct le_reader *r, struct clist *out, const struct buf *refs,
    size_t *used, struct err *e)
{
	struct content_piece *child = &out->children[out->count];
	size_t refs_count = refs->len_bytes / ID_BYTES;
	uint64_t back = le_take_varint(r), len = le_take_varint(r);

	if (r->bad || back > *used || (back == 0 && *used == refs_count))
		return damaged(e, "child is not in its list");
	if (len == 0 || len > (uint64_t)INT64_MAX - out->len_bytes)
		return damaged(e, "child has an impossible length");
	memcpy(child->id.bytes, refs->bytes + (*used - back) * ID_BYTES,
	    ID_BYTES);
	child->len_bytes = len;
	if (back == 0)
		++*used;
	out->len_bytes += len;
	out->count++;
	return ERR_NONE;
}

enum err_code
clist_decode(struct clist *out, const struct buf *body, const struct buf *refs,
    struct err *e)
{
	struct le_reader r;
	uint64_t count;
	size_t used = 0;
	enum err_code rc;

	le_init(&r, body->bytes, body->len_bytes);
	out->level = le_take8(&r);
	count = le_take_varint(&r);
	out->count = 0;
	out->len_bytes = 0;
	if (r.bad || out->level > CLIST_LEVEL_MAX || count == 0 ||
	    count > CLIST_CHILDREN_MAX || refs->len_bytes % ID_BYTES != 0)
		return damaged(e, "beginning makes no sense");
	for (uint64_t i = 0; i < count; i++)
		if ((rc = take_child(&r, out, refs, &used, e)) != ERR_NONE)
			return rc;
	if (!le_done(&r) || used != refs->len_bytes / ID_BYTES)
		return damaged(e, "body and ids differ");
	return ERR_NONE;
}
