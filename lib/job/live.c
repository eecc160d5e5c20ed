/*
 * The plan of a live move, and its undo.  The engine decides; what stops it is
 * the word of a person, or that nobody writes down what is done (V4).
 */

#include "live.h"

#include <string.h>
#include <sys/prctl.h>

#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/store.h>

#include "live_far.h"
#include "live_run.h"

#define PARALLEL 10

const char *
live_verdict_name(enum live_verdict v)
{
	switch (v) {
	case LIVE_UNCERTAIN: return "uncertain";
	case LIVE_DONE: return "done";
	case LIVE_NOT_DONE: return "not-done";
	}
	return "uncertain";
}

static void
live_fini(struct live *v)
{
	planrun_fini(&v->p);
}

static const struct plan_effects *
effects_of(const char *mode)
{
	return strcmp(mode, "unplanned") == 0 ? &live_effects_unplanned
					      : &live_effects_planned;
}

/* What is for another site, or put back data that stayed, stands aside. */
static void
choose_steps(struct live *v)
{
	const struct live_options *o = v->o;

	for (size_t i = 0; i < v->p.steps_count; i++) {
		const struct policy_step *s = &o->service->plan[i];

		if (!policy_step_is_for(o->policy, s, o->to) ||
		    (o->without_restores && s->kind == POLICY_STEP_RESTORE))
			v->p.steps[i].modes = PLAN_IN_TABLETOP;
	}
}

static enum err_code
live_init(struct live *v, const struct live_options *o, struct live_result *out,
    bool undoes, struct err *e)
{
	struct engine_options opt = {.parallel_max = PARALLEL,
	    .asks = true,
	    .stands = !undoes,
	    .unwinds = undoes};
	enum err_code rc;

	*out = (struct live_result){.verdict = LIVE_UNCERTAIN};
	*v = (struct live){.o = o,
	    .out = out,
	    .p = {.effects = effects_of(o->mode),
		.ctx = v,
		.policy = o->policy,
		.service = o->service,
		.site = o->site,
		.run = o->run,
		.epoch = o->epoch,
		.sandbox = o->live_root,
		.link = &o->link},
	    .undoes = undoes};
	rc = planrun_init(&v->p, e);
	if (rc != ERR_NONE)
		return rc;
	choose_steps(v);
	opt.steps = v->p.steps;
	opt.steps_count = v->p.steps_count;
	opt.mode = v->p.effects->mode;
	return engine_new(&v->p.engine, &opt, e);
}

/* --- the point ------------------------------------------------------------ */

static bool
restores(const struct live *v)
{
	for (size_t i = 0; i < v->p.steps_count; i++)
		if (v->p.steps[i].kind == PLAN_RESTORE &&
		    (v->p.steps[i].modes & v->p.effects->mode) != 0)
			return true;
	return false;
}

static enum err_code
take_snapshot(struct live *v, struct store *st, const struct id *id,
    struct err *e)
{
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	const struct policy_service *service = v->o->service;
	char hex[ID_HEX_BYTES];
	enum err_code rc = snapshot_find(&s, &subtree, st, id_hex(id, hex), e);

	for (size_t i = 0; rc == ERR_NONE && i < service->dataset_count; i++)
		if (strcmp(service->datasets[i].name, s.dataset) == 0)
			v->p.snapshots[i] =
			    (struct planrun_snapshot){&service->datasets[i],
				s.id, s.root, s.flags, s.bytes,
				s.problems_total_count};
	return rc;
}

static enum err_code
take_point(struct live *v, struct store *st, struct err *e)
{
	OWNED(point_list_fini) struct point_list list = {0};
	char hex[ID_HEX_BYTES];
	enum err_code rc =
	    point_list(&list, st, v->o->service->name, NULL, NULL, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++) {
		const struct point *p = &list.points[i];

		if (strcmp(id_hex(&p->id, hex), v->o->point) != 0)
			continue;
		for (size_t k = 0; rc == ERR_NONE && k < p->snapshots_count;
		     k++)
			rc = take_snapshot(v, st, &p->snapshots[k], e);
		return rc;
	}
	if (rc == ERR_NONE)
		rc = err_set(e, ERR_NOTFOUND,
		    "recovery point '%.64s' is not in this site's repository",
		    v->o->point);
	return rc;
}

static void
close_all(struct store **st, struct keyring **keys)
{
	store_close(st);
	keyring_free(keys);
}

static enum err_code
find_point(struct live *v, struct err *e)
{
	struct keyring *keys = NULL;
	struct store *st = NULL;
	enum err_code rc;

	if (!restores(v))
		return ERR_NONE;
	rc = planrun_restore_open(&st, &keys, v->o->policy, v->o->site, e);
	if (rc == ERR_NONE)
		rc = take_point(v, st, e);
	close_all(&st, &keys);
	for (size_t i = 0; rc == ERR_NONE && i < v->p.steps_count; i++) {
		const struct policy_step *s = &v->o->service->plan[i];
		size_t d = 0;

		if (s->kind != POLICY_STEP_RESTORE ||
		    (v->p.steps[i].modes & v->p.effects->mode) == 0)
			continue;
		while (d < v->o->service->dataset_count &&
		    strcmp(v->o->service->datasets[d].name, s->restore) != 0)
			d++;
		if (d == v->o->service->dataset_count ||
		    v->p.snapshots[d].dataset == NULL)
			return err_set(e, ERR_NOTFOUND,
			    "the recovery point holds no dataset '%s', which "
			    "step '%s' restores",
			    s->restore, s->name);
	}
	return rc;
}

/* --- what can be known before anything is begun ---------------------------- */

static bool
asks_over_the_net(const struct policy_step *s)
{
	return s->kind == POLICY_STEP_CHECK &&
	    (s->check.kind == POLICY_CHECK_HTTP ||
		s->check.kind == POLICY_CHECK_TCP ||
		s->check.kind == POLICY_CHECK_TLS ||
		s->check.kind == POLICY_CHECK_UNREACHABLE);
}

static enum err_code
check_step(const struct live *v, const struct policy_step *s, struct err *e)
{
	struct source_host host;
	bool here;
	enum err_code rc =
	    live_far_host(&host, &here, v->o->policy, v->o->site, s->on, e);

	if (rc == ERR_NONE)
		rc = planrun_check_words(&v->p, s, e);
	if (rc == ERR_NONE && !here && asks_over_the_net(s))
		rc = err_set(e, ERR_POLICY,
		    "its check asks over the network, which is done from here: "
		    "leave `on` out");
	return rc == ERR_NONE ? rc : err_wrap(e, "step '%s'", s->name);
}

/* Nothing may turn out wrong in the middle that can be known now. */
static enum err_code
check_plan(const struct live *v, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < v->p.steps_count; i++)
		if ((v->p.steps[i].modes & v->p.effects->mode) != 0)
			rc = check_step(v, &v->o->service->plan[i], e);
	return rc;
}

/* --- where it was --------------------------------------------------------- */

static enum engine_step_state
state_of(const char *state)
{
	static const struct {
		const char *name;
		enum engine_step_state state;
	} states[] = {{"done", ENGINE_STEP_DONE},
	    {"skipped", ENGINE_STEP_SKIPPED}, {"failed", ENGINE_STEP_FAILED},
	    {"retry", ENGINE_STEP_FAILED}, {"undone", ENGINE_STEP_UNDONE},
	    {"undoing", ENGINE_STEP_UNDOING},
	    {"undo-failed", ENGINE_STEP_UNDO_FAILED}};

	for (size_t i = 0; i < COUNT_OF(states); i++)
		if (strcmp(states[i].name, state) == 0)
			return states[i].state;
	return ENGINE_STEP_UNCERTAIN; /* "uncertain", "unknown", "running" */
}

/* The last word on each step counts; what the policy has no more is passed. */
static enum err_code
take_past(const struct live *v, struct engine_past *past, size_t *count,
    struct err *e)
{
	OWNED(free_mem)
	size_t *at = calloc(v->p.steps_count + 1, sizeof(*at));

	*count = 0;
	if (at == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < v->o->past_count; i++) {
		const struct live_past *was = &v->o->past[i];
		size_t n = 0;

		while (n < v->p.steps_count &&
		    strcmp(v->p.steps[n].name, was->step) != 0)
			n++;
		if (n == v->p.steps_count)
			continue;
		if (at[n] == 0)
			at[n] = ++*count;
		past[at[n] - 1] = (struct engine_past){.step = n,
		    .state = state_of(was->state),
		    .attempt = was->attempt > 0 ? was->attempt : 1,
		    .ended = i + 1,
		    .reason = was->reason};
	}
	return ERR_NONE;
}

static enum err_code
begin(struct live *v, struct err *e)
{
	OWNED(free_mem)
	struct engine_past *past = calloc(v->p.steps_count + 1, sizeof(*past));
	const struct engine_action *actions;
	size_t count = 0, actions_count;
	enum err_code rc;

	if (past == NULL)
		return err_nomem(e);
	rc = take_past(v, past, &count, e);
	if (rc == ERR_NONE)
		rc = engine_resume(v->p.engine, past, count, now_mono(),
		    &actions, &actions_count, e);
	if (rc == ERR_NONE)
		planrun_steps_queue(&v->p, actions, actions_count);
	return rc;
}

/* --- the end -------------------------------------------------------------- */

static void
sum_up(struct live *v)
{
	struct live_result *r = v->out;
	bool uncertain = false;

	for (size_t i = 0; i < v->p.steps_count; i++) {
		struct engine_step s = engine_step_of(v->p.engine, i);

		r->steps_done += s.state == ENGINE_STEP_DONE;
		r->undo_failed += s.state == ENGINE_STEP_UNDO_FAILED;
		r->standing = r->standing || s.has_effects;
		uncertain = uncertain || s.state == ENGINE_STEP_UNCERTAIN;
		if ((s.state == ENGINE_STEP_FAILED ||
			s.state == ENGINE_STEP_UNCERTAIN) &&
		    r->failed_step[0] == '\0') {
			snprintf(r->failed_step, sizeof(r->failed_step), "%s",
			    v->p.steps[i].name);
			if (r->reason[0] == '\0')
				snprintf(r->reason, sizeof(r->reason),
				    "step '%s': %.200s", r->failed_step,
				    s.reason);
		}
	}
	if (r->reason[0] == '\0')
		snprintf(r->reason, sizeof(r->reason), "%s",
		    engine_reason(v->p.engine));
	r->verdict = uncertain ? LIVE_UNCERTAIN : LIVE_NOT_DONE;
	if (engine_outcome_of(v->p.engine) != ENGINE_SUCCEEDED)
		return;
	r->verdict = LIVE_DONE;
	r->reason[0] = '\0';
}

enum err_code
live_plan(const struct live_options *o, struct live_result *out, struct err *e)
{
	OWNED(live_fini) struct live v;
	enum err_code rc = live_init(&v, o, out, false, e);

	/* What a step leaves behind becomes our child, not somebody's. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (rc == ERR_NONE)
		rc = check_plan(&v, e);
	if (rc == ERR_NONE)
		rc = find_point(&v, e);
	if (rc != ERR_NONE && rc != ERR_NOMEM) {
		out->verdict =
		    o->past_count == 0 ? LIVE_NOT_DONE : LIVE_UNCERTAIN;
		out->standing = o->past_count > 0;
		snprintf(out->reason, sizeof(out->reason), "%.500s", e->text);
		return ERR_NONE; /* nothing was begun by us */
	}
	if (rc == ERR_NONE)
		rc = begin(&v, e);
	if (rc == ERR_NONE)
		rc = planrun_go(&v.p, e);
	if (rc != ERR_NONE)
		return rc;
	planrun_notes_skipped(&v.p,
	    "it is not for this mode, or not for this "
	    "site",
	    "the plan ended before its turn");
	sum_up(&v);
	return ERR_NONE;
}

enum err_code
live_undo(const struct live_options *o, struct live_result *out, struct err *e)
{
	OWNED(live_fini) struct live v;
	enum err_code rc = live_init(&v, o, out, true, e);

	if (rc == ERR_NONE)
		rc = begin(&v, e);
	if (rc == ERR_NONE)
		rc = planrun_go(&v.p, e);
	if (rc != ERR_NONE)
		return rc;
	out->undo_failed = engine_undo_failures(v.p.engine);
	out->standing = out->undo_failed > 0;
	out->verdict = out->standing ? LIVE_UNCERTAIN : LIVE_DONE;
	if (out->standing)
		snprintf(out->reason, sizeof(out->reason),
		    "%zu undos failed: what they should have taken back may "
		    "still stand",
		    out->undo_failed);
	return ERR_NONE;
}
