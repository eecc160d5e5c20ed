#include <string.h>

#include "content_cutter.h"
#include "content_list.h"
#include "frame.h"
#include "previous.h"

/*
 * A file's bytes are held back until they are known not to be few enough to
 * stand inline; a chunk that lies whole in what was added is not copied.
 *
 * Where the earlier version is known and the chunk before was in it, the next
 * one is first taken to be the old one: if its bytes have the old one's id the
 * chunker would have cut there too, and need not look.
 */

#define DELTA_MIN 4096 /* smaller chunks compress better with others */

struct content_writer {
	struct writer *writer; /* borrowed */
	struct content_cutter *cutter;
	enum chunking how;
	uint32_t fixed_bytes;
	struct buf pending; /* of the chunk that has not ended */
	bool held;          /* it has, but the file may still be inline */
	bool ends;          /* what is being added is the file's last */
	uint64_t total_bytes;
	struct content_piece pieces[CONTENT_PIECES_MAX];
	size_t pieces_count;       /* more than that: all are in the list */
	struct content_list *list; /* made at first use */
	/* the earlier version */
	struct previous *previous; /* made at first use */
	struct buf ahead;          /* what may be the old chunk `expected` */
	uint64_t expected_bytes;
	struct id expected;
	const struct content_name *names; /* of some of what is being added */
	size_t names_count;
	uint64_t since_bytes; /* new ones, since the last old chunk met */
	uint64_t run_from_bytes, run_bytes; /* of these: changed chunks */
};

enum err_code
content_writer_new(struct content_writer **out, struct writer *w,
    enum chunking how, uint32_t fixed_bytes, struct err *e)
{
	OWNED(content_writer_free) struct content_writer *cw = NULL;
	enum err_code rc;

	*out = NULL;
	if ((cw = calloc(1, sizeof *cw)) == NULL)
		return err_nomem(e);
	cw->writer = w;
	cw->how = how;
	cw->fixed_bytes = fixed_bytes;
	rc = content_cutter_make(&cw->cutter, writer_session(w)->store, how,
	    fixed_bytes, e);
	if (rc != ERR_NONE)
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
	content_cutter_free(&cw->cutter);
	content_list_free(&cw->list);
	previous_free(&cw->previous);
	buf_fini(&cw->pending);
	buf_fini(&cw->ahead);
	free(cw);
}

void
content_writer_reset(struct content_writer *cw)
{
	buf_clear(&cw->pending);
	cw->held = cw->ends = false;
	cw->total_bytes = 0;
	cw->pieces_count = 0;
	buf_clear(&cw->ahead);
	cw->expected_bytes = 0;
	cw->names_count = 0;
	cw->since_bytes = cw->run_from_bytes = cw->run_bytes = 0;
	if (cw->previous != NULL)
		previous_begin(cw->previous, NULL);
	content_cutter_reset(cw->cutter);
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

/* --- the earlier version --------------------------------------------------- */

void
content_writer_previous(struct content_writer *cw,
    const struct content *previous)
{
	struct err e;

	if (cw->previous == NULL &&
	    (previous == NULL || previous->pieces_count == 0))
		return;
	if (cw->previous == NULL &&
	    previous_new(&cw->previous, cw->writer, &e) != ERR_NONE)
		return;
	previous_begin(cw->previous, previous);
}

static bool
is_known(const struct content_writer *cw)
{
	return cw->previous != NULL && previous_is_known(cw->previous);
}

/* The id of a chunk: somebody may have named it already. */
static void
name(struct content_writer *cw, uint64_t at_bytes, const void *bytes,
    struct content_piece *piece)
{
	while (cw->names_count > 0 && cw->names->at_bytes < at_bytes) {
		cw->names++;
		cw->names_count--;
	}
	if (cw->names_count > 0 && cw->names->at_bytes == at_bytes &&
	    cw->names->len_bytes == piece->len_bytes)
		piece->id = cw->names->id;
	else
		writer_name(cw->writer, bytes, (size_t)piece->len_bytes,
		    &piece->id);
}

/* The changed chunks put so far: what they are differences from. */
static enum err_code
run_end(struct content_writer *cw, bool met, struct err *e)
{
	struct id bases[FRAME_BASES_MAX];
	size_t count;

	if (cw->run_bytes == 0)
		return ERR_NONE;
	count = previous_between(cw->previous, cw->run_from_bytes,
	    cw->since_bytes, met, bases, FRAME_BASES_MAX);
	cw->run_bytes = 0;
	return writer_changed_from(cw->writer, bases, count, e);
}

static enum err_code
changed_put(struct content_writer *cw, const struct content_piece *piece,
    const void *bytes, struct err *e)
{
	const uint32_t target_bytes =
	    frame_delta_bytes(&writer_session(cw->writer)->store->geometry);
	enum err_code rc = ERR_NONE;

	if (cw->run_bytes + piece->len_bytes > target_bytes)
		rc = run_end(cw, false, e);
	if (cw->run_bytes == 0)
		cw->run_from_bytes = cw->since_bytes;
	cw->run_bytes += piece->len_bytes;
	return rc == ERR_NONE ? writer_put_changed(cw->writer, &piece->id,
				    bytes, (size_t)piece->len_bytes, e)
			      : rc;
}

/* A chunk of a file whose earlier version is known. */
static enum err_code
version_put(struct content_writer *cw, const struct content_piece *piece,
    const void *bytes, struct err *e)
{
	bool met = previous_meet(cw->previous, &piece->id, piece->len_bytes);
	bool changed = !met && piece->len_bytes >= DELTA_MIN &&
	    !writer_has(cw->writer, &piece->id);
	enum err_code rc = met ? run_end(cw, true, e) : ERR_NONE;

	if (rc == ERR_NONE)
		rc = changed ? changed_put(cw, piece, bytes, e)
			     : writer_put_named(cw->writer, &piece->id, bytes,
				   (size_t)piece->len_bytes, e);
	cw->since_bytes = met ? 0 : cw->since_bytes + piece->len_bytes;
	return rc;
}

/* --- cutting --------------------------------------------------------------- */

static enum err_code
chunk_put(struct content_writer *cw, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct content_piece piece = {.len_bytes = len_bytes};
	enum err_code rc;

	if (is_known(cw)) {
		name(cw, cw->total_bytes - len_bytes, bytes, &piece);
		rc = version_put(cw, &piece, bytes, e);
	} else {
		rc = writer_put(cw->writer, STORE_DATA, bytes, len_bytes, NULL,
		    0, &piece.id, e);
	}
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

/* Of these bytes those up to the end of the current chunk.  ends: with them. */
static enum err_code
step(struct content_writer *cw, const uint8_t *at, size_t len_bytes, bool ends,
    size_t *used_bytes, struct err *e)
{
	enum err_code rc;
	bool cut;
	size_t n;

	*used_bytes = 0;
	if (cw->held && (rc = pending_put(cw, e)) != ERR_NONE)
		return rc;
	n = *used_bytes = content_cutter_scan(cw->cutter, at, len_bytes, &cut);
	cut = cut || (ends && n == len_bytes);
	cw->total_bytes += n;
	if (cut && cw->pending.len_bytes == 0 &&
	    cw->total_bytes > CONTENT_INLINE_BYTES)
		return chunk_put(cw, at, n, e);
	rc = buf_add(&cw->pending, at, n, e);
	cw->held = cut;
	if (rc == ERR_NONE && cut && cw->total_bytes > CONTENT_INLINE_BYTES)
		rc = pending_put(cw, e);
	return rc;
}

static enum err_code
steps(struct content_writer *cw, const uint8_t *at, size_t len_bytes,
    struct err *e)
{
	enum err_code rc = ERR_NONE;
	size_t n;

	for (; len_bytes > 0 && rc == ERR_NONE; at += n, len_bytes -= n)
		rc = step(cw, at, len_bytes, false, &n, e);
	return rc;
}

/* All bytes that may be the expected chunk are there: are they? */
static enum err_code
expected_put(struct content_writer *cw, const uint8_t *at, struct err *e)
{
	struct content_piece piece = {.len_bytes = cw->expected_bytes};
	enum err_code rc;

	cw->expected_bytes = 0;
	name(cw, cw->total_bytes, at, &piece);
	if (!id_equal(&piece.id, &cw->expected))
		return steps(cw, at, (size_t)piece.len_bytes, e);
	cw->total_bytes += piece.len_bytes;
	rc = version_put(cw, &piece, at, e);
	return rc == ERR_NONE ? piece_add(cw, &piece, e) : rc;
}

/* Of these bytes those up to the end of the expected chunk. */
static enum err_code
expected_step(struct content_writer *cw, const uint8_t *at, size_t len_bytes,
    size_t *used_bytes, struct err *e)
{
	size_t left = (size_t)cw->expected_bytes - cw->ahead.len_bytes;
	size_t n = len_bytes < left ? len_bytes : left;
	enum err_code rc;

	*used_bytes = n;
	if (n == cw->expected_bytes)
		return expected_put(cw, at, e);
	rc = buf_add(&cw->ahead, at, n, e);
	if (rc != ERR_NONE || n < left)
		return rc;
	rc = expected_put(cw, cw->ahead.bytes, e);
	buf_clear(&cw->ahead);
	return rc;
}

/* At a chunk's begin: what should come, if the file is as it was. */
static void
expect(struct content_writer *cw)
{
	if (cw->expected_bytes != 0 || cw->held || cw->pending.len_bytes > 0 ||
	    !is_known(cw))
		return;
	cw->expected_bytes = previous_expect(cw->previous, &cw->expected);
	if (cw->expected_bytes <= CONTENT_INLINE_BYTES ||
	    cw->expected_bytes > FRAME_RAW_MAX / 2)
		cw->expected_bytes = 0;
}

enum err_code
content_writer_add(struct content_writer *cw, const void *bytes,
    size_t len_bytes, struct err *e)
{
	const uint8_t *at = bytes;
	enum err_code rc = ERR_NONE;
	size_t n;

	for (; len_bytes > 0 && rc == ERR_NONE; at += n, len_bytes -= n) {
		expect(cw);
		rc = cw->expected_bytes > 0
		    ? expected_step(cw, at, len_bytes, &n, e)
		    : step(cw, at, len_bytes, cw->ends, &n, e);
	}
	return rc;
}

enum err_code
content_writer_add_named(struct content_writer *cw, const void *bytes,
    size_t len_bytes, const struct content_name *names, size_t names_count,
    struct err *e)
{
	enum err_code rc;

	cw->names = names;
	cw->names_count = names_count;
	rc = content_writer_add(cw, bytes, len_bytes, e);
	cw->names_count = 0;
	return rc;
}

size_t
content_writer_foresee(const struct content_writer *cw, uint64_t at_bytes,
    uint64_t len_bytes, struct content_name *out, size_t max)
{
	return is_known(cw) ? previous_foresee(cw->previous,
				  cw->total_bytes - cw->pending.len_bytes,
				  at_bytes, len_bytes, out, max)
			    : 0;
}

bool
content_writer_is_new(const struct content_writer *cw)
{
	return !is_known(cw);
}

enum err_code
content_writer_cutter(struct content_cutter **out,
    const struct content_writer *cw, struct err *e)
{
	return content_cutter_make(out, writer_session(cw->writer)->store,
	    cw->how, cw->fixed_bytes, e);
}

/* One chunk that somebody cut and named. */
static enum err_code
cut_put(struct content_writer *cw, const void *bytes,
    const struct content_name *name, struct err *e)
{
	const struct content_piece piece = {name->id, name->len_bytes};
	size_t n = (size_t)name->len_bytes;
	enum err_code rc = cw->held ? pending_put(cw, e) : ERR_NONE;

	ASSERT(name->at_bytes == cw->total_bytes && n > 0);
	if (rc != ERR_NONE)
		return rc;
	/* It may be the whole file. */
	if (cw->total_bytes + n <= CONTENT_INLINE_BYTES)
		return content_writer_add(cw, bytes, n, e);
	cw->total_bytes += n;
	rc = is_known(cw)
	    ? version_put(cw, &piece, bytes, e)
	    : writer_put_named(cw->writer, &piece.id, bytes, n, e);
	return rc == ERR_NONE ? piece_add(cw, &piece, e) : rc;
}

enum err_code
content_writer_add_cut(struct content_writer *cw, const void *bytes,
    const struct content_name *names, size_t names_count, struct err *e)
{
	const uint8_t *at = bytes;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; i < names_count && rc == ERR_NONE; i++) {
		rc = cut_put(cw, at, &names[i], e);
		at += names[i].len_bytes;
	}
	return rc;
}

struct content_namer {
	struct hash_key *key;
};

enum err_code
content_writer_namer(struct content_namer **out,
    const struct content_writer *cw, struct err *e)
{
	OWNED(content_writer_namer_free)
	struct content_namer *n = calloc(1, sizeof(*n));
	enum err_code rc;

	*out = NULL;
	if (n == NULL)
		return err_nomem(e);
	rc = keyring_id_key(writer_session(cw->writer)->store->keyring, NULL,
	    KEYRING_ID_DATA, &n->key, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(n);
	return ERR_NONE;
}

void
content_writer_namer_free(struct content_namer **np)
{
	struct content_namer *n = TAKE(*np);

	if (n != NULL)
		hash_key_free(&n->key);
	free(n);
}

void
content_writer_name(struct content_namer *n, struct content_name *name,
    const void *bytes)
{
	hash_id(n->key, bytes, (size_t)name->len_bytes, &name->id);
}

/* The file ended within what might have been the expected chunk. */
static enum err_code
ahead_put(struct content_writer *cw, struct err *e)
{
	enum err_code rc = steps(cw, cw->ahead.bytes, cw->ahead.len_bytes, e);

	buf_clear(&cw->ahead);
	cw->expected_bytes = 0;
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
	OWNED(content_fini) struct content c = {0};
	enum err_code rc = ahead_put(cw, e);

	memset(out, 0, sizeof *out);
	if (rc != ERR_NONE)
		return rc;
	c.size_bytes = cw->total_bytes;
	if (cw->total_bytes <= CONTENT_INLINE_BYTES) {
		rc = buf_add(&c.inlined, cw->pending.bytes,
		    cw->pending.len_bytes, e);
	} else {
		if (cw->pending.len_bytes > 0)
			rc = pending_put(cw, e);
		if (rc == ERR_NONE)
			rc = run_end(cw, false, e);
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

enum err_code
content_writer_last(struct content_writer *cw, const void *bytes,
    size_t len_bytes, struct content *out, struct err *e)
{
	enum err_code rc;

	cw->ends = true;
	rc = content_writer_add(cw, bytes, len_bytes, e);
	return rc == ERR_NONE ? content_writer_end(cw, out, e) : rc;
}
