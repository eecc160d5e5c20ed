/* The table of an isolated test: what its steps do, and what follows. */

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/store.h>

#include "exercise_parts.h"
#include "planrun_check.h"
#include "planrun_local.h"

#define STOP_NS    (5 * NS_PER_S) /* between asking it to end and killing it */
#define RECHECK_NS (60 * NS_PER_S)

/* --- in the attempt's own process ----------------------------------------- */

static void
close_all(struct store **st, struct keyring **keys)
{
	store_close(st);
	keyring_free(keys);
}

static enum err_code
restore(const struct planrun_task *t, struct planrun_attempt_report *r,
    struct err *e)
{
	OWNED(buf_fini) struct buf to = {0};
	struct keyring *keys = NULL;
	struct store *st = NULL;
	struct planrun_restored done = {0};
	char size[TEXT_UNIT_BYTES];
	enum err_code rc = policy_expand(&to, t->step->to, t->values, e);

	if (rc == ERR_NONE)
		rc = planrun_restore_open(&st, &keys, t->run->policy,
		    t->run->site, e);
	if (rc == ERR_NONE)
		rc = planrun_restore(st, t->snapshot, buf_text(&to), false,
		    &done, e);
	close_all(&st, &keys);
	snprintf(r->note, sizeof(r->note), "%llu files, %s%s",
	    (unsigned long long)done.files_count, text_size(done.bytes, size),
	    done.warnings_count > 0 ? ", some attributes could not be set"
				    : "");
	return rc;
}

/* Every place is tried, also after one was reached. */
static enum err_code
prove(const struct planrun_task *t, struct planrun_attempt_report *r,
    struct err *e)
{
	enum err_code rc = ERR_NONE;
	size_t used = 0;

	for (size_t i = 0; i < t->endpoints_count; i++) {
		OWNED(buf_fini) struct buf note = {0};
		struct err why = {0};
		enum err_code one =
		    planrun_check_cut_off(t->endpoints[i], &note, &why);

		if (one == ERR_REFUSED)
			r->breached = true;
		if (one != ERR_NONE && rc == ERR_NONE) {
			*e = why;
			rc = one;
		}
		if (used < sizeof(r->note))
			used += (size_t)snprintf(r->note + used,
			    sizeof(r->note) - used, "%s%s", i > 0 ? "; " : "",
			    one == ERR_NONE ? buf_text(&note) : why.text);
	}
	return rc;
}

/* A restore reads the replica: it is no part of what is tested. */
static enum err_code
enter(const struct planrun_task *t, struct err *e)
{
	const struct exercise *x = t->run->ctx;
	struct exercise_cell cell;

	if (x->cell == NULL ||
	    (t->kind == PLANRUN_DO_STEP &&
		t->step->kind == POLICY_STEP_RESTORE))
		return ERR_NONE;
	cell = *x->cell;
	cell.pid_fd = PLANRUN_KEPT_FD;
	return exercise_cell_enter(&cell, e);
}

static int
kept_fd(const struct planrun *p)
{
	const struct exercise *x = p->ctx;

	return x->cell != NULL ? x->cell->pid_fd : 0;
}

/* --- in the worker -------------------------------------------------------- */

static void
begins(struct planrun *p, size_t step)
{
	const struct policy_step *s = &p->service->plan[step];
	bool asks =
	    s->kind == POLICY_STEP_CHECK || s->kind == POLICY_STEP_CONFIRM;

	exercise_feed(p->ctx,
	    asks ? ISOLATED_CHECK_STARTED : ISOLATED_RUN_STARTED);
}

/* Without a network of the test's own it would ask after nothing but this
 * machine's; the result says already that this is unproved. */
static bool
is_moot(struct planrun *p, size_t step, const char **why)
{
	const struct exercise *x = p->ctx;

	*why = "NOT MEASURED: there is no network of the test's own";
	return p->service->plan[step].check.kind == POLICY_CHECK_UNREACHABLE &&
	    x->cell == NULL;
}

static void
proved(struct planrun *p, const struct planrun_attempt_report *r)
{
	struct exercise *x = p->ctx;
	bool first = x->iso.state == ISOLATED_ISOLATION_CHECK;

	if (r->ok) {
		if (x->proofs_count++ == 0)
			exercise_notes_one(x, "isolation",
			    "tried from inside: %s", r->note);
		if (first)
			exercise_feed(x, ISOLATED_PROVED);
		return;
	}
	if (r->breached) {
		x->was_breached = true;
		exercise_notes_one(x, "isolation", "BREACHED: %s", r->note);
		exercise_blame(x, "production can be reached from the test: %s",
		    r->reason);
		exercise_feed(x, ISOLATED_BREACH);
		return;
	}
	/* Of one that was ended with the run nothing follows. */
	if (!first && x->iso.state != ISOLATED_HOLDING)
		return;
	exercise_blame(x, "the isolation could not be looked at: %s",
	    r->reason);
	exercise_feed(x, ISOLATED_FAILED);
}

static void
undone(struct planrun *p, size_t i, const struct planrun_attempt_report *r)
{
	struct exercise *x = p->ctx;

	x->undone_count += r->ok;
	x->undo_failed_count += !r->ok;
	if (!r->ok)
		exercise_notes_one(x, "finding",
		    "the undo of step '%s' failed%s: %s", p->doing[i].name,
		    x->cell_was_gone
			? " (what it could have stopped was gone already)"
			: "",
		    r->reason);
	if (x->o->left == NULL)
		return;
	x->left_at++;
	exercise_effects_undo_left(x);
}

void
exercise_effects_undo_left(struct exercise *x)
{
	const struct exercise_left *left = x->o->left;
	struct err e = {0};

	while (x->left_at < left->undos_count && x->p.lost.code == ERR_NONE) {
		const struct planrun_undo *u = &left->undos[x->left_at];

		if (planrun_steps_undo(&x->p, 0, NULL, u, &e) == ERR_NONE)
			return;
		x->undo_failed_count++;
		exercise_notes_one(x, "finding",
		    "the undo of step '%s' could not be tried: %s", u->step,
		    e.text);
		x->left_at++;
	}
	if (x->p.lost.code == ERR_NONE)
		exercise_unwound(x);
}

void
exercise_effects_prove(struct exercise *x)
{
	struct err e = {0};

	if (x->p.doing[PLANRUN_PROOF(&x->p)].attempt != NULL ||
	    planrun_steps_prove(&x->p, (const char *const *)x->endpoints,
		x->endpoints_count, &e) == ERR_NONE ||
	    x->p.lost.code != ERR_NONE)
		return;
	exercise_blame(x, "the isolation could not be looked at: %s", e.text);
	exercise_feed(x, ISOLATED_FAILED);
}

static void
skipped(struct planrun *p, size_t step, const char *said)
{
	exercise_feed(p->ctx, ISOLATED_FINDING);
	exercise_notes_one(p->ctx, "finding", "step '%s' was skipped: %s",
	    p->steps[step].name, said);
}

static const char *
why_aside(const struct planrun *p, size_t step, char *out, size_t size)
{
	return exercise_steps_why(p->ctx, step, out, size);
}

static void
aborted(struct planrun *p, const char *said)
{
	exercise_blame(p->ctx, "aborted: %s", said);
	exercise_feed(p->ctx, ISOLATED_ABORT);
}

static void
all_done(struct exercise *x)
{
	clocks_set(&x->clocks, CLOCKS_ACCEPTED, now_utc());
	/* Its checks may all have stood before the gate. */
	if (x->iso.state == ISOLATED_CLONING)
		exercise_feed(x, ISOLATED_CLONED);
	exercise_feed(x, ISOLATED_PLAN_DONE);
}

static void
came_to(struct planrun *p, enum engine_action_kind what)
{
	struct exercise *x = p->ctx;

	if (what == ENGINE_AT_GATE)
		exercise_feed(x, ISOLATED_CLONED);
	else if (what == ENGINE_ALL_DONE)
		all_done(x);
	else if (x->iso.state == ISOLATED_ABORTING)
		exercise_feed(x, ISOLATED_STOPPED);
	else
		exercise_unwound(x);
}

/* A failure shows in the engine first. */
static void
look(struct planrun *p)
{
	struct exercise *x = p->ctx;

	if (p->engine == NULL || x->iso.failed || x->iso.interrupted ||
	    engine_outcome_of(p->engine) != ENGINE_FAILED)
		return;
	exercise_blame(x, "%s", engine_reason(p->engine));
	exercise_feed(x, ISOLATED_FAILED);
}

static void
told(struct planrun *p, const struct planrun_word *w)
{
	struct exercise *x = p->ctx;

	if (w->kind == PLANRUN_PREEMPT) {
		exercise_blame(x, "it gives way: %s", w->reason);
		exercise_feed(x, ISOLATED_PREEMPT);
		return;
	}
	exercise_blame(x, "aborted%s%s", w->reason[0] != '\0' ? " " : "",
	    w->reason);
	exercise_feed(x, ISOLATED_ABORT);
}

/* While it stands: is the isolation to be proved again, is it to end? */
static void
ticked(struct planrun *p)
{
	struct exercise *x = p->ctx;
	struct mono now = now_mono();
	bool proving = p->doing[PLANRUN_PROOF(p)].attempt != NULL;

	if (x->iso.state != ISOLATED_HOLDING)
		return;
	if (!proving && x->recheck_at.ns != 0 && now.ns >= x->recheck_at.ns) {
		x->recheck_at.ns = now.ns +
		    (x->o->recheck_ns != 0 ? x->o->recheck_ns : RECHECK_NS);
		exercise_effects_prove(x);
		return;
	}
	if (!proving && now.ns >= x->hold_until.ns)
		exercise_feed(x, ISOLATED_HOLD_ENDED);
}

static int64_t
due_ms(const struct planrun *p)
{
	const struct exercise *x = p->ctx;
	int64_t until_ns = x->hold_until.ns;

	/* A proof's own end wakes us. */
	if (x->iso.state != ISOLATED_HOLDING ||
	    p->doing[PLANRUN_PROOF(p)].attempt != NULL)
		return INT64_MAX;
	if (x->recheck_at.ns != 0 && x->recheck_at.ns < until_ns)
		until_ns = x->recheck_at.ns;
	return (until_ns - now_mono().ns) / NS_PER_MS + 1;
}

const struct plan_effects exercise_effects = {
    .mode = PLAN_IN_TEST,
    .stop_ns = STOP_NS,
    .kept_fd = kept_fd,
    .enter = enter,
    .restore = restore,
    .run = planrun_local_run,
    .check = planrun_local_check,
    .prove = prove,
    .begins = begins,
    .is_moot = is_moot,
    .proved = proved,
    .undone = undone,
    .why_aside = why_aside,
    .skipped = skipped,
    .aborted = aborted,
    .came_to = came_to,
    .look = look,
    .told = told,
    .ticked = ticked,
    .due_ms = due_ms,
};
