#include <bascule/plan.h>

#include <check.h>

static const char *const after_load[] = {"load", NULL};
static const char *const after_both[] = {"load", "copy", NULL};
static const char *const after_hidden[] = {"hidden", NULL};

/* load (5) and copy (3) together; start (2) after both; hidden stands aside;
 * last (1) waits for hidden, so for load; pause waits 4 after load. */
static const struct plan_step steps[] = {
    {.name = "load", .kind = PLAN_RESTORE, .modes = PLAN_IN_ALL},
    {.name = "copy", .kind = PLAN_RUN, .modes = PLAN_IN_ALL, .timeout_ns = 1},
    {.name = "start",
	.kind = PLAN_CONFIRM,
	.modes = PLAN_IN_ALL,
	.after = after_both,
	.after_count = 2},
    {.name = "hidden",
	.kind = PLAN_CHECK,
	.modes = PLAN_IN_TEST,
	.after = after_load,
	.after_count = 1},
    {.name = "last",
	.kind = PLAN_CHECK,
	.modes = PLAN_IN_ALL,
	.after = after_hidden,
	.after_count = 1},
    {.name = "pause",
	.kind = PLAN_WAIT,
	.modes = PLAN_IN_ALL,
	.wait_ns = 4,
	.after = after_load,
	.after_count = 1},
};

START_TEST(a_plan_is_walked_by_the_engine_on_its_own_clock)
{
	static const int64_t takes[] = {5, 3, 2, 99, 1, -1};
	static const struct forecast_step want[] = {{true, 0, 5}, {true, 0, 3},
	    {true, 5, 7}, {false, 0, 0}, {true, 5, 6}, {true, 5, 9}};
	struct forecast_step out[6];
	struct err e = {0};

	ck_assert_msg(forecast_run(steps, 6, PLAN_IN_TABLETOP, takes, out,
			  &e) == ERR_NONE,
	    "%s", e.text);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_int_eq(out[i].is_run, want[i].is_run);
		ck_assert_int_eq(out[i].starts_ns, want[i].starts_ns);
		ck_assert_int_eq(out[i].ends_ns, want[i].ends_ns);
	}
}
END_TEST

START_TEST(what_is_no_graph_has_no_forecast)
{
	static const struct plan_step odd[] = {{.name = "a",
	    .kind = PLAN_RUN,
	    .modes = PLAN_IN_ALL,
	    .after = after_load,
	    .after_count = 1}};
	static const int64_t takes[] = {1};
	struct forecast_step out[1];
	struct err e = {0};

	ck_assert_int_eq(forecast_run(odd, 1, PLAN_IN_TABLETOP, takes, out, &e),
	    ERR_POLICY);
}
END_TEST

Suite *suite_plan_forecast(void);

Suite *
suite_plan_forecast(void)
{
	Suite *s = suite_create("plan/forecast");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_plan_is_walked_by_the_engine_on_its_own_clock);
	tcase_add_test(tc, what_is_no_graph_has_no_forecast);
	suite_add_tcase(s, tc);
	return s;
}
