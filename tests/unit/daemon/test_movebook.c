/* What the records of two ledgers make of moves, registers and words. */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "daemon/movebook.h"
#include "daemon/peer.h"
#include "daemon/request.h"
#include "support/must.h"
#include "support/tmpdir.h"

#define RUN1 "20261122T120000Z-00000001"
#define RUN2 "20261122T120000Z-00000002"

static struct tmpdir td;
static struct daemon d;
static struct policy policy;
static struct policy_site there;
static struct peer peer;
static struct ledger *here;
static struct movebook book;
static struct err e;

static struct ledger *
open_ledger(const char *site)
{
	struct ledger_options o = {.site = site, .host = "h"};
	struct ledger *l = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.db", td.path, site);
	must(ledger_open(&l, path, &o, &e), &e);
	return l;
}

static void
setup(void)
{
	tmpdir_make_in_memory(&td);
	policy = (struct policy){.site = "brent"};
	there.name = "southwark";
	here = open_ledger("brent");
	peer = (struct peer){.site = &there, .copy = open_ledger("southwark")};
	d = (struct daemon){.policy = &policy, .ledger = here, .peers = &peer};
	book = (struct movebook){0};
}

static void
teardown(void)
{
	movebook_fini(&book);
	ledger_close(&here);
	ledger_close(&peer.copy);
	tmpdir_remove(&td);
}

/* As a start does: everything anew. */
static bool
read_again(void)
{
	bool changed;

	movebook_fini(&book);
	must(movebook_update(&d, &book, &changed, &e), &e);
	return changed;
}

static struct draft *
draft_of(const char *type, const char *run, const char *service)
{
	struct draft *draft = NULL;
	struct draft_actor who = {.uid = 5,
	    .name = "alice",
	    .council = "brent"};

	must(draft_new(&draft, NULL, type, &e), &e);
	draft_run(draft, run);
	draft_actor(draft, &who);
	if (service != NULL)
		draft_service(draft, service);
	return draft;
}

static void
append(struct ledger *l, struct draft *draft)
{
	must(ledger_append(l, draft, NULL, &e), &e);
	draft_free(&draft);
}

static void
request(struct ledger *l, const char *run, const char *mode)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, run, NULL);

	draft_text(draft, "event", "REQUESTED");
	draft_text(draft, "mode", mode);
	draft_text(draft, "from_site", "brent");
	draft_text(draft, "to_site", "southwark");
	draft_text(draft, "services", "a b");
	draft_text(draft, "point.a", "- 0 9");
	draft_text(draft, "point.b", "abcd 3600000000000");
	draft_uint(draft, "epoch.b", 7); /* as it was said once */
	append(l, draft);
}

static void
event(struct ledger *l, const char *run, const char *service, const char *name)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, run, service);

	draft_text(draft, "event", name);
	append(l, draft);
}

static void
word(struct ledger *l, const char *run, const char *service, const char *verb,
    const char *reason, int64_t uid)
{
	struct draft *draft = draft_of(LEDGER_APPROVAL, run, service);
	char name[24];
	struct draft_actor who = {.uid = uid, .name = name};

	snprintf(name, sizeof(name), "person%d", (int)uid);
	draft_actor(draft, &who);
	draft_text(draft, "verb", verb);
	draft_text(draft, "reason", reason);
	draft_int(draft, "login_uid", uid);
	draft_text(draft, "login_name", name);
	append(l, draft);
}

START_TEST(a_request_is_a_move_of_each_of_its_services)
{
	request(here, RUN1, "unplanned");
	ck_assert(read_again());
	ck_assert_str_eq(movebook_find(&book, RUN1, "a")->m.point, "-");
	ck_assert_str_eq(movebook_find(&book, RUN1, "b")->m.point, "abcd");
	ck_assert_uint_eq(movebook_find(&book, RUN1, "a")->m.epoch, 9);
	ck_assert_uint_eq(movebook_find(&book, RUN1, "b")->m.epoch, 7);
	ck_assert_int_eq(movebook_find(&book, RUN1, "b")->m.mode,
	    GUARDS_UNPLANNED);
	ck_assert_ptr_null(movebook_find(&book, RUN1, "c"));
	ck_assert_ptr_null(movebook_find(&book, RUN2, NULL));
	ck_assert(movebook_is_open(&book));
}
END_TEST

/* Names as long as they may be, and every field that goes with them. */
START_TEST(a_request_of_as_many_as_there_may_be_is_one_record)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, RUN1, NULL);
	OWNED(buf_fini) struct buf names = {0};
	char name[80], id[ID_HEX_BYTES];

	memset(id, 'f', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	draft_text(draft, "event", "REQUESTED");
	draft_text(draft, "mode", "unplanned");
	draft_text(draft, "from_site", "brent");
	draft_text(draft, "to_site", "southwark");
	for (int i = 0; i < REQUEST_SERVICES_MAX; i++)
		must(buf_printf(&names, &e, "%s%063d", i > 0 ? " " : "", i),
		    &e);
	draft_text(draft, "services", buf_text(&names));
	for (int i = 0; i < REQUEST_SERVICES_MAX; i++) {
		OWNED(buf_fini) struct buf text = {0};

		must(buf_printf(&text, &e, "%s %lld %d", id, INT64_MAX + 0LL,
			 i),
		    &e);
		snprintf(name, sizeof(name), "point.%063d", i);
		draft_text(draft, name, buf_text(&text));
	}
	for (int i = 0; i < 60; i++) /* what else is said, and is shown */
		draft_text(draft, "shown", "x");
	append(here, draft);
	ck_assert(read_again());
	snprintf(name, sizeof(name), "%063d", REQUEST_SERVICES_MAX - 1);
	ck_assert_ptr_nonnull(movebook_find(&book, RUN1, name));
	ck_assert_str_eq(movebook_find(&book, RUN1, name)->m.point, id);
	ck_assert_uint_eq(movebook_find(&book, RUN1, name)->m.epoch,
	    REQUEST_SERVICES_MAX - 1);
}
END_TEST

/* Southwark's was first, brent's second; both are read, brent's first. */
START_TEST(of_moves_that_are_over_the_newest_counts_whoever_recorded_it)
{
	request(peer.copy, RUN1, "planned");
	event(peer.copy, RUN1, NULL, "WITHDRAWN");
	request(here, RUN2, "planned");
	event(here, RUN2, NULL, "WITHDRAWN");
	read_again();
	ck_assert_str_eq(movebook_find(&book, NULL, "a")->m.run, RUN2);
	ck_assert(!movebook_is_open(&book));
}
END_TEST

START_TEST(an_open_move_counts_before_a_newer_one_that_is_over)
{
	request(here, RUN1, "planned");
	request(peer.copy, RUN2, "planned");
	event(peer.copy, RUN2, NULL, "WITHDRAWN");
	read_again();
	ck_assert_str_eq(movebook_find(&book, NULL, "a")->m.run, RUN1);
}
END_TEST

START_TEST(records_are_taken_once_and_news_are_taken_up)
{
	bool changed;

	request(here, RUN1, "planned");
	event(here, RUN1, NULL, "STARTED");
	read_again();
	must(movebook_update(&d, &book, &changed, &e), &e);
	ck_assert(!changed);
	event(peer.copy, RUN1, "a", "READY");
	must(movebook_update(&d, &book, &changed, &e), &e);
	ck_assert(changed);
	ck_assert_uint_ne(movebook_find(&book, RUN1, "a")->m.b.fact[MOVE_READY],
	    0);
	ck_assert_uint_eq(movebook_find(&book, RUN1, "b")->m.b.fact[MOVE_READY],
	    0);
}
END_TEST

START_TEST(an_answer_that_comes_before_its_request_is_taken_up_later)
{
	bool changed;

	event(peer.copy, RUN1, "a", "READY");
	read_again();
	ck_assert(book.lost);
	request(here, RUN1, "planned");
	must(movebook_update(&d, &book, &changed, &e), &e);
	ck_assert(!book.lost);
	ck_assert_uint_ne(movebook_find(&book, RUN1, "a")->m.b.fact[MOVE_READY],
	    0);
}
END_TEST

START_TEST(a_record_that_does_not_fit_changes_nothing)
{
	request(here, RUN1, "planned");
	event(here, RUN1, "a", "READY"); /* that is southwark's to say */
	event(here, RUN1, "a", "NEVER-HEARD-OF");
	read_again();
	ck_assert_uint_eq(movebook_find(&book, RUN1, "a")->m.a.fact[MOVE_READY],
	    0);
	ck_assert_int_eq(move_phase(&movebook_find(&book, RUN1, "a")->m),
	    MOVE_REQUESTED);
}
END_TEST

START_TEST(broken_glass_and_overrides_are_remembered_with_who_did_it)
{
	struct draft *draft;
	struct movebook_item *item;

	request(here, RUN1, "unplanned");
	draft = draft_of(LEDGER_FAILOVER, RUN1, NULL);
	draft_text(draft, "event", "STARTED");
	draft_text(draft, "overrides", "G08 G12");
	draft_uint(draft, "break_glass", 1);
	draft_int(draft, "login_uid", 1000);
	draft_text(draft, "login_name", "carol");
	append(here, draft);
	read_again();
	item = movebook_find(&book, RUN1, "a");
	ck_assert(item->glass_broken);
	ck_assert_str_eq(item->glass_by.name, "alice");
	ck_assert_str_eq(item->glass_by.login_name, "carol");
	ck_assert_int_eq(item->glass_by.login_uid, 1000);
	ck_assert_uint_eq(item->overrides, 1u << 8 | 1u << 12);
}
END_TEST

static unsigned
attested(void)
{
	return movebook_attested(movebook_find(&book, RUN1, "a"), now_utc());
}

START_TEST(one_login_attests_once_whatever_its_accounts_are_called)
{
	struct draft *draft;

	request(here, RUN1, "unplanned");
	word(here, RUN1, NULL, "attest", "power is off", 6);
	draft = draft_of(LEDGER_APPROVAL, RUN1, NULL);
	draft_text(draft, "verb", "attest");
	draft_text(draft, "reason", "power is off");
	draft_text(draft, "login_name", "person6"); /* reached from there */
	append(here, draft);
	read_again();
	ck_assert_uint_eq(attested(), 1);
	word(peer.copy, RUN1, NULL, "attest", "power is off", 8);
	read_again();
	ck_assert_uint_eq(attested(), 2);
}
END_TEST

START_TEST(two_people_release_a_service_within_half_an_hour)
{
	struct utc now = now_utc(), later;
	unsigned persons = 0;

	word(here, NULL, "a", "release", "brent", 6);
	read_again();
	ck_assert_uint_eq(movebook_released(&book, "a", "brent", now_utc()), 1);
	word(peer.copy, NULL, "a", "release", "brent", 8);
	read_again();
	ck_assert_uint_eq(movebook_released(&book, "a", "brent", now_utc()), 2);
	ck_assert_uint_eq(movebook_released(&book, "a", "southwark", now_utc()),
	    0);
	ck_assert_uint_eq(movebook_released(&book, "b", "brent", now_utc()), 0);
	later.ns = now.ns + 31 * 60 * NS_PER_S;
	ck_assert_uint_eq(movebook_released(&book, "a", "brent", later), 0);
	ck_assert_str_eq(movebook_release_owner(&book, "a", now, now_utc(),
			     &persons),
	    "brent");
	ck_assert_uint_eq(persons, 2);
	ck_assert_ptr_null(
	    movebook_release_owner(&book, "a", later, later, &persons));
}
END_TEST

START_TEST(the_other_sites_register_is_its_newest_outcome)
{
	struct draft *draft;

	for (unsigned i = 1; i <= 2; i++) {
		draft = draft_of(LEDGER_AUTHORITY, RUN1, "a");
		draft_text(draft, "event", "grant");
		draft_text(draft, "state", "PROTECTED");
		draft_text(draft, "active_site",
		    i == 1 ? "brent" : "southwark");
		draft_uint(draft, "epoch", i);
		draft_uint(draft, "highest_seen", i);
		append(peer.copy, draft);
	}
	read_again();
	ck_assert_ptr_null(movebook_register(&book, "a", "brent"));
	ck_assert_uint_eq(movebook_register(&book, "a", "southwark")->a.epoch,
	    2);
	ck_assert_str_eq(movebook_register(&book, "a", "southwark")->a.site,
	    "southwark");
}
END_TEST

Suite *suite_daemon_movebook(void);
Suite *
suite_daemon_movebook(void)
{
	Suite *s = suite_create("daemon/movebook");
	TCase *tc = tcase_create("movebook");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_request_is_a_move_of_each_of_its_services);
	tcase_add_test(tc, a_request_of_as_many_as_there_may_be_is_one_record);
	tcase_add_test(tc,
	    of_moves_that_are_over_the_newest_counts_whoever_recorded_it);
	tcase_add_test(tc, an_open_move_counts_before_a_newer_one_that_is_over);
	tcase_add_test(tc, records_are_taken_once_and_news_are_taken_up);
	tcase_add_test(tc,
	    an_answer_that_comes_before_its_request_is_taken_up_later);
	tcase_add_test(tc, a_record_that_does_not_fit_changes_nothing);
	tcase_add_test(tc,
	    broken_glass_and_overrides_are_remembered_with_who_did_it);
	tcase_add_test(tc,
	    one_login_attests_once_whatever_its_accounts_are_called);
	tcase_add_test(tc, two_people_release_a_service_within_half_an_hour);
	tcase_add_test(tc, the_other_sites_register_is_its_newest_outcome);
	suite_add_tcase(s, tc);
	return s;
}
