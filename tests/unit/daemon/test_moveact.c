#include <check.h>

#include "daemon/moves.h"

/*
 * A fence without an undo: the plan lets it go.  Of a policy only what is asked
 * about is here; its texts are never NULL (include/bascule/policy.h).
 */

static const char *words[] = {"ctl", "stop"};
static const char *southwark[] = {"southwark"};
static struct policy_host hosts[2] = {{.name = "b1"}, {.name = "s1"}};
static struct policy_site sites[2] = {{.name = "brent",
					  .hosts = &hosts[0],
					  .host_count = 1},
    {.name = "southwark", .hosts = &hosts[1], .host_count = 1}};
static struct policy policy;
static struct policy_fence fence;
static struct policy_service service;
static struct daemon d;
static struct move m; /* from brent, which is here, to southwark */

static void
setup(void)
{
	policy =
	    (struct policy){.site = "brent", .sites = sites, .site_count = 2};
	fence =
	    (struct policy_fence){.run = {words, 2}, .on = "", .attest = ""};
	service = (struct policy_service){.name = "counter",
	    .fence = &fence,
	    .fence_count = 1,
	    .quiesce = {.before = {words, 2}}};
	d = (struct daemon){.policy = &policy};
	m = (struct move){.known = true, .from = "brent", .to = "southwark"};
}

START_TEST(a_fence_that_was_begun_here_and_has_no_undo_needs_the_plan)
{
	ck_assert(!moveact_needs_plan(&d, &m, &service));
	m.a.intent[MOVE_QUIESCE] = 3; /* it has its own way back */
	ck_assert(!moveact_needs_plan(&d, &m, &service));
	m.a.intent[MOVE_FENCE] = 4;
	ck_assert(moveact_needs_plan(&d, &m, &service));
	m.a.intent[MOVE_FENCE] = 0;
	m.a.intent[MOVE_STOP] = 5;
	ck_assert(moveact_needs_plan(&d, &m, &service));
	fence.undo = (struct policy_texts){words, 2};
	ck_assert(!moveact_needs_plan(&d, &m, &service));
}
END_TEST

START_TEST(what_only_the_other_site_fenced_needs_none)
{
	m.b.intent[MOVE_STOP] = 5; /* southwark, itself */
	ck_assert(!moveact_needs_plan(&d, &m, &service));
	m.b.fact[MOVE_GRANTED] = 6; /* and back again: whoever took it fenced */
	ck_assert(moveact_needs_plan(&d, &m, &service));
	policy.site = "southwark";
	m.b.fact[MOVE_GRANTED] = 0;
	ck_assert(moveact_needs_plan(&d, &m, &service));
	m.b.intent[MOVE_STOP] = 0;
	m.a.intent[MOVE_STOP] = 5;
	ck_assert(!moveact_needs_plan(&d, &m, &service));
}
END_TEST

START_TEST(a_quiesce_that_is_the_fence_counts_as_one)
{
	service.quiesce.before.count = 0;
	ck_assert(moveact_needs_plan(&d, &m, &service));
}
END_TEST

START_TEST(a_fence_of_another_site_or_of_people_needs_none)
{
	m.a.intent[MOVE_FENCE] = 4;
	fence.on = "b1";
	ck_assert(moveact_needs_plan(&d, &m, &service));
	fence.on = "s1";
	ck_assert(!moveact_needs_plan(&d, &m, &service));
	fence.on = "nowhere";
	ck_assert(!moveact_needs_plan(&d, &m, &service));
	fence.on = "b1";
	fence.sites = (struct policy_texts){southwark, 1};
	ck_assert(!moveact_needs_plan(&d, &m, &service));
	fence = (struct policy_fence){.on = "", .attest = "it is off"};
	ck_assert(!moveact_needs_plan(&d, &m, &service));
}
END_TEST

Suite *suite_daemon_moveact(void);

Suite *
suite_daemon_moveact(void)
{
	Suite *s = suite_create("daemon/moveact");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc,
	    a_fence_that_was_begun_here_and_has_no_undo_needs_the_plan);
	tcase_add_test(tc, what_only_the_other_site_fenced_needs_none);
	tcase_add_test(tc, a_quiesce_that_is_the_fence_counts_as_one);
	tcase_add_test(tc, a_fence_of_another_site_or_of_people_needs_none);
	suite_add_tcase(s, tc);
	return s;
}
