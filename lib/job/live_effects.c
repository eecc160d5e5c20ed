/*
 * The table of a live move: the same plan as an isolated test's, upon the real
 * thing.  Nothing is a cell, and a step is done where its `on` says.
 */

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/store.h>

#include "farrestore.h"
#include "live_far.h"
#include "live_run.h"
#include "planrun_check.h"
#include "planrun_local.h"

/* A far program is ended, and its end read back, over a link that may be bad. */
#define STOP_NS (60 * NS_PER_S)

/* --- in the attempt's own process ----------------------------------------- */

/* Where a restore goes, and nowhere else (V2). */
static enum err_code
find_target(const struct planrun_task *t, struct buf *to, struct err *e)
{
	const char *path, *at;
	enum err_code rc = policy_expand(to, t->step->to, t->values, e);

	if (rc != ERR_NONE)
		return rc;
	path = buf_text(to);
	if (path[0] != '/' || strspn(path, "/.") == strlen(path))
		return err_set(e, ERR_POLICY,
		    "step '%s' would restore to '%s', which is no absolute "
		    "path of a folder below '/'",
		    t->step->name, path);
	for (at = path; (at = strstr(at, "/..")) != NULL; at++)
		if (at[3] == '/' || at[3] == '\0')
			return err_set(e, ERR_POLICY,
			    "step '%s' would restore to '%s': no '..' there",
			    t->step->name, path);
	return ERR_NONE;
}

static void
close_all(struct store **st, struct keyring **keys)
{
	store_close(st);
	keyring_free(keys);
}

static enum err_code
restore_here(const struct planrun_task *t, struct store *st, const char *to,
    struct planrun_attempt_report *r, struct err *e)
{
	struct planrun_restored done = {0};
	char size[TEXT_UNIT_BYTES];
	enum err_code rc = planrun_restore(st, t->snapshot, to, true, &done, e);

	snprintf(r->note, sizeof(r->note),
	    "%llu files, %s, to %s; %llu others deleted%s",
	    (unsigned long long)done.files_count, text_size(done.bytes, size),
	    to, (unsigned long long)done.deleted_count,
	    done.warnings_count > 0 ? ", some attributes could not be set"
				    : "");
	return rc;
}

/* It may be done twice, and says when it was not done: nothing is uncertain. */
static enum err_code
restore_far(const struct planrun_task *t, struct store *st, const char *to,
    const struct source_host *host, struct planrun_attempt_report *r,
    struct err *e)
{
	struct farrestore_result done = {0};
	char path[PLANRUN_RESTORE_PATH_BYTES];
	char size[TEXT_UNIT_BYTES], said[1024];
	bool is_dir;
	struct farrestore_options opt = {.host = host,
	    .root = t->snapshot->root,
	    .subtree = path,
	    .to = to,
	    .deletes = true};
	enum err_code rc =
	    planrun_restore_find(st, t->snapshot, path, &is_dir, e);

	opt.is_file = !is_dir;
	if (rc == ERR_NONE)
		rc = farrestore_run(st, &opt, &done, e);
	farrestore_say(&done, said, sizeof(said));
	snprintf(r->note, sizeof(r->note),
	    "%llu files, %s, to %s:%s over SFTP; %llu others deleted%s",
	    (unsigned long long)done.files_count, text_size(done.bytes, size),
	    host->name, to, (unsigned long long)done.deleted_count, said);
	return rc;
}

static enum err_code
restore(const struct planrun_task *t, struct planrun_attempt_report *r,
    struct err *e)
{
	OWNED(buf_fini) struct buf to = {0};
	struct keyring *keys = NULL;
	struct store *st = NULL;
	struct source_host host;
	bool here = true;
	enum err_code rc = find_target(t, &to, e);

	if (rc == ERR_NONE)
		rc = live_far_host(&host, &here, t->run->policy, t->run->site,
		    t->step->on, e);
	if (rc == ERR_NONE)
		rc = planrun_restore_open(&st, &keys, t->run->policy,
		    t->run->site, e);
	if (rc == ERR_NONE)
		rc = here ? restore_here(t, st, buf_text(&to), r, e)
			  : restore_far(t, st, buf_text(&to), &host, r, e);
	close_all(&st, &keys);
	return rc;
}

static enum err_code
run_far(const struct planrun_task *t, const struct source_host *host,
    const struct planrun_words *w, struct planrun_attempt_report *r,
    struct err *e)
{
	OWNED(planrun_program_fini) struct planrun_said said = {0};
	char key[PLAN_STEP_NAME_MAX + 16];
	struct live_far f = {.host = host,
	    .argv = w->argv,
	    .run = t->run->run,
	    .key = key,
	    .attempt = t->attempt > 0 ? t->attempt : 1,
	    .step = w->step,
	    .sandbox = t->values->sandbox,
	    .timeout_ns = w->timeout_ns,
	    .is_fresh = t->kind != PLANRUN_DO_STEP,
	    .is_brief = w->is_brief};
	enum err_code rc;

	snprintf(key, sizeof(key), "%s.%s",
	    t->kind == PLANRUN_DO_STEP ? "step" : "undo", w->step);
	rc = live_far_run(&f, &said, &r->is_uncertain, e);
	if (rc == ERR_NONE)
		rc = planrun_program_judge(&said, w->argv[0], e);
	planrun_local_note(r, &said);
	snprintf(r->note, sizeof(r->note), "on %s", host->name);
	return rc;
}

static enum err_code
run(const struct planrun_task *t, const struct planrun_words *w,
    struct planrun_attempt_report *r, struct err *e)
{
	struct source_host host;
	bool here;
	enum err_code rc =
	    live_far_host(&host, &here, t->run->policy, t->run->site, w->on, e);

	if (rc != ERR_NONE)
		return rc;
	return here ? planrun_local_run(t, w, r, e)
		    : run_far(t, &host, w, r, e);
}

/* --- checks --- */

struct far_check {
	const struct planrun_task *t;
	const struct source_host *host;
};

static enum err_code
check_far(void *ctx, const struct planrun_program *p, struct planrun_said *out,
    struct err *e)
{
	const struct far_check *c = ctx;
	char key[PLAN_STEP_NAME_MAX + 16];
	struct live_far f = {.host = c->host,
	    .argv = p->argv,
	    .run = p->run,
	    .key = key,
	    .attempt = c->t->attempt,
	    .step = p->step,
	    .sandbox = p->sandbox,
	    .timeout_ns = p->timeout_ns,
	    .is_fresh = true};
	bool uncertain; /* it only looks */

	snprintf(key, sizeof(key), "check.%s", p->step);
	return live_far_run(&f, out, &uncertain, e);
}

static enum err_code
check(const struct planrun_task *t, struct planrun_attempt_report *r,
    struct err *e)
{
	OWNED(planrun_program_fini)
	struct planrun_said said = {.exit_status = -1};
	OWNED(buf_fini) struct buf note = {0};
	struct source_host host;
	struct far_check c = {t, &host};
	struct planrun_question q = {.check = &t->step->check,
	    .values = t->values,
	    .program = {.run = t->run->run,
		.step = t->step->name,
		.sandbox = t->values->sandbox},
	    .timeout_ns = t->step->timeout_ns,
	    .ctx = &c};
	bool here;
	enum err_code rc = live_far_host(&host, &here, t->run->policy,
	    t->run->site, t->step->on, e);

	if (rc != ERR_NONE)
		return rc;
	q.run = here ? NULL : check_far;
	rc = planrun_check(&q, &said, &note, e);
	planrun_local_note(r, &said);
	snprintf(r->note, sizeof(r->note), "%s", buf_text(&note));
	return rc;
}

/* --- in the worker -------------------------------------------------------- */

/* When what users need began to be started: t5. */
static void
begins(struct planrun *p, size_t step)
{
	struct live *v = p->ctx;

	if (v->out->promoted.ns == 0 && p->steps[step].kind != PLAN_RESTORE)
		v->out->promoted = now_utc();
}

static void
undone(struct planrun *p, size_t step, const struct planrun_attempt_report *r)
{
	(void)p;
	(void)step;
	(void)r;
}

static void
skipped(struct planrun *p, size_t step, const char *said)
{
	(void)p;
	(void)step;
	(void)said; /* it is in the step's own record */
}

static void
aborted(struct planrun *p, const char *said)
{
	struct live *v = p->ctx;

	if (v->out->reason[0] == '\0')
		snprintf(v->out->reason, sizeof(v->out->reason), "aborted: %s",
		    said);
}

static void
came_to(struct planrun *p, enum engine_action_kind what)
{
	struct live *v = p->ctx;

	if (what == ENGINE_ALL_DONE)
		v->out->accepted = now_utc();
	p->is_over = what != ENGINE_AT_GATE;
}

/* t6: the last step that changes something has ended. */
static void
ended(struct planrun *p, size_t step)
{
	struct live *v = p->ctx;

	if (p->steps[step].kind == PLAN_RUN ||
	    p->steps[step].kind == PLAN_RESTORE)
		v->out->redirected = now_utc();
}

static void
abort_run(struct live *v, const char *reason)
{
	struct engine_event ev = {.kind = ENGINE_ABORT, .reason = reason};

	if (v->out->reason[0] == '\0')
		snprintf(v->out->reason, sizeof(v->out->reason), "aborted%s%s",
		    reason[0] != '\0' ? ": " : "", reason);
	planrun_steps_tell(&v->p, &ev);
}

static void
told(struct planrun *p, const struct planrun_word *w)
{
	struct live *v = p->ctx;

	if (w->kind == PLANRUN_ABORT && !v->undoes)
		abort_run(v, w->reason);
	if (w->kind == PLANRUN_CANCEL)
		err_set(&p->lost, ERR_CANCELLED, "it was stopped");
}

#define LIVE_EFFECTS                                                    \
	.stop_ns = STOP_NS, .dies_uncertain = true, .restore = restore, \
	.run = run, .check = check, .begins = begins, .ended = ended,   \
	.undone = undone, .skipped = skipped, .aborted = aborted,       \
	.came_to = came_to, .told = told

const struct plan_effects live_effects_planned = {.mode = PLAN_IN_PLANNED,
    LIVE_EFFECTS};
const struct plan_effects live_effects_unplanned = {.mode = PLAN_IN_UNPLANNED,
    LIVE_EFFECTS};
