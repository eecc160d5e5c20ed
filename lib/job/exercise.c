/*
 * The isolated test, as a job: the pure machines of plan.h decide, this carries
 * out.  One thread, one loop: attempts that end, words of people, time.
 */

#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>

#include <bascule/base/text.h>
#include <bascule/ledger.h>

#include "exercise_parts.h"
#include "exercise_sandbox.h"

/* --- making and ending ---------------------------------------------------- */

static void
exercise_fini(struct exercise *x)
{
	planrun_fini(&x->p);
	for (size_t i = 0; i < x->endpoints_count; i++)
		free(x->endpoints[i]);
	free(x->endpoints);
	exercise_cell_free(&x->cell);
	exercise_scope_fini(&x->scope);
	free(x->sandbox);
}

static enum err_code
add_endpoint(struct exercise *x, const char *host, const char *port,
    struct err *e)
{
	char **more;
	char *text = NULL;
	bool bare6 = strchr(host, ':') != NULL && port != NULL;

	if (asprintf(&text,
		bare6              ? "[%s]:%s"
		    : port == NULL ? "%s"
				   : "%s:%s",
		host, port) < 0)
		return err_nomem(e);
	for (size_t i = 0; i < x->endpoints_count; i++)
		if (strcmp(x->endpoints[i], text) == 0) {
			free(text);
			return ERR_NONE;
		}
	more = realloc(x->endpoints, (x->endpoints_count + 1) * sizeof(*more));
	if (more == NULL || x->endpoints_count == EXERCISE_ENDPOINTS_MAX) {
		x->endpoints = more != NULL ? more : x->endpoints;
		free(text);
		return err_nomem(e);
	}
	x->endpoints = more;
	more[x->endpoints_count++] = text;
	return ERR_NONE;
}

/* What stands for production: the hosts of its home, and what the plan says. */
static enum err_code
find_endpoints(struct exercise *x, struct err *e)
{
	const struct policy_service *s = x->o->service;
	const struct policy_site *home =
	    policy_find_site(x->o->policy, s->home);
	enum err_code rc = ERR_NONE;

	for (size_t i = 0;
	     home != NULL && rc == ERR_NONE && i < home->host_count; i++) {
		char port[16];

		snprintf(port, sizeof(port), "%u",
		    (unsigned)home->hosts[i].port);
		rc = add_endpoint(x, home->hosts[i].address, port, e);
	}
	for (size_t i = 0; rc == ERR_NONE && i < s->step_count; i++) {
		OWNED(buf_fini) struct buf text = {0};
		const struct policy_step *step = &s->plan[i];
		struct policy_values v;
		char snapshot[ID_HEX_BYTES];

		if (!exercise_steps_has(x, i) ||
		    step->check.kind != POLICY_CHECK_UNREACHABLE)
			continue;
		planrun_values(&x->p, step, snapshot, &v);
		rc = policy_expand(&text, step->check.unreachable, &v, e);
		if (rc == ERR_NONE)
			rc = add_endpoint(x, buf_text(&text), NULL, e);
	}
	return rc;
}

static enum err_code
exercise_init(struct exercise *x, const struct exercise_options *o,
    struct err *e)
{
	enum err_code rc;

	*x = (struct exercise){.o = o,
	    .rpa_ns = -1,
	    .p = {.effects = &exercise_effects,
		.ctx = x,
		.policy = o->policy,
		.service = o->service,
		.site = o->site,
		.run = o->run,
		.epoch = "0", /* a test is under no epoch */
		.link = &o->link}};
	rc = planrun_init(&x->p, e);
	if (rc != ERR_NONE)
		return rc;
	rc = exercise_steps_choose(x, e);
	if (rc != ERR_NONE)
		return rc;
	if (o->left != NULL) {
		if (o->left->sandbox == NULL)
			return ERR_NONE;
		x->sandbox = strdup(o->left->sandbox);
	} else if (asprintf(&x->sandbox, "%s/%s", o->policy->sandbox, o->run) <
	    0)
		x->sandbox = NULL;
	if (x->sandbox == NULL)
		return err_nomem(e);
	x->p.sandbox = x->sandbox;
	return o->left != NULL ? ERR_NONE : find_endpoints(x, e);
}

void
exercise_blame(struct exercise *x, const char *fmt, ...)
{
	va_list ap;

	if (x->reason[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(x->reason, sizeof(x->reason), fmt, ap);
	va_end(ap);
	text_mend_end(x->reason);
}

/* --- what the states ask for ---------------------------------------------- */

static void
do_precheck(struct exercise *x)
{
	struct err e = {0};
	enum err_code rc;

	clocks_set(&x->clocks, CLOCKS_STARTED, now_utc());
	rc = exercise_precheck(x, &e);
	if (rc != ERR_NONE) {
		exercise_blame(x, "%s", e.text);
		exercise_feed(x, ISOLATED_NOT_ADMITTED);
		return;
	}
	x->rpa_ns = clocks_rpa_ns(x->clocks.at[CLOCKS_STARTED], x->point_at);
	exercise_notes_plan(x);
	exercise_steps_note(x);
	exercise_feed(x, ISOLATED_ADMITTED);
}

/* The cell is made but ends by itself until it is in the inventory (X1). */
static void
do_inventory(struct exercise *x)
{
	struct err e = {0}, why = {0};
	enum err_code rc;

	if (exercise_cell_make(&x->cell, &why) != ERR_NONE)
		snprintf(x->cell_why, sizeof(x->cell_why), "%s", why.text);
	rc = exercise_notes_inventory(x, &e);
	if (rc == ERR_CANCELLED) {
		x->p.lost = e;
		return;
	}
	if (rc == ERR_NONE && x->cell != NULL)
		rc = exercise_cell_release(x->cell, &e);
	if (rc == ERR_NONE)
		rc = exercise_sandbox_make(x->o->policy->sandbox, x->sandbox,
		    &e);
	if (rc == ERR_NONE) {
		exercise_feed(x, ISOLATED_INVENTORY_WRITTEN);
		return;
	}
	exercise_blame(x, "%s", e.text);
	exercise_feed(x, ISOLATED_FAILED);
}

static void
do_clone(struct exercise *x)
{
	struct engine_options opt = {.steps = x->p.steps,
	    .steps_count = x->p.steps_count,
	    .mode = PLAN_IN_TEST,
	    .gated = true};
	struct engine_event begin = {.kind = ENGINE_BEGIN};
	struct err e = {0};

	if (engine_new(&x->p.engine, &opt, &e) != ERR_NONE) {
		exercise_blame(x, "%s", e.text);
		exercise_feed(x, ISOLATED_FAILED);
		return;
	}
	planrun_steps_tell(&x->p, &begin);
}

static void
do_prove(struct exercise *x)
{
	if (x->cell != NULL) {
		exercise_effects_prove(x);
		return;
	}
	exercise_notes_one(x, "isolation", "NOT MEASURED: %s", x->cell_why);
	exercise_feed(x, ISOLATED_UNPROVED);
}

static void
do_start(struct exercise *x)
{
	struct engine_event open = {.kind = ENGINE_OPEN_GATE};

	planrun_steps_tell(&x->p, &open);
}

static void
judge_target(struct exercise *x, const char *what, bool known, int64_t ns,
    int64_t target_ns)
{
	char measured[TEXT_UNIT_BYTES], target[TEXT_UNIT_BYTES];

	if (clocks_judge(known, ns, target_ns) != CLOCKS_FAIL)
		return;
	exercise_feed(x, ISOLATED_FINDING);
	exercise_notes_one(x, "finding", "%s: %s is over the target of %s",
	    what, text_duration(ns, measured),
	    text_duration(target_ns, target));
	exercise_blame(x, "%s: %s is over the target of %s", what,
	    text_duration(ns, measured), text_duration(target_ns, target));
}

/* It stands: look at once whether what was started opened a way out. */
static void
do_hold(struct exercise *x)
{
	const struct policy_service *s = x->o->service;
	int64_t rta_ns = -1;
	bool known = clocks_span_ns(&x->clocks, CLOCKS_RTA_TEST, &rta_ns);

	judge_target(x, "RTA", known, rta_ns, s->rto_ns);
	judge_target(x, "RPA", true, x->rpa_ns, s->rpo_ns);
	x->hold_until.ns = now_mono().ns + x->o->hold_ns;
	if (x->cell != NULL)
		x->recheck_at = now_mono();
}

static void
do_stop(struct exercise *x)
{
	struct engine_event abort = {.kind = ENGINE_ABORT, .reason = x->reason};
	enum engine_state s =
	    x->p.engine == NULL ? ENGINE_UNDONE : engine_state_of(x->p.engine);

	/* After a failure of its own it stops and undoes by itself. */
	if (s == ENGINE_UNDONE)
		exercise_feed(x, ISOLATED_STOPPED);
	else if (engine_outcome_of(x->p.engine) != ENGINE_FAILED ||
	    x->iso.interrupted)
		planrun_steps_tell(&x->p, &abort);
}

/*
 * The cell of the run that died, or a new one to undo in: what ran in a cell
 * is never undone outside, where the same words may mean production.
 */
static enum err_code
find_cell(struct exercise *x, struct err *e)
{
	const struct exercise_left *left = x->o->left;
	bool had_one = left->cell_pid != 0;
	enum err_code rc = ERR_NOTFOUND;

	if (had_one)
		rc = exercise_cell_find(&x->cell, (pid_t)left->cell_pid,
		    left->cell_started, left->cell_boot, e);
	if (rc != ERR_NOTFOUND)
		return rc;
	x->cell_was_gone = true;
	if (left->undos_count == 0)
		return ERR_NONE;
	rc = exercise_cell_make(&x->cell, e);
	if (rc == ERR_NONE)
		rc = exercise_cell_release(x->cell, e);
	if (rc == ERR_NONE)
		return rc;
	exercise_cell_free(&x->cell);
	return had_one ? rc : ERR_NONE;
}

static void
clean_after_another(struct exercise *x)
{
	struct err e = {0};

	if (find_cell(x, &e) == ERR_NONE) {
		exercise_effects_undo_left(x);
		return;
	}
	exercise_blame(x, "what the test left cannot be reached: %s", e.text);
	x->unwinding = false;
	exercise_feed(x, ISOLATED_NOT_CLEANED);
}

static void
do_clean(struct exercise *x)
{
	struct engine_event unwind = {.kind = ENGINE_UNWIND};

	planrun_steps_end_proof(&x->p);
	x->unwinding = true;
	if (x->o->left != NULL)
		clean_after_another(x);
	else if (x->p.engine != NULL &&
	    engine_state_of(x->p.engine) == ENGINE_DONE)
		planrun_steps_tell(&x->p, &unwind);
	else
		exercise_unwound(x);
}

/* The inventory's outcome, or what another worker's has come to. */
static void
close_inventory(struct exercise *x, const char *how, const char *what)
{
	OWNED(planrun_fields_fini) struct planrun_fields f = {0};
	const struct planrun_link *l = &x->o->link;
	struct err e = {0};

	planrun_fields_add(&f, "state", "%s",
	    isolated_state_name(x->iso.state));
	planrun_fields_add(&f, "cleanup", "%s: %s", how, what);
	if (x->inventory_seq == 0) {
		planrun_notes_note(&x->p, LEDGER_EXERCISE, &f);
		return;
	}
	if (f.failed ||
	    l->outcome(l->ctx, x->inventory_seq, f.items, f.count, &e) !=
		ERR_NONE)
		x->p.lost = e;
}

void
exercise_unwound(struct exercise *x)
{
	char what[ERR_TEXT_BYTES + 200];
	struct err e = {0};
	enum err_code rc;
	bool undone = x->undo_failed_count == 0 || x->cell_was_gone;

	if (!x->unwinding)
		return;
	x->unwinding = false;
	rc = exercise_clean(x, what, sizeof(what), &e);
	if (rc == ERR_NONE && !undone)
		exercise_blame(x,
		    "an undo failed: what it should have taken back may still "
		    "stand");
	if (rc != ERR_NONE)
		exercise_blame(x, "%s", e.text);
	if (x->undo_failed_count > 0)
		exercise_feed(x, ISOLATED_FINDING);
	close_inventory(x, rc == ERR_NONE && undone ? "clean" : "INCOMPLETE",
	    what);
	exercise_feed(x,
	    rc == ERR_NONE && undone ? ISOLATED_CLEANED : ISOLATED_NOT_CLEANED);
}

/*
 * A live move finds the machine free at once.  Undoing and removing what is left
 * would still be work beside it: that waits, for the next worker.
 */
static void
do_freeze(struct exercise *x)
{
	struct err e = {0};

	for (size_t i = 0; i <= x->p.steps_count; i++)
		planrun_attempt_free(&x->p.doing[i].attempt);
	x->p.todo_count = x->p.todo_done = 0;
	x->unwinding = false;
	if (exercise_clean_processes(x, &e) != ERR_NONE)
		exercise_notes_one(x, "finding",
		    "it gave way, and not all of it: %s", e.text);
	close_inventory(x, "waits",
	    "nothing of the run is left to run; what it made is undone and "
	    "removed when the live move has ended");
	x->p.is_over = true;
}

static void
do_report(struct exercise *x)
{
	/* Of a run that began, its own records say what it did not do. */
	if (x->o->left == NULL || x->sandbox == NULL)
		planrun_notes_skipped(&x->p, "it is not for isolated tests",
		    "the test ended before its turn");
	if (x->o->left == NULL)
		exercise_notes_limits(x);
	/* What failed comes first; a report of nothing worse says this. */
	if (x->iso.result == ISOLATED_NOT_MEASURED && x->cell_why[0] != '\0')
		exercise_blame(x, "the isolation is not measured: %s",
		    x->cell_why);
	exercise_notes_result(x);
	x->p.is_over = true;
}

static void
act(struct exercise *x, enum isolated_action action)
{
	switch (action) {
	case ISOLATED_DO_NOTHING: break;
	case ISOLATED_DO_PRECHECK: do_precheck(x); break;
	case ISOLATED_DO_INVENTORY: do_inventory(x); break;
	case ISOLATED_DO_CLONE: do_clone(x); break;
	case ISOLATED_DO_PROVE: do_prove(x); break;
	case ISOLATED_DO_START: do_start(x); break;
	case ISOLATED_DO_HOLD: do_hold(x); break;
	case ISOLATED_DO_STOP: do_stop(x); break;
	case ISOLATED_DO_CLEAN: do_clean(x); break;
	case ISOLATED_DO_FREEZE: do_freeze(x); break;
	case ISOLATED_DO_ALARM:
	case ISOLATED_DO_REPORT: do_report(x); break;
	}
}

void
exercise_feed(struct exercise *x, enum isolated_event event)
{
	enum isolated_state was = x->iso.state;
	enum isolated_action action;

	if (x->p.lost.code != ERR_NONE ||
	    !isolated_next(&x->iso, event, &x->iso, &action))
		return;
	if (x->iso.state != was && action != ISOLATED_DO_REPORT &&
	    action != ISOLATED_DO_ALARM)
		exercise_notes_state(x);
	if (x->p.lost.code == ERR_NONE)
		act(x, action);
}

/* --- from outside --------------------------------------------------------- */

/* Where the run that died had come to. */
static void
resume(struct exercise *x)
{
	const struct exercise_left *left = x->o->left;
	enum isolated_state s = ISOLATED_INVENTORY;

	x->iso.failed = left->failed;
	x->iso.interrupted = left->interrupted;
	x->iso.unproved = left->unproved;
	x->iso.findings = left->findings;
	if (left->sandbox == NULL)
		s = ISOLATED_PRECHECK;
	else if (!isolated_state_find(left->state, &s) ||
	    (s != ISOLATED_CLEANUP_INCOMPLETE && s != ISOLATED_PREEMPTED))
		s = ISOLATED_INVENTORY;
	x->iso.state = s;
	switch (s) {
	case ISOLATED_CLEANUP_INCOMPLETE:
		exercise_feed(x, ISOLATED_RETRY_CLEANING);
		break;
	case ISOLATED_PREEMPTED:
		exercise_blame(x, "it gave way to a live move");
		exercise_feed(x, ISOLATED_RELEASE);
		break;
	default:
		exercise_blame(x, "it was interrupted in state %s",
		    left->state);
		exercise_feed(x, ISOLATED_RESTART);
	}
}

static void
tell_result(const struct exercise *x, struct exercise_result *out)
{
	enum isolated_result r = x->iso.result;

	out->state = isolated_state_name(x->iso.state);
	out->result = isolated_result_name(r);
	snprintf(out->reason, sizeof(out->reason), "%s", x->reason);
	if (!id_is_none(&x->point))
		id_hex(&x->point, out->point);
	out->tested = r == ISOLATED_PASS || r == ISOLATED_PASS_WITH_FINDINGS;
	out->rpa_ns = x->rpa_ns;
	if (!clocks_span_ns(&x->clocks, CLOCKS_RTA_TEST, &out->rta_ns))
		out->rta_ns = -1;
}

enum err_code
exercise_run(const struct exercise_options *options,
    struct exercise_result *out, struct err *e)
{
	OWNED(exercise_fini) struct exercise x;
	enum err_code rc = exercise_init(&x, options, e);

	*out = (struct exercise_result){.state = "REQUESTED",
	    .result = "NONE",
	    .rta_ns = -1,
	    .rpa_ns = -1};
	if (rc != ERR_NONE)
		return rc;
	/* What a step leaves behind becomes our child, not somebody's. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (options->left != NULL)
		resume(&x);
	else
		exercise_feed(&x, ISOLATED_BEGIN);
	rc = planrun_go(&x.p, e);
	tell_result(&x, out);
	return rc;
}
