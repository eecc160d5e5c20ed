#include <string.h>

#include <bascule/base/fdio.h>

#include "ages.h"
#include "closure.h"
#include "losses.h"
#include "pin.h"
#include "snapfile.h"
#include "snapfind.h"

void
snapshot_fini(struct snapshot *s)
{
	free(s->host);
	free(s->source);
	for (size_t i = 0; i < s->tags_count; i++)
		free(s->tags[i]);
	for (size_t i = 0; i < s->problems_count; i++) {
		free(s->problems[i].path);
		free(s->problems[i].reason);
	}
	free(s->problems);
	memset(s, 0, sizeof *s);
}

/* --- listing -------------------------------------------------------------- */

void
snapshot_list_fini(struct snapshot_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		snapshot_fini(&list->snapshots[i]);
	free(list->snapshots);
	memset(list, 0, sizeof *list);
}

struct listing {
	struct snapshot_list *list;
	size_t room;
	enum snapfind_part part;
	const struct snapfind_each *each;
};

static enum err_code
listing_add(struct listing *l, struct snapshot *s, struct err *e)
{
	struct snapshot *bigger;

	if (l->list->count == l->room) {
		size_t room = l->room == 0 ? 16 : l->room * 2;

		bigger = realloc(l->list->snapshots, room * sizeof *bigger);
		if (bigger == NULL)
			return err_nomem(e);
		l->list->snapshots = bigger;
		l->room = room;
	}
	l->list->snapshots[l->list->count++] = *s;
	memset(s, 0, sizeof *s);
	return ERR_NONE;
}

static enum err_code
listing_fn(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct listing *l = ctx;
	enum err_code rc =
	    snapfind_load(&s, l->each->store, dir_fd, id, l->part, e);

	if (rc == ERR_NONE && strcmp(s.service, service) != 0)
		rc =
		    err_set(e, ERR_CORRUPT, "it is of service '%s'", s.service);
	return rc == ERR_NONE ? listing_add(l, &s, e)
			      : snapfind_step_over(l->each, object, e);
}

static int
listing_order(const void *a, const void *b)
{
	return snapfind_order(a, b);
}

static enum err_code
list(struct snapshot_list *out, struct snapfind_each *each,
    enum snapfind_part part, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list found = {0};
	struct listing l = {.list = &found, .part = part, .each = each};
	enum err_code rc;

	memset(out, 0, sizeof *out);
	each->top_fd = each->store->snapshots_fd;
	each->top = "snapshots";
	each->fn = listing_fn;
	each->fn_ctx = &l;
	if ((rc = snapfind_each(each, e)) != ERR_NONE)
		return rc;
	if (found.count > 0)
		qsort(found.snapshots, found.count, sizeof *found.snapshots,
		    listing_order);
	*out = found;
	memset(&found, 0, sizeof found);
	return ERR_NONE;
}

enum err_code
snapshot_list(struct snapshot_list *out, struct store *st, const char *service,
    store_damage_fn *on_damage, void *ctx, struct err *e)
{
	struct snapfind_each each = {.store = st,
	    .service = service,
	    .on_damage = on_damage,
	    .ctx = ctx};

	return list(out, &each, SNAPFIND_DETAILS, e);
}

enum err_code
snapshot_list_clear(struct snapshot_list *out, struct store *st,
    const char *service, store_damage_fn *on_damage, void *ctx, struct err *e)
{
	struct snapfind_each each = {.store = st,
	    .service = service,
	    .on_damage = on_damage,
	    .ctx = ctx};

	return list(out, &each, SNAPFIND_CLEAR, e);
}

/* --- committing ----------------------------------------------------------- */

static enum err_code
check_request(const struct session *se, const struct snapshot *s, struct err *e)
{
	const struct keyring *k = se->store->keyring;

	if (k == NULL || keyring_writer(k) == NULL)
		return err_set(e, ERR_KEY, "this key cannot write snapshots");
	if (!repo_name_is_valid(s->service))
		return err_set(e, ERR_INPUT,
		    "'%.64s' is not a service's name (a-z, 0-9, '.', '_' and "
		    "'-', 64 at most)",
		    s->service);
	if (!snapfile_dataset_is_valid(s->dataset))
		return err_set(e, ERR_INPUT, "not a dataset's name");
	if (id_is_none(&s->root))
		return err_set(e, ERR_INPUT, "a snapshot without a root");
	return ERR_NONE;
}

#define KNOWN_MAX 2

/*
 * Its place in its series, which is as long as the lock is held.  known: roots
 * of which everything is here, the newest snapshot's and the newest's that is
 * no checkpoint.
 */
static enum err_code
place(struct session *se, struct snapshot *s, struct id known[KNOWN_MAX],
    size_t *known_count, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct epoch_mark mark;
	bool ended = false;
	enum err_code rc;

	*known_count = 0;
	rc = snapshot_list_clear(&list, se->store, s->service, NULL, NULL, e);
	if (rc == ERR_NONE)
		rc = ages_highest(&s->sequence, se->store, s, e);
	if (rc == ERR_NONE)
		rc = epochs_find(&mark, se->store, s->service, e);
	if (rc != ERR_NONE)
		return rc;
	s->epoch = mark.owned;
	memset(&s->predecessor, 0, sizeof s->predecessor);
	/* A newest snapshot that was lost had its number, and a copy has it. */
	s->sequence++;
	for (size_t i = list.count; i > 0; i--) {
		const struct snapshot *other = &list.snapshots[i - 1];
		bool checkpoint = (other->flags & SNAPSHOT_CHECKPOINT) != 0;

		if (strcmp(other->dataset, s->dataset) != 0)
			continue;
		/* Over all epochs, so that a stale epoch is seen, not hidden. */
		if (other->sequence >= s->sequence)
			s->sequence = other->sequence + 1;
		if (*known_count == 0 || (!checkpoint && !ended))
			known[(*known_count)++] = other->root;
		if (!checkpoint && !ended)
			s->predecessor = other->id;
		ended |= !checkpoint;
	}
	return s->sequence == 0
	    ? err_set(e, ERR_CORRUPT, "the series has no next number")
	    : ERR_NONE;
}

static enum err_code
publish(struct session *se, struct snapshot *s, struct err *e)
{
	OWNED(buf_fini) struct buf bytes = {.max_bytes = SNAPFILE_BYTES_MAX};
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "snapshots"};
	enum err_code rc;

	if ((rc = snapfile_encode(&bytes, se, s, e)) != ERR_NONE ||
	    (rc = repo_make_dir(&fd, se->store->snapshots_fd, s->service, e)) !=
		ERR_NONE ||
	    (rc = hash_sha256(bytes.bytes, bytes.len_bytes, &s->id, e)) !=
		ERR_NONE ||
	    (rc = ages_add(se->store, s, e)) != ERR_NONE)
		return rc;
	f.dirfd = fd;
	f.bytes = bytes.bytes;
	f.len_bytes = bytes.len_bytes;
	return repo_publish_hashed(se, &f, &s->id, e);
}

enum err_code
snapshot_commit(struct session *se, struct writer *w, struct snapshot *s,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	const struct keyring *k = se->store->keyring;
	struct id known[KNOWN_MAX];
	size_t known_count;
	enum err_code rc;

	if ((rc = check_request(se, s, e)) != ERR_NONE ||
	    (rc = writer_flush(w, e)) != ERR_NONE)
		return rc;
	memcpy(s->writer_key, sign_key_public(keyring_writer(k))->bytes,
	    sizeof s->writer_key);
	if ((rc = pin_own(se, s->service, e)) != ERR_NONE ||
	    (rc = repo_lock(se->store, e)) != ERR_NONE)
		return rc;
	held = se->store;
	if ((rc = session_check(se, e)) != ERR_NONE ||
	    (rc = store_refresh(se->store, e)) != ERR_NONE ||
	    (rc = place(se, s, known, &known_count, e)) != ERR_NONE)
		return rc;
	/* What was whole when it was committed may have lost something since. */
	if (losses_suspected(se->store))
		known_count = 0;
	rc = closure_complete(se->store, &s->root, known, known_count, e);
	if (rc == ERR_NOTFOUND) {
		err_wrap(e,
		    "not committed: the repository lacks what the "
		    "snapshot names");
		return e->code = ERR_CORRUPT;
	}
	if (rc != ERR_NONE)
		return rc;
	if ((rc = publish(se, s, e)) == ERR_NONE)
		s->details_known = true;
	return rc;
}
