#include "trees.h"

#include <bascule/base/path.h>

/* --- building ------------------------------------------------------------- */

void
page_builder_fini(struct page_builder *pb)
{
	buf_fini(&pb->body);
	buf_fini(&pb->refs);
	buf_fini(&pb->cells);
	free(pb->slots);
	memset(pb, 0, sizeof *pb);
}

enum err_code
page_builder_begin(struct page_builder *pb, size_t refs_count, struct err *e)
{
	size_t want = 64;
	uint32_t *slots;

	while (want < 2 * refs_count)
		want *= 2;
	if (want > pb->slots_count) {
		slots = realloc(pb->slots, want * sizeof *slots);
		if (slots == NULL)
			return err_nomem(e);
		pb->slots = slots;
		pb->slots_count = want;
	}
	memset(pb->slots, 0, pb->slots_count * sizeof *pb->slots);
	buf_clear(&pb->body);
	buf_clear(&pb->refs);
	buf_clear(&pb->cells);
	pb->path = NULL;
	pb->path_bytes = 0;
	pb->cells_count = 0;
	return ERR_NONE;
}

/* The ordinal of an id in the list, put there when it is new. */
static enum err_code
ref_ordinal(struct page_builder *pb, const uint8_t *id, uint32_t *ordinal,
    struct err *e)
{
	size_t at = le_get32(id) & (pb->slots_count - 1);
	uint32_t count = (uint32_t)(pb->refs.len_bytes / ID_BYTES);

	for (; pb->slots[at] != 0; at = (at + 1) & (pb->slots_count - 1)) {
		*ordinal = pb->slots[at] - 1;
		if (memcmp(pb->refs.bytes + *ordinal * (size_t)ID_BYTES, id,
			ID_BYTES) == 0)
			return ERR_NONE;
	}
	if (count >= PAGE_REFS_MAX)
		return err_set(e, ERR_INPUT, "more than %d ids in one page",
		    PAGE_REFS_MAX);
	pb->slots[at] = count + 1;
	*ordinal = count;
	return buf_add(&pb->refs, id, ID_BYTES, e);
}

static size_t
common_bytes(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	size_t n = a_bytes < b_bytes ? a_bytes : b_bytes, i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

static uint8_t *
put_varint(uint8_t *at, uint64_t v)
{
	while (v >= 0x80) {
		*at++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*at++ = (uint8_t)v;
	return at;
}

static uint8_t *
put_bytes(uint8_t *at, const void *bytes, size_t len_bytes)
{
	at = put_varint(at, len_bytes);
	if (len_bytes > 0)
		memcpy(at, bytes, len_bytes);
	return at + len_bytes;
}

enum err_code
page_builder_add(struct page_builder *pb, const struct cell *cell,
    struct err *e)
{
	size_t shared = common_bytes(pb->path, pb->path_bytes, cell->path,
	    cell->path_bytes);
	enum err_code rc;
	uint32_t ordinal = 0, next;
	uint8_t *at;

	ASSERT(cell->refs_count <= ITEM_REFS_MAX &&
	    cell->core_bytes <= ITEM_PAGE_CORE_MAX);
	/* One reservation for the whole cell: varints here are short. */
	rc = buf_reserve(&pb->cells,
	    cell->path_bytes + cell->core_bytes + 5 * cell->refs_count + 20, e);
	if (rc != ERR_NONE)
		return rc;
	at = pb->cells.bytes + pb->cells.len_bytes;
	at = put_varint(at, shared);
	at = put_bytes(at, cell->path + shared, cell->path_bytes - shared);
	at = put_varint(at, cell->refs_count);
	for (size_t i = 0; i < cell->refs_count; i++) {
		next = (uint32_t)(pb->refs.len_bytes / ID_BYTES);
		rc = ref_ordinal(pb, cell->refs + i * ID_BYTES, &ordinal, e);
		if (rc != ERR_NONE)
			return rc;
		at = put_varint(at, next - ordinal);
	}
	at = put_bytes(at, cell->core, cell->core_bytes);
	pb->cells.len_bytes = (size_t)(at - pb->cells.bytes);
	pb->path = cell->path;
	pb->path_bytes = cell->path_bytes;
	pb->cells_count++;
	return ERR_NONE;
}

enum err_code
page_builder_end(struct page_builder *pb, unsigned level, struct err *e)
{
	enum err_code rc;

	if ((rc = le_add8(&pb->body, (uint8_t)level, e)) != ERR_NONE ||
	    (rc = le_add_varint(&pb->body, pb->cells_count, e)) != ERR_NONE)
		return rc;
	return buf_add(&pb->body, pb->cells.bytes, pb->cells.len_bytes, e);
}

/* --- reading -------------------------------------------------------------- */

static enum err_code
damaged(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "a page's %s", what);
}

void
page_reader_fini(struct page_reader *pr)
{
	buf_fini(&pr->path);
}

/*
 * Open addressing: the ids of one list are hashes, and at most PAGE_REFS_MAX.
 * A list made to collide costs a comparison for each pair.
 */
static bool
any_twice(const uint8_t *ids, size_t count, uint32_t *slots, size_t slots_count)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *id = ids + i * ID_BYTES;
		size_t at = le_get32(id) & (slots_count - 1);

		for (; slots[at] != 0; at = (at + 1) & (slots_count - 1))
			if (memcmp(ids + (slots[at] - 1) * (size_t)ID_BYTES, id,
				ID_BYTES) == 0)
				return true;
		slots[at] = (uint32_t)i + 1;
	}
	return false;
}

enum err_code
page_check_refs(const struct buf *refs, struct err *e)
{
	size_t count = refs->len_bytes / ID_BYTES, slots_count = 64;
	OWNED(free_mem) uint32_t *slots = NULL;

	if (refs->len_bytes % ID_BYTES != 0 || count > PAGE_REFS_MAX)
		return damaged(e, "list has a length that cannot be");
	while (slots_count < 2 * count)
		slots_count *= 2;
	slots = calloc(slots_count, sizeof *slots);
	if (slots == NULL)
		return err_nomem(e);
	return any_twice(refs->bytes, count, slots, slots_count)
	    ? damaged(e, "list names an id twice")
	    : ERR_NONE;
}

enum err_code
page_reader_begin(struct page_reader *pr, const struct buf *body,
    const struct buf *refs, struct err *e)
{
	le_init(&pr->bytes, body->bytes, body->len_bytes);
	pr->level = le_take8(&pr->bytes);
	pr->cells_count = pr->cells_left_count = le_take_varint(&pr->bytes);
	pr->refs = refs->bytes;
	pr->refs_count = refs->len_bytes / ID_BYTES;
	pr->refs_used_count = 0;
	pr->begun = false;
	buf_clear(&pr->path);
	if (pr->bytes.bad || pr->level > PAGE_LEVEL_MAX)
		return damaged(e, "beginning makes no sense");
	if (refs->len_bytes % ID_BYTES != 0 || pr->refs_count > PAGE_REFS_MAX)
		return damaged(e, "list has a length that cannot be");
	if (pr->level > 0 && pr->cells_count != pr->refs_count)
		return damaged(e, "children are not those of its list");
	if (pr->level > 0 && pr->cells_count == 0)
		return damaged(e, "children are none");
	return ERR_NONE;
}

/* The new path is valid if what differs from the last, valid one is. */
static bool
tail_is_valid(const struct buf *path, size_t shared)
{
	size_t from = shared;
	const char *text = (const char *)path->bytes;

	while (from > 0 && text[from - 1] != '/')
		from--;
	if (path->len_bytes == 0)
		return true;
	return path->len_bytes > from &&
	    path_is_valid(text + from, path->len_bytes - from);
}

static enum err_code
take_path(struct page_reader *pr, struct err *e)
{
	uint64_t shared = le_take_varint(&pr->bytes);
	uint64_t len = le_take_varint(&pr->bytes);
	const uint8_t *rest;
	enum err_code rc;

	if (pr->bytes.bad || shared > pr->path.len_bytes ||
	    len > PATH_BYTES_MAX || shared + len > PATH_BYTES_MAX)
		return damaged(e, "path is too long");
	rest = le_take(&pr->bytes, (size_t)len);
	if (rest == NULL)
		return damaged(e, "path is cut short");
	/* All before `shared` is the same, so the order is that of the rests. */
	if (pr->begun &&
	    path_compare((const char *)pr->path.bytes + shared,
		pr->path.len_bytes - (size_t)shared, (const char *)rest,
		(size_t)len) >= 0)
		return damaged(e, "paths are out of order");
	pr->begun = true;
	pr->path.len_bytes = (size_t)shared;
	if ((rc = buf_add(&pr->path, rest, (size_t)len, e)) != ERR_NONE)
		return rc;
	if (!tail_is_valid(&pr->path, (size_t)shared))
		return damaged(e, "path is none that may be");
	return ERR_NONE;
}

static enum err_code
take_refs(struct page_reader *pr, struct cell *cell, struct err *e)
{
	uint64_t count = le_take_varint(&pr->bytes);

	if (count > ITEM_REFS_MAX || (pr->level > 0 && count != 1))
		return damaged(e, "cell has too many refs");
	for (size_t i = 0; i < count; i++) {
		uint64_t back = le_take_varint(&pr->bytes);

		if (pr->bytes.bad || back > pr->refs_used_count ||
		    (back == 0 && pr->refs_used_count == pr->refs_count) ||
		    (back > 0 && pr->level > 0))
			return damaged(e, "ref is not in its list");
		memcpy(pr->ids + i * ID_BYTES,
		    pr->refs + (pr->refs_used_count - back) * ID_BYTES,
		    ID_BYTES);
		if (back == 0)
			pr->refs_used_count++;
	}
	cell->refs = pr->ids;
	cell->refs_count = (size_t)count;
	return ERR_NONE;
}

enum err_code
page_reader_next(struct page_reader *pr, struct cell *cell, bool *more,
    struct err *e)
{
	enum err_code rc;
	uint64_t len;

	*more = pr->cells_left_count > 0;
	if (!*more) {
		if (!le_done(&pr->bytes))
			return damaged(e, "body is longer than its cells");
		if (pr->refs_used_count != pr->refs_count)
			return damaged(e, "list names what its body does not");
		return ERR_NONE;
	}
	pr->cells_left_count--;
	if ((rc = take_path(pr, e)) != ERR_NONE ||
	    (rc = take_refs(pr, cell, e)) != ERR_NONE)
		return rc;
	len = le_take_varint(&pr->bytes);
	if (len > ITEM_PAGE_CORE_MAX)
		return damaged(e, "cell is too long");
	cell->core = le_take(&pr->bytes, (size_t)len);
	cell->core_bytes = (size_t)len;
	if (pr->bytes.bad)
		return damaged(e, "cell is cut short");
	cell->path = buf_text(&pr->path);
	cell->path_bytes = pr->path.len_bytes;
	return ERR_NONE;
}

enum err_code
page_child_count(const struct cell *cell, uint64_t *items_count, struct err *e)
{
	struct le_reader r;

	le_init(&r, cell->core, cell->core_bytes);
	*items_count = le_take_varint(&r);
	if (!le_done(&r))
		return damaged(e, "count of a child is malformed");
	return ERR_NONE;
}
