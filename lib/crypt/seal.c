#include <bascule/crypt.h>

#include <limits.h>
#include <string.h>

#include <bascule/base/rand.h>

#include "fetch.h"

/*
 * XAES-256-GCM, c2sp.org/XAES-256-GCM: the first half of the nonce derives a
 * subkey by AES-CMAC in counter mode, the second is the nonce under it.
 */

#define BLOCK_BYTES    16
#define HALF_BYTES     12 /* of the nonce */
#define TEXT_BYTES_MAX ((size_t)INT_MAX - 31)

static const char id_label[] = "bascule content key id v1"; /* with its NUL */

struct seal_key {
	EVP_CIPHER_CTX *ecb; /* keyed with the content key */
	EVP_CIPHER_CTX *gcm; /* keyed anew for every nonce */
	uint8_t k1[BLOCK_BYTES];
	struct id id;
};

void
seal_nonce(uint8_t nonce[SEAL_NONCE_BYTES])
{
	rand_bytes(nonce, SEAL_NONCE_BYTES);
}

void
seal_key_free(struct seal_key **keyp)
{
	struct seal_key *key = TAKE(*keyp);

	if (key == NULL)
		return;
	EVP_CIPHER_CTX_free(key->ecb);
	EVP_CIPHER_CTX_free(key->gcm);
	secret_wipe(key, sizeof *key);
	free(key);
}

/* Both contexts, the gcm one ready for keys. */
static enum err_code
key_alloc(struct seal_key **out, struct err *e)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	const struct fetch *f;
	enum err_code rc;

	*out = NULL;
	rc = fetch_get(&f, e);
	if (rc != ERR_NONE)
		return rc;
	key = calloc(1, sizeof *key);
	if (key == NULL)
		return err_nomem(e);
	key->ecb = EVP_CIPHER_CTX_new();
	key->gcm = EVP_CIPHER_CTX_new();
	if (key->ecb == NULL || key->gcm == NULL ||
	    EVP_CipherInit_ex2(key->gcm, f->aes256_gcm, NULL, NULL, 1, NULL) !=
		1)
		return fetch_failed(e, "prepare a sealing key");
	*out = TAKE(key);
	return ERR_NONE;
}

/* K1 = L << 1 in GF(2^128), L being zero encrypted (NIST SP 800-38B). */
static bool
k1_prepare(struct seal_key *key)
{
	uint8_t l[BLOCK_BYTES] = {0};
	int out_bytes;

	if (EVP_EncryptUpdate(key->ecb, l, &out_bytes, l, BLOCK_BYTES) != 1)
		return false;
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		key->k1[i] = (uint8_t)(l[i] << 1 |
		    (i + 1 < BLOCK_BYTES ? l[i + 1] >> 7 : 0));
	key->k1[BLOCK_BYTES - 1] ^= (uint8_t)(0x87 & (0 - (l[0] >> 7)));
	secret_wipe(l, sizeof l);
	return true;
}

static enum err_code
id_prepare(struct seal_key *key, const struct secret *content_key,
    struct err *e)
{
	uint8_t message[sizeof id_label + SEAL_KEY_BYTES];
	enum err_code rc;

	memcpy(message, id_label, sizeof id_label);
	memcpy(message + sizeof id_label, content_key->bytes, SEAL_KEY_BYTES);
	rc = hash_sha256(message, sizeof message, &key->id, e);
	secret_wipe(message, sizeof message);
	return rc;
}

enum err_code
seal_key_new(struct seal_key **out, const struct secret *content_key,
    struct err *e)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	const struct fetch *f;
	enum err_code rc;

	*out = NULL;
	if (content_key->len_bytes != SEAL_KEY_BYTES)
		return err_set(e, ERR_INPUT,
		    "a content key cannot be %zu bytes",
		    content_key->len_bytes);
	rc = fetch_get(&f, e);
	if (rc == ERR_NONE)
		rc = key_alloc(&key, e);
	if (rc != ERR_NONE)
		return rc;
	if (EVP_EncryptInit_ex2(key->ecb, f->aes256_ecb, content_key->bytes,
		NULL, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(key->ecb, 0) != 1 || !k1_prepare(key))
		return fetch_failed(e, "prepare a sealing key");
	rc = id_prepare(key, content_key, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(key);
	return ERR_NONE;
}

enum err_code
seal_key_clone(struct seal_key **out, const struct seal_key *from,
    struct err *e)
{
	OWNED(seal_key_free) struct seal_key *key = NULL;
	enum err_code rc;

	*out = NULL;
	rc = key_alloc(&key, e);
	if (rc != ERR_NONE)
		return rc;
	if (EVP_CIPHER_CTX_copy(key->ecb, from->ecb) != 1)
		return fetch_failed(e, "copy a sealing key");
	memcpy(key->k1, from->k1, BLOCK_BYTES);
	key->id = from->id;
	*out = TAKE(key);
	return ERR_NONE;
}

const struct id *
seal_key_id(const struct seal_key *key)
{
	return &key->id;
}

enum direction { OPEN = 0, CLOSE = 1 }; /* as EVP_CipherInit has it */

#define SUBKEY_BYTES (2 * BLOCK_BYTES)

/* The key that the first half of a nonce derives. */
static bool
subkey_make(struct seal_key *key, const uint8_t *nonce,
    uint8_t subkey[SUBKEY_BYTES])
{
	uint8_t blocks[SUBKEY_BYTES];
	int out_bytes;
	bool good;

	for (size_t i = 0; i < 2; i++) {
		uint8_t *m = blocks + i * BLOCK_BYTES;

		memcpy(m, (const uint8_t[4]){0, (uint8_t)(i + 1), 'X', 0}, 4);
		memcpy(m + 4, nonce, HALF_BYTES);
		for (size_t j = 0; j < BLOCK_BYTES; j++)
			m[j] ^= key->k1[j];
	}
	good = EVP_EncryptUpdate(key->ecb, subkey, &out_bytes, blocks,
		   sizeof blocks) == 1 &&
	    out_bytes == SUBKEY_BYTES;
	secret_wipe(blocks, sizeof blocks);
	return good;
}

/* Key gcm for one nonce and feed it the aad. */
static bool
text_begin(struct seal_key *key, const struct seal_input *in,
    enum direction direction)
{
	uint8_t subkey[SUBKEY_BYTES];
	int out_bytes;
	bool good;

	good = subkey_make(key, in->nonce, subkey) &&
	    EVP_CipherInit_ex2(key->gcm, NULL, subkey, in->nonce + HALF_BYTES,
		(int)direction, NULL) == 1 &&
	    (in->aad_bytes == 0 ||
		EVP_CipherUpdate(key->gcm, NULL, &out_bytes, in->aad,
		    (int)in->aad_bytes) == 1);
	secret_wipe(subkey, sizeof subkey);
	return good;
}

static bool
text_run(struct seal_key *key, const uint8_t *text, size_t text_bytes,
    uint8_t *out)
{
	int out_bytes;

	return text_bytes == 0 ||
	    EVP_CipherUpdate(key->gcm, out, &out_bytes, text,
		(int)text_bytes) == 1;
}

enum err_code
seal_close(struct seal_key *key, const struct seal_input *in, uint8_t *out,
    struct err *e)
{
	int out_bytes;

	if (in->text_bytes > TEXT_BYTES_MAX || in->aad_bytes > TEXT_BYTES_MAX)
		return err_set(e, ERR_INPUT, "cannot seal %zu bytes at once",
		    in->text_bytes);
	if (!text_begin(key, in, CLOSE) ||
	    !text_run(key, in->text, in->text_bytes, out) ||
	    EVP_CipherFinal_ex(key->gcm, out + in->text_bytes, &out_bytes) !=
		1 ||
	    EVP_CIPHER_CTX_ctrl(key->gcm, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_BYTES,
		out + in->text_bytes) != 1)
		return fetch_failed(e, "seal");
	return ERR_NONE;
}

enum err_code
seal_open(struct seal_key *key, const struct seal_input *in, uint8_t *out,
    struct err *e)
{
	uint8_t tag[SEAL_TAG_BYTES];
	size_t plain_bytes;
	int out_bytes;

	if (in->text_bytes < SEAL_TAG_BYTES ||
	    in->text_bytes - SEAL_TAG_BYTES > TEXT_BYTES_MAX ||
	    in->aad_bytes > TEXT_BYTES_MAX)
		return err_set(e, ERR_CORRUPT,
		    "sealed bytes have an impossible length (%zu)",
		    in->text_bytes);
	plain_bytes = in->text_bytes - SEAL_TAG_BYTES;
	memcpy(tag, (const uint8_t *)in->text + plain_bytes, SEAL_TAG_BYTES);
	if (!text_begin(key, in, OPEN) ||
	    !text_run(key, in->text, plain_bytes, out) ||
	    EVP_CIPHER_CTX_ctrl(key->gcm, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_BYTES,
		tag) != 1) {
		secret_wipe(out, plain_bytes);
		return fetch_failed(e, "open sealed bytes");
	}
	if (EVP_CipherFinal_ex(key->gcm, out + plain_bytes, &out_bytes) != 1) {
		secret_wipe(out, plain_bytes);
		return err_set(e, ERR_CORRUPT,
		    "sealed bytes do not open: they, or what they are bound "
		    "to, were changed");
	}
	return ERR_NONE;
}

/*
 * GCM is counter mode and a tag (NIST SP 800-38D, 7.1): with a nonce of 96 bits
 * the text begins at counter 2.
 */
enum err_code
seal_peek(struct seal_key *key, const uint8_t *nonce, uint64_t offset_bytes,
    const void *text, size_t text_bytes, uint8_t *out, struct err *e)
{
	OWNED(fetch_free_cipher_ctx) EVP_CIPHER_CTX *ctr = NULL;
	const struct fetch *f;
	uint8_t subkey[SUBKEY_BYTES], counter[BLOCK_BYTES];
	uint8_t skipped[BLOCK_BYTES] = {0};
	const int skip = (int)(offset_bytes % BLOCK_BYTES);
	int out_bytes;
	bool good;
	enum err_code rc = fetch_get(&f, e);

	if (rc != ERR_NONE)
		return rc;
	if (text_bytes > TEXT_BYTES_MAX ||
	    offset_bytes > TEXT_BYTES_MAX - text_bytes)
		return err_set(e, ERR_INPUT,
		    "cannot open %zu bytes at %llu of sealed ones", text_bytes,
		    (unsigned long long)offset_bytes);
	memcpy(counter, nonce + HALF_BYTES, HALF_BYTES);
	for (int i = 0; i < 4; i++)
		counter[HALF_BYTES + i] =
		    (uint8_t)((offset_bytes / BLOCK_BYTES + 2) >> (24 - 8 * i));
	ctr = EVP_CIPHER_CTX_new();
	good = ctr != NULL && subkey_make(key, nonce, subkey) &&
	    EVP_DecryptInit_ex2(ctr, f->aes256_ctr, subkey, counter, NULL) ==
		1 &&
	    EVP_DecryptUpdate(ctr, skipped, &out_bytes, skipped, skip) == 1 &&
	    (text_bytes == 0 ||
		EVP_DecryptUpdate(ctr, out, &out_bytes, text,
		    (int)text_bytes) == 1);
	secret_wipe(subkey, sizeof subkey);
	secret_wipe(skipped, sizeof skipped);
	return good ? ERR_NONE : fetch_failed(e, "open a part of sealed bytes");
}
