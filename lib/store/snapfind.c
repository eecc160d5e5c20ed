#include "snapfind.h"
#include "snapfile.h"

#include <bascule/base/fdio.h>

enum err_code
snapfind_bytes(struct buf *out, int dir_fd, const struct id *id,
    size_t max_bytes, struct err *e)
{
	char hex[ID_HEX_BYTES];
	struct id hash;
	enum err_code rc;

	rc = repo_slurp(out, dir_fd, id_hex(id, hex), max_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	rc = hash_sha256(out->bytes, out->len_bytes, &hash, e);
	if (rc == ERR_NONE && !id_equal(&hash, id))
		return err_set(e, ERR_CORRUPT,
		    "its bytes do not hash to its name");
	return rc;
}

enum err_code
snapfind_load(struct snapshot *out, struct store *st, int dir_fd,
    const struct id *id, enum snapfind_part part, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {.id = *id};
	OWNED(buf_fini) struct buf bytes = {0};
	struct snapfile_sealed sealed;
	enum err_code rc;

	memset(out, 0, sizeof *out);
	if ((rc = snapfind_bytes(&bytes, dir_fd, id, SNAPFILE_BYTES_MAX, e)) !=
		ERR_NONE ||
	    (rc = snapfile_decode(&s, &sealed, st->family, bytes.bytes,
		 bytes.len_bytes, e)) != ERR_NONE)
		return rc;
	if (part == SNAPFIND_DETAILS && st->keyring != NULL &&
	    keyring_can_read(st->keyring)) {
		rc = snapfile_open(&s, &sealed, st, e);
		if (rc != ERR_NONE && rc != ERR_KEY)
			return rc;
	}
	*out = s;
	memset(&s, 0, sizeof s);
	return ERR_NONE;
}

/* --- each file ------------------------------------------------------------ */

static void
report(const struct snapfind_each *each, const char *object, const char *what)
{
	if (each->on_damage != NULL)
		each->on_damage(each->ctx, object, what);
}

static enum err_code
service_each(const struct snapfind_each *each, const char *service,
    struct err *e)
{
	OWNED(repo_names_fini) struct repo_names names = {0};
	OWNED(buf_fini) struct buf object = {0};
	OWNED(fdio_close) int fd = -1;
	struct id id;
	enum err_code rc;

	if ((rc = repo_open_dir(&fd, each->top_fd, service, e)) != ERR_NONE ||
	    (rc = repo_list(&names, fd, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < names.count && rc == ERR_NONE; i++) {
		buf_clear(&object);
		rc = buf_printf(&object, e, "%s/%s/%s", each->top, service,
		    names.names[i]);
		if (rc != ERR_NONE)
			return rc;
		if (id_parse(names.names[i], &id))
			rc = each->fn(each->fn_ctx, fd, service,
			    buf_text(&object), &id, e);
		else
			report(each, buf_text(&object),
			    "is not the name of such a file");
	}
	return rc;
}

enum err_code
snapfind_each(const struct snapfind_each *each, struct err *e)
{
	OWNED(repo_names_fini) struct repo_names names = {0};
	enum err_code rc;

	if (each->service != NULL) {
		if (!repo_name_is_valid(each->service))
			return err_set(e, ERR_INPUT,
			    "'%.64s' is not a service's name", each->service);
		rc = service_each(each, each->service, e);
		return rc == ERR_NOTFOUND ? ERR_NONE : rc;
	}
	if ((rc = repo_list(&names, each->top_fd, e)) != ERR_NONE)
		return rc;
	for (size_t i = 0; i < names.count && rc == ERR_NONE; i++) {
		const char *name = names.names[i];

		if (repo_name_is_valid(name))
			rc = service_each(each, name, e);
		else
			report(each, each->top, "holds what is not a service");
	}
	return rc;
}

enum err_code
snapfind_step_over(const struct snapfind_each *each, const char *object,
    struct err *e)
{
	switch (e->code) {
	case ERR_NOTFOUND: return ERR_NONE;
	case ERR_CORRUPT:
	case ERR_INPUT:
	case ERR_IO: report(each, object, e->text); return ERR_NONE;
	default: return err_wrap(e, "%s", object);
	}
}

static enum err_code
newer_fn(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	const enum head_kind *kind = ctx;
	OWNED(buf_fini) struct buf bytes = {0};
	OWNED(fdio_close) int fd = -1;
	uint8_t head[HEAD_BYTES];
	struct err why = {0}, newer = {0};
	char hex[ID_HEX_BYTES];

	(void)service;
	/* What cannot be read or believed is damage, which check tells of. */
	if (repo_open_file(&fd, NULL, dir_fd, id_hex(id, hex), &why) !=
		ERR_NONE ||
	    fdio_pread(fd, head, HEAD_BYTES, 0, &why) != ERR_NONE ||
	    head_check(head, HEAD_BYTES, *kind, NULL, &newer) != ERR_TOONEW ||
	    snapfind_bytes(&bytes, dir_fd, id, SNAPFILE_BYTES_MAX, &why) !=
		ERR_NONE)
		return ERR_NONE;
	*e = newer;
	return err_wrap(e, "%s", object);
}

enum err_code
snapfind_refuse_newer(struct store *st, struct err *e)
{
	enum head_kind kind = HEAD_SNAPSHOT;
	struct snapfind_each each = {.store = st,
	    .top_fd = st->snapshots_fd,
	    .top = "snapshots",
	    .fn = newer_fn,
	    .fn_ctx = &kind};
	enum err_code rc = snapfind_each(&each, e);

	if (rc != ERR_NONE)
		return rc;
	kind = HEAD_POINT;
	each.top_fd = st->points_fd;
	each.top = "points";
	return snapfind_each(&each, e);
}

/* --- finding -------------------------------------------------------------- */

struct by_id {
	struct store *store;
	const struct id *id;
	struct snapshot *out;
	bool found;
};

static enum err_code
by_id_fn(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	struct by_id *b = ctx;
	enum err_code rc;

	(void)service;
	if (b->found || !id_equal(id, b->id))
		return ERR_NONE;
	b->found = true;
	rc = snapfind_load(b->out, b->store, dir_fd, id, SNAPFIND_DETAILS, e);
	return rc == ERR_NONE ? ERR_NONE : err_wrap(e, "%s", object);
}

enum err_code
snapfind_by_id(struct snapshot *out, struct store *st, const struct id *id,
    struct err *e)
{
	struct by_id b = {st, id, out, false};
	struct snapfind_each each = {.store = st,
	    .top_fd = st->snapshots_fd,
	    .top = "snapshots",
	    .fn = by_id_fn,
	    .fn_ctx = &b};
	enum err_code rc;

	memset(out, 0, sizeof *out);
	if ((rc = snapfind_each(&each, e)) != ERR_NONE)
		return rc;
	if (!b.found)
		return err_set(e, ERR_NOTFOUND, "there is no such snapshot");
	return ERR_NONE;
}

static int
order_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int
snapfind_order(const struct snapshot *a, const struct snapshot *b)
{
	int c = order_u64(a->epoch, b->epoch);

	if (c == 0)
		c = order_u64(a->sequence, b->sequence);
	if (c == 0 && a->started.ns != b->started.ns)
		c = a->started.ns < b->started.ns ? -1 : 1;
	return c != 0 ? c : id_compare(&a->id, &b->id);
}

const struct snapshot *
snapfind_newest(const struct snapshot_list *list, const char *service,
    const char *dataset)
{
	for (size_t i = list->count; i > 0; i--) {
		const struct snapshot *s = &list->snapshots[i - 1];

		if (strcmp(s->service, service) == 0 &&
		    strcmp(s->dataset, dataset) == 0)
			return s;
	}
	return NULL;
}
