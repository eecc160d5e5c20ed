#include "chunker.h"
#include "content_list.h"
#include "parts.h"

/*
 * A file's bytes are held back until they are known not to be few enough to
 * stand inline; a chunk that lies whole in what was added is not copied.
 */

#define FIXED_MIN 512
#define FIXED_MAX (4U << 20)

_Static_assert(FIXED_MIN > CONTENT_INLINE_BYTES,
    "a fixed chunk is never inline");

struct content_writer {
	struct writer *writer;   /* borrowed */
	struct chunker *chunker; /* NULL: fixed_bytes */
	uint32_t fixed_bytes;
	struct buf pending; /* of the chunk that has not ended */
	bool held;          /* it has, but the file may still be inline */
	uint64_t total_bytes;
	struct content_piece pieces[CONTENT_PIECES_MAX];
	size_t pieces_count;       /* more than that: all are in the list */
	struct content_list *list; /* made at first use */
};

static enum err_code
chunker_make(struct content_writer *cw, struct err *e)
{
	struct store *st = writer_session(cw->writer)->store;
	OWNED(secret_fini) struct secret key = {0};
	enum err_code rc;

	rc = keyring_subkey(st->keyring, NULL, KEYRING_CHUNKER, &key, e);
	if (rc != ERR_NONE)
		return rc;
	return chunker_new(&cw->chunker, &key, &st->geometry, e);
}

enum err_code
content_writer_new(struct content_writer **out, struct writer *w,
    enum chunking how, uint32_t fixed_bytes, struct err *e)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	enum err_code rc;

	*out = NULL;
	if (how == CHUNKING_FIXED &&
	    (fixed_bytes < FIXED_MIN || fixed_bytes > FIXED_MAX))
		return err_set(e, ERR_INPUT,
		    "fixed chunks of %u bytes: may be %u to %u", fixed_bytes,
		    FIXED_MIN, FIXED_MAX);
	if ((cw = calloc(1, sizeof *cw)) == NULL)
		return err_nomem(e);
	cw->writer = w;
	cw->fixed_bytes = fixed_bytes;
	if (how == CHUNKING_CUT && (rc = chunker_make(cw, e)) != ERR_NONE)
		return rc;
	*out = TAKE(cw);
	return ERR_NONE;
}

void
content_writer_free(struct content_writer **cwp)
{
	struct content_writer *cw = TAKE(*cwp);

	if (cw == NULL)
		return;
	chunker_free(&cw->chunker);
	content_list_free(&cw->list);
	buf_fini(&cw->pending);
	free(cw);
}

void
content_writer_reset(struct content_writer *cw)
{
	buf_clear(&cw->pending);
	cw->held = false;
	cw->total_bytes = 0;
	cw->pieces_count = 0;
	if (cw->chunker != NULL)
		chunker_reset(cw->chunker);
	if (cw->list != NULL)
		content_list_reset(cw->list);
}

/* The first pieces are kept; with one too many, all go into a list. */
static enum err_code
piece_add(struct content_writer *cw, const struct content_piece *piece,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (cw->pieces_count < CONTENT_PIECES_MAX) {
		cw->pieces[cw->pieces_count++] = *piece;
		return ERR_NONE;
	}
	if (cw->list == NULL &&
	    (rc = content_list_new(&cw->list, cw->writer, e)) != ERR_NONE)
		return rc;
	if (cw->pieces_count == CONTENT_PIECES_MAX)
		for (size_t i = 0; i < CONTENT_PIECES_MAX && rc == ERR_NONE;
		     i++)
			rc = content_list_add(cw->list, &cw->pieces[i], e);
	cw->pieces_count++;
	return rc == ERR_NONE ? content_list_add(cw->list, piece, e) : rc;
}

static enum err_code
chunk_put(struct content_writer *cw, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct content_piece piece = {.len_bytes = len_bytes};
	enum err_code rc;

	rc = writer_put(cw->writer, STORE_DATA, bytes, len_bytes, NULL, 0,
	    &piece.id, e);
	return rc == ERR_NONE ? piece_add(cw, &piece, e) : rc;
}

static enum err_code
pending_put(struct content_writer *cw, struct err *e)
{
	enum err_code rc =
	    chunk_put(cw, cw->pending.bytes, cw->pending.len_bytes, e);

	buf_clear(&cw->pending);
	cw->held = false;
	return rc;
}

static size_t
scan(struct content_writer *cw, const uint8_t *bytes, size_t len_bytes,
    bool *cut)
{
	size_t left;

	if (cw->chunker != NULL)
		return chunker_scan(cw->chunker, bytes, len_bytes, cut);
	left = cw->fixed_bytes - cw->pending.len_bytes;
	*cut = len_bytes >= left;
	return *cut ? left : len_bytes;
}

enum err_code
content_writer_add(struct content_writer *cw, const void *bytes,
    size_t len_bytes, struct err *e)
{
	const uint8_t *at = bytes;
	enum err_code rc = ERR_NONE;

	while (len_bytes > 0 && rc == ERR_NONE) {
		bool cut;
		size_t n;

		if (cw->held && (rc = pending_put(cw, e)) != ERR_NONE)
			return rc;
		n = scan(cw, at, len_bytes, &cut);
		cw->total_bytes += n;
		if (cut && cw->pending.len_bytes == 0 &&
		    cw->total_bytes > CONTENT_INLINE_BYTES) {
			rc = chunk_put(cw, at, n, e);
		} else {
			rc = buf_add(&cw->pending, at, n, e);
			cw->held = cut;
			if (rc == ERR_NONE && cut &&
			    cw->total_bytes > CONTENT_INLINE_BYTES)
				rc = pending_put(cw, e);
		}
		at += n;
		len_bytes -= n;
	}
	return rc;
}

static enum err_code
pieces_take(struct content_writer *cw, struct content *c, struct err *e)
{
	size_t count = cw->pieces_count;

	c->is_list = count > CONTENT_PIECES_MAX;
	c->pieces_count = c->is_list ? 1 : count;
	c->pieces = calloc(c->pieces_count, sizeof *c->pieces);
	if (c->pieces == NULL)
		return err_nomem(e);
	if (c->is_list)
		return content_list_end(cw->list, &c->pieces[0], e);
	memcpy(c->pieces, cw->pieces, count * sizeof *c->pieces);
	return ERR_NONE;
}

enum err_code
content_writer_end(struct content_writer *cw, struct content *out,
    struct err *e)
{
	OWNED(content_fini) struct content c = {.size_bytes = cw->total_bytes};
	enum err_code rc = ERR_NONE;

	memset(out, 0, sizeof *out);
	if (cw->total_bytes <= CONTENT_INLINE_BYTES) {
		rc = buf_add(&c.inlined, cw->pending.bytes,
		    cw->pending.len_bytes, e);
	} else {
		if (cw->pending.len_bytes > 0)
			rc = pending_put(cw, e);
		if (rc == ERR_NONE)
			rc = pieces_take(cw, &c, e);
	}
	if (rc != ERR_NONE)
		return rc;
	content_writer_reset(cw);
	*out = c;
	memset(&c, 0, sizeof c);
	return ERR_NONE;
}
