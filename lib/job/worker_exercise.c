/*
 * Exercise: an isolated test, or cleaning up after one whose worker died.  The
 * way to the daemon is worker_planrun's, the work exercise.c's.
 */

#include <string.h>

#include "worker_planrun.h"

#define UNDOS_MAX 256
#define WORDS_MAX 256

struct test {
	struct worker *w;
	struct worker_planrun talk;
	/* cleaning up */
	struct exercise_left left;
	struct planrun_undo undos[UNDOS_MAX];
	const char **argvs[UNDOS_MAX];
};

static void
test_fini(struct test *t)
{
	for (size_t i = 0; i < UNDOS_MAX; i++)
		free(t->argvs[i]);
}

/* --- the spec ------------------------------------------------------------- */

static enum err_code
take_undo(struct test *t, struct wire_value *v, struct err *e)
{
	struct planrun_undo *u = &t->undos[t->left.undos_count];
	struct wire_value *argv = wire_take_list(v, "argv");
	size_t count = argv == NULL ? 0 : wire_count(argv);
	const char **words;

	u->step = wire_need_text(v, "step");
	u->timeout_ns = wire_take_int(v, "timeout_ns", 0);
	if (count == 0 || count > WORDS_MAX)
		return err_set(e, ERR_INPUT, "an undo of %zu words", count);
	words = calloc(count + 1, sizeof(*words));
	if (words == NULL)
		return err_nomem(e);
	t->argvs[t->left.undos_count++] = words;
	for (size_t i = 0; i < count; i++)
		words[i] = wire_at_text(argv, i);
	u->argv = words;
	return ERR_NONE;
}

static enum err_code
take_left(struct test *t, struct wire_value *v, struct err *e)
{
	struct wire_value *undos = wire_take_list(v, "undos");
	size_t count = undos == NULL ? 0 : wire_count(undos);
	enum err_code rc = ERR_NONE;

	t->left = (struct exercise_left){
	    .sandbox = wire_take_text(v, "sandbox", NULL),
	    .cell_pid = wire_take_int(v, "cell_pid", 0),
	    .cell_started = wire_take_uint(v, "cell_started", 0),
	    .cell_boot = wire_take_text(v, "cell_boot", ""),
	    .undos = t->undos,
	    .state = wire_take_text(v, "state", "REQUESTED"),
	    .failed = wire_take_bool(v, "failed", false),
	    .interrupted = wire_take_bool(v, "interrupted", false),
	    .unproved = wire_take_bool(v, "unproved", false),
	    .findings = wire_take_bool(v, "findings", false),
	};
	if (count > UNDOS_MAX)
		return err_set(e, ERR_INPUT, "%zu undos", count);
	for (size_t i = 0; rc == ERR_NONE && i < count; i++)
		rc = take_undo(t, wire_at_object(undos, i), e);
	return rc;
}

static enum err_code
take_spec(struct test *t, struct exercise_options *o, struct err *e)
{
	struct wire_value *spec = worker_spec(t->w), *left;
	enum err_code rc = ERR_NONE;

	o->point = wire_take_text(spec, "point", NULL);
	o->hold_ns = wire_take_int(spec, "hold_ns", 0);
	o->outstanding = wire_take_text(spec, "outstanding", NULL);
	o->live_move = wire_take_text(spec, "live_move", NULL);
	left = wire_take_object(spec, "left");
	if (left != NULL) {
		rc = take_left(t, left, e);
		o->left = &t->left;
	}
	return rc == ERR_NONE ? worker_asked(t->w, e) : rc;
}

static void
add_ns(struct wire_value *v, const char *name, int64_t ns)
{
	if (ns >= 0)
		wire_add_int(v, name, ns);
}

static enum err_code
run(struct worker *w, struct wire_value *result, struct err *e)
{
	OWNED(test_fini) struct test t = {.w = w, .talk = {.w = w}};
	struct exercise_result r;
	struct exercise_options o = {.policy = worker_policy(w),
	    .service = worker_service(w),
	    .site = worker_site(w),
	    .run = worker_job(w),
	    .link = worker_planrun_link(&t.talk)};
	enum err_code rc = take_spec(&t, &o, e);

	if (rc == ERR_NONE && (o.service == NULL || o.site == NULL))
		rc = err_set(e, ERR_INPUT, "an exercise is of a service");
	if (rc == ERR_NONE)
		rc = exercise_run(&o, &r, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(result, "exercise_state", r.state);
	wire_add_text(result, "exercise_result", r.result);
	wire_add_text(result, "exercise_reason", r.reason);
	if (r.point[0] != '\0')
		wire_add_text(result, "point", r.point);
	wire_add_bool(result, "tested", r.tested);
	add_ns(result, "rta_ns", r.rta_ns);
	add_ns(result, "rpa_ns", r.rpa_ns);
	return ERR_NONE;
}

const struct worker_kind worker_exercise = {"exercise", run};
