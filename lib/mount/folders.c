#include "folders.h"

#include <string.h>

#include <bascule/base/path.h>

#define NOWHERE   (-1)
#define FIRST_AT  2 /* behind "." and ".." */
#define NTH_AT(n) ((int64_t)(n) + FIRST_AT + 1)

static void
folder_fini(struct folder *d)
{
	cursor_close(&d->cursor);
	buf_fini(&d->path);
	buf_fini(&d->seek);
}

void
folders_fini(struct folders *f)
{
	for (size_t i = 0; i < FOLDERS_KEPT; i++)
		folder_fini(&f->kept[i]);
}

/* --- one directory ---------------------------------------------------------- */

/* Go to the first item behind everything at or under the path in d->seek. */
static enum err_code
pass(struct folder *d, struct err *e)
{
	enum err_code rc = buf_add_byte(&d->seek, 1, e);

	return rc == ERR_NONE
	    ? cursor_seek(d->cursor, (const char *)d->seek.bytes,
		  d->seek.len_bytes, e)
	    : rc;
}

/* d->next is the next member, or NULL. */
static enum err_code
read_next(struct folder *d, struct err *e)
{
	const struct entry *entry;
	enum err_code rc = numbered_next(d->cursor, &d->next, e);

	if (rc != ERR_NONE || d->next == NULL)
		return rc;
	entry = &d->next->entry;
	if (!path_is_under(entry->path.bytes, entry->path.len_bytes,
		buf_text(&d->path), d->path.len_bytes))
		d->next = NULL;
	return ERR_NONE;
}

static enum err_code
seek_first(struct folder *d, struct err *e)
{
	enum err_code rc =
	    buf_add(&d->seek, buf_text(&d->path), d->path.len_bytes, e);

	if (rc == ERR_NONE)
		rc = buf_add_byte(&d->seek, d->path.len_bytes > 0 ? '/' : 1, e);
	return rc == ERR_NONE
	    ? cursor_seek(d->cursor, (const char *)d->seek.bytes,
		  d->seek.len_bytes, e)
	    : rc;
}

static enum err_code
seek_behind(struct folder *d, uint64_t nth, struct err *e)
{
	const struct item *it;
	enum err_code rc = cursor_seek_nth(d->cursor, nth, e);

	if (rc == ERR_NONE)
		rc = cursor_next(d->cursor, &it, e);
	if (rc == ERR_NONE && it == NULL)
		return err_set(e, ERR_CORRUPT,
		    "there are fewer entries than it claims");
	if (rc == ERR_NONE)
		rc = buf_add(&d->seek, it->entry.path.bytes,
		    it->entry.path.len_bytes, e);
	return rc == ERR_NONE ? pass(d, e) : rc;
}

/* Where the kernel says: after the member of a place, or from the first. */
static enum err_code
seek(struct folder *d, int64_t from, struct err *e)
{
	enum err_code rc;

	d->next = NULL;
	buf_clear(&d->seek);
	rc = from <= FIRST_AT ? seek_first(d, e)
			      : seek_behind(d, (uint64_t)(from - NTH_AT(0)), e);
	return rc == ERR_NONE ? read_next(d, e) : rc;
}

/* Behind the member just given. */
static enum err_code
advance(struct folder *d, struct err *e)
{
	const struct entry *entry = &d->next->entry;
	enum err_code rc = ERR_NONE;

	if (entry->type == ENTRY_DIR) {
		buf_clear(&d->seek);
		rc = buf_add(&d->seek, entry->path.bytes, entry->path.len_bytes,
		    e);
		if (rc == ERR_NONE)
			rc = pass(d, e);
	}
	return rc == ERR_NONE ? read_next(d, e) : rc;
}

/* What lies between a member's path and the directory's is its name. */
static const char *
name_in(const struct folder *d, const struct entry *entry)
{
	return entry->path.bytes + d->path.len_bytes +
	    (d->path.len_bytes > 0 ? 1 : 0);
}

/* --- which of those that are kept ------------------------------------------- */

/* For another directory, from its beginning. */
static enum err_code
turn(struct folder *d, struct numbered *tree, uint64_t number, struct err *e)
{
	const struct mount_options *opt = tree->opt;
	enum err_code rc = ERR_NONE;

	d->number = 0;
	d->at = NOWHERE;
	d->next = NULL;
	buf_clear(&d->path);
	if (d->cursor == NULL)
		rc = cursor_open(&d->cursor, tree->store, &opt->root,
		    opt->subtree, strlen(opt->subtree), e);
	if (rc == ERR_NONE)
		rc = numbered_path(tree, number, &d->path, e);
	if (rc == ERR_NONE)
		d->number = number;
	return rc;
}

static enum err_code
find(struct folders *f, uint64_t number, int64_t from, struct folder **out,
    struct err *e)
{
	struct folder *oldest = &f->kept[0];

	for (size_t i = 0; i < FOLDERS_KEPT; i++) {
		struct folder *d = &f->kept[i];

		if (d->number == number && d->at == from)
			oldest = d;
		if (oldest->number == number && oldest->at == from)
			break;
		if (d->used < oldest->used)
			oldest = d;
	}
	oldest->used = ++f->clock;
	*out = oldest;
	return oldest->number == number ? ERR_NONE
					: turn(oldest, f->tree, number, e);
}

/* Leaves d where the next call is to go on. */
static enum err_code
list(struct folders *f, struct folder *d, int64_t at, folders_member_fn *fn,
    void *ctx, struct err *e)
{
	const int64_t from = at;
	enum err_code rc = ERR_NONE;
	struct stat st;

	while (rc == ERR_NONE && d->next != NULL) {
		const char *name = name_in(d, &d->next->entry);
		uint64_t nth = cursor_nth(d->cursor);

		/* A name without the directory it should be in is hidden. */
		if (strchr(name, '/') == NULL) {
			rc = numbered_describe(f->tree, d->next, nth, &st, e);
			if (rc != ERR_NONE || !fn(ctx, name, &st, NTH_AT(nth)))
				break;
		}
		at = NTH_AT(nth);
		rc = advance(d, e);
	}
	if (rc != ERR_NONE && at == from)
		return rc;
	if (rc != ERR_NONE)
		d->fault = *e;
	d->at = at;
	return ERR_NONE;
}

enum err_code
folders_list(struct folders *f, uint64_t number, int64_t from,
    folders_member_fn *fn, void *ctx, struct err *e)
{
	static const struct stat dot = {.st_ino = NUMBERED_ROOT,
	    .st_mode = S_IFDIR | 0755};
	struct folder *d;
	enum err_code rc;

	for (; from < FIRST_AT; from++)
		if (!fn(ctx, from == 0 ? "." : "..", &dot, from + 1))
			return ERR_NONE;
	rc = find(f, number, from, &d, e);
	if (rc == ERR_NONE && d->at != from)
		rc = seek(d, from, e);
	else if (rc == ERR_NONE && d->fault.code != ERR_NONE) {
		*e = d->fault;
		rc = e->code;
	}
	d->at = NOWHERE;
	d->fault.code = ERR_NONE;
	return rc == ERR_NONE ? list(f, d, from, fn, ctx, e) : rc;
}
