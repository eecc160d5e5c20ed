/*
 * bascule key show: what a key file is; or, without one, whom the repository of
 * -r takes from and who opens what lies there.  Never a secret.
 */

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
	printf("writer key    %s\n", s->writer[0] != '\0' ? s->writer : "-");
	if (s->writer[0] != '\0')
		printf("              %s\n", s->writer_public);
	printf("admin key     %s\n", s->admin);
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
show_file(struct cli *cli)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret file = {0};
	OWNED(buf_fini) struct buf path = {0};
	struct shown s = {0};
	struct err e = {0};
	struct err ignored;
	enum err_code rc = cli->operands_count > 0
	    ? buf_add_text(&path, cli->operands[0], &e)
	    : cli_key_path(cli, &path, &e);

	if (rc == ERR_NONE)
		rc = cli_key_load(cli, &k, s.path = buf_text(&path), &e);
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

/* --- a repository ---------------------------------------------------------- */

struct holdings {
	struct cli *cli;
	const struct keyring *keys; /* of the key in use; NULL: none */
	struct store_pin_list pins;
	struct grant_holders holders;
	char family[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];
};

static void
holdings_fini(struct holdings *h)
{
	store_pin_list_fini(&h->pins);
}

/* Which generation of the key in use, from 1; 0: none that it holds. */
static uint64_t
generation_of(const struct holdings *h, const struct id *domain)
{
	const struct id *d;

	for (size_t n = 0;
	     h->keys != NULL && (d = keyring_domain_nth(h->keys, n)) != NULL;
	     n++)
		if (id_equal(d, domain))
			return n + 1;
	return 0;
}

static bool
is_own_recipient(const struct holdings *h, const struct id *id)
{
	struct err ignored;
	struct id own;

	return h->keys != NULL && keyring_can_read(h->keys) &&
	    recipients_id(keyring_own_public(h->keys), &own, &ignored) ==
	    ERR_NONE &&
	    id_equal(&own, id);
}

static bool
is_own_writer(const struct holdings *h, const struct store_pin *p)
{
	const struct sign_key *k =
	    h->keys == NULL ? NULL : keyring_writer(h->keys);

	return k != NULL &&
	    memcmp(sign_key_public(k)->bytes, p->key, SIGN_PUBLIC_BYTES) == 0;
}

/* A pin as people know writers: by its print, and by what key pin takes. */
struct pin_names {
	char print[SIGN_FINGERPRINT_SIZE], text[SIGN_TEXT_SIZE];
};

static enum err_code
name_pin(struct pin_names *out, const struct store_pin *p, struct err *e)
{
	struct sign_public pub;
	enum err_code rc;

	memcpy(pub.bytes, p->key, sizeof pub.bytes);
	rc = sign_fingerprint(&pub, out->print, e);
	return rc == ERR_NONE ? sign_text(&pub, out->text, e) : rc;
}

static enum err_code
print_pins(const struct holdings *h, struct err *e)
{
	char when[NOW_TEXT_BYTES];

	for (size_t i = 0; i < h->pins.count; i++) {
		const struct store_pin *p = &h->pins.pins[i];
		struct pin_names names;
		enum err_code rc = name_pin(&names, p, e);

		if (rc != ERR_NONE)
			return rc;
		printf("takes writer  %s%s\n              %s\n", names.print,
		    is_own_writer(h, p) ? "  (this key)" : "", names.text);
		if (p->damaged)
			puts("              DAMAGED: bascule heal writes it "
			     "again");
		else
			printf("              since %s%s%s\n",
			    cli_time(p->since, when),
			    p->service[0] != '\0' ? ", met in "
						  : ", pinned by hand",
			    p->service);
	}
	return ERR_NONE;
}

static int
print_holdings(const struct holdings *h)
{
	const struct grant_holders *g = &h->holders;
	unsigned long long all = (unsigned long long)g->tally.keys_count;
	char hex[ID_HEX_BYTES];
	struct err e = {0};

	printf("repository    ");
	cli_print_name(h->cli->repository, strlen(h->cli->repository));
	printf("\nfamily        %s\nsessions      %llu\n", h->family, all);
	for (size_t i = 0; i < g->domains_count; i++) {
		uint64_t n = generation_of(h, &g->domains[i].id);

		printf("generation    ");
		if (n > 0)
			printf("%llu", (unsigned long long)n);
		else
			printf("%.16s...", id_hex(&g->domains[i].id, hex));
		printf(": %llu of %llu sessions\n",
		    (unsigned long long)g->domains[i].keys_count, all);
	}
	for (size_t i = 0; i < g->recipients_count; i++)
		printf("recipient     %s%s\n              opens %llu of %llu "
		       "sessions\n",
		    id_hex(&g->recipients[i].id, hex),
		    is_own_recipient(h, &g->recipients[i].id) ? "  (this key)"
							      : "",
		    (unsigned long long)g->recipients[i].keys_count, all);
	return print_pins(h, &e) == ERR_NONE ? EXITCODE_DONE
					     : cli_fail(h->cli, &e);
}

static enum err_code
line_of_pin(const struct holdings *h, const struct store_pin *p,
    struct wire_value **v, struct err *e)
{
	struct pin_names names;
	enum err_code rc = name_pin(&names, p, e);

	if (rc == ERR_NONE)
		rc = wire_new(v, "writer", e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*v, "writer", names.print);
	wire_add_text(*v, "writer_public", names.text);
	wire_add_bool(*v, "own", is_own_writer(h, p));
	wire_add_bool(*v, "damaged", p->damaged);
	if (p->since.ns != 0)
		wire_add_utc(*v, "since", p->since);
	if (p->service[0] != '\0')
		wire_add_text(*v, "service", p->service);
	return ERR_NONE;
}

static enum err_code
line_of_domain(const struct holdings *h, const struct grant_holder *d,
    struct wire_value **v, struct err *e)
{
	uint64_t n = generation_of(h, &d->id);
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(v, "generation", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*v, "domain", id_hex(&d->id, hex));
	wire_add_uint(*v, "sessions", d->keys_count);
	if (n > 0)
		wire_add_uint(*v, "generation", n);
	return ERR_NONE;
}

static enum err_code
line_of_recipient(const struct holdings *h, const struct grant_holder *r,
    struct wire_value **v, struct err *e)
{
	char hex[ID_HEX_BYTES];
	enum err_code rc = wire_new(v, "recipient", e);

	if (rc != ERR_NONE)
		return rc;
	wire_add_text(*v, "id", id_hex(&r->id, hex));
	wire_add_bool(*v, "own", is_own_recipient(h, &r->id));
	wire_add_uint(*v, "sessions", r->keys_count);
	return ERR_NONE;
}

static int
lines_of_holdings(struct holdings *h)
{
	const struct grant_holders *g = &h->holders;
	size_t count = g->domains_count + g->recipients_count + h->pins.count;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e = {0};

	for (size_t i = 0; i < count; i++) {
		size_t r = i - g->domains_count, p = r - g->recipients_count;
		enum err_code rc;

		if (i < g->domains_count)
			rc = line_of_domain(h, &g->domains[i], &v, &e);
		else if (r < g->recipients_count)
			rc = line_of_recipient(h, &g->recipients[r], &v, &e);
		else
			rc = line_of_pin(h, &h->pins.pins[p], &v, &e);
		if (rc != ERR_NONE)
			return cli_fail(h->cli, &e);
		if (cli_line(h->cli, &v) != EXITCODE_DONE)
			return EXITCODE_FAILED;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(h->cli, &e);
	wire_add_path(v, "repository", h->cli->repository,
	    strlen(h->cli->repository));
	wire_add_text(v, "family", h->family);
	wire_add_uint(v, "sessions", g->tally.keys_count);
	wire_add_uint(v, "recipients", g->recipients_count);
	wire_add_uint(v, "writers", h->pins.count);
	wire_add_uint(v, "unread", g->tally.unread_count);
	return cli_line(h->cli, &v);
}

static int
show_repository(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(holdings_fini) struct holdings h = {.cli = cli};
	struct err e = {0};
	int status =
	    cli_repository_open(cli, STORE_READ, CLI_KEYS_OPTIONAL, &repo);

	if (status != EXITCODE_DONE)
		return status;
	h.keys = repo.keys;
	(void)text_hex(store_family(repo.store), RECIPIENTS_FAMILY_BYTES,
	    h.family);
	if (store_pin_list(&h.pins, repo.store, &e) != ERR_NONE ||
	    grant_holders(&h.holders, repo.store, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (h.holders.tally.unread_count > 0)
		cli_warn(cli,
		    "%llu files of the repository could not be read; bascule "
		    "check says which",
		    (unsigned long long)h.holders.tally.unread_count);
	return cli->json ? lines_of_holdings(&h) : print_holdings(&h);
}

static int
run_show(struct cli *cli)
{
	return cli->operands_count > 0 || cli->repository == NULL
	    ? show_file(cli)
	    : show_repository(cli);
}

const struct cli_command command_key_show = {"key show", "[FILE]",
    "say what a key file may do and for whom it seals; without one, who opens "
    "what lies in the repository of -r, and whose snapshots it takes",
    NULL, 0, 1, run_show};
