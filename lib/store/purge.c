#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "collecting.h"
#include "index.h"
#include "manifest.h"

/*
 * P1. Before a pack is unlinked MANIFEST without it is durable.
 * P2. Its file in condemned/ goes after it: whoever finds neither knows that it
 *     is beyond revival.
 * P3. The lock is held for a batch at a time, and what is true is asked again
 *     inside it.
 */
#define BATCH_COUNT 256
#define TRIES_MAX   16

/* --- packs of the index ------------------------------------------------------------ */

/* Inside the lock: who was revived meanwhile stays.  *changed: somebody was. */
static enum err_code
gather_going(struct collection *c, struct buf *out, bool *changed,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	buf_clear(out);
	*changed = false;
	for (uint32_t n = 0; rc == ERR_NONE && n < c->mark.packs_count; n++) {
		const struct id *name = &index_pack(c->store, n)->name;

		if (c->fates[n] != FATE_GOES)
			continue;
		if (condemn_is(c->store, name))
			rc = collect_add_id(out, name, e);
		else {
			c->fates[n] = FATE_STAYS;
			*changed = true;
		}
	}
	return rc;
}

/* *again: the bases of what was revived have to be spared first. */
static enum err_code
remove_going(struct collection *c, struct buf *going, bool *again,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(manifest_fini) struct manifest m = {0};
	size_t count;
	enum err_code rc = repo_lock(c->store, e);

	*again = false;
	if (rc != ERR_NONE)
		return rc;
	held = c->store;
	rc = session_check(c->session, e);
	if (rc == ERR_NONE)
		rc = gather_going(c, going, again, e);
	count = going->len_bytes / ID_BYTES;
	if (rc != ERR_NONE || *again || count == 0)
		return rc;
	rc = manifest_read(&m, held, e);
	if (rc == ERR_NONE)
		rc = manifest_remove(&m, (const struct id *)going->bytes, count,
		    e);
	return rc == ERR_NONE ? manifest_replace(&m, c->session, e) : rc;
}

/* --- unlinking ---------------------------------------------------------------------- */

static enum err_code
unlink_pack(struct collection *c, const struct id *name, uint64_t size_bytes,
    struct err *e)
{
	char path[PACK_PATH_BYTES];

	if (unlinkat(c->store->packs_fd, pack_path(name, path), 0) != 0) {
		if (errno == ENOENT)
			return ERR_NONE;
		return err_sys(e, "cannot remove '%s/packs/%s'", c->store->path,
		    path);
	}
	c->tally->freed_count++;
	c->tally->freed_bytes += size_bytes;
	return ERR_NONE;
}

struct going {
	struct id name;
	uint64_t size_bytes;
};

static enum err_code
unlink_batch(struct collection *c, const struct going *all, size_t count,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(buf_fini) struct buf done = {0};
	enum err_code rc = repo_lock(c->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = c->store;
	rc = session_check(c->session, e);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++) {
		/* Brought again meanwhile: it is not condemned any more. */
		if (!condemn_is(held, &all[i].name))
			continue;
		rc = unlink_pack(c, &all[i].name, all[i].size_bytes, e);
		if (rc == ERR_NONE)
			rc = collect_add_id(&done, &all[i].name, e);
	}
	if (rc == ERR_NONE)
		rc = condemn_remove(held, (const struct id *)done.bytes,
		    done.len_bytes / ID_BYTES, e);
	return rc;
}

static enum err_code
add_going(struct buf *b, const struct id *name, uint64_t size_bytes,
    struct err *e)
{
	struct going g = {*name, size_bytes};

	return buf_add(b, &g, sizeof(g), e);
}

static enum err_code
unlink_packs(struct collection *c, struct err *e)
{
	OWNED(buf_fini) struct buf all = {0};
	const struct going *going;
	size_t count;
	enum err_code rc = ERR_NONE;

	for (uint32_t n = 0; rc == ERR_NONE && n < c->mark.packs_count; n++)
		if (c->fates[n] == FATE_GOES)
			rc = add_going(&all, &index_pack(c->store, n)->name,
			    index_pack(c->store, n)->size_bytes, e);
	for (size_t i = 0; rc == ERR_NONE && i < c->strays_count; i++)
		if (c->strays[i].fate == FATE_GOES &&
		    c->strays[i].what == CONDEMN_PACK)
			rc = add_going(&all, &c->strays[i].name,
			    c->strays[i].size_bytes, e);
	going = (const struct going *)(const void *)all.bytes;
	count = all.len_bytes / sizeof(*going);
	/* Who removed them from MANIFEST may have died before it was (P1). */
	if (rc == ERR_NONE && count > 0 && fsync(c->store->index_fd) != 0)
		rc = err_sys(e, "cannot flush '%s/index'", c->store->path);
	for (size_t at = 0; rc == ERR_NONE && at < count; at += BATCH_COUNT)
		rc = unlink_batch(c, going + at,
		    count - at < BATCH_COUNT ? count - at : BATCH_COUNT, e);
	return rc;
}

/*
 * What was in no segment when the mark began may be in one now: then it is the
 * next mark's to judge.
 */
static enum err_code
recheck_strays(struct collection *c, struct err *e)
{
	struct store *st = c->store;
	OWNED(index_free) struct index *fresh = NULL;
	struct index *was = st->index;
	enum err_code rc = index_load(&fresh, st, e);

	if (rc != ERR_NONE)
		return rc;
	st->index = fresh;
	if (index_damage(st) != NULL) {
		*e = *index_damage(st);
		rc = e->code;
	}
	for (size_t i = 0; rc == ERR_NONE && i < c->strays_count; i++)
		if (c->strays[i].what == CONDEMN_PACK &&
		    index_pack_number(st, &c->strays[i].name) <
			index_packs_count(st))
			c->strays[i].fate = FATE_STAYS;
	st->index = was;
	return rc;
}

/* --- segments that are not listed ----------------------------------------------------- */

static bool
is_listed(const struct manifest *m, const struct id *name)
{
	for (size_t i = 0; i < m->segments_count; i++)
		if (id_equal(&m->segments[i].name, name))
			return true;
	return false;
}

/*
 * Inside the lock.  A writer may be about to list a file that it found there:
 * so not while another session lives.
 */
static enum err_code
unlink_segments(struct collection *c, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(manifest_fini) struct manifest m = {0};
	OWNED(buf_fini) struct buf alive = {0};
	enum err_code rc = repo_lock(c->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = c->store;
	rc = session_names_alive(&alive, held, c->session, e);
	if (rc == ERR_NONE)
		rc = manifest_read(&m, held, e);
	for (size_t i = 0;
	     rc == ERR_NONE && alive.len_bytes == 0 && i < c->strays_count;
	     i++) {
		const struct stray *s = &c->strays[i];
		char hex[ID_HEX_BYTES];

		if (s->fate != FATE_GOES || s->what != CONDEMN_SEGMENT ||
		    is_listed(&m, &s->name))
			continue;
		if (unlinkat(held->index_fd, id_hex(&s->name, hex), 0) == 0) {
			c->tally->freed_count++;
			c->tally->freed_bytes += s->size_bytes;
		} else if (errno != ENOENT)
			return err_sys(e, "cannot remove '%s/index/%s'",
			    held->path, hex);
		rc = condemn_remove(held, &s->name, 1, e);
	}
	return rc;
}

enum err_code
purge_run(struct collection *c, struct err *e)
{
	OWNED(buf_fini) struct buf going = {0};
	bool again = true;
	enum err_code rc = ERR_NONE;

	for (int i = 0; rc == ERR_NONE && again; i++) {
		if (i == TRIES_MAX)
			return err_set(e, ERR_BUSY,
			    "packs of '%s' are revived again and again",
			    c->store->path);
		rc = verdict_spare_bases(c, e);
		if (rc == ERR_NONE)
			rc = remove_going(c, &going, &again, e);
	}
	if (rc == ERR_NONE)
		rc = recheck_strays(c, e);
	if (rc == ERR_NONE)
		rc = unlink_packs(c, e);
	return rc == ERR_NONE ? unlink_segments(c, e) : rc;
}
