#ifndef STORE_PACK_H
#define STORE_PACK_H

/*
 * Packs: frames and a footer in a file named by its hash.  What a footer says
 * is a hint (docs/format/repository.md); reading it never goes out of bounds.
 */

#include "frame_hash.h"
#include "parts.h"
#include "segment.h"

#define PACK_BYTES_MAX   ((uint64_t)64 << 20)
#define PACK_FRAMES_MAX  65536
#define PACK_CHUNKS_MAX  1048576
#define PACK_KEYS_MAX    1024
#define PACK_STANZAS_MAX 65536
/* A frame has marks when it is longer than a block: the last may be short. */
#define PACK_MARKS_MAX      (2 * PACK_BYTES_MAX / FRAME_BLOCK_BYTES)
#define PACK_TAIL_BYTES     36
#define PACK_FRAME_BYTES    56 /* of the footer's table, each */
#define PACK_PATH_BYTES     (3 + ID_HEX_BYTES)
#define PACK_TEMPORARY_SIZE 64

/* "ab/<64 digits>", relative to packs/.  Returns out. */
const char *pack_path(const struct id *name, char out[PACK_PATH_BYTES]);

/* --- Writing ------------------------------------------------------------- */

/* A whole pack, not yet flushed. */
struct pack_done {
	char temporary[PACK_TEMPORARY_SIZE]; /* in tmp/ */
	bool incoming; /* ... or in incoming/, under its own name */
	struct id name;
	uint64_t size_bytes;
	bool metadata;
	int fd; /* owned; still the one it was written through */
};

/* The one content key that a writer's frames are under. */
struct pack_key {
	struct id key_id;
	struct id domain; /* whose id keys named the chunks */
	const void *stanzas;
	size_t stanzas_bytes;
};

/* One frame as it is added. */
struct pack_piece {
	const void *bytes;
	size_t len_bytes;
	const struct frame_hash *hash; /* of bytes */
	const struct id *ids;
	uint32_t ids_count;
	enum store_kind kind;
	uint8_t depth;
	uint16_t key; /* which of the keys that the pack ends with */
};

struct pack_writer;
/* temporary: the name in tmp/ to write under. */
enum err_code pack_writer_new(struct pack_writer **out, struct store *st,
    const char *temporary, bool metadata, struct err *e) MUST_CHECK;
void pack_writer_free(struct pack_writer **pw); /* unlinks what is not done */
enum err_code pack_writer_add(struct pack_writer *pw,
    const struct pack_piece *piece, struct err *e) MUST_CHECK;
uint64_t pack_writer_bytes(const struct pack_writer *pw);
bool pack_writer_is_full(const struct pack_writer *pw, uint64_t target_bytes);
/*
 * Writes the footer and starts writing back.  The file is then the caller's.
 * *footer becomes what was written, the tail of PACK_TAIL_BYTES included.
 */
enum err_code pack_writer_end(struct pack_writer **pw,
    const struct pack_key *key, struct buf *footer, struct pack_done *out,
    struct err *e) MUST_CHECK;
/* The same of a pack whose frames are under several keys. */
struct pack_keys {
	const struct pack_key *keys;
	uint32_t count;
};
enum err_code pack_writer_end_keys(struct pack_writer **pw,
    const struct pack_keys *keys, struct buf *footer, struct pack_done *out,
    struct err *e) MUST_CHECK;

/* --- Reading ------------------------------------------------------------- */

/* An open pack, its footer's counts in bounds of the file. */
struct pack {
	int fd;
	uint64_t size_bytes;
	uint64_t footer_at;
	uint32_t footer_bytes;
	uint32_t frames_count, chunks_count, keys_count, marks_count;
	struct id footer_hash; /* as the tail says */
};

/*
 * size_bytes: what it must be; 0: any.  ERR_NOTFOUND, ERR_CORRUPT; ERR_TOONEW
 * only for a file that hashes to its name.
 */
enum err_code pack_open(struct pack *out, int dirfd, const char *path,
    uint64_t size_bytes, struct err *e) MUST_CHECK;
/* The same of a file that is open, for reading: fd is borrowed. */
enum err_code pack_open_fd(struct pack *out, int fd, struct err *e) MUST_CHECK;
void pack_close(struct pack *pk);

/* A row of the frame table. */
struct pack_frame {
	struct id hash;
	uint64_t offset_bytes;
	uint32_t len_bytes;
	uint32_t first_chunk, chunks_count;
	uint8_t kind, depth;
	uint16_t key;
};
/* Of an open pack; the frame lies within the file.  ERR_CORRUPT. */
enum err_code pack_frame_at(const struct pack *pk, uint32_t ordinal,
    struct pack_frame *out, struct err *e) MUST_CHECK;

/* A frame and what its pack's footer says of it, for reader_check_frame. */
struct reader_frame {
	const struct pack *pack;
	struct pack_frame row;
	const uint8_t *ids;   /* of its chunks */
	const uint8_t *bytes; /* row.len_bytes of them */
};

/*
 * The whole footer in memory.  pack_footer_load looks at its hash;
 * pack_footer_parse takes any bytes and checks all that its text says: frames
 * without gaps, chunks in order, keys, marks.
 */
struct pack_footer {
	struct buf bytes;
	uint32_t frames_count, chunks_count, keys_count, marks_count;
	const uint8_t *frames, *ids, *keys, *marks;
	size_t keys_bytes;
};
void pack_footer_fini(struct pack_footer *f);
enum err_code pack_footer_load(struct pack_footer *out, const struct pack *pk,
    struct err *e) MUST_CHECK;
/* bytes stay the caller's.  footer_at: its offset in the pack. */
enum err_code pack_footer_parse(struct pack_footer *out, const void *bytes,
    size_t len_bytes, uint64_t footer_at, struct err *e) MUST_CHECK;
void pack_footer_frame(const struct pack_footer *f, uint32_t ordinal,
    struct pack_frame *out);

/* A key's row; stanzas borrowed from the footer.  False past the last. */
struct pack_key_row {
	struct id key_id, domain;
	const uint8_t *stanzas;
	size_t stanzas_bytes;
};
bool pack_footer_key(const struct pack_footer *f, uint32_t ordinal,
    struct pack_key_row *out);

/* Can all recipients of st's keyring open every key of the pack? */
bool pack_all_can_open(struct store *st, const struct id *name, struct err *e);

/*
 * The pack's own head, and each frame's: are they of the family, well formed
 * and as the footer says?  Reads the heads only.
 */
enum err_code pack_check_heads(const struct pack *pk,
    const struct pack_footer *f, const uint8_t *family,
    struct err *e) MUST_CHECK;

/* The frame's bytes into *out.  ERR_CORRUPT: they do not match row->hash. */
enum err_code pack_read_frame(const struct pack *pk,
    const struct pack_frame *row, struct buf *out, struct frame_hash *hash,
    struct err *e) MUST_CHECK;

/* Append each chunk of the pack as an index record with pack ordinal `pack`. */
enum err_code pack_footer_records(const struct pack_footer *f, uint32_t pack,
    struct buf *records, struct err *e) MUST_CHECK;

#endif
