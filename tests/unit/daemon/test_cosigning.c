#include "daemon/cosigning.h"

#include <check.h>
#include <string.h>

#include "../ledger/faultvfs.h"
#include "../ledger/make.h"
#include "support/must.h"

/* Brent's daemon, and the word of Southwark about its ledger. */

static struct make m;
static struct sign_key *theirs;
static char fingerprint[HEAD_FINGERPRINT_BYTES];
static const char *pinned[] = {fingerprint, NULL};
static struct policy policy;
static struct policy_site southwark;
static struct daemon d;
static struct peer peer;
static struct head head;
static struct cosign word;
static struct err e;

static void
forget_all(void)
{
	peer = (struct peer){.d = &d, .site = &southwark};
	d.peers = &peer;
	d.uncosigned = (struct daemon_uncosigned){0};
}

static void
grow(const char *type)
{
	make_append(&m, make_draft("brent", type, "n", "1", NULL));
}

/* Sign a head, and make the word about it that is good. */
static void
sign(void)
{
	must(ledger_sign_head(m.l, &head, &e), &e);
	word = (struct cosign){.number = head.number,
	    .head = head.hash,
	    .at = now_utc(),
	    .site = "brent",
	    .by = "southwark"};
}

static void
setup(void)
{
	faultvfs_install();
	make_setup(&m);
	m.options.vfs = FAULTVFS;
	make_reopen(&m);
	must(sign_key_new(&theirs, &e), &e);
	must(head_fingerprint(sign_key_public(theirs)->bytes, fingerprint, &e),
	    &e);
	policy = (struct policy){.site = "brent"};
	southwark = (struct policy_site){.name = "southwark",
	    .ledger_keys = {pinned, 1}};
	d = (struct daemon){.policy = &policy,
	    .ledger = m.l,
	    .ledger_key = m.key};
	forget_all();
	grow(LEDGER_FAILOVER);
	sign();
}

static void
teardown(void)
{
	sign_key_free(&theirs);
	make_teardown(&m);
}

static enum err_code
say_bytes(const void *bytes, size_t len_bytes)
{
	OWNED(wire_free) struct wire_value *v = NULL;

	must(wire_new(&v, "ledger_cosignature", &e), &e);
	wire_add_hex(v, LEDGER_COSIGNATURE, bytes, len_bytes);
	return cosigning_take(&peer, v, &e);
}

static enum err_code
say_with(const struct sign_key *key)
{
	OWNED(buf_fini) struct buf b = {0};

	must(cosign_make(&word, key, &b, &e), &e);
	return say_bytes(b.bytes, b.len_bytes);
}

static enum err_code
count_one(void *ctx, const struct record *r, struct err *err)
{
	(void)r, (void)err;
	++*(unsigned *)ctx;
	return ERR_NONE;
}

static unsigned
kept_count(void)
{
	struct ledger_filter f = {.type = LEDGER_COSIGNATURE};
	unsigned count = 0;

	must(ledger_iterate(m.l, &f, count_one, &count, &e), &e);
	return count;
}

START_TEST(its_word_is_kept_once_and_found_again_after_a_start)
{
	uint64_t row;

	must(say_with(theirs), &e);
	ck_assert_uint_eq(peer.cosigning.number, 1);
	row = peer.cosigning.row;
	ck_assert_uint_gt(row, 0);
	must(say_with(theirs), &e); /* nothing new in it */
	ck_assert_uint_eq(kept_count(), 1);
	forget_all();
	must(cosigning_recall(&peer, &e), &e);
	ck_assert_uint_eq(peer.cosigning.number, 1);
	ck_assert_uint_eq(peer.cosigning.row, row);
	ck_assert_int_gt(peer.cosigning.at.ns, 0);
	/* another site's word is not this one's */
	southwark.name = "lewisham";
	forget_all();
	must(cosigning_recall(&peer, &e), &e);
	ck_assert_uint_eq(peer.cosigning.number, 0);
}
END_TEST

START_TEST(a_word_about_what_is_not_so_is_refused)
{
	enum err_code expected = ERR_REFUSED;

	switch (_i) {
	case 0: word.number = 2; break;         /* there is none */
	case 1: word.head.bytes[3] ^= 1; break; /* another history */
	case 2:
		snprintf(word.site, sizeof(word.site), "lewisham");
		expected = ERR_INPUT;
		break;
	default:
		snprintf(word.by, sizeof(word.by), "lewisham");
		expected = ERR_INPUT;
		break;
	}
	ck_assert_int_eq(say_with(theirs), expected);
	ck_assert_uint_eq(peer.cosigning.number, 0);
	ck_assert_uint_eq(kept_count(), 0);
}
END_TEST

START_TEST(a_word_by_another_key_is_refused)
{
	ck_assert_int_eq(say_with(m.key), ERR_KEY);
	southwark.ledger_keys.count = 0; /* nor is there a copy to tell it by */
	ck_assert_int_eq(say_with(theirs), ERR_KEY);
	ck_assert_uint_eq(kept_count(), 0);
}
END_TEST

START_TEST(what_is_no_word_is_refused)
{
	OWNED(buf_fini) struct buf b = {0};
	static const uint8_t many[4000];
	OWNED(wire_free) struct wire_value *empty = NULL;
	OWNED(wire_free) struct wire_value *odd = NULL;

	must(cosign_make(&word, theirs, &b, &e), &e);
	b.bytes[b.len_bytes - 1] ^= 1;
	ck_assert_int_eq(say_bytes(b.bytes, b.len_bytes), ERR_CORRUPT);
	ck_assert_int_eq(say_bytes(b.bytes, 3), ERR_CORRUPT);
	ck_assert_int_eq(say_bytes(many, sizeof(many)), ERR_INPUT);
	must(wire_new(&empty, "ledger_cosignature", &e), &e);
	ck_assert_int_eq(cosigning_take(&peer, empty, &e), ERR_INPUT);
	must(wire_new(&odd, "ledger_cosignature", &e), &e);
	wire_add_text(odd, LEDGER_COSIGNATURE, "zz");
	ck_assert_int_eq(cosigning_take(&peer, odd, &e), ERR_INPUT);
	ck_assert_uint_eq(kept_count(), 0);
}
END_TEST

START_TEST(it_is_due_at_once_for_what_matters_and_hourly_for_the_rest)
{
	ck_assert(cosigning_is_due(&peer));
	ck_assert_uint_gt(peer.cosigning.needed_row, 0);
	must(say_with(theirs), &e);
	ck_assert(!cosigning_is_due(&peer)); /* its word itself is no reason */
	grow("note");
	ck_assert(!cosigning_is_due(&peer));
	peer.cosigning.at.ns -= 3601 * NS_PER_S;
	ck_assert(cosigning_is_due(&peer));
	peer.cosigning.at = now_utc();
	grow(LEDGER_APPROVAL);
	ck_assert(cosigning_is_due(&peer));
}
END_TEST

/* What is due lies behind the head it speaks of: wait for the next. */
START_TEST(a_word_that_does_not_reach_what_is_due_is_not_kept)
{
	grow(LEDGER_AUTHORITY);
	ck_assert(cosigning_is_due(&peer));
	must(say_with(theirs), &e);
	ck_assert_uint_eq(kept_count(), 0);
	ck_assert_uint_eq(peer.cosigning.number, 0);
	sign();
	must(say_with(theirs), &e);
	ck_assert_uint_eq(peer.cosigning.number, 2);
	ck_assert_uint_eq(kept_count(), 1);
}
END_TEST

/* What a status says: of so many records, so many that matter. */
static void
check_told(uint64_t records, uint64_t grave, uint64_t up_to)
{
	OWNED(wire_free) struct wire_value *v = NULL;

	must(wire_new(&v, "summary", &e), &e);
	must(cosigning_tell(&d, v, &e), &e);
	ck_assert_uint_eq(wire_take_uint(v, "uncosigned_records", 0), records);
	ck_assert_uint_eq(wire_take_uint(v, "uncosigned_grave", 0), grave);
	ck_assert_int_eq(wire_has(v, "uncosigned_since"), grave > 0);
	ck_assert_uint_eq(wire_take_uint(v, "cosigned_head", 0), up_to);
	ck_assert_int_eq(wire_has(v, "cosigner_site"), up_to > 0);
}

/* A job's two records. */
static void
grow_job(const char *kind)
{
	OWNED(draft_free)
	struct draft *job = make_draft("brent", LEDGER_JOB, "kind", kind, NULL);
	char intent[LEDGER_INTENT_BYTES];

	must(ledger_intent(m.l, job, intent, &e), &e);
	must(ledger_outcome(m.l, intent, job, &e), &e);
}

START_TEST(what_nobody_else_has_signed_for_is_told)
{
	check_told(1, 1, 0);
	must(say_with(theirs), &e);
	check_told(1, 0, 1); /* its word itself */
	grow("note");
	check_told(2, 0, 1);
	grow(LEDGER_APPROVAL);
	check_told(3, 1, 1);
	grow_job("backup");
	check_told(5, 1, 1);
	grow_job("prune"); /* a deletion */
	check_told(7, 2, 1);
	ck_assert(cosigning_is_due(&peer));
	ck_assert_uint_eq(peer.cosigning.needed_row, peer.cosigning.row + 7);
	sign();
	must(say_with(theirs), &e);
	check_told(1, 0, 2);
	ck_assert(!cosigning_is_due(&peer));
	forget_all(); /* after a start it is the same */
	must(cosigning_recall(&peer, &e), &e);
	check_told(1, 0, 2);
	d.peers = NULL; /* where there is no other site nothing is missed */
	check_told(0, 0, 0);
}
END_TEST

START_TEST(any_failing_write_is_no_word_that_was_kept)
{
	for (int nth = 1;; nth++) {
		enum err_code rc;
		bool fired;

		faultvfs_arm(nth, nth % 2 == 0);
		rc = say_with(theirs);
		fired = faultvfs_fired();
		ck_assert_uint_eq(peer.cosigning.number,
		    rc == ERR_NONE ? 1 : 0);
		if (rc == ERR_NONE)
			ck_assert_uint_eq(kept_count(), 1);
		ck_assert(d.ledger_broken == (rc != ERR_NONE));
		must(say_with(theirs), &e);
		ck_assert(!d.ledger_broken);
		ck_assert_uint_ge(kept_count(), 1);
		ck_assert_uint_eq(peer.cosigning.number, 1);
		ck_assert(!make_verify(&m).bad);
		if (!fired) {
			ck_assert_int_gt(nth, 2);
			break;
		}
		teardown();
		setup();
	}
}
END_TEST

Suite *suite_daemon_cosigning(void);

Suite *
suite_daemon_cosigning(void)
{
	Suite *s = suite_create("daemon/cosigning");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, its_word_is_kept_once_and_found_again_after_a_start);
	tcase_add_loop_test(tc, a_word_about_what_is_not_so_is_refused, 0, 4);
	tcase_add_test(tc, a_word_by_another_key_is_refused);
	tcase_add_test(tc, what_is_no_word_is_refused);
	tcase_add_test(tc,
	    it_is_due_at_once_for_what_matters_and_hourly_for_the_rest);
	tcase_add_test(tc, a_word_that_does_not_reach_what_is_due_is_not_kept);
	tcase_add_test(tc, what_nobody_else_has_signed_for_is_told);
	tcase_add_test(tc, any_failing_write_is_no_word_that_was_kept);
	suite_add_tcase(s, tc);
	return s;
}
