#include "trees.h"

#define FORM_CONTENT    3
#define FORM_LINKED     4
#define FORM_SPARSE     8
#define FORM_EXTRAS     16
#define FORM_SPILLED    32
#define FORM_ALL        63
#define CONTENT_NONE    0
#define CONTENT_INLINED 1
#define CONTENT_CHUNKS  2
#define CONTENT_LIST    3

void
item_fini(struct item *it)
{
	entry_fini(&it->entry);
	content_fini(&it->content);
}

/* --- encoding ------------------------------------------------------------- */

static enum err_code
add_text(struct buf *out, const void *bytes, size_t len_bytes, struct err *e)
{
	enum err_code rc = le_add_varint(out, len_bytes, e);

	return rc != ERR_NONE ? rc : buf_add(out, bytes, len_bytes, e);
}

static enum err_code
encode_extents(struct buf *out, const struct entry *entry, struct err *e)
{
	uint64_t end = 0;
	enum err_code rc = le_add_varint(out, entry->extent_count, e);

	for (size_t i = 0; i < entry->extent_count && rc == ERR_NONE; i++) {
		const struct entry_extent *x = &entry->extents[i];

		rc = le_add_varint(out, x->offset_bytes - end, e);
		if (rc == ERR_NONE)
			rc = le_add_varint(out, x->len_bytes, e);
		end = x->offset_bytes + x->len_bytes;
	}
	return rc;
}

enum err_code
item_encode_extras(struct buf *out, const struct entry *entry, struct err *e)
{
	enum err_code rc;

	if (entry->flags == 0 && entry->xattr_count == 0 &&
	    entry->extent_count == 0)
		return ERR_NONE;
	if ((rc = le_add_varint(out, entry->flags, e)) != ERR_NONE ||
	    (rc = le_add_varint(out, entry->xattr_count, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct entry_xattr *x = &entry->xattrs[i];

		rc = add_text(out, x->name, strlen(x->name), e);
		if (rc == ERR_NONE)
			rc = add_text(out, x->value, x->value_bytes, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return encode_extents(out, entry, e);
}

static unsigned
content_form(const struct content *c)
{
	if (c->is_list)
		return CONTENT_LIST;
	if (c->pieces_count > 0)
		return CONTENT_CHUNKS;
	return c->inlined.len_bytes > 0 ? CONTENT_INLINED : CONTENT_NONE;
}

/* Is this content the entry's, in the one form it may have? */
static const char *
content_fault(const struct item *it)
{
	const struct content *c = &it->content;
	uint64_t total = 0;

	for (size_t i = 0; i < c->pieces_count; i++) {
		if (c->pieces[i].len_bytes == 0 ||
		    c->pieces[i].len_bytes > ENTRY_SIZE_MAX - total)
			return "content has a piece of impossible length";
		total += c->pieces[i].len_bytes;
	}
	if (c->pieces_count > 0
		? c->inlined.len_bytes > 0 || total <= CONTENT_INLINE_BYTES
		: c->inlined.len_bytes > CONTENT_INLINE_BYTES)
		return "content is in the wrong form";
	if (c->pieces_count > (c->is_list ? 1 : CONTENT_PIECES_MAX) ||
	    (c->is_list && c->pieces_count == 0))
		return "content has too many pieces";
	total += c->inlined.len_bytes;
	if (total != c->size_bytes ||
	    total !=
		(it->entry.type == ENTRY_FILE ? entry_content_bytes(&it->entry)
					      : 0))
		return "content is not as long as the file";
	return NULL;
}

static enum err_code
encode_head(struct buf *out, const struct entry *n, unsigned form,
    struct err *e)
{
	uint64_t zigzag =
	    (uint64_t)n->mtime_s << 1 ^ (n->mtime_s < 0 ? UINT64_MAX : 0);
	enum err_code rc;

	if ((rc = le_add8(out, (uint8_t)n->type, e)) != ERR_NONE ||
	    (rc = le_add8(out, (uint8_t)form, e)) != ERR_NONE ||
	    (rc = le_add_varint(out, n->mode, e)) != ERR_NONE ||
	    (rc = le_add_varint(out, n->uid, e)) != ERR_NONE ||
	    (rc = le_add_varint(out, n->gid, e)) != ERR_NONE ||
	    (rc = le_add_varint(out, zigzag, e)) != ERR_NONE ||
	    (rc = le_add_varint(out, n->mtime_ns, e)) != ERR_NONE ||
	    (rc = add_text(out, n->user.bytes, n->user.len_bytes, e)) !=
		ERR_NONE ||
	    (rc = add_text(out, n->group.bytes, n->group.len_bytes, e)) !=
		ERR_NONE)
		return rc;
	if (n->type == ENTRY_FILE)
		rc = le_add_varint(out, n->size_bytes, e);
	if (n->type == ENTRY_CHARDEV || n->type == ENTRY_BLOCKDEV) {
		rc = le_add_varint(out, n->rdev_major, e);
		if (rc == ERR_NONE)
			rc = le_add_varint(out, n->rdev_minor, e);
	}
	if (n->type == ENTRY_SYMLINK)
		rc = add_text(out, n->target.bytes, n->target.len_bytes, e);
	if (rc == ERR_NONE && n->linked)
		rc = buf_add(out, n->link_group, ENTRY_LINK_BYTES, e);
	return rc;
}

static enum err_code
encode_content(struct buf *out, const struct content *c, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (c->inlined.len_bytes > 0)
		return add_text(out, c->inlined.bytes, c->inlined.len_bytes, e);
	if (!c->is_list && c->pieces_count > 0)
		rc = le_add_varint(out, c->pieces_count, e);
	for (size_t i = 0; i < c->pieces_count && rc == ERR_NONE; i++)
		rc = le_add_varint(out, c->pieces[i].len_bytes, e);
	return rc;
}

static enum err_code
encode_refs(struct buf *out, const struct content *c,
    const struct item_spill *spill, struct err *e)
{
	size_t spilled = spill == NULL ? 0 : spill->ids_count;
	enum err_code rc = le_add_varint(out, spilled + c->pieces_count, e);

	for (size_t i = 0; i < spilled && rc == ERR_NONE; i++)
		rc = buf_add(out, spill->ids[i].bytes, ID_BYTES, e);
	for (size_t i = 0; i < c->pieces_count && rc == ERR_NONE; i++)
		rc = buf_add(out, c->pieces[i].id.bytes, ID_BYTES, e);
	return rc;
}

static enum err_code
encode(struct buf *out, const struct item *it, const struct item_spill *spill,
    const struct buf *extras, struct err *e)
{
	const struct entry *n = &it->entry;
	unsigned form = content_form(&it->content) |
	    (n->linked ? FORM_LINKED : 0) | (n->sparse ? FORM_SPARSE : 0);
	enum err_code rc;

	if (spill != NULL)
		form |= FORM_SPILLED;
	else if (extras->len_bytes > 0)
		form |= FORM_EXTRAS;
	if ((rc = encode_refs(out, &it->content, spill, e)) != ERR_NONE ||
	    (rc = encode_head(out, n, form, e)) != ERR_NONE ||
	    (rc = encode_content(out, &it->content, e)) != ERR_NONE)
		return rc;
	if (spill != NULL)
		return le_add_varint(out, spill->len_bytes, e);
	if (extras->len_bytes > 0)
		rc = add_text(out, extras->bytes, extras->len_bytes, e);
	return rc;
}

enum err_code
item_encode_spilled(struct buf *out, const struct item *it,
    const struct item_spill *spill, struct err *e)
{
	return encode(out, it, spill, NULL, e);
}

enum err_code
item_encode(struct buf *out, const struct item *it, struct err *e)
{
	OWNED(buf_fini) struct buf extras = {.max_bytes = ITEM_EXTRAS_MAX};
	const char *fault = content_fault(it);
	enum err_code rc;

	if (fault != NULL)
		return err_set(e, ERR_INPUT, "an item's %s", fault);
	if ((rc = entry_check(&it->entry, e)) != ERR_NONE)
		return e->code = ERR_INPUT;
	if ((rc = item_encode_extras(&extras, &it->entry, e)) != ERR_NONE)
		return rc;
	return encode(out, it, NULL, &extras, e);
}

/* --- decoding ------------------------------------------------------------- */

static enum err_code
damaged(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "an item's %s", what);
}

enum err_code
item_view(struct item_view *out, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct le_reader r;
	uint64_t count;

	le_init(&r, bytes, len_bytes);
	count = le_take_varint(&r);
	if (count > ITEM_REFS_MAX)
		return damaged(e, "refs are too many");
	out->refs_count = (size_t)count;
	out->refs = le_take(&r, (size_t)count * ID_BYTES);
	if (r.bad || r.left_bytes == 0)
		return damaged(e, "encoding is cut short");
	out->core = r.at;
	out->core_bytes = r.left_bytes;
	return ERR_NONE;
}

static uint64_t
take_bounded(struct le_reader *r, uint64_t max)
{
	uint64_t v = le_take_varint(r);

	if (v > max)
		r->bad = true;
	return r->bad ? 0 : v;
}

static enum err_code
take_text(struct le_reader *r, struct entry_text *text, size_t max_bytes,
    struct err *e)
{
	size_t len = (size_t)take_bounded(r, max_bytes);
	const uint8_t *at = le_take(r, len);

	if (r->bad || (len > 0 && memchr(at, 0, len) != NULL))
		return damaged(e, "names are malformed");
	if (len == 0)
		return ERR_NONE; /* it is empty already */
	return entry_set_text(text, (const char *)at, len, max_bytes, e);
}

static enum err_code
decode_head(struct le_reader *r, struct entry *n, unsigned *form, struct err *e)
{
	uint64_t zigzag;
	enum err_code rc;

	n->type = le_take8(r);
	*form = le_take8(r);
	n->mode = (uint32_t)take_bounded(r, 07777);
	n->uid = (uint32_t)take_bounded(r, UINT32_MAX);
	n->gid = (uint32_t)take_bounded(r, UINT32_MAX);
	zigzag = le_take_varint(r);
	n->mtime_s =
	    (int64_t)(zigzag >> 1 ^ (zigzag % 2 == 0 ? 0 : UINT64_MAX));
	n->mtime_ns = (uint32_t)take_bounded(r, 999999999);
	if (r->bad || n->type < ENTRY_FILE || n->type > ENTRY_BLOCKDEV ||
	    (*form & ~(unsigned)FORM_ALL) != 0)
		return damaged(e, "encoding is malformed");
	if ((rc = take_text(r, &n->user, ENTRY_NAME_BYTES_MAX, e)) !=
		ERR_NONE ||
	    (rc = take_text(r, &n->group, ENTRY_NAME_BYTES_MAX, e)) != ERR_NONE)
		return rc;
	if (n->type == ENTRY_FILE)
		n->size_bytes = take_bounded(r, ENTRY_SIZE_MAX);
	if (n->type == ENTRY_CHARDEV || n->type == ENTRY_BLOCKDEV) {
		n->rdev_major = (uint32_t)take_bounded(r, UINT32_MAX);
		n->rdev_minor = (uint32_t)take_bounded(r, UINT32_MAX);
	}
	if (n->type == ENTRY_SYMLINK)
		return take_text(r, &n->target, ENTRY_TARGET_BYTES_MAX, e);
	return ERR_NONE;
}

static enum err_code
decode_link(struct le_reader *r, struct entry *n, struct err *e)
{
	const uint8_t *at = le_take(r, ENTRY_LINK_BYTES);

	if (at == NULL)
		return damaged(e, "encoding is cut short");
	n->linked = true;
	memcpy(n->link_group, at, ENTRY_LINK_BYTES);
	return ERR_NONE;
}

/* Memory for the most pieces there can be: it is kept from item to item. */
static enum err_code
pieces_reserve(struct content *c, struct err *e)
{
	if (c->pieces == NULL)
		c->pieces = calloc(CONTENT_PIECES_MAX, sizeof *c->pieces);
	return c->pieces == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code
decode_inlined(struct le_reader *r, struct content *c, struct err *e)
{
	size_t len = (size_t)take_bounded(r, CONTENT_INLINE_BYTES);
	const uint8_t *at = le_take(r, len);

	if (r->bad || len == 0)
		return damaged(e, "inline content is malformed");
	c->size_bytes = len;
	return buf_add(&c->inlined, at, len, e);
}

/* refs: those that are left once the spilled extras have theirs. */
static enum err_code
decode_content(struct le_reader *r, struct content *c, unsigned how,
    struct err *e)
{
	size_t count = 1;
	enum err_code rc;

	if (how == CONTENT_NONE)
		return ERR_NONE;
	if (how == CONTENT_INLINED)
		return decode_inlined(r, c, e);
	if (how == CONTENT_CHUNKS)
		count = (size_t)take_bounded(r, CONTENT_PIECES_MAX);
	if (r->bad || count == 0)
		return damaged(e, "content is malformed");
	if ((rc = pieces_reserve(c, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < count; i++) {
		uint64_t len = take_bounded(r, ENTRY_SIZE_MAX - c->size_bytes);

		if (r->bad || len == 0)
			return damaged(e, "content is malformed");
		c->pieces[i].len_bytes = len;
		c->size_bytes += len;
	}
	c->pieces_count = count;
	c->is_list = how == CONTENT_LIST;
	return ERR_NONE;
}

static enum err_code
decode_xattr(struct le_reader *r, struct entry *n, struct err *e)
{
	char name[ENTRY_XATTR_NAME_MAX + 1];
	size_t len = (size_t)take_bounded(r, ENTRY_XATTR_NAME_MAX), value_bytes;
	const uint8_t *at = le_take(r, len), *value;

	value_bytes = (size_t)take_bounded(r, ENTRY_XATTR_VALUE_MAX);
	value = le_take(r, value_bytes);
	if (r->bad || len == 0 || memchr(at, 0, len) != NULL)
		return damaged(e, "attributes are malformed");
	memcpy(name, at, len);
	name[len] = '\0';
	if (n->xattr_count > 0 &&
	    strcmp(n->xattrs[n->xattr_count - 1].name, name) >= 0)
		return damaged(e, "attributes are out of order");
	if (entry_add_xattr(n, name, value, value_bytes, e) == ERR_NONE)
		return ERR_NONE;
	return e->code == ERR_NOMEM ? ERR_NOMEM
				    : damaged(e, "attributes are too long");
}

static enum err_code
decode_extents(struct le_reader *r, struct entry *n, struct err *e)
{
	uint64_t count = take_bounded(r, ENTRY_EXTENT_COUNT_MAX), end = 0;

	if (r->bad || (count > 0 && !n->sparse))
		return damaged(e, "hole map is malformed");
	for (uint64_t i = 0; i < count; i++) {
		uint64_t gap = take_bounded(r, ENTRY_SIZE_MAX - end), len;

		len = take_bounded(r, ENTRY_SIZE_MAX - end - gap);
		if (r->bad || len == 0 || (gap == 0 && i > 0))
			return damaged(e, "hole map is malformed");
		if (entry_add_extent(n, end + gap, len, e) != ERR_NONE)
			return e->code == ERR_NOMEM
			    ? ERR_NOMEM
			    : damaged(e, "hole map is malformed");
		end += gap + len;
	}
	return ERR_NONE;
}

enum err_code
item_decode_extras(struct item *it, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct entry *n = &it->entry;
	struct le_reader r;
	uint64_t count;
	enum err_code rc;

	le_init(&r, bytes, len_bytes);
	n->flags = (uint32_t)take_bounded(&r, ENTRY_FLAGS_MASK);
	count = take_bounded(&r, ENTRY_XATTR_COUNT_MAX);
	if (r.bad)
		return damaged(e, "extras are malformed");
	for (uint64_t i = 0; i < count; i++)
		if ((rc = decode_xattr(&r, n, e)) != ERR_NONE)
			return rc;
	if ((rc = decode_extents(&r, n, e)) != ERR_NONE)
		return rc;
	if (!le_done(&r) ||
	    (n->flags == 0 && count == 0 && n->extent_count == 0))
		return damaged(e, "extras are malformed");
	return ERR_NONE;
}

static enum err_code
take_extras(struct le_reader *r, struct item *it, unsigned form,
    struct item_spilled *spill, struct err *e)
{
	size_t len;
	const uint8_t *at;

	if ((form & FORM_EXTRAS) != 0 && (form & FORM_SPILLED) != 0)
		return damaged(e, "extras are in two places");
	if ((form & (FORM_EXTRAS | FORM_SPILLED)) == 0)
		return ERR_NONE;
	len = (size_t)take_bounded(r, ITEM_EXTRAS_MAX);
	if (r->bad || len == 0)
		return damaged(e, "extras are malformed");
	if ((form & FORM_SPILLED) != 0) {
		spill->len_bytes = len;
		spill->ids_count =
		    (len + ITEM_EXTRAS_PIECE - 1) / ITEM_EXTRAS_PIECE;
		return ERR_NONE;
	}
	at = le_take(r, len);
	if (at == NULL)
		return damaged(e, "extras are cut short");
	return item_decode_extras(it, at, len, e);
}

static void
clear(struct item *it)
{
	entry_clear(&it->entry);
	it->content.size_bytes = 0;
	it->content.pieces_count = 0;
	it->content.is_list = false;
	buf_clear(&it->content.inlined);
}

enum err_code
item_decode_view(struct item *it, const struct item_view *v,
    struct item_spilled *spill, struct err *e)
{
	struct entry *n = &it->entry;
	struct content *c = &it->content;
	struct le_reader r;
	unsigned form;
	enum err_code rc;

	clear(it);
	memset(spill, 0, sizeof *spill);
	le_init(&r, v->core, v->core_bytes);
	if ((rc = decode_head(&r, n, &form, e)) != ERR_NONE)
		return rc;
	if ((form & FORM_LINKED) != 0 &&
	    (rc = decode_link(&r, n, e)) != ERR_NONE)
		return rc;
	n->sparse = (form & FORM_SPARSE) != 0;
	if ((rc = decode_content(&r, c, form & FORM_CONTENT, e)) != ERR_NONE ||
	    (rc = take_extras(&r, it, form, spill, e)) != ERR_NONE)
		return rc;
	if (!le_done(&r) || v->refs_count != spill->ids_count + c->pieces_count)
		return damaged(e, "encoding has the wrong length");
	spill->ids = v->refs;
	for (size_t i = 0; i < c->pieces_count; i++)
		memcpy(c->pieces[i].id.bytes,
		    v->refs + (spill->ids_count + i) * ID_BYTES, ID_BYTES);
	return ERR_NONE;
}

enum err_code
item_decode_done(const struct item *it, struct err *e)
{
	const char *fault = content_fault(it);

	if (fault != NULL)
		return damaged(e, fault);
	return entry_check(&it->entry, e);
}

enum err_code
item_decode(struct item *out, const void *bytes, size_t len_bytes,
    struct err *e)
{
	OWNED(item_fini) struct item it = {0};
	struct item_spilled spill;
	struct item_view v;
	enum err_code rc;

	memset(out, 0, sizeof *out);
	if ((rc = item_view(&v, bytes, len_bytes, e)) != ERR_NONE ||
	    (rc = item_decode_view(&it, &v, &spill, e)) != ERR_NONE)
		return rc;
	if (spill.ids_count > 0)
		return damaged(e, "extras are not with it");
	if ((rc = item_decode_done(&it, e)) != ERR_NONE)
		return rc;
	*out = it;
	memset(&it, 0, sizeof it);
	return ERR_NONE;
}
