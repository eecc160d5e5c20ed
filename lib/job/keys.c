/* The keyring in a key file. */

#include <bascule/job.h>

#include <string.h>

#include <bascule/crypt.h>

enum err_code
keys_passphrase(struct secret *out, const char *path, struct err *e)
{
	enum err_code rc = keyfile_read(path, out, e);
	size_t len;

	if (rc != ERR_NONE)
		return err_wrap(e, "reading the passphrase");
	len = out->len_bytes;
	while (len > 0 &&
	    (out->bytes[len - 1] == '\n' || out->bytes[len - 1] == '\r'))
		len--;
	secret_cut(out, len);
	if (len == 0)
		return err_set(e, ERR_KEY, "the passphrase in '%s' is empty",
		    path);
	return ERR_NONE;
}

enum err_code
keys_load(struct keyring **out, const char *key_file,
    const char *passphrase_file, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	OWNED(secret_fini) struct secret passphrase = {0};
	enum err_code rc;

	*out = NULL;
	rc = keyfile_read(key_file, &file, e);
	if (rc == ERR_NOTFOUND) {
		e->code = rc = ERR_KEY;
		err_hint(e, "set BASCULE_KEY_FILE to the key file");
	}
	if (rc != ERR_NONE)
		return rc;
	if (keyfile_is_wrapped(&file) && passphrase_file == NULL) {
		err_set(e, ERR_KEY,
		    "the key file '%s' is wrapped with a passphrase", key_file);
		return err_hint(e,
		    "set BASCULE_PASSPHRASE_FILE to a file that holds it");
	}
	if (keyfile_is_wrapped(&file))
		rc = keys_passphrase(&passphrase, passphrase_file, e);
	if (rc == ERR_NONE)
		rc = keyring_load(out, &file,
		    passphrase.len_bytes > 0 ? &passphrase : NULL, e);
	return rc == ERR_NONE ? rc
			      : err_wrap(e, "opening key file '%s'", key_file);
}
