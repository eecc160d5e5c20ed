#include <bascule/crypt.h>

#include <check.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "support/vector.h"

Suite *suite_crypt_seal(void);

#define TEXT_BYTES 300

static struct seal_key *
key_of(const uint8_t bytes[SEAL_KEY_BYTES])
{
	OWNED(secret_fini) struct secret s = {0};
	struct seal_key *key;
	struct err e = {0};

	ck_assert_int_eq(secret_set(&s, bytes, SEAL_KEY_BYTES, &e), ERR_NONE);
	ck_assert_int_eq(seal_key_new(&key, &s, &e), ERR_NONE);
	return key;
}

/* One block of the vector file. */
static void
vector_check(struct vector *v)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	uint8_t nonce[SEAL_NONCE_BYTES], plain[64], aad[64], out[128];
	size_t plain_bytes, aad_bytes;
	struct seal_input in;
	struct err e = {0};

	vector_next(v, "K");
	key = key_of(v->bytes);
	vector_next(v, "N");
	memcpy(nonce, v->bytes, sizeof nonce);
	vector_next(v, "plaintext");
	memcpy(plain, v->bytes, plain_bytes = v->len_bytes);
	vector_next(v, "aad");
	memcpy(aad, v->bytes, aad_bytes = v->len_bytes);
	vector_next(v, "ciphertext");

	in = (struct seal_input){nonce, aad, aad_bytes, plain, plain_bytes};
	ck_assert_int_eq(seal_close(key, &in, out, &e), ERR_NONE);
	ck_assert_uint_eq(v->len_bytes, plain_bytes + SEAL_TAG_BYTES);
	ck_assert_mem_eq(out, v->bytes, v->len_bytes);
	in.text = v->bytes;
	in.text_bytes = v->len_bytes;
	ck_assert_int_eq(seal_open(key, &in, out, &e), ERR_NONE);
	ck_assert_mem_eq(out, plain, plain_bytes);
}

START_TEST(the_published_vectors_come_out)
{
	struct vector v;

	vector_open(&v, "xaes-256-gcm.txt");
	vector_check(&v); /* top bit of L clear */
	vector_check(&v); /* ... and set */
	vector_close(&v);
}
END_TEST

/*
 * SHAKE-128 as a stream.  OpenSSL 3.0 squeezes once only, so all that the
 * rounds need is squeezed at the beginning.
 */
struct stream {
	uint8_t *bytes;
	size_t at;
};

#define ROUNDS          10000
#define ROUND_BYTES_MAX (32 + 24 + 2 * 256)

static void
stream_begin(struct stream *s)
{
	size_t len = (size_t)ROUNDS * ROUND_BYTES_MAX;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	s->at = 0;
	s->bytes = malloc(len);
	ck_assert(EVP_DigestInit_ex(ctx, EVP_shake128(), NULL) == 1);
	ck_assert(EVP_DigestFinalXOF(ctx, s->bytes, len) == 1);
	EVP_MD_CTX_free(ctx);
}

static const uint8_t *
stream_take(struct stream *s, size_t len_bytes)
{
	s->at += len_bytes;
	return s->bytes + s->at - len_bytes;
}

static void
round_run(struct stream *s, EVP_MD_CTX *sum)
{
	OWNED(seal_key_free)
	struct seal_key *key = key_of(stream_take(s, SEAL_KEY_BYTES));
	uint8_t out[256 + SEAL_TAG_BYTES], back[256];
	struct seal_input in = {0};
	struct err e = {0};

	in.nonce = stream_take(s, SEAL_NONCE_BYTES);
	in.text_bytes = *stream_take(s, 1);
	in.text = stream_take(s, in.text_bytes);
	in.aad_bytes = *stream_take(s, 1);
	in.aad = stream_take(s, in.aad_bytes);
	ck_assert(seal_close(key, &in, out, &e) == ERR_NONE);
	EVP_DigestUpdate(sum, out, in.text_bytes + SEAL_TAG_BYTES);

	const uint8_t *plain = in.text;
	size_t plain_bytes = in.text_bytes;
	in.text = out;
	in.text_bytes += SEAL_TAG_BYTES;
	ck_assert(seal_open(key, &in, back, &e) == ERR_NONE);
	ck_assert(memcmp(back, plain, plain_bytes) == 0);
}

START_TEST(ten_thousand_accumulated_rounds_come_out)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	uint8_t hash[32];
	struct stream s;
	struct vector v;

	stream_begin(&s);
	ck_assert(EVP_DigestInit_ex(sum, EVP_shake128(), NULL) == 1);
	for (int i = 0; i < ROUNDS; i++)
		round_run(&s, sum);
	ck_assert(EVP_DigestFinalXOF(sum, hash, sizeof hash) == 1);
	EVP_MD_CTX_free(sum);
	free(s.bytes);

	vector_open(&v, "xaes-256-gcm.txt");
	vector_next(&v, "rounds 10000");
	ck_assert_mem_eq(hash, v.bytes, sizeof hash);
	vector_close(&v);
}
END_TEST

/* Any part of it, from any offset, is what opening all of it gives there. */
START_TEST(a_part_is_what_the_whole_has_there)
{
	static const uint8_t bytes[SEAL_KEY_BYTES] = {9};
	OWNED(seal_key_free) struct seal_key *key = key_of(bytes);
	uint8_t plain[9000], text[sizeof plain + SEAL_TAG_BYTES], part[300];
	uint8_t nonce[SEAL_NONCE_BYTES];
	struct seal_input in = {nonce, "aad", 3, plain, sizeof plain};
	struct err e = {0};

	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(i * 7 + i / 256);
	seal_nonce(nonce);
	ck_assert_int_eq(seal_close(key, &in, text, &e), ERR_NONE);
	for (size_t at = 0; at < 400; at += 1 + at / 40)
		for (size_t n = 0; n <= sizeof part; n += 1 + n * 2) {
			ck_assert_int_eq(seal_peek(key, nonce, at, text + at, n,
					     part, &e),
			    ERR_NONE);
			ck_assert(memcmp(part, plain + at, n) == 0);
		}
	/* The counter has more than one byte. */
	ck_assert_int_eq(seal_peek(key, nonce, 0, text, sizeof plain, text, &e),
	    ERR_NONE);
	ck_assert_mem_eq(text, plain, sizeof plain);
	ck_assert_int_eq(seal_peek(key, nonce, UINT64_MAX, text, 1, part, &e),
	    ERR_INPUT);
	ck_assert_int_eq(seal_peek(key, nonce, 0, text, SIZE_MAX, part, &e),
	    ERR_INPUT);
}
END_TEST

struct sealed {
	struct seal_key *key;
	uint8_t nonce[SEAL_NONCE_BYTES];
	uint8_t aad[20];
	uint8_t text[TEXT_BYTES + SEAL_TAG_BYTES];
	struct seal_input in;
};

static void
sealed_make(struct sealed *s)
{
	static const uint8_t bytes[SEAL_KEY_BYTES] = {9};
	uint8_t plain[TEXT_BYTES];
	struct err e = {0};

	memset(plain, 'p', sizeof plain);
	memset(s->aad, 'a', sizeof s->aad);
	seal_nonce(s->nonce);
	s->key = key_of(bytes);
	s->in = (struct seal_input){s->nonce, s->aad, sizeof s->aad, plain,
	    sizeof plain};
	ck_assert_int_eq(seal_close(s->key, &s->in, s->text, &e), ERR_NONE);
	s->in.text = s->text;
	s->in.text_bytes = sizeof s->text;
}

START_TEST(any_flipped_bit_is_damage_and_hands_out_nothing)
{
	struct sealed s;
	struct err e = {0};
	uint8_t out[TEXT_BYTES];
	struct {
		uint8_t *bytes;
		size_t len_bytes;
	} parts[3];

	sealed_make(&s);
	parts[0].bytes = s.nonce, parts[0].len_bytes = sizeof s.nonce;
	parts[1].bytes = s.aad, parts[1].len_bytes = sizeof s.aad;
	parts[2].bytes = s.text, parts[2].len_bytes = sizeof s.text;
	for (size_t p = 0; p < 3; p++)
		for (size_t i = 0; i < parts[p].len_bytes; i++) {
			parts[p].bytes[i] ^= 0x10;
			memset(out, 'x', sizeof out);
			ck_assert_int_eq(seal_open(s.key, &s.in, out, &e),
			    ERR_CORRUPT);
			parts[p].bytes[i] ^= 0x10;
			for (size_t j = 0; j < sizeof out; j++)
				ck_assert_uint_eq(out[j], 0);
		}
	ck_assert_int_eq(seal_open(s.key, &s.in, out, &e), ERR_NONE);
	seal_key_free(&s.key);
}
END_TEST

START_TEST(a_shortened_text_is_damage)
{
	struct sealed s;
	struct err e = {0};
	uint8_t out[TEXT_BYTES];

	sealed_make(&s);
	for (size_t len = 0; len < sizeof s.text; len++) {
		s.in.text_bytes = len;
		ck_assert_int_eq(seal_open(s.key, &s.in, out, &e), ERR_CORRUPT);
	}
	seal_key_free(&s.key);
}
END_TEST

START_TEST(sealing_in_place_gives_the_same_bytes)
{
	struct sealed s;
	struct err e = {0};
	uint8_t same[TEXT_BYTES + SEAL_TAG_BYTES];

	sealed_make(&s);
	memset(same, 'p', TEXT_BYTES);
	s.in.text = same;
	s.in.text_bytes = TEXT_BYTES;
	ck_assert_int_eq(seal_close(s.key, &s.in, same, &e), ERR_NONE);
	ck_assert_mem_eq(same, s.text, sizeof same);
	s.in.text_bytes = sizeof same;
	ck_assert_int_eq(seal_open(s.key, &s.in, same, &e), ERR_NONE);
	ck_assert_uint_eq(same[0], 'p');
	ck_assert_uint_eq(same[TEXT_BYTES - 1], 'p');
	seal_key_free(&s.key);
}
END_TEST

static void *
open_many(void *arg)
{
	struct sealed *s = arg;
	struct err e = {0};
	uint8_t out[TEXT_BYTES];
	intptr_t bad = 0;

	for (int i = 0; i < 500; i++)
		if (seal_open(s->key, &s->in, out, &e) != ERR_NONE ||
		    out[7] != 'p')
			bad++;
	return (void *)bad;
}

START_TEST(clones_work_side_by_side)
{
	struct sealed s, other;
	struct err e = {0};
	pthread_t thread;
	void *bad;

	sealed_make(&s);
	other = s;
	other.in.text = other.text;
	other.in.nonce = other.nonce;
	other.in.aad = other.aad;
	ck_assert_int_eq(seal_key_clone(&other.key, s.key, &e), ERR_NONE);
	ck_assert(id_equal(seal_key_id(s.key), seal_key_id(other.key)));
	ck_assert_int_eq(pthread_create(&thread, NULL, open_many, &other), 0);
	ck_assert_ptr_null(open_many(&s));
	pthread_join(thread, &bad);
	ck_assert_ptr_null(bad);
	seal_key_free(&s.key);
	seal_key_free(&other.key);
}
END_TEST

START_TEST(the_key_id_is_the_documented_hash)
{
	static const char label[] = "bascule content key id v1";
	uint8_t message[sizeof label + SEAL_KEY_BYTES];
	OWNED(seal_key_free) struct seal_key *key = NULL;
	struct err e = {0};
	struct id id;

	memcpy(message, label, sizeof label);
	memset(message + sizeof label, 7, SEAL_KEY_BYTES);
	ck_assert_int_eq(hash_sha256(message, sizeof message, &id, &e),
	    ERR_NONE);
	key = key_of(message + sizeof label);
	ck_assert(id_equal(&id, seal_key_id(key)));
}
END_TEST

Suite *
suite_crypt_seal(void)
{
	Suite *s = suite_create("crypt/seal");
	TCase *tc = tcase_create("seal");

	tcase_add_test(tc, the_published_vectors_come_out);
	tcase_add_test(tc, ten_thousand_accumulated_rounds_come_out);
	tcase_add_test(tc, a_part_is_what_the_whole_has_there);
	tcase_add_test(tc, any_flipped_bit_is_damage_and_hands_out_nothing);
	tcase_add_test(tc, a_shortened_text_is_damage);
	tcase_add_test(tc, sealing_in_place_gives_the_same_bytes);
	tcase_add_test(tc, clones_work_side_by_side);
	tcase_add_test(tc, the_key_id_is_the_documented_hash);
	suite_add_tcase(s, tc);
	return s;
}
