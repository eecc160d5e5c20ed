#include "manifest.h"

#include <string.h>

#include <bascule/base/le.h>

void
manifest_fini(struct manifest *m)
{
	free(m->segments);
	m->segments = NULL;
	m->segments_count = 0;
	free(m->removed);
	m->removed = NULL;
	m->removed_count = 0;
}

/* Where pack is, or where it belongs. */
static size_t
removed_at(const struct manifest *m, const struct id *pack)
{
	size_t low = 0, high = m->removed_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (id_compare(&m->removed[mid], pack) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
manifest_is_removed(const struct manifest *m, const struct id *pack)
{
	size_t at = removed_at(m, pack);

	return at < m->removed_count && id_equal(&m->removed[at], pack);
}

static int
compare_ids(const void *a, const void *b)
{
	return id_compare(a, b);
}

enum err_code
manifest_remove(struct manifest *m, const struct id *packs, size_t count,
    struct err *e)
{
	struct id *more;
	size_t kept = 0;

	if (count > MANIFEST_REMOVED_MAX ||
	    m->removed_count + count > MANIFEST_REMOVED_MAX)
		return err_set(e, ERR_INPUT, "more than %d packs removed",
		    MANIFEST_REMOVED_MAX);
	if (count == 0)
		return ERR_NONE;
	more = reallocarray(m->removed, m->removed_count + count, ID_BYTES);
	if (more == NULL)
		return err_nomem(e);
	m->removed = more;
	memcpy(&more[m->removed_count], packs, count * ID_BYTES);
	count += m->removed_count;
	qsort(more, count, ID_BYTES, compare_ids);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !id_equal(&more[kept - 1], &more[i]))
			more[kept++] = more[i];
	m->removed_count = kept;
	return ERR_NONE;
}

void
manifest_unremove(struct manifest *m, const struct id *pack)
{
	size_t at = removed_at(m, pack);

	if (at == m->removed_count || !id_equal(&m->removed[at], pack))
		return;
	m->removed_count--;
	memmove(&m->removed[at], &m->removed[at + 1],
	    (m->removed_count - at) * ID_BYTES);
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
	const size_t segments_end = HEAD_BYTES + 16 + m->segments_count * 48;
	const size_t size = segments_end + m->removed_count * ID_BYTES;
	struct id hash;
	enum err_code rc;

	buf_clear(out);
	rc = buf_extend(out, size + ID_BYTES, &at, e);
	if (rc != ERR_NONE)
		return rc;
	head_put(at, HEAD_MANIFEST, family);
	le_put64(at + 32, m->generation);
	le_put32(at + 40, (uint32_t)m->segments_count);
	le_put32(at + 44, (uint32_t)m->removed_count);
	for (size_t i = 0; i < m->segments_count; i++) {
		uint8_t *rec = at + 48 + i * 48;

		memcpy(rec, m->segments[i].name.bytes, ID_BYTES);
		le_put64(rec + 32, m->segments[i].size_bytes);
		le_put64(rec + 40, m->segments[i].records_count);
	}
	if (m->removed_count > 0)
		memcpy(at + segments_end, m->removed,
		    m->removed_count * ID_BYTES);
	rc = hash_sha256(at, size, &hash, e);
	if (rc == ERR_NONE)
		memcpy(at + size, hash.bytes, ID_BYTES);
	return rc;
}

static enum err_code
decode_segments(struct manifest *m, struct le_reader *r, size_t count,
    struct err *e)
{
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

static enum err_code
decode_removed(struct manifest *m, struct le_reader *r, size_t count,
    struct err *e)
{
	if (count == 0)
		return ERR_NONE;
	m->removed = calloc(count, ID_BYTES);
	if (m->removed == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		memcpy(m->removed[i].bytes, le_take(r, ID_BYTES), ID_BYTES);
		if (i > 0 &&
		    id_compare(&m->removed[i - 1], &m->removed[i]) >= 0)
			return err_set(e, ERR_CORRUPT,
			    "removed packs are out of order");
	}
	m->removed_count = count;
	return ERR_NONE;
}

static enum err_code
decode_list(struct manifest *m, struct le_reader *r, struct err *e)
{
	size_t count, removed_count;
	enum err_code rc;

	m->generation = le_take64(r);
	count = le_take32(r);
	removed_count = le_take32(r);
	if (count > MANIFEST_SEGMENTS_MAX ||
	    removed_count > MANIFEST_REMOVED_MAX ||
	    r->left_bytes != count * 48 + removed_count * ID_BYTES)
		return err_set(e, ERR_CORRUPT,
		    "lists %zu segments and %zu removed packs in %zu bytes",
		    count, removed_count, r->left_bytes);
	rc = decode_segments(m, r, count, e);
	return rc == ERR_NONE ? decode_removed(m, r, removed_count, e) : rc;
}

enum err_code
manifest_decode(struct manifest *out, const void *bytes, size_t len_bytes,
    const uint8_t *family, struct err *e)
{
	const uint8_t *at = bytes;
	struct le_reader r;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < HEAD_BYTES + 16 + ID_BYTES)
		return err_set(e, ERR_CORRUPT, "is only %zu bytes long",
		    len_bytes);
	rc = head_check_hashed(at, len_bytes, HEAD_MANIFEST, family, e);
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
