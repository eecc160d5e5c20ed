#ifndef JOB_STREAM_H
#define JOB_STREAM_H

/*
 * A large file's content, read by a thread ahead of the caller, and named by
 * others on the way: what may be chunks of its earlier version, or, if it has
 * none, all its chunks, which the reading thread cuts.  So what the caller has
 * to do itself is little, and no core waits for it.
 *
 * L1. Pieces come in order.  Of a file that is cut they end where a chunk ends:
 *     what follows the last cut stands at the next piece's begin.
 * L2. One file at a time; after stream_end no thread touches it.
 * L3. Memory: STREAM_PIECES pieces of STREAM_PIECE_BYTES, each with room for a
 *     chunk that an earlier one began, and one such chunk.
 */

#include <bascule/source.h>
#include <bascule/store.h>

#define STREAM_PIECES      8
#define STREAM_PIECE_BYTES ((size_t)1 << 20)
#define STREAM_CHUNK_BYTES \
	((size_t)512 << 10) /* longer ones are not cut here */
#define STREAM_NAMES_MAX 32

struct stream_piece {
	uint64_t at_bytes; /* in the content */
	size_t wanted_bytes;
	bool is_cut;  /* the names are those of all chunks in it */
	bool is_last; /* no other is asked for */
	struct content_name names[STREAM_NAMES_MAX];
	size_t names_count;
	/* what was read */
	size_t len_bytes;
	enum err_code code;
	struct err why;
	uint8_t *bytes;
};

struct stream;

/* cw is borrowed: it says what to expect, and how to name it. */
enum err_code stream_new(struct stream **out, struct content_writer *cw,
    struct err *e) MUST_CHECK;
void stream_free(struct stream **s);

/* file is borrowed until stream_end. */
void stream_begin(struct stream *s, struct source_file *file);
/* The next piece, until the next call; NULL: that was all. */
enum err_code stream_next(struct stream *s, struct stream_piece **out,
    struct err *e) MUST_CHECK;
/* Also in the middle of it. */
void stream_end(struct stream *s);

#endif
