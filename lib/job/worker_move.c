/*
 * Move: one act of a live move at this site.  The way to the daemon is
 * worker_planrun's, the work live's and, for a capture, backup's.
 */

#include "worker_planrun.h"

#include <string.h>

#include "live.h"

#define PAST_MAX (4 * PLAN_STEPS_MAX)

struct move {
	struct worker_planrun talk;
	struct live_options o;
	const char *act;
	char epoch[24];
	struct buf root;
	struct live_past *past;
};

static void
move_fini(struct move *m)
{
	free(m->past);
	buf_fini(&m->root);
}

/* --- the acts ------------------------------------------------------------- */

static bool
has_fence(const struct live_options *o, const char *site)
{
	for (size_t i = 0; i < o->service->fence_count; i++)
		if (policy_fence_is_for(o->policy, &o->service->fence[i], site))
			return true;
	return false;
}

/* What was started is taken back; then, where it can be, it is proved. */
static enum err_code
undo(const struct live_options *o, struct live_result *r, struct err *e)
{
	struct live_options fenced = *o;
	size_t failed;
	enum err_code rc = live_undo(o, r, e);

	if (rc != ERR_NONE || !has_fence(o, o->to))
		return rc;
	failed = r->undo_failed;
	fenced.from = o->to;
	rc = live_fence_run(&fenced, r, e);
	r->undo_failed = failed;
	return rc;
}

/*
 * Lets go of the fence; where one has no way to be undone, the plan's steps that
 * restore nothing do it, on the data that stayed.
 */
static enum err_code
resume(const struct live_options *o, struct live_result *r, struct err *e)
{
	if (o->without_restores) {
		enum err_code rc = live_plan(o, r, e);

		if (rc != ERR_NONE || r->verdict != LIVE_DONE)
			return rc;
	}
	return live_fence_resume(o, r, e);
}

static const struct {
	const char *name;
	enum err_code (*run)(const struct live_options *o,
	    struct live_result *r, struct err *e);
} acts[] = {{"plan", live_plan}, {"undo", undo}, {"fence", live_fence_run},
    {"prove", live_fence_prove}, {"resume", resume},
    {"quiesce", live_fence_quiesce}};

/* --- the spec ------------------------------------------------------------- */

static enum err_code
take_steps(struct move *m, struct wire_value *steps, struct err *e)
{
	size_t count = steps == NULL ? 0 : wire_count(steps);

	if (count > PAST_MAX)
		return err_set(e, ERR_INPUT, "%zu steps", count);
	m->past = calloc(count + 1, sizeof(*m->past));
	if (m->past == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		struct wire_value *v = wire_at_object(steps, i);

		if (v == NULL)
			return err_set(e, ERR_INPUT, "a step is no object");
		m->past[i] =
		    (struct live_past){.step = wire_need_text(v, "step"),
			.state = wire_need_text(v, "state"),
			.reason = wire_take_text(v, "reason", ""),
			.attempt = (unsigned)wire_take_uint(v, "attempt", 1)};
		if (m->past[i].attempt > PLAN_ATTEMPTS_MAX)
			m->past[i].attempt = PLAN_ATTEMPTS_MAX;
	}
	m->o.past = m->past;
	m->o.past_count = count;
	return ERR_NONE;
}

static enum err_code
find_root(struct move *m, const char *written, struct err *e)
{
	if (written[0] != '\0')
		return buf_add_text(&m->root, written, e);
	return policy_live_root(&m->root, m->o.service, m->o.site->name, e);
}

static enum err_code
take_spec(struct move *m, struct err *e)
{
	struct worker *w = m->talk.w;
	struct wire_value *spec = worker_spec(w);
	const char *root;
	enum err_code rc;

	m->act = wire_need_text(spec, "act");
	m->o.run = wire_need_text(spec, "run");
	m->o.mode = wire_take_text(spec, "mode", "planned");
	m->o.from = wire_need_text(spec, "site_from");
	m->o.to = wire_need_text(spec, "site_to");
	m->o.point = wire_take_text(spec, "point", "");
	m->o.without_restores = wire_take_bool(spec, "without_restores", false);
	root = wire_take_text(spec, "live_root", "");
	snprintf(m->epoch, sizeof(m->epoch), "%llu",
	    (unsigned long long)wire_take_uint(spec, "epoch", 0));
	m->o.epoch = m->epoch;
	if (m->o.service == NULL || m->o.site == NULL)
		return err_set(e, ERR_INPUT, "a move is of a service");
	rc = take_steps(m, wire_take_list(spec, "steps"), e);
	if (rc == ERR_NONE)
		rc = find_root(m, root, e);
	m->o.live_root = buf_text(&m->root);
	return rc;
}

/* --- the result ----------------------------------------------------------- */

static void
add_text(struct wire_value *v, const char *name, const char *text)
{
	if (text[0] != '\0')
		wire_add_text(v, name, text);
}

static void
add_time(struct wire_value *v, const char *name, struct utc at)
{
	if (at.ns != 0)
		wire_add_int(v, name, at.ns);
}

static enum err_code
answer(const struct move *m, const struct live_result *r, struct wire_value *v,
    struct err *e)
{
	wire_add_text(v, "verdict", live_verdict_name(r->verdict));
	add_text(v, "method", r->method);
	add_text(v, "proof", r->proof);
	add_text(v, "attest", r->attest);
	add_text(v, "failed_step", r->failed_step);
	wire_add_bool(v, "standing", r->standing);
	wire_add_uint(v, "steps_done", r->steps_done);
	wire_add_uint(v, "undo_failed", r->undo_failed);
	add_time(v, "promoted_ns", r->promoted);
	add_time(v, "redirected_ns", r->redirected);
	add_time(v, "accepted_ns", r->accepted);
	/* To have read something back is no failure, whatever it was. */
	if (r->verdict == LIVE_DONE || strcmp(m->act, "prove") == 0)
		return ERR_NONE;
	return err_set(e, ERR_IO, "%s: %s", m->act,
	    r->reason[0] != '\0' ? r->reason : "nobody can say");
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(move_fini)
	struct move m = {.talk = {.w = w},
	    .o = {.policy = worker_policy(w),
		.service = worker_service(w),
		.site = worker_site(w)}};
	struct live_result r = {.verdict = LIVE_UNCERTAIN};
	enum err_code rc = take_spec(&m, e);

	if (rc == ERR_NONE && strcmp(m.act, "capture") == 0)
		return worker_backup_held(w, result, e);
	if (rc == ERR_NONE)
		rc = worker_asked(w, e);
	if (rc != ERR_NONE)
		return rc;
	m.o.link = worker_planrun_link(&m.talk);
	for (size_t i = 0; i < COUNT_OF(acts); i++) {
		if (strcmp(acts[i].name, m.act) != 0)
			continue;
		rc = acts[i].run(&m.o, &r, e);
		return rc == ERR_NONE ? answer(&m, &r, result, e) : rc;
	}
	return err_set(e, ERR_INPUT, "a move has no act '%.40s'", m.act);
}

const struct worker_kind worker_move = {"move", run};
