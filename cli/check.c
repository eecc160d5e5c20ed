/* bascule check: is the repository whole? */

#include <inttypes.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#include "repository.h"
#include "snapshots.h"
#include "watch.h"

struct checking {
	struct cli_damages damages;
	struct job_watch watch;
};

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct checking *c = ctx;

	cli_damage(&c->damages, object, what);
}

static bool
on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct checking *c = ctx;
	struct job_progress p = {0, done_bytes, total_bytes};

	return c->watch.progress(c->watch.ctx, &p);
}

/* --- what it costs -------------------------------------------------------- */

#define PATHS_TOLD_MAX      20 /* to a person */
#define PATHS_TOLD_MAX_JSON 1000

static void
on_path_json(struct cli *cli, const struct hurt_path *h)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	OWNED(buf_fini) struct buf b = {0};
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES];
	struct err e;

	if (wire_new(&v, "hurt", &e) != ERR_NONE ||
	    buf_add_byte(&b, '/', &e) != ERR_NONE ||
	    buf_add(&b, h->path, h->path_bytes, &e) != ERR_NONE)
		return;
	wire_add_path(v, "path", buf_text(&b), b.len_bytes);
	wire_add_text(v, "service", h->service);
	wire_add_text(v, "dataset", h->dataset);
	wire_add_text(v, "snapshot", id_hex(&h->snapshot, hex));
	wire_add_text(v, "taken", now_text(h->taken, when));
	wire_add_uint(v, "entries", h->entries_count);
	wire_add_uint(v, "snapshots", h->snapshots_count);
	wire_add_uint(v, "points", h->points_count);
	cli_line(cli, &v);
}

static void
on_path(void *ctx, const struct hurt_path *h)
{
	struct checking *c = ctx;
	OWNED(buf_fini) struct buf path = {0};
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES];
	char before[48] = "", points[48] = "";
	struct err e;

	if (c->damages.cli->json) {
		on_path_json(c->damages.cli, h);
		return;
	}
	if (text_escape(&path, h->path, h->path_bytes, &e) != ERR_NONE)
		return;
	if (h->entries_count == 0)
		snprintf(before, sizeof(before), "everything in ");
	else if (h->entries_count > 1)
		snprintf(before, sizeof(before), "%" PRIu64 " entries up to ",
		    h->entries_count);
	if (h->points_count > 0)
		snprintf(points, sizeof(points),
		    ", in %" PRIu64 " recovery point%s", h->points_count,
		    h->points_count == 1 ? "" : "s");
	fprintf(stderr,
	    "bascule: cannot be restored whole: %s/%s (%s): %" PRIu64
	    " snapshot%s, the newest %.12s of %s%s\n",
	    before, buf_text(&path), h->service, h->snapshots_count,
	    h->snapshots_count == 1 ? "" : "s", id_hex(&h->snapshot, hex),
	    cli_time_of(h->taken.ns / NS_PER_S, when), points);
}

static bool
on_walk(void *ctx)
{
	struct checking *c = ctx;
	struct job_progress p = {0};

	return c->watch.progress(c->watch.ctx, &p);
}

/* By the paths of snapshots and recovery points, if there is a key for it. */
static enum err_code
say_paths(struct checking *c, struct cli_repository *repo,
    struct hurt_tally *out, struct err *e)
{
	struct cli *cli = c->damages.cli;
	struct hurt_options opt = {.keyring = cli_repository_keys(cli, repo),
	    .paths_max = cli->json ? PATHS_TOLD_MAX_JSON : PATHS_TOLD_MAX,
	    .on_path = on_path,
	    .on_progress = on_walk,
	    .ctx = c};
	enum err_code rc;

	if (opt.keyring == NULL) {
		cli_warn(cli,
		    "with a key that reads, check also says which files the "
		    "damage hurts");
		return ERR_NONE;
	}
	rc = store_hurt_paths(repo->store, &opt, out, e);
	/* What was found is said, whatever becomes of this. */
	if (rc != ERR_NONE && rc != ERR_CANCELLED) {
		cli_warn(cli, "which files the damage hurts is not known: %s",
		    e->text);
		rc = ERR_NONE;
	} else if (rc == ERR_NONE && !cli->json &&
	    out->paths_count > opt.paths_max)
		fprintf(stderr,
		    "bascule: cannot be restored whole: and %s%" PRIu64
		    " more paths\n",
		    out->uncounted ? "over " : "",
		    out->paths_count - opt.paths_max);
	return rc;
}

/* --- what was found ------------------------------------------------------- */

static int
say(struct cli *cli, const struct check_tally *t, const struct hurt_tally *hurt,
    uint64_t closed_count, int64_t took_ns)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	char size[32], took[TEXT_UNIT_BYTES];
	struct err e;

	if (!cli->json) {
		printf("checked %" PRIu64 " packs, %" PRIu64 " snapshots, %s "
		       "read in %s: ",
		    t->packs_count, t->snapshots_count,
		    cli_size(cli, t->read_bytes, size),
		    text_duration(took_ns, took));
		if (t->damage_count == 0)
			fputs("no damage found", stdout);
		else
			printf("%" PRIu64 " damaged", t->damage_count);
		if (hurt->paths_count > 0)
			printf("; %" PRIu64 " path%s of %" PRIu64
			       " snapshot%s cannot be restored whole",
			    hurt->paths_count,
			    hurt->paths_count == 1 ? "" : "s",
			    hurt->snapshots_count,
			    hurt->snapshots_count == 1 ? "" : "s");
		if (t->left_packs_count > 0)
			printf("; %" PRIu64 " packs left for the next time",
			    t->left_packs_count);
		putchar('\n');
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "packs", t->packs_count);
	wire_add_uint(v, "frames", t->frames_count);
	wire_add_uint(v, "chunks", t->chunks_count);
	wire_add_uint(v, "snapshots", t->snapshots_count);
	wire_add_uint(v, "unreferenced_packs", t->unreferenced_packs_count);
	wire_add_uint(v, "bytes", t->read_bytes);
	wire_add_uint(v, "left_packs", t->left_packs_count);
	wire_add_uint(v, "damaged", t->damage_count);
	wire_add_uint(v, "hurt_paths", hurt->paths_count);
	wire_add_uint(v, "hurt_snapshots", hurt->snapshots_count);
	wire_add_uint(v, "hurt_points", hurt->points_count);
	wire_add_uint(v, "closed", closed_count);
	wire_add_seconds(v, "seconds", took_ns);
	return cli_line(cli, &v);
}

/* --- what is closed to a recipient ------------------------------------------ */

struct closed {
	struct cli *cli;
	uint64_t shown_count;
};

#define SHOWN_MAX 1000 /* of them; the summary has their number */

static void
on_closed(void *ctx, const struct id *key_id, const struct id *recipient,
    const char *object)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct closed *c = ctx;
	char key[ID_HEX_BYTES], to[ID_HEX_BYTES];
	struct err e;

	if (c->shown_count++ >= SHOWN_MAX)
		return;
	id_hex(key_id, key);
	id_hex(recipient, to);
	if (!c->cli->json) {
		printf("closed   session %.16s (%s) to recipient %.16s\n", key,
		    object, to);
		return;
	}
	if (wire_new(&v, "session", &e) != ERR_NONE)
		return;
	wire_add_text(v, "key", key);
	wire_add_text(v, "recipient", to);
	wire_add_text(v, "object", object);
	(void)cli_line(c->cli, &v);
}

/*
 * The recipients of the key in use must be able to open all of it: who cannot
 * is told of, and what opens it to them.  It is no damage.
 */
static int
list_closed(struct cli *cli, struct store *st, uint64_t *count)
{
	struct closed c = {.cli = cli};
	struct grant_tally t;
	struct err e;

	if (grant_list_closed(st, on_closed, &c, &t, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	*count = t.closed_count;
	if (t.closed_count > 0)
		cli_warn(cli,
		    "%" PRIu64 " of %" PRIu64 " sessions are closed to a "
		    "recipient of this key; key add-recipient opens them, with "
		    "a key that reads them",
		    t.closed_count, t.keys_count);
	return EXITCODE_DONE;
}

static int
check(struct cli *cli, struct cli_repository *repo, struct check_options *opt)
{
	struct mono begun = now_mono();
	struct checking c = {.damages = {cli, 0}};
	struct check_tally tally = {0};
	struct hurt_tally hurt = {0};
	struct cli_watch watch;
	uint64_t closed_count = 0;
	enum err_code rc;
	struct err e;
	int status = EXITCODE_DONE;

	if (opt->depth == CHECK_OPEN)
		status = list_closed(cli, repo->store, &closed_count);
	if (status != EXITCODE_DONE)
		return status;
	opt->on_damage = on_damage;
	opt->on_progress = on_progress;
	opt->ctx = &c;
	cli_watch_begin(&watch, cli, "checking", &c.watch);
	rc = store_check(repo->store, opt, &tally, &e);
	if (rc == ERR_NONE && tally.damage_count > 0)
		rc = say_paths(&c, repo, &hurt, &e);
	cli_watch_end(&watch);
	if (rc != ERR_NONE)
		return cli_watch_failed(&watch, &e);
	status =
	    say(cli, &tally, &hurt, closed_count, now_mono().ns - begun.ns);
	return tally.damage_count > 0 ? EXITCODE_DAMAGE : status;
}

static bool
checking_some(const struct check_options *opt)
{
	return opt->sample_millipercent != 0 || opt->max_time_ns != 0;
}

/* A budget is for reading: so it reads. */
static enum err_code
take_budget(struct cli *cli, struct check_options *opt, struct err *e)
{
	const char *sample = cli_value(cli, "sample");
	const char *max_time = cli_value(cli, "max-time");
	enum err_code rc = ERR_NONE;

	if (sample != NULL)
		rc = text_parse_share(sample, &opt->sample_millipercent, e);
	if (rc == ERR_NONE && max_time != NULL)
		rc = text_parse_duration(max_time, &opt->max_time_ns, e);
	if (rc != ERR_NONE)
		return rc;
	if ((sample != NULL &&
		(opt->sample_millipercent == 0 ||
		    opt->sample_millipercent > 100000)) ||
	    (max_time != NULL && opt->max_time_ns <= 0))
		return err_set(e, ERR_INPUT,
		    "--sample takes more than 0%% and at most 100%%, "
		    "--max-time a time such as 10m");
	if (checking_some(opt) && opt->depth == CHECK_NAMES)
		opt->depth = CHECK_READ;
	return ERR_NONE;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(buf_fini) struct buf state = {0};
	struct check_options opt = {.depth = CHECK_NAMES};
	struct err e;
	int status;

	if (cli_has(cli, "read"))
		opt.depth = CHECK_READ;
	if (cli_has(cli, "open"))
		opt.depth = CHECK_OPEN;
	if (take_budget(cli, &opt, &e) != ERR_NONE)
		return cli_wrong_use(cli, "%s", e.text);
	if (cli_state_dir(&state, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (state.len_bytes > 0)
		opt.state_dir = buf_text(&state);
	/* Without a key a file of another repository is damage, not a riddle. */
	status = cli_repository_open(cli, STORE_READ,
	    opt.depth == CHECK_OPEN ? CLI_KEYS_NEEDED : CLI_KEYS_NONE, &repo);
	return status != EXITCODE_DONE ? status : check(cli, &repo, &opt);
}

static const struct cli_option options[] =
    {{"read", 0, NULL, "read every byte against its hash (needs no key)"},
	{"open", 0, NULL, "open every frame and derive every id again as well"},
	{"sample", 0, "SHARE",
	    "only so much of it, 2% say: what was read longest ago"},
	{"max-time", 0, "TIME", "begin nothing more after so long, 10m say"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_check = {"check", "",
    "find damage; changes nothing, exits 4 when there is any", options, 0, 0,
    run};
