#include <bascule/crypt.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/fdio.h>

#include "fetch.h"

#define BLOCK_BYTES      64 /* of SHA-256 */
#define FILE_STEP_BYTES  ((size_t)256 << 10)
#define KEY_BYTES_MIN    16
#define DERIVE_BYTES_MAX (255 * HASH_BYTES)

struct hash {
	const EVP_MD *md; /* borrowed from the table */
	EVP_MD_CTX *ctx;
};

enum err_code
hash_sha256(const void *bytes, size_t len_bytes, struct id *out, struct err *e)
{
	const struct fetch *f;
	enum err_code rc;

	memset(out, 0, sizeof *out);
	rc = fetch_get(&f, e);
	if (rc != ERR_NONE)
		return rc;
	if (EVP_Digest(bytes, len_bytes, out->bytes, NULL, f->sha256, NULL) !=
	    1)
		return fetch_failed(e, "hash");
	return ERR_NONE;
}

/*
 * Adding and ending touch only memory the context has.  Starting again gives
 * its 112 bytes of state back and takes as many (OpenSSL 3.0), which glibc
 * serves from what was just given back: none of them can fail.
 */
static void
restart(struct hash *h)
{
	ASSERT(EVP_DigestInit_ex2(h->ctx, NULL, NULL) == 1);
}

enum err_code
hash_begin(struct hash **out, struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	const struct fetch *f;
	enum err_code rc;

	*out = NULL;
	rc = fetch_get(&f, e);
	if (rc != ERR_NONE)
		return rc;
	h = calloc(1, sizeof *h);
	if (h == NULL)
		return err_nomem(e);
	h->md = f->sha256;
	h->ctx = EVP_MD_CTX_new();
	if (h->ctx == NULL || EVP_DigestInit_ex2(h->ctx, h->md, NULL) != 1)
		return fetch_failed(e, "begin a hash");
	*out = TAKE(h);
	return ERR_NONE;
}

void
hash_free(struct hash **hp)
{
	struct hash *h = TAKE(*hp);

	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void
hash_add(struct hash *h, const void *bytes, size_t len_bytes)
{
	ASSERT(EVP_DigestUpdate(h->ctx, bytes, len_bytes) == 1);
}

void
hash_end(struct hash *h, struct id *out)
{
	ASSERT(EVP_DigestFinal_ex(h->ctx, out->bytes, NULL) == 1);
	restart(h);
}

enum err_code
hash_file(int fd, uint64_t len_bytes, struct id *out, struct err *e)
{
	OWNED(hash_free) struct hash *h = NULL;
	OWNED(free_mem) uint8_t *bytes = malloc(FILE_STEP_BYTES);
	enum err_code rc = bytes == NULL ? err_nomem(e) : hash_begin(&h, e);

	for (uint64_t at = 0; rc == ERR_NONE && at < len_bytes;) {
		const uint64_t left = len_bytes - at;
		const size_t n =
		    left < FILE_STEP_BYTES ? (size_t)left : FILE_STEP_BYTES;

		rc = fdio_pread(fd, bytes, n, at, e);
		if (rc == ERR_NONE)
			hash_add(h, bytes, n);
		at += n;
	}
	if (rc == ERR_NONE)
		hash_end(h, out);
	return rc;
}

enum err_code
hash_peek(const struct hash *h, struct id *out, struct err *e)
{
	OWNED(fetch_free_md_ctx) EVP_MD_CTX *copy = EVP_MD_CTX_new();

	memset(out, 0, sizeof *out);
	if (copy == NULL || EVP_MD_CTX_copy_ex(copy, h->ctx) != 1 ||
	    EVP_DigestFinal_ex(copy, out->bytes, NULL) != 1)
		return fetch_failed(e, "copy a hash");
	return ERR_NONE;
}

/*
 * HMAC (RFC 2104) over the one context: hashing the two 64-byte pads again
 * costs what EVP_MAC's copying of keyed states does (README.md has numbers).
 */
struct hash_key {
	struct hash *h;
	uint8_t inner_pad[BLOCK_BYTES];
	uint8_t outer_pad[BLOCK_BYTES];
};

static enum err_code
key_alloc(struct hash_key **out, struct err *e)
{
	OWNED(hash_key_free) struct hash_key *key = NULL;
	enum err_code rc;

	*out = NULL;
	key = calloc(1, sizeof *key);
	if (key == NULL)
		return err_nomem(e);
	rc = hash_begin(&key->h, e);
	if (rc != ERR_NONE)
		return rc;
	*out = TAKE(key);
	return ERR_NONE;
}

enum err_code
hash_key_new(struct hash_key **out, const struct secret *key, struct err *e)
{
	enum err_code rc;

	*out = NULL;
	if (key->len_bytes < KEY_BYTES_MIN || key->len_bytes > BLOCK_BYTES)
		return err_set(e, ERR_INPUT, "a hash key cannot be %zu bytes",
		    key->len_bytes);
	rc = key_alloc(out, e);
	if (rc != ERR_NONE)
		return rc;
	for (size_t i = 0; i < BLOCK_BYTES; i++) {
		uint8_t byte = i < key->len_bytes ? key->bytes[i] : 0;

		(*out)->inner_pad[i] = byte ^ 0x36;
		(*out)->outer_pad[i] = byte ^ 0x5c;
	}
	return ERR_NONE;
}

enum err_code
hash_key_clone(struct hash_key **out, const struct hash_key *from,
    struct err *e)
{
	enum err_code rc;

	rc = key_alloc(out, e);
	if (rc != ERR_NONE)
		return rc;
	memcpy((*out)->inner_pad, from->inner_pad, BLOCK_BYTES);
	memcpy((*out)->outer_pad, from->outer_pad, BLOCK_BYTES);
	return ERR_NONE;
}

void
hash_key_free(struct hash_key **keyp)
{
	struct hash_key *key = TAKE(*keyp);

	if (key == NULL)
		return;
	hash_free(&key->h);
	secret_wipe(key, sizeof *key);
	free(key);
}

void
hash_id(struct hash_key *key, const void *bytes, size_t len_bytes,
    struct id *out)
{
	const struct iovec part = {(void *)(uintptr_t)bytes, len_bytes};

	hash_id_parts(key, &part, 1, out);
}

void
hash_id_parts(struct hash_key *key, const struct iovec *parts,
    size_t parts_count, struct id *out)
{
	struct id inner;

	hash_add(key->h, key->inner_pad, BLOCK_BYTES);
	for (size_t i = 0; i < parts_count; i++)
		hash_add(key->h, parts[i].iov_base, parts[i].iov_len);
	hash_end(key->h, &inner);
	hash_add(key->h, key->outer_pad, BLOCK_BYTES);
	hash_add(key->h, inner.bytes, ID_BYTES);
	hash_end(key->h, out);
}

enum err_code
hash_derive(const struct secret *key, const char *label, size_t len_bytes,
    struct secret *out, struct err *e)
{
	OWNED(fetch_free_kdf_ctx) EVP_KDF_CTX *ctx = NULL;
	OWNED(secret_fini) struct secret fresh = {0};
	char digest[] = "SHA256";
	const struct fetch *f;
	enum err_code rc;

	if (key->len_bytes < KEY_BYTES_MIN || len_bytes == 0 ||
	    len_bytes > DERIVE_BYTES_MAX)
		return err_set(e, ERR_INPUT,
		    "cannot derive %zu bytes from a key of %zu", len_bytes,
		    key->len_bytes);
	rc = fetch_get(&f, e);
	if (rc == ERR_NONE)
		rc = secret_init(&fresh, len_bytes, e);
	if (rc != ERR_NONE)
		return rc;

	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key->bytes,
		key->len_bytes),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
		(void *)(uintptr_t)label, strlen(label)),
	    OSSL_PARAM_construct_end(),
	};
	ctx = EVP_KDF_CTX_new(f->hkdf);
	if (ctx == NULL ||
	    EVP_KDF_derive(ctx, fresh.bytes, len_bytes, params) != 1)
		return fetch_failed(e, "derive a key");
	secret_fini(out);
	*out = fresh;
	fresh = (struct secret){0};
	return ERR_NONE;
}
