/*
 * Verify: read everything again (L3), or restore a point into a scratch
 * directory and compare it (L4): a drill, of which every dataset is a step on
 * record, those that it did not come to as well.
 */

#include "drillroom.h"
#include "planrun_fields.h"
#include "worker_planrun.h"

#include <limits.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/ledger.h>

struct verify {
	struct worker *w;
	struct worker_store at;
	const char *point;            /* id; NULL: the newest */
	uint32_t sample_millipercent; /* of a reread; 0: everything */
	uint64_t damage_count, bytes, files;
	struct worker_planrun talk;
	int64_t restore_ns; /* -1: nothing was restored */
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

static void
on_left(void *ctx, const char *path, const char *why)
{
	struct verify *v = ctx;

	if (why == NULL)
		worker_log(v->w, WORKER_INFO,
		    "'%s', which a drill left that died, was removed", path);
	else
		worker_log(v->w, WORKER_WARNING,
		    "'%s' was left by a drill that died and cannot be removed "
		    "(%s): remove it by hand (rm -r)",
		    path, why);
}

/* What was restored goes; whether it has is said. */
static enum err_code
end_room(struct verify *v, struct drillroom *room, struct err *e)
{
	OWNED(wire_free) struct wire_value *line = NULL;
	char text[ERR_TEXT_BYTES + 600];
	struct err why;
	bool is_left = drillroom_empty(room, &why) != ERR_NONE;
	enum err_code rc = wire_new(&line, "scratch", e);

	if (is_left)
		snprintf(text, sizeof(text),
		    "'%s' could not be removed (%s): look at what is there, "
		    "and remove it by hand (rm -r)",
		    drillroom_path(room), why.text);
	else
		snprintf(text, sizeof(text), "'%s' was removed and is gone",
		    drillroom_path(room));
	if (is_left)
		worker_log(v->w, WORKER_WARNING, "%s", text);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(line, "text", text);
	wire_add_bool(line, "left", is_left);
	return worker_send(v->w, &line, e);
}

/* What a dataset's step says of it; the comparison is part of the restore. */
static enum err_code
restore_one(struct verify *v, const struct snapshot *s, const char *dir,
    char note[160], struct err *e)
{
	char hex[ID_HEX_BYTES], to[PATH_MAX], size[TEXT_UNIT_BYTES];
	struct restore_result r = {0};
	struct restore_options opt = {.root = s->root,
	    .subtree = "",
	    .to = to,
	    .verify = true,
	    .watch = {v->w, worker_on_progress, worker_on_problem}};
	enum err_code rc;

	snprintf(to, sizeof(to), "%s/%s", dir, id_hex(&s->id, hex));
	worker_doing(v->w, s->dataset);
	rc = restore_run(v->at.st, &opt, &r, e);
	v->bytes += r.bytes;
	v->files += r.files_count;
	if (rc != ERR_NONE)
		return err_wrap(e, "restoring '%s'", s->dataset);
	if (r.failed_count + r.differ_count > 0)
		return err_set(e, ERR_CORRUPT,
		    "of '%s' %llu entries could not be restored and %llu "
		    "differ",
		    s->dataset, (unsigned long long)r.failed_count,
		    (unsigned long long)r.differ_count);
	snprintf(note, 160,
	    "%llu files, %s; read again: nothing is missing, nothing differs",
	    (unsigned long long)r.files_count, text_size(r.bytes, size));
	return ERR_NONE;
}

/* --- a drill's steps -------------------------------------------------------- */

/* No step of a plan has a blank in its name. */
static void
step_fields(struct planrun_fields *f, struct verify *v, const char *name,
    const char *state, const char *reason)
{
	planrun_fields_add(f, "step", "restore %s", name);
	planrun_fields_add(f, "kind", "restore");
	planrun_fields_add(f, "state", "%s", state);
	planrun_fields_add(f, "site", "%s", worker_policy(v->w)->site);
	if (reason[0] != '\0')
		planrun_fields_add(f, "reason", "%s", reason);
}

static enum err_code
step_end(struct verify *v, uint64_t seq, const struct snapshot *s,
    enum err_code done, const char *reason, struct err *e)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	struct planrun_link link = worker_planrun_link(&v->talk);
	char hex[ID_HEX_BYTES];

	step_fields(&f, v, s->dataset, done == ERR_NONE ? "done" : "failed",
	    reason);
	if (done == ERR_NONE) /* what is there has this hash, by comparison */
		planrun_fields_add(&f, "output_hash", "%s",
		    id_hex(&s->root, hex));
	if (f.failed)
		return err_nomem(e);
	return link.outcome(link.ctx, seq, f.items, f.count, e);
}

static enum err_code
step_skip(struct verify *v, const struct snapshot *s, struct err *e)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	struct planrun_link link = worker_planrun_link(&v->talk);

	step_fields(&f, v, s->dataset, "skipped",
	    "the drill was cancelled before it");
	if (f.failed)
		return err_nomem(e);
	return link.note(link.ctx, LEDGER_STEP, f.items, f.count, e);
}

static enum err_code
step_run(struct verify *v, const struct snapshot *s, const char *dir,
    struct err *e)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	struct planrun_link link = worker_planrun_link(&v->talk);
	char note[160] = "";
	struct err ended = {0};
	uint64_t seq;
	enum err_code rc, done;

	step_fields(&f, v, s->dataset, "running", "");
	rc = f.failed
	    ? err_nomem(e)
	    : link.intent(link.ctx, LEDGER_STEP, f.items, f.count, &seq, e);
	if (rc != ERR_NONE)
		return rc;
	done = restore_one(v, s, dir, note, &ended);
	rc = step_end(v, seq, s, done, done == ERR_NONE ? note : ended.text, e);
	if (rc == ERR_NONE && done != ERR_NONE)
		*e = ended;
	return rc == ERR_NONE ? done : rc;
}

/* One that fails is no reason not to try the next: the first reason stands. */
static enum err_code
run_steps(struct verify *v, const struct point *p, const char *dir,
    struct err *e)
{
	struct err first = {0};
	enum err_code rc = ERR_NONE, found;

	for (size_t i = 0; i < p->snapshots_count; i++) {
		OWNED(snapshot_fini) struct snapshot s = {0};
		OWNED(free_mem) char *subtree = NULL;
		char hex[ID_HEX_BYTES];
		struct err one = {0};

		found = snapshot_find(&s, &subtree, v->at.st,
		    id_hex(&p->snapshots[i], hex), &one);
		if (found == ERR_NONE)
			found = worker_is_cancelled(v->w)
			    ? step_skip(v, &s, &one)
			    : step_run(v, &s, dir, &one);
		if (found != ERR_NONE && rc == ERR_NONE) {
			rc = found;
			first = one;
		}
	}
	if (rc == ERR_NONE && worker_is_cancelled(v->w))
		return err_set(e, ERR_CANCELLED, "it was cancelled");
	if (rc != ERR_NONE)
		*e = first;
	return rc;
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
drill(struct verify *v, const struct point *p, struct err *e)
{
	OWNED(drillroom_close) struct drillroom *room = NULL;
	struct mono began;
	struct err ignored;
	enum err_code rc = drillroom_open(&room, worker_policy(v->w)->sandbox,
	    worker_job(v->w), on_left, v, e);

	if (rc != ERR_NONE)
		return rc;
	began = now_mono();
	rc = run_steps(v, p, drillroom_path(room), e);
	v->restore_ns = now_mono().ns - began.ns;
	if (rc != ERR_NONE) {
		(void)end_room(v, room, &ignored);
		return rc;
	}
	rc = end_room(v, room, e);
	return rc != ERR_NONE ? rc : tell_verified(v, &p->id, "L4", e);
}

static enum err_code
restore(struct verify *v, struct wire_value *result, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	char hex[ID_HEX_BYTES];
	const struct point *p;
	enum err_code rc = newest_points(&list, v, e);

	if (rc != ERR_NONE)
		return rc;
	p = choose(&list, v->point);
	if (p == NULL)
		return err_set(e, ERR_NOTFOUND,
		    v->point == NULL ? "there is no recovery point to restore"
				     : "that recovery point is not here");
	rc = drill(v, p, e);
	wire_add_text(result, "point", id_hex(&p->id, hex));
	wire_add_uint(result, "files", v->files);
	if (v->restore_ns >= 0)
		wire_add_int(result, "restore_ns", v->restore_ns);
	return rc;
}

static void
verify_fini(struct verify *v)
{
	worker_store_fini(&v->at);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(verify_fini)
	struct verify v = {.w = w, .talk = {.w = w}, .restore_ns = -1};
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
		rc = restores ? restore(&v, result, e) : reread(&v, e);
	wire_add_uint(result, "damage", v.damage_count);
	wire_add_uint(result, "bytes", v.bytes);
	return rc;
}

const struct worker_kind worker_verify = {"verify", run};
