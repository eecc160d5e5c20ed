#include "key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/job.h>
#include <bascule/wire.h>

void
cli_key_roles(unsigned roles, char out[CLI_ROLES_BYTES])
{
	snprintf(out, CLI_ROLES_BYTES, "%s%s%s",
	    roles & KEYRING_WRITE ? "write " : "",
	    roles & KEYRING_READ ? "read " : "",
	    roles & KEYRING_ADMIN ? "admin " : "");
	if (out[0] != '\0')
		out[strlen(out) - 1] = '\0';
}

enum err_code
cli_key_path(const struct cli *cli, struct buf *path, struct err *e)
{
	const char *from = cli_value(cli, "from");
	const char *named = getenv("BASCULE_KEY_FILE");

	if (from != NULL)
		return buf_add_text(path, from, e);
	if (cli->repository != NULL || (named != NULL && *named != '\0'))
		return cli_key_file(cli, path, e);
	err_set(e, ERR_INPUT, "which key?");
	return err_hint(e,
	    "name its file (--from), in BASCULE_KEY_FILE, or its repository "
	    "with -r");
}

enum err_code
cli_key_from(const struct cli *cli, struct keyring **out, struct buf *path,
    struct err *e)
{
	enum err_code rc = cli_key_path(cli, path, e);

	*out = NULL;
	return rc == ERR_NONE ? cli_key_load(cli, out, buf_text(path), e) : rc;
}

enum err_code
cli_key_passphrase(const struct cli *cli, struct secret *out, struct err *e)
{
	const char *path = cli_value(cli, "passphrase-file");

	if (path == NULL)
		path = cli_passphrase_file(cli);
	return path == NULL ? ERR_NONE : keys_passphrase(out, path, e);
}

enum err_code
cli_key_write(const struct keyring *k, const struct secret *passphrase,
    const char *path, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	enum err_code rc = keyring_save(k,
	    passphrase->len_bytes > 0 ? passphrase : NULL, &file, e);

	return rc == ERR_NONE ? keyfile_write(path, &file, e) : rc;
}

enum err_code
cli_key_pin(struct store *st, const struct sign_public *writer, struct err *e)
{
	OWNED(intake_free) struct intake *in = NULL;
	enum err_code rc = intake_new(&in, st, e);

	return rc == ERR_NONE ? store_pin_writer(in, writer->bytes, e) : rc;
}

/* --- key pin -------------------------------------------------------------- */

static int
run_pin(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(wire_free) struct wire_value *v = NULL;
	char print[SIGN_FINGERPRINT_SIZE];
	struct sign_public writer;
	struct err e = {0};
	int status;

	if (sign_parse(&writer, cli->operands[0], &e) != ERR_NONE)
		return cli_fail_as(cli, &e, EXITCODE_USAGE);
	status = cli_repository_open(cli, STORE_WRITE, CLI_KEYS_NONE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (cli_key_pin(repo.store, &writer, &e) != ERR_NONE ||
	    sign_fingerprint(&writer, print, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (!cli->json) {
		printf("'%s' takes the snapshots of writer %s\n",
		    cli->repository, print);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "writer", print);
	return cli_line(cli, &v);
}

const struct cli_command command_key_pin = {"key pin", "WRITER",
    "let a copy of a repository take what this writer signs: "
    "bascule-writer-..., as key show prints it",
    NULL, 1, 1, run_pin};
