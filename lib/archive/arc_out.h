#ifndef LIB_ARCHIVE_ARC_OUT_H
#define LIB_ARCHIVE_ARC_OUT_H

/*
 * What the writers of archives share: libarchive's handle, the way to the
 * caller's sink, and whose words are the error.
 *
 * The sink's failure is kept and libarchive is not told of it: what it is told
 * failed it does not free.  From then on nothing more goes to the sink.
 */

#include <archive.h>
#include <archive_entry.h>
#include <bascule/archive.h>

struct arc_out {
	struct archive *a;
	struct archive_entry *entry;
	arc_sink_fn *sink;
	void *sink_arg;
	struct err sink_err;
};

/* Then the caller says which format, and begins. */
enum err_code arc_out_init(struct arc_out *o, arc_sink_fn *sink, void *sink_arg,
    struct err *e) MUST_CHECK;
/* level: of zstd; 0: not compressed. */
enum err_code arc_out_begin(struct arc_out *o, int level,
    struct err *e) MUST_CHECK;
/* Write the end. */
enum err_code arc_out_finish(struct arc_out *o, struct err *e) MUST_CHECK;
/* left_bytes: what the member at hand lacks. */
void arc_out_fini(struct arc_out *o, uint64_t left_bytes);

/* What came of a call of libarchive's, and of the sink meanwhile. */
enum err_code arc_out_said(struct arc_out *o, bool good, const char *doing,
    struct err *e) MUST_CHECK;

#endif
