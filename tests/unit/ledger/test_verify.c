#include <check.h>
#include <string.h>

#include "make.h"

static struct make m;

static void
setup(void)
{
	struct err e = {0};

	make_setup(&m);
	for (int i = 0; i < 6; i++)
		make_append(&m,
		    make_draft(i % 2 == 0 ? NULL : "brent", LEDGER_JOB, "@run",
			"j1", "@service", "housing", "state", "running", NULL));
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	for (int i = 0; i < 2; i++)
		make_append(&m, make_draft(NULL, "note", "n", "x", NULL));
	ck_assert_int_eq(ledger_sign_head(m.l, NULL, &e), ERR_NONE);
	make_append(&m, make_draft(NULL, "note", "n", "tail", NULL));
}

static void
teardown(void)
{
	make_teardown(&m);
}

/* Change the file behind the ledger's back; what verification then says. */
static struct ledger_verdict
after(const char *sql)
{
	make_sql(&m, sql);
	return make_verify(&m);
}

START_TEST(the_first_changed_record_is_named)
{
	struct ledger_verdict v =
	    after("UPDATE records SET bytes = CAST(substr(bytes, 1, 200) ||"
		  " x'ff' || substr(bytes, 202) AS BLOB) WHERE row = 4");

	ck_assert(v.bad);
	ck_assert_str_eq(v.chain, "brent");
	ck_assert_uint_eq(v.sequence, 2);
}
END_TEST

START_TEST(every_column_is_compared)
{
	static const char *const changes[] =
	    {"UPDATE records SET hash = zeroblob(32) WHERE row = 3",
		"UPDATE records SET type = 'other' WHERE row = 3",
		"UPDATE records SET phase = 1 WHERE row = 3",
		"UPDATE records SET at_ns = at_ns + 1 WHERE row = 3",
		"UPDATE records SET run = 'j2' WHERE row = 3",
		"UPDATE records SET service = NULL WHERE row = 3",
		"UPDATE records SET intent = 'aa' WHERE row = 3",
		"UPDATE records SET chain = 'southwark' WHERE row = 3",
		"UPDATE records SET sequence = 77 WHERE row = 3"};

	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		struct ledger_verdict v = after(changes[i]);

		ck_assert_msg(v.bad, "%s", changes[i]);
		ck_assert_str_eq(v.chain, "shared");
		ck_assert_msg(v.sequence == 2, "%s: %llu", changes[i],
		    (unsigned long long)v.sequence);
		make_teardown(&m);
		setup();
	}
}
END_TEST

START_TEST(removing_inserting_and_reordering_show)
{
	static const char *const changes[] = {"DELETE FROM records WHERE row = "
					      "3",
	    "DELETE FROM records WHERE row = 1",
	    "INSERT INTO records SELECT 100, chain, 100, hash, type, phase,"
	    " at_ns, run, service, intent, bytes FROM records WHERE row = 3",
	    "UPDATE records SET row = 50 WHERE row = 1",
	    "DELETE FROM tips WHERE chain = 'brent'",
	    "UPDATE tips SET sequence = 1 WHERE chain = 'brent'",
	    "UPDATE tips SET hash = zeroblob(32)"};

	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		ck_assert_msg(after(changes[i]).bad, "%s", changes[i]);
		make_teardown(&m);
		setup();
	}
}
END_TEST

START_TEST(a_tail_cut_off_is_missed_by_the_head)
{
	struct ledger_verdict v = after(
	    "DELETE FROM records WHERE row >= 8;"
	    "UPDATE tips SET sequence = 4, hash = (SELECT hash FROM records"
	    " WHERE row = 7) WHERE chain = 'shared'");

	ck_assert(v.bad);
	ck_assert_str_eq(v.chain, "shared");
	ck_assert_uint_eq(v.sequence, 5);
	ck_assert_ptr_nonnull(strstr(v.what, "cut off"));
}
END_TEST

START_TEST(heads_are_held_to_their_signature_and_order)
{
	static const char *const changes[] =
	    {"UPDATE heads SET signature = zeroblob(64) WHERE number = 1",
		"UPDATE heads SET signer = zeroblob(32) WHERE number = 2",
		"DELETE FROM heads WHERE number = 1",
		("UPDATE heads SET bytes = CAST(substr(bytes, 1, 60) || x'01' "
		 "|| substr(bytes, 62) AS BLOB) WHERE number = 2")};

	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		struct ledger_verdict v = after(changes[i]);

		ck_assert_msg(v.bad, "%s", changes[i]);
		ck_assert_uint_eq(v.sequence, 0);
		ck_assert_ptr_nonnull(strstr(v.what, "head"));
		make_teardown(&m);
		setup();
	}
}
END_TEST

START_TEST(anothers_signature_is_not_ours)
{
	OWNED(sign_key_free) struct sign_key *other = NULL;
	struct ledger_verdict v;
	struct err e = {0};

	ck_assert_int_eq(sign_key_new(&other, &e), ERR_NONE);
	ck_assert_int_eq(ledger_verify(m.l, sign_key_public(other), &v, &e),
	    ERR_NONE);
	ck_assert(v.bad);
	ck_assert_ptr_nonnull(strstr(v.what, "another key"));
	ck_assert_int_eq(ledger_verify(m.l, NULL, &v, &e), ERR_NONE);
	ck_assert(!v.bad);
}
END_TEST

static enum err_code
keep_one(void *ctx, const struct record *r, struct err *e)
{
	struct buf *b = ctx;

	buf_clear(b);
	return buf_add(b, r->bytes, r->len_bytes, e);
}

START_TEST(every_flipped_bit_of_a_record_shows)
{
	OWNED(buf_fini) struct buf b = {0};
	struct ledger_filter f = {.limit = 1};
	struct record r;
	struct err e = {0};
	struct id hash;

	ck_assert_int_eq(ledger_iterate(m.l, &f, keep_one, &b, &e), ERR_NONE);
	ck_assert_int_eq(record_decode(&r, b.bytes, b.len_bytes, &e), ERR_NONE);
	hash = r.hash;
	for (size_t bit = 0; bit < 8 * b.len_bytes; bit++) {
		enum err_code rc;

		b.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = record_decode(&r, b.bytes, b.len_bytes, &e);
		ck_assert_msg(rc == ERR_CORRUPT || !id_equal(&r.hash, &hash),
		    "bit %zu", bit);
		b.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < b.len_bytes; len++)
		ck_assert_int_eq(record_decode(&r, b.bytes, len, &e),
		    ERR_CORRUPT);
}
END_TEST

static bool
keep_none(void *ctx, const struct record_field *field)
{
	(void)ctx;
	(void)field;
	return false;
}

static bool
keep_public(void *ctx, const struct record_field *field)
{
	(void)ctx;
	return record_text_is(field->name, "state");
}

START_TEST(a_redacted_record_has_the_same_hash_and_says_less)
{
	OWNED(buf_fini) struct buf b = {0}, some = {0}, none = {0};
	struct ledger_filter f = {.limit = 1};
	struct record r, s;
	struct err e = {0};
	char text[32];

	ck_assert_int_eq(ledger_iterate(m.l, &f, keep_one, &b, &e), ERR_NONE);
	ck_assert_int_eq(record_decode(&r, b.bytes, b.len_bytes, &e), ERR_NONE);
	ck_assert_int_eq(record_redact(&r, keep_public, NULL, &some, &e),
	    ERR_NONE);
	ck_assert_int_eq(record_decode(&s, some.bytes, some.len_bytes, &e),
	    ERR_NONE);
	ck_assert(id_equal(&s.hash, &r.hash));
	ck_assert_str_eq(record_text(&s, "state", text, 32), "running");
	ck_assert_str_eq(record_text(&s, "@run", text, 32), "");
	ck_assert_int_eq(record_redact(&s, keep_none, NULL, &none, &e),
	    ERR_NONE);
	ck_assert_int_eq(record_decode(&s, none.bytes, none.len_bytes, &e),
	    ERR_NONE);
	ck_assert(id_equal(&s.hash, &r.hash));
	ck_assert_ptr_null(memmem(none.bytes, none.len_bytes, "housing", 7));
}
END_TEST

Suite *suite_ledger_verify(void);

Suite *
suite_ledger_verify(void)
{
	Suite *s = suite_create("ledger/verify");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_first_changed_record_is_named);
	tcase_add_test(tc, every_column_is_compared);
	tcase_add_test(tc, removing_inserting_and_reordering_show);
	tcase_add_test(tc, a_tail_cut_off_is_missed_by_the_head);
	tcase_add_test(tc, heads_are_held_to_their_signature_and_order);
	tcase_add_test(tc, anothers_signature_is_not_ours);
	tcase_add_test(tc, every_flipped_bit_of_a_record_shows);
	tcase_add_test(tc, a_redacted_record_has_the_same_hash_and_says_less);
	suite_add_tcase(s, tc);
	return s;
}
