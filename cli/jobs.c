/* bascule jobs, job, cancel, run. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#include "live.h"

/* --- jobs ----------------------------------------------------------------- */

static void
what_of(struct wire_value *v, char out[256])
{
	snprintf(out, 256, "%s%s%s%s%s", live_text(v, "service"),
	    wire_has(v, "dataset") ? "/" : "",
	    wire_has(v, "dataset") ? live_text(v, "dataset") : "",
	    wire_has(v, "to_site")         ? " to "
		: wire_has(v, "from_site") ? " from "
					   : "",
	    wire_has(v, "to_site")         ? live_text(v, "to_site")
		: wire_has(v, "from_site") ? live_text(v, "from_site")
					   : "");
}

/* "move plan": what a move's worker is there for. */
static void
kind_of(struct wire_value *v, char out[96])
{
	snprintf(out, 96, "%s%s%s", live_text(v, "kind"),
	    wire_has(v, "act") ? " " : "",
	    wire_has(v, "act") ? live_text(v, "act") : "");
}

/* Why it is as it is; of an act that goes on, the step it is at. */
static const char *
reason_of(struct wire_value *v)
{
	bool is_at = *wire_take_text(v, "reason", "") == '\0' &&
	    wire_has(v, "act") && wire_has(v, "what");

	return live_text(v, is_at ? "what" : "reason");
}

static void
print_line(struct live *l, struct wire_value *v)
{
	char what[256], kind[96], at[NOW_TEXT_BYTES];
	const char *reason = reason_of(v);
	bool is_said = strcmp(reason, "-") != 0;

	what_of(v, what);
	kind_of(v, kind);
	printf("%s  %s  %s  %s  %s  %s%s%s\n",
	    cli_time(wire_take_utc(v, "ts", (struct utc){0}), at),
	    live_text(v, "job"), kind, what, live_text(v, "state"),
	    live_size(l, v, "bytes"), is_said ? "  " : "",
	    is_said ? reason : "");
}

static void
on_job(struct live *l, const char *type, struct wire_value *v)
{
	char what[256], kind[96];

	if (strcmp(type, "job") != 0)
		return;
	if (l->table == NULL) {
		print_line(l, v);
		return;
	}
	what_of(v, what);
	kind_of(v, kind);
	live_row(l, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", live_text(v, "job"), kind,
	    what, live_text(v, "state"),
	    live_time(v, wire_has(v, "started") ? "started" : "queued"),
	    live_span(v, "seconds"), live_size(l, v, "bytes"), reason_of(v));
}

static int
run_jobs(struct cli *cli)
{
	bool follow = cli_has(cli, "follow");
	const char *limit = cli_value(cli, "limit");
	struct live l = {.cli = cli, .reply = on_job, .patient = follow};
	struct wire_value *request;
	uint64_t n = 0;

	if (limit != NULL && !text_parse_u64(limit, 100000, &n))
		return cli_wrong_use(cli, "'%.40s' is no number", limit);
	request = live_request(cli, "jobs");
	if (request == NULL ||
	    (!follow &&
		!live_table(&l,
		    "JOB\tKIND\tOF\tSTATE\tBEGAN\tTOOK\tBYTES\tREASON"))) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	wire_add_text(request, "service", cli_value(cli, "service"));
	wire_add_text(request, "state", cli_value(cli, "state"));
	if (limit != NULL)
		wire_add_uint(request, "limit", n);
	if (follow)
		wire_add_bool(request, "follow", true);
	return live_ask(&l, &request);
}

static const struct cli_option jobs_options[] =
    {{"follow", 'f', NULL, "go on showing what changes"},
	{"service", 0, "S", "of one service"},
	{"state", 0, "STATE", "running, failed, skipped, ..."},
	{"limit", 'n', "N", "the newest N (default 50)"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_jobs = {"jobs", "",
    "what runs, waits and has ended", jobs_options, 0, 0, run_jobs};

/* --- job ------------------------------------------------------------------ */

static void
put(struct live *l, struct wire_value *v, const char *label, const char *value)
{
	(void)l;
	(void)v;
	if (strcmp(value, "-") != 0)
		printf("%-12s %s\n", label, value);
}

static void
put_legs(struct live *l, struct wire_value *v)
{
	struct wire_value *list = wire_take_list(v, "carried");

	for (size_t i = 0; list != NULL && i < wire_count(list); i++) {
		struct wire_value *leg = wire_at_object(list, i);
		const char *reason;

		if (leg == NULL)
			continue;
		reason = wire_take_text(leg, "reason", "");
		printf("%-12s %s by %s, %s to", i == 0 ? "carried" : "",
		    live_size(l, leg, "bytes"), live_text(leg, "link"),
		    live_time(leg, "from"));
		printf(" %s%s%s\n",
		    wire_has(leg, "until") ? live_time(leg, "until") : "now",
		    *reason != '\0' ? ": " : "",
		    *reason != '\0' ? live_text(leg, "reason") : "");
	}
}

static void
on_one(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "log") == 0) {
		printf("%s\n", live_text(v, "text"));
		return;
	}
	if (strcmp(type, "job") != 0)
		return;
	put(l, v, "job", live_text(v, "job"));
	put(l, v, "kind", live_text(v, "kind"));
	put(l, v, "act", live_text(v, "act"));
	put(l, v, "at", wire_has(v, "act") ? live_text(v, "what") : "-");
	put(l, v, "service", live_text(v, "service"));
	put(l, v, "dataset", live_text(v, "dataset"));
	put(l, v, "to site", live_text(v, "to_site"));
	put(l, v, "from site", live_text(v, "from_site"));
	put(l, v, "state", live_text(v, "state"));
	put(l, v, "reason", live_text(v, "reason"));
	put(l, v, "asked by", live_text(v, "trigger"));
	put(l, v, "queued", live_time(v, "queued"));
	put(l, v, "started", live_time(v, "started"));
	put(l, v, "ended", live_time(v, "ended"));
	put(l, v, "took", live_span(v, "seconds"));
	put(l, v, "bytes", live_size(l, v, "bytes"));
	put(l, v, "new bytes", live_size(l, v, "new_bytes"));
	put(l, v, "snapshot", live_text(v, "snapshot"));
	put_legs(l, v);
	if (wire_take_bool(v, "dry_run", false))
		puts("a dry run: it goes on, and would be stopped");
}

static int
ask_about(struct cli *cli, const char *cmd)
{
	struct live l = {.cli = cli, .reply = on_one};
	struct wire_value *request = live_request(cli, cmd);

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "job", cli->operands[0]);
	if (cli_has(cli, "log"))
		wire_add_bool(request, "log", true);
	live_add_dry_run(cli, request);
	return live_ask(&l, &request);
}

static int
run_job(struct cli *cli)
{
	return ask_about(cli, "job");
}

static const struct cli_option job_options[] = {{"log", 0, NULL,
						    "what it said, too"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_job = {"job", "ID", "one job", job_options, 1,
    1, run_job};

static int
run_cancel(struct cli *cli)
{
	return ask_about(cli, "cancel");
}

static const struct cli_option cancel_options[] =
    {{"dry-run", 'n', NULL, "only say which job would be stopped"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_cancel = {"cancel", "ID",
    "stop a job that runs or waits", cancel_options, 1, 1, run_cancel};
