#include "closure_open.h"
#include "trees.h"

#include <bascule/base/path.h>

/* What is known of a page, or of a chunk list, once it was opened. */
struct facts {
	struct id id;
	bool bad; /* it was said already */
	unsigned level;
	uint64_t items_count;   /* of a list: its content's length */
	struct buf first, last; /* paths; nothing in an empty leaf */
};

struct closure_open {
	struct checking *checking;
	const char *object;
	struct facts **slots; /* open addressing by id */
	size_t slots_count, facts_count;
};

static void
facts_free(struct facts **fp)
{
	struct facts *f = TAKE(*fp);

	if (f == NULL)
		return;
	buf_fini(&f->first);
	buf_fini(&f->last);
	free(f);
}

enum err_code
closure_open_new(struct closure_open **out, struct checking *ck, struct err *e)
{
	struct closure_open *co = calloc(1, sizeof *co);

	*out = co;
	if (co == NULL)
		return err_nomem(e);
	co->checking = ck;
	return ERR_NONE;
}

void
closure_open_free(struct closure_open **cop)
{
	struct closure_open *co = TAKE(*cop);

	if (co == NULL)
		return;
	for (size_t i = 0; i < co->slots_count; i++)
		facts_free(&co->slots[i]);
	free(co->slots);
	free(co);
}

/* --- facts ---------------------------------------------------------------- */

static struct facts **
slot_of(const struct closure_open *co, const struct id *id)
{
	size_t at = le_get32(id->bytes) & (co->slots_count - 1);

	while (co->slots[at] != NULL && !id_equal(&co->slots[at]->id, id))
		at = (at + 1) & (co->slots_count - 1);
	return &co->slots[at];
}

static enum err_code
slots_grow(struct closure_open *co, struct err *e)
{
	struct closure_open bigger = {
	    .slots_count = co->slots_count == 0 ? 256 : co->slots_count * 2};

	bigger.slots = calloc(bigger.slots_count, sizeof *bigger.slots);
	if (bigger.slots == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < co->slots_count; i++)
		if (co->slots[i] != NULL)
			*slot_of(&bigger, &co->slots[i]->id) = co->slots[i];
	free(co->slots);
	co->slots = bigger.slots;
	co->slots_count = bigger.slots_count;
	return ERR_NONE;
}

/* The facts of a page; *fresh: it was not there, and has to be looked at. */
static enum err_code
facts_get(struct closure_open *co, const struct id *id, struct facts **out,
    bool *fresh, struct err *e)
{
	struct facts **slot;

	if ((co->facts_count + 1) * 2 > co->slots_count &&
	    slots_grow(co, e) != ERR_NONE)
		return e->code;
	slot = slot_of(co, id);
	*fresh = *slot == NULL;
	if (*fresh) {
		if ((*slot = calloc(1, sizeof **slot)) == NULL)
			return err_nomem(e);
		(*slot)->id = *id;
		co->facts_count++;
	}
	*out = *slot;
	return ERR_NONE;
}

/* --- damage --------------------------------------------------------------- */

/* Looked and found it bad: told, and the check goes on. */
static enum err_code
judge(struct closure_open *co, enum err_code rc, const char *what,
    const struct id *id, struct err *e)
{
	char hex[ID_HEX_BYTES];

	if (rc != ERR_CORRUPT && rc != ERR_NOTFOUND && rc != ERR_KEY &&
	    rc != ERR_INPUT && rc != ERR_IO)
		return rc;
	checking_damage(co->checking, co->object, "%s %.16s: %s", what,
	    id_hex(id, hex), e->text);
	return ERR_NONE;
}

static enum err_code
wrong(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "%s", what);
}

/* --- contents ------------------------------------------------------------- */

static enum err_code
piece_check(void *ctx, const struct content_piece *piece, uint64_t offset_bytes,
    struct err *e)
{
	struct closure_open *co = ctx;

	(void)offset_bytes;
	if (!checking_lengths_fit(co->checking, &piece->id, piece->len_bytes))
		return wrong(e, "a chunk is not as long as it says");
	return ERR_NONE;
}

/* A list is opened once; its facts hold the length it was found to have. */
static enum err_code
content_check(struct closure_open *co, const struct content *c, struct err *e)
{
	struct facts *list;
	bool fresh = true;
	enum err_code rc;

	if (c->is_list) {
		rc = facts_get(co, &c->pieces[0].id, &list, &fresh, e);
		if (rc != ERR_NONE)
			return rc;
		if (!fresh && list->items_count != c->pieces[0].len_bytes)
			return wrong(e,
			    "a chunk list is not as long as an "
			    "entry says");
		list->items_count = c->pieces[0].len_bytes;
	}
	if (!fresh)
		return ERR_NONE;
	return content_each(co->checking->store, c, piece_check, co, e);
}

static enum err_code
extras_check(struct closure_open *co, struct item *it,
    const struct item_spilled *spill, struct err *e)
{
	OWNED(buf_fini) struct buf all = {.max_bytes = ITEM_EXTRAS_MAX};
	OWNED(buf_fini) struct buf piece = {0};
	struct id id;
	enum err_code rc;

	for (size_t i = 0; i < spill->ids_count; i++) {
		memcpy(id.bytes, spill->ids + i * ID_BYTES, ID_BYTES);
		rc = store_get(co->checking->store, STORE_DATA, &id, &piece,
		    NULL, e);
		if (rc == ERR_NONE)
			rc = buf_add(&all, piece.bytes, piece.len_bytes, e);
		if (rc != ERR_NONE)
			return rc;
	}
	if (all.len_bytes != spill->len_bytes)
		return wrong(e, "extras are not as long as they should be");
	return item_decode_extras(it, all.bytes, all.len_bytes, e);
}

static enum err_code
item_check(struct closure_open *co, struct item *it, const struct cell *cell,
    struct err *e)
{
	struct item_view v = {cell->refs, cell->refs_count, cell->core,
	    cell->core_bytes};
	struct item_spilled spill;
	enum err_code rc;

	if ((rc = item_decode_view(it, &v, &spill, e)) != ERR_NONE)
		return rc;
	if (spill.ids_count > 0 &&
	    (rc = extras_check(co, it, &spill, e)) != ERR_NONE)
		return rc;
	if ((rc = item_decode_done(it, e)) != ERR_NONE)
		return rc;
	return content_check(co, &it->content, e);
}

/* --- pages ---------------------------------------------------------------- */

struct opening {
	struct buf body, refs;
	struct page_reader pr;
	struct item item;
};

static void
opening_free(struct opening **op)
{
	struct opening *o = TAKE(*op);

	if (o == NULL)
		return;
	buf_fini(&o->body);
	buf_fini(&o->refs);
	page_reader_fini(&o->pr);
	item_fini(&o->item);
	free(o);
}

static enum err_code page_check(struct closure_open *co, const struct id *id,
    int level, struct facts **out, struct err *e);

static bool
buf_is(const struct buf *b, const struct cell *cell)
{
	return b->len_bytes == cell->path_bytes &&
	    (b->len_bytes == 0 ||
		memcmp(b->bytes, cell->path, b->len_bytes) == 0);
}

/* f: what is known of the page so far; its last is the child before. */
static enum err_code
child_check(struct closure_open *co, struct facts *f, const struct cell *cell,
    struct err *e)
{
	struct facts *child;
	uint64_t items_count;
	struct id id;
	enum err_code rc;

	memcpy(id.bytes, cell->refs, ID_BYTES);
	if ((rc = page_child_count(cell, &items_count, e)) != ERR_NONE ||
	    (rc = page_check(co, &id, (int)f->level - 1, &child, e)) !=
		ERR_NONE)
		return rc;
	f->items_count += items_count;
	if (child->bad)
		return ERR_NONE; /* that was told of the child */
	if (child->level + 1 != f->level)
		return wrong(e, "a child is of the wrong level");
	if (child->items_count != items_count || items_count == 0)
		return wrong(e, "a child's count is not its parent's");
	if (!buf_is(&child->last, cell))
		return wrong(e, "a child's last path is not its parent's");
	if (f->last.bytes != NULL &&
	    path_compare((const char *)f->last.bytes, f->last.len_bytes,
		(const char *)child->first.bytes, child->first.len_bytes) >= 0)
		return wrong(e, "a child begins before the one before it ends");
	if (f->first.bytes == NULL)
		rc = buf_add(&f->first, child->first.bytes,
		    child->first.len_bytes, e);
	return rc;
}

static enum err_code
cell_check(struct closure_open *co, struct facts *f, struct item *it,
    const struct cell *cell, struct err *e)
{
	enum err_code rc;

	if (f->level > 0) {
		rc = child_check(co, f, cell, e);
	} else {
		rc = item_check(co, it, cell, e);
		f->items_count++;
		if (rc == ERR_NONE && f->first.bytes == NULL)
			rc =
			    buf_add(&f->first, cell->path, cell->path_bytes, e);
	}
	buf_clear(&f->last);
	if (rc == ERR_NONE)
		rc = buf_add(&f->last, cell->path, cell->path_bytes, e);
	return rc;
}

static enum err_code
page_open(struct closure_open *co, struct facts *f, enum store_kind kind,
    struct err *e)
{
	OWNED(opening_free) struct opening *o = calloc(1, sizeof *o);
	struct cell cell;
	bool more = true;
	enum err_code rc;

	if (o == NULL)
		return err_nomem(e);
	rc =
	    store_get(co->checking->store, kind, &f->id, &o->body, &o->refs, e);
	if (rc != ERR_NONE || (rc = page_check_refs(&o->refs, e)) != ERR_NONE ||
	    (rc = page_reader_begin(&o->pr, &o->body, &o->refs, e)) != ERR_NONE)
		return rc;
	if ((rc = checking_progress(co->checking, 0, e)) != ERR_NONE)
		return rc;
	f->level = o->pr.level;
	if ((kind == STORE_LEAF) != (f->level == 0))
		return wrong(e, "is not of the kind it says");
	while (more) {
		rc = page_reader_next(&o->pr, &cell, &more, e);
		if (rc == ERR_NONE && more)
			rc = cell_check(co, f, &o->item, &cell, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

/*
 * level: what its parent expects, which bounds the recursion; -1 at the root,
 * where any will do.
 */
static enum err_code
page_check(struct closure_open *co, const struct id *id, int level,
    struct facts **out, struct err *e)
{
	enum store_kind kind = level == 0 ? STORE_LEAF : STORE_INNER;
	struct index_copy copy;
	bool fresh;
	enum err_code rc = facts_get(co, id, out, &fresh, e);

	if (rc != ERR_NONE || !fresh)
		return rc;
	if (level < 0 && index_find(co->checking->store, id, 0, &copy) &&
	    copy.kind == STORE_LEAF)
		kind = STORE_LEAF;
	(*out)->bad = true; /* until it is seen not to be */
	rc = page_open(co, *out, kind, e);
	if (rc == ERR_NONE) {
		(*out)->bad = false;
		return ERR_NONE;
	}
	return judge(co, rc, "page", id, e);
}

enum err_code
closure_open_root(struct closure_open *co, const struct id *root,
    const char *object, struct err *e)
{
	struct facts *ignored;

	co->object = object;
	return page_check(co, root, -1, &ignored, e);
}
