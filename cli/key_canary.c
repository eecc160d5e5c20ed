/*
 * bascule key canary: do the shares, or the key in the safe, still open the
 * repository?  What came of it is kept with the other state of this machine,
 * and told to the daemon, when there is one, for the ledger.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "key.h"

#define ANSWER_TIMEOUT_MS 30000

struct canary {
	struct cli *cli;
	struct keyring *keys;
	struct buf key_path; /* empty: shares */
	struct grant_drill drill;
	struct id recipient;
	struct buf recorded; /* where */
	char site[96];       /* whose ledger has it; "" */
};

static void
canary_fini(struct canary *c)
{
	keyring_free(&c->keys);
	buf_fini(&c->key_path);
	buf_fini(&c->recorded);
}

static const char *
tried(struct canary *c)
{
	return c->key_path.len_bytes > 0 ? buf_text(&c->key_path)
					 : "of these shares";
}

/* The key that is tried: of the shares, of --key-file, or the one in use. */
static enum err_code
take_key(struct canary *c, const struct store *st, struct err *e)
{
	const struct cli *cli = c->cli;
	const char *path = cli_value(cli, "key-file");
	enum err_code rc;

	if (cli->operands_count > 0)
		rc = cli_key_combine(&c->keys, cli->operands,
		    (size_t)cli->operands_count, e);
	else {
		rc = path != NULL ? buf_add_text(&c->key_path, path, e)
				  : cli_key_file(cli, &c->key_path, e);
		if (rc == ERR_NONE)
			rc = cli_key_load(cli, &c->keys, buf_text(&c->key_path),
			    e);
	}
	if (rc == ERR_NONE)
		rc = cli_key_fits(st, c->keys, tried(c), e);
	if (rc != ERR_NONE)
		return rc;
	if (!keyring_can_read(c->keys)) {
		err_set(e, ERR_KEY,
		    "the key file '%s' cannot read: it is none to escrow",
		    tried(c));
		return err_hint(e,
		    "try the escrow key (--key-file), or shares of it");
	}
	return recipients_id(keyring_own_public(c->keys), &c->recipient, e);
}

static void
on_failed(void *ctx, const char *object, const char *what)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct canary *c = ctx;
	struct err e;

	if (!c->cli->json) {
		printf("does not open  %s: %s\n", object, what);
		return;
	}
	if (wire_new(&v, "damage", &e) != ERR_NONE)
		return;
	wire_add_text(v, "object", object);
	wire_add_text(v, "what", what);
	(void)cli_line(c->cli, &v);
}

static enum err_code
drill(struct canary *c, struct err *e)
{
	struct store_options opt = {.access = STORE_READ, .keyring = c->keys};
	OWNED(store_close) struct store *st = NULL;
	enum err_code rc = store_open(&st, c->cli->repository, &opt, e);

	if (rc == ERR_NONE)
		rc = grant_drill(st, on_failed, c, &c->drill, e);
	if (rc != ERR_NONE || c->drill.sessions_count > 0)
		return rc;
	return err_set(e, ERR_NOTFOUND,
	    "nothing is sealed in '%s' yet: nothing is proved",
	    c->cli->repository);
}

static void
describe(struct wire_value *v, const struct canary *c)
{
	char family[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];
	char roles[CLI_ROLES_BYTES], hex[ID_HEX_BYTES];

	cli_key_roles(keyring_roles(c->keys), roles);
	wire_add_text(v, "family",
	    text_hex(keyring_family(c->keys), RECIPIENTS_FAMILY_BYTES, family));
	wire_add_text(v, "roles", roles);
	wire_add_text(v, "recipient", id_hex(&c->recipient, hex));
	wire_add_uint(v, "shares", (uint64_t)c->cli->operands_count);
	wire_add_uint(v, "sessions", c->drill.sessions_count);
	wire_add_uint(v, "opened", c->drill.opened_count);
	wire_add_uint(v, "unread", c->drill.unread_count);
}

static void
describe_result(struct wire_value *v, const struct canary *c)
{
	describe(v, c);
	wire_add_bool(v, "proved",
	    c->drill.opened_count == c->drill.sessions_count &&
		c->drill.unread_count == 0);
}

/* A line more of STATE/canary-FAMILY, durable before it is told of. */
static enum err_code
record(struct canary *c, struct err *e)
{
	char family[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(fdio_close) int fd = -1;
	enum err_code rc = cli_state_dir(&c->recorded, e);

	if (rc != ERR_NONE || c->recorded.len_bytes == 0)
		return rc;
	if (mkdir(buf_text(&c->recorded), 0700) != 0 && errno != EEXIST)
		return err_sys(e, "cannot make '%s'", buf_text(&c->recorded));
	(void)text_hex(keyring_family(c->keys), RECIPIENTS_FAMILY_BYTES,
	    family);
	rc = buf_printf(&c->recorded, e, "/canary-%s", family);
	if (rc != ERR_NONE)
		return rc;
	fd = open(buf_text(&c->recorded),
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return err_sys(e, "cannot open '%s'", buf_text(&c->recorded));
	rc = wire_new(&v, "canary", e);
	if (rc != ERR_NONE)
		return rc;
	describe_result(v, c);
	rc = wire_send(fd, v, e);
	if (rc == ERR_NONE && fsync(fd) != 0)
		rc = err_sys(e, "cannot flush '%s'", buf_text(&c->recorded));
	return rc;
}

/* The daemon's ledger has it, too: ERR_NOTFOUND when there is none here. */
static enum err_code
tell_daemon(struct canary *c, struct err *e)
{
	OWNED(wire_client_close) struct wire_client *client = NULL;
	OWNED(wire_free) struct wire_value *v = NULL;
	enum err_code rc = wire_client_open(&client, c->cli->socket, e);

	if (rc == ERR_NONE)
		rc = wire_new(&v, NULL, e);
	if (rc != ERR_NONE)
		return rc;
	wire_add_text(v, "cmd", "key canary");
	describe(v, c);
	wire_add_text(v, "repository", c->cli->repository);
	rc = wire_client_ask(client, v, e);
	wire_free(&v);
	if (rc == ERR_NONE)
		rc = wire_client_next(client, ANSWER_TIMEOUT_MS, &v, e);
	if (rc != ERR_NONE || v == NULL)
		return rc;
	snprintf(c->site, sizeof(c->site), "%s",
	    wire_take_text(v, "site", "?"));
	return ERR_NONE;
}

static void
tell(struct canary *c)
{
	struct err e = {0};
	enum err_code rc = tell_daemon(c, &e);

	if (rc == ERR_NOTFOUND)
		cli_warn(c->cli,
		    "no daemon answers here: no ledger knows of this drill");
	else if (rc != ERR_NONE)
		cli_warn(c->cli, "the daemon has not recorded it: %s", e.text);
}

static int
report(struct canary *c)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct grant_drill *d = &c->drill;
	int status = d->opened_count < d->sessions_count ? EXITCODE_KEY
	    : d->unread_count > 0                        ? EXITCODE_DAMAGE
							 : EXITCODE_DONE;
	struct err e;

	if (d->unread_count > 0)
		cli_warn(c->cli,
		    "%llu files of the repository could not be read; bascule "
		    "check says which",
		    (unsigned long long)d->unread_count);
	if (c->cli->json) {
		if (wire_new(&v, "summary", &e) != ERR_NONE)
			return cli_fail(c->cli, &e);
		describe_result(v, c);
		if (c->site[0] != '\0')
			wire_add_text(v, "site", c->site);
		return cli_line(c->cli, &v) == EXITCODE_DONE ? status
							     : EXITCODE_FAILED;
	}
	printf("%s: it opens %llu of %llu sessions\n",
	    status == EXITCODE_DONE ? "proved" : "NOT PROVED",
	    (unsigned long long)d->opened_count,
	    (unsigned long long)d->sessions_count);
	if (c->recorded.len_bytes > 0) {
		printf("recorded in ");
		cli_print_name(buf_text(&c->recorded), c->recorded.len_bytes);
		putchar('\n');
	}
	if (c->site[0] != '\0')
		printf("recorded in the ledger of site %s\n", c->site);
	return status;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(canary_fini) struct canary c = {.cli = cli};
	struct err e = {0};
	int status;

	if (cli->operands_count > 0 && cli_has(cli, "key-file"))
		return cli_wrong_use(cli, "shares, or --key-file: not both");
	status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NONE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (take_key(&c, repo.store, &e) != ERR_NONE ||
	    drill(&c, &e) != ERR_NONE || record(&c, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	tell(&c);
	return report(&c);
}

static const struct cli_option options[] =
    {{"key-file", 0, "FILE", "try this key, the escrow key say"},
	{NULL, 0, NULL, NULL}};
const struct cli_command command_key_canary = {"key canary", "[SHARE...]",
    "prove that these shares, or a key, still open the repository: a frame of "
    "every session",
    options, 0, CLI_ANY, run};
