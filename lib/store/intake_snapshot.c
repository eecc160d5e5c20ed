#include <string.h>

#include <bascule/base/fdio.h>

#include "ages.h"
#include "closure.h"
#include "jump.h"
#include "losses.h"
#include "pin.h"
#include "snapfile.h"
#include "snapfind.h"

/*
 * A snapshot from elsewhere comes in last, when all it names is here.  What is
 * looked at and what is made visible are under one lock.
 */

/* Its place in the series here: what is known to be whole below it. */
static enum err_code
place(struct store *st, const struct snapshot *s, struct id *known,
    struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct jump highest = {0};
	enum err_code rc;

	memset(known, 0, sizeof *known);
	rc = snapshot_list_clear(&list, st, s->service, NULL, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < list.count; i++) {
		const struct snapshot *other = &list.snapshots[i];

		if (strcmp(other->dataset, s->dataset) != 0)
			continue;
		*known = other->root;
		jump_seen(&highest, other->epoch, other->sequence);
	}
	return jump_check(&highest, s->epoch, s->sequence, e);
}

static enum err_code
publish(struct session *se, const struct snapshot *s, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(fdio_close) int fd = -1;
	struct repo_file f = {.what = "snapshots",
	    .bytes = bytes,
	    .len_bytes = len_bytes};
	struct id name;
	enum err_code rc;

	rc = repo_make_dir(&fd, se->store->snapshots_fd, s->service, e);
	if (rc != ERR_NONE)
		return rc;
	f.dirfd = fd;
	return repo_publish_hashed(se, &f, &name, e);
}

static enum err_code
take(struct session *se, const struct snapshot *s, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct id known;
	enum err_code rc = repo_lock(se->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	if ((rc = session_check(se, e)) != ERR_NONE ||
	    (rc = store_refresh(se->store, e)) != ERR_NONE ||
	    (rc = place(se->store, s, &known, e)) != ERR_NONE ||
	    (rc = closure_complete(se->store, &s->root, &known,
		 !id_is_none(&known) && !losses_suspected(se->store), e)) !=
		ERR_NONE ||
	    (rc = pin_accept(se, s->writer_key, s->service, e)) != ERR_NONE ||
	    (rc = ages_add(held, s, e)) != ERR_NONE)
		return rc;
	return publish(se, s, bytes, len_bytes, e);
}

enum err_code
intake_snapshot(struct intake *in, const void *bytes, size_t len_bytes,
    struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct session *se = intake_session(in);
	struct snapfile_sealed sealed;
	char hex[ID_HEX_BYTES];
	enum err_code rc;

	if (len_bytes > SNAPFILE_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "a snapshot of %zu bytes",
		    len_bytes);
	if ((rc = hash_sha256(bytes, len_bytes, &s.id, e)) != ERR_NONE ||
	    (rc = snapfile_decode(&s, &sealed, se->store->family, bytes,
		 len_bytes, e)) != ERR_NONE)
		return rc;
	rc = take(se, &s, bytes, len_bytes, e);
	return rc == ERR_NONE
	    ? ERR_NONE
	    : err_wrap(e, "snapshot %.12s", id_hex(&s.id, hex));
}
