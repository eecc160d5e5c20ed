#include "fetch.h"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <string.h>

#include "lanes.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct fetch table;
static bool complete;

/* Both lanes, whole blocks and what is left of them. */
static bool
lanes_agree(void)
{
	const uint8_t key[LANES_BLOCK_BYTES] = {0};
	uint8_t text[300], pads[2][LANES_BLOCK_BYTES];
	const struct iovec texts[] = {{text, sizeof text}, {text + 1, 120},
	    {text, 0}};
	struct lanes_key lanes;
	struct id ids[COUNT_OF(texts)], again;

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7);
	memset(pads[0], 0x36, sizeof pads[0]);
	memset(pads[1], 0x5c, sizeof pads[1]);
	lanes_key_init(&lanes, pads[0], pads[1]);
	lanes_ids(&lanes, texts, COUNT_OF(texts), ids);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (HMAC(EVP_sha256(), key, sizeof key, texts[i].iov_base,
			texts[i].iov_len, again.bytes, NULL) == NULL ||
		    !id_equal(&ids[i], &again))
			return false;
	return true;
}

static void
fill(void)
{
	table.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	table.aes256_ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	table.aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	table.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	table.scrypt = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	table.lanes = lanes_present() &&
	    EVP_default_properties_is_fips_enabled(NULL) == 0 && lanes_agree();
	complete = table.sha256 != NULL && table.aes256_ecb != NULL &&
	    table.aes256_gcm != NULL && table.hkdf != NULL &&
	    table.scrypt != NULL;
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
