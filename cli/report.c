/* bascule report: what people and auditors read. */

#include "report.h"

#include <stdio.h>
#include <string.h>

#include "when.h"

static bool
is_format(const char *format)
{
	static const char *const formats[] = {"table", "csv", "json", "html"};

	for (size_t i = 0; i < COUNT_OF(formats); i++)
		if (strcmp(formats[i], format) == 0)
			return true;
	return false;
}

/* Whole pieces of what is to be shown as it is: the daemon has escaped what was
 * not its own. */
static void
on_piece(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	if (strcmp(type, "text") == 0)
		fputs(wire_take_text(v, "text", ""), stdout);
}

const char *
report_format(struct cli *cli, int *status)
{
	const char *format = cli_value(cli, "format");

	if (format == NULL)
		format = cli->json ? "json" : "table";
	if (!is_format(format)) {
		*status = cli_wrong_use(cli,
		    "'%.40s' is no format: table, csv, json or html", format);
		return NULL;
	}
	cli->json = strcmp(format, "json") == 0;
	return format;
}

int
report_ask(struct cli *cli, struct wire_value **request)
{
	struct live l = {.cli = cli, .reply = on_piece};
	int status = EXITCODE_FAILED;
	const char *format =
	    *request == NULL ? NULL : report_format(cli, &status);

	if (format == NULL) {
		wire_free(request);
		return status;
	}
	wire_add_text(*request, "format", format);
	return live_ask(&l, request);
}

static int
run_exercise(struct cli *cli)
{
	struct wire_value *request = live_request(cli, "report exercise");

	if (request != NULL)
		wire_add_text(request, "run", cli->operands[0]);
	return report_ask(cli, &request);
}

static const struct cli_option report_options[] = {{"format", 0, "FORMAT",
						       REPORT_FORMAT_HELP},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_report_exercise = {"report exercise", "ID",
    "everything about an exercise, a move, a restore drill or another job",
    report_options, 1, 1, run_exercise};

/* --- of a period ------------------------------------------------------------------- */

static int
run_period(struct cli *cli)
{
	struct wire_value *request;
	struct utc since, until, as_of;
	struct err e;
	int status;

	if (!when_as_of(cli, &as_of, &status))
		return status;
	if (when_parse(cli_value(cli, "since"), &since, &e) != ERR_NONE ||
	    when_parse(cli_value(cli, "until"), &until, &e) != ERR_NONE)
		return cli_wrong_use(cli, "%s", e.text);
	request = live_request(cli, "report");
	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "kind", strchr(cli->command->name, ' ') + 1);
	wire_add_text(request, "service", cli_value(cli, "service"));
	if (since.ns != 0)
		wire_add_utc(request, "since", since);
	if (until.ns != 0)
		wire_add_utc(request, "until", until);
	if (as_of.ns != 0)
		wire_add_utc(request, "as_of", as_of);
	return report_ask(cli, &request);
}

static const struct cli_option period_options[] = {{"service", 0, "S",
						       "of this service alone"},
    {"since", 0, "T", "from then on: 2026-11-22, or 30d (ago)"},
    {"until", 0, "T", "up to then"}, {"as-of", 0, "TIME", WHEN_AS_OF_HELP},
    {"format", 0, "FORMAT", REPORT_FORMAT_HELP}, {NULL, 0, NULL, NULL}};

const struct cli_command command_report_rpo = {"report rpo", "",
    "when each service's RPO held, and when not", period_options, 0, 0,
    run_period};
const struct cli_command command_report_points = {"report points", "",
    "the recovery points there were, and their proof", period_options, 0, 0,
    run_period};
const struct cli_command command_report_links = {"report links", "",
    "when each link was up", period_options, 0, 0, run_period};
const struct cli_command command_report_changes = {"report changes", "",
    "what people, policies and moves changed", period_options, 0, 0,
    run_period};
const struct cli_command command_report_controls = {"report controls", "",
    "which evidence supports which control", period_options, 0, 0, run_period};
