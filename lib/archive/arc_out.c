#include "arc_out.h"

#include <errno.h>
#include <string.h>

#define PAD_MAX (UINT64_C(1) << 20)

static la_ssize_t
on_write(struct archive *a, void *arg, const void *bytes, size_t len_bytes)
{
	struct arc_out *o = arg;

	(void)a;
	if (o->sink_err.code == ERR_NONE &&
	    o->sink(o->sink_arg, bytes, len_bytes, &o->sink_err) == ERR_NONE)
		o->sink_err.code = ERR_NONE;
	return (la_ssize_t)len_bytes;
}

enum err_code
arc_out_init(struct arc_out *o, arc_sink_fn *sink, void *sink_arg,
    struct err *e)
{
	o->sink = sink;
	o->sink_arg = sink_arg;
	o->a = archive_write_new();
	o->entry = archive_entry_new();
	return o->a == NULL || o->entry == NULL ? err_nomem(e) : ERR_NONE;
}

enum err_code
arc_out_begin(struct arc_out *o, int level, struct err *e)
{
	char text[8];

	snprintf(text, sizeof text, "%d", level);
	return arc_out_said(o,
	    (level == 0 ||
		(archive_write_add_filter_zstd(o->a) == ARCHIVE_OK &&
		    archive_write_set_filter_option(o->a, "zstd",
			"compression-level", text) == ARCHIVE_OK)) &&
		archive_write_open2(o->a, o, NULL, on_write, NULL, NULL) ==
		    ARCHIVE_OK,
	    "beginning a tar file", e);
}

enum err_code
arc_out_finish(struct arc_out *o, struct err *e)
{
	return arc_out_said(o, archive_write_close(o->a) == ARCHIVE_OK,
	    "ending a tar file", e);
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

/*
 * Freeing an open archive closes it: it pads the member and writes the end.
 * Where the member lacks much it is told that all failed; then it forgets to
 * free its last block.
 */
void
arc_out_fini(struct arc_out *o, uint64_t left_bytes)
{
	o->sink = sink_nothing;
	if (o->a != NULL && left_bytes > PAD_MAX)
		archive_write_fail(o->a);
	if (o->a != NULL)
		(void)archive_write_free(o->a);
	archive_entry_free(o->entry);
}

enum err_code
arc_out_said(struct arc_out *o, bool good, const char *doing, struct err *e)
{
	const char *text = archive_error_string(o->a);

	if (o->sink_err.code != ERR_NONE) {
		*e = o->sink_err;
		return err_wrap(e, "%s", doing);
	}
	return good
	    ? ERR_NONE
	    : err_set(e, archive_errno(o->a) == ENOMEM ? ERR_NOMEM : ERR_IO,
		  "%s: %s", doing, text == NULL ? "unknown fault" : text);
}
