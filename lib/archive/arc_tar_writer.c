#include "arc_out.h"

#include <string.h>

#include "arc_impl.h"

struct arc_tar_writer {
	struct arc_out out;
	struct utc when;
	uint64_t left_bytes; /* of the member being written */
	bool are_programs;
};

static enum err_code
set_up(struct arc_tar_writer *w, int level, struct err *e)
{
	struct archive *a = w->out.a;
	enum err_code rc = arc_out_said(&w->out,
	    archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
		archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK,
	    "choosing the format", e);

	return rc == ERR_NONE ? arc_out_begin(&w->out, level, e) : rc;
}

enum err_code
arc_tar_writer_open(struct arc_tar_writer **out, arc_sink_fn *sink,
    void *sink_arg, int level, struct utc when, struct err *e)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *w = NULL;
	enum err_code rc;

	*out = NULL;
	if (level < 0 || level > 19)
		return err_set(e, ERR_INPUT,
		    "compression level %d is not between 0 and 19", level);
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_nomem(e);
	w->when = when;
	rc = arc_out_init(&w->out, sink, sink_arg, e);
	if (rc == ERR_NONE)
		rc = set_up(w, level, e);
	if (rc == ERR_NONE)
		*out = TAKE(w);
	return rc;
}

static int64_t
floor_s(struct utc t)
{
	return t.ns / NS_PER_S - (t.ns % NS_PER_S < 0);
}

static int
write_header(struct arc_tar_writer *w, const char *name, uint64_t size_bytes)
{
	struct arc_locale l;
	int rc;

	arc_locale_enter(&l);
	archive_entry_clear(w->out.entry);
	archive_entry_set_pathname(w->out.entry, name);
	archive_entry_set_filetype(w->out.entry, AE_IFREG);
	archive_entry_set_perm(w->out.entry, w->are_programs ? 0755 : 0644);
	archive_entry_set_size(w->out.entry, (la_int64_t)size_bytes);
	archive_entry_set_mtime(w->out.entry, floor_s(w->when), 0);
	rc = archive_write_header(w->out.a, w->out.entry);
	arc_locale_leave(&l);
	return rc;
}

void
arc_tar_writer_programs(struct arc_tar_writer *w, bool are_programs)
{
	w->are_programs = are_programs;
}

enum err_code
arc_tar_writer_begin(struct arc_tar_writer *w, const char *name,
    uint64_t size_bytes, struct err *e)
{
	if (name[0] == '\0' || !path_is_valid(name, strlen(name)))
		return err_set(e, ERR_INPUT, "'%s' cannot name a member", name);
	if (size_bytes > ARC_MEMBER_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "'%s' of %ju bytes is over the limit of a member", name,
		    (uintmax_t)size_bytes);
	if (w->left_bytes > 0)
		return err_set(e, ERR_INPUT,
		    "the member before '%s' lacks %ju bytes", name,
		    (uintmax_t)w->left_bytes);
	/* ARCHIVE_WARN: the name is no UTF-8 and goes in as its bytes. */
	if (arc_out_said(&w->out,
		write_header(w, name, size_bytes) >= ARCHIVE_WARN,
		"writing a member's header", e) != ERR_NONE)
		return err_wrap(e, "'%s'", name);
	w->left_bytes = size_bytes;
	return ERR_NONE;
}

enum err_code
arc_tar_writer_write(struct arc_tar_writer *w, const void *bytes,
    size_t len_bytes, struct err *e)
{
	la_ssize_t n;
	enum err_code rc;

	if (len_bytes > w->left_bytes)
		return err_set(e, ERR_INPUT,
		    "more bytes than the member was to have");
	if (len_bytes == 0)
		return ERR_NONE;
	n = archive_write_data(w->out.a, bytes, len_bytes);
	rc = arc_out_said(&w->out, n >= 0 && (size_t)n == len_bytes,
	    "writing a member", e);
	if (rc == ERR_NONE)
		w->left_bytes -= len_bytes;
	return rc;
}

enum err_code
arc_tar_writer_add(struct arc_tar_writer *w, const char *name,
    const void *bytes, size_t len_bytes, struct err *e)
{
	enum err_code rc = arc_tar_writer_begin(w, name, len_bytes, e);

	return rc != ERR_NONE ? rc
			      : arc_tar_writer_write(w, bytes, len_bytes, e);
}

enum err_code
arc_tar_writer_finish(struct arc_tar_writer **w, struct err *e)
{
	OWNED(arc_tar_writer_discard) struct arc_tar_writer *old = TAKE(*w);

	if (old->left_bytes > 0)
		return err_set(e, ERR_INPUT, "the last member lacks %ju bytes",
		    (uintmax_t)old->left_bytes);
	return arc_out_finish(&old->out, e);
}

void
arc_tar_writer_discard(struct arc_tar_writer **w)
{
	struct arc_tar_writer *old = TAKE(*w);

	if (old == NULL)
		return;
	arc_out_fini(&old->out, old->left_bytes);
	free(old);
}
