#include <bascule/crypt.h>

#include <check.h>
#include <string.h>

Suite *suite_crypt_sign(void);

#define LABEL "bascule test v1"

static struct sign_key *
key_of(uint8_t byte)
{
	OWNED(secret_fini) struct secret seed = {0};
	struct sign_key *key;
	struct err e = {0};

	ck_assert_int_eq(secret_init(&seed, 32, &e), ERR_NONE);
	memset(seed.bytes, byte, 32);
	ck_assert_int_eq(sign_key_from(&key, &seed, &e), ERR_NONE);
	return key;
}

/* RFC 8032, 7.1, test 1: the public half; the fingerprint by sha256sum. */
START_TEST(keys_and_fingerprints_are_those_of_rfc_8032)
{
	OWNED(sign_key_free) struct sign_key *key = NULL;
	OWNED(secret_fini) struct secret seed = {0};
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	char hex[TEXT_HEX_BYTES(SIGN_PUBLIC_BYTES)];
	struct err e = {0};

	ck_assert_int_eq(secret_init(&seed, 32, &e), ERR_NONE);
	ck_assert(text_unhex("9d61b19deffd5a60ba844af492ec2cc4"
			     "4449c5697b326919703bac031cae7f60",
	    seed.bytes, 32));
	ck_assert_int_eq(sign_key_from(&key, &seed, &e), ERR_NONE);
	ck_assert_str_eq(text_hex(sign_key_public(key)->bytes,
			     SIGN_PUBLIC_BYTES, hex),
	    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	ck_assert_int_eq(sign_fingerprint(sign_key_public(key), fingerprint,
			     &e),
	    ERR_NONE);
	ck_assert_str_eq(fingerprint,
	    "SHA256:If4x36FUomFia/hUBG/SJxt77UtqvkWqWId+9H+XIbk");
}
END_TEST

START_TEST(a_signature_holds_for_its_message_label_and_key_only)
{
	OWNED(sign_key_free) struct sign_key *key = key_of(1);
	OWNED(sign_key_free) struct sign_key *other = key_of(2);
	const struct sign_public *pub = sign_key_public(key);
	uint8_t sig[SIGN_BYTES];
	struct err e = {0};

	ck_assert_int_eq(sign_make(key, LABEL, "head", 4, sig, &e), ERR_NONE);
	ck_assert_int_eq(sign_check(pub, LABEL, "head", 4, sig, &e), ERR_NONE);
	ck_assert_int_eq(sign_check(pub, LABEL, "Head", 4, sig, &e),
	    ERR_CORRUPT);
	ck_assert_int_eq(sign_check(pub, LABEL, "head", 3, sig, &e),
	    ERR_CORRUPT);
	ck_assert_int_eq(sign_check(pub, "bascule tent v1", "head", 4, sig, &e),
	    ERR_CORRUPT);
	ck_assert_int_eq(sign_check(sign_key_public(other), LABEL, "head", 4,
			     sig, &e),
	    ERR_CORRUPT);
	for (size_t i = 0; i < SIGN_BYTES; i++) {
		sig[i] ^= 4;
		ck_assert_int_eq(sign_check(pub, LABEL, "head", 4, sig, &e),
		    ERR_CORRUPT);
		sig[i] ^= 4;
	}
}
END_TEST

/* Or else one signature could be two: S and S + L verify alike where nobody
 * looks. */
START_TEST(a_signature_has_one_spelling)
{
	OWNED(sign_key_free) struct sign_key *key = key_of(1);
	const struct sign_public *pub = sign_key_public(key);
	uint8_t sig[SIGN_BYTES], order[32];
	struct err e = {0};
	unsigned carry = 0;

	ck_assert(text_unhex("edd3f55c1a631258d69cf7a2def9de14"
			     "00000000000000000000000000000010",
	    order, 32));
	ck_assert_int_eq(sign_make(key, LABEL, "head", 4, sig, &e), ERR_NONE);
	for (size_t i = 0; i < 32; i++) {
		carry += (unsigned)sig[32 + i] + order[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	ck_assert_uint_eq(carry, 0);
	ck_assert_int_eq(sign_check(pub, LABEL, "head", 4, sig, &e),
	    ERR_CORRUPT);
}
END_TEST

START_TEST(a_label_cannot_bleed_into_the_message)
{
	OWNED(sign_key_free) struct sign_key *key = key_of(1);
	uint8_t sig[SIGN_BYTES];
	struct err e = {0};

	ck_assert_int_eq(sign_make(key, "ab", "c", 1, sig, &e), ERR_NONE);
	ck_assert_int_eq(sign_check(sign_key_public(key), "a", "bc", 2, sig,
			     &e),
	    ERR_CORRUPT);
}
END_TEST

START_TEST(an_empty_message_can_be_signed)
{
	OWNED(sign_key_free) struct sign_key *key = key_of(1);
	uint8_t sig[SIGN_BYTES];
	struct err e = {0};

	ck_assert_int_eq(sign_make(key, LABEL, NULL, 0, sig, &e), ERR_NONE);
	ck_assert_int_eq(sign_check(sign_key_public(key), LABEL, "", 0, sig,
			     &e),
	    ERR_NONE);
}
END_TEST

static void
survives_its_file(const struct secret *passphrase)
{
	OWNED(sign_key_free) struct sign_key *key = NULL;
	OWNED(sign_key_free) struct sign_key *back = NULL;
	OWNED(secret_fini) struct secret file = {0};
	struct err e = {0};

	ck_assert_int_eq(sign_key_new(&key, &e), ERR_NONE);
	ck_assert_int_eq(sign_key_save(key, passphrase, &file, &e), ERR_NONE);
	ck_assert(keyfile_is_wrapped(&file) == (passphrase != NULL));
	ck_assert_int_eq(sign_key_load(&back, &file, passphrase, &e), ERR_NONE);
	ck_assert_mem_eq(sign_key_public(key), sign_key_public(back),
	    SIGN_PUBLIC_BYTES);
}

START_TEST(a_signer_survives_its_file_with_and_without_a_passphrase)
{
	OWNED(secret_fini) struct secret passphrase = {0};
	struct err e = {0};

	ck_assert_int_eq(secret_set(&passphrase, "tower", 5, &e), ERR_NONE);
	survives_its_file(NULL);
	survives_its_file(&passphrase);
}
END_TEST

START_TEST(a_signers_file_opens_no_repository)
{
	OWNED(sign_key_free) struct sign_key *key = key_of(1);
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret file = {0};
	struct err e = {0};

	ck_assert_int_eq(sign_key_save(key, NULL, &file, &e), ERR_NONE);
	ck_assert_int_eq(keyring_load(&k, &file, NULL, &e), ERR_CORRUPT);
	ck_assert_ptr_null(k);
}
END_TEST

Suite *
suite_crypt_sign(void)
{
	Suite *s = suite_create("crypt/sign");
	TCase *tc = tcase_create("sign");

	tcase_add_test(tc, keys_and_fingerprints_are_those_of_rfc_8032);
	tcase_add_test(tc,
	    a_signature_holds_for_its_message_label_and_key_only);
	tcase_add_test(tc, a_signature_has_one_spelling);
	tcase_add_test(tc, a_label_cannot_bleed_into_the_message);
	tcase_add_test(tc, an_empty_message_can_be_signed);
	tcase_add_test(tc,
	    a_signer_survives_its_file_with_and_without_a_passphrase);
	tcase_add_test(tc, a_signers_file_opens_no_repository);
	suite_add_tcase(s, tc);
	return s;
}
