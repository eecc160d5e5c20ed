/*
 * Verify: read everything again (L3), or restore a point into a scratch
 * directory and compare it (L4).
 */

#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>

struct verify {
	struct worker *w;
	struct worker_store at;
	const char *point;            /* id; NULL: the newest */
	uint32_t sample_millipercent; /* of a reread; 0: everything */
	uint64_t damage_count, bytes;
};

static enum err_code
tell_verified(struct verify *v, const struct id *point, const char *level,
    struct err *e)
{
	OWNED(wire_free) struct wire_value *line = NULL;
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(&line, "verified", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(line, "point", id_hex(point, hex));
	wire_add_text(line, "level", level);
	return worker_send(v->w, &line, e);
}

/* --- reread --------------------------------------------------------------- */

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct verify *v = ctx;

	v->damage_count++;
	worker_log(v->w, WORKER_ERROR, "damage: %s: %s", object, what);
}

static bool
on_checked(void *ctx, uint64_t done, uint64_t total)
{
	struct verify *v = ctx;
	struct job_progress p = {0, done, total};

	worker_progress(v->w, &p, "reading");
	return !worker_is_cancelled(v->w);
}

static enum err_code
newest_points(struct point_list *list, struct verify *v, struct err *e)
{
	return point_list(list, v->at.st, worker_service(v->w)->name, on_damage,
	    v, e);
}

static enum err_code
reread(struct verify *v, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	struct check_options opt = {.depth = CHECK_READ,
	    .on_damage = on_damage,
	    .on_progress = on_checked,
	    .ctx = v,
	    .sample_millipercent = v->sample_millipercent,
	    .state_dir = worker_policy(v->w)->state};
	struct check_tally tally = {0};
	enum err_code rc = newest_points(&list, v, e);

	if (rc == ERR_NONE)
		rc = store_check(v->at.st, &opt, &tally, e);
	v->bytes = tally.read_bytes;
	if (rc != ERR_NONE)
		return rc;
	if (tally.damage_count + v->damage_count > 0)
		return err_set(e, ERR_CORRUPT,
		    "%llu things in the repository are damaged",
		    (unsigned long long)(tally.damage_count + v->damage_count));
	/*
	 * What was there before the reading began was read, now or, with a
	 * sample, at least once: what never was comes first.
	 */
	if (tally.never_packs_count > 0)
		return ERR_NONE;
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		rc = tell_verified(v, &list.points[i].id, "L3", e);
	return rc;
}

/* --- restore and compare -------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	return type == FTW_DP || type == FTW_DNR ? rmdir(path) : unlink(path);
}

static void
remove_tree(char **path)
{
	if (*path != NULL)
		nftw(*path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free_mem(path);
}

static enum err_code
make_scratch(struct verify *v, char **out, struct err *e)
{
	const char *root = worker_policy(v->w)->sandbox;

	if (mkdir(root, 0700) != 0 && errno != EEXIST)
		return err_sys(e, "cannot make '%s'", root);
	if (asprintf(out, "%s/verify-%s", root, worker_job(v->w)) < 0) {
		*out = NULL;
		return err_nomem(e);
	}
	if (mkdir(*out, 0700) != 0) {
		err_sys(e, "cannot make '%s'", *out);
		free_mem(out); /* somebody else's: not ours to remove */
		return e->code;
	}
	return ERR_NONE;
}

static enum err_code
restore_one(struct verify *v, const struct id *snapshot, const char *dir,
    struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	char hex[ID_HEX_BYTES], to[PATH_MAX];
	struct restore_result r;
	struct restore_options opt = {.subtree = "",
	    .to = to,
	    .verify = true,
	    .watch = {v->w, worker_on_progress, worker_on_problem}};
	enum err_code rc =
	    snapshot_find(&s, &subtree, v->at.st, id_hex(snapshot, hex), e);

	if (rc != ERR_NONE)
		return rc;
	snprintf(to, sizeof(to), "%s/%s", dir, hex);
	opt.root = s.root;
	worker_doing(v->w, s.dataset);
	rc = restore_run(v->at.st, &opt, &r, e);
	if (rc != ERR_NONE)
		return err_wrap(e, "restoring '%s'", s.dataset);
	v->bytes += r.bytes;
	if (r.failed_count + r.differ_count > 0)
		return err_set(e, ERR_CORRUPT,
		    "of '%s' %llu entries could not be restored and %llu "
		    "differ",
		    s.dataset, (unsigned long long)r.failed_count,
		    (unsigned long long)r.differ_count);
	return ERR_NONE;
}

static const struct point *
choose(const struct point_list *list, const char *id)
{
	char hex[ID_HEX_BYTES];

	if (id == NULL)
		return list->count > 0 ? &list->points[list->count - 1] : NULL;
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(id_hex(&list->points[i].id, hex), id) == 0)
			return &list->points[i];
	return NULL;
}

static enum err_code
restore(struct verify *v, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	OWNED(remove_tree) char *dir = NULL;
	const struct point *p;
	enum err_code rc = newest_points(&list, v, e);

	if (rc != ERR_NONE)
		return rc;
	p = choose(&list, v->point);
	if (p == NULL)
		return err_set(e, ERR_NOTFOUND,
		    v->point == NULL ? "there is no recovery point to restore"
				     : "that recovery point is not here");
	rc = make_scratch(v, &dir, e);
	for (size_t i = 0; rc == ERR_NONE && i < p->snapshots_count; i++)
		rc = restore_one(v, &p->snapshots[i], dir, e);
	return rc != ERR_NONE ? rc : tell_verified(v, &p->id, "L4", e);
}

static void
verify_fini(struct verify *v)
{
	worker_store_fini(&v->at);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(verify_fini) struct verify v = {.w = w};
	const char *how = wire_take_text(worker_spec(w), "how", "reread");
	bool restores = strcmp(how, "restore") == 0;
	uint64_t sample;
	enum err_code rc;

	v.point = wire_take_text(worker_spec(w), "point", NULL);
	sample = wire_take_uint(worker_spec(w), "sample_millipercent", 0);
	if (sample < 100000) /* all of it is no sample */
		v.sample_millipercent = (uint32_t)sample;
	rc = worker_asked(w, e);
	if (rc != ERR_NONE)
		return rc;
	if (worker_service(w) == NULL ||
	    (!restores && strcmp(how, "reread") != 0))
		return err_set(e, ERR_INPUT,
		    "verify is of a service, by reread or restore");
	rc = restores ? worker_store_open(&v.at, w, STORE_READ, e)
		      : worker_store_open_any(&v.at, w, STORE_READ, e);
	if (rc == ERR_NONE)
		rc = restores ? restore(&v, e) : reread(&v, e);
	wire_add_uint(result, "damage", v.damage_count);
	wire_add_uint(result, "bytes", v.bytes);
	return rc;
}

const struct worker_kind worker_verify = {"verify", run};
