/* bascule stats: what deduplication and compression save, by service. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#include "repository.h"
#include "snapshots.h"
#include "watch.h"

/* One service's snapshots: a run of the sorted list. */
struct group {
	const struct snapshot *snapshots;
	size_t count;
	struct usage_own *own; /* of each */
	struct usage_tally tally;
	uint64_t bytes; /* of all, as if each were alone */
};

struct stats {
	struct cli *cli;
	struct store *store;
	struct cli_watch watch;
	struct job_watch eyes;
	struct snapshot_list list;
	struct group *groups;
	size_t groups_count;
	struct group all; /* what services share is counted once */
};

static void
stats_fini(struct stats *s)
{
	for (size_t i = 0; i < s->groups_count; i++)
		free(s->groups[i].own);
	free(s->all.own);
	free(s->groups);
	snapshot_list_fini(&s->list);
}

/* --- measuring ------------------------------------------------------------- */

static int
by_service(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;
	int order = strcmp(x->service, y->service);

	if (order != 0)
		return order;
	if (x->started.ns != y->started.ns)
		return x->started.ns < y->started.ns ? -1 : 1;
	return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static bool
on_progress(void *ctx, size_t done, size_t total)
{
	struct stats *s = ctx;
	const struct job_progress p = {done, 0, 0};

	(void)total;
	return s->eyes.progress(s->eyes.ctx, &p);
}

static enum err_code
measure(struct stats *s, struct group *g, struct err *e)
{
	OWNED(free_mem) struct id *roots = calloc(g->count, sizeof *roots);
	struct usage_options opt = {.roots_count = g->count,
	    .on_progress = on_progress,
	    .ctx = s};

	g->own = calloc(g->count, sizeof *g->own);
	if (roots == NULL || g->own == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < g->count; i++) {
		roots[i] = g->snapshots[i].root;
		g->bytes += g->snapshots[i].bytes;
	}
	opt.roots = roots;
	return usage_run(s->store, &opt, g->own, &g->tally, e);
}

static enum err_code
measure_all(struct stats *s, struct err *e)
{
	struct snapshot_list *l = &s->list;
	enum err_code rc = ERR_NONE;

	if (l->count == 0)
		return ERR_NONE;
	qsort(l->snapshots, l->count, sizeof *l->snapshots, by_service);
	s->groups = calloc(l->count, sizeof *s->groups);
	if (s->groups == NULL)
		return err_nomem(e);
	for (size_t i = 0; rc == ERR_NONE && i < l->count;) {
		struct group *g = &s->groups[s->groups_count++];

		g->snapshots = &l->snapshots[i];
		while (i < l->count &&
		    strcmp(l->snapshots[i].service, g->snapshots[0].service) ==
			0) {
			g->count++;
			i++;
		}
		rc = measure(s, g, e);
	}
	s->all = (struct group){.snapshots = l->snapshots, .count = l->count};
	return rc == ERR_NONE ? measure(s, &s->all, e) : rc;
}

/* --- saying ---------------------------------------------------------------- */

/* "3.2x"; what is nothing saves nothing. */
static const char *
ratio(uint64_t of, uint64_t to, char out[32])
{
	if (to == 0)
		snprintf(out, 32, "-");
	else
		snprintf(out, 32, "%.1fx", (double)of / (double)to);
	return out;
}

static enum err_code
service_row(struct cli *cli, struct cli_table *t, const char *name,
    const struct group *g, struct err *e)
{
	char size[32], unique[32], stored[32], dedup[32], less[32];
	const struct usage_tally *u = &g->tally;

	return cli_table_row(t, e, "%s\t%zu\t%s\t%s\t%s\t%s\t%s", name,
	    g->count, cli_size(cli, g->bytes, size),
	    cli_size(cli, u->unique_bytes, unique),
	    cli_size(cli, u->stored_bytes, stored),
	    ratio(g->bytes, u->unique_bytes, dedup),
	    ratio(u->unique_bytes, u->data_stored_bytes, less));
}

static enum err_code
print_services(struct stats *s, struct err *e)
{
	OWNED(cli_table_free) struct cli_table *t = NULL;
	enum err_code rc = cli_table_new(&t, e);

	if (rc == ERR_NONE)
		rc = cli_table_row(t, e,
		    "SERVICE\tSNAPSHOTS\tSIZE\tUNIQUE\tSTORED\tDEDUP\tCOMPR");
	for (size_t i = 0; rc == ERR_NONE && i < s->groups_count; i++)
		rc = service_row(s->cli, t, s->groups[i].snapshots[0].service,
		    &s->groups[i], e);
	if (rc == ERR_NONE && s->groups_count > 1)
		rc = service_row(s->cli, t, "all", &s->all, e);
	if (rc == ERR_NONE)
		cli_table_print(t);
	return rc;
}

static enum err_code
snapshot_row(struct cli *cli, struct cli_table *t, const struct snapshot *s,
    const struct usage_own *own, struct err *e)
{
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES], size[32], mine[32],
	    stored[32];

	return cli_table_row(t, e, "%.12s\t%s\t%s\t%s\t%s\t%s\t%s",
	    id_hex(&s->id, hex), cli_time(s->started, when), s->service,
	    s->dataset, cli_size(cli, s->bytes, size),
	    cli_size(cli, own->bytes, mine),
	    cli_size(cli, own->stored_bytes, stored));
}

static enum err_code
print_snapshots(struct stats *s, struct err *e)
{
	OWNED(cli_table_free) struct cli_table *t = NULL;
	enum err_code rc = cli_table_new(&t, e);

	if (rc == ERR_NONE)
		rc = cli_table_row(t, e,
		    "SNAPSHOT\tTIME\tSERVICE\tDATASET\tSIZE\tOWN\tOWN STORED");
	for (size_t i = 0; rc == ERR_NONE && i < s->all.count; i++)
		rc = snapshot_row(s->cli, t, &s->all.snapshots[i],
		    &s->all.own[i], e);
	if (rc == ERR_NONE) {
		putchar('\n');
		cli_table_print(t);
	}
	return rc;
}

static void
add_usage(struct wire_value *v, const struct group *g)
{
	wire_add_uint(v, "snapshots", g->count);
	wire_add_uint(v, "bytes", g->bytes);
	wire_add_uint(v, "unique_bytes", g->tally.unique_bytes);
	wire_add_uint(v, "stored_bytes", g->tally.stored_bytes);
	wire_add_uint(v, "data_stored_bytes", g->tally.data_stored_bytes);
	wire_add_uint(v, "chunks", g->tally.chunks_count);
}

static int
snapshot_line(struct cli *cli, const struct snapshot *s,
    const struct usage_own *own)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "snapshot", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_hex(v, "snapshot", s->id.bytes, ID_BYTES);
	wire_add_text(v, "service", s->service);
	wire_add_text(v, "dataset", s->dataset);
	wire_add_utc(v, "started", s->started);
	wire_add_uint(v, "files", s->files_count);
	wire_add_uint(v, "bytes", s->bytes);
	wire_add_uint(v, "own_bytes", own->bytes);
	wire_add_uint(v, "own_stored_bytes", own->stored_bytes);
	return cli_line(cli, &v);
}

static int
service_line(struct cli *cli, const struct group *g)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "usage", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_text(v, "service", g->snapshots[0].service);
	add_usage(v, g);
	return cli_line(cli, &v);
}

static int
print_json(struct stats *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;
	int status = EXITCODE_DONE;

	for (size_t i = 0; status == EXITCODE_DONE && i < s->all.count; i++)
		status =
		    snapshot_line(s->cli, &s->all.snapshots[i], &s->all.own[i]);
	for (size_t i = 0; status == EXITCODE_DONE && i < s->groups_count; i++)
		status = service_line(s->cli, &s->groups[i]);
	if (status != EXITCODE_DONE)
		return status;
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(s->cli, &e);
	add_usage(v, &s->all);
	wire_add_uint(v, "packs_bytes", s->all.tally.packs_bytes);
	return cli_line(s->cli, &v);
}

static int
say(struct stats *s)
{
	char packs[32];
	struct err e;

	if (s->cli->json)
		return print_json(s);
	if (s->groups_count == 0) {
		fprintf(stderr, "bascule: there are no snapshots%s%s\n",
		    cli_has(s->cli, "service") ? " of " : "",
		    cli_has(s->cli, "service") ? cli_value(s->cli, "service")
					       : "");
		return EXITCODE_DONE;
	}
	if (print_services(s, &e) != ERR_NONE ||
	    (cli_has(s->cli, "snapshots") &&
		print_snapshots(s, &e) != ERR_NONE))
		return cli_fail(s->cli, &e);
	printf("\nthe repository's packs: %s\n",
	    cli_size(s->cli, s->all.tally.packs_bytes, packs));
	return EXITCODE_DONE;
}

static void
leave_checkpoints_out(struct snapshot_list *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if ((l->snapshots[i].flags & SNAPSHOT_CHECKPOINT) != 0)
			snapshot_fini(&l->snapshots[i]);
		else
			l->snapshots[kept++] = l->snapshots[i];
	l->count = kept;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(stats_fini) struct stats s = {.cli = cli};
	struct cli_damages damages = {cli, 0};
	enum err_code rc;
	struct err e;
	int status =
	    cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);

	if (status != EXITCODE_DONE)
		return status;
	s.store = repo.store;
	if (snapshot_list(&s.list, repo.store, cli_value(cli, "service"),
		cli_damage, &damages, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	leave_checkpoints_out(&s.list);
	cli_watch_begin(&s.watch, cli, "measuring", &s.eyes);
	rc = measure_all(&s, &e);
	cli_watch_end(&s.watch);
	if (rc != ERR_NONE)
		return cli_watch_failed(&s.watch, &e);
	status = say(&s);
	return status == EXITCODE_DONE && damages.count > 0 ? EXITCODE_DAMAGE
							    : status;
}

static const struct cli_option options[] =
    {{"snapshots", 0, NULL, "each snapshot, and what only it takes"},
	{"service", 0, "SERVICE", "of this service only"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_stats = {"stats", "",
    "show what deduplication and compression save", options, 0, 0, run};
