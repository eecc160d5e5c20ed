#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

#include "snapfind.h"

static bool
is_kept(const struct snapshot *s, const struct id *keep, size_t keep_count)
{
	for (size_t i = 0; i < keep_count; i++)
		if (id_equal(&s->id, &keep[i]))
			return true;
	return false;
}

static bool
is_ours(const struct session *se, const struct snapshot *s, const char *dataset)
{
	const struct sign_key *k = keyring_writer(se->store->keyring);

	return (s->flags & SNAPSHOT_CHECKPOINT) != 0 &&
	    strcmp(s->dataset, dataset) == 0 &&
	    memcmp(s->writer_key, sign_key_public(k)->bytes,
		sizeof s->writer_key) == 0;
}

/*
 * Somebody else builds on it, or holds it: it stays for a later sweep.  Who
 * cannot be asked may, too.
 */
static bool
is_in_use(struct session *se, const struct hold_list *holds,
    const struct id *snapshot)
{
	struct err e;

	for (size_t i = 0; i < holds->count; i++)
		for (size_t k = 0; k < holds->holds[i].snapshots_count; k++)
			if (id_equal(&holds->holds[i].snapshots[k], snapshot))
				return true;
	return session_check_pins(se->store, se, snapshot, &e) != ERR_NONE;
}

/*
 * Only roots go: what they name stays until a collection.  Dying in between
 * leaves the rest to the next sweep.
 */
enum err_code
checkpoint_sweep(struct session *se, const char *service, const char *dataset,
    const struct id *keep, size_t keep_count, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	OWNED(hold_list_fini) struct hold_list holds = {0};
	OWNED(fdio_close) int fd = -1;
	struct err bent;
	char hex[ID_HEX_BYTES];
	bool gone = false;
	enum err_code rc = repo_lock(se->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	if ((rc = session_check(se, e)) != ERR_NONE ||
	    (rc = snapshot_list_clear(&list, se->store, service, NULL, NULL,
		 e)) != ERR_NONE)
		return rc;
	/* A hold that cannot be read may hold any of them. */
	if (list.count == 0 || hold_list(&holds, held, &bent) != ERR_NONE)
		return ERR_NONE;
	rc = repo_open_dir(&fd, se->store->snapshots_fd, service, e);
	for (size_t i = 0; i < list.count && rc == ERR_NONE; i++) {
		const struct snapshot *s = &list.snapshots[i];

		if (!is_ours(se, s, dataset) || is_kept(s, keep, keep_count) ||
		    is_in_use(se, &holds, &s->id))
			continue;
		if (unlinkat(fd, id_hex(&s->id, hex), 0) != 0)
			rc = err_sys(e, "cannot remove checkpoint %.12s", hex);
		gone = true;
	}
	if (rc == ERR_NONE && gone && fsync(fd) != 0)
		rc = err_sys(e, "cannot flush the snapshots of '%s'", service);
	return rc;
}
