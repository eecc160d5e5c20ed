#include <string.h>

#include <bascule/base/fdio.h>

#include "ages.h"
#include "closure.h"
#include "diverge.h"
#include "epochs.h"
#include "jump.h"
#include "losses.h"
#include "pin.h"
#include "receipts.h"
#include "snapfile.h"
#include "snapfind.h"

/*
 * A snapshot from elsewhere comes in last, when all it names is here.  What is
 * looked at and what is made visible are under one lock.
 */

/* One snapshot on its way in. */
struct arrival {
	struct session *session;
	const struct epochs *epochs;
	const struct snapshot *snapshot;
	const void *bytes;
	size_t len_bytes;
	int64_t promised_ns;
	struct snapshot_list list; /* of its service, here */
	struct id known;           /* a root that is whole here */
	struct diverge diverge;    /* here is NULL: it goes on */
};

static void
arrival_fini(struct arrival *a)
{
	snapshot_list_fini(&a->list);
}

static enum err_code
refuse_gone(const struct snapshot *s, struct err *e)
{
	char hex[ID_HEX_BYTES];

	err_set(e, ERR_REFUSED, "it was here, and was forgotten here");
	return err_hint(e,
	    "bascule -r REPOSITORY store accept %s takes it "
	    "again",
	    id_hex(&s->id, hex));
}

/* A person may have let it in. */
static enum err_code
check_series(struct arrival *a, struct err *e)
{
	OWNED(receipts_fini) struct receipts receipts = {0};
	struct store *st = a->session->store;
	const struct receipt *r;
	enum err_code rc = receipts_read(&receipts, st, e);

	if (rc != ERR_NONE)
		return rc;
	r = receipts_find(&receipts, &a->snapshot->id);
	if (r != NULL && (r->flags & RECEIPT_ACCEPTED) != 0)
		return ERR_NONE;
	if (r != NULL && (r->flags & RECEIPT_GONE) != 0)
		return refuse_gone(a->snapshot, e);
	if (diverge_find(&a->diverge, a->snapshot, &a->list))
		return diverge_refuse(&a->diverge, e);
	return diverge_is_open(st, a->snapshot, &a->list, e);
}

/* Its place in the series here: what is known to be whole below it. */
static enum err_code
place(struct arrival *a, struct err *e)
{
	const struct snapshot *s = a->snapshot;
	struct jump highest = {0};
	enum err_code rc = snapshot_list_clear(&a->list, a->session->store,
	    s->service, NULL, NULL, e);

	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < a->list.count; i++) {
		const struct snapshot *other = &a->list.snapshots[i];

		if (strcmp(other->dataset, s->dataset) != 0)
			continue;
		a->known = other->root;
		jump_seen(&highest, other->epoch, other->sequence);
	}
	rc = jump_check(&highest, s->epoch, s->sequence, e);
	return rc == ERR_NONE ? check_series(a, e) : rc;
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
take(struct arrival *a, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct session *se = a->session;
	const struct snapshot *s = a->snapshot;
	enum err_code rc = repo_lock(se->store, e);

	if (rc != ERR_NONE)
		return rc;
	held = se->store;
	if ((rc = session_check(se, e)) != ERR_NONE ||
	    (rc = epochs_admit(a->epochs, se->store, s->service, e)) !=
		ERR_NONE ||
	    (rc = store_refresh(se->store, e)) != ERR_NONE ||
	    (rc = pin_known(se->store, s->writer_key, s->service, e)) !=
		ERR_NONE ||
	    (rc = place(a, e)) != ERR_NONE ||
	    (rc = closure_complete(se->store, &s->root, &a->known,
		 !id_is_none(&a->known) && !losses_suspected(se->store), e)) !=
		ERR_NONE ||
	    (rc = pin_accept(se, s->writer_key, s->service, e)) != ERR_NONE ||
	    (rc = epochs_settle(a->epochs, held, s->service, e)) != ERR_NONE ||
	    (rc = ages_add(held, s, e)) != ERR_NONE ||
	    (rc = receipts_add(held, s, a->promised_ns, e)) != ERR_NONE)
		return rc;
	return publish(se, s, a->bytes, a->len_bytes, e);
}

/* What is in doubt stays here until somebody has looked. */
static enum err_code
take_or_hold(struct arrival *a, struct err *e)
{
	struct err why;
	enum err_code rc = take(a, e), held;

	if (rc != ERR_REFUSED || a->diverge.here == NULL)
		return rc;
	held = diverge_hold(a->session->store, &a->diverge, e->text, &why);
	if (held != ERR_NONE)
		*e = why;
	return e->code;
}

enum err_code
intake_snapshot(struct intake *in, const void *bytes, size_t len_bytes,
    struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(arrival_fini)
	struct arrival a = {.session = intake_session(in),
	    .epochs = intake_epochs(in),
	    .snapshot = &s,
	    .bytes = bytes,
	    .len_bytes = len_bytes,
	    .promised_ns = intake_promised(in)};
	struct snapfile_sealed sealed;
	char hex[ID_HEX_BYTES];
	enum err_code rc;

	if (len_bytes > SNAPFILE_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "a snapshot of %zu bytes",
		    len_bytes);
	if ((rc = hash_sha256(bytes, len_bytes, &s.id, e)) != ERR_NONE ||
	    (rc = snapfile_decode(&s, &sealed, a.session->store->family, bytes,
		 len_bytes, e)) != ERR_NONE)
		return rc;
	rc = take_or_hold(&a, e);
	return rc == ERR_NONE
	    ? ERR_NONE
	    : err_wrap(e, "snapshot %.12s", id_hex(&s.id, hex));
}
