/*
 * Key files: what is loaded can be saved and loaded again, the same.  The
 * trailer is made to fit, or nothing behind it would ever be reached; and a
 * wrapped file is tried without its passphrase only, scrypt being slow.
 */

#include <string.h>

#include <bascule/crypt.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static void
rehash(struct secret *file)
{
	struct err e = {0};
	struct id hash;

	if (file->len_bytes < HASH_BYTES)
		return;
	ASSERT(hash_sha256(file->bytes, file->len_bytes - HASH_BYTES, &hash,
		   &e) == ERR_NONE);
	memcpy(file->bytes + file->len_bytes - HASH_BYTES, hash.bytes,
	    HASH_BYTES);
}

static void
keyring_try(const struct secret *file)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(keyring_free) struct keyring *again = NULL;
	OWNED(secret_fini) struct secret saved = {0};
	struct err e = {0};

	if (keyring_load(&k, file, NULL, &e) != ERR_NONE) {
		ASSERT(k == NULL && e.text[0] != '\0');
		return;
	}
	ASSERT(keyring_save(k, NULL, &saved, &e) == ERR_NONE);
	ASSERT(keyring_load(&again, &saved, NULL, &e) == ERR_NONE);
	ASSERT(keyring_roles(again) == keyring_roles(k));
	ASSERT(id_equal(keyring_domain(again), keyring_domain(k)));
}

static void
signer_try(const struct secret *file)
{
	OWNED(sign_key_free) struct sign_key *key = NULL;
	struct err e = {0};

	if (sign_key_load(&key, file, NULL, &e) != ERR_NONE)
		ASSERT(key == NULL && e.text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	OWNED(secret_fini) struct secret file = {0};
	struct err e = {0};

	if (secret_set(&file, bytes, len_bytes, &e) != ERR_NONE)
		return 0;
	(void)keyfile_is_wrapped(&file);
	keyring_try(&file); /* as it is */
	rehash(&file);
	keyring_try(&file);
	signer_try(&file);
	return 0;
}
