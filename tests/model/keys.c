/*
 * What a session's key costs, once instead of again and again: the keys
 * themselves are others' to test.
 */

#include <string.h>

#include <bascule/crypt.h>

#define KEYS_MAX 4096

struct known {
	struct id id;
	uint8_t bytes[64];
	size_t len_bytes;
	const struct keyring *keyring;
};

static struct known known[KEYS_MAX];

enum err_code __real_keyring_unwrap(const struct keyring *k,
    const struct id *key_id, const void *list, size_t len_bytes,
    struct secret *content_key, struct err *e);
enum err_code __wrap_keyring_unwrap(const struct keyring *k,
    const struct id *key_id, const void *list, size_t len_bytes,
    struct secret *content_key, struct err *e);
enum err_code
__wrap_keyring_unwrap(const struct keyring *k, const struct id *key_id,
    const void *list, size_t len_bytes, struct secret *content_key,
    struct err *e)
{
	struct known *at =
	    &known[(key_id->bytes[0] | key_id->bytes[1] << 8) % KEYS_MAX];
	enum err_code rc;

	if (at->keyring == k && id_equal(&at->id, key_id))
		return secret_set(content_key, at->bytes, at->len_bytes, e);
	rc = __real_keyring_unwrap(k, key_id, list, len_bytes, content_key, e);
	if (rc != ERR_NONE || content_key->len_bytes > sizeof(at->bytes))
		return rc;
	at->id = *key_id;
	at->keyring = k;
	at->len_bytes = content_key->len_bytes;
	memcpy(at->bytes, content_key->bytes, content_key->len_bytes);
	return rc;
}
