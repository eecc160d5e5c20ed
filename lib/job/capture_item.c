/* One item of the source: unchanged, or opened, read and put. */

#include "capture_parts.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_COUNT 128 /* unchanged items between two looks at the clock */

/* --- what could not be read ----------------------------------------------- */

static enum err_code
keep_problem(struct snapshot *s, const char *path, const char *reason,
    struct err *e)
{
	struct snapshot_problem *p;

	if (s->problems == NULL)
		s->problems =
		    calloc(SNAPSHOT_PROBLEMS_MAX, sizeof(*s->problems));
	if (s->problems == NULL)
		return err_nomem(e);
	p = &s->problems[s->problems_count];
	p->path = strdup(path);
	p->reason = strdup(reason);
	s->problems_count++; /* snapshot_fini frees half a one too */
	return p->path == NULL || p->reason == NULL ? err_nomem(e) : ERR_NONE;
}

enum err_code
capture_item_problem(struct capture *c, const struct entry_text *path,
    const char *reason, struct err *e)
{
	const struct job_watch *w = &c->opt->watch;
	const char *text = path->bytes == NULL ? "" : path->bytes;

	c->result->counts.problems_count++;
	c->snapshot.problems_total_count++;
	c->snapshot.flags |= SNAPSHOT_PARTIAL;
	if (w->problem != NULL)
		w->problem(w->ctx, text, reason);
	if (c->snapshot.problems_count >= SNAPSHOT_PROBLEMS_MAX)
		return ERR_NONE;
	return keep_problem(&c->snapshot, text, reason, e);
}

/* --- one item --------------------------------------------------------------*/

enum err_code
capture_item_progress(struct capture *c, struct err *e)
{
	const struct job_watch *w = &c->opt->watch;
	struct job_progress p = {c->result->counts.files_count, c->done_bytes,
	    0};

	if (w->progress != NULL && !w->progress(w->ctx, &p))
		return err_set(e, ERR_CANCELLED, "the backup was stopped");
	return ERR_NONE;
}

enum err_code
capture_item_pulse(struct capture *c, struct err *e)
{
	enum err_code rc = capture_item_progress(c, e);

	c->items_since_look = 0;
	return rc == ERR_NONE ? capture_checkpoint_tick(c, e) : rc;
}

static enum err_code
pulse_sometimes(struct capture *c, struct err *e)
{
	return ++c->items_since_look < LOOK_COUNT ? ERR_NONE
						  : capture_item_pulse(c, e);
}

static void
tally(struct capture *c, const struct entry *entry)
{
	struct capture_result *r = c->result;

	if (entry->type == ENTRY_FILE) {
		r->counts.files_count++;
		r->counts.bytes += entry->size_bytes;
	} else if (entry->type == ENTRY_DIR)
		r->counts.dirs_count++;
	else
		r->counts.others_count++;
}

/* Where pages end, the cache's blocks do. */
static enum err_code
mark_page(struct capture *c, struct err *e)
{
	struct id page;
	uint64_t items_count;
	bool whole;

	if (c->cache == NULL || !tree_writer_is_between(c->tree))
		return ERR_NONE;
	whole = tree_writer_leaf(c->tree, &page, &items_count);
	return statecache_between(c->cache, whole ? &page : NULL, items_count,
	    e);
}

/* The item goes into the tree and into the new state cache. */
static enum err_code
add_encoded(struct capture *c, const struct source_item *item,
    const uint8_t *encoded, size_t len_bytes, int64_t began_s, struct err *e)
{
	const struct entry_text *path = &item->entry.path;
	enum err_code rc = tree_writer_add_encoded(c->tree, path->bytes,
	    path->len_bytes, encoded, len_bytes, e);

	if (rc == ERR_NONE && c->cache != NULL)
		rc = statecache_add(c->cache, item, encoded, len_bytes, began_s,
		    e);
	return rc == ERR_NONE ? mark_page(c, e) : rc;
}

enum err_code
capture_item_settle(struct capture *c, struct err *e)
{
	struct statecache_held held;
	bool more = c->cache != NULL && statecache_holds(c->cache);
	enum err_code rc = ERR_NONE;

	while (more && rc == ERR_NONE) {
		rc = statecache_replay(c->cache, &held, &more, e);
		if (rc != ERR_NONE || !more)
			break;
		rc = tree_writer_add_encoded(c->tree, held.path,
		    held.path_bytes, held.encoded, held.len_bytes, e);
		if (rc == ERR_NONE)
			rc = mark_page(c, e);
	}
	return rc;
}

static bool
has_links(const struct source_item *item)
{
	return item->nlink > 1 && item->entry.type != ENTRY_DIR;
}

/* A cached member of a link group must be of the group this run gave it. */
static enum err_code
link_still_fits(struct capture *c, const struct source_item *item,
    const uint8_t *encoded, size_t len_bytes, bool *fits, struct err *e)
{
	OWNED(item_fini) struct item old = {0};
	uint8_t group[ENTRY_LINK_BYTES];
	bool found;
	enum err_code rc = item_decode(&old, encoded, len_bytes, e);

	*fits = false;
	if (rc != ERR_NONE || !old.entry.linked)
		return ERR_NONE; /* read it again */
	memcpy(group, old.entry.link_group, ENTRY_LINK_BYTES);
	rc = source_links_join(c->links, item, group, &found, e);
	*fits = memcmp(group, old.entry.link_group, ENTRY_LINK_BYTES) == 0;
	return rc;
}

static enum err_code
join_links(struct capture *c, struct source_item *item, struct err *e)
{
	struct entry *entry = &item->entry;
	struct id id;
	bool found;

	entry->linked = has_links(item);
	if (!entry->linked)
		return ERR_NONE;
	hash_id(c->link_key, entry->path.bytes, entry->path.len_bytes, &id);
	memcpy(entry->link_group, id.bytes, ENTRY_LINK_BYTES);
	return source_links_join(c->links, item, entry->link_group, &found, e);
}

/* A new or changed item, with what it holds, into the tree. */
static enum err_code
add_changed(struct capture *c, struct source_item *item,
    const struct content *content, int64_t began_s, struct err *e)
{
	struct item it = {0};
	enum err_code rc = join_links(c, item, e);

	if (rc != ERR_NONE)
		return rc;
	c->changed_count++;
	it.entry = item->entry; /* both are borrowed: no fini */
	it.content = *content;
	buf_clear(&c->encoded);
	rc = item_encode(&c->encoded, &it, e);
	if (rc == ERR_NONE)
		rc = add_encoded(c, item, c->encoded.bytes,
		    c->encoded.len_bytes, began_s, e);
	tally(c, &item->entry);
	return rc;
}

/* --- read ahead ----------------------------------------------------------- */

static enum err_code
take_read(struct capture *c, struct ahead_item *it, struct err *e)
{
	OWNED(content_fini) struct content content = {0};
	bool skipped;
	enum err_code rc = capture_read_taken(c, it, &content, &skipped, e);

	if (capture_is_command(c))
		it->item.entry.size_bytes = content.size_bytes;
	if (rc == ERR_NONE && !skipped)
		rc = add_changed(c, &it->item, &content, it->began_s, e);
	return rc == ERR_NONE ? capture_item_pulse(c, e) : rc;
}

/* A command's output is read while it is made. */
static enum err_code
take_output(struct capture *c, struct source_item *item, struct err *e)
{
	struct ahead_item it = {.item = *item, /* borrowed */
	    .is_left = true,
	    .attempts = 1,
	    .began_s = FSCLOCK_UNKNOWN};
	enum err_code rc = take_read(c, &it, e);

	*item = it.item;
	return rc;
}

enum err_code
capture_item_drain(struct capture *c, struct err *e)
{
	struct ahead_item *it;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && c->ahead != NULL && ahead_holds(c->ahead)) {
		rc = ahead_next(c->ahead, &it, e);
		if (rc == ERR_NONE)
			rc = take_read(c, it, e);
	}
	return rc;
}

static enum err_code
send_ahead(struct capture *c, struct source_item *item,
    const struct statecache_hit *hit, struct err *e)
{
	struct ahead_item *slot, *it;
	struct source_item swap;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && (slot = ahead_slot(c->ahead)) == NULL) {
		rc = ahead_next(c->ahead, &it, e);
		if (rc == ERR_NONE)
			rc = take_read(c, it, e);
	}
	if (rc != ERR_NONE)
		return rc;
	slot->began_s = fsclock_now_s(&c->clock, item);
	if (hit->seen && slot->began_s <= item->ctime_s + STATECACHE_SETTLED_S)
		slot->began_s = item->ctime_s + STATECACHE_SETTLED_S + 1;
	slot->has_previous = capture_previous_note(c, &slot->previous);
	swap = slot->item; /* its memory is used again */
	slot->item = *item;
	*item = swap;
	return ahead_send(c->ahead, e);
}

/* --- unchanged or not ----------------------------------------------------- */

/* The items held and this one are a page of an earlier tree. */
static enum err_code
take_page(struct capture *c, const struct source_item *item,
    const struct statecache_hit *hit, struct err *e)
{
	const struct entry_text *path = &item->entry.path;
	enum err_code rc = tree_writer_add_leaf(c->tree, path->bytes,
	    path->len_bytes, &hit->page, hit->items_count, e);

	if (rc == ERR_NOTFOUND) /* one by one, then */
		return capture_item_settle(c, e);
	return rc == ERR_NONE ? statecache_take_page(c->cache, e) : rc;
}

/* Ask the cache; what it held and need not is in the tree afterwards. */
static enum err_code
look_up(struct capture *c, const struct source_item *item,
    enum statecache_answer *answer, struct statecache_hit *hit, struct err *e)
{
	enum err_code rc;

	*answer = STATECACHE_UNKNOWN;
	if (c->cache == NULL)
		return ERR_NONE;
	*answer = statecache_find(c->cache, item,
	    c->tree != NULL && tree_writer_is_between(c->tree) &&
		(c->ahead == NULL || !ahead_holds(c->ahead)),
	    hit);
	if (*answer != STATECACHE_BROKEN)
		return ERR_NONE;
	rc = capture_item_settle(c, e);
	if (rc == ERR_NONE)
		*answer = statecache_find(c->cache, item,
		    tree_writer_is_between(c->tree), hit);
	return rc;
}

/* An unchanged name of several must still be of its group. */
static enum err_code
check_links(struct capture *c, const struct source_item *item,
    enum statecache_answer *answer, struct statecache_hit *hit, struct err *e)
{
	bool held = *answer != STATECACHE_SAME, fits;
	enum err_code rc;

	if (held && !statecache_encoded(c->cache, hit))
		fits = false;
	else {
		rc = link_still_fits(c, item, hit->encoded, hit->len_bytes,
		    &fits, e);
		if (rc != ERR_NONE)
			return rc;
	}
	if (fits)
		return ERR_NONE;
	*answer = STATECACHE_UNKNOWN;
	if (!held)
		return ERR_NONE;
	statecache_refuse(c->cache);
	return capture_item_settle(c, e);
}

/*
 * Its content and what it carried are as they were at its old path.  Names of
 * one file are a group named after the first of them: that is another now.
 */
static enum err_code
take_moved(struct capture *c, struct source_item *item,
    const struct statecache_hit *hit, struct err *e)
{
	OWNED(item_fini) struct item old = {0};
	enum err_code rc;

	if (!has_links(item))
		return add_encoded(c, item, hit->encoded, hit->len_bytes,
		    INT64_MAX, e);
	rc = item_decode(&old, hit->encoded, hit->len_bytes, e);
	if (rc == ERR_NONE)
		rc = join_links(c, item, e);
	if (rc != ERR_NONE)
		return rc;
	old.entry.linked = true;
	memcpy(old.entry.link_group, item->entry.link_group, ENTRY_LINK_BYTES);
	buf_clear(&c->encoded);
	rc = item_encode(&c->encoded, &old, e);
	return rc == ERR_NONE ? add_encoded(c, item, c->encoded.bytes,
				    c->encoded.len_bytes, INT64_MAX, e)
			      : rc;
}

static enum err_code
take_unchanged(struct capture *c, struct source_item *item,
    enum statecache_answer answer, const struct statecache_hit *hit,
    struct err *e)
{
	c->done_bytes += item->entry.size_bytes;
	tally(c, &item->entry);
	switch (answer) {
	case STATECACHE_HELD: return ERR_NONE;
	case STATECACHE_PAGE: return take_page(c, item, hit, e);
	case STATECACHE_MOVED: return take_moved(c, item, hit, e);
	default:
		return add_encoded(c, item, hit->encoded, hit->len_bytes,
		    INT64_MAX, e);
	}
}

/*
 * What is put into the tree at once must wait for those read ahead: then the
 * cache is asked again, for its answer depends on where the tree stands.
 */
static enum err_code
make_way(struct capture *c, const struct source_item *item, struct err *e)
{
	struct statecache_hit hit;

	if (c->ahead == NULL || !ahead_holds(c->ahead) ||
	    (item->kind == SOURCE_ENTRY &&
		(c->cache == NULL ||
		    statecache_find(c->cache, item, false, &hit) ==
			STATECACHE_UNKNOWN)))
		return ERR_NONE;
	return capture_item_drain(c, e);
}

enum err_code
capture_item_take(struct capture *c, struct source_item *item, struct err *e)
{
	struct statecache_hit hit = {0};
	enum statecache_answer answer;
	enum err_code rc = make_way(c, item, e);

	if (item->kind == SOURCE_ENTRY && c->cache != NULL)
		fsclock_see(&c->clock, item);
	if (rc == ERR_NONE && item->kind == SOURCE_PROBLEM)
		return capture_item_problem(c, &item->entry.path,
		    item->problem.text, e);
	if (rc == ERR_NONE)
		rc = look_up(c, item, &answer, &hit, e);
	if (rc == ERR_NONE && answer != STATECACHE_UNKNOWN &&
	    answer != STATECACHE_MOVED && has_links(item))
		rc = check_links(c, item, &answer, &hit, e);
	if (rc != ERR_NONE)
		return rc;
	c->result->unchanged_count += answer != STATECACHE_UNKNOWN;
	if (c->opt->dry_run) {
		tally(c, &item->entry);
		if (answer == STATECACHE_UNKNOWN &&
		    item->entry.type == ENTRY_FILE)
			c->result->counts.new_bytes += item->entry.size_bytes;
	} else if (answer == STATECACHE_UNKNOWN) {
		return c->ahead == NULL ? take_output(c, item, e)
					: send_ahead(c, item, &hit, e);
	} else
		rc = take_unchanged(c, item, answer, &hit, e);
	return rc == ERR_NONE ? pulse_sometimes(c, e) : rc;
}
