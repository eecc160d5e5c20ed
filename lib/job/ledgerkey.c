/* The daemon's signing key. */

#include <bascule/job.h>

#include <bascule/crypt.h>

static enum err_code
make(struct sign_key **out, const char *path, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	OWNED(sign_key_free) struct sign_key *key = NULL;
	enum err_code rc = sign_key_new(&key, e);

	if (rc == ERR_NONE)
		rc = sign_key_save(key, NULL, &file, e);
	if (rc == ERR_NONE)
		rc = keyfile_write(path, &file, e);
	if (rc == ERR_NONE)
		*out = TAKE(key);
	return rc;
}

enum err_code
ledgerkey_open(struct sign_key **out, const char *path, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	enum err_code rc = keyfile_read(path, &file, e);

	*out = NULL;
	if (rc == ERR_NOTFOUND)
		rc = make(out, path, e);
	else if (rc == ERR_NONE)
		rc = sign_key_load(out, &file, NULL, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "the ledger's key '%s'", path);
}

void
ledgerkey_free(struct sign_key **key)
{
	sign_key_free(key);
}
