/* What the records of two ledgers make of a run, and which words count. */

#include <check.h>

#include <bascule/crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/moves.h"
#include "daemon/peer.h"
#include "daemon/request.h"
#include "support/tmpdir.h"

#define RUN "20261122T120000Z-00000001"

static struct tmpdir td;
static struct daemon d;
static struct policy policy;
static struct policy_person people[1];
static struct policy_site there;
static struct peer peer;
static struct ledger *here;
static struct sign_key *hers, *others;
static char hers_text[SIGN_FINGERPRINT_SIZE], seen[65];
static struct err e;

static struct ledger *
open_ledger(const char *site)
{
	struct ledger_options o = {.site = site, .host = "h"};
	struct ledger *l = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.db", td.path, site);
	ck_assert_int_eq(ledger_open(&l, path, &o, &e), ERR_NONE);
	return l;
}

static void
setup(void)
{
	tmpdir_make_in_memory(&td);
	ck_assert_int_eq(sign_key_new(&hers, &e), ERR_NONE);
	ck_assert_int_eq(sign_key_new(&others, &e), ERR_NONE);
	ck_assert_int_eq(sign_fingerprint(sign_key_public(hers), hers_text, &e),
	    ERR_NONE);
	memset(seen, '7', 64);
	people[0] = (struct policy_person){.name = "carol", .key = hers_text};
	policy = (struct policy){.site = "brent",
	    .people = people,
	    .person_count = 1};
	there.name = "southwark";
	here = open_ledger("brent");
	peer = (struct peer){.site = &there, .copy = open_ledger("southwark")};
	d = (struct daemon){.policy = &policy, .ledger = here, .peers = &peer};
}

static void
teardown(void)
{
	request_book_free(&d.requests);
	ledger_close(&here);
	ledger_close(&peer.copy);
	sign_key_free(&hers);
	sign_key_free(&others);
	tmpdir_remove(&td);
}

static struct draft *
draft_of(const char *type, const char *run, const char *name, int64_t uid)
{
	struct draft *draft = NULL;
	struct draft_actor who = {.uid = uid, .name = name, .council = "brent"};

	ck_assert_int_eq(draft_new(&draft, NULL, type, &e), ERR_NONE);
	draft_run(draft, run);
	draft_actor(draft, &who);
	draft_text(draft, "roles", "approver");
	return draft;
}

static void
append(struct ledger *l, struct draft *draft)
{
	ck_assert_int_eq(ledger_append(l, draft, NULL, &e), ERR_NONE);
	draft_free(&draft);
}

static void
request(struct ledger *l, const char *run)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, run, "alice", 5);

	draft_text(draft, "event", "REQUESTED");
	draft_text(draft, "mode", "planned");
	draft_text(draft, "from_site", "brent");
	draft_text(draft, "to_site", "southwark");
	draft_text(draft, "reason", "why");
	draft_text(draft, "services", "a b");
	draft_text(draft, "point.a", "- 0");
	draft_text(draft, "point.b", "abcd 3600000000000");
	draft_text(draft, "seen", seen);
	draft_text(draft, "shown", "one\n");
	draft_text(draft, "shown", "two\n");
	append(l, draft);
}

static void
event(struct ledger *l, const char *service, const char *name)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, RUN, "x", 1);

	draft_service(draft, service);
	draft_text(draft, "event", name);
	append(l, draft);
}

/* key NULL: not signed. */
static void
approve(struct ledger *l, const char *name, const struct sign_key *key,
    const char *signed_run, const char *signed_seen)
{
	struct draft *draft = draft_of(LEDGER_APPROVAL, RUN, name, 9);
	OWNED(buf_fini) struct buf m = {0};
	uint8_t signature[SIGN_BYTES];
	char hex[2 * SIGN_BYTES + 1];

	draft_text(draft, "verb", "approve");
	draft_text(draft, "seen", seen);
	if (key != NULL) {
		ck_assert_int_eq(request_signed(signed_run, APPROVALS_APPROVE,
				     signed_seen, &m, &e),
		    ERR_NONE);
		ck_assert_int_eq(sign_make(key, REQUEST_SIGN_LABEL, m.bytes,
				     m.len_bytes, signature, &e),
		    ERR_NONE);
		draft_text(draft, "signature",
		    text_hex(signature, SIGN_BYTES, hex));
		draft_text(draft, "signer",
		    text_hex(sign_key_public(key)->bytes, SIGN_PUBLIC_BYTES,
			hex));
	}
	append(l, draft);
}

static struct request *
get(void)
{
	struct request_book *b = NULL;
	struct request *r;

	ck_assert_int_eq(request_book_get(&b, &d, &e), ERR_NONE);
	r = request_book_find(b, RUN);
	ck_assert_ptr_nonnull(r);
	return r;
}

START_TEST(a_request_is_what_its_record_says)
{
	struct request *r;

	request(here, RUN);
	r = get();
	ck_assert_int_eq(r->mode, GUARDS_PLANNED);
	ck_assert_str_eq(r->asked_at, "brent");
	ck_assert_uint_eq(r->service_count, 2);
	ck_assert_str_eq(r->services[0].point, "");
	ck_assert_str_eq(r->services[1].point, "abcd");
	ck_assert_int_eq(r->services[1].loss_ns, INT64_C(3600) * NS_PER_S);
	ck_assert_str_eq(r->shown, "one\ntwo\n");
	ck_assert_str_eq(r->requester.name, "alice");
	ck_assert(!r->over && !r->started);
}
END_TEST

START_TEST(what_comes_later_is_read_from_there_on)
{
	struct request *r;

	request(here, RUN);
	ck_assert_uint_eq(get()->word_count, 0);
	approve(peer.copy, "bob", NULL, RUN, seen);
	event(here, NULL, "STARTED");
	r = get();
	ck_assert_uint_eq(r->word_count, 1);
	ck_assert_str_eq(r->words[0].who.site, "southwark");
	ck_assert(r->started);
	ck_assert_uint_eq(get()->word_count, 1); /* and not twice */
}
END_TEST

START_TEST(a_word_before_its_request_is_not_lost)
{
	struct request_book *b = NULL;

	approve(here, "bob", NULL, RUN, seen);
	ck_assert_int_eq(request_book_get(&b, &d, &e), ERR_NONE);
	ck_assert_uint_eq(b->count, 0);
	request(peer.copy, RUN);
	ck_assert_uint_eq(get()->word_count, 1);
}
END_TEST

START_TEST(it_is_over_when_each_service_is)
{
	request(here, RUN);
	event(here, NULL, "STARTED");
	event(here, "a", "GRANTED");
	event(peer.copy, "a", "COMMITTED");
	ck_assert(!get()->over);
	ck_assert_ptr_null(request_book_binds(d.requests, "a", ""));
	ck_assert_ptr_nonnull(request_book_binds(d.requests, "b", ""));
	ck_assert_ptr_null(request_book_binds(d.requests, "b", RUN));
	event(here, "b", "ABORTED");
	ck_assert(get()->over);
}
END_TEST

/* Retention keeps it, at the site that goes back to it. */
START_TEST(what_an_open_run_goes_back_to_is_kept)
{
	struct request_book *b;

	request(here, RUN);
	(void)get();
	b = d.requests;
	ck_assert(request_book_chose(b, "b", get()->to, "abcd"));
	ck_assert(!request_book_chose(b, "a", get()->to, "abcd"));
	ck_assert(!request_book_chose(b, "b", get()->to, "abce"));
	ck_assert(!request_book_chose(b, "b", get()->from, "abcd"));
	event(here, NULL, "STARTED");
	(void)get();
	ck_assert(request_book_chose(b, "b", get()->to, "abcd"));
	event(here, "b", "ABORTED");
	(void)get();
	ck_assert(!request_book_chose(b, "b", get()->to, "abcd"));
}
END_TEST

static bool
is_refused(void)
{
	struct movebook_item item = {.m = {.known = true, .run = RUN},
	    .words = {{.verb = APPROVALS_REFUSE}},
	    .words_count = 1};

	snprintf(item.m.from, sizeof(item.m.from), "brent");
	snprintf(item.m.to, sizeof(item.m.to), "southwark");
	item.m.a.fact[MOVE_STARTED] = 1;
	if (movefacts_refused(&d, &item)) {
		item.m.a.fact[MOVE_QUIESCED] = 2; /* too late */
		ck_assert(!movefacts_refused(&d, &item));
		return true;
	}
	return false;
}

START_TEST(a_no_after_the_start_takes_the_approval_away)
{
	OWNED(draft_free)
	struct draft *no = draft_of(LEDGER_APPROVAL, RUN, "bob", 2001);

	request(here, RUN);
	approve(here, "bob", NULL, RUN, seen);
	event(here, NULL, "STARTED");
	ck_assert(!is_refused());
	draft_text(no, "verb", "refuse");
	draft_text(no, "seen", seen);
	ck_assert_int_eq(ledger_append(here, no, NULL, &e), ERR_NONE);
	ck_assert(is_refused());
}
END_TEST

/* RQ3 */
START_TEST(who_has_a_key_counts_by_its_signature_alone)
{
	char other[65];

	memset(other, '8', 64);
	other[64] = '\0';
	request(here, RUN);
	approve(peer.copy, "carol", NULL, RUN, seen);     /* forged */
	approve(peer.copy, "carol", others, RUN, seen);   /* another's key */
	approve(peer.copy, "carol", hers, "older", seen); /* replayed */
	approve(peer.copy, "carol", hers, RUN, other); /* of something else */
	ck_assert_uint_eq(get()->word_count, 0);
	approve(peer.copy, "carol", hers, RUN, seen);
	ck_assert_uint_eq(get()->word_count, 1);
	ck_assert(get()->is_signed[0]);
	ck_assert_str_eq(get()->words[0].who.key, hers_text);
}
END_TEST

START_TEST(only_the_site_asked_says_what_is_to_be_approved)
{
	struct draft *draft;

	request(here, RUN);
	for (int i = 0; i < 2; i++) {
		draft = draft_of(LEDGER_FAILOVER, RUN, "x", 1);
		draft_text(draft, "event", "approval-needed");
		draft_text(draft, "seen", "eee");
		draft_text(draft, "shown", "three\n");
		append(i == 0 ? peer.copy : here, draft);
		ck_assert_uint_eq(get()->changes, (unsigned)i);
		ck_assert_str_eq(get()->shown,
		    i == 0 ? "one\ntwo\n" : "three\n");
	}
}
END_TEST

START_TEST(the_beginning_of_an_id_will_do_if_it_is_ones_alone)
{
	request(here, RUN);
	request(here, "20261122T120000Z-00000002");
	(void)get();
	ck_assert_ptr_null(request_book_find(d.requests, "2026"));
	ck_assert_ptr_nonnull(
	    request_book_find(d.requests, "20261122T120000Z-00000002"));
	ck_assert_ptr_null(request_book_find(d.requests, "2027"));
	ck_assert_ptr_null(request_book_find(d.requests, ""));
}
END_TEST

Suite *suite_daemon_request_book(void);
Suite *
suite_daemon_request_book(void)
{
	Suite *s = suite_create("daemon/request_book");
	TCase *t = tcase_create("book");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_an_open_run_goes_back_to_is_kept);
	tcase_add_test(t, a_no_after_the_start_takes_the_approval_away);
	tcase_add_test(t, a_request_is_what_its_record_says);
	tcase_add_test(t, what_comes_later_is_read_from_there_on);
	tcase_add_test(t, a_word_before_its_request_is_not_lost);
	tcase_add_test(t, it_is_over_when_each_service_is);
	tcase_add_test(t, who_has_a_key_counts_by_its_signature_alone);
	tcase_add_test(t, only_the_site_asked_says_what_is_to_be_approved);
	tcase_add_test(t, the_beginning_of_an_id_will_do_if_it_is_ones_alone);
	suite_add_tcase(s, t);
	return s;
}
