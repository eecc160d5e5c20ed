#ifndef CRYPT_FETCH_H
#define CRYPT_FETCH_H

/*
 * The algorithms, looked up in OpenSSL's providers once a process.  A fetch
 * takes a global lock and a walk over the providers, more than hashing 4 KiB
 * costs; and what it finds never changes.  So this one table, filled by the
 * first caller and read-only from then on, is the module's only global.
 */

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <bascule/base/err.h>

struct fetch {
	EVP_MD *sha256;
	EVP_CIPHER *aes256_ecb;
	EVP_CIPHER *aes256_gcm;
	EVP_CIPHER *aes256_ctr;
	EVP_KDF *hkdf;
	EVP_KDF *scrypt;
};

/* ERR_IO: this OpenSSL lacks one of them. */
enum err_code fetch_get(const struct fetch **out, struct err *e) MUST_CHECK;

/* OpenSSL refused `what`: memory, or a provider that broke. */
enum err_code fetch_failed(struct err *e, const char *what);

/* For OWNED. */
void fetch_free_kdf_ctx(EVP_KDF_CTX **ctx);
void fetch_free_md_ctx(EVP_MD_CTX **ctx);
void fetch_free_cipher_ctx(EVP_CIPHER_CTX **ctx);
void fetch_free_pkey(EVP_PKEY **pkey);
void fetch_free_pkey_ctx(EVP_PKEY_CTX **ctx);

#endif
