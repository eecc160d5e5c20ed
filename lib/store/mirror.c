#include <string.h>

#include <bascule/base/le.h>
#include <bascule/base/rand.h>

#include "format.h"
#include "manifest.h"
#include "merge.h"
#include "pack.h"
#include "segment.h"

#define RECORDS_MAX   262144 /* of a segment, but for the last pack's */
#define TABLE_MAX     ((uint64_t)64 << 20) /* of one segment's packs */
#define RECORDS_AT(m) ((m)->records.len_bytes / SEGMENT_RECORD_BYTES)

struct packs {
	struct segment_pack *packs;
	size_t count, room;
};

struct mirror {
	struct store *store; /* borrowed */
	struct manifest manifest;
	struct packs listed; /* by its segments; sorted when asked */
	bool is_sorted;
	struct packs added; /* to the next segment */
	struct buf records;
};

enum err_code
mirror_new(struct mirror **out, struct store *st, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return err_nomem(e);
	(*out)->store = st;
	return ERR_NONE;
}

void
mirror_free(struct mirror **mp)
{
	struct mirror *m = TAKE(*mp);

	if (m == NULL)
		return;
	manifest_fini(&m->manifest);
	free(m->listed.packs);
	free(m->added.packs);
	buf_fini(&m->records);
	free(m);
}

/* --- the files of a new one --------------------------------------------------- */

const char *
mirror_dir(size_t i)
{
	static const char *const dirs[] = {"tmp", "packs", "index", "snapshots",
	    "points", "sessions", "keys", "grants", "holds", "condemned",
	    "bad"};

	return i < COUNT_OF(dirs) ? dirs[i] : NULL;
}

enum err_code
mirror_format(const struct mirror *m, struct buf *out, struct err *e)
{
	struct format f = {.geometry = m->store->geometry,
	    .created = now_utc()};
	uint8_t bytes[FORMAT_BYTES];

	rand_bytes(f.site, sizeof(f.site));
	memcpy(f.family, m->store->family, sizeof(f.family));
	if (format_encode(&f, bytes, e) != ERR_NONE)
		return e->code;
	return buf_add(out, bytes, sizeof(bytes), e);
}

enum err_code
mirror_check_format(const struct mirror *m, const void *bytes, size_t len_bytes,
    struct err *e)
{
	struct format f;

	if (format_decode(&f, bytes, len_bytes, e) != ERR_NONE)
		return err_wrap(e, "the copy's format");
	if (memcmp(f.family, m->store->family, sizeof(f.family)) != 0)
		return err_set(e, ERR_REFUSED,
		    "it is a copy of another repository");
	if (m->store->geometry.sliced && !f.geometry.sliced) {
		err_set(e, ERR_REFUSED,
		    "the copy was made without slices, and the repository has "
		    "them");
		return err_hint(e,
		    "replicate to an empty path: the copy is made with them "
		    "then");
	}
	if (f.read_only)
		return err_set(e, ERR_TOONEW,
		    "the copy has features this version does not know");
	return ERR_NONE;
}

/* --- what it lists -------------------------------------------------------------- */

enum err_code
mirror_take_manifest(struct mirror *m, const void *bytes, size_t len_bytes,
    struct err *e)
{
	manifest_fini(&m->manifest);
	m->listed.count = 0;
	return manifest_decode(&m->manifest, bytes, len_bytes, m->store->family,
	    e);
}

bool
mirror_segment(const struct mirror *m, size_t i, struct mirror_segment *out)
{
	if (i >= m->manifest.segments_count)
		return false;
	out->name = m->manifest.segments[i].name;
	out->size_bytes = m->manifest.segments[i].size_bytes;
	return true;
}

void
mirror_drop_segment(struct mirror *m, size_t i)
{
	struct manifest *mf = &m->manifest;

	ASSERT(i < mf->segments_count);
	mf->segments_count--;
	memmove(&mf->segments[i], &mf->segments[i + 1],
	    (mf->segments_count - i) * sizeof(*mf->segments));
}

uint64_t
mirror_table_bytes(const void *head)
{
	return MIRROR_HEAD_BYTES +
	    (uint64_t)le_get32((const uint8_t *)head + HEAD_BYTES) *
	    SEGMENT_PACK_BYTES;
}

enum err_code
mirror_segment_bytes(const struct mirror *m, size_t i, const void *head,
    size_t *len_bytes, struct err *e)
{
	const uint8_t *at = head;
	uint64_t size = m->manifest.segments[i].size_bytes, want;

	if (head_check(at, MIRROR_HEAD_BYTES, HEAD_SEGMENT, m->store->family,
		e) != ERR_NONE)
		return e->code;
	want = mirror_table_bytes(head);
	if (want > size || want > TABLE_MAX)
		return err_set(e, ERR_CORRUPT,
		    "an index segment names more packs than it has room for");
	*len_bytes = (size_t)want;
	return ERR_NONE;
}

static enum err_code
keep(struct packs *p, const struct segment_pack *sp, struct err *e)
{
	if (p->count == p->room) {
		size_t room = p->room * 2 + 64;
		struct segment_pack *more =
		    reallocarray(p->packs, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		p->packs = more;
		p->room = room;
	}
	p->packs[p->count++] = *sp;
	return ERR_NONE;
}

enum err_code
mirror_take_segment(struct mirror *m, const void *bytes, size_t len_bytes,
    struct err *e)
{
	const uint8_t *at = bytes;
	size_t count;

	ASSERT(len_bytes >= MIRROR_HEAD_BYTES);
	count = le_get32(at + HEAD_BYTES);
	ASSERT(len_bytes >= MIRROR_HEAD_BYTES + count * SEGMENT_PACK_BYTES);
	m->is_sorted = false;
	at += MIRROR_HEAD_BYTES;
	for (; count > 0; count--, at += SEGMENT_PACK_BYTES) {
		struct segment_pack sp = {.size_bytes = le_get64(at + ID_BYTES),
		    .flags = le_get64(at + ID_BYTES + 8)};

		memcpy(sp.name.bytes, at, ID_BYTES);
		if (!manifest_is_removed(&m->manifest, &sp.name) &&
		    keep(&m->listed, &sp, e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

static int
compare(const void *a, const void *b)
{
	const struct segment_pack *pa = a, *pb = b;

	return id_compare(&pa->name, &pb->name);
}

/* In order, each once. */
static void
sort(struct mirror *m)
{
	struct packs *p = &m->listed;
	size_t kept = 0;

	if (!m->is_sorted && p->count > 0) {
		qsort(p->packs, p->count, sizeof(*p->packs), compare);
		for (size_t i = 0; i < p->count; i++)
			if (kept == 0 ||
			    compare(&p->packs[kept - 1], &p->packs[i]) != 0)
				p->packs[kept++] = p->packs[i];
		p->count = kept;
	}
	m->is_sorted = true;
}

bool
mirror_has(struct mirror *m, const struct pack_info *pack)
{
	const struct segment_pack *found;
	struct segment_pack key = {.name = pack->name};

	sort(m);
	if (m->listed.count == 0)
		return false;
	found = bsearch(&key, m->listed.packs, m->listed.count, sizeof(key),
	    compare);
	return found != NULL && found->size_bytes == pack->size_bytes;
}

size_t
mirror_packs_count(struct mirror *m)
{
	sort(m);
	return m->listed.count;
}

void
mirror_pack(const struct mirror *m, size_t nth, struct pack_info *out)
{
	const struct segment_pack *sp = &m->listed.packs[nth];

	ASSERT(nth < m->listed.count && m->is_sorted);
	*out = (struct pack_info){sp->name, sp->size_bytes,
	    (sp->flags & SEGMENT_METADATA) != 0};
}

enum err_code
mirror_check_pack(const struct mirror *m, const struct pack_info *pack, int fd,
    struct err *e)
{
	struct id hash;

	if (hash_file(fd, pack->size_bytes, &hash, e) != ERR_NONE)
		return e->code;
	if (!id_equal(&hash, &pack->name))
		return err_set(e, ERR_CORRUPT,
		    "its bytes in '%s' do not match its name", m->store->path);
	return ERR_NONE;
}

/* --- what is new ---------------------------------------------------------------- */

enum err_code
mirror_add(struct mirror *m, const struct id *name, struct err *e)
{
	OWNED(pack_close) struct pack pk = {.fd = -1};
	OWNED(pack_footer_fini) struct pack_footer f = {0};
	struct segment_pack sp = {.name = *name, .flags = SEGMENT_FOREIGN};
	struct pack_frame first;
	char path[PACK_PATH_BYTES];
	enum err_code rc =
	    pack_open(&pk, m->store->packs_fd, pack_path(name, path), 0, e);

	if (rc == ERR_NONE)
		rc = pack_footer_load(&f, &pk, e);
	if (rc == ERR_NONE)
		rc = pack_check_heads(&pk, &f, m->store->family, e);
	if (rc == ERR_NONE && f.frames_count == 0)
		rc = err_set(e, ERR_CORRUPT, "it is empty");
	if (rc != ERR_NONE)
		return err_wrap(e, "pack %s", path);
	pack_footer_frame(&f, 0, &first);
	if (first.kind != STORE_DATA)
		sp.flags |= SEGMENT_METADATA;
	sp.size_bytes = pk.size_bytes;
	rc = pack_footer_records(&f, (uint32_t)m->added.count, &m->records, e);
	if (rc == ERR_NONE)
		rc = keep(&m->added, &sp, e);
	if (rc == ERR_NONE)
		manifest_unremove(&m->manifest, name);
	return rc;
}

bool
mirror_is_full(const struct mirror *m)
{
	return RECORDS_AT(m) >= RECORDS_MAX;
}

enum err_code
mirror_end_segment(struct mirror *m, struct buf *out, struct id *name,
    struct err *e)
{
	struct segment_parts parts = {.packs = m->added.packs,
	    .packs_count = m->added.count,
	    .records = m->records.bytes,
	    .records_count = RECORDS_AT(m)};
	struct manifest_segment ms;

	buf_clear(out);
	if (parts.packs_count == 0)
		return ERR_NONE;
	if (segment_encode(&parts, m->store->family, out, e) != ERR_NONE ||
	    hash_sha256(out->bytes, out->len_bytes, name, e) != ERR_NONE)
		return e->code;
	ms = (struct manifest_segment){*name, out->len_bytes,
	    parts.records_count};
	m->is_sorted = false;
	for (size_t i = 0; i < parts.packs_count; i++)
		if (keep(&m->listed, &parts.packs[i], e) != ERR_NONE)
			return e->code;
	m->added.count = 0;
	buf_clear(&m->records);
	for (size_t i = 0; i < m->manifest.segments_count; i++)
		if (id_equal(&m->manifest.segments[i].name, name))
			return ERR_NONE; /* made again, the same */
	return manifest_add(&m->manifest, &ms, e);
}

size_t
mirror_foldable(const struct mirror *m,
    struct mirror_segment out[MIRROR_FOLD_MAX])
{
	struct merge_choice choice;

	_Static_assert(MERGE_INPUTS_MAX <= MIRROR_FOLD_MAX, "they all fit");
	if (!merge_choose(&m->manifest, &choice))
		return 0;
	for (size_t i = 0; i < choice.count; i++)
		out[i] = (struct mirror_segment){choice.segments[i].name,
		    choice.segments[i].size_bytes};
	return choice.count;
}

enum err_code
mirror_fold(struct mirror *m, const void *bytes, size_t len_bytes,
    bool *is_here, struct err *e)
{
	const uint8_t *at = bytes;
	size_t count = le_get32(at + HEAD_BYTES);

	ASSERT(len_bytes >= MIRROR_HEAD_BYTES + count * SEGMENT_PACK_BYTES);
	*is_here = true;
	at += MIRROR_HEAD_BYTES;
	for (; count > 0 && *is_here; count--, at += SEGMENT_PACK_BYTES) {
		struct id name;

		memcpy(name.bytes, at, ID_BYTES);
		if (manifest_is_removed(&m->manifest, &name))
			continue;
		*is_here = store_has_pack(m->store, &name);
		if (*is_here && mirror_add(m, &name, e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

void
mirror_unfold(struct mirror *m)
{
	m->added.count = 0;
	buf_clear(&m->records);
}

void
mirror_drop_named(struct mirror *m, const struct id *segment)
{
	for (size_t i = 0; i < m->manifest.segments_count; i++)
		if (id_equal(&m->manifest.segments[i].name, segment)) {
			mirror_drop_segment(m, i);
			return;
		}
}

enum err_code
mirror_manifest(struct mirror *m, struct buf *out, struct err *e)
{
	m->manifest.generation++;
	buf_clear(out);
	return manifest_encode(&m->manifest, m->store->family, out, e);
}
