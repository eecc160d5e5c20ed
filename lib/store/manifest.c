#include "manifest.h"

#include <string.h>

#include <bascule/base/le.h>

void
manifest_fini(struct manifest *m)
{
	free(m->segments);
	m->segments = NULL;
	m->segments_count = 0;
}

enum err_code
manifest_add(struct manifest *m, const struct manifest_segment *seg,
    struct err *e)
{
	struct manifest_segment *more;

	if (m->segments_count >= MANIFEST_SEGMENTS_MAX)
		return err_set(e, ERR_INPUT, "more than %d index segments",
		    MANIFEST_SEGMENTS_MAX);
	more = reallocarray(m->segments, m->segments_count + 1, sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	m->segments = more;
	m->segments[m->segments_count++] = *seg;
	return ERR_NONE;
}

enum err_code
manifest_encode(const struct manifest *m,
    const uint8_t family[STORE_FAMILY_BYTES], struct buf *out, struct err *e)
{
	uint8_t *at;
	size_t size = HEAD_BYTES + 16 + m->segments_count * 48;
	struct id hash;
	enum err_code rc;

	buf_clear(out);
	rc = buf_extend(out, size + ID_BYTES, &at, e);
	if (rc != ERR_NONE)
		return rc;
	head_put(at, HEAD_MANIFEST, family);
	le_put64(at + 32, m->generation);
	le_put32(at + 40, (uint32_t)m->segments_count);
	le_put32(at + 44, 0);
	for (size_t i = 0; i < m->segments_count; i++) {
		uint8_t *rec = at + 48 + i * 48;

		memcpy(rec, m->segments[i].name.bytes, ID_BYTES);
		le_put64(rec + 32, m->segments[i].size_bytes);
		le_put64(rec + 40, m->segments[i].records_count);
	}
	rc = hash_sha256(at, size, &hash, e);
	if (rc == ERR_NONE)
		memcpy(at + size, hash.bytes, ID_BYTES);
	return rc;
}

static enum err_code
decode_list(struct manifest *m, struct le_reader *r, struct err *e)
{
	size_t count;

	m->generation = le_take64(r);
	count = le_take32(r);
	if (le_take32(r) != 0)
		return err_set(e, ERR_CORRUPT, "has bits set in its reserve");
	if (count > MANIFEST_SEGMENTS_MAX || r->left_bytes != count * 48)
		return err_set(e, ERR_CORRUPT,
		    "lists %zu segments in %zu bytes", count, r->left_bytes);
	if (count == 0)
		return ERR_NONE;
	m->segments = calloc(count, sizeof(*m->segments));
	if (m->segments == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		memcpy(m->segments[i].name.bytes, le_take(r, ID_BYTES),
		    ID_BYTES);
		m->segments[i].size_bytes = le_take64(r);
		m->segments[i].records_count = le_take64(r);
	}
	m->segments_count = count;
	return ERR_NONE;
}

enum err_code
manifest_decode(struct manifest *out, const void *bytes, size_t len_bytes,
    const uint8_t *family, struct err *e)
{
	const uint8_t *at = bytes;
	struct le_reader r;
	struct id hash;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < HEAD_BYTES + 16 + ID_BYTES)
		return err_set(e, ERR_CORRUPT, "is only %zu bytes long",
		    len_bytes);
	rc = hash_sha256(at, len_bytes - ID_BYTES, &hash, e);
	if (rc != ERR_NONE)
		return rc;
	if (memcmp(hash.bytes, at + len_bytes - ID_BYTES, ID_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "does not match its own hash");
	rc = head_check(at, len_bytes, HEAD_MANIFEST, family, e);
	if (rc != ERR_NONE)
		return rc;
	le_init(&r, at + HEAD_BYTES, len_bytes - HEAD_BYTES - ID_BYTES);
	return decode_list(out, &r, e);
}

enum err_code
manifest_read(struct manifest *out, struct store *st, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	enum err_code rc =
	    repo_slurp(&b, st->index_fd, "MANIFEST", MANIFEST_BYTES_MAX, e);

	memset(out, 0, sizeof(*out));
	/* Every repository has one from its first moment. */
	if (rc == ERR_NOTFOUND)
		e->code = rc = ERR_CORRUPT;
	if (rc == ERR_NONE)
		rc = manifest_decode(out, b.bytes, b.len_bytes, st->family, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "'%s/index/MANIFEST'", st->path);
	return ERR_NONE;
}

enum err_code
manifest_replace(struct manifest *m, struct session *se, struct err *e)
{
	OWNED(buf_fini) struct buf b = {0};
	char tmp[SESSION_TEMPORARY_BYTES];
	struct repo_file f = {.dirfd = se->store->index_fd,
	    .what = "index",
	    .name = "MANIFEST"};
	enum err_code rc;

	ASSERT(se->store->locked);
	m->generation++;
	rc = manifest_encode(m, se->store->family, &b, e);
	if (rc != ERR_NONE)
		return rc;
	f.bytes = b.bytes;
	f.len_bytes = b.len_bytes;
	session_temporary(se, tmp);
	return repo_replace(se->store, tmp, &f, e);
}
