#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "ageing.h"
#include "collecting.h"
#include "copyproof.h"
#include "incoming.h"
#include "reserve.h"

/*
 * The steps of docs/format/repository.md, "Collection".  What happens when it
 * dies between them: lib/store/README.md.
 */

static void
collection_fini(struct collection *c)
{
	session_close(&c->session);
	roots_fini(&c->roots);
	buf_fini(&c->alive);
	condemn_list_fini(&c->condemned);
	copyproof_free(&c->proof);
	mark_fini(&c->mark);
	free(c->fates);
	free(c->unused);
	free(c->strays);
	buf_fini(&c->stale);
}

const struct condemned *
collect_condemned(const struct collection *c, const struct id *name)
{
	size_t low = 0, high = c->condemned.count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = id_compare(&c->condemned.all[mid].name, name);

		if (order == 0)
			return &c->condemned.all[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

enum err_code
collect_add_id(struct buf *b, const struct id *id, struct err *e)
{
	return buf_add(b, id->bytes, ID_BYTES, e);
}

/* --- beginning ----------------------------------------------------------------------- */

/* One collection at a time: for as long as *fd is open. */
static enum err_code
exclude_others(int *fd, struct store *st, struct err *e)
{
	enum err_code rc = repo_make_dir(fd, st->dir_fd, "condemned", e);

	if (rc != ERR_NONE || flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return rc;
	if (errno != EWOULDBLOCK)
		return err_sys(e, "cannot lock '%s/condemned'", st->path);
	return err_set(e, ERR_BUSY, "another collection is at work in '%s'",
	    st->path);
}

/* Before a session is opened: also that takes a little room. */
static enum err_code
make_room(struct store *st, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	bool released;
	enum err_code rc = repo_lock(st, e);

	if (rc != ERR_NONE)
		return rc;
	held = st;
	return reserve_release(st, &released, e);
}

/* With a key of its own where it may have to seal. */
static enum err_code
open_session(struct collection *c, struct err *e)
{
	const struct keyring *k = c->store->keyring;

	if (c->opt->repack && k != NULL && keyring_can_write(k) &&
	    keyring_can_read(k))
		return session_open(&c->session, c->store, e);
	return session_open_bare(&c->session, c->store, e);
}

/* What the mark will be of.  Under the lock, unless nothing is changed. */
static enum err_code
look(struct collection *c, struct err *e)
{
	struct store *st = c->store;
	enum err_code rc = store_refresh(st, e);

	if (rc == ERR_NONE)
		rc = ageing_observe(st,
		    c->session == NULL ? AGEING_LOOK : AGEING_KEEP,
		    &c->clock_ns, e);
	if (rc == ERR_NONE)
		rc = session_names_alive(&c->alive, st, c->session, e);
	if (rc == ERR_NONE)
		rc = condemn_list(&c->condemned, st, &c->alive, e);
	if (rc == ERR_NONE)
		rc = roots_gather(&c->roots, st,
		    c->opt->dry_run ? c->opt->without : NULL,
		    c->opt->dry_run ? c->opt->without_count : 0, e);
	c->tally->sessions_count = c->alive.len_bytes / CONDEMN_SESSION_BYTES;
	return rc;
}

static enum err_code
look_locked(struct collection *c, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc = repo_lock(c->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = c->store;
	return look(c, e);
}

static bool
on_marked(void *ctx, uint64_t done_bytes)
{
	const struct collect_options *opt = ctx;

	return opt->on_progress == NULL ||
	    opt->on_progress(opt->ctx, done_bytes, 0);
}

static enum err_code
judge(struct collection *c, struct err *e)
{
	enum err_code rc;

	c->mark.store = c->store;
	c->mark.on_progress = on_marked;
	c->mark.ctx = (void *)(uintptr_t)c->opt;
	rc = mark_run(&c->mark, &c->roots, e);
	if (rc == ERR_NONE)
		rc = verdict_run(c, e);
	return rc == ERR_NONE ? repack_choose(c, e) : rc;
}

/* --- doing ----------------------------------------------------------------------------- */

static enum err_code
gather_fate(struct collection *c, enum fate fate, struct buf *out,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (uint32_t n = 0; rc == ERR_NONE && n < c->mark.packs_count; n++)
		if (c->fates[n] == fate)
			rc = collect_add_id(out, &index_pack(c->store, n)->name,
			    e);
	return rc;
}

static void
count_condemned(struct collection *c)
{
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->fates[n] == FATE_CONDEMNED) {
			c->tally->condemned_count++;
			c->tally->condemned_bytes +=
			    index_pack(c->store, n)->size_bytes;
		}
	for (size_t i = 0; i < c->strays_count; i++)
		if (c->strays[i].fate == FATE_CONDEMNED) {
			c->tally->condemned_count++;
			c->tally->condemned_bytes += c->strays[i].size_bytes;
		}
}

/* What has just been condemned may go at once. */
static void
hurry(struct collection *c)
{
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->fates[n] == FATE_CONDEMNED)
			c->fates[n] = FATE_GOES;
	for (size_t i = 0; i < c->strays_count; i++)
		if (c->strays[i].fate == FATE_CONDEMNED)
			c->strays[i].fate = FATE_GOES;
}

/* What is condemned and stays for now counts as waiting. */
static void
wait_for_it(struct collection *c)
{
	c->tally->waiting_count += c->tally->condemned_count;
	c->tally->waiting_bytes += c->tally->condemned_bytes;
	if (c->tally->condemned_count > 0 && c->tally->waiting_ns == 0)
		c->tally->waiting_ns = c->opt->undelete_age_ns;
}

/*
 * Is the mark as good as one begun now?  Nobody else lives, and the roots are
 * those it began with.
 */
static enum err_code
still_holds(struct collection *c, const struct buf *alive, bool *holds,
    struct err *e)
{
	struct id print;
	enum err_code rc = roots_print(&print, c->store, e);

	*holds = rc == ERR_NONE && alive->len_bytes == 0 &&
	    id_equal(&print, &c->roots.print);
	return rc;
}

static enum err_code
condemn_strays(struct collection *c, const struct condemn_batch *like,
    enum condemn_what what, struct err *e)
{
	OWNED(buf_fini) struct buf names = {0};
	struct condemn_batch batch = *like;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < c->strays_count; i++)
		if (c->strays[i].fate == FATE_CONDEMNED &&
		    c->strays[i].what == what)
			rc = collect_add_id(&names, &c->strays[i].name, e);
	batch.view.what = what;
	batch.names = (const struct id *)names.bytes;
	batch.count = names.len_bytes / ID_BYTES;
	return rc == ERR_NONE ? condemn_add(c->session, &batch, e) : rc;
}

/*
 * Inside the lock.  Their age begins now, not when the mark did: it may have
 * slept since.
 */
static enum err_code
condemn_all(struct collection *c, const struct buf *alive, struct err *e)
{
	OWNED(buf_fini) struct buf names = {0};
	struct condemn_batch batch = {
	    .view = {CONDEMN_PACK, c->clock_ns, alive->bytes,
		alive->len_bytes / CONDEMN_SESSION_BYTES}};
	enum err_code rc = gather_fate(c, FATE_CONDEMNED, &names, e);

	batch.names = (const struct id *)names.bytes;
	batch.count = names.len_bytes / ID_BYTES;
	if (rc == ERR_NONE && c->tally->condemned_count > 0)
		rc = ageing_observe(c->store, AGEING_KEEP, &batch.view.age_ns,
		    e);
	if (rc == ERR_NONE)
		rc = condemn_add(c->session, &batch, e);
	if (rc == ERR_NONE)
		rc = condemn_strays(c, &batch, CONDEMN_PACK, e);
	if (rc == ERR_NONE)
		rc = condemn_strays(c, &batch, CONDEMN_SEGMENT, e);
	return rc;
}

static enum err_code
sentence(struct collection *c, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(buf_fini) struct buf alive = {0};
	OWNED(buf_fini) struct buf revived = {0};
	bool holds = false;
	enum err_code rc = repo_lock(c->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = c->store;
	if ((rc = session_check(c->session, e)) != ERR_NONE ||
	    (rc = session_names_alive(&alive, held, c->session, e)) !=
		ERR_NONE ||
	    (rc = index_was_readable(held, e)) != ERR_NONE ||
	    (rc = gather_fate(c, FATE_REVIVED, &revived, e)) != ERR_NONE ||
	    (rc = condemn_remove(held, (const struct id *)revived.bytes,
		 revived.len_bytes / ID_BYTES, e)) != ERR_NONE ||
	    (rc = condemn_remove(held, (const struct id *)c->stale.bytes,
		 c->stale.len_bytes / ID_BYTES, e)) != ERR_NONE ||
	    (rc = condemn_all(c, &alive, e)) != ERR_NONE)
		return rc;
	if (c->opt->undelete_age_ns <= 0)
		rc = still_holds(c, &alive, &holds, e);
	if (holds)
		hurry(c);
	else
		wait_for_it(c);
	return rc;
}

static enum err_code
restock(struct store *st, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc = repo_lock(st, e);

	if (rc != ERR_NONE)
		return rc;
	held = st;
	reserve_make(st);
	return ERR_NONE;
}

static enum err_code
repack_not(struct collection *c)
{
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->fates[n] == FATE_REPACKED) {
			c->fates[n] = FATE_STAYS;
			c->tally->unused_bytes += c->unused[n];
		}
	c->tally->repacked_count = 0;
	return ERR_NONE;
}

/* What arrived in part and is not gone on with: a replica may receive no more. */
static void
expire_incoming(struct collection *c)
{
	OWNED(incoming_fini) struct incoming in;

	incoming_init(&in, c->session);
	incoming_expire(&in);
}

static enum err_code
act(struct collection *c, struct err *e)
{
	enum err_code rc;

	expire_incoming(c);
	rc = repack_run(c, e);
	/* What goes whole makes room: then the next run can repack. */
	if (rc == ERR_NOSPACE)
		rc = repack_not(c);
	if (rc != ERR_NONE)
		return rc;
	count_condemned(c);
	if ((rc = sentence(c, e)) != ERR_NONE ||
	    (rc = purge_run(c, e)) != ERR_NONE ||
	    (rc = compact_run(c->session, e)) != ERR_NONE ||
	    (rc = restock(c->store, e)) != ERR_NONE)
		return rc;
	rc = ages_sync(c->store, e);
	return rc == ERR_NONE ? store_refresh(c->store, e) : rc;
}

/* As it would be. */
static enum err_code
pretend(struct collection *c, struct err *e)
{
	enum err_code rc;

	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->fates[n] == FATE_REPACKED) {
			c->tally->copied_bytes +=
			    index_pack(c->store, n)->size_bytes - c->unused[n];
			c->fates[n] = FATE_CONDEMNED;
		}
	count_condemned(c);
	if (c->opt->undelete_age_ns <= 0 && c->alive.len_bytes == 0)
		hurry(c);
	else
		wait_for_it(c);
	rc = verdict_spare_bases(c, e);
	for (uint32_t n = 0; n < c->mark.packs_count; n++)
		if (c->fates[n] == FATE_GOES) {
			c->tally->freed_count++;
			c->tally->freed_bytes +=
			    index_pack(c->store, n)->size_bytes;
		}
	for (size_t i = 0; i < c->strays_count; i++)
		if (c->strays[i].fate == FATE_GOES) {
			c->tally->freed_count++;
			c->tally->freed_bytes += c->strays[i].size_bytes;
		}
	return rc;
}

enum err_code
collect_run(struct store *st, const struct collect_options *opt,
    struct collect_tally *out, struct err *e)
{
	OWNED(fdio_close) int excluding = -1;
	OWNED(collection_fini)
	struct collection c = {.store = st, .opt = opt, .tally = out};
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (opt->dry_run) {
		rc = look(&c, e);
		if (rc == ERR_NONE)
			rc = judge(&c, e);
		return rc == ERR_NONE ? pretend(&c, e) : rc;
	}
	if (st->access != STORE_WRITE)
		return err_set(e, ERR_INPUT, "'%s' was opened for reading only",
		    st->path);
	if ((rc = make_room(st, e)) != ERR_NONE ||
	    (rc = exclude_others(&excluding, st, e)) != ERR_NONE ||
	    (rc = open_session(&c, e)) != ERR_NONE ||
	    (rc = look_locked(&c, e)) != ERR_NONE ||
	    (rc = judge(&c, e)) != ERR_NONE)
		return rc;
	return act(&c, e);
}
