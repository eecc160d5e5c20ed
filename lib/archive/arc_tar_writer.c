#include <archive.h>
#include <archive_entry.h>
#include <bascule/archive.h>
#include <errno.h>
#include <string.h>

#include "arc_impl.h"

struct arc_tar_writer {
	struct archive *a;
	struct archive_entry *entry;
	arc_sink_fn *sink;
	void *sink_arg;
	struct err sink_err; /* what the sink said, for libarchive cannot */
	struct utc when;
	uint64_t left_bytes; /* of the member being written */
};

/* libarchive's last words, or the sink's when it was the sink. */
static enum err_code
failed(struct arc_tar_writer *w, const char *doing, struct err *e)
{
	const char *text = archive_error_string(w->a);

	if (w->sink_err.code != ERR_NONE) {
		*e = w->sink_err;
		return err_wrap(e, "%s", doing);
	}
	return err_set(e, archive_errno(w->a) == ENOMEM ? ERR_NOMEM : ERR_IO,
	    "%s: %s", doing, text == NULL ? "unknown fault" : text);
}

static la_ssize_t
on_write(struct archive *a, void *arg, const void *bytes, size_t len_bytes)
{
	struct arc_tar_writer *w = arg;

	if (w->sink_err.code != ERR_NONE ||
	    w->sink(w->sink_arg, bytes, len_bytes, &w->sink_err) != ERR_NONE) {
		archive_set_error(a, EIO, "the sink failed");
		return -1;
	}
	return (la_ssize_t)len_bytes;
}

static enum err_code
set_up(struct arc_tar_writer *w, int level, struct err *e)
{
	char text[8];

	if (archive_write_set_format_pax_restricted(w->a) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(w->a, 1) != ARCHIVE_OK)
		return failed(w, "beginning a tar file", e);
	snprintf(text, sizeof(text), "%d", level);
	if (level > 0 &&
	    (archive_write_add_filter_zstd(w->a) != ARCHIVE_OK ||
		archive_write_set_filter_option(w->a, "zstd",
		    "compression-level", text) != ARCHIVE_OK))
		return failed(w, "beginning a compressed tar file", e);
	if (archive_write_open2(w->a, w, NULL, on_write, NULL, NULL) !=
	    ARCHIVE_OK)
		return failed(w, "beginning a tar file", e);
	return ERR_NONE;
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
	w->sink = sink;
	w->sink_arg = sink_arg;
	w->when = when;
	w->a = archive_write_new();
	w->entry = archive_entry_new();
	if (w->a == NULL || w->entry == NULL)
		return err_nomem(e);
	if ((rc = set_up(w, level, e)) != ERR_NONE)
		return rc;
	*out = TAKE(w);
	return ERR_NONE;
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
	archive_entry_clear(w->entry);
	archive_entry_set_pathname(w->entry, name);
	archive_entry_set_filetype(w->entry, AE_IFREG);
	archive_entry_set_perm(w->entry, 0644);
	archive_entry_set_size(w->entry, (la_int64_t)size_bytes);
	archive_entry_set_mtime(w->entry, floor_s(w->when), 0);
	rc = archive_write_header(w->a, w->entry);
	arc_locale_leave(&l);
	return rc;
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
	if (write_header(w, name, size_bytes) < ARCHIVE_WARN) {
		failed(w, "writing a member's header", e);
		return err_wrap(e, "'%s'", name);
	}
	w->left_bytes = size_bytes;
	return ERR_NONE;
}

enum err_code
arc_tar_writer_write(struct arc_tar_writer *w, const void *bytes,
    size_t len_bytes, struct err *e)
{
	la_ssize_t n;

	if (len_bytes > w->left_bytes)
		return err_set(e, ERR_INPUT,
		    "more bytes than the member was to have");
	if (len_bytes == 0)
		return ERR_NONE;
	n = archive_write_data(w->a, bytes, len_bytes);
	if (n < 0 || (size_t)n != len_bytes)
		return failed(w, "writing a member", e);
	w->left_bytes -= len_bytes;
	return ERR_NONE;
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
	if (archive_write_close(old->a) != ARCHIVE_OK)
		return failed(old, "ending a tar file", e);
	return ERR_NONE;
}

static enum err_code
sink_nothing(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	(void)arg;
	(void)bytes;
	(void)len_bytes;
	(void)e;
	return ERR_NONE;
}

void
arc_tar_writer_discard(struct arc_tar_writer **w)
{
	struct arc_tar_writer *old = TAKE(*w);

	if (old == NULL)
		return;
	old->sink = sink_nothing; /* freeing an open archive closes it */
	if (old->a != NULL)
		(void)archive_write_free(old->a);
	if (old->entry != NULL)
		archive_entry_free(old->entry);
	free(old);
}
