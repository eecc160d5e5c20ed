#include "repository.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static enum err_code
open_keys(struct cli *cli, enum store_access how, enum cli_keys keys,
    struct cli_repository *out, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc;

	if (keys == CLI_KEYS_NONE)
		return ERR_NONE;
	rc = cli_key_file(cli, &path, e);
	if (rc != ERR_NONE)
		return rc;
	if (keys == CLI_KEYS_OPTIONAL && access(buf_text(&path), F_OK) != 0)
		return ERR_NONE;
	rc =
	    keys_load(&out->keys, buf_text(&path), cli_passphrase_file(cli), e);
	if (rc != ERR_NONE || how != STORE_READ || keys != CLI_KEYS_NEEDED ||
	    keyring_can_read(out->keys))
		return rc;
	err_set(e, ERR_KEY,
	    "the key file '%s' may write and not read: '%s' needs one that "
	    "reads",
	    buf_text(&path), cli->command->name);
	return err_hint(e,
	    "set BASCULE_KEY_FILE to the operations key, the escrow key, or "
	    "one made with key new --role read");
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
	store_close(&out->store);
	if (rc == ERR_NONE)
		rc = open_keys(cli, access, keys, out, &e);
	if (rc == ERR_NONE) {
		opt.keyring = out->keys;
		opt.network_fs_allowed = cli_has(cli, "network-fs");
		rc = store_open(&out->store, cli->repository, &opt, &e);
	}
	return rc == ERR_NONE ? EXITCODE_DONE : cli_fail(cli, &e);
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
