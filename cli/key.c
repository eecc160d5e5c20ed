/* bascule key new | show: key files, which need no repository. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "repository.h"

static int
run_new(struct cli *cli)
{
	OWNED(cli_key_files_fini) struct cli_key_files f = {0};
	OWNED(keyring_free) struct keyring *operations = NULL;
	OWNED(secret_fini) struct secret passphrase = {0};
	OWNED(wire_free) struct wire_value *v = NULL;
	const char *path = cli_passphrase_file(cli);
	struct err e = {0};
	enum err_code rc = buf_add_text(&f.operations, cli->operands[0], &e);

	if (rc == ERR_NONE)
		rc = buf_printf(&f.escrow, &e, "%s.escrow", cli->operands[0]);
	if (rc == ERR_NONE && path != NULL)
		rc = keys_passphrase(&passphrase, path, &e);
	if (rc == ERR_NONE)
		rc = cli_key_files(&f, path != NULL ? &passphrase : NULL,
		    &operations, &e);
	if (rc != ERR_NONE) {
		cli_key_files_undo(&f);
		return cli_fail(cli, &e);
	}
	cli_key_files_warn(cli, &f, path != NULL);
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
	wire_add_bool(v, "wrapped", path != NULL);
	return cli_line(cli, &v);
}

/* --- show: never a secret ------------------------------------------------- */

struct shown {
	const char *path;
	bool wrapped;
	char roles[32]; /* "write read admin" */
	char family[2 * RECIPIENTS_FAMILY_BYTES + 1];
	char writer[SIGN_FINGERPRINT_SIZE], admin[SIGN_FINGERPRINT_SIZE];
	struct id recipients[RECIPIENTS_MAX];
	size_t recipients_count, own; /* own: recipients_count for none */
};

static enum err_code
look_recipients(struct shown *s, const struct keyring *k, struct err *e)
{
	const struct recipients_public *own = keyring_own_public(k);
	const struct recipients_public *all =
	    keyring_recipients(k, &s->recipients_count);
	enum err_code rc = ERR_NONE;

	s->own = s->recipients_count;
	for (size_t i = 0; i < s->recipients_count && rc == ERR_NONE; i++) {
		rc = recipients_id(&all[i], &s->recipients[i], e);
		if (own != NULL && memcmp(own, &all[i], sizeof(*own)) == 0)
			s->own = i;
	}
	return rc;
}

static enum err_code
look(struct shown *s, const struct keyring *k, struct err *e)
{
	unsigned roles = keyring_roles(k);
	enum err_code rc = ERR_NONE;

	snprintf(s->roles, sizeof(s->roles), "%s%s%s",
	    roles & KEYRING_WRITE ? "write " : "",
	    roles & KEYRING_READ ? "read " : "",
	    roles & KEYRING_ADMIN ? "admin " : "");
	if (s->roles[0] != '\0')
		s->roles[strlen(s->roles) - 1] = '\0';
	(void)text_hex(keyring_family(k), RECIPIENTS_FAMILY_BYTES, s->family);
	if (keyring_writer(k) != NULL)
		rc = sign_fingerprint(sign_key_public(keyring_writer(k)),
		    s->writer, e);
	if (rc == ERR_NONE)
		rc = sign_fingerprint(keyring_admin_public(k), s->admin, e);
	return rc == ERR_NONE ? look_recipients(s, k, e) : rc;
}

static void
print_text(const struct shown *s)
{
	char hex[ID_HEX_BYTES];

	printf("key file      ");
	cli_print_name(s->path, strlen(s->path));
	printf("\nwrapped       %s\nroles         %s\nfamily        %s\n",
	    s->wrapped ? "by a passphrase" : "no", s->roles, s->family);
	printf("writer key    %s\nadmin key     %s\n",
	    s->writer[0] != '\0' ? s->writer : "-", s->admin);
	for (size_t i = 0; i < s->recipients_count; i++)
		printf("recipient     %s%s\n", id_hex(&s->recipients[i], hex),
		    i == s->own ? "  (this key)" : "");
}

static int
print_json(struct cli *cli, const struct shown *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char hex[ID_HEX_BYTES];
	struct err e = {0};

	for (size_t i = 0; i < s->recipients_count; i++) {
		int status;

		if (wire_new(&v, "recipient", &e) != ERR_NONE)
			return cli_fail(cli, &e);
		wire_add_text(v, "id", id_hex(&s->recipients[i], hex));
		wire_add_bool(v, "own", i == s->own);
		status = cli_line(cli, &v);
		if (status != EXITCODE_DONE)
			return status;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_path(v, "key_file", s->path, strlen(s->path));
	wire_add_bool(v, "wrapped", s->wrapped);
	wire_add_text(v, "roles", s->roles);
	wire_add_text(v, "family", s->family);
	if (s->writer[0] != '\0')
		wire_add_text(v, "writer", s->writer);
	wire_add_text(v, "admin", s->admin);
	wire_add_uint(v, "recipients", s->recipients_count);
	return cli_line(cli, &v);
}

static int
run_show(struct cli *cli)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret file = {0};
	struct shown s = {.path = cli->operands[0]};
	struct err e = {0};
	enum err_code rc = keyfile_read(s.path, &file, &e);

	s.wrapped = rc == ERR_NONE && keyfile_is_wrapped(&file);
	if (rc == ERR_NONE)
		rc = keys_load(&k, s.path, cli_passphrase_file(cli), &e);
	if (rc == ERR_NONE)
		rc = look(&s, k, &e);
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	if (cli->json)
		return print_json(cli, &s);
	print_text(&s);
	return EXITCODE_DONE;
}

const struct cli_command command_key_new = {"key new", "FILE",
    "make the two key files of a new family: FILE and FILE.escrow", NULL, 1, 1,
    run_new};
const struct cli_command command_key_show = {"key show", "FILE",
    "say what a key file may do and for whom it seals; never a secret", NULL, 1,
    1, run_show};
