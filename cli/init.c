/* bascule init: a repository, its operations key and its escrow key. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/job.h>
#include <bascule/wire.h>

#include "repository.h"

void
cli_key_files_fini(struct cli_key_files *f)
{
	buf_fini(&f->operations);
	buf_fini(&f->escrow);
}

/* All or nothing: keys of what is not there mislead. */
void
cli_key_files_undo(struct cli_key_files *f)
{
	if (f->operations_written)
		unlink(buf_text(&f->operations));
	if (f->escrow_written)
		unlink(buf_text(&f->escrow));
}

void
cli_key_files_warn(const struct cli *cli, struct cli_key_files *f, bool wrapped)
{
	if (!wrapped)
		cli_warn(cli,
		    "the key files are not protected by a passphrase; keep "
		    "'%s' where only this machine can read it",
		    buf_text(&f->operations));
	cli_warn(cli,
	    "without a key nothing can be restored: move '%s' to a safe place "
	    "off this site now",
	    buf_text(&f->escrow));
}

static enum err_code
name_files(const struct cli *cli, struct cli_key_files *f, struct err *e)
{
	const char *named = cli_value(cli, "key-file");
	enum err_code rc = named != NULL
	    ? buf_add_text(&f->operations, named, e)
	    : cli_key_file(cli, &f->operations, e);

	if (rc == ERR_NONE)
		rc = buf_printf(&f->escrow, e, "%s.escrow",
		    buf_text(&f->operations));
	return rc;
}

static enum err_code
write_key(const struct keyring *k, const struct secret *passphrase,
    const char *path, bool *written, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	enum err_code rc = keyring_save(k, passphrase, &file, e);

	if (rc == ERR_NONE)
		rc = keyfile_write(path, &file, e);
	*written = rc == ERR_NONE;
	return rc == ERR_NONE ? rc : err_wrap(e, "writing key file '%s'", path);
}

enum err_code
cli_key_files(struct cli_key_files *f, const struct secret *passphrase,
    struct keyring **operations, struct err *e)
{
	OWNED(keyring_free) struct keyring *escrow = NULL;
	enum err_code rc = keyring_new_family(operations, &escrow, e);

	/* Whoever finds an operations key has its escrow key as well. */
	if (rc == ERR_NONE)
		rc = write_key(escrow, passphrase, buf_text(&f->escrow),
		    &f->escrow_written, e);
	if (rc == ERR_NONE)
		rc = write_key(*operations, passphrase,
		    buf_text(&f->operations), &f->operations_written, e);
	return rc;
}

/* Said before a word of its keys: who moved those away would lose it. */
static enum err_code
check_none(const char *path, struct err *e)
{
	const struct store_options opt = {.access = STORE_READ};
	OWNED(store_close) struct store *st = NULL;

	if (store_open(&st, path, &opt, e) != ERR_NONE)
		return ERR_NONE; /* store_create says what else is wrong */
	err_set(e, ERR_EXISTS, "there is a repository in '%s' already", path);
	return err_hint(e, "nothing was changed: it and its keys are in use");
}

static enum err_code
make(const struct cli *cli, struct cli_key_files *f, bool *wrapped,
    struct err *e)
{
	OWNED(keyring_free) struct keyring *operations = NULL;
	OWNED(secret_fini) struct secret passphrase = {0};
	const char *path = cli_passphrase_file(cli);
	struct store_geometry geometry;
	const struct secret *wrap;
	enum err_code rc = check_none(cli->repository, e);

	if (rc != ERR_NONE)
		return rc;
	if (path != NULL)
		rc = keys_passphrase(&passphrase, path, e);
	*wrapped = passphrase.len_bytes > 0;
	wrap = *wrapped ? &passphrase : NULL;
	if (rc == ERR_NONE && cli_has(cli, "existing-key"))
		rc =
		    cli_key_load(cli, &operations, buf_text(&f->operations), e);
	else if (rc == ERR_NONE)
		rc = cli_key_files(f, wrap, &operations, e);
	if (rc == ERR_EXISTS && access(buf_text(&f->operations), F_OK) == 0)
		return err_hint(e,
		    "if an init that was cut off made it, --existing-key goes "
		    "on with it");
	store_default_geometry(&geometry);
	geometry.sliced = cli_has(cli, "slices");
	if (rc == ERR_NONE)
		rc = store_create(cli->repository, keyring_family(operations),
		    &geometry, e);
	return rc;
}

static int
report(struct cli *cli, struct cli_key_files *f, bool wrapped)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (f->escrow_written)
		cli_key_files_warn(cli, f, wrapped);
	if (!cli->json && !f->escrow_written) {
		printf("made repository %s\noperations key  %s\n",
		    cli->repository, buf_text(&f->operations));
		return EXITCODE_DONE;
	}
	if (!cli->json) {
		printf("made repository %s\noperations key  %s\nescrow key     "
		       " "
		       "%s\n",
		    cli->repository, buf_text(&f->operations),
		    buf_text(&f->escrow));
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_path(v, "repository", cli->repository,
	    strlen(cli->repository));
	wire_add_path(v, "key_file", buf_text(&f->operations),
	    f->operations.len_bytes);
	if (f->escrow_written)
		wire_add_path(v, "escrow_file", buf_text(&f->escrow),
		    f->escrow.len_bytes);
	wire_add_bool(v, "wrapped", wrapped);
	return cli_line(cli, &v);
}

static int
run(struct cli *cli)
{
	OWNED(cli_key_files_fini) struct cli_key_files f = {0};
	bool wrapped = false;
	struct err e;

	if (cli->repository == NULL)
		return cli_wrong_use(cli, "where? give -r REPOSITORY");
	if (name_files(cli, &f, &e) == ERR_NONE &&
	    make(cli, &f, &wrapped, &e) == ERR_NONE)
		return report(cli, &f, wrapped);
	cli_key_files_undo(&f);
	return cli_fail(cli, &e);
}

static const struct cli_option options[] =
    {{"key-file", 0, "FILE",
	 "where the operations key goes (default: REPOSITORY.key)"},
	{"existing-key", 0, NULL,
	    "use the key that is there already (see key new)"},
	{"slices", 0, NULL,
	    "for many small files: one is read without the others, and saving "
	    "them takes longer"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_init = {"init", "",
    "make a repository and its keys", options, 0, 0, run};
