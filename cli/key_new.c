/*
 * bascule key new: the two key files of a new family; or, with --role, one more
 * key file of an old one, which needs no repository but may pin its writer.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/job.h>
#include <bascule/wire.h>

#include "key.h"

/* --- a family ------------------------------------------------------------- */

static int
new_family(struct cli *cli)
{
	OWNED(cli_key_files_fini) struct cli_key_files f = {0};
	OWNED(keyring_free) struct keyring *operations = NULL;
	OWNED(secret_fini) struct secret passphrase = {0};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e = {0};
	bool wrapped;
	enum err_code rc = buf_add_text(&f.operations, cli->operands[0], &e);

	if (rc == ERR_NONE)
		rc = buf_printf(&f.escrow, &e, "%s.escrow", cli->operands[0]);
	if (rc == ERR_NONE)
		rc = cli_key_passphrase(cli, &passphrase, &e);
	wrapped = passphrase.len_bytes > 0;
	if (rc == ERR_NONE)
		rc = cli_key_files(&f, wrapped ? &passphrase : NULL,
		    &operations, &e);
	if (rc != ERR_NONE) {
		cli_key_files_undo(&f);
		return cli_fail(cli, &e);
	}
	cli_key_files_warn(cli, &f, wrapped);
	if (!cli->json) {
		printf("operations key  %s\nescrow key      %s\n",
		    buf_text(&f.operations), buf_text(&f.escrow));
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_path(v, "key_file", buf_text(&f.operations),
	    f.operations.len_bytes);
	wire_add_path(v, "escrow_file", buf_text(&f.escrow),
	    f.escrow.len_bytes);
	wire_add_bool(v, "wrapped", wrapped);
	return cli_line(cli, &v);
}

/* --- one more of a family ------------------------------------------------- */

static bool
parse_roles(const char *text, unsigned *roles)
{
	static const struct {
		const char *name;
		unsigned role;
	} names[] = {{"write", KEYRING_WRITE}, {"read", KEYRING_READ},
	    {"admin", KEYRING_ADMIN}};

	*roles = 0;
	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		unsigned role = 0;

		for (size_t i = 0; i < COUNT_OF(names); i++)
			if (strlen(names[i].name) == len &&
			    memcmp(names[i].name, text, len) == 0)
				role = names[i].role;
		if (role == 0)
			return false;
		*roles |= role;
		text += len;
		if (*text == ',' && *++text == '\0')
			return false;
	}
	return *roles != 0;
}

struct made {
	const char *path;
	unsigned roles;
	bool wrapped, pinned;
	char writer[SIGN_FINGERPRINT_SIZE], writer_public[SIGN_TEXT_SIZE];
	char recipient_public[RECIPIENTS_TEXT_SIZE];
};

static enum err_code
look(struct made *m, const struct keyring *k, struct err *e)
{
	const struct recipients_public *own = keyring_own_public(k);
	const struct sign_key *writer = keyring_writer(k);
	enum err_code rc = ERR_NONE;

	if (writer != NULL)
		rc = sign_fingerprint(sign_key_public(writer), m->writer, e);
	if (rc == ERR_NONE && writer != NULL)
		rc = sign_text(sign_key_public(writer), m->writer_public, e);
	if (rc == ERR_NONE && own != NULL)
		rc = recipients_text(own, m->recipient_public, e);
	return rc;
}

/* st: where a writer is pinned, or NULL. */
static enum err_code
make(const struct cli *cli, struct store *st, struct made *m, struct err *e)
{
	OWNED(keyring_free) struct keyring *from = NULL;
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret passphrase = {0};
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = cli_key_from(cli, &from, &path, e);

	if (rc == ERR_NONE && st != NULL)
		rc = cli_key_fits(st, from, buf_text(&path), e);
	if (rc == ERR_NONE)
		rc = cli_key_passphrase(cli, &passphrase, e);
	if (rc == ERR_NONE)
		rc = keyring_new_member(&k, from, m->roles, e);
	if (rc == ERR_NONE)
		rc = look(m, k, e);
	if (rc == ERR_NONE)
		rc = cli_key_write(k, &passphrase, m->path, e);
	if (rc != ERR_NONE)
		return rc;
	m->wrapped = passphrase.len_bytes > 0;
	if (st == NULL || keyring_writer(k) == NULL)
		return ERR_NONE;
	rc = cli_key_pin(st, sign_key_public(keyring_writer(k)), e);
	m->pinned = rc == ERR_NONE;
	if (rc != ERR_NONE)
		unlink(m->path); /* all or nothing: it is this moment's */
	return rc;
}

static void
warn(const struct cli *cli, const struct made *m)
{
	if (!m->wrapped)
		cli_warn(cli,
		    "the key file is not protected by a passphrase; keep '%s' "
		    "where only its machine can read it",
		    m->path);
	if (m->writer[0] != '\0' && !m->pinned)
		cli_warn(cli,
		    "copies of the repository elsewhere take its snapshots "
		    "once they know it: bascule -r COPY key pin %s",
		    m->writer_public);
	if (m->recipient_public[0] != '\0')
		cli_warn(cli,
		    "it reads nothing before the keys that write name it: "
		    "bascule -r REPOSITORY key add-recipient %s",
		    m->recipient_public);
}

static int
new_member(struct cli *cli, unsigned asked)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct made m = {.path = cli->operands[0], .roles = asked};
	char roles[CLI_ROLES_BYTES];
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	struct err e = {0};
	int status = EXITCODE_DONE;

	if (cli->repository != NULL)
		status =
		    cli_repository_open(cli, STORE_WRITE, CLI_KEYS_NONE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (make(cli, repo.store, &m, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	cli_key_roles(m.roles, roles);
	warn(cli, &m);
	if (cli->json) {
		if (wire_new(&v, "summary", &e) != ERR_NONE)
			return cli_fail(cli, &e);
		wire_add_path(v, "key_file", m.path, strlen(m.path));
		wire_add_bool(v, "wrapped", m.wrapped);
		wire_add_text(v, "roles", roles);
		if (m.writer[0] != '\0') {
			wire_add_text(v, "writer", m.writer);
			wire_add_text(v, "writer_public", m.writer_public);
			wire_add_bool(v, "pinned", m.pinned);
		}
		if (m.recipient_public[0] != '\0')
			wire_add_text(v, "recipient_public",
			    m.recipient_public);
		return cli_line(cli, &v);
	}
	printf("key file    ");
	cli_print_name(m.path, strlen(m.path));
	printf("\nroles       %s\n", roles);
	if (m.writer[0] != '\0')
		printf("writer key  %s\n            %s\n", m.writer,
		    m.writer_public);
	if (m.recipient_public[0] != '\0')
		printf("recipient   %s\n", m.recipient_public);
	return EXITCODE_DONE;
}

static int
run(struct cli *cli)
{
	const char *text = cli_value(cli, "role");
	unsigned roles;

	if (text == NULL && cli_has(cli, "from"))
		return cli_wrong_use(cli,
		    "--from goes with --role: which role is the new key for?");
	if (text == NULL)
		return new_family(cli);
	if (!parse_roles(text, &roles))
		return cli_wrong_use(cli,
		    "--role takes write, read and admin, commas between; not "
		    "'%s'",
		    text);
	return new_member(cli, roles);
}

static const struct cli_option options[] =
    {{"role", 0, "ROLES",
	 "one more key of a family, for: write (backs up and reads nothing), "
	 "read, admin; commas between"},
	CLI_KEY_FROM, CLI_KEY_PASSPHRASE, {NULL, 0, NULL, NULL}};

const struct cli_command command_key_new = {"key new", "FILE",
    "make the two key files of a new family, FILE and FILE.escrow; with "
    "--role one more key file of an old one",
    options, 1, 1, run};
