#include "parts.h"
#include "trees.h"

#include <bascule/base/path.h>

/*
 * One step a level, from the root down to a leaf.  What a page promises of its
 * child (level, last path, count, and that all lies behind the child before) is
 * held against the child: a page moved to another place is damage even though
 * its own id is right.
 */

struct step {
	struct page_reader pr;
	struct buf body, refs;
	struct buf low;  /* every path here is behind it, if has_low */
	struct buf high; /* and the last is this one, if has_high */
	bool has_low, has_high;
	uint64_t items_count, seen_count; /* promised, and met so far */
	uint64_t first_nth;               /* of its first item */
	struct buf last;                  /* path of the last cell */
	bool begun;
	bool loaded; /* body and refs are those of id */
	struct id id;
};

/* Where to begin: everything before is passed over, pages unseen. */
enum seeking { SEEK_NOTHING, SEEK_PATH, SEEK_NTH };

struct cursor {
	struct store *store; /* borrowed */
	struct step steps[PAGE_LEVEL_MAX + 1];
	size_t depth;
	char *target; /* nothing that is not at or under it is given */
	size_t target_bytes;
	enum seeking seeking;
	struct buf seek;
	uint64_t seek_nth;
	bool held; /* cell is a page that was neither entered nor passed */
	struct cell cell;
	uint64_t cell_items_count;
	uint64_t nth; /* of the item or page that comes next */
	bool waiting; /* the item was read by cursor_open */
	bool ended;
	struct item item;
	struct buf extras, piece;
};

void
cursor_close(struct cursor **cp)
{
	struct cursor *c = TAKE(*cp);

	if (c == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(c->steps); i++) {
		struct step *s = &c->steps[i];

		page_reader_fini(&s->pr);
		buf_fini(&s->body);
		buf_fini(&s->refs);
		buf_fini(&s->low);
		buf_fini(&s->high);
		buf_fini(&s->last);
	}
	item_fini(&c->item);
	buf_fini(&c->seek);
	buf_fini(&c->extras);
	buf_fini(&c->piece);
	free(c->target);
	free(c);
}

static enum err_code
buf_set(struct buf *to, const void *bytes, size_t len_bytes, struct err *e)
{
	buf_clear(to);
	return buf_add(to, bytes, len_bytes, e);
}

static enum err_code
misplaced(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "a page's %s its parent's promise",
	    what);
}

/* --- pages ---------------------------------------------------------------- */

/* A page that the step has from before need not be fetched again. */
static enum err_code
step_fetch(struct cursor *c, struct step *s, enum store_kind kind,
    const struct id *id, struct err *e)
{
	enum err_code rc;

	if (s->loaded && id_equal(&s->id, id))
		return ERR_NONE;
	s->loaded = false;
	rc = store_get(c->store, kind, id, &s->body, &s->refs, e);
	s->loaded = rc == ERR_NONE;
	s->id = *id;
	return rc;
}

static enum err_code
step_load(struct cursor *c, struct step *s, enum store_kind kind,
    const struct id *id, struct err *e)
{
	char hex[ID_HEX_BYTES];
	enum err_code rc = step_fetch(c, s, kind, id, e);

	if (rc == ERR_NONE)
		rc = page_reader_begin(&s->pr, &s->body, &s->refs, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "page %.12s", id_hex(id, hex));
	if ((kind == STORE_LEAF) != (s->pr.level == 0))
		return err_set(e, ERR_CORRUPT,
		    "page %.12s is not of the kind it says", id_hex(id, hex));
	s->seen_count = 0;
	s->begun = false;
	buf_clear(&s->last);
	return ERR_NONE;
}

static enum err_code
root_push(struct cursor *c, const struct id *root, struct err *e)
{
	struct step *s = &c->steps[0];
	struct index_copy copy;
	char hex[ID_HEX_BYTES];

	if (!index_find(c->store, root, 0, &copy))
		return err_set(e, ERR_CORRUPT, "root page %.12s is missing",
		    id_hex(root, hex));
	if (copy.kind != STORE_LEAF && copy.kind != STORE_INNER)
		return err_set(e, ERR_CORRUPT, "root %.12s is not a page",
		    id_hex(root, hex));
	s->has_low = s->has_high = false;
	c->depth = 1;
	return step_load(c, s, copy.kind, root, e);
}

/* The child that cell of the top step names. */
static enum err_code
child_push(struct cursor *c, const struct cell *cell, uint64_t items_count,
    struct err *e)
{
	struct step *up = &c->steps[c->depth - 1], *s = up + 1;
	enum err_code rc;
	struct id id;

	ASSERT(c->depth < COUNT_OF(c->steps));
	s->has_low = up->begun || up->has_low;
	if (s->has_low) {
		const struct buf *low = up->begun ? &up->last : &up->low;

		if ((rc = buf_set(&s->low, low->bytes, low->len_bytes, e)) !=
		    ERR_NONE)
			return rc;
	}
	rc = buf_set(&s->high, cell->path, cell->path_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	s->has_high = true;
	s->items_count = items_count;
	s->first_nth = c->nth;
	memcpy(id.bytes, cell->refs, ID_BYTES);
	rc = step_load(c, s, up->pr.level == 1 ? STORE_LEAF : STORE_INNER, &id,
	    e);
	if (rc != ERR_NONE)
		return rc;
	if (s->pr.level + 1 != up->pr.level)
		return misplaced(e, "level is not");
	c->depth++;
	return ERR_NONE;
}

static enum err_code
step_end(struct cursor *c, struct err *e)
{
	struct step *s = &c->steps[c->depth - 1];

	if (s->has_high &&
	    (s->last.len_bytes != s->high.len_bytes ||
		(s->last.len_bytes > 0 &&
		    memcmp(s->last.bytes, s->high.bytes, s->last.len_bytes) !=
			0)))
		return misplaced(e, "last path is not");
	if (s->has_high && s->seen_count != s->items_count)
		return misplaced(e, "count of items is not");
	if (--c->depth == 0)
		c->ended = true;
	return ERR_NONE;
}

/* --- cells ---------------------------------------------------------------- */

static int
compare_buf(const struct buf *a, const struct cell *b)
{
	return path_compare((const char *)a->bytes, a->len_bytes, b->path,
	    b->path_bytes);
}

static enum err_code
spilled_read(struct cursor *c, const struct item_spilled *spill, struct err *e)
{
	struct id id;
	enum err_code rc;

	buf_clear(&c->extras);
	for (size_t i = 0; i < spill->ids_count; i++) {
		memcpy(id.bytes, spill->ids + i * ID_BYTES, ID_BYTES);
		rc = store_get(c->store, STORE_DATA, &id, &c->piece, NULL, e);
		if (rc != ERR_NONE)
			return rc;
		rc = buf_add(&c->extras, c->piece.bytes, c->piece.len_bytes, e);
		if (rc != ERR_NONE)
			return rc;
	}
	if (c->extras.len_bytes != spill->len_bytes)
		return err_set(e, ERR_CORRUPT,
		    "an item's extras are not as long as it says");
	return item_decode_extras(&c->item, c->extras.bytes,
	    c->extras.len_bytes, e);
}

static enum err_code
item_read(struct cursor *c, const struct cell *cell, struct err *e)
{
	struct item_view v = {cell->refs, cell->refs_count, cell->core,
	    cell->core_bytes};
	struct item_spilled spill;
	enum err_code rc;

	if ((rc = item_decode_view(&c->item, &v, &spill, e)) != ERR_NONE)
		return rc;
	if (spill.ids_count > 0 &&
	    (rc = spilled_read(c, &spill, e)) != ERR_NONE)
		return rc;
	if ((rc = item_decode_done(&c->item, e)) != ERR_NONE)
		return rc;
	return entry_set_text(&c->item.entry.path, cell->path, cell->path_bytes,
	    PATH_BYTES_MAX, e);
}

/* Its place within the step, and the path into s->last. */
static enum err_code
cell_pass(struct step *s, const struct cell *cell, uint64_t items_count,
    struct err *e)
{
	if (!s->begun && s->has_low && compare_buf(&s->low, cell) >= 0)
		return misplaced(e, "first path is not");
	if (items_count > UINT64_MAX - s->seen_count)
		return misplaced(e, "count of items is not");
	s->seen_count += items_count;
	s->begun = true;
	return buf_set(&s->last, cell->path, cell->path_bytes, e);
}

/* Is everything of the cell before the place that is sought? */
static bool
is_before(const struct cursor *c, const struct cell *cell, uint64_t items_count)
{
	if (c->seeking == SEEK_PATH)
		return path_compare(cell->path, cell->path_bytes,
			   (const char *)c->seek.bytes, c->seek.len_bytes) < 0;
	return c->seeking == SEEK_NTH && c->seek_nth >= c->nth &&
	    c->seek_nth - c->nth >= items_count;
}

/* The page that cursor_step gave last, unseen. */
static enum err_code
held_pass(struct cursor *c, struct err *e)
{
	c->held = false;
	c->nth += c->cell_items_count;
	return cell_pass(&c->steps[c->depth - 1], &c->cell, c->cell_items_count,
	    e);
}

static enum err_code
inner_cell(struct cursor *c, struct cursor_at *at, struct err *e)
{
	enum err_code rc = page_child_count(&c->cell, &c->cell_items_count, e);

	if (rc != ERR_NONE)
		return rc;
	if (is_before(c, &c->cell, c->cell_items_count))
		return held_pass(c, e);
	c->held = true;
	at->kind = CURSOR_PAGE;
	at->level = c->steps[c->depth - 1].pr.level - 1;
	at->items_count = c->cell_items_count;
	memcpy(at->page.bytes, c->cell.refs, ID_BYTES);
	return ERR_NONE;
}

static enum err_code
leaf_cell(struct cursor *c, struct cursor_at *at, struct err *e)
{
	const struct cell *cell = &c->cell;
	enum err_code rc = cell_pass(&c->steps[c->depth - 1], cell, 1, e);

	if (rc != ERR_NONE)
		return rc;
	if (is_before(c, cell, 1)) {
		c->nth++;
		return ERR_NONE;
	}
	c->seeking = SEEK_NOTHING;
	if (!path_is_under(cell->path, cell->path_bytes, c->target,
		c->target_bytes)) {
		c->ended = true;
		return ERR_NONE;
	}
	at->kind = CURSOR_ITEM;
	at->nth = c->nth++;
	return ERR_NONE;
}

/* To the next page or item that is not passed over, or c->ended. */
static enum err_code
step_on(struct cursor *c, struct cursor_at *at, struct err *e)
{
	bool more;
	enum err_code rc = c->held ? held_pass(c, e) : ERR_NONE;

	*at = (struct cursor_at){.kind = CURSOR_END};
	while (at->kind == CURSOR_END && !c->ended && rc == ERR_NONE) {
		struct step *s = &c->steps[c->depth - 1];

		rc = page_reader_next(&s->pr, &c->cell, &more, e);
		if (rc != ERR_NONE)
			return rc;
		if (!more)
			rc = step_end(c, e);
		else if (s->pr.level > 0)
			rc = inner_cell(c, at, e);
		else
			rc = leaf_cell(c, at, e);
	}
	at->path = c->cell.path;
	at->path_bytes = c->cell.path_bytes;
	return rc;
}

enum err_code
cursor_step(struct cursor *c, struct cursor_at *at, struct err *e)
{
	enum err_code rc = step_on(c, at, e);

	c->waiting = false;
	if (rc != ERR_NONE)
		c->ended = true;
	return rc;
}

enum err_code
cursor_enter(struct cursor *c, struct err *e)
{
	struct step *up = &c->steps[c->depth - 1];
	enum err_code rc;

	ASSERT(c->held);
	c->held = false;
	rc = child_push(c, &c->cell, c->cell_items_count, e);
	if (rc == ERR_NONE)
		rc = cell_pass(up, &c->cell, c->cell_items_count, e);
	if (rc != ERR_NONE)
		c->ended = true;
	return rc;
}

enum err_code
cursor_item(struct cursor *c, const struct item **it, struct err *e)
{
	enum err_code rc = item_read(c, &c->cell, e);

	*it = rc == ERR_NONE ? &c->item : NULL;
	return rc;
}

const struct cell *
cursor_cell(const struct cursor *c)
{
	return &c->cell;
}

/* To the next item, read, or c->ended. */
static enum err_code
advance(struct cursor *c, struct err *e)
{
	struct cursor_at at;

	for (;;) {
		enum err_code rc = step_on(c, &at, e);

		if (rc == ERR_NONE && at.kind == CURSOR_PAGE)
			rc = cursor_enter(c, e);
		else if (rc == ERR_NONE && at.kind == CURSOR_ITEM)
			return item_read(c, &c->cell, e);
		if (rc != ERR_NONE || at.kind == CURSOR_END)
			return rc;
	}
}

/* --- elsewhere ------------------------------------------------------------ */

/* Back to the root: what of the way is the same is still loaded. */
static enum err_code
rewind_to(struct cursor *c, enum seeking how, struct err *e)
{
	struct step *s = &c->steps[0];

	c->depth = 1;
	c->seeking = how;
	c->nth = 0;
	c->held = c->waiting = false;
	c->ended = true; /* unless all goes well */
	if (step_load(c, s, s->pr.level == 0 ? STORE_LEAF : STORE_INNER, &s->id,
		e) != ERR_NONE)
		return e->code;
	c->ended = false;
	return ERR_NONE;
}

static int
compare_seek(const struct cursor *c, const struct buf *path)
{
	return path_compare((const char *)path->bytes, path->len_bytes,
	    (const char *)c->seek.bytes, c->seek.len_bytes);
}

/* Does all of the step's page lie before the place? */
static bool
is_passed(const struct cursor *c, const struct step *s, enum seeking how)
{
	if (how == SEEK_PATH)
		return compare_seek(c, &s->high) < 0;
	return c->seek_nth >= s->first_nth &&
	    c->seek_nth - s->first_nth >= s->items_count;
}

/* Does the place lie before what was not given yet? */
static bool
is_over(const struct cursor *c, enum seeking how)
{
	const struct step *s = &c->steps[c->depth - 1];

	return how == SEEK_PATH ? !s->begun || compare_seek(c, &s->last) >= 0
				: c->seek_nth < c->nth;
}

/*
 * Who looks up one after another what was just listed goes on from here; a scan
 * from the root takes as long as a thousand such steps.
 */
static enum err_code
go_to(struct cursor *c, enum seeking how, struct err *e)
{
	if (c->ended || c->held || c->waiting)
		return rewind_to(c, how, e);
	while (c->depth > 1 && is_passed(c, &c->steps[c->depth - 1], how)) {
		const struct step *s = &c->steps[--c->depth];

		c->nth = s->first_nth + s->items_count;
	}
	if (is_over(c, how))
		return rewind_to(c, how, e);
	c->seeking = how;
	return ERR_NONE;
}

enum err_code
cursor_seek(struct cursor *c, const char *path, size_t path_bytes,
    struct err *e)
{
	enum err_code rc = buf_set(&c->seek, path, path_bytes, e);

	return rc == ERR_NONE ? go_to(c, SEEK_PATH, e) : rc;
}

enum err_code
cursor_seek_nth(struct cursor *c, uint64_t nth, struct err *e)
{
	c->seek_nth = nth;
	return go_to(c, SEEK_NTH, e);
}

uint64_t
cursor_nth(const struct cursor *c)
{
	return c->nth - 1;
}

/* --- opening, asking ------------------------------------------------------ */

static enum err_code
not_found(const struct cursor *c, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};

	if (c->target_bytes == 0)
		return err_set(e, ERR_NOTFOUND, "the snapshot is empty");
	if (text_escape(&text, c->target, c->target_bytes, e) != ERR_NONE)
		return e->code;
	return err_set(e, ERR_NOTFOUND, "'/%s' is not in the snapshot",
	    buf_text(&text));
}

enum err_code
cursor_open(struct cursor **out, struct store *st, const struct id *root,
    const char *path, size_t path_bytes, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	enum err_code rc;

	*out = NULL;
	if (!path_is_valid(path, path_bytes))
		return err_set(e, ERR_INPUT, "not a path of a snapshot");
	if ((c = calloc(1, sizeof *c)) == NULL ||
	    (c->target = malloc(path_bytes + 1)) == NULL)
		return err_nomem(e);
	memcpy(c->target, path, path_bytes);
	c->target[path_bytes] = '\0';
	c->target_bytes = path_bytes;
	c->store = st;
	c->seeking = SEEK_PATH;
	if ((rc = buf_set(&c->seek, path, path_bytes, e)) != ERR_NONE ||
	    (rc = root_push(c, root, e)) != ERR_NONE ||
	    (rc = advance(c, e)) != ERR_NONE)
		return rc;
	if (c->ended)
		return not_found(c, e);
	c->waiting = true;
	*out = TAKE(c);
	return ERR_NONE;
}

enum err_code
cursor_next(struct cursor *c, const struct item **it, struct err *e)
{
	enum err_code rc = ERR_NONE;

	*it = NULL;
	if (c->ended)
		return ERR_NONE;
	if (!c->waiting)
		rc = advance(c, e);
	c->waiting = false;
	if (rc != ERR_NONE) {
		c->ended = true;
		return rc;
	}
	if (!c->ended)
		*it = &c->item;
	return ERR_NONE;
}
