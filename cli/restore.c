/* bascule restore: a snapshot, or a part of it, into a directory. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#include "repository.h"
#include "restore.h"
#include "saved.h"
#include "watch.h"

#define PATHS_MAX 1024

/* --dry-run: each entry that would change. */
static void
on_planned(void *ctx, enum restore_change change, const char *path)
{
	struct cli_watch *w = ctx;
	struct cli *cli = w->cli;
	const char *to = cli_value(cli, "to");
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf full = {0}, shown = {0};
	struct err e;

	cli_progress_end(&w->progress);
	if (cli->quiet || buf_printf(&full, &e, "%s/%s", to, path) != ERR_NONE)
		return;
	if (!cli->json) {
		if (text_escape(&shown, buf_text(&full), full.len_bytes, &e) ==
		    ERR_NONE)
			printf("%-7s %s\n", restore_change_name(change),
			    buf_text(&shown));
		return;
	}
	if (wire_new(&v, "change", &e) != ERR_NONE)
		return;
	wire_add_text(v, "change", restore_change_name(change));
	wire_add_path(v, "path", buf_text(&full), full.len_bytes);
	cli_line(cli, &v);
}

/* Where everything is now. */
static void
say_place(const struct cli *cli, const struct restore_result *r, bool dry_run)
{
	OWNED(free_mem) char *place = realpath(cli_value(cli, "to"), NULL);
	OWNED(buf_fini) struct buf shown = {0};
	struct err e;

	if (!dry_run && place != NULL &&
	    text_escape(&shown, place, strlen(place), &e) == ERR_NONE)
		printf("%s is in %s\n",
		    r->failed_count > 0 ? "what was restored" : "everything",
		    buf_text(&shown));
}

static void
say_text(const struct cli *cli, const struct restore_result *r, bool dry_run)
{
	char size[32], took[TEXT_UNIT_BYTES];

	printf("%s %" PRIu64 " files, %" PRIu64 " directories, ",
	    dry_run ? "would restore" : "restored", r->files_count,
	    r->dirs_count);
	if (r->others_count > 0)
		printf("%" PRIu64 " others, ", r->others_count);
	printf("%s in %s", cli_size(cli, r->bytes, size),
	    text_duration(r->took_ns, took));
	if (r->same_count > 0)
		printf("; %" PRIu64 " were there already", r->same_count);
	if (r->changed_count > 0)
		printf("; %" PRIu64 " %s changed", r->changed_count,
		    dry_run ? "would be" : "were");
	if (r->cloned_count > 0)
		printf("; %" PRIu64 " share blocks", r->cloned_count);
	if (r->deleted_count > 0)
		printf("; %" PRIu64 " others %s", r->deleted_count,
		    dry_run ? "would be deleted" : "deleted");
	if (r->warnings_count + r->failed_count + r->differ_count > 0)
		printf("; %" PRIu64 " warnings, %" PRIu64
		       " not restored, %" PRIu64 " differ",
		    r->warnings_count, r->failed_count, r->differ_count);
	putchar('\n');
	if (r->kept_count > 0)
		printf("%" PRIu64 " of these were another's and are yours now: "
		       "only root gives files away\n",
		    r->kept_count);
	say_place(cli, r, dry_run);
}

static int
say(struct cli *cli, const struct restore_result *r, bool dry_run)
{
	OWNED(free_mem) char *place = realpath(cli_value(cli, "to"), NULL);
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json) {
		say_text(cli, r, dry_run);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_bool(v, "dry_run", dry_run);
	if (place != NULL)
		wire_add_path(v, "place", place, strlen(place));
	wire_add_uint(v, "files", r->files_count);
	wire_add_uint(v, "directories", r->dirs_count);
	wire_add_uint(v, "others", r->others_count);
	wire_add_uint(v, "bytes", r->bytes);
	wire_add_uint(v, "written_bytes", r->written_bytes);
	wire_add_uint(v, "same", r->same_count);
	wire_add_uint(v, "changed", r->changed_count);
	wire_add_uint(v, "cloned", r->cloned_count);
	wire_add_uint(v, "deleted", r->deleted_count);
	wire_add_uint(v, "warnings", r->warnings_count);
	wire_add_uint(v, "owners_kept", r->kept_count);
	wire_add_uint(v, "failed", r->failed_count);
	wire_add_uint(v, "damaged", r->damaged_count);
	wire_add_uint(v, "differ", r->differ_count);
	wire_add_seconds(v, "seconds", r->took_ns);
	return cli_line(cli, &v);
}

static int
restore(struct cli *cli, struct store *st, struct restore_options *opt)
{
	struct restore_result result = {0};
	struct cli_watch watch;
	enum err_code rc;
	struct err e;
	int status;

	cli_watch_begin(&watch, cli, "restoring", &opt->watch);
	rc = restore_run(st, opt, &result, &e);
	cli_watch_end(&watch);
	if (rc != ERR_NONE)
		return cli_watch_failed(&watch, &e);
	status = say(cli, &result, opt->dry_run);
	if (status == EXITCODE_DONE && result.damaged_count > 0)
		status = EXITCODE_DAMAGE;
	if (status == EXITCODE_DONE &&
	    result.failed_count + result.differ_count + result.warnings_count >
		0)
		status = EXITCODE_PARTIAL;
	return status;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(snapshot_fini) struct snapshot s = {0};
	OWNED(free_mem) char *subtree = NULL;
	const char *paths[PATHS_MAX];
	struct restore_options opt = {.to = cli_value(cli, "to"),
	    .paths = paths,
	    .delete_others = cli_has(cli, "delete"),
	    .verify = cli_has(cli, "verify"),
	    .dry_run = cli_has(cli, "dry-run"),
	    .planned = on_planned};
	const char *overwrite = cli_value(cli, "overwrite");
	const char *path;
	struct err e;
	int status;

	if (opt.to == NULL)
		return cli_wrong_use(cli, "where to? give --to DIRECTORY");
	if (overwrite != NULL &&
	    !restore_overwrite_of(overwrite, &opt.overwrite))
		return cli_wrong_use(cli,
		    "--overwrite takes never, differing or always, not "
		    "'%.40s'",
		    overwrite);
	if (cli->repository == NULL)
		return restore_live(cli);
	if (cli_value(cli, "on") != NULL)
		return cli_wrong_use(cli,
		    "--on goes through the daemon, whose policy knows the "
		    "host; -r restores to this machine");
	while ((path = cli_value_nth(cli, "path", opt.paths_count)) != NULL) {
		if (opt.paths_count == PATHS_MAX)
			return cli_wrong_use(cli, "over %d paths", PATHS_MAX);
		paths[opt.paths_count++] = path;
	}
	status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);
	if (status != EXITCODE_DONE)
		return status;
	if (snapshot_find(&s, &subtree, repo.store, cli->operands[0], &e) !=
	    ERR_NONE)
		return cli_fail(cli, &e);
	opt.root = s.root;
	opt.subtree = subtree;
	if (*subtree == '\0' && opt.paths_count == 0)
		opt.total_bytes = s.bytes;
	status = restore(cli, repo.store, &opt);
	return saved_say(cli, &s,
	    &(struct saved_part){subtree, paths, opt.paths_count}, status);
}

static const struct cli_option options[] = {{"to", 0, "DIRECTORY",
						"where to; made if missing"},
    {"on", 0, "HOST", "a recovery point: to this host of the policy"},
    {"path", 0, "PATH", "only what is at or under it; may be repeated"},
    {"overwrite", 0, "WHEN",
	"what exists: never, differing (the default) or always"},
    {"delete", 0, NULL, "remove what the snapshot does not have there"},
    {"verify", 0, NULL, "read everything again and compare"},
    {"dry-run", 'n', NULL, "list what would be done, change nothing"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_restore = {"restore",
    "SNAPSHOT|SERVICE[/DATASET][@POINT]",
    "bring a snapshot (with -r), or a recovery point, back into a directory",
    options, 1, 1, run};
