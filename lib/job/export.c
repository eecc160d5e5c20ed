/*
 * A snapshot, or a part of it, as a pax archive: the walk in the map's order,
 * each file's content from its chunks.  What is damaged ends it: an archive is
 * for others, who cannot know what it lacks.  (restore leaves out only what is
 * damaged.)
 */

#include <string.h>

#include <bascule/archive.h>
#include <bascule/base/linkmap.h>
#include <bascule/base/path.h>
#include <bascule/job.h>

/* Groups of hard links that are remembered, some 128 MiB of them. */
#define LINKS_MAX ((size_t)4 << 20)

struct export
{
	struct store *store;
	const struct export_options *opt;
	struct export_result *out;
	struct arc_pax *pax;
	struct reader *reader;
	struct cursor *firsts; /* finds first members of links again */
	struct linkmap links;
	size_t skip_bytes; /* of each path: the subtree's */
	struct buf name, link;
	struct buf barred; /* what is below this is left out; "": nothing */
	uint64_t content_bytes;
	bool looking; /* at the names only, before anything is written */
	enum arc_pax_spelling spelling;
};

static void
export_fini(struct export *x)
{
	arc_pax_discard(&x->pax);
	reader_free(&x->reader);
	cursor_close(&x->firsts);
	linkmap_fini(&x->links);
	buf_fini(&x->name);
	buf_fini(&x->link);
	buf_fini(&x->barred);
}

static void
note(struct export *x, const char *reason)
{
	const struct job_watch *w = &x->opt->watch;

	if (w->problem != NULL)
		w->problem(w->ctx, buf_text(&x->name), reason);
}

static void
on_warning(void *arg, enum err_code code, const char *text)
{
	struct export *x = arg;

	(void)code;
	x->out->warnings_count++;
	note(x, text);
}

static enum err_code
tell(struct export *x, struct err *e)
{
	const struct job_watch *w = &x->opt->watch;
	const struct job_progress p = {x->out->files_count, x->content_bytes,
	    x->opt->total_bytes};

	if (w->progress != NULL && !w->progress(w->ctx, &p))
		return err_set(e, ERR_CANCELLED, "the export was stopped");
	return ERR_NONE;
}

static enum err_code
on_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct export *x = ctx;
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc =
	    reader_get(x->reader, &piece->id, &bytes, &len_bytes, e);

	(void)offset;
	if (rc == ERR_NONE)
		rc = arc_pax_write(x->pax, bytes, len_bytes, e);
	x->content_bytes += piece->len_bytes;
	return rc == ERR_NONE ? tell(x, e) : rc;
}

static enum err_code
content(struct export *x, const struct item *it, struct err *e)
{
	const struct content *c = &it->content;

	if (c->pieces_count > 0)
		return content_each(x->store, c, on_piece, x, e);
	return c->inlined.len_bytes == 0
	    ? ERR_NONE
	    : arc_pax_write(x->pax, c->inlined.bytes, c->inlined.len_bytes, e);
}

/* The path within the archive: relative to the subtree. */
static enum err_code
set_name(struct export *x, struct buf *out, const struct entry_text *path,
    struct err *e)
{
	size_t skip = x->skip_bytes;

	if (skip > 0 && path->len_bytes > skip)
		skip++; /* the slash */
	buf_clear(out);
	return path->len_bytes == skip
	    ? buf_add_text(out, "", e)
	    : buf_add(out, path->bytes + skip, path->len_bytes - skip, e);
}

/* Is it another name of what is in the archive already?  Then x->link says. */
static enum err_code
find_link(struct export *x, const struct item *it, uint64_t nth, bool *linked,
    struct err *e)
{
	const struct item *first;
	uint64_t at = nth;
	enum err_code rc;

	*linked = false;
	if (!it->entry.linked ||
	    (x->links.count >= LINKS_MAX &&
		linkmap_find(&x->links, it->entry.link_group) == NULL))
		return ERR_NONE;
	rc = linkmap_add(&x->links, it->entry.link_group, nth, &at, e);
	if (rc != ERR_NONE || at == nth)
		return rc;
	if (x->firsts == NULL)
		rc = cursor_open(&x->firsts, x->store, &x->opt->root, "", 0, e);
	if (rc == ERR_NONE)
		rc = cursor_seek_nth(x->firsts, at, e);
	if (rc == ERR_NONE)
		rc = cursor_next(x->firsts, &first, e);
	if (rc == ERR_NONE && first != NULL) {
		*linked = true;
		rc = set_name(x, &x->link, &first->entry.path, e);
	}
	return rc;
}

static void
tally(struct export *x, const struct entry *entry, bool linked)
{
	if (entry->type == ENTRY_FILE) {
		x->out->files_count++;
		x->out->bytes += linked ? 0 : entry->size_bytes;
	} else if (entry->type == ENTRY_DIR)
		x->out->dirs_count++;
	else
		x->out->others_count++;
}

/*
 * No archive says that something stands below a link or a file, which only a
 * forged snapshot does: unpacked it would be somewhere else.
 */
static bool
is_barred(struct export *x, const struct entry_text *path)
{
	if (x->barred.len_bytes == 0 ||
	    !path_is_under(path->bytes, path->len_bytes, buf_text(&x->barred),
		x->barred.len_bytes))
		return false;
	x->out->warnings_count++;
	note(x, "it stands below what is no directory: left out");
	return true;
}

static enum err_code
bar(struct export *x, const struct entry *entry, struct err *e)
{
	buf_clear(&x->barred);
	return entry->type == ENTRY_DIR || entry->path.len_bytes == 0
	    ? ERR_NONE
	    : buf_add(&x->barred, entry->path.bytes, entry->path.len_bytes, e);
}

static enum err_code
export_item(struct export *x, const struct item *it, uint64_t nth,
    struct err *e)
{
	const struct arc_warn warn = {on_warning, x};
	struct arc_pax_names names;
	bool linked = false;
	enum err_code rc = set_name(x, &x->name, &it->entry.path, e);

	if (rc == ERR_NONE && is_barred(x, &it->entry.path))
		return ERR_NONE;
	if (rc == ERR_NONE)
		rc = bar(x, &it->entry, e);
	if (rc == ERR_NONE)
		rc = find_link(x, it, nth, &linked, e);
	if (rc != ERR_NONE)
		return rc;
	names = (struct arc_pax_names){buf_text(&x->name),
	    linked ? buf_text(&x->link) : NULL};
	rc = arc_pax_begin(x->pax, &it->entry, &names, warn, e);
	if (rc == ERR_REFUSED) {
		x->out->left_out_count++;
		note(x, e->text);
		return ERR_NONE;
	}
	if (rc == ERR_NONE && !linked && it->entry.type == ENTRY_FILE)
		rc = content(x, it, e);
	if (rc == ERR_NONE)
		rc = arc_pax_end(x->pax, e);
	if (rc != ERR_NONE) /* unless it is the disk that the archive is on */
		return err_wrap(e, "'/%s'", it->entry.path.bytes);
	tally(x, &it->entry, linked);
	return tell(x, e);
}

static void
look(struct export *x, const struct entry *entry)
{
	if (!arc_pax_is_simple(entry->path.bytes, entry->path.len_bytes) ||
	    (entry->target.len_bytes > 0 &&
		!arc_pax_is_simple(entry->target.bytes,
		    entry->target.len_bytes)))
		x->spelling = ARC_PAX_RAW;
}

static enum err_code
export_path(struct export *x, const char *path, struct err *e)
{
	OWNED(cursor_close) struct cursor *c = NULL;
	const struct item *it;
	enum err_code rc =
	    cursor_open(&c, x->store, &x->opt->root, path, strlen(path), e);

	while (rc == ERR_NONE && (rc = cursor_next(c, &it, e)) == ERR_NONE &&
	    it != NULL)
		if (x->looking)
			look(x, &it->entry);
		else
			rc = export_item(x, it, cursor_nth(c), e);
	return rc;
}

/* --- which paths ------------------------------------------------------------ */

/* "/srv/a/" as paths are in the map, below the subtree; *out: the caller's. */
static enum err_code
full_path(const struct export *x, const char *text, char **out, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	size_t len;
	enum err_code rc = buf_add_text(&b, x->opt->subtree, e);

	while (*text == '/')
		text++;
	for (len = strlen(text); len > 0 && text[len - 1] == '/';)
		len--;
	if (rc == ERR_NONE && len > 0 && b.len_bytes > 0)
		rc = buf_add_byte(&b, '/', e);
	if (rc == ERR_NONE && len > 0)
		rc = buf_add(&b, text, len, e);
	if (rc != ERR_NONE)
		return rc;
	if (!path_is_valid(buf_text(&b), b.len_bytes))
		return err_set(e, ERR_INPUT, "'%.200s' is not a path", text);
	*out = strdup(buf_text(&b));
	return *out == NULL ? err_nomem(e) : ERR_NONE;
}

static int
by_path(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return path_compare(x, strlen(x), y, strlen(y));
}

/* Each once, though it be below another that was given as well. */
static enum err_code
export_paths(struct export *x, char **paths, size_t count, struct err *e)
{
	const char *last = NULL;
	enum err_code rc = ERR_NONE;

	qsort(paths, count, sizeof *paths, by_path);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		if (last != NULL &&
		    path_is_under(paths[i], strlen(paths[i]), last,
			strlen(last)))
			continue;
		last = paths[i];
		rc = export_path(x, last, e);
	}
	return rc;
}

static enum err_code
export_all(struct export *x, struct err *e)
{
	const size_t count = x->opt->paths_count;
	OWNED(free_mem) char **paths = NULL;
	enum err_code rc = ERR_NONE;

	if (count == 0)
		return export_path(x, x->opt->subtree, e);
	if ((paths = calloc(count, sizeof *paths)) == NULL)
		return err_nomem(e);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = full_path(x, x->opt->paths[i], &paths[i], e);
	if (rc == ERR_NONE)
		rc = export_paths(x, paths, count, e);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	return rc;
}

enum err_code
export_run(struct store *st, const struct export_options *opt,
    struct export_result *out, struct err *e)
{
	OWNED(export_fini)
	struct export x = {.store = st,
	    .opt = opt,
	    .out = out,
	    .skip_bytes = strlen(opt->subtree)};
	struct mono begun = now_mono();
	enum err_code rc;

	*out = (struct export_result){0};
	x.barred.max_bytes = PATH_BYTES_MAX;
	x.looking = true;
	rc = export_all(&x, e);
	x.looking = false;
	if (rc == ERR_NONE)
		rc = arc_pax_open(&x.pax, opt->sink, opt->sink_arg, opt->level,
		    x.spelling, e);
	if (rc == ERR_NONE)
		rc = reader_new(&x.reader, st, e);
	if (rc == ERR_NONE)
		rc = export_all(&x, e);
	if (rc == ERR_NONE)
		rc = arc_pax_finish(&x.pax, e);
	if (rc == ERR_CORRUPT)
		err_hint(e,
		    "'bascule restore' brings back everything but what is "
		    "damaged");
	out->took_ns = now_mono().ns - begun.ns;
	return rc;
}
