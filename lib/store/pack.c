#include "pack.h"
#include "grants.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <bascule/base/fdio.h>
#include <bascule/base/le.h>

#define COUNTS_BYTES 16
#define KEY_ROW_MIN  (2 * ID_BYTES + 4)

const char *
pack_path(const struct id *name, char out[PACK_PATH_BYTES])
{
	char hex[ID_HEX_BYTES];

	id_hex(name, hex);
	snprintf(out, PACK_PATH_BYTES, "%.2s/%s", hex, hex);
	return out;
}

void
pack_close(struct pack *pk)
{
	fdio_close(&pk->fd);
}

/* Do the counts fit into the footer, and the footer into the file? */
static bool
counts_fit(const struct pack *pk)
{
	uint64_t need = COUNTS_BYTES +
	    (uint64_t)pk->frames_count * PACK_FRAME_BYTES +
	    (uint64_t)pk->chunks_count * ID_BYTES +
	    (uint64_t)pk->keys_count * KEY_ROW_MIN +
	    (uint64_t)pk->marks_count * FRAME_MARK_BYTES;

	return pk->frames_count <= PACK_FRAMES_MAX &&
	    pk->chunks_count <= PACK_CHUNKS_MAX &&
	    pk->keys_count <= PACK_KEYS_MAX &&
	    pk->marks_count <= PACK_MARKS_MAX && need <= pk->footer_bytes;
}

static enum err_code
read_tail(struct pack *pk, struct err *e)
{
	uint8_t tail[PACK_TAIL_BYTES], counts[COUNTS_BYTES];
	enum err_code rc = fdio_pread(pk->fd, tail, sizeof(tail),
	    pk->size_bytes - PACK_TAIL_BYTES, e);

	if (rc != ERR_NONE)
		return rc;
	pk->footer_bytes = le_get32(tail);
	memcpy(pk->footer_hash.bytes, tail + 4, ID_BYTES);
	if (pk->footer_bytes < COUNTS_BYTES ||
	    pk->footer_bytes > pk->size_bytes - PACK_TAIL_BYTES - HEAD_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "a footer of %u bytes does not fit", pk->footer_bytes);
	pk->footer_at = pk->size_bytes - PACK_TAIL_BYTES - pk->footer_bytes;
	rc = fdio_pread(pk->fd, counts, sizeof(counts), pk->footer_at, e);
	if (rc != ERR_NONE)
		return rc;
	pk->frames_count = le_get32(counts);
	pk->chunks_count = le_get32(counts + 4);
	pk->keys_count = le_get32(counts + 8);
	pk->marks_count = le_get32(counts + 12);
	if (!counts_fit(pk))
		return err_set(e, ERR_CORRUPT, "the footer's counts are wrong");
	return ERR_NONE;
}

/*
 * A head that says it is newer is believed when the file hashes to its name,
 * and not by itself: that may be a flipped bit, and the frames behind it whole.
 */
static enum err_code
refuse_newer(const struct pack *pk, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	uint8_t head[HEAD_BYTES];
	struct id name, hash;
	struct err newer = {0};

	if (slash == NULL || !id_parse(slash + 1, &name) ||
	    pk->size_bytes < HEAD_BYTES || pk->size_bytes > PACK_BYTES_MAX ||
	    fdio_pread(pk->fd, head, HEAD_BYTES, 0, e) != ERR_NONE ||
	    head_check(head, HEAD_BYTES, HEAD_PACK, NULL, &newer) !=
		ERR_TOONEW ||
	    hash_file(pk->fd, pk->size_bytes, &hash, e) != ERR_NONE ||
	    !id_equal(&hash, &name))
		return ERR_NONE; /* whatever it is, it will show */
	*e = newer;
	return err_wrap(e, "'%s'", path);
}

static bool
size_fits(uint64_t size_bytes)
{
	return size_bytes >= HEAD_BYTES + COUNTS_BYTES + PACK_TAIL_BYTES &&
	    size_bytes <= PACK_BYTES_MAX;
}

enum err_code
pack_open(struct pack *out, int dirfd, const char *path, uint64_t size_bytes,
    struct err *e)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	enum err_code rc;

	*out = pk;
	rc = repo_open_file(&pk.fd, &pk.size_bytes, dirfd, path, e);
	if (rc == ERR_NONE)
		rc = refuse_newer(&pk, path, e);
	if (rc != ERR_NONE)
		return rc;
	if (!size_fits(pk.size_bytes) ||
	    (size_bytes != 0 && pk.size_bytes != size_bytes))
		return err_set(e, ERR_CORRUPT,
		    "'%s' is %llu bytes long, not %llu", path,
		    (unsigned long long)pk.size_bytes,
		    (unsigned long long)size_bytes);
	rc = read_tail(&pk, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "'%s'", path);
	*out = pk;
	pk.fd = -1;
	return ERR_NONE;
}

enum err_code
pack_open_fd(struct pack *out, int fd, struct err *e)
{
	struct stat sb;

	*out = (struct pack){.fd = fd};
	if (fstat(fd, &sb) != 0)
		return err_sys(e, "cannot look at a pack");
	out->size_bytes = (uint64_t)sb.st_size;
	if (!size_fits(out->size_bytes))
		return err_set(e, ERR_CORRUPT, "no pack is %llu bytes long",
		    (unsigned long long)out->size_bytes);
	return read_tail(out, e);
}

static void
get_frame(const uint8_t *at, struct pack_frame *out)
{
	memcpy(out->hash.bytes, at, ID_BYTES);
	out->offset_bytes = le_get64(at + 32);
	out->len_bytes = le_get32(at + 40);
	out->first_chunk = le_get32(at + 44);
	out->chunks_count = le_get32(at + 48);
	out->kind = at[52];
	out->depth = at[53];
	out->key = le_get16(at + 54);
}

enum err_code
pack_frame_at(const struct pack *pk, uint32_t ordinal, struct pack_frame *out,
    struct err *e)
{
	uint8_t row[PACK_FRAME_BYTES];
	enum err_code rc;

	if (ordinal >= pk->frames_count)
		return err_set(e, ERR_CORRUPT, "it has %u frames, no frame %u",
		    pk->frames_count, ordinal);
	rc = fdio_pread(pk->fd, row, sizeof(row),
	    pk->footer_at + COUNTS_BYTES + (uint64_t)ordinal * PACK_FRAME_BYTES,
	    e);
	if (rc != ERR_NONE)
		return rc;
	get_frame(row, out);
	if (out->offset_bytes < HEAD_BYTES ||
	    out->offset_bytes > pk->footer_at ||
	    out->len_bytes > pk->footer_at - out->offset_bytes ||
	    out->len_bytes > FRAME_BYTES_MAX ||
	    out->len_bytes < FRAME_FIXED_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "the footer puts frame %u out of bounds", ordinal);
	return ERR_NONE;
}

/* --- The footer as a whole ----------------------------------------------- */

void
pack_footer_fini(struct pack_footer *f)
{
	buf_fini(&f->bytes);
	memset(f, 0, sizeof(*f));
}

void
pack_footer_frame(const struct pack_footer *f, uint32_t ordinal,
    struct pack_frame *out)
{
	ASSERT(ordinal < f->frames_count);
	get_frame(f->frames + (size_t)ordinal * PACK_FRAME_BYTES, out);
}

bool
pack_footer_key(const struct pack_footer *f, uint32_t ordinal,
    struct pack_key_row *out)
{
	struct le_reader r;

	if (ordinal >= f->keys_count)
		return false;
	le_init(&r, f->keys, f->keys_bytes);
	for (uint32_t i = 0; i <= ordinal; i++) {
		const uint8_t *key_id = le_take(&r, ID_BYTES);
		const uint8_t *domain = le_take(&r, ID_BYTES);

		out->stanzas =
		    le_take_bytes(&r, PACK_STANZAS_MAX, &out->stanzas_bytes);
		if (r.bad)
			return false;
		memcpy(out->key_id.bytes, key_id, ID_BYTES);
		memcpy(out->domain.bytes, domain, ID_BYTES);
	}
	return true;
}

/* Frames fill the file from the head to the footer, chunks the id table. */
static enum err_code
check_table(const struct pack_footer *f, uint64_t footer_at, struct err *e)
{
	uint64_t offset = HEAD_BYTES, chunks = 0, marks = 0;
	bool metadata = false;

	for (uint32_t i = 0; i < f->frames_count; i++) {
		struct pack_frame fr;

		pack_footer_frame(f, i, &fr);
		if (fr.kind < STORE_DATA || fr.kind > STORE_RECORDS ||
		    fr.depth > FRAME_DEPTH_MAX || fr.key >= f->keys_count)
			return err_set(e, ERR_CORRUPT,
			    "the footer's row of frame %u makes no sense", i);
		if (i == 0)
			metadata = fr.kind != STORE_DATA;
		if (metadata != (fr.kind != STORE_DATA))
			return err_set(e, ERR_CORRUPT,
			    "it holds both data and metadata");
		if (fr.offset_bytes != offset ||
		    fr.len_bytes < FRAME_FIXED_BYTES ||
		    fr.len_bytes > FRAME_BYTES_MAX ||
		    fr.first_chunk != chunks || fr.chunks_count == 0 ||
		    fr.chunks_count > FRAME_CHUNKS_MAX)
			return err_set(e, ERR_CORRUPT,
			    "frame %u does not begin where the one before it "
			    "ends",
			    i);
		offset += fr.len_bytes;
		chunks += fr.chunks_count;
		marks += frame_hash_marks(fr.len_bytes);
	}
	if (offset != footer_at || chunks != f->chunks_count)
		return err_set(e, ERR_CORRUPT,
		    "the frames do not fill the pack");
	if (marks != f->marks_count)
		return err_set(e, ERR_CORRUPT,
		    "%u marks for frames of %llu blocks", f->marks_count,
		    (unsigned long long)marks);
	return ERR_NONE;
}

enum err_code
pack_footer_parse(struct pack_footer *out, const void *bytes, size_t len_bytes,
    uint64_t footer_at, struct err *e)
{
	struct le_reader r;

	le_init(&r, bytes, len_bytes);
	out->frames_count = le_take32(&r);
	out->chunks_count = le_take32(&r);
	out->keys_count = le_take32(&r);
	out->marks_count = le_take32(&r);
	if (out->frames_count > PACK_FRAMES_MAX ||
	    out->chunks_count > PACK_CHUNKS_MAX ||
	    out->keys_count > PACK_KEYS_MAX ||
	    out->marks_count > PACK_MARKS_MAX)
		return err_set(e, ERR_CORRUPT, "the footer's counts are wrong");
	out->frames = le_take(&r, (size_t)out->frames_count * PACK_FRAME_BYTES);
	out->ids = le_take(&r, (size_t)out->chunks_count * ID_BYTES);
	out->keys = r.at;
	for (uint32_t i = 0; i < out->keys_count && !r.bad; i++) {
		size_t len;

		le_take(&r, 2 * (size_t)ID_BYTES);
		le_take_bytes(&r, PACK_STANZAS_MAX, &len);
	}
	out->keys_bytes = (size_t)(r.at - out->keys);
	out->marks = le_take(&r, (size_t)out->marks_count * FRAME_MARK_BYTES);
	if (!le_done(&r))
		return err_set(e, ERR_CORRUPT,
		    "the footer is not as long as its counts make it");
	return check_table(out, footer_at, e);
}

enum err_code
pack_footer_load(struct pack_footer *out, const struct pack *pk, struct err *e)
{
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	struct id hash;
	uint8_t *at;
	enum err_code rc = buf_extend(&f.bytes, pk->footer_bytes, &at, e);

	memset(out, 0, sizeof(*out));
	if (rc == ERR_NONE)
		rc = fdio_pread(pk->fd, at, pk->footer_bytes, pk->footer_at, e);
	if (rc == ERR_NONE)
		rc = hash_sha256(at, pk->footer_bytes, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (!id_equal(&hash, &pk->footer_hash))
		return err_set(e, ERR_CORRUPT,
		    "the footer does not match its hash");
	rc = pack_footer_parse(&f, at, pk->footer_bytes, pk->footer_at, e);
	if (rc != ERR_NONE)
		return rc;
	*out = f;
	memset(&f, 0, sizeof(f));
	return ERR_NONE;
}

bool
pack_all_can_open(struct store *st, const struct id *name, struct err *e)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	char path[PACK_PATH_BYTES];
	struct pack_key_row row;

	if (pack_open(&pk, st->packs_fd, pack_path(name, path), 0, e) !=
		ERR_NONE ||
	    pack_footer_load(&f, &pk, e) != ERR_NONE)
		return false;
	for (uint32_t i = 0; pack_footer_key(&f, i, &row); i++) {
		const struct grants_key key = {&row.key_id, row.stanzas,
		    row.stanzas_bytes};
		bool opens[RECIPIENTS_MAX] = {false};
		size_t count;

		if (grants_who_can_open(st, &key, opens, e) != ERR_NONE)
			return false;
		(void)keyring_recipients(st->keyring, &count);
		for (size_t to = 0; to < count; to++)
			if (!opens[to])
				return false;
	}
	return true;
}

enum err_code
pack_footer_records(const struct pack_footer *f, uint32_t pack,
    struct buf *records, struct err *e)
{
	for (uint32_t i = 0; i < f->frames_count; i++) {
		struct pack_frame fr;

		pack_footer_frame(f, i, &fr);
		for (uint32_t c = 0; c < fr.chunks_count; c++) {
			struct segment_record r = {.pack = pack,
			    .frame = i,
			    .slot = (uint16_t)c,
			    .kind = fr.kind,
			    .depth = fr.depth};
			uint8_t *at;
			enum err_code rc =
			    buf_extend(records, SEGMENT_RECORD_BYTES, &at, e);

			if (rc != ERR_NONE)
				return rc;
			memcpy(r.id.bytes,
			    f->ids + ((size_t)fr.first_chunk + c) * ID_BYTES,
			    ID_BYTES);
			segment_record_put(at, &r);
		}
	}
	return ERR_NONE;
}

enum err_code
pack_read_frame(const struct pack *pk, const struct pack_frame *row,
    struct buf *out, struct frame_hash *hash, struct err *e)
{
	uint8_t *at;
	enum err_code rc;

	ASSERT(row->len_bytes <= FRAME_BYTES_MAX);
	buf_clear(out);
	rc = buf_extend(out, row->len_bytes, &at, e);
	if (rc == ERR_NONE)
		rc = fdio_pread(pk->fd, at, row->len_bytes, row->offset_bytes,
		    e);
	if (rc == ERR_NONE)
		rc = frame_hash_make(hash, at, row->len_bytes, e);
	if (rc == ERR_NONE && !id_equal(&hash->id, &row->hash))
		rc = err_set(e, ERR_CORRUPT,
		    "the frame at %llu does not match its hash",
		    (unsigned long long)row->offset_bytes);
	return rc;
}

enum err_code
pack_check_heads(const struct pack *pk, const struct pack_footer *f,
    const uint8_t *family, struct err *e)
{
	uint8_t head[FRAME_FIXED_BYTES];
	enum err_code rc = fdio_pread(pk->fd, head, HEAD_BYTES, 0, e);

	if (rc == ERR_NONE)
		rc = head_check(head, HEAD_BYTES, HEAD_PACK, family, e);
	for (uint32_t i = 0; rc == ERR_NONE && i < f->frames_count; i++) {
		struct pack_frame row;
		struct pack_key_row key;
		struct frame_view v;

		pack_footer_frame(f, i, &row);
		rc =
		    fdio_pread(pk->fd, head, sizeof(head), row.offset_bytes, e);
		if (rc == ERR_NONE)
			rc = frame_parse_head(&v, head, row.len_bytes, e);
		if (rc == ERR_NONE &&
		    (v.kind != row.kind || v.depth != row.depth ||
			!pack_footer_key(f, row.key, &key) ||
			!id_equal(&key.key_id, &v.key_id)))
			rc = err_set(e, ERR_CORRUPT,
			    "its head is not as the footer says");
		if (rc != ERR_NONE)
			err_wrap(e, "frame %u", i);
	}
	return rc;
}
