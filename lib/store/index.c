#include "index.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "condemn.h"
#include "manifest.h"
#include "merge.h"
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
	struct manifest manifest; /* as it was read */
	struct index_pack *packs; /* sorted by name */
	uint8_t *states;
	size_t packs_count;
	struct err damage;
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

size_t
index_pack_number(const struct store *st, const struct id *name)
{
	const struct index *idx = st->index;
	struct index_pack key = {.name = *name};
	const struct index_pack *at = NULL;

	if (idx->packs_count > 0)
		at = bsearch(&key, idx->packs, idx->packs_count,
		    sizeof(*idx->packs), compare_packs);
	return at == NULL ? idx->packs_count : (size_t)(at - idx->packs);
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

	idx->packs = calloc(count + 1, sizeof(*idx->packs));
	idx->states = calloc(count + 1, 1);
	if (idx->packs == NULL || idx->states == NULL)
		return err_nomem(e);
	all_packs(idx, idx->packs);
	if (count > 0)
		qsort(idx->packs, count, sizeof(*idx->packs), compare_packs);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 ||
		    !id_equal(&idx->packs[kept - 1].name, &idx->packs[i].name))
			idx->packs[kept++] = idx->packs[i];
	idx->packs_count = kept;
	return ERR_NONE;
}

static enum err_code
number_packs(struct store *st, struct err *e)
{
	struct index *idx = st->index;

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
			    : (uint32_t)index_pack_number(st, &sp.name);
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
	if (rc == ERR_NONE) {
		struct index *old = st->index;

		st->index = idx;
		rc = number_packs(st, e);
		st->index = old;
	}
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
index_find(const struct store *st, const struct id *id, unsigned nth,
    struct index_copy *out)
{
	const struct index *idx = st->index;

	/* The newest segments first: what is wanted is mostly young. */
	for (size_t i = idx->segments_count; i-- > 0;) {
		const struct segment *s = &idx->segments[i];
		uint64_t at = segment_find(s, id);
		struct segment_record r;

		for (; segment_record(s, at, &r) && id_equal(&r.id, id); at++) {
			if (idx->numbers[i][r.pack] == NUMBER_NONE)
				continue;
			if (nth-- > 0)
				continue;
			*out = copy_of(idx, i, at, &r);
			return true;
		}
	}
	return false;
}

size_t
index_each(const struct store *st, const struct id *id, index_copy_fn *fn,
    void *ctx)
{
	const struct index *idx = st->index;
	size_t count = 0;

	for (size_t i = idx->segments_count; i-- > 0;) {
		const struct segment *s = &idx->segments[i];
		uint64_t at = segment_find(s, id);
		struct segment_record r;

		for (; segment_record(s, at, &r) && id_equal(&r.id, id); at++) {
			struct index_copy c;

			if (idx->numbers[i][r.pack] == NUMBER_NONE)
				continue;
			c = copy_of(idx, i, at, &r);
			fn(ctx, &c);
			count++;
		}
	}
	return count;
}

void
index_scan(const struct store *st, index_copy_fn *fn, void *ctx)
{
	const struct index *idx = st->index;

	for (size_t i = 0; i < idx->segments_count; i++) {
		const struct segment *s = &idx->segments[i];
		struct segment_record r;

		for (uint64_t at = 0; at < s->records_count; at++) {
			struct index_copy c;

			if (!segment_record(s, at, &r) ||
			    idx->numbers[i][r.pack] == NUMBER_NONE)
				continue;
			c = copy_of(idx, i, at, &r);
			fn(ctx, &c);
		}
	}
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
		enum err_code rc = hash_sha256(idx->segments[i].map,
		    idx->segments[i].size_bytes, &hash, e);

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

bool
index_record(const struct store *st, uint64_t ordinal, struct id *id,
    struct index_copy *out)
{
	const struct index *idx = st->index;
	struct segment_record r;
	size_t i = 0;

	while (i < idx->segments_count && ordinal >= idx->firsts[i + 1])
		i++;
	if (i == idx->segments_count ||
	    !segment_record(&idx->segments[i], ordinal - idx->firsts[i], &r) ||
	    idx->numbers[i][r.pack] == NUMBER_NONE)
		return false;
	*id = r.id;
	*out = copy_of(idx, i, ordinal - idx->firsts[i], &r);
	return true;
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
		bool there = fstatat(st->packs_fd, pack_path(&pk->name, path),
				 &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(sb.st_mode) &&
		    (uint64_t)sb.st_size == pk->size_bytes;

		*state |= there ? PACK_PRESENT : PACK_ABSENT;
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

	for (unsigned nth = 0; index_find(st, id, nth, &c); nth++)
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

	for (unsigned nth = 0; index_find(st, id, nth, &c); nth++)
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

	for (unsigned nth = 0; index_find(st, id, nth, &c); nth++)
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

enum err_code
index_publish(struct session *se, struct segment_parts *parts,
    struct manifest_segment *out, struct err *e)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = SIZE_MAX / 2};
	struct repo_file f = {.dirfd = se->store->index_fd, .what = "index"};
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

/*
 * What MANIFEST should list beside own, and what instead of it.  Merging is
 * done before the lock is taken: nobody waits for it.
 */
struct change {
	struct manifest_segment own;
	struct manifest_segment merged; /* records_count 0: nothing merged */
	struct merge_choice inputs;     /* what merged stands for */
};

/* What comes again counts again (an intake's pack; a writer's is new). */
static void
take_back(struct manifest *m, const struct segment_parts *parts)
{
	for (size_t i = 0; i < parts->packs_count; i++)
		manifest_unremove(m, &parts->packs[i].name);
}

static enum err_code
prepare_merge(struct session *se, const struct segment_parts *parts,
    struct change *c, struct err *e)
{
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(merge_fini) struct merge merge = {0};
	enum err_code rc = manifest_read(&m, se->store, e);

	take_back(&m, parts);
	if (rc == ERR_NONE)
		rc = manifest_add(&m, &c->own, e);
	if (rc != ERR_NONE || !merge_choose(&m, &c->inputs))
		return rc;
	rc = merge_build(&merge, se->store, &m, &c->inputs, e);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
		/* Merged by another just now, or damaged: as it was, then. */
		c->inputs.count = 0;
		return ERR_NONE;
	}
	return rc == ERR_NONE ? index_publish(se, &merge.parts, &c->merged, e)
			      : rc;
}

static size_t
listed_at(const struct manifest *m, const struct id *name)
{
	size_t i = 0;

	while (i < m->segments_count && !id_equal(&m->segments[i].name, name))
		i++;
	return i;
}

/* Are all the inputs still listed, so that merged may stand for them? */
static bool
may_replace(const struct manifest *m, const struct change *c)
{
	for (size_t i = 0; i < c->inputs.count; i++)
		if (!id_equal(&c->inputs.segments[i].name, &c->own.name) &&
		    listed_at(m, &c->inputs.segments[i].name) ==
			m->segments_count)
			return false;
	return c->merged.records_count > 0;
}

static enum err_code
apply(struct manifest *m, const struct change *c, bool replace, struct err *e)
{
	bool own_merged = false;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; replace && i < c->inputs.count; i++) {
		size_t at = listed_at(m, &c->inputs.segments[i].name);

		own_merged |=
		    id_equal(&c->inputs.segments[i].name, &c->own.name);
		if (at == m->segments_count)
			continue;
		m->segments_count--;
		memmove(&m->segments[at], &m->segments[at + 1],
		    (m->segments_count - at) * sizeof(*m->segments));
	}
	if (replace && listed_at(m, &c->merged.name) == m->segments_count)
		rc = manifest_add(m, &c->merged, e);
	if (rc == ERR_NONE && !own_merged &&
	    listed_at(m, &c->own.name) == m->segments_count)
		rc = manifest_add(m, &c->own, e);
	return rc;
}

/*
 * MANIFEST without them is durable.  Who reads the old one finds a file gone
 * and looks again (index_load); one that stays costs space only.
 */
static void
remove_merged(struct store *st, const struct change *c)
{
	for (size_t i = 0; i < c->inputs.count; i++) {
		char hex[ID_HEX_BYTES];

		if (!id_equal(&c->inputs.segments[i].name, &c->merged.name))
			(void)unlinkat(st->index_fd,
			    id_hex(&c->inputs.segments[i].name, hex), 0);
	}
}

/*
 * Inside the lock: what becomes live must be there (a collection may have been
 * faster than an intake that brought again what it had condemned), and is
 * condemned no more.
 */
static enum err_code
claim_packs(struct store *st, const struct segment_parts *parts, struct err *e)
{
	for (size_t i = 0; i < parts->packs_count; i++) {
		const struct segment_pack *sp = &parts->packs[i];
		char path[PACK_PATH_BYTES];
		struct stat sb;
		enum err_code rc;

		if (fstatat(st->packs_fd, pack_path(&sp->name, path), &sb,
			AT_SYMLINK_NOFOLLOW) != 0 ||
		    (uint64_t)sb.st_size != sp->size_bytes)
			return err_set(e, ERR_BUSY,
			    "'%s/packs/%s' was taken away while it was saved",
			    st->path, path);
		if (!condemn_is(st, &sp->name))
			continue;
		rc = condemn_remove(st, &sp->name, 1, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

static bool
is_there(const struct store *st, const struct manifest_segment *ms)
{
	char hex[ID_HEX_BYTES];
	struct stat sb;

	return fstatat(st->index_fd, id_hex(&ms->name, hex), &sb,
		   AT_SYMLINK_NOFOLLOW) == 0 &&
	    (uint64_t)sb.st_size == ms->size_bytes;
}

/*
 * Inside the lock.  A file that was there already may have been taken away
 * since: another writer had it listed and merges it, or a collection finds that
 * nobody lists it.  Then it is written once more.
 */
static enum err_code
claim_own(struct session *se, struct segment_parts *parts, struct change *c,
    struct err *e)
{
	return is_there(se->store, &c->own)
	    ? ERR_NONE
	    : index_publish(se, parts, &c->own, e);
}

enum err_code
index_commit(struct session *se, struct segment_parts *parts, struct err *e)
{
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct change c = {0};
	bool replace;
	enum err_code rc = index_publish(se, parts, &c.own, e);

	if (rc == ERR_NONE)
		rc = prepare_merge(se, parts, &c, e);
	if (rc == ERR_NONE)
		rc = repo_lock(se->store, e);
	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	rc = session_check(se, e);
	if (rc == ERR_NONE)
		rc = claim_packs(se->store, parts, e);
	if (rc == ERR_NONE)
		rc = claim_own(se, parts, &c, e);
	if (rc == ERR_NONE)
		rc = manifest_read(&m, se->store, e);
	if (rc != ERR_NONE)
		return rc;
	replace = may_replace(&m, &c) && is_there(held, &c.merged);
	take_back(&m, parts);
	rc = apply(&m, &c, replace, e);
	if (rc == ERR_NONE)
		rc = manifest_replace(&m, se, e);
	if (rc == ERR_NONE && replace)
		remove_merged(se->store, &c);
	return rc;
}
