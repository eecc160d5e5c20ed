#include "receipts.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/le.h>

#include "sidefile.h"
#include "snapfind.h"

#define FLAGS_ALL (RECEIPT_FOREIGN | RECEIPT_GONE | RECEIPT_ACCEPTED)

void
receipts_fini(struct receipts *r)
{
	free(r->all);
	free(r->services);
	memset(r, 0, sizeof(*r));
}

/* --- the file --------------------------------------------------------------- */

static uint8_t *
put_receipt(uint8_t *at, const struct receipt *r)
{
	memcpy(at, r->snapshot.bytes, ID_BYTES);
	le_put64(at + ID_BYTES, (uint64_t)r->received.ns);
	le_put64(at + ID_BYTES + 8, (uint64_t)r->promised_ns);
	le_put32(at + ID_BYTES + 16, r->flags);
	le_put32(at + ID_BYTES + 20, 0);
	return at + RECEIPTS_ENTRY_BYTES;
}

static uint8_t *
put_service(uint8_t *at, const struct receipt_service *s)
{
	memcpy(at, s->name.bytes, ID_BYTES);
	le_put64(at + ID_BYTES, (uint64_t)s->promised_ns);
	return at + RECEIPTS_SERVICE_BYTES;
}

enum err_code
receipts_encode(struct buf *out, const struct receipts *r,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e)
{
	struct id hash;
	uint8_t *at;
	enum err_code rc;

	buf_clear(out);
	rc = buf_extend(out,
	    HEAD_BYTES + 16 + r->count * RECEIPTS_ENTRY_BYTES +
		r->services_count * RECEIPTS_SERVICE_BYTES,
	    &at, e);
	if (rc != ERR_NONE)
		return rc;
	head_put(at, HEAD_RECEIPTS, family);
	le_put64(at + HEAD_BYTES, r->count);
	le_put64(at + HEAD_BYTES + 8, r->services_count);
	at += HEAD_BYTES + 16;
	for (size_t i = 0; i < r->count; i++)
		at = put_receipt(at, &r->all[i]);
	for (size_t i = 0; i < r->services_count; i++)
		at = put_service(at, &r->services[i]);
	rc = hash_sha256(out->bytes, out->len_bytes, &hash, e);
	return rc == ERR_NONE ? buf_add(out, hash.bytes, ID_BYTES, e) : rc;
}

static enum err_code
decode_receipt(struct receipt *r, const uint8_t *at, struct err *e)
{
	memcpy(r->snapshot.bytes, at, ID_BYTES);
	r->received.ns = (int64_t)le_get64(at + ID_BYTES);
	r->promised_ns = (int64_t)le_get64(at + ID_BYTES + 8);
	r->flags = le_get32(at + ID_BYTES + 16);
	if (r->promised_ns < 0 || (r->flags & ~FLAGS_ALL) != 0 ||
	    le_get32(at + ID_BYTES + 20) != 0)
		return err_set(e, ERR_CORRUPT, "makes no sense");
	return ERR_NONE;
}

static enum err_code
decode_entries(struct receipts *out, const uint8_t *at, size_t count,
    size_t services_count, struct err *e)
{
	const uint8_t *services = at + count * RECEIPTS_ENTRY_BYTES;
	enum err_code rc = ERR_NONE;

	out->all = calloc(count + 1, sizeof(*out->all));
	out->services = calloc(services_count + 1, sizeof(*out->services));
	if (out->all == NULL || out->services == NULL)
		return err_nomem(e);
	if (!id_ascend(at, count, RECEIPTS_ENTRY_BYTES) ||
	    !id_ascend(services, services_count, RECEIPTS_SERVICE_BYTES))
		return err_set(e, ERR_CORRUPT, "is out of order");
	for (; rc == ERR_NONE && out->count < count; at += RECEIPTS_ENTRY_BYTES)
		rc = decode_receipt(&out->all[out->count++], at, e);
	for (size_t i = 0; rc == ERR_NONE && i < services_count;
	     i++, services += RECEIPTS_SERVICE_BYTES) {
		struct receipt_service *s =
		    &out->services[out->services_count++];

		memcpy(s->name.bytes, services, ID_BYTES);
		s->promised_ns = (int64_t)le_get64(services + ID_BYTES);
		if (s->promised_ns < 0)
			rc = err_set(e, ERR_CORRUPT, "makes no sense");
	}
	return rc;
}

enum err_code
receipts_decode(struct receipts *out, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(receipts_fini) struct receipts r = {0};
	const uint8_t *at = bytes;
	uint64_t count, services_count;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < HEAD_BYTES + 16 + ID_BYTES ||
	    len_bytes > RECEIPTS_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "is %zu bytes long", len_bytes);
	rc = head_check_hashed(at, len_bytes, HEAD_RECEIPTS, family, e);
	if (rc != ERR_NONE)
		return rc;
	count = le_get64(at + HEAD_BYTES);
	services_count = le_get64(at + HEAD_BYTES + 8);
	if (count > RECEIPTS_COUNT_MAX ||
	    services_count > RECEIPTS_SERVICES_MAX ||
	    len_bytes !=
		HEAD_BYTES + 16 + count * RECEIPTS_ENTRY_BYTES +
		    services_count * RECEIPTS_SERVICE_BYTES + ID_BYTES)
		return err_set(e, ERR_CORRUPT, "is not of the size it says");
	rc = decode_entries(&r, at + HEAD_BYTES + 16, count, services_count, e);
	if (rc != ERR_NONE)
		return rc;
	*out = r;
	memset(&r, 0, sizeof(r));
	return ERR_NONE;
}

static enum err_code
decode(void *out, const uint8_t *family, const void *bytes, size_t len_bytes,
    struct err *e)
{
	return receipts_decode(out, family, bytes, len_bytes, e);
}

static const struct sidefile file = {.name = "receipts",
    .tmp = "receipts.new",
    .max_bytes = RECEIPTS_BYTES_MAX,
    .decode = decode,
    .hint = "bascule heal begins it anew, and promises what is here another "
	    "30 days"};

/*
 * P3.  Where neither was ever written nothing came from elsewhere.  What cannot
 * be read may promise anything: ERR_CORRUPT.
 */
enum err_code
receipts_read(struct receipts *out, struct store *st, struct err *e)
{
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	rc = sidefile_read_either(out, st, &file, e);
	return rc == ERR_NOTFOUND ? ERR_NONE : rc;
}

static enum err_code
save(struct store *st, const struct receipts *r, struct err *e)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = RECEIPTS_BYTES_MAX};
	enum err_code rc = receipts_encode(&b, r, st->family, e);

	return rc == ERR_NONE ? sidefile_write_both(st, &file, &b, e) : rc;
}

/* --- looking ------------------------------------------------------------------ */

/* Where it is, or would be. */
static size_t
place_of(const struct receipts *r, const struct id *snapshot)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (id_compare(&r->all[mid].snapshot, snapshot) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct receipt *
receipts_find(const struct receipts *r, const struct id *snapshot)
{
	size_t at = place_of(r, snapshot);

	return at < r->count && id_equal(&r->all[at].snapshot, snapshot)
	    ? &r->all[at]
	    : NULL;
}

static enum err_code
name_service(struct id *out, const char *service, struct err *e)
{
	return hash_sha256(service, strlen(service) + 1, out, e);
}

static struct receipt_service *
find_service(const struct receipts *r, const struct id *name)
{
	for (size_t i = 0; i < r->services_count; i++)
		if (id_equal(&r->services[i].name, name))
			return &r->services[i];
	return NULL;
}

/* --- changing ------------------------------------------------------------------ */

/* Of what is forgotten only the latest need be known. */
static void
drop_oldest_gone(struct receipts *r)
{
	size_t gone_count = 0, oldest = r->count;

	for (size_t i = 0; i < r->count; i++) {
		if ((r->all[i].flags & RECEIPT_GONE) == 0)
			continue;
		gone_count++;
		if (oldest == r->count ||
		    r->all[i].received.ns < r->all[oldest].received.ns)
			oldest = i;
	}
	if (oldest == r->count ||
	    (gone_count < RECEIPTS_GONE_MAX && r->count < RECEIPTS_COUNT_MAX))
		return;
	memmove(&r->all[oldest], &r->all[oldest + 1],
	    (--r->count - oldest) * sizeof(*r->all));
}

static enum err_code
insert(struct receipts *r, const struct receipt *one, struct err *e)
{
	struct receipt *more;
	size_t at;

	drop_oldest_gone(r);
	if (r->count == RECEIPTS_COUNT_MAX)
		return err_set(e, ERR_REFUSED,
		    "%u snapshots are here already: one more could not be "
		    "promised anything",
		    (unsigned)RECEIPTS_COUNT_MAX);
	more = reallocarray(r->all, r->count + 1, sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	r->all = more;
	at = place_of(r, &one->snapshot);
	memmove(&more[at + 1], &more[at], (r->count++ - at) * sizeof(*more));
	more[at] = *one;
	return ERR_NONE;
}

/* P1.  The one of that snapshot, made if there is none. */
static enum err_code
raise(struct receipts *r, const struct id *snapshot, int64_t promised_ns,
    struct receipt **out, struct err *e)
{
	struct receipt fresh = {.snapshot = *snapshot,
	    .received = now_utc(),
	    .promised_ns = promised_ns,
	    .flags = RECEIPT_FOREIGN};
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (receipts_find(r, snapshot) == NULL)
		rc = insert(r, &fresh, e);
	if (rc != ERR_NONE)
		return rc;
	*out = &r->all[place_of(r, snapshot)];
	if ((*out)->promised_ns < promised_ns)
		(*out)->promised_ns = promised_ns;
	return ERR_NONE;
}

enum err_code
receipts_add(struct store *st, const struct snapshot *s, int64_t floor_ns,
    struct err *e)
{
	OWNED(receipts_fini) struct receipts r = {0};
	const struct receipt_service *service;
	struct receipt *one;
	struct id name;
	enum err_code rc = receipts_read(&r, st, e);

	ASSERT(st->locked);
	if (rc == ERR_NONE)
		rc = name_service(&name, s->service, e);
	if (rc != ERR_NONE)
		return rc;
	service = find_service(&r, &name);
	if (service != NULL && service->promised_ns > floor_ns)
		floor_ns = service->promised_ns;
	rc = raise(&r, &s->id, floor_ns, &one, e);
	if (rc == ERR_NONE)
		one->flags = (one->flags & ~RECEIPT_GONE) | RECEIPT_FOREIGN;
	return rc == ERR_NONE ? save(st, &r, e) : rc;
}

static enum err_code
set_gone(struct receipts *r, const struct id *id, struct err *e)
{
	struct receipt *one;
	enum err_code rc = raise(r, id, 0, &one, e);

	if (rc == ERR_NONE)
		one->flags = (one->flags & ~RECEIPT_ACCEPTED) | RECEIPT_GONE;
	return rc;
}

enum err_code
receipts_gone(struct store *st, const struct receipts_going *g, struct err *e)
{
	OWNED(receipts_fini) struct receipts r = {0};
	bool foreign = false;
	enum err_code rc = receipts_read(&r, st, e);

	ASSERT(st->locked);
	for (size_t i = 0; rc == ERR_NONE && i < g->snapshots_count; i++) {
		if (receipts_find(&r, &g->snapshots[i]) == NULL)
			continue;
		foreign = true;
		rc = set_gone(&r, &g->snapshots[i], e);
	}
	for (size_t i = 0; foreign && rc == ERR_NONE && i < g->points_count;
	     i++)
		rc = set_gone(&r, &g->points[i], e);
	return rc == ERR_NONE && foreign ? save(st, &r, e) : rc;
}

static enum err_code
set_service(struct receipts *r, const struct id *name, int64_t promised_ns,
    bool *changed, struct err *e)
{
	struct receipt_service *s = find_service(r, name), *more;
	size_t at = 0;

	if (s != NULL) {
		*changed |= s->promised_ns != promised_ns;
		s->promised_ns = promised_ns;
		return ERR_NONE;
	}
	if (r->services_count == RECEIPTS_SERVICES_MAX)
		return err_set(e, ERR_REFUSED,
		    "too many services are promised "
		    "something here");
	more = reallocarray(r->services, r->services_count + 1, sizeof(*more));
	if (more == NULL)
		return err_nomem(e);
	r->services = more;
	while (at < r->services_count && id_compare(&more[at].name, name) < 0)
		at++;
	memmove(&more[at + 1], &more[at],
	    (r->services_count++ - at) * sizeof(*more));
	more[at] = (struct receipt_service){*name, promised_ns};
	*changed = true;
	return ERR_NONE;
}

struct promising {
	struct receipts *receipts;
	int64_t promised_ns;
	bool all; /* also what was not received, as far as is known */
	bool changed;
};

static enum err_code
promise_one(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	struct promising *p = ctx;
	const struct receipt *r = receipts_find(p->receipts, id);
	struct receipt *one;

	(void)dir_fd;
	(void)service;
	(void)object;
	if (!p->all && (r == NULL || (r->flags & RECEIPT_FOREIGN) == 0))
		return ERR_NONE;
	p->changed |= r == NULL || r->promised_ns < p->promised_ns;
	return raise(p->receipts, id, p->promised_ns, &one, e);
}

static enum err_code
promise_all(struct store *st, const char *service, struct promising *p,
    struct err *e)
{
	struct snapfind_each each = {.store = st,
	    .top_fd = st->snapshots_fd,
	    .top = "snapshots",
	    .service = service,
	    .fn = promise_one,
	    .fn_ctx = p};

	return snapfind_each(&each, e);
}

enum err_code
receipts_promise(struct store *st, const char *service, int64_t promised_ns,
    struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(receipts_fini) struct receipts r = {0};
	struct promising p = {.receipts = &r, .promised_ns = promised_ns};
	struct id name;
	enum err_code rc;

	if (!repo_name_is_valid(service) || promised_ns < 0)
		return err_set(e, ERR_INPUT, "not a promise");
	if ((rc = repo_lock(st, e)) != ERR_NONE)
		return rc;
	held = st;
	if ((rc = receipts_read(&r, st, e)) != ERR_NONE ||
	    (rc = name_service(&name, service, e)) != ERR_NONE)
		return rc;
	if (promised_ns > 0 || find_service(&r, &name) != NULL)
		rc = set_service(&r, &name, promised_ns, &p.changed, e);
	if (rc == ERR_NONE)
		rc = promise_all(st, service, &p, e);
	return rc == ERR_NONE && p.changed ? save(st, &r, e) : rc;
}

enum err_code
receipts_accept(struct store *st, const struct id *snapshot, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	OWNED(receipts_fini) struct receipts r = {0};
	struct receipt *one;
	enum err_code rc = repo_lock(st, e);

	if (rc != ERR_NONE)
		return rc;
	held = st;
	if ((rc = receipts_read(&r, st, e)) != ERR_NONE ||
	    (rc = raise(&r, snapshot, 0, &one, e)) != ERR_NONE)
		return rc;
	one->flags = (one->flags & ~RECEIPT_GONE) | RECEIPT_ACCEPTED;
	return save(st, &r, e);
}

enum err_code
receipts_renew(struct store *st, const char *name, bool lost, struct err *e)
{
	OWNED(receipts_fini) struct receipts r = {0};
	struct promising p = {.receipts = &r,
	    .promised_ns = RECEIPTS_LOST_NS,
	    .all = true};
	enum err_code rc = lost ? ERR_NONE : receipts_read(&r, st, e);

	(void)name; /* there is one pair of them */
	ASSERT(st->locked);
	if (rc == ERR_NONE && lost)
		rc = promise_all(st, NULL, &p, e);
	return rc == ERR_NONE ? save(st, &r, e) : rc;
}
