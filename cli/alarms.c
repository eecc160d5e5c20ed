/* bascule alarms: what is wrong, and who has seen it. */

#include <stdio.h>
#include <string.h>

#include "alarms.h"
#include "live.h"

const char *
alarms_about(struct wire_value *v)
{
	static char text[512];

	if (wire_has(v, "service") && wire_has(v, "subject"))
		snprintf(text, sizeof(text), "%s %s", live_text(v, "service"),
		    live_text(v, "subject"));
	else
		snprintf(text, sizeof(text), "%s",
		    live_text(v,
			wire_has(v, "service") ? "service" : "subject"));
	return text;
}

static const char *
state_of(struct wire_value *v)
{
	bool raised = wire_take_bool(v, "raised", true);
	bool seen = wire_take_bool(v, "acknowledged", false);

	return raised && !seen ? "stands"
	    : raised           ? "stands, seen"
	    : seen             ? "over, seen"
			       : "over";
}

static void
on_alarm(struct live *l, const char *type, struct wire_value *v)
{
	if (strcmp(type, "alarm") != 0)
		return;
	live_row(l, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", live_text(v, "alarm"),
	    live_text(v, "level"), live_text(v, "on"), alarms_about(v),
	    state_of(v), live_time(v, "since"), live_text(v, "by"),
	    live_text(v, "text"));
}

static int
run_alarms(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_alarm};
	struct wire_value *request = live_request(cli, "alarms");

	if (request == NULL ||
	    !live_table(&l,
		"ALARM\tLEVEL\tON\tABOUT\tSTATE\tSINCE\tSEEN BY\tWHAT")) {
		wire_free(&request);
		return EXITCODE_FAILED;
	}
	wire_add_text(request, "service", cli_value(cli, "service"));
	if (cli_has(cli, "all"))
		wire_add_bool(request, "all", true);
	return live_ask(&l, &request);
}

static const struct cli_option alarm_options[] =
    {{"all", 0, NULL, "those that are over and were seen, too"},
	{"service", 0, "S", "of one service, and those of none"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_alarms = {"alarms", "",
    "what is wrong or was and nobody has seen; the worst first", alarm_options,
    0, 0, run_alarms};

static void
on_acknowledged(struct live *l, const char *type, struct wire_value *v)
{
	(void)l;
	if (strcmp(type, "alarm") == 0)
		printf("%s is acknowledged by %s: %s\n", live_text(v, "alarm"),
		    live_text(v, "by"), live_text(v, "text"));
}

static int
run_ack(struct cli *cli)
{
	struct live l = {.cli = cli, .reply = on_acknowledged};
	struct wire_value *request = live_request(cli, "alarms ack");

	if (request == NULL)
		return EXITCODE_FAILED;
	wire_add_text(request, "alarm", cli->operands[0]);
	wire_add_text(request, "reason", cli_value(cli, "reason"));
	return live_ask(&l, &request);
}

static const struct cli_option ack_options[] =
    {{"reason", 0, "TEXT", "what is done about it, for the record"},
	{NULL, 0, NULL, NULL}};

const struct cli_command command_alarms_ack = {"alarms ack", "ID",
    "say that an alarm was seen: it is told no more", ack_options, 1, 1,
    run_ack};
