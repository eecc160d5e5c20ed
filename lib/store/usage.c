/*
 * What a series of snapshots takes.  For every record of the index and every
 * frame one number says who reaches it: nobody yet, one snapshot, or several.
 * A page that one snapshot reached is walked once more when another reaches
 * it, and then never again: two walks of everything at most, however many
 * snapshots there are.
 */

#include "index.h"
#include "mark.h"
#include "trees.h"

#include <string.h>

#define NOBODY  0u
#define SEVERAL UINT32_MAX

struct usage {
	struct store *store;
	const struct usage_options *opt;
	struct usage_tally *out;
	struct usage_own *own; /* of each snapshot */
	uint32_t now;          /* the snapshot's number, from 1 */
	bool fresh;            /* the leaf was reached for the first time */
	uint32_t *records;     /* by ordinal: who reaches it */
	uint32_t **frames;     /* by pack number: of each of its frames */
	uint32_t *frames_counts;
	size_t packs_count;
	struct buf refs;
};

static void
usage_fini(struct usage *u)
{
	for (size_t i = 0; u->frames != NULL && i < u->packs_count; i++)
		free(u->frames[i]);
	free(u->frames);
	free(u->frames_counts);
	free(u->records);
	buf_fini(&u->refs);
}

static enum err_code
usage_init(struct usage *u, struct err *e)
{
	u->packs_count = index_packs_count(u->store);
	u->records =
	    calloc(index_records_count(u->store) + 1, sizeof *u->records);
	u->frames = calloc(u->packs_count + 1, sizeof *u->frames);
	u->frames_counts = calloc(u->packs_count + 1, sizeof *u->frames_counts);
	return u->records == NULL || u->frames == NULL ||
		u->frames_counts == NULL
	    ? err_nomem(e)
	    : ERR_NONE;
}

/* --- frames ---------------------------------------------------------------- */

/* Frames are counted from 0 and few: room grows with the highest met. */
static enum err_code
frames_room(struct usage *u, const struct index_copy *c, struct err *e)
{
	uint32_t count = u->frames_counts[c->number], want = 64;
	uint32_t *more;

	if (c->frame < count)
		return ERR_NONE;
	if (c->frame >= PACK_FRAMES_MAX)
		return err_set(e, ERR_CORRUPT, "the index names frame %u",
		    c->frame);
	while (want <= c->frame)
		want *= 2;
	more = realloc(u->frames[c->number], want * sizeof *more);
	if (more == NULL)
		return err_nomem(e);
	memset(more + count, 0, (want - count) * sizeof *more);
	u->frames[c->number] = more;
	u->frames_counts[c->number] = want;
	return ERR_NONE;
}

static enum err_code
frame_reach(struct usage *u, const struct index_copy *c, struct err *e)
{
	enum err_code rc = frames_room(u, c, e);
	uint32_t *who;

	if (rc != ERR_NONE)
		return rc;
	who = &u->frames[c->number][c->frame];
	if (*who == NOBODY)
		*who = u->now;
	else if (*who != u->now)
		*who = SEVERAL;
	return ERR_NONE;
}

/* --- what is reached ------------------------------------------------------- */

enum reach { REACH_FIRST, REACH_AGAIN, REACH_KNOWN };

/* id by the present snapshot.  REACH_KNOWN: nothing below it is news. */
static enum err_code
reach(struct usage *u, const struct id *id, enum reach *how, uint32_t *before,
    struct err *e)
{
	struct index_copy c;
	char hex[ID_HEX_BYTES];
	uint32_t *who;

	if (!index_find(u->store, id, 0, &c))
		return err_set(e, ERR_CORRUPT, "chunk %.16s is missing",
		    id_hex(id, hex));
	who = &u->records[c.ordinal];
	*before = *who;
	*how = *who == NOBODY                   ? REACH_FIRST
	    : *who == SEVERAL || *who == u->now ? REACH_KNOWN
						: REACH_AGAIN;
	if (*how == REACH_KNOWN)
		return ERR_NONE;
	*who = *how == REACH_FIRST ? u->now : SEVERAL;
	return frame_reach(u, &c, e);
}

static enum err_code
chunk_reach(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct usage *u = ctx;
	uint32_t before;
	enum reach how;
	enum err_code rc = reach(u, &piece->id, &how, &before, e);

	(void)offset;
	if (rc != ERR_NONE || how == REACH_KNOWN)
		return rc;
	if (how == REACH_AGAIN) {
		u->own[before - 1].bytes -= piece->len_bytes;
		return ERR_NONE;
	}
	u->own[u->now - 1].bytes += piece->len_bytes;
	u->out->unique_bytes += piece->len_bytes;
	u->out->chunks_count++;
	return ERR_NONE;
}

/* The lists of a file's chunks take room too: what their frames name. */
static enum err_code
list_reach(struct usage *u, const struct id *id, unsigned depth, struct err *e)
{
	OWNED(buf_fini) struct buf body = {0};
	OWNED(buf_fini) struct buf refs = {0};
	OWNED(free_mem) struct clist *list = NULL;
	uint32_t before;
	enum reach how;
	enum err_code rc = reach(u, id, &how, &before, e);

	if (rc != ERR_NONE || how == REACH_KNOWN)
		return rc;
	if ((list = malloc(sizeof *list)) == NULL)
		return err_nomem(e);
	rc = store_get(u->store, STORE_LIST, id, &body, &refs, e);
	if (rc == ERR_NONE)
		rc = clist_decode(list, &body, &refs, e);
	if (rc == ERR_NONE && depth > CLIST_LEVEL_MAX)
		rc = err_set(e, ERR_CORRUPT, "chunk lists without end");
	for (size_t i = 0; rc == ERR_NONE && i < list->count; i++)
		rc = list->level > 0
		    ? list_reach(u, &list->children[i].id, depth + 1, e)
		    : chunk_reach(u, &list->children[i], 0, e);
	return rc;
}

static enum err_code
item_reach(struct usage *u, const struct item *it, struct err *e)
{
	const struct content *c = &it->content;
	enum err_code rc = ERR_NONE;

	if (u->fresh)
		u->out->unique_bytes += c->inlined.len_bytes;
	for (size_t i = 0; rc == ERR_NONE && i < c->pieces_count; i++)
		rc = c->is_list ? list_reach(u, &c->pieces[i].id, 0, e)
				: chunk_reach(u, &c->pieces[i], 0, e);
	return rc;
}

/* Extras in chunks of their own are reached through the cell's refs. */
static enum err_code
extras_reach(struct usage *u, const struct cell *cell, const struct item *it,
    struct err *e)
{
	size_t count = cell->refs_count - it->content.pieces_count;
	enum err_code rc = ERR_NONE;
	uint32_t before;
	enum reach how;
	struct id id;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		memcpy(id.bytes, cell->refs + i * ID_BYTES, ID_BYTES);
		rc = reach(u, &id, &how, &before, e);
	}
	return rc;
}

static enum err_code
at_reach(struct usage *u, struct cursor *c, const struct cursor_at *at,
    struct err *e)
{
	const struct item *it;
	uint32_t before;
	enum reach how;
	enum err_code rc;

	if (at->kind == CURSOR_PAGE) {
		rc = reach(u, &at->page, &how, &before, e);
		u->fresh = how == REACH_FIRST;
		return rc == ERR_NONE && how != REACH_KNOWN ? cursor_enter(c, e)
							    : rc;
	}
	rc = cursor_item(c, &it, e);
	if (rc == ERR_NONE)
		rc = extras_reach(u, cursor_cell(c), it, e);
	return rc == ERR_NONE ? item_reach(u, it, e) : rc;
}

static enum err_code
snapshot_reach(struct usage *u, const struct id *root, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	struct cursor_at at;
	uint32_t before;
	enum reach how;
	enum err_code rc = reach(u, root, &how, &before, e);

	if (rc != ERR_NONE || how == REACH_KNOWN)
		return rc;
	u->fresh = how == REACH_FIRST;
	rc = cursor_open(&c, u->store, root, "", 0, e);
	if (rc == ERR_NOTFOUND)
		return ERR_NONE; /* an empty tree */
	if (rc == ERR_NONE)
		rc = cursor_seek(c, "", 0, e);
	while (rc == ERR_NONE && (rc = cursor_step(c, &at, e)) == ERR_NONE &&
	    at.kind != CURSOR_END)
		rc = at_reach(u, c, &at, e);
	return rc;
}

/* --- what they take -------------------------------------------------------- */

static enum err_code
pack_measure(struct usage *u, uint32_t number, struct err *e)
{
	OWNED(mark_opened_fini) struct mark_opened o = {.store = u->store};
	struct pack_frame row;
	enum err_code rc = mark_open(&o, number, e);

	for (uint32_t i = 0; rc == ERR_NONE && i < u->frames_counts[number];
	     i++) {
		uint32_t who = u->frames[number][i];

		if (who == NOBODY)
			continue;
		if (i >= o.footer.frames_count)
			return err_set(e, ERR_CORRUPT,
			    "the index names a frame that its pack has not");
		pack_footer_frame(&o.footer, i, &row);
		u->out->stored_bytes += row.len_bytes;
		if (row.kind == STORE_DATA)
			u->out->data_stored_bytes += row.len_bytes;
		if (who != SEVERAL)
			u->own[who - 1].stored_bytes += row.len_bytes;
	}
	return rc;
}

enum err_code
usage_run(struct store *st, const struct usage_options *opt,
    struct usage_own *own, struct usage_tally *out, struct err *e)
{
	OWNED(usage_fini)
	struct usage u = {.store = st, .opt = opt, .out = out, .own = own};
	enum err_code rc = usage_init(&u, e);

	*out = (struct usage_tally){0};
	memset(own, 0, opt->roots_count * sizeof *own);
	for (size_t i = 0; rc == ERR_NONE && i < opt->roots_count; i++) {
		u.now = (uint32_t)i + 1;
		if (opt->on_progress != NULL &&
		    !opt->on_progress(opt->ctx, i, opt->roots_count))
			return err_set(e, ERR_CANCELLED, "stopped");
		rc = snapshot_reach(&u, &opt->roots[i], e);
	}
	for (uint32_t n = 0; rc == ERR_NONE && n < u.packs_count; n++) {
		out->packs_bytes += index_pack(st, n)->size_bytes;
		if (u.frames[n] != NULL)
			rc = pack_measure(&u, n, e);
	}
	return rc;
}
