#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/crypt.h>
#include <bascule/ledger.h>

#include "support/must.h"

Suite *suite_ledger_words(void);

static struct sign_key *key;
static struct ack ack;
static struct cosign cosign;

static void
setup(void)
{
	OWNED(secret_fini) struct secret seed = {0};
	struct err e = {0};

	must(secret_init(&seed, 32, &e), &e);
	for (uint8_t i = 0; i < 32; i++)
		seed.bytes[i] = i;
	seed.len_bytes = 32;
	must(sign_key_from(&key, &seed, &e), &e);
	ack = (struct ack){.since = {INT64_C(1792800000123456789)},
	    .service = "housing-repairs"};
	memset(ack.family, 0xfa, sizeof(ack.family));
	memset(ack.point.bytes, 0xb0, ID_BYTES);
	cosign = (struct cosign){.number = 258,
	    .at = {INT64_C(1792800000123456789)},
	    .site = "brent",
	    .by = "southwark"};
	memset(cosign.head.bytes, 0xbe, ID_BYTES);
}

static void
teardown(void)
{
	sign_key_free(&key);
}

/* The nth line of tests/golden/statements-v1, as bytes. */
static void
golden(size_t nth, struct buf *out)
{
	OWNED(buf_fini) struct buf file = {0};
	char *line;
	struct err e = {0};
	uint8_t *at;

	must(fdio_slurp(AT_FDCWD, "tests/golden/statements-v1", 1 << 16, &file,
		 &e),
	    &e);
	must(buf_add_byte(&file, '\0', &e), &e);
	line = (char *)file.bytes;
	for (; nth > 0; nth--)
		line = strchr(line, '\n') + 1;
	line[strcspn(line, "\n")] = '\0';
	must(buf_extend(out, strlen(line) / 2, &at, &e), &e);
	ck_assert(text_unhex(line, at, strlen(line) / 2));
}

static void
make(bool is_ack, struct buf *out)
{
	struct err e = {0};

	must(is_ack ? ack_make(&ack, key, out, &e)
		    : cosign_make(&cosign, key, out, &e),
	    &e);
}

START_TEST(each_is_byte_for_byte_what_the_first_version_wrote)
{
	for (size_t i = 0; i < 2; i++) {
		OWNED(buf_fini) struct buf is = {0};
		OWNED(buf_fini) struct buf was = {0};

		make(i == 0, &is);
		golden(i, &was);
		ck_assert_uint_eq(is.len_bytes, was.len_bytes);
		ck_assert(memcmp(is.bytes, was.bytes, is.len_bytes) == 0);
	}
}
END_TEST

START_TEST(what_was_said_is_read_back)
{
	OWNED(buf_fini) struct buf b = {0};
	struct ack a;
	struct cosign c;
	struct err e = {0};

	golden(0, &b);
	must(ack_read(&a, b.bytes, b.len_bytes, &e), &e);
	ck_assert_str_eq(a.service, "housing-repairs");
	ck_assert(id_equal(&a.point, &ack.point));
	ck_assert_int_eq(a.since.ns, ack.since.ns);
	ck_assert(memcmp(a.signer, sign_key_public(key)->bytes, 32) == 0);
	golden(1, &b);
	ck_assert_int_eq(cosign_read(&c, b.bytes, b.len_bytes, &e),
	    ERR_CORRUPT); /* two in one */
	buf_clear(&b);
	golden(1, &b);
	must(cosign_read(&c, b.bytes, b.len_bytes, &e), &e);
	ck_assert_uint_eq(c.number, 258);
	ck_assert_str_eq(c.site, "brent");
	ck_assert_str_eq(c.by, "southwark");
	/* a word of one sort is none of the other */
	ck_assert_int_eq(ack_read(&a, b.bytes, b.len_bytes, &e), ERR_CORRUPT);
}
END_TEST

START_TEST(a_changed_byte_or_length_is_no_word)
{
	for (size_t which = 0; which < 2; which++) {
		OWNED(buf_fini) struct buf b = {0};
		struct ack a;
		struct cosign c;
		struct err e = {0};

		make(which == 0, &b);
		for (size_t i = 0; i < b.len_bytes; i++) {
			b.bytes[i] ^= 0x20;
			ck_assert_int_ne(which == 0
				? ack_read(&a, b.bytes, b.len_bytes, &e)
				: cosign_read(&c, b.bytes, b.len_bytes, &e),
			    ERR_NONE);
			b.bytes[i] ^= 0x20;
			ck_assert_int_ne(which == 0
				? ack_read(&a, b.bytes, i, &e)
				: cosign_read(&c, b.bytes, i, &e),
			    ERR_NONE);
		}
	}
}
END_TEST

Suite *
suite_ledger_words(void)
{
	Suite *s = suite_create("ledger/words");
	TCase *tc = tcase_create("words");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_is_byte_for_byte_what_the_first_version_wrote);
	tcase_add_test(tc, what_was_said_is_read_back);
	tcase_add_test(tc, a_changed_byte_or_length_is_no_word);
	suite_add_tcase(s, tc);
	return s;
}
