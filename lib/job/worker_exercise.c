/*
 * Exercise: an isolated test, or cleaning up after one whose worker died.  The
 * way from exercise_link to the daemon; the work is exercise.c's.
 */

#include <string.h>

#include "worker.h"

#define UNDOS_MAX 256
#define WORDS_MAX 256

struct test {
	struct worker *w;
	bool was_cancelled; /* and the run has been told */
	/* cleaning up */
	struct exercise_left left;
	struct exercise_undo undos[UNDOS_MAX];
	const char **argvs[UNDOS_MAX];
};

static void
test_fini(struct test *t)
{
	for (size_t i = 0; i < UNDOS_MAX; i++)
		free(t->argvs[i]);
}

/* --- the link ------------------------------------------------------------- */

static enum err_code
event(struct wire_value **out, const char *type, const char *record,
    const struct exercise_field *fields, size_t count, struct err *e)
{
	enum err_code rc = wire_new(out, type, e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*out, "record", record);
	for (size_t i = 0; i < count; i++)
		wire_add_text(*out, fields[i].name, fields[i].value);
	return ERR_NONE;
}

static const char *
find(const struct exercise_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return fields[i].value;
	return NULL;
}

/* For those who watch: the record itself is not seen by them. */
static void
show(struct test *t, const struct exercise_field *fields, size_t count)
{
	static const char *const names[] = {"step", "kind", "state", "reason"};
	OWNED(wire_free) struct wire_value *v = NULL;
	bool is_step = find(fields, count, "step") != NULL;
	struct err e;

	if (find(fields, count, "state") == NULL ||
	    wire_new(&v, is_step ? "step" : "state", &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		wire_add_text(v, names[i], find(fields, count, names[i]));
	if (worker_send(t->w, &v, &e) != ERR_NONE)
		worker_log(t->w, WORKER_WARNING, "%s", e.text);
}

static enum err_code
on_intent(void *ctx, const char *record, const struct exercise_field *fields,
    size_t count, uint64_t *seq, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct test *t = ctx;
	enum err_code rc = event(&v, "intent", record, fields, count, e);

	if (rc == ERR_NONE)
		rc = worker_intent(t->w, &v, seq, e);
	if (rc == ERR_NONE && find(fields, count, "step") != NULL)
		show(t, fields, count);
	return rc;
}

static enum err_code
on_outcome(void *ctx, uint64_t seq, const struct exercise_field *fields,
    size_t count, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct test *t = ctx;
	enum err_code rc = event(&v, "outcome", NULL, fields, count, e);

	if (rc == ERR_NONE)
		rc = worker_outcome(t->w, &v, seq, e);
	if (rc == ERR_NONE && find(fields, count, "step") != NULL)
		show(t, fields, count);
	return rc;
}

static enum err_code
on_note(void *ctx, const char *record, const struct exercise_field *fields,
    size_t count, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct test *t = ctx;
	enum err_code rc = event(&v, "note", record, fields, count, e);

	if (rc == ERR_NONE)
		rc = worker_send(t->w, &v, e);
	if (rc == ERR_NONE)
		show(t, fields, count);
	return rc;
}

static enum err_code
on_ask(void *ctx, const char *step, const char *text, const char *role,
    int64_t timeout_ns, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct test *t = ctx;
	enum err_code rc = wire_new(&v, "ask", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "name", step);
	wire_add_text(v, "text", text);
	wire_add_text(v, "role", role);
	wire_add_seconds(v, "timeout_seconds", timeout_ns);
	return worker_send(t->w, &v, e);
}

static void
put(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

static void
on_hear(void *ctx, struct exercise_word *word)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct test *t = ctx;

	if (worker_is_cancelled(t->w)) {
		word->kind =
		    t->was_cancelled ? EXERCISE_SILENCE : EXERCISE_CANCEL;
		t->was_cancelled = true;
		return;
	}
	v = worker_next(t->w, 0);
	if (v != NULL && wire_take_bool(v, "abort", false)) {
		word->kind = EXERCISE_CANCEL;
		put(word->reason, sizeof(word->reason),
		    wire_take_text(v, "reason", ""));
		return;
	}
	if (v == NULL || !wire_has(v, "answer"))
		return;
	word->kind = EXERCISE_ANSWERED;
	put(word->step, sizeof(word->step), wire_take_text(v, "answer", ""));
	put(word->verb, sizeof(word->verb), wire_take_text(v, "verb", ""));
	put(word->reason, sizeof(word->reason),
	    wire_take_text(v, "reason", ""));
	put(word->by, sizeof(word->by), wire_take_text(v, "by", ""));
}

/* After a cancel its descriptor stays readable: not to be polled again. */
static int
on_fd(void *ctx)
{
	struct test *t = ctx;

	return t->was_cancelled ? -1 : worker_wake_fd(t->w);
}

static void
on_log(void *ctx, const char *text)
{
	struct test *t = ctx;

	worker_log(t->w, WORKER_INFO, "%s", text);
}

/* --- the spec ------------------------------------------------------------- */

static enum err_code
take_undo(struct test *t, struct wire_value *v, struct err *e)
{
	struct exercise_undo *u = &t->undos[t->left.undos_count];
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
	OWNED(test_fini) struct test t = {.w = w};
	struct exercise_result r;
	struct exercise_options o = {.policy = worker_policy(w),
	    .service = worker_service(w),
	    .site = worker_site(w),
	    .run = worker_job(w),
	    .link = {&t, on_intent, on_outcome, on_note, on_ask, on_hear, on_fd,
		on_log}};
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
