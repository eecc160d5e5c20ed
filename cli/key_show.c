/* bascule key show: what a key file is; never a secret. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "key.h"

struct shown {
	const char *path;
	bool wrapped;
	char roles[CLI_ROLES_BYTES];
	char family[2 * RECIPIENTS_FAMILY_BYTES + 1];
	uint32_t generation;
	char writer[SIGN_FINGERPRINT_SIZE], admin[SIGN_FINGERPRINT_SIZE];
	char writer_public[SIGN_TEXT_SIZE];
	struct id recipients[RECIPIENTS_MAX];
	char publics[RECIPIENTS_MAX][RECIPIENTS_TEXT_SIZE];
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
		if (rc == ERR_NONE)
			rc = recipients_text(&all[i], s->publics[i], e);
		if (own != NULL && memcmp(own, &all[i], sizeof(*own)) == 0)
			s->own = i;
	}
	return rc;
}

static enum err_code
look(struct shown *s, const struct keyring *k, struct err *e)
{
	enum err_code rc = ERR_NONE;

	cli_key_roles(keyring_roles(k), s->roles);
	s->generation = keyring_generation(k);
	(void)text_hex(keyring_family(k), RECIPIENTS_FAMILY_BYTES, s->family);
	if (keyring_writer(k) != NULL)
		rc = sign_fingerprint(sign_key_public(keyring_writer(k)),
		    s->writer, e);
	if (rc == ERR_NONE && keyring_writer(k) != NULL)
		rc = sign_text(sign_key_public(keyring_writer(k)),
		    s->writer_public, e);
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
	printf("generation    %u\n", s->generation);
	printf("writer key    %s\nadmin key     %s\n",
	    s->writer[0] != '\0' ? s->writer : "-", s->admin);
	if (s->writer[0] != '\0')
		printf("              %s\n", s->writer_public);
	for (size_t i = 0; i < s->recipients_count; i++)
		printf("recipient     %s%s\n              %s\n",
		    id_hex(&s->recipients[i], hex),
		    i == s->own ? "  (this key)" : "", s->publics[i]);
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
		wire_add_text(v, "public", s->publics[i]);
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
	if (s->writer[0] != '\0')
		wire_add_text(v, "writer_public", s->writer_public);
	wire_add_uint(v, "generation", s->generation);
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
	struct err ignored;
	enum err_code rc = keys_load(&k, s.path, cli_passphrase_file(cli), &e);

	s.wrapped = rc == ERR_NONE &&
	    keyfile_read(s.path, &file, &ignored) == ERR_NONE &&
	    keyfile_is_wrapped(&file);
	if (rc == ERR_NONE)
		rc = look(&s, k, &e);
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	if (cli->json)
		return print_json(cli, &s);
	print_text(&s);
	return EXITCODE_DONE;
}

const struct cli_command command_key_show = {"key show", "FILE",
    "say what a key file may do and for whom it seals; never a secret", NULL, 1,
    1, run_show};
