/* bascule actions, bascule exceptions: what somebody has promised, until when. */

#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#include "live.h"
#include "when.h"

static void
on_duty(struct live *l, const char *type, struct wire_value *v)
{
	bool action = strcmp(type, "action") == 0;
	const char *day = action ? "due" : "expires";

	if (!action && strcmp(type, "exception") != 0)
		return;
	live_row(l, "%s\t%s%s\t%s\t%s\t%s\t%s\t%s\t%s", live_text(v, "id"),
	    live_text(v, "status"),
	    action && wire_take_bool(v, "overdue", false) ? ", OVERDUE" : "",
	    live_time(v, day), live_text(v, "owner"), live_text(v, "council"),
	    live_text(v, "service"),
	    action ? live_text(v, "retest") : live_text(v, "about"),
	    live_text(v, "text"));
}

static int
list(struct cli *cli, const char *cmd, const char *heading)
{
	struct live l = {.cli = cli, .reply = on_duty};
	struct wire_value *request = live_request(cli, cmd);

	if (request == NULL || !live_table(&l, heading)) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	if (cli->operands_count > 0)
		wire_add_text(request, "service", cli->operands[0]);
	if (cli_has(cli, "all"))
		wire_add_bool(request, "all", true);
	return live_ask(&l, &request);
}

static int
run_actions(struct cli *cli)
{
	return list(cli, "actions",
	    "ACTION\tSTATUS\tDUE\tOWNER\tCOUNCIL\tSERVICE\tRETEST\tWHAT");
}

static int
run_exceptions(struct cli *cli)
{
	return list(cli, "exceptions",
	    "EXCEPTION\tSTATUS\tEXPIRES\tOWNER\tCOUNCIL\tSERVICE\tFROM\tWHY");
}

/* "30d" from now, or a day. */
static enum err_code
day_of(const char *text, struct utc *out, struct err *e)
{
	int64_t ns;
	struct err ignored;

	if (text_parse_duration(text, &ns, &ignored) != ERR_NONE)
		return when_parse(text, out, e);
	out->ns = now_utc().ns + ns;
	return ERR_NONE;
}

static void
on_said(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	if (strcmp(type, "action") == 0 || strcmp(type, "exception") == 0)
		printf("%s is %s: %s\n", live_text(v, "id"),
		    live_text(v, "status"), live_text(v, "text"));
}

static void
add_values(struct cli *cli, struct wire_value *request,
    const char *const *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = cli_value(cli, options[i]);
		char name[32];

		snprintf(name, sizeof(name), "%s", options[i]);
		for (char *at = name; *at != '\0'; at++)
			if (*at == '-')
				*at = '_';
		if (value != NULL)
			wire_add_text(request, name, value);
	}
}

/* A new one: what it is, whose, and until when. */
static int
begin(struct cli *cli, const char *cmd, const char *day_option)
{
	static const char *const options[] = {"owner", "council", "service",
	    "done-when", "run"};
	struct live l = {.cli = cli, .reply = on_said};
	bool exception = cli->operands_count == 2;
	struct wire_value *request;
	const char *day = cli_value(cli, day_option);
	struct utc due;
	struct err e;

	if (day == NULL || cli_value(cli, "owner") == NULL)
		return cli_wrong_use(cli, "--owner and --%s are needed",
		    day_option);
	if (day_of(day, &due, &e) != ERR_NONE)
		return cli_fail(cli, &e);
	request = live_request(cli, cmd);
	if (request == NULL)
		return EXITCODE_FAILED;
	if (exception)
		wire_add_text(request, "about", cli->operands[0]);
	wire_add_text(request, "text", cli->operands[exception ? 1 : 0]);
	wire_add_utc(request, "due", due);
	add_values(cli, request, options, exception ? 3 : COUNT_OF(options));
	return live_ask(&l, &request);
}

static int
run_actions_add(struct cli *cli)
{
	return begin(cli, "actions add", "due");
}

static int
run_exceptions_grant(struct cli *cli)
{
	return begin(cli, "exceptions grant", "expires");
}

static int
end(struct cli *cli, const char *cmd, const char *const *options, size_t count)
{
	struct live l = {.cli = cli, .reply = on_said};
	struct wire_value *request = live_request(cli, cmd);

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "id", cli->operands[0]);
	add_values(cli, request, options, count);
	return live_ask(&l, &request);
}

static int
run_actions_close(struct cli *cli)
{
	static const char *const options[] = {"evidence", "retest"};

	return end(cli, "actions close", options, COUNT_OF(options));
}

static int
run_exceptions_end(struct cli *cli)
{
	static const char *const options[] = {"reason"};

	return end(cli, "exceptions end", options, COUNT_OF(options));
}

static const struct cli_option list_options[] =
    {{"all", 0, NULL, "those that are over, too"}, {NULL, 0, NULL, NULL}};

const struct cli_command command_actions = {"actions", "[SERVICE]",
    "what is to be done, by whom and until when; overdue ones are alarms",
    list_options, 0, 1, run_actions};

const struct cli_command command_exceptions = {"exceptions", "[SERVICE]",
    "risks that somebody has taken, until when; never shown as a pass",
    list_options, 0, 1, run_exceptions};

static const struct cli_option add_options[] = {{"owner", 0, "NAME",
						    "who does it"},
    {"council", 0, "C", "for whom"}, {"service", 0, "S", "of which service"},
    {"due", 0, "WHEN", "2027-01-31, or 30d from now"},
    {"done-when", 0, "TEXT", "how to tell that it is done"},
    {"run", 0, "RUN", "the move or exercise it came of"},
    {NULL, 0, NULL, NULL}};

const struct cli_command command_actions_add = {"actions add", "TEXT",
    "something to be done", add_options, 1, 1, run_actions_add};

static const struct cli_option close_options[] =
    {{"evidence", 0, "TEXT", "what shows that it is done"},
	{"retest", 0, "RUN", "the run that tested it again: verified"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_actions_close = {"actions close", "ID",
    "an action is done; with a retest, verified", close_options, 1, 1,
    run_actions_close};

static const struct cli_option grant_options[] =
    {{"owner", 0, "NAME", "who answers for the risk"},
	{"council", 0, "C", "for whom"},
	{"service", 0, "S", "of which service; all"},
	{"expires", 0, "WHEN", "2027-01-31, or 30d from now; 400d at most"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_exceptions_grant = {"exceptions grant",
    "FROM REASON",
    "take a risk: FROM is a check of readiness (dns-ttl) or a control",
    grant_options, 2, 2, run_exceptions_grant};

static const struct cli_option end_options[] =
    {{"reason", 0, "TEXT", "why it is no longer needed"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_exceptions_end = {"exceptions end", "ID",
    "an exception is needed no more", end_options, 1, 1, run_exceptions_end};
