#include <bascule/plan.h>

#include <check.h>
#include <string.h>

#define IN(s) (1u << (s))

/* The states in which something may have been created and not removed. */
#define MAY_HOLD                                                   \
	(IN(ISOLATED_INVENTORY) | IN(ISOLATED_CLONING) |           \
	    IN(ISOLATED_ISOLATION_CHECK) | IN(ISOLATED_STARTING) | \
	    IN(ISOLATED_VALIDATING) | IN(ISOLATED_HOLDING) |       \
	    IN(ISOLATED_ABORTING) | IN(ISOLATED_CLEANING) |        \
	    IN(ISOLATED_CLEANUP_INCOMPLETE))

static enum isolated_action
go(struct isolated *t, enum isolated_event ev)
{
	enum isolated_action action;

	ck_assert_msg(isolated_next(t, ev, t, &action), "%s in %s",
	    isolated_event_name(ev), isolated_state_name(t->state));
	return action;
}

static const enum isolated_event plain_way[] = {ISOLATED_BEGIN,
    ISOLATED_ADMITTED, ISOLATED_INVENTORY_WRITTEN, ISOLATED_CLONED,
    ISOLATED_PROVED, ISOLATED_CHECK_STARTED, ISOLATED_PLAN_DONE,
    ISOLATED_HOLD_ENDED};

static struct isolated
after_events(size_t count)
{
	struct isolated t = {0};

	for (size_t i = 0; i < count; i++)
		(void)go(&t, plain_way[i]);
	return t;
}

START_TEST(the_plain_way_ends_in_a_pass)
{
	struct isolated t = {0};

	ck_assert_int_eq(go(&t, ISOLATED_BEGIN), ISOLATED_DO_PRECHECK);
	ck_assert_int_eq(go(&t, ISOLATED_ADMITTED), ISOLATED_DO_INVENTORY);
	ck_assert_int_eq(go(&t, ISOLATED_INVENTORY_WRITTEN), ISOLATED_DO_CLONE);
	ck_assert_int_eq(go(&t, ISOLATED_RUN_STARTED), ISOLATED_DO_NOTHING);
	ck_assert_int_eq(t.state, ISOLATED_CLONING);
	ck_assert_int_eq(go(&t, ISOLATED_CLONED), ISOLATED_DO_PROVE);
	ck_assert_int_eq(go(&t, ISOLATED_PROVED), ISOLATED_DO_START);
	(void)go(&t, ISOLATED_CHECK_STARTED);
	ck_assert_int_eq(t.state, ISOLATED_VALIDATING);
	(void)go(&t, ISOLATED_RUN_STARTED); /* a later run step */
	ck_assert_int_eq(t.state, ISOLATED_STARTING);
	ck_assert_int_eq(go(&t, ISOLATED_PLAN_DONE), ISOLATED_DO_HOLD);
	ck_assert_int_eq(go(&t, ISOLATED_HOLD_ENDED), ISOLATED_DO_CLEAN);
	ck_assert_int_eq(t.result, ISOLATED_NO_RESULT);
	ck_assert_int_eq(go(&t, ISOLATED_CLEANED), ISOLATED_DO_REPORT);
	ck_assert_int_eq(t.state, ISOLATED_CLEAN);
	ck_assert_int_eq(t.result, ISOLATED_PASS);
}
END_TEST

static struct isolated
finish(struct isolated t)
{
	if (t.state == ISOLATED_ABORTING)
		(void)go(&t, ISOLATED_STOPPED);
	if (t.state == ISOLATED_CLEANING)
		(void)go(&t, ISOLATED_CLEANED);
	ck_assert_int_eq(t.state, ISOLATED_CLEAN);
	return t;
}

START_TEST(a_failure_and_a_breach_end_in_fail)
{
	struct isolated t = after_events(6);

	ck_assert_int_eq(go(&t, ISOLATED_FAILED), ISOLATED_DO_STOP);
	ck_assert_int_eq(t.state, ISOLATED_ABORTING);
	ck_assert_int_eq(finish(t).result, ISOLATED_FAIL);
	for (size_t n = 4; n <= 7; n++) {
		t = after_events(n);
		ck_assert_int_eq(go(&t, ISOLATED_BREACH), ISOLATED_DO_STOP);
		ck_assert_int_eq(finish(t).result, ISOLATED_FAIL);
	}
}
END_TEST

START_TEST(what_was_not_measured_is_not_called_a_pass)
{
	struct isolated t = {0};

	(void)go(&t, ISOLATED_BEGIN);
	ck_assert_int_eq(go(&t, ISOLATED_NOT_ADMITTED), ISOLATED_DO_REPORT);
	ck_assert_int_eq(t.result, ISOLATED_NOT_MEASURED);
	t = after_events(4);
	ck_assert_int_eq(go(&t, ISOLATED_UNPROVED), ISOLATED_DO_START);
	(void)go(&t, ISOLATED_PLAN_DONE);
	(void)go(&t, ISOLATED_HOLD_ENDED);
	ck_assert_int_eq(finish(t).result, ISOLATED_NOT_MEASURED);
}
END_TEST

START_TEST(findings_are_kept_to_the_end)
{
	struct isolated t = after_events(3);

	(void)go(&t, ISOLATED_FINDING);
	ck_assert_int_eq(t.state, ISOLATED_CLONING);
	for (size_t i = 3; i < COUNT_OF(plain_way); i++)
		(void)go(&t, plain_way[i]);
	ck_assert_int_eq(finish(t).result, ISOLATED_PASS_WITH_FINDINGS);
}
END_TEST

START_TEST(what_is_left_behind_alarms_and_can_be_cleaned_later)
{
	struct isolated t = after_events(8), forced;

	ck_assert_int_eq(go(&t, ISOLATED_NOT_CLEANED), ISOLATED_DO_ALARM);
	ck_assert_int_eq(t.state, ISOLATED_CLEANUP_INCOMPLETE);
	ck_assert_int_eq(t.result, ISOLATED_NO_RESULT);
	forced = t;
	ck_assert_int_eq(go(&t, ISOLATED_RETRY_CLEANING), ISOLATED_DO_CLEAN);
	ck_assert_int_eq(finish(t).result, ISOLATED_PASS_WITH_FINDINGS);
	(void)go(&forced, ISOLATED_FORCE_CLEAN);
	ck_assert_int_eq(forced.result, ISOLATED_FAIL);
}
END_TEST

START_TEST(a_restart_resumes_at_cleaning_wherever_something_may_stand)
{
	for (size_t n = 0; n <= COUNT_OF(plain_way); n++) {
		struct isolated t = after_events(n);
		bool nothing_yet = !(IN(t.state) & MAY_HOLD);
		enum isolated_action action = go(&t, ISOLATED_RESTART);

		if (nothing_yet) {
			ck_assert_int_eq(t.state, ISOLATED_CLEAN);
		} else {
			ck_assert_int_eq(action, ISOLATED_DO_CLEAN);
			ck_assert_int_eq(t.state, ISOLATED_CLEANING);
		}
		ck_assert_int_eq(finish(t).result, ISOLATED_INTERRUPTED);
	}
}
END_TEST

START_TEST(a_failed_test_that_is_interrupted_stays_failed)
{
	struct isolated t = after_events(6);

	(void)go(&t, ISOLATED_FAILED);
	(void)go(&t, ISOLATED_RESTART);
	ck_assert_int_eq(t.state, ISOLATED_CLEANING);
	ck_assert_int_eq(finish(t).result, ISOLATED_FAIL);
}
END_TEST

START_TEST(a_live_failover_is_possible_from_every_state)
{
	for (unsigned s = 0; s < ISOLATED_STATES; s++) {
		struct isolated t = {.state = (enum isolated_state)s};
		enum isolated_action action = go(&t, ISOLATED_PREEMPT);

		if (IN(s) & MAY_HOLD) {
			ck_assert_int_eq(t.state, ISOLATED_PREEMPTED);
			ck_assert_int_eq(action, ISOLATED_DO_FREEZE);
			/* a restart does not clean under its feet */
			ck_assert_int_eq(go(&t, ISOLATED_RESTART),
			    ISOLATED_DO_FREEZE);
			ck_assert_int_eq(go(&t, ISOLATED_RELEASE),
			    ISOLATED_DO_CLEAN);
			ck_assert_int_eq(finish(t).result,
			    ISOLATED_INTERRUPTED);
		} else if (s != ISOLATED_PREEMPTED) {
			ck_assert_int_eq(t.state, ISOLATED_CLEAN);
		}
	}
}
END_TEST

START_TEST(a_final_result_stays)
{
	struct isolated t = finish(after_events(8));

	for (unsigned ev = 0; ev < ISOLATED_EVENTS; ev++) {
		struct isolated to;
		enum isolated_action action;
		bool fits =
		    isolated_next(&t, (enum isolated_event)ev, &to, &action);

		ck_assert_int_eq(fits, ev == ISOLATED_PREEMPT);
		ck_assert_int_eq(action, ISOLATED_DO_NOTHING);
		ck_assert_int_eq(to.state, ISOLATED_CLEAN);
		ck_assert_int_eq(to.result, ISOLATED_PASS);
	}
}
END_TEST

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* What the history so far allows the result to be. */
struct memory {
	bool cleaned, forced, bad, broken, unproved;
};

static void
remember(struct memory *m, enum isolated_event ev)
{
	m->bad |= ev == ISOLATED_FAILED || ev == ISOLATED_BREACH;
	m->broken |= ev == ISOLATED_ABORT || ev == ISOLATED_RESTART ||
	    ev == ISOLATED_PREEMPT;
	m->unproved |= ev == ISOLATED_UNPROVED;
	m->cleaned |= ev == ISOLATED_CLEANED;
	m->forced |= ev == ISOLATED_FORCE_CLEAN;
}

START_TEST(no_history_of_events_breaks_a_promise)
{
	uint32_t seed = 56;

	for (int round = 0; round < 20000; round++) {
		struct isolated t = {0};
		struct memory m = {0};

		for (int i = 0; i < 60 && t.state != ISOLATED_CLEAN; i++) {
			enum isolated_event ev = (enum isolated_event)(
			    next_random(&seed) % ISOLATED_EVENTS);
			struct isolated before = t;
			enum isolated_action action;

			if (!isolated_next(&t, ev, &t, &action)) {
				ck_assert_int_ne(ev, ISOLATED_PREEMPT);
				ck_assert_int_eq(t.state, before.state);
				continue;
			}
			remember(&m, ev);
			ck_assert((t.result != ISOLATED_NO_RESULT) ==
			    (t.state == ISOLATED_CLEAN));
			/* once something may stand, only cleaning ends it */
			if ((IN(before.state) & MAY_HOLD) &&
			    t.state == ISOLATED_CLEAN)
				ck_assert(ev == ISOLATED_CLEANED ||
				    ev == ISOLATED_FORCE_CLEAN);
		}
		if (t.result == ISOLATED_PASS ||
		    t.result == ISOLATED_PASS_WITH_FINDINGS)
			ck_assert(m.cleaned && !m.forced && !m.bad &&
			    !m.broken && !m.unproved);
		if (t.state == ISOLATED_CLEAN && m.bad)
			ck_assert_int_eq(t.result, ISOLATED_FAIL);
	}
}
END_TEST

START_TEST(states_events_and_results_have_names)
{
	for (unsigned s = 0; s < ISOLATED_STATES; s++) {
		enum isolated_state found;

		ck_assert(isolated_state_find(isolated_state_name(
						  (enum isolated_state)s),
		    &found));
		ck_assert_uint_eq(found, s);
	}
	for (unsigned ev = 0; ev < ISOLATED_EVENTS; ev++)
		ck_assert_ptr_nonnull(
		    isolated_event_name((enum isolated_event)ev));
	ck_assert_str_eq(isolated_result_name(ISOLATED_PASS_WITH_FINDINGS),
	    "PASS_WITH_FINDINGS");
}
END_TEST

Suite *suite_plan_isolated(void);

Suite *
suite_plan_isolated(void)
{
	Suite *s = suite_create("plan/isolated");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, the_plain_way_ends_in_a_pass);
	tcase_add_test(tc, a_failure_and_a_breach_end_in_fail);
	tcase_add_test(tc, what_was_not_measured_is_not_called_a_pass);
	tcase_add_test(tc, findings_are_kept_to_the_end);
	tcase_add_test(tc, what_is_left_behind_alarms_and_can_be_cleaned_later);
	tcase_add_test(tc,
	    a_restart_resumes_at_cleaning_wherever_something_may_stand);
	tcase_add_test(tc, a_failed_test_that_is_interrupted_stays_failed);
	tcase_add_test(tc, a_live_failover_is_possible_from_every_state);
	tcase_add_test(tc, a_final_result_stays);
	tcase_add_test(tc, no_history_of_events_breaks_a_promise);
	tcase_add_test(tc, states_events_and_results_have_names);
	suite_add_tcase(s, tc);
	return s;
}
