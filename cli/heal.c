/* bascule heal: put right what check found, and take the rest out of the way. */

#include <inttypes.h>
#include <stdio.h>

#include <string.h>

#include <bascule/base/text.h>
#include <bascule/replicate.h>
#include <bascule/wire.h>

#include "repository.h"
#include "snapshots.h"
#include "stop.h"
#include "watch.h"

struct healing {
	struct cli_damages damages;
	struct job_watch watch;
};

static void
on_damage(void *ctx, const char *object, const char *what)
{
	struct healing *h = ctx;

	cli_damage(&h->damages, object, what);
}

static void
on_healed(void *ctx, const char *object, const char *what)
{
	struct healing *h = ctx;
	struct cli *cli = h->damages.cli;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json) {
		fprintf(stderr, "bascule: healed: %s: %s\n", object, what);
		return;
	}
	if (wire_new(&v, "healed", &e) != ERR_NONE)
		return;
	wire_add_text(v, "object", object);
	wire_add_text(v, "what", what);
	cli_line(cli, &v);
}

static bool
on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	struct healing *h = ctx;
	struct job_progress p = {0, done_bytes, total_bytes};

	return h->watch.progress(h->watch.ctx, &p);
}

static void
say_text(const struct heal_tally *t, bool dry_run)
{
	if (t->found_count == 0) {
		puts("no damage found");
		return;
	}
	printf("%" PRIu64 " damaged", t->found_count);
	if (dry_run) {
		puts("; nothing was changed");
		return;
	}
	printf(", %" PRIu64 " healed, %" PRIu64 " files put into bad/",
	    t->healed_count, t->kept_count);
	if (t->lost_count == 0)
		puts("; nothing is missing");
	else
		puts("; something is still missing: the next backup stores "
		     "again what it still has");
}

static int
say(struct cli *cli, const struct heal_tally *t, bool dry_run, int64_t took_ns)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json) {
		say_text(t, dry_run);
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_bool(v, "dry_run", dry_run);
	wire_add_uint(v, "damaged", t->found_count);
	wire_add_uint(v, "healed", t->healed_count);
	wire_add_uint(v, "kept", t->kept_count);
	wire_add_uint(v, "missing", t->lost_count);
	wire_add_uint(v, "bytes", t->read_bytes);
	wire_add_uint(v, "fetched", t->fetched_count);
	wire_add_uint(v, "fetched_bytes", t->fetched_bytes);
	wire_add_seconds(v, "seconds", took_ns);
	return cli_line(cli, &v);
}

/* ssh://..., or another copy that is mounted here. */
static enum err_code
heal_from(struct cli *cli, const char *from, struct store *st,
    struct heal_options *opt, struct heal_tally *out, struct err *e)
{
	OWNED(store_close) struct store *other = NULL;
	const struct store_options access = {.access = STORE_READ};
	const char *keys[64];
	struct replicate_target far = {.url = from,
	    .known_hosts = cli_value(cli, "known-hosts"),
	    .identity = cli_value(cli, "identity"),
	    .remote_bascule = cli_value(cli, "remote-bascule"),
	    .host_keys = keys};
	struct healpeer peer;
	enum err_code rc;

	if (from == NULL)
		return store_heal(st, opt, out, e);
	while (far.host_keys_count < COUNT_OF(keys) &&
	    (keys[far.host_keys_count] = cli_value_nth(cli, "host-key",
		 far.host_keys_count)) != NULL)
		far.host_keys_count++;
	if (strncmp(from, "ssh://", 6) == 0)
		return reach_heal(st, &far, opt, cli_stop_catch(), out, e);
	rc = store_open(&other, from, &access, e);
	if (rc == ERR_NONE &&
	    memcmp(store_family(other), store_family(st), STORE_FAMILY_BYTES) !=
		0)
		rc = err_set(e, ERR_REFUSED,
		    "'%s' is a copy of another repository", from);
	if (rc != ERR_NONE)
		return rc;
	healpeer_of_store(&peer, other);
	opt->peer = &peer;
	return store_heal(st, opt, out, e);
}

static int
heal(struct cli *cli, struct store *st, bool dry_run, const struct id *aside)
{
	struct mono begun = now_mono();
	struct healing h = {.damages = {cli, 0}};
	struct heal_options opt = {.dry_run = dry_run,
	    .aside = aside,
	    .on_damage = on_damage,
	    .on_healed = on_healed,
	    .on_progress = on_progress,
	    .ctx = &h};
	struct heal_tally tally = {0};
	struct cli_watch watch;
	enum err_code rc;
	struct err e;
	int status;

	cli_watch_begin(&watch, cli, "healing", &h.watch);
	rc = heal_from(cli, dry_run ? NULL : cli_value(cli, "from"), st, &opt,
	    &tally, &e);
	cli_watch_end(&watch);
	if (rc != ERR_NONE)
		return cli_watch_failed(&watch, &e);
	status = say(cli, &tally, dry_run, now_mono().ns - begun.ns);
	if (status != EXITCODE_DONE || tally.found_count == 0)
		return status;
	return tally.lost_count > 0 ? EXITCODE_DAMAGE : EXITCODE_HEALED;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	bool dry_run = cli_has(cli, "dry-run");
	const char *aside = cli_value(cli, "set-aside");
	struct id pack;
	int status;

	if (aside != NULL && !id_parse(aside, &pack))
		return cli_wrong_use(cli,
		    "--set-aside wants a pack's name: 64 hex digits");
	status = cli_repository_open(cli, dry_run ? STORE_READ : STORE_HEAL,
	    CLI_KEYS_OPTIONAL, &repo);

	return status != EXITCODE_DONE
	    ? status
	    : heal(cli, repo.store, dry_run, aside == NULL ? NULL : &pack);
}

static const struct cli_option options[] = {{"dry-run", 'n', NULL,
						"only name what is damaged"},
    {"from", 0, "URL",
	"have what is lost here from another copy: "
	"ssh://USER@HOST[:PORT]/PATH, "
	"or a directory"},
    {"known-hosts", 0, "FILE", "host keys to trust (~/.ssh/known_hosts)"},
    {"host-key", 0, "SHA256:...", "a host key to trust; may be repeated"},
    {"identity", 0, "FILE", "private key to log in with (else the agent)"},
    {"remote-bascule", 0, "PROGRAM", "what to run there (bascule)"},
    {"set-aside", 0, "PACK",
	"only move this pack, whose pages lie, to bad/; refused if anything "
	"would be missing without it"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_heal = {"heal", "",
    "repair what check found; exits 5 when all is healed, 4 when not", options,
    0, 0, run};
