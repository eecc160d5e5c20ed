/* What the records of two ledgers make of moves, registers and words. */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include <bascule/crypt.h>

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

static void
start_by_glass(struct ledger *l)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, RUN1, NULL);

	draft_text(draft, "event", "STARTED");
	draft_text(draft, "overrides", "G08 G12");
	draft_uint(draft, "break_glass", 1);
	append(l, draft);
	read_again();
}

START_TEST(glass_is_broken_and_guards_overridden_where_it_was_asked_alone)
{
	struct movebook_item *item;

	request(here, RUN1, "unplanned");
	start_by_glass(peer.copy);
	item = movebook_find(&book, RUN1, "a");
	ck_assert(!item->glass_broken);
	ck_assert_int_eq(item->started.ns, 0);
	ck_assert_uint_eq(item->overrides, 0);
	start_by_glass(here);
	item = movebook_find(&book, RUN1, "a");
	ck_assert(item->glass_broken);
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

static struct policy_person carol = {.name = "person8",
    .council = "",
    .key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};

/* WD2: another site's root may write what it likes. */
START_TEST(who_has_a_key_does_not_attest_without_it)
{
	policy.people = &carol;
	policy.person_count = 1;
	request(here, RUN1, "unplanned");
	word(here, RUN1, NULL, "attest", "power is off", 6);
	word(peer.copy, RUN1, NULL, "attest", "power is off", 8);
	read_again();
	ck_assert_uint_eq(attested(), 1);
}
END_TEST

START_TEST(whose_word_counts_is_the_policys_in_force)
{
	bool changed;

	request(here, RUN1, "unplanned");
	word(here, RUN1, NULL, "attest", "power is off", 6);
	word(peer.copy, RUN1, NULL, "attest", "power is off", 8);
	read_again();
	ck_assert_uint_eq(attested(), 2);
	policy.people = &carol;
	policy.person_count = 1;
	d.policy_number++;
	must(movebook_update(&d, &book, &changed, &e), &e);
	ck_assert_uint_eq(attested(), 1);
	policy.person_count = 0;
	d.policy_number++;
	must(movebook_update(&d, &book, &changed, &e), &e);
	ck_assert_uint_eq(attested(), 2);
}
END_TEST

/* WD5 */
START_TEST(where_words_are_to_be_signed_only_keys_attest_and_release)
{
	static struct policy_service services[] = {
	    {.name = "a", .owner = "brent", .approvals = {.is_signed = true}}};

	policy.services = services;
	policy.service_count = 1;
	request(here, RUN1, "unplanned");
	word(here, RUN1, NULL, "attest", "power is off", 6);
	word(peer.copy, RUN1, NULL, "attest", "power is off", 8);
	word(here, NULL, "a", "release", "brent", 6);
	word(here, NULL, "b", "release", "brent", 6);
	word(here, RUN1, NULL, "refuse", "no", 6);
	read_again();
	ck_assert_uint_eq(attested(), 0);
	ck_assert_uint_eq(movebook_released(&book, "a", "brent", now_utc()), 0);
	ck_assert_uint_eq(movebook_released(&book, "b", "brent", now_utc()), 1);
	ck_assert_uint_eq(movebook_find(&book, RUN1, "a")->words_count, 1);
	ck_assert_uint_eq(movebook_attested(movebook_find(&book, RUN1, "b"),
			      now_utc()),
	    2);
}
END_TEST

/* What one site overrides binds no other that judges for itself. */
START_TEST(whose_override_it_is_is_known)
{
	struct movebook_item *item;

	request(here, RUN1, "unplanned");
	for (int i = 0; i < 2; i++) {
		struct draft *draft = draft_of(LEDGER_FAILOVER, RUN1, NULL);

		draft_text(draft, "event", "override");
		draft_text(draft, "guard", i == 0 ? "G04" : "G08");
		append(i == 0 ? peer.copy : here, draft);
	}
	read_again();
	item = movebook_find(&book, RUN1, "a");
	ck_assert_uint_eq(item->overrides, 1u << 4 | 1u << 8);
	ck_assert_uint_eq(item->overridden_here, 1u << 8);
}
END_TEST

/* WD4 */
START_TEST(root_whose_login_nobody_knows_is_nobody)
{
	static const int64_t logins[] = {APPROVALS_NO_UID, 0, 7};

	request(here, RUN1, "unplanned");
	word(here, RUN1, NULL, "attest", "power is off", 6);
	for (size_t i = 0; i < 3; i++) {
		struct draft *draft = draft_of(LEDGER_APPROVAL, RUN1, NULL);
		struct draft_actor root = {.uid = 0, .name = "root"};

		draft_actor(draft, &root);
		draft_text(draft, "verb", "attest");
		draft_text(draft, "reason", "power is off");
		draft_int(draft, "login_uid", logins[i]);
		append(here, draft);
		read_again();
		ck_assert_uint_eq(attested(), i < 2 ? 1 : 2);
	}
}
END_TEST

/* WD3 */
START_TEST(one_who_attests_much_pushes_nobody_out)
{
	char text[32];

	request(here, RUN1, "unplanned");
	word(here, RUN1, NULL, "attest", "power is off", 6);
	word(here, RUN1, NULL, "refuse", "no", 7);
	word(peer.copy, RUN1, NULL, "attest", "power is off", 8);
	for (int i = 0; i < 2 * MOVEBOOK_WORDS_MAX; i++) {
		snprintf(text, sizeof(text), "method %d", i);
		word(peer.copy, RUN1, NULL, "attest", text, 9);
	}
	read_again();
	ck_assert_uint_eq(attested(), 2);
	ck_assert_uint_eq(movebook_find(&book, RUN1, "a")->words_count, 5);
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

/* person8's word, signed as `of` says and recorded as the others say. */
static void
release(struct ledger *l, const char *service, const char *owner,
    const struct sign_key *key, const struct approvals_signing *of)
{
	struct draft *draft = draft_of(LEDGER_APPROVAL, NULL, service);
	struct draft_actor who = {.uid = 8, .name = "person8"};
	OWNED(buf_fini) struct buf m = {0};
	uint8_t signature[SIGN_BYTES];
	char hex[2 * SIGN_BYTES + 1];
	const char *label;

	must(approvals_signed(of, &label, &m, &e), &e);
	must(sign_make(key, label, m.bytes, m.len_bytes, signature, &e), &e);
	draft_actor(draft, &who);
	draft_text(draft, "verb", "release");
	draft_text(draft, "reason", owner);
	draft_text(draft, "note", "looked at both");
	draft_text(draft, "signature", text_hex(signature, SIGN_BYTES, hex));
	draft_text(draft, "signer",
	    text_hex(sign_key_public(key)->bytes, SIGN_PUBLIC_BYTES, hex));
	if (of->said.ns != 0)
		draft_utc(draft, "said_ns", of->said);
	append(l, draft);
}

/* WD2, T4 */
START_TEST(who_has_a_key_releases_by_its_signature_alone)
{
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	struct policy_person person = {.name = "person8",
	    .council = "",
	    .key = fingerprint};
	struct approvals_signing of = {.run = "",
	    .service = "a",
	    .verb = APPROVALS_RELEASE,
	    .seen = "",
	    .said = now_utc(),
	    .reason = "brent",
	    .note = "looked at both"};
	OWNED(sign_key_free) struct sign_key *key = NULL;
	struct utc now = now_utc();
	struct approvals_signing v1 = of;

	must(sign_key_new(&key, &e), &e);
	must(sign_fingerprint(sign_key_public(key), fingerprint, &e), &e);
	policy.people = &person;
	policy.person_count = 1;
	v1.said.ns = 0;
	word(here, NULL, "a", "release", "brent", 8);   /* not signed */
	release(here, "a", "brent", key, &v1);          /* no owner in it */
	release(here, "b", "brent", key, &of);          /* of another service */
	release(peer.copy, "a", "southwark", key, &of); /* another owner */
	read_again();
	ck_assert_uint_eq(movebook_released(&book, "a", "brent", now), 0);
	ck_assert_uint_eq(movebook_released(&book, "b", "brent", now), 0);
	ck_assert_uint_eq(movebook_released(&book, "a", "southwark", now), 0);
	release(here, "a", "brent", key, &of);
	of.said.ns++;
	of.reason = "southwark";
	release(here, "a", "southwark", key, &of);
	of.said.ns--;
	of.reason =
	    "brent"; /* who thought better of it is not made to go back */
	release(peer.copy, "a", "brent", key, &of);
	read_again();
	ck_assert_uint_eq(movebook_released(&book, "a", "brent", now), 1);
	ck_assert_str_eq(movebook_release_owner(&book, "a", (struct utc){0},
			     now_utc(), &(unsigned){0}),
	    "southwark");
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
	    glass_is_broken_and_guards_overridden_where_it_was_asked_alone);
	tcase_add_test(tc, who_has_a_key_does_not_attest_without_it);
	tcase_add_test(tc,
	    where_words_are_to_be_signed_only_keys_attest_and_release);
	tcase_add_test(tc, whose_override_it_is_is_known);
	tcase_add_test(tc, root_whose_login_nobody_knows_is_nobody);
	tcase_add_test(tc, one_who_attests_much_pushes_nobody_out);
	tcase_add_test(tc, whose_word_counts_is_the_policys_in_force);
	tcase_add_test(tc,
	    one_login_attests_once_whatever_its_accounts_are_called);
	tcase_add_test(tc, two_people_release_a_service_within_half_an_hour);
	tcase_add_test(tc, who_has_a_key_releases_by_its_signature_alone);
	tcase_add_test(tc, the_other_sites_register_is_its_newest_outcome);
	suite_add_tcase(s, tc);
	return s;
}
