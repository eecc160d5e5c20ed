#include <bascule/plan.h>

#include <check.h>
#include <string.h>

#define AFTER(...)                                   \
	.after = (const char *const[]){__VA_ARGS__}, \
	.after_count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)

/* A run and what it last said. */
struct run {
	struct engine *en;
	const struct plan_step *steps;
	const struct engine_action *actions;
	size_t actions_count;
	int64_t now_ns;
	char text[512];
};

static void
begin(struct run *r, const struct engine_options *o)
{
	struct err e = {0};

	memset(r, 0, sizeof(*r));
	r->steps = o->steps;
	ck_assert_msg(engine_new(&r->en, o, &e) == ERR_NONE, "%s", e.text);
}

/* The actions as words: "start a 1, start b 1". */
static const char *
words(struct run *r)
{
	static const char *const verbs[] = {"start", "ask", "stop", "undo",
	    "stop-undo", "at-gate", "all-done", "all-undone", "waited"};
	size_t used = 0;

	r->text[0] = '\0';
	for (size_t i = 0; i < r->actions_count; i++) {
		const struct engine_action *a = &r->actions[i];
		bool of_step = a->kind != ENGINE_AT_GATE &&
		    a->kind != ENGINE_ALL_DONE && a->kind != ENGINE_ALL_UNDONE;

		used += (size_t)snprintf(r->text + used, sizeof(r->text) - used,
		    "%s%s%s%s", i > 0 ? ", " : "", verbs[a->kind],
		    of_step ? " " : "", of_step ? r->steps[a->step].name : "");
		if (a->kind == ENGINE_START && a->attempt > 1)
			used += (size_t)snprintf(r->text + used,
			    sizeof(r->text) - used, " %u", a->attempt);
	}
	return r->text;
}

static size_t
number_of(const struct run *r, const char *name)
{
	size_t i = 0;

	while (strcmp(r->steps[i].name, name) != 0)
		i++;
	return i;
}

static enum err_code
feed(struct run *r, struct engine_event ev)
{
	struct err e = {0};

	return engine_handle(r->en, &ev, (struct mono){r->now_ns}, &r->actions,
	    &r->actions_count, &e);
}

static const char *
tell(struct run *r, struct engine_event ev)
{
	ck_assert_int_eq(feed(r, ev), ERR_NONE);
	return words(r);
}

static const char *
ended(struct run *r, const char *name, const char *why)
{
	size_t i = number_of(r, name);

	return tell(r,
	    (struct engine_event){.kind = ENGINE_STEP_ENDED,
		.step = i,
		.attempt = engine_step_of(r->en, i).attempt,
		.ok = why == NULL,
		.reason = why});
}

static const char *
undone(struct run *r, const char *name, const char *why)
{
	return tell(r,
	    (struct engine_event){.kind = ENGINE_UNDO_ENDED,
		.step = number_of(r, name),
		.ok = why == NULL,
		.reason = why});
}

static const char *
answer(struct run *r, const char *name, enum engine_answer a, const char *why)
{
	return tell(r,
	    (struct engine_event){.kind = ENGINE_ANSWER,
		.step = number_of(r, name),
		.answer = a,
		.reason = why});
}

static const char *
event(struct run *r, enum engine_event_kind kind)
{
	return tell(r, (struct engine_event){.kind = kind});
}

static enum engine_step_state
state_of(const struct run *r, const char *name)
{
	return engine_step_of(r->en, number_of(r, name)).state;
}

/* The plan of the design's example, in short. */
static const struct plan_step housing[] = {
    {.name = "documents", .kind = PLAN_RESTORE, .modes = PLAN_IN_ALL},
    {.name = "database", .kind = PLAN_RESTORE, .modes = PLAN_IN_ALL},
    {.name = "load",
	.kind = PLAN_RUN,
	AFTER("database"),
	.modes = PLAN_IN_ALL,
	.has_undo = true},
    {.name = "start",
	.kind = PLAN_RUN,
	AFTER("load", "documents"),
	.modes = PLAN_IN_ALL,
	.has_undo = true},
    {.name = "rows", .kind = PLAN_CHECK, AFTER("load"), .modes = PLAN_IN_ALL},
    {.name = "answers",
	.kind = PLAN_CHECK,
	AFTER("start"),
	.modes = PLAN_IN_ALL},
    {.name = "dns",
	.kind = PLAN_CONFIRM,
	AFTER("answers"),
	.modes = PLAN_IN_PLANNED | PLAN_IN_UNPLANNED},
};
#define HOUSING_COUNT COUNT_OF(housing)

START_TEST(a_test_runs_to_its_end_and_is_unwound_in_reverse)
{
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_TEST,
	    .gated = true};
	struct run r;

	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_BEGIN),
	    "start documents, start database");
	ck_assert_str_eq(ended(&r, "database", NULL), "");
	ck_assert_str_eq(ended(&r, "documents", NULL), "at-gate");
	ck_assert_str_eq(event(&r, ENGINE_OPEN_GATE), "start load");
	ck_assert_str_eq(ended(&r, "load", NULL), "start start, start rows");
	ck_assert_str_eq(ended(&r, "rows", NULL), "");
	ck_assert_str_eq(ended(&r, "start", NULL), "start answers");
	ck_assert_str_eq(ended(&r, "answers", NULL), "all-done");
	ck_assert_int_eq(engine_outcome_of(r.en), ENGINE_SUCCEEDED);
	ck_assert_int_eq(state_of(&r, "dns"), ENGINE_STEP_NOT_IN_MODE);
	ck_assert_str_eq(event(&r, ENGINE_UNWIND), "undo start");
	ck_assert_str_eq(undone(&r, "start", NULL), "undo load");
	ck_assert_str_eq(undone(&r, "load", NULL), "all-undone");
	ck_assert_int_eq(engine_outcome_of(r.en), ENGINE_SUCCEEDED);
	ck_assert_int_eq(engine_state_of(r.en), ENGINE_UNDONE);
	engine_free(&r.en);
}
END_TEST

START_TEST(a_failed_check_waits_for_what_runs_then_undoes_in_reverse)
{
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_TEST};
	struct run r;

	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	(void)ended(&r, "database", NULL);
	(void)ended(&r, "documents", NULL);
	ck_assert_str_eq(ended(&r, "load", NULL), "start start, start rows");
	ck_assert_str_eq(ended(&r, "rows", "12 rows, not 1000"), "");
	ck_assert_int_eq(engine_state_of(r.en), ENGINE_DRAINING);
	ck_assert_str_eq(ended(&r, "start", NULL), "undo start");
	ck_assert_str_eq(undone(&r, "start", "exit 1"), "undo load");
	ck_assert_str_eq(undone(&r, "load", NULL), "all-undone");
	ck_assert_int_eq(engine_outcome_of(r.en), ENGINE_FAILED);
	ck_assert_str_eq(engine_reason(r.en), "step 'rows': 12 rows, not 1000");
	ck_assert_uint_eq(engine_undo_failures(r.en), 1);
	ck_assert_int_eq(state_of(&r, "start"), ENGINE_STEP_UNDO_FAILED);
	ck_assert_int_eq(state_of(&r, "answers"), ENGINE_STEP_WAITING);
	engine_free(&r.en);
}
END_TEST

START_TEST(a_failed_step_is_tried_again_after_its_wait)
{
	struct plan_step step = {.name = "a",
	    .kind = PLAN_RUN,
	    .modes = PLAN_IN_ALL,
	    .retries = 2,
	    .retry_wait_ns = 100,
	    .has_undo = true};
	struct engine_options o = {.steps = &step,
	    .steps_count = 1,
	    .mode = PLAN_IN_TEST};
	struct mono at;
	struct run r;

	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_BEGIN), "start a");
	r.now_ns = 50;
	ck_assert_str_eq(ended(&r, "a", "exit 1"), "");
	ck_assert(engine_deadline(r.en, &at));
	ck_assert_int_eq(at.ns, 150);
	r.now_ns = 149;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "");
	r.now_ns = 150;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "start a 2");
	(void)ended(&r, "a", "exit 1");
	r.now_ns = 250;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "start a 3");
	/* what a failed step left behind is not known: it is undone too */
	ck_assert_str_eq(ended(&r, "a", "exit 1"), "undo a");
	ck_assert_str_eq(undone(&r, "a", NULL), "all-undone");
	engine_free(&r.en);
}
END_TEST

START_TEST(a_failure_elsewhere_ends_the_wait_for_another_attempt)
{
	struct plan_step steps[] = {
	    {.name = "a",
		.kind = PLAN_RUN,
		.modes = PLAN_IN_ALL,
		.retries = 5,
		.retry_wait_ns = 1000,
		.has_undo = true},
	    {.name = "b", .kind = PLAN_RUN, .modes = PLAN_IN_ALL},
	};
	struct engine_options o = {.steps = steps,
	    .steps_count = 2,
	    .mode = PLAN_IN_TEST};
	struct run r;

	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_BEGIN), "start a, start b");
	ck_assert_str_eq(ended(&r, "a", "exit 1"), "");
	ck_assert_str_eq(ended(&r, "b", "exit 2"), "undo a");
	ck_assert_str_eq(undone(&r, "a", NULL), "all-undone");
	steps[0].has_undo = false;
	engine_free(&r.en);
	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	(void)ended(&r, "a", "exit 1");
	ck_assert_str_eq(ended(&r, "b", "exit 2"), "all-undone");
	ck_assert_int_eq(state_of(&r, "a"), ENGINE_STEP_FAILED);
	engine_free(&r.en);
}
END_TEST

START_TEST(a_step_that_takes_too_long_is_stopped)
{
	struct plan_step step = {.name = "a",
	    .kind = PLAN_RUN,
	    .modes = PLAN_IN_ALL,
	    .timeout_ns = 90 * NS_PER_S,
	    .has_undo = true};
	struct engine_options o = {.steps = &step,
	    .steps_count = 1,
	    .mode = PLAN_IN_TEST};
	struct mono at;
	struct run r;

	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	ck_assert(engine_deadline(r.en, &at));
	r.now_ns = at.ns;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "stop a");
	ck_assert(!engine_deadline(r.en, &at));
	ck_assert_str_eq(event(&r, ENGINE_TICK), "");
	ck_assert_str_eq(ended(&r, "a", "signal 15"), "undo a");
	ck_assert_str_eq(engine_reason(r.en),
	    "step 'a': timed out after 1m 30s");
	r.now_ns += 90 * NS_PER_S;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "stop-undo a");
	ck_assert_str_eq(undone(&r, "a", "signal 15"), "all-undone");
	ck_assert_uint_eq(engine_undo_failures(r.en), 1);
	engine_free(&r.en);
}
END_TEST

START_TEST(the_operator_retries_skips_with_a_reason_or_aborts)
{
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_PLANNED,
	    .asks = true};
	struct engine_event bare_skip = {.kind = ENGINE_ANSWER,
	    .step = 1,
	    .answer = ENGINE_SKIP,
	    .reason = ""};
	struct run r;

	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	ck_assert_str_eq(ended(&r, "database", "no such point"),
	    "ask database");
	ck_assert_int_eq(engine_state_of(r.en), ENGINE_ASKING);
	ck_assert_str_eq(ended(&r, "documents", NULL), "");
	ck_assert_int_eq(feed(&r, bare_skip), ERR_INPUT);
	ck_assert_str_eq(answer(&r, "database", ENGINE_RETRY, NULL),
	    "start database 2");
	ck_assert_str_eq(ended(&r, "database", "again"), "ask database");
	ck_assert_str_eq(answer(&r, "database", ENGINE_SKIP, "loaded by hand"),
	    "start load");
	ck_assert_int_eq(state_of(&r, "database"), ENGINE_STEP_SKIPPED);
	ck_assert_str_eq(ended(&r, "load", "exit 2"), "ask load");
	ck_assert_str_eq(answer(&r, "load", ENGINE_ABORT_RUN, "not today"),
	    "undo load");
	ck_assert_str_eq(undone(&r, "load", NULL), "all-undone");
	ck_assert_int_eq(engine_outcome_of(r.en), ENGINE_ABORTED);
	ck_assert_str_eq(engine_reason(r.en), "not today");
	engine_free(&r.en);
}
END_TEST

START_TEST(a_question_nobody_answers_aborts)
{
	struct engine_options o = {.steps = housing,
	    .steps_count = 1,
	    .mode = PLAN_IN_PLANNED,
	    .asks = true,
	    .ask_timeout_ns = 1000};
	struct mono at;
	struct run r;

	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	ck_assert_str_eq(ended(&r, "documents", "x"), "ask documents");
	ck_assert(engine_deadline(r.en, &at));
	r.now_ns = at.ns;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "all-undone");
	ck_assert_int_eq(engine_outcome_of(r.en), ENGINE_ABORTED);
	engine_free(&r.en);
	/* an answer that comes late, but before anyone gave up, counts */
	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	(void)ended(&r, "documents", "x");
	r.now_ns = 2000;
	ck_assert_str_eq(answer(&r, "documents", ENGINE_RETRY, NULL),
	    "start documents 2");
	engine_free(&r.en);
}
END_TEST

START_TEST(a_confirmation_is_a_step_and_is_withdrawn_on_failure)
{
	struct plan_step steps[] = {
	    {.name = "dns", .kind = PLAN_CONFIRM, .modes = PLAN_IN_ALL},
	    {.name = "a", .kind = PLAN_RUN, .modes = PLAN_IN_ALL},
	    {.name = "b", .kind = PLAN_RUN, AFTER("dns"), .modes = PLAN_IN_ALL},
	};
	struct engine_options o = {.steps = steps,
	    .steps_count = 3,
	    .mode = PLAN_IN_PLANNED,
	    .parallel_max = 1};
	struct run r;

	begin(&r, &o);
	/* a question takes nobody's place */
	ck_assert_str_eq(event(&r, ENGINE_BEGIN), "start dns, start a");
	(void)ended(&r, "a", NULL);
	ck_assert_uint_eq(engine_step_of(r.en, 1).ended, 1);
	ck_assert_str_eq(answer(&r, "dns", ENGINE_CONFIRM, NULL), "start b");
	ck_assert_str_eq(ended(&r, "b", NULL), "all-done");
	engine_free(&r.en);
	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	ck_assert_str_eq(ended(&r, "a", "x"), "stop dns");
	ck_assert_str_eq(ended(&r, "dns", "withdrawn"), "all-undone");
	ck_assert_str_eq(engine_reason(r.en), "step 'a': x");
	engine_free(&r.en);
	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	(void)ended(&r, "a", NULL);
	ck_assert_str_eq(answer(&r, "dns", ENGINE_SKIP, "later"), "start b");
	ck_assert_uint_eq(engine_step_of(r.en, 0).ended, 2);
	engine_free(&r.en);
}
END_TEST

START_TEST(an_abort_stops_what_runs_and_undoes_what_ran)
{
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_TEST};
	struct run r;

	begin(&r, &o);
	(void)event(&r, ENGINE_BEGIN);
	(void)ended(&r, "database", NULL);
	(void)ended(&r, "documents", NULL);
	ck_assert_str_eq(event(&r, ENGINE_ABORT), "stop load");
	ck_assert_str_eq(ended(&r, "load", "signal 15"), "undo load");
	ck_assert_int_eq(feed(&r, (struct engine_event){.kind = ENGINE_ABORT}),
	    ERR_INPUT);
	ck_assert_str_eq(undone(&r, "load", NULL), "all-undone");
	engine_free(&r.en);
	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_ABORT), "all-undone");
	engine_free(&r.en);
}
END_TEST

START_TEST(what_is_not_in_the_mode_hands_on_what_it_waits_for)
{
	struct plan_step steps[] = {
	    {.name = "a", .modes = PLAN_IN_ALL, .kind = PLAN_RUN},
	    {.name = "b",
		.kind = PLAN_RUN,
		AFTER("a"),
		.modes = PLAN_IN_PLANNED},
	    {.name = "c",
		.kind = PLAN_RUN,
		AFTER("b"),
		.modes = PLAN_IN_PLANNED},
	    {.name = "d", .kind = PLAN_RUN, AFTER("c"), .modes = PLAN_IN_TEST},
	};
	struct engine_options o = {.steps = steps,
	    .steps_count = 4,
	    .mode = PLAN_IN_TEST};
	struct run r;

	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_BEGIN), "start a");
	ck_assert_str_eq(ended(&r, "a", NULL), "start d");
	ck_assert_str_eq(ended(&r, "d", NULL), "all-done");
	engine_free(&r.en);
}
END_TEST

START_TEST(a_plan_of_nothing_is_done_at_once_and_gated_after_the_gate)
{
	struct engine_options o = {.steps = housing, .mode = PLAN_IN_TEST};
	struct run r;

	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_BEGIN), "all-done");
	engine_free(&r.en);
	o.gated = true;
	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_BEGIN), "at-gate");
	ck_assert_str_eq(event(&r, ENGINE_OPEN_GATE), "all-done");
	engine_free(&r.en);
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_TEST | PLAN_IN_PLANNED};
	struct plan_step self = {.name = "x", AFTER("x"), .modes = PLAN_IN_ALL};
	struct engine *en = NULL;
	struct err e = {0};

	ck_assert_int_eq(engine_new(&en, &o, &e), ERR_INPUT);
	o.mode = PLAN_IN_TEST;
	o.steps = &self;
	o.steps_count = 1;
	ck_assert_int_eq(engine_new(&en, &o, &e), ERR_POLICY);
	ck_assert_ptr_null(en);
}
END_TEST

/* --- what nobody knows, what is waited for, what goes on ------------------- */

static const char *
lost(struct run *r, const char *name, const char *why)
{
	size_t i = number_of(r, name);

	return tell(r,
	    (struct engine_event){.kind = ENGINE_STEP_LOST,
		.step = i,
		.attempt = engine_step_of(r->en, i).attempt,
		.reason = why});
}

static const char *
resumed(struct run *r, const struct engine_past *past, size_t count)
{
	struct err e = {0};

	ck_assert_msg(engine_resume(r->en, past, count,
			  (struct mono){r->now_ns}, &r->actions,
			  &r->actions_count, &e) == ERR_NONE,
	    "%s", e.text);
	return words(r);
}

START_TEST(an_uncertain_step_is_done_again_only_where_that_is_harmless)
{
	struct plan_step steps[] = {
	    {.name = "careful",
		.kind = PLAN_RUN,
		.modes = PLAN_IN_ALL,
		.retries = 3,
		.on_uncertain = PLAN_UNCERTAIN_RETRY},
	    {.name = "again",
		.kind = PLAN_RUN,
		.modes = PLAN_IN_ALL,
		.idempotent = true,
		.on_uncertain = PLAN_UNCERTAIN_RETRY},
	    {.name = "asks",
		.kind = PLAN_RUN,
		.modes = PLAN_IN_ALL,
		.idempotent = true},
	};
	struct engine_options o = {.steps = steps,
	    .steps_count = 3,
	    .mode = PLAN_IN_PLANNED,
	    .asks = true};
	struct run r;

	begin(&r, &o);
	event(&r, ENGINE_BEGIN);
	ck_assert_str_eq(lost(&r, "again", "cut off"), "start again 2");
	ck_assert_str_eq(lost(&r, "careful", "cut off"), "ask careful");
	ck_assert_int_eq(state_of(&r, "careful"), ENGINE_STEP_UNCERTAIN);
	ck_assert_str_eq(lost(&r, "asks", "cut off"), "ask asks");
	/* once more, and no end of it */
	ck_assert_str_eq(lost(&r, "again", "cut off"), "ask again");
	ck_assert_str_eq(answer(&r, "careful", ENGINE_CONFIRM, "I looked"), "");
	ck_assert_int_eq(state_of(&r, "careful"), ENGINE_STEP_DONE);
	ck_assert_str_eq(answer(&r, "again", ENGINE_SKIP, "not now"), "");
	ck_assert_str_eq(answer(&r, "asks", ENGINE_RETRY, NULL),
	    "start asks 2");
	ck_assert_str_eq(ended(&r, "asks", NULL), "all-done");
	engine_free(&r.en);
}
END_TEST

START_TEST(uncertain_where_nobody_is_asked_or_the_policy_says_so_is_a_failure)
{
	struct plan_step step = {.name = "a",
	    .kind = PLAN_RUN,
	    .modes = PLAN_IN_ALL,
	    .retries = 5,
	    .has_undo = true};
	struct engine_options o = {.steps = &step,
	    .steps_count = 1,
	    .mode = PLAN_IN_TEST};
	struct run r;

	begin(&r, &o);
	event(&r, ENGINE_BEGIN);
	ck_assert_str_eq(lost(&r, "a", "cut off"), "undo a");
	ck_assert_str_eq(engine_reason(r.en), "step 'a': cut off");
	engine_free(&r.en);
	step.on_uncertain = PLAN_UNCERTAIN_FAIL;
	o.asks = true;
	begin(&r, &o);
	event(&r, ENGINE_BEGIN);
	ck_assert_str_eq(lost(&r, "a", "cut off"), "ask a");
	ck_assert_int_eq(state_of(&r, "a"), ENGINE_STEP_FAILED);
	engine_free(&r.en);
}
END_TEST

START_TEST(a_wait_takes_time_but_nobodys_place)
{
	struct plan_step steps[] = {
	    {.name = "pause",
		.kind = PLAN_WAIT,
		.modes = PLAN_IN_ALL,
		.wait_ns = 500},
	    {.name = "work", .kind = PLAN_RUN, .modes = PLAN_IN_ALL},
	    {.name = "next",
		.kind = PLAN_RUN,
		AFTER("pause"),
		.modes = PLAN_IN_ALL},
	};
	struct engine_options o = {.steps = steps,
	    .steps_count = 3,
	    .mode = PLAN_IN_PLANNED,
	    .parallel_max = 1};
	struct mono at;
	struct run r;

	begin(&r, &o);
	ck_assert_str_eq(event(&r, ENGINE_BEGIN), "start pause, start work");
	ck_assert_str_eq(ended(&r, "work", NULL), "");
	ck_assert(engine_deadline(r.en, &at));
	ck_assert_int_eq(at.ns, 500);
	r.now_ns = 499;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "");
	r.now_ns = 500;
	ck_assert_str_eq(event(&r, ENGINE_TICK), "waited pause, start next");
	ck_assert_str_eq(event(&r, ENGINE_ABORT), "stop next");
	engine_free(&r.en);
}
END_TEST

START_TEST(a_run_goes_on_where_its_records_end)
{
	static const struct engine_past past[] = {
	    {.step = 2,
		.state = ENGINE_STEP_UNCERTAIN,
		.attempt = 1,
		.ended = 9},
	    {.step = 1, .state = ENGINE_STEP_DONE, .attempt = 2, .ended = 4},
	    {.step = 0, .state = ENGINE_STEP_DONE, .attempt = 1, .ended = 7},
	};
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_PLANNED,
	    .asks = true};
	struct run r;

	begin(&r, &o);
	/* "load" was begun and nobody knows more: not again by itself */
	ck_assert_str_eq(resumed(&r, past, 3), "ask load");
	ck_assert_int_eq(state_of(&r, "documents"), ENGINE_STEP_DONE);
	ck_assert_str_eq(answer(&r, "load", ENGINE_CONFIRM, "rows are there"),
	    "start start, start rows");
	ck_assert_str_eq(event(&r, ENGINE_ABORT), "stop start, stop rows");
	ck_assert_str_eq(ended(&r, "rows", "stopped"), "");
	ck_assert_str_eq(ended(&r, "start", "stopped"), "undo start");
	ck_assert_str_eq(undone(&r, "start", NULL), "undo load");
	engine_free(&r.en);
}
END_TEST

START_TEST(an_undo_that_was_cut_off_goes_on_and_what_was_done_is_taken_back)
{
	static const struct engine_past past[] = {
	    {.step = 2, .state = ENGINE_STEP_DONE, .attempt = 1, .ended = 1},
	    {.step = 3, .state = ENGINE_STEP_UNDOING, .attempt = 1, .ended = 2},
	};
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_PLANNED};
	struct run r;

	begin(&r, &o);
	ck_assert_str_eq(resumed(&r, past, 2), "undo start");
	ck_assert_str_eq(undone(&r, "start", NULL), "undo load");
	ck_assert_str_eq(undone(&r, "load", NULL), "all-undone");
	engine_free(&r.en);
	/* a rollback: all that is recorded as done, in reverse */
	begin(&r, &o);
	ck_assert_str_eq(resumed(&r, past, 1),
	    "start documents, start database, start rows");
	ck_assert_str_eq(event(&r, ENGINE_ABORT),
	    "stop documents, stop database, stop rows");
	engine_free(&r.en);
}
END_TEST

START_TEST(records_that_make_no_sense_are_refused)
{
	static const struct engine_past past[] = {
	    {.step = 1, .state = ENGINE_STEP_DONE, .attempt = 1},
	    {.step = 1, .state = ENGINE_STEP_DONE, .attempt = 1},
	    {.step = 99, .state = ENGINE_STEP_DONE, .attempt = 1},
	    {.step = 0, .state = ENGINE_STEP_RUNNING, .attempt = 1},
	};
	struct engine_options o = {.steps = housing,
	    .steps_count = HOUSING_COUNT,
	    .mode = PLAN_IN_PLANNED};
	const struct engine_action *actions;
	size_t count;
	struct err e = {0};
	struct run r;

	begin(&r, &o);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(engine_resume(r.en, past + i, 2 - i / 2,
				     (struct mono){0}, &actions, &count, &e),
		    ERR_INPUT);
	ck_assert_int_eq(engine_resume(r.en, past + 3, 1, (struct mono){0},
			     &actions, &count, &e),
	    ERR_INPUT);
	ck_assert_int_eq(engine_state_of(r.en), ENGINE_READY);
	ck_assert_int_eq(feed(&r, (struct engine_event){.kind = ENGINE_BEGIN}),
	    ERR_NONE);
	engine_free(&r.en);
}
END_TEST

/* --- size ------------------------------------------------------------------ */

#define WIDE 40

static struct plan_step big[PLAN_STEPS_MAX];
static char big_names[PLAN_STEPS_MAX][24];
static const char *big_after[PLAN_STEPS_MAX][WIDE];

/* Layers of so many steps; each waits for all of the layer before. */
static void
make_big(size_t count, size_t width)
{
	for (size_t i = 0; i < count; i++) {
		struct plan_step *s = &big[i];

		snprintf(big_names[i], sizeof(big_names[i]), "s%zu", i);
		*s = (struct plan_step){.name = big_names[i],
		    .kind = PLAN_RUN,
		    .modes = PLAN_IN_ALL,
		    .after = big_after[i],
		    .has_undo = true};
		for (size_t k = 0; i >= width && k < width; k++)
			big_after[i][s->after_count++] =
			    big_names[i - i % width - width + k];
	}
}

/* Every step ends as it is started: what is left is the engine's own time. */
static int64_t
walk_big(size_t count, unsigned mode)
{
	struct engine_options o = {.steps = big,
	    .steps_count = count,
	    .mode = mode,
	    .parallel_max = 10};
	size_t open[64], in = 0, started = 0;
	struct mono began = now_mono();
	struct run r;

	begin(&r, &o);
	ck_assert_int_eq(feed(&r, (struct engine_event){.kind = ENGINE_BEGIN}),
	    ERR_NONE);
	while (engine_state_of(r.en) != ENGINE_DONE) {
		for (size_t i = 0; i < r.actions_count; i++)
			if (r.actions[i].kind == ENGINE_START)
				open[in++] = r.actions[i].step;
		ck_assert_uint_gt(in, 0);
		ck_assert_uint_le(in, 10);
		started++;
		ck_assert_int_eq(feed(&r,
				     (struct
					 engine_event){.kind =
							   ENGINE_STEP_ENDED,
					 .step = open[--in],
					 .attempt = 1,
					 .ok = true}),
		    ERR_NONE);
	}
	ck_assert_uint_eq(started, count);
	engine_free(&r.en);
	return now_mono().ns - began.ns;
}

START_TEST(large_plans_are_walked_to_their_end)
{
	int64_t ns;

	make_big(WIDE * WIDE, WIDE);
	ns = walk_big(WIDE * WIDE, PLAN_IN_PLANNED);
	printf("plan engine: 40 wide, 40 deep, 10 in parallel: %.3f ms a "
	       "step\n",
	    (double)ns / WIDE / WIDE / 1e6);
	make_big(2000, WIDE);
	ns = 0;
	for (unsigned i = 0; i < 5; i++)
		ns += walk_big(2000, PLAN_IN_PLANNED);
	printf("plan engine: 2000 steps: %.1f ms for all of them\n",
	    (double)ns / 5e6);
	make_big(4, 1);
	ns = 0;
	for (unsigned i = 0; i < 500; i++)
		ns += walk_big(4, PLAN_IN_PLANNED);
	printf("plan engine: 500 services of 4 steps: %.1f ms\n",
	    (double)ns / 1e6);
}
END_TEST

/* --- any graph, any history ----------------------------------------------- */

#define RANDOM_STEPS 12

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

struct world {
	uint32_t seed;
	struct plan_step steps[RANDOM_STEPS];
	char names[RANDOM_STEPS][24];
	const char *after[RANDOM_STEPS][RANDOM_STEPS];
	size_t count;
	struct engine_options o;
	/* what an onlooker knows */
	unsigned attempt[RANDOM_STEPS];
	bool running[RANDOM_STEPS], settled[RANDOM_STEPS], ran[RANDOM_STEPS];
	bool asked[RANDOM_STEPS], stopping[RANDOM_STEPS];
	bool uncertain[RANDOM_STEPS], undone[RANDOM_STEPS];
	size_t ended_at[RANDOM_STEPS], ends;
	size_t last_undone; /* ended_at of the last undone; SIZE_MAX at first */
	size_t undoing;     /* RANDOM_STEPS: none */
	bool drains, gate_reached, gate_open, all_done, all_undone;
	int64_t now_ns;
	size_t crashes;
};

/* Step i waits only for steps before it in a shuffled sense: no cycle. */
static void
make_world(struct world *w, uint32_t seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->count = 1 + next_random(&w->seed) % RANDOM_STEPS;
	w->undoing = RANDOM_STEPS;
	w->last_undone = SIZE_MAX;
	for (size_t i = 0; i < w->count; i++) {
		struct plan_step *s = &w->steps[i];

		snprintf(w->names[i], sizeof(w->names[i]), "s%zu", i);
		s->name = w->names[i];
		s->after = w->after[i];
		for (size_t j = 0; j < i; j++)
			if (next_random(&w->seed) % 4 == 0)
				w->after[i][s->after_count++] = w->names[j];
		s->kind = (enum plan_kind)(next_random(&w->seed) % 5);
		s->wait_ns = next_random(&w->seed) % 30;
		s->idempotent = next_random(&w->seed) % 2;
		s->on_uncertain =
		    (enum plan_uncertain)(next_random(&w->seed) % 3);
		s->modes = next_random(&w->seed) % 5 == 0 ? PLAN_IN_PLANNED
							  : PLAN_IN_ALL;
		s->retries = next_random(&w->seed) % 3;
		s->retry_wait_ns = next_random(&w->seed) % 3;
		s->timeout_ns = next_random(&w->seed) % 2 * 20;
		s->has_undo = next_random(&w->seed) % 2;
	}
	w->o = (struct engine_options){.steps = w->steps,
	    .steps_count = w->count,
	    .mode = PLAN_IN_TEST,
	    .parallel_max = 1 + next_random(&w->seed) % 4,
	    .asks = next_random(&w->seed) % 2,
	    .ask_timeout_ns = next_random(&w->seed) % 2 * 30,
	    .gated = next_random(&w->seed) % 2};
}

static bool
in_mode(const struct world *w, size_t i)
{
	return (w->steps[i].modes & PLAN_IN_TEST) != 0;
}

/* Everything i waits for, directly or through what stands aside, is settled. */
static bool
may_start(const struct world *w, size_t i)
{
	for (size_t k = 0; k < w->steps[i].after_count; k++) {
		size_t j = (size_t)atoi(w->steps[i].after[k] + 1);

		if (in_mode(w, j) ? !w->settled[j] : !may_start(w, j))
			return false;
	}
	return true;
}

static bool
is_idle(const struct world *w, size_t i)
{
	return w->steps[i].kind == PLAN_CONFIRM ||
	    w->steps[i].kind == PLAN_WAIT;
}

static void
watch_start(struct world *w, const struct engine_action *a)
{
	size_t i = a->step, busy = 0;

	ck_assert(!w->drains && !w->all_done);
	ck_assert(in_mode(w, i) && may_start(w, i));
	ck_assert(!w->running[i] && !w->settled[i] && !w->asked[i]);
	ck_assert_uint_eq(a->attempt, w->attempt[i] + 1);
	ck_assert(
	    !w->o.gated || w->gate_open || w->steps[i].kind == PLAN_RESTORE);
	w->attempt[i]++;
	w->running[i] = true;
	w->stopping[i] = false;
	/* again without a word only where that is harmless (E6) */
	ck_assert(!w->uncertain[i] ||
	    (w->steps[i].idempotent &&
		w->steps[i].on_uncertain == PLAN_UNCERTAIN_RETRY));
	w->uncertain[i] = false;
	w->ran[i] |= !is_idle(w, i);
	for (size_t j = 0; j < w->count; j++)
		busy += w->running[j] && !is_idle(w, j);
	ck_assert_uint_le(busy, w->o.parallel_max);
}

static void
watch_undo(struct world *w, const struct engine_action *a)
{
	size_t i = a->step;

	w->drains = true;
	for (size_t j = 0; j < w->count; j++) {
		ck_assert(!w->running[j]);
		/* nothing that ended later still stands */
		if (w->ran[j] && w->steps[j].has_undo)
			ck_assert_uint_le(w->ended_at[j], w->ended_at[i]);
	}
	ck_assert(w->ran[i] && w->steps[i].has_undo);
	ck_assert_uint_eq(w->undoing, RANDOM_STEPS);
	ck_assert_uint_lt(w->ended_at[i], w->last_undone);
	w->last_undone = w->ended_at[i];
	w->ran[i] = false;
	w->undone[i] = true;
	w->undoing = i;
	w->stopping[i] = false;
}

static void
watch_end(struct world *w, const struct engine_action *a)
{
	for (size_t j = 0; j < w->count; j++) {
		ck_assert(!w->running[j]);
		if (a->kind == ENGINE_ALL_DONE)
			ck_assert(!in_mode(w, j) || w->settled[j]);
		else
			ck_assert(!w->ran[j] || !w->steps[j].has_undo);
	}
	if (a->kind == ENGINE_ALL_DONE) {
		ck_assert(!w->all_done && (!w->o.gated || w->gate_open));
		w->all_done = true;
	} else {
		ck_assert(!w->all_undone);
		w->all_undone = true;
	}
}

static void
watch(struct world *w, const struct engine_action *actions, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		const struct engine_action *a = &actions[k];

		switch (a->kind) {
		case ENGINE_START: watch_start(w, a); break;
		case ENGINE_ASK:
			ck_assert(!w->running[a->step] && w->o.asks);
			w->asked[a->step] = true;
			break;
		case ENGINE_STOP:
			ck_assert(w->running[a->step] && !w->stopping[a->step]);
			w->stopping[a->step] = true;
			break;
		case ENGINE_UNDO: watch_undo(w, a); break;
		case ENGINE_STOP_UNDO:
			ck_assert_uint_eq(w->undoing, a->step);
			ck_assert(!w->stopping[a->step]);
			w->stopping[a->step] = true;
			break;
		case ENGINE_AT_GATE:
			ck_assert(w->o.gated && !w->gate_reached);
			for (size_t j = 0; j < w->count; j++)
				ck_assert(w->steps[j].kind != PLAN_RESTORE ||
				    !in_mode(w, j) || w->settled[j] ||
				    !may_start(w, j));
			w->gate_reached = true;
			break;
		case ENGINE_ALL_DONE:
		case ENGINE_ALL_UNDONE: watch_end(w, a); break;
		case ENGINE_WAITED:
			ck_assert(w->steps[a->step].kind == PLAN_WAIT);
			ck_assert(w->running[a->step]);
			w->running[a->step] = false;
			w->settled[a->step] = w->ran[a->step] = true;
			w->ended_at[a->step] = ++w->ends;
			break;
		}
	}
}

/* A random event that may or may not fit. */
static struct engine_event
make_event(struct world *w)
{
	uint32_t dice = next_random(&w->seed) % 100;
	size_t i = next_random(&w->seed) % w->count;
	struct engine_event ev = {.step = i,
	    .attempt = w->attempt[i],
	    .ok = next_random(&w->seed) % 4 != 0,
	    .answer = (enum engine_answer)(next_random(&w->seed) % 4),
	    .reason = next_random(&w->seed) % 4 == 0 ? NULL : "why"};

	if (dice < 45) {
		ev.kind = dice % 6 == 5 ? ENGINE_STEP_LOST : ENGINE_STEP_ENDED;
		ev.attempt -= dice == 0; /* a stale one */
	} else if (dice < 60) {
		ev.kind = ENGINE_UNDO_ENDED;
	} else if (dice < 75) {
		ev.kind = ENGINE_ANSWER;
	} else if (dice < 85) {
		ev.kind = ENGINE_OPEN_GATE;
	} else if (dice < 86) {
		ev.kind = ENGINE_ABORT;
	} else if (dice < 87) {
		ev.kind = ENGINE_UNWIND;
	} else if (dice < 88) {
		ev.kind = ENGINE_BEGIN;
	} else {
		ev.kind = ENGINE_TICK;
		w->now_ns += next_random(&w->seed) % 8;
	}
	return ev;
}

static void
settle(struct world *w, size_t i, bool settled)
{
	w->running[i] = false;
	w->asked[i] = false;
	w->settled[i] = settled;
}

/* An accepted event, as the onlooker sees it, before its actions. */
static void
note(struct world *w, const struct engine_event *ev)
{
	size_t i = ev->step;
	bool confirm = w->steps[i].kind == PLAN_CONFIRM;

	switch (ev->kind) {
	case ENGINE_STEP_ENDED:
		ck_assert(w->running[i]);
		ck_assert_uint_eq(ev->attempt, w->attempt[i]);
		settle(w, i, ev->ok);
		w->ran[i] |= ev->ok;
		w->ended_at[i] = ++w->ends;
		break;
	case ENGINE_STEP_LOST:
		ck_assert(w->running[i]);
		settle(w, i, false);
		w->uncertain[i] = true;
		w->ended_at[i] = ++w->ends;
		break;
	case ENGINE_UNDO_ENDED:
		ck_assert_uint_eq(w->undoing, i);
		w->undoing = RANDOM_STEPS;
		break;
	case ENGINE_ANSWER:
		ck_assert(w->asked[i] || (confirm && w->running[i]));
		if (ev->answer == ENGINE_ABORT_RUN) {
			w->drains = true;
			break;
		}
		if (ev->answer == ENGINE_SKIP)
			ck_assert_ptr_nonnull(ev->reason);
		if (ev->answer == ENGINE_CONFIRM)
			ck_assert(w->uncertain[i] || confirm);
		w->uncertain[i] = false;
		if (!w->asked[i])
			w->ended_at[i] = ++w->ends;
		w->ran[i] |= ev->answer == ENGINE_CONFIRM;
		settle(w, i, ev->answer != ENGINE_RETRY);
		break;
	case ENGINE_OPEN_GATE:
		ck_assert(w->gate_reached && !w->gate_open);
		w->gate_open = true;
		break;
	case ENGINE_ABORT:
	case ENGINE_UNWIND: w->drains = true; break;
	default: break;
	}
}

/* Answer everything there is to answer, so that the history can end. */
static struct engine_event
make_helpful_event(struct world *w)
{
	struct engine_event ev = {.kind = ENGINE_TICK};

	w->now_ns += 10;
	for (size_t i = 0; i < w->count; i++) {
		ev.step = i;
		ev.attempt = w->attempt[i];
		if (w->running[i]) {
			ev.kind = ENGINE_STEP_ENDED;
			ev.ok = next_random(&w->seed) % 2;
			return ev;
		}
		if (w->asked[i]) {
			ev.kind = ENGINE_ANSWER;
			ev.answer = ENGINE_ABORT_RUN;
			return ev;
		}
	}
	ev.step = w->undoing < w->count ? w->undoing : 0;
	if (w->undoing < w->count)
		ev.kind = ENGINE_UNDO_ENDED;
	else if (w->gate_reached && !w->gate_open && !w->drains)
		ev.kind = ENGINE_OPEN_GATE;
	else if (w->all_done)
		ev.kind = ENGINE_UNWIND;
	return ev;
}

static void
step_world(struct world *w, struct engine *en, struct engine_event ev)
{
	const struct engine_action *actions;
	enum engine_state before = engine_state_of(en);
	size_t count;
	struct err e = {0};
	enum err_code rc = engine_handle(en, &ev, (struct mono){w->now_ns},
	    &actions, &count, &e);

	if (rc != ERR_NONE) {
		ck_assert_int_eq(rc, ERR_INPUT);
		ck_assert_uint_eq(count, 0);
		ck_assert_int_eq(engine_state_of(en), before);
		return;
	}
	note(w, &ev);
	watch(w, actions, count);
	if (engine_state_of(en) == ENGINE_DRAINING ||
	    engine_state_of(en) == ENGINE_UNDOING) {
		w->drains = true;
		memset(w->asked, 0, sizeof(w->asked));
	}
}

/* What the ledger would say of a step, had the worker died now. */
static struct engine_past
past_of(struct world *w, const struct engine *en, size_t i)
{
	struct engine_step s = engine_step_of(en, i);
	struct engine_past p = {.step = i,
	    .state = s.state,
	    .attempt = s.attempt,
	    .reason = s.reason};

	if (s.state == ENGINE_STEP_RUNNING) {
		p.state = ENGINE_STEP_UNCERTAIN;
		w->ended_at[i] = ++w->ends;
	} else if (s.state == ENGINE_STEP_FAILED ||
	    (s.state == ENGINE_STEP_WAITING && s.attempt > 0)) {
		p.state = w->uncertain[i] ? ENGINE_STEP_UNCERTAIN
					  : ENGINE_STEP_FAILED;
	}
	if (p.state == ENGINE_STEP_UNCERTAIN)
		w->uncertain[i] = true;
	p.ended = w->ended_at[i];
	w->running[i] = false;
	return p;
}

/* The worker dies; another goes on from the records. */
static void
crash(struct world *w, struct engine **en)
{
	struct engine_past past[RANDOM_STEPS];
	struct engine *next = NULL;
	const struct engine_action *actions;
	size_t count = 0, actions_count;
	bool unwinds = w->undoing < RANDOM_STEPS;
	struct err e = {0};

	for (size_t i = 0; i < w->count; i++) {
		if (engine_step_of(*en, i).state == ENGINE_STEP_NOT_IN_MODE ||
		    w->attempt[i] == 0)
			continue;
		past[count++] = past_of(w, *en, i);
		unwinds = unwinds || w->undone[i];
	}
	ck_assert_int_eq(engine_new(&next, &w->o, &e), ERR_NONE);
	memset(w->asked, 0, sizeof(w->asked));
	w->drains = unwinds;
	w->all_done = false;
	w->crashes++;
	/* an undo that was under way is done again */
	if (w->undoing < RANDOM_STEPS) {
		w->ran[w->undoing] = true;
		w->last_undone = w->ended_at[w->undoing] + 1;
		w->undoing = RANDOM_STEPS;
	}
	ck_assert_int_eq(engine_resume(next, past, count,
			     (struct mono){w->now_ns}, &actions, &actions_count,
			     &e),
	    ERR_NONE);
	engine_free(en); /* the reasons were its own */
	*en = next;
	watch(w, actions, actions_count);
	if (engine_state_of(*en) == ENGINE_DRAINING ||
	    engine_state_of(*en) == ENGINE_UNDOING)
		w->drains = true;
}

START_TEST(no_graph_and_no_history_breaks_a_promise)
{
	size_t succeeded = 0, failed = 0, aborted = 0, crashes = 0;

	for (uint32_t round = 0; round < 6000; round++) {
		static struct world w;
		struct engine *en = NULL;
		struct err e = {0};
		int i;

		make_world(&w, round * 2654435761u + 1);
		ck_assert_int_eq(engine_new(&en, &w.o, &e), ERR_NONE);
		step_world(&w, en, (struct engine_event){.kind = ENGINE_BEGIN});
		for (i = 0; i < 120 && !w.all_undone; i++) {
			step_world(&w, en, make_event(&w));
			if (!w.o.gated && !w.all_undone &&
			    next_random(&w.seed) % 64 == 0)
				crash(&w, &en);
		}
		/* from anywhere it ends, if only it is answered (E5) */
		for (i = 0; i < 400 && !w.all_undone; i++)
			step_world(&w, en, make_helpful_event(&w));
		ck_assert(w.all_undone);
		ck_assert_int_eq(engine_state_of(en), ENGINE_UNDONE);
		crashes += w.crashes;
		succeeded += engine_outcome_of(en) == ENGINE_SUCCEEDED;
		failed += engine_outcome_of(en) == ENGINE_FAILED;
		aborted += engine_outcome_of(en) == ENGINE_ABORTED;
		ck_assert(
		    engine_outcome_of(en) != ENGINE_SUCCEEDED || w.all_done);
		engine_free(&en);
	}
	/* the histories are not all of one kind */
	ck_assert_uint_eq(succeeded + failed + aborted, 6000);
	ck_assert_uint_gt(succeeded, 300);
	ck_assert_uint_gt(failed, 300);
	ck_assert_uint_gt(aborted, 300);
	ck_assert_uint_gt(crashes, 1000);
}
END_TEST

START_TEST(states_have_names)
{
	ck_assert_str_eq(engine_state_name(ENGINE_DRAINING), "draining");
	ck_assert_str_eq(engine_step_state_name(ENGINE_STEP_UNDO_FAILED),
	    "undo-failed");
	ck_assert_str_eq(graph_kind_name(PLAN_CONFIRM), "confirm");
}
END_TEST

Suite *suite_plan_engine(void);

Suite *
suite_plan_engine(void)
{
	Suite *s = suite_create("plan/engine");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_test_runs_to_its_end_and_is_unwound_in_reverse);
	tcase_add_test(tc,
	    a_failed_check_waits_for_what_runs_then_undoes_in_reverse);
	tcase_add_test(tc, a_failed_step_is_tried_again_after_its_wait);
	tcase_add_test(tc,
	    a_failure_elsewhere_ends_the_wait_for_another_attempt);
	tcase_add_test(tc, a_step_that_takes_too_long_is_stopped);
	tcase_add_test(tc, the_operator_retries_skips_with_a_reason_or_aborts);
	tcase_add_test(tc, a_question_nobody_answers_aborts);
	tcase_add_test(tc,
	    a_confirmation_is_a_step_and_is_withdrawn_on_failure);
	tcase_add_test(tc, an_abort_stops_what_runs_and_undoes_what_ran);
	tcase_add_test(tc, what_is_not_in_the_mode_hands_on_what_it_waits_for);
	tcase_add_test(tc,
	    a_plan_of_nothing_is_done_at_once_and_gated_after_the_gate);
	tcase_add_test(tc, options_that_make_no_sense_are_refused);
	tcase_add_test(tc,
	    an_uncertain_step_is_done_again_only_where_that_is_harmless);
	tcase_add_test(tc,
	    uncertain_where_nobody_is_asked_or_the_policy_says_so_is_a_failure);
	tcase_add_test(tc, a_wait_takes_time_but_nobodys_place);
	tcase_add_test(tc, a_run_goes_on_where_its_records_end);
	tcase_add_test(tc,
	    an_undo_that_was_cut_off_goes_on_and_what_was_done_is_taken_back);
	tcase_add_test(tc, records_that_make_no_sense_are_refused);
	tcase_add_test(tc, large_plans_are_walked_to_their_end);
	tcase_add_test(tc, no_graph_and_no_history_breaks_a_promise);
	tcase_add_test(tc, states_have_names);
	suite_add_tcase(s, tc);
	return s;
}
