/*
 * The content of one file: put where it belongs, or compared.  What is there
 * is recognised by the ids of its chunks: of what is equal nothing is fetched
 * from the repository, and of what differs only the blocks that do are written.
 */

#include "restore.h"

#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#define BLOCK_BYTES ((size_t)4096)

static enum err_code
write_out(struct restore_pour *p, const uint8_t *bytes, size_t len_bytes,
    uint64_t offset, struct err *e)
{
	p->differs = true;
	if (p->read_only)
		return ERR_NONE;
	atomic_fetch_add(&p->tools->shared->written_bytes, len_bytes);
	return fdio_pwrite(p->fd, bytes, len_bytes, offset, e);
}

/* Of a run whose present bytes are known: the blocks that differ. */
static enum err_code
write_blocks(struct restore_pour *p, const uint8_t *bytes, const uint8_t *have,
    size_t len_bytes, uint64_t offset, struct err *e)
{
	size_t at = 0, begin = 0;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && at < len_bytes) {
		size_t n = BLOCK_BYTES - (size_t)(offset + at) % BLOCK_BYTES;

		if (n > len_bytes - at)
			n = len_bytes - at;
		if (memcmp(bytes + at, have + at, n) == 0) {
			if (at > begin)
				rc = write_out(p, bytes + begin, at - begin,
				    offset + begin, e);
			begin = at + n;
		}
		at += n;
	}
	return rc != ERR_NONE || begin == len_bytes
	    ? rc
	    : write_out(p, bytes + begin, len_bytes - begin, offset + begin, e);
}

static enum err_code
put_run(struct restore_pour *p, const uint8_t *bytes, size_t len_bytes,
    uint64_t offset, struct err *e)
{
	uint8_t *have = p->tools->bytes;
	enum err_code rc = ERR_NONE;
	struct err unread; /* it is shorter: all of it differs */

	if (!p->compare)
		return write_out(p, bytes, len_bytes, offset, e);
	while (rc == ERR_NONE && len_bytes > 0) {
		size_t n = len_bytes < RESTORE_COMPARE_BYTES
		    ? len_bytes
		    : RESTORE_COMPARE_BYTES;

		rc = fdio_pread(p->fd, have, n, offset, &unread) == ERR_NONE
		    ? write_blocks(p, bytes, have, n, offset, e)
		    : write_out(p, bytes, n, offset, e);
		bytes += n;
		offset += n;
		len_bytes -= n;
	}
	return rc;
}

/* --- where content lies in its file ------------------------------------------ */

/*
 * Content is the bytes of the runs of data, one after another.  How many of the
 * next len_bytes lie together, and where; 0: the map of holes ends.
 */
static size_t
together(const struct restore_pour *p, size_t len_bytes, uint64_t *offset)
{
	const struct entry_extent *x;
	uint64_t left;

	*offset = p->at_bytes;
	if (!p->entry->sparse)
		return len_bytes;
	if (p->extent >= p->entry->extent_count)
		return 0;
	x = &p->entry->extents[p->extent];
	*offset = x->offset_bytes + p->at_bytes;
	left = x->len_bytes - p->at_bytes;
	return len_bytes < left ? len_bytes : (size_t)left;
}

static void
advance(struct restore_pour *p, size_t len_bytes)
{
	p->at_bytes += len_bytes;
	if (p->entry->sparse &&
	    p->at_bytes == p->entry->extents[p->extent].len_bytes) {
		p->extent++;
		p->at_bytes = 0;
	}
}

static enum err_code
put_bytes(struct restore_pour *p, const uint8_t *bytes, size_t len_bytes,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	atomic_fetch_add(&p->tools->shared->done_bytes, len_bytes);
	while (rc == ERR_NONE && len_bytes > 0) {
		uint64_t offset;
		size_t n = together(p, len_bytes, &offset);

		if (n == 0)
			return err_set(e, ERR_CORRUPT,
			    "more content than its map of holes has room for");
		rc = put_run(p, bytes, n, offset, e);
		advance(p, n);
		bytes += n;
		len_bytes -= n;
	}
	return rc;
}

/* The next bytes of content, as the file has them now. */
static bool
take_bytes(struct restore_pour *p, uint8_t *to, size_t len_bytes)
{
	while (len_bytes > 0) {
		uint64_t offset;
		size_t n = together(p, len_bytes, &offset);
		struct err e;

		if (n == 0 || fdio_pread(p->fd, to, n, offset, &e) != ERR_NONE)
			return false;
		advance(p, n);
		to += n;
		len_bytes -= n;
	}
	return true;
}

/* Then it is passed over. */
static bool
is_there(struct restore_pour *p, const struct content_piece *piece)
{
	const struct restore_pour before = *p;
	uint8_t *have = p->tools->bytes;

	if (p->compare && piece->len_bytes <= RESTORE_COMPARE_BYTES &&
	    take_bytes(p, have, piece->len_bytes) &&
	    reader_names(p->tools->reader, &piece->id, have,
		piece->len_bytes)) {
		atomic_fetch_add(&p->tools->shared->done_bytes,
		    piece->len_bytes);
		return true;
	}
	*p = before;
	return false;
}

static enum err_code
put_piece(struct restore_pour *p, const struct content_piece *piece,
    struct err *e)
{
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc;

	if (is_there(p, piece))
		return ERR_NONE;
	/* Of what is there as a rule little differs. */
	rc = (p->compare ? reader_pick : reader_get)(p->tools->reader,
	    &piece->id, &bytes, &len_bytes, e);
	if (rc == ERR_NONE && len_bytes != piece->len_bytes)
		return err_set(e, ERR_CORRUPT,
		    "a chunk has another length than the entry says");
	return rc != ERR_NONE ? rc : put_bytes(p, bytes, len_bytes, e);
}

enum err_code
restore_pour_pieces(struct restore_pour *p, const struct content_piece *pieces,
    size_t count, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = put_piece(p, &pieces[i], e);
	return rc;
}

enum err_code
restore_pour_content(struct restore_pour *p, const struct content *c,
    struct err *e)
{
	if (c->pieces_count == 0)
		return put_bytes(p, c->inlined.bytes, c->inlined.len_bytes, e);
	return restore_pour_pieces(p, c->pieces, c->pieces_count, e);
}

void
restore_pour_seek(struct restore_pour *p, uint64_t offset)
{
	p->at_bytes = offset;
	p->extent = 0;
	while (p->entry->sparse && p->extent < p->entry->extent_count &&
	    p->at_bytes >= p->entry->extents[p->extent].len_bytes)
		p->at_bytes -= p->entry->extents[p->extent++].len_bytes;
}

bool
restore_pour_holes_match(int fd, const struct entry *entry)
{
	const off_t size = (off_t)entry->size_bytes;
	off_t data, hole = 0;

	for (size_t i = 0; entry->sparse && i < entry->extent_count; i++) {
		const struct entry_extent *x = &entry->extents[i];

		data = lseek(fd, hole, SEEK_DATA);
		hole = data == -1 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data != (off_t)x->offset_bytes ||
		    hole != (off_t)(x->offset_bytes + x->len_bytes))
			return false;
	}
	return !entry->sparse || hole == size ||
	    lseek(fd, hole, SEEK_DATA) == -1;
}
