#include "daemon/peer.h"

#include <check.h>

#define AFTER 10

static enum peer_state
judge(int64_t heard, int64_t watching, int64_t now, bool *is_silent)
{
	return peerwatch_judge((struct utc){heard}, (struct utc){watching},
	    AFTER, (struct utc){now}, is_silent);
}

START_TEST(one_that_is_heard_is_well_until_the_time_is_over)
{
	bool silent;

	ck_assert_int_eq(judge(100, 50, 110, &silent), PEER_HEARD);
	ck_assert(!silent);
	ck_assert_int_eq(judge(100, 50, 111, &silent), PEER_SILENT);
	ck_assert(silent);
}
END_TEST

START_TEST(nobody_is_silent_before_there_was_time_to_hear)
{
	bool silent;

	/* the last word is old, but this daemon has just begun to ask */
	ck_assert_int_eq(judge(1, 100, 105, &silent), PEER_SILENT);
	ck_assert(!silent);
	ck_assert_int_eq(judge(0, 100, 105, &silent), PEER_NEVER);
	ck_assert(!silent);
	ck_assert_int_eq(judge(0, 100, 111, &silent), PEER_NEVER);
	ck_assert(silent);
}
END_TEST

START_TEST(a_clock_that_was_put_back_makes_nobody_silent)
{
	bool silent;

	ck_assert_int_eq(judge(1000, 1000, 5, &silent), PEER_HEARD);
	ck_assert(!silent);
}
END_TEST

Suite *suite_daemon_peerwatch(void);
Suite *
suite_daemon_peerwatch(void)
{
	Suite *s = suite_create("daemon/peerwatch");
	TCase *tc = tcase_create("peerwatch");

	tcase_add_test(tc, one_that_is_heard_is_well_until_the_time_is_over);
	tcase_add_test(tc, nobody_is_silent_before_there_was_time_to_hear);
	tcase_add_test(tc, a_clock_that_was_put_back_makes_nobody_silent);
	suite_add_tcase(s, tc);
	return s;
}
