#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collecting.h"
#include "index.h"
#include "merge.h"
#include "reserve.h"

/*
 * Records of removed packs cost room only: a segment is written again when an
 * eighth of it is such, or when the list of removed packs grows long.
 */
#define DEAD_PART   8
#define REMOVED_MAX 1024

struct pair {
	struct manifest_segment old, fresh; /* records_count 0: nothing left */
};

struct compaction {
	struct session *session;
	struct pair *pairs;
	size_t pairs_count;
};

/* How many records of removed packs it holds; 0, too, when it cannot be read. */
static uint64_t
count_dead(const struct segment *s, const struct manifest *m)
{
	OWNED(segment_scan_fini) struct segment_scan scan = {.segment = s};
	OWNED(free_mem)
	bool *removed = calloc((size_t)s->packs_count + 1, sizeof(*removed));
	const uint8_t *at;
	uint64_t dead = 0;
	bool any = false;
	struct err e;

	for (uint32_t i = 0; removed != NULL && i < s->packs_count; i++) {
		struct segment_pack sp;

		segment_pack(s, i, &sp);
		removed[i] = manifest_is_removed(m, &sp.name);
		any |= removed[i];
	}
	while (any && segment_scan_next(&scan, &at, &e) == ERR_NONE &&
	    at != NULL) {
		struct segment_record r;

		segment_record_get(at, &r);
		dead += r.pack < s->packs_count && removed[r.pack];
	}
	return dead;
}

static bool
is_worth_it(const struct compaction *c, const struct manifest *m,
    const struct manifest_segment *ms)
{
	struct store *st = c->session->store;
	OWNED(segment_fini) struct segment s = {0};
	char hex[ID_HEX_BYTES];
	struct err e;
	uint64_t dead;

	if (segment_open(&s, st->index_fd, id_hex(&ms->name, hex), st->family,
		&e) != ERR_NONE)
		return false; /* merged just now, or check's affair */
	dead = count_dead(&s, m);
	if (dead == 0 || reserve_room(st) < s.size_bytes + 2 * RESERVE_BYTES)
		return false;
	return dead * DEAD_PART >= s.records_count ||
	    m->removed_count > REMOVED_MAX;
}

static enum err_code
rewrite(struct compaction *c, const struct manifest *m,
    const struct manifest_segment *ms, struct err *e)
{
	struct merge_choice one = {.count = 1};
	struct pair *p = &c->pairs[c->pairs_count];
	enum err_code rc;

	one.segments[0] = *ms;
	p->old = *ms;
	rc = merge_run(c->session, m, &one, &p->fresh, e);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
		return ERR_NONE;
	if (rc == ERR_NONE)
		c->pairs_count++;
	return rc;
}

/* Inside the lock.  Who has merged one of them meanwhile was faster. */
static enum err_code
apply(struct compaction *c, struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < c->pairs_count; i++) {
		struct pair *p = &c->pairs[i];
		size_t at = 0;
		enum err_code rc;

		while (at < m->segments_count &&
		    !id_equal(&m->segments[at].name, &p->old.name))
			at++;
		if (at == m->segments_count) {
			p->old.records_count = 0;
			continue;
		}
		m->segments_count--;
		memmove(&m->segments[at], &m->segments[at + 1],
		    (m->segments_count - at) * sizeof(*m->segments));
		if (p->fresh.records_count == 0)
			continue;
		rc = manifest_add(m, &p->fresh, e);
		if (rc != ERR_NONE)
			return rc;
	}
	return ERR_NONE;
}

/* Removed packs that no listed segment names need not be named either. */
static enum err_code
drop_removed(struct store *st, struct manifest *m, struct err *e)
{
	OWNED(buf_fini) struct buf named = {0};
	struct manifest again = {0};
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < m->segments_count; i++) {
		OWNED(segment_fini) struct segment s = {0};
		char hex[ID_HEX_BYTES];

		rc = segment_open(&s, st->index_fd,
		    id_hex(&m->segments[i].name, hex), st->family, e);
		for (uint32_t p = 0; rc == ERR_NONE && p < s.packs_count; p++) {
			struct segment_pack sp;

			segment_pack(&s, p, &sp);
			if (manifest_is_removed(m, &sp.name))
				rc = collect_add_id(&named, &sp.name, e);
		}
	}
	/* Until its file in condemned/ is gone it must be seen to be removed. */
	for (size_t i = 0; rc == ERR_NONE && i < m->removed_count; i++)
		if (condemn_is(st, &m->removed[i]))
			rc = collect_add_id(&named, &m->removed[i], e);
	if (rc == ERR_NONE)
		rc = manifest_remove(&again, (const struct id *)named.bytes,
		    named.len_bytes / ID_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	free(m->removed);
	m->removed = again.removed;
	m->removed_count = again.removed_count;
	return ERR_NONE;
}

static enum err_code
replace(struct compaction *c, struct err *e)
{
	struct store *st = c->session->store;
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(manifest_fini) struct manifest m = {0};
	size_t before;
	enum err_code rc = repo_lock(st, e);

	if (rc != ERR_NONE)
		return rc;
	held = st;
	if ((rc = session_check(c->session, e)) != ERR_NONE ||
	    (rc = manifest_read(&m, held, e)) != ERR_NONE)
		return rc;
	before = m.removed_count;
	if ((rc = apply(c, &m, e)) != ERR_NONE ||
	    (rc = drop_removed(held, &m, e)) != ERR_NONE)
		return rc;
	if (c->pairs_count == 0 && m.removed_count == before)
		return ERR_NONE;
	rc = manifest_replace(&m, c->session, e);
	for (size_t i = 0; rc == ERR_NONE && i < c->pairs_count; i++) {
		const struct pair *p = &c->pairs[i];
		char hex[ID_HEX_BYTES];

		/* As after a merge: who reads the old MANIFEST looks again. */
		if (p->old.records_count > 0 &&
		    !id_equal(&p->old.name, &p->fresh.name))
			(void)unlinkat(held->index_fd,
			    id_hex(&p->old.name, hex), 0);
	}
	return rc;
}

enum err_code
compact_run(struct session *se, struct err *e)
{
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(free_mem) struct pair *pairs = NULL;
	struct compaction c = {.session = se};
	enum err_code rc = manifest_read(&m, se->store, e);

	if (rc != ERR_NONE || m.removed_count == 0)
		return rc;
	pairs = calloc(m.segments_count + 1, sizeof(*pairs));
	if (pairs == NULL)
		return err_nomem(e);
	c.pairs = pairs;
	for (size_t i = 0; rc == ERR_NONE && i < m.segments_count; i++)
		if (is_worth_it(&c, &m, &m.segments[i]))
			rc = rewrite(&c, &m, &m.segments[i], e);
	return rc == ERR_NONE ? replace(&c, e) : rc;
}
