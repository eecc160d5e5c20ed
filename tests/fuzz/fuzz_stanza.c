/* Stanza lists: listed and opened by a fixed recipient. */

#include <string.h>

#include <bascule/crypt.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	static const uint8_t family[RECIPIENTS_FAMILY_BYTES];
	const struct recipients_key name = {.family = family};
	const struct recipients_bind bind = {0};
	OWNED(secret_fini) struct secret own = {0};
	OWNED(secret_fini) struct secret out = {0};
	struct id ids[RECIPIENTS_MAX];
	struct err e = {0};
	enum err_code rc;
	size_t count;

	if (secret_init(&own, RECIPIENTS_KEY_BYTES, &e) != ERR_NONE)
		return 0;
	memset(own.bytes, 0x22, RECIPIENTS_KEY_BYTES);
	rc = recipients_list(bytes, len_bytes, ids, &count, &e);
	ASSERT(rc == ERR_NONE || rc == ERR_CORRUPT);
	ASSERT(count <= RECIPIENTS_MAX);
	rc = recipients_unwrap_key(&out, &own, &name, bytes, len_bytes, &e);
	ASSERT(rc == ERR_KEY || rc == ERR_CORRUPT); /* nobody knows the key */
	ASSERT(out.bytes == NULL);
	rc = recipients_unwrap(&out, &own, &bind, bytes, len_bytes, &e);
	ASSERT((rc == ERR_NONE) == (out.bytes != NULL));
	return 0;
}
