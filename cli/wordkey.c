#include "wordkey.h"

#include <bascule/job.h>

#include "key.h"

enum err_code
wordkey_read(const struct cli *cli, struct sign_key **out, struct err *e)
{
	const char *path = cli_value(cli, "key");
	OWNED(secret_fini) struct secret file = {0}, passphrase = {0};
	enum err_code rc;

	*out = NULL;
	if (path == NULL)
		return ERR_NONE;
	rc = keyfile_read(path, &file, e);
	if (rc == ERR_NONE)
		rc = cli_key_passphrase(cli, &passphrase, e);
	if (rc == ERR_NONE)
		rc = sign_key_load(out, &file,
		    passphrase.len_bytes > 0 ? &passphrase : NULL, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "the key '%s'", path);
}

enum err_code
wordkey_sign(const struct sign_key *key, struct approvals_signing *of,
    struct wire_value *request, struct err *e)
{
	OWNED(buf_fini) struct buf m = {0};
	uint8_t signature[SIGN_BYTES];
	const char *label;
	enum err_code rc;

	if (key == NULL)
		return ERR_NONE;
	of->said = now_utc();
	rc = approvals_signed(of, &label, &m, e);
	if (rc == ERR_NONE)
		rc = sign_make(key, label, m.bytes, m.len_bytes, signature, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_hex(request, "signature", signature, SIGN_BYTES);
	wire_add_hex(request, "signer", sign_key_public(key)->bytes,
	    SIGN_PUBLIC_BYTES);
	wire_add_utc(request, "said", of->said);
	return ERR_NONE;
}
