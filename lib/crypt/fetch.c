#include "fetch.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdbool.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct fetch table;
static bool complete;

static void
fill(void)
{
	table.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	table.aes256_ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	table.aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	table.aes256_ctr = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
	table.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	table.scrypt = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	complete = table.sha256 != NULL && table.aes256_ecb != NULL &&
	    table.aes256_gcm != NULL && table.aes256_ctr != NULL &&
	    table.hkdf != NULL && table.scrypt != NULL;
}

enum err_code
fetch_get(const struct fetch **out, struct err *e)
{
	*out = NULL;
	pthread_once(&once, fill);
	if (!complete) {
		err_set(e, ERR_IO, "openssl lacks an algorithm of ours");
		return err_hint(e,
		    "SHA-256, AES-256, HKDF and scrypt are "
		    "needed: look at openssl.cnf and its "
		    "providers");
	}
	*out = &table;
	return ERR_NONE;
}

enum err_code
fetch_failed(struct err *e, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return err_nomem(e);
	return err_set(e, ERR_IO, "openssl cannot %s: %s", what,
	    reason == NULL ? "no reason given" : reason);
}

void
fetch_free_kdf_ctx(EVP_KDF_CTX **ctx)
{
	EVP_KDF_CTX_free(TAKE(*ctx));
}

void
fetch_free_md_ctx(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(TAKE(*ctx));
}

void
fetch_free_cipher_ctx(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(TAKE(*ctx));
}

void
fetch_free_pkey(EVP_PKEY **pkey)
{
	EVP_PKEY_free(TAKE(*pkey));
}

void
fetch_free_pkey_ctx(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(TAKE(*ctx));
}
