#include "repository.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/text.h>
#include <bascule/job.h>

enum err_code
cli_key_file(const struct cli *cli, struct buf *out, struct err *e)
{
	const char *named = getenv("BASCULE_KEY_FILE");
	size_t len;

	if (named != NULL && *named != '\0')
		return buf_add_text(out, named, e);
	len = strlen(cli->repository);
	while (len > 1 && cli->repository[len - 1] == '/')
		len--;
	return buf_printf(out, e, "%.*s.key", (int)len, cli->repository);
}

enum err_code
cli_state_dir(struct buf *out, struct err *e)
{
	const char *state = getenv("BASCULE_STATE_DIR");
	const char *home = getenv("HOME");

	if (state != NULL && *state != '\0')
		return buf_add_text(out, state, e);
	if (home != NULL && *home == '/')
		return buf_printf(out, e, "%s/.cache/bascule", home);
	return ERR_NONE;
}

const char *
cli_passphrase_file(const struct cli *cli)
{
	const char *path = getenv("BASCULE_PASSPHRASE_FILE");
	struct stat st;

	if (path == NULL || *path == '\0')
		return NULL;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & S_IRWXO) != 0)
		cli_warn(cli,
		    "the passphrase file '%s' is open to others; chmod 600 it",
		    path);
	return path;
}

enum err_code
cli_key_load(const struct cli *cli, struct keyring **out, const char *path,
    struct err *e)
{
	static bool was_told;
	enum err_code rc = keys_load(out, path, cli_passphrase_file(cli), e);

	if (rc != ERR_NONE || keyring_is_locked(*out) || was_told)
		return rc;
	was_told = true;
	cli_warn(cli,
	    "keys cannot be locked into memory and may be swapped out: raise "
	    "the limit (ulimit -l)");
	return rc;
}

enum err_code
cli_key_fits(const struct store *st, const struct keyring *k, const char *path,
    struct err *e)
{
	char family[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];
	char wanted[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];

	if (memcmp(keyring_family(k), store_family(st),
		RECIPIENTS_FAMILY_BYTES) == 0)
		return ERR_NONE;
	err_set(e, ERR_KEY,
	    "the key file '%s' is of another repository family (%s) than this "
	    "repository (%s)",
	    path, text_hex(keyring_family(k), RECIPIENTS_FAMILY_BYTES, family),
	    text_hex(store_family(st), RECIPIENTS_FAMILY_BYTES, wanted));
	return err_hint(e,
	    "set BASCULE_KEY_FILE to the key made with this repository, or to "
	    "its escrow key; key show prints a key file's family");
}

/* Is the key one that can do what it is wanted for? */
static enum err_code
check_role(const struct cli *cli, const struct keyring *k, enum cli_keys wanted,
    const char *path, struct err *e)
{
	if (wanted == CLI_KEYS_NEEDED && !keyring_can_read(k)) {
		err_set(e, ERR_KEY,
		    "the key file '%s' may write and not read: '%s' needs one "
		    "that reads",
		    path, cli->command->name);
		return err_hint(e,
		    "set BASCULE_KEY_FILE to the operations key, the escrow "
		    "key, or one made with key new --role read");
	}
	if (wanted == CLI_KEYS_WRITE && !keyring_can_write(k)) {
		err_set(e, ERR_KEY,
		    "the key file '%s' may not write: '%s' needs one that does",
		    path, cli->command->name);
		return err_hint(e,
		    "set BASCULE_KEY_FILE to the operations key, or to one "
		    "made with key new --role write");
	}
	return ERR_NONE;
}

static enum err_code
open_keys(struct cli *cli, enum store_access how, enum cli_keys keys,
    struct cli_repository *out, struct err *e)
{
	const char *named = getenv("BASCULE_KEY_FILE");
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc;

	if (keys == CLI_KEYS_NONE)
		return ERR_NONE;
	rc = cli_key_file(cli, &path, e);
	if (rc != ERR_NONE)
		return rc;
	if (keys == CLI_KEYS_OPTIONAL && (named == NULL || *named == '\0') &&
	    access(buf_text(&path), F_OK) != 0)
		return ERR_NONE;
	rc = cli_key_load(cli, &out->keys, buf_text(&path), e);
	if (rc == ERR_NONE)
		rc = cli_key_fits(out->store, out->keys, buf_text(&path), e);
	/* Who opens for writing and reads as well is judged by the store. */
	if (rc == ERR_NONE && (how == STORE_READ || keys == CLI_KEYS_WRITE))
		rc = check_role(cli, out->keys, keys, buf_text(&path), e);
	return rc;
}

/* Something is there, or in its way, that can be no repository. */
static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? !S_ISDIR(st.st_mode) : errno == ENOTDIR;
}

int
cli_repository_open(struct cli *cli, enum store_access access,
    enum cli_keys keys, struct cli_repository *out)
{
	struct store_options opt = {.access = access};
	struct err e;
	enum err_code rc;

	*out = (struct cli_repository){0};
	if (cli->repository == NULL)
		return cli_wrong_use(cli,
		    "which repository? give -r REPOSITORY or set "
		    "BASCULE_REPOSITORY");
	/* A repository that is not there explains a missing key. */
	rc = store_open(&out->store, cli->repository, &opt, &e);
	if (rc == ERR_NOTFOUND || is_file(cli->repository)) {
		err_hint(&e,
		    "is that its place (-r, BASCULE_REPOSITORY), and its disk "
		    "mounted? 'bascule -r REPOSITORY init' makes a new one");
		return cli_fail_as(cli, &e, EXITCODE_NO_REPOSITORY);
	}
	if (rc == ERR_NONE)
		rc = open_keys(cli, access, keys, out, &e);
	store_close(&out->store);
	if (rc == ERR_NONE) {
		opt.keyring = out->keys;
		opt.network_fs_allowed = cli_has(cli, "network-fs");
		rc = store_open(&out->store, cli->repository, &opt, &e);
	}
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	if (access == STORE_READ && store_is_degraded(out->store, &e))
		cli_warn(cli,
		    "%s; 'bascule check' says what is damaged, 'bascule heal' "
		    "mends it",
		    e.text);
	return EXITCODE_DONE;
}

const struct keyring *
cli_repository_keys(struct cli *cli, struct cli_repository *r)
{
	struct err ignored;

	if (r->keys == NULL &&
	    open_keys(cli, STORE_READ, CLI_KEYS_OPTIONAL, r, &ignored) !=
		ERR_NONE)
		return NULL;
	return r->keys != NULL && keyring_can_read(r->keys) ? r->keys : NULL;
}

void
cli_repository_close(struct cli_repository *r)
{
	store_close(&r->store);
	keyring_free(&r->keys);
}
