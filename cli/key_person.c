/* bascule key person: a key to sign approvals with, of one's own. */

#include <stdio.h>

#include <bascule/job.h>
#include <bascule/wire.h>

#include "key.h"

static enum err_code
make(struct cli *cli, char fingerprint[SIGN_FINGERPRINT_SIZE], struct err *e)
{
	OWNED(secret_fini) struct secret file = {0}, passphrase = {0};
	OWNED(sign_key_free) struct sign_key *key = NULL;
	enum err_code rc = cli_key_passphrase(cli, &passphrase, e);

	if (rc == ERR_NONE)
		rc = sign_key_new(&key, e);
	if (rc == ERR_NONE)
		rc = sign_key_save(key,
		    passphrase.len_bytes > 0 ? &passphrase : NULL, &file, e);
	if (rc == ERR_NONE)
		rc = sign_fingerprint(sign_key_public(key), fingerprint, e);
	return rc == ERR_NONE ? keyfile_write(cli->operands[0], &file, e) : rc;
}

static int
run_person(struct cli *cli)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char fingerprint[SIGN_FINGERPRINT_SIZE];
	struct err e;

	if (make(cli, fingerprint, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (!cli->json) {
		printf("%s\n", fingerprint);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "signer", fingerprint);
	return cli_line(cli, &v);
}

static const struct cli_option person_options[] = {CLI_KEY_PASSPHRASE,
    {NULL, 0, NULL, NULL}};

const struct cli_command command_key_person = {"key person", "KEYFILE",
    "a key to sign approvals with; prints what 'people' names", person_options,
    1, 1, run_person};
