#include "parts.h"
#include "trees.h"

#include <bascule/base/path.h>

/*
 * Two cursors, each before its next page or item.  Everything before these was
 * compared.  So:
 *
 * D1. The same page before both: all of it is the same, both pass over it.
 * D2. Otherwise a page is entered, of two the one of the higher level (both
 *     when they are of one): the lower may yet turn out to be in the other.
 * D3. Two items: the one whose path is lower has no counterpart.
 *
 * Where trees are cut by content, their pages meet again soon after a change.
 */

struct side {
	struct cursor *cursor;
	struct cursor_at at;
	size_t path_bytes; /* of the path that it is relative to */
};

struct treediff {
	struct side before, after;
	bool same_path; /* D1 needs it: paths in pages are whole */
	/* what was given last is to be left behind */
	bool leave_before, leave_after;
};

void
treediff_close(struct treediff **dp)
{
	struct treediff *d = TAKE(*dp);

	if (d == NULL)
		return;
	cursor_close(&d->before.cursor);
	cursor_close(&d->after.cursor);
	free(d);
}

static enum err_code
side_open(struct side *s, struct store *st, const struct treediff_side *from,
    struct err *e)
{
	s->path_bytes = strlen(from->path);
	if (cursor_open(&s->cursor, st, from->root, from->path, s->path_bytes,
		e) != ERR_NONE ||
	    cursor_seek(s->cursor, from->path, s->path_bytes, e) != ERR_NONE)
		return e->code;
	return cursor_step(s->cursor, &s->at, e);
}

enum err_code
treediff_open(struct treediff **out, struct store *st,
    const struct treediff_side *before, const struct treediff_side *after,
    struct err *e)
{
	OWNED(treediff_close) struct treediff *d = calloc(1, sizeof *d);
	enum err_code rc;

	*out = NULL;
	if (d == NULL)
		return err_nomem(e);
	d->same_path = strcmp(before->path, after->path) == 0;
	rc = side_open(&d->before, st, before, e);
	if (rc == ERR_NONE)
		rc = side_open(&d->after, st, after, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(d);
	return ERR_NONE;
}

static enum err_code
side_enter(struct side *s, struct err *e)
{
	enum err_code rc = cursor_enter(s->cursor, e);

	return rc == ERR_NONE ? cursor_step(s->cursor, &s->at, e) : rc;
}

static enum err_code
both_pass(struct treediff *d, struct err *e)
{
	enum err_code rc = cursor_step(d->before.cursor, &d->before.at, e);

	return rc == ERR_NONE ? cursor_step(d->after.cursor, &d->after.at, e)
			      : rc;
}

/* Two pages that differ. */
static enum err_code
pages(struct treediff *d, struct err *e)
{
	unsigned before = d->before.at.level, after = d->after.at.level;
	enum err_code rc = ERR_NONE;

	if (before >= after)
		rc = side_enter(&d->before, e);
	if (rc == ERR_NONE && after >= before)
		rc = side_enter(&d->after, e);
	return rc;
}

/* Until an item, or nothing, stands before each. */
static enum err_code
settle(struct treediff *d, struct err *e)
{
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE) {
		const struct cursor_at *before = &d->before.at,
				       *after = &d->after.at;

		if (before->kind == CURSOR_PAGE && after->kind == CURSOR_PAGE) {
			bool same = d->same_path &&
			    before->level == after->level &&
			    id_equal(&before->page, &after->page);

			rc = same ? both_pass(d, e) : pages(d, e);
		} else if (before->kind == CURSOR_PAGE)
			rc = side_enter(&d->before, e);
		else if (after->kind == CURSOR_PAGE)
			rc = side_enter(&d->after, e);
		else
			break;
	}
	return rc;
}

/* The item's path below the one of its side. */
static const char *
relative(const struct side *s, size_t *len_bytes)
{
	size_t skip = s->path_bytes;

	if (skip > 0 && s->at.path_bytes > skip)
		skip++; /* the slash */
	*len_bytes = s->at.path_bytes - skip;
	return s->at.path + skip;
}

static int
compare(const struct treediff *d)
{
	const char *a, *b;
	size_t a_bytes, b_bytes;

	if (d->before.at.kind == CURSOR_END)
		return 1;
	if (d->after.at.kind == CURSOR_END)
		return -1;
	a = relative(&d->before, &a_bytes);
	b = relative(&d->after, &b_bytes);
	return path_compare(a, a_bytes, b, b_bytes);
}

/* All but the paths, which are known to be the same. */
static bool
is_same(const struct treediff *d)
{
	const struct cell *a = cursor_cell(d->before.cursor),
			  *b = cursor_cell(d->after.cursor);

	return a->refs_count == b->refs_count &&
	    a->core_bytes == b->core_bytes &&
	    memcmp(a->core, b->core, a->core_bytes) == 0 &&
	    memcmp(a->refs, b->refs, a->refs_count * ID_BYTES) == 0;
}

static enum err_code
side_item(struct side *s, const struct item **it, bool *leave, struct err *e)
{
	*leave = true;
	return cursor_item(s->cursor, it, e);
}

/* What was given last lies behind us. */
static enum err_code
leave(struct treediff *d, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (d->leave_before)
		rc = cursor_step(d->before.cursor, &d->before.at, e);
	if (rc == ERR_NONE && d->leave_after)
		rc = cursor_step(d->after.cursor, &d->after.at, e);
	d->leave_before = d->leave_after = false;
	return rc;
}

enum err_code
treediff_next(struct treediff *d, const struct item **before,
    const struct item **after, struct err *e)
{
	enum err_code rc = leave(d, e);
	int order;

	*before = *after = NULL;
	while (rc == ERR_NONE && (rc = settle(d, e)) == ERR_NONE) {
		if (d->before.at.kind == CURSOR_END &&
		    d->after.at.kind == CURSOR_END)
			return ERR_NONE;
		order = compare(d);
		if (order == 0 && is_same(d)) {
			rc = both_pass(d, e);
			continue;
		}
		if (order <= 0)
			rc = side_item(&d->before, before, &d->leave_before, e);
		if (rc == ERR_NONE && order >= 0)
			rc = side_item(&d->after, after, &d->leave_after, e);
		break;
	}
	return rc;
}
