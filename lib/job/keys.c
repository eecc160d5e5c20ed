/* The keyring in a key file. */

#include <bascule/job.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/crypt.h>
#include <bascule/policy.h>

#define PASSPHRASE_BYTES_MAX 1024 /* docs/format/keys.md */
#define NEWLINE_BYTES        2

/* A file of any mode, or a pipe: whoever holds it says how it is kept. */
static enum err_code
read_passphrase(struct secret *out, const char *path, struct err *e)
{
	OWNED(fdio_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum err_code rc;
	size_t got;

	if (fd == -1) {
		err_sys(e, "cannot open the passphrase file '%s'", path);
		if (e->code == ERR_NOTFOUND)
			e->code = ERR_KEY;
		return e->code;
	}
	rc = secret_init(out, PASSPHRASE_BYTES_MAX + NEWLINE_BYTES + 1, e);
	if (rc == ERR_NONE)
		rc = fdio_read(fd, out->bytes, out->len_bytes, &got, e);
	if (rc != ERR_NONE) {
		secret_fini(out);
		return err_wrap(e, "reading the passphrase file '%s'", path);
	}
	secret_cut(out, got);
	return ERR_NONE;
}

enum err_code
keys_passphrase(struct secret *out, const char *path, struct err *e)
{
	enum err_code rc = read_passphrase(out, path, e);
	size_t len;

	if (rc != ERR_NONE)
		return rc;
	len = out->len_bytes;
	while (len > 0 &&
	    (out->bytes[len - 1] == '\n' || out->bytes[len - 1] == '\r'))
		len--;
	secret_cut(out, len);
	if (len == 0)
		return err_set(e, ERR_KEY, "the passphrase in '%s' is empty",
		    path);
	if (len > PASSPHRASE_BYTES_MAX)
		return err_set(e, ERR_KEY,
		    "the passphrase in '%s' is over %d bytes", path,
		    PASSPHRASE_BYTES_MAX);
	return ERR_NONE;
}

/* A key that is lost or damaged is a matter of keys, not of the repository. */
static enum err_code
not_usable(struct err *e)
{
	if (e->code == ERR_NOTFOUND || e->code == ERR_CORRUPT ||
	    e->code == ERR_INPUT)
		e->code = ERR_KEY;
	return e->code;
}

/* The service manager's credential, when there is one: *path is its file. */
static enum err_code
find_credential(struct buf *path, struct err *e)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	enum err_code rc;

	if (dir == NULL || *dir != '/')
		return ERR_NONE;
	rc = buf_printf(path, e, "%s/bascule.passphrase", dir);
	if (rc == ERR_NONE && access(buf_text(path), F_OK) != 0)
		buf_clear(path);
	return rc;
}

/* Where whoever reads the hint names the key, and what opens it. */
struct naming {
	const char *key, *passphrase;
};

static enum err_code
load(struct keyring **out, const char *key_file, const char *passphrase_file,
    const struct naming *naming, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	OWNED(secret_fini) struct secret passphrase = {0};
	OWNED(buf_fini) struct buf credential = {0};
	enum err_code rc;

	*out = NULL;
	rc = keyfile_read(key_file, &file, e);
	if (rc == ERR_NOTFOUND)
		err_hint(e,
		    "%s; if it is lost, the escrow key or its shares (bascule "
		    "key combine) open the repository",
		    naming->key);
	if (rc != ERR_NONE)
		return not_usable(e);
	if (keyfile_is_wrapped(&file) && passphrase_file == NULL) {
		rc = find_credential(&credential, e);
		if (rc != ERR_NONE)
			return rc;
		if (credential.len_bytes > 0)
			passphrase_file = buf_text(&credential);
	}
	if (keyfile_is_wrapped(&file) && passphrase_file == NULL) {
		err_set(e, ERR_KEY,
		    "the key file '%s' is wrapped with a passphrase", key_file);
		return err_hint(e,
		    "%s, or give the service the credential "
		    "bascule.passphrase",
		    naming->passphrase);
	}
	if (keyfile_is_wrapped(&file))
		rc = keys_passphrase(&passphrase, passphrase_file, e);
	if (rc == ERR_NONE)
		rc = keyring_load(out, &file,
		    passphrase.len_bytes > 0 ? &passphrase : NULL, e);
	if (rc == ERR_NONE)
		return rc;
	if (rc == ERR_CORRUPT)
		err_hint(e,
		    "take another copy of it, or the escrow key; what it "
		    "opens is not harmed");
	err_wrap(e, "opening key file '%s'", key_file);
	return not_usable(e);
}

enum err_code
keys_load(struct keyring **out, const char *key_file,
    const char *passphrase_file, struct err *e)
{
	static const struct naming naming =
	    {"set BASCULE_KEY_FILE to the key file",
		"set BASCULE_PASSPHRASE_FILE to a file that holds it"};

	return load(out, key_file, passphrase_file, &naming, e);
}

bool
keys_can_be_locked(void)
{
	OWNED(secret_fini) struct secret probe = {0};
	struct err ignored;

	return secret_init(&probe, SECRET_BYTES_MAX / 2, &ignored) ==
	    ERR_NONE &&
	    secret_is_locked(&probe);
}

enum err_code
keys_of_policy(struct keyring **out, const struct policy *p, struct err *e)
{
	const char *file = *p->key_passphrase_file != '\0'
	    ? p->key_passphrase_file
	    : getenv("BASCULE_PASSPHRASE_FILE");

	static const struct naming naming = {"put the key file back there, or "
					     "name its place in the policy "
					     "(key_file)",
	    "name a file that holds it in the policy (key_passphrase_file)"};

	return load(out, p->key_file, file, &naming, e);
}
