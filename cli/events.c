/* bascule events: the ledger's records, as they come. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>
#include <bascule/ledger.h>
#include <bascule/wire.h>

#include "cli.h"
#include "when.h"

#define ANSWER_TIMEOUT_MS 30000
#define LIMIT_DEFAULT     50

/* --- one record ----------------------------------------------------------- */

static void
put(const char *lead, const char *text)
{
	if (text[0] == '\0')
		return;
	fputs(lead, stdout);
	cli_print_name(text, strlen(text));
}

static void
put_field(const char *lead, struct wire_value *v, const char *name)
{
	put(lead, wire_take_text(v, name, ""));
}

/* The value of one of the record's own fields; "" when it has none. */
static const char *
own_field(struct wire_value *list, const char *name)
{
	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *f = wire_at_object(list, i);

		if (f != NULL &&
		    strcmp(wire_take_text(f, "name", ""), name) == 0)
			return wire_take_text(f, "value", "");
	}
	return "";
}

/* A value's own bytes, escaped once. */
static void
put_value(struct wire_value *field)
{
	OWNED(buf_fini) struct buf value = {0};

	wire_take_path(field, "value", &value);
	putchar('=');
	cli_print_name(buf_text(&value), value.len_bytes);
}

static void
put_own_fields(struct wire_value *list)
{
	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *f = wire_at_object(list, i);
		const char *name =
		    f == NULL ? "state" : wire_take_text(f, "name", "");

		if (strcmp(name, "state") == 0)
			continue; /* stands in front */
		put("  ", name);
		put_value(f);
	}
}

static void
print_record(struct wire_value *v)
{
	struct wire_value *list = wire_take_list(v, "fields");
	struct wire_value *actor = wire_take_object(v, "actor");
	const char *phase = wire_take_text(v, "phase", "");
	char at[NOW_TEXT_BYTES];

	fputs(cli_time(wire_take_utc(v, "ts", (struct utc){0}), at), stdout);
	put_field("  ", v, "chain");
	printf("#%llu", (unsigned long long)wire_take_uint(v, "sequence", 0));
	put_field("  ", v, "record");
	if (strcmp(phase, "event") != 0)
		fputs(strcmp(phase, "intent") == 0 ? " begins" : " ends",
		    stdout);
	put(" ", own_field(list, "state"));
	put_field("  ", v, "service");
	put_field("/", v, "dataset");
	put_field("  ", v, "run");
	if (actor != NULL)
		put_field("  by ", actor, "name");
	put_own_fields(list);
	putchar('\n');
}

/* Takes *v. */
static int
show(struct cli *cli, struct wire_value **v)
{
	const char *type = wire_take_text(*v, "type", "");

	if (strcmp(type, "heartbeat") == 0) { /* for us: it is still there */
		wire_free(v);
		return EXITCODE_DONE;
	}
	if (cli->json)
		return cli_line(cli, v);
	if (strcmp(type, "record") == 0)
		print_record(*v);
	wire_free(v);
	return EXITCODE_DONE;
}

/* --- what was asked ------------------------------------------------------- */

struct asked {
	struct utc since, until;
	uint64_t limit;
};

static enum err_code
read_asked(struct cli *cli, struct asked *a, struct err *e)
{
	const char *limit = cli_value(cli, "limit");
	enum err_code rc = when_parse(cli_value(cli, "since"), &a->since, e);

	if (rc == ERR_NONE)
		rc = when_parse(cli_value(cli, "until"), &a->until, e);
	a->limit = a->since.ns == 0 && a->until.ns == 0 ? LIMIT_DEFAULT : 0;
	if (rc == ERR_NONE && limit != NULL &&
	    !text_parse_u64(limit, UINT32_MAX, &a->limit))
		return err_set(e, ERR_INPUT, "'%.40s' is no number of records",
		    limit);
	return rc;
}

/* --- from a database ------------------------------------------------------ */

struct shown {
	struct cli *cli;
	uint64_t count;
	uint64_t last_row;
	bool cannot_write; /* show() has said so */
};

static enum err_code
show_one(void *ctx, const struct record *r, struct err *e)
{
	struct shown *s = ctx;
	struct wire_value *v = NULL;
	enum err_code rc = record_to_wire(r, &v, e);

	if (rc != ERR_NONE)
		return rc;
	s->count++;
	s->last_row = r->row;
	s->cannot_write = show(s->cli, &v) != EXITCODE_DONE;
	return s->cannot_write ? err_set(e, ERR_IO, "cannot write") : ERR_NONE;
}

static int
say_summary(struct cli *cli, const struct shown *s)
{
	OWNED(wire_free) struct wire_value *v = NULL;
	struct err e;

	if (!cli->json)
		return EXITCODE_DONE;
	if (wire_new(&v, "summary", &e) != ERR_NONE)
		return cli_fail(cli, &e);
	wire_add_uint(v, "count", s->count);
	wire_add_uint(v, "row", s->last_row);
	return cli_line(cli, &v);
}

static int
from_file(struct cli *cli, const char *path, const struct asked *a)
{
	OWNED(ledger_close) struct ledger *l = NULL;
	struct ledger_filter f = {
	    .since = a->since,
	    .until = a->until,
	    .chain = cli_value(cli, "chain"),
	    .type = cli_value(cli, "type"),
	    .run = cli_value(cli, "run"),
	    .service = cli_value(cli, "service"),
	    .limit = a->limit,
	    .newest = true,
	};
	struct shown shown = {.cli = cli};
	enum err_code rc;
	struct err e;

	if (cli_has(cli, "follow"))
		return cli_wrong_use(cli,
		    "--follow asks the daemon: leave "
		    "--ledger out");
	rc = ledger_open_readonly(&l, path, &e);
	if (rc == ERR_NONE)
		rc = ledger_iterate(l, &f, show_one, &shown, &e);
	if (shown.cannot_write)
		return EXITCODE_FAILED;
	return rc == ERR_NONE ? say_summary(cli, &shown) : cli_fail(cli, &e);
}

/* --- from the daemon ------------------------------------------------------ */

static void
add_request(struct cli *cli, const struct asked *a, struct wire_value *v)
{
	wire_add_text(v, "cmd", "events");
	if (a->since.ns != 0)
		wire_add_utc(v, "since", a->since);
	if (a->until.ns != 0)
		wire_add_utc(v, "until", a->until);
	wire_add_text(v, "site", cli_value(cli, "site"));
	wire_add_text(v, "chain", cli_value(cli, "chain"));
	wire_add_text(v, "record", cli_value(cli, "type"));
	wire_add_text(v, "run", cli_value(cli, "run"));
	wire_add_text(v, "service", cli_value(cli, "service"));
	if (a->limit != 0)
		wire_add_uint(v, "limit", a->limit);
	if (cli_has(cli, "follow"))
		wire_add_bool(v, "follow", true);
}

static int
show_replies(struct cli *cli, struct wire_client *c)
{
	int timeout_ms = cli_has(cli, "follow") ? -1 : ANSWER_TIMEOUT_MS;

	for (;;) {
		OWNED(wire_free) struct wire_value *v = NULL;
		struct err e;
		int status;

		if (wire_client_next(c, timeout_ms, &v, &e) != ERR_NONE) {
			status = wire_client_exit_status(c);
			return status != 0 ? cli_fail_as(cli, &e, status)
					   : cli_fail(cli, &e);
		}
		if (v == NULL)
			return EXITCODE_DONE;
		status = show(cli, &v);
		fflush(stdout);
		if (status != EXITCODE_DONE)
			return status;
	}
}

static int
from_daemon(struct cli *cli, const struct asked *a)
{
	OWNED(wire_client_close) struct wire_client *c = NULL;
	OWNED(wire_free) struct wire_value *request = NULL;
	enum err_code rc;
	struct err e;

	rc = wire_client_open(&c, cli->socket, &e);
	if (rc == ERR_NONE)
		rc = wire_new(&request, NULL, &e);
	if (rc != ERR_NONE)
		return cli_fail(cli, &e);
	add_request(cli, a, request);
	rc = wire_client_ask(c, request, &e);
	return rc == ERR_NONE ? show_replies(cli, c) : cli_fail(cli, &e);
}

static int
run(struct cli *cli)
{
	const char *path = cli_value(cli, "ledger");
	struct asked a = {0};
	struct err e;

	if (read_asked(cli, &a, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	return path != NULL ? from_file(cli, path, &a) : from_daemon(cli, &a);
}

static const struct cli_option options[] =
    {{"follow", 'f', NULL, "go on showing what is recorded"},
	{"since", 0, "TIME", "from then on (2026-11-22, 7d); UTC"},
	{"until", 0, "TIME", "before then"},
	{"site", 0, "SITE", "of the other site, as far as it is held here"},
	{"chain", 0, "NAME", "of one council, or \"shared\""},
	{"type", 0, "TYPE", "job, point, exercise, step, ..."},
	{"run", 0, "ID", "of one job or exercise"},
	{"service", 0, "S", "of one service"},
	{"limit", 'n', "N", "at most the newest N (default 50 without a time)"},
	{"ledger", 0, "FILE", "read this database; no daemon needed"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_events = {"events", "",
    "what was recorded, oldest first", options, 0, 0, run};
