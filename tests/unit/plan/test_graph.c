#include <bascule/plan.h>

#include <check.h>
#include <string.h>

#define AFTER(...)                                   \
	.after = (const char *const[]){__VA_ARGS__}, \
	.after_count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)

static void
refuse(const struct plan_step *steps, size_t count, const char *says)
{
	struct err e = {0};

	ck_assert_int_eq(graph_check(steps, count, &e), ERR_POLICY);
	ck_assert_msg(strstr(e.text, says) != NULL, "%s", e.text);
}

START_TEST(a_graph_in_any_order_is_accepted)
{
	struct plan_step steps[] = {
	    {.name = "start", AFTER("load", "documents"), .modes = PLAN_IN_ALL},
	    {.name = "load", AFTER("database"), .modes = PLAN_IN_ALL},
	    {.name = "database", .modes = PLAN_IN_ALL},
	    {.name = "documents", .modes = PLAN_IN_ALL},
	};
	struct err e = {0};

	ck_assert_int_eq(graph_check(steps, 4, &e), ERR_NONE);
	ck_assert_int_eq(graph_check(steps, 0, &e), ERR_NONE);
}
END_TEST

START_TEST(a_cycle_is_named_in_full)
{
	struct plan_step steps[] = {
	    {.name = "first", .modes = PLAN_IN_ALL},
	    {.name = "behind", AFTER("a"), .modes = PLAN_IN_ALL},
	    {.name = "a", AFTER("first", "c"), .modes = PLAN_IN_ALL},
	    {.name = "b", AFTER("a"), .modes = PLAN_IN_ALL},
	    {.name = "c", AFTER("b"), .modes = PLAN_IN_ALL},
	};
	struct plan_step self = {.name = "x", AFTER("x"), .modes = PLAN_IN_ALL};

	refuse(steps, 5, "wait for each other: a -> c -> b -> a");
	refuse(&self, 1, "x -> x");
}
END_TEST

START_TEST(unknown_names_and_doubles_are_named)
{
	struct plan_step unknown[] = {
	    {.name = "a", .modes = PLAN_IN_ALL},
	    {.name = "b", AFTER("lod"), .modes = PLAN_IN_ALL},
	};
	struct plan_step twice[] = {
	    {.name = "a", .modes = PLAN_IN_ALL},
	    {.name = "a", .modes = PLAN_IN_ALL},
	};
	struct plan_step nameless = {.name = "", .modes = PLAN_IN_ALL};
	struct plan_step modeless = {.name = "a"};

	refuse(unknown, 2, "'b' waits for 'lod'");
	refuse(twice, 2, "'a' is there twice");
	refuse(&nameless, 1, "0 characters");
	refuse(&modeless, 1, "no mode");
}
END_TEST

/* Everyone waits for everyone before: a cycle as long as a plan can be. */
START_TEST(a_very_long_cycle_fits_into_its_message)
{
	static struct plan_step steps[PLAN_STEPS_MAX];
	static char names[PLAN_STEPS_MAX][PLAN_STEP_NAME_MAX + 1];
	static const char *after[PLAN_STEPS_MAX];

	for (size_t i = 0; i < PLAN_STEPS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%063zu", i);
		after[i] = names[(i + 1) % PLAN_STEPS_MAX];
		steps[i] = (struct plan_step){.name = names[i],
		    .after = &after[i],
		    .after_count = 1,
		    .modes = PLAN_IN_ALL};
	}
	after[PLAN_STEPS_MAX - 1] = names[0];
	refuse(steps, PLAN_STEPS_MAX, "... -> ");
}
END_TEST

Suite *suite_plan_graph(void);

Suite *
suite_plan_graph(void)
{
	Suite *s = suite_create("plan/graph");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, a_graph_in_any_order_is_accepted);
	tcase_add_test(tc, a_cycle_is_named_in_full);
	tcase_add_test(tc, unknown_names_and_doubles_are_named);
	tcase_add_test(tc, a_very_long_cycle_fits_into_its_message);
	suite_add_tcase(s, tc);
	return s;
}
