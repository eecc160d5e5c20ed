/* What the steps of a plan have come to, and whether the service may start yet. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/moves.h"
#include "daemon/movesteps.h"
#include "support/must.h"
#include "support/tmpdir.h"

#define RUN "20261122T120000Z-00000001"

static const char *brent[] = {"brent"};
static struct policy_step plan[] = {{.name = "files",
					.kind = POLICY_STEP_RESTORE,
					.on = "",
					.modes = POLICY_MODES_ALL},
    {.name = "database",
	.kind = POLICY_STEP_RESTORE,
	.on = "",
	.modes = POLICY_MODES_ALL},
    {.name = "start",
	.kind = POLICY_STEP_RUN,
	.on = "",
	.modes = POLICY_MODES_ALL},
    {.name = "back",
	.kind = POLICY_STEP_RESTORE,
	.on = "",
	.sites = {brent, 1},
	.modes = POLICY_MODES_ALL},
    {.name = "drill",
	.kind = POLICY_STEP_RESTORE,
	.on = "",
	.modes = POLICY_MODE_TEST},
    {.name = "archive",
	.kind = POLICY_STEP_RESTORE,
	.on = "",
	.modes = POLICY_MODE_UNPLANNED}};
static struct policy_site sites[2] = {{.name = "brent"}, {.name = "southwark"}};
static struct policy_service service = {.name = "counter",
    .plan = plan,
    .step_count = COUNT_OF(plan)};
static struct policy policy;
static struct daemon_service state; /* PROVISIONAL, here: southwark */
static struct moves moves;
static struct daemon d;
static struct tmpdir td;
static struct err e;

static struct draft *
draft_of(const char *type, const char *of)
{
	struct draft *draft = NULL;

	must(draft_new(&draft, NULL, type, &e), &e);
	draft_run(draft, RUN);
	draft_service(draft, of);
	return draft;
}

static void
append(struct draft *draft)
{
	bool changed;

	must(ledger_append(d.ledger, draft, NULL, &e), &e);
	draft_free(&draft);
	must(movebook_update(&d, &moves.book, &changed, &e), &e);
}

static void
event(const char *name, uint64_t epoch)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, "counter");

	draft_text(draft, "event", name);
	if (epoch != 0)
		draft_uint(draft, "epoch", epoch);
	append(draft);
}

static void
request(const char *mode, const char *from, const char *to)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, NULL);

	draft_text(draft, "event", "REQUESTED");
	draft_text(draft, "mode", mode);
	draft_text(draft, "from_site", from);
	draft_text(draft, "to_site", to);
	draft_text(draft, "services", "counter");
	append(draft);
	event("STARTED", 0);
	event("TAKEN", 2);
}

/* An event; attempt 0: none is named. */
static void
step(const char *name, const char *kind, const char *said, int attempt)
{
	struct draft *draft = draft_of(LEDGER_STEP, "counter");

	draft_text(draft, "step", name);
	draft_text(draft, "kind", kind);
	draft_text(draft, "state", said);
	if (attempt != 0)
		draft_int(draft, "attempt", attempt);
	append(draft);
}

/* An intent without an outcome. */
static void
begins(const char *name)
{
	struct draft *draft = draft_of(LEDGER_STEP, "counter");
	char intent[LEDGER_INTENT_BYTES];

	draft_text(draft, "step", name);
	draft_text(draft, "kind", "restore");
	draft_text(draft, "state", "running");
	draft_int(draft, "attempt", 1);
	must(ledger_intent(d.ledger, draft, intent, &e), &e);
	draft_free(&draft);
}

static void
may(void)
{
	enum err_code rc = movesteps_may_start(&d, &state, &e);

	ck_assert_msg(rc == ERR_NONE, "%s", e.text);
}

/* NULL: no more is said than that. */
static void
may_not(const char *why, const char *but_not)
{
	ck_assert_int_eq(movesteps_may_start(&d, &state, &e), ERR_BUSY);
	ck_assert_msg(why == NULL || strstr(e.text, why) != NULL, "%s", e.text);
	ck_assert_msg(but_not == NULL || strstr(e.text, but_not) == NULL, "%s",
	    e.text);
}

static void
setup(void)
{
	struct ledger_options o = {.site = "southwark", .host = "h"};
	char path[128];

	tmpdir_make_in_memory(&td);
	snprintf(path, sizeof(path), "%s/ledger.db", td.path);
	policy = (struct policy){.site = "southwark",
	    .sites = sites,
	    .site_count = 2};
	state = (struct daemon_service){.policy = &service,
	    .authority = {.state = AUTHORITY_PROVISIONAL,
		.site = "southwark",
		.run = RUN,
		.epoch = 2,
		.highest_seen = 2}};
	moves = (struct moves){0};
	d = (struct daemon){.policy = &policy,
	    .services = &state,
	    .moves = &moves};
	must(ledger_open(&d.ledger, path, &o, &e), &e);
}

static void
teardown(void)
{
	movebook_fini(&moves.book);
	ledger_close(&d.ledger);
	tmpdir_remove(&td);
}

static void
take(void)
{
	request("planned", "brent", "southwark");
	event("PROVISIONAL", 2);
}

START_TEST(what_is_half_restored_does_not_start)
{
	take();
	may_not("step 'files' is to come, step 'database' is to come; the "
		"run's own plan starts it after that",
	    "back");
	ck_assert_ptr_nonnull(strstr(e.text, "bascule failover show " RUN));
	ck_assert_ptr_null(strstr(e.text, "drill"));
	ck_assert_ptr_null(strstr(e.text, "archive"));
	begins("files");
	may_not("step 'files' has begun and not ended", NULL);
	step("files", "restore", "failed", 1);
	may_not("step 'files' has failed", NULL);
	step("files", "restore", "done", 2);
	may_not("step 'database' is to come", "files");
	step("database", "restore", "skipped", 1); /* by a person */
	may();
	begins("files"); /* once more */
	may_not("step 'files' has begun", "database");
	step("files", "restore", "done", 3);
	event("RAN", 2);
	may();
}
END_TEST

START_TEST(the_last_word_on_a_step_counts)
{
	static const char *const said[][2] = {{"skipped", "skipped"},
	    {"done", "done"}, {"retry", "failed"}, {"unknown", "uncertain"}};

	take();
	for (size_t i = 0; i < COUNT_OF(said); i++) {
		OWNED(movesteps_fini) struct movesteps k = {0};

		begins("files");
		step("files", "restore", "failed", 1);
		step("files", "restore", said[i][0], 1);
		must(movesteps_read(&k, &d, RUN, "counter", &e), &e);
		ck_assert_uint_eq(k.count, 1);
		ck_assert_str_eq(k.items[0].state, said[i][1]);
	}
}
END_TEST

START_TEST(each_mode_has_its_own)
{
	request("unplanned", "brent", "southwark");
	event("PROVISIONAL", 2);
	step("files", "restore", "done", 1);
	step("database", "restore", "done", 1);
	may_not("step 'archive' is to come", "database");
	step("archive", "restore", "done", 1);
	may();
}
END_TEST

START_TEST(of_many_the_first_are_named)
{
	static struct policy_step many[5];

	for (size_t i = 0; i < COUNT_OF(many); i++)
		many[i] = plan[0];
	service.plan = many;
	service.step_count = COUNT_OF(many);
	take();
	may_not("is to come, and others; the run's", NULL);
	service.plan = plan;
	service.step_count = COUNT_OF(plan);
}
END_TEST

START_TEST(what_was_restored_before_it_was_stopped_is_no_more)
{
	take();
	step("files", "restore", "done", 1);
	step("database", "restore", "done", 1);
	may();
	state.authority.epoch = state.authority.highest_seen = 4;
	may_not("step 'files' is to come", NULL); /* recorded in a moment */
	ck_assert(moves_bring_up(&d, &state));
	event("PROVISIONAL", 4);
	may_not("step 'files' is to come", NULL);
	step("files", "restore", "done", 1);
	step("database", "restore", "done", 1);
	may();
}
END_TEST

START_TEST(what_ran_here_is_resumed_as_it_is)
{
	struct draft *draft;
	char intent[LEDGER_INTENT_BYTES];
	bool changed;

	take();
	event("RAN", 2);
	state.authority.epoch = state.authority.highest_seen = 4;
	ck_assert(moves_bring_up(&d, &state));
	may();
	event("PROVISIONAL", 4);
	ck_assert(moves_bring_up(&d, &state));
	may();
	/* ... unless it was taken back */
	draft = draft_of(LEDGER_FAILOVER, "counter");
	draft_text(draft, "event", "undo");
	must(ledger_intent(d.ledger, draft, intent, &e), &e);
	draft_free(&draft);
	must(movebook_update(&d, &moves.book, &changed, &e), &e);
	may_not("step 'files' is to come", NULL);
}
END_TEST

START_TEST(whoever_takes_its_own_data_up_again_restores_nothing)
{
	request("planned", "southwark", "brent");
	event("PROVISIONAL", 2);
	ck_assert(moves_bring_up(&d, &state));
	may();
}
END_TEST

START_TEST(where_no_move_brings_it_up_the_register_decides)
{
	state.authority.state = AUTHORITY_PROTECTED;
	may();
	state.authority.quarantined = true;
	may_not("quarantined", NULL);
	state.authority.quarantined = false;
	snprintf(state.authority.site, sizeof(state.authority.site), "brent");
	may_not("it is at site 'brent'", NULL);
}
END_TEST

Suite *suite_daemon_movesteps(void);

Suite *
suite_daemon_movesteps(void)
{
	Suite *s = suite_create("daemon/movesteps");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_half_restored_does_not_start);
	tcase_add_test(tc, the_last_word_on_a_step_counts);
	tcase_add_test(tc, each_mode_has_its_own);
	tcase_add_test(tc, of_many_the_first_are_named);
	tcase_add_test(tc, what_was_restored_before_it_was_stopped_is_no_more);
	tcase_add_test(tc, what_ran_here_is_resumed_as_it_is);
	tcase_add_test(tc,
	    whoever_takes_its_own_data_up_again_restores_nothing);
	tcase_add_test(tc, where_no_move_brings_it_up_the_register_decides);
	suite_add_tcase(s, tc);
	return s;
}
