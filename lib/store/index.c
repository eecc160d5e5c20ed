#include "index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "condemn.h"
#include "footers.h"
#include "manifest.h"
#include "pack.h"
#include "rooted.h"

#define RELOADS_MAX 16
#define NUMBER_NONE UINT32_MAX /* of a pack that was removed */

/* What is known of a pack; 0: nothing yet. */
enum pack_state {
	PACK_PRESENT = 1,
	PACK_ABSENT = 2,
	PACK_OPEN_TO_ALL = 4,
	PACK_NOT_OPEN = 8
};

struct index {
	struct segment *segments;
	uint32_t **numbers; /* of each segment's packs */
	uint64_t *firsts;   /* each segment's first record's ordinal */
	size_t segments_count;
	struct buf *salvaged; /* segments that are in no file */
	size_t salvaged_count;
	struct manifest manifest; /* as it was read */
	struct index_pack *packs; /* sorted by name */
	uint8_t *states;
	size_t packs_count;
	struct err damage;
	_Atomic bool unread; /* a record could not be read */
	_Atomic bool unseen; /* whether a pack is there could not be told */
};

void
index_free(struct index **idxp)
{
	struct index *idx = TAKE(*idxp);

	if (idx == NULL)
		return;
	for (size_t i = 0; i < idx->segments_count; i++) {
		segment_fini(&idx->segments[i]);
		if (idx->numbers != NULL)
			free(idx->numbers[i]);
	}
	for (size_t i = 0; i < idx->salvaged_count; i++)
		buf_fini(&idx->salvaged[i]);
	free(idx->salvaged);
	free(idx->segments);
	free(idx->numbers);
	free(idx->firsts);
	manifest_fini(&idx->manifest);
	free(idx->packs);
	free(idx->states);
	free(idx);
}

const struct err *
index_damage(const struct store *st)
{
	return st->index->damage.code == ERR_NONE ? NULL : &st->index->damage;
}

static void
note_damage(struct index *idx, const struct err *e)
{
	if (idx->damage.code == ERR_NONE)
		idx->damage = *e;
}

static int
compare_packs(const void *va, const void *vb)
{
	const struct index_pack *a = va, *b = vb;

	return id_compare(&a->name, &b->name);
}

/* Which number a pack has; packs_count: none. */
static size_t
number_of(const struct index *idx, const struct id *name)
{
	struct index_pack key = {.name = *name};
	const struct index_pack *at = NULL;

	if (idx->packs_count > 0)
		at = bsearch(&key, idx->packs, idx->packs_count,
		    sizeof(*idx->packs), compare_packs);
	return at == NULL ? idx->packs_count : (size_t)(at - idx->packs);
}

size_t
index_pack_number(const struct store *st, const struct id *name)
{
	return number_of(st->index, name);
}

static size_t
all_packs(const struct index *idx, struct index_pack *out)
{
	size_t count = 0;

	for (size_t i = 0; i < idx->segments_count; i++)
		for (uint32_t p = 0; p < idx->segments[i].packs_count; p++) {
			struct segment_pack sp;

			segment_pack(&idx->segments[i], p, &sp);
			if (manifest_is_removed(&idx->manifest, &sp.name))
				continue;
			if (out != NULL)
				out[count] =
				    (struct index_pack){.name = sp.name,
					.size_bytes = sp.size_bytes,
					.metadata =
					    (sp.flags & SEGMENT_METADATA) != 0,
					.foreign =
					    (sp.flags & SEGMENT_FOREIGN) != 0};
			count++;
		}
	return count;
}

/* Each distinct pack once. */
static enum err_code
gather_packs(struct index *idx, struct err *e)
{
	size_t count = all_packs(idx, NULL), kept = 0;

	free(idx->packs);
	free(idx->states);
	idx->packs = calloc(count + 1, sizeof(*idx->packs));
	idx->states = calloc(count + 1, 1);
	if (idx->packs == NULL || idx->states == NULL)
		return err_nomem(e);
	all_packs(idx, idx->packs);
	if (count > 0)
		qsort(idx->packs, count, sizeof(*idx->packs), compare_packs);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 ||
		    !id_equal(&idx->packs[kept - 1].name, &idx->packs[i].name))
			idx->packs[kept++] = idx->packs[i];
		/* The same bytes were written here, too. */
		idx->packs[kept - 1].foreign &= idx->packs[i].foreign;
	}
	idx->packs_count = kept;
	return ERR_NONE;
}

static enum err_code
number_packs(struct index *idx, struct err *e)
{
	idx->numbers = calloc(idx->segments_count + 1, sizeof(*idx->numbers));
	idx->firsts = calloc(idx->segments_count + 1, sizeof(*idx->firsts));
	if (idx->numbers == NULL || idx->firsts == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < idx->segments_count; i++) {
		const struct segment *s = &idx->segments[i];

		idx->firsts[i + 1] = idx->firsts[i] + s->records_count;
		idx->numbers[i] =
		    calloc((size_t)s->packs_count + 1, sizeof(uint32_t));
		if (idx->numbers[i] == NULL)
			return err_nomem(e);
		for (uint32_t p = 0; p < s->packs_count; p++) {
			struct segment_pack sp;

			segment_pack(s, p, &sp);
			idx->numbers[i][p] =
			    manifest_is_removed(&idx->manifest, &sp.name)
			    ? NUMBER_NONE
			    : (uint32_t)number_of(idx, &sp.name);
		}
	}
	return ERR_NONE;
}

/*
 * Damage is put up with; what may pass by itself is for a writer a failure,
 * for a reader as bad as damage.
 */
static bool
is_fatal(const struct store *st, enum err_code rc)
{
	if (rc == ERR_NONE || rc == ERR_CORRUPT || rc == ERR_NOTFOUND)
		return false;
	return st->access == STORE_WRITE || rc == ERR_TOONEW || rc == ERR_NOMEM;
}

/*
 * The listed segments.  *vanished: one is not there, which is damage, unless
 * MANIFEST was replaced meanwhile.
 */
static enum err_code
open_segments(struct index *idx, struct store *st, const struct manifest *m,
    bool *vanished, struct err *e)
{
	idx->segments = calloc(m->segments_count + 1, sizeof(*idx->segments));
	if (idx->segments == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < m->segments_count; i++) {
		const struct manifest_segment *ms = &m->segments[i];
		struct segment *s = &idx->segments[idx->segments_count];
		char hex[ID_HEX_BYTES];
		struct err why = {0};
		enum err_code rc;

		rc = segment_open(s, st->index_fd, id_hex(&ms->name, hex),
		    st->family, &why);
		if (rc == ERR_NONE &&
		    (s->size_bytes != ms->size_bytes ||
			s->records_count != ms->records_count)) {
			segment_fini(s);
			rc = err_set(&why, ERR_CORRUPT,
			    "'%s' is not of the size that MANIFEST says", hex);
		}
		if (rc == ERR_NOTFOUND)
			*vanished = true;
		if (rc == ERR_NONE) {
			idx->segments_count++;
			continue;
		}
		err_wrap(&why, "'%s/index'", st->path);
		if (is_fatal(st, rc)) {
			*e = why;
			return rc;
		}
		why.code = ERR_CORRUPT;
		note_damage(idx, &why);
	}
	return ERR_NONE;
}

static enum err_code
load_once(struct index **out, struct store *st, uint64_t *generation,
    bool *vanished, struct err *e)
{
	OWNED(index_free) struct index *idx = calloc(1, sizeof(*idx));
	struct err why = {0};
	enum err_code rc;

	*vanished = false;
	if (idx == NULL)
		return err_nomem(e);
	rc = manifest_read(&idx->manifest, st, &why);
	if (is_fatal(st, rc)) {
		*e = why;
		return rc;
	}
	if (rc != ERR_NONE)
		note_damage(idx, &why);
	*generation = idx->manifest.generation;
	rc = open_segments(idx, st, &idx->manifest, vanished, e);
	if (rc == ERR_NONE)
		*out = TAKE(idx);
	return rc;
}

/* --- a damaged index: what the packs say of themselves --------------------- */

struct salvage {
	struct index *index;
	const uint8_t *family;
};

static bool
salvage_wants(void *ctx, const struct id *pack)
{
	const struct index *idx = ((struct salvage *)ctx)->index;

	return number_of(idx, pack) == idx->packs_count &&
	    !manifest_is_removed(&idx->manifest, pack);
}

/* It matters to writers only. */
static bool
is_foreign(void *ctx, const struct id *pack)
{
	(void)ctx;
	(void)pack;
	return false;
}

static enum err_code
salvage_take(void *ctx, struct segment_parts *parts, struct err *e)
{
	struct salvage *s = ctx;
	struct index *idx = s->index;
	struct segment *segments;
	struct buf *bufs;
	enum err_code rc;

	bufs =
	    reallocarray(idx->salvaged, idx->salvaged_count + 1, sizeof(*bufs));
	if (bufs == NULL)
		return err_nomem(e);
	idx->salvaged = bufs;
	bufs += idx->salvaged_count++;
	*bufs = (struct buf){.max_bytes = SIZE_MAX / 2};
	segments = reallocarray(idx->segments, idx->segments_count + 1,
	    sizeof(*segments));
	if (segments == NULL)
		return err_nomem(e);
	idx->segments = segments;
	rc = segment_encode(parts, s->family, bufs, e);
	if (rc == ERR_NONE)
		rc = segment_parse(&segments[idx->segments_count], bufs->bytes,
		    bufs->len_bytes, s->family, e);
	if (rc == ERR_NONE)
		idx->segments_count++;
	return rc;
}

static enum err_code
salvage(struct index *idx, struct store *st, struct err *e)
{
	struct salvage s = {idx, st->family};
	struct footers_use use = {salvage_wants, is_foreign, salvage_take, true,
	    &s};
	uint64_t count;
	enum err_code rc = footers_gather(st, &use, &count, e);

	return rc == ERR_NONE && count > 0 ? gather_packs(idx, e) : rc;
}

enum err_code
index_load(struct index **out, struct store *st, struct err *e)
{
	OWNED(index_free) struct index *idx = NULL;
	uint64_t generation, before = UINT64_MAX;
	enum err_code rc = ERR_NONE;

	*out = NULL;
	for (int i = 0; i < RELOADS_MAX; i++) {
		bool vanished;

		index_free(&idx);
		rc = load_once(&idx, st, &generation, &vanished, e);
		if (rc != ERR_NONE || !vanished || generation == before)
			break;
		before = generation; /* merged away since we read the list? */
	}
	if (rc == ERR_NONE)
		rc = gather_packs(idx, e);
	if (rc == ERR_NONE && idx->damage.code != ERR_NONE &&
	    st->access == STORE_READ)
		rc = salvage(idx, st, e);
	if (rc == ERR_NONE)
		rc = number_packs(idx, e);
	if (rc == ERR_NONE)
		*out = TAKE(idx);
	return rc;
}

void
index_inherit(struct index *to, const struct index *from)
{
	size_t j = 0;

	for (size_t i = 0; i < to->packs_count; i++) {
		while (j < from->packs_count &&
		    compare_packs(&from->packs[j], &to->packs[i]) < 0)
			j++;
		if (j < from->packs_count &&
		    id_equal(&from->packs[j].name, &to->packs[i].name))
			to->states[i] |= from->states[j] &
			    (PACK_OPEN_TO_ALL | PACK_NOT_OPEN);
	}
}

static struct index_copy
copy_of(const struct index *idx, size_t segment, uint64_t at,
    const struct segment_record *r)
{
	return (struct index_copy){.ordinal = idx->firsts[segment] + at,
	    .number = idx->numbers[segment][r->pack],
	    .frame = r->frame,
	    .slot = r->slot,
	    .kind = r->kind,
	    .depth = r->depth};
}

bool
index_next(const struct store *st, const struct id *id, struct index_walk *w,
    struct index_copy *out)
{
	struct index *idx = st->index;

	/* The newest segments first: what is wanted is mostly young. */
	for (; w->segment < idx->segments_count; w->segment++, w->at = 0) {
		const size_t i = idx->segments_count - 1 - w->segment;
		const struct segment *s = &idx->segments[i];
		struct segment_record r;

		for (; segment_find(s, id, &w->at, &r, &idx->unread); w->at++) {
			if (idx->numbers[i][r.pack] == NUMBER_NONE)
				continue;
			*out = copy_of(idx, i, w->at++, &r);
			return true;
		}
	}
	return false;
}

bool
index_find(const struct store *st, const struct id *id, unsigned nth,
    struct index_copy *out)
{
	struct index_walk w = {0};
	bool found = index_next(st, id, &w, out);

	while (found && nth-- > 0)
		found = index_next(st, id, &w, out);
	return found;
}

size_t
index_each(const struct store *st, const struct id *id, index_copy_fn *fn,
    void *ctx)
{
	struct index_copy c;
	size_t count = 0;

	for (struct index_walk w = {0}; index_next(st, id, &w, &c); count++)
		fn(ctx, &c);
	return count;
}

static enum err_code
scan_segment(const struct index *idx, size_t i, index_record_fn *fn, void *ctx,
    struct err *e)
{
	OWNED(segment_scan_fini)
	struct segment_scan scan = {.segment = &idx->segments[i]};
	const uint8_t *at;
	enum err_code rc;

	while (
	    (rc = segment_scan_next(&scan, &at, e)) == ERR_NONE && at != NULL) {
		struct segment_record r;
		struct index_copy c;

		segment_record_get(at, &r);
		if (r.pack >= idx->segments[i].packs_count ||
		    idx->numbers[i][r.pack] == NUMBER_NONE)
			continue;
		c = copy_of(idx, i, scan.next - 1, &r);
		fn(ctx, &r.id, &c);
	}
	return rc;
}

enum err_code
index_scan(const struct store *st, index_record_fn *fn, void *ctx,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < st->index->segments_count; i++)
		rc = scan_segment(st->index, i, fn, ctx, e);
	return rc == ERR_NONE
	    ? rc
	    : err_wrap(e, "reading the index of '%s'", st->path);
}

enum err_code
index_was_seen(const struct store *st, struct err *e)
{
	if (!atomic_load(&st->index->unseen))
		return ERR_NONE;
	return err_set(e, ERR_NOMEM,
	    "which packs are in '%s' could not be looked at", st->path);
}

enum err_code
index_was_readable(const struct store *st, struct err *e)
{
	if (index_was_seen(st, e) != ERR_NONE)
		return e->code;
	if (!atomic_load(&st->index->unread))
		return ERR_NONE;
	return err_set(e, ERR_IO, "the index of '%s' could not be read",
	    st->path);
}

enum err_code
index_verify(const struct store *st, struct err *e)
{
	const struct index *idx = st->index;

	if (index_damage(st) != NULL) {
		*e = *index_damage(st);
		return e->code;
	}
	for (size_t i = 0; i < idx->segments_count; i++) {
		const struct id *name = &idx->manifest.segments[i].name;
		struct id hash;
		char hex[ID_HEX_BYTES];
		enum err_code rc = segment_hash(&idx->segments[i], &hash, e);

		if (rc == ERR_NONE && !id_equal(&hash, name))
			rc = err_set(e, ERR_CORRUPT,
			    "'%s/index/%s' does not match its name", st->path,
			    id_hex(name, hex));
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

uint64_t
index_records_count(const struct store *st)
{
	return st->index->firsts[st->index->segments_count];
}

size_t
index_packs_count(const struct store *st)
{
	return st->index->packs_count;
}

const struct index_pack *
index_pack(const struct store *st, uint32_t number)
{
	ASSERT(number < st->index->packs_count);
	return &st->index->packs[number];
}

bool
index_pack_present(struct store *st, uint32_t number)
{
	const struct index_pack *pk = index_pack(st, number);
	uint8_t *state = &st->index->states[number];
	char path[PACK_PATH_BYTES];
	struct stat sb;

	if ((*state & (PACK_PRESENT | PACK_ABSENT)) == 0) {
		bool seen = fstatat(st->packs_fd, pack_path(&pk->name, path),
				&sb, AT_SYMLINK_NOFOLLOW) == 0;

		if (!seen && err_of_errno(errno) == ERR_NOMEM) {
			atomic_store(&st->index->unseen, true);
			return false; /* asked again next time */
		}
		*state |= seen && S_ISREG(sb.st_mode) &&
			(uint64_t)sb.st_size == pk->size_bytes
		    ? PACK_PRESENT
		    : PACK_ABSENT;
	}
	return (*state & PACK_PRESENT) != 0;
}

void
index_hide(struct store *st, uint32_t number)
{
	struct index *idx = st->index;

	for (size_t i = 0; i < idx->segments_count; i++)
		for (uint32_t p = 0; p < idx->segments[i].packs_count; p++)
			if (idx->numbers[i][p] == number)
				idx->numbers[i][p] = NUMBER_NONE;
}

bool
index_present(struct store *st, const struct id *id)
{
	struct index_copy c;

	for (struct index_walk w = {0}; index_next(st, id, &w, &c);)
		if (index_pack_present(st, c.number))
			return true;
	return false;
}

/*
 * All our recipients must be able to open what we refer to.  A pack that
 * cannot be asked is not used: the chunk is stored once more.
 */
static bool
open_to_all(struct store *st, uint32_t number)
{
	uint8_t *state = &st->index->states[number];
	struct err e = {0};

	if ((*state & (PACK_OPEN_TO_ALL | PACK_NOT_OPEN)) == 0)
		*state |=
		    pack_all_can_open(st, &index_pack(st, number)->name, &e)
		    ? PACK_OPEN_TO_ALL
		    : PACK_NOT_OPEN;
	return (*state & PACK_OPEN_TO_ALL) != 0;
}

/* What came from another site is a claim until it was opened. */
static bool
copy_usable(struct store *st, const struct index_copy *c)
{
	return !index_pack(st, c->number)->foreign &&
	    index_pack_present(st, c->number) && open_to_all(st, c->number) &&
	    rooted_if_lost(st, c);
}

/* The usable copy of least depth in a pack that is, or is not, condemned. */
static bool
find_usable(struct store *st, const struct id *id, bool condemned,
    struct index_copy *out)
{
	struct index_copy c;
	bool any = false;

	for (struct index_walk w = {0}; index_next(st, id, &w, &c);)
		if ((!any || c.depth < out->depth) && copy_usable(st, &c) &&
		    condemn_has(st, &index_pack(st, c.number)->name) ==
			condemned) {
			*out = c;
			any = true;
		}
	return any;
}

/* Only condemned packs have it: rely on one, if it can still be revived. */
static bool
revive_copy(struct store *st, const struct id *id, struct index_copy *out)
{
	struct err e;

	while (st->condemned_count > 0 && find_usable(st, id, true, out)) {
		if (condemn_revive(st, &index_pack(st, out->number)->name,
			&e) == ERR_NONE)
			return true;
		/* Gone, or as good as: it is stored once more. */
		st->index->states[out->number] |= PACK_NOT_OPEN;
		st->index->states[out->number] &= (uint8_t)~PACK_OPEN_TO_ALL;
	}
	return false;
}

bool
index_usable(struct store *st, const struct id *id)
{
	struct index_copy c;

	for (struct index_walk w = {0}; index_next(st, id, &w, &c);)
		if (copy_usable(st, &c) &&
		    !condemn_has(st, &index_pack(st, c.number)->name))
			return true;
	return revive_copy(st, id, &c);
}

bool
index_usable_copy(struct store *st, const struct id *id, struct index_copy *out)
{
	return find_usable(st, id, false, out) || revive_copy(st, id, out);
}
