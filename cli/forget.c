/* bascule forget: snapshots that are not wanted any more. */

#include <stdlib.h>
#include <string.h>

#include <bascule/wire.h>

#include "repository.h"

struct forgetting {
	struct cli *cli;
	struct cli_repository repo;
	struct snapshot *snapshots; /* as asked for, each once */
	size_t count;
};

static void
forgetting_fini(struct forgetting *f)
{
	for (size_t i = 0; i < f->count; i++)
		snapshot_fini(&f->snapshots[i]);
	free(f->snapshots);
	cli_repository_close(&f->repo);
}

static enum err_code
find_all(struct forgetting *f, struct err *e)
{
	f->snapshots =
	    calloc((size_t)f->cli->operands_count + 1, sizeof(*f->snapshots));
	if (f->snapshots == NULL)
		return err_nomem(e);
	for (int i = 0; i < f->cli->operands_count; i++) {
		OWNED(snapshot_fini) struct snapshot s = {0};
		OWNED(free_mem) char *subtree = NULL;
		bool again = false;
		enum err_code rc = snapshot_find(&s, &subtree, f->repo.store,
		    f->cli->operands[i], e);

		if (rc == ERR_NONE && *subtree != '\0')
			rc = err_set(e, ERR_INPUT,
			    "'%.100s': only whole snapshots can be forgotten",
			    f->cli->operands[i]);
		if (rc != ERR_NONE)
			return rc;
		for (size_t k = 0; k < f->count; k++)
			again |= id_equal(&f->snapshots[k].id, &s.id);
		if (again)
			continue;
		f->snapshots[f->count++] = s;
		memset(&s, 0, sizeof(s));
	}
	return ERR_NONE;
}

/* Those of one service at a time; the first of it is at `first`. */
static enum err_code
forget_service(struct forgetting *f, size_t first, struct forget_tally *sum,
    struct err *e)
{
	OWNED(free_mem) struct id *ids = calloc(f->count, sizeof(*ids));
	struct forget_request rq = {.service = f->snapshots[first].service,
	    .snapshots = ids,
	    .dry_run = cli_has(f->cli, "dry-run")};
	struct forget_tally tally;
	enum err_code rc;

	if (ids == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->snapshots[i].service, rq.service) != 0)
			continue;
		if (i < first)
			return ERR_NONE; /* done with that one */
		ids[rq.snapshots_count++] = f->snapshots[i].id;
	}
	rc = forget_run(f->repo.store, &rq, &tally, e);
	sum->snapshots_count += tally.snapshots_count;
	sum->points_count += tally.points_count;
	return rc;
}

static int
say_summary(struct forgetting *f, const struct forget_tally *t)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct cli *cli = f->cli;
	struct err e;

	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "snapshots", t->snapshots_count);
	wire_add_uint(v, "points", t->points_count);
	wire_add_bool(v, "dry_run", cli_has(cli, "dry-run"));
	return cli_line(cli, &v);
}

/* --- before its time ----------------------------------------------------------- */

static enum err_code
ask_one(struct forgetting *f, const struct snapshot *s, struct err *e)
{
	struct cut c = {.snapshots = {s->id}, .snapshots_count = 1};

	snprintf(c.service, sizeof(c.service), "%s", s->service);
	return cut_ask(f->repo.store, &c, e);
}

static enum err_code
withdraw_one(struct forgetting *f, const struct snapshot *s, struct err *e)
{
	OWNED(cut_list_fini) struct cut_list list = {0};
	size_t count = 0;
	enum err_code rc = cut_list(&list, f->repo.store, e);

	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		for (size_t k = 0; k < list.cuts[i].snapshots_count; k++) {
			if (!id_equal(&list.cuts[i].snapshots[k], &s->id))
				continue;
			rc = cut_withdraw(f->repo.store, &list.cuts[i].id, e);
			count++;
			break;
		}
	if (rc == ERR_NONE && count == 0)
		rc = err_set(e, ERR_NOTFOUND,
		    "nobody asked for it to go before its time");
	return rc;
}

static int
ask(struct forgetting *f)
{
	const bool withdraws = cli_has(f->cli, "withdraw");
	struct forget_tally none = {0};
	struct err e;
	enum err_code rc = find_all(f, &e);

	for (size_t i = 0; rc == ERR_NONE && i < f->count; i++)
		rc = withdraws ? withdraw_one(f, &f->snapshots[i], &e)
			       : ask_one(f, &f->snapshots[i], &e);
	if (rc != ERR_NONE)
		return cli_fail(f->cli, &e);
	if (f->cli->json)
		return say_summary(f, &none);
	if (!f->cli->quiet)
		puts(withdraws ? "withdrawn: they stay as long as was promised"
			       : "asked for: 'bascule forget' with this key "
				 "lets them go in 72h, which only count while "
				 "the machine is on");
	return EXITCODE_DONE;
}

static int
say_one(struct cli *cli, const struct snapshot *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	const bool dry_run = cli_has(cli, "dry-run");
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES];
	struct err e;

	if (!cli->json) {
		if (!cli->quiet)
			printf("%s %.12s (%s/%s, %s)\n",
			    dry_run ? "would forget" : "forgot",
			    id_hex(&s->id, hex), s->service, s->dataset,
			    cli_time(s->started, when));
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "snapshot", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_hex(v, "snapshot", s->id.bytes, ID_BYTES);
	wire_add_text(v, "service", s->service);
	wire_add_text(v, "dataset", s->dataset);
	wire_add_utc(v, "started", s->started);
	wire_add_bool(v, "forgotten", !dry_run);
	return cli_line(cli, &v);
}

static int
say(struct forgetting *f, const struct forget_tally *t)
{
	struct cli *cli = f->cli;

	for (size_t i = 0; i < f->count; i++)
		if (say_one(cli, &f->snapshots[i]) != EXITCODE_DONE)
			return EXITCODE_FAILED;
	if (!cli->json) {
		if (!cli->quiet && t->points_count > 0)
			printf("and %llu recovery points that named them\n",
			    (unsigned long long)t->points_count);
		if (!cli->quiet && !cli_has(cli, "dry-run"))
			puts("'bascule prune' frees what only they needed");
		return EXITCODE_DONE;
	}
	return say_summary(f, t);
}

static int
run(struct cli *cli)
{
	OWNED(forgetting_fini) struct forgetting f = {.cli = cli};
	struct forget_tally tally = {0};
	struct err e;
	enum err_code rc;
	int status;

	if (cli_has(cli, "early") + cli_has(cli, "withdraw") +
		cli_has(cli, "dry-run") >
	    1)
		return cli_wrong_use(cli,
		    "--early, --withdraw and --dry-run are three things");
	status = cli_repository_open(cli,
	    cli_has(cli, "dry-run") ? STORE_READ : STORE_WRITE,
	    CLI_KEYS_OPTIONAL, &f.repo);
	if (status != EXITCODE_DONE)
		return status;
	if (cli_has(cli, "early") || cli_has(cli, "withdraw"))
		return ask(&f);
	rc = find_all(&f, &e);
	for (size_t i = 0; rc == ERR_NONE && i < f.count; i++)
		rc = forget_service(&f, i, &tally, &e);
	if (rc == ERR_REFUSED) {
		cli_fail(cli, &e);
		return EXITCODE_GUARD;
	}
	return rc == ERR_NONE ? say(&f, &tally) : cli_fail(cli, &e);
}

static const struct cli_option options[] =
    {{"dry-run", 'n', NULL, "say what would go, change nothing"},
	{"early", 0, NULL,
	    "with the administrator's key: ask for what was promised to stay "
	    "to go 72h from now"},
	{"withdraw", 0, NULL, "take that back"}, {NULL, 0, NULL, NULL}};

const struct cli_command command_forget = {"forget", "SNAPSHOT...",
    "forget snapshots; prune frees the room", options, 1, CLI_ANY, run};
