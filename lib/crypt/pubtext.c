#include "pubtext.h"

#include <string.h>

#include <bascule/base/text.h>

#define BOTH_BYTES       (PUBTEXT_KEY_BYTES + PUBTEXT_CHECK_BYTES)
#define PREFIX_BYTES_MAX 32

/* SHA-256(prefix || key): a key of one kind is none of another. */
static enum err_code
check_make(const char *prefix, const uint8_t *key, struct id *out,
    struct err *e)
{
	uint8_t message[PREFIX_BYTES_MAX + PUBTEXT_KEY_BYTES];
	size_t prefix_bytes = strlen(prefix);

	ASSERT(prefix_bytes <= PREFIX_BYTES_MAX);
	memcpy(message, prefix, prefix_bytes);
	memcpy(message + prefix_bytes, key, PUBTEXT_KEY_BYTES);
	return hash_sha256(message, prefix_bytes + PUBTEXT_KEY_BYTES, out, e);
}

enum err_code
pubtext_write(const char *prefix, const uint8_t key[PUBTEXT_KEY_BYTES],
    char *out, struct err *e)
{
	uint8_t both[BOTH_BYTES];
	struct id check;
	enum err_code rc = check_make(prefix, key, &check, e);

	out[0] = '\0';
	if (rc != ERR_NONE)
		return rc;
	memcpy(both, key, PUBTEXT_KEY_BYTES);
	memcpy(both + PUBTEXT_KEY_BYTES, check.bytes, PUBTEXT_CHECK_BYTES);
	memcpy(out, prefix, strlen(prefix));
	(void)text_hex(both, sizeof both, out + strlen(prefix));
	return ERR_NONE;
}

enum err_code
pubtext_read(const char *prefix, const char *text,
    uint8_t key[PUBTEXT_KEY_BYTES], struct err *e)
{
	size_t prefix_bytes = strlen(prefix);
	uint8_t both[BOTH_BYTES];
	struct id check;
	enum err_code rc;

	if (strncmp(text, prefix, prefix_bytes) != 0 ||
	    !text_unhex(text + prefix_bytes, both, sizeof both))
		return err_set(e, ERR_INPUT,
		    "'%.100s' is no public key: it begins with '%s', and %d "
		    "hex digits follow",
		    text, prefix, PUBTEXT_DIGITS);
	rc = check_make(prefix, both, &check, e);
	if (rc != ERR_NONE)
		return rc;
	if (memcmp(check.bytes, both + PUBTEXT_KEY_BYTES,
		PUBTEXT_CHECK_BYTES) != 0)
		return err_set(e, ERR_INPUT, "'%.100s' was mistyped", text);
	memcpy(key, both, PUBTEXT_KEY_BYTES);
	return ERR_NONE;
}
