#ifndef STORE_TREES_H
#define STORE_TREES_H

/*
 * What the units of items, pages and chunk lists share: the codecs of
 * docs/format/pages.md.  They touch no file and take hostile bytes.
 */

#include <bascule/base/le.h>
#include <bascule/store.h>

/* --- item: an item taken apart, nothing decoded --------------------------- */

#define ITEM_REFS_MAX        144
#define ITEM_EXTRAS_INLINE   4096
#define ITEM_EXTRAS_PIECE    262144
#define ITEM_EXTRAS_MAX      ((size_t)32 << 20)
#define ITEM_EXTRAS_REFS_MAX (ITEM_EXTRAS_MAX / ITEM_EXTRAS_PIECE)
#define ITEM_PAGE_CORE_MAX   81920 /* of a core as it stands in a page */

_Static_assert(ITEM_EXTRAS_REFS_MAX + CONTENT_PIECES_MAX == ITEM_REFS_MAX,
    "pages.md: refs of an item");

struct item_view {
	const uint8_t *refs; /* refs_count ids, end to end */
	size_t refs_count;
	const uint8_t *core;
	size_t core_bytes;
};

/* Of item_encode's bytes, borrowed.  ERR_CORRUPT. */
enum err_code item_view(struct item_view *out, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* The extras of an entry; nothing is added when it has none. */
enum err_code item_encode_extras(struct buf *out, const struct entry *entry,
    struct err *e) MUST_CHECK;

/* item_encode with the extras in chunks of these ids. */
struct item_spill {
	const struct id *ids;
	size_t ids_count;
	size_t len_bytes;
};
enum err_code item_encode_spilled(struct buf *out, const struct item *it,
    const struct item_spill *spill, struct err *e) MUST_CHECK;

/*
 * Fill *it (but its path) from refs and core; its memory is used again.
 * *spill: what is left to be read and given to item_decode_extras; ids_count 0:
 * nothing.  Its ids borrow from v.  ERR_CORRUPT.
 */
struct item_spilled {
	const uint8_t *ids; /* ids_count, end to end */
	size_t ids_count;
	size_t len_bytes;
};
enum err_code item_decode_view(struct item *it, const struct item_view *v,
    struct item_spilled *spill, struct err *e) MUST_CHECK;
enum err_code item_decode_extras(struct item *it, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;

/* The last check, once everything is there: do the fields fit together? */
enum err_code item_decode_done(const struct item *it, struct err *e) MUST_CHECK;

/* --- split: where pages end ----------------------------------------------- */

#define SPLIT_KEY_BYTES   16
#define SPLIT_WEIGHT_MAX  262144
#define SPLIT_LEAF_MIN    2
#define SPLIT_INNER_MIN   8
#define SPLIT_REF_WEIGHT  34
#define SPLIT_CELL_WEIGHT 8

struct split_key {
	uint64_t k0, k1;
};
void split_key_init(struct split_key *key,
    const uint8_t bytes[SPLIT_KEY_BYTES]);
uint64_t split_hash(const struct split_key *key, unsigned level,
    const char *path, size_t path_bytes);
uint64_t split_weight(const char *path, size_t path_bytes, size_t refs_count,
    size_t core_bytes);
bool split_is_end(uint64_t hash, uint64_t weight);

/* --- page: cells in a body, refs in a list --------------------------------- */

#define PAGE_LEVEL_MAX 15
#define PAGE_REFS_MAX  16384

struct cell {
	const char *path;
	size_t path_bytes;
	const uint8_t *refs; /* refs_count ids, end to end */
	size_t refs_count;
	const uint8_t *core;
	size_t core_bytes;
};

/* Puts cells together.  Memory is kept from page to page. */
struct page_builder {
	struct buf body;
	struct buf refs; /* ids, each once */
	struct buf cells;
	const char *path; /* of the last cell, borrowed */
	size_t path_bytes;
	size_t cells_count;
	uint32_t *slots; /* open addressing: ordinal + 1, 0 is free */
	size_t slots_count;
};
void page_builder_fini(struct page_builder *pb);
/* refs_count: at least as many as the cells to come have in all. */
enum err_code page_builder_begin(struct page_builder *pb, size_t refs_count,
    struct err *e) MUST_CHECK;
/* Paths ascend; cell->path is borrowed until the next call. */
enum err_code page_builder_add(struct page_builder *pb, const struct cell *cell,
    struct err *e) MUST_CHECK;
/* pb->body and pb->refs are the page. */
enum err_code page_builder_end(struct page_builder *pb, unsigned level,
    struct err *e) MUST_CHECK;

/*
 * Takes them apart again, one by one.  Checks what can be seen within the page:
 * paths, order, maxima, that every ref is used (page_check_refs sees the rest).
 */
struct page_reader {
	struct le_reader bytes;
	unsigned level;
	uint64_t cells_count, cells_left_count;
	const uint8_t *refs;
	size_t refs_count, refs_used_count;
	struct buf path;
	bool begun;
	uint8_t ids[ITEM_REFS_MAX * ID_BYTES]; /* of the current cell */
};
/* Zeroed memory before the first.  body and refs: borrowed until the end. */
enum err_code page_reader_begin(struct page_reader *pr, const struct buf *body,
    const struct buf *refs, struct err *e) MUST_CHECK;
void page_reader_fini(struct page_reader *pr);
/* *more false: the page has ended as it should.  ERR_CORRUPT. */
enum err_code page_reader_next(struct page_reader *pr, struct cell *cell,
    bool *more, struct err *e) MUST_CHECK;

/* No id stands twice in a list. */
enum err_code page_check_refs(const struct buf *refs, struct err *e) MUST_CHECK;

/* An inner cell's core. */
enum err_code page_child_count(const struct cell *cell, uint64_t *items_count,
    struct err *e) MUST_CHECK;

/* --- clist: nodes of a chunk list ------------------------------------------ */

#define CLIST_LEVEL_MAX    7
#define CLIST_CHILDREN_MIN 32
#define CLIST_CHILDREN_MAX 1024

/* One node's body and refs (each cleared first). */
enum err_code clist_encode(struct buf *body, struct buf *refs, unsigned level,
    const struct content_piece *children, size_t count,
    struct err *e) MUST_CHECK;
/* children: room for CLIST_CHILDREN_MAX.  ERR_CORRUPT. */
struct clist {
	unsigned level;
	size_t count;
	uint64_t len_bytes; /* of all children */
	struct content_piece children[CLIST_CHILDREN_MAX];
};
enum err_code clist_decode(struct clist *out, const struct buf *body,
    const struct buf *refs, struct err *e) MUST_CHECK;
/* Does a list of count children end after this one? */
bool clist_is_end(const struct id *child, size_t count);

/* --- cursor --------------------------------------------------------------- */

/* The cell of the item or page that cursor_step gave last. */
const struct cell *cursor_cell(const struct cursor *c);

#endif
