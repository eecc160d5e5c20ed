/* Restore: datasets of a recovery point into a directory here or on a host. */

#include "worker.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "farrestore.h"
#include "worker_far.h"

struct giving {
	struct worker *w;
	struct worker_store at;
	const char *point; /* the beginning of an id; "": the newest */
	struct buf to;
	const char *paths[256];
	struct restore_options opt;
	struct source_host host;
	bool is_here;
	struct restore_result all; /* of all datasets */
	size_t found_count;        /* datasets */
};

static void
giving_fini(struct giving *g)
{
	worker_store_fini(&g->at);
	buf_fini(&g->to);
}

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct giving *g = ctx;

	worker_log(g->w, WORKER_WARNING, "damage: %s: %s", object, what);
}

static void
on_planned(void *ctx, enum restore_change change, const char *path)
{
	struct worker *w = ctx;

	worker_log(w, WORKER_INFO, "would %s %s", restore_change_name(change),
	    path);
}

/* --- what is asked ---------------------------------------------------------- */

static bool
is_of_one(const struct giving *g)
{
	return worker_dataset(g->w) != NULL ||
	    worker_service(g->w)->dataset_count == 1;
}

/* Over SFTP all of it goes over what differs, and is listed and compared. */
static enum err_code
take_host(struct giving *g, const char *on, struct err *e)
{
	enum err_code rc = worker_far_host(&g->host, &g->is_here, g->w, on, e);

	if (rc != ERR_NONE || g->is_here ||
	    (g->opt.paths_count == 0 && !g->opt.verify && !g->opt.dry_run &&
		g->opt.overwrite == RESTORE_DIFFERING))
		return rc;
	err_set(e, ERR_INPUT,
	    "a restore on another host takes no paths, no dry run, no "
	    "verify, and overwrites what differs");
	return err_hint(e,
	    "restore to an empty directory there, or here and copy from it");
}

static enum err_code
take(struct giving *g, struct err *e)
{
	struct wire_value *spec = worker_spec(g->w);
	struct wire_value *paths = wire_take_list(spec, "paths");
	const char *overwrite = wire_take_text(spec, "overwrite", "differing");
	const char *on = wire_take_text(spec, "on", "");
	enum err_code rc;

	g->point = wire_take_text(spec, "point", "");
	g->to.max_bytes = PATH_MAX;
	wire_take_path(spec, "to", &g->to);
	g->opt.delete_others = wire_take_bool(spec, "delete", false);
	g->opt.verify = wire_take_bool(spec, "verify", false);
	g->opt.dry_run = wire_take_bool(spec, "dry_run", false);
	if (paths != NULL && wire_count(paths) > COUNT_OF(g->paths))
		return err_set(e, ERR_INPUT, "over %zu paths",
		    COUNT_OF(g->paths));
	for (size_t i = 0; paths != NULL && i < wire_count(paths); i++)
		g->paths[g->opt.paths_count++] = wire_at_text(paths, i);
	rc = worker_asked(g->w, e);
	if (rc != ERR_NONE)
		return rc;
	if (!restore_overwrite_of(overwrite, &g->opt.overwrite))
		return err_set(e, ERR_INPUT,
		    "a restore overwrites never, differing or always, not "
		    "'%.40s'",
		    overwrite);
	if (worker_service(g->w) == NULL || buf_text(&g->to)[0] != '/')
		return err_set(e, ERR_INPUT,
		    "a restore is of a service, to an absolute path");
	if (g->opt.paths_count > 0 && !is_of_one(g))
		return err_set(e, ERR_INPUT,
		    "paths are of one dataset: name it, as SERVICE/DATASET");
	return take_host(g, on, e);
}

/* --- which point ------------------------------------------------------------ */

static enum err_code
choose(const struct point **out, const struct giving *g,
    const struct point_list *list, struct err *e)
{
	char hex[ID_HEX_BYTES];

	*out = NULL;
	for (size_t i = list->count; i-- > 0;) {
		if (strncmp(id_hex(&list->points[i].id, hex), g->point,
			strlen(g->point)) != 0)
			continue;
		if (*out != NULL)
			return err_set(e, ERR_INPUT,
			    "'%s' begins more than one recovery point",
			    g->point);
		*out = &list->points[i];
		if (g->point[0] == '\0')
			break;
	}
	if (*out != NULL)
		return ERR_NONE;
	err_set(e, ERR_NOTFOUND, "'%s' has no recovery point %s here",
	    worker_service(g->w)->name, g->point);
	err_hint(e, "'bascule points SERVICE' lists them");
	return e->code;
}

/* --- doing it --------------------------------------------------------------- */

static void
add_up(struct giving *g, const struct restore_result *r)
{
	struct restore_result *all = &g->all;

	all->files_count += r->files_count;
	all->bytes += r->bytes;
	all->written_bytes += r->written_bytes;
	all->same_count += r->same_count;
	all->deleted_count += r->deleted_count;
	all->warnings_count += r->warnings_count;
	all->failed_count += r->failed_count;
	all->damaged_count += r->damaged_count;
	all->differ_count += r->differ_count;
}

/* One dataset goes to the directory itself, several each below its name. */
static enum err_code
place_of(struct giving *g, const struct snapshot *s, struct buf *out,
    struct err *e)
{
	if (is_of_one(g))
		return buf_printf(out, e, "%s", buf_text(&g->to));
	return buf_printf(out, e, "%s/%s", buf_text(&g->to), s->dataset);
}

static enum err_code
give_here(struct giving *g, const struct snapshot *s, const char *to,
    struct err *e)
{
	struct restore_result r;
	enum err_code rc;

	g->opt.root = s->root;
	g->opt.to = to;
	g->opt.total_bytes = g->opt.paths_count == 0 ? s->bytes : 0;
	rc = restore_run(g->at.st, &g->opt, &r, e);
	if (rc == ERR_NONE)
		add_up(g, &r);
	return rc;
}

/* What SFTP cannot hold is a loss: partial, with words. */
static enum err_code
give_far(struct giving *g, const struct snapshot *s, const char *to,
    struct err *e)
{
	const struct farrestore_options opt = {.host = &g->host,
	    .root = s->root,
	    .subtree = "",
	    .to = to,
	    .deletes = g->opt.delete_others};
	struct farrestore_result r = {0};
	char said[1024];
	enum err_code rc = farrestore_run(g->at.st, &opt, &r, e);

	farrestore_say(&r, said, sizeof(said));
	worker_log(g->w, WORKER_INFO, "%s on '%s'%s", s->dataset, g->host.name,
	    said);
	g->all.files_count += r.files_count;
	g->all.bytes += r.bytes;
	g->all.deleted_count += r.deleted_count;
	g->all.failed_count += r.failed_count;
	g->all.differ_count += r.differ_count;
	g->all.warnings_count +=
	    r.left_out_count + r.plain_count + r.meta_failed_count;
	return rc;
}

static enum err_code
give_one(struct giving *g, const struct id *id, struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	OWNED(buf_fini) struct buf to = {.max_bytes = PATH_MAX};
	const char *dataset = worker_dataset(g->w);
	char hex[ID_HEX_BYTES];
	uint64_t before = g->all.files_count;
	enum err_code rc =
	    snapshot_find(&s, &subtree, g->at.st, id_hex(id, hex), e);

	if (rc != ERR_NONE || (dataset != NULL && strcmp(dataset, s.dataset)))
		return rc;
	rc = place_of(g, &s, &to, e);
	if (rc != ERR_NONE)
		return rc;
	g->found_count++;
	worker_doing(g->w, s.dataset);
	rc = g->is_here ? give_here(g, &s, buf_text(&to), e)
			: give_far(g, &s, buf_text(&to), e);
	if (rc != ERR_NONE)
		return err_wrap(e, "restoring '%s'", s.dataset);
	worker_log(g->w, WORKER_INFO,
	    "%s of snapshot %.16s %s in %s%s%s: %llu files", s.dataset, hex,
	    g->opt.dry_run ? "would be" : "is", g->is_here ? "" : g->host.name,
	    g->is_here ? "" : ":", buf_text(&to),
	    (unsigned long long)(g->all.files_count - before));
	return ERR_NONE;
}

static enum err_code
give(struct giving *g, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	const struct point *p = NULL;
	enum err_code rc = point_list(&list, g->at.st,
	    worker_service(g->w)->name, on_damage, g, e);

	if (rc == ERR_NONE)
		rc = choose(&p, g, &list, e);
	for (size_t i = 0; rc == ERR_NONE && i < p->snapshots_count; i++)
		rc = give_one(g, &p->snapshots[i], e);
	if (rc == ERR_NONE && g->found_count == 0)
		rc = err_set(e, ERR_NOTFOUND,
		    "that recovery point has no dataset '%s'",
		    worker_dataset(g->w));
	return rc;
}

static void
add_result(struct giving *g, struct wire_value *result)
{
	const struct restore_result *r = &g->all;

	wire_add_uint(result, "files", r->files_count);
	wire_add_uint(result, "bytes", r->bytes);
	if (r->failed_count + r->differ_count + r->warnings_count > 0)
		worker_partial(g->w,
		    "%llu entries could not be restored (%llu of them for "
		    "damage), %llu differ, %llu are not as they were saved in "
		    "all: the log names them",
		    (unsigned long long)r->failed_count,
		    (unsigned long long)r->damaged_count,
		    (unsigned long long)r->differ_count,
		    (unsigned long long)r->warnings_count);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(giving_fini)
	struct giving g = {.w = w,
	    .opt = {.subtree = "",
		.planned = on_planned,
		.watch = {w, worker_on_progress, worker_on_problem}}};
	enum err_code rc;

	g.opt.paths = g.paths;
	rc = take(&g, e);
	if (rc == ERR_NONE)
		rc = worker_store_open(&g.at, w, STORE_READ, e);
	if (rc == ERR_NONE)
		rc = give(&g, e);
	add_result(&g, result);
	return rc;
}

const struct worker_kind worker_restore = {"restore", run};
