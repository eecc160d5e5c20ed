/* bascule snapshots: what there is to restore. */

#include <stdlib.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/wire.h>

#include "repository.h"
#include "snapshots.h"

void
cli_damage(void *ctx, const char *object, const char *what)
{
	struct cli_damages *d = ctx;
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	d->count++;
	if (!d->cli->json) {
		fprintf(stderr, "bascule: damage: %s: %s\n", object, what);
		return;
	}
	if (wire_new(&v, "damage", &e) != ERR_NONE)
		return;
	wire_add_text(v, "object", object);
	wire_add_text(v, "what", what);
	cli_line(d->cli, &v);
}

static void
add_details(struct wire_value *v, const struct snapshot *s)
{
	OWNED(wire_free) struct wire_value *tags = NULL;
	struct err e;

	if (!s->details_known)
		return;
	wire_add_text(v, "host", s->host);
	wire_add_text(v, "source", s->source);
	wire_add_uint(v, "files", s->files_count);
	wire_add_uint(v, "directories", s->dirs_count);
	wire_add_uint(v, "others", s->others_count);
	wire_add_uint(v, "bytes", s->bytes);
	wire_add_uint(v, "new_bytes", s->new_bytes);
	wire_add_uint(v, "stored_bytes", s->stored_bytes);
	wire_add_uint(v, "problems", s->problems_total_count);
	if (wire_new_list(&tags, &e) != ERR_NONE)
		return;
	for (size_t i = 0; i < s->tags_count; i++)
		wire_add_text(tags, NULL, s->tags[i]);
	wire_add(v, "tags", &tags);
}

static int
print_json(struct cli *cli, const struct snapshot *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "snapshot", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_hex(v, "snapshot", s->id.bytes, ID_BYTES);
	wire_add_text(v, "service", s->service);
	wire_add_text(v, "dataset", s->dataset);
	wire_add_uint(v, "epoch", s->epoch);
	wire_add_uint(v, "sequence", s->sequence);
	wire_add_utc(v, "started", s->started);
	wire_add_utc(v, "ended", s->ended);
	wire_add_bool(v, "partial", (s->flags & SNAPSHOT_PARTIAL) != 0);
	if ((s->flags & SNAPSHOT_CHECKPOINT) != 0)
		wire_add_bool(v, "checkpoint", true);
	add_details(v, s);
	return cli_line(cli, &v);
}

static const char *
remark(const struct snapshot *s)
{
	if ((s->flags & SNAPSHOT_CHECKPOINT) != 0)
		return "checkpoint";
	return (s->flags & SNAPSHOT_PARTIAL) != 0 ? "partial" : "";
}

/* Checkpoints are for the next run, not for people. */
static void
leave_checkpoints_out(struct snapshot_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct snapshot *s = &list->snapshots[i];

		if ((s->flags & SNAPSHOT_CHECKPOINT) != 0)
			snapshot_fini(s);
		else
			list->snapshots[kept++] = *s;
	}
	list->count = kept;
}

static enum err_code
print_table(struct cli *cli, const struct snapshot_list *list, struct err *e)
{
	OWNED(cli_table_free) struct cli_table *t = NULL;
	char when[NOW_TEXT_BYTES], size[32], added[32];
	char hex[TEXT_HEX_BYTES(ID_BYTES)];
	enum err_code rc = cli_table_new(&t, e);

	if (rc == ERR_NONE)
		rc = cli_table_row(t, e,
		    "SNAPSHOT\tTIME\tSERVICE\tDATASET\tFILES\tSIZE\tSTORED\t");
	for (size_t i = 0; rc == ERR_NONE && i < list->count; i++) {
		const struct snapshot *s = &list->snapshots[i];

		text_hex(s->id.bytes, ID_BYTES, hex);
		if (s->details_known)
			rc = cli_table_row(t, e,
			    "%.12s\t%s\t%s\t%s\t%llu\t%s\t%s\t%s", hex,
			    cli_time(s->started, when), s->service, s->dataset,
			    (unsigned long long)s->files_count,
			    cli_size(cli, s->bytes, size),
			    cli_size(cli, s->stored_bytes, added), remark(s));
		else
			rc = cli_table_row(t, e,
			    "%.12s\t%s\t%s\t%s\t?\t?\t?\t%s", hex,
			    cli_time(s->started, when), s->service, s->dataset,
			    remark(s));
	}
	if (rc == ERR_NONE)
		cli_table_print(t);
	return rc;
}

static int
summarise(struct cli *cli, const struct snapshot_list *list, size_t damaged)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "snapshots", list->count);
	wire_add_uint(v, "damaged", damaged);
	return cli_line(cli, &v);
}

/* As they were made; the order within a series is for machines. */
static int
by_time(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	if (x->started.ns != y->started.ns)
		return x->started.ns < y->started.ns ? -1 : 1;
	return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	struct cli_damages damages = {cli, 0};
	struct err e;
	int status =
	    cli_repository_open(cli, STORE_READ, CLI_KEYS_OPTIONAL, &repo);

	if (status != EXITCODE_DONE)
		return status;
	if (snapshot_list(&list, repo.store, cli_value(cli, "service"),
		cli_damage, &damages, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	if (list.count > 0)
		qsort(list.snapshots, list.count, sizeof(*list.snapshots),
		    by_time);
	if (!cli_has(cli, "all"))
		leave_checkpoints_out(&list);
	if (!cli->json && print_table(cli, &list, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	for (size_t i = 0; cli->json && i < list.count; i++) {
		status = print_json(cli, &list.snapshots[i]);
		if (status != EXITCODE_DONE)
			return status;
	}
	if (cli->json)
		status = summarise(cli, &list, damages.count);
	return damages.count > 0 ? EXITCODE_DAMAGE : status;
}

static const struct cli_option options[] = {{"service", 0, "SERVICE",
						"of this service only"},
    {"all", 0, NULL, "also checkpoints of runs that did not end"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_snapshots = {"snapshots", "",
    "list the snapshots of a repository", options, 0, 0, run};
