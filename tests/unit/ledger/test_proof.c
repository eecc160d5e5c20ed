#include <check.h>
#include <string.h>
#include <unistd.h>

#include "make.h"

/* The judge alone, fed by hand: no column and no database stands by it. */

#define COUNT_MAX 32

struct pile {
	struct buf records[COUNT_MAX];
	size_t records_count;
	struct buf heads[COUNT_MAX];
	uint8_t signers[COUNT_MAX][SIGN_PUBLIC_BYTES];
	uint8_t signatures[COUNT_MAX][SIGN_BYTES];
	size_t heads_count;
};

static struct make m;
static struct pile pile;

static void
pile_clear(struct pile *p)
{
	for (size_t i = 0; i < COUNT_MAX; i++) {
		buf_fini(&p->records[i]);
		buf_fini(&p->heads[i]);
	}
	memset(p, 0, sizeof(*p));
}

static enum err_code
add_record(void *ctx, const struct record *r, struct err *e)
{
	struct pile *p = ctx;

	return buf_add(&p->records[p->records_count++], r->bytes, r->len_bytes,
	    e);
}

static enum err_code
add_head(void *ctx, const struct ledger_head *h, struct err *e)
{
	struct pile *p = ctx;
	size_t i = p->heads_count++;

	memcpy(p->signers[i], h->signer, SIGN_PUBLIC_BYTES);
	memcpy(p->signatures[i], h->signature, SIGN_BYTES);
	return buf_add(&p->heads[i], h->bytes, h->len_bytes, e);
}

static void
take(struct pile *p)
{
	struct ledger_filter all = {0};
	struct err e = {0};

	ck_assert_int_eq(ledger_iterate(m.l, &all, add_record, p, &e),
	    ERR_NONE);
	ck_assert_int_eq(ledger_heads(m.l, 1, add_head, p, &e), ERR_NONE);
}

static void
grow(int count, const char *text)
{
	struct err e = {0};

	for (int i = 0; i < count; i++)
		make_append(&m, make_draft("brent", "note", "n", text, NULL));
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
}

/* Records 1-3 under head 1, 4-6 under head 2. */
static void
setup(void)
{
	make_setup(&m);
	grow(3, "a");
	grow(3, "b");
	take(&pile);
}

static void
teardown(void)
{
	pile_clear(&pile);
	make_teardown(&m);
}

static enum err_code
feed_head(struct proof *p, const struct pile *from, size_t i, struct err *e)
{
	struct ledger_head h = {from->heads[i].bytes, from->heads[i].len_bytes,
	    from->signers[i], from->signatures[i]};

	return proof_head(p, &h, e);
}

static enum err_code
feed_record(struct proof *p, const struct pile *from, size_t i, struct err *e)
{
	return proof_record(p, from->records[i].bytes,
	    from->records[i].len_bytes, e);
}

static enum err_code
feed(struct proof *p, const struct pile *heads, const struct pile *records,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE && i < heads->heads_count; i++)
		rc = feed_head(p, heads, i, e);
	for (size_t i = 0; rc == ERR_NONE && i < records->records_count; i++)
		rc = feed_record(p, records, i, e);
	return rc == ERR_NONE ? proof_end(p, e) : rc;
}

static struct proof *
fresh(bool after_first_head)
{
	struct proof_options o = {.key = sign_key_public(m.key),
	    .after_first_head = after_first_head};
	struct proof *p = NULL;
	struct err e = {0};

	ck_assert_int_eq(proof_new(&p, &o, &e), ERR_NONE);
	return p;
}

START_TEST(what_was_recorded_passes)
{
	OWNED(proof_free) struct proof *p = fresh(false);
	struct err e = {0};

	ck_assert_msg(feed(p, &pile, &pile, &e) == ERR_NONE, "%s", e.text);
	ck_assert_uint_eq(proof_verdict(p)->records_count, 6);
	ck_assert_uint_eq(proof_verdict(p)->unsigned_count, 0);
	ck_assert(!proof_verdict(p)->bad);
}
END_TEST

START_TEST(another_history_under_the_same_heads_fails)
{
	OWNED(proof_free) struct proof *p = fresh(false);
	struct pile other = {0};
	struct err e = {0};

	/* Whole and consistent by itself, by the same key, as long. */
	ledger_close(&m.l);
	unlinkat(m.td.fd, "ledger.db", 0);
	make_reopen(&m);
	grow(3, "x");
	grow(3, "y");
	take(&other);
	ck_assert_int_eq(feed(p, &pile, &other, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "head 1 signs for"));
	ck_assert_uint_eq(proof_verdict(p)->sequence, 3);
	pile_clear(&other);
}
END_TEST

START_TEST(a_record_of_another_history_does_not_follow)
{
	OWNED(proof_free) struct proof *p = fresh(false);
	struct pile other = {0};
	struct err e = {0};

	ledger_close(&m.l);
	unlinkat(m.td.fd, "ledger.db", 0);
	make_reopen(&m);
	grow(3, "x");
	take(&other);
	ck_assert_int_eq(feed_record(p, &pile, 0, &e), ERR_NONE);
	ck_assert_int_eq(feed_record(p, &other, 1, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "does not follow"));
	pile_clear(&other);
}
END_TEST

START_TEST(dropping_repeating_and_swapping_records_fails)
{
	static const size_t orders[][6] = {{0, 1, 3, 4, 5, 5},
	    {0, 0, 1, 2, 3, 4}, {1, 2, 3, 4, 5, 5}, {0, 2, 1, 3, 4, 5},
	    {5, 4, 3, 2, 1, 0}};

	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		OWNED(proof_free) struct proof *p = fresh(false);
		enum err_code rc = ERR_NONE;
		struct err e = {0};

		for (size_t k = 0; rc == ERR_NONE && k < 6; k++)
			rc = feed_record(p, &pile, orders[i][k], &e);
		ck_assert_int_eq(rc, ERR_CORRUPT);
		ck_assert(proof_verdict(p)->bad);
	}
}
END_TEST

START_TEST(a_missing_end_is_missed)
{
	for (size_t keep = 0; keep < 6; keep++) {
		OWNED(proof_free) struct proof *p = fresh(false);
		struct pile fewer = pile;
		struct err e = {0};

		fewer.records_count = keep;
		ck_assert_int_eq(feed(p, &pile, &fewer, &e), ERR_CORRUPT);
		ck_assert_ptr_nonnull(strstr(e.text, "cut off"));
		ck_assert_uint_eq(proof_verdict(p)->sequence, keep + 1);
	}
}
END_TEST

START_TEST(heads_follow_each_other)
{
	OWNED(proof_free) struct proof *a = fresh(false);
	OWNED(proof_free) struct proof *b = fresh(false);
	OWNED(proof_free) struct proof *c = fresh(false);
	struct pile other = {0};
	struct err e = {0};

	ck_assert_int_eq(feed_head(a, &pile, 1, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "should"));

	ledger_close(&m.l);
	unlinkat(m.td.fd, "ledger.db", 0);
	make_reopen(&m);
	grow(3, "x");
	grow(3, "y");
	take(&other);
	ck_assert_int_eq(feed_head(b, &pile, 0, &e), ERR_NONE);
	ck_assert_int_eq(feed_head(b, &other, 1, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "does not follow"));

	ck_assert_int_eq(feed_record(c, &pile, 0, &e), ERR_NONE);
	ck_assert_int_eq(feed_head(c, &pile, 0, &e), ERR_CORRUPT);
	pile_clear(&other);
}
END_TEST

START_TEST(a_head_that_takes_records_back_fails)
{
	OWNED(proof_free) struct proof *p = fresh(false);
	struct pile forged = {0};
	struct err e = {0};

	/* Whoever holds the key cuts the chain and signs what is left. */
	make_sql(&m,
	    "DELETE FROM records WHERE row > 4;"
	    "UPDATE tips SET sequence = 4, hash = (SELECT hash FROM records"
	    " WHERE row = 4)");
	make_sql(&m, "UPDATE sqlite_sequence SET seq = 6");
	grow(1, "forged");
	take(&forged);
	ck_assert_uint_eq(forged.heads_count, 3);
	ck_assert_int_eq(feed(p, &forged, &forged, &e), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(e.text, "takes back"));
	pile_clear(&forged);
}
END_TEST

START_TEST(a_part_begins_behind_its_first_head)
{
	OWNED(proof_free) struct proof *p = fresh(true);
	OWNED(proof_free) struct proof *q = fresh(true);
	struct err e = {0};

	ck_assert_int_eq(feed_head(p, &pile, 0, &e), ERR_NONE);
	ck_assert_int_eq(feed_head(p, &pile, 1, &e), ERR_NONE);
	for (size_t i = 3; i < 6; i++)
		ck_assert_msg(feed_record(p, &pile, i, &e) == ERR_NONE, "%s",
		    e.text);
	ck_assert_int_eq(proof_end(p, &e), ERR_NONE);
	ck_assert_int_eq(feed_head(q, &pile, 0, &e), ERR_NONE);
	ck_assert_int_eq(feed_record(q, &pile, 0, &e), ERR_CORRUPT);
}
END_TEST

START_TEST(a_chain_that_was_left_out_has_no_place)
{
	static const char *const chains[] = {"shared"};
	struct proof_options o = {.chains = chains, .chains_count = 1};
	OWNED(proof_free) struct proof *p = NULL;
	struct err e = {0};

	ck_assert_int_eq(proof_new(&p, &o, &e), ERR_NONE);
	ck_assert_int_eq(feed_head(p, &pile, 0, &e), ERR_NONE);
	ck_assert_int_eq(feed_record(p, &pile, 0, &e), ERR_CORRUPT);
}
END_TEST

Suite *suite_ledger_proof(void);

Suite *
suite_ledger_proof(void)
{
	Suite *s = suite_create("ledger/proof");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_recorded_passes);
	tcase_add_test(tc, another_history_under_the_same_heads_fails);
	tcase_add_test(tc, a_record_of_another_history_does_not_follow);
	tcase_add_test(tc, dropping_repeating_and_swapping_records_fails);
	tcase_add_test(tc, a_missing_end_is_missed);
	tcase_add_test(tc, heads_follow_each_other);
	tcase_add_test(tc, a_head_that_takes_records_back_fails);
	tcase_add_test(tc, a_part_begins_behind_its_first_head);
	tcase_add_test(tc, a_chain_that_was_left_out_has_no_place);
	suite_add_tcase(s, tc);
	return s;
}
