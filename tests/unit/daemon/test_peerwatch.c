#include "daemon/peer.h"

#include <check.h>

#include "daemon/moves.h"
#include "support/must.h"

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

START_TEST(a_talk_ends_when_its_worker_stands_still_or_it_takes_too_long)
{
	struct peer p = {.talking = {1000 * NS_PER_S},
	    .spoke = {1000 * NS_PER_S}};
	struct mono now = {1029 * NS_PER_S};
	int64_t wait_ns;

	ck_assert_ptr_null(peertalk_overdue(&p, now, &wait_ns));
	ck_assert_int_eq(wait_ns, NS_PER_S);
	now.ns = 1030 * NS_PER_S;
	ck_assert_str_eq(peertalk_overdue(&p, now, &wait_ns),
	    "our own process for it stood still");
	for (p.spoke.ns = now.ns; p.spoke.ns < 1299 * NS_PER_S;
	     p.spoke.ns += 5 * NS_PER_S)
		ck_assert_ptr_null(peertalk_overdue(&p, p.spoke, &wait_ns));
	now.ns = 1300 * NS_PER_S;
	p.spoke = now;
	ck_assert_str_eq(peertalk_overdue(&p, now, &wait_ns), "no end in time");
}
END_TEST

/* --- who is asked, and asks back --------------------------------------------- */

static struct daemon d;
static struct daemon_service state;
static struct policy policy;
static struct moves moves;
static struct peer peer;
static struct err e;

static void
never(void *ctx)
{
	(void)ctx;
}

static void
setup(void)
{
	policy = (struct policy){.service_count = 1};
	state = (struct daemon_service){0};
	moves = (struct moves){0};
	peer = (struct peer){.d = &d};
	d = (struct daemon){.policy = &policy,
	    .services = &state,
	    .peers = &peer,
	    .moves = &moves};
	must(loop_new(&d.loop, &e), &e);
	must(loop_timer_new(&peer.timer, d.loop, never, NULL, &e), &e);
}

static void
teardown(void)
{
	loop_timer_free(&peer.timer);
	loop_free(&d.loop);
}

/* It has asked, so long after whatever was last. */
static bool
asks_back(int64_t after_ms)
{
	int64_t ns = after_ms * NS_PER_MS;

	peer.hurry = false;
	peer.asked.ns -= peer.asked.ns == 0 ? 0 : ns;
	peer.asked_back.ns -= peer.asked_back.ns == 0 ? 0 : ns;
	peer.began.ns -= peer.began.ns == 0 ? 0 : ns;
	peers_asked(&d);
	return peer.hurry;
}

START_TEST(
    while_nothing_is_open_who_is_asked_twice_asks_back_and_not_at_once_again)
{
	ck_assert(!asks_back(0));
	ck_assert(asks_back(1000));
	ck_assert(!asks_back(1000));
	ck_assert(!asks_back(10000));
}
END_TEST

START_TEST(while_a_move_is_open_who_is_asked_asks_back_at_once)
{
	state.authority.quarantined = true;
	ck_assert(asks_back(0));
	ck_assert(asks_back(1000));
	ck_assert(!asks_back(100)); /* however often it asks */
}
END_TEST

START_TEST(an_answer_to_our_own_question_is_not_answered)
{
	state.authority.quarantined = true;
	peer.began = now_mono(); /* we have asked */
	ck_assert(!asks_back(300));
	ck_assert(asks_back(600)); /* of itself: it has something to say */
	peer.began = now_mono();
	ck_assert(asks_back(5000)); /* so late it is no answer */
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
	tc = tcase_create("asked");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    while_nothing_is_open_who_is_asked_twice_asks_back_and_not_at_once_again);
	tcase_add_test(tc, while_a_move_is_open_who_is_asked_asks_back_at_once);
	tcase_add_test(tc, an_answer_to_our_own_question_is_not_answered);
	tcase_add_test(tc,
	    a_talk_ends_when_its_worker_stands_still_or_it_takes_too_long);
	suite_add_tcase(s, tc);
	return s;
}
