#include "ages.h"

#include <stdlib.h>
#include <string.h>

#include <bascule/base/le.h>

#include "ageing.h"
#include "sidefile.h"
#include "snapfind.h"

void
ages_fini(struct ages *a)
{
	free(a->all);
	free(a->series);
	memset(a, 0, sizeof(*a));
}

/* --- the file --------------------------------------------------------------- */

static uint8_t *
put_entry(uint8_t *at, const struct id *id, uint64_t value)
{
	memcpy(at, id->bytes, ID_BYTES);
	le_put64(at + ID_BYTES, value);
	return at + AGES_ENTRY_BYTES;
}

enum err_code
ages_encode(struct buf *out, const struct ages *a,
    const uint8_t family[STORE_FAMILY_BYTES], struct err *e)
{
	struct id hash;
	uint8_t *at;
	enum err_code rc;

	buf_clear(out);
	rc = buf_extend(out,
	    HEAD_BYTES + 16 + (a->count + a->series_count) * AGES_ENTRY_BYTES,
	    &at, e);
	if (rc != ERR_NONE)
		return rc;
	head_put(at, HEAD_AGES, family);
	le_put64(at + HEAD_BYTES, a->count);
	le_put64(at + HEAD_BYTES + 8, a->series_count);
	at += HEAD_BYTES + 16;
	for (size_t i = 0; i < a->count; i++)
		at = put_entry(at, &a->all[i].snapshot,
		    (uint64_t)a->all[i].since_ns);
	for (size_t i = 0; i < a->series_count; i++)
		at = put_entry(at, &a->series[i].series, a->series[i].highest);
	rc = hash_sha256(out->bytes, out->len_bytes, &hash, e);
	return rc == ERR_NONE ? buf_add(out, hash.bytes, ID_BYTES, e) : rc;
}

static enum err_code
decode_entries(struct ages *out, const uint8_t *at, size_t count,
    size_t series_count, struct err *e)
{
	out->all = calloc(count + 1, sizeof(*out->all));
	out->series = calloc(series_count + 1, sizeof(*out->series));
	if (out->all == NULL || out->series == NULL)
		return err_nomem(e);
	if (!id_ascend(at, count, AGES_ENTRY_BYTES) ||
	    !id_ascend(at + count * AGES_ENTRY_BYTES, series_count,
		AGES_ENTRY_BYTES))
		return err_set(e, ERR_CORRUPT, "is out of order");
	for (size_t i = 0; i < count; i++, at += AGES_ENTRY_BYTES) {
		struct age *a = &out->all[out->count++];

		memcpy(a->snapshot.bytes, at, ID_BYTES);
		a->since_ns = (int64_t)le_get64(at + ID_BYTES);
		if (a->since_ns < 0)
			return err_set(e, ERR_CORRUPT, "makes no sense");
	}
	for (size_t i = 0; i < series_count; i++, at += AGES_ENTRY_BYTES) {
		struct age_series *s = &out->series[out->series_count++];

		memcpy(s->series.bytes, at, ID_BYTES);
		s->highest = le_get64(at + ID_BYTES);
	}
	return ERR_NONE;
}

enum err_code
ages_decode(struct ages *out, const uint8_t *family, const void *bytes,
    size_t len_bytes, struct err *e)
{
	OWNED(ages_fini) struct ages a = {0};
	const uint8_t *at = bytes;
	uint64_t count, series_count;
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	if (len_bytes < HEAD_BYTES + 16 + ID_BYTES ||
	    len_bytes > AGES_BYTES_MAX)
		return err_set(e, ERR_CORRUPT, "is %zu bytes long", len_bytes);
	rc = head_check_hashed(at, len_bytes, HEAD_AGES, family, e);
	if (rc != ERR_NONE)
		return rc;
	count = le_get64(at + HEAD_BYTES);
	series_count = le_get64(at + HEAD_BYTES + 8);
	if (count > AGES_COUNT_MAX || series_count > AGES_SERIES_MAX ||
	    len_bytes !=
		HEAD_BYTES + 16 + (count + series_count) * AGES_ENTRY_BYTES +
		    ID_BYTES)
		return err_set(e, ERR_CORRUPT, "is not of the size it says");
	rc = decode_entries(&a, at + HEAD_BYTES + 16, count, series_count, e);
	if (rc != ERR_NONE)
		return rc;
	*out = a;
	memset(&a, 0, sizeof(a));
	return ERR_NONE;
}

static enum err_code
decode(void *out, const uint8_t *family, const void *bytes, size_t len_bytes,
    struct err *e)
{
	return ages_decode(out, family, bytes, len_bytes, e);
}

static const struct sidefile file = {.name = "ages",
    .tmp = "ages.new",
    .max_bytes = AGES_BYTES_MAX,
    .decode = decode};

/* Missing or damaged: nothing is known. */
static enum err_code
load(struct ages *out, struct store *st, struct err *e)
{
	enum err_code rc;

	memset(out, 0, sizeof(*out));
	rc = sidefile_read(out, st, &file, e);
	return rc == ERR_NOTFOUND || rc == ERR_CORRUPT ? ERR_NONE : rc;
}

static enum err_code
save(struct store *st, const struct ages *a, struct err *e)
{
	OWNED(buf_fini) struct buf b = {.max_bytes = AGES_BYTES_MAX};
	enum err_code rc = ages_encode(&b, a, st->family, e);

	return rc == ERR_NONE ? sidefile_write(st, &file, &b, e) : rc;
}

/* --- how long here ------------------------------------------------------------ */

static int
compare(const void *a, const void *b)
{
	return id_compare(&((const struct age *)a)->snapshot,
	    &((const struct age *)b)->snapshot);
}

/* What came later than now did so by a clock that began again since. */
static int64_t
since(const struct ages *a, const struct id *snapshot)
{
	const struct age key = {.snapshot = *snapshot};
	const struct age *at = a->count == 0
	    ? NULL
	    : bsearch(&key, a->all, a->count, sizeof(key), compare);

	return at == NULL || at->since_ns > a->now_ns ? a->now_ns
						      : at->since_ns;
}

int64_t
ages_of(const struct ages *a, const struct id *snapshot)
{
	return a->now_ns - since(a, snapshot);
}

enum err_code
ages_read(struct ages *out, struct store *st, struct err *e)
{
	OWNED(ages_fini) struct ages a = {0};
	enum err_code rc = load(&a, st, e);

	memset(out, 0, sizeof(*out));
	if (rc == ERR_NONE)
		rc = ageing_observe(st, AGEING_LOOK, &a.now_ns, e);
	if (rc != ERR_NONE)
		return rc;
	*out = a;
	memset(&a, 0, sizeof(a));
	return ERR_NONE;
}

/* --- keeping it ---------------------------------------------------------------- */

static enum err_code
add(struct ages *a, const struct id *snapshot, int64_t since_ns, struct err *e)
{
	struct age *more = reallocarray(a->all, a->count + 1, sizeof(*more));

	if (more == NULL)
		return err_nomem(e);
	a->all = more;
	if (a->count < AGES_COUNT_MAX)
		more[a->count++] = (struct age){*snapshot, since_ns};
	return ERR_NONE;
}

static void
sort(struct ages *a)
{
	if (a->count > 0)
		qsort(a->all, a->count, sizeof(*a->all), compare);
}

static enum err_code
begin(struct ages *a, struct store *st, struct err *e)
{
	enum err_code rc = load(a, st, e);

	ASSERT(st->locked);
	return rc == ERR_NONE ? ageing_observe(st, AGEING_TICK, &a->now_ns, e)
			      : rc;
}

/* --- numbers ------------------------------------------------------------------ */

static enum err_code
name_series(struct id *out, const struct snapshot *s, struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	enum err_code rc = hash_begin(&h, e);

	if (rc != ERR_NONE)
		return rc;
	hash_add(h, s->service, strlen(s->service) + 1);
	hash_add(h, s->dataset, strlen(s->dataset) + 1);
	hash_end(h, out);
	return ERR_NONE;
}

/* Where it is, or would be. */
static size_t
series_at(const struct ages *a, const struct id *series)
{
	size_t i = 0;

	while (
	    i < a->series_count && id_compare(&a->series[i].series, series) < 0)
		i++;
	return i;
}

static bool
has_series(const struct ages *a, size_t at, const struct id *series)
{
	return at < a->series_count && id_equal(&a->series[at].series, series);
}

static enum err_code
raise_highest(struct ages *a, const struct snapshot *s, struct err *e)
{
	struct age_series *more;
	struct id series;
	size_t at;
	enum err_code rc = name_series(&series, s, e);

	if (rc != ERR_NONE)
		return rc;
	at = series_at(a, &series);
	if (!has_series(a, at, &series)) {
		if (a->series_count == AGES_SERIES_MAX)
			return ERR_NONE; /* the snapshots themselves tell */
		more =
		    reallocarray(a->series, a->series_count + 1, sizeof(*more));
		if (more == NULL)
			return err_nomem(e);
		a->series = more;
		memmove(&more[at + 1], &more[at],
		    (a->series_count++ - at) * sizeof(*more));
		more[at] = (struct age_series){series, 0};
	}
	if (a->series[at].highest < s->sequence)
		a->series[at].highest = s->sequence;
	return ERR_NONE;
}

enum err_code
ages_highest(uint64_t *out, struct store *st, const struct snapshot *s,
    struct err *e)
{
	OWNED(ages_fini) struct ages a = {0};
	struct id series;
	size_t at;
	enum err_code rc = load(&a, st, e);

	*out = 0;
	if (rc == ERR_NONE)
		rc = name_series(&series, s, e);
	if (rc != ERR_NONE)
		return rc;
	at = series_at(&a, &series);
	if (has_series(&a, at, &series))
		*out = a.series[at].highest;
	return ERR_NONE;
}

/* --- what comes, and what went -------------------------------------------------- */

enum err_code
ages_add(struct store *st, const struct snapshot *s, struct err *e)
{
	OWNED(ages_fini) struct ages a = {0};
	enum err_code rc = begin(&a, st, e);

	for (size_t i = 0; rc == ERR_NONE && i < a.count; i++)
		if (id_equal(&a.all[i].snapshot, &s->id))
			return ERR_NONE; /* it was here already */
	if (rc == ERR_NONE)
		rc = add(&a, &s->id, a.now_ns, e);
	if (rc == ERR_NONE)
		rc = raise_highest(&a, s, e);
	sort(&a);
	return rc == ERR_NONE ? save(st, &a, e) : rc;
}

struct syncing {
	struct ages was, is;
};

static enum err_code
sync_one(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	struct syncing *s = ctx;

	(void)dir_fd;
	(void)service;
	(void)object;
	return add(&s->is, id, since(&s->was, id), e);
}

static enum err_code
sync_all(struct store *st, struct syncing *s, struct err *e)
{
	struct snapfind_each each = {.store = st,
	    .top_fd = st->snapshots_fd,
	    .top = "snapshots",
	    .fn = sync_one,
	    .fn_ctx = s};
	enum err_code rc = begin(&s->was, st, e);

	if (rc == ERR_NONE)
		rc = snapfind_each(&each, e);
	sort(&s->is);
	s->is.series = TAKE(s->was.series);
	s->is.series_count = s->was.series_count;
	s->was.series_count = 0;
	if (rc == ERR_NONE &&
	    (s->is.count != s->was.count ||
		(s->is.count > 0 &&
		    memcmp(s->is.all, s->was.all,
			s->is.count * sizeof(*s->is.all)) != 0)))
		rc = save(st, &s->is, e);
	return rc;
}

enum err_code
ages_sync(struct store *st, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	struct syncing s = {0};
	enum err_code rc;

	if (st->access != STORE_WRITE)
		return ERR_NONE;
	if ((rc = repo_lock(st, e)) != ERR_NONE)
		return rc;
	held = st;
	rc = sync_all(st, &s, e);
	ages_fini(&s.was);
	ages_fini(&s.is);
	return rc == ERR_NOSPACE ? ERR_NONE : rc; /* it is noted later */
}

static enum err_code
look(struct store *st, struct err *e)
{
	OWNED(repo_unlock_owned) struct store *held = NULL;
	int64_t age_ns;
	enum err_code rc = repo_try_lock(st, e);

	if (rc != ERR_NONE)
		return rc;
	held = st;
	return ageing_observe(st, AGEING_TICK, &age_ns, e);
}

enum err_code
ages_look(const char *path, struct err *e)
{
	OWNED(store_close) struct store *st = NULL;
	struct store_options opt = {.access = STORE_WRITE};
	enum err_code rc = store_open(&st, path, &opt, e);

	return rc == ERR_NONE ? look(st, e) : rc;
}
