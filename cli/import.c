/* bascule import: an archive somebody else made, as a snapshot. */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/path.h>
#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "made.h"
#include "repository.h"
#include "watch.h"

struct request {
	struct import_options opt;
	const char *tags[SNAPSHOT_TAGS_MAX];
	struct buf dataset, under;
};

static void
request_fini(struct request *r)
{
	if (r->opt.fd != STDIN_FILENO)
		fdio_close(&r->opt.fd);
	buf_fini(&r->dataset);
	buf_fini(&r->under);
}

static enum err_code
take_names(const struct cli *cli, struct request *r, struct err *e)
{
	const char *service = cli_value(cli, "service");
	const char *dataset = cli_value(cli, "dataset");
	const char *name = cli->operands[0];
	enum err_code rc;

	if (strcmp(name, "-") == 0)
		name = "standard input";
	r->opt.name = name;
	r->opt.service = service != NULL ? service : "local";
	rc = dataset != NULL ? buf_add_text(&r->dataset, dataset, e)
			     : text_escape(&r->dataset, name, strlen(name), e);
	r->opt.dataset = buf_text(&r->dataset);
	return rc == ERR_NONE ? cli_made_dataset(&r->dataset, e) : rc;
}

static enum err_code
take_under(const struct cli *cli, struct request *r, struct err *e)
{
	const char *path = cli_value(cli, "under");
	size_t len;
	enum err_code rc;

	if (path == NULL)
		return ERR_NONE;
	while (*path == '/')
		path++;
	for (len = strlen(path); len > 0 && path[len - 1] == '/';)
		len--;
	rc = buf_add(&r->under, path, len, e);
	if (rc == ERR_NONE && !path_is_valid(path, len))
		return err_set(e, ERR_INPUT, "--under: '%.200s' is not a path",
		    path);
	r->opt.under = buf_text(&r->under);
	return rc;
}

static enum err_code
take_limits(const struct cli *cli, struct request *r, struct err *e)
{
	const char *size = cli_value(cli, "max-size");
	const char *count = cli_value(cli, "max-entries");

	if (cli_made_tags(cli, r->tags, &r->opt.tags_count, e) != ERR_NONE)
		return e->code;
	r->opt.tags = r->tags;
	if (count != NULL &&
	    (!text_parse_u64(count, UINT64_MAX, &r->opt.max_entries) ||
		r->opt.max_entries == 0))
		return err_set(e, ERR_INPUT,
		    "--max-entries takes a number, not '%.40s'", count);
	return size == NULL ? ERR_NONE
			    : text_parse_size(size, &r->opt.max_bytes, e);
}

static enum err_code
open_archive(const struct cli *cli, struct request *r, struct err *e)
{
	struct stat st;

	if (strcmp(cli->operands[0], "-") == 0)
		r->opt.fd = STDIN_FILENO;
	else
		r->opt.fd =
		    open(cli->operands[0], O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (r->opt.fd == -1 || fstat(r->opt.fd, &st) == -1)
		return err_sys(e, "cannot open '%s'", cli->operands[0]);
	if (S_ISDIR(st.st_mode)) {
		err_set(e, ERR_NOTFOUND, "'%s' is a directory, not an archive",
		    cli->operands[0]);
		return err_hint(e, "'bascule backup' saves directories");
	}
	if (S_ISREG(st.st_mode))
		r->opt.total_bytes = (uint64_t)st.st_size;
	return ERR_NONE;
}

static int
say(struct cli *cli, const struct import_options *opt,
    const struct import_result *r)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct cli_made m = {.would = "would import",
	    .format = r->format,
	    .service = opt->service,
	    .dataset = opt->dataset,
	    .dry_run = opt->dry_run,
	    .snapshot = r->snapshot,
	    .counts = r->counts};
	struct err e;

	if (!cli->json) {
		cli_made_print(cli, &m);
		return EXITCODE_DONE;
	}
	return cli_made_new(&v, &m, &e) == ERR_NONE ? cli_line(cli, &v)
						    : cli_fail(cli, &e);
}

/* A broken archive is no wrong call, and over a limit is a guard's no. */
static int
import_failed(const struct cli_watch *watch, const struct cli *cli,
    const struct err *e)
{
	if (e->code == ERR_INPUT)
		return cli_fail_as(cli, e, EXITCODE_FAILED);
	if (e->code == ERR_REFUSED)
		return cli_fail_as(cli, e, EXITCODE_GUARD);
	return cli_watch_failed(watch, e);
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(request_fini) struct request r = {.opt = {.fd = -1}};
	struct import_result result;
	struct cli_watch watch;
	enum err_code rc;
	struct err e;
	int status;

	r.opt.dry_run = cli_has(cli, "dry-run");
	if (take_names(cli, &r, &e) != ERR_NONE ||
	    take_under(cli, &r, &e) != ERR_NONE ||
	    take_limits(cli, &r, &e) != ERR_NONE)
		return e.code == ERR_INPUT ? cli_wrong_use(cli, "%s", e.text)
					   : cli_fail(cli, &e);
	if (open_archive(cli, &r, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	status = cli_repository_open(cli, STORE_WRITE,
	    r.opt.dry_run ? CLI_KEYS_NEEDED : CLI_KEYS_WRITE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	cli_watch_begin(&watch, cli, "importing", &r.opt.watch);
	rc = import_run(repo.store, &r.opt, &result, &e);
	cli_watch_end(&watch);
	if (rc != ERR_NONE)
		return import_failed(&watch, cli, &e);
	status = say(cli, &r.opt, &result);
	if (status == EXITCODE_DONE && result.counts.problems_count > 0)
		status = EXITCODE_PARTIAL;
	return status;
}

static const struct cli_option options[] =
    {{"service", 0, "NAME", "the service it belongs to (default: local)"},
	{"dataset", 0, "NAME", "what it is called (default: the file's name)"},
	{"under", 0, "PATH", "put everything below this path"},
	{"max-size", 0, "SIZE",
	    "what it may unpack to (default: 2000 times its size)"},
	{"max-entries", 0, "COUNT", "how many entries it may have"},
	{"tag", 0, "TAG", "a word to find it by; may be repeated"},
	{"dry-run", 'n', NULL, "read it and say what is wrong, store nothing"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_import = {"import", "ARCHIVE",
    "make a snapshot of a tar, cpio, zip, 7z or other archive", options, 1, 1,
    run};
