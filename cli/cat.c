/* bascule cat: one file of a snapshot to stdout. */

#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>

#include "repository.h"
#include "saved.h"

static enum err_code
print_zeros(uint64_t len_bytes, struct err *e)
{
	static const uint8_t zeros[65536];

	while (len_bytes > 0) {
		size_t n = len_bytes < sizeof(zeros) ? (size_t)len_bytes
						     : sizeof(zeros);
		enum err_code rc = fdio_write(STDOUT_FILENO, zeros, n, e);

		if (rc != ERR_NONE)
			return rc;
		len_bytes -= n;
	}
	return ERR_NONE;
}

/* Where in the file the next byte of content belongs: holes lie between. */
struct layout {
	const struct entry *entry;
	size_t extent;
	uint64_t in_extent_bytes; /* of it, already printed */
	uint64_t at_bytes;        /* of the file, already printed */
	struct reader *reader;
};

static enum err_code
print_sparse(struct layout *l, const uint8_t *bytes, size_t len_bytes,
    struct err *e)
{
	while (len_bytes > 0 && l->extent < l->entry->extent_count) {
		const struct entry_extent *x = &l->entry->extents[l->extent];
		uint64_t room = x->len_bytes - l->in_extent_bytes;
		size_t n = len_bytes < room ? len_bytes : (size_t)room;
		enum err_code rc = ERR_NONE;

		if (l->in_extent_bytes == 0)
			rc = print_zeros(x->offset_bytes - l->at_bytes, e);
		if (rc == ERR_NONE)
			rc = fdio_write(STDOUT_FILENO, bytes, n, e);
		if (rc != ERR_NONE)
			return rc;
		bytes += n;
		len_bytes -= n;
		l->in_extent_bytes += n;
		l->at_bytes = x->offset_bytes + l->in_extent_bytes;
		if (l->in_extent_bytes == x->len_bytes) {
			l->extent++;
			l->in_extent_bytes = 0;
		}
	}
	return ERR_NONE;
}

static enum err_code
print_bytes(struct layout *l, const uint8_t *bytes, size_t len_bytes,
    struct err *e)
{
	if (l->entry->sparse)
		return print_sparse(l, bytes, len_bytes, e);
	l->at_bytes += len_bytes;
	return fdio_write(STDOUT_FILENO, bytes, len_bytes, e);
}

static enum err_code
print_piece(void *ctx, const struct content_piece *piece, uint64_t offset,
    struct err *e)
{
	struct layout *l = ctx;
	const uint8_t *bytes;
	size_t len_bytes;
	enum err_code rc =
	    reader_get(l->reader, &piece->id, &bytes, &len_bytes, e);

	(void)offset;
	return rc != ERR_NONE ? rc : print_bytes(l, bytes, len_bytes, e);
}

static enum err_code
print_item(struct store *st, const struct item *it, struct err *e)
{
	OWNED(reader_free) struct reader *reader = NULL;
	struct layout l = {.entry = &it->entry};
	const struct content *c = &it->content;
	enum err_code rc = reader_new(&reader, st, e);

	if (rc != ERR_NONE)
		return rc;
	l.reader = reader;
	if (c->pieces_count == 0)
		rc = print_bytes(&l, c->inlined.bytes, c->inlined.len_bytes, e);
	else
		rc = content_each(st, c, print_piece, &l, e);
	if (rc == ERR_NONE && it->entry.sparse)
		rc = print_zeros(it->entry.size_bytes - l.at_bytes, e);
	return rc;
}

static enum err_code
find_file(struct cursor **cursor, struct store *st, const struct id *root,
    const char *path, const struct item **it, struct err *e)
{
	size_t len = strlen(path);
	enum err_code rc = cursor_open(cursor, st, root, path, len, e);

	if (rc == ERR_NONE)
		rc = cursor_next(*cursor, it, e);
	if (rc != ERR_NONE)
		return rc;
	if (*it == NULL || (*it)->entry.path.len_bytes != len)
		return err_set(e, ERR_NOTFOUND, "there is no '/%s' in it",
		    path);
	if ((*it)->entry.type != ENTRY_FILE)
		return err_set(e, ERR_INPUT, "'/%s' is a %s, not a file", path,
		    entry_type_name((*it)->entry.type));
	return ERR_NONE;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	OWNED(cursor_close) struct cursor *cursor = NULL;
	const struct item *it;
	const char *path = cli->operands_count > 1 ? cli->operands[1] : NULL;
	struct err e;
	int status;

	cli->json_on_stderr = true; /* stdout is the file's */
	status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (snapshot_find(&s, &subtree, repo.store, cli->operands[0], &e) !=
	    ERR_NONE)
		return cli_fail(cli, &e);
	if ((path == NULL) == (*subtree == '\0'))
		return cli_wrong_use(cli,
		    "which file? give SNAPSHOT PATH or SNAPSHOT:PATH");
	if (path == NULL)
		path = subtree;
	while (*path == '/')
		path++;
	if (find_file(&cursor, repo.store, &s.root, path, &it, &e) !=
		ERR_NONE ||
	    print_item(repo.store, it, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	saved_say_problems(cli, &s, &(struct saved_part){.subtree = path});
	return EXITCODE_DONE;
}

const struct cli_command command_cat = {"cat", "SNAPSHOT PATH",
    "print one file of a snapshot", NULL, 1, 2, run};
