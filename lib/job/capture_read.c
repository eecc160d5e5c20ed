/* What an item holds: of small files at hand, of others read here. */

#include "capture_parts.h"

#include <string.h>

static void
begin(struct capture *c, const struct ahead_item *it)
{
	content_writer_reset(c->contents);
	capture_previous_tell(c, &it->item,
	    it->has_previous ? &it->previous : NULL);
}

/* All of it, piece by piece. */
static enum err_code
read_pieces(struct capture *c, struct err *e)
{
	struct stream_piece *p;
	enum err_code rc;

	for (;;) {
		rc = stream_next(c->stream, &p, e);
		if (rc != ERR_NONE || p == NULL)
			return rc;
		rc = p->is_cut ? content_writer_add_cut(c->contents, p->bytes,
				     p->names, p->names_count, e)
			       : content_writer_add_named(c->contents, p->bytes,
				     p->len_bytes, p->names, p->names_count, e);
		c->done_bytes += p->len_bytes;
		if (rc == ERR_NONE && p->code != ERR_NONE) {
			*e = p->why;
			rc = p->code;
		}
		if (rc == ERR_NONE)
			rc = capture_item_pulse(c, e);
		if (rc != ERR_NONE)
			return rc;
	}
}

static enum err_code
read_stream(struct capture *c, struct source_file *file, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (c->stream == NULL)
		rc = stream_new(&c->stream, c->contents, e);
	if (rc != ERR_NONE)
		return rc;
	stream_begin(c->stream, file);
	rc = read_pieces(c, e);
	stream_end(c->stream);
	return rc;
}

/* A command is asked whether it is wanted while it is read: by this thread. */
static enum err_code
read_here(struct capture *c, struct source_file *file, struct err *e)
{
	struct source_run run;
	enum err_code rc;

	do {
		rc = source_read(file, c->bytes, CAPTURE_READ_BYTES, &run, e);
		if (rc != ERR_NONE)
			return rc;
		rc =
		    content_writer_add(c->contents, c->bytes, run.len_bytes, e);
		c->done_bytes += run.len_bytes;
		if (rc == ERR_NONE)
			rc = capture_item_pulse(c, e);
	} while (rc == ERR_NONE && run.len_bytes > 0);
	return rc;
}

/* All of an open file into one content. */
static enum err_code
read_content(struct capture *c, const struct ahead_item *it,
    struct source_file *file, struct content *out, struct err *e)
{
	enum err_code rc;

	begin(c, it);
	rc = c->ahead == NULL ? read_here(c, file, e) : read_stream(c, file, e);
	if (rc != ERR_NONE)
		return rc;
	rc = content_writer_end(c->contents, out, e);
	capture_previous_end(c);
	return rc;
}

struct warn_ctx {
	struct capture *c;
	const struct entry_text *path;
};

/* Metadata that could not be read. */
static void
on_warning(void *arg, enum err_code code, const char *text)
{
	struct warn_ctx *w = arg;
	struct err e;

	(void)code;
	if (capture_item_problem(w->c, w->path, text, &e) != ERR_NONE)
		return; /* counted all the same */
}

/*
 * Open the item, read it if it has content, and say whether that is one
 * consistent copy: ERR_BUSY if not, with the content all the same.
 */
static enum err_code
read_once(struct capture *c, struct ahead_item *it, struct content *out,
    struct err *e)
{
	OWNED(source_close) struct source_file *file = NULL;
	struct warn_ctx wc = {c, &it->item.entry.path};
	struct arc_warn warn = {on_warning, &wc};
	enum err_code rc = source_open(&it->item, &file, warn, e);

	content_fini(out);
	if (rc != ERR_NONE || file == NULL)
		return rc;
	rc = read_content(c, it, file, out, e);
	return rc != ERR_NONE ? rc : source_finish(&file, e);
}

/* The end of the run, or of this item only? */
static bool
ends_run(const struct capture *c, enum err_code code)
{
	return capture_is_command(c) || code == ERR_NOMEM ||
	    code == ERR_CANCELLED || code == ERR_NOSPACE;
}

/*
 * A file that changed while it was read is kept as far as it was read: the
 * entry must say what is there, not what was promised.
 */
static void
take_what_was_read(struct entry *entry, const struct content *content)
{
	if (entry->type != ENTRY_FILE ||
	    entry_content_bytes(entry) == content->size_bytes)
		return;
	entry->sparse = false;
	entry->extent_count = 0;
	entry->size_bytes = content->size_bytes;
}

/* All attempts were made: what of it is there, and what is to be said? */
static enum err_code
judge(struct capture *c, struct source_item *item, const struct content *out,
    const struct err *why, enum err_code rc, bool *skipped, struct err *e)
{
	if (rc == ERR_NONE)
		return rc;
	if (ends_run(c, rc)) {
		*e = *why;
		return rc;
	}
	*skipped = rc != ERR_BUSY;
	if (!*skipped)
		take_what_was_read(&item->entry, out);
	return capture_item_problem(c, &item->entry.path, why->text, e);
}

/* --- read ahead ----------------------------------------------------------- */

static enum err_code
say_warnings(struct capture *c, const struct ahead_item *it, struct err *e)
{
	const struct buf *b = &it->warnings;
	enum err_code rc = ERR_NONE;

	for (size_t at = 0; at < b->len_bytes && rc == ERR_NONE;
	     at += strlen((const char *)b->bytes + at) + 1)
		rc = capture_item_problem(c, &it->item.entry.path,
		    (const char *)b->bytes + at, e);
	return rc;
}

/* It was opened only: the rest of that attempt. */
static enum err_code
read_rest(struct capture *c, struct ahead_item *it, struct content *out,
    struct err *e)
{
	OWNED(source_close) struct source_file *file = TAKE(it->file);
	enum err_code rc = read_content(c, it, file, out, e);

	return rc == ERR_NONE ? source_finish(&file, e) : rc;
}

static enum err_code
cut_bytes(struct capture *c, struct ahead_item *it, struct content *out,
    struct err *e)
{
	enum err_code code = it->code, rc;

	if (it->len_bytes == 0)
		return code;
	begin(c, it);
	if (it->names_count == 0) {
		rc = content_writer_last(c->contents, it->bytes, it->len_bytes,
		    out, e);
	} else {
		rc = content_writer_add_cut(c->contents, it->bytes, it->names,
		    it->names_count, e);
		if (rc == ERR_NONE)
			rc = content_writer_end(c->contents, out, e);
	}
	capture_previous_end(c);
	c->done_bytes += it->len_bytes;
	return rc == ERR_NONE ? code : rc;
}

enum err_code
capture_read_taken(struct capture *c, struct ahead_item *it,
    struct content *out, bool *skipped, struct err *e)
{
	struct err *why = &it->why;
	enum err_code rc = say_warnings(c, it, e);

	*skipped = false;
	if (rc != ERR_NONE)
		return rc;
	if (it->is_left)
		rc = read_once(c, it, out, why);
	else if (it->file != NULL)
		rc = read_rest(c, it, out, why);
	else if (it->code == ERR_NONE || it->code == ERR_BUSY)
		rc = cut_bytes(c, it, out, why);
	else
		rc = it->code;
	for (; rc == ERR_BUSY && it->attempts < AHEAD_ATTEMPTS; it->attempts++)
		rc = read_once(c, it, out, why);
	return judge(c, &it->item, out, why, rc, skipped, e);
}
