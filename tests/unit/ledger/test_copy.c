/*
 * Another site's ledger, kept: what extends it is taken, all of a step or
 * nothing; what does not is refused and changes nothing.
 */

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "faultvfs.h"
#include "make.h"

#define STEP_MAX 8

static struct make m;
static struct ledger *copy;
static char copy_path[128];
static struct ledger_pin pin;

/* A step as it travels. */
struct parcel {
	struct buf records[STEP_MAX];
	size_t count;
	struct buf head;
	uint8_t signer[SIGN_PUBLIC_BYTES], signature[SIGN_BYTES];
	uint64_t number;
};

static void
parcel_fini(struct parcel *p)
{
	for (size_t i = 0; i < STEP_MAX; i++)
		buf_fini(&p->records[i]);
	buf_fini(&p->head);
	memset(p, 0, sizeof(*p));
}

static enum err_code
take_record(void *ctx, const struct record *r, struct err *e)
{
	struct parcel *p = ctx;

	ck_assert_uint_lt(p->count, STEP_MAX);
	return buf_add(&p->records[p->count++], r->bytes, r->len_bytes, e);
}

static enum err_code
take_head(void *ctx, const struct ledger_head *h, struct err *e)
{
	struct parcel *p = ctx;

	if (p->head.len_bytes > 0)
		return ERR_NONE;
	memcpy(p->signer, h->signer, sizeof(p->signer));
	memcpy(p->signature, h->signature, sizeof(p->signature));
	return buf_add(&p->head, h->bytes, h->len_bytes, e);
}

static void
fetch(struct ledger *from, uint64_t number, struct parcel *p)
{
	struct ledger_filter f = {0};
	struct err e;

	memset(p, 0, sizeof(*p));
	ck_assert_int_eq(ledger_copy_rows(from, number, &f.after_row,
			     &f.up_to_row, &e),
	    ERR_NONE);
	ck_assert_int_eq(ledger_iterate(from, &f, take_record, p, &e),
	    ERR_NONE);
	ck_assert_int_eq(ledger_heads(from, number, take_head, p, &e),
	    ERR_NONE);
}

static enum err_code
extend(struct parcel *p, struct err *e)
{
	struct ledger_copy_step step = {.head = {p->head.bytes,
					    p->head.len_bytes, p->signer,
					    p->signature},
	    .records = p->records,
	    .records_count = p->count};

	return ledger_copy_extend(copy, &step, &pin, e);
}

static uint64_t
held(void)
{
	static struct head h;
	struct err e;

	ck_assert_int_eq(ledger_sign_last(copy, &h, &e), ERR_NONE);
	return h.number;
}

static void
follow(uint64_t number)
{
	struct parcel p;
	struct err e;

	fetch(m.l, number, &p);
	ck_assert_msg(extend(&p, &e) == ERR_NONE, "%s", e.text);
	parcel_fini(&p);
}

static void
grow(struct make *mk, const char *text)
{
	struct err e;

	make_append(mk, make_draft("brent", "note", "n", text, NULL));
	make_append(mk, make_draft(NULL, "note", "n", text, NULL));
	make_append(mk,
	    make_draft("brent", "job", "@run", text, "state", "queued", NULL));
	ck_assert_int_eq(ledger_sign_head(mk->l, NULL, &e), ERR_NONE);
}

static void
setup(void)
{
	struct ledger_options opt = {.site = "brent",
	    .host = "x",
	    .vfs = FAULTVFS};
	struct err e;

	faultvfs_install();
	make_setup(&m);
	snprintf(copy_path, sizeof(copy_path), "%s/copy.db", m.td.path);
	ck_assert_int_eq(ledger_open(&copy, copy_path, &opt, &e), ERR_NONE);
	pin = (struct ledger_pin){.site = "brent"};
	grow(&m, "one");
	grow(&m, "two");
	grow(&m, "three");
	follow(1);
}

static void
teardown(void)
{
	ledger_close(&copy);
	make_teardown(&m);
}

/* Refused with that code, and nothing has happened: the right one goes on. */
static void
refused(struct parcel *p, enum err_code code, const char *says)
{
	uint64_t row, before;
	struct err e;

	ck_assert_int_eq(ledger_last_row(copy, &before, &e), ERR_NONE);
	ck_assert_int_eq(extend(p, &e), code);
	ck_assert_msg(strstr(e.text, says) != NULL, "%s", e.text);
	ck_assert_int_eq(ledger_last_row(copy, &row, &e), ERR_NONE);
	ck_assert_uint_eq(row, before);
	ck_assert_uint_eq(held(), 1);
	parcel_fini(p);
	follow(2);
}

START_TEST(a_copy_follows_and_can_be_read_and_proved)
{
	struct ledger_verdict v;
	struct ledger_filter f = {.run = "two"};
	struct parcel p = {0};
	struct err e;

	follow(2);
	follow(3);
	ck_assert_int_eq(ledger_verify(copy, sign_key_public(m.key), &v, &e),
	    ERR_NONE);
	ck_assert_msg(!v.bad, "%s", v.what);
	ck_assert_uint_eq(v.records_count, 9);
	ck_assert_uint_eq(v.heads_count, 3);
	ck_assert_uint_eq(v.unsigned_count, 0);
	ck_assert_int_eq(ledger_iterate(copy, &f, take_record, &p, &e),
	    ERR_NONE);
	ck_assert_uint_eq(p.count, 1);
	parcel_fini(&p);
}
END_TEST

START_TEST(a_step_twice_or_too_early_is_refused)
{
	struct parcel p;
	struct err e;

	fetch(m.l, 1, &p);
	ck_assert_int_eq(extend(&p, &e), ERR_REFUSED);
	parcel_fini(&p);
	fetch(m.l, 3, &p);
	refused(&p, ERR_REFUSED, "does not extend head 1");
}
END_TEST

START_TEST(a_record_that_is_missing_is_missed)
{
	struct parcel p;

	fetch(m.l, 2, &p);
	buf_fini(&p.records[--p.count]);
	refused(&p, ERR_REFUSED, "head 2");
}
END_TEST

START_TEST(a_record_too_many_is_seen)
{
	struct parcel p, next;
	struct err e;

	fetch(m.l, 2, &p);
	fetch(m.l, 3, &next);
	ck_assert_int_eq(buf_add(&p.records[p.count++], next.records[0].bytes,
			     next.records[0].len_bytes, &e),
	    ERR_NONE);
	parcel_fini(&next);
	refused(&p, ERR_REFUSED, "head 2");
}
END_TEST

START_TEST(records_out_of_order_are_refused)
{
	struct parcel p;
	struct buf first;

	fetch(m.l, 2, &p);
	first = p.records[0]; /* brent, shared, brent */
	p.records[0] = p.records[2];
	p.records[2] = first;
	refused(&p, ERR_REFUSED, "of chain 'brent'");
}
END_TEST

START_TEST(a_changed_byte_anywhere_is_refused)
{
	struct parcel p;
	struct err e;

	fetch(m.l, 2, &p);
	for (size_t i = 0; i < p.count; i++)
		for (size_t at = 0; at < p.records[i].len_bytes; at += 7) {
			p.records[i].bytes[at] ^= 1;
			ck_assert_int_ne(extend(&p, &e), ERR_NONE);
			p.records[i].bytes[at] ^= 1;
		}
	for (size_t at = 0; at < p.head.len_bytes; at += 5) {
		p.head.bytes[at] ^= 1;
		ck_assert_int_ne(extend(&p, &e), ERR_NONE);
		p.head.bytes[at] ^= 1;
	}
	p.signature[9] ^= 1;
	refused(&p, ERR_KEY, "not what its key signed");
}
END_TEST

START_TEST(junk_and_heads_over_nothing_are_no_steps)
{
	struct parcel p;
	struct err e;

	fetch(m.l, 2, &p);
	buf_fini(&p.records[0]);
	ck_assert_int_eq(buf_add_text(&p.records[0], "junk", &e), ERR_NONE);
	ck_assert_int_eq(extend(&p, &e), ERR_INPUT);
	p.count = 0;
	ck_assert_int_eq(extend(&p, &e), ERR_INPUT);
	p.count = 3;
	p.head.len_bytes = 3;
	refused(&p, ERR_INPUT, "is no head");
}
END_TEST

START_TEST(only_the_pinned_key_speaks_for_a_site)
{
	char good[SIGN_FINGERPRINT_SIZE];
	const char *keys[2] = {"SHA256:another", good};
	struct parcel p;
	struct err e;

	ck_assert_int_eq(sign_fingerprint(sign_key_public(m.key), good, &e),
	    ERR_NONE);
	fetch(m.l, 2, &p);
	pin.keys = keys;
	pin.keys_count = 1;
	ck_assert_int_eq(extend(&p, &e), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, good));
	pin.keys_count = 2;
	ck_assert_int_eq(extend(&p, &e), ERR_NONE);
	pin.site = "southwark";
	parcel_fini(&p);
	fetch(m.l, 3, &p);
	ck_assert_int_eq(extend(&p, &e), ERR_REFUSED);
	parcel_fini(&p);
}
END_TEST

START_TEST(without_a_pin_the_first_key_stays)
{
	struct make other;
	struct parcel p;

	make_setup(&other);
	grow(&other, "one");
	grow(&other, "two");
	fetch(other.l, 2, &p);
	make_teardown(&other);
	refused(&p, ERR_KEY, "another key than before");
}
END_TEST

/* The site's database was put back and went another way. */
START_TEST(a_fork_signed_by_the_right_key_is_refused)
{
	struct make fork;
	struct parcel p;

	make_setup(&fork);
	sign_key_free(&fork.key);
	fork.key = m.key;
	fork.options.signer = m.key;
	make_reopen(&fork);
	grow(&fork, "one"); /* other salts, other times: other hashes */
	grow(&fork, "other");
	fetch(fork.l, 2, &p);
	fork.key = NULL;
	make_teardown(&fork);
	refused(&p, ERR_REFUSED, "head 2 of site 'brent' does not extend");
}
END_TEST

/* Whatever write or sync fails, all of the step is there or nothing. */
START_TEST(a_failing_disk_leaves_whole_steps)
{
	struct ledger_verdict v;
	struct parcel p;
	struct err e;
	enum err_code rc = ERR_IO;

	fetch(m.l, 2, &p);
	for (int nth = 1; rc != ERR_NONE; nth++) {
		ck_assert_int_lt(nth, 100);
		faultvfs_arm(nth, nth % 2 == 0);
		rc = extend(&p, &e);
		if (!faultvfs_fired())
			ck_assert_int_eq(rc, ERR_NONE);
		ck_assert_uint_eq(held(), rc == ERR_NONE ? 2 : 1);
		ck_assert_int_eq(ledger_verify(copy, NULL, &v, &e), ERR_NONE);
		ck_assert_msg(!v.bad, "call %d: %s", nth, v.what);
		ck_assert_uint_eq(v.unsigned_count, 0);
	}
	parcel_fini(&p);
	follow(3);
}
END_TEST

Suite *suite_ledger_copy(void);
Suite *
suite_ledger_copy(void)
{
	Suite *s = suite_create("ledger/copy");
	TCase *tc = tcase_create("copy");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_copy_follows_and_can_be_read_and_proved);
	tcase_add_test(tc, a_step_twice_or_too_early_is_refused);
	tcase_add_test(tc, a_record_that_is_missing_is_missed);
	tcase_add_test(tc, a_record_too_many_is_seen);
	tcase_add_test(tc, records_out_of_order_are_refused);
	tcase_add_test(tc, a_changed_byte_anywhere_is_refused);
	tcase_add_test(tc, junk_and_heads_over_nothing_are_no_steps);
	tcase_add_test(tc, only_the_pinned_key_speaks_for_a_site);
	tcase_add_test(tc, without_a_pin_the_first_key_stays);
	tcase_add_test(tc, a_failing_disk_leaves_whole_steps);
	tcase_add_test(tc, a_fork_signed_by_the_right_key_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
