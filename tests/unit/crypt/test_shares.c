#include <bascule/crypt.h>

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/fault.h"

Suite *suite_crypt_shares(void);

#define K 2
#define N 3

static struct keyring *ops, *escrow;
static struct secret texts[SHARES_MAX], file;

static void
set_up(void)
{
	struct err e = {0};

	ck_assert_int_eq(keyring_new_family(&ops, &escrow, &e), ERR_NONE);
	ck_assert_int_eq(keyring_save(escrow, NULL, &file, &e), ERR_NONE);
	ck_assert_int_eq(shares_split(texts, escrow, K, N, &e), ERR_NONE);
}

static void
tear_down(void)
{
	keyring_free(&ops);
	keyring_free(&escrow);
	secret_fini(&file);
	for (size_t i = 0; i < SHARES_MAX; i++)
		secret_fini(&texts[i]);
}

/* Combine those whose bit is set; *out is NULL on failure. */
static enum err_code
combine(struct keyring **out, unsigned which, struct err *e)
{
	struct share *s[SHARES_MAX] = {0};
	size_t count = 0;
	enum err_code rc = ERR_NONE;

	for (unsigned i = 0; i < SHARES_MAX && rc == ERR_NONE; i++)
		if ((which & 1U << i) != 0)
			rc = shares_read(&s[count++], &texts[i], e);
	if (rc == ERR_NONE)
		rc = shares_combine(out, s, count, e);
	for (size_t i = 0; i < count; i++)
		shares_free(&s[i]);
	return rc;
}

static void
is_the_key(const struct keyring *k)
{
	OWNED(secret_fini) struct secret again = {0};
	struct err e = {0};

	ck_assert_int_eq(keyring_save(k, NULL, &again, &e), ERR_NONE);
	ck_assert_uint_eq(again.len_bytes, file.len_bytes);
	ck_assert_mem_eq(again.bytes, file.bytes, file.len_bytes);
}

START_TEST(any_two_of_three_are_the_key_and_one_is_nothing)
{
	for (unsigned which = 1; which < 1U << N; which++) {
		OWNED(keyring_free) struct keyring *k = NULL;
		struct err e = {0};
		enum err_code rc = combine(&k, which, &e);

		if (__builtin_popcount(which) >= K) {
			ck_assert_int_eq(rc, ERR_NONE);
			is_the_key(k);
			continue;
		}
		ck_assert_int_eq(rc, ERR_KEY);
		ck_assert_ptr_null(k);
		ck_assert_ptr_nonnull(strstr(e.text, "not enough"));
	}
}
END_TEST

START_TEST(any_shape_from_two_to_sixteen_works)
{
	static const unsigned shapes[][2] = {{2, 2}, {3, 5}, {16, 16}, {2, 16}};

	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		OWNED(keyring_free) struct keyring *k = NULL;
		unsigned need = shapes[i][0], all = shapes[i][1];
		struct err e = {0};

		ck_assert_int_eq(shares_split(texts, escrow, need, all, &e),
		    ERR_NONE);
		ck_assert_int_eq(combine(&k, ((1U << need) - 1) << (all - need),
				     &e),
		    ERR_NONE);
		is_the_key(k);
	}
}
END_TEST

START_TEST(a_shape_that_makes_no_sense_is_refused)
{
	static const unsigned shapes[][2] = {{0, 0}, {0, 3}, {1, 1}, {1, 3},
	    {4, 3}, {2, 17}, {17, 17}};
	struct secret none[SHARES_MAX] = {0};
	struct err e = {0};

	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		ck_assert_int_eq(shares_split(none, escrow, shapes[i][0],
				     shapes[i][1], &e),
		    ERR_INPUT);
		ck_assert_ptr_null(none[0].bytes);
	}
}
END_TEST

/* Typed: small letters, other spaces, no notes, O for 0 and l for 1. */
START_TEST(what_a_person_types_is_read)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret typed = {0};
	struct err e = {0};
	bool note = true, number = true, seen = false;
	size_t n = 0;

	ck_assert_int_eq(secret_init(&typed, 2 * texts[0].len_bytes, &e),
	    ERR_NONE);
	for (size_t i = 0; i < texts[0].len_bytes; i++) {
		char c = (char)texts[0].bytes[i];

		if (i == 0 || texts[0].bytes[i - 1] == '\n') {
			note = c == '#';
			number = true;
			seen = false;
		}
		if (note)
			continue;
		if (c == ' ' && seen)
			number = false;
		seen = seen || isdigit(c);
		if (!number && c == '0')
			c = 'o';
		if (!number && c == '1')
			c = 'l';
		typed.bytes[n++] = (uint8_t)tolower(c);
		if (c == ' ' || c == '\n')
			typed.bytes[n++] = (uint8_t)c;
	}
	secret_cut(&typed, n - 2); /* no newline at the end */
	secret_fini(&texts[0]);
	texts[0] = typed;
	typed = (struct secret){0};
	ck_assert_int_eq(combine(&k, 3, &e), ERR_NONE);
	is_the_key(k);
}
END_TEST

/* Every digit of it, changed; every line of it, left out; every length. */
START_TEST(no_slip_goes_unseen_and_its_line_is_named)
{
	struct secret *t = &texts[1];
	unsigned line = 0;
	bool note = false;

	for (size_t i = 0; i < t->len_bytes; i++) {
		OWNED(shares_free) struct share *s = NULL;
		struct err e = {0};
		uint8_t was = t->bytes[i];
		char named[24];

		if (i == 0 || t->bytes[i - 1] == '\n') {
			note = was == '#';
			line += note ? 0 : 1;
		}
		if (note || isspace(was))
			continue;
		t->bytes[i] = was == '7' ? '8' : '7';
		ck_assert_int_eq(shares_read(&s, t, &e), ERR_CORRUPT);
		ck_assert_ptr_null(s);
		snprintf(named, sizeof named, "line %u ", line - 1);
		if (line > 1)
			ck_assert_ptr_nonnull(strstr(e.text, named));
		t->bytes[i] = was;
	}
	for (size_t n = 0; n + 1 < t->len_bytes; n += 3) {
		OWNED(shares_free) struct share *s = NULL;
		OWNED(secret_fini) struct secret part = {0};
		struct err e = {0};

		ck_assert_int_eq(secret_set(&part, t->bytes, n, &e), ERR_NONE);
		ck_assert_int_eq(shares_read(&s, &part, &e), ERR_CORRUPT);
	}
}
END_TEST

START_TEST(shares_of_two_sets_and_one_twice_are_told_apart)
{
	OWNED(secret_fini) struct secret first = {0};
	OWNED(keyring_free) struct keyring *k = NULL;
	struct err e = {0};

	ck_assert_int_eq(secret_set(&first, texts[0].bytes, texts[0].len_bytes,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(secret_set(&texts[1], first.bytes, first.len_bytes,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(combine(&k, 3, &e), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "twice"));
	ck_assert_int_eq(shares_split(texts, escrow, K, N, &e), ERR_NONE);
	ck_assert_int_eq(secret_set(&texts[0], first.bytes, first.len_bytes,
			     &e),
	    ERR_NONE);
	ck_assert_int_eq(combine(&k, 3, &e), ERR_KEY);
	ck_assert_ptr_nonnull(strstr(e.text, "set"));
	ck_assert_ptr_null(k);
}
END_TEST

/* A keeper who makes up a share, its checks and all. */
START_TEST(a_false_share_makes_no_key)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	struct share *s[2] = {0};
	struct err e = {0};

	/* Any content will do: here that of another key, in the same set. */
	ck_assert_int_eq(shares_read(&s[0], &texts[0], &e), ERR_NONE);
	ck_assert_int_eq(shares_split(texts, escrow, K, N, &e), ERR_NONE);
	ck_assert_int_eq(shares_read(&s[1], &texts[1], &e), ERR_NONE);
	memcpy(((struct shares_about *)(uintptr_t)shares_about(s[1]))->set,
	    shares_about(s[0])->set, SHARES_SET_BYTES);
	ck_assert_int_eq(shares_combine(&k, s, 2, &e), ERR_KEY);
	ck_assert_ptr_null(k);
	ck_assert_ptr_nonnull(strstr(e.text, "false"));
	shares_free(&s[0]);
	shares_free(&s[1]);
}
END_TEST

/*
 * One share of two keys that differ: neither its length nor the distribution
 * of its digits says which.  A share of the same key, split again, has nothing
 * in common with it.
 */
START_TEST(a_share_says_nothing_of_the_key)
{
	OWNED(secret_fini) struct secret before = {0};
	struct err e = {0};
	size_t same = 0, digits = 0;

	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(secret_set(&before, texts[0].bytes,
				     texts[0].len_bytes, &e),
		    ERR_NONE);
		ck_assert_int_eq(shares_split(texts, escrow, K, N, &e),
		    ERR_NONE);
		ck_assert_uint_eq(before.len_bytes, texts[0].len_bytes);
		for (size_t c = strlen("# Share") + 400; c < before.len_bytes;
		     c++) {
			if (!isalnum(before.bytes[c]))
				continue;
			digits++;
			same += before.bytes[c] == texts[0].bytes[c];
		}
	}
	ck_assert_uint_gt(digits, 3000);
	/* a 32nd by chance, and the head and the numbers of lines */
	ck_assert_uint_lt(same, digits / 5);
}
END_TEST

START_TEST(splitting_and_combining_survive_running_out_of_memory)
{
	struct err e = {0};
	enum err_code rc;
	int nth;

	for (nth = 1; nth < 400; nth++) {
		OWNED(keyring_free) struct keyring *k = NULL;

		fault_arm(nth, ENOMEM);
		rc = shares_split(texts, escrow, K, N, &e);
		if (rc == ERR_NONE)
			rc = combine(&k, 5, &e);
		if (!fault_fired())
			break;
		if (rc != ERR_NONE)
			ck_assert_int_eq(rc, ERR_NOMEM);
		ck_assert_int_eq(shares_split(texts, escrow, K, N, &e),
		    ERR_NONE);
	}
	ck_assert_int_lt(nth, 400);
	ck_assert_int_eq(rc, ERR_NONE);
}
END_TEST

Suite *
suite_crypt_shares(void)
{
	Suite *s = suite_create("crypt/shares");
	TCase *tc = tcase_create("shares");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, any_two_of_three_are_the_key_and_one_is_nothing);
	tcase_add_test(tc, any_shape_from_two_to_sixteen_works);
	tcase_add_test(tc, a_shape_that_makes_no_sense_is_refused);
	tcase_add_test(tc, what_a_person_types_is_read);
	tcase_add_test(tc, no_slip_goes_unseen_and_its_line_is_named);
	tcase_add_test(tc, shares_of_two_sets_and_one_twice_are_told_apart);
	tcase_add_test(tc, a_false_share_makes_no_key);
	tcase_add_test(tc, a_share_says_nothing_of_the_key);
	tcase_add_test(tc,
	    splitting_and_combining_survive_running_out_of_memory);
	suite_add_tcase(s, tc);
	return s;
}
