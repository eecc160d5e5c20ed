#include "statement.h"

#include <string.h>

enum err_code
statement_seal(const struct sign_key *key, const char *label,
    const struct buf *body, struct buf *out, struct err *e)
{
	uint8_t signature[SIGN_BYTES];
	enum err_code rc =
	    sign_make(key, label, body->bytes, body->len_bytes, signature, e);

	buf_clear(out);
	if (rc == ERR_NONE)
		rc = le_add_bytes(out, body->bytes, body->len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add(out, sign_key_public(key)->bytes,
		    SIGN_PUBLIC_BYTES, e);
	return rc == ERR_NONE ? buf_add(out, signature, SIGN_BYTES, e) : rc;
}

enum err_code
statement_open(const char *label, const void *bytes, size_t len_bytes,
    struct le_reader *body, struct sign_public *signer, struct err *e)
{
	struct le_reader in;
	const uint8_t *at, *by, *signature;
	size_t len;
	enum err_code rc;

	memset(signer, 0, sizeof(*signer));
	le_init(&in, bytes, len_bytes);
	at = le_take_bytes(&in, STATEMENT_BODY_MAX, &len);
	by = le_take(&in, SIGN_PUBLIC_BYTES);
	signature = le_take(&in, SIGN_BYTES);
	if (!le_done(&in))
		return err_set(e, ERR_CORRUPT, "a statement is malformed");
	memcpy(signer->bytes, by, SIGN_PUBLIC_BYTES);
	le_init(body, at, len);
	rc = sign_check(signer, label, at, len, signature, e);
	return rc == ERR_CORRUPT
	    ? err_set(e, rc, "a statement is not what was signed")
	    : rc;
}

void
statement_take_name(struct le_reader *in, char *to, size_t max_bytes)
{
	size_t len;
	const uint8_t *at = le_take_bytes(in, max_bytes - 1, &len);

	if (at == NULL || len == 0 || memchr(at, '\0', len) != NULL) {
		in->bad = true;
		len = 0;
	} else
		memcpy(to, at, len);
	to[len] = '\0';
}
