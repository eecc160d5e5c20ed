/*
 * bascule key split | combine: a key in pieces that people keep, any k of n of
 * which are the key.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "key.h"

/* --- split ---------------------------------------------------------------- */

/*
 * The file that is split: the one named, else the repository's escrow key,
 * else its key.
 */
static enum err_code
split_file(const struct cli *cli, struct buf *path, struct err *e)
{
	enum err_code rc;

	if (cli->operands_count > 0)
		return buf_add_text(path, cli->operands[0], e);
	rc = cli_key_file(cli, path, e);
	if (rc == ERR_NONE)
		rc = buf_add_text(path, ".escrow", e);
	if (rc == ERR_NONE && access(buf_text(path), F_OK) != 0)
		path->len_bytes -= strlen(".escrow");
	return rc;
}

struct splitting {
	struct buf key_path, paths[SHARES_MAX];
	struct secret texts[SHARES_MAX];
	unsigned threshold, count, written_count;
	char family[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];
};

static void
splitting_fini(struct splitting *s)
{
	buf_fini(&s->key_path);
	for (size_t i = 0; i < SHARES_MAX; i++) {
		buf_fini(&s->paths[i]);
		secret_fini(&s->texts[i]);
	}
}

/* All of them, or none: half a set would be trusted. */
static enum err_code
write_all(struct splitting *s, const char *prefix, struct err *e)
{
	enum err_code rc = ERR_NONE;

	for (unsigned i = 0; i < s->count && rc == ERR_NONE; i++) {
		rc = buf_printf(&s->paths[i], e, "%s.share-%u", prefix, i + 1);
		if (rc == ERR_NONE)
			rc = keyfile_write(buf_text(&s->paths[i]), &s->texts[i],
			    e);
		s->written_count += rc == ERR_NONE;
	}
	while (rc != ERR_NONE && s->written_count > 0)
		unlink(buf_text(&s->paths[--s->written_count]));
	return rc;
}

/* st: what the key must open, NULL when a file was named.  A key that cannot
 * read is none to escrow. */
static enum err_code
check_key(struct splitting *s, const struct store *st, const struct keyring *k,
    struct err *e)
{
	enum err_code rc = ERR_NONE;

	if (st != NULL)
		rc = cli_key_fits(st, k, buf_text(&s->key_path), e);
	if (rc != ERR_NONE || keyring_can_read(k))
		return rc;
	err_set(e, ERR_KEY,
	    "the key file '%s' cannot read: its shares would restore nothing",
	    buf_text(&s->key_path));
	return err_hint(e, "split the escrow key, or the operations key");
}

static enum err_code
split(const struct cli *cli, const struct store *st, struct splitting *s,
    struct err *e)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	const char *prefix = cli_value(cli, "output");
	enum err_code rc = split_file(cli, &s->key_path, e);

	if (rc == ERR_NONE)
		rc = cli_key_load(cli, &k, buf_text(&s->key_path), e);
	if (rc == ERR_NONE)
		rc = check_key(s, st, k, e);
	if (rc == ERR_NONE)
		rc = shares_split(s->texts, k, s->threshold, s->count, e);
	if (rc != ERR_NONE)
		return rc;
	(void)text_hex(keyring_family(k), RECIPIENTS_FAMILY_BYTES, s->family);
	return write_all(s, prefix != NULL ? prefix : buf_text(&s->key_path),
	    e);
}

static int
split_report(struct cli *cli, struct splitting *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	cli_warn(cli,
	    "any %u of these files are the key: print each, give it to another "
	    "keeper, then remove the files",
	    s->threshold);
	for (unsigned i = 0; i < s->count && !cli->json; i++) {
		printf("share %2u of %u  ", i + 1, s->count);
		cli_print_name(buf_text(&s->paths[i]), s->paths[i].len_bytes);
		putchar('\n');
	}
	if (!cli->json)
		return EXITCODE_DONE;
	for (unsigned i = 0; i < s->count; i++) {
		int status;

		if (wire_new(&v, "share", &e) != ERR_NONE)
			return cli_fail(cli, &e);
		wire_add_path(v, "path", buf_text(&s->paths[i]),
		    s->paths[i].len_bytes);
		wire_add_uint(v, "index", i + 1);
		status = cli_line(cli, &v);
		if (status != EXITCODE_DONE)
			return status;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_path(v, "key_file", buf_text(&s->key_path),
	    s->key_path.len_bytes);
	wire_add_text(v, "family", s->family);
	wire_add_uint(v, "threshold", s->threshold);
	wire_add_uint(v, "shares", s->count);
	return cli_line(cli, &v);
}

static int
run_split(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(splitting_fini) struct splitting s = {0};
	int status = EXITCODE_DONE;
	const char *k = cli_value(cli, "threshold");
	const char *n = cli_value(cli, "shares");
	uint64_t threshold, count;
	struct err e = {0};

	if (k == NULL || n == NULL ||
	    !text_parse_u64(k, SHARES_MAX, &threshold) ||
	    !text_parse_u64(n, SHARES_MAX, &count))
		return cli_wrong_use(cli,
		    "how many of how many? -k 2 -n 3 makes three shares of "
		    "which any two are the key; %d at most",
		    SHARES_MAX);
	if (cli->operands_count == 0 && cli->repository == NULL)
		return cli_wrong_use(cli, "which key? give its file, or -r");
	s.threshold = (unsigned)threshold;
	s.count = (unsigned)count;
	if (cli->operands_count == 0)
		status =
		    cli_repository_open(cli, STORE_READ, CLI_KEYS_NONE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (split(cli, repo.store, &s, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return split_report(cli, &s);
}

/* --- combine -------------------------------------------------------------- */

/* A share's file, of any mode: it may lie on what a keeper brought. */
static enum err_code
read_share(struct share **out, const char *path, struct err *e)
{
	OWNED(fdio_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	OWNED(secret_fini) struct secret text = {0};
	enum err_code rc;
	size_t got;

	*out = NULL;
	if (fd == -1)
		rc = err_sys(e, "cannot open the share");
	else
		rc = secret_init(&text, SECRET_BYTES_MAX, e);
	if (rc == ERR_NONE)
		rc = fdio_read(fd, text.bytes, text.len_bytes, &got, e);
	if (rc == ERR_NONE) {
		secret_cut(&text, got);
		rc = shares_read(out, &text, e);
	}
	if (rc == ERR_NONE)
		return ERR_NONE;
	err_wrap(e, "'%s'", path);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
		e->code = ERR_KEY; /* what is wrong is the key */
	return e->code;
}

enum err_code
cli_key_combine(struct keyring **out, char *const *paths, size_t count,
    struct err *e)
{
	struct share *shares[SHARES_MAX] = {0};
	enum err_code rc = ERR_NONE;

	*out = NULL;
	if (count > SHARES_MAX)
		return err_set(e, ERR_INPUT, "at most %d shares", SHARES_MAX);
	for (size_t i = 0; i < count && rc == ERR_NONE; i++)
		rc = read_share(&shares[i], paths[i], e);
	if (rc == ERR_NONE)
		rc = shares_combine(out, shares, count, e);
	for (size_t i = 0; i < count; i++)
		shares_free(&shares[i]);
	return rc;
}

static int
combine_report(struct cli *cli, const struct keyring *k, const char *path,
    bool wrapped)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char roles[CLI_ROLES_BYTES];
	char family[TEXT_HEX_BYTES(RECIPIENTS_FAMILY_BYTES)];
	struct err e = {0};

	cli_key_roles(keyring_roles(k), roles);
	(void)text_hex(keyring_family(k), RECIPIENTS_FAMILY_BYTES, family);
	if (!wrapped)
		cli_warn(cli,
		    "the key file is not protected by a passphrase; remove "
		    "'%s' when the restore is done",
		    path);
	if (!cli->json) {
		printf("key file  ");
		cli_print_name(path, strlen(path));
		printf("\nroles     %s\nfamily    %s\n", roles, family);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_path(v, "key_file", path, strlen(path));
	wire_add_bool(v, "wrapped", wrapped);
	wire_add_text(v, "roles", roles);
	wire_add_text(v, "family", family);
	return cli_line(cli, &v);
}

static int
run_combine(struct cli *cli)
{
	OWNED(keyring_free) struct keyring *k = NULL;
	OWNED(secret_fini) struct secret passphrase = {0};
	const char *path = cli_value(cli, "output");
	struct err e = {0};

	if (path == NULL)
		return cli_wrong_use(cli,
		    "into which key file? give -o KEYFILE");
	if (cli_key_passphrase(cli, &passphrase, &e) != ERR_NONE ||
	    cli_key_combine(&k, cli->operands, (size_t)cli->operands_count,
		&e) != ERR_NONE ||
	    cli_key_write(k, &passphrase, path, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return combine_report(cli, k, path, passphrase.len_bytes > 0);
}

static const struct cli_option split_options[] =
    {{"threshold", 'k', "K", "so many shares are needed (2 at least)"},
	{"shares", 'n', "N", "so many are made (16 at most)"},
	{"output", 'o', "PREFIX",
	    "PREFIX.share-1 and so on (default: beside the key file)"},
	{NULL, 0, NULL, NULL}};
const struct cli_command command_key_split = {"key split", "[KEYFILE]",
    "split a key (the escrow key of -r) into shares to print, any K of N of "
    "which are the key",
    split_options, 0, 1, run_split};

static const struct cli_option combine_options[] = {{"output", 'o', "KEYFILE",
							"the key file to make"},
    CLI_KEY_PASSPHRASE, {NULL, 0, NULL, NULL}};
const struct cli_command command_key_combine = {"key combine", "SHARE...",
    "make the key file again from enough of its shares", combine_options, 1,
    CLI_ANY, run_combine};
