/*
 * bascule key add-recipient | remove-recipient | rotate | update | passphrase:
 * key files that change.  With -r the repository learns of it too: nothing of its data is
 * written again.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "key.h"

/* --- key files in place ---------------------------------------------------- */

/* A key file that is being changed; saved only when something did. */
struct changing {
	const char *path;
	struct keyring *keys;
	struct secret passphrase; /* empty: it was not wrapped */
};

static void
changing_fini(struct changing *c)
{
	keyring_free(&c->keys);
	secret_fini(&c->passphrase);
}

static enum err_code
changing_load(struct changing *c, const struct cli *cli, const char *path,
    struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	const char *passphrase = cli_passphrase_file(cli);
	enum err_code rc = cli_key_load(cli, &c->keys, path, e);

	c->path = path;
	if (rc == ERR_NONE)
		rc = keyfile_read(path, &file, e);
	if (rc == ERR_NONE && keyfile_is_wrapped(&file))
		rc = keys_passphrase(&c->passphrase, passphrase, e);
	return rc;
}

static enum err_code
changing_save(const struct changing *c, struct err *e)
{
	OWNED(secret_fini) struct secret file = {0};
	enum err_code rc = keyring_save(c->keys,
	    c->passphrase.len_bytes > 0 ? &c->passphrase : NULL, &file, e);

	return rc == ERR_NONE ? keyfile_replace(c->path, &file, e) : rc;
}

/* What is done to each key file.  *changed: it must be saved. */
typedef enum err_code change_fn(void *ctx, struct keyring *k, bool *changed,
    struct err *e);

struct change {
	change_fn *fn;
	void *ctx;
	uint64_t changed_count;
};

static enum err_code
change_file(struct change *c, const struct cli *cli, const char *path,
    struct err *e)
{
	OWNED(changing_fini) struct changing one = {0};
	bool changed = false;
	enum err_code rc = changing_load(&one, cli, path, e);

	if (rc == ERR_NONE)
		rc = c->fn(c->ctx, one.keys, &changed, e);
	if (rc == ERR_NONE && changed)
		rc = changing_save(&one, e);
	c->changed_count += rc == ERR_NONE && changed;
	return rc == ERR_NONE ? rc : err_wrap(e, "key file '%s'", path);
}

/* The files named from operand `from` on, or else the key in use. */
static enum err_code
change_files(struct change *c, const struct cli *cli, int from, struct err *e)
{
	OWNED(buf_fini) struct buf path = {0};
	enum err_code rc = ERR_NONE;

	if (cli->operands_count <= from) {
		rc = cli_key_path(cli, &path, e);
		return rc == ERR_NONE ? change_file(c, cli, buf_text(&path), e)
				      : rc;
	}
	for (int i = from; i < cli->operands_count && rc == ERR_NONE; i++)
		rc = change_file(c, cli, cli->operands[i], e);
	return rc;
}

/* --- the repository --------------------------------------------------------- */

/* With -r: is it there, is the key of its family, and does it read? */
static int
look_first(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};

	return cli->repository == NULL
	    ? EXITCODE_DONE
	    : cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);
}

/* With -r: what lies there is opened to all recipients of the key in use. */
static int
grant(struct cli *cli, struct grant_tally *tally)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	struct err e;
	int status;

	memset(tally, 0, sizeof(*tally));
	if (cli->repository == NULL)
		return EXITCODE_DONE;
	status = cli_repository_open(cli, STORE_WRITE, CLI_KEYS_NEEDED, &repo);
	if (status != EXITCODE_DONE)
		return status;
	return grant_all(repo.store, tally, &e) == ERR_NONE ? EXITCODE_DONE
							    : cli_fail(cli, &e);
}

static int
report(struct cli *cli, const struct change *c, const struct grant_tally *t,
    const char *recipient)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	int status = t->closed_count + t->unread_count > 0 ? EXITCODE_PARTIAL
							   : EXITCODE_DONE;
	struct err e;

	if (t->closed_count > 0)
		cli_warn(cli,
		    "%llu of %llu sessions are not open to this key, so it "
		    "cannot open them to others: run this again with one that "
		    "reads them",
		    (unsigned long long)t->closed_count,
		    (unsigned long long)t->keys_count);
	if (t->unread_count > 0)
		cli_warn(cli,
		    "%llu files of the repository could not be read; bascule "
		    "check says which",
		    (unsigned long long)t->unread_count);
	if (cli->json) {
		if (wire_new(&v, "summary", &e) != ERR_NONE)
			return cli_fail(cli, &e);
		if (recipient != NULL)
			wire_add_text(v, "recipient", recipient);
		wire_add_uint(v, "key_files", c->changed_count);
		wire_add_uint(v, "sessions", t->keys_count);
		wire_add_uint(v, "granted", t->granted_count);
		wire_add_uint(v, "closed", t->closed_count);
		return cli_line(cli, &v) == EXITCODE_DONE ? status
							  : EXITCODE_FAILED;
	}
	printf("%llu key file%s changed\n",
	    (unsigned long long)c->changed_count,
	    c->changed_count == 1 ? "" : "s");
	if (cli->repository != NULL)
		printf("%llu of %llu sessions opened to more recipients\n",
		    (unsigned long long)t->granted_count,
		    (unsigned long long)t->keys_count);
	return status;
}

/* --- add-recipient ---------------------------------------------------------- */

/* bascule-recipient-..., or a key file that reads. */
static enum err_code
recipient_of(const struct cli *cli, const char *text,
    struct recipients_public *out, struct err *e)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	enum err_code rc;

	if (strncmp(text, "bascule-", strlen("bascule-")) == 0)
		return recipients_parse(out, text, e);
	rc = cli_key_load(cli, &k, text, e);
	if (rc != ERR_NONE)
		return rc;
	if (!keyring_can_read(k)) {
		err_set(e, ERR_INPUT,
		    "the key file '%s' cannot read: it can be no recipient",
		    text);
		return err_hint(e, "key new --role read makes one that can");
	}
	*out = *keyring_own_public(k);
	return ERR_NONE;
}

static enum err_code
add_to(void *ctx, struct keyring *k, bool *changed, struct err *e)
{
	enum err_code rc = keyring_add_recipient(k, ctx, e);

	*changed = rc == ERR_NONE;
	return rc == ERR_EXISTS ? ERR_NONE : rc; /* what is left is to grant */
}

static int
run_add(struct cli *cli)
{
	struct recipients_public pub;
	struct change c = {.fn = add_to, .ctx = &pub};
	struct grant_tally tally;
	char hex[ID_HEX_BYTES];
	struct err e = {0};
	struct id id;
	int status = look_first(cli);

	if (status != EXITCODE_DONE)
		return status;
	if (recipient_of(cli, cli->operands[0], &pub, &e) != ERR_NONE ||
	    recipients_id(&pub, &id, &e) != ERR_NONE ||
	    change_files(&c, cli, 1, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	status = grant(cli, &tally);
	if (status != EXITCODE_DONE)
		return status;
	if (cli->repository == NULL)
		cli_warn(cli,
		    "what was sealed before stays closed to it: bascule -r "
		    "REPOSITORY key add-recipient opens that too, for each "
		    "copy");
	return report(cli, &c, &tally, id_hex(&id, hex));
}

/* --- remove-recipient ------------------------------------------------------- */

static enum err_code
remove_from(void *ctx, struct keyring *k, bool *changed, struct err *e)
{
	enum err_code rc = keyring_remove_recipient(k, ctx, e);

	*changed = rc == ERR_NONE;
	return rc;
}

/* Its id in full, or as much as is needed, of the key in use; or its text. */
static enum err_code
find_recipient(const struct cli *cli, const char *text, struct id *out,
    struct err *e)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(buf_fini) struct buf path = {0};
	const struct recipients_public *all;
	struct recipients_public pub;
	struct id_prefix prefix;
	size_t count, found = 0;
	struct id id;
	enum err_code rc;

	if (strncmp(text, "bascule-", strlen("bascule-")) == 0) {
		rc = recipients_parse(&pub, text, e);
		return rc == ERR_NONE ? recipients_id(&pub, out, e) : rc;
	}
	if (id_parse(text, out))
		return ERR_NONE;
	if (!id_parse_prefix(text, &prefix))
		return err_set(e, ERR_INPUT,
		    "'%.80s' is no recipient's id: key show prints them", text);
	if (cli->operands_count > 1)
		rc = buf_add_text(&path, cli->operands[1], e);
	else
		rc = cli_key_path(cli, &path, e);
	if (rc == ERR_NONE)
		rc = cli_key_load(cli, &k, buf_text(&path), e);
	if (rc != ERR_NONE)
		return rc;
	all = keyring_recipients(k, &count);
	for (size_t i = 0; i < count && rc == ERR_NONE; i++) {
		rc = recipients_id(&all[i], &id, e);
		if (rc == ERR_NONE && id_has_prefix(&id, &prefix)) {
			found++;
			*out = id;
		}
	}
	if (rc != ERR_NONE || found == 1)
		return rc;
	return err_set(e, found == 0 ? ERR_NOTFOUND : ERR_INPUT,
	    "'%.80s' is the id of %s recipient", text,
	    found == 0 ? "no" : "more than one");
}

static int
run_remove(struct cli *cli)
{
	struct change c = {.fn = remove_from};
	struct grant_tally tally = {0};
	char hex[ID_HEX_BYTES];
	struct err e = {0};
	struct id id;

	c.ctx = &id;
	if (find_recipient(cli, cli->operands[0], &id, &e) != ERR_NONE ||
	    change_files(&c, cli, 1, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	cli_warn(cli,
	    "this revokes nothing: what is sealed already stays open to that "
	    "recipient for ever; only what these key files write from now on "
	    "does not");
	return report(cli, &c, &tally, id_hex(&id, hex));
}

/* --- rotate ----------------------------------------------------------------- */

static enum err_code
rotate_one(void *ctx, struct keyring *k, bool *changed, struct err *e)
{
	uint32_t *generation = ctx;
	enum err_code rc = keyring_can_write(k)
	    ? keyring_rotate(k, e)
	    : err_set(e, ERR_KEY, "it cannot write, so it has nothing to turn");

	*changed = rc == ERR_NONE;
	*generation = keyring_generation(k);
	return rc;
}

static int
run_rotate(struct cli *cli)
{
	uint32_t generation = 0;
	struct change c = {.fn = rotate_one, .ctx = &generation};
	OWNED(wire_free) struct wire_value *v = NULL;
	struct grant_tally tally;
	struct err e = {0};
	int status = look_first(cli);

	if (status != EXITCODE_DONE)
		return status;
	if (change_files(&c, cli, 0, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	status = grant(cli, &tally);
	if (status != EXITCODE_DONE)
		return status;
	cli_warn(cli,
	    "nothing new deduplicates with what was written before; bring the "
	    "other key files that write up to date with key update");
	if (cli->repository == NULL)
		cli_warn(cli,
		    "keys that only read learn of the generation from the "
		    "repository: run key add-recipient or key rotate with -r");
	if (!cli->json) {
		printf("generation %u\n", generation);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "generation", generation);
	wire_add_uint(v, "key_files", c.changed_count);
	return cli_line(cli, &v);
}

/* --- update ----------------------------------------------------------------- */

static enum err_code
update_one(void *ctx, struct keyring *k, bool *changed, struct err *e)
{
	enum err_code rc = keyring_update(k, ctx, e);

	*changed = rc == ERR_NONE;
	return rc;
}

static int
run_update(struct cli *cli)
{
	OWNED(keyring_free) struct keyring *from = NULL;
	OWNED(buf_fini) struct buf path = {0};
	struct change c = {.fn = update_one};
	struct grant_tally tally = {0};
	struct err e = {0};

	if (cli_key_from(cli, &from, &path, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	c.ctx = from;
	if (change_files(&c, cli, 0, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return report(cli, &c, &tally, NULL);
}

/* --- passphrase ------------------------------------------------------------- */

static enum err_code
wrap_anew(const struct cli *cli, const char *path,
    const struct secret *passphrase, struct err *e)
{
	OWNED(changing_fini) struct changing one = {0};
	enum err_code rc = changing_load(&one, cli, path, e);

	secret_fini(&one.passphrase);
	if (rc == ERR_NONE && passphrase->len_bytes > 0)
		rc = secret_set(&one.passphrase, passphrase->bytes,
		    passphrase->len_bytes, e);
	if (rc == ERR_NONE)
		rc = changing_save(&one, e);
	return rc == ERR_NONE ? rc : err_wrap(e, "key file '%s'", path);
}

static int
run_passphrase(struct cli *cli)
{
	OWNED(secret_fini) struct secret passphrase = {0};
	const char *to = cli_value(cli, "passphrase-file");
	struct grant_tally tally = {0};
	struct change c = {0};
	struct err e = {0};

	if ((to != NULL) == cli_has(cli, "remove"))
		return cli_wrong_use(cli,
		    "the new passphrase (--passphrase-file FILE), or none "
		    "(--remove)?");
	if (to != NULL && keys_passphrase(&passphrase, to, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	for (int i = 0; i < cli->operands_count; i++) {
		if (wrap_anew(cli, cli->operands[i], &passphrase, &e) !=
		    ERR_NONE)
			return cli_fail(cli, &e);
		c.changed_count++;
	}
	if (to == NULL)
		cli_warn(cli,
		    "no passphrase protects it now: keep it where only its "
		    "machine can read it");
	cli->repository = NULL; /* it has no part in this */
	return report(cli, &c, &tally, NULL);
}

/* --- the table --------------------------------------------------------------- */

const struct cli_command command_key_add_recipient = {"key add-recipient",
    "RECIPIENT [KEYFILE...]",
    "seal for one more from now on, in the key in use or in these key files; "
    "with -r what lies there is opened to it too.  RECIPIENT: "
    "bascule-recipient-..., or a key file that reads",
    NULL, 1, CLI_ANY, run_add};

const struct cli_command command_key_remove_recipient = {"key remove-recipient",
    "RECIPIENT [KEYFILE...]",
    "seal for one fewer from now on; nothing that is sealed is taken from it",
    NULL, 1, CLI_ANY, run_remove};

const struct cli_command command_key_rotate = {"key rotate", "[KEYFILE]",
    "begin a new generation of the keys that name and cut what is stored; "
    "with -r those who read learn of it there",
    NULL, 0, 1, run_rotate};

static const struct cli_option update_options[] = {CLI_KEY_FROM,
    {NULL, 0, NULL, NULL}};
const struct cli_command command_key_update = {"key update", "KEYFILE...",
    "give key files the generations and recipients of the key they came from",
    update_options, 1, CLI_ANY, run_update};

static const struct cli_option passphrase_options[] =
    {{"passphrase-file", 0, "FILE", "the new passphrase is in this file"},
	{"remove", 0, NULL, "none from now on"}, {NULL, 0, NULL, NULL}};
const struct cli_command command_key_passphrase = {"key passphrase",
    "KEYFILE...",
    "wrap key files with another passphrase, or with none; the one they have "
    "is "
    "in BASCULE_PASSPHRASE_FILE",
    passphrase_options, 1, CLI_ANY, run_passphrase};
