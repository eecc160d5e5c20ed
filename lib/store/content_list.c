#include "parts.h"
#include "trees.h"

#include "content_list.h"

/* --- writing -------------------------------------------------------------- */

struct node {
	struct content_piece *children; /* room for CLIST_CHILDREN_MAX */
	size_t count;
	uint64_t nodes_count; /* that ended on this level */
};

struct content_list {
	struct writer *writer;                   /* borrowed */
	struct node levels[CLIST_LEVEL_MAX + 2]; /* the last stays empty */
	struct buf body, refs;
};

enum err_code
content_list_new(struct content_list **out, struct writer *w, struct err *e)
{
	if ((*out = calloc(1, sizeof **out)) == NULL)
		return err_nomem(e);
	(*out)->writer = w;
	return ERR_NONE;
}

void
content_list_free(struct content_list **clp)
{
	struct content_list *cl = TAKE(*clp);

	if (cl == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(cl->levels); i++)
		free(cl->levels[i].children);
	buf_fini(&cl->body);
	buf_fini(&cl->refs);
	free(cl);
}

void
content_list_reset(struct content_list *cl)
{
	for (size_t i = 0; i < COUNT_OF(cl->levels); i++)
		cl->levels[i].count = cl->levels[i].nodes_count = 0;
}

static enum err_code
append(struct node *node, const struct content_piece *child, struct err *e)
{
	if (node->children == NULL)
		node->children =
		    calloc(CLIST_CHILDREN_MAX, sizeof *node->children);
	if (node->children == NULL)
		return err_nomem(e);
	node->children[node->count++] = *child;
	return ERR_NONE;
}

/* The open list of level n ends and becomes a child of the next. */
static enum err_code
node_end(struct content_list *cl, unsigned n, struct err *e)
{
	struct node *node = &cl->levels[n];
	struct content_piece up = {.len_bytes = 0};
	enum err_code rc;

	if (n >= CLIST_LEVEL_MAX)
		return err_set(e, ERR_INPUT, "a file of too many chunks");
	for (size_t i = 0; i < node->count; i++)
		up.len_bytes += node->children[i].len_bytes;
	rc = clist_encode(&cl->body, &cl->refs, n, node->children, node->count,
	    e);
	if (rc != ERR_NONE)
		return rc;
	rc = writer_put(cl->writer, STORE_LIST, cl->body.bytes,
	    cl->body.len_bytes, (const struct id *)cl->refs.bytes,
	    cl->refs.len_bytes / ID_BYTES, &up.id, e);
	if (rc != ERR_NONE)
		return rc;
	node->count = 0;
	node->nodes_count++;
	return append(&cl->levels[n + 1], &up, e);
}

enum err_code
content_list_add(struct content_list *cl, const struct content_piece *piece,
    struct err *e)
{
	enum err_code rc = append(&cl->levels[0], piece, e);

	for (unsigned n = 0; rc == ERR_NONE && cl->levels[n].count > 0; n++) {
		struct node *node = &cl->levels[n];

		if (!clist_is_end(&node->children[node->count - 1].id,
			node->count))
			break;
		rc = node_end(cl, n, e);
	}
	return rc;
}

enum err_code
content_list_end(struct content_list *cl, struct content_piece *root,
    struct err *e)
{
	enum err_code rc;

	for (unsigned n = 0; n <= CLIST_LEVEL_MAX; n++) {
		struct node *node = &cl->levels[n];

		if (node->count > 0 && (rc = node_end(cl, n, e)) != ERR_NONE)
			return rc;
		if (node->nodes_count != 1)
			continue;
		/* The only one of its level is what the level above holds. */
		*root = cl->levels[n + 1].children[0];
		content_list_reset(cl);
		return ERR_NONE;
	}
	return err_set(e, ERR_INPUT, "a file of too many chunks");
}

/* --- reading -------------------------------------------------------------- */

struct walk {
	struct store *store;
	content_piece_fn *fn;
	void *ctx;
	uint64_t offset_bytes;
	uint64_t from, end; /* what lies outside is passed over unread */
};

static bool
is_outside(const struct walk *w, const struct content_piece *piece)
{
	return w->offset_bytes >= w->end ||
	    w->offset_bytes + piece->len_bytes <= w->from;
}

/* Depth is bounded: each list's level is one less than its parent's. */
static enum err_code
walk_list(struct walk *w, const struct content_piece *piece, int level,
    struct err *e)
{
	OWNED(free_mem) struct clist *list = malloc(sizeof *list);
	OWNED(buf_fini) struct buf body = {0};
	OWNED(buf_fini) struct buf refs = {0};
	char hex[ID_HEX_BYTES];
	enum err_code rc;

	if (list == NULL)
		return err_nomem(e);
	rc = store_get(w->store, STORE_LIST, &piece->id, &body, &refs, e);
	if (rc == ERR_NONE)
		rc = clist_decode(list, &body, &refs, e);
	if (rc == ERR_NONE &&
	    ((level >= 0 && list->level != (unsigned)level) ||
		list->len_bytes != piece->len_bytes))
		rc = err_set(e, ERR_CORRUPT,
		    "its level or length is not what names it says");
	if (rc != ERR_NONE)
		return err_wrap(e, "chunk list %.12s", id_hex(&piece->id, hex));
	for (size_t i = 0; i < list->count && rc == ERR_NONE; i++) {
		if (is_outside(w, &list->children[i])) {
			w->offset_bytes += list->children[i].len_bytes;
			continue;
		}
		if (list->level > 0) {
			rc = walk_list(w, &list->children[i],
			    (int)list->level - 1, e);
			continue;
		}
		rc = w->fn(w->ctx, &list->children[i], w->offset_bytes, e);
		w->offset_bytes += list->children[i].len_bytes;
	}
	return rc;
}

enum err_code
content_list_walk(struct store *st, const struct content_piece *root,
    content_piece_fn *fn, void *ctx, struct err *e)
{
	struct walk w = {st, fn, ctx, 0, 0, UINT64_MAX};

	return walk_list(&w, root, -1, e);
}

enum err_code
content_list_range(struct store *st, const struct content_piece *root,
    const struct content_range *range, content_piece_fn *fn, void *ctx,
    struct err *e)
{
	struct walk w = {st, fn, ctx, 0, range->offset_bytes,
	    range->offset_bytes + range->len_bytes};

	return walk_list(&w, root, -1, e);
}
