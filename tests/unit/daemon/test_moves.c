#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../ledger/faultvfs.h"
#include "daemon/alarm_parts.h"
#include "daemon/duty.h"
#include "daemon/ladder.h"
#include "daemon/moves.h"
#include "daemon/peer.h"
#include "daemon/ready.h"
#include "daemon/request.h"
#include "daemon/stepdown.h"
#include "support/must.h"
#include "support/tmpdir.h"

/*
 * What people are told of a move, and of a register that was heard: on the screen
 * and by alarms.  One service at one site; the other has no daemon here.
 */

#define RUN "20261122T120000Z-00000001"

static const char *from, *to, *mode; /* of the move */
static struct peer there; /* southwark: its ledger as it is held here */
static struct policy *policy;
static struct daemon_service state;
static struct daemon d;
static struct tmpdir td;
static struct err e;

#define SITE(name, n)                                                          \
	"{ name = \"" name "\"; title = \"" name "\"; role = \"datacentre\"; " \
	"failure_domain = \"" name "\"; repository = \"/nowhere\"; hosts = "   \
	"( { name = \"b." name "\"; address = \"127.0.0." n "\"; user = "      \
	"\"b\"; host_keys = [ \"SHA256:"                                       \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" ]; } ); }"

static const char text[] =
    "site = \"brent\"; state = \"/s\"; key_file = \"/k\";\n"
    "councils = ( { name = \"brent\"; title = \"Brent\"; share = 100; } );\n"
    "sites = ( " SITE("brent", "1") ", " SITE("southwark",
	"2") " );\n"
	     "links = ( { name = \"l\"; between = [ \"brent\", \"southwark\" "
	     "]; "
	     "preference = 1; bandwidth = \"1Gbit/s\"; addresses = { brent = "
	     "\"127.0.0.1\"; southwark = \"127.0.0.2\"; }; } );\n"
	     "service = { name = \"counter\"; title = \"Counter\"; owner = "
	     "\"brent\"; "
	     "tier = 1; home = \"brent\"; standby = \"southwark\"; rpo = "
	     "\"1h\"; "
	     "rto = \"4h\"; live_root = \"/srv\"; datasets = ( { name = \"d\"; "
	     "tree = \"/srv/d\"; } ); backup = { every = \"10m\"; expect = "
	     "\"1m\"; }; "
	     "replicate = { to = [ \"southwark\" ]; within = \"5m\"; };\n"
	     "fence = ( { run = [ \"true\" ]; prove = [ \"true\" ]; undo = [ "
	     "\"true\" "
	     "]; } ); plan = ( { step = \"d\"; restore = \"d\"; to = "
	     "\"${sandbox}/d\";}, { step = \"runs\"; after = [ \"d\" ]; check "
	     "= { command = [ \"true\" ]; }; } ); };\n";

static void
load(void)
{
	OWNED(policy_problem_fini) struct policy_problems ps = {0};
	struct policy_text_file file = {.path = "/etc/bascule.conf",
	    .text = text,
	    .len_bytes = sizeof(text) - 1};

	if (policy_load_texts(&policy, &ps, &file, 1, now_utc(), &e) ==
	    ERR_NONE)
		return;
	for (size_t i = 0; i < ps.count; i++)
		fprintf(stderr, "%u: %s: %s\n", ps.items[i].line,
		    ps.items[i].setting, ps.items[i].message);
	ck_abort_msg("%s", e.text);
}

static void
setup(void)
{
	struct ledger_options o = {.site = "brent",
	    .host = "h",
	    .vfs = FAULTVFS};
	struct schedule_limits limits = {0};
	char path[128];

	mode = "planned";
	from = "brent";
	to = "southwark";
	faultvfs_install();
	tmpdir_make_in_memory(&td);
	snprintf(path, sizeof(path), "%s/ledger.db", td.path);
	load();
	state = (struct daemon_service){.policy = &policy->services[0],
	    .authority = {.state = AUTHORITY_PROTECTED,
		.site = "brent",
		.epoch = 1,
		.highest_seen = 1}};
	d = (struct daemon){.policy = policy,
	    .site = policy_find_site(policy, "brent"),
	    .services = &state};
	must(ledger_open(&d.ledger, path, &o, &e), &e);
	must(loop_new(&d.loop, &e), &e);
	must(schedule_new(&d.schedule, NULL, 0, &limits, &e), &e);
	must(alarm_start(&d, &e), &e);
	must(moves_start(&d, &e), &e);
}

static void
teardown(void)
{
	while (d.jobs != NULL) {
		struct job *j = d.jobs;

		d.jobs = j->next;
		job_free(&j);
	}
	moves_stop(&d);
	loop_timer_free(&there.timer);
	ledger_close(&there.copy);
	ready_stop(&d);
	ladders_stop(&d);
	duties_stop(&d);
	request_book_free(&d.requests);
	alarm_stop(&d);
	schedule_free(&d.schedule);
	free(d.tasks);
	loop_free(&d.loop);
	ledger_close(&d.ledger);
	policy_free(&policy);
	tmpdir_remove(&td);
}

static void
event_in(struct ledger *l, const char *name, const char *of, uint64_t epoch)
{
	OWNED(draft_free) struct draft *draft = NULL;

	must(draft_new(&draft, NULL, LEDGER_FAILOVER, &e), &e);
	draft_run(draft, RUN);
	draft_text(draft, "event", name);
	draft_text(draft, "mode", mode);
	draft_text(draft, "from_site", from);
	draft_text(draft, "to_site", to);
	if (of == NULL)
		draft_text(draft, "services", "counter");
	draft_service(draft, of);
	if (epoch != 0)
		draft_uint(draft, "epoch", epoch);
	must(ledger_append(l, draft, NULL, &e), &e);
}

static void
event(const char *name, const char *of)
{
	event_in(d.ledger, name, of, 0);
}

static const char *
look_and_say(void)
{
	static char out[900];

	d.moves->dirty = true;
	moves_look(&d);
	moves_say(&d, &state, out, sizeof(out));
	return out;
}

/* NULL: none stands. */
static const struct alarmbook_alarm *
alarm_about(const char *subject)
{
	for (size_t i = 0; i < d.alarms->book.count; i++) {
		const struct alarmbook_alarm *a = d.alarms->book.items[i];

		if (a->standing && strcmp(a->subject, subject) == 0)
			return a;
	}
	return NULL;
}

static enum err_code
count_reminders(void *ctx, const struct record *r, struct err *err)
{
	char name[32];

	(void)err;
	if (strcmp(record_text(r, "event", name, sizeof(name)), "reminder") ==
	    0)
		++*(unsigned *)ctx;
	return ERR_NONE;
}

/* --- a ledger that cannot be written ------------------------------------------ */

START_TEST(a_full_disk_is_said_until_there_is_room_and_then_it_goes_on)
{
	char next[900];

	event("REQUESTED", NULL);
	event("STARTED", "counter");
	event("abort", "counter");
	for (int i = 0; i < 2; i++) {
		const char *said;

		faultvfs_arm(1, true);
		said = look_and_say();
		ck_assert(faultvfs_fired());
		ck_assert_msg(strstr(said, "ABORTED cannot be recorded") !=
			    NULL &&
			strstr(said, "make room") != NULL &&
			strstr(said, td.path) != NULL &&
			strstr(said, "; type:") == NULL,
		    "%s", said);
		ck_assert_ptr_nonnull(
		    strstr(moves_hindrance(&d, "counter"), "make room"));
		ck_assert(moves_say_next(&d, RUN, next, sizeof(next)));
		ck_assert_msg(strstr(next, "nothing to type") != NULL &&
			strstr(next, "make room") != NULL,
		    "%s", next);
		ck_assert_ptr_nonnull(
		    strstr(alarm_about(RUN)->text, "make room"));
	}
	ck_assert_str_eq(look_and_say(), "");
	ck_assert(move_is_over(&d.moves->book.items->m));
	look_and_say();
	ck_assert_ptr_null(alarm_about(RUN));
	ck_assert_str_eq(moves_hindrance(&d, "counter"), "");
}
END_TEST

START_TEST(another_fault_of_the_ledger_is_said_too)
{
	const char *said;

	event("REQUESTED", NULL);
	event("STARTED", "counter");
	event("abort", "counter");
	faultvfs_arm(1, false);
	said = look_and_say();
	ck_assert(faultvfs_fired());
	ck_assert_msg(strstr(said, "tried again") != NULL &&
		strstr(said, "make room") == NULL,
	    "%s", said);
}
END_TEST

static struct authority
owned_by(const char *site, uint64_t epoch)
{
	struct authority a = {.state = AUTHORITY_PROTECTED,
	    .epoch = epoch,
	    .highest_seen = epoch};

	snprintf(a.site, sizeof(a.site), "%s", site);
	return a;
}

START_TEST(a_register_that_was_heard_and_cannot_be_recorded_is_said)
{
	struct authority heard = owned_by("southwark", 2);
	char out[900];

	faultvfs_arm(1, true);
	stepdown_hear(&d, &state, &heard, false, "heard");
	ck_assert(faultvfs_fired());
	ck_assert(stepdown_say(&d, "counter", out, sizeof(out)));
	ck_assert_msg(strstr(out, "southwark") != NULL &&
		strstr(out, "make room") != NULL &&
		strstr(out, td.path) != NULL,
	    "%s", out);
	stepdown_hear(&d, &state, &heard, false, "heard");
	ck_assert(stepdown_say(&d, "counter", out, sizeof(out)));
	ck_assert_msg(strstr(out, "make room") == NULL, "%s", out);
	ck_assert(state.authority.quarantined);
}
END_TEST

static enum err_code
count_aborted(void *ctx, const struct record *r, struct err *err)
{
	char name[32];

	(void)err;
	if (strcmp(record_text(r, "event", name, sizeof(name)), "ABORTED") == 0)
		++*(unsigned *)ctx;
	return ERR_NONE;
}

START_TEST(whatever_write_fails_the_phase_is_on_record_once)
{
	struct ledger_filter f = {.type = LEDGER_FAILOVER, .run = RUN};
	bool fired = true;

	for (int nth = 1; fired; nth++) {
		unsigned aborted = 0;

		event("REQUESTED", NULL);
		event("STARTED", "counter");
		event("abort", "counter");
		faultvfs_arm(nth, nth % 2 == 0);
		look_and_say();
		fired = faultvfs_fired();
		look_and_say();
		look_and_say();
		ck_assert(move_is_over(&d.moves->book.items->m));
		must(ledger_iterate(d.ledger, &f, count_aborted, &aborted, &e),
		    &e);
		ck_assert_msg(aborted == 1, "call %d: %u", nth, aborted);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(whatever_write_fails_a_register_is_adopted_whole_or_later)
{
	bool fired = true;

	for (int nth = 1; fired; nth++) {
		struct authority heard = owned_by("southwark", 3);

		state.authority = owned_by("southwark", 2);
		faultvfs_arm(nth, nth % 2 == 0);
		stepdown_hear(&d, &state, &heard, false, "heard");
		fired = faultvfs_fired();
		ck_assert_uint_ge(state.authority.epoch, 2);
		stepdown_hear(&d, &state, &heard, false, "heard");
		ck_assert_uint_eq(state.authority.epoch, 3);
		ck_assert_str_eq(state.authority.site, "southwark");
		teardown();
		setup();
	}
}
END_TEST

/* --- alarms ---------------------------------------------------------------------- */

START_TEST(two_owners_of_one_epoch_page_everybody)
{
	struct authority heard = owned_by("brent", 2);
	const struct alarmbook_alarm *a = NULL;

	state.authority = owned_by("southwark", 2); /* and each denies it */

	stepdown_hear(&d, &state, &heard, false, "heard");
	ck_assert_int_eq(state.authority.state, AUTHORITY_CONTESTED);
	for (size_t i = 0; i < d.alarms->book.count; i++)
		a = d.alarms->book.items[i];
	ck_assert_ptr_nonnull(a);
	ck_assert_int_eq(a->level, ALARM_CRITICAL);
	ck_assert_str_eq(a->subject, "contested");
	ck_assert_ptr_nonnull(strstr(a->text, "bascule hold inspect"));
	stepdown_hear(&d, &state, &heard, false, "heard");
	ck_assert_uint_eq(d.alarms->book.count, 1);
}
END_TEST

START_TEST(a_move_that_nobody_commits_is_an_alarm_until_it_is_decided)
{
	const char *subject = "commit of " RUN;
	struct ledger_filter f = {.type = LEDGER_FAILOVER, .run = RUN};
	static const char *const taken[] = {"DECLARED", "FENCED", "TAKEN",
	    "PROVISIONAL", "RAN"};
	unsigned reminders = 0;

	mode = "unplanned";
	from = "southwark";
	to = "brent";
	state.authority = owned_by("brent", 2);
	snprintf(state.authority.run, sizeof(state.authority.run), RUN);
	policy->services[0].failover.commit_reminder_ns = 3600 * NS_PER_S;
	event("REQUESTED", NULL);
	event("STARTED", "counter");
	for (size_t i = 0; i < COUNT_OF(taken); i++)
		event(taken[i], "counter");
	look_and_say();
	ck_assert_ptr_null(alarm_about(subject));
	policy->services[0].failover.commit_reminder_ns = 1;
	look_and_say();
	ck_assert_ptr_nonnull(alarm_about(subject));
	ck_assert_ptr_nonnull(strstr(alarm_about(subject)->text,
	    "bascule failover commit " RUN " --confirm brent"));
	policy->services[0].failover.commit_reminder_ns = 3600 * NS_PER_S;
	look_and_say();
	ck_assert_ptr_nonnull(alarm_about(subject));
	must(ledger_iterate(d.ledger, &f, count_reminders, &reminders, &e), &e);
	ck_assert_uint_eq(reminders, 1);
	event("commit", "counter");
	event("COMMITTED", "counter");
	look_and_say();
	ck_assert_ptr_null(alarm_about(subject));
}
END_TEST

static void
never(void *ctx)
{
	(void)ctx;
}

/* Southwark took it, and has given it back: brent takes it, where etcd says so. */
static void
given_back(void)
{
	struct ledger_options o = {.site = "southwark", .host = "h"};
	static const char *const said[] = {"DECLARED", "FENCED", "TAKEN",
	    "PROVISIONAL", "rollback", "CAPTURED", "UNDONE"};
	char path[128];

	snprintf(path, sizeof(path), "%s/southwark.db", td.path);
	there = (struct peer){.d = &d,
	    .site = policy_find_site(policy, "southwark")};
	must(ledger_open(&there.copy, path, &o, &e), &e);
	must(loop_timer_new(&there.timer, d.loop, never, NULL, &e), &e);
	d.peers = &there;
	mode = "unplanned";
	state.authority = owned_by("southwark", 2);
	event("REQUESTED", NULL);
	event("STARTED", "counter");
	for (size_t i = 0; i < COUNT_OF(said); i++)
		event_in(there.copy, said[i], "counter", 2);
	event_in(there.copy, "GRANTED", "counter", 3);
	event("STOPPED", "counter");
	event("DIVERGENCE", "counter");
}

START_TEST(what_etcd_refuses_is_an_alarm_until_it_is_done)
{
	const char *said;

	given_back();
	policy->authority = POLICY_ETCD;
	said = look_and_say();
	ck_assert_msg(strstr(said, "waiting for etcd") != NULL, "%s", said);
	ck_assert_ptr_null(alarm_about(RUN));
	for (int i = 0; i < 3; i++) { /* asked, refused, asked again */
		said = look_and_say();
		ck_assert_ptr_nonnull(alarm_about(RUN));
		ck_assert_msg(strstr(alarm_about(RUN)->text, "etcd") != NULL &&
			strstr(said, "etcd") != NULL,
		    "%s: %s", said, alarm_about(RUN)->text);
	}
	ck_assert_str_eq(state.authority.site, "southwark");
	policy->authority = POLICY_MANUAL; /* nobody refuses any more */
	look_and_say();
	ck_assert_str_eq(state.authority.site, "brent");
	look_and_say();
	ck_assert_ptr_null(alarm_about(RUN));
}
END_TEST

Suite *suite_daemon_moves(void);

Suite *
suite_daemon_moves(void)
{
	Suite *s = suite_create("daemon/moves");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
	    a_full_disk_is_said_until_there_is_room_and_then_it_goes_on);
	tcase_add_test(tc, another_fault_of_the_ledger_is_said_too);
	tcase_add_test(tc,
	    a_register_that_was_heard_and_cannot_be_recorded_is_said);
	tcase_add_test(tc, whatever_write_fails_the_phase_is_on_record_once);
	tcase_add_test(tc,
	    whatever_write_fails_a_register_is_adopted_whole_or_later);
	tcase_add_test(tc, two_owners_of_one_epoch_page_everybody);
	tcase_add_test(tc,
	    a_move_that_nobody_commits_is_an_alarm_until_it_is_decided);
	tcase_add_test(tc, what_etcd_refuses_is_an_alarm_until_it_is_done);
	suite_add_tcase(s, tc);
	return s;
}
