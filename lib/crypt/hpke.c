#include "hpke.h"

#include <openssl/core_names.h>
#include <string.h>

#include "fetch.h"

#define EXPAND_BYTES_MAX 256

static const uint8_t kem_suite[] = {'K', 'E', 'M', 0x00, 0x20};
static const uint8_t hpke_suite[] = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01,
    0x00, 0x02};

struct span {
	const void *bytes;
	size_t len_bytes;
};

#define SPAN(array) ((struct span){array, sizeof(array)})

/* One of the two labelled functions of RFC 9180, section 4. */
struct labelled {
	struct span suite;
	const char *label;
	struct span input; /* ikm to extract, info to expand */
};

void
hpke_fini(struct hpke *h)
{
	secret_wipe(h, sizeof *h);
}

/* "HPKE-v1", suite, label, input in one piece after len_bytes for `length`. */
static enum err_code
message_make(const struct labelled *in, struct secret *out, struct err *e)
{
	struct span parts[] = {
	    {"HPKE-v1", 7},
	    in->suite,
	    {in->label, strlen(in->label)},
	    in->input,
	};
	size_t len_bytes = 0;
	enum err_code rc;
	uint8_t *at;

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		len_bytes += parts[i].len_bytes;
	rc = secret_init(out, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	at = out->bytes;
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (parts[i].len_bytes > 0)
			memcpy(at, parts[i].bytes, parts[i].len_bytes);
		at += parts[i].len_bytes;
	}
	return ERR_NONE;
}

/* HKDF-Extract and -Expand of RFC 5869; salt or info may be empty. */
static enum err_code
hkdf(int mode, struct span key, struct span other, struct span out,
    struct err *e)
{
	OWNED(fetch_free_kdf_ctx) EVP_KDF_CTX *ctx = NULL;
	char digest[] = "SHA256";
	const struct fetch *f;
	enum err_code rc;
	OSSL_PARAM params[5], *p = params;

	rc = fetch_get(&f, e);
	if (rc != ERR_NONE)
		return rc;
	*p++ =
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
	    (void *)(uintptr_t)key.bytes, key.len_bytes);
	if (other.len_bytes > 0)
		*p++ = OSSL_PARAM_construct_octet_string(mode ==
			    EVP_KDF_HKDF_MODE_EXTRACT_ONLY
			? OSSL_KDF_PARAM_SALT
			: OSSL_KDF_PARAM_INFO,
		    (void *)(uintptr_t)other.bytes, other.len_bytes);
	*p = OSSL_PARAM_construct_end();
	ctx = EVP_KDF_CTX_new(f->hkdf);
	if (ctx == NULL ||
	    EVP_KDF_derive(ctx, (void *)(uintptr_t)out.bytes, out.len_bytes,
		params) != 1)
		return fetch_failed(e, "derive a wrapping key");
	return ERR_NONE;
}

static enum err_code
extract(struct span salt, const struct labelled *in, uint8_t out[HASH_BYTES],
    struct err *e)
{
	OWNED(secret_fini) struct secret message = {0};
	enum err_code rc;

	rc = message_make(in, &message, e);
	if (rc != ERR_NONE)
		return rc;
	return hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
	    (struct span){message.bytes, message.len_bytes}, salt,
	    (struct span){out, HASH_BYTES}, e);
}

static enum err_code
expand(const uint8_t key[HASH_BYTES], const struct labelled *in,
    struct span out, struct err *e)
{
	OWNED(secret_fini) struct secret message = {0};
	OWNED(secret_fini) struct secret info = {0};
	enum err_code rc;

	ASSERT(out.len_bytes <= EXPAND_BYTES_MAX);
	rc = message_make(in, &message, e);
	if (rc == ERR_NONE)
		rc = secret_init(&info, 2 + message.len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	info.bytes[0] = (uint8_t)(out.len_bytes >> 8); /* big-endian */
	info.bytes[1] = (uint8_t)out.len_bytes;
	memcpy(info.bytes + 2, message.bytes, message.len_bytes);
	return hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY,
	    (struct span){key, HASH_BYTES},
	    (struct span){info.bytes, info.len_bytes}, out, e);
}

/* X25519.  ERR_CORRUPT for a public key of small order. */
static enum err_code
dh(const struct secret *own, const uint8_t pub[RECIPIENTS_KEY_BYTES],
    uint8_t out[RECIPIENTS_KEY_BYTES], struct err *e)
{
	OWNED(fetch_free_pkey) EVP_PKEY *mine = NULL;
	OWNED(fetch_free_pkey) EVP_PKEY *theirs = NULL;
	OWNED(fetch_free_pkey_ctx) EVP_PKEY_CTX *ctx = NULL;
	size_t out_bytes = RECIPIENTS_KEY_BYTES;

	ASSERT(own->len_bytes == RECIPIENTS_KEY_BYTES);
	mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, own->bytes,
	    RECIPIENTS_KEY_BYTES);
	theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, pub,
	    RECIPIENTS_KEY_BYTES);
	if (mine == NULL || theirs == NULL)
		return fetch_failed(e, "load an X25519 key");
	ctx = EVP_PKEY_CTX_new(mine, NULL);
	if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_derive_set_peer(ctx, theirs) != 1)
		return fetch_failed(e, "use an X25519 key");
	/* It fails on an all-zero result, as RFC 9180, 7.1.4 asks. */
	if (EVP_PKEY_derive(ctx, out, &out_bytes) != 1 ||
	    out_bytes != RECIPIENTS_KEY_BYTES) {
		(void)fetch_failed(e, "agree");
		return err_set(e, ERR_CORRUPT,
		    "not a usable X25519 public key");
	}
	return ERR_NONE;
}

enum err_code
hpke_public(const struct secret *own, uint8_t out[RECIPIENTS_KEY_BYTES],
    struct err *e)
{
	OWNED(fetch_free_pkey) EVP_PKEY *mine = NULL;
	size_t out_bytes = RECIPIENTS_KEY_BYTES;

	if (own->len_bytes != RECIPIENTS_KEY_BYTES)
		return err_set(e, ERR_INPUT,
		    "an X25519 key cannot be %zu bytes", own->len_bytes);
	mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, own->bytes,
	    RECIPIENTS_KEY_BYTES);
	if (mine == NULL ||
	    EVP_PKEY_get_raw_public_key(mine, out, &out_bytes) != 1)
		return fetch_failed(e, "derive a public key");
	return ERR_NONE;
}

/* ExtractAndExpand of section 4.1 over what dh found. */
static enum err_code
shared_make(uint8_t shared[HASH_BYTES], const uint8_t enc[RECIPIENTS_KEY_BYTES],
    const uint8_t to[RECIPIENTS_KEY_BYTES], struct err *e)
{
	uint8_t context[2 * RECIPIENTS_KEY_BYTES], prk[HASH_BYTES];
	enum err_code rc;

	memcpy(context, enc, RECIPIENTS_KEY_BYTES);
	memcpy(context + RECIPIENTS_KEY_BYTES, to, RECIPIENTS_KEY_BYTES);
	rc = extract((struct span){NULL, 0},
	    &(struct labelled){SPAN(kem_suite), "eae_prk",
		{shared, RECIPIENTS_KEY_BYTES}},
	    prk, e);
	if (rc == ERR_NONE)
		rc = expand(prk,
		    &(struct labelled){SPAN(kem_suite), "shared_secret",
			SPAN(context)},
		    (struct span){shared, HASH_BYTES}, e);
	secret_wipe(prk, sizeof prk);
	return rc;
}

/* KeySchedule of section 5.1, mode_base: no psk. */
static enum err_code
schedule(struct hpke *out, const uint8_t shared[HASH_BYTES],
    const struct recipients_bind *bind, struct err *e)
{
	uint8_t context[1 + 2 * HASH_BYTES] = {0}, secret[HASH_BYTES];
	struct span suite = SPAN(hpke_suite), none = {NULL, 0};
	enum err_code rc;

	rc = extract(none, &(struct labelled){suite, "psk_id_hash", none},
	    context + 1, e);
	if (rc == ERR_NONE)
		rc = extract(none,
		    &(struct labelled){suite, "info_hash",
			{bind->info, bind->info_bytes}},
		    context + 1 + HASH_BYTES, e);
	if (rc == ERR_NONE)
		rc = extract((struct span){shared, HASH_BYTES},
		    &(struct labelled){suite, "secret", none}, secret, e);
	if (rc == ERR_NONE)
		rc = expand(secret,
		    &(struct labelled){suite, "key", SPAN(context)},
		    SPAN(out->key), e);
	if (rc == ERR_NONE)
		rc = expand(secret,
		    &(struct labelled){suite, "base_nonce", SPAN(context)},
		    SPAN(out->nonce), e);
	secret_wipe(secret, sizeof secret);
	return rc;
}

enum err_code
hpke_send(struct hpke *out, const struct secret *ephemeral,
    const struct recipients_public *to, const struct recipients_bind *bind,
    uint8_t enc[RECIPIENTS_KEY_BYTES], struct err *e)
{
	uint8_t shared[HASH_BYTES];
	enum err_code rc;

	rc = hpke_public(ephemeral, enc, e);
	if (rc == ERR_NONE)
		rc = dh(ephemeral, to->bytes, shared, e);
	if (rc == ERR_NONE)
		rc = shared_make(shared, enc, to->bytes, e);
	if (rc == ERR_NONE)
		rc = schedule(out, shared, bind, e);
	secret_wipe(shared, sizeof shared);
	return rc;
}

enum err_code
hpke_receive(struct hpke *out, const struct secret *own,
    const uint8_t enc[RECIPIENTS_KEY_BYTES], const struct recipients_bind *bind,
    struct err *e)
{
	uint8_t shared[HASH_BYTES], mine[RECIPIENTS_KEY_BYTES];
	enum err_code rc;

	rc = hpke_public(own, mine, e);
	if (rc == ERR_NONE)
		rc = dh(own, enc, shared, e);
	if (rc == ERR_NONE)
		rc = shared_make(shared, enc, mine, e);
	if (rc == ERR_NONE)
		rc = schedule(out, shared, bind, e);
	secret_wipe(shared, sizeof shared);
	return rc;
}

/* A context keyed for message 0, which has fed on the aad. */
static enum err_code
aead_begin(const struct hpke *h, const struct recipients_bind *bind,
    int closing, EVP_CIPHER_CTX **out, struct err *e)
{
	OWNED(fetch_free_cipher_ctx) EVP_CIPHER_CTX *ctx = NULL;
	const struct fetch *f;
	enum err_code rc;
	int out_bytes;

	*out = NULL;
	rc = fetch_get(&f, e);
	if (rc != ERR_NONE)
		return rc;
	ASSERT(bind->aad_bytes <= SECRET_BYTES_MAX);
	ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL ||
	    EVP_CipherInit_ex2(ctx, f->aes256_gcm, h->key, h->nonce, closing,
		NULL) != 1 ||
	    (bind->aad_bytes > 0 &&
		EVP_CipherUpdate(ctx, NULL, &out_bytes, bind->aad,
		    (int)bind->aad_bytes) != 1))
		return fetch_failed(e, "prepare a wrapping key");
	*out = TAKE(ctx);
	return ERR_NONE;
}

enum err_code
hpke_close(const struct hpke *h, const struct recipients_bind *bind,
    const struct secret *plain, uint8_t *out, struct err *e)
{
	OWNED(fetch_free_cipher_ctx) EVP_CIPHER_CTX *ctx = NULL;
	enum err_code rc;
	int out_bytes;

	rc = aead_begin(h, bind, 1, &ctx, e);
	if (rc != ERR_NONE)
		return rc;
	if (EVP_CipherUpdate(ctx, out, &out_bytes, plain->bytes,
		(int)plain->len_bytes) != 1 ||
	    EVP_CipherFinal_ex(ctx, out + plain->len_bytes, &out_bytes) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, HPKE_TAG_BYTES,
		out + plain->len_bytes) != 1)
		return fetch_failed(e, "wrap a key");
	return ERR_NONE;
}

enum err_code
hpke_open(const struct hpke *h, const struct recipients_bind *bind,
    const uint8_t *text, size_t text_bytes, struct secret *out, struct err *e)
{
	OWNED(fetch_free_cipher_ctx) EVP_CIPHER_CTX *ctx = NULL;
	OWNED(secret_fini) struct secret plain = {0};
	enum err_code rc;
	int out_bytes;

	if (text_bytes <= HPKE_TAG_BYTES || text_bytes > SECRET_BYTES_MAX)
		return err_set(e, ERR_CORRUPT,
		    "a wrapped key cannot be %zu bytes", text_bytes);
	rc = aead_begin(h, bind, 0, &ctx, e);
	if (rc == ERR_NONE)
		rc = secret_init(&plain, text_bytes - HPKE_TAG_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	if (EVP_CipherUpdate(ctx, plain.bytes, &out_bytes, text,
		(int)plain.len_bytes) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, HPKE_TAG_BYTES,
		(void *)(uintptr_t)(text + plain.len_bytes)) != 1)
		return fetch_failed(e, "unwrap a key");
	if (EVP_CipherFinal_ex(ctx, NULL, &out_bytes) != 1)
		return err_set(e, ERR_CORRUPT, "a wrapped key does not open");
	secret_fini(out);
	*out = plain;
	plain = (struct secret){0};
	return ERR_NONE;
}
