/* bascule find: every version of what a pattern matches, newest first. */

#include <inttypes.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/base/wildcard.h>
#include <bascule/wire.h>

#include "entries.h"
#include "repository.h"
#include "snapshots.h"

struct search {
	struct cli *cli;
	const char *pattern;
	const struct snapshot *snapshot; /* that is being looked through */
	bool named;                      /* it was said which */
	uint64_t found_count, bytes, snapshots_count;
	int status; /* of what was said */
	struct buf line;
};

static void
search_fini(struct search *s)
{
	buf_fini(&s->line);
}

static bool
is_wanted(void *ctx, const char *path, size_t len_bytes)
{
	const struct search *s = ctx;

	return len_bytes > 0 &&
	    wildcard_match_path(s->pattern, path, len_bytes);
}

static void
name_snapshot(struct search *s)
{
	char hex[ID_HEX_BYTES], when[NOW_TEXT_BYTES];

	if (s->named)
		return;
	s->named = true;
	printf("snapshot %.12s, %s, %s ", id_hex(&s->snapshot->id, hex),
	    cli_time(s->snapshot->started, when), s->snapshot->service);
	cli_print_name(s->snapshot->dataset, strlen(s->snapshot->dataset));
	puts(":");
}

static int
line(struct search *s, const struct item *it)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (cli_entry_new(&v, it, &e) != ERR_NONE)
		return cli_fail(s->cli, &e);
	wire_add_hex(v, "snapshot", s->snapshot->id.bytes, ID_BYTES);
	wire_add_text(v, "service", s->snapshot->service);
	wire_add_text(v, "dataset", s->snapshot->dataset);
	return cli_line(s->cli, &v);
}

static enum err_code
found(void *ctx, const struct item *it, struct err *e)
{
	struct search *s = ctx;
	enum err_code rc = ERR_NONE;

	s->found_count++;
	s->bytes += it->entry.size_bytes;
	if (s->cli->json)
		s->status = line(s, it);
	else {
		name_snapshot(s);
		rc = cli_entry_print(s->cli, &it->entry, &s->line, e);
	}
	if (rc != ERR_NONE)
		return rc;
	if (s->status != EXITCODE_DONE || ferror(stdout))
		return err_set(e, ERR_CANCELLED, "nobody reads on");
	return ERR_NONE;
}

static int
summarise(struct search *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!s->cli->json) {
		if (s->found_count == 0)
			fprintf(stderr,
			    "bascule: nothing matches in %" PRIu64
			    " snapshot%s\n",
			    s->snapshots_count,
			    s->snapshots_count == 1 ? "" : "s");
		return EXITCODE_DONE;
	}
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(s->cli, &e);
	wire_add_uint(v, "entries", s->found_count);
	wire_add_uint(v, "bytes", s->bytes);
	wire_add_uint(v, "snapshots", s->snapshots_count);
	return cli_line(s->cli, &v);
}

/* In one snapshot; what has not got the path has nothing that matches. */
static enum err_code
look(struct search *s, struct treefind *tf, const struct snapshot *snapshot,
    bool must_be_there, struct err *e)
{
	enum err_code rc;

	s->snapshot = snapshot;
	s->named = false;
	s->snapshots_count++;
	rc = treefind_run(tf, &snapshot->root, e);
	return rc == ERR_NOTFOUND && !must_be_there ? ERR_NONE : rc;
}

static int
ended(struct search *s, enum err_code rc, const struct err *e)
{
	if (s->status != EXITCODE_DONE || ferror(stdout))
		return s->status;
	return rc == ERR_NONE ? summarise(s) : cli_fail(s->cli, e);
}

static enum err_code
begin(struct treefind **tf, struct search *s, struct store *st,
    const char *path, struct err *e)
{
	const struct treefind_options opt = {.path = path,
	    .every = cli_has(s->cli, "every"),
	    .is_wanted = is_wanted,
	    .found = found,
	    .ctx = s};

	return treefind_new(tf, st, &opt, e);
}

static int
find_in_one(struct search *s, struct store *st, const char *name)
{
	OWNED(snapshot_fini) struct snapshot snapshot = {0};
	OWNED(treefind_free) struct treefind *tf = NULL;
	OWNED(free_mem) char *subtree = NULL;
	struct err e;
	enum err_code rc = snapshot_find(&snapshot, &subtree, st, name, &e);

	if (rc == ERR_NONE)
		rc = begin(&tf, s, st, subtree, &e);
	if (rc == ERR_NONE)
		rc = look(s, tf, &snapshot, *subtree != '\0', &e);
	return ended(s, rc, &e);
}

static int
by_time(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	if (x->started.ns != y->started.ns)
		return x->started.ns < y->started.ns ? 1 : -1;
	return x->sequence < y->sequence ? 1
	    : x->sequence > y->sequence  ? -1
					 : 0;
}

static int
find_in_all(struct search *s, struct store *st)
{
	OWNED(snapshot_list_fini) struct snapshot_list list = {0};
	OWNED(treefind_free) struct treefind *tf = NULL;
	struct cli_damages damages = {s->cli, 0};
	struct err e;
	enum err_code rc = snapshot_list(&list, st,
	    cli_value(s->cli, "service"), cli_damage, &damages, &e);
	int status;

	if (rc == ERR_NONE && list.count > 0)
		qsort(list.snapshots, list.count, sizeof *list.snapshots,
		    by_time);
	if (rc == ERR_NONE)
		rc = begin(&tf, s, st, "", &e);
	for (size_t i = 0; rc == ERR_NONE && i < list.count; i++)
		if ((list.snapshots[i].flags & SNAPSHOT_CHECKPOINT) == 0)
			rc = look(s, tf, &list.snapshots[i], false, &e);
	status = ended(s, rc, &e);
	return status == EXITCODE_DONE && damages.count > 0 ? EXITCODE_DAMAGE
							    : status;
}

static int
run(struct cli *cli)
{
	OWNED(cli_repository_close) struct cli_repository repo = {0};
	OWNED(search_fini)
	struct search s = {.cli = cli, .pattern = cli->operands[0]};
	int status;

	if (*s.pattern == '\0')
		return cli_wrong_use(cli, "an empty pattern matches nothing");
	if (cli->operands_count > 1 && cli_has(cli, "service"))
		return cli_wrong_use(cli, "a snapshot or --service, not both");
	status = cli_repository_open(cli, STORE_READ, CLI_KEYS_NEEDED, &repo);
	if (status != EXITCODE_DONE)
		return status;
	return cli->operands_count > 1
	    ? find_in_one(&s, repo.store, cli->operands[1])
	    : find_in_all(&s, repo.store);
}

static const struct cli_option options[] =
    {{"long", 'l', NULL, "mode, owner, size and time as well"},
	{"every", 0, NULL, "also where a snapshot has the same as a newer one"},
	{"service", 0, "SERVICE", "in its snapshots only"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_find = {"find", "PATTERN [SNAPSHOT]",
    "find every version of what matches, in all snapshots", options, 1, 2, run};
