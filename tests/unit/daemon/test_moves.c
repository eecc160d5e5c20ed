#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../ledger/faultvfs.h"
#include "daemon/alarm_parts.h"
#include "daemon/duty.h"
#include "daemon/facts.h"
#include "daemon/ladder.h"
#include "daemon/moves.h"
#include "daemon/peer.h"
#include "daemon/ready.h"
#include "daemon/request.h"
#include "daemon/stepdown.h"
#include "support/fault.h"
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
	request_showing_free(&d.facts_seen.showing);
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
	movesay_status(&d, &state, out, sizeof(out));
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
		    strstr(movesay_hindrance(&d, "counter"), "make room"));
		ck_assert(movesay_next(&d, RUN, next, sizeof(next)));
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
	ck_assert_str_eq(movesay_hindrance(&d, "counter"), "");
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

/* --- backups, meanwhile --------------------------------------------------------- */

static bool
is_scheduled(const char *kind)
{
	for (size_t i = 0; i < d.task_count; i++)
		if (strcmp(d.tasks[i].kind->name, kind) == 0)
			return true;
	return false;
}

static enum err_code
ask_for_backup(void)
{
	struct job_request r = {.kind = job_kind_find("backup"),
	    .service = "counter",
	    .trigger = "a test"};

	return job_ask(&d, &r, NULL, &e);
}

START_TEST(what_is_being_brought_up_is_not_backed_up)
{
	must(reload_tasks(&d, &e), &e);
	ck_assert(is_scheduled("backup"));
	from = "southwark";
	to = "brent";
	state.authority.state = AUTHORITY_PROVISIONAL;
	snprintf(state.authority.run, sizeof(state.authority.run), RUN);
	event("REQUESTED", NULL);
	event("STARTED", "counter");
	event("TAKEN", "counter");
	event_in(d.ledger, "PROVISIONAL", "counter", 1);
	look_and_say();
	ck_assert(!is_scheduled("backup"));
	ck_assert(is_scheduled("replicate"));
	ck_assert_int_eq(ask_for_backup(), ERR_BUSY);
	ck_assert_ptr_nonnull(strstr(e.text, "when its plan has ended"));
	event("RAN", "counter");
	look_and_say();
	ck_assert(is_scheduled("backup"));
	ck_assert_int_eq(ask_for_backup(), ERR_NONE);
	/* it was stopped, and comes up anew */
	event_in(d.ledger, "PROVISIONAL", "counter", 1);
	look_and_say();
	ck_assert(!is_scheduled("backup"));
	/* ... or only runs again, and waits for its owner */
	event("RESUMED", "counter");
	look_and_say();
	ck_assert(is_scheduled("backup"));
	event_in(d.ledger, "PROVISIONAL", "counter", 1);
	look_and_say();
	ck_assert(!is_scheduled("backup"));
	state.authority.state = AUTHORITY_UNPROTECTED;
	look_and_say();
	ck_assert(is_scheduled("backup"));
}
END_TEST

START_TEST(a_start_amid_a_plan_schedules_no_backup)
{
	state.authority.state = AUTHORITY_PROVISIONAL;
	moves_stop(&d);
	must(reload_tasks(&d, &e), &e);
	ck_assert(is_scheduled("replicate"));
	ck_assert(!is_scheduled("backup"));
	must(moves_start(&d, &e), &e);
	look_and_say(); /* no move of it is known: people gave it to us */
	ck_assert(is_scheduled("backup"));
}
END_TEST

START_TEST(tasks_that_could_not_be_made_are_made_at_the_next_look)
{
	bool fired = true;

	from = "southwark";
	to = "brent";
	state.authority.state = AUTHORITY_PROVISIONAL;
	snprintf(state.authority.run, sizeof(state.authority.run), RUN);
	event("REQUESTED", NULL);
	event("STARTED", "counter");
	event("TAKEN", "counter");
	for (int nth = 1; fired; nth += fault_step(1)) {
		event_in(d.ledger, "PROVISIONAL", "counter", 1);
		look_and_say();
		ck_assert(!is_scheduled("backup"));
		event("RAN", "counter");
		d.moves->dirty = true;
		fault_arm_all(nth, ENOMEM);
		moves_look(&d);
		fired = fault_fired();
		look_and_say();
		ck_assert_msg(is_scheduled("backup"), "call %d", nth);
	}
}
END_TEST

static enum err_code
take_state(void *ctx, const struct record *r, struct err *err)
{
	(void)err;
	record_text(r, "state", ctx, 32);
	return ERR_NONE;
}

START_TEST(a_backup_that_waits_while_its_service_moves_away_does_not_start)
{
	const struct ledger_filter newest = {.type = LEDGER_JOB,
	    .limit = 1,
	    .newest = true};
	const struct schedule_action *actions;
	size_t count, started = 0;
	char last[32] = "";

	must(reload_tasks(&d, &e), &e);
	must(ask_for_backup(), &e);
	snprintf(state.authority.site, sizeof(state.authority.site),
	    "southwark");
	must(schedule_tick(d.schedule, now_utc(), now_mono(), &actions, &count,
		 &e),
	    &e);
	for (size_t i = 0; i < count; i++)
		if (actions[i].verb == SCHEDULE_START) {
			job_start(&d, &actions[i]);
			started++;
		}
	ck_assert_uint_eq(started, 1);
	ck_assert_ptr_null(d.jobs);
	must(ledger_iterate(d.ledger, &newest, take_state, last, &e), &e);
	ck_assert_str_eq(last, "cancelled");
}
END_TEST

/* A policy that is loaded again may have it no more. */
START_TEST(a_move_whose_service_the_policy_has_no_more_is_let_be)
{
	struct movebook_item *item;
	struct job *j = calloc(1, sizeof(*j));

	ck_assert_ptr_nonnull(j);
	event("REQUESTED", NULL);
	event("STARTED", "counter");
	look_and_say();
	item = d.moves->book.items;
	policy->service_count = 0;
	item->work = (struct movebook_work){.act = MOVE_SYNC,
	    .part = 1,
	    .fetched_since = {1}};
	d.moves->dirty = true;
	moves_look(&d);
	item->work = (struct movebook_work){.act = MOVE_SYNC, .job = "j1"};
	j->d = &d;
	j->kind = job_kind_find("backup");
	j->service = strdup("counter");
	j->state = JOB_SUCCEEDED;
	snprintf(j->id, sizeof(j->id), "j1");
	snprintf(j->run, sizeof(j->run), RUN);
	moveact_job_ended(&d, j);
	ck_assert_int_eq(item->work.result, MOVE_NOT_DONE);
	job_free(&j);
	policy->service_count = 1;
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

/* --- what to do next ------------------------------------------------------------ */

START_TEST(a_silent_site_is_to_be_reached)
{
	char next[900];
	const char *said;

	event("REQUESTED", NULL);
	event("STARTED", "counter");
	said = look_and_say();
	ck_assert_msg(strstr(said, "it does not answer") != NULL &&
		strstr(said, "; type: bascule links") != NULL,
	    "%s", said);
	ck_assert(movesay_next(&d, RUN, next, sizeof(next)));
	ck_assert_msg(strncmp(next, "bascule links (", 15) == 0, "%s", next);
}
END_TEST

START_TEST(of_a_service_at_no_site_people_are_told_how_to_decide)
{
	static const char *const passed[] = {"QUIESCED", "SYNCED", "DEMOTED"};
	const char *said;

	event("REQUESTED", NULL);
	event("STARTED", "counter");
	for (size_t i = 0; i < COUNT_OF(passed); i++)
		event(passed[i], "counter");
	event_in(d.ledger, "GRANTED", "counter", 2);
	state.authority = owned_by("southwark", 2);
	state.authority.state = AUTHORITY_MOVING;
	snprintf(state.authority.from_site, sizeof(state.authority.from_site),
	    "brent");
	snprintf(state.authority.run, sizeof(state.authority.run), RUN);
	said = look_and_say();
	ck_assert_msg(strstr(said, "it is at no site") != NULL &&
		strstr(said, "; type: bascule hold inspect " RUN) != NULL,
	    "%s", said);
}
END_TEST

START_TEST(what_is_under_way_is_named_with_what_it_waits_for)
{
	struct movebook_item *item;
	char wanted[200];
	const char *said;

	event("REQUESTED", NULL);
	event("STARTED", "counter");
	look_and_say();
	item = d.moves->book.items;
	must(ask_for_backup(), &e);
	item->work.act = MOVE_SYNC;
	snprintf(item->work.job, sizeof(item->work.job), "%s", d.jobs->id);
	snprintf(wanted, sizeof(wanted),
	    "the last point is being made and sent: sync is under way "
	    "here (job %s)",
	    d.jobs->id);
	d.jobs->reason[0] = '\0';
	said = look_and_say();
	ck_assert_msg(strstr(said, wanted) != NULL &&
		strstr(said, "waits") == NULL,
	    "%s", said);
	snprintf(d.jobs->reason, sizeof(d.jobs->reason), "no link is up");
	said = look_and_say();
	ck_assert_msg(strstr(said, wanted) != NULL &&
		strstr(said, ", which waits: no link is up") != NULL,
	    "%s", said);
}
END_TEST

START_TEST(what_shows_a_run_does_not_say_to_show_it)
{
	struct movebook_item *item;
	char next[900];

	event("REQUESTED", NULL);
	event("STARTED", "counter");
	look_and_say();
	item = d.moves->book.items;
	snprintf(item->turn.next, sizeof(item->turn.next),
	    "bascule failover show " RUN);
	ck_assert(movesay_next(&d, RUN, next, sizeof(next)));
	ck_assert_msg(strncmp(next, "nothing to type: ", 17) == 0, "%s", next);
}
END_TEST

START_TEST(a_guard_that_bars_says_first_what_can_be_done)
{
	struct movebook_item *item;
	const char *todo, *guard;

	event("REQUESTED", NULL);
	event("STARTED", "counter");
	look_and_say();
	item = d.moves->book.items;
	ck_assert(!moveguard_passes(&d, item, GUARDS_AT_READY));
	todo = strstr(item->blocked, "(override: ");
	guard = strstr(item->blocked, "guard G");
	ck_assert_msg(todo != NULL && guard != NULL && todo < guard &&
		strpbrk(item->blocked, ";\n") == NULL &&
		strlen(item->blocked) <= 220,
	    "%s", item->blocked);
}
END_TEST

START_TEST(of_a_long_reason_a_move_keeps_what_failed_and_why)
{
	OWNED(draft_free) struct draft *draft = NULL;
	const char *reason;

	event("REQUESTED", NULL);
	must(draft_new(&draft, NULL, LEDGER_FAILOVER, &e), &e);
	draft_run(draft, RUN);
	draft_text(draft, "event", "STARTED");
	draft_text(draft, "mode", mode);
	draft_text(draft, "from_site", from);
	draft_text(draft, "to_site", to);
	draft_service(draft, "counter");
	draft_text(draft, "reason",
	    "backing up 'counter/data': writing '/srv/bascule/brent/repository"
	    "/tmp/63e4792b9171a829ac1348d4abbdd04c63e4792b9171a829ac1348d4abb"
	    "dd04c-0': cannot write: No space left on device");
	must(ledger_append(d.ledger, draft, NULL, &e), &e);
	look_and_say();
	reason = d.moves->book.items->m.a.reason;
	ck_assert_msg(strncmp(reason, "backing up 'counter/data'", 25) == 0 &&
		strstr(reason, "No space left on device") != NULL,
	    "%s", reason);
}
END_TEST

/* --- of hundreds ---------------------------------------------------------------- */

#define HUNDREDS (2 * DAEMON_SLICE + 1)

/* A run of counter, and of others that the policy has not. */
static void
request_hundreds(void)
{
	OWNED(draft_free) struct draft *draft = NULL;
	char names[16 * HUNDREDS] = "counter";

	for (int i = 1; i < HUNDREDS; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names),
		    " other%d", i);
	must(draft_new(&draft, NULL, LEDGER_FAILOVER, &e), &e);
	draft_run(draft, RUN);
	draft_text(draft, "event", "REQUESTED");
	draft_text(draft, "mode", mode);
	draft_text(draft, "from_site", from);
	draft_text(draft, "to_site", to);
	draft_text(draft, "services", names);
	must(ledger_append(d.ledger, draft, NULL, &e), &e);
}

static void
seen_at_once(char seen[ID_HEX_BYTES])
{
	OWNED(buf_fini) struct buf shown = {0};
	struct request_book *b;
	struct request *r;

	must(request_find(&b, &d, RUN, &r, &e), &e);
	ck_assert_uint_eq(r->service_count, HUNDREDS);
	must(request_shown(&d, b, r, &shown, seen, &e), &e);
}

START_TEST(what_was_approved_of_hundreds_is_seen_in_turns_and_holds_for_a_while)
{
	char seen[ID_HEX_BYTES];

	request_hundreds();
	ck_assert(!facts_see(&d, RUN));
	ck_assert(!facts_see(&d, RUN));
	ck_assert(facts_see(&d, RUN));
	seen_at_once(seen);
	ck_assert_str_eq(d.facts_seen.seen, seen);
	event("STARTED", "counter"); /* records come all the time */
	ck_assert(facts_see(&d, RUN));
	d.facts_seen.at.ns -= 3600 * NS_PER_S;
	ck_assert(!facts_see(&d, RUN));
	d.policy_number++; /* what was seen so far was of another policy */
	ck_assert(!facts_see(&d, RUN));
	ck_assert(!facts_see(&d, RUN));
	ck_assert(facts_see(&d, RUN));
	d.facts_seen.run[0] = '\0'; /* amid it all the daemon may end */
	ck_assert(!facts_see(&d, RUN));
}
END_TEST

START_TEST(what_was_approved_of_a_few_is_seen_in_the_turn_that_asks)
{
	event("REQUESTED", NULL);
	ck_assert(facts_see(&d, RUN));
	ck_assert_ptr_null(d.facts_seen.showing);
	ck_assert(facts_see(&d, "20261122T120000Z-99999999")); /* none */
}
END_TEST

/* Its gate asks what the approvers saw: until that is whole it is not its turn,
 * and nobody is told that anything bars it. */
START_TEST(a_fence_of_hundreds_waits_for_what_was_approved)
{
	const struct movebook_item *item;
	int looks = 0;

	mode = "unplanned";
	from = "southwark";
	to = "brent";
	snprintf(state.authority.site, sizeof(state.authority.site), "%s",
	    "southwark");
	request_hundreds();
	event("STARTED", NULL);
	look_and_say();
	item = movebook_find(&d.moves->book, RUN, "counter");
	while (d.moves->is_amid && looks++ < 9) {
		ck_assert(!item->has_turn);
		ck_assert_int_eq(moves_wait_ns(&d), DAEMON_TURN_NS);
		moves_look(&d);
	}
	ck_assert_int_eq(looks, 2);
	ck_assert(item->has_turn);
}
END_TEST

/* --- room ------------------------------------------------------------------------- */

static const char *
shown_now(char seen[ID_HEX_BYTES])
{
	static char out[8000];
	OWNED(buf_fini) struct buf shown = {0};
	struct request_book *b;
	struct request *r;

	must(request_find(&b, &d, RUN, &r, &e), &e);
	must(request_shown(&d, b, r, &shown, seen, &e), &e);
	snprintf(out, sizeof(out), "%s", buf_text(&shown));
	return out;
}

/* What has come to the target since has taken the room: that is not what was
 * approved, and a start is refused. */
START_TEST(who_has_no_room_is_part_of_what_is_approved)
{
	OWNED(request_room_fini) struct request_room room = {0};
	char fits[ID_HEX_BYTES], full[ID_HEX_BYTES], again[ID_HEX_BYTES];
	struct request_book *b;
	struct request *r;

	event("REQUESTED", NULL);
	policy->services[0].needs.memory_bytes = 4;
	policy->sites[1].capacity.memory_bytes = 4;
	ck_assert_ptr_null(strstr(shown_now(fits), "ROOM"));
	policy->sites[1].capacity.memory_bytes = 3;
	ck_assert_ptr_nonnull(strstr(shown_now(full),
	    "\nNO-ROOM 7:counter, and nobody has said so\n"));
	ck_assert_str_ne(full, fits);
	must(request_find(&b, &d, RUN, &r, &e), &e);
	must(request_room_of(&room, &d, r, &e), &e);
	ck_assert_int_eq(request_room_check(&room, "southwark", &e),
	    ERR_REFUSED);
	ck_assert_msg(strstr(e.text,
			  "1 of those that would run there: counter") != NULL &&
		strstr(e.text, "--shed counter ") != NULL,
	    "%s", e.text);
	policy->sites[1].capacity.memory_bytes =
	    0; /* the policy does not say */
	ck_assert_ptr_null(strstr(shown_now(again), "ROOM"));
	ck_assert_str_eq(again, fits);
}
END_TEST

START_TEST(names_are_whole_words)
{
	ck_assert(request_room_names("a bc", "bc"));
	ck_assert(!request_room_names("a bc", "b"));
	ck_assert(!request_room_names("abc", "bc"));
	ck_assert(!request_room_names("", "a"));
	ck_assert(!request_room_names(NULL, "a"));
}
END_TEST

Suite *suite_daemon_moves(void);

Suite *
suite_daemon_moves(void)
{
	Suite *s = suite_create("daemon/moves");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_being_brought_up_is_not_backed_up);
	tcase_add_test(tc, a_start_amid_a_plan_schedules_no_backup);
	tcase_add_test(tc,
	    tasks_that_could_not_be_made_are_made_at_the_next_look);
	tcase_add_test(tc,
	    a_backup_that_waits_while_its_service_moves_away_does_not_start);
	tcase_add_test(tc,
	    a_move_whose_service_the_policy_has_no_more_is_let_be);
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
	tcase_add_test(tc, a_silent_site_is_to_be_reached);
	tcase_add_test(tc,
	    of_a_service_at_no_site_people_are_told_how_to_decide);
	tcase_add_test(tc, what_is_under_way_is_named_with_what_it_waits_for);
	tcase_add_test(tc, what_shows_a_run_does_not_say_to_show_it);
	tcase_add_test(tc, a_guard_that_bars_says_first_what_can_be_done);
	tcase_add_test(tc, of_a_long_reason_a_move_keeps_what_failed_and_why);
	tcase_add_test(tc,
	    what_was_approved_of_hundreds_is_seen_in_turns_and_holds_for_a_while);
	tcase_add_test(tc,
	    what_was_approved_of_a_few_is_seen_in_the_turn_that_asks);
	tcase_add_test(tc, a_fence_of_hundreds_waits_for_what_was_approved);
	tcase_add_test(tc, who_has_no_room_is_part_of_what_is_approved);
	tcase_add_test(tc, names_are_whole_words);
	suite_add_tcase(s, tc);
	return s;
}
