#ifndef STORE_SEGMENT_WRITER_H
#define STORE_SEGMENT_WRITER_H

/*
 * A segment of any size, written record by record in bounded memory: its
 * records go to tmp/ as they come; the columns, which stand behind them, are
 * made when they are read back to be hashed.
 */

#include "manifest.h"
#include "segment.h"

struct segment_writer {
	struct session *session;
	const struct segment_pack *packs; /* borrowed */
	uint32_t packs_count;
	uint64_t records_count;
	char temporary
	    [SESSION_TEMPORARY_BYTES]; /* "": not, or no longer, ours */
	int fd;
	uint8_t last[SEGMENT_RECORD_BYTES];
	struct buf out; /* to be written at written_bytes */
	uint64_t written_bytes;
};

/* packs: by name, each once; borrowed until the end. */
enum err_code segment_writer_begin(struct segment_writer *w, struct session *se,
    const struct segment_pack *packs, size_t packs_count,
    struct err *e) MUST_CHECK;
/* Unlinks what was not ended. */
void segment_writer_fini(struct segment_writer *w);

/* Ascending; the same once more is left out.  ERR_CORRUPT: out of order. */
enum err_code segment_writer_add(struct segment_writer *w,
    const uint8_t record[SEGMENT_RECORD_BYTES], struct err *e) MUST_CHECK;

/* Durable under its name, not yet live.  ERR_NONE, too, when it was there. */
enum err_code segment_writer_end(struct segment_writer *w,
    struct manifest_segment *out, struct err *e) MUST_CHECK;

/*
 * All at once, sorted first: what index_commit does with a writer's own.  A
 * small one is made in memory and written by one call.
 */
enum err_code segment_writer_publish(struct session *se,
    struct segment_parts *parts, struct manifest_segment *out,
    struct err *e) MUST_CHECK;

#endif
