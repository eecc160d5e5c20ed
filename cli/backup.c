/* bascule backup: trees, or a command's output, into a snapshot. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bascule/base/fdio.h>
#include <bascule/base/text.h>
#include <bascule/job.h>
#include <bascule/wire.h>

#include "made.h"
#include "repository.h"
#include "watch.h"

#define EXCLUDES_MAX     4096
#define EXCLUDE_FILE_MAX ((size_t)1 << 20)

struct request {
	struct capture_options opt;
	const char *excludes[EXCLUDES_MAX];
	const char *tags[SNAPSHOT_TAGS_MAX];
	struct buf exclude_texts[16]; /* of --exclude-file; own the patterns */
	struct buf state_dir, dataset;
};

static void
request_fini(struct request *r)
{
	for (size_t i = 0; i < COUNT_OF(r->exclude_texts); i++)
		buf_fini(&r->exclude_texts[i]);
	buf_fini(&r->state_dir);
	buf_fini(&r->dataset);
}

static enum err_code
add_exclude(struct request *r, const char *pattern, struct err *e)
{
	if (r->opt.excludes_count == EXCLUDES_MAX)
		return err_set(e, ERR_INPUT, "over %d exclude patterns",
		    EXCLUDES_MAX);
	r->excludes[r->opt.excludes_count++] = pattern;
	return ERR_NONE;
}

/* From wherever it comes: a file, a pipe, "-" for standard input. */
static enum err_code
read_all(const char *path, struct buf *out, struct err *e)
{
	OWNED(fdio_close) int fd = -1;

	if (strcmp(path, "-") == 0)
		return fdio_read_all(STDIN_FILENO, EXCLUDE_FILE_MAX, out, e);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return err_sys(e, "cannot open the exclude file '%s'", path);
	if (fdio_read_all(fd, EXCLUDE_FILE_MAX, out, e) != ERR_NONE)
		return err_wrap(e, "reading the exclude file '%s'", path);
	return ERR_NONE;
}

/* One pattern a line; empty lines and those that begin with # do not count. */
static enum err_code
read_exclude_file(struct request *r, struct buf *text, const char *path,
    struct err *e)
{
	enum err_code rc = read_all(path, text, e);
	char *at, *next;

	if (rc != ERR_NONE || text->bytes == NULL)
		return rc;
	buf_text(text);
	for (at = (char *)text->bytes; at != NULL && rc == ERR_NONE;
	     at = next) {
		next = strchr(at, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (at[strspn(at, " ")] != '\0' && *at != '#')
			rc = add_exclude(r, at, e);
	}
	return rc;
}

static enum err_code
take_excludes(const struct cli *cli, struct request *r, struct err *e)
{
	const char *value;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE &&
	     (value = cli_value_nth(cli, "exclude", i)) != NULL;
	     i++)
		rc = add_exclude(r, value, e);
	for (size_t i = 0; rc == ERR_NONE &&
	     (value = cli_value_nth(cli, "exclude-file", i)) != NULL;
	     i++) {
		if (i == COUNT_OF(r->exclude_texts))
			return err_set(e, ERR_INPUT, "over %zu exclude files",
			    i);
		rc = read_exclude_file(r, &r->exclude_texts[i], value, e);
	}
	r->opt.excludes = r->excludes;
	return rc;
}

static enum err_code
take_compression(struct capture_options *opt, const char *text, struct err *e)
{
	static const struct {
		const char *name;
		enum writer_codec codec;
	} named[] = {{"auto", WRITER_AUTO}, {"fast", WRITER_FAST},
	    {"max", WRITER_MAX}, {"off", WRITER_OFF}};
	uint64_t level;

	if (text == NULL)
		return ERR_NONE;
	for (size_t i = 0; i < COUNT_OF(named); i++)
		if (strcmp(text, named[i].name) == 0) {
			opt->codec = named[i].codec;
			return ERR_NONE;
		}
	if (!text_parse_u64(text, 19, &level) || level == 0)
		return err_set(e, ERR_INPUT,
		    "'%.40s' is not a compression; write auto, fast, max, off "
		    "or a level from 1 to 19",
		    text);
	opt->level = (int)level;
	return ERR_NONE;
}

static enum err_code
take_chunking(struct capture_options *opt, const char *text, struct err *e)
{
	enum err_code rc = text_parse_chunking(text == NULL ? "auto" : text,
	    &opt->chunk_fixed_bytes, e);

	if (opt->chunk_fixed_bytes > 0)
		opt->chunking = CHUNKING_FIXED;
	return rc;
}

#define CHECKPOINT_MAX_S 86400

/* Seconds, 0 is never; or a size, with its unit. */
static enum err_code
take_checkpoint(struct capture_options *opt, const char *text, struct err *e)
{
	uint64_t value;

	if (text_parse_u64(text, CHECKPOINT_MAX_S, &value)) {
		opt->checkpoint_ns =
		    value == 0 ? -1 : (int64_t)value * NS_PER_S;
		return ERR_NONE;
	}
	if (text_parse_size(text, &value, e) != ERR_NONE || value == 0)
		return err_set(e, ERR_INPUT,
		    "'%.40s' is not a number of seconds up to %d (0: never) "
		    "or a size such as 4GiB",
		    text, CHECKPOINT_MAX_S);
	opt->checkpoint_bytes = value;
	return ERR_NONE;
}

static enum err_code
take_checkpoints(const struct cli *cli, struct capture_options *opt,
    struct err *e)
{
	const char *text;
	enum err_code rc = ERR_NONE;

	for (size_t i = 0; rc == ERR_NONE &&
	     (text = cli_value_nth(cli, "checkpoint", i)) != NULL;
	     i++)
		rc = take_checkpoint(opt, text, e);
	return rc;
}

/* SIZE, or SIZE,AGE. */
static enum err_code
take_delta_cache(struct capture_options *opt, const char *text, struct err *e)
{
	const char *comma = text == NULL ? NULL : strchr(text, ',');
	char size[TEXT_UNIT_BYTES];
	enum err_code rc;

	if (text == NULL)
		return ERR_NONE;
	snprintf(size, sizeof(size), "%.*s",
	    (int)(comma == NULL ? strlen(text) : (size_t)(comma - text)), text);
	rc = text_parse_size(size, &opt->delta_cache_bytes, e);
	if (rc == ERR_NONE && comma != NULL)
		rc = text_parse_duration(comma + 1, &opt->delta_cache_keep_ns,
		    e);
	if (rc == ERR_NONE && comma != NULL && opt->delta_cache_keep_ns <= 0)
		rc = err_set(e, ERR_INPUT, "to be kept for '%.40s' is nothing",
		    comma + 1);
	return rc;
}

/* The dataset's name: as given, else the first path (or the program). */
static enum err_code
take_dataset(const struct cli *cli, struct request *r, struct err *e)
{
	const char *name = cli_value(cli, "dataset");
	const char *first = cli->operands[0];
	size_t len = strlen(first);
	enum err_code rc;

	if (name == NULL && cli_has(cli, "command")) {
		const char *slash = strrchr(first, '/');

		name = slash != NULL ? slash + 1 : first;
	}
	if (name != NULL)
		rc = buf_add_text(&r->dataset, name, e);
	else {
		while (len > 1 && first[len - 1] == '/')
			len--;
		rc = text_escape(&r->dataset, first, len, e);
	}
	r->opt.dataset = buf_text(&r->dataset);
	return rc == ERR_NONE ? cli_made_dataset(&r->dataset, e) : rc;
}

static enum err_code
take_all(const struct cli *cli, struct request *r, struct err *e)
{
	struct capture_options *opt = &r->opt;
	const char *service = cli_value(cli, "service");
	enum err_code rc = take_excludes(cli, r, e);

	opt->service = service != NULL ? service : "local";
	opt->one_file_system = cli_has(cli, "one-file-system");
	opt->exclude_caches = cli_has(cli, "exclude-caches");
	opt->dry_run = cli_has(cli, "dry-run");
	if (cli_has(cli, "command"))
		opt->command = (const char *const *)cli->operands;
	else {
		opt->roots = (const char *const *)cli->operands;
		opt->roots_count = (size_t)cli->operands_count;
	}
	if (rc == ERR_NONE)
		rc = take_compression(opt, cli_value(cli, "compression"), e);
	if (rc == ERR_NONE)
		rc = take_chunking(opt, cli_value(cli, "chunking"), e);
	if (rc == ERR_NONE)
		rc = take_checkpoints(cli, opt, e);
	if (rc == ERR_NONE)
		rc = take_delta_cache(opt, cli_value(cli, "delta-cache"), e);
	if (rc == ERR_NONE)
		rc = cli_made_tags(cli, r->tags, &opt->tags_count, e);
	opt->tags = r->tags;
	if (rc == ERR_NONE)
		rc = take_dataset(cli, r, e);
	if (rc == ERR_NONE)
		rc = cli_state_dir(&r->state_dir, e);
	if (rc == ERR_NONE && r->state_dir.len_bytes > 0)
		opt->state_dir = buf_text(&r->state_dir);
	return rc;
}

#define UNDIFFED_TOLD_BYTES ((uint64_t)1 << 20)

static void
say_undiffed(const struct cli *cli, const struct capture_result *r)
{
	char size[32];

	printf("%s of it are of files that changed, stored whole: this key "
	       "cannot read what they were (--delta-cache helps)\n",
	    cli_size(cli, r->undiffed_bytes, size));
}

static int
say(struct cli *cli, const struct capture_options *opt,
    const struct capture_result *r)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const struct cli_made m = {.would = "would back up",
	    .service = opt->service,
	    .dataset = opt->dataset,
	    .dry_run = opt->dry_run,
	    .snapshot = r->snapshot,
	    .counts = r->counts};
	struct err e;

	if (!cli->json) {
		cli_made_print(cli, &m);
		if (r->undiffed_bytes >= UNDIFFED_TOLD_BYTES)
			say_undiffed(cli, r);
		return EXITCODE_DONE;
	}
	if (cli_made_new(&v, &m, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "unchanged", r->unchanged_count);
	wire_add_uint(v, "undiffed_bytes", r->undiffed_bytes);
	return cli_line(cli, &v);
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(request_fini) struct request r = {0};
	struct capture_result result;
	struct cli_watch watch;
	enum err_code rc;
	struct err e;
	int status;

	if (cli_has(cli, "command") && cli->before_dashes_count > 0)
		return cli_wrong_use(cli,
		    "a command or paths, not both: '%s' stands before the --",
		    cli->operands[0]);
	if (take_all(cli, &r, &e) != ERR_NONE)
		return e.code == ERR_INPUT ? cli_wrong_use(cli, "%s", e.text)
					   : cli_fail(cli, &e);
	status = cli_repository_open(cli, STORE_WRITE,
	    r.opt.dry_run ? CLI_KEYS_NEEDED : CLI_KEYS_WRITE, &repo);
	if (status != EXITCODE_DONE)
		return status;
	cli_watch_begin(&watch, cli, "backing up", &r.opt.watch);
	rc = capture_run(repo.store, &r.opt, &result, &e);
	cli_watch_end(&watch);
	if (rc != ERR_NONE)
		return cli_watch_failed(&watch, &e);
	status = say(cli, &r.opt, &result);
	if (status == EXITCODE_DONE && result.counts.problems_count > 0)
		status = EXITCODE_PARTIAL;
	return status;
}

static const struct cli_option options[] =
    {{"service", 0, "NAME", "the service it belongs to (default: local)"},
	{"dataset", 0, "NAME", "what it is called (default: the first path)"},
	{"exclude", 0, "PATTERN", "leave out what matches, as .gitignore does"},
	{"exclude-file", 0, "FILE", "patterns, one a line; - is stdin"},
	{"exclude-caches", 0, NULL,
	    "leave out directories with a CACHEDIR.TAG"},
	{"one-file-system", 'x', NULL, "do not go into other file systems"},
	{"chunking", 0, "HOW", "auto, or \"fixed SIZE\" for database files"},
	{"compression", 0, "HOW", "auto, fast, max, off or a level (1 to 19)"},
	{"checkpoint", 0, "SECONDS|SIZE",
	    "note what was saved so often, so that an interrupted run goes on "
	    "from there (default: 60 and 16GiB; 0: never); may be repeated"},
	{"delta-cache", 0, "SIZE[,AGE]",
	    "for a key that cannot read: keep content here, in the clear, to "
	    "store differences from (AGE: 30d); without it, it is removed"},
	{"tag", 0, "TAG", "a word to find it by; may be repeated"},
	{"command", 0, NULL, "what follows -- is a command; keep its output"},
	{"dry-run", 'n', NULL, "say what would be saved, store nothing"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_backup = {"backup", "PATH...",
    "save trees, or a command's output, as a snapshot", options, 1, CLI_ANY,
    run};
