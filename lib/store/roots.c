#include "roots.h"

#include <string.h>

#include <bascule/base/fdio.h>

#include "snapfind.h"

void
roots_fini(struct roots *r)
{
	free(r->ids);
	memset(r, 0, sizeof(*r));
}

static enum err_code
add(struct roots *r, const struct id *id, struct err *e)
{
	if (r->count == r->room) {
		size_t room = r->room == 0 ? 64 : r->room * 2;
		struct id *more = reallocarray(r->ids, room, sizeof(*more));

		if (more == NULL)
			return err_nomem(e);
		r->ids = more;
		r->room = room;
	}
	r->ids[r->count++] = *id;
	return ERR_NONE;
}

struct gathering {
	struct roots *roots;
	struct store *store;
	const struct id *without;
	size_t without_count;
};

static enum err_code
add_snapshot(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	struct gathering *g = ctx;
	enum err_code rc;

	(void)service;
	for (size_t i = 0; i < g->without_count; i++)
		if (id_equal(id, &g->without[i]))
			return ERR_NONE;
	rc = snapfind_load(&s, g->store, dir_fd, id, SNAPFIND_CLEAR, e);
	if (rc == ERR_NOTFOUND) /* forgotten while we looked */
		return ERR_NONE;
	if (rc == ERR_NONE)
		return add(g->roots, &s.root, e);
	if (rc != ERR_NOMEM && rc != ERR_TOONEW)
		rc = e->code = ERR_CORRUPT;
	err_wrap(e, "'%s/%s' cannot be read, so what it keeps is not known",
	    g->store->path, object);
	return err_hint(e, "heal it from a copy, or remove the file, first");
}

enum err_code
roots_gather(struct roots *out, struct store *st, const struct id *without,
    size_t without_count, struct err *e)
{
	OWNED(roots_fini) struct roots r = {0};
	OWNED(hold_list_fini) struct hold_list holds = {0};
	struct gathering g = {&r, st, without, without_count};
	struct snapfind_each each = {.store = st,
	    .top_fd = st->snapshots_fd,
	    .top = "snapshots",
	    .fn = add_snapshot,
	    .fn_ctx = &g};
	enum err_code rc = roots_print(&r.print, st, e);

	memset(out, 0, sizeof(*out));
	if (rc == ERR_NONE)
		rc = snapfind_each(&each, e);
	if (rc == ERR_NONE)
		rc = hold_list(&holds, st, e);
	for (size_t i = 0; rc == ERR_NONE && i < holds.count; i++)
		for (size_t k = 0;
		     rc == ERR_NONE && k < holds.holds[i].snapshots_count; k++)
			rc = add(&r, &holds.holds[i].roots[k], e);
	if (rc != ERR_NONE)
		return rc;
	*out = r;
	memset(&r, 0, sizeof(r));
	return ERR_NONE;
}

static enum err_code
print_name(void *ctx, int dir_fd, const char *service, const char *object,
    const struct id *id, struct err *e)
{
	(void)dir_fd;
	(void)service;
	(void)id;
	(void)e;
	hash_add(ctx, object, strlen(object) + 1);
	return ERR_NONE;
}

enum err_code
roots_print(struct id *out, struct store *st, struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	OWNED(repo_names_fini) struct repo_names holds = {0};
	OWNED(fdio_close) int fd = -1;
	struct snapfind_each each = {.store = st,
	    .top_fd = st->snapshots_fd,
	    .top = "snapshots",
	    .fn = print_name};
	enum err_code rc = hash_begin(&h, e);

	if (rc != ERR_NONE)
		return rc;
	each.fn_ctx = h;
	rc = snapfind_each(&each, e);
	if (rc == ERR_NONE)
		rc = repo_list_in(&holds, &fd, st, "holds", e);
	for (size_t i = 0; i < holds.count; i++)
		hash_add(h, holds.names[i], strlen(holds.names[i]) + 1);
	hash_end(h, out);
	return rc;
}
