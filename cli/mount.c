/* bascule mount: a snapshot to look around in. */

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/mount.h>
#include <bascule/wire.h>

#include "repository.h"
#include "saved.h"

struct look {
	struct cli *cli;
	const struct snapshot *snapshot;
	const char *subtree;
	struct buf said; /* last: who reads again and again hears it once */
};

static void
look_fini(struct look *l)
{
	buf_fini(&l->said);
}

static void
on_ready(void *ctx)
{
	const struct look *l = ctx;
	const struct cli *cli = l->cli;

	/* Whoever reads it there cannot be told. */
	(void)saved_say(cli, l->snapshot,
	    &(struct saved_part){.subtree = l->subtree}, EXITCODE_DONE);
	if (cli->json || cli->quiet)
		return;
	printf("mounted on ");
	cli_print_name(cli->operands[1], strlen(cli->operands[1]));
	printf("; Ctrl-C or umount ends it\n");
	fflush(stdout);
}

static void
on_problem(void *ctx, const char *path, const char *reason)
{
	struct look *l = ctx;
	OWNED(buf_fini) struct buf line = {0};
	enum err_code rc = ERR_NONE;
	struct err e;

	if (path != NULL && *path != '\0') {
		rc = text_escape(&line, path, strlen(path), &e);
		if (rc == ERR_NONE)
			rc = buf_add_text(&line, ": ", &e);
	}
	if (rc == ERR_NONE)
		rc = buf_add_text(&line, reason, &e);
	if (rc != ERR_NONE)
		cli_warn(l->cli, "%s", reason);
	else if (strcmp(buf_text(&l->said), buf_text(&line)) != 0) {
		cli_warn(l->cli, "%s", buf_text(&line));
		buf_fini(&l->said);
		l->said = line;
		line = (struct buf){0};
	}
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	OWNED(look_fini) struct look look = {.cli = cli};
	char name[32], hex[ID_HEX_BYTES];
	struct mount_options opt = {.name = name,
	    .others = cli_has(cli, "allow-other"),
	    .ready = on_ready,
	    .problem = on_problem,
	    .ctx = &look};
	struct err e;
	int status =
	    cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);

	if (status != EXITCODE_DONE)
		return status;
	if (snapshot_find(&s, &subtree, repo.store, cli->operands[0], &e) !=
	    ERR_NONE)
		return cli_fail(cli, &e);
	snprintf(name, sizeof name, "bascule:%.12s", id_hex(&s.id, hex));
	look.snapshot = &s;
	look.subtree = subtree;
	opt.root = s.root;
	opt.subtree = subtree;
	return mount_run(repo.store, cli->operands[1], &opt, &e) == ERR_NONE
	    ? EXITCODE_DONE
	    : cli_fail(cli, &e);
}

static const struct cli_option options[] =
    {{"allow-other", 0, NULL, "let other users look, as modes allow them"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_mount = {"mount", "SNAPSHOT DIRECTORY",
    "look around in a snapshot as a read-only file system", options, 2, 2, run};
