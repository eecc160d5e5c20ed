#include <bascule/plan.h>

#include <check.h>

START_TEST(spans_need_both_ends_in_order)
{
	struct clocks c = {0};
	int64_t ns;

	ck_assert(!clocks_span_ns(&c, CLOCKS_RTA_TEST, &ns));
	clocks_set(&c, CLOCKS_STARTED, (struct utc){100});
	ck_assert(!clocks_span_ns(&c, CLOCKS_RTA_TEST, &ns));
	clocks_set(&c, CLOCKS_ACCEPTED, (struct utc){350});
	ck_assert(clocks_span_ns(&c, CLOCKS_RTA_TEST, &ns));
	ck_assert_int_eq(ns, 250);
	ck_assert(!clocks_span_ns(&c, CLOCKS_RTA_DECLARED, &ns));
	clocks_set(&c, CLOCKS_ACCEPTED, (struct utc){50}); /* set back */
	ck_assert(!clocks_span_ns(&c, CLOCKS_RTA_TEST, &ns));
}
END_TEST

START_TEST(every_span_has_the_ends_of_the_design)
{
	static const struct {
		enum clocks_span span;
		int from, until;
	} want[] = {
	    {CLOCKS_RTA_DECLARED, 2, 7},
	    {CLOCKS_RTA_TECHNICAL, 4, 6},
	    {CLOCKS_RTA_TEST, 4, 7},
	    {CLOCKS_OUTAGE, 0, 7},
	    {CLOCKS_DECISION, 1, 3},
	    {CLOCKS_EXPOSURE, 5, 9},
	};
	struct clocks c = {0};

	for (int i = 0; i < CLOCKS_POINTS; i++)
		clocks_set(&c, (enum clocks_point)i, (struct utc){1 << i});
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		int64_t ns;

		ck_assert(clocks_span_ns(&c, want[i].span, &ns));
		ck_assert_int_eq(ns,
		    (1 << want[i].until) - (1 << want[i].from));
	}
}
END_TEST

START_TEST(loss_is_from_the_point_to_the_last_write)
{
	ck_assert_int_eq(clocks_rpa_ns((struct utc){500}, (struct utc){200}),
	    300);
	ck_assert_int_eq(clocks_rpa_ns((struct utc){200}, (struct utc){500}),
	    0);
	ck_assert_int_eq(clocks_rpa_ns((struct utc){INT64_MAX},
			     (struct utc){INT64_MIN}),
	    INT64_MAX);
}
END_TEST

START_TEST(just_met_is_met_and_no_target_is_no_verdict)
{
	ck_assert_int_eq(clocks_judge(true, 100, 100), CLOCKS_PASS);
	ck_assert_int_eq(clocks_judge(true, 101, 100), CLOCKS_FAIL);
	ck_assert_int_eq(clocks_judge(true, 1, 0), CLOCKS_NOT_MEASURED);
	ck_assert_int_eq(clocks_judge(false, 0, 100), CLOCKS_NOT_MEASURED);
	ck_assert_str_eq(clocks_verdict_name(CLOCKS_NOT_MEASURED),
	    "not measured");
}
END_TEST

Suite *suite_plan_clocks(void);

Suite *
suite_plan_clocks(void)
{
	Suite *s = suite_create("plan/clocks");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, spans_need_both_ends_in_order);
	tcase_add_test(tc, every_span_has_the_ends_of_the_design);
	tcase_add_test(tc, loss_is_from_the_point_to_the_last_write);
	tcase_add_test(tc, just_met_is_met_and_no_target_is_no_verdict);
	suite_add_tcase(s, tc);
	return s;
}
