#include <bascule/crypt.h>

#include <check.h>
#include <string.h>

Suite *suite_crypt_hash(void);

static void
hex_is(const struct id *id, const char *hex)
{
	char out[ID_HEX_BYTES];

	ck_assert_str_eq(id_hex(id, out), hex);
}

START_TEST(sha256_is_sha256_however_it_is_fed)
{
	OWNED(hash_free) struct hash *h = NULL;
	struct err e = {0};
	struct id whole, piecewise;
	uint8_t bytes[1000];

	ck_assert_int_eq(hash_sha256("abc", 3, &whole, &e), ERR_NONE);
	hex_is(&whole,
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	ck_assert_int_eq(hash_begin(&h, &e), ERR_NONE);
	memset(bytes, 5, sizeof bytes);
	for (int round = 0; round < 2; round++) { /* it is fresh again */
		for (size_t at = 0; at < sizeof bytes; at += 100)
			hash_add(h, bytes + at, 100);
		hash_end(h, &piecewise);
		ck_assert_int_eq(hash_sha256(bytes, sizeof bytes, &whole, &e),
		    ERR_NONE);
		ck_assert(id_equal(&whole, &piecewise));
	}
}
END_TEST

START_TEST(a_peek_does_not_end_the_hash)
{
	OWNED(hash_free) struct hash *h = NULL;
	struct err e = {0};
	struct id id;

	ck_assert_int_eq(hash_begin(&h, &e), ERR_NONE);
	hash_add(h, "abc", 3);
	ck_assert_int_eq(hash_peek(h, &id, &e), ERR_NONE);
	hex_is(&id,
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	hash_add(h, "dbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    53);
	hash_end(h, &id);
	hex_is(&id,
	    "248d6a61d20638b8e5c026930c3e6039"
	    "a33ce45964ff2167f6ecedd419db06c1");
}
END_TEST

START_TEST(keyed_ids_are_hmac_of_rfc_4231)
{
	OWNED(hash_key_free) struct hash_key *key = NULL;
	OWNED(hash_key_free) struct hash_key *clone = NULL;
	OWNED(secret_fini) struct secret s = {0};
	struct err e = {0};
	struct iovec parts[3] = {{(void *)"Hi", 2}, {NULL, 0},
	    {(void *)" There", 6}};
	struct id id;

	ck_assert_int_eq(secret_init(&s, 20, &e), ERR_NONE);
	memset(s.bytes, 0x0b, 20);
	ck_assert_int_eq(hash_key_new(&key, &s, &e), ERR_NONE);
	ck_assert_int_eq(hash_key_clone(&clone, key, &e), ERR_NONE);
	hash_id(key, "Hi There", 8, &id);
	hex_is(&id,
	    "b0344c61d8db38535ca8afceaf0bf12b"
	    "881dc200c9833da726e9376c2e32cff7");
	hash_id_parts(clone, parts, COUNT_OF(parts), &id);
	hex_is(&id,
	    "b0344c61d8db38535ca8afceaf0bf12b"
	    "881dc200c9833da726e9376c2e32cff7");
}
END_TEST

START_TEST(hash_keys_of_a_length_that_makes_no_sense_are_refused)
{
	OWNED(hash_key_free) struct hash_key *key = NULL;
	OWNED(secret_fini) struct secret s = {0};
	struct err e = {0};

	ck_assert_int_eq(secret_init(&s, 15, &e), ERR_NONE);
	ck_assert_int_eq(hash_key_new(&key, &s, &e), ERR_INPUT);
	ck_assert_int_eq(secret_init(&s, 65, &e), ERR_NONE);
	ck_assert_int_eq(hash_key_new(&key, &s, &e), ERR_INPUT);
	ck_assert_ptr_null(key);
}
END_TEST

/* RFC 5869, test case 3: no salt; but info there is empty too. */
START_TEST(subkeys_are_hkdf_of_rfc_5869)
{
	OWNED(secret_fini) struct secret key = {0};
	OWNED(secret_fini) struct secret out = {0};
	struct err e = {0};
	char hex[TEXT_HEX_BYTES(42)];

	ck_assert_int_eq(secret_init(&key, 22, &e), ERR_NONE);
	memset(key.bytes, 0x0b, 22);
	ck_assert_int_eq(hash_derive(&key, "", 42, &out, &e), ERR_NONE);
	ck_assert_str_eq(text_hex(out.bytes, out.len_bytes, hex),
	    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
	    "9d201395faa4b61a96c8");
}
END_TEST

START_TEST(labels_give_different_subkeys)
{
	OWNED(secret_fini) struct secret key = {0};
	OWNED(secret_fini) struct secret a = {0};
	OWNED(secret_fini) struct secret b = {0};
	struct err e = {0};

	ck_assert_int_eq(secret_random(&key, 32, &e), ERR_NONE);
	ck_assert_int_eq(hash_derive(&key, "a", 32, &a, &e), ERR_NONE);
	ck_assert_int_eq(hash_derive(&key, "b", 32, &b, &e), ERR_NONE);
	ck_assert(!secret_equal(a.bytes, b.bytes, 32));
	ck_assert_int_eq(hash_derive(&key, "b", 32, &a, &e), ERR_NONE);
	ck_assert(secret_equal(a.bytes, b.bytes, 32));
}
END_TEST

START_TEST(secrets_are_bounded_and_cut_and_set_from_themselves)
{
	OWNED(secret_fini) struct secret s = {0};
	struct err e = {0};

	ck_assert_int_eq(secret_init(&s, SECRET_BYTES_MAX + 1, &e), ERR_INPUT);
	ck_assert_ptr_null(s.bytes);
	ck_assert_int_eq(secret_set(&s, "secret", 6, &e), ERR_NONE);
	ck_assert_int_eq(secret_set(&s, s.bytes + 1, 5, &e), ERR_NONE);
	ck_assert_mem_eq(s.bytes, "ecret", 5);
	secret_cut(&s, 2);
	ck_assert_uint_eq(s.len_bytes, 2);
	ck_assert_mem_eq(s.bytes, "ec\0\0\0", 5);
	ck_assert_int_eq(secret_init(&s, SECRET_BYTES_MAX, &e), ERR_NONE);
	s.bytes[SECRET_BYTES_MAX - 1] = 1;
}
END_TEST

Suite *
suite_crypt_hash(void)
{
	Suite *s = suite_create("crypt/hash");
	TCase *tc = tcase_create("hash");

	tcase_add_test(tc, sha256_is_sha256_however_it_is_fed);
	tcase_add_test(tc, a_peek_does_not_end_the_hash);
	tcase_add_test(tc, keyed_ids_are_hmac_of_rfc_4231);
	tcase_add_test(tc,
	    hash_keys_of_a_length_that_makes_no_sense_are_refused);
	tcase_add_test(tc, subkeys_are_hkdf_of_rfc_5869);
	tcase_add_test(tc, labels_give_different_subkeys);
	tcase_add_test(tc, secrets_are_bounded_and_cut_and_set_from_themselves);
	suite_add_tcase(s, tc);
	return s;
}
