#include <bascule/crypt.h>

#include <string.h>

#include "container.h"
#include "fetch.h"
#include "pubtext.h"
#include "sign.h"

#define SEED_BYTES 32

/*
 * OpenSSL's own form of the key is made for each signature and wiped after it:
 * it copies the seed into its ordinary heap, which no one locks.
 */
struct sign_key {
	struct secret seed;
	struct sign_public pub;
};

void
sign_key_free(struct sign_key **keyp)
{
	struct sign_key *key = TAKE(*keyp);

	if (key == NULL)
		return;
	secret_fini(&key->seed);
	free(key);
}

bool
sign_key_is_locked(const struct sign_key *key)
{
	return key == NULL || secret_is_locked(&key->seed);
}

static EVP_PKEY *
pkey_make(const struct secret *seed)
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed->bytes,
	    SEED_BYTES);
}

enum err_code
sign_key_from(struct sign_key **out, const struct secret *seed, struct err *e)
{
	OWNED(sign_key_free) struct sign_key *key = NULL;
	OWNED(fetch_free_pkey) EVP_PKEY *pkey = NULL;
	size_t pub_bytes = SIGN_PUBLIC_BYTES;
	enum err_code rc;

	*out = NULL;
	if (seed->len_bytes != SEED_BYTES)
		return err_set(e, ERR_INPUT,
		    "a signing key cannot be %zu bytes", seed->len_bytes);
	key = calloc(1, sizeof *key);
	if (key == NULL)
		return err_nomem(e);
	rc = secret_set(&key->seed, seed->bytes, SEED_BYTES, e);
	if (rc != ERR_NONE)
		return rc;
	pkey = pkey_make(seed);
	if (pkey == NULL ||
	    EVP_PKEY_get_raw_public_key(pkey, key->pub.bytes, &pub_bytes) != 1)
		return fetch_failed(e, "load a signing key");
	*out = TAKE(key);
	return ERR_NONE;
}

enum err_code
sign_key_new(struct sign_key **out, struct err *e)
{
	OWNED(secret_fini) struct secret seed = {0};
	enum err_code rc;

	*out = NULL;
	rc = secret_random(&seed, SEED_BYTES, e);
	return rc != ERR_NONE ? rc : sign_key_from(out, &seed, e);
}

const struct sign_public *
sign_key_public(const struct sign_key *key)
{
	return &key->pub;
}

const struct secret *
sign_key_seed(const struct sign_key *key)
{
	return &key->seed;
}

/* label NUL message, in one piece: Ed25519 reads its message twice. */
static enum err_code
message_make(struct buf *out, const char *label, const void *bytes,
    size_t len_bytes, struct err *e)
{
	enum err_code rc;

	rc = buf_reserve(out, strlen(label) + 1 + len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, label, strlen(label) + 1, e);
	if (rc == ERR_NONE && len_bytes > 0)
		rc = buf_add(out, bytes, len_bytes, e);
	return rc;
}

enum err_code
sign_make(const struct sign_key *key, const char *label, const void *bytes,
    size_t len_bytes, uint8_t signature[SIGN_BYTES], struct err *e)
{
	OWNED(fetch_free_pkey) EVP_PKEY *pkey = NULL;
	OWNED(fetch_free_md_ctx) EVP_MD_CTX *ctx = NULL;
	OWNED(buf_fini) struct buf message = {0};
	size_t signature_bytes = SIGN_BYTES;
	enum err_code rc;

	rc = message_make(&message, label, bytes, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	pkey = pkey_make(&key->seed);
	ctx = EVP_MD_CTX_new();
	if (pkey == NULL || ctx == NULL ||
	    EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) !=
		1 ||
	    EVP_DigestSign(ctx, signature, &signature_bytes, message.bytes,
		message.len_bytes) != 1)
		return fetch_failed(e, "sign");
	return ERR_NONE;
}

enum err_code
sign_check(const struct sign_public *pub, const char *label, const void *bytes,
    size_t len_bytes, const uint8_t signature[SIGN_BYTES], struct err *e)
{
	OWNED(fetch_free_pkey) EVP_PKEY *pkey = NULL;
	OWNED(fetch_free_md_ctx) EVP_MD_CTX *ctx = NULL;
	OWNED(buf_fini) struct buf message = {0};
	enum err_code rc;

	rc = message_make(&message, label, bytes, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub->bytes,
	    SIGN_PUBLIC_BYTES);
	ctx = EVP_MD_CTX_new();
	if (pkey == NULL || ctx == NULL ||
	    EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) !=
		1)
		return fetch_failed(e, "load a public key");
	if (EVP_DigestVerify(ctx, signature, SIGN_BYTES, message.bytes,
		message.len_bytes) != 1) {
		(void)fetch_failed(e, "verify");
		return err_set(e, ERR_CORRUPT, "the signature is not valid");
	}
	return ERR_NONE;
}

enum err_code
sign_fingerprint(const struct sign_public *pub, char out[SIGN_FINGERPRINT_SIZE],
    struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	struct id hash;
	enum err_code rc;

	out[0] = '\0';
	rc = hash_sha256(pub->bytes, SIGN_PUBLIC_BYTES, &hash, e);
	if (rc == ERR_NONE)
		rc = buf_add_text(&text, "SHA256:", e);
	if (rc == ERR_NONE)
		rc = text_base64(&text, hash.bytes, ID_BYTES, false, e);
	if (rc != ERR_NONE)
		return rc;
	ASSERT(text.len_bytes == SIGN_FINGERPRINT_SIZE - 1);
	memcpy(out, buf_text(&text), SIGN_FINGERPRINT_SIZE);
	return ERR_NONE;
}

static const char text_prefix[] = "bascule-writer-";
_Static_assert(sizeof text_prefix + PUBTEXT_DIGITS == SIGN_TEXT_SIZE,
    "keys.md");

enum err_code
sign_text(const struct sign_public *pub, char out[SIGN_TEXT_SIZE],
    struct err *e)
{
	return pubtext_write(text_prefix, pub->bytes, out, e);
}

enum err_code
sign_parse(struct sign_public *out, const char *text, struct err *e)
{
	return pubtext_read(text_prefix, text, out->bytes, e);
}

enum err_code
sign_key_save(const struct sign_key *key, const struct secret *passphrase,
    struct secret *file, struct err *e)
{
	OWNED(container_fini) struct container c = {.kind = CONTAINER_SIGNER};
	enum err_code rc;

	rc = container_add(&c, CONTAINER_SIGNING, key->seed.bytes, SEED_BYTES,
	    e);
	return rc != ERR_NONE ? rc : container_pack(&c, passphrase, file, e);
}

/* The one signing item of a signer's file. */
static enum err_code
signer_parse(const struct container *c, struct secret *seed, struct err *e)
{
	struct container_item item;
	struct le_reader r;
	enum err_code rc;
	bool more;

	le_init(&r, c->items.bytes, c->items.len_bytes);
	for (;;) {
		rc = container_next(&r, &item, &more, e);
		if (rc != ERR_NONE)
			return rc;
		if (!more)
			break;
		if (item.type != CONTAINER_SIGNING || seed->bytes != NULL ||
		    item.len_bytes != SEED_BYTES)
			return err_set(e, ERR_CORRUPT,
			    "the key file's items do not fit together");
		rc = secret_set(seed, item.bytes, item.len_bytes, e);
		if (rc != ERR_NONE)
			return rc;
	}
	if (seed->bytes == NULL || c->roles != 0)
		return err_set(e, ERR_CORRUPT,
		    "the key file's items do not fit together");
	return ERR_NONE;
}

enum err_code
sign_key_load(struct sign_key **out, const struct secret *file,
    const struct secret *passphrase, struct err *e)
{
	OWNED(container_fini) struct container c = {0};
	OWNED(secret_fini) struct secret seed = {0};
	enum err_code rc;

	*out = NULL;
	rc = container_unpack(&c, file, passphrase, CONTAINER_SIGNER, e);
	if (rc == ERR_NONE)
		rc = signer_parse(&c, &seed, e);
	return rc != ERR_NONE ? rc : sign_key_from(out, &seed, e);
}
