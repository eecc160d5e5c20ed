#include <check.h>
#include <string.h>

#include "daemon/moves.h"
#include "daemon/peer.h"
#include "support/must.h"

/* What counts as a word of the old site against its being taken over. */

static struct policy_service service;
static struct policy_site there;
static struct policy policy;
static struct daemon_service state;
static struct moves moves;
static struct movebook_reg heard;
static struct movebook_item item;
static struct peer peer;
static struct daemon d;
static struct move_facts facts;

static void
setup(void)
{
	service = (struct policy_service){.name = "counter",
	    .home = "brent",
	    .standby = "southwark"};
	there = (struct policy_site){.name = "brent"};
	policy = (struct policy){.site = "southwark",
	    .services = &service,
	    .service_count = 1};
	state = (struct daemon_service){.policy = &service};
	heard = (struct movebook_reg){.service = "counter",
	    .site = "brent",
	    .a = {.state = AUTHORITY_PROTECTED,
		.site = "brent",
		.epoch = 1,
		.highest_seen = 1}};
	moves = (struct moves){.book = {.last = NULL}};
	movebook_add_register(&moves.book, &heard);
	item = (struct movebook_item){.m = {.known = true,
					  .mode = GUARDS_UNPLANNED,
					  .service = "counter",
					  .from = "brent",
					  .to = "southwark",
					  .run = "r"}};
	peer = (struct peer){.site = &there, .d = &d};
	d = (struct daemon){.policy = &policy,
	    .services = &state,
	    .peers = &peer,
	    .moves = &moves};
}

/* So long ago it was heard, and so long ago the run was started. */
static void
gather(int64_t answered_s, int64_t started_s)
{
	peer.whole.ns = now_mono().ns - answered_s * NS_PER_S;
	item.started.ns = now_utc().ns - started_s * NS_PER_S;
	movefacts_gather(&d, &item, &facts);
}

START_TEST(an_answer_since_the_start_says_that_it_is_well)
{
	gather(1, 3);
	ck_assert(facts.peer_answers);
	ck_assert(facts.peer_healthy);
}
END_TEST

START_TEST(an_answer_from_before_the_start_says_nothing_but_is_waited_out)
{
	gather(3, 1);
	ck_assert(facts.peer_answers);
	ck_assert(!facts.peer_healthy);
	ck_assert(movefacts_answered_lately(&d, &item));
}
END_TEST

START_TEST(an_old_answer_or_a_failed_talk_is_not_waited_for)
{
	gather(60, 1);
	ck_assert(!facts.peer_healthy);
	ck_assert(!movefacts_answered_lately(&d, &item));
	snprintf(peer.failed, sizeof(peer.failed), "refused");
	gather(1, 3);
	ck_assert(!facts.peer_answers && !facts.peer_healthy);
	ck_assert(!movefacts_answered_lately(&d, &item));
}
END_TEST

START_TEST(a_site_that_answers_without_owning_the_service_is_not_healthy)
{
	heard.a.state = AUTHORITY_HELD;
	gather(1, 3);
	ck_assert(facts.peer_answers);
	ck_assert(!facts.peer_healthy);
}
END_TEST

START_TEST(what_hinders_the_other_site_counts_while_it_answers)
{
	char why[] = "READY cannot be recorded";
	struct peer_word word = {.service = "counter", .hindrance = why};

	peer.words = &word;
	peer.word_count = 1;
	gather(1, 10);
	ck_assert_pstr_eq(facts.peer_says, why);
	gather(60, 100);
	ck_assert_ptr_null(facts.peer_says);
	word.hindrance = NULL;
	gather(1, 10);
	ck_assert_ptr_null(facts.peer_says);
}
END_TEST

Suite *suite_daemon_movefacts(void);
Suite *
suite_daemon_movefacts(void)
{
	Suite *s = suite_create("daemon/movefacts");
	TCase *tc = tcase_create("movefacts");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, an_answer_since_the_start_says_that_it_is_well);
	tcase_add_test(tc,
	    an_answer_from_before_the_start_says_nothing_but_is_waited_out);
	tcase_add_test(tc, an_old_answer_or_a_failed_talk_is_not_waited_for);
	tcase_add_test(tc,
	    a_site_that_answers_without_owning_the_service_is_not_healthy);
	tcase_add_test(tc, what_hinders_the_other_site_counts_while_it_answers);
	suite_add_tcase(s, tc);
	return s;
}
