#include "epochs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/le.h>

#include "jump.h"
#include "sidefile.h"
#include "snapfind.h"

void
epochs_fini(struct epochs *s)
{
	free(s->all);
	memset(s, 0, sizeof(*s));
}

/* --- the file --------------------------------------------------------------- */

enum err_code
epochs_encode(struct buf *out, const struct epochs *s,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e)
{
	struct id hash;
	uint8_t *at;
	enum err_code rc;

	buf_clear(out);
	rc = buf_extend(out, HEAD_BYTES + 8 + s->count * EPOCHS_ENTRY_BYTES,
	    &at, e);
	if (rc != ERR_NONE)
		return rc;
	head_put(at, HEAD_EPOCHS, family);
	le_put64(at + HEAD_BYTES, s->count);
	at += HEAD_BYTES + 8;
	for (size_t i = 0; i < s->count; i++, at += EPOCHS_ENTRY_BYTES) {
		memcpy(at, s->all[i].name.bytes, ID_BYTES);
		le_put64(at + ID_BYTES, s->all[i].mark.seen);
		le_put64(at + ID_BYTES + 8, s->all[i].mark.owned);
	}
	rc = hash_sha256(out->bytes, out->len_bytes, &hash, e);
	return rc == ERR_NONE ? buf_add(out, hash.bytes, ID_BYTES, e) : rc;
}

static enum err_code
decode_entries(struct epochs *s, const uint8_t *at, size_t count, struct err *e)
{
	s->all = calloc(count + 1, sizeof(*s->all));
	if (s->all == NULL)
		return err_nomem(e);
	if (!id_ascend(at, count, EPOCHS_ENTRY_BYTES))
		return err_set(e, ERR_CORRUPT, "is out of order");
	for (; s->count < count; at += EPOCHS_ENTRY_BYTES) {
		struct epochs_entry *one = &s->all[s->count++];

		memcpy(one->name.bytes, at, ID_BYTES);
		one->mark.seen = le_get64(at + ID_BYTES);
		one->mark.owned = le_get64(at + ID_BYTES + 8);
		if (one->mark.seen == 0 || one->mark.owned > one->mark.seen)
			return err_set(e, ERR_CORRUPT, "makes no sense");
	}
	return ERR_NONE;
}

enum err_code
epochs_decode(struct epochs *out, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(epochs_fini) struct epochs s = {0};
	const uint8_t *at = bytes;
	uint64_t count;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < HEAD_BYTES + 8 + ID_BYTES ||
	    len_bytes > EPOCHS_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "is %zu bytes long", len_bytes);
	rc = head_check_hashed(at, len_bytes, HEAD_EPOCHS, family, e);
	if (rc != ERR_NONE)
		return rc;
	count = le_get64(at + HEAD_BYTES);
	if (count > EPOCHS_COUNT_MAX ||
	    len_bytes != HEAD_BYTES + 8 + count * EPOCHS_ENTRY_BYTES + ID_BYTES)
		return err_set(e, ERR_CORRUPT, "is not of the size it says");
	rc = decode_entries(&s, at + HEAD_BYTES + 8, (size_t)count, e);
	if (rc != ERR_NONE)
		return rc;
	*out = s;
	memset(&s, 0, sizeof(s));
	return ERR_NONE;
}

static enum err_code
decode(void *out, const uint8_t *family, const void *bytes, size_t len_bytes,
    struct err *e)
{
	return epochs_decode(out, family, bytes, len_bytes, e);
}

static const struct sidefile file = {.name = "epochs",
    .tmp = "epochs.new",
    .max_bytes = EPOCHS_BYTES_MAX,
    .decode = decode,
    .hint = "bascule heal begins it anew, from the snapshots that are here"};

/* Where neither was ever written no epoch is known. */
static enum err_code
load(struct epochs *out, struct store *st, struct err *e)
{
	enum err_code rc = sidefile_read_either(out, st, &file, e);

	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

static enum err_code
save(struct store *st, const struct epochs *s, struct err *e)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = EPOCHS_BYTES_MAX};
	enum err_code rc = epochs_encode(&b, s, st->family, e);

	return rc == ERR_NONE ? sidefile_write_both(st, &file, &b, e) : rc;
}

/* --- looking ------------------------------------------------------------------ */

static enum err_code
name_service(struct id *out, const char *service, struct err *e)
{
	if (!repo_name_is_valid(service))
		return err_set(e, ERR_INPUT, "'%.64s' is no service's name",
		    service);
	return hash_sha256(service, strlen(service) + 1, out, e);
}

/* The one of that name; NULL. */
static struct epochs_entry *
find(const struct epochs *s, const struct id *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (id_equal(&s->all[i].name, name))
			return &s->all[i];
	return NULL;
}

enum err_code
epochs_find(struct epoch_mark *out, struct store *st, const char *service,
    struct err *e)
{
	OWNED(epochs_fini) struct epochs s = {0};
	const struct epochs_entry *one;
	struct id name;
	enum err_code rc = name_service(&name, service, e);

	*out = (struct epoch_mark){0};
	if (rc == ERR_NONE)
		rc = load(&s, st, e);
	if (rc != ERR_NONE)
		return rc;
	one = find(&s, &name);
	if (one != NULL)
		*out = one->mark;
	return ERR_NONE;
}

static enum err_code
fenced(const char *service, uint64_t epoch, uint64_t seen, struct err *e)
{
	err_set(e, ERR_BUSY,
	    "fenced: service '%s' is at epoch %llu here, and this comes under "
	    "epoch %llu",
	    service, (unsigned long long)seen, (unsigned long long)epoch);
	return err_hint(e,
	    "the service was moved to another site, which sends from now on; "
	    "bascule status says where it is");
}

enum err_code
epochs_admit(const struct epochs *carried, struct store *st,
    const char *service, struct err *e)
{
	const struct epochs_entry *one;
	struct epoch_mark mark;
	uint64_t epoch = 1; /* F3 */
	struct id name;
	enum err_code rc = epochs_find(&mark, st, service, e);

	ASSERT(st->locked);
	if (rc != ERR_NONE ||
	    (rc = name_service(&name, service, e)) != ERR_NONE)
		return rc;
	one = find(carried, &name);
	if (one != NULL)
		epoch = one->mark.seen;
	return epoch >= mark.seen ? ERR_NONE
				  : fenced(service, epoch, mark.seen, e);
}

/* --- changing ----------------------------------------------------------------- */

static enum err_code
full(size_t most, struct err *e)
{
	err_set(e, ERR_REFUSED,
	    "the epochs of %zu services are kept here already", most);
	return err_hint(e,
	    "bascule snapshots shows which services there are; one that "
	    "nobody knows was sent by who should not");
}

/* The one of that name, made if there is none and fewer than most. */
static enum err_code
make(struct epochs *s, const struct id *name, size_t most,
    struct epochs_entry **out, struct err *e)
{
	struct epochs_entry *more;
	size_t at = 0;

	*out = find(s, name);
	if (*out != NULL)
		return ERR_NONE;
	if (s->count >= most)
		return full(most, e);
	more = reallocarray(s->all, s->count + 1, sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	s->all = more;
	while (at < s->count && id_compare(&more[at].name, name) < 0)
		at++;
	memmove(&more[at + 1], &more[at], (s->count++ - at) * sizeof(*more));
	more[at] = (struct epochs_entry){.name = *name};
	*out = &more[at];
	return ERR_NONE;
}

static bool
raise(struct epoch_mark *is, const struct epoch_mark *to)
{
	const struct epoch_mark was = *is;

	if (is->owned < to->owned)
		is->owned = to->owned;
	if (is->seen < to->seen)
		is->seen = to->seen;
	if (is->seen < is->owned)
		is->seen = is->owned;
	return is->seen != was.seen || is->owned != was.owned;
}

/* Inside repo_lock; most: when an entry is made for it. */
static enum err_code
change(struct store *st, const char *service, const struct epoch_mark *to,
    size_t most, struct epoch_mark *is, struct err *e)
{
	OWNED(epochs_fini) struct epochs s = {0};
	struct epochs_entry *one;
	struct id name;
	enum err_code rc = name_service(&name, service, e);

	if (rc != ERR_NONE || (to->seen == 0 && to->owned == 0) ||
	    (rc = load(&s, st, e)) != ERR_NONE ||
	    (rc = make(&s, &name, most, &one, e)) != ERR_NONE)
		return rc;
	*is = one->mark;
	if (to->owned != 0 && to->owned < one->mark.seen)
		return fenced(service, to->owned, one->mark.seen, e);
	if (!raise(&one->mark, to))
		return ERR_NONE;
	*is = one->mark;
	return save(st, &s, e);
}

/* Is it more than a name that somebody said?  *is: what its entry says. */
static bool
is_known(struct store *st, const char *service, const struct epoch_mark *is)
{
	return is->seen != 0 ||
	    faccessat(st->snapshots_fd, service, F_OK, 0) == 0;
}

static enum err_code
raise_far(struct store *st, const char *service, uint64_t epoch, struct err *e)
{
	const struct epoch_mark to = {epoch, 0};
	struct epoch_mark is;
	enum err_code rc = change(st, service, &to, EPOCHS_FAR_MAX, &is, e);

	/* F3: that it was never moved is so without an entry, too. */
	return rc == ERR_REFUSED && epoch == 1 ? ERR_NONE : rc;
}

/* Inside repo_lock: of whom we know no more than that it may send. */
static enum err_code
hear(struct store *st, const char *service, uint64_t epoch, struct err *e)
{
	struct epoch_mark is;
	struct jump known = {0};
	enum err_code rc = epochs_find(&is, st, service, e);

	if (rc != ERR_NONE)
		return rc;
	if (epoch < is.seen)
		return fenced(service, epoch, is.seen, e);
	known.epoch = is.seen;
	rc = jump_check(&known, epoch, 0, e);
	return rc == ERR_NONE && is_known(st, service, &is)
	    ? raise_far(st, service, epoch, e)
	    : rc;
}

enum err_code
epochs_carry(struct epochs *carried, struct store *st, const char *service,
    uint64_t epoch, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct epochs_entry *one;
	struct id name;
	enum err_code rc = name_service(&name, service, e);

	if (rc != ERR_NONE ||
	    (rc = make(carried, &name, EPOCHS_COUNT_MAX, &one, e)) !=
		ERR_NONE ||
	    (rc = repo_lock(st, e)) != ERR_NONE)
		return rc;
	held = st;
	one->mark.seen = epoch;
	return hear(st, service, epoch, e);
}

enum err_code
epochs_settle(const struct epochs *carried, struct store *st,
    const char *service, struct err *e)
{
	const struct epochs_entry *one;
	struct id name;
	enum err_code rc = name_service(&name, service, e);

	ASSERT(st->locked);
	if (rc != ERR_NONE)
		return rc;
	one = find(carried, &name);
	return one == NULL ? ERR_NONE
			   : raise_far(st, service, one->mark.seen, e);
}

enum err_code
epochs_raise(struct store *st, const char *service, const struct epoch_mark *to,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct epoch_mark is;
	enum err_code rc = repo_lock(st, e);

	if (rc != ERR_NONE)
		return rc;
	held = st;
	return change(st, service, to, EPOCHS_COUNT_MAX, &is, e);
}

static enum err_code
tell(struct store *st, const char *service, const struct epoch_mark *to,
    struct epoch_mark *is, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	enum err_code rc = repo_try_lock(st, e);

	if (rc != ERR_NONE)
		return rc;
	held = st;
	return change(st, service, to, EPOCHS_COUNT_MAX, is, e);
}

enum err_code
epochs_tell(const char *path, const char *service, const struct epoch_mark *to,
    struct epoch_mark *is, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	const struct store_options opt = {.access = STORE_WRITE};
	enum err_code rc = store_open(&st, path, &opt, e);

	*is = (struct epoch_mark){0};
	return rc == ERR_NONE ? tell(st, service, to, is, e) : rc;
}

/* --- healing ------------------------------------------------------------------- */

/* What the snapshots say is the least that was known. */
static enum err_code
recall(struct epochs *out, struct store *st, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	enum err_code rc = snapshot_list_clear(&list, st, NULL, NULL, NULL, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++) {
		const struct snapshot *s = &list.snapshots[i];
		struct epochs_entry *one;
		struct id name;

		if (s->epoch == 0)
			continue;
		rc = name_service(&name, s->service, e);
		if (rc == ERR_NONE)
			rc = make(out, &name, EPOCHS_COUNT_MAX, &one, e);
		if (rc == ERR_NONE)
			raise(&one->mark, &(struct epoch_mark){s->epoch, 0});
	}
	return rc;
}

enum err_code
epochs_renew(struct store *st, bool lost, struct err *e)
{
	OWNED(epochs_fini) struct epochs s = {0};
	enum err_code rc = lost ? recall(&s, st, e) : load(&s, st, e);

	ASSERT(st->locked);
	return rc == ERR_NONE ? save(st, &s, e) : rc;
}
