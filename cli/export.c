/* bascule export: a snapshot as a tar file for everybody. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/atomfile.h>
#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "repository.h"
#include "saved.h"
#include "watch.h"

#define PATHS_MAX  1024
#define ZSTD_LEVEL 3

/* Where the archive goes: a new file that appears whole, or as it comes. */
struct target {
	struct atomfile *file;
	int dir_fd;
	int fd; /* a pipe, a device, standard output */
	uint64_t bytes;
};

static void
target_fini(struct target *t)
{
	atomfile_discard(&t->file);
	fdio_close(&t->dir_fd);
	if (t->fd != STDOUT_FILENO)
		fdio_close(&t->fd);
}

static enum err_code
to_target(void *arg, const void *bytes, size_t len_bytes, struct err *e)
{
	struct target *t = arg;

	t->bytes += len_bytes;
	return t->file != NULL ? atomfile_write(t->file, bytes, len_bytes, e)
			       : fdio_write(t->fd, bytes, len_bytes, e);
}

static enum err_code
open_new(struct target *t, const char *path, struct err *e)
{
	OWNED(free_mem) char *dir = strdup(path);
	OWNED(free_mem) char *name = strdup(path);

	if (dir == NULL || name == NULL)
		return err_nomem(e);
	t->dir_fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir_fd == -1)
		return err_sys(e, "cannot open the folder of '%s'", path);
	return atomfile_begin(&t->file, t->dir_fd, basename(name), e);
}

static enum err_code
target_open(struct target *t, const char *path, struct err *e)
{
	struct stat st;

	if (strcmp(path, "-") == 0) {
		t->fd = STDOUT_FILENO;
		return ERR_NONE;
	}
	if (stat(path, &st) == -1 || S_ISREG(st.st_mode))
		return open_new(t, path, e);
	t->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return t->fd == -1 ? err_sys(e, "cannot write to '%s'", path)
			   : ERR_NONE;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);

	return text_len > end_len &&
	    strcmp(text + text_len - end_len, end) == 0;
}

/* What the file's name says of compression; -1: what is not done here. */
static int
level_of(const struct cli *cli, const char *path)
{
	static const char *const others[] = {".gz", ".tgz", ".xz", ".txz",
	    ".bz2", ".tbz", ".tbz2", ".lz4", ".lzma", ".Z", ".zip", ".7z"};

	if (cli_has(cli, "zstd") || ends_with(path, ".zst") ||
	    ends_with(path, ".tzst"))
		return ZSTD_LEVEL;
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (ends_with(path, others[i]))
			return -1;
	return 0;
}

static int
say(struct cli *cli, const struct export_result *r, const struct target *t)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char size[32], wrote[32], took[TEXT_UNIT_BYTES];
	struct err e;

	if (!cli->json) {
		if (t->fd == STDOUT_FILENO)
			return EXITCODE_DONE;
		printf("exported %" PRIu64 " files, %" PRIu64
		       " directories, %s as %s in %s",
		    r->files_count, r->dirs_count,
		    cli_size(cli, r->bytes, size),
		    cli_size(cli, t->bytes, wrote),
		    text_duration(r->took_ns, took));
		if (r->left_out_count > 0)
			printf("; %" PRIu64 " sockets left out",
			    r->left_out_count);
		if (r->warnings_count > 0)
			printf("; %" PRIu64 " warnings", r->warnings_count);
		putchar('\n');
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "files", r->files_count);
	wire_add_uint(v, "directories", r->dirs_count);
	wire_add_uint(v, "others", r->others_count);
	wire_add_uint(v, "bytes", r->bytes);
	wire_add_uint(v, "written_bytes", t->bytes);
	wire_add_uint(v, "left_out", r->left_out_count);
	wire_add_uint(v, "warnings", r->warnings_count);
	wire_add_seconds(v, "seconds", r->took_ns);
	return cli_line(cli, &v);
}

static int export(struct cli *cli, struct store *st, struct export_options *opt,
    struct target *t)
{
	struct export_result result;
	struct cli_watch watch;
	enum err_code rc;
	struct err e;
	int status;

	opt->sink = to_target;
	opt->sink_arg = t;
	cli_watch_begin(&watch, cli, "exporting", &opt->watch);
	rc = export_run(st, opt, &result, &e);
	if (rc == ERR_NONE && t->file != NULL)
		rc = atomfile_commit(&t->file, &e);
	cli_watch_end(&watch);
	if (rc != ERR_NONE)
		return cli_watch_failed(&watch, &e);
	status = say(cli, &result, t);
	if (status == EXITCODE_DONE && result.warnings_count > 0)
		status = EXITCODE_PARTIAL;
	return status;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(target_fini) struct target t = {.dir_fd = -1, .fd = -1};
	OWNED(free_mem) char *subtree = NULL;
	const char *to = cli_value(cli, "output"), *path;
	const char *paths[PATHS_MAX];
	struct export_options opt = {.paths = paths};
	struct err e;
	int status;

	if (to == NULL)
		return cli_wrong_use(cli,
		    "where to? give -o FILE.tar, FILE.tar.zst, or -");
	if (strcmp(to, "-") == 0 && isatty(STDOUT_FILENO) == 1)
		return cli_wrong_use(cli,
		    "an archive is nothing for a "
		    "terminal; send it somewhere");
	if ((opt.level = level_of(cli, to)) == -1)
		return cli_wrong_use(cli,
		    "'%s': an export is a .tar or a .tar.zst", to);
	while ((path = cli_value_nth(cli, "path", opt.paths_count)) != NULL) {
		if (opt.paths_count == PATHS_MAX)
			return cli_wrong_use(cli, "over %d paths", PATHS_MAX);
		paths[opt.paths_count++] = path;
	}
	cli->json_on_stderr = strcmp(to, "-") == 0;
	status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (snapshot_find(&s, &subtree, repo.store, cli->operands[0], &e) !=
		ERR_NONE ||
	    target_open(&t, to, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	opt.root = s.root;
	opt.subtree = subtree;
	opt.total_bytes =
	    *subtree == '\0' && opt.paths_count == 0 ? s.bytes : 0;
	status = export(cli, repo.store, &opt, &t);
	return saved_say(cli, &s,
	    &(struct saved_part){subtree, paths, opt.paths_count}, status);
}

static const struct cli_option options[] = {{"output", 'o', "FILE",
						"FILE.tar, FILE.tar.zst, or - "
						"for standard output"},
    {"path", 0, "PATH", "only what is at or under it; may be repeated"},
    {"zstd", 0, NULL, "compress, whatever the file is called"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_export = {"export", "SNAPSHOT",
    "write a snapshot as a tar file that any tar reads", options, 1, 1, run};
