#include "segment_writer.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

/*
 * Written in small pieces: pages that were written together are mapped
 * together, and count as memory when a look-up needs one of them.
 */
#define FLUSH_BYTES ((size_t)64 << 10)
#define STEP_COUNT  4096 /* records read back at a time */

static enum err_code
wrap(const struct segment_writer *w, struct err *e)
{
	return err_wrap(e, "writing '%s/tmp/%s'", w->session->store->path,
	    w->temporary);
}

void
segment_writer_fini(struct segment_writer *w)
{
	if (w->temporary[0] != '\0') {
		fdio_close(&w->fd);
		unlinkat(w->session->store->tmp_fd, w->temporary, 0);
	}
	buf_fini(&w->out);
	memset(w, 0, sizeof(*w));
}

static enum err_code
flush(struct segment_writer *w, struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (w->out.len_bytes > 0)
		rc = fdio_pwrite(w->fd, w->out.bytes, w->out.len_bytes,
		    w->written_bytes, e);
	if (rc != ERR_NONE)
		return wrap(w, e);
	w->written_bytes += w->out.len_bytes;
	buf_clear(&w->out);
	return ERR_NONE;
}

static enum err_code
append(struct segment_writer *w, const void *bytes, size_t len_bytes,
    struct err *e)
{
	enum err_code rc = buf_add(&w->out, bytes, len_bytes, e);

	return rc == ERR_NONE && w->out.len_bytes >= FLUSH_BYTES ? flush(w, e)
								 : rc;
}

/* What stands before the records: of no count until the end. */
static enum err_code
put_begin(struct segment_writer *w, struct segment_shape *shape, struct err *e)
{
	uint8_t *at;
	enum err_code rc;

	segment_shape(shape, w->packs_count, w->records_count);
	rc = buf_extend(&w->out, shape->records_at, &at, e);
	if (rc == ERR_NONE)
		segment_put_begin(at, shape, w->session->store->family,
		    w->packs);
	return rc;
}

enum err_code
segment_writer_begin(struct segment_writer *w, struct session *se,
    const struct segment_pack *packs, size_t packs_count, struct err *e)
{
	struct store *st = se->store;
	struct segment_shape shape;
	char name[SESSION_TEMPORARY_BYTES];

	memset(w, 0, sizeof(*w));
	w->session = se;
	w->packs = packs;
	w->packs_count = (uint32_t)packs_count;
	w->out.max_bytes = SIZE_MAX / 2;
	if (packs_count > SEGMENT_PACKS_MAX)
		return err_set(e, ERR_INPUT, "too many packs for a segment");
	session_temporary(se, name);
	w->fd = fdio_open_beneath(st->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL,
	    0400);
	if (w->fd == -1)
		return err_sys(e, "cannot create '%s/tmp/%s'", st->path, name);
	memcpy(w->temporary, name, sizeof(name));
	return put_begin(w, &shape, e);
}

enum err_code
segment_writer_add(struct segment_writer *w,
    const uint8_t record[SEGMENT_RECORD_BYTES], struct err *e)
{
	int order = w->records_count == 0
	    ? -1
	    : segment_record_compare(w->last, record);

	if (order == 0)
		return ERR_NONE;
	if (order > 0)
		return err_set(e, ERR_CORRUPT, "records are out of order");
	if (w->records_count == SEGMENT_RECORDS_MAX)
		return err_set(e, ERR_INPUT, "too many records for a segment");
	memcpy(w->last, record, sizeof(w->last));
	w->records_count++;
	return append(w, record, SEGMENT_RECORD_BYTES, e);
}

/* --- the end --------------------------------------------------------------- */

struct ending {
	struct segment_shape shape;
	struct hash *hash;
	uint8_t *bytes; /* room for STEP_COUNT records */
	uint8_t *table;
	struct segment_fanout fanout;
};

static void
ending_fini(struct ending *en)
{
	hash_free(&en->hash);
	free(en->bytes);
	free(en->table);
}

static enum err_code
ending_begin(struct ending *en, struct segment_writer *w, struct err *e)
{
	enum err_code rc = flush(w, e);
	uint64_t end = w->written_bytes;

	/* Now that the count is known: once more. */
	w->written_bytes = 0;
	if (rc == ERR_NONE)
		rc = put_begin(w, &en->shape, e);
	if (rc == ERR_NONE)
		rc = flush(w, e);
	if (rc != ERR_NONE)
		return rc;
	w->written_bytes = end;
	ASSERT(end == en->shape.prints_at);
	en->bytes = calloc(STEP_COUNT, SEGMENT_RECORD_BYTES);
	en->table = calloc(en->shape.size_bytes - en->shape.fanout_at, 1);
	if (en->bytes == NULL || en->table == NULL)
		return err_nomem(e);
	en->fanout = (struct segment_fanout){.at = en->table,
	    .bits = en->shape.fanout_bits};
	return hash_begin(&en->hash, e);
}

static enum err_code
read_back(struct ending *en, const struct segment_writer *w, uint64_t at,
    size_t len_bytes, struct err *e)
{
	enum err_code rc = fdio_pread(w->fd, en->bytes, len_bytes, at, e);

	if (rc != ERR_NONE)
		return wrap(w, e);
	hash_add(en->hash, en->bytes, len_bytes);
	return ERR_NONE;
}

/* Bytes from at to end into the hash. */
static enum err_code
hash_range(struct ending *en, const struct segment_writer *w, uint64_t at,
    uint64_t end, struct err *e)
{
	const size_t most = (size_t)STEP_COUNT * SEGMENT_RECORD_BYTES;
	enum err_code rc = ERR_NONE;

	while (rc == ERR_NONE && at < end) {
		size_t n = end - at < most ? (size_t)(end - at) : most;

		rc = read_back(en, w, at, n, e);
		at += n;
	}
	return rc;
}

/* The records into the hash, what the columns have of them to their place. */
static enum err_code
put_prints(struct ending *en, struct segment_writer *w, struct err *e)
{
	enum err_code rc = ERR_NONE;
	uint64_t i = 0;

	while (rc == ERR_NONE && i < w->records_count) {
		const uint64_t left = w->records_count - i;
		const size_t n = left < STEP_COUNT ? (size_t)left : STEP_COUNT;

		rc = read_back(en, w,
		    en->shape.records_at + i * SEGMENT_RECORD_BYTES,
		    n * SEGMENT_RECORD_BYTES, e);
		for (size_t k = 0; rc == ERR_NONE && k < n; k++) {
			const uint8_t *id =
			    en->bytes + k * SEGMENT_RECORD_BYTES;

			segment_fanout_add(&en->fanout, id, i + k);
			rc = append(w, segment_print(id), SEGMENT_PRINT_BYTES,
			    e);
		}
		i += n;
	}
	segment_fanout_end(&en->fanout, w->records_count);
	return rc;
}

static enum err_code
put_fanout(struct ending *en, struct segment_writer *w, struct err *e)
{
	static const uint8_t zeros[4];
	const size_t fill_bytes = en->shape.fanout_at -
	    (en->shape.prints_at + w->records_count * SEGMENT_PRINT_BYTES);
	const size_t table_bytes = en->shape.size_bytes - en->shape.fanout_at;
	enum err_code rc = append(w, zeros, fill_bytes, e);

	if (rc == ERR_NONE)
		rc = flush(w, e);
	if (rc == ERR_NONE)
		rc =
		    hash_range(en, w, en->shape.prints_at, w->written_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	hash_add(en->hash, en->table, table_bytes);
	rc = fdio_pwrite(w->fd, en->table, table_bytes, w->written_bytes, e);
	return rc == ERR_NONE ? rc : wrap(w, e);
}

enum err_code
segment_writer_end(struct segment_writer *w, struct manifest_segment *out,
    struct err *e)
{
	OWNED(ending_fini) struct ending en = {0};
	struct repo_file f = {.dirfd = w->session->store->index_fd,
	    .what = "index",
	    .mends = true};
	enum err_code rc = ending_begin(&en, w, e);

	if (rc == ERR_NONE)
		rc = hash_range(&en, w, 0, en.shape.records_at, e);
	if (rc == ERR_NONE)
		rc = put_prints(&en, w, e);
	if (rc == ERR_NONE)
		rc = put_fanout(&en, w, e);
	if (rc != ERR_NONE)
		return rc;
	hash_end(en.hash, &out->name);
	out->size_bytes = en.shape.size_bytes;
	out->records_count = w->records_count;
	rc = repo_publish_written(w->session, w->temporary, w->fd, &f,
	    &out->name, e);
	w->temporary[0] = '\0';
	fdio_close(&w->fd);
	return rc == ERR_EXISTS ? ERR_NONE : rc;
}

/* --- all at once ------------------------------------------------------------ */

static enum err_code
publish_small(struct session *se, struct segment_parts *parts,
    struct manifest_segment *out, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	struct repo_file f = {.dirfd = se->store->index_fd,
	    .what = "index",
	    .mends = true};
	enum err_code rc = segment_encode(parts, se->store->family, &b, e);

	if (rc != ERR_NONE)
		return rc;
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	out->size_bytes = b.len_bytes;
	out->records_count = parts->records_count;
	rc = repo_publish_hashed(se, &f, &out->name, e);
	return rc == ERR_EXISTS ? ERR_NONE : rc;
}

enum err_code
segment_writer_publish(struct session *se, struct segment_parts *parts,
    struct manifest_segment *out, struct err *e)
{
	OWNED(segment_writer_fini) struct segment_writer w = {0};
	enum err_code rc;

	if (parts->records_count * SEGMENT_RECORD_BYTES <= SEGMENT_MAPPED_BYTES)
		return publish_small(se, parts, out, e);
	rc = segment_encode_sort(parts, e);
	if (rc == ERR_NONE)
		rc = segment_writer_begin(&w, se, parts->packs,
		    parts->packs_count, e);
	for (size_t i = 0; rc == ERR_NONE && i < parts->records_count; i++)
		rc = segment_writer_add(&w,
		    parts->records + i * SEGMENT_RECORD_BYTES, e);
	return rc == ERR_NONE ? segment_writer_end(&w, out, e) : rc;
}
