#include <string.h>

#include "policy_check_parts.h"
#include "policy_cycle.h"
#include "policy_setting.h"

#define LIVE (POLICY_MODE_PLANNED | POLICY_MODE_UNPLANNED)

static void
check_restore(struct policy_check_run *run, const struct policy_service *s,
    const struct policy_step *step, const struct policy_check_names *datasets)
{
	(void)s;
	policy_check_name(run, datasets, &step->at, "service.plan.restore",
	    step->restore);
	if ((step->modes & POLICY_MODE_TEST) != 0 &&
	    (strncmp(step->to, "${sandbox}", 10) != 0 ||
		(step->to[10] != '/' && step->to[10] != '\0') ||
		strstr(step->to, "/..") != NULL))
		POLICY_CHECK_SAY(run, P_VALUE, &step->at, "service.plan.to",
		    "'%s' is outside of the test's own folder; begin it with "
		    "${sandbox}/, or leave \"test\" out of modes",
		    step->to);
}

static void
check_undo(struct policy_check_run *run, const struct policy_step *step)
{
	bool acts =
	    step->kind != POLICY_STEP_CHECK && step->kind != POLICY_STEP_WAIT;
	bool live_only =
	    (step->modes & LIVE) != 0 && (step->modes & POLICY_MODE_TEST) == 0;

	if (acts && live_only && step->undo.count == 0 && !step->undo_is_none)
		POLICY_CHECK_SAY(run, P_UNDO, &step->at, "service.plan.undo",
		    "the step '%s' runs in live moves only, so no test ever "
		    "shows what it leaves behind; write undo = [ ... ], or "
		    "undo = \"none\" to say that nothing takes it back",
		    step->name);
}

static bool
is_relative(const char *path)
{
	return path[0] != '/' && strncmp(path, "${", 2) != 0;
}

/* What a check compares with belongs to its kind. */
static void
check_check(struct policy_check_run *run, const struct policy_check *c)
{
	bool prints =
	    c->kind == POLICY_CHECK_COMMAND || c->kind == POLICY_CHECK_SQL;

	if (c->has_at_least && !prints)
		POLICY_CHECK_SAY(run, P_ONE_OF, &c->at,
		    "service.plan.check.expect_at_least",
		    "only a command prints a number; leave it out");
	if (c->has_equals && !prints)
		POLICY_CHECK_SAY(run, P_ONE_OF, &c->at,
		    "service.plan.check.equals",
		    "only a command prints a text; leave it out");
	if (c->kind == POLICY_CHECK_SQL && !c->has_at_least && !c->has_equals &&
	    c->contains[0] == '\0')
		POLICY_CHECK_SAY(run, P_MISSING, &c->at,
		    "service.plan.check.sql",
		    "nothing is compared with what it prints; write equals, "
		    "contains or expect_at_least");
	if (c->kind == POLICY_CHECK_FILE && is_relative(c->file))
		POLICY_CHECK_SAY(run, P_VALUE, &c->at,
		    "service.plan.check.file",
		    "'%s' is relative; begin it with '/' or ${sandbox}",
		    c->file);
	if (c->ca_file[0] != '\0' && c->kind != POLICY_CHECK_TLS)
		POLICY_CHECK_SAY(run, P_ONE_OF, &c->at,
		    "service.plan.check.ca_file",
		    "only a tls check looks at a certificate; leave it out");
	else if (c->ca_file[0] != '\0' && is_relative(c->ca_file))
		POLICY_CHECK_SAY(run, P_VALUE, &c->at,
		    "service.plan.check.ca_file",
		    "'%s' is relative; begin it with '/' or ${sandbox}",
		    c->ca_file);
	if (c->kind == POLICY_CHECK_FILE && !c->exists &&
	    c->contains[0] != '\0')
		POLICY_CHECK_SAY(run, P_ONE_OF, &c->at,
		    "service.plan.check.contains",
		    "a file that must not be there contains nothing; leave it "
		    "out");
}

/* Who is asked, and for how long, is of a question. */
static void
check_asking(struct policy_check_run *run, const struct policy_step *step)
{
	static const char *const names[] = {"owner", "deadline"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (step->kind != POLICY_STEP_CONFIRM &&
		    policy_setting_is_written(&step->at, names[i]))
			POLICY_CHECK_SAY(run, P_ONE_OF, &step->at,
			    i == 0 ? "service.plan.owner"
				   : "service.plan.deadline",
			    "only a confirm step asks anybody; leave it out");
}

static void
check_step(struct policy_check_run *run, const struct policy_service *s,
    const struct policy_step *step, const struct policy_check_names *steps,
    const struct policy_check_names *datasets)
{
	for (size_t i = 0; i < step->after.count; i++)
		policy_check_name(run, steps, &step->at, "service.plan.after",
		    step->after.items[i]);
	policy_check_host(run, &step->at, "service.plan.on", step->on);
	if (step->kind == POLICY_STEP_RESTORE)
		check_restore(run, s, step, datasets);
	else if (policy_setting_is_written(&step->at, "to"))
		POLICY_CHECK_SAY(run, P_ONE_OF, &step->at, "service.plan.to",
		    "only a restore step has a place to restore to; leave it "
		    "out");
	if (step->kind == POLICY_STEP_CHECK)
		check_check(run, &step->check);
	if (step->on_uncertain == POLICY_RETRY && !step->idempotent)
		POLICY_CHECK_SAY(run, P_VALUE, &step->at,
		    "service.plan.on_uncertain",
		    "\"retry\" may do the step '%s' twice; write idempotent = "
		    "true if that is the same as once",
		    step->name);
	check_asking(run, step);
	check_undo(run, step);
}

static void
check_cycle(struct policy_check_run *run, const struct policy_service *s,
    const char *const *names)
{
	OWNED(free_mem)
	struct policy_texts *after =
	    calloc(s->step_count + 1, sizeof(after[0]));
	OWNED(buf_fini) struct buf cycle = {.max_bytes = 600};
	struct err ignored = {0};
	ssize_t found = -1;

	for (size_t i = 0; after != NULL && i < s->step_count; i++)
		after[i] = s->plan[i].after;
	if (after == NULL ||
	    policy_cycle_find(names, after, s->step_count, &found, &cycle,
		&ignored) == ERR_NOMEM)
		run->ps->more_count++;
	if (found != -1)
		POLICY_CHECK_SAY(run, P_PLAN_CYCLE, &s->plan[found].at,
		    "service.plan.after",
		    "the steps wait for one another: %s; take one of these out",
		    buf_text(&cycle));
}

static void
check_checks(struct policy_check_run *run, const struct policy_service *s)
{
	for (size_t i = 0; i < s->step_count; i++) {
		const struct policy_step *step = &s->plan[i];

		/* That production is unreachable says nothing of the service. */
		if (step->kind == POLICY_STEP_CHECK &&
		    step->check.kind != POLICY_CHECK_UNREACHABLE)
			return;
	}
	POLICY_CHECK_SAY(run, P_NO_CHECK, &s->at, "service.plan",
	    "no step checks that '%s' works; add a step with check = { http, "
	    "tcp or command }",
	    s->name);
}

void
policy_check_plan(struct policy_check_run *run, const struct policy_service *s)
{
	OWNED(free_mem)
	const char **steps = calloc(s->step_count + 1, sizeof(steps[0]));
	OWNED(free_mem)
	const char **datasets =
	    calloc(s->dataset_count + 1, sizeof(datasets[0]));
	struct policy_check_names step_names = {.what = "step",
	    .items = steps,
	    .count = s->step_count};
	struct policy_check_names dataset_names = {.what = "dataset",
	    .items = datasets,
	    .count = s->dataset_count};

	if (steps == NULL || datasets == NULL) {
		run->ps->more_count++;
		return;
	}
	for (size_t i = 0; i < s->dataset_count; i++)
		datasets[i] = s->datasets[i].name;
	for (size_t i = 0; i < s->step_count; i++)
		steps[i] = s->plan[i].name;
	policy_check_twice(run, s->plan, s->step_count, sizeof(s->plan[0]),
	    offsetof(struct policy_step, name), "service.plan.step");
	for (size_t i = 0; i < s->step_count; i++)
		check_step(run, s, &s->plan[i], &step_names, &dataset_names);
	check_cycle(run, s, steps);
	if (s->step_count > 0)
		check_checks(run, s);
}
