/* What the records of two ledgers make of a run, and which words count. */

#include <check.h>

#include <bascule/base/role.h>
#include <bascule/crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/moves.h"
#include "daemon/peer.h"
#include "daemon/request.h"
#include "support/puppet.h"
#include "support/tmpdir.h"

#define RUN "20261122T120000Z-00000001"

static struct tmpdir td;
static struct daemon d;
static struct policy policy;
static struct policy_person people[2];
static struct policy_site there;
static struct peer peer;
static struct ledger *here;
static struct sign_key *hers, *others, *alices; /* who asks */
static char hers_text[SIGN_FINGERPRINT_SIZE], seen[65];
static char alices_text[SIGN_FINGERPRINT_SIZE];
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
	ck_assert_int_eq(sign_key_new(&alices, &e), ERR_NONE);
	ck_assert_int_eq(sign_fingerprint(sign_key_public(alices), alices_text,
			     &e),
	    ERR_NONE);
	memset(seen, '7', 64);
	people[0] = (struct policy_person){.name = "carol",
	    .council = "",
	    .key = hers_text};
	people[1] = (struct policy_person){.name = "alice",
	    .council = "",
	    .key = alices_text};
	policy = (struct policy){.site = "brent",
	    .people = people,
	    .person_count = COUNT_OF(people)};
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
	sign_key_free(&alices);
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

static enum approvals_verb signs_as = APPROVALS_APPROVE;

/* Sign what the draft says, but for what is given; said 0: as v1. */
static void
sign(struct draft *draft, const struct sign_key *key,
    const struct approvals_signing *of)
{
	OWNED(buf_fini) struct buf m = {0};
	uint8_t signature[SIGN_BYTES];
	char hex[2 * SIGN_BYTES + 1];
	const char *label;

	ck_assert_int_eq(approvals_signed(of, &label, &m, &e), ERR_NONE);
	ck_assert_int_eq(sign_make(key, label, m.bytes, m.len_bytes, signature,
			     &e),
	    ERR_NONE);
	draft_text(draft, "signature", text_hex(signature, SIGN_BYTES, hex));
	draft_text(draft, "signer",
	    text_hex(sign_key_public(key)->bytes, SIGN_PUBLIC_BYTES, hex));
	if (of->said.ns != 0)
		draft_int(draft, "said_ns", of->said.ns);
}

/* key NULL: not signed. */
static void
approve(struct ledger *l, const char *name, const struct sign_key *key,
    const char *signed_run, const char *signed_seen)
{
	struct draft *draft = draft_of(LEDGER_APPROVAL, RUN, name, 9);

	draft_text(draft, "verb", "approve");
	draft_text(draft, "seen", seen);
	if (key != NULL)
		sign(draft, key,
		    &(struct approvals_signing){signed_run, "", signs_as,
			signed_seen, now_utc(), "", ""});
	append(l, draft);
}

/* Alice's word for what she has asked. */
static void
sign_request(struct ledger *l, const struct sign_key *key)
{
	struct draft *draft = draft_of(LEDGER_APPROVAL, RUN, "alice", 5);

	draft_text(draft, "verb", "request");
	draft_text(draft, "seen", seen);
	sign(draft, key,
	    &(struct approvals_signing){RUN, "", APPROVALS_REQUEST, seen,
		now_utc(), "", ""});
	append(l, draft);
}

/* Carol's word, signed as `of` says and recorded as the others say. */
static void
carols(struct ledger *l, const char *verb, const char *reason,
    struct approvals_signing of)
{
	struct draft *draft = draft_of(LEDGER_APPROVAL, RUN, "carol", 9);

	draft_text(draft, "verb", verb);
	draft_text(draft, "seen", seen);
	draft_text(draft, "reason", reason);
	of.run = RUN;
	of.service = of.note = "";
	of.seen = seen;
	sign(draft, hers, &of);
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
	signs_as = APPROVALS_REFUSE;
	approve(peer.copy, "carol", hers, RUN, seen); /* of another word */
	signs_as = APPROVALS_APPROVE;
	ck_assert_uint_eq(get()->word_count, 0);
	approve(peer.copy, "carol", hers, RUN, seen);
	ck_assert_uint_eq(get()->word_count, 1);
	ck_assert_str_eq(get()->words[0].who.key, hers_text);
}
END_TEST

/* RQ3: another's root writes what it likes into its own ledger. */
static void
forge_as_brent(void)
{
	struct ledger_options o = {.site = "brent", .host = "h"};
	char path[128];

	ledger_close(&peer.copy);
	snprintf(path, sizeof(path), "%s/forged.db", td.path);
	ck_assert_int_eq(ledger_open(&peer.copy, path, &o, &e), ERR_NONE);
}

static struct approvals_judgement judge(void);

/* Who writes a ledger has her signatures, and may record them again. */
START_TEST(a_signed_word_that_is_recorded_again_is_no_new_one)
{
	const struct utc t = now_utc();
	const struct approvals_signing yes = {.verb = APPROVALS_APPROVE,
	    .said = t,
	    .reason = ""};
	const struct approvals_signing back = {.verb = APPROVALS_WITHDRAW,
	    .said = {t.ns + 1},
	    .reason = ""};

	request(here, RUN);
	carols(here, "approve", "", yes);
	ck_assert_uint_eq(judge().counted, 1);
	carols(here, "withdraw", "", back);
	ck_assert_uint_eq(judge().counted, 0);
	carols(here, "approve", "", yes);
	ck_assert_uint_eq(judge().counted, 0);
	carols(peer.copy, "approve", "", yes);
	ck_assert_uint_eq(judge().counted, 0);
	ck_assert_uint_eq(get()->word_count, 2);
	d.policy_number++; /* as a start does: everything anew */
	ck_assert_uint_eq(judge().counted, 0);
	ck_assert_uint_eq(get()->word_count, 2);
	carols(peer.copy, "approve", "",
	    (struct approvals_signing){.verb = APPROVALS_APPROVE,
		.said = {t.ns + 2},
		.reason = ""});
	ck_assert_uint_eq(judge().counted, 1);
}
END_TEST

START_TEST(what_is_signed_holds_time_and_reason)
{
	struct approvals_signing of = {.verb = APPROVALS_ATTEST,
	    .said = now_utc(),
	    .reason = "power is off"};

	request(here, RUN);
	carols(peer.copy, "attest", "disks pulled", of);
	ck_assert_uint_eq(get()->word_count, 0);
	of.said.ns -= 11 * 60 * NS_PER_S; /* withheld until now */
	carols(peer.copy, "attest", "power is off", of);
	ck_assert_uint_eq(get()->word_count, 0);
	of.said.ns += 22 * 60 * NS_PER_S; /* of a time to come */
	carols(peer.copy, "attest", "power is off", of);
	ck_assert_uint_eq(get()->word_count, 0);
	of.said.ns -= 5 * 60 * NS_PER_S;
	carols(peer.copy, "attest", "power is off", of);
	ck_assert_uint_eq(get()->word_count, 1);
	ck_assert_int_eq(get()->words[0].said.ns, of.said.ns);
}
END_TEST

/* v1: neither time nor reason is in it. */
START_TEST(what_an_older_program_signed_starts_nothing)
{
	request(here, RUN);
	carols(here, "approve", "fine",
	    (struct approvals_signing){.verb = APPROVALS_APPROVE});
	carols(here, "attest", "power is off",
	    (struct approvals_signing){.verb = APPROVALS_ATTEST});
	ck_assert_uint_eq(get()->word_count, 1);
	ck_assert_str_eq(get()->words[0].who.key, hers_text);
	ck_assert_uint_eq(judge().counted, 0);
	ck_assert_int_eq(judge().standing[0], APPROVALS_OLD);
	event(here, NULL, "STARTED"); /* by that program */
	ck_assert_uint_eq(judge().counted, 1);
}
END_TEST

START_TEST(a_site_speaks_for_its_own_people_alone)
{
	struct draft *draft;

	forge_as_brent();
	request(here, RUN);
	approve(peer.copy, "bob", NULL, RUN, seen);
	ck_assert_str_eq(get()->words[0].who.site, "southwark");
	draft = draft_of(LEDGER_FAILOVER, RUN, "x", 1);
	draft_text(draft, "event", "approval-needed");
	draft_text(draft, "seen", "eee");
	draft_text(draft, "shown", "three\n");
	append(peer.copy, draft);
	ck_assert_uint_eq(get()->changes, 0);
	request(peer.copy, "20261122T120000Z-00000002");
	ck_assert_str_eq(get()->asked_at, "brent");
	ck_assert_str_eq(request_book_find(d.requests,
			     "20261122T120000Z-00000002")
			     ->asked_at,
	    "southwark");
}
END_TEST

START_TEST(only_the_site_asked_starts_it_or_breaks_the_glass)
{
	static const char *const said[] = {"EXPIRED", "WITHDRAWN", "STARTED"};
	struct draft *draft;

	request(here, RUN);
	for (size_t i = 0; i < 3; i++) {
		draft = draft_of(LEDGER_FAILOVER, RUN, "x", 1);
		draft_text(draft, "event", said[i]);
		draft_uint(draft, "break_glass", 1);
		append(peer.copy, draft);
		ck_assert(!get()->started && !get()->glass_broken);
		ck_assert(!get()->over);
		ck_assert_str_eq(get()->phase, "REQUESTED");
	}
	draft = draft_of(LEDGER_FAILOVER, RUN, "carol", 7);
	draft_text(draft, "event", "STARTED");
	draft_uint(draft, "break_glass", 1);
	draft_text(draft, "login_name", "dan");
	append(here, draft);
	ck_assert(get()->started && get()->glass_broken);
	ck_assert_str_eq(get()->glass_by.name, "carol");
	ck_assert_str_eq(get()->glass_by.login_name, "dan");
}
END_TEST

static void
say(struct ledger *l, const char *name, int64_t uid, const char *verb,
    const char *reason)
{
	struct draft *draft = draft_of(LEDGER_APPROVAL, RUN, name, uid);

	draft_text(draft, "verb", verb);
	draft_text(draft, "seen", seen);
	draft_text(draft, "reason", reason);
	append(l, draft);
}

static struct approvals_judgement
judge(void)
{
	struct approvals_judgement j;

	request_judge(&d, get(), seen, &j);
	return j;
}

static bool
is_seconded(void)
{
	struct approvals_judgement j = judge();

	return request_is_seconded(get(), &j);
}

/* Who asked, who broke it, who may not and who took it back are no second. */
START_TEST(a_second_is_another_person_who_stands_by_it)
{
	struct draft *draft;

	request(here, RUN);
	draft = draft_of(LEDGER_FAILOVER, RUN, "dan", 7);
	draft_text(draft, "event", "STARTED");
	draft_uint(draft, "break_glass", 1);
	append(here, draft);
	say(here, "alice", 5, "second", "");
	ck_assert(!is_seconded());
	say(here, "dan", 7, "second", "");
	ck_assert(!is_seconded());
	say(peer.copy, "dan", 99, "second", ""); /* his account there */
	ck_assert(!is_seconded());
	draft = draft_of(LEDGER_APPROVAL, RUN, "eve", 10);
	draft_text(draft, "roles", "viewer");
	draft_text(draft, "verb", "second");
	draft_text(draft, "seen", seen);
	append(peer.copy, draft);
	get()->words[get()->word_count - 1].who.roles =
	    ROLE_BIT(ROLE_VIEWER); /* the draft has both */
	ck_assert(!is_seconded());
	say(here, "bob", 6, "second", "");
	ck_assert(is_seconded());
	say(here, "bob", 6, "withdraw", "");
	ck_assert(!is_seconded());
}
END_TEST

/* No council is none other than the requester's, or than the owner's. */
START_TEST(who_is_of_no_council_is_of_no_other)
{
	static struct policy_service services[] = {{.name = "a",
	    .owner = "brent",
	    .approvals = {.planned_count = 1, .from_other_council = true}}};
	static const struct {
		const char *asks, *approves;
		bool suffices;
	} cases[] = {{"brent", "", false}, {"", "brent", false},
	    {"", "", false}, {"brent", "brent", false}, {"", "lewisham", true},
	    {"brent", "lewisham", true}};

	policy.services = services;
	policy.service_count = 1;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct request *r;
		struct approvals_judgement j;

		if (i == 0) {
			request(here, RUN);
			say(here, "bob", 6, "approve", "");
		}
		r = get();
		snprintf(r->requester.council, 8, "%s", cases[i].asks);
		snprintf(r->words[0].who.council, 9, "%s", cases[i].approves);
		request_judge(&d, r, seen, &j);
		ck_assert_uint_eq(j.counted, 1);
		ck_assert_msg(j.suffices == cases[i].suffices &&
			j.council_ok == cases[i].suffices &&
			(strstr(j.text, "of another council") == NULL) ==
			    cases[i].suffices,
		    "case %zu: %s", i, j.text);
	}
}
END_TEST

/* WD5: people of its own making get a site's root nowhere. */
START_TEST(where_words_are_to_be_signed_only_keys_speak)
{
	static struct policy_service services[] = {{.name = "a",
	    .owner = "brent",
	    .approvals = {.planned_count = 1, .is_signed = true}}};
	struct approvals_word those[APPROVALS_WORDS_MAX];
	struct draft *draft;

	policy.services = services;
	policy.service_count = 1;
	request(here, RUN);
	draft = draft_of(LEDGER_FAILOVER, RUN, "dan", 7);
	draft_text(draft, "event", "STARTED");
	draft_uint(draft, "break_glass", 1);
	append(here, draft);
	say(peer.copy, "eve", 98, "approve", "");
	say(peer.copy, "eve", 98, "second", "");
	say(peer.copy, "eve", 98, "attest", "power is off");
	say(peer.copy, "fay", 97, "attest", "power is off");
	ck_assert_uint_eq(get()->word_count, 4); /* they are shown */
	ck_assert_uint_eq(judge().counted, 0);
	ck_assert(!is_seconded());
	ck_assert_uint_eq(request_counting(&d, get(), "a", those), 0);
	ck_assert_uint_eq(request_counting(&d, get(), NULL, those), 0);
	ck_assert_uint_eq(request_counting(&d, get(), "b", those), 4);
	approve(peer.copy, "carol", hers, RUN, seen);
	ck_assert_uint_eq(request_counting(&d, get(), "a", those), 1);
	sign_request(here, others);
	ck_assert_uint_eq(judge().counted, 0);
	sign_request(here, alices);
	ck_assert_uint_eq(judge().counted, 1);
	say(peer.copy, "eve", 98, "refuse", "no");
	ck_assert(judge().refused);
}
END_TEST

/* Of which council somebody is the site says at which they said it; or not. */
START_TEST(where_words_are_to_be_signed_the_policy_says_whose_they_are)
{
	static struct policy_service services[] = {{.name = "a",
	    .owner = "brent",
	    .approvals = {.planned_count = 1,
		.from_other_council = true,
		.is_signed = true}}};
	static const struct {
		const char *hers, *alices;
		bool suffices;
	} cases[] = {{"", "southwark", false}, {"brent", "southwark", true},
	    {"brent", "", false}, {"southwark", "", true},
	    {"southwark", "southwark", false}};

	policy.services = services;
	policy.service_count = 1;
	request(here, RUN);
	sign_request(here, alices);
	approve(peer.copy, "carol", hers, RUN, seen);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		people[0].council = cases[i].hers;
		people[1].council = cases[i].alices;
		d.policy_number++;
		ck_assert_msg(judge().suffices == cases[i].suffices, "case %zu",
		    i);
	}
}
END_TEST

/* --- G04, at the site that is left ------------------------------------------ */

/* As approvals_seen puts it, but for the guards. */
static const char *
shown_of(const char *run, const char *service, const char *plan)
{
	static char text[512];

	snprintf(text, sizeof(text),
	    "bascule seen v1\nrun %zu:%s\nmode 7:planned\npolicy 2:pp\n"
	    "reason 3:why\nchange 0:\nservices 1\nservice %zu:%s\n"
	    "from 5:brent\nto 9:southwark\nplan %zu:%s\npoint 0:\n",
	    strlen(run), run, strlen(service), service, strlen(plan), plan);
	return text;
}

/* Asked for at southwark, whose root it may have been; shown as it says. */
static void
ask_there(const char *shown)
{
	struct draft *draft = draft_of(LEDGER_FAILOVER, RUN, "alice", 5);
	struct id id;

	ck_assert_int_eq(hash_sha256(shown, strlen(shown), &id, &e), ERR_NONE);
	id_hex(&id, seen);
	draft_text(draft, "event", "REQUESTED");
	draft_text(draft, "mode", "planned");
	draft_text(draft, "from_site", "brent");
	draft_text(draft, "to_site", "southwark");
	draft_text(draft, "services", "a");
	draft_text(draft, "seen", seen);
	draft_text(draft, "shown", shown);
	append(peer.copy, draft);
	event(peer.copy, NULL, "STARTED");
}

static struct movebook_item left;
static char why[MOVE_WHY_BYTES];

static bool
lets_go(void)
{
	snprintf(left.m.run, sizeof(left.m.run), "%s", RUN);
	snprintf(left.m.service, sizeof(left.m.service), "a");
	return moveguard_lets_go(&d, &left, why);
}

static struct policy_service left_policy[] = {
    {.name = "a", .owner = "brent", .approvals = {.planned_count = 1}}};
static struct daemon_service left_service[] = {
    {.policy = left_policy, .plan = "plan"}};

static void
set_left(bool is_signed)
{
	left = (struct movebook_item){0};
	left_policy[0].approvals.is_signed = is_signed;
	policy.services = left_policy;
	policy.service_count = 1;
	d.services = left_service;
}

/* Started there, and overridden there: that is not enough here. */
START_TEST(the_site_that_is_left_counts_the_approvals_itself)
{
	set_left(true);
	ask_there(shown_of(RUN, "a", "plan"));
	left.overrides = 1u << 4;
	ck_assert(!lets_go());
	ck_assert_ptr_nonnull(strstr(why, "G04"));
	ck_assert_ptr_nonnull(strstr(why, "0 of 1 signed"));
	say(peer.copy, "eve", 98, "approve", "");
	ck_assert(!lets_go());
	set_left(false); /* by a policy that asks for no signature it counts */
	d.policy_number++;
	ck_assert(lets_go());
	set_left(true);
	d.policy_number++;
	approve(peer.copy, "carol", hers, RUN, seen);
	ck_assert(!lets_go()); /* who asked there has not signed */
	ck_assert_ptr_nonnull(strstr(why, "not signed by alice"));
	left_policy[0].approvals.planned_count = 0; /* not by nobody's word */
	d.policy_number++;
	ck_assert(!lets_go());
	left_policy[0].approvals.planned_count = 1;
	d.policy_number++;
	sign_request(peer.copy, alices);
	ck_assert(lets_go());
	say(here, "bob", 6, "refuse", "no");
	ck_assert(!lets_go());
	left.overridden_here = 1u << 4;
	ck_assert(lets_go());
}
END_TEST

/* What was signed elsewhere is not approved here by saying that it was this. */
START_TEST(what_was_shown_has_to_be_this_move)
{
	static const struct {
		const char *run, *service, *plan;
		bool is;
	} cases[] = {{RUN, "a", "plan", true}, {RUN, "b", "plan", false},
	    {RUN, "a", "other", false}, {"older", "a", "plan", false}};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		teardown();
		setup();
		set_left(true);
		ask_there(
		    shown_of(cases[i].run, cases[i].service, cases[i].plan));
		approve(peer.copy, "carol", hers, RUN, seen);
		sign_request(peer.copy, alices);
		ck_assert_msg(lets_go() == cases[i].is, "case %zu: %s", i, why);
	}
	snprintf(get()->seen, 65, "%064d", 7); /* not the digest of it */
	ck_assert(!request_shown_is_of(get(), left_service));
}
END_TEST

/* WD3 */
START_TEST(nobody_speaks_so_much_that_others_are_not_heard)
{
	char text[32];

	request(here, RUN);
	say(here, "bob", 6, "approve", "");
	for (int i = 0; i < 2 * APPROVALS_WORDS_MAX; i++) {
		snprintf(text, sizeof(text), "method %d", i);
		say(here, "mallory", 7, "attest", text);
	}
	ck_assert_uint_eq(judge().counted, 1);
	say(here, "carol2", 8, "refuse", "no");
	ck_assert(judge().refused);
	say(here, "carol2", 8, "withdraw", "");
	say(here, "bob", 6, "withdraw", "");
	ck_assert(!judge().refused);
	ck_assert_uint_eq(judge().counted, 0);
}
END_TEST

/* T2 is of approvals, too: a clock that ran ahead was set right. */
START_TEST(what_is_taken_back_stays_so_when_the_clock_was_set_back)
{
	request(here, RUN);
	puppet_pass(3600 * NS_PER_S);
	say(here, "bob", 6, "approve", "");
	ck_assert_uint_eq(judge().counted, 1);
	puppet_pass(-3600 * NS_PER_S);
	say(here, "bob", 6, "withdraw", "");
	ck_assert_uint_eq(judge().counted, 0);
	d.policy_number++; /* as a start does: everything anew */
	ck_assert_uint_eq(judge().counted, 0);
	say(here, "bob", 6, "approve", "");
	ck_assert_uint_eq(judge().counted, 1);
}
END_TEST

START_TEST(whose_word_counts_is_the_policys_in_force)
{
	struct approvals_judgement j;

	request(here, RUN);
	approve(peer.copy, "carol", hers, RUN, seen);
	ck_assert_uint_eq(judge().counted, 1);
	people[0].council = "lewisham";
	d.policy_number++;
	j = judge();
	ck_assert_uint_eq(j.counted, 1);
	ck_assert_str_eq(get()->words[0].who.council, "lewisham");
	people[0].key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	d.policy_number++; /* her key was replaced */
	ck_assert_uint_eq(judge().counted, 0);
	ck_assert_uint_eq(get()->word_count, 0);
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
	tcase_add_test(t, a_signed_word_that_is_recorded_again_is_no_new_one);
	tcase_add_test(t, what_is_signed_holds_time_and_reason);
	tcase_add_test(t, what_an_older_program_signed_starts_nothing);
	tcase_add_test(t, a_site_speaks_for_its_own_people_alone);
	tcase_add_test(t, only_the_site_asked_starts_it_or_breaks_the_glass);
	tcase_add_test(t, a_second_is_another_person_who_stands_by_it);
	tcase_add_test(t, who_is_of_no_council_is_of_no_other);
	tcase_add_test(t, where_words_are_to_be_signed_only_keys_speak);
	tcase_add_test(t,
	    where_words_are_to_be_signed_the_policy_says_whose_they_are);
	tcase_add_test(t, the_site_that_is_left_counts_the_approvals_itself);
	tcase_add_test(t, what_was_shown_has_to_be_this_move);
	tcase_add_test(t, nobody_speaks_so_much_that_others_are_not_heard);
	tcase_add_test(t,
	    what_is_taken_back_stays_so_when_the_clock_was_set_back);
	tcase_add_test(t, whose_word_counts_is_the_policys_in_force);
	tcase_add_test(t, only_the_site_asked_says_what_is_to_be_approved);
	tcase_add_test(t, the_beginning_of_an_id_will_do_if_it_is_ones_alone);
	suite_add_tcase(s, t);
	return s;
}
