/* bascule ls: what a snapshot holds, one escaped line an entry, streamed. */

#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#include "entries.h"
#include "repository.h"

static int
summarise(struct cli *cli, uint64_t count, uint64_t bytes)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json)
		return EXITCODE_DONE;
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "entries", count);
	wire_add_uint(v, "bytes", bytes);
	return cli_line(cli, &v);
}

static int
list(struct cli *cli, struct store *st, const struct id *root, const char *path)
{
	OWNED(cursor_close) struct cursor *cursor = NULL;
	OWNED(buf_fini) struct buf line = {0};
	const struct item *it;
	uint64_t count = 0, bytes = 0;
	int status = EXITCODE_DONE;
	struct err e;

	if (cursor_open(&cursor, st, root, path, strlen(path), &e) != ERR_NONE)
		return cli_fail(cli, &e);
	for (;;) {
		if (cursor_next(cursor, &it, &e) != ERR_NONE)
			return cli_fail(cli, &e);
		if (it == NULL)
			return summarise(cli, count, bytes);
		if (it->entry.path.len_bytes == 0)
			continue; /* the root itself */
		count++;
		bytes += it->entry.size_bytes;
		if (cli->json)
			status = cli_entry_line(cli, it);
		else if (cli_entry_print(cli, &it->entry, &line, &e) !=
		    ERR_NONE)
			return cli_fail(cli, &e);
		if (status != EXITCODE_DONE || ferror(stdout))
			return status;
	}
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	OWNED(buf_fini) struct buf path = {0};
	struct err e;
	int status =
	    cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);

	if (status != EXITCODE_DONE)
		return status;
	if (snapshot_find(&s, &subtree, repo.store, cli->operands[0], &e) !=
		ERR_NONE ||
	    cli_entry_path(&path, subtree,
		cli->operands_count > 1 ? cli->operands[1] : NULL,
		&e) != ERR_NONE)
		return cli_fail(cli, &e);
	return list(cli, repo.store, &s.root, buf_text(&path));
}

static const struct cli_option options[] =
    {{"long", 'l', NULL, "mode, owner, size and time as well"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_ls = {"ls", "SNAPSHOT [PATH]",
    "list what a snapshot holds", options, 1, 2, run};
