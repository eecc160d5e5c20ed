/*
 * What stood at an item's path before: its changed chunks become differences
 * from that.  The state cache knows it; where there is none, or it was lost,
 * and the key can read, the last snapshot's tree does.
 */

#include "capture_parts.h"

#include <string.h>

#include "deltas.h"

#define TREE_MIN_BYTES ((uint64_t)128 << 10) /* a look-up reads pages */
#define KEEP_NS        (30 * 24 * 3600 * NS_PER_S)

/* --- the last snapshot ---------------------------------------------------- */

static bool
is_of_series(const struct capture *c, const struct snapshot *s)
{
	return strcmp(s->service, c->opt->service) == 0 &&
	    strcmp(s->dataset, c->opt->dataset) == 0 &&
	    (s->flags & SNAPSHOT_CHECKPOINT) == 0;
}

const struct snapshot *
capture_previous_snapshot(struct capture *c)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct err e;

	if (!c->parent_sought &&
	    snapshot_list(&list, c->st, c->opt->service, NULL, NULL, &e) ==
		ERR_NONE)
		for (size_t i = list.count; i > 0 && !c->has_parent; i--)
			if (is_of_series(c, &list.snapshots[i - 1])) {
				c->parent = list.snapshots[i - 1];
				memset(&list.snapshots[i - 1], 0,
				    sizeof(c->parent));
				c->has_parent = true;
			}
	c->parent_sought = true;
	return c->has_parent ? &c->parent : NULL;
}

/* Is its tree worth a look for this item? */
static bool
may_be_in_tree(const struct capture *c, const struct source_item *item)
{
	if (!keyring_can_read(store_keyring(c->st)) ||
	    item->entry.type != ENTRY_FILE)
		return false;
	if (capture_is_command(c))
		return true;
	return item->entry.size_bytes >= TREE_MIN_BYTES &&
	    (c->cache == NULL || !statecache_knows_all(c->cache));
}

/* What is read of it stays there until this run has ended. */
static bool
pinned(struct capture *c, const struct snapshot *s)
{
	struct err e;

	if (!c->parent_pinned)
		c->parent_pinned = session_pin(c->session, c->opt->service,
				       &s->id, &e) == ERR_NONE;
	return c->parent_pinned;
}

static void
tell_from_tree(struct capture *c, const struct entry_text *path)
{
	OWNED(cursor_close) struct cursor *at = NULL;
	const struct snapshot *s = capture_previous_snapshot(c);
	const struct item *old;
	struct err e;

	if (s == NULL || !pinned(c, s) ||
	    cursor_open(&at, c->st, &s->root, path->bytes, path->len_bytes,
		&e) != ERR_NONE ||
	    cursor_next(at, &old, &e) != ERR_NONE || old == NULL)
		return;
	if (old->entry.path.len_bytes == path->len_bytes &&
	    memcmp(old->entry.path.bytes, path->bytes, path->len_bytes) == 0)
		content_writer_previous(c->contents, &old->content);
}

/* --- for each item -------------------------------------------------------- */

/* Chunks that changed in it can only be stored whole. */
static void
begin_whole(struct capture *c, const struct content *old)
{
	struct writer_tally tally;

	if (c->deltas != NULL || old->pieces_count == 0 ||
	    keyring_can_read(store_keyring(c->st)))
		return;
	writer_tally(c->writer, &tally);
	c->stores_whole = true;
	c->whole_then = tally.new_bytes;
}

bool
capture_previous_note(struct capture *c, struct content *out)
{
	OWNED(item_fini) struct item old = {0};
	struct statecache_hit hit;
	struct err e;

	if (c->cache == NULL || !statecache_previous(c->cache, &hit) ||
	    item_decode(&old, hit.encoded, hit.len_bytes, &e) != ERR_NONE)
		return false;
	*out = old.content;
	old.content = (struct content){0};
	return true;
}

void
capture_previous_tell(struct capture *c, const struct source_item *item,
    const struct content *noted)
{
	c->stores_whole = false;
	if (noted != NULL) {
		content_writer_previous(c->contents, noted);
		begin_whole(c, noted);
	} else if (may_be_in_tree(c, item))
		tell_from_tree(c, &item->entry.path);
}

void
capture_previous_end(struct capture *c)
{
	struct writer_tally tally;

	if (!c->stores_whole)
		return;
	writer_tally(c->writer, &tally);
	c->result->undiffed_bytes += tally.new_bytes - c->whole_then;
	c->stores_whole = false;
}

/* --- for keys that cannot read -------------------------------------------- */

enum err_code
capture_previous_open(struct capture *c, struct err *e)
{
	const struct capture_options *opt = c->opt;
	const struct job_watch *w = &opt->watch;
	const struct deltas_name name = {store_family(c->st), opt->service,
	    opt->dataset};
	struct delta_cache_limits limits = {opt->delta_cache_bytes,
	    opt->delta_cache_keep_ns != 0 ? opt->delta_cache_keep_ns : KEEP_NS};
	struct err why;
	enum err_code rc;

	if (opt->state_dir == NULL || opt->dry_run)
		return ERR_NONE;
	/* A command's earlier output is only found by who can read. */
	if (keyring_can_read(store_keyring(c->st)) || capture_is_command(c))
		limits.size_bytes = 0;
	rc = deltas_open(&c->deltas, opt->state_dir, &name, &limits, &why);
	if (rc == ERR_NOMEM)
		*e = why;
	else if (rc != ERR_NONE && w->problem != NULL)
		w->problem(w->ctx, NULL, why.text);
	writer_set_delta_cache(c->writer, c->deltas);
	return rc == ERR_NOMEM ? rc : ERR_NONE;
}
