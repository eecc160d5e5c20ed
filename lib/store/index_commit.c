#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "condemn.h"
#include "index.h"
#include "manifest.h"
#include "merge.h"
#include "pack.h"
#include "segment_writer.h"

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
	enum err_code rc = manifest_read(&m, se->store, e);

	take_back(&m, parts);
	if (rc == ERR_NONE)
		rc = manifest_add(&m, &c->own, e);
	if (rc != ERR_NONE || !merge_choose(&m, &c->inputs))
		return rc;
	rc = merge_has_room(se->store, &c->inputs)
	    ? merge_run(se, &m, &c->inputs, &c->merged, e)
	    : ERR_NOTFOUND;
	if (rc != ERR_NOTFOUND && rc != ERR_CORRUPT)
		return rc;
	/* Merged by another just now, or damaged, or no room: as it was. */
	c->inputs.count = 0;
	c->merged.records_count = 0;
	return ERR_NONE;
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
	    : segment_writer_publish(se, parts, &c->own, e);
}

enum err_code
index_commit(struct session *se, struct segment_parts *parts, struct err *e)
{
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct change c = {0};
	bool replace;
	enum err_code rc = segment_writer_publish(se, parts, &c.own, e);

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
