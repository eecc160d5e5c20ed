#include "epochs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
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

#define HINT "bascule heal begins it anew, from the snapshots that are here"

static const struct sidefile together = {.name = "epochs",
    .tmp = "epochs.new",
    .max_bytes = EPOCHS_BYTES_MAX,
    .decode = decode,
    .hint = HINT};

/* A service's own: the same with one entry, its. */
static struct sidefile
own_file(char name[EPOCHS_NAME_BYTES], const struct id *service)
{
	memcpy(name, "epochs-", 7);
	id_hex(service, name + 7);
	return (struct sidefile){.name = name,
	    .tmp = together.tmp,
	    .max_bytes = EPOCHS_ONE_BYTES,
	    .decode = decode,
	    .hint = HINT};
}

bool
epochs_is_file(const char *name, struct id *service)
{
	const size_t own = 7 + 2 * (size_t)ID_BYTES;
	char hex[ID_HEX_BYTES];

	memset(service, 0, sizeof(*service));
	if (strcmp(name, "epochs") == 0 || strcmp(name, "epochs.bak") == 0)
		return true;
	if (strncmp(name, "epochs-", 7) != 0 || strlen(name) < own ||
	    (name[own] != '\0' && strcmp(name + own, ".bak") != 0))
		return false;
	memcpy(hex, name + 7, sizeof(hex) - 1);
	hex[sizeof(hex) - 1] = '\0';
	return id_parse(hex, service);
}

enum err_code
epochs_judge(const char *name, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(epochs_fini) struct epochs s = {0};
	struct id service;
	enum err_code rc = epochs_decode(&s, family, bytes, len_bytes, e);

	if (rc != ERR_NONE || !epochs_is_file(name, &service) ||
	    id_is_none(&service))
		return rc;
	return s.count == 1 && id_equal(&s.all[0].name, &service)
	    ? ERR_NONE
	    : err_set(e, ERR_CORRUPT, "is about another service");
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

/* What one file says of it; where there is none it says nothing. */
static enum err_code
hear_of(struct epoch_mark *is, struct store *st, const struct sidefile *f,
    const struct id *name, struct err *e)
{
	OWNED(epochs_fini) struct epochs s = {0};
	const struct epochs_entry *one;
	enum err_code rc = sidefile_read_either(&s, st, f, e);

	if (rc != ERR_NONE)
		return rc == ERR_NOTFOUND ? ERR_NONE : rc;
	one = find(&s, name);
	if (one != NULL)
		(void)raise(is, &one->mark);
	else if (f != &together)
		return err_set(e, ERR_CORRUPT,
		    "'%s/condemned/%s' is about another service", st->path,
		    f->name);
	return ERR_NONE;
}

static enum err_code
load(struct epoch_mark *out, struct store *st, const struct id *name,
    struct err *e)
{
	char own_name[EPOCHS_NAME_BYTES];
	const struct sidefile own = own_file(own_name, name);
	enum err_code rc;

	*out = (struct epoch_mark){0};
	rc = hear_of(out, st, &together, name, e);
	return rc == ERR_NONE ? hear_of(out, st, &own, name, e) : rc;
}

static enum err_code
write_both(struct store *st, const struct sidefile *f, const struct epochs *s,
    struct err *e)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = f->max_bytes};
	enum err_code rc = epochs_encode(&b, s, st->family, e);

	return rc == ERR_NONE ? sidefile_write_both(st, f, &b, e) : rc;
}

static enum err_code
save(struct store *st, const struct id *name, const struct epoch_mark *mark,
    struct err *e)
{
	struct epochs_entry one = {*name, *mark};
	const struct epochs s = {&one, 1};
	char own_name[EPOCHS_NAME_BYTES];
	const struct sidefile own = own_file(own_name, name);

	return write_both(st, &own, &s, e);
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

enum err_code
epochs_find(struct epoch_mark *out, struct store *st, const char *service,
    struct err *e)
{
	struct id name;
	enum err_code rc = name_service(&name, service, e);

	*out = (struct epoch_mark){0};
	return rc == ERR_NONE ? load(out, st, &name, e) : rc;
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

/* Inside repo_lock. */
static enum err_code
change(struct store *st, const struct id *name, const char *service,
    const struct epoch_mark *to, struct epoch_mark *is, struct err *e)
{
	enum err_code rc = load(is, st, name, e);

	if (rc != ERR_NONE)
		return rc;
	if (to->owned != 0 && to->owned < is->seen)
		return fenced(service, to->owned, is->seen, e);
	return raise(is, to) ? save(st, name, is, e) : ERR_NONE;
}

static enum err_code
change_of(struct store *st, const char *service, const struct epoch_mark *to,
    struct epoch_mark *is, struct err *e)
{
	struct id name;
	enum err_code rc = name_service(&name, service, e);

	return rc == ERR_NONE ? change(st, &name, service, to, is, e) : rc;
}

/* Is it more than a name that somebody said?  *is: what its entry says. */
static bool
is_known(struct store *st, const char *service, const struct epoch_mark *is)
{
	return is->seen != 0 ||
	    faccessat(st->snapshots_fd, service, F_OK, 0) == 0;
}

/* F3: that it was never moved is so without a file, too. */
static enum err_code
raise_far(struct store *st, const char *service, uint64_t epoch, struct err *e)
{
	const struct epoch_mark to = {epoch, 0};
	struct epoch_mark is;

	return epoch > 1 ? change_of(st, service, &to, &is, e) : ERR_NONE;
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

/* The one of that name in what a session carries, made if there is none. */
static enum err_code
note(struct epochs *s, const struct id *name, struct epochs_entry **out,
    struct err *e)
{
	struct epochs_entry *more;

	*out = find(s, name);
	if (*out != NULL)
		return ERR_NONE;
	if (s->count >= EPOCHS_COUNT_MAX)
		return err_set(e, ERR_REFUSED,
		    "a session carries the epochs of %d services at most",
		    EPOCHS_COUNT_MAX);
	more = reallocarray(s->all, s->count + 1, sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	s->all = more;
	more[s->count] = (struct epochs_entry){.name = *name};
	*out = &more[s->count++];
	return ERR_NONE;
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
	    (rc = note(carried, &name, &one, e)) != ERR_NONE ||
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
	return change_of(st, service, to, &is, e);
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
	return change_of(st, service, to, is, e);
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

/*
 * What its snapshots say is the least that was known of a service, if no file
 * knows more: its own, or where that is what was lost, the one of all.
 */
static enum err_code
recall(struct store *st, const char *service, const struct id *name,
    bool own_is_lost, struct err *e)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	char own_name[EPOCHS_NAME_BYTES];
	const struct sidefile own = own_file(own_name, name);
	struct epoch_mark mark = {0};
	enum err_code rc =
	    hear_of(&mark, st, own_is_lost ? &together : &own, name, e);

	if (rc == ERR_NONE || rc == ERR_CORRUPT) /* that one is healed, too */
		rc = snapshot_list_clear(&list, st, service, NULL, NULL, e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		(void)raise(&mark,
		    &(struct epoch_mark){list.snapshots[i].epoch, 0});
	return rc == ERR_NONE && mark.seen != 0 ? save(st, name, &mark, e) : rc;
}

/* Of that service; of all where it is none. */
static enum err_code
recall_all(struct store *st, const struct id *only, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names services = {0};
	bool all = id_is_none(only);
	enum err_code rc = repo_list(&services, st->snapshots_fd, e);

	for (size_t i = 0; rc == ERR_NONE && i < services.count; i++) {
		struct id name;

		if (!repo_name_is_valid(services.names[i]))
			continue;
		rc = name_service(&name, services.names[i], e);
		if (rc == ERR_NONE && (all || id_equal(only, &name)))
			rc = recall(st, services.names[i], &name, !all, e);
	}
	return rc;
}

enum err_code
epochs_renew(struct store *st, const char *name, bool lost, struct err *e)
{
	OWNED(epochs_fini) struct epochs s = {0};
	char own_name[EPOCHS_NAME_BYTES];
	struct sidefile f = together;
	struct id service;
	enum err_code rc;

	ASSERT(st->locked && epochs_is_file(name, &service));
	if (lost)
		return recall_all(st, &service, e);
	if (!id_is_none(&service))
		f = own_file(own_name, &service);
	rc = sidefile_read_either(&s, st, &f, e);
	return rc == ERR_NONE ? write_both(st, &f, &s, e) : rc;
}
