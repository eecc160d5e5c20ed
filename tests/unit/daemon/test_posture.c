#include "daemon/daemon.h"

#include <check.h>

#define HOUR_NS (3600 * NS_PER_S)

static enum posture_rpo
judge(int64_t age_ns, int64_t next_in_ns, bool readable)
{
	struct utc now = {100 * HOUR_NS}, breaks;
	struct posture_input in = {.rpo_ns = HOUR_NS,
	    .point = {age_ns < 0 ? 0 : now.ns - age_ns},
	    .readable = readable,
	    .next = {next_in_ns == 0 ? 0 : now.ns + next_in_ns}};
	enum posture_rpo rpo = posture_judge(&in, now, &breaks);

	if (rpo == POSTURE_OK || rpo == POSTURE_AT_RISK)
		ck_assert(breaks.ns == in.point.ns + HOUR_NS);
	else
		ck_assert(breaks.ns == 0);
	return rpo;
}

START_TEST(just_met_is_met)
{
	ck_assert_int_eq(judge(HOUR_NS, 0, true), POSTURE_OK);
	ck_assert_int_eq(judge(HOUR_NS + 1, 0, true), POSTURE_BREACHED);
}
END_TEST

START_TEST(it_is_at_risk_when_the_next_point_comes_too_late)
{
	ck_assert_int_eq(judge(HOUR_NS / 2, HOUR_NS / 2, true), POSTURE_OK);
	ck_assert_int_eq(judge(HOUR_NS / 2, HOUR_NS / 2 + 1, true),
	    POSTURE_AT_RISK);
}
END_TEST

START_TEST(what_cannot_be_seen_is_unknown)
{
	ck_assert_int_eq(judge(-1, 0, true), POSTURE_UNKNOWN);
	ck_assert_int_eq(judge(1, 0, false), POSTURE_UNKNOWN);
}
END_TEST

START_TEST(states_and_kinds_have_the_names_of_the_documents)
{
	enum job_state s;

	ck_assert_str_eq(posture_name(POSTURE_AT_RISK), "AT RISK");
	for (int i = JOB_QUEUED; i <= JOB_UNKNOWN; i++) {
		ck_assert(
		    job_state_of_name(job_state_name((enum job_state)i), &s));
		ck_assert_int_eq(s, i);
	}
	ck_assert(!job_state_of_name("nonsense", &s));
	ck_assert_ptr_nonnull(job_kind_find("backup"));
	ck_assert_ptr_null(job_kind_find("nonsense"));
}
END_TEST

Suite *suite_daemon_posture(void);
Suite *
suite_daemon_posture(void)
{
	Suite *s = suite_create("daemon/posture");
	TCase *tc = tcase_create("posture");

	tcase_add_test(tc, just_met_is_met);
	tcase_add_test(tc, it_is_at_risk_when_the_next_point_comes_too_late);
	tcase_add_test(tc, what_cannot_be_seen_is_unknown);
	tcase_add_test(tc, states_and_kinds_have_the_names_of_the_documents);
	suite_add_tcase(s, tc);
	return s;
}
