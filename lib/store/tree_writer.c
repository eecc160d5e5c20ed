#include "parts.h"
#include "trees.h"

#include <bascule/base/path.h>

/*
 * Each level keeps the cells of the page it is at; when the split rule ends a
 * page, the page is put and becomes a cell of the level above.
 *
 * T1. A level's cells weigh at most SPLIT_WEIGHT_MAX, or are fewer than its
 *     minimum: memory does not grow with the tree.
 * T2. What a page holds depends on the items and the split key alone, not on
 *     when tree_writer_root was called.
 * T3. A leaf that began between two others and ended by its last cell's hash
 *     depends on its own items alone: wherever these come between two leaves
 *     again, that leaf may be taken as it is (tree_writer_add_leaf).  Where a
 *     forced cut lies also depends on what follows it.
 */

struct pending {
	size_t at; /* in the level's bytes: refs, core, path */
	uint32_t refs_count, core_bytes, path_bytes;
	uint64_t hash, weight;
	uint64_t items_count;
};

struct level {
	struct buf bytes;
	struct pending *cells;
	size_t count, room;
	uint64_t weight;
	uint64_t pages_count; /* that ended here */
	struct id last_page;
	uint64_t last_items_count; /* of last_page */
};

struct tree_writer {
	struct writer *writer; /* borrowed */
	struct split_key key;
	struct level levels[PAGE_LEVEL_MAX + 2]; /* the last stays empty */
	struct page_builder builder;
	struct buf last; /* path of the last item */
	struct buf encoded;
	bool begun;
	bool forced; /* the open leaf begins with what another one cut off */
	bool whole;  /* the last item ended a leaf that began between two */
};

/* --- making and ending ---------------------------------------------------- */

static enum err_code
key_init(struct tree_writer *tw, struct err *e)
{
	struct session *se = writer_session(tw->writer);
	OWNED(secret_fini) struct secret key = {0};
	enum err_code rc;

	if (se->store->keyring == NULL)
		return err_set(e, ERR_KEY,
		    "a tree cannot be written without "
		    "a key");
	rc = keyring_subkey(se->store->keyring, NULL, KEYRING_SPLIT, &key, e);
	if (rc != ERR_NONE)
		return rc;
	ASSERT(key.len_bytes >= SPLIT_KEY_BYTES);
	split_key_init(&tw->key, key.bytes);
	return ERR_NONE;
}

enum err_code
tree_writer_new(struct tree_writer **out, struct writer *w, struct err *e)
{
	OWNED(tree_writer_free) struct tree_writer *tw = NULL;
	enum err_code rc;

	*out = NULL;
	if ((tw = calloc(1, sizeof *tw)) == NULL)
		return err_nomem(e);
	tw->writer = w;
	if ((rc = key_init(tw, e)) != ERR_NONE)
		return rc;
	*out = TAKE(tw);
	return ERR_NONE;
}

void
tree_writer_free(struct tree_writer **twp)
{
	struct tree_writer *tw = TAKE(*twp);

	if (tw == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(tw->levels); i++) {
		buf_fini(&tw->levels[i].bytes);
		free(tw->levels[i].cells);
	}
	page_builder_fini(&tw->builder);
	buf_fini(&tw->last);
	buf_fini(&tw->encoded);
	secret_wipe(&tw->key, sizeof tw->key);
	free(tw);
}

/* --- pages ---------------------------------------------------------------- */

static enum err_code level_add(struct tree_writer *tw, unsigned n,
    const struct cell *cell, uint64_t items_count, struct err *e);

static void
cell_of(struct cell *out, const struct level *lv, const struct pending *p)
{
	const uint8_t *at = lv->bytes.bytes + p->at;

	out->refs = at;
	out->refs_count = p->refs_count;
	out->core = at + (size_t)p->refs_count * ID_BYTES;
	out->core_bytes = p->core_bytes;
	out->path = (const char *)out->core + p->core_bytes;
	out->path_bytes = p->path_bytes;
}

/* The first `count` cells become a page and go from the level. */
static enum err_code
page_put(struct tree_writer *tw, unsigned n, size_t count,
    uint64_t *items_count, struct err *e)
{
	struct level *lv = &tw->levels[n];
	struct page_builder *pb = &tw->builder;
	size_t refs_count = 0;
	struct cell cell;
	enum err_code rc;

	*items_count = 0;
	for (size_t i = 0; i < count; i++)
		refs_count += lv->cells[i].refs_count;
	if ((rc = page_builder_begin(pb, refs_count, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < count; i++) {
		cell_of(&cell, lv, &lv->cells[i]);
		if ((rc = page_builder_add(pb, &cell, e)) != ERR_NONE)
			return rc;
		*items_count += lv->cells[i].items_count;
	}
	if ((rc = page_builder_end(pb, n, e)) != ERR_NONE)
		return rc;
	rc = writer_put(tw->writer, n == 0 ? STORE_LEAF : STORE_INNER,
	    pb->body.bytes, pb->body.len_bytes,
	    (const struct id *)pb->refs.bytes, pb->refs.len_bytes / ID_BYTES,
	    &lv->last_page, e);
	lv->last_items_count = *items_count;
	if (rc == ERR_NONE)
		lv->pages_count++;
	return rc;
}

/* Forget the first `count` cells; those behind them begin the next page. */
static void
level_drop(struct level *lv, size_t count)
{
	size_t gone_bytes =
	    count < lv->count ? lv->cells[count].at : lv->bytes.len_bytes;

	if (count < lv->count) {
		memmove(lv->bytes.bytes, lv->bytes.bytes + gone_bytes,
		    lv->bytes.len_bytes - gone_bytes);
		memmove(lv->cells, lv->cells + count,
		    (lv->count - count) * sizeof *lv->cells);
	}
	lv->bytes.len_bytes -= gone_bytes;
	lv->count -= count;
	lv->weight = 0;
	for (size_t i = 0; i < lv->count; i++) {
		lv->cells[i].at -= gone_bytes;
		lv->weight += lv->cells[i].weight;
	}
}

/* A page of the first `count` cells, and its cell in the level above. */
static enum err_code
page_end(struct tree_writer *tw, unsigned n, size_t count, struct err *e)
{
	struct level *lv = &tw->levels[n];
	OWNED(buf_fini) struct buf core = {0};
	struct cell cell;
	struct id id;
	uint64_t items_count;
	enum err_code rc;

	if (n >= PAGE_LEVEL_MAX)
		return err_set(e, ERR_INPUT, "a tree of more than %d levels",
		    PAGE_LEVEL_MAX + 1);
	if ((rc = page_put(tw, n, count, &items_count, e)) != ERR_NONE ||
	    (rc = le_add_varint(&core, items_count, e)) != ERR_NONE)
		return rc;
	cell_of(&cell, lv, &lv->cells[count - 1]);
	id = lv->last_page;
	cell.refs = id.bytes;
	cell.refs_count = 1;
	cell.core = core.bytes;
	cell.core_bytes = core.len_bytes;
	rc = level_add(tw, n + 1, &cell, items_count, e);
	level_drop(lv, count);
	return rc;
}

/* --- levels --------------------------------------------------------------- */

static size_t
cells_min(unsigned n)
{
	return n == 0 ? SPLIT_LEAF_MIN : SPLIT_INNER_MIN;
}

/* Where a page that grew too heavy ends: how many cells it keeps. */
static size_t
forced_end(const struct level *lv, unsigned n)
{
	size_t best = cells_min(n) - 1;

	for (size_t i = best + 1; i < lv->count; i++)
		if (lv->cells[i].hash < lv->cells[best].hash)
			best = i;
	return best + 1;
}

static enum err_code
level_append(struct level *lv, const struct cell *cell, struct pending *p,
    struct err *e)
{
	struct pending *cells;
	uint8_t *at;
	enum err_code rc;

	if (lv->count == lv->room) {
		size_t room = lv->room == 0 ? 256 : lv->room * 2;

		cells = realloc(lv->cells, room * sizeof *cells);
		if (cells == NULL)
			return err_nomem(e);
		lv->cells = cells;
		lv->room = room;
	}
	p->at = lv->bytes.len_bytes;
	rc = buf_extend(&lv->bytes,
	    cell->refs_count * ID_BYTES + cell->core_bytes + cell->path_bytes,
	    &at, e);
	if (rc != ERR_NONE)
		return rc;
	if (cell->refs_count > 0)
		memcpy(at, cell->refs, cell->refs_count * ID_BYTES);
	at += cell->refs_count * ID_BYTES;
	memcpy(at, cell->core, cell->core_bytes);
	if (cell->path_bytes > 0)
		memcpy(at + cell->core_bytes, cell->path, cell->path_bytes);
	lv->cells[lv->count++] = *p;
	lv->weight += p->weight;
	return ERR_NONE;
}

static enum err_code
level_add(struct tree_writer *tw, unsigned n, const struct cell *cell,
    uint64_t items_count, struct err *e)
{
	struct level *lv = &tw->levels[n];
	struct pending p = {
	    .refs_count = (uint32_t)cell->refs_count,
	    .core_bytes = (uint32_t)cell->core_bytes,
	    .path_bytes = (uint32_t)cell->path_bytes,
	    .hash = split_hash(&tw->key, n, cell->path, cell->path_bytes),
	    .weight = split_weight(cell->path, cell->path_bytes,
		cell->refs_count, cell->core_bytes),
	    .items_count = items_count,
	};
	enum err_code rc;

	while (lv->count >= cells_min(n) &&
	    lv->weight + p.weight > SPLIT_WEIGHT_MAX) {
		tw->forced |= n == 0;
		if ((rc = page_end(tw, n, forced_end(lv, n), e)) != ERR_NONE)
			return rc;
	}
	if ((rc = level_append(lv, cell, &p, e)) != ERR_NONE)
		return rc;
	if (lv->count < cells_min(n) || !split_is_end(p.hash, p.weight))
		return ERR_NONE;
	if (n == 0) {
		tw->whole = !tw->forced;
		tw->forced = false;
	}
	return page_end(tw, n, lv->count, e);
}

/* --- items ---------------------------------------------------------------- */

/* Only what differs from the last, valid path must be looked at. */
static enum err_code
path_next(struct tree_writer *tw, const char *path, size_t path_bytes,
    struct err *e)
{
	const char *last = (const char *)tw->last.bytes;
	size_t max =
	    tw->last.len_bytes < path_bytes ? tw->last.len_bytes : path_bytes;
	size_t same = 0, from;
	enum err_code rc;

	while (same < max && last[same] == path[same])
		same++;
	for (from = same; from > 0 && path[from - 1] != '/';)
		from--;
	if (path_bytes > PATH_BYTES_MAX ||
	    (path_bytes > 0 &&
		(path_bytes == from ||
		    !path_is_valid(path + from, path_bytes - from))))
		return err_set(e, ERR_INPUT, "a path that cannot be saved");
	if (tw->begun &&
	    path_compare(last + same, tw->last.len_bytes - same, path + same,
		path_bytes - same) >= 0)
		return err_set(e, ERR_INPUT,
		    "a path that is not behind the one before it");
	tw->begun = true;
	tw->last.len_bytes = same;
	rc = buf_add(&tw->last, path + same, path_bytes - same, e);
	if (rc == ERR_NONE)
		rc = buf_reserve(&tw->last, 1, e); /* so it is never NULL */
	return rc;
}

/* Extras too long for a page go into chunks. */
static enum err_code
extras_put(struct writer *w, const struct buf *extras,
    struct id ids[ITEM_EXTRAS_REFS_MAX], struct err *e)
{
	enum err_code rc;

	for (size_t at = 0, i = 0; at < extras->len_bytes; i++) {
		size_t len = extras->len_bytes - at;

		if (len > ITEM_EXTRAS_PIECE)
			len = ITEM_EXTRAS_PIECE;
		rc = writer_put(w, STORE_DATA, extras->bytes + at, len, NULL, 0,
		    &ids[i], e);
		if (rc != ERR_NONE)
			return rc;
		at += len;
	}
	return ERR_NONE;
}

/* The item with its extras in chunks, if that is where they belong. */
static enum err_code
item_spill(struct tree_writer *tw, const struct item *it, struct item_view *v,
    struct err *e)
{
	OWNED(buf_fini) struct buf extras = {.max_bytes = ITEM_EXTRAS_MAX};
	struct id ids[ITEM_EXTRAS_REFS_MAX];
	struct item_spill spill = {.ids = ids};
	enum err_code rc;

	if ((rc = item_encode_extras(&extras, &it->entry, e)) != ERR_NONE)
		return rc;
	if (extras.len_bytes <= ITEM_EXTRAS_INLINE)
		return ERR_NONE;
	if ((rc = extras_put(tw->writer, &extras, ids, e)) != ERR_NONE)
		return rc;
	spill.len_bytes = extras.len_bytes;
	spill.ids_count =
	    (extras.len_bytes + ITEM_EXTRAS_PIECE - 1) / ITEM_EXTRAS_PIECE;
	buf_clear(&tw->encoded);
	rc = item_encode_spilled(&tw->encoded, it, &spill, e);
	if (rc != ERR_NONE)
		return rc;
	return item_view(v, tw->encoded.bytes, tw->encoded.len_bytes, e);
}

enum err_code
tree_writer_add_encoded(struct tree_writer *tw, const char *path,
    size_t path_bytes, const void *encoded, size_t len_bytes, struct err *e)
{
	OWNED(item_fini) struct item it = {0};
	struct item_view v;
	struct cell cell;
	enum err_code rc;

	if ((rc = item_view(&v, encoded, len_bytes, e)) != ERR_NONE)
		return rc;
	if (v.core_bytes > ITEM_EXTRAS_INLINE) {
		/* Long: a link's target, or extras that must not be inline. */
		if ((rc = item_decode(&it, encoded, len_bytes, e)) !=
			ERR_NONE ||
		    (rc = item_spill(tw, &it, &v, e)) != ERR_NONE)
			return rc;
	}
	if ((rc = path_next(tw, path, path_bytes, e)) != ERR_NONE)
		return rc;
	cell = (struct cell){path, path_bytes, v.refs, v.refs_count, v.core,
	    v.core_bytes};
	tw->whole = false;
	return level_add(tw, 0, &cell, 1, e);
}

bool
tree_writer_is_between(const struct tree_writer *tw)
{
	return tw->levels[0].count == 0;
}

bool
tree_writer_leaf(const struct tree_writer *tw, struct id *page,
    uint64_t *items_count)
{
	*page = tw->levels[0].last_page;
	*items_count = tw->levels[0].last_items_count;
	return tw->whole;
}

enum err_code
tree_writer_add_leaf(struct tree_writer *tw, const char *path,
    size_t path_bytes, const struct id *page, uint64_t items_count,
    struct err *e)
{
	struct level *lv = &tw->levels[0];
	OWNED(buf_fini) struct buf core = {0};
	struct cell cell = {.path = path,
	    .path_bytes = path_bytes,
	    .refs = page->bytes,
	    .refs_count = 1};
	enum err_code rc;

	ASSERT(lv->count == 0);
	if (!writer_has(tw->writer, page))
		return err_set(e, ERR_NOTFOUND, "a page that is not here");
	if ((rc = path_next(tw, path, path_bytes, e)) != ERR_NONE ||
	    (rc = le_add_varint(&core, items_count, e)) != ERR_NONE)
		return rc;
	cell.core = core.bytes;
	cell.core_bytes = core.len_bytes;
	lv->last_page = *page;
	lv->last_items_count = items_count;
	lv->pages_count++;
	tw->whole = true;
	return level_add(tw, 1, &cell, items_count, e);
}

enum err_code
tree_writer_add(struct tree_writer *tw, const struct item *it, struct err *e)
{
	OWNED(buf_fini) struct buf encoded = {0};
	const struct entry_text *path = &it->entry.path;
	enum err_code rc;

	if ((rc = item_encode(&encoded, it, e)) != ERR_NONE)
		return rc;
	return tree_writer_add_encoded(tw,
	    path->bytes == NULL ? "" : path->bytes, path->len_bytes,
	    encoded.bytes, encoded.len_bytes, e);
}

/* --- the root ------------------------------------------------------------- */

static enum err_code
level_copy(struct level *to, const struct level *from, struct err *e)
{
	*to = *from;
	memset(&to->bytes, 0, sizeof to->bytes);
	to->cells = NULL;
	to->room = 0;
	if (from->count == 0)
		return ERR_NONE;
	to->cells = malloc(from->count * sizeof *to->cells);
	if (to->cells == NULL)
		return err_nomem(e);
	to->room = from->count;
	memcpy(to->cells, from->cells, from->count * sizeof *to->cells);
	return buf_add(&to->bytes, from->bytes.bytes, from->bytes.len_bytes, e);
}

/* The levels' open pages end, from below, until a level is one page. */
static enum err_code
finish(struct tree_writer *tw, struct id *root, struct err *e)
{
	uint64_t none;
	enum err_code rc;

	if (tw->levels[0].count == 0 && tw->levels[0].pages_count == 0) {
		rc = page_put(tw, 0, 0, &none, e);
		*root = tw->levels[0].last_page;
		return rc;
	}
	for (unsigned n = 0; n <= PAGE_LEVEL_MAX; n++) {
		struct level *lv = &tw->levels[n];

		if (lv->count > 0 &&
		    (rc = page_end(tw, n, lv->count, e)) != ERR_NONE)
			return rc;
		if (lv->pages_count == 1) {
			*root = lv->last_page;
			return ERR_NONE;
		}
	}
	return err_set(e, ERR_INPUT, "a tree of more than %d levels",
	    PAGE_LEVEL_MAX + 1);
}

enum err_code
tree_writer_root(struct tree_writer *tw, struct id *root, struct err *e)
{
	OWNED(tree_writer_free) struct tree_writer *copy = NULL;
	enum err_code rc;

	memset(root, 0, sizeof *root);
	/* On a copy: the pages still open stay open for what is to come (T2). */
	if ((copy = calloc(1, sizeof *copy)) == NULL)
		return err_nomem(e);
	copy->writer = tw->writer;
	copy->key = tw->key;
	for (size_t i = 0; i < COUNT_OF(tw->levels); i++)
		if ((rc = level_copy(&copy->levels[i], &tw->levels[i], e)) !=
		    ERR_NONE)
			return rc;
	return finish(copy, root, e);
}
