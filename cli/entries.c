/* How commands show what a snapshot holds. */

#include "entries.h"

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

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

enum err_code
cli_entry_print(const struct cli *cli, const struct entry *entry,
    struct buf *line, struct err *e)
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

enum err_code
cli_entry_new(struct wire_value **out, const struct item *it, struct err *e)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct entry *entry = &it->entry;
	OWNED(buf_fini) struct buf path = {0};
	char mtime[NOW_TEXT_BYTES];

	*out = NULL;
	if (wire_new(&v, "entry", e) != ERR_NONE ||
	    buf_add_byte(&path, '/', e) != ERR_NONE ||
	    buf_add(&path, entry->path.bytes, entry->path.len_bytes, e) !=
		ERR_NONE)
		return e->code;
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
	*out = TAKE(v);
	return ERR_NONE;
}

int
cli_entry_line(struct cli *cli, const struct item *it)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (cli_entry_new(&v, it, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return cli_line(cli, &v);
}

enum err_code
cli_entry_path(struct buf *out, const char *subtree, const char *path,
    struct err *e)
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
