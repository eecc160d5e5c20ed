/* bascule ls: what a snapshot holds, one escaped line an entry, streamed. */

#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#include "repository.h"

static const char *
mode_text(const struct entry *entry, char out[11])
{
	static const char types[] = "?-dlpscb";
	static const char bits[] = "rwxrwxrwx";

	out[0] = types[entry->type];
	for (int i = 0; i < 9; i++)
		out[i + 1] = (entry->mode >> (8 - i) & 1) != 0 ? bits[i] : '-';
	if ((entry->mode & 04000) != 0)
		out[3] = out[3] == 'x' ? 's' : 'S';
	if ((entry->mode & 02000) != 0)
		out[6] = out[6] == 'x' ? 's' : 'S';
	if ((entry->mode & 01000) != 0)
		out[9] = out[9] == 'x' ? 't' : 'T';
	out[10] = '\0';
	return out;
}

static void
print_owner(const struct entry_text *name, uint32_t id)
{
	if (name->len_bytes > 0)
		printf("%-8s ", name->bytes);
	else
		printf("%-8u ", id);
}

/* line: its memory is used again, there may be millions. */
static enum err_code
print_text(const struct cli *cli, const struct entry *entry, struct buf *line,
    struct err *e)
{
	const bool details = cli_has(cli, "long");
	enum err_code rc;
	char mode[11], when[NOW_TEXT_BYTES], size[32];

	if (details) {
		printf("%s ", mode_text(entry, mode));
		print_owner(&entry->user, entry->uid);
		print_owner(&entry->group, entry->gid);
		printf("%10s %s ", cli_size(cli, entry->size_bytes, size),
		    cli_time_of(entry->mtime_s, when));
	}
	buf_clear(line);
	rc = buf_add_byte(line, '/', e);
	if (rc == ERR_NONE)
		rc = text_escape(line, entry->path.bytes, entry->path.len_bytes,
		    e);
	if (rc == ERR_NONE && details && entry->type == ENTRY_SYMLINK)
		rc = buf_add_text(line, " -> ", e);
	if (rc == ERR_NONE && details && entry->type == ENTRY_SYMLINK)
		rc = text_escape(line, entry->target.bytes,
		    entry->target.len_bytes, e);
	if (rc == ERR_NONE)
		rc = buf_add_byte(line, '\n', e);
	if (rc == ERR_NONE)
		fwrite(line->bytes, 1, line->len_bytes, stdout);
	return rc;
}

static int
print_json(struct cli *cli, const struct item *it)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct entry *entry = &it->entry;
	OWNED(buf_fini) struct buf path = {0};
	char mtime[NOW_TEXT_BYTES];
	struct err e;

	if (wire_new(&v, "entry", &e) != ERR_NONE ||
	    buf_add_byte(&path, '/', &e) != ERR_NONE ||
	    buf_add(&path, entry->path.bytes, entry->path.len_bytes, &e) !=
		ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_path(v, "path", buf_text(&path), path.len_bytes);
	wire_add_text(v, "kind", entry_type_name(entry->type));
	wire_add_uint(v, "mode", entry->mode);
	wire_add_uint(v, "uid", entry->uid);
	wire_add_uint(v, "gid", entry->gid);
	if (entry->user.len_bytes > 0)
		wire_add_bytes(v, "user", entry->user.bytes,
		    entry->user.len_bytes);
	if (entry->group.len_bytes > 0)
		wire_add_bytes(v, "group", entry->group.bytes,
		    entry->group.len_bytes);
	wire_add_uint(v, "bytes", entry->size_bytes);
	wire_add_text(v, "mtime",
	    now_text_wide(entry->mtime_s, entry->mtime_ns, mtime));
	if (entry->type == ENTRY_SYMLINK)
		wire_add_path(v, "target", entry->target.bytes,
		    entry->target.len_bytes);
	return cli_line(cli, &v);
}

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
			status = print_json(cli, it);
		else if (print_text(cli, &it->entry, &line, &e) != ERR_NONE)
			return cli_fail(cli, &e);
		if (status != EXITCODE_DONE || ferror(stdout))
			return status;
	}
}

/* "sub/tree" of the snapshot's name and the PATH given, as one path. */
static enum err_code
join(struct buf *out, const char *subtree, const char *path, struct err *e)
{
	enum err_code rc = buf_add_text(out, subtree, e);

	while (path != NULL && *path == '/')
		path++;
	if (rc == ERR_NONE && path != NULL && *path != '\0')
		rc = buf_printf(out, e, "%s%s", *subtree != '\0' ? "/" : "",
		    path);
	while (out->len_bytes > 0 && out->bytes[out->len_bytes - 1] == '/')
		out->len_bytes--;
	return rc;
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
	    join(&path, subtree,
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
