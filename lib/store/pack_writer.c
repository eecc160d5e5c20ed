#include "pack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

/* The footer of such a pack still fits below PACK_BYTES_MAX. */
#define CHUNKS_FULL 262144
#define FRAMES_FULL 16384

struct pack_writer {
	struct store *store;
	char temporary[PACK_TEMPORARY_SIZE]; /* "" once it is the caller's */
	int fd;
	bool metadata;
	uint64_t size_bytes;
	uint32_t frames_count, chunks_count;
	struct hash *whole;
	struct buf frames, ids, marks;
};

void
pack_writer_free(struct pack_writer **pwp)
{
	struct pack_writer *pw = TAKE(*pwp);

	if (pw == NULL)
		return;
	fdio_close(&pw->fd);
	if (pw->temporary[0] != '\0')
		unlinkat(pw->store->tmp_fd, pw->temporary, 0);
	hash_free(&pw->whole);
	buf_fini(&pw->frames);
	buf_fini(&pw->ids);
	buf_fini(&pw->marks);
	free(pw);
}

/* All that the pack's name covers. */
static enum err_code
append(struct pack_writer *pw, const void *bytes, size_t len_bytes,
    struct err *e)
{
	enum err_code rc = fdio_write(pw->fd, bytes, len_bytes, e);

	if (rc != ERR_NONE)
		return err_wrap(e, "writing '%s/tmp/%s'", pw->store->path,
		    pw->temporary);
	pw->size_bytes += len_bytes;
	hash_add(pw->whole, bytes, len_bytes);
	return ERR_NONE;
}

enum err_code
pack_writer_new(struct pack_writer **out, struct store *st,
    const char *temporary, bool metadata, struct err *e)
{
	OWNED(pack_writer_free) struct pack_writer *pw = NULL;
	uint8_t head[HEAD_BYTES];
	enum err_code rc;

	*out = NULL;
	pw = calloc(1, sizeof(*pw));
	if (pw == NULL)
		return err_nomem(e);
	pw->fd = -1;
	pw->store = st;
	pw->metadata = metadata;
	rc = hash_begin(&pw->whole, e);
	if (rc != ERR_NONE)
		return rc;
	pw->fd = fdio_open_beneath(st->tmp_fd, temporary,
	    O_WRONLY | O_CREAT | O_EXCL, 0400);
	if (pw->fd == -1)
		return err_sys(e, "cannot create '%s/tmp/%s'", st->path,
		    temporary);
	snprintf(pw->temporary, sizeof(pw->temporary), "%s", temporary);
	head_put(head, HEAD_PACK, st->family);
	rc = append(pw, head, sizeof(head), e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(pw);
	return ERR_NONE;
}

uint64_t
pack_writer_bytes(const struct pack_writer *pw)
{
	return pw->size_bytes;
}

bool
pack_writer_is_full(const struct pack_writer *pw, uint64_t target_bytes)
{
	return pw->size_bytes >= target_bytes ||
	    pw->chunks_count >= CHUNKS_FULL || pw->frames_count >= FRAMES_FULL;
}

enum err_code
pack_writer_add(struct pack_writer *pw, const struct pack_piece *piece,
    struct err *e)
{
	uint8_t *row;
	enum err_code rc;

	ASSERT(pw->metadata == (piece->kind != STORE_DATA));
	rc = buf_extend(&pw->frames, PACK_FRAME_BYTES, &row, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy(row, piece->hash->id.bytes, ID_BYTES);
	le_put64(row + 32, pw->size_bytes);
	le_put32(row + 40, (uint32_t)piece->len_bytes);
	le_put32(row + 44, pw->chunks_count);
	le_put32(row + 48, piece->ids_count);
	row[52] = (uint8_t)piece->kind;
	row[53] = piece->depth;
	le_put16(row + 54, piece->key);
	rc = buf_add(&pw->ids, piece->ids, (size_t)piece->ids_count * ID_BYTES,
	    e);
	if (rc == ERR_NONE)
		rc = buf_add(&pw->marks, piece->hash->marks,
		    frame_hash_marks(piece->len_bytes) *
			(size_t)FRAME_MARK_BYTES,
		    e);
	if (rc == ERR_NONE)
		rc = append(pw, piece->bytes, piece->len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	pw->frames_count++;
	pw->chunks_count += piece->ids_count;
	return ERR_NONE;
}

static enum err_code
add_keys(struct buf *out, const struct pack_keys *keys, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (uint32_t i = 0; rc == ERR_NONE && i < keys->count; i++) {
		const struct pack_key *key = &keys->keys[i];

		rc = buf_add(out, key->key_id.bytes, ID_BYTES, e);
		if (rc == ERR_NONE)
			rc = buf_add(out, key->domain.bytes, ID_BYTES, e);
		if (rc == ERR_NONE)
			rc = le_add_bytes(out, key->stanzas, key->stanzas_bytes,
			    e);
	}
	return rc;
}

static enum err_code
build_footer(struct pack_writer *pw, const struct pack_keys *keys,
    struct buf *out, struct err *e)
{
	const struct buf *marks = &pw->marks;
	enum err_code rc = le_add32(out, pw->frames_count, e);

	if (rc == ERR_NONE)
		rc = le_add32(out, pw->chunks_count, e);
	if (rc == ERR_NONE)
		rc = le_add32(out, keys->count, e);
	if (rc == ERR_NONE)
		rc = le_add32(out,
		    (uint32_t)(marks->len_bytes / FRAME_MARK_BYTES), e);
	if (rc == ERR_NONE)
		rc = buf_add(out, pw->frames.bytes, pw->frames.len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, pw->ids.bytes, pw->ids.len_bytes, e);
	if (rc == ERR_NONE)
		rc = add_keys(out, keys, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, marks->bytes, marks->len_bytes, e);
	return rc;
}

static enum err_code
add_tail(struct buf *footer, struct err *e)
{
	struct id hash;
	uint32_t len = (uint32_t)footer->len_bytes;
	enum err_code rc =
	    hash_sha256(footer->bytes, footer->len_bytes, &hash, e);

	if (rc == ERR_NONE)
		rc = le_add32(footer, len, e);
	if (rc == ERR_NONE)
		rc = buf_add(footer, hash.bytes, ID_BYTES, e);
	return rc;
}

enum err_code
pack_writer_end(struct pack_writer **pwp, const struct pack_key *key,
    struct buf *footer, struct pack_done *out, struct err *e)
{
	const struct pack_keys keys = {key, 1};

	return pack_writer_end_keys(pwp, &keys, footer, out, e);
}

enum err_code
pack_writer_end_keys(struct pack_writer **pwp, const struct pack_keys *keys,
    struct buf *footer, struct pack_done *out, struct err *e)
{
	OWNED(pack_writer_free) struct pack_writer *pw = TAKE(*pwp);
	enum err_code rc;

	buf_clear(footer);
	rc = build_footer(pw, keys, footer, e);

	if (rc == ERR_NONE)
		rc = add_tail(footer, e);
	if (rc != ERR_NONE)
		return rc;
	if (pw->size_bytes + footer->len_bytes > PACK_BYTES_MAX)
		return err_set(e, ERR_INPUT, "a pack of more than %llu bytes",
		    (unsigned long long)PACK_BYTES_MAX);
	rc = append(pw, footer->bytes, footer->len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	hash_end(pw->whole, &out->name);
	out->size_bytes = pw->size_bytes;
	out->metadata = pw->metadata;
	/* Let the disk begin now; whether it succeeds, the flush will say. */
	(void)sync_file_range(pw->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	memcpy(out->temporary, pw->temporary, sizeof(out->temporary));
	pw->temporary[0] = '\0';
	out->fd = pw->fd;
	pw->fd = -1;
	return ERR_NONE;
}
